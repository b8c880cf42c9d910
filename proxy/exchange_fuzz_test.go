package proxy_test

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// fuzzAnswers are what the backend says in [FuzzExchange]: header lines, a blank
// one and the body, for net/http to frame.
var fuzzAnswers = [...]struct {
	status int
	header http.Header
	body   string
}{
	{200, http.Header{"Content-Type": {"application/scim+json"}, "X-Powered-By": {"answer-canary-1"}}, emptyList},
	{201, http.Header{"Location": {"http://" + fuzzHost + fuzzBase + "/Users/id-canary-1"}}, `{"id":"id-canary-1","userName":"ada-canary-1@example.com"}`},
	{204, nil, ""},
	{401, http.Header{"Www-Authenticate": {`Basic realm="answer-canary-1"`}}, "answer-canary-1"},
	{403, http.Header{"Content-Type": {"text/html"}}, "<p>answer-canary-1"},
	{404, http.Header{"Content-Type": {"application/json"}}, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"404","detail":"answer-canary-1"}`},
	{302, http.Header{"Location": {"https://login.example.com/?answer-canary-1"}}, ""},
	{500, http.Header{"Content-Type": {"text/html"}, "Set-Cookie": {"answer-canary-1"}}, "<h1>answer-canary-1"},
	{200, http.Header{"Content-Type": {"application/json"}, "Trailer": {"Authorization"}}, `{"Resources":[{"id":"id-canary-1","members":[{"value":"2"}]}],"totalResults":1}`},
	{429, http.Header{"Retry-After": {"7"}, "Ratelimit": {`"a";r=1`}, "X-Ratelimit-Limit": {"9"}}, ""},
}

// newFuzzBackend is a backend of net/http.
func newFuzzBackend(w *fuzzWorld) *memoryBackend {
	listener := newMemoryListener()
	server := &http.Server{Handler: http.HandlerFunc(w.serveBackend)}
	go func() { _ = server.Serve(listener) }() // ends with Close
	b := newMemoryBackend(func(conn *memoryConn) { listener.conns <- conn })
	b.end = func() { _ = server.Close() }
	return b
}

func (w *fuzzWorld) serveBackend(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	w.mu.Lock()
	said := fuzzAnswers[w.answer]
	w.seen = append(w.seen, fuzzSeen{Request: r, body: body, whole: err == nil, status: said.status})
	w.mu.Unlock()
	maps.Copy(rw.Header(), said.header)
	if said.status == http.StatusOK {
		rw.WriteHeader(http.StatusEarlyHints)
	}
	rw.WriteHeader(said.status)
	_, _ = io.WriteString(rw, said.body)
	if rw.Header().Get("Trailer") != "" {
		rw.Header().Set("Authorization", "answer-canary-1")
	}
}

// Whatever comes on a connection, the backend gets only calls that were
// admitted, with its own credential and nothing of the client's that is not on
// the lists; and the client gets HTTP that says no more than the backend did.
func FuzzExchange(f *testing.F) {
	for _, raw := range exchangeSeeds() {
		for variant := range variants {
			f.Add([]byte(raw), byte(variant), byte(variant*3))
		}
	}
	for answer := range fuzzAnswers {
		f.Add([]byte(entraCall("GET /scim/Users?filter=userName+eq+%22query-canary-1%22")), byte(1), byte(answer))
		f.Add([]byte(entraCall("DELETE /scim/Users/id-canary-1")), byte(0), byte(answer))
	}
	worlds := newFuzzWorlds(f, newFuzzBackend)
	f.Fuzz(func(t *testing.T, raw []byte, variant, answer byte) {
		w := worlds[int(variant)%len(worlds)]
		w.mu.Lock()
		w.answer = int(answer) % len(fuzzAnswers)
		w.mu.Unlock()
		got := w.connect(t, raw)
		lines := w.judgeLog(t)
		w.mu.Lock()
		defer w.mu.Unlock()
		w.judgeSeen(t, raw)
		answers := w.answers(t, got)
		w.judgeConversation(t, answers, lines)
		for _, secret := range []string{entraToken, backendToken, fuzzUser} {
			if bytes.Contains(got, []byte(secret)) && strings.Count(string(raw), secret) <= len(w.calls) {
				t.Errorf("the client got %q: %q", secret, got)
			}
		}
	})
}

// judgeConversation holds the answers of a connection against its calls.
func (w *fuzzWorld) judgeConversation(t *testing.T, answers []fuzzAnswer, lines []fuzzLine) {
	t.Helper()
	calls := slices.DeleteFunc(slices.Clone(w.calls), func(call *fuzzCall) bool { return call.ping })
	if len(lines) != len(calls) {
		t.Errorf("%d exchange lines for %d calls", len(lines), len(calls))
	}
	if len(answers) < len(w.calls) || len(answers) > len(w.calls)+1 {
		t.Fatalf("%d answers to %d calls", len(answers), len(w.calls))
	}
	for i, call := range w.calls {
		var line *fuzzLine
		if !call.ping && len(lines) == len(calls) {
			line = &lines[slices.Index(calls, call)]
		}
		w.judgeAnswer(t, call, answers[i], line)
	}
	if len(answers) > len(w.calls) {
		last := answers[len(answers)-1]
		if !slices.Contains(fuzzServers, last.StatusCode) || !last.Close || strings.Contains(string(last.body), fuzzCanary) {
			t.Errorf("to what is no call: %d %q", last.StatusCode, last.body)
		}
	}
}

// judgeAnswer checks the answer to a call. The line is nil if it is not known.
func (w *fuzzWorld) judgeAnswer(t *testing.T, call *fuzzCall, answer fuzzAnswer, line *fuzzLine) {
	t.Helper()
	if line == nil && call.authorized && !call.ping {
		return // lines of strangers were withheld, and it is not known which is whose
	}
	status := answer.StatusCode
	if answer.err != nil || call.aborted {
		t.Errorf("%s %q: the answer broke off, and the backend's does not: %v", call.method, call.path, answer.err)
	}
	asked := w.seen[call.first:call.end]
	if call.ping {
		if status != http.StatusOK || len(answer.body) > 0 || len(asked) > 0 {
			t.Errorf("a ping: %d %q", status, answer.body)
		}
		return
	}
	if line != nil && line.Status != status {
		t.Errorf("%s %q: %d, and the log says %d", call.method, call.path, status, line.Status)
	}
	switch {
	case line != nil && line.Answer != "":
		if status > 204 || line.Answer == "group_stub" && len(asked) > 0 {
			t.Errorf("%s %q: %d, made by %s", call.method, call.path, status, line.Answer)
		}
		return
	case len(asked) == 0:
		judgeOwn(t, call, answer, line)
		return
	}
	said := asked[len(asked)-1]
	isEmptyList := line != nil && line.fired("filter-not-found") && said.status == http.StatusNotFound && status == http.StatusOK
	if said.status != status && !isEmptyList {
		judgeOwn(t, call, answer, line)
	}
	if !said.whole || said.Method != call.method || line == nil || line.Rules != "" || line.Dropped > 0 {
		return
	}
	call.mu.Lock()
	defer call.mu.Unlock()
	if !call.whole.Load() || !bytes.Equal(said.body, call.body) {
		t.Errorf("%s %q: the backend took %q for the whole of %q", call.method, call.path, said.body, call.body)
	}
}
