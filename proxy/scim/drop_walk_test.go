package scim_test

import (
	"regexp"
	"slices"
	"strings"

	"example.com/entra-scim-proxy/proxy/scim"
)

// dropWalk says what has to become of a body, by another way than the code does:
// over what encoding/json makes of it, with names taken apart by expressions.
type dropWalk struct {
	kind  scim.Body
	drops []dropName
	count int
	empty bool
}

// dropName is a name in lower case. The schema of core attributes is ""; bare
// tells that it was not written.
type dropName struct {
	schema, attribute, sub string
	bare                   bool
}

const (
	coreUserURI  = "urn:ietf:params:scim:schemas:core:2.0:user"
	coreGroupURI = "urn:ietf:params:scim:schemas:core:2.0:group"
)

var (
	nameWithSchema = regexp.MustCompile(`(?s)^(urn:ietf:params:scim:schemas:(?:core|extension:[^:]+):2\.0:(?:user|group)|urn:example:site:1\.0:user)(?:[:.](.*))?$`)
	nameWithLegacy = regexp.MustCompile(`(?s)^(http://schemas\.microsoft\.com/2006/11/resourcemanagement/adscim/2\.0/group|urn:ietf:params:scim:schemas:(?:extension:enterprise:2\.0user|core:2\.0user|core:2\.0group))(?:[:.](.*))?$`)
	nameInSchema   = regexp.MustCompile(`(?s)^([a-z$][a-z0-9_-]*)(?:\[((?:[^]"]|"(?:[^"\\]|\\.)*")*)])?(?:\.([a-z$][a-z0-9_-]*))?$`)
	filterWord     = regexp.MustCompile(`(?s)"(?:[^"\\]|\\.)*"|[^ \t()"]+`)

	// legacySchemas are those that Entra's samples hold.
	legacySchemas = map[string]string{
		"http://schemas.microsoft.com/2006/11/resourcemanagement/adscim/2.0/group": coreGroupURI,
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0user":                strings.ToLower(enterprise),
		"urn:ietf:params:scim:schemas:core:2.0user":                                coreUserURI,
		"urn:ietf:params:scim:schemas:core:2.0group":                               coreGroupURI,
	}
)

func newDropWalk(kind scim.Body, of scim.Resource, drop []string) *dropWalk {
	w := &dropWalk{kind: kind}
	for _, name := range drop {
		name = lowerASCII(name)
		if strings.HasPrefix(name, coreUserURI+":") && of == scim.Group || strings.HasPrefix(name, coreGroupURI+":") && of == scim.User {
			continue
		}
		d, _, _ := w.parse(name, "")
		w.drops = append(w.drops, d)
	}
	return w
}

// lowerASCII leaves other letters, some of which have an ASCII one as their
// lower case.
func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, s)
}

// parse takes a name apart. In a container, it is one of the container's schema,
// unless it begins with another.
func (w *dropWalk) parse(name, container string) (found dropName, isContainer, ok bool) {
	name = lowerASCII(name)
	if parts := nameWithLegacy.FindStringSubmatch(name); parts != nil {
		name = legacySchemas[parts[1]] + ":" + parts[2]
	}
	schema, alone := container, false
	if parts := nameWithSchema.FindStringSubmatch(name); parts != nil {
		schema, name, alone = parts[1], parts[2], parts[2] == ""
	}
	if found.schema = schema; schema == coreUserURI || schema == coreGroupURI {
		found.schema = ""
	}
	if alone {
		return found, true, true
	}
	parts := nameInSchema.FindStringSubmatch(name)
	if parts == nil {
		return found, false, false
	}
	if strings.Contains(name, "[") {
		words := filterWord.FindAllString(parts[2], -1)
		if len(words) < 2 || len(words) == 2 && words[1] != "pr" {
			return found, false, false
		}
	}
	found.attribute, found.sub, found.bare = parts[1], parts[3], schema == ""
	return found, false, true
}

// drop reports whether a name has to go, and counts it.
func (w *dropWalk) drop(name dropName) bool {
	names := []dropName{name}
	if w.kind == scim.Patch && name.bare && name.attribute == "manager" {
		names = append(names, dropName{schema: strings.ToLower(enterprise), attribute: name.attribute, sub: name.sub})
	}
	for _, name := range names {
		if slices.ContainsFunc(w.drops, func(d dropName) bool {
			return d.schema == name.schema && (d.attribute == "" || d.attribute == name.attribute && (d.sub == "" || d.sub == name.sub))
		}) {
			w.count++
			return true
		}
	}
	return false
}

// body returns what has to become of a body.
func (w *dropWalk) body(v any) any {
	root, ok := v.(map[string]any)
	if !ok {
		return v
	}
	if w.kind != scim.Patch {
		w.members(root, "")
		return root
	}
	for name, v := range root {
		if list, ok := v.([]any); ok && lowerASCII(name) == "operations" {
			before := len(list)
			list = slices.DeleteFunc(list, w.operation)
			root[name] = list
			w.empty = before > 0 && len(list) == 0
		}
	}
	return root
}

// operation reports whether an operation has to go.
func (w *dropWalk) operation(v any) bool {
	operation, _ := v.(map[string]any)
	var op, to, value any
	valueName := ""
	for name, v := range operation {
		switch lowerASCII(name) {
		case "op":
			op = v
		case "path":
			to = v
		case "value":
			value, valueName = v, name
		}
	}
	if verb, _ := op.(string); !slices.Contains([]string{"add", "replace", "remove"}, lowerASCII(verb)) {
		return false
	}
	if to == nil {
		resource, ok := value.(map[string]any)
		return ok && w.members(resource, "")
	}
	path, _ := to.(string)
	name, isContainer, ok := w.parse(path, "")
	switch {
	case !ok:
		return false
	case w.drop(name):
		return true
	case isContainer:
		resource, ok := value.(map[string]any)
		return ok && w.members(resource, w.container(path))
	case valueName == "":
		return false
	}
	rest, gone := w.parts(name, strings.Contains(path, "["), value)
	operation[valueName] = rest
	return gone
}

// container returns the URI that a name is, with what may stand behind it.
func (w *dropWalk) container(name string) string {
	name = strings.TrimRight(lowerASCII(name), ":.")
	if meant := legacySchemas[name]; meant != "" {
		return meant
	}
	return name
}

// members drops from a resource or container, and reports whether that left
// nothing.
func (w *dropWalk) members(resource map[string]any, container string) bool {
	before := len(resource)
	for member, v := range resource {
		name, isContainer, ok := w.parse(member, container)
		if !ok {
			continue
		}
		gone := w.drop(name)
		if inner, ok := v.(map[string]any); !gone && isContainer && ok {
			gone = w.members(inner, w.container(member))
		} else if !gone && !isContainer {
			resource[member], gone = w.parts(name, strings.Contains(member, "["), v)
		}
		if gone {
			delete(resource, member)
		}
	}
	return len(resource) == 0 && before > 0
}

// parts drops sub-attributes from the value of an attribute, and URIs from
// schemas.
func (w *dropWalk) parts(name dropName, filtered bool, v any) (rest any, gone bool) {
	if name.sub != "" {
		return v, false
	}
	switch v := v.(type) {
	case map[string]any:
		before := len(v)
		for sub := range v {
			name.sub = lowerASCII(sub)
			if w.drop(name) {
				delete(v, sub)
			}
		}
		return v, len(v) == 0 && before > 0
	case []any:
		list := make([]any, 0, len(v))
		for _, element := range v {
			if element, gone := w.parts(name, filtered, element); !gone {
				list = append(list, element)
			}
		}
		return list, len(list) == 0 && len(v) > 0
	case string:
		if name.schema == "" && name.attribute == "schemas" && !filtered {
			uri, isContainer, _ := w.parse(v, "")
			return v, isContainer && w.drop(uri)
		}
	}
	return v, false
}
