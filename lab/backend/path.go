package backend

import "maps"

// location is the target of a PATCH operation (RFC 7644 section 3.5.2).
type location struct {
	text      string  // as the client wrote it
	extension *schema // nil for the core schema
	attr      *attribute
	sub       *attribute // nil if the path names none
	filter    expression // nil if the path has none
	match     predicate  // over values of attr; nil without a filter
}

// locate parses path and finds what it names.
func (k *resourceType) locate(path string) (location, error) {
	parsed, sub, err := parsePath(path)
	if err != nil {
		return location{}, err
	}
	loc := location{text: path, filter: parsed.filter}
	name := parsed.attr
	if parsed.filter != nil {
		if name.sub != "" {
			return loc, refuse(invalidPath, "%q has a filter behind a sub-attribute", path)
		}
		name.sub = sub
	}
	var ok bool
	if loc.extension, loc.attr, loc.sub, ok = k.resolve(name); !ok {
		return loc, refuse(invalidPath, "%q names no attribute of a %s", path, k.name)
	}
	if loc.filter == nil {
		return loc, nil
	}
	if !loc.attr.multi || loc.attr.sub == nil {
		return loc, refuse(invalidPath, "%q has a filter on an attribute with a single value", path)
	}
	loc.match, err = compile(loc.filter, elementScope(loc.attr))
	return loc, err
}

// parsePath parses the grammar PATH: an attribute, or an attribute with a
// value filter and perhaps a sub-attribute behind it.
func parsePath(path string) (parsed selection, sub string, err error) {
	malformed := refuse(invalidPath, "%q is not a path", path)
	tokens, err := lex(path)
	// Unlike in a filter, spaces around a path belong to nothing.
	if err != nil || tokens[0].kind != tokenWord || path[0] == ' ' || path[len(path)-1] == ' ' {
		return parsed, "", malformed
	}
	p := &filterParser{tokens: tokens}
	var ok bool
	if parsed.attr, ok = parseAttrPath(p.next().text); !ok {
		return parsed, "", malformed
	}
	if p.peek().kind == tokenOpenBracket {
		if parsed.filter, err = p.brackets(); err != nil {
			return parsed, "", err
		}
		if t := p.peek(); t.kind == tokenWord && !t.spaced {
			if sub, ok = parseSubAttribute(p.next().text); !ok {
				return parsed, "", malformed
			}
		}
	}
	if p.peek().kind != tokenEnd {
		return parsed, "", malformed
	}
	return parsed, sub, nil
}

// writable refuses an operation on what clients may not change (RFC 7643
// section 7).
func (l location) writable(verb string) error {
	if l.attr.access != readWrite || (l.sub != nil && l.sub.access != readWrite) {
		return refuse(mutability, "%q must not be changed", l.text)
	}
	if verb == "remove" && l.sub == nil && l.filter == nil && l.attr.required {
		return refuse(mutability, "%q is required", l.text)
	}
	return nil
}

// implied returns the sub-attributes that a value must have to match e, if e
// is made of nothing but equalities joined by "and".
func implied(e expression) (map[string]any, bool) {
	switch e := e.(type) {
	case comparison:
		return map[string]any{e.attr.name: e.value}, e.operator == "eq" && e.value != nil
	case logical:
		left, ok := implied(e.left)
		right, also := implied(e.right)
		if !ok || !also || e.operator != "and" {
			return nil, false
		}
		maps.Copy(left, right)
		return left, true
	}
	return nil, false
}
