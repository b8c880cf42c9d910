package scim

import "bytes"

// rolesJSON replaces an element of roles whose only member is a string that
// holds a JSON object by that object.
func rolesJSON(r *run, s *site) bool {
	if !s.is(rolesAttribute) {
		return false
	}
	changed := false
	for object := range s.value.objects() {
		// A string may hold another one, which would be the next run's.
		for r.unpackRole(object) {
			changed = true
		}
	}
	return changed
}

// embeddedDepth leaves an object out of a string room in the body around it.
const embeddedDepth = maxDepth - 8

func (r *run) unpackRole(element *value) bool {
	packed, dropsID := r.packed(element)
	if packed == nil {
		return false
	}
	if r.embedded == nil {
		r.embedded = newParser()
		r.embedded.maxDepth = embeddedDepth
	}
	role, _, err := r.embedded.parse(packed)
	if err != nil || !uniqueSubs(rolesAttribute, role) {
		return false
	}
	*element = *role
	if dropsID {
		r.fired = r.fired.With(RolesDropID)
	}
	return true
}

// packed returns the JSON object in a string that is the only member of an
// element, nil if there is none. An id that the next rule would drop does not
// count: the string would then be alone for a second run only.
func (r *run) packed(element *value) (inner []byte, dropsID bool) {
	for i := range element.children {
		switch c := &element.children[i]; {
		case equalFold(c.name, "value"):
			inner = bytes.Trim(c.value.unquoted(), " \t\r\n")
		case equalFold(c.name, "id") && r.n.rules.Has(RolesDropID):
			dropsID = true
		default:
			return nil, false
		}
	}
	if len(inner) == 0 || inner[0] != '{' {
		return nil, false
	}
	return inner, dropsID
}

// rolesDisplay renames displayName.
func rolesDisplay(_ *run, s *site) bool {
	if !s.is(rolesAttribute) {
		return false
	}
	changed := false
	for object := range s.value.objects() {
		if object.member("display") != nil {
			continue
		}
		if c := object.member("displayName"); c != nil {
			c.rename("display")
			changed = true
		}
	}
	return changed
}

// rolesDropID takes the ids out, which some applications refuse.
func rolesDropID(_ *run, s *site) bool {
	return s.is(rolesAttribute) && s.value.removeFromObjects(func(c *child) bool { return equalFold(c.name, "id") })
}
