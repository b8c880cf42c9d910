package proxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// holdLimit is the largest body, in bytes, that is held only so that a call
// refused with 401 can be repeated. Entra's are a few KiB.
const holdLimit = 64 << 10

const (
	// bodyLimit bounds how long a body may take to arrive, if the call's own
	// deadline is not shorter.
	bodyLimit = 30 * time.Second
	// lingerLimit bounds how long a refused client may go on sending: enough
	// for it to read the answer, before the connection is closed.
	lingerLimit = time.Second
)

// requestBody is the client's body. The transport may read it in another
// goroutine than the one that serves the call, even after an answer has come.
type requestBody struct {
	body   io.Reader
	length int64 // of what the backend gets; -1: unknown
	limit  int64
	late   time.Time // when it should be here; zero: there is none
	read   atomic.Int64
	ended  atomic.Bool
	closed atomic.Bool
	failed atomic.Pointer[error]

	held []byte // nil: it streams
}

// newRequestBody gives the body, if there is one, its deadline: from here on,
// so that also a call that is refused unread cannot hold the connection.
func newRequestBody(w http.ResponseWriter, r *http.Request, started time.Time, limit time.Duration) *requestBody {
	b := &requestBody{body: r.Body, length: r.ContentLength}
	if b.length == 0 {
		b.ended.Store(true)
		return b
	}
	b.late = started.Add(limit)
	// The server lifts it when the body is here, and reads on to notice when
	// the client leaves (TestCallOutlivesTheBodyDeadline). A writer without
	// deadlines, as in a test, is no reason to refuse.
	_ = http.NewResponseController(w).SetReadDeadline(b.late)
	return b
}

// Read notes how far the body came and why it ended early.
func (b *requestBody) Read(buffer []byte) (int, error) {
	if b.closed.Load() {
		return 0, http.ErrBodyReadAfterClose
	}
	n, err := b.body.Read(buffer)
	total := b.read.Add(int64(n))
	switch {
	case total > b.limit:
		return n, b.fail(errBodyTooLarge)
	case err == io.EOF || total == b.length:
		b.ended.Store(true)
	case err != nil:
		return n, b.fail(errBodyIncomplete)
	}
	return n, err
}

// Close ends the reading. It leaves the server's own body alone, whose Close
// waits for what the client has yet to send, and httputil.ReverseProxy calls it
// before an answer that came early is flushed.
func (b *requestBody) Close() error {
	b.closed.Store(true)
	return nil
}

func (b *requestBody) fail(err error) error {
	b.failed.Store(&err)
	return err
}

func (b *requestBody) count() int64 { return b.read.Load() }

// holdBody prepares the body for the backend: a short one of known length is
// read now, with whole any other, too. What is not read now will stream.
func (x *exchange) holdBody(limit int64, whole bool, within *load) error {
	b := x.body
	if b.length > limit {
		return errBodyTooLarge
	}
	b.limit = limit
	switch {
	case b.length == 0:
	case 0 < b.length && b.length <= holdLimit:
		if err := within.hold(x, b.length); err != nil {
			return err
		}
		b.held = make([]byte, b.length)
		if _, err := io.ReadFull(b, b.held); err != nil {
			return errBodyIncomplete
		}
	case whole:
		length := b.length
		if length < 0 {
			length = limit
		}
		if err := within.hold(x, length); err != nil {
			return err
		}
		// Grows with what arrives: an announced length costs the client nothing.
		held, err := io.ReadAll(b)
		if err != nil {
			return err // of Read
		}
		b.replace(held)
	}
	return nil
}

// replace makes other bytes the body, in place of what was held.
func (b *requestBody) replace(held []byte) { b.held, b.length = held, int64(len(held)) }

// outgoing returns the body for the backend, anew for each call; nil if there is
// none. It does not come with a GetBody: over HTTP/2 net/http would send a call
// again that the backend broke off, whatever its method
// (TestResetCallIsNotRepeatedOverHTTP2).
func (b *requestBody) outgoing() io.ReadCloser {
	switch {
	case b.length == 0:
		return nil
	case b.held != nil:
		return io.NopCloser(bytes.NewReader(b.held))
	}
	return b
}

// repeatable reports whether outgoing can be called twice.
func (b *requestBody) repeatable() bool { return b.length == 0 || b.held != nil }

// bodyPending reports whether some of the client's body has not been read.
func (x *exchange) bodyPending() bool { return !x.body.ended.Load() }

// bodyError returns why the client's body ended early, nil if it did not.
func (x *exchange) bodyError() error {
	if err := x.body.failed.Load(); err != nil {
		return *err
	}
	// The server ends the request's context before the failed Read returns.
	if x.clientGone() && x.bodyPending() && time.Now().After(x.body.late) {
		return errBodyIncomplete
	}
	return nil
}

// errCut stands for whatever broke the backend's body off. The cause itself can
// hold addresses, and httputil.ReverseProxy logs what it is given.
var errCut = errors.New("backend body broke off")

// answerBody is the backend's body on its way to the client.
type answerBody struct {
	io.ReadCloser
	ctx    context.Context //nolint:containedctx // Read has no parameter for it
	length int64           // -1: unknown
	broken error           // what ended it early; read after the last Read
}

// Read keeps the error for the exchange's own log line.
//
// When the call ends, the transport leaves, and a backend that notices may well
// end its body in good order before the connection is gone. What came so far
// then looks whole, and is not.
func (b *answerBody) Read(buffer []byte) (int, error) {
	n, err := b.ReadCloser.Read(buffer)
	if errors.Is(err, io.EOF) && b.length < 0 && b.ctx.Err() != nil {
		err = context.Cause(b.ctx)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		b.broken = err
		err = errCut
	}
	return n, err
}

// bufferPool lends the copy buffers, of the size that io.Copy would make.
type bufferPool struct {
	pool sync.Pool
}

type copyBuffer [32 << 10]byte

// Get returns a buffer of 32 KiB.
func (p *bufferPool) Get() []byte {
	if buffer, ok := p.pool.Get().(*copyBuffer); ok {
		return buffer[:]
	}
	return new(copyBuffer)[:]
}

// Put takes back a buffer that Get returned.
func (p *bufferPool) Put(buffer []byte) { p.pool.Put((*copyBuffer)(buffer)) }
