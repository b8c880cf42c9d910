package backend

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
)

// unsupportedAttributes makes a habit of Options.Unsupported; nil for none.
func unsupportedAttributes(paths []string) (habit, error) {
	if len(paths) == 0 {
		return nil, nil
	}
	known := func(path string) bool {
		parsed, ok := parseAttrPath(path)
		for _, kind := range resourceTypes {
			if kind.extension(path) != nil {
				return true
			}
			extension, attr, sub, found := kind.resolve(parsed)
			if ok && found && canonicalPath(extension, attr, sub) == path {
				return true
			}
		}
		return false
	}
	for _, path := range paths {
		if !known(path) {
			return nil, fmt.Errorf("backend: Unsupported holds %q, which no schema has", path)
		}
	}
	refuseThem := func(b *Backend, c call, next serving) (answer, error) {
		for _, t := range c.touches() {
			if slices.ContainsFunc(paths, func(path string) bool {
				rest, ok := strings.CutPrefix(t.path, path)
				return ok && (rest == "" || rest[0] == '.' || rest[0] == ':')
			}) {
				return answer{}, refuse(invalidSyntax, "the attribute %q is not supported", t.path)
			}
		}
		return next(b, c)
	}
	h := habit{}
	for _, kind := range resourceTypes {
		for _, endpoint := range []string{"POST /" + kind.endpoint, "PUT /" + kind.endpoint + "/{id}", "PATCH /" + kind.endpoint + "/{id}"} {
			h[endpoint] = refuseThem
		}
	}
	return h, nil
}

// touched is an attribute that a body sets or removes.
type touched struct {
	path  string // as in projection.paths
	value any
}

// touches returns what c's body is about. What names no attribute is left out;
// the rest of the backend refuses it.
func (c call) touches() []touched {
	if c.r.Method != http.MethodPatch {
		return c.kind.touched(c.body)
	}
	var list []touched
	operations, _ := parsePatch(c.body) // what is refused is refused by patch
	for _, o := range operations {
		if !o.hasPath {
			list = append(list, c.kind.touched(objectOf(o.value))...)
			continue
		}
		if loc, err := c.kind.locate(o.path); err == nil {
			list = append(list, c.kind.within(canonicalPath(loc.extension, loc.attr, loc.sub), loc.attr, loc.sub, o.value)...)
		}
	}
	return list
}

// touched returns the attributes in a resource or a part of one. What is null
// or empty is unassigned (RFC 7643 section 2.5): Entra posts "roles":[] for
// everybody, whatever the mapping.
func (k *resourceType) touched(object map[string]any) []touched {
	var list []touched
	for name, value := range object {
		if value == nil || reflect.DeepEqual(value, []any{}) {
			continue
		}
		if extension := k.extension(name); extension != nil {
			for inner, value := range objectOf(value) {
				if attr := find(extension.attributes, inner); attr != nil {
					list = append(list, k.within(canonicalPath(extension, attr, nil), attr, nil, value)...)
				}
			}
		} else if attr := find(k.core.attributes, name); attr != nil {
			list = append(list, k.within(canonicalPath(nil, attr, nil), attr, nil, value)...)
		}
	}
	return list
}

// within returns the attribute at path and the sub-attributes in its value.
func (k *resourceType) within(path string, attr, sub *attribute, value any) []touched {
	list := []touched{{path: path, value: value}}
	if sub != nil {
		return list
	}
	for _, element := range flatten(value) {
		for name, inner := range objectOf(element) {
			if found := find(attr.sub, name); found != nil {
				list = append(list, touched{path: path + "." + found.name, value: inner})
			}
		}
	}
	return list
}
