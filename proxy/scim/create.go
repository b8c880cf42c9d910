package scim

import (
	"slices"
	"strings"
)

// createIDNull takes an id that is null out of the resource.
func createIDNull(_ *run, resource *value) bool {
	return resource.remove(func(c *child) bool { return c.value.kind == null && equalFold(c.name, "id") })
}

// createRefNull takes the $ref that are null out of the standard attributes.
func createRefNull(_ *run, s *site) bool {
	return s.known != nil && s.value.removeFromObjects(isNullRef)
}

// createNull takes out of the resource what is null, which is the same as
// absent (RFC 7643 section 2.5), and what is empty because of that. Attributes
// that nobody knows are not looked into.
func createNull(r *run, resource *value) bool { return r.dropNulls(nil, resource) }

// dropNulls does so for the attributes of a schema.
func (r *run) dropNulls(schema []byte, resource *value) (changed bool) {
	removed := resource.remove(func(c *child) bool {
		p := r.n.path(c.name)
		if schema != nil {
			p = r.n.pathIn(schema, c.name)
		}
		var cut bool
		switch {
		case p.is(activeAttribute), p.is(idAttribute):
		case c.value.kind == null:
			return true
		case p.valid && p.attribute == nil && c.value.kind == object:
			cut = r.dropNulls(p.schema, c.value)
		case p.known != nil && p.known.complex():
			cut = dropNullSubs(c.value)
		}
		changed = changed || cut
		return cut && len(c.value.children) == 0
	})
	return removed || changed
}

// dropNullSubs takes the sub-attributes that are null out of a complex
// attribute, and the elements that say nothing then. A $ref has a rule of its
// own.
func dropNullSubs(v *value) (changed bool) {
	switch v.kind {
	case object:
		return v.remove(func(c *child) bool { return c.value.kind == null && !isNullRef(c) })
	case array:
		removed := v.remove(func(c *child) bool {
			if c.value.kind == null {
				return true
			}
			valueless := isNullValue(c.value.member("value"))
			cut := dropNullSubs(c.value)
			changed = changed || cut
			return cut && (len(c.value.children) == 0 || valueless && isLabel(c.value))
		})
		return removed || changed
	}
	return false
}

func isNullValue(c *child) bool { return c != nil && c.value.kind == null }

// isLabel reports whether an element says no more than what kind of value it
// would be.
func isLabel(element *value) bool {
	return !slices.ContainsFunc(element.children, func(c child) bool {
		return !equalFold(c.name, "type") && !equalFold(c.name, "primary")
	})
}

// legacyURIs are schema URIs that Entra's samples hold, and what they mean.
var legacyURIs = []struct{ uri, meant string }{
	{"http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group", coreGroup},
	{"urn:ietf:params:scim:schemas:extension:enterprise:2.0User", enterpriseUser},
	{"urn:ietf:params:scim:schemas:core:2.0User", coreUser},
	{"urn:ietf:params:scim:schemas:core:2.0Group", coreGroup},
}

func meantBy(uri []byte) string {
	for _, legacy := range legacyURIs {
		if equalFold(uri, legacy.uri) {
			return legacy.meant
		}
	}
	return ""
}

// cutLegacy cuts a legacy URI off, and the separator behind it; meant is "" if
// there is none.
func cutLegacy(name []byte) (meant string, rest []byte) {
	for _, legacy := range legacyURIs {
		if n := len(legacy.uri); n <= len(name) && equalFold(name[:n], legacy.uri) && ends(name[n:]) {
			return legacy.meant, name[min(n+1, len(name)):]
		}
	}
	return "", name
}

// repairSchemas replaces the schema URIs that are legacy or misspelt, in schemas
// and as the names of containers; those whose meaning is there already go.
func repairSchemas(_ *run, resource *value) (changed bool) {
	for i := range resource.children {
		c := &resource.children[i]
		if meant := meantBy(c.name); meant != "" && resource.member(meant) == nil {
			c.rename(meant)
			changed = true
		}
	}
	schemas := resource.member("schemas")
	if schemas == nil || schemas.value.kind != array {
		return changed
	}
	list := schemas.value
	listed := list.uris()
	for i := range list.children {
		v := list.children[i].value
		if meant := meantBy(v.unquoted()); meant != "" && !listed[strings.ToLower(meant)] {
			v.setText(text, quote(meant))
			listed[strings.ToLower(meant)] = true
			changed = true
		}
	}
	if list.remove(func(c *child) bool { return meantBy(c.value.unquoted()) != "" }) {
		changed = true
	}
	return changed
}

// uris are the strings of an array, in lower case.
func (v *value) uris() map[string]bool {
	uris := make(map[string]bool, len(v.children))
	for i := range v.children {
		uris[strings.ToLower(string(v.children[i].value.unquoted()))] = true
	}
	return uris
}

// extensionSchemas adds the extensions to schemas that are in the resource but
// not there (RFC 7643 section 3).
func extensionSchemas(r *run, resource *value) (changed bool) {
	schemas := resource.member("schemas")
	if schemas == nil || schemas.value.kind != array {
		return false
	}
	listed := schemas.value.uris()
	for i := range resource.children {
		c := &resource.children[i]
		if c.value.kind != object {
			continue
		}
		p := r.n.path(c.name)
		if uri := strings.ToLower(string(p.schema)); p.valid && p.attribute == nil && !listed[uri] {
			schemas.value.children = append(schemas.value.children, child{value: &value{kind: text, raw: quote(p.schema)}})
			listed[uri] = true
			changed = true
		}
	}
	return changed
}
