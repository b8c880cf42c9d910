package check

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// writeLimit is how long a step that writes may take.
const writeLimit = 4 * time.Second

// The schemas of RFC 7643 section 10.3.
const (
	userSchema       = "urn:ietf:params:scim:schemas:core:2.0:User"
	enterpriseSchema = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	groupSchema      = "urn:ietf:params:scim:schemas:core:2.0:Group"
)

// throwAway is what people read of the user.
const throwAway = "entra-scim-proxy check, safe to delete"

// written are the resources that a run creates.
type written struct{ user, group creation }

// creation is a resource that the run creates. A step that overruns its limit may
// still be at work on it, hence the mutex.
type creation struct {
	kind       string // "user" or "group"
	collection string
	unique     string // the attribute that holds the name
	original   string // the name that it is created with

	mu   sync.Mutex
	name string
	// sent tells that a creation was sent, and unsure that one may have been
	// served without our knowing.
	sent, unsure bool
	id           string
	now          message // as last read; nil if that is not known
	turn         int
	vain         atomic.Int32 // waits for a change that did not show
}

// begin notes that a creation goes out.
func (t *creation) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sent, t.unsure = true, true
}

// settle notes what became of a creation: an id, or "" if there is none.
func (t *creation) settle(id string, unsure bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.id, t.unsure = id, unsure
}

// known returns the id; "" if there is none.
func (t *creation) known() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.id
}

// called returns the name.
func (t *creation) called() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.name
}

// next returns a number that makes a value new.
func (t *creation) next() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.turn++
	return t.turn
}

// writeSteps create a user and a group.
func (c *check) writeSteps() []step {
	name := "entra-scim-proxy-check-" + strings.ToLower(rand.Text()[:10])
	user, group := &c.written.user, &c.written.group
	user.kind, user.collection, user.unique, user.name = "user", "/Users", "userName", name+"@example.com"
	group.kind, group.collection, group.unique, group.name = "group", "/Groups", "displayName", name
	user.original, group.original = user.name, group.name
	steps := []step{{name: "create user", needs: []string{"users"}, limit: writeLimit, run: c.createUser}}
	if !c.StubGroups {
		steps = append(steps, step{
			name: "create group", needs: []string{"groups"}, after: []string{"create user"},
			limit: writeLimit, run: c.createGroup,
		})
	}
	return steps
}

// createUser creates the user with attributes of Entra's default mapping, or, if
// the backend does not take them, with those that it cannot do without.
func (c *check) createUser(ctx context.Context) Finding {
	t := &c.written.user
	finding := c.create(ctx, t, newUser(t.name, true))
	if !t.refused() || ctx.Err() != nil {
		return c.createdUser(ctx, finding)
	}
	lesser := c.create(ctx, t, newUser(t.name, false))
	if t.known() == "" {
		return finding
	}
	if lesser.Status == Pass {
		lesser.Status = Warn
		lesser.Found = "a user with title, telephone number and department is refused, one without them is not"
		lesser.Remedy = "take out of Entra's attribute mapping what the backend does not have, or name it in DROP_ATTRIBUTES"
		lesser.Cause = finding.Cause
	}
	return c.createdUser(ctx, lesser)
}

func (c *check) createdUser(ctx context.Context, finding Finding) Finding {
	if id := c.written.user.known(); id != "" && ctx.Err() == nil { // or nobody waits for this step any more
		c.sample.userID, c.sample.userName = id, c.written.user.called()
	}
	return finding
}

// createGroup creates the group, and makes the user its member.
func (c *check) createGroup(ctx context.Context) Finding {
	t := &c.written.group
	finding := c.create(ctx, t, newGroup(t.name))
	id := t.known()
	if id == "" || ctx.Err() != nil {
		return finding
	}
	c.sample.groupID, c.sample.groupName = id, t.called()
	if member := c.written.user.known(); member != "" {
		// Whether Entra's own forms of it work is for the shapes to say.
		has := c.bring(ctx, member, true) == nil
		if ctx.Err() == nil {
			c.sample.groupHasMembers = has
		}
	}
	return finding
}

// refused reports whether the backend did not take the creation, and is certain
// to have nothing of it.
func (t *creation) refused() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.id == "" && !t.unsure
}

// create creates a resource in the first way in which the backend takes it.
func (c *check) create(ctx context.Context, t *creation, body []byte) Finding {
	t.begin()
	var id string
	doubtful := false // one answer leaves open what happened
	finding := c.climb(ctx, func(w way) outcome {
		o := c.send(ctx, w, http.MethodPost, t.collection, body)
		doubtful = doubtful || o.lost || o.status >= http.StatusInternalServerError
		if o.bad.Status != "" {
			return o
		}
		switch id = decoded(o.body).id(); {
		case id == "":
			o.bad = misanswered("answered with success, and without an id")
		case !c.isOurs(ctx, t, id, o.body):
			id, o.bad = "", misanswered("answered with success, and another "+t.kind+" than the one that was sent")
		default:
			return o
		}
		doubtful, o.final = true, true
		return o
	})
	t.settle(id, doubtful)
	return finding
}

// misanswered is the finding for a creation whose answer leaves open what became
// of it.
func misanswered(found string) Finding {
	return Finding{Status: Fail, Found: found, Remedy: "have the backend answer a creation with the resource, as RFC 7644 section 3.3 has it"}
}

// isOurs reports whether an id is that of what was sent: nothing else may be
// changed or deleted. The answer to the creation tells, or else the resource.
func (c *check) isOurs(ctx context.Context, t *creation, id string, created []byte) bool {
	mark, _, _ := strings.Cut(t.original, "@")
	named := func(body []byte) bool { return bytes.Contains(bytes.ToLower(body), []byte(mark)) }
	if named(created) {
		return true
	}
	got, _, ok := c.get(ctx, t.collection+"/"+url.PathEscape(id))
	return ok && got.status == http.StatusOK && named(got.body)
}

// newUser is a user as Entra creates one: both schemas, meta and empty roles are
// Entra's.
// https://learn.microsoft.com/entra/identity/app-provisioning/use-scim-to-provision-users-and-groups
func newUser(name string, whole bool) []byte {
	user := map[string]any{
		"schemas":     []string{userSchema, enterpriseSchema},
		"externalId":  uuid.NewString(),
		"userName":    name,
		"active":      true,
		"displayName": throwAway,
		"emails":      []any{map[string]any{"primary": true, "type": "work", "value": name}},
		"meta":        map[string]any{"resourceType": "User"},
		"name":        map[string]any{"formatted": throwAway, "familyName": "Check", "givenName": "Proxy"},
		"roles":       []any{},
	}
	if whole {
		user["title"] = "Check"
		user["phoneNumbers"] = []any{map[string]any{"type": "work", "value": "+1 555 0100"}}
		user[enterpriseSchema] = map[string]any{"department": "Check"}
	}
	return encoded(user)
}

// newGroup is a group as Entra creates one: members follow by PATCH.
func newGroup(name string) []byte {
	return encoded(map[string]any{
		"schemas":     []string{groupSchema},
		"externalId":  uuid.NewString(),
		"displayName": name,
		"members":     []any{},
		"meta":        map[string]any{"resourceType": "Group"},
	})
}

// encoded is JSON. What it is given here always encodes.
func encoded(value any) []byte {
	body, _ := json.Marshal(value)
	return body
}
