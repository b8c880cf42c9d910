package stand

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"example.com/entra-scim-proxy/lab/backend"
	"example.com/entra-scim-proxy/lab/pki"
	"example.com/entra-scim-proxy/lab/profile"
	"example.com/entra-scim-proxy/lab/vault"
)

// withoutProxy is a stand that lacks the proxy: its backend serves, and its
// secrets are where the proxy would read them.
func withoutProxy(t *testing.T, name string, inVault bool) *Stand {
	t.Helper()
	system, ok := profile.ByName(name)
	if !ok {
		t.Fatalf("there is no profile %q", name)
	}
	s := newStand(Options{Profile: system, Vault: inVault})
	s.dir, s.Origin = t.TempDir(), "http://127.0.0.1:7071"
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	var err error
	if s.Authority, err = pki.New("Lab Private CA"); err != nil {
		t.Fatal(err)
	}
	if err := s.startBackend(); err != nil {
		t.Fatal(err)
	}
	err = s.keepSecrets()
	if errors.Is(err, vault.ErrSystem) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// status is that of a direct call with a credential, 0 if the handshake failed.
func (s *Stand) status(t *testing.T, credential string) int {
	t.Helper()
	_, status, err := s.CallBackend(t.Context(), s.Authority.Pool(), credential)
	if _, refused := errors.AsType[*net.OpError](err); err != nil && !refused {
		t.Fatal(err)
	}
	return status
}

// kept is a secret as the proxy would read it by its setting.
func (s *Stand) kept(t *testing.T, setting string) (value, contentType string) {
	t.Helper()
	reference := s.Setting(setting)
	if path, ok := strings.CutPrefix(reference, "file:"); ok {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(content), ""
	}
	name, ok := strings.CutPrefix(reference, "keyvault:")
	if !ok {
		t.Fatalf("%s=%s is no reference", setting, reference)
	}
	s.Vault.Update(name, "", func(secret *vault.Secret) { value, contentType = secret.Value, secret.ContentType })
	return value, contentType
}

// credentials are the settings of each kind of credential; that of the secret
// is the first.
var credentials = map[string][]string{
	"strict":     {"BACKEND_TOKEN", "BACKEND_AUTH=", "BACKEND_USERNAME=", "BACKEND_CLIENT_CERT="},
	"kantega":    {"BACKEND_TOKEN", "BACKEND_AUTH=", "BACKEND_USERNAME=", "BACKEND_CLIENT_CERT=", "BACKEND_CA="},
	"luxplugins": {"BACKEND_TOKEN", "BACKEND_AUTH=basic", "BACKEND_USERNAME=scim", "BACKEND_CLIENT_CERT="},
	"api-key":    {"BACKEND_TOKEN", "BACKEND_AUTH=header:X-Api-Key", "BACKEND_USERNAME=", "BACKEND_CLIENT_CERT="},
	"in-house":   {"BACKEND_CLIENT_CERT", "BACKEND_AUTH=none", "BACKEND_USERNAME=", "BACKEND_TOKEN="},
}

// What the proxy is told to present is what the backend wants, and nothing else
// is.
func TestProxyHasTheBackendsCredential(t *testing.T) {
	for name, settings := range credentials {
		for _, inVault := range []bool{false, true} {
			t.Run(name+map[bool]string{true: " in the vault"}[inVault], func(t *testing.T) {
				s := withoutProxy(t, name, inVault)
				for _, want := range settings[1:] {
					if setting, value, _ := strings.Cut(want, "="); s.Setting(setting) != value {
						t.Errorf("%s is %q, want %q", setting, s.Setting(setting), value)
					}
				}
				secret, contentType := s.kept(t, settings[0])
				if got := s.status(t, secret); got != http.StatusOK {
					t.Errorf("the proxy's credential got %d", got)
				}
				if pem := settings[0] == "BACKEND_CLIENT_CERT" && inVault; pem != (contentType == "application/x-pem-file") {
					t.Errorf("the content type is %q", contentType)
				}
				refused := http.StatusUnauthorized
				if name == "in-house" {
					refused = 0
				}
				if got := s.status(t, ""); got != refused {
					t.Errorf("no credential got %d, want %d", got, refused)
				}
				if name == "in-house" {
					return
				}
				if got := s.status(t, s.Token()); got != refused {
					t.Errorf("Entra's token got %d, want %d", got, refused)
				}
			})
		}
	}
}

func TestRotate(t *testing.T) {
	for name, settings := range credentials {
		t.Run(name, func(t *testing.T) {
			s := withoutProxy(t, name, false)
			entraToken := s.Token()
			old, _ := s.kept(t, settings[0])
			dropped, err := s.Rotate()
			if err != nil {
				t.Fatal(err)
			}
			if kept, _ := s.kept(t, "ENTRA_TOKEN"); s.Token() == entraToken || s.Token() != kept {
				t.Error("Entra's token is not a new one, or not the proxy's")
			}
			now, _ := s.kept(t, settings[0])
			if got := s.status(t, now); got != http.StatusOK {
				t.Errorf("the new credential got %d", got)
			}
			if name == "in-house" {
				if dropped != "" || now != old || s.BackendToken() != "" {
					t.Error("a rotation of tokens has replaced a certificate")
				}
				return
			}
			if dropped != old || now != s.BackendToken() {
				t.Error("what was dropped is not the old one, or what is kept not the new one")
			}
			if got := s.status(t, dropped); got != http.StatusUnauthorized {
				t.Errorf("the old credential got %d", got)
			}
		})
	}
}

func TestRotateCertificate(t *testing.T) {
	for _, inVault := range []bool{false, true} {
		s := withoutProxy(t, "in-house", inVault)
		open := s.connected(t, s.ClientCertificate(), tls.VersionTLS13, true)
		if _, err := open.call(); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			old := s.ClientCertificate()
			drop, err := s.RotateCertificate()
			if err != nil {
				t.Fatal(err)
			}
			kept, _ := s.kept(t, "BACKEND_CLIENT_CERT")
			if now := s.ClientCertificate(); now == old || kept != now || issuerOf(t, now).Equal(issuerOf(t, old)) {
				t.Error("not a new one by a new authority, or not the proxy's")
			}
			if a, b := s.status(t, old), s.status(t, kept); a != http.StatusOK || b != http.StatusOK {
				t.Errorf("before the end of the old one: it got %d, the new one %d", a, b)
			}
			drop()
			if a, b := s.status(t, old), s.status(t, kept); a != 0 || b != http.StatusOK {
				t.Errorf("after it: it got %d, the new one %d", a, b)
			}
		}
		if _, err := open.call(); err != nil {
			t.Errorf("a connection from before: %v", err)
		}
		open.transport.CloseIdleConnections()
		if _, err := open.call(); err == nil {
			t.Error("the session of a connection from before was taken up again")
		}
	}
	if _, err := withoutProxy(t, "strict", false).RotateCertificate(); err == nil {
		t.Error("a service that takes none got a client certificate")
	}
}

// issuerOf returns the key of the authority, of which a certificate holds the
// identifier.
func issuerOf(t *testing.T, credential string) authorityKey {
	t.Helper()
	pair, err := tls.X509KeyPair([]byte(credential), []byte(credential))
	if err != nil {
		t.Fatal(err)
	}
	return authorityKey(pair.Leaf.AuthorityKeyId)
}

type authorityKey []byte

func (k authorityKey) Equal(other authorityKey) bool { return slices.Equal(k, other) }

// connection is a way to call the backend over one connection.
type connection struct {
	transport *http.Transport
	call      func() (proto string, err error)
}

// connected makes a connection with a client certificate or, if it is empty,
// without. When it was closed it is taken up again, if the backend lets it.
func (s *Stand) connected(t *testing.T, credential string, version uint16, http2 bool) connection {
	t.Helper()
	config := &tls.Config{RootCAs: s.Authority.Pool(), ServerName: BackendName, MinVersion: version, MaxVersion: version,
		ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	if credential != "" {
		pair, err := tls.X509KeyPair([]byte(credential), []byte(credential))
		if err != nil {
			t.Fatal(err)
		}
		// Whatever the backend asks for.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: http2}
	t.Cleanup(transport.CloseIdleConnections)
	return connection{transport, func() (string, error) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.backendURL()+"/Users", nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := transport.RoundTrip(r)
		if err != nil {
			return "", err
		}
		response.Body.Close()
		return response.Proto, nil
	}}
}

// The client authority is the only one that counts, in every version of TLS and
// HTTP.
func TestOnlyTheClientAuthorityCounts(t *testing.T) {
	s := withoutProxy(t, "in-house", false)
	other, err := pki.New("Lab Client CA 1") // a name proves nothing
	if err != nil {
		t.Fatal(err)
	}
	issued := func(authority *pki.Authority, leaf pki.Leaf) string {
		t.Helper()
		certificate, key, err := authority.Issue(leaf)
		if err != nil {
			t.Fatal(err)
		}
		return string(key) + string(certificate)
	}
	for name, test := range map[string]struct {
		credential string
		ok         bool
	}{
		"right":                   {s.ClientCertificate(), true},
		"none":                    {"", false},
		"by the backend's own":    {issued(s.Authority, pki.Leaf{CommonName: "entra-scim-proxy", Client: true}), false},
		"by another":              {issued(other, pki.Leaf{CommonName: "entra-scim-proxy", Client: true}), false},
		"not meant for clients":   {issued(s.clientAuthority, pki.Leaf{CommonName: "entra-scim-proxy"}), false},
		"by nobody but its owner": {issued(s.clientAuthority, pki.Leaf{CommonName: "x", Client: true, SelfSigned: true}), false},
	} {
		for version, protocol := range map[uint16]string{tls.VersionTLS12: "HTTP/1.1", tls.VersionTLS13: "HTTP/2.0"} {
			got, err := s.connected(t, test.credential, version, protocol == "HTTP/2.0").call()
			if test.ok != (err == nil) || test.ok && got != protocol {
				t.Errorf("%s, %s: got %s, %v", name, tls.VersionName(version), got, err)
			}
		}
	}
	// Nor is the proxy's certificate one that a server could show.
	pair, err := tls.X509KeyPair([]byte(s.ClientCertificate()), []byte(s.ClientCertificate()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: s.clientAuthority.Pool()}); err == nil {
		t.Error("the client certificate passes for a server's")
	}
}

// What a log must not hold is all that the proxy keeps, and what it makes of it.
func TestSecrets(t *testing.T) {
	for name, settings := range credentials {
		t.Run(name, func(t *testing.T) {
			s := withoutProxy(t, name, false)
			leaks := func(text string) bool {
				return slices.ContainsFunc(s.Secrets(), func(secret string) bool { return strings.Contains(text, secret) })
			}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
			if err != nil {
				t.Fatal(err)
			}
			s.options.Profile.Auth.Present(r, s.BackendToken())
			for field, values := range r.Header {
				if !leaks(values[0]) {
					t.Errorf("%s: %s is no secret", field, values[0])
				}
			}
			for _, setting := range []string{settings[0], "ENTRA_TOKEN"} {
				kept, _ := s.kept(t, setting)
				if !leaks(kept) || !leaks("..."+kept+"...") {
					t.Errorf("%s holds no secret", setting)
				}
			}
			if slices.Contains(s.Secrets(), "") || leaks(string(s.Authority.PEM())) || leaks(s.backendURL()) {
				t.Error("what is no secret passes for one")
			}
		})
	}
}

// The backend's own certificate can go wrong all the same.
func TestTroubleWithMutualTLS(t *testing.T) {
	s := withoutProxy(t, "in-house", false)
	if err := s.Certificates.Present(backend.CertificateExpired); err != nil {
		t.Fatal(err)
	}
	_, err := s.connected(t, s.ClientCertificate(), tls.VersionTLS13, true).call()
	if failed, ok := errors.AsType[*tls.CertificateVerificationError](err); !ok || !strings.Contains(failed.Error(), "expired") {
		t.Errorf("got %v", err)
	}
}
