package scim

import "bytes"

// path is where a PATCH operation or a member of a resource aims: the attrPath
// or valuePath of RFC 7644 section 3.5.2, figure 7. Its parts are slices of
// text.
type path struct {
	text []byte
	// schema is the attribute's, nil for a core one without a URI. With a URI
	// alone, the attribute is nil.
	schema    []byte
	attribute []byte
	// filter is what the brackets hold, nil if there are none.
	filter []byte
	sub    []byte
	// prefixed tells that text begins with the schema; it does not where the
	// member is in an extension's container.
	prefixed bool
	// dotted tells that a dot stands between schema and attribute, where a colon
	// belongs.
	dotted bool
	// known is what is known of the attribute; nil if nothing is.
	known *attribute
	// valid tells that the text could be taken apart. Nothing else counts if not:
	// without knowing the schema, a name cannot be told from a part of the URI.
	valid bool
}

// path takes a path apart.
func (n *Normalizer) path(text []byte) path {
	schema, rest, dotted := n.cutSchema(text)
	if schema != nil && len(rest) == 0 {
		return path{text: text, schema: schema, prefixed: true, valid: true}
	}
	p := n.pathIn(schema, rest)
	if p.valid {
		p.prefixed, p.dotted = schema != nil, dotted
	}
	p.text = text
	return p
}

// operationPath takes the path of an operation apart. The manager is known there
// without a schema, too, as older samples of Entra's have it.
func (n *Normalizer) operationPath(text []byte) path {
	p := n.path(text)
	if p.valid && p.schema == nil && equalFold(p.attribute, managerAttribute.name) {
		p.known = managerAttribute
	}
	return p
}

// pathIn takes apart the path of an attribute of a schema; nil stands for the
// core ones.
func (n *Normalizer) pathIn(schema, text []byte) path {
	p := path{text: text, schema: schema}
	var rest []byte
	if p.attribute, rest = cutName(text); p.attribute == nil {
		return path{text: text}
	}
	if len(rest) > 0 && rest[0] == '[' {
		end := filterEnd(rest)
		if end < 0 || !isFilter(rest[1:end]) {
			return path{text: text}
		}
		p.filter, rest = rest[1:end], rest[end+1:]
	}
	if len(rest) > 0 && rest[0] == '.' {
		if p.sub, rest = cutName(rest[1:]); p.sub == nil {
			return path{text: text}
		}
	}
	if len(rest) > 0 {
		return path{text: text}
	}
	p.known, p.valid = attributeOf(schema, p.attribute), true
	return p
}

// cutSchema cuts the longest known schema URI off, and the separator behind it.
// The dot in a URI's "2.0" therefore separates nothing.
func (n *Normalizer) cutSchema(text []byte) (schema, rest []byte, dotted bool) {
	length := extensionLength(text)
	for _, known := range n.schemas {
		if len(known) > length && len(known) <= len(text) && equalFold(text[:len(known)], known) && ends(text[len(known):]) {
			length = len(known)
		}
	}
	if length == 0 {
		return nil, text, false
	}
	schema, rest = text[:length:length], text[length:]
	if len(rest) == 0 {
		return schema, nil, false
	}
	return schema, rest[1:], rest[0] == '.'
}

// ends reports whether a schema URI can end before rest.
func ends(rest []byte) bool { return len(rest) == 0 || rest[0] == ':' || rest[0] == '.' }

// extensionLength returns the length of the schema URI at the start of text that
// has the form urn:ietf:params:scim:schemas:extension:NAME:2.0:User or Group; 0
// if there is none.
func extensionLength(text []byte) int {
	if len(text) < len(extensionPrefix) || !equalFold(text[:len(extensionPrefix)], extensionPrefix) {
		return 0
	}
	name := bytes.IndexByte(text[len(extensionPrefix):], ':')
	if name <= 0 {
		return 0
	}
	version := len(extensionPrefix) + name
	for _, tail := range []string{":2.0:User", ":2.0:Group"} {
		end := version + len(tail)
		if end <= len(text) && equalFold(text[version:end], tail) && ends(text[end:]) {
			return end
		}
	}
	return 0
}

// cutName cuts an attribute name off (RFC 7643 section 2.1, and "$ref"); nil if
// text does not begin with one.
func cutName(text []byte) (name, rest []byte) {
	end := 0
	for end < len(text) && isNameByte(text[end], end == 0) {
		end++
	}
	if end == 0 {
		return nil, text
	}
	return text[:end:end], text[end:]
}

func isNameByte(b byte, first bool) bool {
	switch {
	case 'a' <= lower(b) && lower(b) <= 'z':
		return true
	case first:
		return b == '$'
	}
	return '0' <= b && b <= '9' || b == '-' || b == '_'
}

// filterEnd returns the index of the bracket that closes the one at the start
// of text, -1 if there is none. Brackets in strings do not count.
func filterEnd(text []byte) int {
	quoted := false
	for i := 1; i < len(text); i++ {
		switch {
		case quoted && text[i] == '\\':
			i++
		case text[i] == '"':
			quoted = !quoted
		case text[i] == ']' && !quoted:
			return i
		}
	}
	return -1
}

// is reports whether the path names a whole attribute, and this one.
func (p *path) is(a *attribute) bool {
	return p.known == a && p.filter == nil && p.sub == nil
}

// knownSub returns the standard spelling of the path's sub-attribute, "" if it
// has none or an unknown one.
func (p *path) knownSub() string {
	if p.known == nil || p.sub == nil {
		return ""
	}
	return p.known.sub(p.sub)
}

// with returns the path's text with other parts.
func (p *path) with(attribute, filter, sub []byte) []byte {
	separator := ":"
	if p.dotted {
		separator = "."
	}
	text := make([]byte, 0, len(p.text)+8)
	if p.prefixed {
		text = append(text, p.schema...)
		text = append(text, separator...)
	}
	text = append(text, attribute...)
	if p.filter != nil {
		text = append(text, '[')
		text = append(text, filter...)
		text = append(text, ']')
	}
	if p.sub != nil {
		text = append(text, '.')
		text = append(text, sub...)
	}
	return text
}

// custom is an attribute that a setting names.
type custom struct{ schema, attribute, sub []byte }

// matches reports whether the path names the attribute, sub being the path's
// own sub-attribute or one within its value.
func (c *custom) matches(p *path, sub []byte) bool {
	return sameSchema(c.schema, p.schema) && equalFold(c.attribute, p.attribute) && equalFold(c.sub, sub)
}

func sameSchema(a, b []byte) bool {
	return equalFold(a, b) || (a == nil || isCore(a)) && (b == nil || isCore(b))
}

// isOneOf reports whether a setting names the attribute of the path.
func (p *path) isOneOf(customs []custom, sub []byte) bool {
	for i := range customs {
		if customs[i].matches(p, sub) {
			return true
		}
	}
	return false
}

// isCustom reports whether a setting names the path's attribute, or a
// sub-attribute of it.
func (n *Normalizer) isCustom(p *path) bool {
	for _, customs := range [][]custom{n.booleans, n.integers, n.multivalued} {
		for i := range customs {
			if customs[i].matches(p, customs[i].sub) {
				return true
			}
		}
	}
	return false
}
