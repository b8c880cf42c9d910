package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

// TestMain removes what was built.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if err := os.RemoveAll(builtIn); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(code)
	}))
}

// builtIn is the directory of what app built; empty if it was not asked to.
var builtIn string

// build makes the folder of the packaged proxy, as the Makefile does.
var build = sync.OnceValues(func() (dir string, err error) {
	if builtIn, err = os.MkdirTemp("", "entra-scim-lab-test-"); err != nil {
		return "", err
	}
	for to, from := range map[string]string{"host.json": "host.json", "scim/function.json": "function.json"} {
		content, err := os.ReadFile(filepath.Join("..", from))
		if err != nil {
			return "", err
		}
		to = filepath.Join(builtIn, filepath.FromSlash(to))
		if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o700), os.WriteFile(to, content, 0o600)); err != nil {
			return "", err
		}
	}
	command := exec.Command("go", "build", "-buildvcs=false", "-o", filepath.Join(builtIn, "handler"), "../handler")
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, output)
	}
	return builtIn, nil
})

// app is the folder of the packaged proxy. Call it before emptyTemp.
func app(t *testing.T) string {
	t.Helper()
	dir, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// handler is the path of the proxy's binary.
func handler(t *testing.T) string { return filepath.Join(app(t), "handler") }

func TestDispatch(t *testing.T) {
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{nil, 2, "usage: go run ./lab SUBCOMMAND"},
		{[]string{"dance"}, 2, `lab: unknown subcommand "dance"`},
		{[]string{"run"}, 2, "lab run: --app is required"},
		{[]string{"run", "--app", "x", "--profile", "dance"}, 2, `lab run: --profile is "dance", want one of strict, `},
		{[]string{"run", "--color"}, 2, "flag provided but not defined"},
		{[]string{"run", "--app", "x", "y"}, 2, `lab run: unexpected argument "y"`},
		{[]string{"run", "-h"}, 0, "-keep-log"},
		{[]string{"cycle"}, 2, "lab cycle: --url is required"},
		{[]string{"cycle", "--url", "http://127.0.0.1:1/"}, 2, "lab cycle: --token is required"},
		{[]string{"cycle", "--url", "http://127.0.0.1:1/", "--token", "x", "--users", "0"}, 2, "lab cycle: --users is at least 1"},
		{[]string{"cycle", "--url", "http://127.0.0.1:1/", "--token", "x", "--dialect", "slang"}, 2, `the dialect is "slang", want default or compliant`},
		{[]string{"bench"}, 2, "lab bench: --handler is required"},
		{[]string{"bench", "--handler", "x", "--calls", "0"}, 2, "lab bench: --calls, --connections and --rounds are at least 1"},
		{[]string{"plain"}, 1, "lab plain: "},
		{[]string{"benchbackend"}, 1, "lab benchbackend: read the configuration: EOF\n"},
	} {
		t.Run(strings.Join(test.args, " "), func(t *testing.T) {
			var out, errs bytes.Buffer
			code := dispatch(t.Context(), test.args, stdio{in: strings.NewReader(""), out: &out, err: &errs})
			if code != test.code || !strings.Contains(errs.String(), test.want) || out.Len() > 0 {
				t.Errorf("got exit code %d, stderr %q, stdout %q", code, errs.String(), out.String())
			}
		})
	}
}
