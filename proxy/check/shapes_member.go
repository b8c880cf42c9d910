package check

import (
	"context"
	"net/http"
	"slices"

	"github.com/google/uuid"
)

// memberShape is one form of Entra's PATCHes of a group's members.
type memberShape struct {
	name, like string
	// adds tells that it adds a member; otherwise it removes one.
	adds bool
	of   func(id string) operation
}

// memberShapes begin with the user as a member, and change that each.
var memberShapes = []memberShape{
	{"Remove member by value", `{"op":"Remove","path":"members","value":[{"value":"…"}]}`, false,
		func(id string) operation { return operation{Op: "Remove", Path: "members", Value: listed(id)} }},
	{"Add member", `{"op":"Add","path":"members","value":[{"value":"…"}]}`, true,
		func(id string) operation { return operation{Op: "Add", Path: "members", Value: listed(id)} }},
	{"remove member by filter", `{"op":"remove","path":"members[value eq \"…\"]"}`, false, removal},
	{"add member", `{"op":"add","path":"members","value":[{"value":"…"}]}`, true, addition},
}

// addition and removal are as RFC 7644 section 3.5.2 has them.
func addition(id string) operation {
	return operation{Op: "add", Path: "members", Value: listed(id)}
}

func removal(id string) operation {
	return operation{Op: "remove", Path: "members[value eq " + string(encoded(id)) + "]"}
}

func listed(id string) []any { return []any{map[string]any{"value": id}} }

// isMember reports whether a group has a member.
func isMember(group message, id string) bool {
	list, _ := group.get("members").([]any)
	return slices.ContainsFunc(list, func(element any) bool {
		object, _ := element.(map[string]any)
		return element == any(id) || scalar(object, "value") == id
	})
}

// memberShape sends one shape, and looks whether it took.
func (c *check) memberShape(ctx context.Context, s memberShape) Finding {
	id := c.written.user.known()
	if id == "" {
		return Finding{Status: Skip, Found: "needs create user"}
	}
	finding := c.climb(ctx, func(w way) outcome { return c.enroll(ctx, s, w, id) })
	return finding.about(s.like)
}

// enroll adds or removes the user in one way, and looks whether it took.
func (c *check) enroll(ctx context.Context, s memberShape, w way, id string) outcome {
	if bad := c.bring(ctx, id, !s.adds); bad != nil {
		return outcome{bad: *bad, final: true}
	}
	t := &c.written.group
	if !s.adds {
		// Somebody who is not in the group: who is must stay. What it answers does
		// not matter, as Entra does not ask for it.
		nobody, bad := c.patchMembers(ctx, w, s.of(uuid.NewString()), func(message) bool { return true })
		if bad.Status == "" && !isMember(nobody.now, id) {
			bad = Finding{Status: Fail, Found: "removes everybody from the group, whoever is to be removed",
				Remedy: "have the backend remove only who is named"}
			return outcome{answer: nobody.answer, bad: bad}
		}
		if bad.Status != "" && nobody.lost {
			return nobody.outcome
		}
	}
	o, bad := c.patchMembers(ctx, w, s.of(id), func(now message) bool { return isMember(now, id) == s.adds })
	if bad.Status == "" && isMember(o.now, id) != s.adds {
		bad = ineffective("answered with success, and changed nothing")
	}
	if o.bad = bad; bad.Status != "" && o.status < http.StatusBadRequest {
		t.forget()
	}
	return o.outcome
}

// membership is what a change of the members led to.
type membership struct {
	outcome
	now message
}

// patchMembers changes the members in one way, and reads them.
func (c *check) patchMembers(ctx context.Context, w way, change operation, should func(message) bool) (m membership, bad Finding) {
	t := &c.written.group
	t.forget()
	m.outcome = c.send(ctx, w, http.MethodPatch, t.target(), newPatch(change))
	if m.bad.Status != "" {
		return m, m.bad
	}
	if m.now, bad = c.settled(ctx, t, should); bad.Status != "" {
		m.bad, m.final = bad, true
	}
	return m, bad
}

// bring makes the user a member, or not, in whichever way works. The finding says
// why it could not.
func (c *check) bring(ctx context.Context, id string, in bool) *Finding {
	now, bad := c.look(ctx, &c.written.group)
	if bad.Status != "" {
		return &bad
	}
	if isMember(now, id) == in {
		return nil
	}
	change := removal(id)
	if in {
		change = addition(id)
	}
	as := func(now message) bool { return isMember(now, id) == in }
	for _, w := range c.ladder() {
		m, bad := c.patchMembers(ctx, w, change, as)
		if bad.Status == "" && as(m.now) {
			return nil
		}
		if m.final || ctx.Err() != nil {
			break
		}
	}
	return &Finding{Status: Skip, Found: "the group cannot be given the members that this begins with"}
}
