package scim

import (
	"fmt"
)

// run is the normalization of one body.
type run struct {
	n      *Normalizer
	parser *parser // has read the body
	kind   Body
	fired  Set
	// dropping is nil if nothing is to be dropped.
	dropping *dropping
	sites    []site
	// present are the bits of the attributes that sites are about.
	present uint64
	// embedded reads JSON out of strings; nil until there is some. Its bounds are
	// those of one body.
	embedded *parser
}

// site is an attribute in a body: what a PATCH operation with a path aims at,
// or a member of a resource, of an extension's container, or of the value of an
// operation without a path.
type site struct {
	path
	// value is nil in an operation without one.
	value *value
	// The name is either a member's, or the path of an operation.
	member    *child
	operation *operation
}

// rename gives the site's attribute another name.
func (s *site) rename(r *run, text []byte) {
	if s.member == nil {
		s.operation.setPath(r, text)
		s.path = s.operation.path
		return
	}
	s.member.rename(string(text))
	if s.schema != nil && !s.prefixed {
		s.path = r.n.pathIn(s.schema, s.member.name)
		return
	}
	s.path = r.n.path(s.member.name)
}

// uncovering are the rules that delete what can keep others from acting: a null
// beside a manager in an array, for one.
const uncovering Set = 1<<CreateRefNull | 1<<CreateNull

// body drops attributes and applies the rules that are on, until nothing is left
// to be dropped.
func (r *run) body(root *value) error {
	if root.kind != object {
		return nil // valid JSON, but not SCIM: the backend's to refuse
	}
	if r.dropping == nil {
		return r.rules(root)
	}
	for {
		dropped, err := r.drop(root)
		if err != nil || r.dropping.empty || r.n.rules&bodyRules[r.kind] == 0 || r.fired != 0 && !dropped {
			return err
		}
		if err := r.rules(root); err != nil || r.fired&revealing == 0 {
			return err
		}
	}
}

// rules applies rules, until a second run would change nothing.
func (r *run) rules(root *value) error {
	apply := r.resource
	if r.kind == Patch {
		apply = r.patch
	}
	all := r.fired
	for {
		r.fired = 0
		err := apply(root)
		all |= r.fired
		if err != nil || r.fired&uncovering == 0 {
			r.fired = all
			return err
		}
	}
}

// resource applies the rules for whole resources, in the order of the table.
func (r *run) resource(root *value) error {
	sites, err := r.members(nil, root)
	if err != nil {
		return err
	}
	for i := range r.n.plans[r.kind] {
		rule := &r.n.plans[r.kind][i]
		if r.lacks(rule) {
			continue
		}
		changed := r.atSites(rule, sites)
		if rule.create != nil && rule.create(r, root) {
			changed = true
			if sites, err = r.members(nil, root); err != nil {
				return err
			}
		}
		if changed {
			r.fired = r.fired.With(rule.id)
		}
	}
	return nil
}

// atSites applies a rule to attributes and their values, and reports whether
// that changed any.
func (r *run) atSites(rule *step, sites []site) (changed bool) {
	for i := range sites {
		s := &sites[i]
		if rule.path != nil && rule.path(r, s) {
			changed = true
		}
		if rule.value != nil && s.value != nil && rule.value(r, s) {
			changed = true
		}
	}
	return changed
}

// members returns the sites of a resource's members, those in the containers of
// extensions included. A standard name that comes twice once case is folded is
// an error: which one counts would be the backend's choice (RFC 7643 section
// 2.1).
func (r *run) members(schema []byte, resource *value) ([]site, error) {
	first := len(r.sites)
	if err := r.addMembers(schema, resource); err != nil {
		return nil, err
	}
	return r.sites[first:len(r.sites):len(r.sites)], nil
}

func (r *run) addMembers(schema []byte, resource *value) error {
	var seen names
	for i := range resource.children {
		c := &resource.children[i]
		var p path
		if schema == nil {
			p = r.n.path(c.name)
		} else {
			p = r.n.pathIn(schema, c.name)
		}
		if !p.valid {
			continue
		}
		if !seen.add(&p, r.n.isCustom(&p)) {
			return r.twice(&p)
		}
		if p.attribute == nil && c.value.kind == object {
			if err := r.addMembers(p.schema, c.value); err != nil {
				return err
			}
			continue
		}
		if err := r.checkSubs(&p, c.value); err != nil {
			return err
		}
		r.addSite(site{path: p, value: c.value, member: c})
	}
	return nil
}

func (r *run) addSite(s site) {
	if s.known != nil {
		r.present |= s.known.bit
	}
	r.sites = append(r.sites, s)
}

// lacks reports whether the body has nothing for the rule.
func (r *run) lacks(rule *step) bool { return rule.about != nil && r.present&rule.about.bit == 0 }

// checkSubs refuses a value of an attribute that is known in which the name of a
// sub-attribute comes twice once case is folded.
func (r *run) checkSubs(p *path, v *value) error {
	shape := p.known
	if shape == nil && p.isOneOf(r.n.multivalued, nil) {
		shape = &simpleValues
	}
	if shape != nil && shape.complex() && p.sub == nil && !uniqueSubs(shape, v) {
		return r.twice(p)
	}
	return nil
}

// uniqueSubs reports whether each sub-attribute comes once at most in an object
// and in each object of an array.
func uniqueSubs(a *attribute, v *value) bool {
	if v.kind == array {
		for i := range v.children {
			if element := v.children[i].value; element.kind == object && !uniqueSubs(a, element) {
				return false
			}
		}
		return true
	}
	var seen uint32
	for i := range v.children {
		for j, sub := range a.subs {
			if equalFold(v.children[i].name, sub) {
				if seen&(1<<j) != 0 {
					return false
				}
				seen |= 1 << j
			}
		}
	}
	return true
}

func (r *run) twice(p *path) error {
	name := "a schema or a custom attribute"
	if p.known != nil {
		name = p.known.name
	}
	return fmt.Errorf("%w: found the name of %s, or of a sub-attribute of it, twice in one object; expected it once, whatever its case", ErrSyntax, name)
}

// names are the standard names that one object holds.
type names struct {
	whole uint64 // their bits
	parts map[string]bool
}

// add adds a path's name, and reports whether it is a new one. Names that
// nobody knows, not even a setting, are always.
func (s *names) add(p *path, isCustom bool) bool {
	switch {
	case p.attribute != nil && p.known == nil && !isCustom:
		return true
	case p.known != nil && !p.prefixed && p.filter == nil && p.sub == nil:
		if s.whole&p.known.bit != 0 {
			return false
		}
		s.whole |= p.known.bit
		return true
	}
	// The filter is what rules would make of it; what it compares with keeps its
	// case.
	var buffer [128]byte
	folded := appendLower(buffer[:0], p.schema)
	folded = appendLower(append(folded, 0), p.attribute)
	folded = append(append(folded, 0), primaryLiterals(p.standardFilter())...)
	key := string(appendLower(append(folded, 0), p.sub))
	if s.parts[key] {
		return false
	}
	if s.parts == nil {
		s.parts = map[string]bool{}
	}
	s.parts[key] = true
	return true
}
