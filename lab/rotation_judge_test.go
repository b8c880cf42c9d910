package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
)

// judge ends the calls and counts.
func (r *rotation) judge() {
	r.Helper()
	memory := r.peakMemory()
	r.entra.halt()
	if err := r.proxy.death(); err != nil {
		r.Error(err)
	}
	r.judgeCalls(memory)
	r.judgeLog()
}

// judgeCalls counts, after the last call.
func (r *rotation) judgeCalls(memory string) {
	r.Helper()
	calls, failed := r.entra.total()
	seconds := time.Since(r.began).Seconds()
	r.Logf("%d calls in %.0f s, %d failed; %d pending at most; the proxy's memory at its peak: %s\n%s",
		calls, seconds, failed, r.entra.most, memory, r.entra.summary())
	if failed > 0 {
		r.Errorf("%d of %d calls failed\n%s", failed, calls, r.entra.failures())
	}
	if enough := int(seconds * float64(r.rate) * 3 / 4); calls < enough {
		r.Errorf("%d calls; want %d at least", calls, enough)
	}
	if strays := r.vault.Strays(); len(strays) > 0 {
		r.Errorf("the environment's proxy was asked for %q", strays)
	}
	var repeated, missing []string
	effects := r.backend.counts().effects
	for name, times := range effects {
		if times > 1 {
			repeated = append(repeated, name)
		}
	}
	for name := range r.entra.acknowledged {
		if effects[name] == 0 {
			missing = append(missing, name)
		}
	}
	r.expectNone("calls executed more than once", repeated)
	r.expectNone("calls answered with success but not executed", missing)
	if len(r.entra.acknowledged) < calls/3 {
		r.Errorf("%d POSTs and PATCHes of %d calls", len(r.entra.acknowledged), calls)
	}
}

// expectNone fails with how many there are, and some of them.
func (r *rotation) expectNone(what string, found []string) {
	r.Helper()
	if len(found) > 0 {
		r.Errorf("%d %s, such as\n%s", len(found), what, strings.Join(found[:min(len(found), 5)], "\n"))
	}
}

// peakMemory is what was resident of the proxy at most.
func (r *rotation) peakMemory() string {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.proxy.pid))
	if err != nil {
		return err.Error()
	}
	peak := regexp.MustCompile(`VmHWM:\s+(.*)`).FindSubmatch(status)
	if peak == nil {
		return "unknown"
	}
	return string(peak[1])
}

// judgeLog looks for errors and secrets in what the proxy wrote.
func (r *rotation) judgeLog() {
	r.Helper()
	r.proxy.stop()
	r.secrets = append(r.secrets, "canary", "BEGIN CERTIFICATE")
	stderr, err := os.ReadFile(r.stderr)
	if err != nil || len(stderr) > 0 {
		r.Errorf("standard error: %v\n%s", err, stderr)
	}
	log, err := os.Open(r.log)
	if err != nil {
		r.Fatal(err)
	}
	defer log.Close()
	unread, classes := 0, map[string]int{} // of the calls that did not simply pass
	var errorLines, leaks []string
	for lines := bufio.NewScanner(log); lines.Scan(); {
		text := lines.Text()
		if slices.ContainsFunc(r.secrets, func(secret string) bool { return strings.Contains(text, secret) }) {
			leaks = append(leaks, text)
		}
		var line struct {
			Time                     time.Time
			Level, Msg, Class, Cause string
			Status                   int
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			r.Errorf("no line of a log: %v: %s", err, text)
		}
		if line.Class != "" {
			classes[fmt.Sprintf("%d %s %s", line.Status, line.Class, line.Cause)]++
		}
		isOutage := line.Time.After(r.outage[0]) && line.Time.Before(r.outage[1])
		switch {
		case isOutage && line.Msg == "secret could not be read":
			unread++
		case line.Level == "error":
			errorLines = append(errorLines, text)
		}
	}
	r.expectNone("lines of the log with a secret", leaks)
	r.expectNone("lines of level error", errorLines)
	for class, times := range classes {
		r.Logf("the proxy's word on %d calls: %s", times, class)
	}
	if r.away > 0 && unread == 0 {
		r.Error("no read of a secret failed, so that the vault was not away")
	}
}
