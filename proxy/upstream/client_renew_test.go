package upstream_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/entra-scim-proxy/lab/pki"
	"example.com/entra-scim-proxy/proxy/upstream"
)

// vault holds a client certificate that is replaced behind a cache's back.
type vault struct {
	cached, stored atomic.Pointer[upstream.Identity]
	mu             sync.Mutex
	refused        []*upstream.Identity // what a newer one was asked for
	renewed        chan struct{}        // gets one for each renewal
}

func newVault(cached, stored *upstream.Identity) *vault {
	v := &vault{renewed: make(chan struct{}, 10)}
	v.cached.Store(cached)
	v.stored.Store(stored)
	return v
}

func (v *vault) options(a *pki.Authority) upstream.Options {
	return upstream.Options{
		ServerName: name, Roots: trusting(a),
		Identity: func(context.Context) (*upstream.Identity, error) { return v.cached.Load(), nil },
		RenewIdentity: func(_ context.Context, refused *upstream.Identity) *upstream.Identity {
			v.mu.Lock()
			v.refused = append(v.refused, refused)
			v.mu.Unlock()
			v.cached.Store(v.stored.Load())
			v.renewed <- struct{}{}
			return v.stored.Load()
		},
	}
}

func (v *vault) asked() []*upstream.Identity {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.refused)
}

// In TLS 1.2 a refusal shows before anything was sent.
func TestIdentityIsRenewedInTheCallThatIsRefused(t *testing.T) {
	a, before, after := authority(t, "Root"), authority(t, "Client Root 1"), authority(t, "Client Root 2")
	proxy := pki.Leaf{CommonName: "proxy"}
	old, fresh := identity(t, before, proxy), identity(t, after, proxy)
	for what, test := range map[string]struct {
		stored     *upstream.Identity
		handshakes int32
		class      string // "": the call succeeds
	}{
		"a new one":        {fresh, 2, ""},
		"the same":         {old, 1, "tls_client_certificate_refused"},
		"none any more":    {nil, 1, "tls_client_certificate_refused"},
		"another, no good": {identity(t, before, proxy), 2, "tls_client_certificate_refused"},
	} {
		for _, version := range variants[:2] {
			var handshakes atomic.Int32
			server := demanding(t, a, version, after.Pool(), func(c *tls.Config) {
				c.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
					handshakes.Add(1)
					return nil, nil //nolint:nilnil // what the type asks for: no other configuration
				}
			})
			v := newVault(old, test.stored)
			_, err := get(t, newTransport(t, v.options(a)), server.URL)
			if class := ""; err != nil {
				class = upstream.Explain(err).Class
				if class != test.class {
					t.Errorf("%s, %v: %s, %v; want %q", what, version, class, err, test.class)
				}
			} else if test.class != "" {
				t.Errorf("%s, %v: no error", what, version)
			}
			if asked := v.asked(); len(asked) != 1 || asked[0] != old || handshakes.Load() != test.handshakes {
				t.Errorf("%s, %v: asked for %v, %d handshakes; want one renewal and %d", what, version, asked, handshakes.Load(), test.handshakes)
			}
		}
	}
}

// In TLS 1.3 a refusal shows after the call may have been sent: that one fails.
// The backend forgets an authority whose certificates it took before.
func TestIdentityIsRenewedForTheCallAfterTheOneRefused(t *testing.T) {
	a, before, after := authority(t, "Root"), authority(t, "Client Root 1"), authority(t, "Client Root 2")
	old, fresh := identity(t, before, pki.Leaf{CommonName: "old"}), identity(t, after, pki.Leaf{CommonName: "fresh"})
	for _, version := range variants[2:] {
		for range 10 { // how the refusal shows is a race between alert and request
			var trusted atomic.Pointer[x509.CertPool]
			trusted.Store(before.Pool())
			server := demanding(t, a, version, nil, func(c *tls.Config) {
				c.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
					other := c.Clone()
					other.ClientCAs, other.SessionTicketsDisabled = trusted.Load(), true
					return other, nil
				}
			})
			v := newVault(old, fresh)
			transport := newTransport(t, v.options(a))
			if _, err := get(t, transport, server.URL); err != nil {
				t.Fatal(err)
			}
			trusted.Store(after.Pool())
			transport.CloseIdleConnections()
			_, err := get(t, transport, server.URL)
			wantFault(t, err, upstream.Handshake, "tls_client_certificate_refused", `"CN=old"`, "")
			await(t, v.renewed)
			response, err := get(t, transport, server.URL)
			if err != nil || response.Header.Get("X-Client") != "fresh" {
				t.Errorf("%v: the next call: %v, %v", version, response, err)
			}
			if asked := v.asked(); len(asked) != 1 || asked[0] != old {
				t.Errorf("%v: asked for %v, want one renewal", version, asked)
			}
		}
	}
}

// A call must not wait for the read of a secret that it does not profit from,
// and that read must end.
func TestRenewalBesideACallIsBounded(t *testing.T) {
	a, clients := authority(t, "Root"), authority(t, "Client Root")
	server := demanding(t, a, variants[3], clients.Pool(), nil)
	deadlines := make(chan time.Time, 10)
	release := make(chan struct{})
	options := newVault(identity(t, a, pki.Leaf{CommonName: "proxy"}), nil).options(a)
	options.RenewIdentity = func(ctx context.Context, refused *upstream.Identity) *upstream.Identity {
		deadline, _ := ctx.Deadline()
		deadlines <- deadline
		<-release
		return refused
	}
	transport := newTransport(t, options)
	for range 3 { // one renewal for all
		_, err := get(t, transport, server.URL)
		wantFault(t, err, upstream.Handshake, "tls_client_certificate_refused", "", "")
	}
	if deadline := <-deadlines; time.Until(deadline) > 10*time.Second || deadline.IsZero() {
		t.Errorf("the deadline is %v, want one within 10 s", deadline)
	}
	if n := len(deadlines); n != 0 {
		t.Errorf("%d more renewals at the same time", n)
	}
	close(release)
	for began := time.Now(); len(deadlines) == 0; time.Sleep(10 * time.Millisecond) { // and another one, later
		_, err := get(t, transport, server.URL)
		wantFault(t, err, upstream.Handshake, "tls_client_certificate_refused", "", "")
		if time.Since(began) > 10*time.Second {
			t.Fatal("no renewal after the first one")
		}
	}
}

// Both may have changed at once.
func TestRootsAndIdentityAreRenewedInOneCall(t *testing.T) {
	before, after := authority(t, "Before"), authority(t, "After")
	server := demanding(t, after, variants[0], after.Pool(), nil)
	v := newVault(identity(t, before, pki.Leaf{CommonName: "old"}), identity(t, after, pki.Leaf{CommonName: "fresh"}))
	options := v.options(before)
	options.RenewRoots = func(context.Context, *upstream.Roots) *upstream.Roots { return bundle(t, after) }
	response, err := get(t, newTransport(t, options), server.URL)
	if err != nil || response.Header.Get("X-Client") != "fresh" {
		t.Errorf("%v, %v; want an answer to the fresh certificate", response, err)
	}
}

// A backend that has taken the certificate ends a connection for another reason,
// be it a new one.
func TestConnectionThatEndsLaterIsNoRefusal(t *testing.T) {
	a := authority(t, "Root")
	own := identity(t, a, pki.Leaf{CommonName: "proxy"})
	for _, version := range variants {
		server := backend(t, a, pki.Leaf{Names: []string{name}}, func(s *httptest.Server) {
			s.EnableHTTP2 = version.http2
			s.TLS.MinVersion, s.TLS.MaxVersion = version.version, version.version
			s.TLS.ClientAuth, s.TLS.ClientCAs = tls.RequireAndVerifyClientCert, a.Pool()
			s.Config.Handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
		})
		v := newVault(own, own)
		_, err := get(t, newTransport(t, v.options(a)), server.URL)
		wantFault(t, err, upstream.Answer, "bad_answer", "", "")
		if asked := v.asked(); len(asked) != 0 {
			t.Errorf("%v: a newer certificate was asked for", version)
		}
	}
}

// Nor is a backend that takes too long over the certificate.
func TestSilenceAfterTheCertificateIsNoRefusal(t *testing.T) {
	a := authority(t, "Root")
	over := make(chan struct{})
	server := demanding(t, a, variants[0], a.Pool(), func(c *tls.Config) {
		c.VerifyConnection = func(tls.ConnectionState) error {
			<-over
			return nil
		}
	})
	defer close(over)
	own := identity(t, a, pki.Leaf{CommonName: "proxy"})
	v := newVault(own, own)
	options := v.options(a)
	options.Timeout = time.Second
	_, err := get(t, newTransport(t, options), server.URL)
	wantFault(t, err, upstream.Handshake, "tls_silence", "", "")
	if asked := v.asked(); len(asked) != 0 {
		t.Error("a newer certificate was asked for")
	}
}

// Nor is the end of a backend that says nothing, if it has answered to the
// certificate before. But some refuse like that, so that a newer one is looked for.
func TestCrashAfterAnAnswerIsNoRefusal(t *testing.T) {
	a := authority(t, "Root")
	own := identity(t, a, pki.Leaf{CommonName: "proxy"})
	for _, auth := range []tls.ClientAuthType{tls.NoClientCert, tls.VerifyClientCertIfGiven} {
		for _, version := range variants {
			server := crashing(t, a, version, auth)
			for _, how := range []string{"/end", "/reset"} {
				v := newVault(own, own)
				transport := newTransport(t, v.options(a))
				if auth != tls.NoClientCert { // who does not ask does not refuse, anyway
					if _, err := get(t, transport, server.URL); err != nil {
						t.Fatal(err)
					}
				}
				transport.CloseIdleConnections()
				_, err := get(t, transport, server.URL+how)
				t.Logf("%v, %v: %v", version, auth, err)
				wantFault(t, err, upstream.Answer, "bad_answer", "", "")
				if version == variants[2] && auth != tls.NoClientCert { // nothing was heard on the connection
					await(t, v.renewed)
				} else if asked := v.asked(); len(asked) != 0 {
					t.Errorf("%s, %v, %v: a newer certificate was asked for", how, version, auth)
				}
			}
		}
	}
}

// crashing is a backend that ends the connection without a word of TLS, unless
// the path is "/".
func crashing(t *testing.T, a *pki.Authority, v variant, auth tls.ClientAuthType) *httptest.Server {
	t.Helper()
	type socket struct{} // the key of a call's connection
	return backend(t, a, pki.Leaf{Names: []string{name}}, func(s *httptest.Server) {
		s.EnableHTTP2 = v.http2
		s.TLS.MinVersion, s.TLS.MaxVersion = v.version, v.version
		s.TLS.ClientAuth, s.TLS.ClientCAs = auth, a.Pool()
		s.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, socket{}, c.(*tls.Conn).NetConn())
		}
		s.Config.Handler = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			conn := r.Context().Value(socket{}).(*net.TCPConn)
			switch r.URL.Path {
			case "/reset":
				_ = conn.SetLinger(0)
				fallthrough
			case "/end":
				_ = conn.Close()
			}
		})
	})
}

func await(t *testing.T, renewed <-chan struct{}) {
	t.Helper()
	select {
	case <-renewed:
	case <-time.After(10 * time.Second):
		t.Fatal("no renewal")
	}
}

// The backend ends the connection while the call is still being written: what
// fails is a write, and net/http closes the connection for it.
func TestRefusalIsFoundBehindAFailedWrite(t *testing.T) {
	a, clients := authority(t, "Root"), authority(t, "Client Root")
	own := identity(t, a, pki.Leaf{CommonName: "proxy"})
	for _, version := range variants[2:] {
		server := demanding(t, a, version, clients.Pool(), nil)
		for range 30 { // a race between write, alert and reset
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, bytes.NewReader(make([]byte, 1<<20)))
			if err != nil {
				t.Fatal(err)
			}
			_, err = newTransport(t, newVault(own, own).options(a)).RoundTrip(request)
			why := "unknown certificate authority; presented"
			if version.http2 {
				why = "" // net/http does not read before it has written the preface
			}
			wantFault(t, err, upstream.Handshake, "tls_client_certificate_refused", why, "")
		}
	}
}

// Nor does it matter that another connection, with a newer certificate, has not
// been answered yet.
func TestRefusalIsThatOfTheConnectionUsed(t *testing.T) {
	a := authority(t, "Root")
	own := identity(t, a, pki.Leaf{CommonName: "proxy"})
	entered, end, over := make(chan string, 2), make(chan struct{}), make(chan struct{})
	server := backend(t, a, pki.Leaf{Names: []string{name}}, func(s *httptest.Server) {
		s.EnableHTTP2 = false
		s.TLS.MinVersion, s.TLS.ClientAuth, s.TLS.ClientCAs = tls.VersionTLS13, tls.RequireAndVerifyClientCert, a.Pool()
		s.Config.Handler = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/" {
				return
			}
			entered <- r.URL.Path
			if r.URL.Path == "/ends" {
				<-end
				panic(http.ErrAbortHandler)
			}
			<-over
		})
	})
	v := newVault(own, own)
	transport := newTransport(t, v.options(a))
	if _, err := get(t, transport, server.URL); err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/ends", nil) // net/http repeats no POST
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	group.Go(func() { // on the first connection
		_, err := transport.RoundTrip(request)
		wantFault(t, err, upstream.Answer, "bad_answer", "", "")
	})
	<-entered
	v.cached.Store(identity(t, a, pki.Leaf{CommonName: "newer"}))
	var other sync.WaitGroup
	other.Go(func() { // on a new one
		if _, err := get(t, transport, server.URL+"/waits"); err != nil {
			t.Error(err)
		}
	})
	<-entered
	close(end)
	group.Wait()
	close(over)
	other.Wait()
}

// Over HTTP/2, net/http drops an alert that comes before the first call on a
// connection.
func TestAlertIsFoundOnAConnectionThatNetHTTPGaveUp(t *testing.T) {
	a := authority(t, "Root")
	server := demanding(t, a, variants[3], authority(t, "Client Root").Pool(), nil)
	own := identity(t, a, pki.Leaf{CommonName: "proxy"})
	transport := newTransport(t, upstream.Options{ServerName: name, Roots: trusting(a), Identity: presenting(own)})
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) {
		time.Sleep(200 * time.Millisecond) // for the alert to come
	}})
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = transport.RoundTrip(request)
	wantFault(t, err, upstream.Handshake, "tls_client_certificate_refused", "unknown certificate authority; presented", "")
}
