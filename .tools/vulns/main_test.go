package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	noneShips = "govulncheck: the handler as it ships: no call of"
	noneRest  = "govulncheck: lab and tests: no call of"
)

// local is the URL of a database in testdata. Its format is that of
// https://go.dev/doc/security/vuln/database.
func local(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return "file://" + filepath.ToSlash(path)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFindsWhatIsCalled(t *testing.T) {
	small := t.TempDir()
	write(t, filepath.Join(small, "go.mod"), "module example.com/small\n\ngo 1.26\n")
	write(t, filepath.Join(small, "handler", "main.go"), "package main\n\nfunc main() { println() }\n")
	for name, test := range map[string]struct {
		root string
		says []string
		fail error
	}{
		// A function that the handler calls.
		"called": {"../..", []string{"handler as it ships:\n", "GO-0000-0001", "env.ParseWithOptions"}, errFound},
		// One that it does not call, of a module that it calls otherwise, and one
		// that only the lab calls.
		"elsewhere": {"../..", []string{noneShips, "lab and tests:\n", "GO-0000-0003", "gofakeit.NewFaker"}, nil},
		"empty":     {small, []string{noneShips, noneRest}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			if err := run(t.Context(), test.root, local(t, name), &out); !errors.Is(err, test.fail) {
				t.Errorf("error %v, want %v", err, test.fail)
			}
			for _, text := range test.says {
				if !strings.Contains(out.String(), text) {
					t.Errorf("%q is not in what it says:\n%s", text, &out)
				}
			}
		})
	}
}

func TestADatabaseThatDoesNotAnswerIsNoFinding(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	refusing := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(refusing.Close)
	// One that goes away after the first question, which the check asks.
	asked := false
	leaving := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		asked = true
	}))
	t.Cleanup(leaving.Close)
	for name, database := range map[string]string{"closed": closed.URL, "refuses": refusing.URL, "goes away": leaving.URL} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			if err := run(t.Context(), "../..", database, &out); err != nil {
				t.Error(err)
			}
			if !strings.HasPrefix(out.String(), "skipped: govulncheck: the database does not answer: ") || strings.Count(out.String(), "\n") != 1 {
				t.Errorf("it says %q", &out)
			}
		})
	}
}

func TestAScanThatFailsIsNotAPass(t *testing.T) {
	for name, test := range map[string]struct{ root, database string }{
		"no database at the path": {"../..", local(t, "nowhere")},
		"no module":               {t.TempDir(), local(t, "empty")},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			if err := run(t.Context(), test.root, test.database, &out); err == nil || errors.Is(err, errFound) || out.Len() > 0 {
				t.Errorf("error %v, and it says %q", err, &out)
			}
		})
	}
}
