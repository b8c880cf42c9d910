package proxy

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// holdLimit is the largest body, in bytes, that is held so that a call refused
// with 401 can be repeated. Entra's are a few KiB.
const holdLimit = 64 << 10

// bodyLimit bounds how long a body may take to arrive, if the call's own
// deadline is not shorter.
const bodyLimit = 30 * time.Second

// requestBody is the client's body. The transport may read it in another
// goroutine than the one that serves the call, even after an answer has come.
type requestBody struct {
	body   io.Reader
	length int64 // -1: unknown
	limit  int64
	read   atomic.Int64
	ended  atomic.Bool
	closed atomic.Bool
	failed atomic.Pointer[error]
	atEnd  func()

	held []byte // nil: it streams
}

func newRequestBody(r *http.Request) *requestBody {
	b := &requestBody{body: r.Body, length: r.ContentLength}
	b.ended.Store(r.ContentLength == 0)
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
		if !b.ended.Swap(true) {
			b.atEnd()
		}
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
// read now, any other will stream.
func (x *exchange) holdBody(limit int64, timeout time.Duration) error {
	b := x.body
	if b.length == 0 {
		return nil
	}
	if b.length > limit {
		return errBodyTooLarge
	}
	b.limit = limit
	// The deadline goes once the body is here: the server reads on to notice
	// when the client leaves, and would take a timeout for that.
	connection := http.NewResponseController(x.ResponseWriter)
	b.atEnd = func() { _ = connection.SetReadDeadline(time.Time{}) }
	if err := connection.SetReadDeadline(x.started.Add(min(bodyLimit, timeout))); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return errBodyIncomplete
	}
	if b.length < 0 || b.length > holdLimit {
		return nil
	}
	b.held = make([]byte, b.length)
	if _, err := io.ReadFull(b, b.held); err != nil {
		return errBodyIncomplete
	}
	return nil
}

// sendBody gives the body to the outgoing request.
func (x *exchange) sendBody(out *http.Request) {
	switch b := x.body; {
	case b.length == 0:
		out.Body = nil
	case b.held != nil:
		out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.held)), nil }
		out.Body, _ = out.GetBody() // never fails
	default:
		out.Body = b
	}
}

// bodyPending reports whether some of the client's body has not been read.
func (x *exchange) bodyPending() bool { return !x.body.ended.Load() }

// bodyError returns why the client's body ended early, nil if it did not.
func (x *exchange) bodyError() error {
	if err := x.body.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// errCut stands for whatever broke the backend's body off. The cause itself can
// hold addresses, and httputil.ReverseProxy logs what it is given.
var errCut = errors.New("backend body broke off")

// answerBody is the backend's body on its way to the client.
type answerBody struct {
	io.ReadCloser
	broken error // what ended it early; read after the last Read
}

// Read keeps the error for the exchange's own log line.
func (b *answerBody) Read(buffer []byte) (int, error) {
	n, err := b.ReadCloser.Read(buffer)
	if err != nil && err != io.EOF {
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
