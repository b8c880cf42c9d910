package bench

import (
	"errors"
	"os"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	const rest = " S 1 42 42 0 -1 4194304 1000 0 3 0 123 45 6 7 20 0 9 0 8000 1000000 3000"
	for _, name := range []string{"(handler)", "(a b)", "(:-) 1 2 3)"} {
		got, err := parseStat([]byte("42 " + name + rest))
		if err != nil || got != 1680*time.Millisecond {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
	for _, bad := range []string{"", "42 (handler", "42 (handler) S 1", "42 (handler) S 1 42 42 0 -1 4194304 1000 0 3 0 x 45 6"} {
		if got, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q: got %v", bad, got)
		}
	}
}

func TestParseStatus(t *testing.T) {
	got, err := parseStatus([]byte("Name:\tVmRSS:\nVmPeak:\t 900 kB\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\nThreads:\t9\n"))
	if err != nil || got != (memory{resident: 1 << 20, peak: 2 << 20}) {
		t.Errorf("got %+v, %v", got, err)
	}
	// What a zombie has.
	for _, bad := range []string{"", "Name:\thandler\nState:\tZ (zombie)\n", "VmHWM:\tx kB\nVmRSS:\t1024 kB\n"} {
		if got, err := parseStatus([]byte(bad)); err == nil {
			t.Errorf("%q: got %+v", bad, got)
		}
	}
}

func TestProcOfThisProcess(t *testing.T) {
	needProc(t)
	m, err := memoryOf(os.Getpid())
	if err != nil || m.peak < m.resident || m.resident < 1<<20 {
		t.Errorf("got %+v, %v", m, err)
	}
	before, err := cpuOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	spent := 0
	for start := time.Now(); time.Since(start) < 100*time.Millisecond; {
		spent++
	}
	after, err := cpuOf(os.Getpid())
	if err != nil || after-before < tick || after-before > 10*time.Second {
		t.Errorf("got %v after %v and %d rounds, %v", after, before, spent, err)
	}
	if _, err := cpuOf(1 << 30); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no such process: got %v", err)
	}
}
