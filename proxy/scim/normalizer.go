package scim

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"sync"
)

// Normalizer applies the rules that are on. Use [New]; it can be shared.
type Normalizer struct {
	rules   Set
	plans   [len(bodyRules)][]step
	schemas []string

	booleans, integers, multivalued []custom

	drop [Group + 1][]custom // by the type of resource

	parsers sync.Pool
}

// New makes a Normalizer. It fails when a name in Options is no attribute path
// or no schema URI; the error is an [*OptionError].
func New(options Options) (*Normalizer, error) {
	n := &Normalizer{
		rules:   options.Rules,
		schemas: append([]string{coreUser, coreGroup, enterpriseUser}, options.Extensions...),
	}
	for _, uri := range options.Extensions {
		if !schemaURI.MatchString(uri) {
			return nil, &OptionError{"Extensions", uri}
		}
	}
	for _, each := range []struct {
		option string
		names  []string
		into   *[]custom
	}{
		{"Booleans", options.Booleans, &n.booleans},
		{"Integers", options.Integers, &n.integers},
		{"Multivalued", options.Multivalued, &n.multivalued},
	} {
		for _, name := range each.names {
			p := n.path([]byte(name))
			if !p.valid || p.attribute == nil || p.filter != nil || p.dotted {
				return nil, &OptionError{each.option, name}
			}
			*each.into = append(*each.into, custom{p.schema, p.attribute, p.sub})
		}
	}
	for _, name := range options.Drop {
		if !n.addDrop(name) {
			return nil, &OptionError{"Drop", name}
		}
	}
	for kind := range n.plans {
		n.plans[kind] = n.plan(Body(kind))
	}
	return n, nil
}

// step is a rule that is on, and has something to do.
type step struct {
	id ID
	action
}

// plan lists the rules for a kind of body in the order of the table.
func (n *Normalizer) plan(kind Body) (plan []step) {
	idle := map[ID]bool{
		CustomBoolean: len(n.booleans) == 0, CustomInteger: len(n.integers) == 0, CustomMultivalued: len(n.multivalued) == 0,
	}
	for id := range (n.rules & bodyRules[kind]).All() {
		if !idle[id] {
			plan = append(plan, step{id, table[id].action})
		}
	}
	return plan
}

// schemaURI is what the URI of a schema looks like.
var schemaURI = regexp.MustCompile(`^[A-Za-z][0-9A-Za-z+.-]*:[^\s"\\\[\],]*[0-9A-Za-z]$`)

// OptionError is a name in [Options] that cannot be used.
type OptionError struct {
	// Option is the field of Options, Value what it holds.
	Option, Value string
}

// Error quotes the value.
func (e *OptionError) Error() string {
	return fmt.Sprintf("scim: %s: %q cannot be used", strings.ToLower(e.Option), e.Value)
}

// Rules returns the rules that are on.
func (n *Normalizer) Rules() Set { return n.rules }

// Drops reports whether attributes are removed from request bodies: whether
// [Options].Drop named any.
func (n *Normalizer) Drops() bool { return len(n.drop[User])+len(n.drop[Group]) > 0 }

// Request normalizes a request body of a resource. With an error, which wraps
// [ErrSyntax] or [ErrValue], there is no outcome.
func (n *Normalizer) Request(kind Body, of Resource, body []byte) (Outcome, error) {
	p := n.parser()
	defer n.release(p)
	root, end, err := p.parse(body)
	if err != nil {
		return Outcome{}, err
	}
	r := run{n: n, parser: p, kind: kind, sites: p.sites[:0]}
	if n.Drops() {
		r.dropping = &dropping{names: n.drop[of]}
	}
	err = r.body(root)
	p.sites = r.sites
	if err != nil {
		return Outcome{}, err
	}
	outcome := Outcome{Body: body, Fired: r.fired}
	if d := r.dropping; d != nil {
		outcome.Dropped, outcome.Empty = d.count, d.empty
	}
	switch {
	case outcome.Empty:
		outcome.Body = nil
		return outcome, nil
	case outcome.Fired == 0 && outcome.Dropped == 0:
		return outcome, nil
	case p.count > maxValues/8 && root.count() > maxValues: // no rule makes 8 of one
		return Outcome{}, fmt.Errorf("%w: found a body that rules would make more than %d values of", ErrSyntax, maxValues)
	}
	outcome.Body = splice(body, root, end)
	return outcome, nil
}

// splice returns a body with another root, which ended at end. White space
// around it is the body's.
func splice(body []byte, root *value, end int) []byte {
	start := bytes.IndexByte(body, '{')
	out := append(make([]byte, 0, start+root.size()+len(body)-end), body[:start]...)
	return append(root.appendTo(out), body[end:]...)
}

func (n *Normalizer) parser() *parser {
	if p, ok := n.parsers.Get().(*parser); ok {
		return p
	}
	return newParser()
}

// release gives a parser back, without the body.
func (n *Normalizer) release(p *parser) {
	p.reset()
	n.parsers.Put(p)
}
