package scim

import "bytes"

// pathlessSplit gives those members of the value of an operation without a path
// an operation of their own whose names are paths: with a sub-attribute, a
// filter or a schema. The rest stays together, in front.
func pathlessSplit(r *run, o *operation) (bool, error) {
	if o.hasPath || o.verb == remove || o.value == nil || o.value.kind != object {
		return false, nil
	}
	parts := make([]child, 0, len(o.value.children))
	for i := range o.value.children {
		if c := &o.value.children[i]; isPart(r, c) {
			parts = append(parts, *c)
		}
	}
	if len(parts) == 0 {
		return false, nil
	}
	var alone *child // takes the place of the operation, if nothing stays
	if len(parts) == len(o.value.children) {
		alone, parts = &parts[0], parts[1:]
	}
	for i := range parts {
		o.more = append(o.more, o.another(r, parts[i].name, parts[i].value))
	}
	if alone != nil {
		o.become(r, alone.name, alone.value)
		return true, nil
	}
	o.value.remove(func(c *child) bool { return isPart(r, c) })
	return true, o.findSites(r)
}

// isPart reports whether a member's name is a path rather than a name. A name
// with a URI that nobody knows stays: whether it ends in an attribute cannot be
// told.
func isPart(r *run, c *child) bool {
	if !bytes.ContainsAny(c.name, ".[:") {
		return false
	}
	p := r.n.path(c.name)
	return p.valid && p.attribute != nil
}
