package token

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// ErrUnavailable is the category of every failure to get a value out of a
// [Cache]: the source could not be read, or not in time.
var ErrUnavailable = errors.New("secret unavailable")

// Categories of what a [Source] fails with. Any other failure is for somebody to
// mend, while the last good value serves.
var (
	// ErrWithdrawn means that the source was read, and has no value that counts
	// any more: the last good one does not either.
	ErrWithdrawn = errors.New("no value counts")
	// ErrAway means that the source did not answer, or not for now.
	ErrAway = errors.New("the source is away")
	// ErrUnusable means that the source was read, and that its value is not what
	// it should be. Somebody has to mend it, too.
	ErrUnusable = errors.New("unusable value")
)

// Windows are how long a [Cache] uses what it read.
type Windows struct {
	// Refresh is how long a value is used without asking the source again;
	// zero means 5 minutes. The next value is read when a fifth of it is left.
	Refresh time.Duration
	// Stale is how long the last good value is used while the source fails,
	// counted from when it was read; zero means 12 hours.
	Stale time.Duration
}

// The windows that an operator does not set.
const (
	defaultRefresh = 5 * time.Minute
	defaultStale   = 12 * time.Hour
	// backOff is the pause after a failed read, and the shortest Retry-After
	// that makes sense to a caller.
	backOff = 10 * time.Second
	// loadLimit bounds one read of the source.
	loadLimit = 10 * time.Second
	// waitLimit bounds how long one caller waits for a read.
	waitLimit = 10 * time.Second
	// lateLimit bounds how long a caller waits for a read that there is a
	// stale value to fall back on for.
	lateLimit = 2 * time.Second
	// lately is how long a failed read tells something of the source.
	lately = time.Minute
	// renewEvery is the least time between two reads that refused values cause.
	renewEvery = 30 * time.Second
)

// Cache keeps the last good value of something that a source yields. One read
// is under way at a time; it outlives the caller that caused it, and nobody
// holds a lock during it. Use [NewCache].
type Cache[T fmt.Stringer] struct {
	load    func(context.Context) (T, error)
	windows Windows
	log     *zap.Logger
	state   atomic.Pointer[state[T]]

	mu     sync.Mutex
	flight *flight // the read under way; nil: none is
}

// state is immutable once stored.
type state[T fmt.Stringer] struct {
	value    T
	read     time.Time     // when value was read; zero: there is none
	tried    time.Time     // when the last read ended, well or not
	renewed  time.Time     // when the last read for Renew ended
	err      error         // how the last read ended
	replaced chan struct{} // closed when the next state is there
}

// flight is one read of the source.
type flight struct {
	begun time.Time
	done  chan struct{} // closed when its result is in the state
}

// NewCache makes an empty cache in front of load. It reads nothing yet. The
// log gets an Error line for each failed read, or a Warn line if that was
// [ErrAway] and there is a value to use, and an Info line, with the value's
// String, for each value that differs from the one before. [ErrWithdrawn] drops
// the value.
func NewCache[T fmt.Stringer](load func(context.Context) (T, error), windows Windows, log *zap.Logger) *Cache[T] {
	if windows.Refresh == 0 {
		windows.Refresh = defaultRefresh
	}
	if windows.Stale == 0 {
		windows.Stale = defaultStale
	}
	c := &Cache[T]{load: load, windows: windows, log: log}
	c.state.Store(&state[T]{replaced: make(chan struct{})})
	return c
}

// Get returns the value. Within Refresh of its read that is at once, and in the
// last fifth of that time the next value is read in the background. After it
// the caller waits for a read, for its first 2 s at most, and gets the old value
// if that fails; until Stale others then get the old value at once, while the
// source is tried again in the background, every 10 s at most. Without a value,
// or after Stale, the caller waits for 10 s at most. The error is
// [ErrUnavailable].
func (c *Cache[T]) Get(ctx context.Context) (T, error) {
	s := c.state.Load()
	if c.usable(s) {
		switch age := time.Since(s.read); {
		case s.backingOff():
		case s.err != nil && time.Since(s.tried) < lately:
			c.read(false)
		case age < c.ahead():
		case age < c.windows.Refresh:
			c.read(false)
		default:
			// Nobody has called for a while, and what was valid then may have
			// been withdrawn. A wait in vain ends in a line of the read's own.
			f := c.read(false)
			_ = wait(ctx, f, lateLimit-time.Since(f.begun))
			s = c.state.Load()
		}
		if c.usable(s) {
			return s.value, nil
		}
	}
	var none T
	if !s.backingOff() {
		if err := wait(ctx, c.read(false), waitLimit); err != nil {
			return none, unavailable(err)
		}
		if s = c.state.Load(); c.usable(s) {
			return s.value, nil
		}
	}
	return none, unavailable(s.err)
}

// Renew is for a caller whom the present value does not serve. Unless it fits
// by now, which needs no read, the source is read again: at most once in 30 s
// however many callers ask, and whatever became of the last read. It returns
// what is then at hand, fit or not, and whenever ctx ends.
func (c *Cache[T]) Renew(ctx context.Context, fits func(T) bool) T {
	for {
		s := c.state.Load()
		if fits(s.value) || time.Since(s.renewed) < renewEvery {
			return s.value
		}
		// Perhaps a read that began before the caller came: then once more.
		if wait(ctx, c.read(true), waitLimit) != nil {
			return c.state.Load().value
		}
	}
}

// Await is Renew for a caller who can wait: it returns when the value fits,
// however it came about, when enough is closed, when ctx ends, or at once if
// that is before the next read could be.
func (c *Cache[T]) Await(ctx context.Context, enough <-chan struct{}, fits func(T) bool) T {
	for {
		s := c.state.Load()
		next := s.renewed.Add(renewEvery)
		if fits(s.value) || c.comesLate(ctx, next) {
			return s.value
		}
		timer := time.NewTimer(time.Until(next))
		select {
		case <-s.replaced:
		case <-timer.C:
			_ = wait(ctx, c.read(true), waitLimit) // judged by what is then at hand
		case <-enough:
			return s.value
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return c.state.Load().value
		}
	}
}

// comesLate reports whether no read is going to be before ctx ends.
func (c *Cache[T]) comesLate(ctx context.Context, next time.Time) bool {
	deadline, ok := ctx.Deadline()
	return ok && next.After(deadline) && c.windows.Refresh > renewEvery
}

// wait returns nil when the read is over, well or not.
func wait(ctx context.Context, f *flight, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	select {
	case <-f.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// landed is a flight that is over.
func landed() *flight {
	f := &flight{done: make(chan struct{})}
	close(f.done)
	return f
}

// read returns the read under way, or starts one. Its goroutine ends with the
// read, loadLimit at the latest if the source heeds its context.
func (c *Cache[T]) read(renewal bool) *flight {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.flight != nil {
		return c.flight
	}
	// One may have ended between the caller's look at the state and now.
	s := c.state.Load()
	if renewal && time.Since(s.renewed) < renewEvery ||
		!renewal && (s.backingOff() || s.err == nil && c.usable(s) && time.Since(s.read) < c.ahead()) {
		return landed()
	}
	f := &flight{begun: time.Now(), done: make(chan struct{})}
	c.flight = f
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), loadLimit)
		defer cancel()
		value, err := c.attempt(ctx)
		c.store(value, err, renewal)
		c.mu.Lock()
		c.flight = nil
		c.mu.Unlock()
		close(f.done)
	}()
	return f
}

// attempt calls load. A panic there is a failed read: in the flight's goroutine it
// would end the process.
func (c *Cache[T]) attempt(ctx context.Context) (value T, err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("a panic with a value of type %T, at %s", panicked, debug.Stack())
		}
	}()
	return c.load(ctx)
}

// store runs in the flight, so it never races with itself.
func (c *Cache[T]) store(value T, err error, renewal bool) {
	before, after := c.state.Load(), *c.state.Load()
	after.tried, after.err, after.replaced = time.Now(), err, make(chan struct{})
	if renewal {
		after.renewed = after.tried
	}
	switch {
	case err == nil:
		after.value, after.read = value, after.tried
		if before.read.IsZero() || before.value.String() != value.String() {
			c.log.Info("secret read", zap.Stringer("value", value))
		}
	case errors.Is(err, ErrWithdrawn):
		var none T
		after.value, after.read = none, time.Time{}
	}
	if err != nil {
		serves, level := c.usable(&after), zap.ErrorLevel
		if serves && errors.Is(err, ErrAway) {
			level = zap.WarnLevel
		}
		c.log.Log(level, "secret could not be read", zap.Bool("last_good_value_in_use", serves), zap.NamedError("cause", err))
	}
	c.state.Store(&after)
	close(before.replaced)
}

// ahead is the age from which on the next value is read.
func (c *Cache[T]) ahead() time.Duration { return c.windows.Refresh / 5 * 4 }

func (c *Cache[T]) usable(s *state[T]) bool {
	return !s.read.IsZero() && time.Since(s.read) < c.windows.Stale
}

func (s *state[T]) backingOff() bool {
	return s.err != nil && time.Since(s.tried) < backOff
}

func unavailable(cause error) error {
	return fmt.Errorf("%w: %w", ErrUnavailable, cause)
}
