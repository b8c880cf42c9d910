package backend

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strconv"
	"time"
)

// Harm is one thing that goes wrong on the wire; the functions below make
// them.
type Harm struct {
	name  string
	wrap  func(http.Handler) http.Handler // nil for CloseIdle
	final bool                            // does not call what it wraps
	idle  time.Duration
}

// String describes the harm to people.
func (h Harm) String() string { return h.name }

// alone makes a harm of what serves calls by itself.
func alone(name string, serve http.HandlerFunc) Harm {
	return Harm{name: name, final: true, wrap: func(http.Handler) http.Handler { return serve }}
}

// inFront makes a harm of what stands in front of a handler.
func inFront(name string, serve func(w http.ResponseWriter, r *http.Request, next http.Handler)) Harm {
	return Harm{name: name, wrap: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { serve(w, r, next) })
	}}
}

// Slow waits before a call is served, or until the client goes away.
func Slow(wait time.Duration) Harm {
	return inFront(fmt.Sprintf("nothing happens for %v", wait), func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		pause(r, wait)
		next.ServeHTTP(w, r)
	})
}

// SlowBody waits after the first bytes of an answer's body, or until the
// client goes away. Of a body that is not longer nothing is late.
func SlowBody(first int, wait time.Duration) Harm {
	return inFront(fmt.Sprintf("the body stops for %v after %d bytes", wait, first), func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		a := recorded(next, r)
		a.begin(w)
		if len(a.body) > first {
			write(w, a.body[:first])
			pause(r, wait)
			a.body = a.body[first:]
		}
		write(w, a.body)
	})
}

// CutBody breaks the connection off after the first bytes of an answer's body,
// of which Content-Length promised more. A body that is not longer is not cut.
func CutBody(first int) Harm {
	return inFront(fmt.Sprintf("the body breaks off after %d bytes", first), func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		recorded(next, r).cut(w, first)
	})
}

// CutChunked is CutBody with a body in chunks (RFC 9112 section 7.1), of which
// the last is missing; that can be the only one that is.
func CutChunked(first int) Harm {
	return inFront(fmt.Sprintf("the chunks break off after %d bytes", first), func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		a := recorded(next, r)
		a.header.Del("Content-Length")
		a.chunked = true
		a.cut(w, first)
	})
}

// Reset resets the connection instead of an answer, after the request was
// read; of HTTP/2, the stream. The backend behind does not see the call.
func Reset() Harm {
	return alone("the connection is reset", func(w http.ResponseWriter, r *http.Request) {
		drain(r)
		reset(w)
	})
}

// ResetAfter is Reset after the backend has served the call: what a PATCH
// asked for has happened, and the client does not know.
func ResetAfter() Harm {
	return inFront("the connection is reset once the call is served", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		recorded(next, r)
		drain(r)
		reset(w)
	})
}

// CloseIdle closes connections after they were idle for so long; at once, right
// after an answer, if that is 0. The answer does not announce it. It needs
// [Trouble.ConnState], and [When.Match] means nothing to it.
func CloseIdle(after time.Duration) Harm {
	return Harm{name: fmt.Sprintf("idle connections are closed after %v", after), idle: after}
}

// Instead serves calls by another handler, such as a view of the [Backend] that
// has other faults or another token.
func Instead(name string, other http.Handler) Harm {
	return alone(name, other.ServeHTTP)
}

// Refuse answers by itself with a SCIM Error.
func Refuse(status int, detail string) Harm {
	return answering(fmt.Sprintf("%d with a SCIM Error", status), nil, errorAnswer(&scimError{status: status, detail: detail}))
}

// RefuseBare answers by itself with nothing but a status, as firewalls do.
func RefuseBare(status int) Harm {
	return answering(fmt.Sprintf("%d without a body", status), http.Header{"Content-Length": {"0"}}, answer{status: status})
}

// Unauthorized answers 401 to the right token, too.
func Unauthorized() Harm {
	return answering("401 for every token", http.Header{"Www-Authenticate": {`Bearer realm="scim", error="invalid_token"`}},
		errorAnswer(&scimError{status: http.StatusUnauthorized, detail: "a valid credential is required"}))
}

// TooMany answers 429 with a Retry-After in whole seconds (RFC 6585 section 4,
// RFC 9110 section 10.2.3).
func TooMany(retryAfter time.Duration) Harm {
	seconds := strconv.Itoa(int(retryAfter / time.Second))
	return answering("429 with Retry-After: "+seconds, http.Header{"Retry-After": {seconds}},
		errorAnswer(&scimError{status: http.StatusTooManyRequests, detail: "too many requests"}))
}

// LoginPage answers 200 with the HTML of a login form: single sign-on has taken
// over the path (github.com/grokability/snipe-it#14138).
func LoginPage() Harm {
	return answering("200 with a login page", nil, answer{status: http.StatusOK, body: page(
		`<!doctype html><html><title>Log in</title><form method="post"><input name="user"><input name="password" type="password"></form></html>`)})
}

// ErrorPage answers a status with HTML, as a proxy in front of the product does.
func ErrorPage(status int) Harm {
	return answering(fmt.Sprintf("%d with an HTML page", status), nil, answer{status: status, body: page(fmt.Sprintf(
		"<!doctype html><html><title>%[1]d %[2]s</title><h1>%[2]s</h1></html>", status, http.StatusText(status)))})
}

// answering makes a harm of an answer.
func answering(name string, header http.Header, a answer) Harm {
	return alone(name, func(w http.ResponseWriter, r *http.Request) {
		maps.Copy(w.Header(), header)
		a.write(w, r)
	})
}

// pause waits, or until the client goes away.
func pause(r *http.Request, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
	}
}

// drain reads what is left of a request: a connection that is closed with
// unread data is reset without our doing.
func drain(r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }

// reset resets the connection, or an HTTP/2 stream, which has none of its own.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // how a handler resets a stream
	}
	if secured, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = secured.NetConn() // without TLS saying goodbye
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // makes Close reset
	}
	conn.Close()
}

// held is an answer that was held back.
type held struct {
	header  http.Header
	status  int
	body    []byte
	chunked bool
}

// recorded serves r by next and holds the answer back.
func recorded(next http.Handler, r *http.Request) *held {
	w := &recorder{header: http.Header{}}
	next.ServeHTTP(w, r)
	w.WriteHeader(http.StatusOK) // unless there was another
	return &held{header: w.header, status: w.status, body: w.body.Bytes()}
}

// begin sends the header.
func (a *held) begin(w http.ResponseWriter) {
	maps.Copy(w.Header(), a.header)
	w.WriteHeader(a.status)
}

// cut sends a up to the first bytes of its body and breaks off, if there is
// more to come.
func (a *held) cut(w http.ResponseWriter, first int) {
	whole := len(a.body) < first || len(a.body) == first && !a.chunked
	a.begin(w)
	write(w, a.body[:min(first, len(a.body))])
	if !whole && len(a.body) > 0 {
		panic(http.ErrAbortHandler) // how a handler breaks off
	}
}

// write sends data at once. The client may be gone; nobody is left to tell.
func write(w http.ResponseWriter, data []byte) {
	_, _ = w.Write(data)
	_ = http.NewResponseController(w).Flush()
}

// recorder is an [http.ResponseWriter] that sends nothing.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *recorder) Header() http.Header { return w.header }

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

func (w *recorder) Write(data []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(data)
}
