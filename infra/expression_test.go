package infra_test

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// An expression of Bicep, as far as the checks of parameters go: Azure evaluates
// it before anything is deployed, and there is no Azure here.
type expression func(scope) any

// scope is what names stand for: values and functions.
type scope map[string]any

type lambda struct {
	parameters []string
	body       expression
	within     scope
}

// token is one of Bicep's, with the blanks before it: an index or a call is not
// begun by a line of its own.
var token = regexp.MustCompile(`\s*(//[^\n]*\n\s*)*('|\w+|=>|==|!=|<=|>=|&&|\|\||\?\?|\.\?|[-!<>?:.,()[\]{}])`)

type bicepParser struct {
	text string
	next string // token
	line bool   // it begins a line
}

func parseExpression(text string) (parsed expression, err error) {
	defer func() {
		if problem := recover(); problem != nil {
			err = fmt.Errorf("%v in %.60q", problem, text)
		}
	}()
	p := &bicepParser{text: text}
	p.advance()
	return p.ternary(), nil
}

func (p *bicepParser) advance() string {
	was := p.next
	found := token.FindStringSubmatchIndex(p.text)
	if found == nil || found[0] != 0 {
		p.next = ""
		return was
	}
	end := found[5]
	if p.text[found[4]] == '\'' {
		end = found[4] + quoted(p.text[found[4]:])
	}
	p.next, p.line = p.text[found[4]:end], strings.Contains(p.text[:found[4]], "\n")
	p.text = p.text[end:]
	return was
}

// quoted is the length of the text in quotes that begins here; what it
// interpolates may hold others.
func quoted(text string) int {
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\\':
			i++
		case text[i] == '\'':
			return i + 1
		case strings.HasPrefix(text[i:], "${"):
			for i += 2; i < len(text) && text[i] != '}'; i++ {
				if text[i] == '\'' {
					i += quoted(text[i:]) - 1
				}
			}
		}
	}
	panic("no end of " + text)
}

func (p *bicepParser) take(wanted string) bool {
	if p.next != wanted {
		return false
	}
	p.advance()
	return true
}

func (p *bicepParser) need(wanted string) {
	if !p.take(wanted) {
		panic(fmt.Sprintf("%q instead of %q", p.next, wanted))
	}
}

func (p *bicepParser) ternary() expression {
	condition := p.binary(0)
	if !p.take("?") {
		return condition
	}
	yes := p.ternary()
	p.need(":")
	no := p.ternary()
	return func(s scope) any {
		if condition(s).(bool) {
			return yes(s)
		}
		return no(s)
	}
}

var operators = [][]string{{"??"}, {"||"}, {"&&"}, {"==", "!="}, {"<", "<=", ">", ">="}}

// binary evaluates both sides of each operator, as ARM may.
func (p *bicepParser) binary(level int) expression {
	if level == len(operators) {
		return p.unary()
	}
	left := p.binary(level + 1)
	for slices.Contains(operators[level], p.next) {
		before, operator, right := left, p.advance(), p.binary(level+1)
		left = func(s scope) any { return operate(operator, before(s), right(s)) }
	}
	return left
}

func operate(operator string, l, r any) any {
	switch operator {
	case "??":
		if l == nil {
			return r
		}
		return l
	case "||":
		return l.(bool) || r.(bool)
	case "&&":
		return l.(bool) && r.(bool)
	case "==":
		return l == r
	case "!=":
		return l != r
	case "<":
		return l.(int) < r.(int)
	case "<=":
		return l.(int) <= r.(int)
	case ">":
		return l.(int) > r.(int)
	}
	return l.(int) >= r.(int)
}

func (p *bicepParser) unary() expression {
	if p.take("!") {
		of := p.unary()
		return func(s scope) any { return !of(s).(bool) }
	}
	value := p.primary()
	for {
		of := value
		switch {
		case p.next == "[" && !p.line:
			p.advance()
			index := p.ternary()
			p.need("]")
			value = func(s scope) any { return of(s).([]any)[index(s).(int)] }
		case p.next == "." || p.next == ".?":
			safe := p.advance() == ".?"
			key := p.advance()
			value = func(s scope) any {
				found, known := of(s).(scope)[key]
				if !known && !safe {
					panic("no " + key)
				}
				return found
			}
		case p.next == "(" && !p.line:
			p.advance()
			arguments := p.list(")")
			value = func(s scope) any { return call(of(s), evaluated(arguments, s)) }
		default:
			return value
		}
	}
}

func evaluated(expressions []expression, s scope) []any {
	values := make([]any, len(expressions))
	for i, e := range expressions {
		values[i] = e(s)
	}
	return values
}

func (p *bicepParser) list(end string) []expression {
	var found []expression
	for !p.take(end) {
		found = append(found, p.ternary())
		p.take(",")
	}
	return found
}

func (p *bicepParser) primary() expression {
	word := p.advance()
	switch {
	case word == "":
		panic("no end")
	case word == "(":
		inner := p.ternary()
		p.need(")")
		return inner
	case word == "[" && p.take("for"):
		name := p.advance()
		p.need("in")
		list := p.ternary()
		p.need(":")
		body := p.ternary()
		p.need("]")
		return func(s scope) any {
			return call(builtIn["map"], []any{list(s), lambda{[]string{name}, body, s}})
		}
	case word == "[":
		items := p.list("]")
		return func(s scope) any { return evaluated(items, s) }
	case word == "{":
		p.need("}") // no default has any more
		return func(scope) any { return scope{} }
	case strings.HasPrefix(word, "'"):
		return interpolated(word[1 : len(word)-1])
	case word == "true" || word == "false":
		return func(scope) any { return word == "true" }
	}
	if n, err := strconv.Atoi(word); err == nil {
		return func(scope) any { return n }
	}
	if p.take("=>") {
		body := p.ternary()
		return func(s scope) any { return lambda{[]string{word}, body, s} }
	}
	return func(s scope) any {
		if found, known := s[word]; known {
			return found
		}
		if found, known := builtIn[word]; known {
			return found
		}
		panic("no " + word)
	}
}

var escapes = strings.NewReplacer(`\\`, `\`, `\'`, `'`, `\n`, "\n", `\r`, "\r", `\t`, "\t", `\$`, "$")

// interpolated is a text with ${expressions} in it.
func interpolated(text string) expression {
	before, rest, found := strings.Cut(text, "${")
	if !found {
		return func(scope) any { return escapes.Replace(text) }
	}
	p := &bicepParser{text: rest}
	p.advance()
	value := p.ternary()
	if p.next != "}" {
		panic("no } after ${")
	}
	after := interpolated(p.text)
	return func(s scope) any { return escapes.Replace(before) + fmt.Sprint(value(s)) + after(s).(string) }
}

func call(of any, arguments []any) any {
	switch f := of.(type) {
	case func(...any) any:
		return f(arguments...)
	case lambda:
		inner := scope{}
		maps.Copy(inner, f.within)
		if len(arguments) != len(f.parameters) {
			panic(errors.New("another number of arguments"))
		}
		for i, name := range f.parameters {
			inner[name] = arguments[i]
		}
		return f.body(inner)
	}
	panic(errors.New("no function"))
}
