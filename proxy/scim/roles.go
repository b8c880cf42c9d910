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
	if len(element.children) != 1 || !equalFold(element.children[0].name, "value") {
		return false
	}
	inner := bytes.Trim(element.children[0].value.unquoted(), " \t\r\n")
	if len(inner) == 0 || inner[0] != '{' {
		return false
	}
	if r.embedded == nil {
		r.embedded = newParser()
		r.embedded.maxDepth = embeddedDepth
	}
	role, _, err := r.embedded.parse(inner)
	if err != nil || !uniqueSubs(rolesAttribute, role) {
		return false
	}
	*element = *role
	return true
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
