package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"example.com/entra-scim-proxy/lab/pki"
	"example.com/entra-scim-proxy/lab/vault"
)

const vaultName = "contoso-canary.vault.azure.net"

// startVault serves a vault under its name, and returns what a process needs to
// reach it: the CONNECT proxy that stands in for DNS, and the root to trust.
func startVault(t *testing.T, v *vault.Vault) map[string]string {
	t.Helper()
	authority, err := pki.New("Public Root")
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := authority.Certificate(pki.Leaf{Names: []string{vaultName}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(v)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	server.StartTLS()
	t.Cleanup(server.Close)
	identity := httptest.NewServer(http.HandlerFunc(v.Identity))
	t.Cleanup(identity.Close)
	return map[string]string{
		"KEY_VAULT_URL": "https://" + vaultName, "IDENTITY_ENDPOINT": identity.URL + "/msi/token", "IDENTITY_HEADER": vault.IdentityHeader,
		"HTTPS_PROXY": "http://" + connectProxy(t, server.Listener.Addr().String()), "SSL_CERT_FILE": write(t, "public.pem", string(authority.PEM())),
	}
}

// connectProxy tunnels to the vault, and to nothing else: that no other CONNECT
// comes is part of the test.
func connectProxy(t *testing.T, target string) (address string) {
	t.Helper()
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Host != vaultName+":443" {
			t.Errorf("the environment's proxy was asked for %s %s", r.Method, r.Host)
			w.WriteHeader(http.StatusForbidden)
			return
		}
		client, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		server, err := net.Dial("tcp", target)
		if err != nil {
			_ = client.Close()
			return
		}
		_, _ = io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n")
		go join(server, client) // ends when a side closes
		join(client, server)
	}))
	t.Cleanup(proxy.Close)
	return proxy.Listener.Addr().String()
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
	if reads, issued := v.Counts(); reads != 3 || issued != 1 {
		t.Errorf("%d reads of the vault, %d tokens; want one for each secret, and one", reads, issued)
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
