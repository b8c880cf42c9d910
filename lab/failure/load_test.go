//go:build unix

package failure

import (
	"fmt"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"
)

// load is Entra creating people all the time, each call in its own time.
type load struct {
	*world
	stopped chan struct{}
	running sync.WaitGroup

	mu    sync.Mutex
	calls []*loadCall
}

type loadCall struct {
	operation
	began, ended time.Time
	seen         seen
}

// rate is that of a load: calls a second.
const rate = 20

// newLoad begins; stop ends it.
func newLoad(w *world) *load {
	l := &load{world: w, stopped: make(chan struct{})}
	l.running.Go(func() { // ends with stop
		tick := time.NewTicker(time.Second / rate)
		defer tick.Stop()
		for n := 0; ; n++ {
			c := &loadCall{operation: operation{method: http.MethodPost, number: fmt.Sprintf("load%d", n)}, began: time.Now()}
			l.mu.Lock()
			l.calls = append(l.calls, c)
			l.mu.Unlock()
			l.running.Go(func() { // ends with its one call, which has a limit
				got := w.send(c.operation, "")
				l.mu.Lock()
				defer l.mu.Unlock()
				c.seen, c.ended = got, time.Now()
			})
			select {
			case <-tick.C:
			case <-l.stopped:
				return
			}
		}
	})
	return l
}

// count returns how many calls, of those that began after a moment, have ended
// with success and without.
func (l *load) count(since time.Time) (good, bad int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.calls {
		switch {
		case c.ended.IsZero() || c.began.Before(since):
		case c.seen.String() == done:
			good++
		default:
			bad++
		}
	}
	return good, bad
}

// stop ends it, when the last call has, and holds what Entra was told against
// what the backend did.
func (l *load) stop() {
	l.Helper()
	close(l.stopped)
	l.running.Wait()
	for _, c := range l.calls {
		arrived, executed := l.backend.counts(c.number)
		if told := c.seen.String(); told == done && executed != 1 || executed > 1 || arrived > 1 {
			l.Errorf("a POST of which Entra is told %q arrived %d times and was executed %d times", told, arrived, executed)
		}
	}
}

// A backend that was away is used again within a second of its return, however
// it was away, and whatever connections were left behind.
func TestRecoveryAfterAnOutage(t *testing.T) {
	t.Parallel()
	// A dead HTTP/2 connection is found within 15 s, so that a shorter outage
	// would not be over for the proxy when it is for the backend.
	refused, silent := 5*time.Second, 20*time.Second
	if os.Getenv("RELIABILITY_FULL") == "1" {
		refused, silent = time.Minute, time.Minute
	}
	for _, outage := range []struct {
		name   string
		lasts  time.Duration
		http1  bool
		begin  func(*world)
		finish func(*world)
	}{
		{"refused, HTTP/2", refused, false, func(w *world) { w.toBackend.away() }, func(w *world) { w.toBackend.back() }},
		{"refused, HTTP/1.1", refused, true, func(w *world) { w.toBackend.away() }, func(w *world) { w.toBackend.back() }},
		{"black hole, HTTP/2", silent, false, func(w *world) { w.backend.vanish(true) }, func(w *world) { w.backend.vanish(false) }},
		{"black hole, HTTP/1.1", silent, true, func(w *world) { w.backend.vanish(true) }, func(w *world) { w.backend.vanish(false) }},
	} {
		t.Run(outage.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, &row{http1: outage.http1})
			w.up()
			w.warm()
			entra := newLoad(w)
			until(t, "calls succeed", func() bool { good, _ := entra.count(time.Time{}); return good > rate })
			away := time.Now()
			outage.begin(w)
			time.Sleep(outage.lasts) // the outage itself
			back := time.Now()
			outage.finish(w)
			until(t, "calls succeed again", func() bool { good, _ := entra.count(back); return good > 3*rate })
			entra.stop()
			entra.report(away, back)
		})
	}
}

// report judges by the calls' own beginnings, not by the clock of a machine that
// may stall: less than a second's worth of calls may fail.
func (l *load) report(away, back time.Time) {
	l.Helper()
	var first time.Time // the end of the first success
	last := back        // the beginning of the last call that failed
	failed, meanwhile := 0, 0
	for _, c := range l.calls {
		switch good := c.seen.String() == done; {
		case c.began.Before(away):
		case c.began.Before(back) && !good:
			meanwhile++
		case c.began.Before(back):
		case good && (first.IsZero() || c.ended.Before(first)):
			first = c.ended
		case !good:
			failed++
			last = c.began
		}
	}
	l.Logf("%v away, %d calls failed meanwhile; the first success came %v after the return, the first second without a failure began %v after it; %d calls that began after it failed",
		back.Sub(away).Round(time.Second), meanwhile, first.Sub(back).Round(time.Millisecond), last.Sub(back).Round(time.Millisecond), failed)
	if meanwhile == 0 {
		l.Error("no call failed: there was no outage")
	}
	if failed >= rate {
		l.Errorf("%d calls failed that began when the backend was back, at %d a second", failed, rate)
	}
}
