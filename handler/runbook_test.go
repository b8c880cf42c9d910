package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const runbook = "../docs/runbook.md"

// runbookHeader begins each table of classes.
const runbookHeader = "| Entra gets, and shows | In the log | `handler check` | Cause | Remedy |"

// loggedAs is what stands in the second cell of a row.
var loggedAs = regexp.MustCompile("^`([a-z0-9_]+)`, (error|warn|info)$")

// Who is woken by a class, or told one by the check, finds a row with what Entra
// shows and what to do; and no row is about what cannot happen.
func TestRunbookHasARowForEachClass(t *testing.T) {
	logged := classesOf(t, "../proxy", "../proxy/upstream")
	if diff := cmp.Diff(logged, runbookClasses(t)); diff != "" {
		t.Errorf("classes of the code (-) and rows of %s (+):\n%s", runbook, diff)
	}
	for _, class := range classesOf(t, "../proxy/check", ".") {
		if !slices.Contains(logged, class) {
			t.Errorf("the check reports a class that the log does not have: %s", class)
		}
	}
}

// runbookClasses returns the classes that have a row, in order.
func runbookClasses(t *testing.T) (classes []string) {
	t.Helper()
	text, err := os.ReadFile(runbook)
	if err != nil {
		t.Fatal(err)
	}
	inTable := false
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		switch inTable = line == runbookHeader || inTable && strings.HasPrefix(line, "|"); {
		case !inTable, line == runbookHeader, strings.HasPrefix(line, "|---"):
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), " | ")
		if len(cells) != 5 || slices.ContainsFunc(cells, func(cell string) bool { return strings.TrimSpace(cell) == "" }) {
			t.Errorf("a row with %d cells, or an empty one: %s", len(cells), line)
			continue
		}
		found := loggedAs.FindStringSubmatch(cells[1])
		if found == nil {
			t.Errorf("the second cell is not a class and a level: %s", line)
			continue
		}
		classes = append(classes, found[1])
	}
	slices.Sort(classes)
	return classes // not compacted: a second row for a class is a mistake
}

// classesOf returns the classes that the sources in the folders name: in the
// table problems, in constants whose name begins with class, and wherever a
// field Class is set.
func classesOf(t *testing.T, folders ...string) []string {
	t.Helper()
	classes := map[string]bool{}
	for _, folder := range folders {
		files, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", folder, len(files), err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(node ast.Node) bool {
				for _, value := range classValues(node) {
					if class, ok := stringLiteral(value); ok && class != "" {
						classes[class] = true
					} else if !ok && !isCopy(value) {
						t.Errorf("%s: a class that is neither a literal nor taken from elsewhere", name)
					}
				}
				return true
			})
		}
	}
	return slices.Sorted(maps.Keys(classes))
}

// classValues returns what a node gives to a class.
func classValues(node ast.Node) (values []ast.Expr) {
	switch node := node.(type) {
	case *ast.KeyValueExpr:
		if key, ok := node.Key.(*ast.Ident); ok && key.Name == "Class" {
			values = append(values, node.Value)
		}
	case *ast.AssignStmt:
		for i, left := range node.Lhs {
			if isClass(left) && len(node.Lhs) == len(node.Rhs) {
				values = append(values, node.Rhs[i])
			}
		}
	case *ast.ValueSpec:
		for i, name := range node.Names {
			switch {
			case strings.HasPrefix(name.Name, "class") && i < len(node.Values):
				values = append(values, node.Values[i])
			case name.Name == "problems" && i < len(node.Values):
				values = append(values, problemClasses(node.Values[i])...)
			}
		}
	}
	return values
}

// problemClasses returns the classes of the table of problems but for that of
// ErrTLS, which is never logged: upstream says what of TLS has failed.
func problemClasses(table ast.Expr) (values []ast.Expr) {
	literal, ok := table.(*ast.CompositeLit)
	if !ok {
		return nil
	}
	for _, element := range literal.Elts {
		row, ok := element.(*ast.CompositeLit)
		if !ok || len(row.Elts) < 2 {
			continue
		}
		if problem, ok := row.Elts[0].(*ast.Ident); ok && problem.Name == "ErrTLS" {
			continue
		}
		values = append(values, row.Elts[1])
	}
	return values
}

func stringLiteral(value ast.Expr) (string, bool) {
	literal, ok := value.(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(literal.Value)
	return text, err == nil
}

// isClass reports whether an expression is a field or a variable for a class.
func isClass(value ast.Expr) bool {
	switch value := value.(type) {
	case *ast.SelectorExpr:
		return strings.EqualFold(value.Sel.Name, "class")
	case *ast.Ident:
		return value.Name == "class"
	default:
		return false
	}
}

// isCopy reports whether a value is that of another class, which is found where
// it is made.
func isCopy(value ast.Expr) bool {
	constant, ok := value.(*ast.Ident)
	return isClass(value) || ok && strings.HasPrefix(constant.Name, "class")
}
