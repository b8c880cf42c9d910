package token_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"example.com/entra-scim-proxy/proxy/token"
)

// What was valid when somebody last called may have been withdrawn since.
func TestCacheThatLayIdleAsksFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vault{value: "first", takes: time.Second}
		c, _ := newCache(v)
		current(t, c)
		v.set("second", nil)
		time.Sleep(5 * time.Minute)
		if got := current(t, c); got != "second" || v.count() != 2 {
			t.Errorf("Get = %q after %d reads, want second after 2", got, v.count())
		}
	})
}

func TestCacheThatLayIdleFallsBack(t *testing.T) {
	for name, test := range map[string]struct {
		takes, waits time.Duration
		err          error
	}{
		"the source fails":   {time.Second, time.Second, errors.New("vault is away")},
		"the source is slow": {5 * time.Second, 2 * time.Second, nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			v := &vault{value: "first"}
			c, _ := newCache(v)
			current(t, c)
			v.set("second", test.err)
			v.takes = test.takes
			time.Sleep(time.Hour)
			start := time.Now()
			if got := current(t, c); got != "first" || time.Since(start) != test.waits {
				t.Errorf("%s: Get = %q after %v, want first after %v", name, got, time.Since(start), test.waits)
			}
			if test.err == nil {
				// A source that was found slow holds up nobody else.
				start := time.Now()
				if got := current(t, c); got != "first" || time.Since(start) != 0 {
					t.Errorf("%s: Get = %q after %v, want first at once", name, got, time.Since(start))
				}
				time.Sleep(3 * time.Second)
				return
			}
			// The failure is known by now: nobody waits any more.
			for range 3 {
				time.Sleep(11 * time.Second)
				start := time.Now()
				if got := current(t, c); got != "first" || time.Since(start) != 0 {
					t.Errorf("%s: Get = %q after %v, want first at once", name, got, time.Since(start))
				}
			}
			time.Sleep(time.Second)
			if v.count() != 5 {
				t.Errorf("%s: %d reads, want one, one and three", name, v.count())
			}
		})
	}
}

func TestCacheSurvivesAnOutageUpToTwelveHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vault{value: "good"}
		c, logs := newCache(v)
		current(t, c)
		v.set("", errors.New("vault is away"))
		time.Sleep(12*time.Hour - time.Nanosecond)
		if got := current(t, c); got != "good" {
			t.Errorf("just inside the stale window: Get = %q", got)
		}
		if n := logs.FilterMessage("secret could not be read").FilterLevelExact(zap.ErrorLevel).Len(); n != 1 {
			t.Errorf("%d Error lines for one failed read, want 1", n)
		}
		time.Sleep(time.Nanosecond)
		if _, err := c.Get(t.Context()); !errors.Is(err, token.ErrUnavailable) {
			t.Errorf("past the stale window: error = %v, want ErrUnavailable", err)
		}
	})
}

// A source that was read, and says that nothing counts, has not failed.
func TestCacheDropsWhatWasWithdrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vault{value: "leaked"}
		c, logs := newCache(v)
		current(t, c)
		v.set("", fmt.Errorf("%w: the version is disabled", token.ErrWithdrawn))
		time.Sleep(4 * time.Minute)
		current(t, c)
		synctest.Wait()
		for range 3 {
			if credentials, err := c.Get(t.Context()); !errors.Is(err, token.ErrUnavailable) {
				t.Errorf("%v, %v; want ErrUnavailable", credentials, err)
			}
			time.Sleep(20 * time.Second)
		}
		if lines := logs.FilterMessage("secret could not be read").FilterLevelExact(zap.ErrorLevel).All(); len(lines) != 3 || lines[0].ContextMap()["last_good_value_in_use"] != false {
			t.Errorf("%v; want three Error lines", lines)
		}
		v.set("new", nil)
		if got := current(t, c); got != "new" {
			t.Errorf("Get = %q", got)
		}
	})
}

// What will mend itself, while calls go through, is no Error.
func TestCacheWarnsOfASourceThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := fmt.Errorf("%w: no answer", token.ErrAway)
		v := &vault{err: away}
		c, logs := newCache(v)
		_, _ = c.Get(t.Context())
		v.set("good", nil)
		time.Sleep(10 * time.Second)
		current(t, c)
		for _, err := range []error{away, errors.New("role is missing")} {
			v.set("", err)
			time.Sleep(4 * time.Minute)
			current(t, c)
			synctest.Wait()
		}
		var levels []string
		for _, line := range logs.FilterMessage("secret could not be read").All() {
			levels = append(levels, line.Level.String())
		}
		if got := strings.Join(levels, " "); got != "error warn error" {
			t.Errorf("levels %s, want error warn error", got)
		}
	})
}

// A value that becomes too old while somebody waits for the next is not the end
// of the wait.
func TestCacheWaitsOnWhenTheStaleValueEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vault{value: "first"}
		c, _ := newCache(v)
		current(t, c)
		v.set("second", nil)
		v.takes = 3 * time.Second
		time.Sleep(12*time.Hour - time.Second)
		if got := current(t, c); got != "second" {
			t.Errorf("Get = %q", got)
		}
	})
}

func TestCacheBacksOffWithAStaleValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vault{value: "good"}
		c, _ := newCache(v)
		current(t, c)
		v.set("", errors.New("vault is away"))
		time.Sleep(4 * time.Minute)
		for range 100 {
			current(t, c)
			synctest.Wait()
		}
		if v.count() != 2 {
			t.Errorf("%d reads in the back-off, want 1", v.count()-1)
		}
		time.Sleep(10 * time.Second)
		current(t, c)
		synctest.Wait()
		if v.count() != 3 {
			t.Errorf("%d reads after the back-off, want 2", v.count()-1)
		}
	})
}

// For a minute a failed read tells that it is not worth to wait for the next,
// and then it does not any more.
func TestCacheWaitsAgainAMinuteAfterAFailure(t *testing.T) {
	for after, want := range map[time.Duration]string{time.Minute - time.Nanosecond: "first", time.Minute: "second"} {
		synctest.Test(t, func(t *testing.T) {
			v := &vault{value: "first"}
			c, _ := newCache(v)
			current(t, c)
			v.set("", errors.New("vault is away"))
			time.Sleep(time.Hour)
			current(t, c)
			v.set("second", nil)
			time.Sleep(after)
			if got := current(t, c); got != want {
				t.Errorf("%v after a failed read: Get = %q, want %q", after, got, want)
			}
		})
	}
}

// However short the windows are, a value that has outlived its own is asked for
// before it is used: a read that went well is no reason to go without.
func TestCacheThatLayIdleForSecondsAsksFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vault{value: "first", takes: time.Second}
		c := token.NewCache(token.ReadCredentials(v), token.Windows{Refresh: 10 * time.Second}, zap.NewNop())
		current(t, c)
		v.set("second", nil)
		time.Sleep(30 * time.Second)
		if got := current(t, c); got != "second" {
			t.Errorf("Get = %q", got)
		}
	})
}

// A failure that is over leaves nothing behind.
func TestCacheForgetsAFailureThatIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vault{err: errors.New("vault is away")}
		c, _ := newCache(v)
		_, _ = c.Get(t.Context())
		v.set("good", nil)
		time.Sleep(10 * time.Second)
		for range 20 {
			current(t, c)
			synctest.Wait()
			time.Sleep(11 * time.Second)
		}
		if v.count() != 2 {
			t.Errorf("%d reads, want the one that failed and the one after it", v.count())
		}
	})
}
