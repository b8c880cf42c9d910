package window

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

const (
	// bodyLimit bounds what is kept of a body, in bytes.
	bodyLimit = 64 << 10
	// slack is recorded beyond it, so that a token across the boundary is
	// recognized as one.
	slack = 4 << 10
)

// FromEntra records what Entra sends to next and gets from it. It belongs where
// the request is as Entra sent it and the invocation has its identity already.
// identify returns that: the id that the proxy logs as request_id, and the value
// of the traceparent header that the backend gets
// (https://www.w3.org/TR/trace-context/). Without an id the log is not joined,
// without a traceparent the backend's part is not.
//
// The handler is transparent: streams, flushes, informational answers, aborts
// and bodies pass as they are.
func (r *Recorder) FromEntra(next http.Handler, identify func(*http.Request) (id, traceparent string)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		id, traceparent := identify(request)
		start := time.Now()
		sent, secrets := requestMessage(request)
		e := r.begin(Exchange{
			ID: id, Start: start, Method: request.Method, Target: targetOf(sent.StartLine), Entra: sent,
		}, traceparent, secrets)
		tap, request := newTap(w, request)
		defer func() {
			in, out := tap.messages(request)
			r.end(e, in, out, time.Since(start))
		}()
		next.ServeHTTP(tap, request)
		tap.returned = true
	})
}

// AtBackend records what reaches next and what it says, and joins it to the
// exchange by the traceparent header, which the proxy hands on. A request
// without one is none of Entra's and is not recorded. The handler is as
// transparent as that of [Recorder.FromEntra].
func (r *Recorder) AtBackend(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		traceparent := request.Header.Get("Traceparent")
		if traceparent == "" {
			next.ServeHTTP(w, request)
			return
		}
		got, secrets := requestMessage(request)
		c := &call{Pair: Pair{Got: got}, secrets: secrets}
		r.reach(traceparent, c)
		tap, request := newTap(w, request)
		defer func() {
			in, out := tap.messages(request)
			r.leave(c, in, out)
		}()
		next.ServeHTTP(tap, request)
		tap.returned = true
	})
}

// requestMessage returns the request as it is before its body, and its
// credentials.
func requestMessage(request *http.Request) (m Message, secrets []string) {
	m.Header, secrets = redactHeader(request.Header)
	m.Header.Set("Host", request.Host)
	if len(request.TransferEncoding) > 0 {
		m.Header["Transfer-Encoding"] = append([]string(nil), request.TransferEncoding...)
	}
	target, keys := redactTarget(request.RequestURI)
	m.StartLine = request.Method + " " + target + " " + request.Proto
	secrets = append(secrets, keys...)
	m.scrub(secrets)
	return m, secrets
}

// targetOf cuts the target out of a request line.
func targetOf(line string) string {
	first, last := 0, len(line)
	for i, b := range []byte(line) {
		if b == ' ' && first == 0 {
			first = i + 1
		} else if b == ' ' {
			last = i
		}
	}
	return line[first:last]
}

// tap is a response writer that records what passes.
type tap struct {
	http.ResponseWriter
	request  *recordedBody // nil if there is no body
	answer   kept
	status   int
	header   http.Header
	returned bool // the handler did, rather than panic
	taken    bool // by Hijack
}

// newTap returns the tap for w and a copy of the request whose body is recorded.
func newTap(w http.ResponseWriter, request *http.Request) (*tap, *http.Request) {
	t := &tap{ResponseWriter: w}
	if request.Body == nil || request.Body == http.NoBody {
		return t, request
	}
	t.request = &recordedBody{ReadCloser: request.Body, kept: kept{expected: request.ContentLength}}
	request = request.WithContext(request.Context())
	request.Body = t.request
	return t, request
}

// WriteHeader implements [http.ResponseWriter].
func (t *tap) WriteHeader(status int) {
	t.begin(status)
	t.ResponseWriter.WriteHeader(status)
}

// begin notes the final status and the header as it is then.
func (t *tap) begin(status int) {
	if t.status == 0 && (status >= http.StatusOK || status == http.StatusSwitchingProtocols) {
		t.status = status
		t.header, _ = redactHeader(t.Header())
	}
}

// Write implements [http.ResponseWriter].
func (t *tap) Write(data []byte) (int, error) {
	t.begin(http.StatusOK)
	n, err := t.ResponseWriter.Write(data)
	t.answer.add(data[:n])
	return n, err
}

// Flush implements [http.Flusher].
func (t *tap) Flush() { _ = t.FlushError() }

// FlushError is what [http.ResponseController] calls.
func (t *tap) FlushError() error {
	t.begin(http.StatusOK)
	return http.NewResponseController(t.ResponseWriter).Flush()
}

// Hijack implements [http.Hijacker]. What is written to the connection is not
// recorded.
func (t *tap) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(t.ResponseWriter).Hijack()
	t.taken = t.taken || err == nil
	return conn, buffered, err
}

// Unwrap lets [http.ResponseController] reach everything else.
func (t *tap) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// messages returns what was read of the request's body, and the answer.
func (t *tap) messages(request *http.Request) (in, out Message) {
	if t.request != nil {
		in = t.request.message()
	}
	if t.returned && !t.taken {
		t.begin(http.StatusOK)
	}
	out = t.answer.message()
	out.Status = t.status
	if t.status != 0 {
		out.Header = t.header
		out.StartLine = request.Proto + " " + strconv.Itoa(t.status) + " " + http.StatusText(t.status)
	}
	// The context also ends when a client leaves that has read all of it. With
	// neither of these it cannot know that before the handler returns.
	whole := t.status == http.StatusNoContent || t.status == http.StatusNotModified ||
		t.status != 0 && request.Method == http.MethodHead ||
		t.header.Get("Content-Length") == strconv.FormatInt(t.answer.size, 10)
	out.Broken = !t.returned || t.taken || request.Context().Err() != nil && !whole
	return in, out
}

// recordedBody is a request's body that keeps what is read.
type recordedBody struct {
	io.ReadCloser
	mu sync.Mutex // a transport may still read when the handler has returned
	kept
	ended bool
}

// Read implements [io.Reader].
func (b *recordedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.add(p[:n])
	b.ended = b.ended || err == io.EOF
	return n, err
}

func (b *recordedBody) message() Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := b.kept.message()
	m.Broken = !b.ended && b.size != b.expected
	return m
}

// kept is the beginning of a body and the size of all of it.
type kept struct {
	data     []byte
	size     int64
	expected int64 // as declared; -1 if it was not
	sealed   bool
}

func (k *kept) add(data []byte) {
	if k.sealed {
		return
	}
	k.size += int64(len(data))
	room := min(len(data), bodyLimit+slack-len(k.data))
	if room > 0 {
		k.data = append(k.data, data[:room]...)
	}
}

// message seals what is kept.
func (k *kept) message() Message {
	k.sealed = true
	return Message{Body: k.data, Size: k.size, Truncated: k.size > bodyLimit}
}
