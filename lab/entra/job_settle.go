package entra

import (
	"context"
	"errors"
	"net/http"
	"strings"
)

// family is what is common to users, or to groups.
type family struct {
	name       string // "user" or "group"
	path       string
	excluded   string // from the answers
	attributes []attribute
	matching   []int // rows of attributes
	// activates says that there is an attribute active, and it is mapped.
	activates bool
	update    manner
	counts    func(*Report) *Counts
}

func (r *round) userFamily() *family {
	return &family{
		name: "user", path: "/Users", attributes: r.mapping.users, matching: r.matching, activates: r.mapping.active,
		update: userManner, counts: func(r *Report) *Counts { return &r.Users },
	}
}

func (r *round) groupFamily() *family {
	return &family{
		name: "group", path: "/Groups", excluded: "members", attributes: r.mapping.groups, matching: []int{0},
		update: groupManner, counts: func(r *Report) *Counts { return &r.Groups },
	}
}

// outcome is what became of one object.
type outcome func(*Counts)

// The outcomes.
func created(c *Counts)   { c.Created++ }
func linked(c *Counts)    { c.Linked++ }
func updated(c *Counts)   { c.Updated++ }
func disabled(c *Counts)  { c.Disabled++ }
func restored(c *Counts)  { c.Restored++ }
func deleted(c *Counts)   { c.Deleted++ }
func unchanged(c *Counts) { c.Unchanged++ }
func skipped(c *Counts)   { c.Skipped++ }
func failed(c *Counts)    { c.Failed++ }

// settle makes the endpoint's object what the link's wish is. What a cycle that
// is interrupted did not do comes again, so it is no failure.
func (r *round) settle(ctx context.Context, f *family, l *link) {
	was := l.object
	l.object = pause{}
	became, step, err := r.bring(ctx, f, l)
	if ctx.Err() != nil {
		l.object = was
		return
	}
	if err != nil {
		became, l.object = failed, was
		l.object.fail(r.cycles, r.options.BackOff)
		r.record.fail(l.name, step+" "+f.name, err)
	}
	r.record.count(func(report *Report) { became(f.counts(report)) })
}

// bring is settle; it names the step that failed.
func (r *round) bring(ctx context.Context, f *family, l *link) (outcome, string, error) {
	switch {
	case l.wish.presence == unknown, l.wish.presence == removed && l.id == "":
		return skipped, "", nil
	case l.id == "":
		return r.match(ctx, f, l)
	}
	found, err := r.read(ctx, f, l)
	switch {
	case err != nil:
		return nil, "read", err
	case found == nil:
		return r.missing(ctx, f, l)
	case l.wish.presence == removed:
		return r.remove(ctx, f, l)
	}
	return r.change(ctx, f, l, found, unchanged)
}

// read gets the object by its id; nil if there is none.
func (r *round) read(ctx context.Context, f *family, l *link) (map[string]any, error) {
	query := ""
	if f.excluded != "" {
		query = excludes(f.excluded)
	}
	got, err := r.do(ctx, outgoing{
		step: "read " + f.name, object: l.name, method: http.MethodGet, path: resource(f, l.id), query: query, manner: readManner,
		judge: func(v *verdict, body map[string]any) {
			v.identified(body, l.id)
			r.inspect(v, f, l, body)
			if l.written != nil {
				v.holds(ruleKept, f.attributes, l.written, body, false)
			}
		},
	})
	l.read = r.cycles
	if err != nil || got.status == http.StatusNotFound {
		return nil, err
	}
	return got.body, nil
}

// inspect judges a resource that was read.
func (r *round) inspect(v *verdict, f *family, l *link, body map[string]any) {
	v.typed(f.attributes, body)
	if f.excluded != "" {
		l.leaked = v.excluded(body)
	}
}

// missing goes on after a 404 for an id: the link is broken, and the object
// matched anew. That this is so is an assumption that everybody makes.
func (r *round) missing(ctx context.Context, f *family, l *link) (outcome, string, error) {
	r.forget(l)
	switch {
	case l.wish.presence != present, f.activates && !l.wish.active:
		l.wish = wish{} // nobody creates it
		return skipped, "", nil
	case r.options.RecreateNextCycle:
		l.object = pause{failures: 1, until: r.cycles + 1}
		return skipped, "", nil
	}
	return r.match(ctx, f, l)
}

// forget breaks a link: the resource is no more.
func (r *round) forget(l *link) {
	r.mu.Lock()
	delete(r.made, l.id)
	r.mu.Unlock()
	l.id, l.written, l.managerID, l.leaked = "", nil, "", false
	clear(l.members)
	clear(l.again)
}

// match looks the object up by one attribute after the other. The first that
// matches links it; if none does, it is created.
// https://learn.microsoft.com/answers/questions/552440
func (r *round) match(ctx context.Context, f *family, l *link) (outcome, string, error) {
	tried := false
	for _, row := range f.matching {
		value := l.wish.values[row]
		if value == "" {
			continue
		}
		tried = true
		found, err := r.lookUp(ctx, f, l, f.attributes[row], value)
		if err != nil {
			return nil, "look up", err
		}
		if found != nil {
			return r.change(ctx, f, l, found, linked)
		}
	}
	if !tried {
		return nil, "look up", errors.New("it has no value to match by")
	}
	return r.create(ctx, f, l)
}

// lookUp asks for the object by one attribute, and links it to the only match.
func (r *round) lookUp(ctx context.Context, f *family, l *link, by attribute, value string) (map[string]any, error) {
	var found map[string]any
	_, err := r.do(ctx, outgoing{
		step: "look up " + f.name, object: l.name, method: http.MethodGet, path: f.path,
		query: equals(f.excluded, by.path(), value), manner: lookUpManner,
		judge: func(v *verdict, list map[string]any) {
			if found = v.found(r.base, list); found == nil {
				return
			}
			v.identified(found, "")
			r.inspect(v, f, l, found)
			if got, ok := by.get(found).(string); ok && !strings.EqualFold(got, value) {
				v.note(ruleWrongMatch, "%s is %s, want %s", by.path(), quote(got), quote(value))
			}
		},
	})
	if err != nil || found == nil {
		return nil, err
	}
	l.id, _ = found["id"].(string)
	l.read = r.cycles
	r.keep(f, l, l.posted) // it may be the answer that was lost, not the resource
	return found, nil
}

// keep remembers that a resource exists, and perhaps that the job created it.
func (r *round) keep(f *family, l *link, ours bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l.posted = false
	delete(r.deleted, l.id)
	if ours {
		r.made[l.id] = creation{family: f, name: l.name}
	}
}

// create posts the object.
func (r *round) create(ctx context.Context, f *family, l *link) (outcome, string, error) {
	var id string
	got, err := r.do(ctx, outgoing{
		step: "create " + f.name, object: l.name, method: http.MethodPost, path: f.path, body: r.body(f, l.wish), manner: createManner,
		judge: func(v *verdict, body map[string]any) {
			id = v.identified(body, "")
			v.typed(f.attributes, body)
			v.holds(ruleRoundTrip, f.attributes, l.wish.values, body, false)
		},
	})
	if err != nil {
		l.posted = l.posted || got.lost || got.status < http.StatusBadRequest
		if id == "" {
			return nil, "create", err
		}
	}
	l.id, l.written = id, l.wish.values
	r.keep(f, l, true)
	return created, "create", err
}

// body is that of a POST: what is not set is not there, whoever refers to
// others, or is referred to, does so later, by PATCH.
func (r *round) body(f *family, w wish) map[string]any {
	body := map[string]any{}
	for i, a := range f.attributes {
		if w.values[i] != "" {
			a.put(body, w.values[i])
		}
	}
	if f.excluded != "" {
		body["schemas"], body["meta"] = []string{groupSchema}, meta{ResourceType: "Group"}
		if r.client.options.LegacyGroupSchema {
			body["schemas"] = []string{groupSchema, legacyGroupSchema}
		} else {
			body["members"] = []string{}
		}
		return body
	}
	body["schemas"], body["meta"] = []string{userSchema, enterpriseSchema}, meta{ResourceType: "User"}
	body["roles"] = []appRole{}
	if f.activates {
		body["active"] = any(w.active)
		if r.options.CreateActiveAsText {
			body["active"] = dialects()[0].active(w.active)
		}
	}
	return body
}

// change patches what differs from the wish. The outcome is as given if nothing
// does.
func (r *round) change(ctx context.Context, f *family, l *link, found map[string]any, same outcome) (outcome, string, error) {
	changes, became := r.differences(f, l, found, same)
	if len(changes) == 0 {
		l.written = l.wish.values
		return became, "", nil
	}
	if r.client.options.ReplaceMissing {
		for i := range changes {
			changes[i].added = false
		}
	}
	err := r.patch(ctx, f, l, "update "+f.name, r.dialect.update(changes), func(v *verdict, body map[string]any) {
		v.typed(f.attributes, body)
		v.holds(ruleRoundTrip, f.attributes, sentValues(f, changes), body, true)
	})
	if err != nil {
		l.written = nil // who knows what it took
		return nil, "update", err
	}
	l.written = l.wish.values
	return became, "", nil
}

// differences are what the endpoint has to change, and what that is called.
func (r *round) differences(f *family, l *link, found map[string]any, same outcome) ([]change, outcome) {
	var changes []change
	became := same
	for i, a := range f.attributes {
		if l.wish.frozen && !(i == 0 && l.wish.renamed) { // the first is the userName
			continue
		}
		want, got := l.wish.values[i], a.get(found)
		if want != "" && got != any(want) {
			changes = append(changes, change{path: a.path(), added: got == nil, value: want})
			became = updated
		}
	}
	if !f.activates {
		return changes, became
	}
	active := lookUp(found, "active")
	again := r.options.PeriodicActive && !r.initial && !r.onDemand && l.wish.active && len(changes) == 0
	if active != any(l.wish.active) || again {
		changes = append(changes, change{path: "active", added: active == nil, value: r.dialect.active(l.wish.active)})
	}
	if active != any(l.wish.active) {
		became = restored
		if !l.wish.active {
			became = disabled
		}
	}
	return changes, became
}

// sentValues are the values of changes in the order of the attributes; empty
// for those that were not sent.
func sentValues(f *family, changes []change) []string {
	values := make([]string, len(f.attributes))
	for i, a := range f.attributes {
		for _, c := range changes {
			if c.path == a.path() {
				values[i], _ = c.value.(string)
			}
		}
	}
	return values
}

// patch sends operations; judge is for an answer that has a body.
func (r *round) patch(
	ctx context.Context, f *family, l *link, step string, operations []operation, judge func(*verdict, map[string]any),
) error {
	_, err := r.do(ctx, outgoing{
		step: step, object: l.name, method: http.MethodPatch, path: resource(f, l.id),
		body: newPatch(operations...), manner: f.update,
		judge: func(v *verdict, body map[string]any) {
			if body["id"] != nil {
				v.identified(body, l.id)
			}
			if judge != nil {
				judge(v, body)
			}
		},
	})
	return err
}

// remove deletes the object.
func (r *round) remove(ctx context.Context, f *family, l *link) (outcome, string, error) {
	_, err := r.do(ctx, outgoing{
		step: "delete " + f.name, object: l.name, method: http.MethodDelete, path: resource(f, l.id), manner: deleteManner,
	})
	if err != nil {
		return nil, "delete", err
	}
	r.mu.Lock()
	r.deleted[l.id] = creation{family: f, name: l.name}
	r.mu.Unlock()
	r.forget(l)
	return deleted, "", nil
}
