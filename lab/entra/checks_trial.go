package entra

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// trial is one check on its way from a row of the table to steps, each of which
// waits for the one before it. Its methods add steps and keep in mind what the
// resources should be by then; resources go by keys, under which their ids are
// kept.
type trial struct {
	client  *Client
	dialect dialect // the client's, unless the row takes another
	name    string  // how the name of everything that the check makes begins
	steps   []step

	now     map[string]map[string]any // what a resource should hold; a null is nothing
	members map[string][]string       // those of each group
}

func newTrial(c *Client, name string) *trial {
	return &trial{
		client: c, dialect: c.tenant.dialect, name: name,
		now: map[string]map[string]any{}, members: map[string][]string{},
	}
}

// add adds a step; a name that is taken gets a number.
func (t *trial) add(s step) {
	same := 1
	for _, earlier := range t.steps {
		if before, _, _ := strings.Cut(earlier.name, " #"); before == s.name {
			same++
		}
	}
	if same > 1 {
		s.name += " #" + strconv.Itoa(same)
	}
	if len(t.steps) > 0 {
		s.after = []string{t.steps[len(t.steps)-1].name}
	}
	t.steps = append(t.steps, s)
}

// wantPrepared are the statuses of a preparation that took.
var wantPrepared = []int{http.StatusOK, http.StatusCreated, http.StatusNoContent}

// prepared makes preparations of all steps so far: what is wrong with their
// answers is told by the checks that are about it. A read among them shows that
// the ones before it took, where the check could pass if they had not.
func (t *trial) prepared() {
	for i := range t.steps {
		s := &t.steps[i]
		if s.given = true; s.method != http.MethodGet {
			s.want, s.judge = wantPrepared, nil
		}
	}
}

// person is a user of this check's own.
func (t *trial) person(key string) user { return newUser(t.name+"-"+key, "Analyst", "Engines") }

// createUsers posts a user for each key.
func (t *trial) createUsers(keys ...string) {
	for _, key := range keys {
		t.create(key, "/Users", t.person(key))
	}
}

// createGroup posts a group.
func (t *trial) createGroup(key string) {
	made := newGroup()
	made.DisplayName = t.name + "-" + key
	t.members[key] = []string{}
	t.create(key, "/Groups", t.client.posted(made))
}

func (t *trial) create(key, path string, body any) {
	t.now[key] = objectOf(body)
	t.add(step{
		name: "create " + key, method: http.MethodPost, path: path,
		body: body, want: wantCreated, keep: key, judge: isResource(key, body),
	})
}

// createAgain posts what is there already.
func (t *trial) createAgain(key string) {
	t.add(step{
		name: "create " + key + " again", method: http.MethodPost, path: t.endpoint(key), body: t.snapshot(key),
		want: []int{http.StatusConflict}, keep: key + " again", judge: isDuplicate,
	})
}

// endpoint is the collection that a resource is in.
func (t *trial) endpoint(key string) string {
	if t.members[key] != nil {
		return "/Groups"
	}
	return "/Users"
}

func (t *trial) path(key string) string { return t.endpoint(key) + "/{" + key + "}" }

// text is a string in what the resource should hold.
func (t *trial) text(key, attribute string) string {
	text, _ := t.now[key][attribute].(string)
	return text
}

// snapshot is what the resource should hold at this point.
func (t *trial) snapshot(key string) json.RawMessage {
	encoded, _ := json.Marshal(t.now[key]) // it came from JSON
	return encoded
}

func (t *trial) is(key string) judge { return isResource(key, t.snapshot(key)) }

// read reads a resource by its id.
func (t *trial) read(key string) {
	t.add(step{name: "read " + key, method: http.MethodGet, path: t.path(key), want: wantOK, judge: t.is(key)})
}

// readWithout reads a group as Entra does.
func (t *trial) readWithout(key string) {
	t.add(step{
		name: "read " + key, method: http.MethodGet, path: t.path(key), query: excludes("members"),
		want: wantOK, judge: without("members", t.is(key)),
	})
}

// team is the key of the group that has members.
const team = "group"

// readMembers reads the group with its members, who are all it should have.
func (t *trial) readMembers() {
	t.add(step{
		name: "read members of " + team, method: http.MethodGet, path: t.path(team),
		want: wantOK, judge: hasMembers(t.members[team]),
	})
}

// readMissing reads what is not there any more.
func (t *trial) readMissing(key string) {
	t.add(step{
		name: "read " + key, method: http.MethodGet, path: t.path(key),
		want: wantNotFound, judge: isError(http.StatusNotFound),
	})
}

// look sends a query, which exactly the resource of the key matches, or nothing
// if the key is empty.
func (t *trial) look(name, endpoint, query, key string, next judge) {
	t.add(step{name: name, method: http.MethodGet, path: endpoint, query: query, want: wantOK, judge: matches(key, next)})
}

// find looks a resource up by the value of a unique attribute.
func (t *trial) find(key, attribute string) {
	t.look("find "+key, t.endpoint(key), equals(t.hidden(key), attribute, t.text(key, attribute)), key, t.is(key))
}

// findNone looks a resource up that should not be there.
func (t *trial) findNone(key, endpoint, attribute, value string) {
	hidden := ""
	if endpoint == "/Groups" {
		hidden = "members"
	}
	t.look("look for "+key, endpoint, equals(hidden, attribute, value), "", nil)
}

// hidden is what Entra excludes from the answer.
func (t *trial) hidden(key string) string {
	if t.members[key] != nil {
		return "members"
	}
	return ""
}

// change patches attributes in the dialect of the trial. The manager's new
// value is a string, active's is a bool.
func (t *trial) change(name, key string, changes ...change) {
	sent := slices.Clone(changes)
	for i, c := range changes {
		switch value := c.value.(type) {
		case bool:
			sent[i].value = t.dialect.active(value)
			assign(t.now[key], c.path, value)
		case string:
			if c.path != manager {
				assign(t.now[key], c.path, value)
				break
			}
			assign(t.now[key], c.path, objectOf(reference{Value: value}))
		}
	}
	t.send(name, key, t.client.patchIn(t.dialect, sent...))
}

// patch sends operations as they are. What they lead to is told by expect,
// before.
func (t *trial) patch(name, key string, operations ...operation) {
	t.send(name, key, newPatch(operations...))
}

func (t *trial) send(name, key string, body patch) {
	want := wantUserPatched
	if t.members[key] != nil {
		want = wantGroupPatched
	}
	t.add(step{name: name, method: http.MethodPatch, path: t.path(key), body: body, want: want, judge: t.is(key)})
}

// expect notes what an attribute should hold; nil is nothing.
func (t *trial) expect(key, path string, value any) { assign(t.now[key], path, value) }

// join is the operation that adds users to the group.
func (t *trial) join(users ...string) operation {
	var members []any
	for _, user := range users {
		members = append(members, t.client.member("{"+user+"}"))
	}
	t.members[team] = append(t.members[team], users...)
	return operation{Op: t.dialect.add, Path: "members", Value: members}
}

// leave is the operation that takes a user out of the group.
func (t *trial) leave(user string) operation {
	t.members[team] = slices.DeleteFunc(slices.Clone(t.members[team]), func(key string) bool { return key == user })
	return t.dialect.removeMember("{"+user+"}", t.client.member("{"+user+"}"))
}

// remove deletes a resource.
func (t *trial) remove(key string) {
	t.add(step{name: "delete " + key, method: http.MethodDelete, path: t.path(key), want: wantDeleted})
}

// removeMissing deletes what is not there.
func (t *trial) removeMissing(name, path string) {
	t.add(step{name: name, method: http.MethodDelete, path: path, want: wantNotFound, judge: isError(http.StatusNotFound)})
}

// objectOf is a value as decoded JSON.
func objectOf(value any) map[string]any {
	var decoded map[string]any
	encoded, err := json.Marshal(value)
	if err == nil {
		err = json.Unmarshal(encoded, &decoded)
	}
	if err != nil {
		panic(fmt.Sprintf("entra: %T is no JSON object: %v", value, err)) // only this package's types come here
	}
	return decoded
}

// assign puts a value at one of the paths that Entra's mappings have: plain,
// dotted, qualified by the enterprise schema, or into the element of a type,
// which is made if it is missing.
func assign(doc map[string]any, path string, value any) {
	if attribute, ok := strings.CutPrefix(path, enterpriseSchema+":"); ok {
		doc, path = object(doc, enterpriseSchema), attribute
	}
	if attribute, rest, ok := strings.Cut(path, `[type eq "`); ok {
		kind, sub, _ := strings.Cut(rest, `"].`)
		elements, _ := doc[attribute].([]any)
		at := slices.IndexFunc(elements, func(element any) bool {
			fields, _ := element.(map[string]any)
			return fields["type"] == kind
		})
		if at < 0 {
			at, elements = len(elements), append(elements, map[string]any{"type": kind})
			doc[attribute] = elements
		}
		doc, path = elements[at].(map[string]any), sub
	}
	if parent, sub, ok := strings.Cut(path, "."); ok {
		doc, path = object(doc, parent), sub
	}
	doc[path] = value
}
