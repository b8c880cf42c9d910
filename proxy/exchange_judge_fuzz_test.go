package proxy_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// What the seeds hold, and neither the log nor the proxy's own answers may.
const fuzzCanary = "-canary-"

// fuzzKeys are those of an exchange line, as docs/operation.md lists them.
var fuzzKeys = []string{
	"time", "level", "msg", "request_id", "method", "route", "status", "total_ms", "backend_ms", "secret_ms", "bytes_in", "bytes_out",
	"caller", "credential", "rules", "dropped", "answer", "replayed", "class", "cause", "remedy", "withheld",
}

// fuzzRequestHeaders may reach the backend, beside the one of its credential.
var fuzzRequestHeaders = []string{
	"Accept", "Accept-Language", "Accept-Encoding", "Content-Type", "Content-Encoding", "If-Match", "If-None-Match", "Prefer",
	"Adscimversion", "Traceparent", "Tracestate", "X-Request-Id", "User-Agent", "Content-Length",
}

// fuzzResponseHeaders may reach the client, beside those of rate limits.
var fuzzResponseHeaders = []string{
	"Content-Type", "Content-Length", "Content-Encoding", "Etag", "Last-Modified", "Location", "Retry-After", "Allow", "Vary",
	"Cache-Control", "Date", "Connection", "Www-Authenticate", "Accept-Encoding",
}

// fuzzOwn are the statuses of the proxy's own errors, and fuzzServers those of
// net/http, for what is no call.
var (
	fuzzOwn     = []int{400, 401, 404, 405, 413, 415, 429, 502, 503, 504}
	fuzzServers = []int{400, 417, 431, 501, 505}
)

// fuzzLine is an exchange line.
type fuzzLine struct {
	ID      string `json:"request_id"`
	Status  int
	Rules   string
	Dropped int
	Answer  string
	Class   string
}

// fired reports whether one of the rules changed something.
func (l fuzzLine) fired(rules ...string) bool {
	return slices.ContainsFunc(strings.Split(l.Rules, ","), func(name string) bool { return slices.Contains(rules, name) })
}

// judgeLog checks the log, and returns the exchange lines.
func (w *fuzzWorld) judgeLog(t *testing.T) (lines []fuzzLine) {
	t.Helper()
	w.mu.Lock()
	logged, errors := w.log.String(), w.errors.String()
	w.mu.Unlock()
	if strings.Contains(errors, "panic") {
		t.Errorf("net/http logged a panic: %s", errors)
	}
	for text := range strings.Lines(logged) {
		var keys map[string]any
		if err := json.Unmarshal([]byte(text), &keys); err != nil || !utf8.ValidString(text) {
			t.Fatalf("no line of JSON: %q: %v", text, err)
		}
		for key, value := range keys {
			said := fmt.Sprint(value)
			if key != "request_id" && (strings.Contains(said, fuzzCanary) || strings.Contains(said, fuzzUser)) {
				t.Errorf("the log has what came from outside, or a secret: %s", text)
			}
			if keys["msg"] == "exchange" && !slices.Contains(fuzzKeys, key) {
				t.Errorf("the log has a key %q: %s", key, text)
			}
		}
		if keys["msg"] != "exchange" {
			continue
		}
		var line fuzzLine
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if line.Class == "internal" {
			t.Errorf("a fault of the proxy's: %s", text)
		}
		lines = append(lines, line)
	}
	return lines
}

// judgeSeen checks what the backend got.
func (w *fuzzWorld) judgeSeen(t *testing.T, raw []byte) {
	t.Helper()
	authorized, asked := 0, 0
	for _, call := range w.calls {
		limit := 0
		if call.authorized {
			authorized, limit = authorized+1, 1
			if call.method == http.MethodPatch && variants[w.variant].rules != "none" {
				limit = 2 // the GET of missing-target
			}
		}
		if call.end > call.first {
			asked++
		}
		if call.end-call.first > limit {
			t.Errorf("%s %q made %d calls to the backend, want %d at most", call.method, call.path, call.end-call.first, limit)
		}
	}
	count := bytes.Count(raw, []byte(entraToken))
	if asked > count {
		t.Errorf("%d calls reached the backend, and the token came %d times", asked, count)
	}
	for _, seen := range w.seen {
		w.judgeRequest(t, seen)
		if count <= authorized && (strings.Contains(seen.RequestURI, entraToken) || strings.Contains(fmt.Sprint(seen.Header), entraToken)) {
			t.Errorf("the backend got Entra's token: %s %s %v", seen.Method, seen.RequestURI, seen.Header)
		}
	}
}

// judgeRequest checks one request that the backend got.
func (w *fuzzWorld) judgeRequest(t *testing.T, seen fuzzSeen) {
	t.Helper()
	variant := variants[w.variant]
	if !slices.Contains([]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}, seen.Method) {
		t.Errorf("the backend got the method %q", seen.Method)
	}
	if !slices.Equal(seen.Header[variant.carrier], []string{variant.shown}) {
		t.Errorf("the backend's credential is %q", seen.Header[variant.carrier])
	}
	for name, values := range seen.Header {
		if name != variant.carrier && !slices.Contains(fuzzRequestHeaders, name) {
			t.Errorf("the backend got the header %q: %q", name, values)
		}
	}
	if seen.Host != fuzzHost || !slices.Equal(seen.Header["User-Agent"], []string{"proxy-fuzz"}) || len(seen.Trailer) > 0 {
		t.Errorf("the backend got the Host %q, the User-Agent %q, the trailer %v", seen.Host, seen.Header["User-Agent"], seen.Trailer)
	}
	target, query, _ := strings.Cut(seen.RequestURI, "?")
	rest, ok := strings.CutPrefix(target, fuzzBase)
	if !ok || rest != "" && rest[0] != '/' {
		t.Errorf("the backend got the path %q", target)
	}
	once, err := url.PathUnescape(target)
	if err != nil {
		t.Errorf("the backend got the path %q: %v", target, err)
	}
	twice, err := url.PathUnescape(once)
	if err != nil {
		twice = once
	}
	for _, decoded := range []string{once, twice} {
		dots := func(segment string) bool { return segment == "." || segment == ".." }
		if strings.Count(decoded, "/") != strings.Count(target, "/") || strings.ContainsAny(decoded, "\\\x00\r\n") || slices.ContainsFunc(strings.Split(decoded, "/"), dots) {
			t.Errorf("the backend got the path %q, which decodes to %q", target, decoded)
		}
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		t.Errorf("the backend got the query %q: %v", query, err)
	}
	for key := range values {
		if key = strings.ToLower(key); key == "code" || strings.HasPrefix(key, "aadoptscim") {
			t.Errorf("the backend got the query %q", query)
		}
	}
}

// fuzzAnswer is an answer as the client got it.
type fuzzAnswer struct {
	*http.Response
	body []byte
	err  error // of the body
}

// answers parses what the client got.
func (w *fuzzWorld) answers(t *testing.T, got []byte) (all []fuzzAnswer) {
	t.Helper()
	for reader := bufio.NewReader(bytes.NewReader(got)); ; {
		if _, err := reader.Peek(1); err == io.EOF {
			return all
		}
		method := http.MethodGet
		if len(all) < len(w.calls) {
			method = w.calls[len(all)].method
		}
		response, err := http.ReadResponse(reader, &http.Request{Method: method})
		if err != nil {
			t.Fatalf("the client got no HTTP: %v\n%q", err, got)
		}
		if response.StatusCode == http.StatusContinue && len(response.Header) == 0 {
			continue
		}
		body, err := io.ReadAll(response.Body)
		all = append(all, fuzzAnswer{response, body, err})
		for name := range response.Header {
			if !slices.Contains(fuzzResponseHeaders, name) && !strings.HasPrefix(name, "Ratelimit") && !strings.HasPrefix(name, "X-Ratelimit-") {
				t.Errorf("the client got the header %q", name)
			}
		}
		if len(response.Trailer) > 0 {
			t.Errorf("the client got the trailer %v", response.Trailer)
		}
	}
}

// judgeOwn checks an error of the proxy's own.
func judgeOwn(t *testing.T, call *fuzzCall, answer fuzzAnswer, line *fuzzLine) {
	t.Helper()
	if !slices.Contains(fuzzOwn, answer.StatusCode) {
		t.Errorf("%s %q: the proxy answered %d", call.method, call.path, answer.StatusCode)
	}
	if call.method == http.MethodHead {
		return
	}
	var message struct {
		Schemas        []string
		Status, Detail string
	}
	err := json.Unmarshal(answer.body, &message)
	if err != nil || !slices.Equal(message.Schemas, []string{"urn:ietf:params:scim:api:messages:2.0:Error"}) ||
		message.Status != itoa(answer.StatusCode) || answer.Header.Get("Content-Type") != "application/scim+json" {
		t.Errorf("%s %q: no SCIM Error: %d %v %q", call.method, call.path, answer.StatusCode, answer.Header, answer.body)
	}
	_, id, _ := strings.Cut(message.Detail, "Request id: ")
	if id == "" || line != nil && id != line.ID {
		t.Errorf("the answer has the request id %q, the log %+v", id, line)
	}
	if strings.Contains(string(answer.body), backendToken) || strings.Contains(string(answer.body), fuzzHost) {
		t.Errorf("the answer tells of the inside: %q", answer.body)
	}
}
