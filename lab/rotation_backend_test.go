package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"log"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/entra-scim-proxy/lab/pki"
	"example.com/entra-scim-proxy/lab/stand"
)

const (
	userSchema = "urn:ietf:params:scim:schemas:core:2.0:User"
	listSchema = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
)

// strictBackend is a SCIM backend that knows one valid token at any time, and
// answers 401 to all others. Token and certificate can be replaced while it
// serves. It speaks HTTP/1.1, where a backend can ask for a new connection
// without breaking a call off.
type strictBackend struct {
	server     *httptest.Server
	untrusting atomic.Int64 // handshakes that the client broke off

	mu          sync.Mutex
	token       string
	certificate *tls.Certificate
	authority   int // which one issued the certificate, from 0
	taken       int // calls with the present token
	refused     int // answers of 401, of all time
	// connections are those that carried a call, by authority.
	connections map[int]int
	// effects are the executed POSTs and PATCHes by whom they were about.
	effects map[string]int
}

// link is one connection of the backend.
type link struct {
	authority int // set in its handshake
	used      atomic.Bool
}

type linkKey struct{}

func newStrictBackend(t *testing.T, token string, authority *pki.Authority) *strictBackend {
	t.Helper()
	b := &strictBackend{token: token, certificate: backendCertificate(t, authority), connections: map[int]int{}, effects: map[string]int{}}
	b.server = httptest.NewUnstartedServer(b)
	b.server.Config.ErrorLog = log.New(b.handshakes(), "", 0)
	b.server.Config.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
		return context.WithValue(ctx, linkKey{}, &link{})
	}
	b.server.TLS = &tls.Config{GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		hello.Context().Value(linkKey{}).(*link).authority = b.authority
		return b.certificate, nil
	}}
	b.server.StartTLS()
	t.Cleanup(b.server.Close)
	return b
}

func backendCertificate(t *testing.T, authority *pki.Authority) *tls.Certificate {
	t.Helper()
	certificate, err := authority.Certificate(pki.Leaf{Names: []string{stand.BackendName}})
	if err != nil {
		t.Fatal(err)
	}
	return &certificate
}

// writer is a function that is written to.
type writer func([]byte) (int, error)

func (w writer) Write(text []byte) (int, error) { return w(text) }

// handshakes counts what the server logs of handshakes that clients broke off:
// the alert is that the certificate is bad, whatever is wrong with it.
func (b *strictBackend) handshakes() io.Writer {
	return writer(func(line []byte) (int, error) {
		if bytes.Contains(line, []byte("remote error: tls:")) {
			b.untrusting.Add(1)
		}
		return len(line), nil
	})
}

// accept replaces the one valid token.
func (b *strictBackend) accept(token string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.token, b.taken = token, 0
}

// present replaces the certificate, for new connections.
func (b *strictBackend) present(certificate *tls.Certificate) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.certificate = certificate
	b.authority++
}

// backendCounts are a strictBackend's at one moment.
type backendCounts struct {
	taken, refused int
	underNewest    int // connections under the present authority
	effects        map[string]int
}

func (b *strictBackend) counts() backendCounts {
	b.mu.Lock()
	defer b.mu.Unlock()
	return backendCounts{taken: b.taken, refused: b.refused, effects: maps.Clone(b.effects), underNewest: b.connections[b.authority]}
}

// ServeHTTP answers calls to Users and to one of them.
func (b *strictBackend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	connection := r.Context().Value(linkKey{}).(*link)
	b.mu.Lock()
	valid := r.Header.Get("Authorization") == "Bearer "+b.token
	if valid {
		b.taken++
	} else {
		b.refused++
	}
	if !connection.used.Swap(true) {
		b.connections[connection.authority]++
	}
	b.mu.Unlock()
	// Without new connections a new certificate would never be seen.
	if rand.IntN(8) == 0 {
		w.Header().Set("Connection", "close")
	}
	if !valid {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	// Some calls are always under way when something is replaced.
	time.Sleep(rand.N(20 * time.Millisecond))
	w.Header().Set("Content-Type", "application/scim+json")
	switch r.Method {
	case http.MethodGet:
		asked := strings.TrimSuffix(strings.TrimPrefix(r.URL.Query().Get("filter"), `userName eq "`), `"`)
		answer(w, http.StatusOK, map[string]any{"schemas": []string{listSchema}, "totalResults": 1, "Resources": []any{
			map[string]any{"schemas": []string{userSchema}, "userName": asked, "displayName": strings.Repeat("x", rand.IntN(1000))},
		}})
	case http.MethodPost:
		if name, ok := b.execute(w, r); ok {
			answer(w, http.StatusCreated, map[string]any{"schemas": []string{userSchema}, "id": name, "userName": name})
		}
	case http.MethodPatch:
		if _, ok := b.execute(w, r); ok {
			w.WriteHeader(http.StatusNoContent)
		}
	default:
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

// execute does what a POST or PATCH asks for: it counts whom it is about. A body
// that is not whole is refused.
func (b *strictBackend) execute(w http.ResponseWriter, r *http.Request) (userName string, ok bool) {
	var user struct{ UserName, ExternalID string }
	body, err := io.ReadAll(r.Body)
	if err != nil || json.Unmarshal(body, &user) != nil || user.UserName == "" || len(user.ExternalID) == 0 {
		answer(w, http.StatusBadRequest, map[string]any{"detail": "the body is not what was sent"})
		return "", false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.effects[r.Method+" "+user.UserName]++
	return user.UserName, true
}

func answer(w http.ResponseWriter, status int, body any) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a failed write means that the caller has left
}
