package scim

// dropping is what one body loses.
type dropping struct {
	names []custom
	count int
	empty bool // as in [Outcome]
	// sent are the numbers that the operations had in the body as it was sent,
	// nil if they are what was sent.
	sent []int
}

// revealing are the rules that give an attribute the name by which it may have
// to be dropped.
const revealing Set = 1<<RolesJSON | 1<<RolesDisplay

// addDrop reads a path of [Options].Drop, and reports whether it can be used.
func (n *Normalizer) addDrop(name string) bool {
	p := n.path([]byte(name))
	switch {
	case !p.valid, p.filter != nil, p.dotted:
		return false
	case p.attribute == nil && (isCore(p.schema) || len(p.schema) < len(name)):
		return false // all there is, or a URI whose attribute was forgotten
	case p.known == schemasAttribute:
		return false // no SCIM message is valid without (RFC 7643 section 3)
	case equalFold(p.sub, "value"):
		// What is left of an element would name nobody (RFC 7643 section 2.4): a
		// remove of one member could no longer be told from one of others.
		return false
	}
	d := custom{p.schema, p.attribute, p.sub}
	for of := range n.drop {
		other := coreGroup
		if Resource(of) == Group {
			other = coreUser
		}
		if !equalFold(d.schema, other) {
			n.drop[of] = append(n.drop[of], d)
		}
	}
	return true
}

// covers reports whether the path is the attribute or a part of it, sub being
// the path's own sub-attribute or one within its value.
func (c *custom) covers(p *path, sub []byte) bool {
	switch {
	case sameSchema(c.schema, p.schema):
	case p.known == managerAttribute && equalFold(c.schema, enterpriseUser): // see operationPath
	default:
		return false
	}
	return c.attribute == nil || equalFold(c.attribute, p.attribute) && (c.sub == nil || equalFold(c.sub, sub))
}

func covered(drop []custom, p *path, sub []byte) bool {
	for i := range drop {
		if drop[i].covers(p, sub) {
			return true
		}
	}
	return false
}

// restores reports whether an element of the target's would have a
// sub-attribute again that was dropped, from whatever type of resource.
func (n *Normalizer) restores(t *target) bool {
	p := &t.operations[0].path
	return covered(n.drop[User], p, []byte(t.with)) || covered(n.drop[Group], p, []byte(t.with))
}

// drop removes the attributes of [Options].Drop from a body, and reports whether
// there were any.
func (r *run) drop(root *value) (bool, error) {
	d := r.dropping
	before := d.count
	if r.kind != Patch {
		r.dropMembers(nil, root)
		return d.count > before, nil
	}
	list, err := r.operationList(root)
	if list == nil || err != nil {
		return false, err
	}
	// Errors count the operations as they were sent.
	sent := make([]int, 0, len(list.children))
	at := 0
	d.empty = list.remove(func(c *child) bool {
		at++
		gone, twice := r.dropsOperation(c.value)
		if twice != nil && err == nil {
			err = atOperation(r.sentAs(at), twice)
		}
		if !gone {
			sent = append(sent, r.sentAs(at))
		}
		return gone
	}) && len(list.children) == 0
	d.sent = sent
	return d.count > before, err
}

// sentAs returns the number from 1 on that an operation had in the body as it
// was sent, if it is the nth now.
func (r *run) sentAs(nth int) int {
	if r.dropping == nil || r.dropping.sent == nil {
		return nth
	}
	return r.dropping.sent[nth-1]
}

// dropsOperation removes the attributes from an operation's value, and reports
// whether the operation has to go: because it is about one, or because nothing
// is left of its value, without which a remove would do more than it did.
func (r *run) dropsOperation(operation *value) (bool, error) {
	parts, err := r.operationParts(operation)
	if err != nil || verbOf(parts.op) == other {
		return false, err
	}
	v := parts.value
	if !isAssigned(parts.path) {
		return v != nil && r.dropMembers(nil, v), nil
	}
	p := r.dropPath(nil, parts.path.unquoted())
	switch {
	case !p.valid:
		return false, nil
	case r.drops(&p, p.sub):
		return true, nil
	case v == nil:
		return false, nil
	case p.attribute == nil:
		return r.dropMembers(p.schema, v), nil
	}
	return r.dropParts(&p, v), nil
}

// dropMembers removes the attributes from a resource, the container of an
// extension or the value of an operation without a path. It reports whether
// nothing is left because of that; what is empty then goes, too.
func (r *run) dropMembers(schema []byte, resource *value) (emptied bool) {
	if resource.kind != object {
		return false
	}
	return resource.remove(func(c *child) bool {
		p := r.dropPath(schema, c.name)
		switch {
		case !p.valid:
			return false
		case r.drops(&p, p.sub):
			return true
		case p.attribute == nil:
			return r.dropMembers(p.schema, c.value)
		}
		return r.dropParts(&p, c.value)
	}) && len(resource.children) == 0
}

// dropPath takes the path of an operation or the name of a member apart; schema
// is that of the container it is in, nil if it is in none. A name that begins
// with a URI is of that schema wherever it is, and a legacy URI counts as what it
// means, whether the rule for it is on or not.
func (r *run) dropPath(schema, name []byte) path {
	p := r.n.path(name)
	if r.kind == Patch {
		p = r.n.operationPath(name)
	}
	switch meant, rest := cutLegacy(name); {
	case p.schema != nil:
	case meant != "" && len(rest) == 0:
		return path{text: name, schema: []byte(meant), prefixed: true, valid: true}
	case meant != "":
		return r.n.pathIn([]byte(meant), rest)
	case schema != nil:
		return r.n.pathIn(schema, name)
	}
	return p
}

// dropParts removes sub-attributes from the value of an attribute, and URIs of
// extensions from schemas. It reports whether nothing is left because of that.
func (r *run) dropParts(p *path, v *value) (emptied bool) {
	switch {
	case p.sub != nil:
		return false
	case v.kind == text && p.is(schemasAttribute):
		uri := r.dropPath(nil, v.unquoted())
		return uri.valid && uri.attribute == nil && r.drops(&uri, nil)
	case v.kind == object:
		return v.remove(func(c *child) bool { return r.drops(p, c.name) }) && len(v.children) == 0
	case v.kind == array:
		return v.remove(func(c *child) bool { return r.dropParts(p, c.value) }) && len(v.children) == 0
	}
	return false
}

// drops reports whether a path is about an attribute that is dropped, and
// counts it.
func (r *run) drops(p *path, sub []byte) bool {
	if !covered(r.dropping.names, p, sub) {
		return false
	}
	r.dropping.count++
	return true
}
