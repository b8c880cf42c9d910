package entra

import "net/http"

// groupSteps ends with the manager and the user in the group. Entra never reads
// a membership back as a whole.
func (c *Client) groupSteps(staff group) []step {
	staff = c.posted(staff)
	renamed := staff
	renamed.DisplayName = "Contoso Engineering and Analysis"
	dialect := c.tenant.dialect
	add := operation{Op: dialect.add, Path: "members", Value: []any{c.member("{user}")}}
	replace := operation{Op: dialect.replace, Path: "members", Value: []any{c.member("{user}")}}
	return []step{
		{
			name: lookUpGroup, after: []string{probeGroups}, method: http.MethodGet, path: "/Groups",
			query: equals("members", "displayName", staff.DisplayName), want: wantOK, judge: matches("", nil),
		},
		create(createGroup, lookUpGroup, "/Groups", "group", staff),
		groupChange(addMembers, createPeer, newPatch(operation{
			Op: dialect.add, Path: "members", Value: []any{c.member("{manager}"), c.member("{colleague}")},
		})),
		readGroup("read group", createGroup, staff),
		groupChange(renameGroup, createGroup, c.patchWith(change{path: "displayName", value: renamed.DisplayName})),
		readGroup("read renamed group", renameGroup, renamed),
		{
			name: addMember, after: []string{createUser, addMembers}, method: http.MethodPatch, path: "/Groups/{group}",
			body: newPatch(add), leaked: newPatch(replace), want: wantGroupPatched,
		},
		groupChange(removeMember, addMembers, newPatch(dialect.removeMember("{colleague}", c.member("{colleague}")))),
		isMember("the member removed is gone", "{colleague}", ""),
		isMember("the first member stays", "{manager}", "group"),
		isMember("the third member stays", "{user}", "group"),
	}
}

// posted is a group as it is created.
func (c *Client) posted(g group) group {
	if c.options.LegacyGroupSchema {
		g.Schemas = append(g.Schemas, legacyGroupSchema)
		g.Members = nil
	}
	return g
}

// member is an element of members for the user with an id, or for the one that
// is kept under a {key}.
func (c *Client) member(id string) any {
	if c.options.MemberRefNull {
		return memberRefNull{Value: id}
	}
	return member{Value: id}
}

func groupChange(name, after string, body patch) step {
	return step{
		name: name, after: []string{createGroup, after}, method: http.MethodPatch, path: "/Groups/{group}",
		body: body, want: wantGroupPatched,
	}
}

func readGroup(name, after string, now group) step {
	return step{
		name: name, after: []string{after}, method: http.MethodGet, path: "/Groups/{group}",
		query: excludes("members"), want: wantOK, judge: without("members", isResource("group", now)),
	}
}

// isMember asks for the group only if somebody is in it: found is the group's
// key, or empty.
func isMember(name, member, found string) step {
	return step{
		name: name, after: []string{removeMember}, method: http.MethodGet, path: "/Groups",
		query: refers("{group}", "members", member), want: wantOK, judge: matches(found, nil),
	}
}
