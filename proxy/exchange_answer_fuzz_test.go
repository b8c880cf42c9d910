package proxy_test

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// answerCalls are the calls that a backend answers in [FuzzExchangeAnswer].
var answerCalls = [...]string{
	entraCall("GET /scim/Users?filter=userName+eq+%22a%22"), entraCall("GET /scim/Groups/1?excludedAttributes=members"), entraCall("POST /scim/Users", `{"userName":"a"}`),
	entraCall("PATCH /scim/Users/1", patchHead+`{"op":"Replace","path":"emails[type eq \"work\"].value","value":"a@example.com"}]}`), entraCall("DELETE /scim/Users/1"), entraCall("HEAD /scim/Users/1"),
}

// newRawBackend answers each call with the bytes of the moment, and ends the
// connection.
func newRawBackend(answer *[]byte) func(*fuzzWorld) *memoryBackend {
	return func(w *fuzzWorld) *memoryBackend {
		return newMemoryBackend(func(conn *memoryConn) {
			go func() { // ends with the call
				defer conn.Close()
				request, err := http.ReadRequest(bufio.NewReader(conn))
				if err != nil {
					return // the proxy gave up
				}
				body, err := io.ReadAll(request.Body)
				w.mu.Lock()
				w.seen = append(w.seen, fuzzSeen{Request: request, body: body, whole: err == nil})
				said := *answer
				w.mu.Unlock()
				_, _ = conn.Write(said)
			}()
		})
	}
}

// answerSeeds are what backends say, and what somebody says who would have two
// parsers disagree.
func answerSeeds() []string {
	ok := "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	list := `{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":1,"Resources":[{"id":"1","meta":{"location":"http://` + fuzzHost + fuzzBase + `/Users/1"},"members":[{"value":"2"}]}]}`
	scimError := `{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"404","detail":"answer-canary-1"}`
	framed := func(head, body string) string { return head + "Content-Length: " + itoa(len(body)) + "\r\n\r\n" + body }
	return []string{
		framed(ok, list), ok + "\r\n" + list, ok + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nAuthorization: answer-canary-1\r\n\r\n",
		framed("HTTP/1.1 404 Not Found\r\nContent-Type: application/scim+json\r\n", scimError), framed("HTTP/1.1 403 Forbidden\r\n", scimError), framed("HTTP/1.1 403 Forbidden\r\n", "<p>"),
		framed("HTTP/1.1 201 Created\r\nLocation: http://"+fuzzHost+fuzzBase+"/Users/1\r\nEtag: \"1\"\r\n", `{"id":"1"}`), "HTTP/1.1 204 No Content\r\nSet-Cookie: answer-canary-1\r\n\r\n",
		framed("HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\n", "<h1>answer-canary-1</h1>"), framed("HTTP/1.1 401 Unauthorized\r\n", ""), framed("HTTP/1.1 302 Found\r\nLocation: /answer-canary-1\r\n", ""),
		// Broken off, or not HTTP.
		framed(ok, list)[:len(framed(ok, list))-5], ok + "Transfer-Encoding: chunked\r\n\r\nff\r\n{", ok + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", ok, "", "HTTP/1.1 200", "SSH-2.0-answer-canary-1\r\n",
		"HTTP/1.1 403 Forbidden\r\nContent-Length: 400\r\n\r\n" + scimError, "HTTP/1.1 404 Not Found\r\nContent-Length: 400\r\n\r\n" + scimError, "HTTP/1.1 500 answer-canary-1\r\nContent-Length: 9\r\n\r\n<",
		ok + "Content-Length: 400\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b", "HTTP/1.1 412 Precondition Failed\r\nContent-Length: 90\r\n\r\n{\"status\":\"412\"",
		// RFC 9112 section 6.3: how long a body is.
		ok + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{   }\r\n0\r\n\r\n", ok + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ", ok + "Content-Length: -2\r\n\r\n{}",
		ok + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", ok + "Content-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\nanswer-canary-1", "HTTP/1.0 200 OK\r\n\r\n{}", "HTTP/1.1 304 Not Modified\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: answer-canary-1\r\n\r\n" + framed(ok, "{}"), "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n{}", "HTTP/1.1 999 Odd\r\n\r\n", "HTTP/1.1 099 Odd\r\n\r\n",
		ok + "Retry-After: answer\x1b[31m\r\nLocation: //\x7f\r\nContent-Length: 2\r\n\r\n{}", ok + "X: y\r\n Location: folded\r\nContent-Length: 2\r\n\r\n{}", framed(ok, `{"Resources":[[[{}`), framed(ok, "\ufeff"+list), framed(ok, "{\"id\":\"\xff\"}"), framed(ok, "null"),
	}
}

// Whatever the backend answers, the client gets HTTP that says no more than it
// did: no success without one, no whole body of a broken one, no header that is
// not on the list; and the log holds nothing of it.
func FuzzExchangeAnswer(f *testing.F) {
	for i, raw := range answerSeeds() {
		for call := range answerCalls {
			f.Add([]byte(raw), byte(i), byte(call))
			f.Add([]byte(raw), byte(1), byte(call))
		}
	}
	var answer []byte
	worlds := newFuzzWorlds(f, newRawBackend(&answer))
	f.Fuzz(func(t *testing.T, raw []byte, variant, call byte) {
		w := worlds[int(variant)%len(worlds)]
		w.mu.Lock()
		answer = raw
		w.mu.Unlock()
		got := w.connect(t, []byte(answerCalls[int(call)%len(answerCalls)]))
		w.settle() // or the next call may go out on a connection that is just being closed
		lines := w.judgeLog(t)
		w.mu.Lock()
		defer w.mu.Unlock()
		answers := w.answers(t, got)
		if len(w.calls) != 1 || len(lines) != 1 || len(answers) > 1 {
			t.Fatalf("%d answers, %d lines, %d calls", len(answers), len(lines), len(w.calls))
		}
		if len(w.seen) == 0 {
			judgeByStub(t, answers, lines[0])
			return
		}
		if len(answers) == 0 {
			// Its status may be that of a header which was not flushed any more.
			if lines[0].Class != "backend_cut" {
				t.Errorf("no answer, and the log says %+v", lines[0])
			}
			return
		}
		w.judgeHandedOn(t, raw, answers[0], lines[0])
	})
}

// judgeByStub checks an answer for which nobody asked the backend.
func judgeByStub(t *testing.T, answers []fuzzAnswer, line fuzzLine) {
	t.Helper()
	if line.Class != "no_group" || len(answers) != 1 || answers[0].StatusCode != http.StatusNotFound {
		t.Errorf("the backend was not asked: %+v", line)
	}
}

// said reads an answer of the backend's as the standard library does. The error
// is why it is none, that of fuzzAnswer why its body is not whole.
func said(raw []byte, method string) (fuzzAnswer, error) {
	for reader := bufio.NewReader(bytes.NewReader(raw)); ; {
		response, err := http.ReadResponse(reader, &http.Request{Method: method})
		if err != nil {
			return fuzzAnswer{}, err
		}
		if code := response.StatusCode; 100 <= code && code < 200 && code != http.StatusSwitchingProtocols {
			continue
		}
		body, err := io.ReadAll(response.Body)
		return fuzzAnswer{response, body, err}, nil
	}
}

// judgeHandedOn holds what the client got against what the backend said.
func (w *fuzzWorld) judgeHandedOn(t *testing.T, raw []byte, answer fuzzAnswer, line fuzzLine) {
	t.Helper()
	call := w.calls[0]
	from, err := said(raw, call.method)
	status := answer.StatusCode
	if err != nil || from.StatusCode != status {
		isEmptyList := err == nil && line.fired("filter-not-found") && from.StatusCode == http.StatusNotFound && status == http.StatusOK && string(answer.body) != string(from.body)
		if !isEmptyList {
			judgeOwn(t, call, answer, &line)
		}
		return
	}
	isOwn := line.Class != "" && line.Class != "backend_error" && line.Class != "backend_cut"
	if slices.Contains([]int{301, 302, 303, 307, 308, 401}, status) {
		t.Errorf("%d reached the client", status)
	}
	if answer.ContentLength < 0 && len(answer.TransferEncoding) == 0 && call.method != http.MethodHead {
		t.Errorf("the answer ends with the connection, as one that breaks off would: %v", answer.Header)
	}
	switch replaced := isOwn || line.fired("html-error"); {
	case replaced:
	case from.err != nil && answer.err == nil:
		t.Errorf("the backend's answer broke off after %q, and the client got %q for the whole", from.body, answer.body)
	case from.err == nil && answer.err != nil && line.Class == "":
		t.Errorf("the backend's answer is whole, and the client's broke off after %q", answer.body)
	case from.err == nil && answer.err == nil && line.Rules == "" && !bytes.Equal(from.body, answer.body):
		t.Errorf("%q became %q without a rule", from.body, answer.body)
	}
	if !call.aborted && answer.err != nil {
		t.Errorf("the answer broke off, and the proxy thinks that it went out: %+v", line)
	}
	if strings.Contains(string(answer.body), backendToken) && !bytes.Contains(raw, []byte(backendToken)) {
		t.Errorf("the client got the backend's token: %q", answer.body)
	}
}
