package host

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// roundTripper is a transport made of a function.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func newRequest(ctx context.Context, t *testing.T, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://127.0.0.1:1/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Body = &closable{Reader: strings.NewReader(body)}
	}
	return r
}

// closable is a body that is lost once it is closed, as a server's is.
type closable struct {
	*strings.Reader
	closed bool
}

func (c *closable) Read(piece []byte) (int, error) {
	if c.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	return c.Reader.Read(piece)
}

func (c *closable) Close() error {
	c.closed = true
	return nil
}

// The waits double from 50 ms to 250 ms, ten attempts are all, and a body comes
// through whole as long as nobody was there to read it.
func TestRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, refused := time.Now(), errors.New("refused")
		var at []time.Duration
		succeedAt := 0
		transport := retrier{roundTripper(func(r *http.Request) (*http.Response, error) {
			at = append(at, time.Since(start))
			if len(at) != succeedAt {
				r.Body.Close() // as a transport does
				return nil, refused
			}
			body, err := io.ReadAll(r.Body)
			return &http.Response{Body: io.NopCloser(bytes.NewReader(body))}, err
		})}
		if _, err := transport.RoundTrip(newRequest(t.Context(), t, "body")); !errors.Is(err, refused) {
			t.Errorf("got %v", err)
		}
		var want []time.Duration
		for _, ms := range []int{0, 50, 150, 350, 600, 850, 1100, 1350, 1600, 1850} {
			want = append(want, time.Duration(ms)*time.Millisecond)
		}
		if diff := cmp.Diff(want, at); diff != "" {
			t.Errorf("attempts (-want +got):\n%s", diff)
		}
		at, succeedAt = nil, 10
		request := newRequest(t.Context(), t, "body")
		response, err := transport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(response.Body); string(body) != "body" || err != nil {
			t.Errorf("got %q, %v", body, err)
		}
		if !request.Body.(*closable).closed {
			t.Error("the body is left open")
		}
	})
}

// A client that leaves ends the attempts.
func TestRetriesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 120*time.Millisecond)
		defer cancel()
		attempts := 0
		_, err := retrier{roundTripper(func(*http.Request) (*http.Response, error) {
			attempts++
			return nil, errors.New("refused")
		})}.RoundTrip(newRequest(ctx, t, ""))
		if !errors.Is(err, context.DeadlineExceeded) || attempts != 2 {
			t.Errorf("got %v after %d attempts", err, attempts)
		}
	})
}

// A body goes out once.
func TestRetriesWithBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for body, want := range map[string]int{"": maxAttempts, "body": 1} {
			attempts := 0
			_, err := retrier{roundTripper(func(r *http.Request) (*http.Response, error) {
				attempts++
				httptrace.ContextClientTrace(r.Context()).GotConn(httptrace.GotConnInfo{})
				return nil, io.ErrUnexpectedEOF
			})}.RoundTrip(newRequest(t.Context(), t, body))
			if !errors.Is(err, io.ErrUnexpectedEOF) || attempts != want {
				t.Errorf("body %q: got %v after %d attempts, want %d", body, err, attempts, want)
			}
		}
	})
}

// pulse is a body that gives a byte at a time, each after a while.
type pulse struct {
	done  <-chan struct{}
	every time.Duration
	left  int
	shut  bool
}

func (p *pulse) Read(piece []byte) (int, error) {
	if p.left == 0 {
		return 0, io.EOF
	}
	select {
	case <-time.After(p.every):
	case <-p.done:
		return 0, errIdle
	}
	p.left--
	return copy(piece, "x"), nil
}

func (p *pulse) Close() error {
	p.shut = true
	return nil
}

// Silence ends a call after 240 s, before the answer and within; slowness does
// not, of a body neither. With the call ends what watches it.
func TestWatchdog(t *testing.T) {
	for _, test := range []struct {
		name                string
		sent, head, between time.Duration
		want                error
	}{
		{"slow", 239 * time.Second, 239 * time.Second, 239 * time.Second, nil},
		{"a request that stops", 241 * time.Second, 0, 0, errIdle},
		{"no answer", 0, 241 * time.Second, 0, errIdle},
		{"an answer that stops", 0, 0, 241 * time.Second, errIdle},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var ctx context.Context
				answer := &pulse{every: test.between, left: 3}
				dog := watchdog{roundTripper(func(r *http.Request) (*http.Response, error) {
					ctx = r.Context()
					r.Body.(watched).ReadCloser.(*pulse).done = ctx.Done()
					if _, err := io.ReadAll(r.Body); err != nil {
						return nil, err
					}
					select {
					case <-time.After(test.head):
						answer.done = ctx.Done()
						return &http.Response{Body: answer}, nil
					case <-r.Context().Done():
						return nil, context.Cause(r.Context())
					}
				}), activityLimit}
				request := newRequest(t.Context(), t, "")
				request.Body = &pulse{every: test.sent, left: 3}
				response, err := dog.RoundTrip(request)
				if err == nil {
					_, err = io.ReadAll(response.Body)
					response.Body.Close()
					if !answer.shut {
						t.Error("the answer is left open")
					}
				}
				if !errors.Is(err, test.want) {
					t.Errorf("got %v, want %v", err, test.want)
				}
				if ctx.Err() == nil {
					t.Error("the call's context outlives it")
				}
			})
		})
	}
}

// A call that fails leaves nothing running either.
func TestWatchdogOfFailure(t *testing.T) {
	var ctx context.Context
	_, err := watchdog{roundTripper(func(r *http.Request) (*http.Response, error) {
		ctx = r.Context()
		return nil, io.ErrUnexpectedEOF
	}), activityLimit}.RoundTrip(newRequest(t.Context(), t, ""))
	if !errors.Is(err, io.ErrUnexpectedEOF) || ctx.Err() == nil {
		t.Errorf("got %v, the context is %v", err, ctx.Err())
	}
}
