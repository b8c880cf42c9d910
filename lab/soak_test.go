package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestSoak replaces both tokens again and again while Entra calls, and wants
// memory and threads to stay what they are, and files and goroutines to be few in the
// end. SOAK=30m is how long,
// with a rotation every minute; without it, some seconds.
func TestSoak(t *testing.T) {
	s := scale{rate: 50, refresh: time.Second, present: 1500 * time.Millisecond, apart: time.Second, rest: 2 * time.Second}
	length := 12 * time.Second
	if text := os.Getenv("SOAK"); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
		s = scale{rate: 100, present: time.Second, apart: 5 * time.Second, rest: time.Minute - 6*time.Second}
	}
	r := newRotation(t, s)
	use := r.watchUse(length)
	orders := []order{atOnce, vaultFirst, backendFirst}
	for i, end := 0, time.Now().Add(length); time.Now().Before(end); i++ {
		r.rotate(orders[i%len(orders)])
		r.pass(min(s.rest, time.Until(end)))
	}
	samples := <-use
	memory := r.peakMemory()
	r.entra.halt()
	r.judgeUse(samples)
	r.judgeGoroutines()
	r.judgeCalls(memory)
	r.judgeLog()
}

// use is what the proxy has of the machine at a time.
type use struct{ memory, files, threads int }

// watchUse samples it a hundred times within the time given.
func (r *rotation) watchUse(length time.Duration) <-chan []use {
	done := make(chan []use, 1)
	go func() { // ends after the last sample
		var samples []use
		for range 100 {
			time.Sleep(length / 100)
			samples = append(samples, r.use())
		}
		done <- samples
	}()
	return done
}

var (
	residentLine = regexp.MustCompile(`(?m)^VmRSS:\s+(\d+) kB$`)
	threadsLine  = regexp.MustCompile(`(?m)^Threads:\s+(\d+)$`)
)

func (r *rotation) use() use {
	process := fmt.Sprintf("/proc/%d/", r.proxy.pid)
	status, err := os.ReadFile(process + "status")
	if err != nil {
		r.Error(err)
		return use{}
	}
	files, err := os.ReadDir(process + "fd")
	if err != nil {
		r.Error(err)
	}
	number := func(line *regexp.Regexp) int {
		n, err := strconv.Atoi(string(line.FindSubmatch(status)[1]))
		if err != nil {
			r.Error(err)
		}
		return n
	}
	return use{number(residentLine) << 10, len(files), number(threadsLine)}
}

// judgeUse compares the last fifth with the second one: the first is when caches
// fill. Each is judged by its floor: what leaks never comes back to it, and what
// the burst after a rotation takes does. Open files are judged once idle: until
// then they are those of calls that wait.
func (r *rotation) judgeUse(samples []use) {
	r.Helper()
	fifth := len(samples) / 5
	early, late := samples[fifth:2*fifth], samples[len(samples)-fifth:]
	for _, each := range []struct {
		what   string
		of     func(use) int
		slack  int
		factor float64
	}{
		{"resident memory", func(u use) int { return u.memory }, 8 << 20, 1.1},
		{"threads", func(u use) int { return u.threads }, 8, 1},
	} {
		before, after := floor(early, each.of), floor(late, each.of)
		r.Logf("%s: %d, then %d: a drift of %+.1f %%", each.what, before, after, 100*(float64(after)/float64(before)-1))
		if float64(after) > float64(before)*each.factor+float64(each.slack) {
			r.Errorf("%s grew from %d to %d", each.what, before, after)
		}
	}
}

// floor is what a tenth of the samples do not exceed.
func floor(samples []use, of func(use) int) int {
	var values []int
	for _, sample := range samples {
		values = append(values, of(sample))
	}
	slices.Sort(values)
	return values[len(values)/10]
}

// judgeGoroutines has the runtime show all goroutines, once idle connections are
// closed (3 s after the last call), and ends the proxy by that.
func (r *rotation) judgeGoroutines() {
	r.Helper()
	r.pass(4 * time.Second)
	files := r.use().files
	process, err := os.FindProcess(r.proxy.pid)
	if err != nil {
		r.Fatal(err)
	}
	if err := process.Signal(syscall.SIGQUIT); err != nil {
		r.Fatal(err)
	}
	<-r.proxy.ended
	dump, err := os.ReadFile(r.stderr)
	if err != nil {
		r.Fatal(err)
	}
	goroutines := strings.Count("\n"+string(dump), "\ngoroutine ")
	r.Logf("idle: %d open files, %d goroutines", files, goroutines)
	const mostFiles = 30
	if files > mostFiles {
		r.Errorf("%d open files once idle, want %d at most", files, mostFiles)
	}
	// The runtime's own, the server's, and one for each connection that may still
	// be open to a client or to the vault.
	const most = 40
	if goroutines == 0 || goroutines > most {
		r.Errorf("%d goroutines once idle, want %d at most\n%s", goroutines, most, dump)
	}
	if err := os.Truncate(r.stderr, 0); err != nil { // which is to be empty but for that
		r.Fatal(err)
	}
}
