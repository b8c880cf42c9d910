package e2e

import (
	"os"
	"regexp"
	"runtime/debug"
	"strconv"
	"testing"

	"example.com/entra-scim-proxy/lab/directory"
	"example.com/entra-scim-proxy/lab/entra"
)

// A company of 10,000: every call goes through the package, and at the end the
// backend holds what the directory does. With E2E_SCALE=1 only: it takes a
// minute or two. The time is told and not judged; the lab's own memory is.
func TestTenThousandUsers(t *testing.T) {
	if os.Getenv("E2E_SCALE") != "1" {
		t.Skip("with E2E_SCALE=1 only: it takes a minute or two of both processors")
	}
	forgetPeak(t)
	w := newWorld(t, "strict")
	d := w.people(directory.Options{Seed: 1, Users: 10_000, Groups: 500, Memberships: 50_000})
	calls := 0
	job := w.job(w.client(true), d, func(o *entra.JobOptions) {
		o.Parallel = 16
		o.Observe = func(entra.Call) { calls++ }
	})
	report := w.cycle(job)
	t.Logf("an initial cycle of %d calls in %.1f s: %.0f calls/s", calls, report.Duration.Seconds(), float64(calls)/report.Duration.Seconds())
	const most = 500 << 20
	if peak := peakMemory(t); peak > most {
		t.Errorf("the lab took %d MiB, want %d at most", peak>>20, most>>20)
	} else {
		t.Logf("the lab took %d MiB at its peak: directory, job, backend, vault and Functions host", peak>>20)
	}
	w.differences(job, nil)
}

// forgetPeak begins a new peak: what other tests held is none of this one's.
func forgetPeak(t *testing.T) {
	t.Helper()
	debug.FreeOSMemory()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		t.Log(err) // not Linux
	}
}

// peakMemory is the most that this process held since forgetPeak, in bytes; zero
// where the system does not tell.
func peakMemory(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Log(err)
		return 0
	}
	peak := regexp.MustCompile(`(?m)^VmHWM:\s+(\d+) kB$`).FindSubmatch(status)
	if peak == nil {
		t.Fatal("no VmHWM")
	}
	kilobytes, err := strconv.Atoi(string(peak[1]))
	if err != nil {
		t.Fatal(err)
	}
	return kilobytes << 10
}
