package monitor_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"
)

// trial is a run of an alert's query over what an hour or a day left.
type trial struct {
	name, alert string
	traces      [][]any
	requests    [][]any
	want        []map[string]any // some columns of each row
}

// began is the first minute of a trial.
var began = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

// row is a line of the log as the workspace has it.
func row(minute int, l line) []any {
	text, err := json.Marshal(l)
	if err != nil {
		panic(err) // it was JSON before
	}
	return trace(minute, string(text), category)
}

func trace(minute int, message, category string) []any {
	return []any{began.Add(time.Duration(minute) * time.Minute).Format("2006-01-02 15:04:05"), message, map[string]string{"Category": category, "LogLevel": "Information"}}
}

// every is one line at each of the minutes.
func every(l line, minutes ...int) [][]any {
	var rows [][]any
	for _, minute := range minutes {
		rows = append(rows, row(minute, l))
	}
	return rows
}

// requests are as many calls as said, by result code.
func requests(counts map[string]int) [][]any {
	var rows [][]any
	for _, code := range slices.Sorted(maps.Keys(counts)) {
		for range counts[code] {
			rows = append(rows, []any{began.Format("2006-01-02 15:04:05"), code})
		}
	}
	return rows
}

// one is a single row with the columns given.
func one(pairs ...any) []map[string]any {
	columns := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		columns[pairs[i].(string)] = pairs[i+1]
	}
	return []map[string]any{columns}
}

func failing() []trial {
	var trials []trial
	for name, test := range map[string]struct {
		counts map[string]int
		want   []map[string]any
	}{
		"a single failed call":      {map[string]int{"500": 1}, nil},
		"one of two":                {map[string]int{"200": 1, "502": 1}, nil},
		"both of two":               {map[string]int{"502": 2}, one("failed", 2, "calls", 2, "failed_percent", 100)},
		"four of twenty":            {map[string]int{"200": 16, "503": 4}, nil},
		"five of twenty":            {map[string]int{"200": 15, "503": 2, "500": 3}, one("failed", 5, "calls", 20, "failed_percent", 25)},
		"5 %":                       {map[string]int{"200": 95, "502": 5}, nil},
		"6 %":                       {map[string]int{"201": 94, "502": 6}, one("failed", 6, "failed_percent", 6)},
		"refusals that are Entra's": {map[string]int{"404": 20, "401": 20, "400": 5, "409": 5}, nil},
		"a code that is no number":  {map[string]int{"": 5, "Canceled": 5}, nil},
	} {
		trials = append(trials, trial{name: name, alert: "calls-failing", requests: requests(test.counts), want: test.want})
	}
	return trials
}

func refusedByUs(t *testing.T, lines []line) []trial {
	served, refused := with(t, lines, "status", 200.0), with(t, lines, "class", "unauthorized")
	return []trial{
		{name: "one stray among Entra's", traces: append(every(refused, 5), every(served, 1, 9)...)},
		{name: "four among Entra's", traces: append(every(refused, 5, 6, 7, 8), row(1, served))},
		{name: "five among Entra's", traces: append(every(refused, 5, 6, 7, 8, 9), row(1, served)), want: one("refused", 5, "accepted", 1)},
		{name: "one, and none accepted", traces: every(refused, 5), want: one("refused", 1, "accepted", 0)},
		{name: "none could be compared", traces: every(with(t, lines, "class", "secret_unavailable"), 1, 2, 3, 4, 5, 6)},
		{name: "another category", traces: [][]any{trace(1, `{"msg":"exchange","class":"unauthorized","caller":"none"}`, "Host.Results")}},
		{name: "none accepted but by the stub", traces: append(every(refused, 5), row(2, with(t, lines, "answer", "group_stub")))},
	}
}

func refusedByBackend(t *testing.T, lines []line) []trial {
	served, stub := with(t, lines, "status", 200.0), with(t, lines, "answer", "group_stub")
	refused, forbidden := with(t, lines, "class", "credential_refused"), with(t, lines, "class", "forbidden")
	return []trial{
		{name: "two in a rotation", traces: append(every(refused, 1, 2), row(9, served))},
		{name: "three", traces: append(every(refused, 1, 2, 3), row(9, served)), want: one("failed", 3, "served", 1, "class", "credential_refused", "remedy", refused["remedy"])},
		{name: "one, and none served", traces: append(every(refused, 1), row(2, stub)), want: one("failed", 1, "served", 0, "TimeGenerated", "2026-11-23 08:01:00")},
		{name: "a gateway's", traces: append(every(refused, 1, 2), row(3, forbidden)), want: one("failed", 3, "class", "forbidden", "cause", forbidden["cause"])},
		{name: "other failures only", traces: append(every(with(t, lines, "class", "tls_unknown_authority"), 1, 2, 3), every(with(t, lines, "class", "unauthorized"), 4)...)},
		{name: "the backend's own refusal", traces: append(every(refused, 1), row(2, with(t, lines, "status", 200.0, "status", 404.0)))},
	}
}

func tlsFailing(t *testing.T, lines []line) []trial {
	served, failed := with(t, lines, "status", 200.0), with(t, lines, "class", "tls_unknown_authority")
	cut := with(t, lines, "class", "tls_unknown_authority", "class", "tls_closed", "cause", "EOF")
	return []trial{
		{name: "one cut handshake", traces: append(every(cut, 1), row(9, served))},
		{name: "two and one", traces: append(every(failed, 1, 2), row(3, cut), row(9, served)), want: one("failed", 3, "served", 1, "class", "tls_closed", "cause", "EOF")},
		{name: "one, and none served", traces: every(failed, 1), want: one("failed", 1, "cause", failed["cause"], "remedy", failed["remedy"])},
		{name: "other failures only", traces: every(with(t, lines, "class", "credential_refused"), 1, 2, 3)},
	}
}

func expiring(t *testing.T, lines []line) []trial {
	soon, expired := with(t, lines, "msg", "expires soon"), with(t, lines, "msg", "expired")
	later := with(t, lines, "msg", "expires soon", "msg", "expires", "level", "info", "days_left", 400.0, "expires", "2027-12-28T00:00:00Z")
	return []trial{
		{name: "far off", traces: every(with(t, lines, "msg", "expires"), 1, 2, 3)},
		{name: "by two instances, and the day after", traces: append(every(soon, 1, 30), row(1400, with(t, lines, "msg", "expires soon", "days_left", 8.0))), want: one("what", "BACKEND_CA", "id", soon["id"], "days_left", 8, "msg", "expires soon")},
		{name: "two things", traces: append(every(soon, 1), row(2, expired)), want: []map[string]any{{"id": expired["id"], "days_left": -1}, {"id": soon["id"], "days_left": 9}}},
		{name: "put off", traces: append(every(soon, 1), row(2, later))},
	}
}

func slow(t *testing.T, lines []line) []trial {
	call := func(total, backend, secret float64) line {
		return with(t, lines, "status", 200.0, "total_ms", total, "backend_ms", backend, "secret_ms", secret)
	}
	return []trial{
		{name: "just under", traces: every(call(30000, 30000, 0), 1, 2, 3, 4)},
		{name: "two", traces: every(call(30000.001, 30000, 0), 1, 2)},
		{name: "three", traces: append(every(call(30000.001, 30000, 0), 1, 2), row(3, call(45000, 100, 44000))), want: one("slow", 3, "slowest_ms", 45000, "backend_slow", 2, "secret_slow", 1)},
		{name: "quick ones", traces: every(with(t, lines, "status", 200.0), 1, 2, 3)},
	}
}

func vaultAway(t *testing.T, lines []line) []trial {
	away := with(t, lines, "last_good_value_in_use", false)
	held := with(t, lines, "last_good_value_in_use", false, "last_good_value_in_use", true, "level", "warn")
	other := with(t, lines, "last_good_value_in_use", false, "last_good_value_in_use", true, "setting", "BACKEND_TOKEN")
	return []trial{
		{name: "no value", traces: every(away, 1), want: one("setting", "ENTRA_TOKEN", "without_value", 1, "reads_failed", 1, "cause", away["cause"])},
		{name: "a blip", traces: every(held, 1, 1, 2, 3, 9)},
		{name: "two spans", traces: append(every(held, 1, 12), every(other, 22, 33)...)},
		{name: "half an hour", traces: every(held, 1, 12, 23), want: one("setting", "ENTRA_TOKEN", "reads_failed", 3)},
		{name: "three cycles", traces: every(held, 1, 41, 81), want: one("setting", "ENTRA_TOKEN", "without_value", 0, "reads_failed", 3)},
		{name: "one of two", traces: append(every(held, 1, 41, 81), row(2, other)), want: one("setting", "ENTRA_TOKEN")},
	}
}

// Alerts fire on what they are about, and on nothing else.
func TestAlertsFire(t *testing.T) {
	lines := capture(t)
	trials := failing()
	for name, group := range map[string][]trial{
		"entra-token-refused": refusedByUs(t, lines), "backend-credential-refused": refusedByBackend(t, lines), "backend-tls": tlsFailing(t, lines),
		"expiring": expiring(t, lines), "slow-calls": slow(t, lines), "vault-unavailable": vaultAway(t, lines),
	} {
		for _, one := range group {
			one.alert = name
			trials = append(trials, one)
		}
	}
	for _, a := range list[alert](t, "alerts.json") {
		if !slices.ContainsFunc(trials, func(one trial) bool { return one.alert == a.Name && len(one.want) > 0 }) {
			t.Errorf("no trial makes %s fire", a.Name)
		}
		trials = append(trials, trial{name: "silence", alert: a.Name})
	}
	// What else a process writes, and what is no JSON object.
	noise := [][]any{trace(0, "Now listening on port 7071", category), trace(0, `"exchange"`, category), trace(0, "7", category), trace(0, "", category), row(0, with(t, lines, "msg", "listening"))}
	var cases []tables
	for _, one := range trials {
		cases = append(cases, tables{Query: read(t, "alerts/"+one.alert+".kql"), Traces: append(one.traces, noise...), Requests: one.requests})
	}
	for i, rows := range execute(t, cases) {
		if !match(rows, trials[i].want) {
			t.Errorf("%s, %s: %v, want %v", trials[i].alert, trials[i].name, rows, trials[i].want)
		}
	}
}

// match reports whether rows are as many as wanted, and each wanted one is among
// them.
func match(rows, want []map[string]any) bool {
	return len(rows) == len(want) && !slices.ContainsFunc(want, func(columns map[string]any) bool { return !hasRow(rows, columns) })
}

// hasRow reports whether a row has the columns given.
func hasRow(rows []map[string]any, columns map[string]any) bool {
	return slices.ContainsFunc(rows, func(row map[string]any) bool {
		for name, value := range columns {
			if fmt.Sprint(row[name]) != fmt.Sprint(value) {
				return false
			}
		}
		return true
	})
}
