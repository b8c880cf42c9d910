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
	if err != nil || have.member("id") == nil {
		return patch, 0 // a resource has an id (RFC 7643 section 3.1)
	}
	r := run{n: n, parser: p, kind: Patch}
	targets, operations := r.targets(root)
	changed := false
	for _, t := range targets {
		if t.missingIn(have) {
			operations = t.join(&r, operations)
			changed = true
		}
	}
	if !changed {
		return patch, 0
	}
	setOperations(root, operations)
	return splice(patch, root, end), Set(0).With(MissingTarget)
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
	for _, o := range operations {
		t := o.target()
		if t == nil {
			continue
		}
		same := func(other *target) bool { return other.same(t) }
		if i := slices.IndexFunc(targets, same); i >= 0 {
			targets[i].operations = append(targets[i].operations, o)
			continue
		}
		targets = append(targets, t)
	}
	// What another operation does to the attribute, the resource does not show.
	return slices.DeleteFunc(targets, func(t *target) bool {
		return slices.ContainsFunc(operations, func(o *operation) bool { return o.disturbs(t.attribute) })
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

// disturbs reports whether an operation changes which elements an attribute
// has, or may.
func (o *operation) disturbs(a *attribute) bool {
	if o.verb == other {
		return true
	}
	return slices.ContainsFunc(o.sites, func(s site) bool {
		return s.known == a && (s.filter == nil || s.sub == nil || o.verb == remove || s.member != nil || o.target() == nil)
	})
}

func (t *target) same(as *target) bool {
	return t.attribute == as.attribute && t.with == as.with && matches(&t.operand, &as.operand)
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
		if with := element.member(t.with); with != nil && matches(&t.operand, with.value) {
			return false
		}
	}
	return true
}

// matches compares as the filter would: strings without regard to case, for
// neither type nor value is case-exact (RFC 7643 section 8.7.1).
func matches(operand, v *value) bool {
	if operand.kind == yes {
		literal, ok := boolean(v.raw)
		return v.kind == yes || ok && literal == "true"
	}
	return v.kind == text && strings.EqualFold(string(operand.unquoted()), string(v.unquoted()))
}

// join makes one operation of the target's, which adds the element.
func (t *target) join(r *run, operations []*operation) []*operation {
	operand := t.operand
	element := &value{kind: object, children: []child{newMember(quote(t.with), &operand)}}
	for _, o := range t.operations {
		sub := o.path.knownSub()
		if c := element.member(sub); c != nil {
			c.value = o.value
			continue
		}
		element.children = append(element.children, newMember(quote(sub), o.value))
	}
	first := t.operations[0]
	list := &value{kind: array, children: []child{{value: element}}}
	to := path{schema: first.path.schema, prefixed: first.path.prefixed, dotted: first.path.dotted}
	first.become(r, to.with([]byte(t.attribute.name), nil, nil), list)
	first.setVerb(add)
	return slices.DeleteFunc(operations, func(o *operation) bool {
		return o != first && slices.Contains(t.operations, o)
	})
}
