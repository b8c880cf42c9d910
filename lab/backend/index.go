package backend

import (
	"cmp"
	"slices"
)

// byCreation is the order of lists (RFC 7644 section 3.4.2 leaves it open).
func byCreation(a, b *record) int { return cmp.Compare(a.number, b.number) }

// index finds resources by the text of an attribute.
type index struct {
	operand
	holders map[string][]*record // by the form in which texts compare; in the order of creation
}

// newIndex returns an empty index for an attribute of kind, which must hold
// strings.
func newIndex(kind *resourceType, name string) *index {
	path, _ := parseAttrPath(name)
	o, err := kind.scope(path)
	if err != nil || o.attr.dataType != typeString {
		panic("backend: there is no text " + name + " in a " + kind.name)
	}
	return &index{operand: o, holders: map[string][]*record{}}
}

// key is the form in which texts of the attribute compare.
func (ix *index) key(text string) string {
	if ix.attr.caseExact {
		return text
	}
	return fold(text)
}

// find returns the resources that have the text.
func (ix *index) find(text string) []*record { return ix.holders[ix.key(text)] }

// add and remove keep up with what a resource holds.
func (ix *index) add(r *record) {
	for _, value := range ix.values(r.own) {
		key := ix.key(textOf(value))
		ix.holders[key] = inserted(ix.holders[key], r, byCreation)
	}
}

func (ix *index) remove(r *record) {
	for _, value := range ix.values(r.own) {
		key := ix.key(textOf(value))
		if ix.holders[key] = deleted(ix.holders[key], r, byCreation); len(ix.holders[key]) == 0 {
			delete(ix.holders, key)
		}
	}
}

// withID and withMember find resources by id and groups by a member's.
func (s *store) withID(id string) []*record {
	if r := s.byID[id]; r != nil {
		return []*record{r}
	}
	return nil
}

func (s *store) withMember(id string) []*record {
	r := s.byID[id]
	if r == nil {
		return nil
	}
	groups := make([]*record, len(r.groups))
	for i, m := range r.groups {
		groups[i] = m.group
	}
	return groups
}

// query is a filter made ready for the store. The zero value matches all.
type query struct {
	match predicate // over representations; nil matches all
	uses  projection
	// demands hold for whatever matches; if they say all that the filter
	// says, they are the whole of it.
	demands []demand
	whole   bool
}

// demand is that a value of an attribute equals a text.
type demand struct {
	attr *attribute
	text string
}

// compileQuery makes a query over resources of kind. Names that the schema
// does not have, and comparisons that make no sense for a type, are refused.
func compileQuery(kind *resourceType, text string) (query, error) {
	e, err := parseFilter(text)
	if err != nil {
		return query{}, err
	}
	q := query{uses: projection{paths: map[string]bool{}}}
	q.match, err = compile(e, func(p attrPath) (operand, error) {
		if extension, attr, _, ok := kind.resolve(p); ok {
			q.uses.paths[canonicalPath(extension, attr, nil)] = true
		}
		return kind.scope(p)
	})
	if err == nil {
		q.demands, q.whole = demandsOf(e, kind.scope)
	}
	return q, err
}

// demandsOf returns what e, which compiles, demands, and whether that is all.
func demandsOf(e expression, names scope) (demands []demand, whole bool) {
	switch e := e.(type) {
	case comparison:
		text, ok := e.value.(string)
		if o, err := names(e.attr); ok && err == nil && e.operator == "eq" {
			return []demand{{o.comparable().attr, text}}, true
		}
	case logical:
		if e.operator == "and" {
			left, leftWhole := demandsOf(e.left, names)
			right, rightWhole := demandsOf(e.right, names)
			return append(left, right...), leftWhole && rightWhole
		}
	case selection:
		o, err := names(e.attr)
		if err != nil {
			return nil, false
		}
		filter := e.filter
		if e.rest != nil {
			filter = logical{operator: "and", left: filter, right: *e.rest}
		}
		// That one value meets two demands is more than both together say.
		demands, whole = demandsOf(filter, elementScope(o.attr))
		return demands, whole && len(demands) == 1
	}
	return nil, false
}

// matching returns the resources of kind that match, in the order of creation.
// The list may be the store's own.
func (s *store) matching(kind *resourceType, q query) []*record {
	found, answered := s.order[kind], 0
	for _, d := range q.demands {
		if find, ok := s.lookups[d.attr]; ok {
			found = common(found, find(d.text))
			answered++
		}
	}
	if q.match == nil || q.whole && answered == len(q.demands) {
		return found
	}
	var matching []*record
	for _, r := range found {
		if q.match(s.represent(r, q.uses)) {
			matching = append(matching, r)
		}
	}
	return matching
}

// common returns what two ordered lists have in common.
func common(a, b []*record) []*record {
	if len(a) > len(b) {
		a, b = b, a
	}
	var both []*record
	for _, r := range a {
		if _, ok := slices.BinarySearchFunc(b, r, byCreation); ok {
			both = append(both, r)
		}
	}
	return both
}
