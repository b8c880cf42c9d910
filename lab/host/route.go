package host

import (
	"fmt"
	"slices"
	"strings"
)

// reserved are the first segments of the paths that the host keeps for itself.
func reserved() []string { return []string{"admin", "runtime"} }

// route is a route template of ASP.NET, by its segments.
type route []segment

// segment is one of a template. A kind's digit is that of ASP.NET's precedence
// (RoutePrecedence.cs), the lower the earlier.
type segment struct {
	kind     byte // literal, parameter or rest
	text     string
	optional bool
}

const (
	literal   = '1'
	parameter = '3'
	rest      = '5' // a catch-all
)

// parseRoute parses a template of whole segments: text, {name}, {name?},
// {*name}. Constraints, defaults and mixed segments are refused.
func parseRoute(template string) (route, error) {
	var r route
	for text := range strings.SplitSeq(strings.Trim(template, "/"), "/") {
		if text == "" {
			continue
		}
		s := segment{kind: literal, text: text}
		if name, ok := strings.CutPrefix(text, "{"); ok {
			name, closed := strings.CutSuffix(name, "}")
			if !closed {
				return nil, fmt.Errorf("route %q has the segment %q, which is not emulated", template, text)
			}
			s.kind, s.text = parameter, name
			if all := strings.TrimLeft(name, "*"); all != name {
				s.kind, s.text = rest, all
			}
			s.text, s.optional = strings.CutSuffix(s.text, "?")
		}
		if s.text == "" || strings.ContainsAny(s.text, "{}*?:=") || len(r) > 0 && r[len(r)-1].kind == rest {
			return nil, fmt.Errorf("route %q has the segment %q, which is not emulated", template, text)
		}
		r = append(r, s)
	}
	return r, nil
}

// precedence orders routes: the one that says more comes first.
func (r route) precedence() string {
	var digits strings.Builder
	for _, s := range r {
		digits.WriteByte(s.kind)
	}
	return digits.String()
}

// matches reports whether a decoded path matches. A slash at its end does not
// count, nor does case.
func (r route) matches(path string) bool {
	path = strings.TrimSuffix(strings.TrimPrefix(path, "/"), "/")
	var given []string
	if path != "" {
		given = strings.Split(path, "/")
	}
	for i, s := range r {
		switch {
		case s.kind == rest:
			return true
		case i >= len(given):
			return !slices.ContainsFunc(r[i:], func(s segment) bool { return !s.optional && s.kind != rest })
		case s.kind == literal && !strings.EqualFold(s.text, given[i]), given[i] == "":
			return false
		}
	}
	return len(given) <= len(r)
}

// find returns the function that a call goes to, nil for none. A method that is
// not listed does not match, which makes it 404 rather than 405.
func (a *app) find(method, path string) *function {
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	for _, name := range reserved() {
		// The real host answers 401 to some of these.
		if strings.EqualFold(first, name) {
			return nil
		}
	}
	for i := range a.functions {
		f := &a.functions[i]
		if f.route.matches(path) && (len(f.methods) == 0 || slices.Contains(f.methods, strings.ToUpper(method))) {
			return f
		}
	}
	return nil
}
