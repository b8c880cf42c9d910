package scim

import "github.com/go-json-experiment/json/jsontext"

// arrayWrapped takes the value of a single-valued attribute out of an array.
func arrayWrapped(r *run, s *site) bool {
	if !s.isSingle(r) || s.value.kind != array || len(s.value.children) != 1 {
		return false
	}
	inner := loneValue(s.value.children[0].value)
	if inner == nil {
		return false
	}
	*s.value = *inner
	return true
}

// isSingle reports whether the site is known to hold one value, and that a
// simple one.
func (s *site) isSingle(r *run) bool {
	if s.isOneOf(r.n.multivalued, s.sub) {
		return false
	}
	switch {
	case s.known == nil:
		return s.isOneOf(r.n.booleans, s.sub) || s.isOneOf(r.n.integers, s.sub)
	case s.sub != nil:
		return s.knownSub() != "" && (s.filter != nil || !s.known.multi)
	}
	return !s.known.multi && !s.known.complex()
}

// loneValue returns the simple value of an object that holds nothing else, but
// perhaps a $ref that is null; nil if it is not such an object.
func loneValue(v *value) (inner *value) {
	if v.kind != object {
		return nil
	}
	for i := range v.children {
		switch c := &v.children[i]; {
		case isNullRef(c):
		case equalFold(c.name, "value") && c.value.kind != object && c.value.kind != array:
			inner = c.value
		default:
			return nil
		}
	}
	return inner
}

// activeBoolean makes a boolean of active.
func activeBoolean(_ *run, s *site) bool {
	return s.is(activeAttribute) && s.value.toBoolean()
}

// primaryBoolean makes booleans of the sub-attributes primary.
func primaryBoolean(_ *run, s *site) bool {
	return s.eachSub(func(sub []byte, v *value) bool {
		return equalFold(sub, "primary") && v.toBoolean()
	})
}

// customBoolean makes booleans of the attributes that are said to be such.
func customBoolean(r *run, s *site) bool {
	return s.eachOf(r.n.booleans, (*value).toBoolean)
}

// customInteger makes integers of the attributes that are said to be such.
func customInteger(r *run, s *site) bool {
	return s.eachOf(r.n.integers, (*value).toInteger)
}

// customMultivalued takes simple values out of objects.
func customMultivalued(r *run, s *site) bool {
	if s.value.kind != array || s.filter != nil || len(s.value.children) == 0 ||
		s.operation != nil && s.operation.verb == remove || !s.isOneOf(r.n.multivalued, s.sub) {
		return false
	}
	for i := range s.value.children {
		if loneValue(s.value.children[i].value) == nil {
			return false
		}
	}
	for i := range s.value.children {
		s.value.children[i].value = loneValue(s.value.children[i].value)
	}
	return true
}

// memberString makes objects of members that are mere ids.
func memberString(_ *run, s *site) bool {
	if !s.is(membersAttribute) {
		return false
	}
	if s.value.kind == text && !isEmptyString(s.value) {
		s.value.wrap()
		inner := *s.value
		*s.value = value{kind: array, children: []child{{value: &inner}}}
		return true
	}
	if s.value.kind != array {
		return false
	}
	changed := false
	for i := range s.value.children {
		if v := s.value.children[i].value; v.kind == text && !isEmptyString(v) {
			v.wrap()
			changed = true
		}
	}
	return changed
}

// memberRefNull takes a $ref that is null out of the elements of members.
func memberRefNull(_ *run, s *site) bool {
	return s.is(membersAttribute) && s.value.removeFromObjects(isNullRef)
}

// eachOf applies f to the values of the attributes that are among customs, and
// reports whether that changed any.
func (s *site) eachOf(customs []custom, f func(*value) bool) bool {
	if len(customs) == 0 {
		return false
	}
	if s.sub == nil && s.isOneOf(customs, nil) {
		return f(s.value)
	}
	return s.eachSub(func(sub []byte, v *value) bool { return s.isOneOf(customs, sub) && f(v) })
}

// eachSub calls f with the sub-attributes of the site: the one it names, or
// those in its value. It reports whether a call did.
func (s *site) eachSub(f func(name []byte, v *value) bool) bool {
	if s.sub != nil {
		return f(s.sub, s.value)
	}
	changed := false
	for object := range s.value.objects() {
		for i := range object.children {
			if c := &object.children[i]; f(c.name, c.value) {
				changed = true
			}
		}
	}
	return changed
}

// toBoolean makes a boolean of a string that spells one, whatever its case.
func (v *value) toBoolean() bool {
	if v.kind != text {
		return false
	}
	literal := boolean(v.unquoted())
	if literal == "" {
		return false
	}
	v.setText(jsontext.Kind(literal[0]), []byte(literal))
	return true
}

// toInteger makes a number of a string that holds an integer as JSON writes it.
func (v *value) toInteger() bool {
	digits := v.unquoted()
	if len(digits) > 0 && digits[0] == '-' {
		digits = digits[1:]
	}
	if len(digits) == 0 || digits[0] == '0' && len(digits) > 1 {
		return false
	}
	for _, b := range digits {
		if b < '0' || b > '9' {
			return false
		}
	}
	v.setText(number, v.unquoted())
	return true
}
