package proxy

import (
	"context"
	"fmt"
	"math"
	"sync/atomic"

	"golang.org/x/sync/semaphore"
)

// load bounds what all exchanges together take of the process. What is over a
// bound is refused at once: a queue would only make each call late, and Entra
// gives up after 60 s.
type load struct {
	most     int64        // exchanges at a time
	underway atomic.Int64 // exchanges
	renewing atomic.Int64 // of them, those whose token nobody knows yet

	held, parsed       *semaphore.Weighted // bytes
	mostHeld, mostRead int64
}

const (
	// heldShare and parsedShare are the parts of [Options].Memory for bodies, and
	// for what is made of them while the rules are applied. The rest is for
	// connections and buffers.
	heldShare, parsedShare = 4, 2
	// parsedFactor is how many times its length a body may take while it is
	// parsed, up to parsedMost: what [scim.Normalizer] was seen to take at most,
	// for an array of one-digit numbers, and for a removal of 65,000 members
	// (TestMemoryOfTheWorstBodies).
	parsedFactor = 220
	parsedMost   = 160 << 20
)

func newLoad(most int, memory int64) *load {
	if memory == 0 {
		memory = math.MaxInt64
	}
	l := &load{most: int64(most), mostHeld: memory / heldShare, mostRead: memory / parsedShare}
	l.held, l.parsed = semaphore.NewWeighted(l.mostHeld), semaphore.NewWeighted(l.mostRead)
	return l
}

// enter counts an exchange, unless there are too many. Who may enter has to
// leave.
func (l *load) enter() error {
	if l.underway.Add(1) <= l.most {
		return nil
	}
	l.leave()
	return fmt.Errorf("%w: %d calls are under way", errOverloaded, l.most)
}

func (l *load) leave() { l.underway.Add(-1) }

// renew calls a function for an exchange whose token nobody knows, unless half
// of all that there may be wait for such a read: whoever guesses tokens must not
// take the place of those who have one.
func (l *load) renew(read func()) error {
	defer l.renewing.Add(-1)
	if l.renewing.Add(1) > max(1, l.most/2) {
		return fmt.Errorf("%w: %d of them with a token that is not known", errOverloaded, max(1, l.most/2))
	}
	read()
	return nil
}

// hold reserves memory for a body that is held until the exchange ends, and for
// what rules make of it. A body that is larger than all there is passes alone.
func (l *load) hold(x *exchange, length int64) error {
	bytes := min(2*length, l.mostHeld)
	if !l.held.TryAcquire(bytes) {
		return fmt.Errorf("%w: the bodies of calls under way take all the memory that there is for them", errOverloaded)
	}
	x.heldBytes += bytes
	return nil
}

// release gives back what the exchange holds.
func (l *load) release(x *exchange) { l.held.Release(x.heldBytes) }

// parse calls a function that parses so many bytes, when there is memory for it.
// Unlike held bodies, which wait for their backends, those are done within
// a second.
func (l *load) parse(ctx context.Context, length int, run func()) error {
	bytes := min(int64(length)*parsedFactor, parsedMost, l.mostRead)
	if err := l.parsed.Acquire(ctx, bytes); err != nil {
		return fmt.Errorf("%w: bodies of others were being parsed until its time was over", errOverloaded)
	}
	defer l.parsed.Release(bytes)
	run()
	return nil
}
