package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
)

// longUsers is a list that is longer than what is held, with an active that is
// to be repaired at its begin and its end.
func longUsers() (in, want string) {
	user := `{"id":"1","active":%s,"meta":{"location":"https://elsewhere.example.com/1"}}`
	filler := `,"x":"` + strings.Repeat("x", 100<<10) + `"`
	list := func(active string) string {
		return `{` + listSchema + `,"Resources":[` + fmt.Sprintf(user, active) + `]` + filler + `,"Resources":[` + fmt.Sprintf(user, active) + `]}`
	}
	return list(`"True"`), list("true")
}

// A short answer has a length, and its ETag if it is the backend's; a long one
// that is filtered has neither.
func TestLengthAndETagOfRepairedAnswers(t *testing.T) {
	longIn, longOut := longUsers()
	clean := `{"id":"1","active":true}`
	for name, test := range map[string]struct {
		in, want     string
		rules        string
		etag, length bool
	}{
		"short, unchanged":            {clean, clean, "response", true, true},
		"short, changed":              {`{"active":"true"}`, `{"active":true}`, "response", false, true},
		"short, no JSON":              {`{"active":"true"`, `{"active":"true"`, "response", true, true},
		"long, filtered":              {longIn, longOut, "response", false, false},
		"long, filtered without need": {longOut, longOut, "response", false, false},
		"long, no object":             {`[` + longOut + `]`, `[` + longOut + `]`, "response", true, true},
		"long, no JSON":               {`{"active":"true"` + longOut, `{"active":"true"` + longOut, "response", true, true},
		"long, no rule":               {longIn, longIn, "response-type,html-error,filter-not-found,excluded-members", true, true},
	} {
		for _, http1 := range []bool{true, false} {
			for _, known := range []bool{true, false} {
				w := newWorld(t, setup{http1: http1, options: normalizing(t, test.rules), answer: func(rw http.ResponseWriter, _ *http.Request) {
					rw.Header().Set("Content-Type", scimType)
					rw.Header().Set("Etag", `W/"1"`)
					if known {
						rw.Header().Set("Content-Length", itoa(len(test.in)))
					}
					_, _ = io.WriteString(rw, test.in[:10])
					_ = http.NewResponseController(rw).Flush()
					_, _ = io.WriteString(rw, test.in[10:])
				}})
				got := w.call(t, "GET", "/scim/Users", "")
				if got.body != test.want || got.err != nil {
					t.Errorf("%s: %d bytes, %v; want %d", name, len(got.body), got.err, len(test.want))
				}
				if etag := got.Header.Get("Etag") != ""; etag != test.etag {
					t.Errorf("%s: http1=%v, known=%v: an ETag: %v", name, http1, known, etag)
				}
				// What passes as it came has a length if it came with one.
				wantLength := test.length && (known || len(test.in) < 64<<10)
				if length := got.Header.Get("Content-Length"); (length == itoa(len(test.want))) != wantLength || !wantLength && length != "" {
					t.Errorf("%s: http1=%v, known=%v: Content-Length %q", name, http1, known, length)
				}
				if fired := w.rulesFired(t); fired != "" != (test.in != test.want) {
					t.Errorf("%s: fired: %q", name, fired)
				}
			}
		}
	}
}

// A body that the backend breaks off reaches the client broken off, held or not.
func TestCutBodyIsRepairedCut(t *testing.T) {
	longIn, longOut := longUsers()
	for name, test := range map[string]struct{ in, want string }{
		"in what is held": {`{"active":"true","x":"` + strings.Repeat("x", 8<<10), `{"active":"true","x":"` + strings.Repeat("x", 8<<10)},
		"after it":        {longIn[:len(longIn)-10], longOut[:len(longOut)-10]},
	} {
		for _, framing := range []string{"Transfer-Encoding: chunked\r\n\r\n%x\r\n", "Content-Length: %d\r\n\r\n"} {
			w := newWorld(t, setup{http1: true, options: normalizing(t, "response"), answer: func(rw http.ResponseWriter, _ *http.Request) {
				conn := hijack(t, rw)
				_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/scim+json\r\n"+framing+"%s", len(test.in)+1, test.in)
				_ = conn.Close()
			}})
			got := w.call(t, "GET", "/scim/Users", "")
			if got.StatusCode != 200 || got.body != test.want || got.err == nil {
				t.Errorf("%s: %d, %d bytes, want %d; error %v, want one", name, got.StatusCode, len(got.body), len(test.want), got.err)
			}
			if line := w.line(t); line["class"] != "backend_cut" || line["level"] != "warn" {
				t.Errorf("%s: log line %v", name, line)
			}
		}
	}
}

func TestDeadlineWhileHoldingCutsTheAnswer(t *testing.T) {
	for _, http1 := range []bool{true, false} {
		w := newWorld(t, setup{http1: http1, timeout: time.Second, options: normalizing(t, "response"), answer: func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("Content-Type", scimType)
			_, _ = io.WriteString(rw, `{"active":"true"`)
			_ = http.NewResponseController(rw).Flush()
			<-r.Context().Done()
		}})
		got := w.call(t, "GET", "/scim/Users/1", "")
		if got.StatusCode != 200 || got.body != `{"active":"true"` || got.err == nil {
			t.Errorf("http1=%v: %d %q, error %v; want an error", http1, got.StatusCode, got.body, got.err)
		}
		if line := w.line(t); line["class"] != "timeout" || line["level"] != "warn" {
			t.Errorf("http1=%v: log line %v", http1, line)
		}
	}
}

// begin asks for a target and returns the answer as soon as it begins.
func (w *world) begin(t *testing.T, target string) (*http.Response, *bufio.Reader) {
	t.Helper()
	conn := w.open(t, head("GET", target))
	if err := conn.SetReadDeadline(time.Now().Add(60 * time.Second)); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: "GET"})
	if err != nil {
		t.Fatal(err)
	}
	return response, bufio.NewReader(response.Body)
}

// The backend goes on only when the client has the first bytes.
func TestFirstBytesLeaveBeforeTheLastArrive(t *testing.T) {
	held := `{"id":"1","x":"` + strings.Repeat("x", 64<<10) + `","members":[`
	for name, test := range map[string]struct{ rules, first, rest, want string }{
		"repaired": {"response", held + `1,2`, `],"active":"True"}`, `{"id":"1","x":"` + strings.Repeat("x", 64<<10) + `","active":true}`},
		// No rule can change this body: none of it is held.
		"no rule for it": {"excluded-members,response-type,html-error", `{"id":"1","active":`, `"True"}`, `{"id":"1","active":"True"}`},
	} {
		for _, http1 := range []bool{true, false} {
			received := make(chan struct{})
			w := newWorld(t, setup{http1: http1, options: normalizing(t, test.rules), answer: func(rw http.ResponseWriter, r *http.Request) {
				rw.Header().Set("Content-Type", scimType)
				_, _ = io.WriteString(rw, test.first)
				_ = http.NewResponseController(rw).Flush()
				select {
				case <-received:
				case <-r.Context().Done():
				}
				_, _ = io.WriteString(rw, test.rest)
			}})
			target := "/scim/Groups/1"
			if strings.Contains(test.first, "members") {
				target += "?excludedAttributes=members"
			}
			_, body := w.begin(t, target)
			first, err := body.ReadByte()
			if err != nil {
				t.Fatalf("%s, http1=%v: %v", name, http1, err)
			}
			close(received)
			rest, err := io.ReadAll(body)
			if got := string(first) + string(rest); got != test.want || err != nil {
				t.Errorf("%s, http1=%v: %d bytes, %v; want %d", name, http1, len(got), err, len(test.want))
			}
		}
	}
}

// A group of any size passes through a proxy of one size.
func TestHugeGroupPassesInLittleMemory(t *testing.T) {
	const size, ceiling = 64 << 20, 24 << 20
	members := strings.Repeat(`{"value":"2819c223-7f76-453a-919d-413861904646","display":"Babs Jensen"},`, 1000)
	for name, target := range map[string]string{"removed": "/scim/Groups/1?excludedAttributes=members", "kept": "/scim/Groups/1"} {
		runtime.GC()
		var start runtime.MemStats
		runtime.ReadMemStats(&start)
		highest := uint64(0)
		w := newWorld(t, setup{timeout: time.Minute, options: normalizing(t, "response"), answer: func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", scimType)
			_, _ = io.WriteString(rw, `{"id":"1","members":[`)
			for sent := 0; sent < size; sent += len(members) {
				_, _ = io.WriteString(rw, members)
				if sent/len(members)%50 == 0 {
					var now runtime.MemStats
					runtime.ReadMemStats(&now)
					highest = max(highest, now.HeapAlloc)
				}
			}
			_, _ = io.WriteString(rw, `{}],"active":"True"}`)
		}})
		response, body := w.begin(t, target)
		total, err := io.Copy(io.Discard, body)
		if err != nil || response.StatusCode != 200 {
			t.Errorf("%s: %d, %v", name, response.StatusCode, err)
		}
		if removed := total == int64(len(`{"id":"1","active":true}`)); removed != (name == "removed") || !removed && total < size {
			t.Errorf("%s: %d bytes", name, total)
		}
		if highest > start.HeapAlloc+ceiling {
			t.Errorf("%s: %d MiB of heap, over %d at the start", name, highest>>20, start.HeapAlloc>>20)
		}
		if fired := w.rulesFired(t); strings.Contains(fired, "excluded-members") != (name == "removed") || !strings.Contains(fired, "response-active") {
			t.Errorf("%s: fired: %q", name, fired)
		}
	}
}

// A token that is too long ends the repair, and the log says so; in the midst of
// members, it ends the answer.
func TestTokenThatIsTooLong(t *testing.T) {
	long := `"` + strings.Repeat("x", 1<<20) + `"`
	for name, test := range map[string]struct {
		body, want  string
		cut         bool
		class, rule any
	}{
		"anywhere":   {`{"active":"true","x":` + long + `,"active":"true"}`, `{"active":true,"x":` + long + `,"active":"true"}`, false, nil, "response-active"},
		"in members": {`{"active":"true","members":[` + long + `]}`, `{"active":true`, true, "backend_cut", "response-active"},
	} {
		w := newWorld(t, setup{options: normalizing(t, "response"), answer: reply{0, test.body, []string{"Content-Type: " + scimType, `Etag: "1"`}}.handler})
		got := w.call(t, "GET", "/scim/Groups/1?excludedAttributes=members", "")
		if got.body != test.want || (got.err != nil) != test.cut || got.Header.Get("Etag") != "" {
			t.Errorf("%s: %d bytes, %v; want %d", name, len(got.body), got.err, len(test.want))
		}
		line := w.line(t)
		if line["level"] != "warn" || line["cause"] == nil || line["class"] != test.class || line["rules"] != test.rule {
			t.Errorf("%s: log line %v", name, line)
		}
	}
}
