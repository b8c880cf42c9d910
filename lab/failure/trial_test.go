//go:build unix

package failure

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"example.com/entra-scim-proxy/lab/backend"
	"example.com/entra-scim-proxy/lab/stand"
)

// operation is one call of Entra's, about a person of its own.
type operation struct {
	method string
	number string // of the call, in its query; the person's name, too
	id     string // of the person, who is there before a PATCH or DELETE
	size   int    // of the body, at least
	stream bool   // the body has no length
	repeat bool   // of an earlier one, and counted apart
}

// prepare makes the next operation of a method.
func (w *world) prepare(e expect, method string) operation {
	w.Helper()
	w.calls++
	o := operation{method: method, number: fmt.Sprintf("c%d", w.calls), size: e.size, stream: e.stream}
	if method != http.MethodPatch && method != http.MethodDelete {
		return o
	}
	code, answer := w.backend.direct(http.MethodPost, "/Users", person(o.number))
	var made struct{ ID string }
	if err := json.Unmarshal([]byte(answer), &made); err != nil || code != http.StatusCreated {
		w.Fatalf("%d %s", code, answer)
	}
	o.id = made.ID
	return o
}

// target is the operation's path and query. The backend counts by the n.
func (o operation) target() string {
	query := "?n=" + o.number
	if o.repeat {
		query += "-repeat"
	}
	if o.id != "" {
		return stand.SCIMPath + "/Users/" + o.id + query
	}
	return stand.SCIMPath + "/Users" + query
}

func (o operation) body() string {
	body := ""
	switch o.method {
	case http.MethodPost:
		body = person(o.number)
	case http.MethodPatch:
		body = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","path":"title","value":"` + o.number + `"}]}`
	default:
		return ""
	}
	return body + strings.Repeat(" ", max(0, o.size-len(body)))
}

// happened reports whether the backend's state is what the operation asks for.
func (o operation) happened(s *service) bool {
	_, answer := s.direct(http.MethodGet, "/Users?filter=userName+eq+%22"+o.number+"@contoso.com%22", "")
	var list struct {
		TotalResults int
		Resources    []struct{ Title string }
	}
	if err := json.Unmarshal([]byte(answer), &list); err != nil {
		s.Errorf("%v: %s", err, answer)
		return false
	}
	switch o.method {
	case http.MethodPost:
		return list.TotalResults == 1
	case http.MethodPatch:
		return list.TotalResults == 1 && list.Resources[0].Title == o.number
	case http.MethodDelete:
		return list.TotalResults == 0
	}
	return true
}

// seen is what Entra gets. Status 0 means no answer.
type seen struct {
	status int
	header http.Header
	body   []byte
	err    error // why it was broken off, or did not come
}

// What Entra sees, in the words of the table.
const (
	done    = "success"
	nothing = "a broken connection, no answer"
	cutOff  = "an answer that breaks off"
	silence = "nothing, until it gives up"
)

// String is what it is called in the table.
func (s seen) String() string {
	switch {
	case s.err != nil && errors.Is(s.err, context.DeadlineExceeded):
		return silence
	case s.status == 0:
		return nothing
	case s.err != nil:
		return cutOff
	case s.status/100 == 2:
		return done
	}
	return fmt.Sprint(s.status)
}

// call makes a call as Entra does, on a connection of its own, which keeps
// net/http from repeating it. The answer is read to its end.
func (w *world) call(url string, o operation, id string) seen {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), limit)
	if id != "" && w.row.patience > 0 {
		ctx, cancel = context.WithTimeout(w.Context(), w.row.patience)
	}
	defer cancel()
	var body io.Reader
	if text := o.body(); text != "" {
		body = strings.NewReader(text)
		if o.stream {
			body = io.MultiReader(body) // which hides the length
		}
	}
	request, err := http.NewRequestWithContext(ctx, o.method, url, body)
	if err != nil {
		w.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+w.entraToken)
	request.Header.Set("Content-Type", "application/scim+json; charset=utf-8")
	request.Header.Set("User-Agent", "")
	request.Header.Set("X-Request-Id", id)
	transport := &http.Transport{DisableCompression: true}
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(request)
	if err != nil {
		return seen{err: err}
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	return seen{response.StatusCode, response.Header, content, err}
}

// send is a call on the wire from Entra.
func (w *world) send(o operation, id string) seen {
	w.Helper()
	return w.call("http://"+w.fromEntra.Listen+o.target(), o, id)
}

// trial is one fault that meets one operation.
type trial struct {
	*world
	operation
	id    string // of the request
	mark  int    // in the log, before the fault
	spell *backend.Spell
	load  *load
	gate  *gate
}

// tally counts over all trials.
type tally struct{ injected, lost, falsely int }

// try makes one trial: the fault, the call, the judgement, the end of the fault,
// and the same call again, as Entra repeats what failed.
func (w *world) try(e expect, method string) (result tally) {
	w.Helper()
	var t trial
	var got seen
	for tries := 0; ; tries++ {
		t = trial{world: w, operation: w.prepare(e, method)}
		t.id = stand.NewToken()
		if w.row.warm {
			w.warm()
		}
		if w.row.apart {
			until(w.T, "no connection to the backend is left", func() bool { return w.backend.open.Load() == 0 })
		}
		t.mark = len(w.log.all())
		connections := w.backend.accepted.Load()
		if w.row.begin != nil {
			w.row.begin(&t)
		}
		if w.row.cold && tries == 0 && w.proxy == nil {
			w.up()
		}
		got = t.provoke()
		// A machine that stalls lets the idle connection go that the fault was
		// meant for.
		if !w.row.warm || w.backend.accepted.Load() == connections || tries == 3 || w.row.reconnects {
			break
		}
		w.row.finish(&t)
	}
	arrived, executed := t.settled(e)
	t.judge(e, got, arrived, executed)
	if got.String() == done && method != http.MethodGet && executed == 0 {
		result.falsely++
		w.Errorf("%s: reported as done, and was not", method)
	}
	w.row.finish(&t)
	t.recover()
	if !t.happened(w.backend) {
		result.lost++
		w.Errorf("%s: lost: Entra's repeat did not bring what was asked for", method)
	}
	if late, again := w.backend.counts(t.number); method != http.MethodGet && (late > 1+w.row.hostRepeats || again > e.executed[1]) {
		w.Errorf("%s: in the end it arrived %d times and was executed %d times", method, late, again)
	}
	if strings.Contains(w.log.text(), t.number+"@") {
		w.Error("a person is in the log")
	}
	result.injected++
	return result
}

// warm makes sure that the proxy has an idle connection to the backend.
func (w *world) warm() {
	w.Helper()
	if got := w.plain(); got.String() != done {
		w.Fatalf("without a fault: %v, %s", got.err, got.body)
	}
}

// provoke makes the call, with what happens in the middle of it.
func (t *trial) provoke() seen {
	t.Helper()
	if t.row.during == nil {
		return t.send(t.operation, t.id)
	}
	if t.row.hold != passing {
		t.gate = t.backend.hold(t.row.hold == afterwards) // before the call can be there
	}
	result := make(chan seen, 1)
	go func() { result <- t.send(t.operation, t.id) }() // received below
	t.row.during(t)
	return <-result
}

// held waits until the backend has the call that row.hold keeps there.
func (t *trial) held() {
	t.Helper()
	select {
	case <-t.gate.reached:
	case <-time.After(limit):
		t.Error("the backend does not get the call")
	}
}

// settled waits until the backend has executed the operation as often as it is
// to be, and returns how often it got and executed it.
func (t *trial) settled(e expect) (arrived, executed int) {
	t.Helper()
	until := time.Now().Add(limit / 4)
	for {
		arrived, executed = t.backend.counts(t.number)
		if executed >= e.executed[0] || t.method == http.MethodGet || time.Now().After(until) {
			return arrived, executed
		}
		time.Sleep(10 * time.Millisecond) // it happens behind a wire
	}
}

// judge holds what came against what was expected.
func (t *trial) judge(e expect, got seen, arrived, executed int) {
	t.Helper()
	if !slices.Contains(e.sees, got.String()) {
		t.Errorf("%s: Entra sees %v (%v, %s), want %q", t.method, got, got.err, got.body, e.sees)
	}
	entry := t.entry(e)
	if !slices.Contains(e.log, entry.String()) {
		t.Errorf("%s: the log has %q (%s), want %q", t.method, entry, entry.Cause, e.log)
	}
	if entry.Level == "error" && entry.Remedy == "" {
		t.Errorf("%s: the line of class %s has no remedy", t.method, entry.Class)
	}
	if got.status >= 500 && got.err == nil {
		t.judgeError(got, entry)
	}
	if t.method == http.MethodGet {
		return
	}
	if most := 1 + t.row.hostRepeats; arrived > most {
		t.Errorf("%s: it arrived %d times at the backend, want %d at most", t.method, arrived, most)
	}
	if executed < e.executed[0] || executed > e.executed[1] {
		t.Errorf("%s: the backend executed it %d times, want %v", t.method, executed, e.executed)
	}
}

// entry waits for the line of the call; the zero line if there is to be none.
func (t *trial) entry(e expect) (found line) {
	t.Helper()
	mine := func(l line) bool {
		return l.Msg == "exchange" && (l.RequestID == t.id || t.row.hosted && l.Method == t.method)
	}
	if slices.Contains(e.log, noLine) {
		found, _ = t.log.find(t.mark, mine)
		return found
	}
	until(t.T, "the log has the call's line", func() (ok bool) {
		found, ok = t.log.find(t.mark, mine)
		return ok
	})
	return found
}

// judgeError holds an error answer against its contract: a SCIM Error with the
// sentence of its class, and nothing of the inside.
func (t *trial) judgeError(got seen, entry line) {
	t.Helper()
	if t.row.hosted && entry.Class == "" && len(got.body) == 0 {
		return // the Functions host's own
	}
	var answer struct {
		Schemas        []string
		Status, Detail string
	}
	if err := json.Unmarshal(got.body, &answer); err != nil {
		t.Errorf("no SCIM Error: %v: %s", err, got.body)
		return
	}
	if want := sentences[entry.Class] + " Request id: " + entry.RequestID; answer.Detail != want || answer.Status != fmt.Sprint(got.status) {
		t.Errorf("%s: Entra reads %q (%s), want %q", entry.Class, answer.Detail, answer.Status, want)
	}
	if got.status == http.StatusServiceUnavailable && got.header.Get("Retry-After") == "" {
		t.Error("503 without Retry-After")
	}
	for _, inside := range []string{t.toBackend.Listen, t.backend.address, stand.BackendName, stand.VaultName, t.dir, stand.EntraTokenName} {
		if bytes.Contains(got.body, []byte(inside)) {
			t.Errorf("Entra reads %q", inside)
		}
	}
}

// recover repeats the call as Entra does, until it succeeds, within the row's
// bound. What was done already is answered so.
func (t *trial) recover() {
	t.Helper()
	again := t.operation
	again.repeat = true
	began := time.Now()
	for tries := 1; ; tries++ {
		got := t.send(again, "")
		_, executed := t.backend.counts(t.number) // it may be late
		already := executed > 0 && (got.status == http.StatusConflict && t.method == http.MethodPost || got.status == http.StatusNotFound && t.method == http.MethodDelete)
		if got.err == nil && (got.String() == done || already) {
			if tries > 1 {
				t.Logf("%s: the call succeeds again after %v, at try %d", t.method, time.Since(began).Round(time.Millisecond), tries)
			}
			return
		}
		if t.row.within == 0 || time.Since(began) > t.row.within+limit/2 {
			t.Errorf("%s: after the fault Entra sees %v (%v, %s), for %v", t.method, got, got.err, got.body, time.Since(began))
			return
		}
		time.Sleep(200 * time.Millisecond) // another process's back-off
	}
}
