package upstream_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"example.com/entra-scim-proxy/lab/pki"
	"example.com/entra-scim-proxy/proxy/upstream"
)

// identity makes a client certificate with its key, with others behind it.
func identity(t testing.TB, a *pki.Authority, leaf pki.Leaf, chain ...[]byte) *upstream.Identity {
	t.Helper()
	cert, key := issue(t, a, leaf)
	text := []byte(key + cert)
	for _, other := range chain {
		text = append(text, other...)
	}
	parsed, err := upstream.ParseIdentity(text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func presenting(i *upstream.Identity) func(context.Context) (*upstream.Identity, error) {
	return func(context.Context) (*upstream.Identity, error) { return i, nil }
}

// variant is a version of TLS and one of HTTP: where a refusal arrives depends
// on both.
type variant struct {
	version uint16
	http2   bool
}

func (v variant) String() string {
	return fmt.Sprintf("%s, HTTP/2 %v", tls.VersionName(v.version), v.http2)
}

var variants = []variant{{tls.VersionTLS12, false}, {tls.VersionTLS12, true}, {tls.VersionTLS13, false}, {tls.VersionTLS13, true}}

// demanding is a backend that demands a client certificate of an authority, and
// answers with its subject in X-Client.
func demanding(t *testing.T, a *pki.Authority, v variant, clients *x509.CertPool, configure func(*tls.Config)) *httptest.Server {
	t.Helper()
	return backend(t, a, pki.Leaf{Names: []string{name}}, func(s *httptest.Server) {
		s.EnableHTTP2 = v.http2
		s.TLS.MinVersion, s.TLS.MaxVersion = v.version, v.version
		s.TLS.ClientAuth, s.TLS.ClientCAs = tls.RequireAndVerifyClientCert, clients
		s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for _, certificate := range r.TLS.PeerCertificates {
				w.Header().Add("X-Client", certificate.Subject.CommonName)
			}
		})
		if configure != nil {
			configure(s.TLS)
		}
	})
}

func TestClientCertificateIsPresented(t *testing.T) {
	a, clients := authority(t, "Root"), authority(t, "Client Root")
	between, err := clients.Intermediate("Client Issuer")
	if err != nil {
		t.Fatal(err)
	}
	proxy := pki.Leaf{CommonName: "proxy"}
	direct := identity(t, clients, proxy)
	for _, v := range variants {
		for what, test := range map[string]struct {
			identity  *upstream.Identity
			configure func(*tls.Config)
			want      string
		}{
			"right":                {direct, nil, "proxy"},
			"with an issuer":       {identity(t, between, proxy, between.PEM()), nil, "proxy Client Issuer"},
			"none, and only asked": {nil, func(c *tls.Config) { c.ClientAuth = tls.RequestClientCert }, ""},
			"only asked":           {direct, func(c *tls.Config) { c.ClientAuth = tls.RequestClientCert }, "proxy"},
			"not asked":            {direct, func(c *tls.Config) { c.ClientAuth = tls.NoClientCert }, ""},
			// Authorities are a hint (RFC 8446 section 4.2.4).
			"of an authority not asked for": {direct, func(c *tls.Config) {
				c.ClientAuth, c.ClientCAs = tls.RequireAnyClientCert, a.Pool()
			}, "proxy"},
		} {
			server := demanding(t, a, v, clients.Pool(), test.configure)
			transport := newTransport(t, upstream.Options{ServerName: name, Roots: trusting(a), Identity: presenting(test.identity)})
			response, err := get(t, transport, server.URL)
			if err != nil {
				t.Errorf("%v, %s: %v", v, what, err)
				continue
			}
			if got := strings.Join(response.Header.Values("X-Client"), " "); got != test.want || (response.ProtoMajor == 2) != v.http2 {
				t.Errorf("%v, %s: %q over %s, want %q", v, what, got, response.Proto, test.want)
			}
		}
	}
}

// Every refusal here is a real one. The key is in no error.
func TestExplainRefusedClientCertificates(t *testing.T) {
	a, clients, other := authority(t, "Root"), authority(t, "Client Root"), authority(t, "Other Root")
	between, err := clients.Intermediate("Client Issuer")
	if err != nil {
		t.Fatal(err)
	}
	hour := time.Now().Add(-time.Hour)
	const class, expired = "tls_client_certificate_refused", "tls_client_certificate_expired"
	silent := func(c *tls.Config) { // names no authorities
		pool := c.ClientCAs
		c.ClientAuth, c.ClientCAs = tls.RequireAnyClientCert, nil
		c.VerifyConnection = func(state tls.ConnectionState) error {
			_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
			return err
		}
	}
	for what, test := range map[string]struct {
		by                   *pki.Authority
		leaf                 pki.Leaf
		configure            func(*tls.Config)
		class, cause, remedy string
	}{
		"another authority": {other, pki.Leaf{CommonName: "proxy"}, nil, class,
			`subject "CN=proxy", issuer "CN=Other Root"`, "one of the authorities asked for"},
		"authorities are named": {other, pki.Leaf{CommonName: "proxy"}, nil, class, `; authorities asked for: "CN=Client Root"`, ""},
		"intermediate missing":  {between, pki.Leaf{CommonName: "proxy"}, nil, class, `issuer "CN=Client Issuer"`, "with the intermediates"},
		"no authority named":    {other, pki.Leaf{CommonName: "proxy"}, silent, class, `issuer "CN=Other Root"`, "trust"},
		"expired": {clients, pki.Leaf{CommonName: "old", NotBefore: hour.Add(-time.Hour), NotAfter: hour}, nil, expired,
			`"CN=old", issuer "CN=Client Root", valid until ` + hour.UTC().Format(time.RFC3339), "renew it"},
		"not yet valid": {clients, pki.Leaf{CommonName: "new", NotBefore: hour.Add(3 * time.Hour)}, nil, class, "not yet valid: only from", "wait"},
	} {
		for _, v := range variants {
			server := demanding(t, a, v, clients.Pool(), test.configure)
			cert, key := issue(t, test.by, test.leaf)
			own, err := upstream.ParseIdentity([]byte(cert + key))
			if err != nil {
				t.Fatal(err)
			}
			_, err = get(t, newTransport(t, upstream.Options{ServerName: name, Roots: trusting(a), Identity: presenting(own)}), server.URL)
			t.Logf("%s, %v: %v", what, v, err)
			wantFault(t, err, upstream.Handshake, test.class, test.cause, test.remedy)
			if err != nil && quotes(fmt.Sprintf("%v %+v %#v %+v", err, err, err, upstream.Explain(err)), key) {
				t.Errorf("%s, %v: the error shows the key", what, v)
			}
		}
	}
}

// A backend may name all the authorities that its system trusts.
func TestFewAuthoritiesAreNamed(t *testing.T) {
	a, pool := authority(t, "Root"), x509.NewCertPool()
	for i := range 7 {
		pool.AppendCertsFromPEM(authority(t, fmt.Sprintf("Client Root %d", i)).PEM())
	}
	server := demanding(t, a, variants[0], pool, nil)
	own := identity(t, a, pki.Leaf{CommonName: "proxy"})
	_, err := get(t, newTransport(t, upstream.Options{ServerName: name, Roots: trusting(a), Identity: presenting(own)}), server.URL)
	wantFault(t, err, upstream.Handshake, "tls_client_certificate_refused", `"CN=Client Root 4", and 2 more`, "")
}

// No signature of TLS 1.3 is made with this key, so none that the backend takes.
func TestKeyThatCannotSignForTheBackendIsExplained(t *testing.T) {
	a := authority(t, "Root")
	key, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	own, err := upstream.ParseIdentity([]byte(keyPEM(t, key) + selfSigned(t, key.Public(), key)))
	if err != nil {
		t.Fatal(err)
	}
	// Not even to a backend that would do without: it would not know who calls.
	server := demanding(t, a, variants[2], nil, func(c *tls.Config) { c.ClientAuth = tls.RequestClientCert })
	_, err = get(t, newTransport(t, upstream.Options{ServerName: name, Roots: trusting(a), Identity: presenting(own)}), server.URL)
	wantFault(t, err, upstream.Handshake, "tls_client_certificate_refused", `none of the signatures that the key of "CN=self" (ECDSA) can make, only [`, "another kind of key")
}

func TestIdentityIsAskedForEachConnection(t *testing.T) {
	a := authority(t, "Root")
	server := demanding(t, a, variants[3], a.Pool(), nil)
	var current atomic.Pointer[upstream.Identity]
	transport := newTransport(t, upstream.Options{ServerName: name, Roots: trusting(a), Identity: func(context.Context) (*upstream.Identity, error) {
		return current.Load(), nil
	}})
	for _, subject := range []string{"first", "second"} {
		current.Store(identity(t, a, pki.Leaf{CommonName: subject}))
		transport.CloseIdleConnections()
		response, err := get(t, transport, server.URL)
		if err != nil || response.Header.Get("X-Client") != subject {
			t.Errorf("%v, %v; want %s", response, err, subject)
		}
	}
	unavailable := errors.New("unavailable")
	failing := newTransport(t, upstream.Options{ServerName: name, Roots: trusting(a), Identity: func(context.Context) (*upstream.Identity, error) { return nil, unavailable }})
	if _, err := get(t, failing, server.URL); !errors.Is(err, unavailable) || !strings.Contains(err.Error(), "client certificate: ") {
		t.Errorf("error %v, want that of Identity, and what it is about", err)
	}
	// The zero Identity is none.
	empty := newTransport(t, upstream.Options{ServerName: name, Roots: trusting(a), Identity: presenting(&upstream.Identity{})})
	_, err := get(t, empty, server.URL)
	wantFault(t, err, upstream.Handshake, "tls_client_certificate", "", "BACKEND_CLIENT_CERT")
}

// What the read of the certificate failed for says nothing of the backend, though
// it may look like the end of a connection that had asked for one.
func TestUnreadableIdentityIsNoRefusal(t *testing.T) {
	a := authority(t, "Root")
	server := demanding(t, a, variants[2], authority(t, "Client Root").Pool(), nil)
	own := identity(t, a, pki.Leaf{CommonName: "proxy"})
	var broken atomic.Bool
	var renewals atomic.Int32
	transport := newTransport(t, upstream.Options{
		ServerName: name, Roots: trusting(a),
		Identity: func(context.Context) (*upstream.Identity, error) {
			if broken.Load() {
				return nil, fmt.Errorf("vault: %w", syscall.ECONNRESET)
			}
			return own, nil
		},
		RenewIdentity: func(_ context.Context, refused *upstream.Identity) *upstream.Identity {
			renewals.Add(1)
			return refused
		},
	})
	_, err := get(t, transport, server.URL)
	wantFault(t, err, upstream.Handshake, "tls_client_certificate_refused", "", "")
	broken.Store(true)
	if _, err := get(t, transport, server.URL); err == nil || err.Error() != "client certificate: vault: connection reset by peer" {
		t.Errorf("error %v, want that of Identity", err)
	}
	if n := renewals.Load(); n > 1 {
		t.Errorf("%d renewals, want one for the refusal", n)
	}
}
