package monitor_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/entra-scim-proxy/lab/pki"
)

// line is a line of the log, parsed.
type line = map[string]any

// call is one of Entra's.
type call struct{ method, path, token, body string }

const entraToken = "entra-canary"

// capture runs the real proxy through what the alerts are about, and returns its
// log.
func capture(t *testing.T) []line {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "handler")
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", binary, "../../handler")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	trusted, other := authority(t, "Corp Root"), authority(t, "Other Root")
	backend := newBackend(t, trusted)
	expired, err := pki.NewExpired("Old Root")
	if err != nil {
		t.Fatal(err)
	}
	soon, _, err := trusted.Issue(pki.Leaf{CommonName: "soon", SelfSigned: true, NotAfter: time.Now().Add(10 * 24 * time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	environment := map[string]string{
		"PORT": "0", "BACKEND_URL": backend, "BACKEND_TOKEN": "plain:b", "ENTRA_TOKEN": "plain:" + entraToken,
		"BACKEND_CA": bundle(t, trusted.PEM(), expired.PEM(), soon), "NORMALIZE": "all", "PUBLIC_URL": "https://scim.example.com", "GROUPS": "stub",
	}
	users := call{"GET", "/scim/Users", entraToken, ""}
	lines := run(t, binary, environment, users,
		call{"GET", "/scim/Users", "wrong", ""},
		call{"GET", "/scim/Users/forbidden", entraToken, ""},
		call{"GET", "/scim/Groups", entraToken, ""},
		call{"PATCH", "/scim/Users/1", entraToken, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"Replace","path":"active","value":"False"}]}`})
	for name, value := range map[string]string{
		"BACKEND_URL": backend + "/refusing", "BACKEND_CA": bundle(t, other.PEM()), "ENTRA_TOKEN": "file:" + filepath.Join(t.TempDir(), "absent"),
	} {
		changed := maps.Clone(environment)
		changed[name] = value
		lines = append(lines, run(t, binary, changed, users)...)
	}
	return lines
}

func authority(t *testing.T, name string) *pki.Authority {
	t.Helper()
	a, err := pki.New(name)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// bundle is a reference to a file of certificates.
func bundle(t *testing.T, certificates ...[]byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, bytes.Join(certificates, nil), 0o600); err != nil {
		t.Fatal(err)
	}
	return "file:" + path
}

// newBackend serves users, but refuses the proxy under /refusing, and one user
// like a firewall does.
func newBackend(t *testing.T, a *pki.Authority) string {
	t.Helper()
	certificate, err := a.Certificate(pki.Leaf{Names: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/refusing/"):
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path == "/Users/forbidden":
			w.WriteHeader(http.StatusForbidden)
		case r.Method == http.MethodPatch:
			w.WriteHeader(http.StatusNoContent)
		default:
			w.Header().Set("Content-Type", "application/scim+json")
			io.WriteString(w, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":0,"Resources":[]}`)
		}
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // a handshake is meant to fail
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL
}

// run starts a process, makes the calls, ends it, and returns its log.
func run(t *testing.T, binary string, environment map[string]string, calls ...call) []line {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, binary)
	for name, value := range environment {
		command.Env = append(command.Env, name+"="+value)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	var lines []line
	for scanner := bufio.NewScanner(stdout); scanner.Scan(); {
		var parsed line
		if err := json.Unmarshal(scanner.Bytes(), &parsed); err != nil {
			t.Fatalf("%v: %s", err, scanner.Bytes())
		}
		lines = append(lines, parsed)
		if parsed["msg"] != "listening" {
			continue
		}
		for _, c := range calls {
			c.make(ctx, t, "http://"+parsed["address"].(string))
		}
		if err := command.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	if err := command.Wait(); err != nil {
		t.Fatalf("%v after %v", err, lines)
	}
	return lines
}

func (c call) make(ctx context.Context, t *testing.T, origin string) {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, c.method, origin+c.path, strings.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	request.Header.Set("Content-Type", "application/scim+json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		t.Error(err)
	}
	if err := response.Body.Close(); err != nil {
		t.Error(err)
	}
}
