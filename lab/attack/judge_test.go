package attack

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"example.com/entra-scim-proxy/lab/stand"
)

// vector is one attack from the client's side.
type vector struct {
	// id names it within its class; those in capitals are Http11Probe's
	// (github.com/MDA2AV/Http11Probe).
	id string
	// guards is the CVE, the Go vulnerability or the clause; empty means that of
	// the class.
	guards string
	// raw is what the client sends, with {host}, {token}, {auth}, {path}, {mark},
	// {smuggled} and {hostile} filled in.
	raw string
	// reach is how many of its requests the backend gets, once they are what a
	// plain call would be. Behind the host it may be less.
	reach int
	// cut says that the bytes end within a message: no call follows on the
	// connection.
	cut bool
	// body is what the backend gets as the body of the call, if reach is 1 and
	// it is known.
	body string
	// statuses are those that the first answer may have when the host is not
	// there to answer; nil means any.
	statuses []int
}

// hostile is text that must show nowhere: neither at the backend nor in an
// answer or the log.
const hostile = "h0stile"

// fill replaces the names in a vector's bytes.
func (w *world) fill(raw, mark string) string {
	return strings.NewReplacer(
		"{host}", w.front, "{token}", w.Token(), "{auth}", "Authorization: Bearer "+w.Token(), "{hostile}", hostile,
		"{mark}", mark, "{path}", "/scim/Users/"+mark, "{smuggled}", "/scim/Users/smuggled-"+mark,
	).Replace(raw)
}

// next is the call that follows an attack on its connection: the victim's. Bytes
// that the attack left would become a part of it.
const next = "GET /scim/Users/next-{mark} HTTP/1.1\r\nHost: {host}\r\n{auth}\r\nConnection: close\r\n\r\n"

// tried is an attack that was mounted.
type tried struct {
	vector
	mark string
	sent string
	got  []byte
}

// attack mounts one.
func (w *world) attack(t *testing.T, v vector) tried {
	t.Helper()
	mark := w.newMark()
	raw := v.raw
	if !v.cut {
		raw += next
	}
	raw = w.fill(raw, mark)
	return tried{v, mark, raw, w.exchange(t, raw, v.cut)}
}

// breach is one way in which something got through.
type breach struct{ vector, what string }

// judge holds an attack, and what the backend got of it, against what must be
// true of every one.
func (w *world) judge(v tried, requests []request) (found []breach) {
	add := func(format string, arguments ...any) {
		found = append(found, breach{v.id, fmt.Sprintf(format, arguments...)})
	}
	own, following := 0, 0
	for _, r := range requests {
		for _, what := range w.judgeRequest(r) {
			add("%s", what)
		}
		switch {
		case strings.Contains(r.uri, "smuggled-"):
			add("a smuggled request reached the backend: %s %s", r.method, r.uri)
		case strings.Contains(r.uri, "next-"+v.mark):
			following++
			if r.method != http.MethodGet || r.uri != w.base()+"/Users/next-"+v.mark || len(r.body) > 0 {
				add("the next call was changed: %s %s %q", r.method, r.uri, r.body)
			}
		default:
			own++
			if v.body != "" && string(r.body) != v.body {
				add("the backend got another body: %.200q", r.body)
			}
		}
	}
	if own > v.reach || following > 1 || !w.behindHost && own != v.reach {
		add("the backend got %d requests, and %d of the next call; want %d", own, following, v.reach)
	}
	answers, _ := parse(v.sent, v.got)
	if v.statuses != nil && !w.behindHost && (len(answers) == 0 || !slices.Contains(v.statuses, answers[0].status)) {
		add("the answer is %.100q", v.got)
	}
	for _, secret := range append(w.inside, hostile) {
		if bytes.Contains(v.got, []byte(secret)) {
			add("an answer holds %q", secret)
		}
	}
	return found
}

// forwarded are the header fields that a request at the backend may have:
// the proxy's allow-list, its own ones, and the framing.
var forwarded = []string{
	"Accept", "Accept-Language", "Accept-Encoding", "Content-Type", "Content-Encoding", "If-Match", "If-None-Match",
	"Prefer", "Adscimversion", "Traceparent", "Tracestate", "X-Request-Id",
	"Authorization", "User-Agent", "Content-Length",
}

// judgeRequest tells what is wrong with a request that the backend got,
// whoever sent it.
func (w *world) judgeRequest(r request) (wrong []string) {
	add := func(format string, arguments ...any) { wrong = append(wrong, fmt.Sprintf(format, arguments...)) }
	if credential := r.header["Authorization"]; !slices.Equal(credential, []string{"Bearer " + w.BackendToken()}) {
		add("the backend got %d credentials that are not the proxy's", len(credential))
	}
	if path, _, _ := strings.Cut(r.uri, "?"); !strings.HasPrefix(path, w.base()+"/") && path != w.base() {
		add("the backend got a path outside of its base: %s", r.uri)
	}
	if r.host != stand.BackendName {
		add("the backend got the host %q", r.host)
	}
	if want := map[bool]string{false: "HTTP/1.1", true: "HTTP/2.0"}[w.http2]; r.proto != want {
		add("the backend was asked over %s", r.proto)
	}
	if len(r.trailer) > 0 {
		add("the backend got trailers: %v", r.trailer)
	}
	for name := range r.header {
		if !slices.Contains(forwarded, name) {
			add("the backend got the field %s", name)
		}
	}
	all := fmt.Sprint(r.method, r.uri, r.host, r.header, string(r.body))
	if strings.Contains(all, w.Token()) {
		add("the backend got Entra's token")
	}
	if strings.Contains(all, hostile) {
		add("the backend got hostile text: %.300q", all)
	}
	return wrong
}

// logKeys are the members that a line of the log may have after the start, by
// its message.
var logKeys = map[string][]string{
	"exchange": {
		"request_id", "method", "route", "status", "total_ms", "backend_ms", "secret_ms", "bytes_in", "bytes_out",
		"caller", "credential", "rules", "dropped", "replayed", "answer", "class", "cause", "remedy", "withheld",
	},
	"net/http": {"message", "cut"},
}

// mark is what newMark makes.
var mark = regexp.MustCompile(`mark\d{5}x`)

// judgeLine tells what is wrong with a line of the log.
func (w *world) judgeLine(text string) (wrong []string) {
	add := func(format string, arguments ...any) {
		wrong = append(wrong, fmt.Sprintf(format, arguments...)+": "+fmt.Sprintf("%.400q", text))
	}
	var line map[string]any
	if err := json.Unmarshal([]byte(text), &line); err != nil {
		add("the log has a line that is no JSON")
		return wrong
	}
	if !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
		add("the log has a raw control character")
	}
	message, _ := line["msg"].(string)
	if keys, ok := logKeys[message]; ok {
		for key := range line {
			if !slices.Contains(keys, key) && !slices.Contains([]string{"time", "level", "msg"}, key) {
				add("the log has the key %s", key)
			}
		}
	}
	if line["class"] == "internal" || line["level"] == "error" {
		add("the proxy has a fault of its own")
	}
	for _, secret := range append(w.Secrets(), hostile, "filter=") {
		if strings.Contains(text, secret) {
			add("the log holds %q", secret)
		}
	}
	if mark.MatchString(text) {
		add("the log holds an id")
	}
	return wrong
}

// judgeLog judges the lines since the last call.
func (w *world) judgeLog(t *testing.T) (found []breach) {
	t.Helper()
	for _, text := range w.settle(t) {
		for _, wrong := range w.judgeLine(text) {
			found = append(found, breach{"the log", wrong})
		}
	}
	return found
}
