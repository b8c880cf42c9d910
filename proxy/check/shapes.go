package check

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// shape is one form of Entra's PATCHes. Entra writes operations in Pascal case
// with a path each, booleans as strings and a removed member as a value; with the
// flag aadOptscim062020, in lower case, attributes together without a path,
// booleans as such, and a removed member as a filter.
// https://learn.microsoft.com/entra/identity/app-provisioning/application-provisioning-config-problem-scim-compatibility
type shape struct {
	name string
	// like is what goes out, for people, with an ellipsis for what is variable.
	like string
	op   string
	// attributes are set to new values: each by its path, or, if there are
	// several, together without one.
	attributes []attribute
	// keeps reads an attribute that the user was created with: a backend that
	// does not have it will not have these either. nil asks for none.
	keeps func(message) string
	// value makes of an attribute's old value what is sent, and how it reads
	// afterwards; nil takes a new text.
	value func(t *creation, old string) (send any, read string)
	// allowance, if not empty, says why the backend may be right not to take it
	// in any way.
	allowance string
}

// userShapes change the user. They begin with active, which is how Entra takes
// somebody's access away.
var userShapes = []shape{
	{name: "active as string", like: `{"op":"Replace","path":"active","value":"False"}`, op: "Replace",
		attributes: []attribute{active}, keeps: active.read, value: activeString},
	{name: "active as boolean", like: `{"op":"replace","path":"active","value":true}`, op: "replace",
		attributes: []attribute{active}, keeps: active.read, value: activeBoolean},
	{name: "Replace", like: `{"op":"Replace","path":"displayName","value":"…"}`, op: "Replace", attributes: []attribute{userTitle}},
	{name: "Add", like: `{"op":"Add","path":"title","value":"…"}`, op: "Add", attributes: []attribute{title}, keeps: title.read},
	{name: "filtered path", like: `{"op":"Replace","path":"emails[type eq \"work\"].value","value":"…"}`, op: "Replace",
		attributes: []attribute{workEmail}},
	{name: "missing, with Add", like: `{"op":"Add","path":"phoneNumbers[type eq \"fax\"].value","value":"…"}`, op: "Add",
		attributes: []attribute{faxNumber}, keeps: workPhone.read},
	{name: "missing, with Replace", like: `{"op":"Replace","path":"phoneNumbers[type eq \"mobile\"].value","value":"…"}`, op: "Replace",
		attributes: []attribute{mobilePhone}, keeps: workPhone.read},
	{name: "enterprise", like: `{"op":"Replace","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department","value":"…"}`,
		op: "Replace", attributes: []attribute{department}, keeps: department.read},
	{name: "without a path", like: `{"op":"replace","value":{"displayName":"…","name.givenName":"…"}}`, op: "replace",
		attributes: []attribute{userTitle, givenName}, keeps: givenName.read},
	{name: "enterprise, no path", like: `{"op":"replace","value":{"displayName":"…","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department":"…"}}`,
		op: "replace", attributes: []attribute{userTitle, department}, keeps: department.read},
	{name: "manager as string", like: `{"op":"Add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager","value":"…"}`,
		op: "Add", attributes: []attribute{manager}, keeps: department.read, value: ownManager,
		allowance: "and the user may not be its own manager, which is what was tried"},
}

// groupName changes a group's name.
var groupName = shape{
	name: "group name", like: `{"op":"Replace","path":"displayName","value":"…"}`, op: "Replace",
	attributes: []attribute{{path: "displayName", read: under("displayName")}},
	value: func(t *creation, _ string) (any, string) {
		name, _, _ := strings.Cut(t.called(), " ")
		name = fmt.Sprintf("%s %d", name, t.next())
		return name, name
	},
}

// activeString is the other value of active, as a string.
func activeString(_ *creation, old string) (any, string) {
	if strings.EqualFold(old, "true") {
		return "False", "false"
	}
	return "True", "true"
}

// activeBoolean is the other value of active.
func activeBoolean(_ *creation, old string) (any, string) {
	if strings.EqualFold(old, "true") {
		return false, "false"
	}
	return true, "true"
}

// ownManager is the user: there is nobody else whom the run may write about.
func ownManager(t *creation, _ string) (any, string) { return t.known(), t.known() }

// patchSchema is that of a PATCH, RFC 7644 section 8.2.
const patchSchema = "urn:ietf:params:scim:api:messages:2.0:PatchOp"

// operation is one of a PATCH, RFC 7644 section 3.5.2.
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path,omitempty"`
	Value any    `json:"value,omitempty"`
}

func newPatch(operations ...operation) []byte {
	return encoded(map[string]any{"schemas": []string{patchSchema}, "Operations": operations})
}

// qualityNames are those of the steps of qualitySteps, which judge what shapes
// change.
var qualityNames = []string{"content type", "list", "excludedAttributes", "filter", "not found", "resources"}

// shapeSteps change the user and the group, each one change after the other, and
// delete both.
func (c *check) shapeSteps() (steps []step) {
	before := append([]string{"create user", "create group"}, qualityNames...)
	last := map[*creation]string{}
	add := func(t *creation, name string, run func(context.Context) Finding) {
		after := before
		if last[t] != "" {
			after = append(slices.Clone(before), last[t])
		}
		last[t] = "shape " + name
		steps = append(steps, step{name: last[t], after: after, limit: writeLimit, run: func(ctx context.Context) Finding {
			if t.known() == "" {
				return Finding{Status: Skip, Found: "needs create " + t.kind}
			}
			return run(ctx)
		}})
	}
	user, group := &c.written.user, &c.written.group
	for _, s := range userShapes {
		add(user, s.name, func(ctx context.Context) Finding { return c.shape(ctx, user, s) })
	}
	if !c.StubGroups {
		// A disabled user may not become a member.
		last[group] = "shape active as boolean"
		for _, s := range memberShapes {
			add(group, s.name, func(ctx context.Context) Finding { return c.memberShape(ctx, s) })
		}
		add(group, groupName.name, func(ctx context.Context) Finding { return c.shape(ctx, group, groupName) })
	}
	names := slices.Clone(before)
	for _, s := range steps {
		names = append(names, s.name)
	}
	return append(steps, step{name: "delete", after: names, always: true, limit: grace, run: c.cleanUp})
}

// shape sends one shape, and looks whether it took.
func (c *check) shape(ctx context.Context, t *creation, s shape) Finding {
	now, bad := c.look(ctx, t)
	if bad.Status != "" {
		return bad
	}
	if s.keeps != nil && s.keeps(now) == "" {
		return Finding{Status: Skip, Found: "the backend does not keep such an attribute"}
	}
	refusals := 0
	finding := c.climb(ctx, func(w way) outcome {
		o := c.change(ctx, t, s, w)
		if o.bad.Status == Fail && o.status >= http.StatusBadRequest {
			refusals++
		}
		return o
	})
	if s.allowance != "" && finding.Status == Fail && finding.Rules == "" && refusals > 0 {
		return Finding{Status: Skip, Found: finding.Found + ", " + s.allowance}
	}
	return finding.about(s.like)
}

// about adds what was sent to a finding that is of interest.
func (f Finding) about(like string) Finding {
	if f.Status != Pass && f.Status != Skip {
		f.Details = append(f.Details, "sent: "+like)
	}
	return f
}

// change sends a shape in one way, and looks whether it took.
func (c *check) change(ctx context.Context, t *creation, s shape, w way) outcome {
	now, bad := c.look(ctx, t)
	if bad.Status != "" {
		return outcome{bad: bad, final: true}
	}
	operations, wanted := s.operations(t, now)
	t.forget()
	o := c.send(ctx, w, http.MethodPatch, t.target(), newPatch(operations))
	if o.bad.Status != "" {
		return o
	}
	took := 0
	_, bad = c.settled(ctx, t, func(now message) bool {
		took = 0
		for i, a := range s.attributes {
			if alike(a.read(now), wanted[i]) {
				took++
			}
		}
		return took == len(wanted) || o.line.dropped
	})
	switch {
	case bad.Status != "":
		o.bad, o.final = bad, true
	case took == len(wanted) && t.kind == "group":
		t.rename(wanted[0])
	case took == len(wanted), o.line.dropped: // what it was told to leave out
	case took == 0:
		o.bad = ineffective("answered with success, and changed nothing")
	default:
		o.bad = ineffective("answered with success, and changed only a part of what it should")
	}
	return o
}

// ineffective is the finding for a success that was none.
func ineffective(found string) Finding {
	return Finding{Status: Fail, Found: found, Remedy: remedyShape}
}

// rename notes a new name.
func (t *creation) rename(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.name = name
}

// operations are those of a shape, and the values that its attributes are to have
// then.
func (s shape) operations(t *creation, now message) (one operation, wanted []string) {
	values := map[string]any{}
	for _, a := range s.attributes {
		var send any
		var read string
		if s.value != nil {
			send, read = s.value(t, a.read(now))
		} else {
			read = a.another(t)
			send = read
		}
		values[a.path] = send
		wanted = append(wanted, read)
	}
	if len(s.attributes) > 1 {
		return operation{Op: s.op, Value: values}, wanted
	}
	path := s.attributes[0].path
	return operation{Op: s.op, Path: path, Value: values[path]}, wanted
}
