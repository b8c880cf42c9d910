package scim

import "fmt"

// removeValue takes the value out of a remove: one operation with a filter for
// each element that the value names. RFC 7644 section 3.5.2.2 knows no value
// there; a backend that ignores it removes everything.
func removeValue(r *run, o *operation) (bool, error) {
	if o.verb != remove || o.value == nil {
		return false, nil
	}
	p := &o.path
	if !o.hasPath || !p.valid || p.attribute == nil {
		return false, refuseRemove("no attribute that is known", "a path")
	}
	multi := p.known != nil && p.known.multi || p.isOneOf(r.n.multivalued, nil)
	switch {
	case p.filter != nil, p.known != nil && !p.known.multi:
		o.dropValue()
		return true, nil
	case !multi, p.sub != nil:
		return false, refuseRemove("an attribute that is not known to hold several values", "a path with a filter")
	}
	elements := []*value{o.value}
	if o.value.kind == array {
		elements = elements[:0]
		for i := range o.value.children {
			elements = append(elements, o.value.children[i].value)
		}
	}
	var paths [][]byte
	for _, element := range elements {
		literal := r.literal(p, element)
		if literal == nil {
			return false, refuseRemove("an element without a value", "elements that each have one")
		}
		paths = append(paths, p.filtered(literal))
	}
	if len(paths) == 0 {
		return false, refuseRemove("no elements", "those to remove")
	}
	for _, to := range paths[1:] {
		o.more = append(o.more, o.another(r, to, nil))
	}
	o.become(r, paths[0], nil)
	return true, nil
}

func refuseRemove(found, expected string) error {
	return fmt.Errorf("%w: found a remove with a value that cannot become a filter, for it names %s; expected %s", ErrValue, found, expected)
}

// literal returns the text that tells an element of a multi-valued attribute
// from the others, as a filter's operand; nil if nothing does.
func (r *run) literal(p *path, element *value) []byte {
	switch {
	case element.kind == object:
		member := element.member("value")
		if member == nil {
			return nil
		}
		element = member.value
	case !p.isOneOf(r.n.multivalued, nil):
		return nil
	}
	switch {
	case element.kind == text && !isEmptyString(element): // nobody has an empty id
		return quote(element.unquoted())
	case element.kind == number, element.kind == yes, element.kind == no:
		return element.raw
	}
	return nil
}

// filtered returns the path's text with a filter for a value.
func (p *path) filtered(literal []byte) []byte {
	to := append([]byte(nil), p.text...)
	to = append(to, "[value eq "...)
	return append(append(to, literal...), ']')
}

// nullRemove turns an operation that sets an attribute to null into one that
// removes it.
func nullRemove(_ *run, o *operation) (bool, error) {
	if o.verb == remove || !o.hasPath || !o.path.valid || o.value == nil || o.value.kind != null {
		return false, nil
	}
	switch {
	case o.path.is(activeAttribute), o.path.attribute == nil && !isCore(o.path.schema):
		return false, nil
	case o.path.attribute == nil, o.path.known == membersAttribute && o.path.filter == nil:
		return false, fmt.Errorf("%w: found null for members, or for all attributes, which would remove everybody; expected a list", ErrValue)
	}
	o.setVerb(remove)
	o.dropValue()
	return true, nil
}
