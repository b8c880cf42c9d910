package proxy_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
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

	mu    sync.Mutex
	takes string   // the token that the backend takes
	tried []string // what it was presented since the last look
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
func newStage(t *testing.T) *stage {
	t.Helper()
	core, logs := observer.New(zap.DebugLevel)
	s := &stage{takes: "old", logs: logs}
	s.inbound.set("old", "older")
	s.outbound.set("old", "older")
	log := zap.New(core)
	var err error
	s.Proxy, err = proxy.New(proxy.Options{
		Backend: &url.URL{Scheme: "https", Host: "backend.example.com"}, Timeout: 50 * time.Second, MaxBody: 1 << 20,
		Inbound:  token.NewCache(token.ReadCredentials(&s.inbound), token.Windows{}, log),
		Outbound: token.NewCache(token.ReadCredentials(&s.outbound), token.Windows{}, log),
		Explain:  func(error) proxy.Fault { return proxy.Fault{} }, Log: log, Transport: roundTripper(s.backend),
	})
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
	status := http.StatusNoContent
	if presented != s.takes {
		status = http.StatusUnauthorized
	}
	return &http.Response{StatusCode: status, Request: r, Header: http.Header{}, Body: http.NoBody}, nil
}

// take makes the backend take another token, and forget what it was presented.
func (s *stage) take(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.takes, s.tried = token, nil
}

// call makes one call with a body, which Entra's token, and returns the status.
func (s *stage) call(t *testing.T, token string) int {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/Users", strings.NewReader(`{"userName":"ada@example.com"}`))
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

func TestBackendDropsTheOldTokenAtTheSwitch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.want(t, "before", 204, "old")
		s.outbound.set("new", "old")
		s.take("new")
		s.want(t, "at the switch", 204, "old", "new")
		s.want(t, "after it", 204, "new")
		if n := s.outbound.count(); n != 2 {
			t.Errorf("%d reads, want 2", n)
		}
	})
}

func TestVaultSwitchesBeforeTheBackend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.outbound.set("new", "old")
		s.want(t, "the backend lags", 204, "new", "old")
		reads := s.outbound.count()
		s.want(t, "the token that worked is remembered", 204, "old")
		time.Sleep(time.Second)
		s.want(t, "still", 204, "old")
		s.take("new")
		s.want(t, "the backend follows", 204, "old", "new")
		s.want(t, "and from then on", 204, "new")
		if n := s.outbound.count(); n != reads {
			t.Errorf("%d reads for what was at hand", n-reads)
		}
	})
}

// What worked is remembered until the next read: then the newest is tried anew.
func TestRememberedTokenIsForgottenWithTheNextRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.outbound.set("new", "old")
		s.want(t, "the backend lags", 204, "new", "old")
		time.Sleep(5 * time.Minute)
		s.want(t, "a read later", 204, "new", "old")
		s.want(t, "and then", 204, "old")
	})
}

// For some seconds nobody but the backend knows the new token. Calls wait for
// the next read that is allowed.
func TestBackendSwitchesBeforeTheVault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.want(t, "before", 204, "old")
		s.take("new")
		start := time.Now()
		var group sync.WaitGroup
		for range 100 {
			group.Go(func() {
				if got := s.call(t, "old"); got != 204 || time.Since(start) > 31*time.Second {
					t.Errorf("%d after %v", got, time.Since(start))
				}
			})
		}
		time.Sleep(5 * time.Second)
		s.outbound.set("new", "old")
		group.Wait()
		if n := s.outbound.count(); n != 3 {
			t.Errorf("%d reads, want 3: the first, at the refusal, and 30 s later", n)
		}
		if n := s.logs.FilterMessageSnippet("calls wait").Len(); n != 1 {
			t.Errorf("%d lines about the wait, want 1", n)
		}
		s.want(t, "after it", 204, "new")
	})
}

// A credential that stays refused must not make each call wait.
func TestRefusedCredentialIsWaitedForOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.want(t, "before", 204, "old")
		s.take("nobody knows")
		start := time.Now()
		s.want(t, "refused", 502, "old", "older")
		if waited := time.Since(start); waited != 35*time.Second {
			t.Errorf("waited %v", waited)
		}
		for range 3 {
			start := time.Now()
			s.want(t, "refused again", 502, "old", "older")
			if waited := time.Since(start); waited != 0 {
				t.Errorf("waited %v", waited)
			}
			time.Sleep(time.Minute)
		}
		s.outbound.set("new", "old")
		s.take("new")
		s.want(t, "mended", 204, "old", "new")
	})
}

// A credential that never worked is a wrong setting: who tests the connection
// is told at once.
func TestCredentialThatNeverWorkedIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.take("nobody knows")
		start := time.Now()
		s.want(t, "refused", 502, "old", "older")
		if waited := time.Since(start); waited != 0 {
			t.Errorf("waited %v", waited)
		}
		if n := s.outbound.count(); n != 2 {
			t.Errorf("%d reads, want 2", n)
		}
	})
}

func TestRefusalsReadTheSecretAtMostEvery30Seconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.take("nobody knows")
		for range 299 { // a call each 100 ms
			s.call(t, "old")
			time.Sleep(100 * time.Millisecond)
		}
		if n := s.outbound.count(); n != 2 {
			t.Errorf("%d reads in 29.9 s, want 2", n)
		}
	})
}

func TestBothTokensOfCallersAreAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		for token, want := range map[string]int{"old": 204, "older": 204, "oldest": 401, "": 401} {
			if got := s.call(t, token); got != want {
				t.Errorf("%q: %d, want %d", token, got, want)
			}
		}
	})
}

func TestTokenRotatedASecondAgoWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.want(t, "before", 204, "old")
		s.inbound.set("new", "old")
		time.Sleep(time.Second)
		for _, token := range []string{"new", "old", "new"} {
			if got := s.call(t, token); got != 204 {
				t.Errorf("%q: %d", token, got)
			}
		}
		if got := s.call(t, "older"); got != 401 {
			t.Errorf("the token before the one before: %d", got)
		}
		if n := s.inbound.count(); n != 2 {
			t.Errorf("%d reads, want 2", n)
		}
	})
}

func TestFloodOfWrongTokensReadsTheVaultOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.want(t, "before", 204, "old")
		s.inbound.takes = 5 * time.Second
		start := time.Now()
		var group sync.WaitGroup
		for i := range 1000 {
			group.Go(func() {
				if got := s.call(t, "wrong "+itoa(i)); got != 401 || time.Since(start) != 2*time.Second {
					t.Errorf("%d after %v, want 401 after 2 s", got, time.Since(start))
				}
			})
		}
		group.Wait()
		if got := s.call(t, "old"); got != 204 {
			t.Errorf("Entra, meanwhile: %d", got)
		}
		time.Sleep(4 * time.Second)
		for range 100 {
			start := time.Now()
			if got := s.call(t, "wrong"); got != 401 || time.Since(start) != 0 {
				t.Errorf("%d after %v, want 401 at once", got, time.Since(start))
			}
		}
		if n := s.inbound.count(); n != 2 {
			t.Errorf("%d reads, want 2", n)
		}
	})
}

// Without any token there is nothing that a read could bring.
func TestAbsentTokenReadsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.want(t, "before", 204, "old")
		s.call(t, "")
		if n := s.inbound.count(); n != 1 {
			t.Errorf("%d reads, want 1", n)
		}
	})
}

func TestWrongTokenWhileTheVaultIsAwayIs401(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.want(t, "before", 204, "old")
		s.inbound.err, s.outbound.err = errors.New("vault is away"), errors.New("vault is away")
		if got := s.call(t, "wrong"); got != 401 {
			t.Errorf("%d, want 401", got)
		}
		for range 60 {
			s.want(t, "Entra, meanwhile", 204, "old")
			time.Sleep(time.Minute)
		}
	})
}
