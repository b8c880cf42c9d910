package backend

import (
	"slices"
	"strings"
	"time"
)

// predicate reports whether a JSON object matches a filter.
type predicate func(map[string]any) bool

// operand is what the attribute of a comparison stands for.
type operand struct {
	attr   *attribute
	values func(map[string]any) []any // empty if unassigned
}

// scope finds the operand that a name stands for.
type scope func(attrPath) (operand, error)

// scope finds attributes of a resource.
func (k *resourceType) scope(p attrPath) (operand, error) {
	extension, attr, sub, ok := k.resolve(p)
	if !ok {
		return operand{}, refuse(invalidFilter, "there is no attribute %q", p)
	}
	values := func(doc map[string]any) []any {
		if extension != nil {
			doc = objectOf(doc[extension.urn])
		}
		return flatten(doc[attr.name])
	}
	return operand{attr: attr, values: values}.narrowed(sub), nil
}

// elementScope finds sub-attributes in a value of attr.
func elementScope(attr *attribute) scope {
	return func(p attrPath) (operand, error) {
		sub := find(attr.sub, p.name)
		if sub == nil || p.urn != "" || p.sub != "" {
			return operand{}, refuse(invalidFilter, "%s has no sub-attribute %q", attr.name, p)
		}
		return operand{attr: sub, values: func(element map[string]any) []any { return flatten(element[sub.name]) }}, nil
	}
}

// narrowed is o's sub-attribute; o itself if sub is nil.
func (o operand) narrowed(sub *attribute) operand {
	if sub == nil {
		return o
	}
	return operand{attr: sub, values: func(doc map[string]any) []any {
		var out []any
		for _, value := range o.values(doc) {
			if inner, ok := objectOf(value)[sub.name]; ok {
				out = append(out, inner)
			}
		}
		return out
	}}
}

// comparable is what a comparison with o compares: of a complex attribute its
// value, as in manager eq "id".
func (o operand) comparable() operand {
	if o.attr.dataType == typeComplex {
		return o.narrowed(find(o.attr.sub, "value"))
	}
	return o
}

// flatten returns the values of an attribute, of which there may be none.
func flatten(value any) []any {
	switch value := value.(type) {
	case nil:
		return nil
	case []any:
		return value
	}
	return []any{value}
}

// compile makes a predicate of e for what scope knows.
func compile(e expression, names scope) (predicate, error) {
	switch e := e.(type) {
	case logical:
		left, err := compile(e.left, names)
		if err != nil {
			return nil, err
		}
		right, err := compile(e.right, names)
		if err != nil {
			return nil, err
		}
		if e.operator == "and" {
			return func(doc map[string]any) bool { return left(doc) && right(doc) }, nil
		}
		return func(doc map[string]any) bool { return left(doc) || right(doc) }, nil
	case negation:
		inner, err := compile(e.inner, names)
		return func(doc map[string]any) bool { return !inner(doc) }, err
	case selection:
		return compileSelection(e, names)
	case comparison:
		return compileComparison(e, names)
	}
	return nil, refuse(invalidFilter, "the filter is empty")
}

// compileSelection makes a predicate that holds if one value of the
// attribute matches both the filter and the rest.
func compileSelection(s selection, names scope) (predicate, error) {
	o, err := names(s.attr)
	if err != nil {
		return nil, err
	}
	if !o.attr.multi || o.attr.sub == nil {
		return nil, refuse(invalidFilter, "%s has no values to choose from", s.attr)
	}
	match, err := compile(s.filter, elementScope(o.attr))
	if err != nil {
		return nil, err
	}
	rest := func(map[string]any) bool { return true }
	if s.rest != nil {
		if rest, err = compile(*s.rest, elementScope(o.attr)); err != nil {
			return nil, err
		}
	}
	return func(doc map[string]any) bool {
		for _, value := range o.values(doc) {
			if element := objectOf(value); match(element) && rest(element) {
				return true
			}
		}
		return false
	}, nil
}

// compileComparison makes a predicate that holds if one of the attribute's
// values compares as asked (RFC 7644 section 3.4.2.2).
func compileComparison(c comparison, names scope) (predicate, error) {
	o, err := names(c.attr)
	if err != nil {
		return nil, err
	}
	unassigned := func(doc map[string]any) bool { return len(o.values(doc)) == 0 }
	assigned := func(doc map[string]any) bool { return len(o.values(doc)) > 0 }
	if c.operator == "pr" {
		return assigned, nil
	}
	if c.value == nil {
		// RFC 7643 section 2.5: null and unassigned are the same.
		switch c.operator {
		case "eq":
			return unassigned, nil
		case "ne":
			return assigned, nil
		}
		return nil, refuse(invalidFilter, "%s cannot be compared with null by %q", c.attr, c.operator)
	}
	o = o.comparable()
	test, err := compileTest(c, o.attr)
	if err != nil {
		return nil, err
	}
	return func(doc map[string]any) bool {
		return slices.ContainsFunc(o.values(doc), test) || c.operator == "ne" && unassigned(doc)
	}, nil
}

// textTests are the operators over strings in the form that they compare in.
var textTests = map[string]func(have, want string) bool{
	"eq": func(have, want string) bool { return have == want },
	"ne": func(have, want string) bool { return have != want },
	"co": strings.Contains,
	"sw": strings.HasPrefix,
	"ew": strings.HasSuffix,
	"gt": func(have, want string) bool { return have > want },
	"ge": func(have, want string) bool { return have >= want },
	"lt": func(have, want string) bool { return have < want },
	"le": func(have, want string) bool { return have <= want },
}

// compileTest makes the test of one value.
func compileTest(c comparison, attr *attribute) (func(any) bool, error) {
	unfit := refuse(invalidFilter, "%s cannot be compared by %q with that value", c.attr, c.operator)
	if want, ok := c.value.(bool); ok {
		if attr.dataType != typeBoolean || (c.operator != "eq" && c.operator != "ne") {
			return nil, unfit
		}
		return func(have any) bool { return (have == want) == (c.operator == "eq") }, nil
	}
	want, ok := c.value.(string)
	if !ok {
		return nil, unfit
	}
	form, ok := comparableForms[attr.dataType]
	if !ok {
		return nil, unfit
	}
	if attr.caseExact {
		form = func(text string) (string, bool) { return text, true }
	}
	if want, ok = form(want); !ok {
		return nil, unfit
	}
	test := textTests[c.operator]
	return func(have any) bool {
		text, ok := form(textOf(have))
		return ok && test(text, want)
	}, nil
}

// comparableForms brings the text of a data type into a form that compares byte
// by byte, if it can.
var comparableForms = map[dataType]func(string) (string, bool){
	typeString: func(text string) (string, bool) { return fold(text), true },
	typeDateTime: func(text string) (string, bool) {
		t, err := time.Parse(time.RFC3339Nano, text)
		return t.UTC().Format("2006-01-02T15:04:05.000000000"), err == nil
	},
}
