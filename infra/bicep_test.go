//go:build cgo

package infra_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	bicep "github.com/tree-sitter-grammars/tree-sitter-bicep/bindings/go"
	sitter "github.com/tree-sitter/go-tree-sitter"
)

// bicepFiles are all there are, parameter files included.
func bicepFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	for _, pattern := range []string{"bicep/*.bicep", "bicep/*/*.bicep", "bicep/*.bicepparam", "bicep/*/*.bicepparam"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	if len(files) < 5 {
		t.Fatalf("only %d Bicep files were found", len(files))
	}
	return files
}

func TestBicepParses(t *testing.T) {
	for _, file := range bicepFiles(t) {
		readBicep(t, file)
	}
}

// readBicep reads a file and reports what does not parse.
func readBicep(t *testing.T, file string) *template {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	parser := sitter.NewParser()
	t.Cleanup(parser.Close)
	if err := parser.SetLanguage(sitter.NewLanguage(bicep.Language())); err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(file, "param") {
		text = asTemplate(text)
	}
	tree := parser.Parse(text, nil)
	t.Cleanup(tree.Close)
	r := bicepReader{text: text, into: newTemplate()}
	if broken := firstError(tree.RootNode()); broken != nil {
		t.Errorf("%s:%d does not parse: %q", file, broken.StartPosition().Row+1, r.source(broken))
	}
	r.declarations(tree.RootNode())
	return r.into
}

var (
	using    = regexp.MustCompile(`(?m)^using '[^']+'$`)
	assigned = regexp.MustCompile(`(?m)^param (\w+) =`)
)

// asTemplate makes of a file of parameters what the grammar knows, which has
// neither using nor parameters without a type.
func asTemplate(text []byte) []byte {
	return assigned.ReplaceAll(using.ReplaceAll(text, nil), []byte("var $1 ="))
}

func TestParameterFilesFitTheTemplate(t *testing.T) {
	main := readBicep(t, "bicep/main.bicep")
	seen := 0
	for _, file := range bicepFiles(t) {
		if !strings.HasSuffix(file, "param") {
			continue
		}
		seen++
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		template, _, _ := strings.Cut(strings.TrimPrefix(string(using.Find(text)), "using '"), "'")
		if filepath.Join(filepath.Dir(file), template) != filepath.FromSlash("bicep/main.bicep") {
			t.Errorf("%s is for %q", file, template)
		}
		given := map[string]bool{}
		for _, match := range assigned.FindAllSubmatch(text, -1) {
			given[string(match[1])] = true
		}
		for name := range given {
			if _, known := main.parameters[name]; !known {
				t.Errorf("%s gives %s, which is no parameter", file, name)
			}
		}
		for name, p := range main.parameters {
			if p.value == "" && !p.nullable && !given[name] {
				t.Errorf("%s lacks the parameter %s, which has no default", file, name)
			}
		}
	}
	if seen < 3 {
		t.Errorf("only %d files of parameters were seen", seen)
	}
}

func firstError(n *sitter.Node) *sitter.Node {
	if n.IsError() || n.IsMissing() {
		return n
	}
	for i := range n.ChildCount() {
		if broken := firstError(n.Child(i)); broken != nil {
			return broken
		}
	}
	return nil
}

type bicepReader struct {
	text []byte
	into *template
}

func (r *bicepReader) declarations(root *sitter.Node) {
	var described string
	for i := range root.NamedChildCount() {
		n := root.NamedChild(i)
		switch n.Kind() {
		case "decorators":
			described = r.description(n)
			continue
		case "parameter_declaration":
			r.into.parameters[r.source(n.NamedChild(0))] = parameter{
				description: described, value: r.initial(n), nullable: n.NamedChild(1).Kind() == "nullable_type" || strings.HasSuffix(r.source(n), "?"),
			}
		case "variable_declaration":
			r.leaves(n.NamedChild(1), r.into.variable(r.source(n.NamedChild(0))), "")
		case "output_declaration":
			r.into.outputs[r.source(n.NamedChild(0))] = described
		case "type_declaration":
			for _, property := range namedChildren(n.NamedChild(1), "object_property") {
				r.into.settings = append(r.into.settings, r.source(property.NamedChild(0)))
			}
		case "resource_declaration":
			head, _, _ := strings.Cut(r.source(n), "=")
			if kind, api, _ := strings.Cut(unquote(r.source(n.NamedChild(1))), "@"); !strings.HasSuffix(strings.TrimSpace(head), " existing") {
				r.leaves(n.NamedChild(2), r.into.add(resource{name: r.source(n.NamedChild(0)), kind: kind, api: api}), "")
			}
		case "module_declaration":
			r.leaves(n.NamedChild(2), r.into.add(resource{name: r.source(n.NamedChild(0)), kind: "module"}), "")
		}
		described = ""
	}
}

// initial is a parameter's default, "" if it has none.
func (r *bicepReader) initial(n *sitter.Node) string {
	if _, value, found := strings.Cut(r.source(n), "="); found {
		return strings.TrimSpace(value)
	}
	return ""
}

func (r *bicepReader) description(decorators *sitter.Node) string {
	for _, decorator := range namedChildren(decorators, "decorator") {
		call := decorator.NamedChild(0)
		if r.source(call.NamedChild(0)) == "description" {
			return unquote(r.source(call.NamedChild(1).NamedChild(0)))
		}
	}
	return ""
}

// leaves gathers the source of each value below n by its path, through
// conditions and loops.
func (r *bicepReader) leaves(n *sitter.Node, into map[string]string, path string) {
	switch n.Kind() {
	case "if_statement", "for_statement":
		r.leaves(n.NamedChild(n.NamedChildCount()-1), into, path)
	case "object":
		for _, property := range namedChildren(n, "object_property") {
			key := unquote(r.source(property.NamedChild(0)))
			r.leaves(property.NamedChild(property.NamedChildCount()-1), into, join(path, key))
		}
	case "array":
		for i := range n.NamedChildCount() {
			r.leaves(n.NamedChild(i), into, join(path, number(i)))
		}
	case "call_expression", "ternary_expression", "parenthesized_expression", "arguments":
		if !holdsObject(n) {
			put(into, path, r.source(n))
			return
		}
		for i := range n.NamedChildCount() {
			// The function's name and the condition are no part of the value.
			if i > 0 || n.Kind() == "arguments" || n.Kind() == "parenthesized_expression" {
				r.leaves(n.NamedChild(i), into, path)
			}
		}
	default:
		put(into, path, r.source(n))
	}
}

// holdsObject tells whether a value is put together of objects or lists, as by
// union, concat and conditions.
func holdsObject(n *sitter.Node) bool {
	switch n.Kind() {
	case "for_statement":
		return true
	case "object", "array":
		return n.NamedChildCount() > 0
	case "call_expression", "ternary_expression", "parenthesized_expression", "arguments":
		for i := range n.NamedChildCount() {
			if holdsObject(n.NamedChild(i)) {
				return true
			}
		}
	}
	return false
}

func namedChildren(n *sitter.Node, kind string) []*sitter.Node {
	var found []*sitter.Node
	for i := range n.NamedChildCount() {
		if child := n.NamedChild(i); child.Kind() == kind {
			found = append(found, child)
		}
	}
	return found
}

func (r *bicepReader) source(n *sitter.Node) string { return n.Utf8Text(r.text) }

func unquote(s string) string { return strings.ReplaceAll(strings.Trim(s, "'"), `\'`, "'") }
