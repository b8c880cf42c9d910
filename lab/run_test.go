package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/entra-scim-proxy/lab/entra"
)

func TestMissingAppIsOneSentence(t *testing.T) {
	dir := t.TempDir()
	var errs bytes.Buffer
	code := dispatch(t.Context(), []string{"run", "--app", dir, "--port", "0"}, stdio{out: &errs, err: &errs})
	if code != 1 || !strings.HasPrefix(errs.String(), "lab run: host: unusable app: ") || strings.Count(errs.String(), "\n") != 1 {
		t.Errorf("got exit code %d and %q", code, errs.String())
	}
}

func TestMissingHandlerIsOneSentence(t *testing.T) {
	path := filepath.Join(t.TempDir(), "handler")
	var errs bytes.Buffer
	code := dispatch(t.Context(), []string{"bench", "--handler", path}, stdio{out: &errs, err: &errs})
	want := fmt.Sprintf("lab bench: there is no proxy binary at %q; \"make handler\" builds it, or run: go build -o %s ./handler\n", path, path)
	if code != 1 || errs.String() != want {
		t.Errorf("got exit code %d and %q, want %q", code, errs.String(), want)
	}
	if err := checkHandler(t.TempDir()); err == nil || !strings.HasSuffix(err.Error(), "is not a file") {
		t.Errorf("directory: got %v", err)
	}
}

func TestWriteLives(t *testing.T) {
	const id = "2819c223-7f76-453a-919d-413861904646"
	const patch = `{"schemas":["x"],"Operations":[{"op":"Add","path":"` + enterpriseSchema + `:manager","value":"` + id + `"},{"op":"Remove","path":"title"}]}`
	probe := entra.Call{Step: "probe", Method: http.MethodGet, Path: "/scim/Users?filter=userName+eq+%22" + id + "%22", Status: 200, Duration: time.Millisecond, OK: true}
	silent := probe
	silent.Status, silent.OK, silent.Detail = 0, false, "EOF"
	change := entra.Call{Step: "change", Method: http.MethodPatch, Path: "/scim/Users/" + id, Sent: []byte(patch), Status: 204, Duration: 3250 * time.Microsecond, OK: true}
	refused := change
	refused.Status, refused.OK, refused.Detail, refused.Sent = 400, false, "want 204, got 400: no", []byte(strings.Replace(patch, "Add", "add", 1))
	read := entra.Call{Step: "read", Method: http.MethodGet, Path: "/scim/Users/" + id, Status: 200, OK: true}
	skipped := entra.Call{Step: "read", Method: http.MethodGet, Path: "/scim/Users/{user}", Skipped: true, Detail: "skipped"}
	var got bytes.Buffer
	failed, total := writeLives(&got, []life{
		{"default", []entra.Call{probe, change, read}},
		{"compliant", []entra.Call{silent, refused, skipped}},
	})
	const want = `#  step    method  path                                            default  ms   compliant  ms
1  probe   GET     /scim/Users?filter=userName+eq+%222819c223…%22  200      1.0  - ✗        1.0
      compliant  ✗ EOF
2  change  PATCH   /scim/Users/2819c223…                           204      3.2  400 ✗      3.2
      default    Add urn:…:User:manager "2819c223…"; Remove title
      compliant  add urn:…:User:manager "2819c223…"; Remove title
      compliant  ✗ want 204, got 400: no
3  read    GET     /scim/Users/2819c223…                           200      0.0  skipped    

3 of 6 calls ended as they should, in 8.5 ms.
`
	if diff := cmp.Diff(want, got.String()); diff != "" || failed != 3 || total != 6 {
		t.Errorf("%d of %d failed; table (-want +got):\n%s", failed, total, diff)
	}
}

func TestChildEnvironment(t *testing.T) {
	got := childEnvironment([]string{
		"PATH=/bin", "HOME=/home/ada", "Path=C:\\", "NOTHING",
		"PORT=1", "BACKEND_URL=https://other.example.com", "BACKEND_ALLOW_HTTP=true", "ENTRA_TOKEN=plain:x",
		"KEY_VAULT_URL=https://vault.example.com", "AZURE_CLIENT_ID=1", "SCIM_PATH=/other", "MAX_BODY=1", "LOG_LEVEL=error",
		"WEBSITE_SITE_NAME=a", "WEBSITE_HOSTNAME=a", "FUNCTIONS_CUSTOMHANDLER_PORT=1", "IDENTITY_ENDPOINT=http://a", "IDENTITY_HEADER=a",
		"MSI_ENDPOINT=http://a", "MSI_SECRET=a", "IMDS_ENDPOINT=http://a", "AZURE_TENANT_ID=1", "AZURE_TOKEN_CREDENTIALS=dev",
		"HTTPS_PROXY=http://a", "https_proxy=http://a", "NO_PROXY=*", "SSL_CERT_FILE=/a", "SSL_CERT_DIR=/a",
	}, "PORT=7071")
	want := []string{"PATH=/bin", "HOME=/home/ada", "Path=C:\\", "PORT=7071"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
}

func TestInterruptedBeforeTheStart(t *testing.T) {
	app(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	emptyTemp(t)
	var out, errs bytes.Buffer
	code := dispatch(ctx, []string{"run", "--app", app(t), "--port", "0"}, stdio{out: &out, err: &errs})
	if code != 1 || errs.String() != "lab run: interrupted\n" {
		t.Errorf("got exit code %d and %q", code, errs.String())
	}
}
