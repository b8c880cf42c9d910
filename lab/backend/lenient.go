package backend

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// leniency turns the shapes that Entra sends and the RFCs do not know into
// those of the RFCs, as far as servers in the field take them. What is in
// order already keeps its meaning, with one exception: the value of a remove,
// which RFC 7644 section 3.5.2.2 ignores, names what to remove.
type leniency struct {
	// activeAsSent leaves the value of active alone.
	activeAsSent bool
}

// translation is leniency for one type of resource.
type translation struct {
	leniency
	kind *resourceType
}

// translated returns the body of a POST, PUT or PATCH in the form of the RFCs.
// It leaves body as it is, but may share values with it.
func (l leniency) translated(kind *resourceType, method string, body map[string]any) map[string]any {
	t := translation{leniency: l, kind: kind}
	if method == http.MethodPatch {
		return t.message(body)
	}
	return t.resource(body)
}

// resource translates a resource. Attributes that the schema does not have
// are left out, and the schemas are those in use: Entra lists some that are not
// and does not list extensions of its own (MicrosoftDocs/entra-docs,
// customize-application-attributes.md).
func (t translation) resource(body map[string]any) map[string]any {
	out := map[string]any{}
	given := []any{}
	var used []string
	for name, value := range body {
		extension, attr := t.kind.extension(name), find(t.kind.core.attributes, name)
		switch {
		case extension != nil:
			if object, ok := value.(map[string]any); ok {
				value = t.members(extension.attributes, object)
			}
			if value != nil {
				used = append(used, extension.urn)
			}
			out[name] = value
		case attr != nil && attr.name == "schemas":
			given = listOf(value)
		case attr != nil:
			out[name] = t.value(attr, value)
		}
	}
	out["schemas"] = t.schemas(given, used)
	return out
}

// schemas returns those of the schemas given that the resource type has, and
// those that are missing.
func (t translation) schemas(given []any, used []string) []any {
	known := []string{t.kind.core.urn}
	for _, extension := range t.kind.extensions {
		known = append(known, extension.urn)
	}
	var out []any
	for _, urn := range known {
		listed := slices.ContainsFunc(given, func(v any) bool { return sameName(textOf(v), urn) })
		if listed || urn == t.kind.core.urn || slices.Contains(used, urn) {
			out = append(out, urn)
		}
	}
	return out
}

// members translates the members of an object, without those that no
// attribute is for.
func (t translation) members(attributes []*attribute, object map[string]any) map[string]any {
	out := map[string]any{}
	for name, value := range object {
		if a := find(attributes, name); a != nil {
			out[name] = t.value(a, value)
		}
	}
	return out
}

// value translates the value of an attribute; nil is none.
func (t translation) value(a *attribute, value any) any {
	if value == nil {
		return nil
	}
	if !a.multi {
		return t.single(a, unwrapped(a, value))
	}
	list, ok := value.([]any)
	if !ok {
		list = []any{value}
	}
	out := []any{}
	for _, element := range list {
		element = t.single(a, element)
		if object, ok := element.(map[string]any); element != nil && (!ok || len(object) > 0) {
			out = append(out, element)
		}
	}
	return out
}

// unwrapped takes a value out of an array that stands around it:
// github.com/AzureAD/AzureAD-BYOA-Provisioning-Samples#22.
func unwrapped(a *attribute, value any) any {
	list, ok := value.([]any)
	if !ok || len(list) != 1 {
		return value
	}
	if inner, ok := objectOf(list[0])["value"]; ok && a.dataType != typeComplex {
		return inner
	}
	return list[0]
}

var booleanTexts = map[string]bool{"true": true, "false": false}

// single translates one value: booleans that are sent as strings
// (github.com/scimmyjs/scimmy#51), and a string where an object belongs
// (github.com/Captain-P-Goldfish/SCIM-SDK#686), which clears if it is empty.
func (t translation) single(a *attribute, value any) any {
	text, isText := value.(string)
	switch {
	case a.dataType == typeBoolean && isText:
		if v, ok := booleanTexts[strings.ToLower(text)]; ok && (a.name != "active" || !t.activeAsSent) {
			return v
		}
	case a.dataType == typeComplex && isText:
		if text == "" {
			return nil
		}
		if find(a.sub, "value") != nil {
			return map[string]any{"value": text}
		}
	case a.dataType == typeComplex:
		if object, ok := value.(map[string]any); ok {
			return t.members(a.sub, object)
		}
	}
	return value
}

// nothingToDo is an operation that RFC 7644 section 3.5.2.1 allows and that
// changes nothing: a PATCH must hold one at least.
func nothingToDo() map[string]any { return map[string]any{"op": "add", "value": map[string]any{}} }

// message translates the message of a PATCH. Operations on attributes that
// the schema does not have are left out.
func (t translation) message(body map[string]any) map[string]any {
	value, _, err := messageMember(body, "Operations")
	list := listOf(value)
	if err != nil || len(list) == 0 {
		return body
	}
	operations := []any{}
	for _, item := range list {
		if object, ok := item.(map[string]any); ok {
			operations = append(operations, t.operation(object)...)
		} else {
			operations = append(operations, item)
		}
	}
	if len(operations) == 0 {
		operations = append(operations, nothingToDo())
	}
	body = maps.Clone(body)
	maps.DeleteFunc(body, func(name string, _ any) bool { return sameName(name, "Operations") })
	body["Operations"] = operations
	return body
}

// operation returns the operations that stand for one. What it cannot make
// sense of it leaves to be refused.
func (t translation) operation(object map[string]any) []any {
	op, _, opErr := messageMember(object, "op")
	path, _, pathErr := messageMember(object, "path")
	value, hasValue, valueErr := messageMember(object, "value")
	verb := strings.ToLower(textOf(op))
	text, hasPath := path.(string)
	if opErr != nil || pathErr != nil || valueErr != nil || !verbs[verb] || (path != nil && !hasPath) {
		return []any{object}
	}
	plain := map[string]any{"op": verb}
	if hasPath {
		plain["path"] = text
	}
	if hasValue {
		plain["value"] = value
	}
	if hasPath {
		return t.targeted(plain)
	}
	if members, ok := value.(map[string]any); ok && verb != "remove" {
		return t.pathless(verb, members)
	}
	return []any{plain}
}

// pathless translates an operation without a path. Members whose names are
// paths, dotted or qualified by a schema, become operations of their own:
// github.com/thomaspoignant/scim-patch#132, Captain-P-Goldfish/SCIM-SDK#193.
func (t translation) pathless(verb string, members map[string]any) []any {
	plain := map[string]any{}
	var split []any
	for _, name := range slices.Sorted(maps.Keys(members)) {
		value := members[name]
		extension, attr := t.kind.extension(name), find(t.kind.core.attributes, name)
		switch {
		case extension != nil:
			if object, ok := value.(map[string]any); ok {
				value = t.members(extension.attributes, object)
			}
			plain[name] = value
		case attr == nil:
			split = append(split, t.targeted(map[string]any{"op": verb, "path": name, "value": value})...)
		case attr.access != readOnly:
			plain[name] = t.value(attr, value)
		}
	}
	if len(plain) == 0 {
		return split
	}
	return append([]any{map[string]any{"op": verb, "value": plain}}, split...)
}

// targeted translates an operation with a path.
func (t translation) targeted(o map[string]any) []any {
	path, known := t.path(textOf(o["path"]))
	if !known {
		return nil
	}
	o["path"] = path
	loc, err := t.kind.locate(path)
	if err != nil {
		return []any{o}
	}
	value, hasValue := o["value"]
	if o["op"] == "remove" {
		delete(o, "value")
		if hasValue && value != nil && loc.attr.multi && loc.filter == nil && loc.sub == nil {
			return removals(path, value)
		}
		return []any{o}
	}
	if !hasValue {
		return []any{o}
	}
	sent := value
	switch {
	case loc.sub != nil:
		value = t.value(loc.sub, value)
	case loc.filter != nil:
		value = t.single(loc.attr, value)
	default:
		value = t.value(loc.attr, value)
	}
	o["value"] = value
	switch {
	case value == nil && (sent != nil || loc.filter != nil && o["op"] == "replace"):
		// An empty manager clears (AzureAD/SCIMReferenceCode, the 25 tests),
		// and what a filter does not find needs no clearing.
		delete(o, "value")
		o["op"] = "remove"
	case value == nil && o["op"] == "add":
		return nil // RFC 7643 section 2.5: null is nothing, so nothing to add
	case loc.filter != nil && loc.sub != nil:
		// Adding creates the element that replacing would have to find
		// (github.com/Captain-P-Goldfish/SCIM-SDK#416). On an element that is
		// there the two do the same.
		o["op"] = "add"
	}
	return []any{o}
}

// removals removes the elements that a value names, each by a filter. Entra's
// default dialect removes members so
// (https://github.com/MicrosoftDocs/azure-docs/issues/30826).
func removals(path string, value any) []any {
	operations := []any{}
	for _, element := range flatten(value) {
		name := textOf(element)
		if object := objectOf(element); object != nil {
			inner, _, _ := messageMember(object, "value")
			name = textOf(inner)
		}
		if name == "" {
			continue // it names nothing
		}
		quoted, err := json.Marshal(name)
		if err != nil {
			panic(err) // strings always encode
		}
		operations = append(operations, map[string]any{"op": "remove", "path": path + "[value eq " + string(quoted) + "]"})
	}
	return operations
}

// path returns a path as the RFCs have it, and whether the schema knows it. A
// path that does not parse counts as known: it is to be refused.
func (t translation) path(text string) (string, bool) {
	parsed, sub, err := parsePath(text)
	if err != nil {
		return text, true
	}
	name := parsed.attr
	if parsed.filter != nil && name.sub == "" {
		name.sub = sub
	}
	_, attr, _, ok := t.kind.resolve(name)
	if !ok && name.urn == "" {
		// An attribute of an extension without its schema
		// (https://github.com/MicrosoftDocs/azure-docs/issues/73842).
		for _, extension := range t.kind.extensions {
			name.urn = extension.urn
			if _, attr, _, ok = t.kind.resolve(name); ok {
				text = extension.urn + ":" + text
				break
			}
		}
	}
	if !ok || parsed.filter == nil || attr.sub == nil {
		return text, ok
	}
	filter := withBooleans(parsed.filter, attr)
	if printed(filter) == printed(parsed.filter) {
		return text, true
	}
	parsed.attr.urn = name.urn
	text = parsed.attr.String() + "[" + printed(filter) + "]"
	if sub != "" {
		text += "." + sub
	}
	return text, true
}

// withBooleans compares boolean sub-attributes of attr with booleans: the
// default mapping of app roles has roles[primary eq "True"]
// (MicrosoftDocs/entra-docs, customize-application-attributes.md).
func withBooleans(e expression, attr *attribute) expression {
	switch e := e.(type) {
	case logical:
		e.left, e.right = withBooleans(e.left, attr), withBooleans(e.right, attr)
		return e
	case negation:
		e.inner = withBooleans(e.inner, attr)
		return e
	case comparison:
		sub := find(attr.sub, e.attr.name)
		if v, ok := booleanTexts[strings.ToLower(textOf(e.value))]; ok && sub != nil && sub.dataType == typeBoolean {
			e.value = v
		}
		return e
	}
	return e
}
