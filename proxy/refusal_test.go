package proxy_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/entra-scim-proxy/proxy"
)

// slow makes the backend's answers to calls of a path late.
func slow(path string, late time.Duration) func(*proxy.Options) {
	return func(o *proxy.Options) {
		backend := o.Transport
		o.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
			response, err := backend.RoundTrip(r)
			if r.URL.Opaque == path {
				time.Sleep(late)
			}
			return response, err
		})
	}
}

// waits makes a call that is refused, and reports for how long.
func (s *stage) waits(t *testing.T, what string, want time.Duration) {
	t.Helper()
	start := time.Now()
	if got := s.call(t, "old"); got != http.StatusBadGateway || time.Since(start) != want {
		t.Errorf("%s: %d after %v, want 502 after %v", what, got, time.Since(start), want)
	}
}

// Refusals belong together until there was none for ten minutes.
func TestRefusedCredentialIsWaitedForAgainAfterARest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.want(t, "before", 204, "old")
		s.take("nobody knows")
		s.waits(t, "the first", 30*time.Second)
		for range 3 {
			// The first noted itself as it began to wait.
			time.Sleep(10*time.Minute - 30*time.Second - time.Nanosecond)
			s.waits(t, "one of the same", 0)
			time.Sleep(30 * time.Second)
			s.waits(t, "one of the same", 0)
		}
		time.Sleep(10 * time.Minute)
		s.waits(t, "after a rest", 30*time.Second)
	})
}

// A credential that came, and is refused as well, may be followed by another.
func TestNextCredentialIsWaitedForAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.want(t, "before", 204, "old")
		s.take("nobody knows")
		s.waits(t, "the first", 30*time.Second)
		s.outbound.set("wrong", "old")
		time.Sleep(5 * time.Minute)
		s.take("right")
		time.AfterFunc(5*time.Second, func() { s.outbound.set("right", "wrong") })
		s.want(t, "refused", 204, "wrong", "old", "right")
	})
}

// What the backend thought of a credential when a call came in says nothing
// about what it thinks when the answer goes out.
func TestLateSuccessDoesNotEndTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, slow("/Slow", 10*time.Second))
		s.want(t, "before", 204, "old")
		var group sync.WaitGroup
		group.Go(func() {
			if got := s.callPath(t, "/Slow", "old"); got != 204 {
				t.Errorf("the slow call: %d", got)
			}
		})
		time.Sleep(time.Second)
		s.take("new")
		time.AfterFunc(15*time.Second, func() { s.outbound.set("new", "old") })
		s.want(t, "the backend switches first", 204, "old", "older", "new")
		group.Wait()
	})
}

// A call whose refusal is late takes what others found out meanwhile, without a
// read.
func TestLateRefusalUsesWhatOthersUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, slow("/Slow", 40*time.Second))
		s.outbound.set("new", "old")
		var group sync.WaitGroup
		group.Go(func() {
			// Its second answer is late, too, and what it says not of interest.
			_ = s.callPath(t, "/Slow", "old")
		})
		time.Sleep(time.Second)
		s.want(t, "the backend lags", 204, "new", "old")
		s.take("old")
		reads := s.outbound.count()
		group.Wait()
		if n := s.outbound.count(); n != reads || !slices.Equal(s.tried, []string{"old"}) {
			t.Errorf("%d reads, and the backend was presented %v, want what works without any", n-reads, s.tried)
		}
	})
}

// What the backend takes again need not be the first of the credentials, nor the
// first that the call presented which found it out: after a read that one
// begins anew.
func TestWaitEndsWithWhatTheBackendTakesAgain(t *testing.T) {
	for _, rest := range []time.Duration{0, 30 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t)
			s.outbound.set("new", "old")
			s.want(t, "the backend lags", 204, "new", "old")
			s.take("nobody knows")
			time.Sleep(rest)
			start := time.Now()
			var group sync.WaitGroup
			for range 100 {
				group.Go(func() {
					if got := s.call(t, "old"); got != 204 || time.Since(start) != 2*time.Second {
						t.Errorf("%d after %v, want 204 after 2 s", got, time.Since(start))
					}
				})
			}
			time.Sleep(2 * time.Second)
			s.take("old")
			if got := s.call(t, "old"); got != 204 {
				t.Errorf("somebody else: %d", got)
			}
			group.Wait()
		})
	}
}

// Whoever cannot be helped must not wait for a vault that takes its time.
func TestRefusedStreamWaitsTwoSecondsAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.want(t, "before", 204, "old")
		s.outbound.set("new", "old")
		s.outbound.takes = 5 * time.Second
		s.take("new")
		start := time.Now()
		if got := s.stream(t); got != 502 || time.Since(start) != 2*time.Second {
			t.Errorf("%d after %v, want 502 after 2 s", got, time.Since(start))
		}
		time.Sleep(4 * time.Second)
		s.want(t, "after the read that it began", 204, "new")
	})
}

// Of a call that was sent again only 401 is about the credential.
func TestAnswerToARepeatIsPassedOn(t *testing.T) {
	for _, status := range []int{200, 404, 409, 429, 500} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t)
			s.outbound.set("new", "old")
			s.status = status
			s.want(t, "repeated", status, "new", "old")
			s.want(t, "and the next", status, "old")
		})
	}
}

// Only success shows that a credential works, and any success does.
func TestAnswersThatShowThatACredentialWorks(t *testing.T) {
	for status, want := range map[int]time.Duration{
		200: 30 * time.Second, 201: 30 * time.Second, 299: 30 * time.Second, 300: 0, 302: 0, 404: 0, 500: 0,
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t)
			s.status = status
			s.call(t, "old")
			s.take("nobody knows")
			s.waits(t, http.StatusText(status), want)
		})
	}
}

// counted is the body of an answer that is to be closed.
type counted struct {
	io.Reader
	open *atomic.Int32
}

func (c *counted) Close() error {
	c.open.Add(-1)
	return nil
}

// An answer that nobody closes keeps its connection over HTTP/1.1, and there are
// so many of those only.
func TestAnswersAreClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var open atomic.Int32
		s := newStage(t, slow("/Slow", time.Minute), func(o *proxy.Options) {
			backend := o.Transport
			o.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
				response, err := backend.RoundTrip(r)
				if err == nil {
					open.Add(1)
					response.Body = &counted{strings.NewReader(""), &open}
				}
				return response, err
			})
		})
		s.want(t, "taken", 204, "old")
		s.outbound.set("new", "old")
		s.take("new")
		s.want(t, "refused once", 204, "old", "new")
		s.take("nobody knows")
		s.want(t, "refused altogether", 502, "new", "old")
		if got := s.stream(t); got != 502 {
			t.Errorf("a refused stream: %d", got)
		}
		s.take("new")
		if got := s.callPath(t, "/Slow", "old"); got != 504 {
			t.Errorf("an answer after the deadline: %d", got)
		}
		if n := open.Load(); n != 0 {
			t.Errorf("%d answers are left open", n)
		}
	})
}

// What was waited for a secret is not the backend's time, and the log tells them
// apart.
func TestWaitForASecretIsInTheLog(t *testing.T) {
	for name, test := range map[string]struct {
		call func(*testing.T, *stage)
		want float64
	}{
		"a refused call":   {func(t *testing.T, s *stage) { s.call(t, "old") }, 1000},
		"a refused stream": {func(t *testing.T, s *stage) { s.stream(t) }, 1000},
		"a wrong token":    {func(t *testing.T, s *stage) { s.call(t, "wrong") }, 1000},
		"a call that waits": {func(t *testing.T, s *stage) {
			s.take("nobody knows")
			time.AfterFunc(5*time.Second, func() { s.outbound.set("newer", "new") })
			s.take("newer")
			s.call(t, "old")
		}, 32000},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t)
			s.want(t, "before", 204, "old")
			s.outbound.set("new", "old")
			s.inbound.takes, s.outbound.takes = time.Second, time.Second
			s.take("new")
			test.call(t, s)
			lines := s.logs.FilterMessage("exchange").All()
			if got := lines[len(lines)-1].ContextMap()["secret_ms"]; got != test.want {
				t.Errorf("%s: secret_ms %v, want %v", name, got, test.want)
			}
		})
	}
}

// A token that a read under way brings needs no other.
func TestTokenThatIsBeingReadIsReadOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.want(t, "before", 204, "old")
		s.inbound.set("new", "old")
		s.inbound.takes = time.Second
		time.Sleep(4 * time.Minute)
		s.want(t, "the read ahead begins", 204, "old")
		if got := s.call(t, "new"); got != 204 {
			t.Errorf("a new token: %d", got)
		}
		if n := s.inbound.count(); n != 2 {
			t.Errorf("%d reads, want 2", n)
		}
	})
}

// Nobody waits for the tokens beyond the call's own deadline.
func TestWrongTokenIsRefusedByTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, func(o *proxy.Options) { o.Timeout = time.Second })
		s.want(t, "before", 204, "old")
		s.inbound.takes = 5 * time.Second
		start := time.Now()
		if got := s.call(t, "wrong"); got != 401 || time.Since(start) != time.Second {
			t.Errorf("%d after %v, want 401 after 1 s", got, time.Since(start))
		}
		time.Sleep(5 * time.Second) // the read ends before the test does
	})
}
