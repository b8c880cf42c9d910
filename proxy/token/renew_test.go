package token_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"example.com/entra-scim-proxy/proxy/token"
)

// fits is what a caller asks for whom one value does not serve.
func fits(not string) func(token.Credentials) bool {
	return func(have token.Credentials) bool { return have.Current().Reveal() != not }
}

func TestCacheRenewsARefusedValueAtMostEvery30Seconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vault{value: "old", takes: time.Second}
		c, _ := newCache(v)
		current(t, c)
		renew := func() string { return c.Renew(t.Context(), fits("old")).Current().Reveal() }

		var group sync.WaitGroup
		for range 100 {
			group.Go(func() { renew() })
		}
		group.Wait()
		if v.count() != 2 {
			t.Errorf("100 refused calls at once caused %d reads, want 1", v.count()-1)
		}

		v.set("new", nil)
		if got := renew(); got != "old" || v.count() != 2 {
			t.Errorf("inside 30 s: %q after %d reads, want the value at hand without a read", got, v.count())
		}
		time.Sleep(30*time.Second - time.Nanosecond)
		if got := renew(); got != "old" || v.count() != 2 {
			t.Errorf("just inside 30 s: %q after %d reads", got, v.count())
		}
		time.Sleep(time.Nanosecond)
		if got := renew(); got != "new" || v.count() != 3 {
			t.Errorf("after 30 s: %q after %d reads, want new after 3", got, v.count())
		}
		time.Sleep(time.Minute)
		if got := renew(); got != "new" || v.count() != 3 {
			t.Errorf("a caller that was refused with an older value: %q after %d reads, want no read", got, v.count())
		}
	})
}

// A read that began before the value was refused may have missed its
// successor, and does not count.
func TestCacheRenewalBeginsAfterTheRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vault{value: "old", takes: time.Second}
		c, _ := newCache(v)
		current(t, c)
		time.Sleep(4 * time.Minute)
		current(t, c) // begins to read ahead
		time.Sleep(time.Millisecond)
		v.set("new", nil)
		if got := c.Renew(t.Context(), fits("old")).Current().Reveal(); got != "new" || v.count() != 3 {
			t.Errorf("%q after %d reads, want new after 3", got, v.count())
		}
	})
}

func TestCacheRenewalOutlivesItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vault{value: "old", takes: 3 * time.Second}
		c, _ := newCache(v)
		current(t, c)
		v.set("new", nil)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		start := time.Now()
		if got := c.Renew(ctx, fits("old")).Current().Reveal(); got != "old" || time.Since(start) != 2*time.Second {
			t.Errorf("%q after %v, want the old value when the caller's time is up", got, time.Since(start))
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got := current(t, c); got != "new" {
			t.Errorf("Get = %q, want what the read brought", got)
		}
	})
}

func TestCacheRenewalThatFailsKeepsTheValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vault{value: "old"}
		c, _ := newCache(v)
		current(t, c)
		v.set("", errors.New("vault is away"))
		for range 10 {
			if got := c.Renew(t.Context(), fits("old")).Current().Reveal(); got != "old" {
				t.Errorf("Renew = %q", got)
			}
		}
		if got := current(t, c); got != "old" || v.count() != 2 {
			t.Errorf("Get = %q after %d reads, want old after 2", got, v.count())
		}
	})
}

func TestCacheAwaitsTheNextValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vault{value: "old"}
		c, _ := newCache(v)
		current(t, c)
		c.Renew(t.Context(), fits("old"))
		start := time.Now()
		var group sync.WaitGroup
		for range 100 {
			group.Go(func() {
				if got := c.Await(t.Context(), nil, fits("old")).Current().Reveal(); got != "new" || time.Since(start) != 30*time.Second {
					t.Errorf("%q after %v, want new with the next renewal", got, time.Since(start))
				}
			})
		}
		time.Sleep(5 * time.Second)
		v.set("new", nil)
		group.Wait()
		if v.count() != 3 {
			t.Errorf("%d reads, want 3", v.count())
		}
	})
}

// A value that comes with another caller's read serves as well.
func TestCacheAwaitsAnyNewValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vault{value: "old"}
		c := token.NewCache(token.ReadCredentials(v), token.Windows{Refresh: time.Second}, zap.NewNop())
		current(t, c)
		c.Renew(t.Context(), fits("old")) // no other for 30 s
		start := time.Now()
		var group sync.WaitGroup
		group.Go(func() {
			if got := c.Await(t.Context(), nil, fits("old")).Current().Reveal(); got != "new" || time.Since(start) != 5*time.Second {
				t.Errorf("%q after %v, want new after 5 s", got, time.Since(start))
			}
		})
		time.Sleep(5 * time.Second)
		v.set("new", nil)
		current(t, c)
		group.Wait()
	})
}

func TestCacheAwaitsUntilItIsEnough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vault{value: "old"}
		c, _ := newCache(v)
		current(t, c)
		c.Renew(t.Context(), fits("old"))
		enough := make(chan struct{})
		time.AfterFunc(time.Second, func() { close(enough) })
		start := time.Now()
		if got := c.Await(t.Context(), enough, fits("old")).Current().Reveal(); got != "old" || time.Since(start) != time.Second {
			t.Errorf("%q after %v", got, time.Since(start))
		}
	})
}

// After a read that failed, for whatever reason it was made, the next one is
// 10 s away, and not 30.
func TestCacheRenewalThatFailedIsMadeUpFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vault{value: "old"}
		c, _ := newCache(v)
		current(t, c)
		v.set("", errors.New("vault hiccups"))
		c.Renew(t.Context(), fits("old"))
		v.set("new", nil)
		time.Sleep(10 * time.Second)
		current(t, c)
		synctest.Wait()
		if got := current(t, c); got != "new" || v.count() != 3 {
			t.Errorf("Get = %q after %d reads, want new after 3", got, v.count())
		}
	})
}

func TestCacheAwaitEndsWithItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vault{value: "old"}
		c, _ := newCache(v)
		current(t, c)
		v.set("", errors.New("vault is away"))
		ctx, cancel := context.WithTimeout(t.Context(), 175*time.Second)
		defer cancel()
		start := time.Now()
		if got := c.Await(ctx, nil, fits("old")).Current().Reveal(); got != "old" || time.Since(start) != 150*time.Second {
			t.Errorf("%q after %v, want the old value when no other read is to be", got, time.Since(start))
		}
		if v.count() != 1+6 {
			t.Errorf("%d reads in 175 s, want one each 30 s", v.count()-1)
		}
	})
}

// Who has no time until the next renewal waits all the same if the value is read
// again sooner anyway, and does not otherwise.
func TestCacheAwaitWaitsForAReadThatIsSoon(t *testing.T) {
	for refresh, want := range map[time.Duration]struct {
		value string
		waits time.Duration
	}{time.Second: {"new", 5 * time.Second}, time.Minute: {"old", 0}} {
		synctest.Test(t, func(t *testing.T) {
			v := &vault{value: "old"}
			c := token.NewCache(token.ReadCredentials(v), token.Windows{Refresh: refresh}, zap.NewNop())
			current(t, c)
			c.Renew(t.Context(), fits("old")) // no other for 30 s
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			start := time.Now()
			var group sync.WaitGroup
			group.Go(func() {
				if got := c.Await(ctx, nil, fits("old")).Current().Reveal(); got != want.value || time.Since(start) != want.waits {
					t.Errorf("read each %v: %q after %v, want %q after %v", refresh, got, time.Since(start), want.value, want.waits)
				}
			})
			time.Sleep(5 * time.Second)
			v.set("new", nil)
			current(t, c)
			group.Wait()
		})
	}
}

func TestCacheAwaitsASlowSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vault{value: "old", takes: 5 * time.Second}
		c, _ := newCache(v)
		current(t, c)
		v.set("new", nil)
		start := time.Now()
		if got := c.Await(t.Context(), nil, fits("old")).Current().Reveal(); got != "new" || time.Since(start) != 5*time.Second {
			t.Errorf("%q after %v", got, time.Since(start))
		}
	})
}
