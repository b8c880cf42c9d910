//go:build unix

package host

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// builtIn is the folder of what build made; empty if it was not asked to.
var builtIn string

// build makes the package that ships, as far as the host looks at it.
var build = sync.OnceValues(func() (folder string, err error) {
	if builtIn, err = os.MkdirTemp("", "entra-scim-host-test-"); err != nil {
		return "", err
	}
	command := exec.Command("go", "build", "-buildvcs=false", "-o", filepath.Join(builtIn, "handler"), "../../handler")
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, output)
	}
	if err := os.Mkdir(filepath.Join(builtIn, "scim"), 0o755); err != nil {
		return "", err
	}
	for from, to := range map[string]string{"host.json": "host.json", "function.json": "scim/function.json"} {
		content, err := os.ReadFile(filepath.Join("../..", from))
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(builtIn, to), content, 0o644); err != nil {
			return "", err
		}
	}
	return builtIn, nil
})

// Bad settings of the real handler end in answers of 503 in Azure, and locally
// in an app that is stopped after three exits.
func TestRealHandlerWithBadSettings(t *testing.T) {
	folder, err := build()
	if err != nil {
		t.Fatal(err)
	}
	t.Run("in Azure", func(t *testing.T) {
		h, err := Start(t.Context(), Options{App: folder, Hostname: "contoso-scim.azurewebsites.net"})
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		head, body := get(t, h, "/scim/Users")
		if statusOf(head) != "503" || !strings.Contains(body, "urn:ietf:params:scim:api:messages:2.0:Error") || h.Starts() != 1 {
			t.Errorf("got %q and %q after %d starts", head, body, h.Starts())
		}
	})
	t.Run("under Core Tools", func(t *testing.T) {
		var stderr lines
		_, err := Start(t.Context(), Options{App: folder, Stderr: &stderr})
		if !errors.Is(err, ErrStopped) || !strings.Contains(err.Error(), "the handler exited with code 78: ") {
			t.Errorf("got %v", err)
		}
		if starts := strings.Count(stderr.String(), "BACKEND_URL: found nothing"); starts != 3 {
			t.Errorf("standard error tells of %d starts:\n%s", starts, stderr.String())
		}
	})
}
