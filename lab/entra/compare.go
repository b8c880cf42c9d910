package entra

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// The kinds of Difference.
const (
	// DiffMissing: an object does not exist at the endpoint, but should.
	DiffMissing = "missing"
	// DiffSurplus: it exists, but should not, or it exists twice.
	DiffSurplus = "surplus"
	// DiffValue: an attribute has another value; active and manager, too.
	DiffValue = "value"
	// DiffMemberMissing and DiffMemberSurplus: somebody is not in a group, or is.
	DiffMemberMissing = "member missing"
	DiffMemberSurplus = "member surplus"
	// DiffUnreadable: it could not be found out.
	DiffUnreadable = "unreadable"
)

// Difference is one way in which the endpoint is not what the directory, and the
// rules of provisioning, want it to be.
type Difference struct {
	// Kind is one of the constants above.
	Kind string `json:"kind"`
	// Object is a userPrincipalName or displayName.
	Object string `json:"object"`
	// ObjectID is its id in the directory, and ID the one at the endpoint, if
	// it is known.
	ObjectID string `json:"objectId,omitempty"`
	ID       string `json:"id,omitempty"`
	// Attribute is the path of an attribute, or who the member is.
	Attribute string `json:"attribute,omitempty"`
	// Want and Got are values as JSON; Got is the reason of what is unreadable.
	Want string `json:"want,omitempty"`
	Got  string `json:"got,omitempty"`
}

// String is the difference on one line.
func (d Difference) String() string {
	parts := []string{d.Kind + ": " + d.Object}
	for _, part := range [][2]string{{"", d.Attribute}, {"want ", d.Want}, {"got ", d.Got}} {
		if part[1] != "" {
			parts = append(parts, part[0]+part[1])
		}
	}
	return strings.Join(parts, ", ")
}

// Compare reads every object at the endpoint that the job ever linked, or should
// have, and holds it against the directory as it is now. What Entra leaves alone
// by its own rules is no difference: an attribute that was cleared, a user who
// was unassigned and stays, inactive; nor is what somebody else added. What
// cannot be read is a difference of its own kind. The list is sorted by object;
// the error is the context's.
//
// It reads as any SCIM client does, by id and with all attributes; only where a
// group never shows its members does it ask for them one by one.
func (j *Job) Compare(ctx context.Context) ([]Difference, error) {
	release, err := j.take(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	c := &comparison{round: j.round(j.client.tenant.dialect), byID: map[string]*link{}}
	for _, u := range j.users {
		c.byID[u.id] = u
	}
	users, groups := append(c.userExpectations(), c.gone("user")...), append(c.groupExpectations(), c.gone("group")...)
	each(ctx, j.options.Parallel, users, func(e expectation) { c.compare(ctx, c.userFamily(), e) })
	each(ctx, j.options.Parallel, groups, func(e expectation) { c.compare(ctx, c.groupFamily(), e) })
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("entra: the comparison was interrupted: %w", err)
	}
	slices.SortFunc(c.found, func(a, b Difference) int {
		return cmp.Or(cmp.Compare(a.Object, b.Object), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Attribute, b.Attribute))
	})
	return c.found, nil
}

// comparison is a Compare at work.
type comparison struct {
	*round
	byID  map[string]*link // users by their id at the endpoint
	mu    sync.Mutex
	found []Difference
}

func (c *comparison) add(e expectation, kind, attribute, want, got string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.found = append(c.found, Difference{
		Kind: kind, Object: e.link.name, ObjectID: e.link.objectID, ID: e.link.id, Attribute: attribute, Want: want, Got: got,
	})
}

// compare reads one object and holds it against what is expected.
func (c *comparison) compare(ctx context.Context, f *family, e expectation) {
	if e.link.id == "" {
		c.compareUnlinked(ctx, f, e)
		return
	}
	body, err := c.get(ctx, resource(f, e.link.id), "", e.link.name)
	switch {
	case err != nil:
		c.add(e, DiffUnreadable, "", "", oneLine(err))
		return
	case body == nil && e.wish.presence != removed:
		c.add(e, DiffMissing, "", "", "")
		return
	case e.wish.presence == removed:
		// To be deleted may mean to be there, inactive
		// (https://learn.microsoft.com/entra/identity/app-provisioning/use-scim-to-provision-users-and-groups).
		if body != nil && lookUp(body, "active") != any(false) {
			c.add(e, DiffSurplus, "", "", "")
		}
		return
	}
	c.compareValues(f, e, body)
	if f.excluded != "" {
		c.compareMembers(ctx, f, e, body)
	}
}

// compareUnlinked looks for an object whose id is not known. If it should not be
// there, one that merely has its name is not it: somebody else's has another
// externalId, or none.
func (c *comparison) compareUnlinked(ctx context.Context, f *family, e expectation) {
	if e.wish.presence == present {
		c.add(e, DiffMissing, "", "", "")
		return
	}
	if e.wish.values == nil {
		return
	}
	by := f.attributes[0] // userName or displayName
	list, err := c.get(ctx, f.path, equals("", by.path(), e.wish.values[0]), e.link.name)
	if err != nil {
		c.add(e, DiffUnreadable, "", "", oneLine(err))
		return
	}
	resources, _ := list["Resources"].([]any)
	for _, one := range resources {
		resource, _ := one.(map[string]any)
		row := slices.IndexFunc(f.attributes, func(a attribute) bool { return a.name == "externalId" })
		if row >= 0 && f.attributes[row].get(resource) == any(e.wish.values[row]) {
			c.add(e, DiffSurplus, "", "", "")
		}
	}
}

// compareValues compares attributes, active and the manager.
func (c *comparison) compareValues(f *family, e expectation, body map[string]any) {
	for i, a := range f.attributes {
		if i >= len(e.wish.values) || e.wish.values[i] == "" {
			continue
		}
		if got := a.get(body); got != any(e.wish.values[i]) {
			c.add(e, DiffValue, a.path(), quote(e.wish.values[i]), quote(got))
		}
	}
	if f.activates {
		if got := lookUp(body, "active"); got != any(e.wish.active) {
			c.add(e, DiffValue, "active", quote(e.wish.active), quote(got))
		}
	}
	if e.manager == "" {
		return
	}
	if got := managerRow("value").get(body); got != any(e.manager) {
		c.add(e, DiffValue, manager, quote(e.manager), quote(got))
	}
}

// compareMembers compares the members that the group shows, or asks.
func (c *comparison) compareMembers(ctx context.Context, f *family, e expectation, body map[string]any) {
	shown, shows := lookUp(body, "members").([]any)
	if !shows {
		c.askMembers(ctx, f, e)
		return
	}
	got := map[string]bool{}
	for _, one := range shown {
		element, _ := one.(map[string]any)
		id, _ := lookUp(element, "value").(string)
		got[id] = true
		if _, expected := e.in[id]; !expected {
			c.surplusMember(e, id)
		}
	}
	for id, name := range e.in {
		if !got[id] {
			c.add(e, DiffMemberMissing, name, "", "")
		}
	}
}

// surplusMember judges somebody who should not be in a group: a user that the
// job linked, or anybody at all if it created the group.
func (c *comparison) surplusMember(e expectation, id string) {
	if name, ok := e.out[id]; ok {
		c.add(e, DiffMemberSurplus, name, "", "")
		return
	}
	if u := c.byID[id]; u != nil {
		if _, lives := c.options.Directory.User(u.objectID); lives && u.wish.presence == present && !u.wish.frozen {
			c.add(e, DiffMemberSurplus, u.name, "", "")
		}
		return
	}
	if _, ours := c.made[e.link.id]; ours {
		c.add(e, DiffMemberSurplus, id, "", "")
	}
}

// askMembers asks for members one by one.
func (c *comparison) askMembers(ctx context.Context, f *family, e expectation) {
	for _, ask := range []struct {
		ids  map[string]string
		want int
		kind string
	}{{e.in, 1, DiffMemberMissing}, {e.out, 0, DiffMemberSurplus}} {
		for _, id := range slices.Sorted(maps.Keys(ask.ids)) {
			list, err := c.get(ctx, f.path, refers(escape(e.link.id), "members", escape(id)), e.link.name)
			resources, isArray := list["Resources"].([]any)
			switch {
			case err == nil && !isArray && list["totalResults"] != any(0.0):
				err = errors.New("the list has no array Resources")
				fallthrough
			case err != nil:
				c.add(e, DiffUnreadable, ask.ids[id], "", oneLine(err))
			case len(resources) != ask.want:
				c.add(e, ask.kind, ask.ids[id], "", "")
			}
			if ctx.Err() != nil {
				return
			}
		}
	}
}

// get reads something; nil if it is not there.
func (c *comparison) get(ctx context.Context, path, query, object string) (map[string]any, error) {
	got, err := c.do(ctx, outgoing{
		step: "compare", object: object, method: http.MethodGet, path: path, query: query, manner: readManner,
	})
	switch {
	case err != nil:
		return nil, err
	case got.status == http.StatusNotFound:
		if query != "" {
			return nil, errors.New("a look-up was answered 404")
		}
		return nil, nil
	}
	return got.body, nil
}
