package check

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime/debug"
	"time"

	"go.uber.org/zap"
)

// step is one part of a run. Steps run side by side; what one leaves in the check
// for others, only those may touch that need it or come after it.
type step struct {
	name string
	// needs are the steps without which this one makes no sense: it begins when
	// they have ended, and is skipped if one failed or was skipped. Names that no
	// step has do not count.
	needs []string
	// after are steps that only have to have ended, well or not.
	after []string
	// limit is how long it may take; zero means it takes no time.
	limit time.Duration
	// always tells that it has its turn though the time of the run is over: it
	// gets a context that does not end with the run's.
	always bool
	run    func(context.Context) Finding
}

// overrun is how long after its limit a step is left alone that does not heed it.
const overrun = 300 * time.Millisecond

// walking is a step under way.
type walking struct {
	step
	result Result
	done   chan struct{} // closed when result is there
}

// walk runs the steps and yields their results in the order given. Each step
// must come behind those that it waits for.
func (c *check) walk(ctx context.Context, steps []step) iter.Seq[Result] {
	byName := map[string]*walking{}
	all := make([]*walking, len(steps))
	for i, s := range steps {
		w := &walking{step: s, done: make(chan struct{})}
		needs, after := underWay(byName, s.needs), underWay(byName, s.after)
		all[i], byName[s.name] = w, w
		go func() { // ends with its step, soon after the limit of that at the latest
			defer close(w.done)
			w.result = c.turn(ctx, s, needs, after)
		}()
	}
	return func(yield func(Result) bool) {
		for _, w := range all {
			if <-w.done; !yield(w.result) {
				return
			}
		}
	}
}

// underWay returns the steps with the names, as far as there are any.
func underWay(byName map[string]*walking, names []string) (list []*walking) {
	for _, name := range names {
		if w := byName[name]; w != nil {
			list = append(list, w)
		}
	}
	return list
}

// turn waits until it is a step's turn, and runs it.
func (c *check) turn(ctx context.Context, s step, needs, after []*walking) Result {
	result := Result{Step: s.name}
	for _, w := range append(after, needs...) {
		<-w.done
	}
	for _, w := range needs {
		if w.result.Status == Fail || w.result.Status == Skip {
			result.Finding = Finding{Status: Skip, Found: "needs " + w.name}
			return result
		}
	}
	if s.always {
		ctx = context.WithoutCancel(ctx)
	}
	if ctx.Err() != nil {
		result.Finding = Finding{Status: Skip, Found: "the check was over before its turn"}
		return result
	}
	started := time.Now()
	result.Finding = c.bounded(ctx, s)
	result.Took = time.Since(started)
	if result.Status == Fail && cut(ctx, result.Class) {
		result.Finding = Finding{Status: Skip, Found: "the check was over before it had ended"}
	}
	return result
}

// cut reports whether a step failed for the end of the run: somebody ended that, or
// the steps before took the time.
func cut(ctx context.Context, class string) bool {
	return errors.Is(ctx.Err(), context.Canceled) || ctx.Err() != nil && class == classTimeout
}

// classTimeout is the log's class of what does not answer in time.
const classTimeout = "timeout"

// bounded runs a step, and leaves it alone if it does not heed its limit.
func (c *check) bounded(ctx context.Context, s step) Finding {
	if s.limit == 0 {
		return c.guarded(ctx, s)
	}
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	ended := make(chan Finding, 1)
	go func() { ended <- c.guarded(ctx, s) }() // ends with what it waits for
	select {
	case finding := <-ended:
		return finding
	case <-ctx.Done():
	}
	select {
	case finding := <-ended:
		return finding
	case <-time.After(overrun):
		return late(s.limit)
	}
}

// late is the finding for what did not end in time.
func late(limit time.Duration) Finding {
	return Finding{
		Status: Fail, Class: classTimeout, Found: fmt.Sprintf("no answer within %v", limit),
		Remedy: "find out what is slow or silent there",
	}
}

// guarded turns a panic into a finding: it would end the process, which serves
// Entra, too.
func (c *check) guarded(ctx context.Context, s step) (finding Finding) {
	defer func() {
		if panicked := recover(); panicked != nil {
			c.Log.Error("a step of the check panicked", zap.String("step", s.name), zap.ByteString("stack", stackOf(panicked)))
			finding = Finding{Status: Fail, Class: "internal", Found: "a fault of the check itself", Remedy: "report it, with the stack in the log"}
		}
	}()
	return s.run(ctx)
}

// carried is a panic of another goroutine of a step: its stack.
type carried []byte

// stackOf returns the stack of a panic that was recovered just now.
func stackOf(panicked any) []byte {
	if stack, ok := panicked.(carried); ok {
		return stack
	}
	return debug.Stack()
}

// begin runs a part of a step beside the rest of it. The result is waited for. A
// panic comes with it: in a goroutine of its own it would end the process.
func begin[T any](run func() T) (result func() T) {
	var value T
	var panicked any
	done := make(chan struct{})
	go func() { // ends with run
		defer close(done)
		defer func() {
			if panicked = recover(); panicked != nil {
				panicked = carried(stackOf(panicked))
			}
		}()
		value = run()
	}()
	return func() T {
		<-done
		if panicked != nil {
			panic(panicked)
		}
		return value
	}
}

// beside runs parts of a step at the same time, by their number, and returns their
// results in that order.
func beside[T any](parts int, run func(int) T) []T {
	waits, results := make([]func() T, parts), make([]T, parts)
	for i := range waits {
		waits[i] = begin(func() T { return run(i) })
	}
	for i, wait := range waits {
		results[i] = wait()
	}
	return results
}
