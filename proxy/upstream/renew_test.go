package upstream_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
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
	}{
		"new roots":      {after, pki.Leaf{Names: []string{name}}, 1, ""},
		"the same roots": {before, pki.Leaf{Names: []string{name}}, 1, "tls_unknown_authority"},
		"wrong roots":    {expired, pki.Leaf{Names: []string{name}}, 1, "tls_unknown_authority"},
		// What other roots could not mend is not worth a read.
		"expired leaf": {after, pki.Leaf{Names: []string{name}, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour)}, 0, "tls_expired"},
		"wrong name":   {after, pki.Leaf{Names: []string{"other.example.com"}}, 0, "tls_wrong_name"},
	} {
		server := backend(t, after, test.leaf, nil)
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
				if test.renewed == expired {
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
		if n := asked.Load(); n != test.asked {
			t.Errorf("%s: %d renewals, want %d", name, n, test.asked)
		}
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
