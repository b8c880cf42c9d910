package upstream_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/entra-scim-proxy/lab/pki"
	"example.com/entra-scim-proxy/proxy/upstream"
)

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
	wantFault(t, err, upstream.Handshake, "tls_silence", "", "while it checks the client certificate")
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

// A backend that goes away in the middle of a handshake has not refused a
// certificate that it has taken before.
func TestCutInTheHandshakeIsNoRefusal(t *testing.T) {
	a := authority(t, "Root")
	own := identity(t, a, pki.Leaf{CommonName: "proxy"})
	for _, version := range variants[:2] { // in TLS 1.3 our side of it is over by then
		var cut atomic.Bool
		server := demanding(t, a, version, a.Pool(), func(c *tls.Config) {
			c.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
				config := c.Clone()
				config.VerifyConnection = func(tls.ConnectionState) error {
					if cut.Load() {
						_ = hello.Conn.Close()
					}
					return nil
				}
				return config, nil
			}
		})
		v := newVault(own, own)
		transport := newTransport(t, v.options(a))
		for _, class := range []string{"tls_client_certificate_refused", "", "tls_closed"} {
			transport.CloseIdleConnections()
			cut.Store(class != "")
			_, err := get(t, transport, server.URL)
			if class != "" {
				wantFault(t, err, upstream.Handshake, class, "", "")
			} else if err != nil {
				t.Fatal(err)
			}
		}
		if asked := v.asked(); len(asked) != 2 {
			t.Errorf("%v: a newer certificate was asked for %d times, want at each cut", version, len(asked))
		}
	}
}

func TestBackendThatDoesNotAskIsTold(t *testing.T) {
	a := authority(t, "Root")
	own := identity(t, a, pki.Leaf{CommonName: "proxy"})
	for _, version := range variants {
		for auth, want := range map[tls.ClientAuthType]int32{tls.NoClientCert: 1, tls.RequestClientCert: 0} {
			server := demanding(t, a, version, a.Pool(), func(c *tls.Config) { c.ClientAuth = auth })
			var told atomic.Int32
			options := upstream.Options{ServerName: name, Roots: trusting(a), Identity: presenting(own), Unasked: func() { told.Add(1) }}
			if _, err := get(t, newTransport(t, options), server.URL); err != nil || told.Load() != want {
				t.Errorf("%v, %v: told %d times, want %d; %v", version, auth, told.Load(), want, err)
			}
			for _, none := range []func(context.Context) (*upstream.Identity, error){nil, presenting(nil), presenting(&upstream.Identity{})} {
				options.Identity = none
				if _, err := get(t, newTransport(t, options), server.URL); err != nil || told.Load() != want {
					t.Errorf("%v, %v: told without a certificate; %v", version, auth, err)
				}
			}
		}
	}
}
