package main

import (
	"crypto/tls"
	"maps"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"example.com/entra-scim-proxy/lab/pki"
	"example.com/entra-scim-proxy/lab/vault"
	"example.com/entra-scim-proxy/proxy/token"
)

// clientPKI is the authority of the clients that a backend knows.
type clientPKI struct{ *pki.Authority }

func newClientPKI(t *testing.T) clientPKI {
	t.Helper()
	authority, err := pki.New("Canary Clients")
	if err != nil {
		t.Fatal(err)
	}
	return clientPKI{authority}
}

// issue returns a certificate as Key Vault keeps one: the key, and then the
// certificate.
func (c clientPKI) issue(t *testing.T, leaf pki.Leaf) vault.Secret {
	t.Helper()
	leaf.Client = true
	certificate, key, err := c.Issue(leaf)
	if err != nil {
		t.Fatal(err)
	}
	return vault.Secret{Value: string(key) + string(certificate), ContentType: "application/x-pem-file"}
}

// newMutualBackend is a backend that answers with the name in the certificate
// of whoever calls, and with the credential that it got beside.
func newMutualBackend(t *testing.T, clients clientPKI) *testBackend {
	t.Helper()
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Etag", r.TLS.PeerCertificates[0].Subject.CommonName)
		w.Header().Set("Vary", r.Header.Get("Authorization"))
	})
	b.TLS.ClientAuth, b.TLS.ClientCAs = tls.RequireAndVerifyClientCert, clients.Pool()
	return b
}

const usersCall = "GET /scim/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "

// The certificate comes from a vault, as Key Vault keeps those in PEM, and a new
// one counts without a restart.
func TestClientCertificateFromKeyVault(t *testing.T) {
	clients := newClientPKI(t)
	b := newMutualBackend(t, clients)
	v := &vault.Vault{}
	v.Set("client", clients.issue(t, pki.Leaf{CommonName: "first"}))
	environment := startVault(t, v)
	maps.Copy(environment, b.environment(t))
	maps.Copy(environment, map[string]string{
		"BACKEND_AUTH": "none", "BACKEND_CLIENT_CERT": "keyvault:client", "SECRET_REFRESH": "1s", "AZURE_CLIENT_ID": "9edf3db5-1708-45b7-acbe-a7b4c8fb102a",
	})
	delete(environment, "BACKEND_TOKEN")
	p := start(t, environment)
	response, body := p.exchange(t, usersCall+b.entra+"\r\n\r\n")
	if response.StatusCode != 200 || response.Header.Get("Etag") != "first" || response.Header.Get("Vary") != "" {
		t.Fatalf("%d %v %s\n%s", response.StatusCode, response.Header, body, strings.Join(p.output(), "\n"))
	}
	if line := p.await(t, `"what":"BACKEND_CLIENT_CERT"`); !strings.Contains(line, `"msg":"expires"`) {
		t.Errorf("line %s", line)
	}
	v.Set("client", clients.issue(t, pki.Leaf{CommonName: "second"}))
	for began := time.Now(); response.Header.Get("Etag") != "second"; time.Sleep(time.Second) {
		response, _ = p.exchange(t, usersCall+b.entra+"\r\n\r\n")
		if response.StatusCode != 200 || time.Since(began) > time.Minute {
			t.Fatalf("%d %v", response.StatusCode, response.Header)
		}
		b.CloseClientConnections() // or the calls keep one open
	}
	absent(t, "log", strings.Join(p.output(), "\n"), []string{b.entra, "PRIVATE KEY", "BEGIN CERT", "keyvault:"})
}

// The newest version is the one that was put there on purpose, also if the vault
// takes it for expired: whether the backend does is the backend's business.
func TestNewestClientCertificateCounts(t *testing.T) {
	clients := newClientPKI(t)
	b := newMutualBackend(t, clients)
	v := &vault.Vault{}
	v.Set("client", clients.issue(t, pki.Leaf{CommonName: "first"}))
	second := clients.issue(t, pki.Leaf{CommonName: "second"})
	second.Created, second.Expires = time.Now().Add(-time.Hour), time.Now().Add(-time.Minute)
	v.Update("client", "", func(first *vault.Secret) { first.Created = second.Created.Add(-time.Hour) })
	v.Set("client", second)
	environment := startVault(t, v)
	maps.Copy(environment, b.environment(t))
	maps.Copy(environment, map[string]string{"BACKEND_CLIENT_CERT": "keyvault:client", "AZURE_CLIENT_ID": "9edf3db5-1708-45b7-acbe-a7b4c8fb102a"})
	p := start(t, environment)
	if response, _ := p.exchange(t, usersCall+b.entra+"\r\n\r\n"); response.Header.Get("Etag") != "second" {
		t.Errorf("%d, the backend met %q", response.StatusCode, response.Header.Get("Etag"))
	}
}

// What is wrong with a client certificate is told to the operator; Entra gets
// an error.
func TestBadClientCertificates(t *testing.T) {
	clients, strangers := newClientPKI(t), newClientPKI(t)
	b := newMutualBackend(t, clients)
	good, other := clients.issue(t, pki.Leaf{CommonName: "good"}), clients.issue(t, pki.Leaf{CommonName: "other"})
	key, _, _ := strings.Cut(good.Value, "-----BEGIN CERTIFICATE")
	_, certificate, _ := strings.Cut(other.Value, "-----BEGIN CERTIFICATE")
	hour := time.Now().Add(-time.Hour)
	for name, test := range map[string]struct {
		pem    string
		status int
		lines  []string // in each, what the log says
	}{
		"wrong key": {key + "-----BEGIN CERTIFICATE" + certificate, 503, []string{`"setting":"BACKEND_CLIENT_CERT"`, "CN=other", `"class":"secret_unavailable"`}},
		"no key":    {"-----BEGIN CERTIFICATE" + certificate, 503, []string{"key"}},
		"stranger":  {strangers.issue(t, pki.Leaf{CommonName: "stranger"}).Value, 502, []string{`"class":"tls_client_certificate_refused"`, "CN=stranger"}},
		"expired":   {clients.issue(t, pki.Leaf{CommonName: "old", NotBefore: hour.Add(-time.Hour), NotAfter: hour}).Value, 502, []string{`"msg":"expired"`, `"class":"tls_client_certificate_expired"`, "CN=old"}},
		"one for servers": {func() string {
			certificate, key, err := clients.Issue(pki.Leaf{CommonName: "server"})
			if err != nil {
				t.Fatal(err)
			}
			return string(certificate) + string(key)
		}(), 502, []string{`"msg":"BACKEND_CLIENT_CERT: `, `"class":"tls_client_certificate_refused"`}},
	} {
		environment := b.environment(t)
		environment["BACKEND_CLIENT_CERT"] = "file:" + write(t, "client.pem", test.pem)
		p := start(t, environment)
		response, body := p.exchange(t, usersCall+b.entra+"\r\n\r\n")
		if response.StatusCode != test.status || strings.Contains(body, "CN=") {
			t.Errorf("%s: %d %s", name, response.StatusCode, body)
		}
		for _, text := range test.lines {
			p.await(t, text)
		}
		line := strings.Split(test.pem[strings.Index(test.pem, "-----\n")+6:], "\n")[0]
		absent(t, name+": the log", strings.Join(p.output(), "\n"), []string{line, "PRIVATE KEY-----"})
	}
	environment := b.environment(t)
	p := start(t, environment) // without BACKEND_CLIENT_CERT
	if response, _ := p.exchange(t, usersCall+b.entra+"\r\n\r\n"); response.StatusCode != 502 {
		t.Errorf("without one: %d", response.StatusCode)
	}
	if line := p.await(t, `"class":"tls_client_certificate"`); !strings.Contains(line, "BACKEND_CLIENT_CERT") {
		t.Errorf("line %s", line)
	}
}

// A refusal makes the proxy read the certificate again, long before
// SECRET_REFRESH.
func TestRefusedClientCertificateIsReadAgain(t *testing.T) {
	clients, strangers := newClientPKI(t), newClientPKI(t)
	b := newMutualBackend(t, clients)
	path := write(t, "client.pem", strangers.issue(t, pki.Leaf{CommonName: "stranger"}).Value)
	environment := b.environment(t)
	maps.Copy(environment, map[string]string{"BACKEND_CLIENT_CERT": "file:" + path, "SECRET_REFRESH": "12h"})
	p := start(t, environment)
	p.await(t, `"msg":"secret read","setting":"BACKEND_CLIENT_CERT"`)
	if err := os.WriteFile(path, []byte(clients.issue(t, pki.Leaf{CommonName: "known"}).Value), 0o600); err != nil {
		t.Fatal(err)
	}
	response, _ := p.exchange(t, usersCall+b.entra+"\r\n\r\n")
	for began := time.Now(); response.StatusCode != 200; time.Sleep(100 * time.Millisecond) {
		if response.StatusCode != 502 || time.Since(began) > 20*time.Second {
			t.Fatalf("%d\n%s", response.StatusCode, strings.Join(p.output(), "\n"))
		}
		response, _ = p.exchange(t, usersCall+b.entra+"\r\n\r\n")
	}
	if name := response.Header.Get("Etag"); name != "known" {
		t.Errorf("the backend met %q", name)
	}
}

// A warning about a value is told once, and again when another value has it.
func TestWarningsAreToldOncePerValue(t *testing.T) {
	clients := newClientPKI(t)
	path := write(t, "client.pem", "")
	core, lines := observer.New(zap.WarnLevel)
	load := loadIdentity(token.File(path), zap.New(core))
	for round := 1; round <= 2; round++ {
		certificate, key, err := clients.Issue(pki.Leaf{CommonName: "server"})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, append(key, certificate...), 0o600); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if _, err := load(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if lines.Len() != round {
			t.Errorf("value %d: %v", round, lines.All())
		}
	}
}

// With nothing but a certificate, a backend that does not ask for it serves
// anybody.
func TestBackendThatDoesNotAskIsWarnedOf(t *testing.T) {
	b := newBackend(t, func(http.ResponseWriter, *http.Request) {})
	client := "file:" + write(t, "client.pem", newClientPKI(t).issue(t, pki.Leaf{}).Value)
	for auth, warned := range map[string]int{"none": 1, "bearer": 0} {
		environment := b.environment(t)
		maps.Copy(environment, map[string]string{"BACKEND_AUTH": auth, "BACKEND_CLIENT_CERT": client})
		if auth == "none" {
			delete(environment, "BACKEND_TOKEN")
		}
		p := start(t, environment)
		for answered, tries := 0, 0; answered < 2; tries++ {
			// A call may meet the end of the connection before, and fail.
			if response, _ := p.exchange(t, usersCall+b.entra+"\r\n\r\n"); response.StatusCode == 200 {
				answered++
			} else if tries == 20 {
				t.Fatalf("%s: %d", auth, response.StatusCode)
			}
			b.CloseClientConnections()
		}
		if n := strings.Count(strings.Join(p.output(), "\n"), "does not ask for the client certificate"); n != warned {
			t.Errorf("%s: warned %d times, want %d", auth, n, warned)
		}
	}
}

// A Key Vault certificate is in PKCS #12 unless its policy says PEM.
func TestClientCertificateInPKCS12IsRefusedInWords(t *testing.T) {
	v := &vault.Vault{}
	v.Set("client", vault.Secret{Value: "MIIKYQIBAzCCCh0GCSqGSIb3DQEHAaCCCg4EggoK", ContentType: "application/x-pkcs12"})
	b := newBackend(t, func(http.ResponseWriter, *http.Request) {})
	environment := startVault(t, v)
	maps.Copy(environment, b.environment(t))
	maps.Copy(environment, map[string]string{"BACKEND_CLIENT_CERT": "keyvault:client", "AZURE_CLIENT_ID": "9edf3db5-1708-45b7-acbe-a7b4c8fb102a"})
	p := start(t, environment)
	if response, _ := p.exchange(t, usersCall+b.entra+"\r\n\r\n"); response.StatusCode != 503 {
		t.Errorf("%d", response.StatusCode)
	}
	if line := p.await(t, `"setting":"BACKEND_CLIENT_CERT"`); !strings.Contains(line, "application/x-pem-file") {
		t.Errorf("line %s", line)
	}
}

// Each kind of BACKEND_AUTH, the group stub and the dropped attributes, from the
// settings to the backend.
func TestSettingsOfBackendsReachTheProxy(t *testing.T) {
	got := make(chan *http.Request, 1)
	b := newBackend(t, func(_ http.ResponseWriter, r *http.Request) {
		body := make([]byte, 200)
		n, _ := r.Body.Read(body)
		r.Header.Set("Body", string(body[:n]))
		got <- r
	})
	for auth, header := range map[string]string{"bearer": "Authorization", "basic": "Authorization", "header:X-Api-Key": "X-Api-Key"} {
		environment := b.environment(t)
		maps.Copy(environment, map[string]string{"BACKEND_AUTH": auth, "GROUPS": "stub", "DROP_ATTRIBUTES": "title"})
		want := map[string]string{"bearer": "Bearer " + b.token, "header:X-Api-Key": b.token}[auth]
		if auth == "basic" {
			environment["BACKEND_USERNAME"] = "svc-scim"
			request := &http.Request{Header: http.Header{}}
			request.SetBasicAuth("svc-scim", b.token)
			want = request.Header.Get("Authorization")
		}
		p := start(t, environment)
		if line := p.await(t, settingsLine); !strings.Contains(line, `"groups":"stub"`) || !strings.Contains(line, `"dropped":1`) {
			t.Errorf("%s: line %s", auth, line)
		}
		const body = `{"userName":"ada","title":"Countess"}`
		response, _ := p.exchange(t, "POST /scim/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+b.entra+
			"\r\nContent-Type: application/scim+json\r\nContent-Length: 37\r\n\r\n"+body)
		if response.StatusCode != 200 {
			t.Fatalf("%s: %d", auth, response.StatusCode)
		}
		request := <-got
		if values := request.Header[header]; len(values) != 1 || values[0] != want || request.Header.Get("Body") != `{"userName":"ada"}` {
			t.Errorf("%s: the backend got %q and %q", auth, values, request.Header.Get("Body"))
		}
		response, _ = p.exchange(t, strings.Replace(usersCall, "Users", "Groups", 1)+b.entra+"\r\n\r\n")
		if response.StatusCode != 200 || len(got) > 0 {
			t.Errorf("%s: groups: %d, calls %d", auth, response.StatusCode, len(got))
		}
		absent(t, "log", strings.Join(p.output(), "\n"), []string{b.token, want, "svc-scim", "title"})
	}
}
