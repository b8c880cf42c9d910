package entra

import "example.com/entra-scim-proxy/lab/directory"

// expectation is what one object at the endpoint should be.
type expectation struct {
	link *link
	wish wish
	// manager is the id of the manager; empty expects nothing.
	manager string
	// in and out are the ids of members there should, and should not, be, with
	// their names.
	in, out map[string]string
}

// userExpectations are for the users of the directory and for those that were
// in it. The job's links are not changed.
func (c *comparison) userExpectations() []expectation {
	var list []expectation
	for _, id := range c.options.Directory.Users() {
		u, ok := c.options.Directory.User(id)
		if !ok {
			continue
		}
		e := expectation{link: &link{objectID: id, name: u.UserPrincipalName}}
		if l := c.users[id]; l != nil {
			e.link = l
		}
		values := c.mapping.userValues(u)
		e.wish = c.policy.user(e.link.wish, u, values, c.options.Directory.InScope(id), e.link.id != "")
		if e.wish.presence == unknown {
			e.wish.values = values // to look for it by
		}
		e.manager = c.expectedManager(e, u)
		list = append(list, e)
	}
	changes, _ := c.options.Directory.Changes(0)
	for _, gone := range changes.PurgedUsers {
		if l := c.users[gone.ObjectID]; l != nil && l.wish.presence != left {
			list = append(list, expectation{link: l, wish: c.policy.purged(l.wish, gone, l.id != "")})
		} else if l != nil {
			list = append(list, expectation{link: l, wish: l.wish})
		}
	}
	return list
}

// gone are expectations for what the job deleted.
func (c *comparison) gone(kind string) []expectation {
	var list []expectation
	for id, was := range c.deleted {
		if was.family.name == kind {
			list = append(list, expectation{link: &link{id: id, name: was.name}, wish: wish{presence: removed}})
		}
	}
	return list
}

// expectedManager is the manager of the directory, or the last one that was
// written: to have none any more is not propagated.
func (c *comparison) expectedManager(e expectation, u directory.User) string {
	if !c.mapping.manager || e.link.id == "" {
		return ""
	}
	if m := c.users[u.Manager]; !e.wish.frozen && m != nil && m.id != "" {
		return m.id
	}
	return e.link.managerID
}

// groupExpectations is userExpectations for groups.
func (c *comparison) groupExpectations() []expectation {
	if c.options.UsersOnly {
		return nil
	}
	var list []expectation
	for _, id := range c.options.Directory.Groups() {
		g, ok := c.options.Directory.Group(id)
		if !ok {
			continue
		}
		e := expectation{link: &link{objectID: id, name: g.DisplayName}}
		if l := c.groups[id]; l != nil {
			e.link = l
		}
		e.wish = c.policy.group(e.link.wish, groupValues(g), c.options.Directory.InScope(id), e.link.id != "")
		if e.wish.presence == unknown {
			e.wish.values = groupValues(g)
		}
		e.in, e.out = c.expectedMembers(e)
		list = append(list, e)
	}
	changes, _ := c.options.Directory.Changes(0)
	for _, gone := range changes.DeletedGroups {
		if l := c.groups[gone.ObjectID]; l != nil {
			e := expectation{link: l, wish: l.wish}
			if l.wish.presence != left {
				e.wish = c.policy.deletedGroup(l.wish, gone, l.id != "")
			}
			e.in, e.out = c.expectedMembers(e)
			list = append(list, e)
		}
	}
	return list
}

// expectedMembers are the members of the directory who are linked, and those who
// were members. Who is out of scope, or in the recycle bin, is a member if that
// was written before.
func (c *comparison) expectedMembers(e expectation) (in, out map[string]string) {
	in, out = map[string]string{}, map[string]string{}
	members := map[string]bool{}
	if e.wish.frozen { // as it was left
		for member, took := range e.link.members {
			members[member] = took != ""
		}
	} else {
		for _, member := range c.options.Directory.Members(e.link.objectID) {
			members[member] = true
		}
	}
	for id := range e.link.members {
		if !members[id] {
			members[id] = false
		}
	}
	for id, member := range members {
		u := c.users[id]
		if _, lives := c.options.Directory.User(id); !lives || u == nil || u.id == "" || u.wish.presence != present {
			continue // a membership ends with the user
		}
		switch {
		case !member:
			out[u.id] = u.name
		case e.link.members[id] == u.id || !u.wish.frozen && !e.wish.frozen:
			in[u.id] = u.name
		}
	}
	return in, out
}
