package check

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/google/uuid"

	"example.com/entra-scim-proxy/proxy/scim"
)

// withoutMembers is how Entra asks for groups.
// https://learn.microsoft.com/answers/questions/923479
const withoutMembers = "excludedAttributes=members"

// excludedMembers looks for members where Entra asks to leave them out.
func (q *quality) excludedMembers(ctx context.Context) Finding {
	seen := q.look()
	switch {
	case q.StubGroups:
		return stubbed
	case seen.groupID == "":
		return noGroup
	}
	ask := func(target string) func() []Finding {
		return func() []Finding {
			_, findings := q.judge(ctx, target, answered(Fail, "a group without its members", http.StatusOK), []trait{membersTrait})
			return findings
		}
	}
	finding := merged(together(
		ask("/Groups?"+withoutMembers+"&"+equals("displayName", seen.groupName)),
		ask("/Groups/"+url.PathEscape(seen.groupID)+"?"+withoutMembers),
	))
	if finding.Status == Pass && !seen.groupHasMembers && !strings.Contains(finding.Rules, scim.ExcludedMembers.String()) {
		return noGroup // that shows none proves nothing
	}
	return finding
}

// filters looks for the user and the group by name, as Entra matches.
func (q *quality) filters(ctx context.Context) Finding {
	seen := q.look()
	if seen.userID == "" {
		return noUser
	}
	user := matching{"userName", "user", "/Users?", seen.userID, seen.userName}
	parts := q.exactly(ctx, user)
	if other := swapCase(user.name); other != user.name {
		parts = append(parts, q.match(ctx, user, other, user.anyCase()))
	}
	if seen.groupID != "" && !q.StubGroups {
		group := matching{"displayName", "group", "/Groups?" + withoutMembers + "&", seen.groupID, seen.groupName}
		parts = append(parts, q.exactly(ctx, group)...)
	}
	findings := together(parts...)
	failed := func(f Finding) bool { return f.Status == Fail }
	if slices.ContainsFunc(findings, failed) {
		// What does not find a name says nothing of its case.
		findings = slices.DeleteFunc(findings, func(f Finding) bool { return !failed(f) })
	}
	return merged(findings)
}

// exactly judges that a name finds its resource, and the beginning of the name
// does not.
func (q *quality) exactly(ctx context.Context, m matching) []func() []Finding {
	parts := []func() []Finding{q.match(ctx, m, m.name, m.once())}
	if letters := []rune(m.name); len(letters) > 1 {
		parts = append(parts, q.match(ctx, m, string(letters[:len(letters)-1]), m.whole()))
	}
	return parts
}

// match judges what a name finds.
func (q *quality) match(ctx context.Context, m matching, name string, want trait) func() []Finding {
	return func() []Finding {
		_, findings := q.judge(ctx, m.path+equals(m.attribute, name), answered(Fail, "a filter on "+m.attribute, http.StatusOK), []trait{want})
		return findings
	}
}

// matching is a resource that Entra looks for by name.
type matching struct{ attribute, what, path, id, name string }

// matches are the resources found, and whether the one looked for is among them.
func (m matching) matches(list message) (found []message, included bool) {
	found = list.objects("Resources")
	for _, resource := range found {
		included = included || resource.id() == m.id
	}
	return found, included
}

// once is the trait that a name finds its resource and no other.
func (m matching) once() trait {
	return trait{status: Fail, remedy: "have filters with eq on " + m.attribute + " find what is equal and nothing else", wrong: onMessage(func(list message) string {
		found, included := m.matches(list)
		switch {
		case !included:
			return "a filter on " + m.attribute + " does not find a " + m.what + " that there is, and so Entra would create it again"
		case len(found) == 1:
			return ""
		}
		for _, resource := range found {
			if !strings.EqualFold(resource.text(m.attribute), m.name) {
				return "a filter with eq on " + m.attribute + " finds others, too, and Entra takes no more than one match"
			}
		}
		return "several have the same " + m.attribute + ", and Entra takes no more than one match"
	})}
}

// whole is the trait that a part of a name does not find the resource.
func (m matching) whole() trait {
	return trait{status: Fail, remedy: "have filters with eq on " + m.attribute + " compare whole values", wrong: onMessage(func(list message) string {
		if _, included := m.matches(list); included {
			return "a filter with eq on " + m.attribute + " finds a " + m.what + " by a part of it, and so Entra would take one for another"
		}
		return ""
	})}
}

// anyCase is the trait that a name finds its resource whatever its case (RFC 7643
// section 4.1.1).
func (m matching) anyCase() trait {
	return trait{status: Warn, remedy: "have the backend compare " + m.attribute + " without regard to case", wrong: onMessage(func(list message) string {
		if _, included := m.matches(list); !included {
			return "filters on " + m.attribute + " tell upper from lower case, and so Entra would create those again whom it spells otherwise"
		}
		return ""
	})}
}

// swapCase turns the case of ASCII letters: that of others is a matter of locale.
func swapCase(text string) string {
	return strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
			return r ^ 0x20
		}
		return r
	}, text)
}

// notFound asks for a user that there is not.
func (q *quality) notFound(ctx context.Context) Finding {
	// Entra asks for ids only that the backend gave: where they are no GUIDs, an
	// odd answer may be about the form.
	status, remedy := Fail, "have the backend answer 404 for an id that it does not know, so that Entra looks for the user anew"
	if uuid.Validate(q.look().userID) != nil {
		status, remedy = Warn, "look what the backend answers to an id of the form that it makes; Entra expects 404"
	}
	base := trait{status: status, remedy: remedy, wrong: func(got answer) string {
		if got.status == http.StatusNotFound {
			return ""
		}
		return answered(Fail, "an unknown id", http.StatusNotFound).wrong(got)
	}}
	_, findings := q.judge(ctx, unknownUser(), base, errorTraits)
	return merged(findings)
}

// resources looks at a user and a group by id.
func (q *quality) resources(ctx context.Context) Finding {
	seen := q.look()
	if seen.userID == "" {
		return noUser
	}
	parts := []func() []Finding{func() []Finding {
		traits := append(q.resourceTraits("a user", userSchema, "userName"), userTraits...)
		_, findings := q.judge(ctx, "/Users/"+url.PathEscape(seen.userID), answered(Fail, "a user's id", http.StatusOK), traits)
		return findings
	}}
	if seen.groupID != "" && !q.StubGroups {
		parts = append(parts, func() []Finding {
			traits := q.resourceTraits("a group", groupSchema, "displayName")
			target := "/Groups/" + url.PathEscape(seen.groupID) + "?" + withoutMembers
			_, findings := q.judge(ctx, target, answered(Fail, "a group's id", http.StatusOK), traits)
			return findings
		})
	}
	return merged(together(parts...))
}
