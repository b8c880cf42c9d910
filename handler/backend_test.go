package main

import (
	"crypto/rand"
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"example.com/entra-scim-proxy/lab/pki"
)

// privateName is in the backend's certificate and nowhere else.
const privateName = "scim.private-canary.example.com"

// testBackend is a TLS server behind a private CA, with the files and tokens
// that a handler needs to reach it.
type testBackend struct {
	*httptest.Server
	ca, token, entra string
}

func newBackend(t *testing.T, handler http.HandlerFunc) *testBackend {
	t.Helper()
	authority, err := pki.New("Private Canary Root")
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := authority.Certificate(pki.Leaf{CommonName: "leaf-canary", Names: []string{privateName}})
	if err != nil {
		t.Fatal(err)
	}
	b := &testBackend{
		Server: httptest.NewUnstartedServer(handler),
		ca:     string(authority.PEM()), token: "backend-" + rand.Text(), entra: "entra-" + rand.Text(),
	}
	b.EnableHTTP2 = true
	b.Config.ErrorLog = log.New(io.Discard, "", 0)
	b.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	b.StartTLS()
	t.Cleanup(b.Close)
	return b
}

// environment is that of a handler in front of the backend, its secrets in
// files.
func (b *testBackend) environment(t *testing.T) map[string]string {
	t.Helper()
	return map[string]string{
		"PORT": "0", "BACKEND_URL": b.URL + "/rest/scim/v2", "BACKEND_SERVER_NAME": privateName,
		"BACKEND_CA": "file:" + write(t, "ca.pem", b.ca), "BACKEND_TOKEN": "file:" + write(t, "backend", b.token+"\n"),
		"ENTRA_TOKEN": "file:" + write(t, "entra", b.entra+"\r\n"), "PUBLIC_URL": "http://127.0.0.1:7071",
	}
}

func write(t *testing.T, name, content string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
