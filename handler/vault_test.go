package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"example.com/entra-scim-proxy/lab/vault"
)

const vaultName = "contoso-canary.vault.azure.net"

// startVault serves a vault under its name, and returns what a process needs to
// reach it. That nothing else is asked of the environment's proxy is part of
// the test.
func startVault(t *testing.T, v *vault.Vault) map[string]string {
	t.Helper()
	server, err := vault.Serve(v, vaultName, t.TempDir())
	if errors.Is(err, vault.ErrSystem) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Close()
		if strays := server.Strays(); len(strays) > 0 {
			t.Errorf("the environment's proxy was asked for %q", strays)
		}
	})
	return server.Environment()
}

// The real SDK in the real process: both tokens and the CA from a vault, as in
// Azure.
func TestSecretsFromKeyVault(t *testing.T) {
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, r.Header.Get("Authorization"))
	})
	v := &vault.Vault{}
	v.Set("entra-token", vault.Secret{Value: b.entra})
	v.Set("backend-token", vault.Secret{Value: b.token})
	v.Set("backend-ca", vault.Secret{Value: b.ca})
	environment := startVault(t, v)
	maps.Copy(environment, b.environment(t))
	maps.Copy(environment, map[string]string{
		"WEBSITE_SITE_NAME": "contoso", "AZURE_CLIENT_ID": "9edf3db5-1708-45b7-acbe-a7b4c8fb102a", "ENTRA_TOKEN": "keyvault:entra-token", "BACKEND_TOKEN": "keyvault:backend-token", "BACKEND_CA": "keyvault:backend-ca",
	})
	p := start(t, environment)
	conn := p.dial(t)
	for range 3 {
		if _, err := io.WriteString(conn, "GET /scim/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+b.entra+"\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != 200 || string(body) != "Bearer "+b.token {
			t.Fatalf("%d %s, %v\n%s", response.StatusCode, body, err, strings.Join(p.output(), "\n"))
		}
	}
	counts := v.Counts()
	if want := map[string]int{"entra-token": 1, "backend-token": 1, "backend-ca": 1}; !maps.Equal(counts.Reads, want) || counts.Tokens != 1 {
		t.Errorf("the vault counted %+v; want one read of each secret, and one token", counts)
	}
	if id := v.ClientID(); id != environment["AZURE_CLIENT_ID"] {
		t.Errorf("the token was asked for as %q", id)
	}
	absent(t, "log", strings.Join(p.output(), "\n"), []string{b.entra, b.token, "canary", "entra-token", "BEGIN CERT"})
}

func TestPlainHTTPBackend(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, r.Host, " ", r.URL)
	}))
	t.Cleanup(backend.Close)
	p := start(t, local("BACKEND_URL", backend.URL+"/v2", "BACKEND_ALLOW_HTTP", "true", "SCIM_PATH", "/"))
	response, body := p.exchange(t, "GET /Users?aadOptscim062020 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer e\r\n\r\n")
	if want := backend.Listener.Addr().String() + " /v2/Users"; response.StatusCode != 200 || body != want {
		t.Errorf("%d %q, want %q", response.StatusCode, body, want)
	}
	for name, want := range map[string]string{"jira.example.com": "jira.example.com", "2001:db8::1": "[2001:db8::1]"} {
		p := start(t, local("BACKEND_URL", backend.URL, "BACKEND_ALLOW_HTTP", "true", "BACKEND_SERVER_NAME", name))
		_, body := p.exchange(t, "GET /scim/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer e\r\n\r\n")
		if body != want+" /Users" {
			t.Errorf("BACKEND_SERVER_NAME=%s: the backend got %q", name, body)
		}
	}
}

// What docs/scale.md counts on: at the start 6 reads for two secrets that are
// being rotated, 4 for each SECRET_REFRESH after that.
func TestReadsOfTheVault(t *testing.T) {
	t.Parallel()
	b := newBackend(t, func(http.ResponseWriter, *http.Request) {})
	v := &vault.Vault{}
	for _, before := range []string{"before-", ""} {
		v.Set("entra-token", vault.Secret{Value: before + b.entra})
		v.Set("backend-token", vault.Secret{Value: before + b.token})
	}
	environment := startVault(t, v)
	maps.Copy(environment, b.environment(t))
	maps.Copy(environment, map[string]string{"ENTRA_TOKEN": "keyvault:entra-token", "BACKEND_TOKEN": "keyvault:backend-token", "SECRET_REFRESH": "2s"})
	p := start(t, environment)
	for limit := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) { // real time: it is another process's
		p.get(t, b.entra)
		counts, values := v.Counts(), 0
		for _, reads := range counts.Reads {
			values += reads
		}
		rounds := counts.Reads["entra-token"]
		if rounds > 2 && rounds == counts.Reads["backend-token"] && values+counts.Lists == 2+4*rounds {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("the vault counted %+v; want 6 at first and 4 with each refresh", counts)
		}
	}
}
