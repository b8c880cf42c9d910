package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// TestMain lets the test binary be the program that the lab starts besides the
// proxy: itself.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "backend" {
		main()
		return
	}
	code := m.Run()
	if err := os.RemoveAll(builtIn); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// builtIn is the directory of what handler built; empty if it was not asked to.
var builtIn string

// build makes the real proxy, as the Makefile does.
var build = sync.OnceValues(func() (path string, err error) {
	if builtIn, err = os.MkdirTemp("", "entra-scim-lab-test-"); err != nil {
		return "", err
	}
	path = filepath.Join(builtIn, "handler")
	command := exec.Command("go", "build", "-buildvcs=false", "-o", path, "../handler")
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, output)
	}
	return path, nil
})

// handler is the path of the real proxy's binary. Call it before emptyTemp.
func handler(t *testing.T) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDispatch(t *testing.T) {
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{nil, 2, "usage: go run ./lab SUBCOMMAND"},
		{[]string{"dance"}, 2, `lab: unknown subcommand "dance"`},
		{[]string{"run"}, 2, "lab run: --handler is required"},
		{[]string{"run", "--color"}, 2, "flag provided but not defined"},
		{[]string{"run", "--handler", "x", "y"}, 2, `lab run: unexpected argument "y"`},
		{[]string{"run", "-h"}, 0, "-keep-log"},
		{[]string{"backend"}, 1, "lab backend: read the configuration from standard input: EOF\n"},
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
