package scim

import (
	"bytes"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// target is an element of a multi-valued attribute that operations aim at by a
// filter of one comparison.
type target struct {
	attribute *attribute
	// with is the sub-attribute that the filter compares, operand what with.
	with    string
	operand value
	// operations set its other sub-attributes.
	operations []*operation
}

// NeedsResource reports whether [Normalizer.Complete] has to see the resource:
// whether a PATCH that was normalized aims at elements of multi-valued
// attributes that may be missing. Without the rule [MissingTarget] it does not.
func (n *Normalizer) NeedsResource(patch []byte) bool {
	if !n.rules.Has(MissingTarget) {
		return false
	}
	p := n.parser()
	defer n.release(p)
	root, _, err := p.parse(patch)
	if err != nil {
		return false
	}
	r := run{n: n, parser: p, kind: Patch}
	targets, _ := r.targets(root)
	return len(targets) > 0
}

// Complete turns the operations of a PATCH that aim at an element which
// resource does not have into one that adds it whole, in the place of the first
// of them. RFC 7644 section 3.5.2.3 calls such a replace an error, and says
// nothing of such an add. What cannot be read leaves the PATCH as it is.
func (n *Normalizer) Complete(patch, resource []byte) ([]byte, Set) {
	p, q := n.parser(), n.parser()
	defer n.release(p)
	defer n.release(q)
	root, end, err := p.parse(patch)
	if err != nil {
		return patch, 0
	}
	have, _, err := q.parse(resource)
	if err != nil || !isResource(have) {
		return patch, 0
	}
	r := run{n: n, parser: p, kind: Patch}
	targets, operations := r.targets(root)
	targets = slices.DeleteFunc(targets, func(t *target) bool { return !t.missingIn(have) })
	if len(targets) == 0 {
		return patch, 0
	}
	joined := map[*operation]bool{}
	for _, t := range targets {
		t.join(&r)
		for _, o := range t.operations[1:] {
			joined[o] = true
		}
	}
	r.setOperations(root, slices.DeleteFunc(operations, func(o *operation) bool { return joined[o] }))
	return splice(patch, root, end), Set(0).With(MissingTarget)
}

// isResource reports whether a body is a resource: it has an id (RFC 7643
// section 3.1), and is no list.
func isResource(v *value) bool {
	id := v.member("id")
	return id != nil && len(id.value.unquoted()) > 0 && v.member("Resources") == nil
}

// targetKey tells one target from another.
type targetKey struct {
	attribute     uint64
	with, operand string
}

// targets returns the targets of a PATCH, and its operations.
func (r *run) targets(root *value) (targets []*target, operations []*operation) {
	list := root.member("Operations")
	if list == nil || list.value.kind != array {
		return nil, nil
	}
	operations, err := r.operations(list.value)
	if err != nil {
		return nil, nil
	}
	known, compared := map[targetKey]*target{}, map[targetKey]bool{}
	var disturbed uint64 // bits of the attributes
	for _, o := range operations {
		t := o.target()
		if t == nil || r.n.restores(t) {
			disturbed |= o.disturbs()
			continue
		}
		key := targetKey{t.attribute.bit, t.with, strings.ToLower(string(t.operand.raw))}
		if same := known[key]; same != nil {
			same.operations = append(same.operations, o)
			continue
		}
		known[key] = t
		compared[targetKey{attribute: t.attribute.bit, with: t.with}] = true
		targets = append(targets, t)
	}
	for _, t := range targets {
		for _, o := range t.operations {
			if compared[targetKey{attribute: t.attribute.bit, with: o.path.knownSub()}] {
				disturbed |= t.attribute.bit
			}
		}
	}
	return slices.DeleteFunc(targets, func(t *target) bool {
		return t.attribute.bit&disturbed != 0 || !t.isWhole()
	}), operations
}

// target returns what the operation aims at, nil if that cannot be added: an
// element of members, for one, is somebody.
func (o *operation) target() *target {
	p := &o.path
	if o.verb != add && o.verb != replace || !p.valid || p.filter == nil || p.knownSub() == "" ||
		o.value == nil || o.value.kind == null || !p.known.multi || p.known == membersAttribute || p.known == groupsAttribute {
		return nil
	}
	with, operand, ok := comparison(p.filter)
	name := p.known.sub(with)
	if !ok || name == "" || name == p.knownSub() {
		return nil
	}
	if name == "primary" && operand.kind == text && !operand.toBoolean() || operand.kind == no {
		return nil
	}
	return &target{attribute: p.known, with: name, operand: operand, operations: []*operation{o}}
}

// comparison takes a filter of one eq apart. A comparison with false is none: an
// element without the sub-attribute may or may not be meant.
func comparison(filter []byte) (with []byte, operand value, ok bool) {
	with, rest := cutName(bytes.TrimLeft(filter, " "))
	operator, rest := cutName(bytes.TrimLeft(rest, " "))
	rest = bytes.Trim(rest, " ")
	if !equalFold(operator, "eq") {
		return nil, value{}, false
	}
	if string(rest) == "true" {
		return with, value{kind: yes, raw: rest}, true
	}
	_, err := jsontext.AppendUnquote(nil, rest)
	return with, value{kind: text, raw: rest}, err == nil
}

// disturbs returns the bits of the attributes whose elements the operation may
// change: what becomes of them, the resource does not show.
func (o *operation) disturbs() (bits uint64) {
	if o.verb == other || o.hasPath && (!o.path.valid || o.path.attribute == nil) {
		return ^uint64(0)
	}
	for i := range o.sites {
		if o.sites[i].known != nil {
			bits |= o.sites[i].known.bit
		}
	}
	return bits
}

// isWhole reports whether the element would be one: without a value it is none,
// but for an address.
func (t *target) isWhole() bool {
	return t.attribute == addressesAttribute || slices.ContainsFunc(t.operations, func(o *operation) bool {
		return o.path.knownSub() == "value" && !isEmptyString(o.value)
	})
}

// missingIn reports whether a resource has no such element.
func (t *target) missingIn(resource *value) bool {
	c := resource.member(t.attribute.name)
	if c == nil || c.value.kind == null {
		return true
	}
	if c.value.kind != array {
		return false
	}
	for element := range c.value.objects() {
		if with := element.member(t.with); with != nil && t.matches(with.value) {
			return false
		}
	}
	return true
}

// matches compares as the filter would: strings without regard to case, for
// neither type nor value is case-exact (RFC 7643 section 8.7.1).
func (t *target) matches(v *value) bool {
	if t.operand.kind == yes {
		return v.kind == yes || boolean(v.unquoted()) == "true"
	}
	return v.kind == text && strings.EqualFold(string(t.operand.unquoted()), string(v.unquoted()))
}

// join makes the target's first operation one that adds the element.
func (t *target) join(r *run) {
	operand := t.operand
	element := &value{kind: object, children: []child{newMember(t.with, &operand)}}
	for _, o := range t.operations {
		sub := o.path.knownSub()
		if c := element.member(sub); c != nil {
			c.value = o.value
			continue
		}
		element.children = append(element.children, newMember(sub, o.value))
	}
	first := t.operations[0]
	list := &value{kind: array, children: []child{{value: element}}}
	to := path{schema: first.path.schema, prefixed: first.path.prefixed, dotted: first.path.dotted}
	first.become(r, to.with([]byte(t.attribute.name), nil, nil), list)
	first.setVerb(add)
}
