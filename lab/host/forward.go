package host

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptrace"
	"net/http/httputil"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// activityLimit is how long nothing may happen between host and handler
	// (host, DefaultHttpProxyService.cs:39-42).
	activityLimit = 240 * time.Second
	// maxAttempts, and the first and the longest wait between them
	// (host, RetryProxyHandler.cs:16-23, 41-72).
	maxAttempts  = 10
	firstDelay   = 50 * time.Millisecond
	longestDelay = 250 * time.Millisecond
)

// newTransport is the client that .NET's is: no proxy, no compression of its
// own, as many connections as there are calls.
func newTransport() *http.Transport {
	return &http.Transport{
		DisableCompression:  true,
		MaxIdleConnsPerHost: 1000,
		IdleConnTimeout:     time.Minute, // PooledConnectionIdleTimeout
	}
}

// newProxy is what stands in for YARP: it streams both ways, follows no
// redirect and keeps no cookie.
func newProxy(h *Host, transport http.RoundTripper) http.Handler {
	table := changes(h.options.Hostname != "")
	return &httputil.ReverseProxy{
		Rewrite: func(pr *httputil.ProxyRequest) {
			c := newCall(pr.In, h.destination)
			pr.Out.Header = pr.In.Header.Clone() // what ReverseProxy changed is for the table to say
			for _, row := range table {
				if row.request != nil {
					row.request(c, pr.Out)
				}
			}
		},
		ModifyResponse: func(response *http.Response) error {
			for _, row := range table {
				if row.response != nil {
					row.response(response.Header)
				}
			}
			return nil
		},
		Transport:     watchdog{retrier{transport}, activityLimit},
		FlushInterval: -1,
		BufferPool:    new(buffers),
		ErrorLog:      log.New(io.Discard, "", 0),
		// YARP's 502 or 504 does not reach the client: the failed invocation makes
		// it an empty 500 (host, DefaultHttpProxyService.cs:62-82 and
		// ExceptionMiddleware.cs:45; Azure/Azure-Functions#2560).
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
			w.WriteHeader(http.StatusInternalServerError)
		},
	}
}

// buffers are those through which answers' bodies pass: a new one for each would
// be most of what a call allocates.
type buffers struct{ free sync.Pool }

// Get returns a buffer of the size that ReverseProxy would make itself.
func (b *buffers) Get() []byte {
	if buffer, ok := b.free.Get().(*[32 << 10]byte); ok {
		return buffer[:]
	}
	return make([]byte, 32<<10)
}

// Put takes one back.
func (b *buffers) Put(buffer []byte) { b.free.Put((*[32 << 10]byte)(buffer)) }

// retrier tries again as RetryProxyHandler does: whatever went wrong, not only
// the connecting. But a body can be sent only once (YARP,
// StreamCopyHttpContent.cs:133-136), so that in effect a call with a body is repeated until there is a connection,
// and one without, a DELETE for example, may reach handlers more than once: one
// that crashes them may stop the whole app.
type retrier struct{ next http.RoundTripper }

// RoundTrip sends a request, up to ten times.
func (t retrier) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	delay := firstDelay
	for attempt := 1; ; attempt++ {
		response, sent, err := t.try(r)
		if err == nil || attempt == maxAttempts || sent && r.Body != nil {
			return response, err
		}
		select {
		case <-time.After(delay):
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
		delay = min(2*delay, longestDelay)
	}
}

// try sends a request once and reports whether there was a connection.
func (t retrier) try(r *http.Request) (response *http.Response, sent bool, err error) {
	var connected atomic.Bool
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }}
	attempt := r.Clone(httptrace.WithClientTrace(r.Context(), trace))
	if r.Body != nil {
		attempt.Body = io.NopCloser(r.Body) // the transport closes it whether it was read or not
	}
	response, err = t.next.RoundTrip(attempt)
	return response, connected.Load(), err
}

// watchdog cancels a call in which nothing happens for the limit.
type watchdog struct {
	next  http.RoundTripper
	limit time.Duration
}

var errIdle = errors.New("host: nothing happened for too long")

// RoundTrip sends a request. The answer's body is under watch until it is
// closed.
func (d watchdog) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	timer := time.AfterFunc(d.limit, func() { cancel(errIdle) })
	done := func() { timer.Stop(); cancel(nil) } // or they would pile up for the limit
	request := r.WithContext(ctx)
	if r.Body != nil {
		request.Body = watched{r.Body, timer, d.limit, func() {}}
	}
	response, err := d.next.RoundTrip(request)
	if err != nil {
		done()
		return nil, err
	}
	timer.Reset(d.limit)
	response.Body = watched{response.Body, timer, d.limit, done}
	return response, nil
}

// watched is a body each read of which is a sign of life.
type watched struct {
	io.ReadCloser
	timer *time.Timer
	limit time.Duration
	done  func()
}

// Read reads a piece of the body.
func (b watched) Read(piece []byte) (int, error) {
	defer b.timer.Reset(b.limit)
	return b.ReadCloser.Read(piece)
}

// Close ends the watch over an answer.
func (b watched) Close() error {
	defer b.done()
	return b.ReadCloser.Close()
}
