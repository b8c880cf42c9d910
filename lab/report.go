package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"example.com/entra-scim-proxy/lab/entra"
	"example.com/entra-scim-proxy/lab/stand"
)

// life is what came of one lifecycle.
type life struct {
	dialect string
	calls   []entra.Call
}

// writeLives writes one row for each step, with the outcome in every life, and a
// summary. The lives have the same steps. Below a PATCH is what was sent
// in each dialect, below a call that failed the reason.
func writeLives(w io.Writer, lives []life) (failed, total int) {
	var rows bytes.Buffer
	var took time.Duration
	table := tabwriter.NewWriter(&rows, 0, 0, 2, ' ', 0)
	fmt.Fprint(table, "#\tstep\tmethod\tpath")
	for _, c := range lives {
		fmt.Fprintf(table, "\t%s\tms", c.dialect)
	}
	fmt.Fprintln(table)
	for i, call := range lives[0].calls {
		fmt.Fprintf(table, "%d\t%s\t%s\t%s", i+1, call.Step, call.Method, shorten(call.Path))
		for _, c := range lives {
			call := c.calls[i]
			took += call.Duration
			total++
			if !call.OK {
				failed++
			}
			fmt.Fprintf(table, "\t%s", outcome(call))
		}
		fmt.Fprintln(table)
	}
	table.Flush()
	// Notes have no columns, so they join the rows only now.
	for i, row := range strings.Split(strings.TrimSuffix(rows.String(), "\n"), "\n") {
		fmt.Fprintln(w, row)
		if i > 0 {
			writeNotes(w, lives, i-1)
		}
	}
	fmt.Fprintf(w, "\n%d of %d calls ended as they should, in %s ms.\n", total-failed, total, milliseconds(took))
	return failed, total
}

// outcome is the status of a call and what it took, in two columns.
func outcome(call entra.Call) string {
	if call.Skipped {
		return "skipped\t"
	}
	status := "-"
	if call.Status != 0 {
		status = strconv.Itoa(call.Status)
	}
	if !call.OK {
		status += " ✗"
	}
	return status + "\t" + milliseconds(call.Duration)
}

// writeNotes writes what stands below a step.
func writeNotes(w io.Writer, lives []life, step int) {
	for _, c := range lives {
		call := c.calls[step]
		if call.Skipped {
			continue // the call that it depends on has the reason
		}
		label := fmt.Sprintf("      %-9s  ", c.dialect)
		if call.Method == http.MethodPatch {
			fmt.Fprintln(w, label+operations(call.Sent))
		}
		if !call.OK {
			fmt.Fprintln(w, label+"✗ "+call.Detail)
		}
	}
}

// operations is a PATCH body in short.
func operations(body []byte) string {
	var patch struct {
		Operations []struct {
			Op, Path string
			Value    json.RawMessage
		}
	}
	if err := json.Unmarshal(body, &patch); err != nil {
		return err.Error()
	}
	var texts []string
	for _, o := range patch.Operations {
		texts = append(texts, strings.Join(strings.Fields(o.Op+" "+o.Path+" "+string(o.Value)), " "))
	}
	const most = 160
	text := []rune(shorten(strings.ReplaceAll(strings.Join(texts, "; "), enterpriseSchema, "urn:…:User")))
	if len(text) > most {
		text = append(text[:most], '…')
	}
	return string(text)
}

const enterpriseSchema = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

func milliseconds(d time.Duration) string {
	return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', 1, 64)
}

// shorten keeps the first eight characters of every UUID, and of every id that
// the proxy's group stub has made of one.
func shorten(path string) string {
	return regexp.MustCompile(`([0-9a-f]{8})(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(x-[0-9A-Za-z]{6})[0-9A-Za-z]{42}`).ReplaceAllString(path, "$1$3…")
}

// credential is what the backend knows the proxy by.
func credential(auth string) string {
	switch kind, _, _ := strings.Cut(auth, ":"); kind {
	case "basic":
		return "backend's password"
	case "header":
		return "backend's API key"
	case "none":
		return "client certificate"
	}
	return "backend's token"
}

// writePicture draws who talks to whom.
func writePicture(w io.Writer, s *stand.Stand) {
	way := " --- TLS, private CA ---> "
	switch {
	case s.Certificates == nil:
		way = " --- plain HTTP ---> "
	case s.Setting("BACKEND_CA") == "":
		way = " --- TLS, public CA ---> "
	}
	columns := [][2]string{
		{"Entra simulator", "this process"},
		{" --- http ---> ", " Entra's token "},
		{"Functions host, proxy", strings.TrimPrefix(s.Origin, "http://") + stand.SCIMPath},
		{way, " " + credential(s.Setting("BACKEND_AUTH")) + " "},
		{"SCIM backend", stand.BackendName + " (" + s.BackendAddress + ")"},
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
	if s.Vault != nil {
		fmt.Fprintf(w, "\n  The secrets are keyvault: references to https://%s (in this process).\n", stand.VaultName)
	}
}

// writeRotation writes one line, and one for each call that failed.
func writeRotation(w io.Writer, what string, calls []entra.Call) (failed int) {
	var reasons []string
	for _, call := range calls {
		if call.OK {
			continue
		}
		failed++
		if !call.Skipped { // the call that it depends on has the reason
			reasons = append(reasons, fmt.Sprintf("  ✗ %s: %s %s: %s", call.Step, call.Method, shorten(call.Path), call.Detail))
		}
	}
	fmt.Fprintf(w, "\nRotation: %s replaced in the vault while %d calls went through: %d failed\n", what, len(calls), failed)
	for _, reason := range reasons {
		fmt.Fprintln(w, reason)
	}
	return failed
}

// writeServing says where the window is, and how to call the proxy by hand.
func writeServing(w io.Writer, s *stand.Stand, page, logFile string) {
	fmt.Fprintf(w, "\nEvery exchange as it happens, and buttons to make some: %s\n", page)
	fmt.Fprintf(w, `
Serving until Ctrl-C. For the portal's form, or to try by hand:

  Tenant URL    %s (or without the flag)
  Secret Token  %s
`, s.TenantURL(true), s.Token())
	if logFile != "" {
		fmt.Fprintf(w, "  Proxy's log   %s\n", logFile)
	}
	fmt.Fprintln(w)
	for _, path := range []string{"/Users", "/.well-known/check"} {
		fmt.Fprintf(w, "  curl -sS -H 'Authorization: Bearer %s' '%s%s'\n", s.Token(), s.Origin+stand.SCIMPath, path)
	}
}
