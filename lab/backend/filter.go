package backend

import (
	"encoding/json"
	"strings"
)

// attrPath is the name of an attribute (RFC 7644 section 3.5.2, attrPath).
type attrPath struct {
	urn  string // of the schema; empty if the name is not qualified
	name string
	sub  string // sub-attribute, or empty
}

// expression is a node of a parsed filter (RFC 7644 section 3.4.2.2).
type expression interface{ print(*strings.Builder) }

type (
	// logical is "left and right" or "left or right".
	logical struct {
		operator    string // "and" or "or"
		left, right expression
	}
	// negation is "not (inner)".
	negation struct{ inner expression }
	// comparison is "attr operator value", or "attr pr".
	comparison struct {
		attr     attrPath
		operator string // in lower case
		value    any    // string, bool, json.Number, or nil for null and pr
	}
	// selection is "attr[filter]", a resource with such a value, or
	// "attr[filter].sub operator value". The latter is not in the grammar,
	// but Entra sends it.
	selection struct {
		attr   attrPath
		filter expression
		rest   *comparison // about a sub-attribute of the selected values
	}
)

// filterParser is a recursive-descent parser over the tokens of a filter.
type filterParser struct {
	tokens []token
	// bracketed is set inside a value filter, which holds no other.
	bracketed bool
	depth     int
}

// maxFilterDepth bounds the nesting of parentheses.
const maxFilterDepth = 50

// operators are the comparison operators (RFC 7644 table 3).
var operators = map[string]bool{"eq": true, "ne": true, "co": true, "sw": true, "ew": true,
	"gt": true, "ge": true, "lt": true, "le": true, "pr": true}

// literals are the values that are words (RFC 8259 section 3).
var literals = map[string]any{"true": true, "false": false, "null": nil}

// parseFilter parses the value of a filter parameter.
func parseFilter(text string) (expression, error) {
	tokens, err := lex(text)
	if err != nil {
		return nil, err
	}
	p := &filterParser{tokens: tokens}
	e, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.peek().kind != tokenEnd {
		return nil, p.unexpected()
	}
	return e, nil
}

func (p *filterParser) peek() token { return p.tokens[0] }

// next consumes a token; the end stays.
func (p *filterParser) next() token {
	t := p.tokens[0]
	if t.kind != tokenEnd {
		p.tokens = p.tokens[1:]
	}
	return t
}

func (p *filterParser) unexpected() error {
	t := p.peek()
	if t.kind == tokenEnd {
		return refuse(invalidFilter, "the filter ends too early")
	}
	return refuse(invalidFilter, "unexpected %q in the filter", t.text)
}

// or parses operands joined by "or", which binds least.
func (p *filterParser) or() (expression, error) { return p.chain("or", p.and) }

// and parses operands joined by "and".
func (p *filterParser) and() (expression, error) { return p.chain("and", p.operand) }

// chain parses operands joined by one logical operator, from left to right.
func (p *filterParser) chain(operator string, operand func() (expression, error)) (expression, error) {
	left, err := operand()
	for err == nil && p.peek().is(operator) {
		if !p.next().spaced || !p.peek().spaced {
			return nil, refuse(invalidFilter, "%q must stand between spaces", operator)
		}
		var right expression
		right, err = operand()
		left = logical{operator: operator, left: left, right: right}
	}
	return left, err
}

// operand parses a comparison, a selection, or a group in parentheses.
func (p *filterParser) operand() (expression, error) {
	if p.peek().is("not") && p.tokens[1].kind == tokenOpen {
		p.next()
		inner, err := p.group()
		return negation{inner}, err
	}
	if p.peek().kind == tokenOpen {
		return p.group()
	}
	return p.attribute()
}

// group parses a filter in parentheses.
func (p *filterParser) group() (expression, error) {
	if p.depth++; p.depth > maxFilterDepth {
		return nil, refuse(invalidFilter, "the filter is nested too deep")
	}
	p.next()
	inner, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.next().kind != tokenClose {
		return nil, refuse(invalidFilter, "a parenthesis is not closed")
	}
	p.depth--
	return inner, nil
}

// attribute parses what begins with the name of an attribute.
func (p *filterParser) attribute() (expression, error) {
	if p.peek().kind != tokenWord {
		return nil, p.unexpected()
	}
	attr, ok := parseAttrPath(p.peek().text)
	if !ok {
		return nil, p.unexpected()
	}
	p.next()
	if p.peek().kind != tokenOpenBracket {
		return p.comparison(attr)
	}
	filter, err := p.brackets()
	if err != nil {
		return nil, err
	}
	s := selection{attr: attr, filter: filter}
	if t := p.peek(); t.kind == tokenWord && !t.spaced {
		sub, ok := parseSubAttribute(t.text)
		if !ok {
			return nil, p.unexpected()
		}
		p.next()
		c, err := p.comparison(attrPath{name: sub})
		if err != nil {
			return nil, err
		}
		s.rest = &c
	}
	return s, nil
}

// brackets parses a value filter with its brackets.
func (p *filterParser) brackets() (expression, error) {
	if p.bracketed || p.peek().spaced {
		return nil, p.unexpected()
	}
	p.next()
	p.bracketed = true
	filter, err := p.or()
	p.bracketed = false
	if err != nil {
		return nil, err
	}
	if p.next().kind != tokenCloseBracket {
		return nil, refuse(invalidFilter, "a bracket is not closed")
	}
	return filter, nil
}

// comparison parses the operator and value that follow attr.
func (p *filterParser) comparison(attr attrPath) (comparison, error) {
	t := p.peek()
	c := comparison{attr: attr, operator: strings.ToLower(t.text)}
	if t.kind != tokenWord || !t.spaced || !operators[c.operator] {
		return c, p.unexpected()
	}
	p.next()
	if c.operator == "pr" {
		return c, nil
	}
	if t = p.peek(); !t.spaced {
		return c, p.unexpected()
	}
	switch value, literal := literals[t.text]; {
	case t.kind == tokenString:
		c.value = t.text
	case t.kind == tokenWord && literal:
		c.value = value
	case t.kind == tokenWord && json.Valid([]byte(t.text)):
		c.value = json.Number(t.text)
	default:
		return c, p.unexpected()
	}
	p.next()
	return c, nil
}

// printed returns e as text that parses to e again.
func printed(e expression) string {
	var b strings.Builder
	e.print(&b)
	return b.String()
}

func (l logical) print(b *strings.Builder) {
	left, ok := l.left.(logical)
	printOperand(b, l.left, ok && l.operator == "and" && left.operator == "or")
	b.WriteString(" " + l.operator + " ")
	right, ok := l.right.(logical)
	printOperand(b, l.right, ok && (l.operator == "and" || right.operator == "or"))
}

// printOperand prints e, in parentheses if the tree would change without.
func printOperand(b *strings.Builder, e expression, parentheses bool) {
	if parentheses {
		b.WriteByte('(')
		defer b.WriteByte(')')
	}
	e.print(b)
}

func (n negation) print(b *strings.Builder) {
	b.WriteString("not ")
	printOperand(b, n.inner, true)
}

func (c comparison) print(b *strings.Builder) {
	b.WriteString(c.attr.String())
	c.printTest(b)
}

// printTest prints what follows the attribute.
func (c comparison) printTest(b *strings.Builder) {
	b.WriteString(" " + c.operator)
	if c.operator == "pr" {
		return
	}
	value, err := json.Marshal(c.value)
	if err != nil {
		// The parser makes nothing but strings, booleans, numbers and null.
		panic(err)
	}
	b.WriteString(" " + string(value))
}

func (s selection) print(b *strings.Builder) {
	b.WriteString(s.attr.String() + "[")
	s.filter.print(b)
	b.WriteString("]")
	if s.rest != nil {
		b.WriteString("." + s.rest.attr.name)
		s.rest.printTest(b)
	}
}

// String returns p as it is written in a filter.
func (p attrPath) String() string {
	text := p.name
	if p.urn != "" {
		text = p.urn + ":" + text
	}
	if p.sub != "" {
		text += "." + p.sub
	}
	return text
}
