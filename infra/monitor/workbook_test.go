package monitor_test

import "testing"

// The workbook shows each thing that the proxy logged.
func TestWorkbookShows(t *testing.T) {
	lines := capture(t)
	var log [][]any
	for i, l := range lines {
		log = append(log, row(i%30, l))
	}
	wrong := with(t, lines, "class", "tls_unknown_authority")
	log = append(log, row(31, with(t, lines, "class", "tls_unknown_authority", "cause", "later")), row(32, with(t, lines, "status", 200.0, "route", "", "method", "", "status", 405.0)))
	shown := map[string][]map[string]any{
		"calls": {
			{"operation": "GET /Users", "status": 200, "calls": 1}, {"operation": "GET /Users", "status": 401, "calls": 1},
			{"operation": "GET /Users", "status": 502, "calls": 3}, {"operation": "PATCH /Users/{id}", "status": 204, "calls": 1},
			{"operation": "refused before a route", "status": 405, "calls": 1},
		},
		"rules": {{"rule": "active-boolean", "calls": 1}, {"rule": "op-case", "calls": 1}},
		"error-classes": {
			{"class": "tls_unknown_authority", "level": "error", "calls": 2, "cause": "later", "remedy": wrong["remedy"]},
			{"class": "unauthorized", "level": "warn", "calls": 1}, {"class": "secret_unavailable", "level": "error"},
			{"class": "credential_refused"}, {"class": "forbidden"},
		},
		"expiry": {
			{"what": "BACKEND_CA", "days_left": -1, "id": with(t, lines, "msg", "expired")["id"]}, {"days_left": 9}, {"what": "backend certificate", "days_left": 89},
		},
	}
	// Two calls of one quarter, one of which the backend did not get, and one of the next.
	call := func(total, backend float64) line {
		return with(t, lines, "status", 200.0, "total_ms", total, "backend_ms", backend)
	}
	quarters := [][]any{row(1, call(10, 8)), row(2, call(1, 0)), row(16, call(30, 20))}
	shown["latency"] = []map[string]any{
		{"TimeGenerated": "2026-11-23 08:00:00", "total_p99": 10, "backend_p50": 8, "backend_p99": 8},
		{"TimeGenerated": "2026-11-23 08:15:00", "total_p50": 30, "backend_p95": 20},
	}
	// The order of the rows, by a column of the first.
	first := map[string]map[string]any{
		"calls": {"calls": 3}, "error-classes": {"calls": 2}, "expiry": {"days_left": -1}, "latency": {"TimeGenerated": "2026-11-23 08:00:00"}, "rules": {"rule": "accept-scim"},
	}
	var cases []tables
	charts := list[chart](t, "workbook.json")
	for _, c := range charts {
		one := tables{Query: read(t, "workbook/"+c.Name+".kql"), Traces: log}
		if c.Name == "latency" {
			one.Traces = quarters
		}
		cases = append(cases, one)
	}
	for i, rows := range execute(t, cases) {
		name := charts[i].Name
		if len(shown[name]) == 0 {
			t.Errorf("nothing is known of what %s shows", name)
		}
		if len(rows) < 2 || !hasRow(rows[:1], first[name]) {
			t.Errorf("%s: the first of %v is not one with %v", name, rows, first[name])
		}
		for _, want := range shown[name] {
			if !hasRow(rows, want) {
				t.Errorf("%s: no row %v in %v", name, want, rows)
			}
		}
	}
}
