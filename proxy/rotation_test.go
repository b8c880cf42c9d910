package proxy_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.com/entra-scim-proxy/proxy"
	"example.com/entra-scim-proxy/proxy/scim"
)

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
		if waited := time.Since(start); waited != 30*time.Second { // until the last read that can be
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

// Whoever waits goes on when the backend has come to its senses.
func TestWaitEndsWhenTheBackendTakesTheTokenAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.want(t, "before", 204, "old")
		s.take("nobody knows")
		start := time.Now()
		var group sync.WaitGroup
		for range 10 {
			group.Go(func() {
				if got := s.call(t, "old"); got != 204 || time.Since(start) != 2*time.Second {
					t.Errorf("%d after %v, want 204 after 2 s", got, time.Since(start))
				}
			})
		}
		time.Sleep(time.Second)
		s.take("old")
		time.Sleep(time.Second)
		if got := s.call(t, "old"); got != 204 {
			t.Errorf("somebody else: %d", got)
		}
		group.Wait()
	})
}

// A call that the backend refuses whatever the credential is must wait neither
// for ever nor again and again while others pass.
func TestStrayRefusalDoesNotWaitWhileOthersPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.want(t, "before", 204, "old")
		s.refuses = "/Groups"
		for range 5 {
			start := time.Now()
			var group sync.WaitGroup
			group.Go(func() {
				if got := s.callPath(t, "/Groups", "old"); got != 502 || time.Since(start) > time.Second {
					t.Errorf("%d after %v, want 502 with the next call that passes", got, time.Since(start))
				}
			})
			time.Sleep(time.Second)
			if got := s.call(t, "old"); got != 204 {
				t.Errorf("another call: %d", got)
			}
			group.Wait()
		}
		// And it does not spend the patience of a real rotation.
		s.take("new")
		time.AfterFunc(5*time.Second, func() { s.outbound.set("new", "old") })
		s.want(t, "the backend switches first", 204, "old", "older", "new")
	})
}

func TestFixedCredentialIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, func(o *proxy.Options) { o.OutboundFixed = true })
		s.want(t, "before", 204, "old")
		s.take("nobody knows")
		start := time.Now()
		s.want(t, "refused", 502, "old", "older")
		if waited := time.Since(start); waited != 0 {
			t.Errorf("waited %v", waited)
		}
	})
}

// The wait must outlast a vault that takes its time.
func TestBackendSwitchesBeforeASlowVault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.outbound.takes = 6 * time.Second
		s.want(t, "before", 204, "old")
		s.take("new")
		time.AfterFunc(8*time.Second, func() { s.outbound.set("new", "old") })
		s.want(t, "the backend switches first", 204, "old", "older", "new")
	})
}

// Only success shows that a credential was taken: a firewall answers, too.
func TestOtherAnswersDoNotShowThatACredentialWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.status = http.StatusServiceUnavailable
		s.want(t, "the backend is down", 503, "old")
		s.take("nobody knows")
		start := time.Now()
		s.want(t, "refused", 502, "old", "older")
		if waited := time.Since(start); waited != 0 {
			t.Errorf("waited %v for a credential that never worked", waited)
		}
	})
}

// A call that cannot be sent again fails, but the next one profits.
func TestStreamsLearnFromARefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.outbound.set("new", "old")
		for i, want := range []int{502, 204, 204} {
			if got := s.stream(t); got != want {
				t.Errorf("stream %d: %d with %v, want %d", i+1, got, s.tried, want)
			}
		}
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

// The read for missing-target waits for the credential as its call does, or the
// call would go out unrepaired.
func TestResourceIsReadInARotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rules, err := scim.ParseRules("missing-target")
		if err != nil {
			t.Fatal(err)
		}
		normalizer, err := scim.New(scim.Options{Rules: rules})
		if err != nil {
			t.Fatal(err)
		}
		s := newStage(t, func(o *proxy.Options) { o.Normalizer = normalizer })
		s.want(t, "before", 204, "old")
		s.person = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"1","userName":"ada@example.com"}`
		s.take("new")
		time.AfterFunc(5*time.Second, func() { s.outbound.set("new", "old") })
		const body = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","path":"emails[type eq \"work\"].value","value":"ada@example.com"}]}`
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPatch, "/Users/1", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/scim+json")
		if got := s.serve(r, "old"); got != 204 || !strings.Contains(s.patched, `"op":"add"`) {
			t.Errorf("%d, and the backend executed %s", got, s.patched)
		}
	})
}
