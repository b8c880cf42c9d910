package main

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "example.com/entra-scim-proxy"

type goPackage struct {
	ImportPath, Dir           string
	Imports                   []string
	Standard                  bool
	TestGoFiles, XTestGoFiles []string
}

// list returns what go list tells of packages; Imports are without those of tests.
func list(t *testing.T, arguments ...string) []goPackage {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", append([]string{"list", "-json=ImportPath,Dir,Imports,Standard,TestGoFiles,XTestGoFiles"}, arguments...)...)
	output, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	var packages []goPackage
	for decoder := json.NewDecoder(strings.NewReader(string(output))); decoder.More(); {
		var p goPackage
		if err := decoder.Decode(&p); err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
	return packages
}

// directions are the imports among the product's packages that the design
// allows.
var directions = map[string][]string{
	"handler":        {"proxy", "proxy/check", "proxy/keyvault", "proxy/scim", "proxy/token", "proxy/upstream"},
	"proxy":          {"proxy/scim", "proxy/token"},
	"proxy/check":    {"proxy", "proxy/scim", "proxy/token", "proxy/upstream"},
	"proxy/keyvault": {"proxy/token"},
	"proxy/scim":     {},
	"proxy/token":    {},
	"proxy/upstream": {},
}

func TestImportDirections(t *testing.T) {
	seen := 0
	for _, p := range list(t, module+"/...") {
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		if name == "lab" || strings.HasPrefix(name, "lab/") || name == "infra" || strings.HasPrefix(name, "infra/") {
			continue
		}
		allowed, known := directions[name]
		if !known {
			t.Errorf("%s has no row in the table of directions", name)
		}
		seen++
		for _, imported := range p.Imports {
			if ours, ok := strings.CutPrefix(imported, module+"/"); ok && !slices.Contains(allowed, ours) {
				t.Errorf("%s imports %s", name, ours)
			}
		}
	}
	if seen < 5 {
		t.Errorf("only %d packages were seen", seen)
	}
}

// Normalization is pure: what could do I/O is not within its reach.
func TestSCIMImportsOnlyTheTokenizer(t *testing.T) {
	const tokenizer = "github.com/go-json-experiment/json/jsontext"
	for _, p := range list(t, module+"/proxy/scim") {
		for _, imported := range p.Imports {
			domain, _, _ := strings.Cut(imported, "/")
			if strings.Contains(domain, ".") && imported != tokenizer {
				t.Errorf("proxy/scim imports %s", imported)
			}
			if imported != "net/url" && slices.Contains([]string{"log", "net", "os", "syscall", "time"}, domain) {
				t.Errorf("proxy/scim imports %s, and should be pure", imported)
			}
		}
	}
}

// The lab stands in for the outside; it must not share code with what it tests.
func TestLabBackendSharesNoCodeWithTheProxy(t *testing.T) {
	for _, p := range list(t, "-deps", module+"/lab/backend") {
		if strings.HasPrefix(p.ImportPath, module+"/proxy") || strings.HasPrefix(p.ImportPath, module+"/handler") {
			t.Errorf("lab/backend depends on %s", p.ImportPath)
		}
	}
}

func TestKeyVaultSDKStaysBehindItsFence(t *testing.T) {
	for _, p := range list(t, module+"/...") {
		if p.ImportPath == module+"/proxy/keyvault" {
			continue
		}
		for _, imported := range p.Imports {
			if strings.HasPrefix(imported, "github.com/Azure/") {
				t.Errorf("%s imports %s", p.ImportPath, imported)
			}
		}
	}
}

// forbidden are packages that must not end up in the binary.
var forbidden = map[string]string{
	"testing":           "test code in production",
	"net/http/httptest": "test code in production",
	"net/http/pprof":    "registers handlers that show the process's inside",
	"expvar":            "registers a handler that shows the command line",
}

func TestBinaryDependsOnNothingForbidden(t *testing.T) {
	packages := list(t, "-deps", module+"/handler")
	if len(packages) < 100 {
		t.Fatalf("only %d packages were seen", len(packages))
	}
	for _, p := range packages {
		if reason := forbidden[p.ImportPath]; reason != "" {
			t.Errorf("the handler depends on %s: %s", p.ImportPath, reason)
		}
		if strings.HasPrefix(p.ImportPath, module+"/lab") {
			t.Errorf("the handler depends on %s", p.ImportPath)
		}
	}
}
