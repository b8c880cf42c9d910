package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"testing"
)

// A goroutine that outlives the tests fails their package, and a new package
// cannot forget to ask.
func TestEveryPackageWithTestsLooksForLeaks(t *testing.T) {
	seen := 0
	for _, p := range list(t, module+"/...") {
		files := slices.Concat(p.TestGoFiles, p.XTestGoFiles)
		if len(files) == 0 {
			continue
		}
		seen++
		calls := callsOfTestMain(t, p.Dir, files)
		if !slices.Contains(calls, "goleak.VerifyTestMain") {
			t.Errorf("%s has no TestMain that calls goleak.VerifyTestMain", p.ImportPath)
		}
		if slices.Contains(calls, "goleak.IgnoreCurrent") {
			t.Errorf("%s has a TestMain that hides leaks: name what may stay, and why", p.ImportPath)
		}
	}
	if seen < 20 {
		t.Errorf("only %d packages with tests were seen", seen)
	}
}

// callsOfTestMain returns the functions that a package's TestMain calls.
func callsOfTestMain(t *testing.T, dir string, files []string) (called []string) {
	t.Helper()
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, declared := range file.Decls {
			if function, ok := declared.(*ast.FuncDecl); !ok || function.Recv != nil || function.Name.Name != "TestMain" {
				continue
			}
			ast.Inspect(declared, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok {
					called = append(called, types.ExprString(call.Fun))
				}
				return true
			})
		}
	}
	return called
}
