package token_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"example.com/entra-scim-proxy/proxy/token"
)

// vault is a source whose answer a test sets and whose reads it counts.
type vault struct {
	mu    sync.Mutex
	value string
	err   error
	takes time.Duration
	reads int
}

func (v *vault) set(value string, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.value, v.err = value, err
}

func (v *vault) count() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.reads
}

func (v *vault) Read(ctx context.Context) (token.Credentials, error) {
	v.mu.Lock()
	v.reads++
	value, err, takes := v.value, v.err, v.takes
	v.mu.Unlock()
	select {
	case <-time.After(takes):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	return token.Credentials{token.NewSecret(value)}, nil
}

func newCache(v *vault) (*token.Cache[token.Credentials], *observer.ObservedLogs) {
	core, logs := observer.New(zap.DebugLevel)
	return token.NewCache(token.ReadCredentials(v), token.Windows{}, zap.New(core)), logs
}

func current(t *testing.T, c *token.Cache[token.Credentials]) string {
	t.Helper()
	credentials, err := c.Get(t.Context())
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	return credentials.Current().Reveal()
}

func TestCacheReadsOnceForManyCallersOnAColdStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vault{value: "first", takes: time.Second}
		c, _ := newCache(v)
		var group sync.WaitGroup
		for range 1000 {
			group.Go(func() {
				if got := current(t, c); got != "first" {
					t.Errorf("Get = %q", got)
				}
			})
		}
		group.Wait()
		if v.count() != 1 {
			t.Errorf("reads = %d, want 1", v.count())
		}
	})
}

func TestCacheReadsAheadOfNeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vault{value: "first", takes: time.Second}
		c, logs := newCache(v)
		current(t, c)
		v.set("second", nil)
		time.Sleep(4*time.Minute - time.Nanosecond)
		got := current(t, c)
		synctest.Wait() // for a read in the background that should not be
		if got != "first" || v.count() != 1 {
			t.Errorf("fresh: Get = %q after %d reads, want first after 1", got, v.count())
		}
		time.Sleep(time.Nanosecond)
		start := time.Now()
		for range 100 {
			if got := current(t, c); got != "first" {
				t.Errorf("due: Get = %q, want the present value", got)
			}
		}
		if waited := time.Since(start); waited != 0 {
			t.Errorf("callers waited %v for a read ahead of need", waited)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got := current(t, c); got != "second" || v.count() != 2 {
			t.Errorf("refreshed: Get = %q after %d reads, want second after 2", got, v.count())
		}
		time.Sleep(4 * time.Minute)
		current(t, c)
		time.Sleep(time.Second)
		synctest.Wait()
		if n := logs.FilterMessage("secret read").Len(); n != 2 || v.count() != 3 {
			t.Errorf("%d lines after %d reads of two values, want 2 after 3", n, v.count())
		}
	})
}

// The end of a read, good or bad, may fall between a caller's look at the state
// and its question for a read.
func TestCacheReadsOnceHoweverFastTheSourceIs(t *testing.T) {
	for name, err := range map[string]error{"good": nil, "bad": errors.New("vault is away")} {
		synctest.Test(t, func(t *testing.T) {
			v := &vault{value: "value"}
			c, _ := newCache(v)
			current(t, c)
			v.set("value", err)
			for round := range 100 {
				time.Sleep(4*time.Minute + 10*time.Second)
				var group sync.WaitGroup
				for range 50 {
					group.Go(func() { current(t, c) })
				}
				group.Wait()
				synctest.Wait()
				if v.count() != 2+round {
					t.Fatalf("%s: %d reads in round %d, want one a round", name, v.count()-1, round+1)
				}
			}
		})
	}
}

func TestCacheWindowsAreTheOperators(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vault{value: "good"}
		c := token.NewCache(token.ReadCredentials(v), token.Windows{Refresh: time.Second, Stale: time.Minute}, zap.NewNop())
		current(t, c)
		time.Sleep(900 * time.Millisecond)
		current(t, c)
		synctest.Wait()
		if v.count() != 2 {
			t.Errorf("%d reads after 0.9 s, want 2", v.count())
		}
		v.set("", errors.New("vault is away"))
		time.Sleep(time.Minute - time.Nanosecond)
		if got := current(t, c); got != "good" {
			t.Errorf("Get = %q inside the stale window", got)
		}
		time.Sleep(time.Nanosecond)
		if _, err := c.Get(t.Context()); !errors.Is(err, token.ErrUnavailable) {
			t.Errorf("past the stale window: error = %v, want ErrUnavailable", err)
		}
	})
}

func TestCacheBacksOffAfterAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vault{err: errors.New("vault is away")}
		c, _ := newCache(v)
		for range 100 {
			if _, err := c.Get(t.Context()); !errors.Is(err, token.ErrUnavailable) {
				t.Fatalf("error = %v, want ErrUnavailable", err)
			}
		}
		if v.count() != 1 {
			t.Errorf("reads in the back-off = %d, want 1", v.count())
		}
		v.set("back", nil)
		time.Sleep(10 * time.Second)
		if got := current(t, c); got != "back" || v.count() != 2 {
			t.Errorf("after the back-off: %q after %d reads, want back after 2", got, v.count())
		}
	})
}

func TestCacheWaitsTenSecondsAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vault{value: "late", takes: time.Hour}
		c, _ := newCache(v)
		start := time.Now()
		_, err := c.Get(t.Context())
		if !errors.Is(err, token.ErrUnavailable) || time.Since(start) != 10*time.Second {
			t.Errorf("error %v after %v, want ErrUnavailable after 10s", err, time.Since(start))
		}
		synctest.Wait() // the read gave up too: its own limit is the same
	})
}

// A source that does not heed its context must not hold a caller either.
func TestCacheWaitsTenSecondsForADeafSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := token.NewCache(func(context.Context) (token.Credentials, error) {
			time.Sleep(time.Hour)
			return nil, errors.New("late")
		}, token.Windows{}, zap.NewNop())
		start := time.Now()
		if _, err := c.Get(t.Context()); !errors.Is(err, token.ErrUnavailable) || time.Since(start) != 10*time.Second {
			t.Errorf("error %v after %v, want ErrUnavailable after 10s", err, time.Since(start))
		}
		time.Sleep(2 * time.Hour) // the read ends before the test does
	})
}

func TestCacheIsNotFailedByOneCallersCancellation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vault{value: "value", takes: 2 * time.Second}
		c, _ := newCache(v)
		gone, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var group sync.WaitGroup
		group.Go(func() {
			if _, err := c.Get(gone); !errors.Is(err, token.ErrUnavailable) {
				t.Errorf("cancelled caller: error = %v", err)
			}
		})
		group.Go(func() {
			if got := current(t, c); got != "value" {
				t.Errorf("patient caller: %q", got)
			}
		})
		group.Wait()
		if v.count() != 1 {
			t.Errorf("reads = %d, want 1", v.count())
		}
	})
}

func TestCacheKeepsThePreviousValueWhenTheNextIsBad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vault{value: "good"}
		c, logs := newCache(v)
		current(t, c)
		v.set("bad\nvalue", nil)
		time.Sleep(5 * time.Minute)
		current(t, c)
		synctest.Wait()
		if got := current(t, c); got != "good" {
			t.Errorf("Get = %q, want the previous value", got)
		}
		for _, line := range logs.All() {
			if cause, ok := line.ContextMap()["cause"].(string); ok && strings.Contains(cause, "value\"") {
				t.Errorf("log line holds the value: %v", cause)
			}
		}
		if logs.FilterLevelExact(zap.ErrorLevel).Len() != 1 {
			t.Errorf("want one Error line, got %v", logs.All())
		}
	})
}

// A panic in a read is a failed read: in a goroutine of its own it would end the
// process.
func TestPanicOfAReadIsAFailedRead(t *testing.T) {
	core, logs := observer.New(zap.DebugLevel)
	panics := true
	cache := token.NewCache(func(context.Context) (token.Secret, error) {
		if panics {
			panic("canary")
		}
		return token.NewSecret("value"), nil
	}, token.Windows{}, zap.New(core))
	synctest.Test(t, func(t *testing.T) {
		if _, err := cache.Get(t.Context()); !errors.Is(err, token.ErrUnavailable) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%v", err)
		}
		lines := logs.All()
		if cause, _ := lines[0].ContextMap()["cause"].(string); len(lines) != 1 || lines[0].Level != zap.ErrorLevel || !strings.Contains(cause, "cache_test.go") {
			t.Errorf("lines: %v", lines)
		}
		panics = false
		time.Sleep(time.Minute)
		if got, err := cache.Get(t.Context()); err != nil || got.Reveal() != "value" {
			t.Errorf("afterwards: %v, %v", got, err)
		}
	})
}
