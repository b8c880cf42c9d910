package attack

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"unicode"
)

// answerVector is one thing that a backend does to a call.
type answerVector struct {
	id, guards string
	// method is GET if empty. A call with another one must arrive once, whatever
	// happens to it.
	method string
	query  string
	// says is sent in answer to the call, before serve is called and the
	// connection is closed; with stay it is left open for the next call.
	says  string
	serve func(net.Conn)
	stay  bool
	// want is what becomes of the call; normalized, if it is not empty, what
	// becomes of it with NORMALIZE=all.
	want, normalized answerEnd
	// or, if it is not empty, is as good as want.
	or answerEnd
}

// lone tells a vector that spoils the connection for the call behind it, whoever's
// that is.
func (v answerVector) lone() bool {
	return strings.HasPrefix(v.id, "surplus") || v.id == "http-1.0-kept"
}

// answerEnd is how a call ends for its client: with an error of the proxy's own
// if it has a class, else with what the backend said, as a whole or cut off.
type answerEnd struct {
	class  string
	status int
	body   string
	cut    bool // in the body, which begins as given
}

// failed is the end of a call of which the client learns no more than that it
// failed.
func failed(class string) answerEnd { return answerEnd{class: class} }

func passed(status int, body string) answerEnd { return answerEnd{status: status, body: body} }

func cut(status int, begin string) answerEnd {
	return answerEnd{status: status, body: begin, cut: true}
}

// sentences are the whole of what a client learns, by the class in the log.
var sentences = map[string]struct {
	status int
	detail string
}{
	"bad_answer":         {502, "The identity backend sent no usable answer."},
	"redirect":           {502, "The identity backend answered with a redirect."},
	"credential_refused": {502, "The identity backend refuses the proxy's credential."},
	"forbidden":          {502, "Something in front of the identity backend refuses the proxy's call."},
	"timeout":            {504, "The identity backend did not answer in time."},
	"tls":                {502, "The TLS connection from the proxy to the identity backend failed."},
}

// answerHeaders may be in an answer: those of the backend that pass, and those
// of the proxy's server itself.
var answerHeaders = map[string]bool{
	"Content-Type": true, "Content-Length": true, "Content-Encoding": true, "Etag": true, "Last-Modified": true,
	"Location": true, "Retry-After": true, "Allow": true, "Vary": true, "Cache-Control": true, "Date": true, "Connection": true,
}

// answerLogKeys may be in the line of an exchange.
var answerLogKeys = map[string]bool{
	"time": true, "level": true, "msg": true, "request_id": true, "method": true, "route": true, "status": true,
	"total_ms": true, "backend_ms": true, "secret_ms": true, "bytes_in": true, "bytes_out": true,
	"caller": true, "credential": true, "rules": true, "answer": true, "class": true, "cause": true, "remedy": true,
	"replayed": true, "dropped": true,
}

// answerReply is what a client got.
type answerReply struct {
	status int
	header http.Header
	body   string
	broken error // the answer did not end as it should
	folded bool  // its header has a line that goes on (RFC 9112 section 5.2)
}

// receiveReply reads one answer.
func receiveReply(reader *bufio.Reader, method string) answerReply {
	_, _ = reader.Peek(1) // fills the buffer
	start, _ := reader.Peek(reader.Buffered())
	head, _, _ := strings.Cut(string(start), "\r\n\r\n")
	response, err := http.ReadResponse(reader, &http.Request{Method: method})
	if err != nil {
		return answerReply{broken: err}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if len(response.Trailer) != 0 {
		response.Header["Trailer"] = []string{fmt.Sprint(response.Trailer)}
	}
	return answerReply{status: response.StatusCode, header: response.Header, body: string(body), broken: err, folded: strings.Contains(head, "\n ") || strings.Contains(head, "\n\t")}
}

// breaches returns where an answer is not what the vector's end should look
// like, and what it shows that it must not.
func (w *answerWorld) breaches(got answerReply, want answerEnd) (found []string) {
	breach := func(format string, arguments ...any) { found = append(found, fmt.Sprintf(format, arguments...)) }
	for name, values := range got.header {
		if !answerHeaders[name] {
			breach("the client gets the header %s", name)
		}
		if len(values) > 1 {
			breach("the client gets %d times %s", len(values), name)
		}
	}
	if got.folded {
		breach("a line of the header is folded")
	}
	if want.class != "" {
		class, _, _ := strings.Cut(want.class, "_")
		sentence, known := sentences[want.class]
		if !known {
			sentence = sentences[class]
		}
		want.status = sentence.status
		want.body = fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"%d","detail":"%s Request id: %s"}`,
			sentence.status, sentence.detail, idOf(got))
	}
	if want.cut && w.hosted && got.status == 500 && got.body == "" {
		return found // the host's own: the answer was cut before its first byte
	}
	isCut := got.broken != nil && (got.status == 0 || errors.Is(got.broken, io.ErrUnexpectedEOF))
	switch {
	case got.broken != nil && !isCut:
		breach("the answer cannot be read: %v", got.broken)
	case isCut != want.cut:
		breach("cut off: %t, want %t (%v)", isCut, want.cut, got.broken)
	}
	if got.status != want.status && !(want.cut && got.status == 0) {
		breach("status %d, want %d", got.status, want.status)
	}
	text := fmt.Sprint(got.header)
	if got.body != want.body { // which holds none of it, and may be long
		text += got.body
	}
	text = strings.ToLower(text)
	for _, secret := range w.inside {
		if strings.Contains(text, strings.ToLower(secret)) {
			breach("the client sees %q", secret)
		}
	}
	if whole := got.body == want.body; !whole && !(want.cut && strings.HasPrefix(want.body, got.body)) {
		breach("body %.200q (%d bytes), want %.200q (%d bytes)", got.body, len(got.body), want.body, len(want.body))
	}
	return found
}

// idOf returns the request id in an error of the proxy's own.
func idOf(got answerReply) string {
	_, id, _ := strings.Cut(got.body, "Request id: ")
	id, _, _ = strings.Cut(id, `"`)
	return id
}

// judgeLog holds all that the handler has written against what the log may
// hold. Names of certificates may be in it: they are for the operator.
func (w *answerWorld) judgeLog(t *testing.T) {
	t.Helper()
	exchanges, chatter := 0, 0
	for _, text := range w.log.lines() {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Errorf("%s: let through: a line of the log is not JSON: %q", w.name, text)
			continue
		}
		if strings.IndexFunc(text, unicode.IsControl) >= 0 {
			t.Errorf("%s: let through: control characters in the log: %q", w.name, text)
		}
		if line["msg"] == "settings in effect" || line["msg"] == "secret read" || line["msg"] == "listening" {
			continue // by the operator's own words
		}
		for _, secret := range w.unhandled {
			if strings.Contains(strings.ToLower(text), strings.ToLower(secret)) {
				t.Errorf("%s: let through: the log holds %q: %s", w.name, secret, text)
			}
		}
		if line["msg"] == "net/http" {
			chatter++
		}
		if line["msg"] != "exchange" {
			continue
		}
		exchanges++
		for key := range line {
			if !answerLogKeys[key] {
				t.Errorf("%s: let through: the line of an exchange has %q", w.name, key)
			}
		}
	}
	if chatter > flood/10 {
		t.Errorf("%s: let through: %d lines of the log are what net/http thinks of the backend", w.name, chatter)
	}
	if exchanges == 0 {
		t.Errorf("%s: the judge is blind: no exchange in the log", w.name)
	}
}

// judgeMemory holds the most that the handler has ever had against a bound.
func (w *answerWorld) judgeMemory(t *testing.T, bound int) {
	t.Helper()
	peak := w.memory(t, "VmHWM")
	t.Logf("%s: at most %d MiB", w.name, peak>>20)
	if peak > bound {
		t.Errorf("%s: let through: the handler took %d MiB, more than %d", w.name, peak>>20, bound>>20)
	}
}
