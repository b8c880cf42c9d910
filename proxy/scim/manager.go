package scim

// managerPath qualifies a bare path, and turns an operation that clears the
// manager into one that removes it.
func managerPath(r *run, o *operation) (bool, error) {
	if !o.hasPath || o.path.known != managerAttribute {
		return false, nil
	}
	changed := false
	if p := o.path; p.schema == nil {
		p.schema, p.prefixed = []byte(enterpriseUser), true
		sub := p.sub
		if known := p.knownSub(); known != "" {
			sub = []byte(known)
		}
		o.setPath(r, p.with([]byte(managerAttribute.name), p.filter, sub))
		if err := o.findSites(r); err != nil {
			return false, err
		}
		changed = true
	}
	if !o.path.is(managerAttribute) || o.value == nil || o.verb == remove {
		return changed, nil
	}
	if managerShape(o.value) {
		changed = true
	}
	if o.value.kind == null || isEmptyString(o.value) {
		o.setVerb(remove)
		o.dropValue()
		changed = true
	}
	return changed, nil
}

// managerObject makes the manager in the container of the enterprise extension
// an object, or null where it is cleared.
func managerObject(_ *run, s *site) bool {
	if !s.is(managerAttribute) || s.member == nil {
		return false
	}
	changed := managerShape(s.value)
	if isEmptyString(s.value) {
		s.value.setText(null, []byte("null"))
		changed = true
	}
	return changed
}

// managerShape unwraps an array of one, makes an object of a string with an id,
// and drops a $ref that is null.
func managerShape(v *value) (changed bool) {
	if v.kind == array && len(v.children) == 1 && v.children[0].value.kind != array {
		*v = *v.children[0].value
		changed = true
	}
	switch {
	case v.kind == text && !isEmptyString(v):
		v.wrap()
		return true
	case v.kind == object:
		return v.removeFromObjects(isNullRef) || changed
	}
	return changed
}

func isEmptyString(v *value) bool { return v.kind == text && len(v.raw) == len(`""`) }

func isNullRef(c *child) bool { return c.value.kind == null && equalFold(c.name, "$ref") }

// wrap puts the value into an object, as its member "value".
func (v *value) wrap() {
	inner := *v
	*v = value{kind: object, children: []child{newMember("value", &inner)}}
}
