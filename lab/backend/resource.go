package backend

import (
	"maps"
	"slices"
)

// checkSchemas holds the schemas attribute of a POST or PUT against what the
// body uses (RFC 7643 section 3): the core schema and every extension in use,
// nothing that the resource type does not have, nothing twice.
func (k *resourceType) checkSchemas(body map[string]any) error {
	urns, err := schemasOf(body)
	if err != nil {
		return err
	}
	known := []string{k.core.urn}
	for _, s := range k.extensions {
		known = append(known, s.urn)
	}
	for i, urn := range urns {
		same := func(s string) bool { return sameName(s, urn) }
		if !slices.ContainsFunc(known, same) {
			return refuse(invalidValue, "schemas: %s has no schema %q", k.name, urn)
		}
		if slices.ContainsFunc(urns[:i], same) {
			return refuse(invalidValue, "schemas: %q is repeated", urn)
		}
	}
	listed := func(urn string) bool {
		return slices.ContainsFunc(urns, func(s string) bool { return sameName(s, urn) })
	}
	if !listed(k.core.urn) {
		return refuse(invalidValue, "schemas: %q is missing", k.core.urn)
	}
	for name, value := range body {
		if s := k.extension(name); s != nil && value != nil && !listed(s.urn) {
			return refuse(invalidValue, "schemas: %q is used but not listed", s.urn)
		}
	}
	return nil
}

// schemasOf reads the schemas attribute of a resource or message.
func schemasOf(body map[string]any) ([]string, error) {
	var value any
	for name := range body {
		if sameName(name, "schemas") {
			value = body[name]
		}
	}
	list, ok := value.([]any)
	if !ok || len(list) == 0 {
		return nil, refuse(invalidSyntax, "schemas is required and must be an array")
	}
	urns := make([]string, 0, len(list))
	for _, item := range list {
		urn, ok := item.(string)
		if !ok {
			return nil, refuse(invalidValue, "schemas must hold strings")
		}
		urns = append(urns, urn)
	}
	return urns, nil
}

// canonical checks body against the schema and returns it with the schema's
// spelling of every name, without unassigned attributes (null or empty, RFC
// 7643 section 2.5) and without read-only ones, which RFC 7644 sections 3.3
// and 3.5.1 say to ignore.
func (k *resourceType) canonical(body map[string]any) (map[string]any, error) {
	core, extensions := make(map[string]any, len(body)), map[string]any{}
	for _, name := range namesOf(body) {
		s := k.extension(name)
		if s == nil {
			core[name] = body[name]
			continue
		}
		if _, ok := extensions[s.urn]; ok {
			return nil, refuse(invalidSyntax, "%q is repeated", s.urn)
		}
		extensions[s.urn] = nil
		if body[name] == nil {
			continue
		}
		inner, ok := body[name].(map[string]any)
		if !ok {
			return nil, refuse(invalidValue, "%q must be an object", s.urn)
		}
		values, err := canonicalMembers(s.attributes, inner)
		if err != nil {
			return nil, err
		}
		if len(values) > 0 {
			extensions[s.urn] = values
		}
	}
	own, err := canonicalMembers(k.core.attributes, core)
	if err != nil {
		return nil, err
	}
	for urn, values := range extensions {
		if values != nil {
			own[urn] = values
		}
	}
	return own, nil
}

// canonicalMembers is canonical for the members of one JSON object.
func canonicalMembers(attributes []*attribute, object map[string]any) (map[string]any, error) {
	out := make(map[string]any, len(object))
	seen := make([]*attribute, 0, len(object))
	for _, name := range namesOf(object) {
		a := find(attributes, name)
		if a == nil {
			return nil, refuse(invalidSyntax, "there is no attribute %q", name)
		}
		if slices.Contains(seen, a) {
			return nil, refuse(invalidSyntax, "the attribute %q is repeated", a.name)
		}
		seen = append(seen, a)
		if a.access == readOnly {
			continue
		}
		value, err := a.canonical(object[name])
		if err != nil {
			return nil, err
		}
		if value != nil {
			out[a.name] = value
		}
	}
	for _, a := range attributes {
		if value, ok := out[a.name]; a.required && (!ok || value == "") {
			return nil, refuse(invalidValue, "%s is required", a.name)
		}
	}
	return out, nil
}

// canonical checks the value of a; nil stands for unassigned.
func (a *attribute) canonical(value any) (any, error) {
	if value == nil {
		return nil, nil
	}
	if !a.multi {
		return a.canonicalSingle(value)
	}
	list, ok := value.([]any)
	if !ok {
		return nil, refuse(invalidValue, "%s must be an array", a.name)
	}
	elements, err := a.canonicalElements(list)
	if err != nil {
		return nil, err
	}
	out := a.union(nil, elements)
	if err := a.checkPrimary(out); err != nil {
		return nil, err
	}
	if len(out) == 0 {
		return nil, nil
	}
	return out, nil
}

// canonicalSingle checks one value, not null, of whatever type a has.
func (a *attribute) canonicalSingle(value any) (any, error) {
	switch a.dataType {
	case typeBoolean:
		if _, ok := value.(bool); !ok {
			return nil, refuse(invalidValue, "%s must be a boolean", a.name)
		}
	case typeComplex:
		object, ok := value.(map[string]any)
		if !ok {
			return nil, refuse(invalidValue, "%s must be an object", a.name)
		}
		out, err := canonicalMembers(a.sub, object)
		if err != nil {
			return nil, err
		}
		if len(out) == 0 {
			return nil, nil
		}
		return out, nil
	default:
		if _, ok := value.(string); !ok {
			return nil, refuse(invalidValue, "%s must be a string", a.name)
		}
	}
	return value, nil
}

// canonicalElements checks the values of a multi-valued attribute one by one.
func (a *attribute) canonicalElements(list []any) ([]any, error) {
	elements := make([]any, 0, len(list))
	for _, item := range list {
		var element any
		var err error
		if item != nil {
			element, err = a.canonicalSingle(item)
		}
		if err == nil && element == nil {
			err = refuse(invalidValue, "%s must not hold an empty value", a.name)
		}
		if err != nil {
			return nil, err
		}
		elements = append(elements, element)
	}
	return elements, nil
}

// union adds to list those elements that it does not hold yet, and leaves
// list itself alone.
func (a *attribute) union(list, elements []any) []any {
	out := slices.Clone(list)
	// A group may have tens of thousands of members; comparing each with
	// each would take seconds.
	seen := map[any]bool{}
	if a.byValue {
		for _, have := range list {
			seen[objectOf(have)["value"]] = true
		}
	}
	for _, element := range elements {
		if a.byValue {
			id := objectOf(element)["value"]
			if seen[id] {
				continue
			}
			seen[id] = true
		} else if slices.ContainsFunc(out, func(have any) bool { return equal(have, element) }) {
			continue
		}
		out = append(out, element)
	}
	return out
}

// checkPrimary refuses a second primary value (RFC 7643 section 2.4).
func (a *attribute) checkPrimary(list []any) error {
	count := 0
	for _, element := range list {
		if objectOf(element)["primary"] == true {
			count++
		}
	}
	if count > 1 {
		return refuse(invalidValue, "%s has more than one primary value", a.name)
	}
	return nil
}

// objectOf returns v as an object; nil, which reads as empty, if it is none.
func objectOf(v any) map[string]any {
	object, _ := v.(map[string]any)
	return object
}

// listOf returns v as an array; nil if it is none.
func listOf(v any) []any {
	list, _ := v.([]any)
	return list
}

// textOf returns v as a string; empty if it is none.
func textOf(v any) string {
	text, _ := v.(string)
	return text
}

// namesOf returns the names of members in an order that does not change, so
// that of two errors always the same is told.
func namesOf(object map[string]any) []string {
	names := make([]string, 0, len(object))
	for name := range object {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// equal compares JSON values at every depth, without the reflection that takes
// more time than the rest of a write.
func equal(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		return ok && maps.EqualFunc(a, b, equal)
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, equal)
	}
	return a == b // whatever b is: of unlike types, nothing is compared
}

// clone copies a JSON value at every depth.
func clone(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, value := range v {
			out[name] = clone(value)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, value := range v {
			out[i] = clone(value)
		}
		return out
	}
	return v
}
