package backend

import (
	"crypto/rand"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"
)

// record is one stored resource.
type record struct {
	kind *resourceType
	id   string
	// own is the resource in canonical form without what the server adds. A
	// map, once stored here, is never changed: a write puts another one in
	// its place, which is what makes PATCH atomic.
	own               map[string]any
	members           map[string]bool // ids in own["members"]
	created, modified time.Time
}

// store holds all resources. What it hands out shares nested values with the
// records and must not be changed.
type store struct {
	base string // of locations

	mu    sync.RWMutex
	byID  map[string]*record
	order map[*resourceType][]*record          // by creation
	names map[*resourceType]map[string]*record // by folded unique attribute
}

func newStore(base string) *store {
	s := &store{base: base, byID: map[string]*record{}, order: map[*resourceType][]*record{},
		names: map[*resourceType]map[string]*record{}}
	for _, kind := range resourceTypes {
		s.names[kind] = map[string]*record{}
	}
	return s
}

// size returns the number of resources of one kind.
func (s *store) size(kind *resourceType) int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.order[kind])
}

// get returns the representation of one resource.
func (s *store) get(kind *resourceType, id string) (map[string]any, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r, err := s.find(kind, id)
	if err != nil {
		return nil, err
	}
	return s.represent(r), nil
}

// list returns the representations that match, in the order of creation.
func (s *store) list(kind *resourceType, match predicate) []map[string]any {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var docs []map[string]any
	for _, r := range s.order[kind] {
		if doc := s.represent(r); match(doc) {
			docs = append(docs, doc)
		}
	}
	return docs
}

// create stores a new resource and returns its representation.
func (s *store) create(kind *resourceType, own map[string]any) (map[string]any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &record{kind: kind, id: newID()}
	if err := s.put(r, own); err != nil {
		return nil, err
	}
	r.created = r.modified
	s.byID[r.id] = r
	s.order[kind] = append(s.order[kind], r)
	return s.represent(r), nil
}

// update puts what change makes of the representation of a resource, which it
// may keep but not alter, in its place. If change or the store refuses, the
// resource stays as it was.
func (s *store) update(kind *resourceType, id string, change func(map[string]any) (map[string]any, error)) (map[string]any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.find(kind, id)
	if err != nil {
		return nil, err
	}
	own, err := change(s.represent(r))
	if err != nil {
		return nil, err
	}
	if err := s.put(r, own); err != nil {
		return nil, err
	}
	return s.represent(r), nil
}

// remove deletes a resource and takes it out of every group.
func (s *store) remove(kind *resourceType, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.find(kind, id)
	if err != nil {
		return err
	}
	delete(s.byID, id)
	delete(s.names[kind], r.name())
	s.order[kind] = slices.DeleteFunc(s.order[kind], func(have *record) bool { return have == r })
	for _, group := range s.order[groupType] {
		if !group.members[id] {
			continue
		}
		left := slices.DeleteFunc(slices.Clone(listOf(group.own["members"])),
			func(member any) bool { return objectOf(member)["value"] == id })
		own := maps.Clone(group.own)
		if own["members"] = left; len(left) == 0 {
			delete(own, "members")
		}
		group.own, group.members, group.modified = own, maps.Clone(group.members), time.Now()
		delete(group.members, id)
	}
	return nil
}

// find returns a record of one kind, or a 404.
func (s *store) find(kind *resourceType, id string) (*record, error) {
	r, ok := s.byID[id]
	if !ok || r.kind != kind {
		return nil, &scimError{status: http.StatusNotFound, detail: fmt.Sprintf("there is no %s %q", kind.name, id)}
	}
	return r, nil
}

// put makes own the content of r, if nothing in the store speaks against it.
func (s *store) put(r *record, own map[string]any) error {
	name := fold(textOf(own[r.kind.unique]))
	if holder := s.names[r.kind][name]; holder != nil && holder != r {
		return &scimError{status: http.StatusConflict, scimType: uniqueness,
			detail: fmt.Sprintf("the %s is taken", r.kind.unique)}
	}
	own, members, err := s.withMembers(own)
	if err != nil {
		return err
	}
	// RFC 7644 section 3.5.2.1: what changes nothing does not touch the
	// modification time.
	if reflect.DeepEqual(r.own, own) {
		return nil
	}
	delete(s.names[r.kind], r.name())
	r.own, r.members, r.modified = own, members, time.Now()
	s.names[r.kind][name] = r
	return nil
}

// withMembers returns own with $ref and type filled in for every member, and
// the set of members. Members must exist (RFC 7643 section 4.2).
func (s *store) withMembers(own map[string]any) (map[string]any, map[string]bool, error) {
	list := listOf(own["members"])
	if len(list) == 0 {
		return own, nil, nil
	}
	resolved, ids := make([]any, 0, len(list)), make(map[string]bool, len(list))
	for _, item := range list {
		member := objectOf(item)
		id := textOf(member["value"])
		r, ok := s.byID[id]
		if !ok {
			return nil, nil, refuse(invalidValue, "members: there is no user or group %q", id)
		}
		if given, ok := member["type"]; ok && !strings.EqualFold(textOf(given), r.kind.name) {
			return nil, nil, refuse(invalidValue, "members: %q is a %s", id, r.kind.name)
		}
		ids[id] = true
		resolved = append(resolved, map[string]any{
			"value": id, "$ref": s.locate(r.kind, id), "type": r.kind.name})
	}
	own = maps.Clone(own)
	own["members"] = resolved
	return own, ids, nil
}

// name is the folded value of the attribute that is unique.
func (r *record) name() string { return fold(textOf(r.own[r.kind.unique])) }

// locate returns the URI of a resource (RFC 7643 section 3.1, meta.location).
func (s *store) locate(kind *resourceType, id string) string {
	return s.base + "/" + kind.endpoint + "/" + id
}

// fold is the form in which strings that are not caseExact are compared.
func fold(text string) string { return strings.ToLower(text) }

// newID returns a random UUID (RFC 9562 section 5.4).
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, by its documentation
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
