package upstream_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/entra-scim-proxy/lab/pki"
	"example.com/entra-scim-proxy/proxy/upstream"
)

func bundle(t *testing.T, a *pki.Authority) *upstream.Roots {
	t.Helper()
	roots, err := upstream.ParseBundle(a.PEM())
	if err != nil {
		t.Fatal(err)
	}
	return roots
}

// A backend whose certificate another authority signed by now is reached with
// the call that finds it out.
func TestRootsAreRenewedForACertificateTheyDoNotCover(t *testing.T) {
	before, after := authority(t, "Before"), authority(t, "After")
	expired, err := pki.NewExpired("Expired")
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		renewed *pki.Authority
		leaf    pki.Leaf
		asked   int32
		class   string // "": the call succeeds
		tries   int32
	}{
		"new roots":      {after, pki.Leaf{Names: []string{name}}, 1, "", 2},
		"the same roots": {before, pki.Leaf{Names: []string{name}}, 1, "tls_unknown_authority", 1},
		"wrong roots":    {expired, pki.Leaf{Names: []string{name}}, 1, "tls_unknown_authority", 2},
		// Nil stands for the system's roots elsewhere.
		"none any more": {nil, pki.Leaf{Names: []string{name}}, 1, "tls_unknown_authority", 1},
		// What other roots could not mend is not worth a read.
		"expired leaf": {after, pki.Leaf{Names: []string{name}, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour)}, 0, "tls_expired", 1},
		"wrong name":   {after, pki.Leaf{Names: []string{"other.example.com"}}, 0, "tls_wrong_name", 1},
	} {
		var tries atomic.Int32
		server := backend(t, after, test.leaf, func(s *httptest.Server) {
			s.TLS.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
				tries.Add(1)
				return nil, nil //nolint:nilnil // what the type asks for: no other configuration
			}
		})
		first := bundle(t, before)
		if test.asked == 0 {
			first = bundle(t, after)
		}
		var asked atomic.Int32
		transport := newTransport(t, upstream.Options{
			ServerName: "scim.corp.example.com",
			Roots:      func(context.Context) (*upstream.Roots, error) { return first, nil },
			RenewRoots: func(_ context.Context, refused *upstream.Roots) *upstream.Roots {
				asked.Add(1)
				if refused != first {
					t.Errorf("%s: asked for %v", name, refused)
				}
				switch test.renewed {
				case nil:
					return nil
				case expired:
					return &upstream.Roots{Pool: expired.Pool()}
				}
				return bundle(t, test.renewed)
			},
		})
		_, err := get(t, transport, server.URL)
		if class := ""; err != nil {
			if class = upstream.Explain(err).Class; class != test.class {
				t.Errorf("%s: %s, %v; want %q", name, class, err, test.class)
			}
		} else if test.class != "" {
			t.Errorf("%s: no error", name)
		}
		if n, m := asked.Load(), tries.Load(); n != test.asked || m != test.tries {
			t.Errorf("%s: %d renewals and %d handshakes, want %d and %d", name, n, m, test.asked, test.tries)
		}
	}
}

// A root that has expired since it was read may have a successor with the same
// key.
func TestRootsAreRenewedWhenTheyExpire(t *testing.T) {
	expired, err := pki.NewExpired("Expired")
	if err != nil {
		t.Fatal(err)
	}
	server := backend(t, expired, pki.Leaf{Names: []string{name}}, nil)
	asked := 0
	transport := newTransport(t, upstream.Options{
		ServerName: name, Roots: trusting(expired),
		RenewRoots: func(_ context.Context, refused *upstream.Roots) *upstream.Roots {
			asked++
			return refused
		},
	})
	if _, err := get(t, transport, server.URL); err == nil || asked != 1 {
		t.Errorf("%v after %d renewals, want an error after one", err, asked)
	}
}

// A connection that came to nothing must not stay: the backend, or what is in
// front of it, counts them.
func TestFailedHandshakeLeavesNoConnection(t *testing.T) {
	ended := make(chan error, 1)
	address := peer(t, func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 1))
		_, _ = io.WriteString(conn, "SSH-2.0-OpenSSH\r\n")
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		_, err := io.Copy(io.Discard, conn)
		ended <- err
		_ = conn.Close()
	})
	transport := newTransport(t, upstream.Options{ServerName: name})
	if _, err := get(t, transport, "https://"+address); err == nil {
		t.Fatal("no error")
	}
	var late net.Error
	if err := <-ended; errors.As(err, &late) && late.Timeout() {
		t.Errorf("the connection is still open after 10 s: %v", err)
	}
}

// What was verified is shown, for a watch on its end.
func TestVerifiedChainIsShown(t *testing.T) {
	a := authority(t, "Root")
	server := backend(t, a, pki.Leaf{CommonName: "leaf", Names: []string{name}}, func(s *httptest.Server) { s.TLS.MinVersion = tls.VersionTLS13 })
	var subjects []string
	transport := newTransport(t, upstream.Options{ServerName: name, Roots: trusting(a), Verified: func(chain []*x509.Certificate) {
		for _, certificate := range chain {
			subjects = append(subjects, certificate.Subject.CommonName)
		}
	}})
	if _, err := get(t, transport, server.URL); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(subjects, " "); got != "leaf Root" {
		t.Errorf("shown: %q, want the leaf and its issuer", got)
	}
}

func TestBundleKeepsItsCertificates(t *testing.T) {
	a := authority(t, "Root")
	expired, err := pki.NewExpired("Expired")
	if err != nil {
		t.Fatal(err)
	}
	roots, err := upstream.ParseBundle(append(expired.PEM(), a.PEM()...))
	if err != nil || len(roots.Certificates) != 2 || roots.Certificates[0].Subject.CommonName != "Expired" {
		t.Errorf("%v, %v; want both certificates", roots.Certificates, err)
	}
}

// Calls that were held back and let go together must not all connect at once.
func TestConnectionsAreBounded(t *testing.T) {
	a := authority(t, "Root")
	for _, http2 := range []bool{true, false} {
		var connections atomic.Int32
		server := backend(t, a, pki.Leaf{Names: []string{name}}, func(s *httptest.Server) {
			s.EnableHTTP2 = http2
			s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
				if state == http.StateNew {
					connections.Add(1)
				}
			}
		})
		transport := newTransport(t, upstream.Options{ServerName: name, Roots: trusting(a), Timeout: time.Minute})
		var group sync.WaitGroup
		for range 1000 {
			group.Go(func() {
				if _, err := get(t, transport, server.URL); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if n := connections.Load(); n > 512 { // over HTTP/2 some are given up while they are made
			t.Errorf("HTTP/2 %v: %d connections for 1000 calls", http2, n)
		}
	}
}

// As many calls as one instance is given at once need not wait for each other,
// even where each has a connection to itself.
func TestCallsOfABusyInstanceDoNotWaitForEachOther(t *testing.T) {
	const calls = 300
	a := authority(t, "Root")
	var mu sync.Mutex
	active, peak := 0, 0
	full := make(chan struct{})
	var once sync.Once
	enough := func() { once.Do(func() { close(full) }) }
	timer := time.AfterFunc(20*time.Second, enough)
	defer timer.Stop()
	server := backend(t, a, pki.Leaf{Names: []string{name}}, func(s *httptest.Server) {
		s.EnableHTTP2 = false
		s.Config.Handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			mu.Lock()
			active++
			peak = max(peak, active)
			if active == 256 {
				enough()
			}
			mu.Unlock()
			<-full
			time.Sleep(100 * time.Millisecond) // for more of them to come, if they do
			mu.Lock()
			active--
			mu.Unlock()
		})
	})
	transport := newTransport(t, upstream.Options{ServerName: name, Roots: trusting(a), Timeout: time.Minute})
	var group sync.WaitGroup
	for range calls {
		group.Go(func() {
			if _, err := get(t, transport, server.URL); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if peak != 256 {
		t.Errorf("%d calls at once, want 256", peak)
	}
}
