package proxy_test

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"example.com/entra-scim-proxy/proxy"
	"example.com/entra-scim-proxy/proxy/token"
)

// stage is a proxy between a vault, a backend and Entra, whose tokens a test
// changes. There is no socket, so that it can play in a synctest bubble.
type stage struct {
	*proxy.Proxy
	inbound, outbound vaultSecret
	logs              *observer.ObservedLogs

	mu      sync.Mutex
	takes   string   // the token that the backend takes
	refuses string   // a path that it takes no token for
	status  int      // of its answers to a token that it takes; zero: 204
	tried   []string // what it was presented since the last look
	person  string   // its answer to GET
	patched string   // the body of the last PATCH that it executed
}

// vaultSecret is a secret whose versions a test sets.
type vaultSecret struct {
	mu     sync.Mutex
	values []string
	err    error
	takes  time.Duration
	reads  int
}

func (v *vaultSecret) set(values ...string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.values = values
}

func (v *vaultSecret) count() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.reads
}

func (v *vaultSecret) Read(ctx context.Context) (credentials token.Credentials, err error) {
	v.mu.Lock()
	v.reads++
	for _, value := range v.values {
		credentials = append(credentials, token.NewSecret(value))
	}
	takes, err := v.takes, v.err
	v.mu.Unlock()
	select {
	case <-time.After(takes):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return credentials, err
}

// newStage makes a stage on which everybody has the token "old", and "older"
// was the one before.
func newStage(t *testing.T, change ...func(*proxy.Options)) *stage {
	t.Helper()
	core, logs := observer.New(zap.DebugLevel)
	s := &stage{takes: "old", logs: logs}
	s.inbound.set("old", "older")
	s.outbound.set("old", "older")
	log := zap.New(core)
	options := proxy.Options{
		Backend: &url.URL{Scheme: "https", Host: "backend.example.com"}, Timeout: 50 * time.Second, MaxBody: 1 << 20, MaxConcurrent: 10_000,
		Inbound:  token.NewCache(token.ReadCredentials(&s.inbound), token.Windows{}, log),
		Outbound: token.NewCache(token.ReadCredentials(&s.outbound), token.Windows{}, log),
		Explain:  func(error) proxy.Fault { return proxy.Fault{} }, Log: log, Transport: roundTripper(s.backend),
	}
	for _, each := range change {
		each(&options)
	}
	var err error
	s.Proxy, err = proxy.New(options)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *stage) backend(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	presented := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	s.tried = append(s.tried, presented)
	status := cmp.Or(s.status, http.StatusNoContent)
	if presented != s.takes || r.URL.Opaque == s.refuses {
		status = http.StatusUnauthorized
	}
	response := &http.Response{StatusCode: status, Request: r, Header: http.Header{}, Body: http.NoBody}
	switch {
	case status == http.StatusUnauthorized:
	case r.Method == http.MethodPatch:
		body, err := io.ReadAll(r.Body)
		s.patched = string(body)
		return response, err
	case r.Method == http.MethodGet:
		response.StatusCode = http.StatusOK
		response.Header.Set("Content-Type", "application/scim+json")
		response.Body = io.NopCloser(strings.NewReader(s.person))
	}
	return response, nil
}

// take makes the backend take another token, and forget what it was presented.
func (s *stage) take(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.takes, s.tried = token, nil
}

const person = `{"userName":"ada@example.com"}`

// call makes one call with a body and a token, and returns the status.
func (s *stage) call(t *testing.T, token string) int {
	t.Helper()
	return s.callPath(t, "/Users", token)
}

func (s *stage) callPath(t *testing.T, path, token string) int {
	t.Helper()
	return s.serve(httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(person)), token)
}

// stream makes a call whose body has no length, so that it is not held.
func (s *stage) stream(t *testing.T) int {
	t.Helper()
	body := struct{ io.Reader }{strings.NewReader(person)}
	return s.serve(httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/Users", body), "old")
}

func (s *stage) serve(r *http.Request, token string) int {
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Code
}

// want makes one call and compares its status, and what the backend was
// presented for it.
func (s *stage) want(t *testing.T, what string, status int, tried ...string) {
	t.Helper()
	s.take(s.takes)
	if got := s.call(t, "old"); got != status || !slices.Equal(s.tried, tried) {
		t.Errorf("%s: %d with %v, want %d with %v", what, got, s.tried, status, tried)
	}
}
