package attack

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
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
	// raw is what the client sends, with the names that fill knows.
	raw string
	// reach is how many of its requests the backend gets, once they are what a
	// plain call would be; may makes that the most that it gets. Behind the host
	// it is the most in any case.
	reach int
	may   bool
	// broken says that the body is: what the backend gets of it, it gets as cut.
	broken bool
	// last says that the connection has to end after it; cut, that its bytes end
	// within a message, so that no call can follow.
	last, cut bool
	// resolved says that the host makes another, plain path of it, as it undoes
	// escapes and dot segments, and that the backend may get that.
	resolved bool
	// whole says that the backend may get the embedded call, as the text within a
	// body that it is. swallows says that the attack spoils the next call of its
	// own connection.
	whole, swallows bool
	// ping says that it is the host's question whether the proxy is up.
	ping bool
	// body and query are what the backend gets of the call; empty does not ask.
	body, query string
}

// add adds a vector that needs no more.
func (c *attackClass) add(id string, reach int, raw string) {
	c.vectors = append(c.vectors, vector{id: id, reach: reach, raw: raw})
}

// hostile is text that must show nowhere: neither at the backend nor in an
// answer or the log.
const hostile = "h0stile"

// unlogged is text that a client may send to the backend, and that must not show
// in the log, nor in an answer that is not the backend's.
const unlogged = "unl0gged"

// fill replaces the names in a vector's bytes.
func (w *world) fill(raw, mark string) string {
	text := strings.NewReplacer(
		"{host}", w.front, "{token}", w.Token(), "{auth}", "Authorization: Bearer "+w.Token(), "{hostile}", hostile, "{unlogged}", unlogged,
		"{mark}", mark, "{path}", "/scim/Users/"+mark, "{smuggled}", "/scim/Users/smuggled-"+mark,
		"{frames}", frames("/scim/Users/smuggled-"+mark, "Bearer "+w.Token(), true), "{more}", frames("/scim/Users/smuggled-"+mark, "Bearer "+w.Token(), false),
	).Replace(raw)
	return measured.ReplaceAllStringFunc(text, func(measure string) string {
		return strconv.Itoa(len(measured.FindStringSubmatch(measure)[1]))
	})
}

// measured is what length leaves.
var measured = regexp.MustCompile(`(?s)\{length:(.*?):length\}`)

// next is the call that follows an attack: the victim's. Bytes that the attack
// left would become a part of it.
const next = "GET /scim/Users/next-{mark} HTTP/1.1\r\nHost: {host}\r\n{auth}\r\nConnection: close\r\n\r\n"

// leave is an attacker's last call, which gets 404 and ends the connection.
const leave = "GET /nowhere HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"

// tried is an attack that was mounted.
type tried struct {
	vector
	mark string
	sent string
	got  []byte // of the attacker's connection
	next []byte // of the victim's, if that is another
}

// attack mounts one. In front of the proxy the next call comes on the same
// connection. The host has a connection to each client, and all share those to
// the proxy: there the next call comes from another client.
func (w *world) attack(t *testing.T, v vector) tried {
	t.Helper()
	done := tried{vector: v, mark: w.newMark()}
	raw := v.raw
	switch {
	case v.cut:
	case w.behindHost:
		raw += leave
	default:
		raw += next
	}
	done.sent = w.fill(raw, done.mark)
	done.got = w.exchange(t, done.sent, v.cut)
	if w.behindHost || v.cut {
		done.next = w.exchange(t, w.fill(next, done.mark), false)
	}
	return done
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
		if v.whole && mark.FindString(r.uri) == v.mark && !strings.Contains(r.uri, "-"+v.mark) {
			// The client's own words, which name the token.
			r.body = bytes.ReplaceAll(r.body, []byte(w.Token()), nil)
		}
		for _, what := range w.judgeRequest(r) {
			add("%s", what)
		}
		switch path, query, _ := strings.Cut(r.uri, "?"); {
		case strings.Contains(r.uri, "smuggled-"):
			add("a smuggled request reached the backend: %s %s", r.method, r.uri)
		case strings.Contains(r.uri, "next-"+v.mark):
			following++
			if r.method != http.MethodGet || path != w.base()+"/Users/next-"+v.mark || query != "" || len(r.body) > 0 {
				add("the next call was changed: %s %s %q", r.method, r.uri, r.body)
			}
		case v.broken && r.cut:
		default:
			own++
			if v.body != "" && string(r.body) != v.body || v.query != "" && query != w.fill(v.query, v.mark) {
				add("the backend got another call: ?%.200s %.200q", query, r.body)
			}
		}
	}
	if v.resolved && w.behindHost {
		v.reach = 1
	}
	if own > v.reach || own < v.reach && !v.may && !w.behindHost {
		add("the backend got %d of its requests", own)
	}
	if shared := !w.behindHost && !v.cut; following > 1 || !shared && following < 1 || shared && (v.last || v.swallows) && following > 0 ||
		shared && !v.last && !v.swallows && following == 0 && v.reach > 0 && !v.may {
		add("the backend got the next call %d times", following)
	}
	w.judgeAnswers(v, own, add)
	return found
}

// judgeAnswers tells what is wrong with what came back of an attack of which
// the backend got a number of requests.
func (w *world) judgeAnswers(v tried, own int, add func(string, ...any)) {
	answers, _ := parse(v.sent, v.got)
	for _, a := range answers {
		switch {
		case a.status == http.StatusContinue:
		case a.status < 200:
			add("the answer is %d", a.status)
		case a.status < 400 && v.reach == 0 && !v.ping:
			add("an attack was answered with %d", a.status)
		}
	}
	for _, secret := range append(w.inside, hostile) {
		if bytes.Contains(v.got, []byte(secret)) || bytes.Contains(v.next, []byte(secret)) {
			add("an answer holds %q", secret)
		}
	}
	if own == 0 && bytes.Contains(v.got, []byte(unlogged)) {
		add("an answer of the proxy's holds what the client sent: %.300q", v.got)
	}
}

// forwarded are the header fields that a request at the backend may have:
// the proxy's allow-list, its own ones, and the framing.
var forwarded = []string{
	"Accept", "Accept-Language", "Accept-Encoding", "Content-Type", "Content-Encoding", "If-Match", "If-None-Match",
	"Prefer", "Adscimversion", "Traceparent", "Tracestate", "X-Request-Id",
	"Authorization", "User-Agent", "Content-Length",
}

// isPlain reports whether an escaped path means the same to every parser.
func isPlain(path string) bool {
	if strings.ContainsFunc(path, func(c rune) bool { return c <= ' ' || c > '~' || strings.ContainsRune(`;#\`, c) }) {
		return false
	}
	once, err := url.PathUnescape(path)
	if err != nil || !utf8.ValidString(once) || strings.ContainsFunc(once, isControl) || strings.Contains(once, `\`) ||
		strings.Count(once, "/") != strings.Count(path, "/") {
		return false
	}
	for segment := range strings.SplitSeq(once, "/") {
		if segment == "." || segment == ".." {
			return false
		}
	}
	twice, err := url.PathUnescape(once)
	return err != nil || twice == once
}

// isControl reports whether c is one of ASCII's control characters.
func isControl(c rune) bool { return c < ' ' || c == 0x7f }

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
	if path, _, _ := strings.Cut(r.uri, "?"); !isPlain(path) {
		add("the backend got a path that parsers may differ on: %q", r.uri)
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
	for _, secret := range append(w.Secrets(), hostile, unlogged, "filter=") {
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
