package upstream_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
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

const name = "scim.corp.example.com"

func trusting(a *pki.Authority) func(context.Context) (*upstream.Roots, error) {
	return func(context.Context) (*upstream.Roots, error) { return &upstream.Roots{Pool: a.Pool()}, nil }
}

// backend is a TLS server with a certificate and whatever else of TLS a test
// sets.
func backend(t *testing.T, a *pki.Authority, leaf pki.Leaf, configure func(*httptest.Server)) *httptest.Server {
	t.Helper()
	certificate, err := a.Certificate(leaf)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Proto", r.Proto)
		w.Header().Set("X-Sni", r.TLS.ServerName)
		_, _ = io.Copy(w, r.Body)
	}))
	server.EnableHTTP2 = true
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	if configure != nil {
		configure(server)
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

func get(t *testing.T, transport http.RoundTripper, url string) (*http.Response, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := transport.RoundTrip(request)
	if err == nil {
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
	}
	return response, err
}

func newTransport(t *testing.T, options upstream.Options) *upstream.Transport {
	t.Helper()
	transport := upstream.NewTransport(options)
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

func TestTransportSpeaksHTTP2WithTheNameExpected(t *testing.T) {
	a := authority(t, "Root")
	server := backend(t, a, pki.Leaf{Names: []string{name}}, nil)
	response, err := get(t, newTransport(t, upstream.Options{ServerName: name, Roots: trusting(a)}), server.URL)
	if err != nil || response.Header.Get("X-Proto") != "HTTP/2.0" || response.Header.Get("X-Sni") != name {
		t.Errorf("response %v, error %v", response, err)
	}
}

func TestSelfSignedServerCertificateIsAPin(t *testing.T) {
	a := authority(t, "Root")
	certPEM, keyPEM, err := a.Issue(pki.Leaf{CommonName: "pinned", Names: []string{name}, SelfSigned: true})
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	roots, err := upstream.ParseBundle(certPEM)
	if err != nil {
		t.Fatal(err)
	}
	pinned := func(context.Context) (*upstream.Roots, error) { return roots, nil }
	server := backend(t, a, pki.Leaf{}, func(s *httptest.Server) { s.TLS.Certificates[0] = certificate })
	if _, err := get(t, newTransport(t, upstream.Options{ServerName: name, Roots: pinned}), server.URL); err != nil {
		t.Errorf("the pinned server: %v", err)
	}
	other := backend(t, a, pki.Leaf{CommonName: "pinned", Names: []string{name}, SelfSigned: true}, nil)
	if _, err := get(t, newTransport(t, upstream.Options{ServerName: name, Roots: pinned}), other.URL); err == nil {
		t.Error("another server with the same names is trusted")
	}
}

// The bundle replaces the system's roots, and a new one counts at the next
// connection.
func TestRootsAreAskedForEachConnection(t *testing.T) {
	right, wrong := authority(t, "Right"), authority(t, "Wrong")
	server := backend(t, right, pki.Leaf{Names: []string{name}}, nil)
	var current atomic.Pointer[pki.Authority]
	current.Store(wrong)
	transport := newTransport(t, upstream.Options{ServerName: name, Roots: func(ctx context.Context) (*upstream.Roots, error) {
		return trusting(current.Load())(ctx)
	}})
	if _, err := get(t, transport, server.URL); err == nil {
		t.Error("the wrong authority is trusted")
	}
	current.Store(right)
	if _, err := get(t, transport, server.URL); err != nil {
		t.Errorf("after the change: %v", err)
	}
	unavailable := errors.New("unavailable")
	failing := newTransport(t, upstream.Options{ServerName: name, Roots: func(context.Context) (*upstream.Roots, error) { return nil, unavailable }})
	if _, err := get(t, failing, server.URL); !errors.Is(err, unavailable) || !strings.Contains(err.Error(), "backend CA") {
		t.Errorf("error %v, want that of Roots, and what it is about: the tokens are read, too", err)
	}
}

// An environment proxy must not see the backend's token.
func TestEnvironmentProxyIsNotUsed(t *testing.T) {
	a := authority(t, "Root")
	asked := make(chan struct{}, 10)
	spy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked <- struct{}{} }))
	t.Cleanup(spy.Close)
	for _, variable := range []string{"HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"} {
		t.Setenv(variable, spy.URL)
	}
	transport := newTransport(t, upstream.Options{ServerName: name, Roots: trusting(a)})
	if transport.Proxy != nil {
		t.Error("the transport has a proxy function")
	}
	server := backend(t, a, pki.Leaf{Names: []string{name}}, nil)
	// A name that is not loopback, which net/http never proxies.
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, server.Listener.Addr().String())
	}
	_, _ = get(t, transport, "http://scim.corp.example.com/")
	if len(asked) != 0 {
		t.Error("the environment's proxy was asked")
	}
}

// A backend that closes idle connections after 5 s, as Node does, must never be
// sent a POST on one: it would fail and cannot be repeated.
func TestIdleConnectionsAreDroppedBeforeABackendDoesIt(t *testing.T) {
	t.Parallel()
	for _, http2 := range []bool{true, false} {
		a := authority(t, "Root")
		ended := make(chan time.Time, 10)
		server := backend(t, a, pki.Leaf{Names: []string{name}}, func(s *httptest.Server) {
			s.EnableHTTP2 = http2
			s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
				if state == http.StateClosed {
					ended <- time.Now()
				}
			}
		})
		if _, err := get(t, newTransport(t, upstream.Options{ServerName: name, Roots: trusting(a)}), server.URL); err != nil {
			t.Fatal(err)
		}
		idle := time.Now()
		select {
		case end := <-ended:
			if after := end.Sub(idle); after > 4500*time.Millisecond {
				t.Errorf("http2=%v: the idle connection ended after %v, want less than the 5 s of Node", http2, after)
			}
		case <-time.After(20 * time.Second):
			t.Errorf("http2=%v: the idle connection stayed", http2)
		}
	}
}

// A burst must find the connections of the burst before it.
func TestBurstsReuseConnections(t *testing.T) {
	const calls = 20
	a := authority(t, "Root")
	var opened atomic.Int32
	var arrived atomic.Pointer[sync.WaitGroup]
	server := backend(t, a, pki.Leaf{Names: []string{name}}, func(s *httptest.Server) {
		s.EnableHTTP2 = false
		s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				opened.Add(1)
			}
		}
		s.Config.Handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			arrived.Load().Done()
			arrived.Load().Wait() // until all calls of the burst are here
		})
	})
	transport := newTransport(t, upstream.Options{ServerName: name, Roots: trusting(a)})
	for range 2 {
		var all, burst sync.WaitGroup
		all.Add(calls)
		arrived.Store(&all)
		for range calls {
			burst.Go(func() {
				if _, err := get(t, transport, server.URL); err != nil {
					t.Error(err)
				}
			})
		}
		burst.Wait()
	}
	// A connection that comes back a moment late leaves a second one open.
	if n := opened.Load(); n > calls+calls/2 {
		t.Errorf("two bursts of %d calls opened %d connections", calls, n)
	}
}

// relay passes bytes to and from an address, until it is told to swallow what
// the present connections send, without a word to either side.
type relay struct {
	net.Listener
	target string
	mu     sync.Mutex
	holes  []*atomic.Bool
}

func newRelay(t *testing.T, target string) *relay {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{Listener: listener, target: target}
	t.Cleanup(func() { _ = listener.Close() })
	go r.serve() // ends when the listener is closed
	return r
}

func (r *relay) serve() {
	for {
		client, err := r.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", r.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		hole := &atomic.Bool{}
		r.mu.Lock()
		r.holes = append(r.holes, hole)
		r.mu.Unlock()
		go pass(server, client, hole) // both end when a side closes
		go pass(client, server, hole)
	}
}

func pass(to, from net.Conn, hole *atomic.Bool) {
	defer to.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if hole.Load() {
			continue
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func (r *relay) blackhole() (connections int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, hole := range r.holes {
		hole.Store(true)
	}
	return len(r.holes)
}

// Without pings, each call on a dropped HTTP/2 connection fails until TCP gives
// up, a quarter of an hour later.
func TestBlackholedConnectionCostsOneCall(t *testing.T) {
	t.Parallel()
	a := authority(t, "Root")
	server := backend(t, a, pki.Leaf{Names: []string{name}}, nil)
	r := newRelay(t, server.Listener.Addr().String())
	transport := newTransport(t, upstream.Options{ServerName: name, Roots: trusting(a)})
	url := "https://" + r.Addr().String()
	if response, err := get(t, transport, url); err != nil || response.Proto != "HTTP/2.0" {
		t.Fatalf("before: %v, %v", response, err)
	}
	if n := r.blackhole(); n != 1 {
		t.Fatalf("%d connections, want 1", n)
	}
	start := time.Now()
	_, err := get(t, transport, url)
	if err == nil || time.Since(start) > 30*time.Second {
		t.Errorf("the call in the hole: %v after %v, want an error within its 50 s", err, time.Since(start))
	}
	if fault := upstream.Explain(err); strings.Contains(fault.Cause+fault.Remedy, "127.0.0.1") {
		t.Errorf("the fault shows an address: %+v", fault)
	}
	if _, err := get(t, transport, url); err != nil {
		t.Errorf("the next call: %v", err)
	}
}
