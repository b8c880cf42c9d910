package attack

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(tests{m}) }

// tests end with what they share.
type tests struct{ *testing.M }

// Run returns the exit status of the tests, before goleak looks for leaks.
func (t tests) Run() int {
	code := t.M.Run()
	if err := closeWorlds(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	if err := os.RemoveAll(builtIn); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return code
}

// builtIn is the folder of what build made; empty if it was not asked to.
var builtIn string

// build makes the package that ships, as far as the host looks at it, once.
var build = sync.OnceValues(func() (folder string, err error) {
	if builtIn, err = os.MkdirTemp("", "entra-scim-attack-test-"); err != nil {
		return "", err
	}
	command := exec.Command("go", "build", "-buildvcs=false", "-o", filepath.Join(builtIn, "handler"), "../../handler")
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, output)
	}
	if err := os.Mkdir(filepath.Join(builtIn, "scim"), 0o750); err != nil {
		return "", err
	}
	for from, to := range map[string]string{"host.json": "host.json", "function.json": "scim/function.json"} {
		content, err := os.ReadFile(filepath.Join("../..", from))
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(builtIn, to), content, 0o600); err != nil {
			return "", err
		}
	}
	return builtIn, nil
})
