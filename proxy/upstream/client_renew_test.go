package upstream_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
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
