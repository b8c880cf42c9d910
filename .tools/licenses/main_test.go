package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestThisRepository(t *testing.T) {
	var out strings.Builder
	if err := run(t.Context(), "../..", &out); err != nil {
		t.Error(err)
	}
	if !strings.HasPrefix(out.String(), "licences: ") {
		t.Errorf("it says %q", &out)
	}
}

// A repository whose handler and whose tests each need one module.
func TestLicences(t *testing.T) {
	apache, err := os.ReadFile("../../LICENSE")
	if err != nil {
		t.Fatal(err)
	}
	mozilla := licenseOf(t, "github.com/hashicorp/hcl/v2")
	for name, test := range map[string]struct {
		linked, tested string
		want           string // of the error; "" is none
	}{
		"permissive":              {string(apache), string(apache), ""},
		"MPL-2.0 in a test":       {string(apache), mozilla, ""},
		"MPL-2.0 in the package":  {mozilla, string(apache), "example.com/linked@v1.0.0: MPL-2.0 is none of"},
		"unknown in the package":  {"Use it on Tuesdays.", string(apache), "example.com/linked@v1.0.0: LICENSE in"},
		"unknown in a test":       {string(apache), "Use it on Tuesdays.", "example.com/tested@v1.0.0: LICENSE in"},
		"beside one that will do": {string(apache) + mozilla, string(apache), "example.com/linked@v1.0.0: MPL-2.0 is none of"},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			for file, text := range map[string]string{
				"go.mod": `module example.com/canary
go 1.26
require (
	example.com/linked v1.0.0
	example.com/tested v1.0.0
)
replace (
	example.com/linked v1.0.0 => ./linked
	example.com/tested v1.0.0 => ./tested
)`,
				"LICENSE":              string(apache),
				"handler/main.go":      "package main\nimport _ \"example.com/linked\"\nfunc main() {}\n",
				"handler/main_test.go": "package main\nimport _ \"example.com/tested\"\n",
				"linked/go.mod":        "module example.com/linked\n",
				"linked/linked.go":     "package linked\n",
				"linked/LICENSE":       test.linked,
				"tested/go.mod":        "module example.com/tested\n",
				"tested/tested.go":     "package tested\n",
				"tested/LICENSE":       test.tested,
			} {
				path := filepath.Join(root, file)
				if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			err := run(t.Context(), root, &strings.Builder{})
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("error %v", err)
			}
		})
	}
}

// licenseOf is the text of the licence of a module that the repository needs.
func licenseOf(t *testing.T, module string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", module)
	command.Dir = "../.."
	folder, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(folder)), "LICENSE"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
