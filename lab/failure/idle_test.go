//go:build unix

package failure

import (
	"context"
	"crypto/tls"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/entra-scim-proxy/lab/pki"
	"example.com/entra-scim-proxy/lab/stand"
)

// A backend that closes idle connections may do so in the moment in which a POST
// goes out on one, and a POST is not repeated. The proxy closes them after 3 s
// itself; the plain proxy, as net/http makes one, after 90 s. ADR 18 has what this
// measures with RELIABILITY_FULL=1, for 1, 5 and 60 s.
func TestBackendThatClosesIdleConnections(t *testing.T) {
	t.Parallel()
	limits := []time.Duration{time.Second}
	if os.Getenv("RELIABILITY_FULL") == "1" {
		limits = append(limits, 5*time.Second, time.Minute)
	}
	for _, after := range limits {
		t.Run(after.String(), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, &row{http1: true})
			b := newIdleBackend(t, w.backend.authority, after)
			w.settings["BACKEND_URL"] = b.server.URL
			w.up()
			w.warm()
			rounds := max(1, int(10*time.Second/after))
			ours := b.provoke(t, "http://127.0.0.1:"+w.settings["PORT"]+stand.SCIMPath, w.entraToken, rounds)
			plain := b.provoke(t, newPlainProxy(t, b), w.entraToken, rounds)
			t.Logf("connections closed after %v: of %d POSTs %d failed through the proxy, %d through a plain one", after, ours.made, ours.failed, plain.failed)
			// None fails unless this machine stands still for seconds.
			if after > 3*time.Second && ours.failed > ours.made/20 {
				t.Errorf("%d of %d calls failed", ours.failed, ours.made)
			}
			if ours.twice+ours.lost > 0 {
				t.Errorf("%d calls were executed twice, %d answered with success and not executed", ours.twice, ours.lost)
			}
		})
	}
}

// idleBackend executes every POST, and closes connections that were idle for so
// long.
type idleBackend struct {
	server *httptest.Server
	after  time.Duration
	roots  *pki.Authority

	mu       sync.Mutex
	executed map[string]int
}

func newIdleBackend(t *testing.T, authority *pki.Authority, after time.Duration) *idleBackend {
	t.Helper()
	certificate, err := authority.Certificate(pki.Leaf{Names: []string{stand.BackendName}})
	if err != nil {
		t.Fatal(err)
	}
	b := &idleBackend{after: after, roots: authority, executed: map[string]int{}}
	b.server = httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		b.mu.Lock()
		b.executed[string(body)]++
		b.mu.Unlock()
		rw.WriteHeader(http.StatusCreated)
	}))
	b.server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	b.server.Config.IdleTimeout = after
	b.server.StartTLS()
	t.Cleanup(b.server.Close)
	return b
}

// newPlainProxy is the rival: httputil.ReverseProxy with net/http's own transport.
func newPlainProxy(t *testing.T, b *idleBackend) (origin string) {
	t.Helper()
	target, err := url.Parse(b.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: b.roots.Pool(), ServerName: stand.BackendName}
	transport.MaxIdleConnsPerHost = 256 // as the proxy's
	transport.ForceAttemptHTTP2 = false
	proxy := &httputil.ReverseProxy{
		Transport: transport, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ErrorHandler: func(rw http.ResponseWriter, _ *http.Request, _ error) { rw.WriteHeader(http.StatusBadGateway) },
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(func() {
		server.Close()
		transport.CloseIdleConnections()
	})
	return server.URL
}

// provoked is what became of the POSTs.
type provoked struct{ made, failed, twice, lost int }

// provoke has a hundred callers who POST at about the moment in which the
// connection that they used before is closed.
func (b *idleBackend) provoke(t *testing.T, base, token string, rounds int) (all provoked) {
	t.Helper()
	client := &http.Client{Timeout: limit, Transport: &http.Transport{MaxIdleConnsPerHost: 256}}
	defer client.CloseIdleConnections()
	var mu sync.Mutex
	var callers sync.WaitGroup
	for caller := range 100 {
		callers.Go(func() { // ends after its rounds
			for round := range rounds + 1 {
				id := base + strconv.Itoa(caller) + "-" + strconv.Itoa(round)
				status := post(t.Context(), client, base+"/Users", token, id)
				b.mu.Lock()
				executed := b.executed[id]
				b.mu.Unlock()
				mu.Lock()
				all.made++
				if status != http.StatusCreated {
					all.failed++
				} else if executed == 0 {
					all.lost++
				}
				if executed > 1 {
					all.twice++
				}
				mu.Unlock()
				time.Sleep(b.after + time.Duration(rand.IntN(6)-3)*time.Millisecond)
			}
		})
	}
	callers.Wait()
	return all
}

// post returns the status, zero without an answer.
func post(ctx context.Context, client *http.Client, target, token, body string) int {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(body))
	if err != nil {
		return 0
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/scim+json")
	response, err := client.Do(request)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode
}
