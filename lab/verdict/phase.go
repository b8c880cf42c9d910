package verdict

import (
	"slices"
	"sync"
	"time"

	"example.com/entra-scim-proxy/lab/entra"
)

// Phase is one part of the run, with what its calls took.
type Phase struct {
	// Name says what Entra did.
	Name string `json:"name"`
	// Calls are all that were sent; Failed those whose answer was not what Entra
	// needs.
	Calls  int `json:"calls"`
	Failed int `json:"failed"`
	// Seconds is the length of the whole phase.
	Seconds float64 `json:"seconds"`
	// The durations of its calls, in milliseconds; zero without calls.
	Median float64 `json:"medianMilliseconds"`
	P99    float64 `json:"p99Milliseconds"`
	Most   float64 `json:"mostMilliseconds"`
}

// meter counts the calls of one phase. It is safe for concurrent use.
type meter struct {
	began time.Time

	mu     sync.Mutex
	took   []time.Duration
	failed int
}

func newMeter() *meter { return &meter{began: time.Now()} }

// add counts a call; one that was skipped was not sent.
func (m *meter) add(call entra.Call) {
	if call.Skipped {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.took = append(m.took, call.Duration)
	if !call.OK {
		m.failed++
	}
}

// phase ends the count.
func (m *meter) phase(name string) Phase {
	m.mu.Lock()
	defer m.mu.Unlock()
	slices.Sort(m.took)
	return Phase{
		Name: name, Calls: len(m.took), Failed: m.failed, Seconds: time.Since(m.began).Seconds(),
		Median: m.percentile(50), P99: m.percentile(99), Most: m.percentile(100),
	}
}

// percentile is that of the nearest rank, in milliseconds.
func (m *meter) percentile(p int) float64 {
	if len(m.took) == 0 {
		return 0
	}
	rank := max((len(m.took)*p+99)/100, 1)
	return float64(m.took[rank-1].Microseconds()) / 1000
}
