package backend

import (
	"errors"
	"fmt"
	"strings"
)

// patchOperation is one operation of a PATCH request.
type patchOperation struct {
	verb    string // "add", "replace" or "remove"
	path    string
	hasPath bool
	value   any // nil for null
}

// verbs are the values of op. RFC 7644 section 3.5.2 lists them in lower case
// and nowhere says that case is ignored; Entra's default dialect fails here.
var verbs = map[string]bool{"add": true, "replace": true, "remove": true}

// messageMember returns the member called name, in any case (RFC 7643 section
// 2.1), and whether there is one.
func messageMember(object map[string]any, name string) (any, bool, error) {
	var value any
	found := false
	for key := range object {
		if !sameName(key, name) {
			continue
		}
		if found {
			return nil, true, refuse(invalidSyntax, "%q is repeated", name)
		}
		value, found = object[key], true
	}
	return value, found, nil
}

// parsePatch reads the message of a PATCH request. Members that RFC 7644 does
// not define are ignored; it does not forbid them.
func parsePatch(body map[string]any) ([]patchOperation, error) {
	if _, _, err := messageMember(body, "schemas"); err != nil {
		return nil, err
	}
	urns, err := schemasOf(body)
	if err != nil {
		return nil, err
	}
	if len(urns) != 1 || !sameName(urns[0], patchOpURN) {
		return nil, refuse(invalidSyntax, "schemas must be [%q]", patchOpURN)
	}
	value, _, err := messageMember(body, "Operations")
	if err != nil {
		return nil, err
	}
	list, ok := value.([]any)
	if !ok || len(list) == 0 {
		return nil, refuse(invalidSyntax, "Operations must be an array of one or more operations")
	}
	operations := make([]patchOperation, 0, len(list))
	for i, item := range list {
		object, ok := item.(map[string]any)
		if !ok {
			return nil, refuse(invalidSyntax, "operation %d is not an object", i+1)
		}
		o, err := parseOperation(object)
		if err != nil {
			return nil, err
		}
		operations = append(operations, o)
	}
	return operations, nil
}

// parseOperation reads one operation.
func parseOperation(object map[string]any) (o patchOperation, err error) {
	verb, _, err := messageMember(object, "op")
	if err != nil {
		return o, err
	}
	if o.verb, _ = verb.(string); !verbs[o.verb] {
		return o, refuse(invalidSyntax, "op must be one of add, remove and replace")
	}
	path, _, err := messageMember(object, "path")
	if err != nil {
		return o, err
	}
	if o.path, o.hasPath = path.(string); !o.hasPath && path != nil {
		return o, refuse(invalidPath, "path must be a string")
	}
	value, hasValue, err := messageMember(object, "value")
	if err != nil {
		return o, err
	}
	if o.verb == "remove" {
		// RFC 7644 section 3.5.2.2 gives value no meaning: a remove without
		// a filter removes all, whatever the value says. Entra's default
		// dialect names one member there, and empties the group.
		if !o.hasPath {
			return o, refuse(noTarget, "remove needs a path")
		}
		return o, nil
	}
	o.value = value
	switch {
	case !hasValue:
		return o, refuse(invalidValue, "%s needs a value", o.verb)
	case o.verb == "add" && o.value == nil:
		return o, refuse(invalidValue, "null cannot be added")
	}
	return o, nil
}

// patched applies operations in order to a copy of doc and returns the
// outcome in canonical form.
func (k *resourceType) patched(doc map[string]any, operations []patchOperation) (map[string]any, error) {
	p := patcher{kind: k, doc: objectOf(clone(doc))}
	for i, o := range operations {
		apply := p.applyAttributes
		if o.hasPath {
			apply = p.applyPath
		}
		if err := apply(o); err != nil {
			if problem, ok := errors.AsType[*scimError](err); ok {
				problem.detail = fmt.Sprintf("operation %d: %s", i+1, problem.detail)
			}
			return nil, err
		}
	}
	// The elements of a roll are canonical already.
	members, ok := p.doc["members"].(*roll)
	if !ok {
		return k.canonical(p.doc)
	}
	delete(p.doc, "members")
	own, err := k.canonical(p.doc)
	if err != nil {
		return nil, err
	}
	own["members"] = members
	return own, nil
}

// patcher applies operations to a document that nobody else holds.
type patcher struct {
	kind *resourceType
	doc  map[string]any
}

func (p patcher) applyPath(o patchOperation) error {
	loc, err := p.kind.locate(o.path)
	if err != nil {
		return err
	}
	return p.apply(o, loc)
}

// applyAttributes is an add or replace without a path: the value holds a part
// of the resource (RFC 7644 sections 3.5.2.1 and 3.5.2.3).
func (p patcher) applyAttributes(o patchOperation) error {
	object, ok := o.value.(map[string]any)
	if !ok {
		return refuse(invalidValue, "without a path, the value must be an object")
	}
	if err := checkRepeated(object); err != nil {
		return err
	}
	for _, name := range namesOf(object) {
		var err error
		if extension := p.kind.extension(name); extension != nil {
			err = p.applyExtension(o, extension, object[name])
		} else {
			err = p.applyMember(o, nil, name, object[name])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// applyExtension applies the container of an extension's attributes.
func (p patcher) applyExtension(o patchOperation, extension *schema, value any) error {
	if value == nil {
		if o.verb == "replace" {
			delete(p.doc, extension.urn)
		}
		return nil
	}
	object, ok := value.(map[string]any)
	if !ok {
		return refuse(invalidValue, "%q must be an object", extension.urn)
	}
	if err := checkRepeated(object); err != nil {
		return err
	}
	for _, name := range namesOf(object) {
		if err := p.applyMember(o, extension, name, object[name]); err != nil {
			return err
		}
	}
	return nil
}

// applyMember applies one member of a value without a path. Its name is that
// of an attribute: the value is a part of a resource, in which neither dots
// nor filters have a meaning.
func (p patcher) applyMember(o patchOperation, extension *schema, name string, value any) error {
	from := p.kind.core
	if extension != nil {
		from = extension
	}
	attr := find(from.attributes, name)
	if attr == nil {
		return refuse(invalidPath, "%q names no attribute of %q", name, from.urn)
	}
	if value == nil && o.verb == "add" {
		return nil // RFC 7643 section 2.5: unassigned, so nothing to add
	}
	o.value = value
	return p.apply(o, location{text: name, extension: extension, attr: attr})
}

// checkRepeated refuses names that differ only in case.
func checkRepeated(object map[string]any) error {
	seen := map[string]bool{}
	for name := range object {
		lower := strings.ToLower(name)
		if seen[lower] {
			return refuse(invalidSyntax, "%q is repeated", lower)
		}
		seen[lower] = true
	}
	return nil
}

// apply applies o at loc.
func (p patcher) apply(o patchOperation, loc location) error {
	if err := loc.writable(o.verb); err != nil {
		return err
	}
	container := p.doc
	if loc.extension != nil {
		urn := loc.extension.urn
		if container = objectOf(p.doc[urn]); container == nil {
			container = map[string]any{}
		}
		p.doc[urn] = container
	}
	if members, ok := container[loc.attr.name].(*roll); ok {
		if done, err := members.apply(o, loc); done || err != nil {
			return err
		}
		container[loc.attr.name] = members.list()
	}
	switch {
	case loc.filter != nil:
		return applyFiltered(o, loc, container)
	case loc.sub != nil:
		return applySub(o, loc, container)
	case o.verb == "remove" || o.value == nil:
		delete(container, loc.attr.name)
		return nil
	case loc.attr.multi:
		return applyValues(o, loc.attr, container)
	case loc.attr.dataType == typeComplex:
		return applyComplex(o, loc.attr, container)
	}
	value, err := loc.attr.canonicalSingle(o.value)
	if err == nil {
		container[loc.attr.name] = value
	}
	return err
}
