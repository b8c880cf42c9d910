package token

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/singleflight"
)

// ErrUnavailable is the category of every failure to get a value out of a
// [Cache]: the source could not be read, or not in time.
var ErrUnavailable = errors.New("secret unavailable")

// The windows of a Cache.
const (
	// freshFor is how long a value is used without asking the source.
	freshFor = 5 * time.Minute
	// staleFor is how long the last good value is used while the source fails.
	staleFor = 12 * time.Hour
	// backOff is the pause after a failed read, and the shortest Retry-After
	// that makes sense to a caller.
	backOff = 10 * time.Second
	// loadLimit bounds one read of the source.
	loadLimit = 10 * time.Second
	// waitLimit bounds how long one caller waits for a read.
	waitLimit = 10 * time.Second
	// renewEvery is the least time between two reads that refused credentials cause.
	renewEvery = 30 * time.Second
)

// Cache keeps the last good value of something that a source yields. Reads are
// single-flight and outlive the caller that caused them; nobody holds a lock
// during one. Use [NewCache].
type Cache[T fmt.Stringer] struct {
	load     func(context.Context) (T, error)
	log      *zap.Logger
	flight   singleflight.Group
	renewing atomic.Bool // the read in flight, or the next, is for Renew
	state    atomic.Pointer[state[T]]
}

// state is immutable once stored.
type state[T fmt.Stringer] struct {
	value   T
	read    time.Time // when value was read; zero: there is none
	tried   time.Time // when the last read ended, well or not
	renewed time.Time // when the last read for Renew ended
	err     error     // how the last read ended
}

// NewCache makes an empty cache in front of load. It reads nothing yet. The
// log gets an Error line for each failed read and an Info line, with the
// value's String, for each value that differs from the one before.
func NewCache[T fmt.Stringer](load func(context.Context) (T, error), log *zap.Logger) *Cache[T] {
	c := &Cache[T]{load: load, log: log}
	c.state.Store(&state[T]{})
	return c
}

// Get returns the value. A value younger than 5 minutes is returned at once;
// an older one too, while the source is read in the background; without one,
// or with one older than 12 hours, the caller waits, 10 s at most. Its error
// is [ErrUnavailable].
func (c *Cache[T]) Get(ctx context.Context) (T, error) {
	s := c.state.Load()
	usable := s.usable()
	switch {
	case usable && time.Since(s.read) < freshFor:
		return s.value, nil
	case usable && s.backingOff():
		return s.value, nil
	case usable:
		c.read()
		return s.value, nil
	case s.backingOff():
		var none T
		return none, unavailable(s.err)
	}
	return c.wait(ctx)
}

// Renew is for a caller whose value was refused. If stale reports false for
// the value at hand, which then has changed since the caller took it, that
// value is returned without a read. Otherwise the source is read again, at
// most once in 30 s however many callers ask; callers in between get the value
// at hand. Its error is [ErrUnavailable].
func (c *Cache[T]) Renew(ctx context.Context, stale func(T) bool) (T, error) {
	s := c.state.Load()
	if s.usable() && (!stale(s.value) || time.Since(s.renewed) < renewEvery) {
		return s.value, nil
	}
	c.renewing.Store(true)
	return c.wait(ctx)
}

// wait joins the read in flight, or starts one.
func (c *Cache[T]) wait(ctx context.Context) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, waitLimit)
	defer cancel()
	var none T
	select {
	case result := <-c.read():
		if result.Err != nil {
			return none, unavailable(result.Err)
		}
		return result.Val.(T), nil
	case <-ctx.Done():
		return none, unavailable(context.Cause(ctx))
	}
}

// read starts a read of the source unless one is in flight. Its goroutine ends
// with the read, loadLimit at the latest.
func (c *Cache[T]) read() <-chan singleflight.Result {
	return c.flight.DoChan("", func() (any, error) {
		// Another read may have ended between the caller's look at the state
		// and now.
		if s := c.state.Load(); s.usable() && time.Since(s.read) < freshFor && !c.renewing.Load() {
			return s.value, nil
		}
		ctx, cancel := context.WithTimeout(context.Background(), loadLimit)
		defer cancel()
		value, err := c.load(ctx)
		c.store(value, err)
		return value, err
	})
}

// store runs in the single flight, so it never races with itself.
func (c *Cache[T]) store(value T, err error) {
	before, after := c.state.Load(), *c.state.Load()
	after.tried, after.err = time.Now(), err
	if c.renewing.Swap(false) {
		after.renewed = after.tried
	}
	if err != nil {
		c.log.Error("secret could not be read", zap.Bool("last_good_value_in_use", before.usable()), zap.NamedError("cause", err))
	} else {
		after.value, after.read = value, after.tried
		if before.read.IsZero() || before.value.String() != value.String() {
			c.log.Info("secret read", zap.Stringer("value", value))
		}
	}
	c.state.Store(&after)
}

func (s *state[T]) usable() bool {
	return !s.read.IsZero() && time.Since(s.read) < staleFor
}

func (s *state[T]) backingOff() bool {
	return s.err != nil && time.Since(s.tried) < backOff
}

func unavailable(cause error) error {
	return fmt.Errorf("%w: %w", ErrUnavailable, cause)
}
