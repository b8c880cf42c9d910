package backend

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// record is one stored resource.
type record struct {
	kind   *resourceType
	id     string
	number uint64 // counts up with every creation
	// own is the resource in canonical form without members and what the
	// server adds. A map, once stored here, is never changed: a write puts
	// another one in its place, which is what makes PATCH atomic.
	own               map[string]any
	members           []*membership // of a group, in the order of joining
	groups            []*membership // in the order of the groups' creation
	created, modified time.Time
}

// store holds all resources. What it hands out shares nested values with the
// records and must not be changed.
type store struct {
	base string // of locations

	mu      sync.RWMutex
	numbers uint64 // given out so far
	byID    map[string]*record
	order   map[*resourceType][]*record // by creation
	indexes map[*resourceType][]*index
	// lookups are the attributes by whose text resources are found without a
	// search.
	lookups map[*attribute]func(text string) []*record
}

func newStore(base string) *store {
	s := &store{base: base, byID: map[string]*record{}, order: map[*resourceType][]*record{},
		indexes: map[*resourceType][]*index{}, lookups: map[*attribute]func(string) []*record{}}
	for _, kind := range resourceTypes {
		s.lookups[find(kind.core.attributes, "id")] = s.withID
		for _, name := range kind.indexes {
			ix := newIndex(kind, name)
			s.indexes[kind] = append(s.indexes[kind], ix)
			s.lookups[ix.attr] = ix.find
		}
	}
	s.lookups[find(find(groupType.core.attributes, "members").sub, "value")] = s.withMember
	return s
}

// next returns a number larger than all before.
func (s *store) next() uint64 {
	s.numbers++
	return s.numbers
}

// size returns the number of resources of one kind.
func (s *store) size(kind *resourceType) int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.order[kind])
}

// get returns view's part of one resource.
func (s *store) get(kind *resourceType, id string, view projection) (map[string]any, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r, err := s.find(kind, id)
	if err != nil {
		return nil, err
	}
	return s.shownAs(r, view), nil
}

// list returns view's part of up to count resources that match, in the order
// of creation, without the first skip ones, and how many match in all.
func (s *store) list(kind *resourceType, q query, view projection, skip, count int) ([]any, int) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	found := s.matching(kind, q)
	skip = min(skip, len(found))
	page := found[skip:min(skip+count, len(found))]
	docs := make([]any, len(page)) // never null, which Entra cannot read
	for i, r := range page {
		docs[i] = s.shownAs(r, view)
	}
	return docs, len(found)
}

// create stores a new resource and returns view's part of it.
func (s *store) create(kind *resourceType, own map[string]any, view projection) (map[string]any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &record{kind: kind, id: newID(), number: s.next()}
	if err := s.put(r, own); err != nil {
		return nil, err
	}
	r.created = r.modified
	s.byID[r.id] = r
	s.order[kind] = append(s.order[kind], r)
	return s.shownAs(r, view), nil
}

// update puts what change makes of a resource in its place and returns view's
// part of it. change gets the resource without what the server adds, a roll
// for its members, and must not alter it. If change or the store refuses, the
// resource stays as it was.
func (s *store) update(kind *resourceType, id string, view projection, change func(map[string]any) (map[string]any, error)) (map[string]any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.find(kind, id)
	if err != nil {
		return nil, err
	}
	current := r.own
	if len(r.members) > 0 {
		current = with(current, "members", &roll{store: s, group: r, changes: map[string]bool{}})
	}
	own, err := change(current)
	if err != nil {
		return nil, err
	}
	if err := s.put(r, own); err != nil {
		return nil, err
	}
	return s.shownAs(r, view), nil
}

// remove deletes a resource and takes it out of every group.
func (s *store) remove(kind *resourceType, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.find(kind, id)
	if err != nil {
		return err
	}
	s.drop(r)
	return nil
}

// removeNamed removes the resource with a value of the unique attribute, and
// reports whether there was one.
func (s *store) removeNamed(kind *resourceType, name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.named(kind, name)
	for _, r := range found {
		s.drop(r)
	}
	return len(found) > 0
}

// drop is remove for a record.
func (s *store) drop(r *record) {
	now := time.Now()
	for _, m := range slices.Backward(slices.Clone(r.groups)) {
		m.group.modified = now
		m.end()
	}
	for _, m := range slices.Backward(slices.Clone(r.members)) {
		m.end()
	}
	for _, ix := range s.indexes[r.kind] {
		ix.remove(r)
	}
	delete(s.byID, r.id)
	s.order[r.kind] = deleted(s.order[r.kind], r, byCreation)
}

// find returns a record of one kind, or a 404.
func (s *store) find(kind *resourceType, id string) (*record, error) {
	r, ok := s.byID[id]
	if !ok || r.kind != kind {
		return nil, &scimError{status: http.StatusNotFound, detail: fmt.Sprintf("there is no %s %q", kind.name, id)}
	}
	return r, nil
}

// named returns the record with a value of the unique attribute, if there is
// one.
func (s *store) named(kind *resourceType, name string) []*record {
	return s.lookups[find(kind.core.attributes, kind.unique)](name)
}

// put makes own, which it keeps, the content of r, if nothing in the store
// speaks against it.
func (s *store) put(r *record, own map[string]any) error {
	for _, holder := range s.named(r.kind, textOf(own[r.kind.unique])) {
		if holder != r {
			return &scimError{status: http.StatusConflict, scimType: uniqueness,
				detail: fmt.Sprintf("the %s is taken", r.kind.unique)}
		}
	}
	change, err := s.turnover(r, own["members"])
	if err != nil {
		return err
	}
	delete(own, "members")
	// RFC 7644 section 3.5.2.1: what changes nothing does not touch the
	// modification time.
	same := r.own != nil && equal(r.own, own)
	if same && len(change.leave)+len(change.join) == 0 {
		return nil
	}
	r.modified = time.Now()
	s.turnOver(r, change)
	if same {
		return nil
	}
	for _, ix := range s.indexes[r.kind] {
		ix.remove(r)
	}
	r.own = own
	for _, ix := range s.indexes[r.kind] {
		ix.add(r)
	}
	return nil
}

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
