//go:build unix

package failure

import (
	"sync"
	"testing"
)

// Each fault, between each pair: Entra is told the truth, the log says what to
// do, no write is done twice, and nothing is lost once Entra repeats what failed.
func TestFaults(t *testing.T) {
	t.Parallel()
	app(t) // before the rows, which share it
	var mu sync.Mutex
	var sum tally
	ran := 0
	matrix := rows()
	t.Run("rows", func(t *testing.T) {
		for _, r := range matrix {
			t.Run(string(r.pair)+"/"+r.fault, func(t *testing.T) {
				t.Parallel()
				got := r.run(t)
				mu.Lock()
				defer mu.Unlock()
				ran++
				sum.injected, sum.lost, sum.falsely = sum.injected+got.injected, sum.lost+got.lost, sum.falsely+got.falsely
			})
		}
	})
	t.Logf("%d rows, %+v", ran, sum)
	if ran != len(matrix) || t.Failed() {
		return // some were left out, or have failed and said so
	}
	if want := (tally{injected: planned(matrix)}); sum != want {
		t.Errorf("the table says %+v, and the run %+v", want, sum)
	}
}

// planned is how many faults the table injects: one for each operation.
func planned(matrix []row) (n int) {
	for _, r := range matrix {
		for _, e := range r.calls {
			n += len(e.methods)
		}
	}
	return n
}

// run plays a row.
func (r *row) run(t *testing.T) (sum tally) {
	t.Helper()
	w := newWorld(t, r)
	if !r.cold {
		w.up()
	}
	mark := len(w.log.all())
	for _, e := range r.calls {
		for _, method := range e.methods {
			got := w.try(e, method)
			sum.injected, sum.lost, sum.falsely = sum.injected+got.injected, sum.lost+got.lost, sum.falsely+got.falsely
		}
	}
	for _, text := range r.logs {
		w.logged(mark, text)
	}
	return sum
}
