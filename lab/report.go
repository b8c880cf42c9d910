package main

import (
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"example.com/entra-scim-proxy/lab/entra"
)

// writeCalls writes one row for each call and a summary.
func writeCalls(w io.Writer, calls []entra.Call) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "#\tstep\tmethod\tpath\tstatus\tms\toutcome")
	var total time.Duration
	for i, call := range calls {
		total += call.Duration
		status, took, outcome := "-", "-", "✓"
		if call.Status != 0 {
			status = strconv.Itoa(call.Status)
		}
		if !call.Skipped {
			took = milliseconds(call.Duration)
		}
		if !call.OK {
			outcome = "✗ " + call.Detail
		}
		fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%s\t%s\n",
			i+1, call.Step, call.Method, shorten(call.Path), status, took, outcome)
	}
	table.Flush()
	fmt.Fprintf(w, "\n%d of %d calls ended as they should, in %s ms.\n",
		len(calls)-countFailed(calls), len(calls), milliseconds(total))
}

func milliseconds(d time.Duration) string {
	return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', 1, 64)
}

func countFailed(calls []entra.Call) int {
	failed := 0
	for _, call := range calls {
		if !call.OK {
			failed++
		}
	}
	return failed
}

// shorten keeps the first eight digits of every UUID.
func shorten(path string) string {
	return regexp.MustCompile(`([0-9a-f]{8})(-[0-9a-f]{4}){3}-[0-9a-f]{12}`).ReplaceAllString(path, "$1…")
}

// writePicture draws who talks to whom.
func writePicture(w io.Writer, s *stand) {
	columns := [][2]string{
		{"Entra simulator", "this process"},
		{" --- http ---> ", " Entra's token "},
		{"proxy", strings.TrimPrefix(s.origin, "http://") + proxyPath},
		{" --- TLS, private CA ---> ", " backend's token "},
		{"SCIM backend", backendName + " (" + s.backendAddress + ")"},
	}
	var rows [2]strings.Builder
	for _, column := range columns {
		width := max(len(column[0]), len(column[1]))
		for i, text := range column {
			fmt.Fprintf(&rows[i], "%-*s  ", width, text)
		}
	}
	fmt.Fprintln(w)
	for i := range rows {
		fmt.Fprintf(w, "  %s\n", strings.TrimRight(rows[i].String(), " "))
	}
}

// writeServing says how to call the proxy by hand.
func writeServing(w io.Writer, s *stand, logFile string) {
	fmt.Fprintf(w, `
Serving until Ctrl-C. For the portal's form, or to try by hand:

  Tenant URL    %s
  Secret Token  %s
  Proxy's log   %s

  curl -sS -H 'Authorization: Bearer %s' '%s/Users'
`, s.tenantURL(), s.entraToken, logFile, s.entraToken, s.origin+proxyPath)
}
