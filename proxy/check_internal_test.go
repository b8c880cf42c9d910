package proxy

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Of those who ask for the check in the same moment, one may.
func TestOneOfManyMayCheck(t *testing.T) {
	for range 500 {
		var p Proxy
		var allowed atomic.Int32
		var ready, done sync.WaitGroup
		ready.Add(1)
		now := time.Now()
		for range 8 {
			done.Go(func() {
				ready.Wait()
				if p.checkWait(now) == 0 {
					allowed.Add(1)
				}
			})
		}
		ready.Done()
		done.Wait()
		if allowed.Load() != 1 {
			t.Fatalf("%d may", allowed.Load())
		}
	}
}
