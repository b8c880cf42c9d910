package scim

import (
	"fmt"
	"slices"
)

// verb is what a PATCH operation does (RFC 7644 section 3.5.2).
type verb int

// The verbs, whatever their case. An operation with another one is the
// backend's to refuse.
const (
	other verb = iota
	add
	replace
	remove
)

var (
	verbs       = [...]string{add: "add", replace: "replace", remove: "remove"}
	quotedVerbs = [...]string{add: `"add"`, replace: `"replace"`, remove: `"remove"`}
)

// operation is an element of a PatchOp's Operations.
type operation struct {
	element child
	index   int // from 1 on, as it was sent
	verb    verb
	// hasPath tells that there is one, valid or not.
	hasPath bool
	path    path
	value   *value // nil if there is none
	sites   []site
	// more are the operations that a rule made out of this one, behind it.
	more []*operation
}

// The names of a PatchOp's members, and of an operation's.
var (
	messageNames   = []string{"schemas", "Operations"}
	operationNames = [...]string{"op", "path", "value"}
)

// patch applies the rules for PATCH, in the order of the table.
func (r *run) patch(root *value) error {
	list, err := r.operationList(root)
	if list == nil || err != nil {
		return err
	}
	operations, err := r.operations(list)
	if err != nil {
		return err
	}
	length := len(operations)
	for i := range r.n.plans[Patch] {
		rule := &r.n.plans[Patch][i]
		if r.lacks(rule) {
			continue
		}
		changed := false
		if operations, changed, err = r.atOperations(rule, operations); err != nil {
			return err
		}
		if rule.id == AttributeCase && r.renameMembers(root, operations) {
			changed = true
		}
		if changed {
			r.fired = r.fired.With(rule.id)
		}
	}
	if len(operations) > length {
		r.setOperations(root, operations)
	}
	return nil
}

// operationList returns the list of a message's operations; nil if it has none.
func (r *run) operationList(root *value) (*value, error) {
	message := attribute{name: "Operations", subs: messageNames}
	if !uniqueSubs(&message, root) {
		return nil, r.twice(&path{known: &message})
	}
	list := root.member("Operations")
	if list == nil || list.value.kind != array {
		return nil, nil
	}
	return list.value, nil
}

// setOperations makes the operations those of the message.
func (r *run) setOperations(root *value, operations []*operation) {
	children := make([]child, len(operations))
	for i, o := range operations {
		children[i] = o.element
	}
	root.member("Operations").value.children = children
	if r.dropping != nil {
		r.dropping.sent = nil // and no error follows that would count them
	}
}

// operations returns the elements of Operations.
func (r *run) operations(list *value) ([]*operation, error) {
	clear(r.parser.operations) // of the run before
	r.parser.operations = slices.Grow(r.parser.operations[:0], len(list.children))[:len(list.children)]
	operations := make([]*operation, len(list.children))
	for i := range operations {
		o := &r.parser.operations[i]
		operations[i] = o
		o.element, o.index = list.children[i], r.sentAs(i+1)
		if err := o.read(r); err != nil {
			return nil, atOperation(o.index, err)
		}
	}
	return operations, nil
}

func atOperation(index int, err error) error { return fmt.Errorf("operation %d: %w", index, err) }

// atOperations applies one rule.
func (r *run) atOperations(rule *step, operations []*operation) ([]*operation, bool, error) {
	any, more := false, 0
	for _, o := range operations {
		if o.verb == other {
			continue
		}
		if rule.operation != nil {
			changed, err := rule.operation(r, o)
			if err != nil {
				return nil, false, atOperation(o.index, err)
			}
			any, more = any || changed, more+len(o.more)
		}
		if r.atSites(rule, o.sites) {
			any = true
		}
	}
	if more == 0 {
		return operations, any, nil
	}
	all := make([]*operation, 0, len(operations)+more)
	for _, o := range operations {
		all = append(append(all, o), o.more...)
		o.more = nil
	}
	return all, any, nil
}

// operationParts are the members of an operation's object; nil if absent.
type operationParts struct{ op, path, value *value }

// operationParts takes the operation's object apart.
func (r *run) operationParts(object *value) (parts operationParts, err error) {
	into := [len(operationNames)]**value{&parts.op, &parts.path, &parts.value}
	for i := range object.children {
		c := &object.children[i]
		for j, name := range operationNames {
			if !equalFold(c.name, name) {
				continue
			}
			if *into[j] != nil {
				return parts, r.twice(&path{known: &attribute{name: "op, path or value"}})
			}
			*into[j] = c.value
		}
	}
	return parts, nil
}

// verbOf returns the verb that a value names; nil names none.
func verbOf(op *value) verb {
	for v := add; op != nil && v <= remove; v++ {
		if equalFold(op.unquoted(), verbs[v]) {
			return v
		}
	}
	return other
}

// isAssigned reports whether a path is there: one that is null is unassigned
// (RFC 7643 section 2.5).
func isAssigned(to *value) bool { return to != nil && to.kind != null }

// read takes the operation apart.
func (o *operation) read(r *run) error {
	parts, err := r.operationParts(o.element.value)
	if err != nil {
		return err
	}
	o.verb, o.value = verbOf(parts.op), parts.value
	if isAssigned(parts.path) {
		o.hasPath, o.path = true, r.n.operationPath(parts.path.unquoted())
	}
	return o.findSites(r)
}

// findSites finds what the operation aims at.
func (o *operation) findSites(r *run) (err error) {
	o.sites = nil
	switch {
	case !o.hasPath && o.value != nil:
		o.sites, err = r.members(nil, o.value)
	case !o.path.valid:
	case o.path.attribute != nil:
		if o.value != nil {
			err = r.checkSubs(&o.path, o.value)
		}
		first := len(r.sites)
		r.addSite(site{path: o.path, value: o.value, operation: o})
		o.sites = r.sites[first:len(r.sites):len(r.sites)]
	case o.value != nil: // the container of an extension
		o.sites, err = r.members(o.path.schema, o.value)
	}
	return err
}

// setVerb makes the operation do something else.
func (o *operation) setVerb(v verb) {
	o.verb = v
	o.element.value.member("op").value = &value{kind: text, raw: []byte(quotedVerbs[v])}
}

// setPath gives the operation another path, in front of its value if it had
// none.
func (o *operation) setPath(r *run, to []byte) {
	v := &value{kind: text, raw: quote(to)}
	object := o.element.value
	if p := object.member("path"); p != nil {
		p.value = v
	} else {
		object.insert("value", newMember("path", v))
	}
	o.hasPath, o.path = true, r.n.operationPath(to)
}

// dropValue takes the operation's value away.
func (o *operation) dropValue() {
	o.value = nil
	for i := range o.sites {
		o.sites[i].value = nil
	}
	o.element.value.remove(func(c *child) bool { return equalFold(c.name, "value") })
}

// another returns a new operation that does the same to another path. Members
// that nobody knows stay with the first.
func (o *operation) another(r *run, to []byte, v *value) *operation {
	object := &value{kind: object, children: make([]child, 0, len(operationNames))}
	object.children = append(object.children, newMember("op", o.element.value.member("op").value))
	if v != nil {
		object.children = append(object.children, newMember("value", v))
	}
	n := &operation{element: child{value: object}, index: o.index, verb: o.verb}
	n.become(r, to, v)
	return n
}

// become gives the operation another path and value; nil means none.
func (o *operation) become(r *run, to []byte, v *value) {
	if v == nil {
		o.dropValue()
	} else if member := o.element.value.member("value"); member != nil {
		member.value = v
	}
	o.setPath(r, to)
	o.value = v
	// Sites of one attribute whose sub-attributes are checked already.
	_ = o.findSites(r)
}

// renameMembers gives the message's own members their standard names.
func (r *run) renameMembers(root *value, operations []*operation) bool {
	changed := canonical(root, messageNames)
	for _, o := range operations {
		if o.verb != other && canonical(o.element.value, operationNames[:]) {
			changed = true
		}
	}
	return changed
}

// canonical gives the members of an object the standard spelling of their names.
func canonical(object *value, names []string) (changed bool) {
	for i := range object.children {
		c := &object.children[i]
		for _, name := range names {
			if string(c.name) != name && equalFold(c.name, name) {
				c.rename(name)
				changed = true
			}
		}
	}
	return changed
}
