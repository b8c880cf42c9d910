package backend

import "slices"

// applySub applies an operation to a sub-attribute of a complex attribute
// with a single value.
func applySub(o patchOperation, loc location, container map[string]any) error {
	if loc.attr.multi {
		return refuse(invalidPath, "%q does not say which value it means", loc.text)
	}
	parent := objectOf(container[loc.attr.name])
	if parent == nil {
		parent = map[string]any{}
	}
	container[loc.attr.name] = parent
	if o.verb == "remove" {
		delete(parent, loc.sub.name)
		return nil
	}
	return mergeSub(o.verb, loc.attr, parent, map[string]any{loc.sub.name: o.value})
}

// applyComplex merges an object into a complex attribute with a single value:
// sub-attributes that the value does not hold stay (RFC 7644 sections 3.5.2.1
// and 3.5.2.3).
func applyComplex(o patchOperation, attr *attribute, container map[string]any) error {
	object, ok := o.value.(map[string]any)
	if !ok {
		return refuse(invalidValue, "%s must be an object", attr.name)
	}
	parent := objectOf(container[attr.name])
	if parent == nil {
		parent = map[string]any{}
	}
	container[attr.name] = parent
	return mergeSub(o.verb, attr, parent, object)
}

// mergeSub sets sub-attributes of attr in target. null unassigns with replace
// and does nothing with add.
func mergeSub(verb string, attr *attribute, target, object map[string]any) error {
	if err := checkRepeated(object); err != nil {
		return err
	}
	for _, name := range namesOf(object) {
		sub := find(attr.sub, name)
		if sub == nil {
			return refuse(invalidSyntax, "%s has no sub-attribute %q", attr.name, name)
		}
		if sub.access == readOnly {
			continue
		}
		value, err := sub.canonical(object[name])
		if err != nil {
			return err
		}
		if value == nil && verb == "add" {
			continue
		}
		if have, ok := target[sub.name]; ok && sub.access == immutable && have != value {
			return refuse(mutability, "%s.%s must not be changed", attr.name, sub.name)
		}
		if target[sub.name] = value; value == nil {
			delete(target, sub.name)
		}
	}
	return nil
}

// applyValues adds values to a multi-valued attribute, or replaces them all.
func applyValues(o patchOperation, attr *attribute, container map[string]any) error {
	var have []any
	if o.verb == "add" {
		have = listOf(container[attr.name])
	} else if _, ok := o.value.([]any); !ok {
		return refuse(invalidValue, "%s must be an array", attr.name)
	}
	elements, err := attr.added(o.value)
	if err != nil {
		return err
	}
	all := attr.union(have, elements)
	container[attr.name] = all
	return attr.promote(all, func(i int) bool { return i >= len(have) })
}

// added checks the values that an add brings, or the one: RFC 7644 section
// 3.5.2.1, "a new value is added".
func (a *attribute) added(value any) ([]any, error) {
	list, ok := value.([]any)
	if !ok {
		list = []any{value}
	}
	return a.canonicalElements(list)
}

// applyFiltered applies an operation to the values that match a filter, or to
// one sub-attribute of theirs.
func applyFiltered(o patchOperation, loc location, container map[string]any) error {
	name := loc.attr.name
	list := listOf(container[name])
	var matched []int
	for i, value := range list {
		if loc.match(objectOf(value)) {
			matched = append(matched, i)
		}
	}
	if o.verb == "remove" {
		container[name] = removeMatched(list, matched, loc.sub)
		return nil
	}
	if len(matched) == 0 {
		var err error
		if list, err = withImplied(o.verb, loc, list); err != nil {
			return err
		}
		matched = []int{len(list) - 1}
	}
	for _, i := range matched {
		element, err := changed(o, loc, objectOf(list[i]))
		if err != nil {
			return err
		}
		list[i] = element
	}
	if err := loc.attr.promote(list, func(i int) bool { return slices.Contains(matched, i) }); err != nil {
		return err
	}
	container[name] = withoutEmpty(list)
	return nil
}

// withoutEmpty drops the values in which nothing is assigned any more.
func withoutEmpty(list []any) []any {
	return slices.DeleteFunc(list, func(value any) bool { return len(objectOf(value)) == 0 })
}

// removeMatched removes the matched values, or one sub-attribute of them. No
// match is a success: RFC 7644 table 9 would have it noTarget, but section
// 3.5.2.2 asks for that only where the path is missing, and Entra repeats
// removals and needs them to succeed.
func removeMatched(list []any, matched []int, sub *attribute) []any {
	if sub != nil {
		for _, i := range matched {
			delete(objectOf(list[i]), sub.name)
		}
		return withoutEmpty(list)
	}
	for _, i := range slices.Backward(matched) {
		list = slices.Delete(list, i, i+1)
	}
	return list
}

// withImplied handles a filter that no value matches. A replace has no target
// (RFC 7644 section 3.5.2.3). An add finds that "the target location does not
// exist" and adds it (section 3.5.2.1): a value with what the filter demands,
// if the filter says so plainly.
func withImplied(verb string, loc location, list []any) ([]any, error) {
	missing := refuse(noTarget, "no value matches %s[%s]", loc.attr.name, printed(loc.filter))
	if verb == "replace" {
		return nil, missing
	}
	demanded, ok := implied(loc.filter)
	if !ok {
		return nil, missing
	}
	element := map[string]any{}
	if err := mergeSub("add", loc.attr, element, demanded); err != nil {
		return nil, err
	}
	if !loc.match(element) { // it demands two things of one sub-attribute
		return nil, missing
	}
	return append(list, element), nil
}

// changed returns a matched value after an add or replace.
func changed(o patchOperation, loc location, element map[string]any) (map[string]any, error) {
	if loc.sub != nil {
		return element, mergeSub(o.verb, loc.attr, element, map[string]any{loc.sub.name: o.value})
	}
	object, ok := o.value.(map[string]any)
	if !ok {
		return nil, refuse(invalidValue, "a value of %s must be an object", loc.attr.name)
	}
	if o.verb == "replace" {
		// RFC 7644 section 3.5.2.3: "all matching record values SHALL be
		// replaced", not merged.
		element = map[string]any{}
	}
	return element, mergeSub(o.verb, loc.attr, element, object)
}

// promote lets a primary value that an operation has set take over from the
// one before it (RFC 7644 section 3.5.2).
func (a *attribute) promote(list []any, touched func(int) bool) error {
	primary := -1
	for i, value := range list {
		if objectOf(value)["primary"] != true || !touched(i) {
			continue
		}
		if primary >= 0 {
			return refuse(invalidValue, "%s has more than one primary value", a.name)
		}
		primary = i
	}
	if primary < 0 {
		return nil
	}
	for i, value := range list {
		if element := objectOf(value); i != primary && element["primary"] == true {
			element["primary"] = false
		}
	}
	return nil
}
