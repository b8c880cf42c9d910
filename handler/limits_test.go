package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"example.com/entra-scim-proxy/proxy/check"
)

// pipes is a listener whose connections are in memory, so that the limits can
// be tested to the nanosecond.
type pipes struct {
	connections chan net.Conn
	closed      chan struct{}
}

func newPipes() *pipes { return &pipes{make(chan net.Conn), make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.connections:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	select {
	case <-p.closed:
	default:
		close(p.closed)
	}
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "unix"} }

func (p *pipes) dial() net.Conn {
	client, server := net.Pipe()
	p.connections <- server
	return client
}

// served runs serve around a handler. It is called in a bubble, as is whatever
// its test waits for: the bubble's clock stands still while something outside
// is waited for. The bubble's clock also stops when the test's function is
// through, so the server's end is waited for before that.
func served(t *testing.T, handler http.HandlerFunc) (p *pipes, stop context.CancelFunc, status <-chan int) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	p, result := newPipes(), make(chan int, 1)
	ended := make(chan struct{})
	go func() { // ends when the test, or its cleanup, stops it
		defer close(ended)
		result <- serve(ctx, p, newServer(handler, 50*time.Second, 16<<10), nil, zap.NewNop())
	}()
	t.Cleanup(func() {
		stop()
		<-ended
	})
	return p, stop, result
}

// endOf reads to the end of a connection and returns how long that took.
func endOf(conn net.Conn) time.Duration {
	begin := time.Now()
	_, _ = io.Copy(io.Discard, conn)
	_ = conn.Close()
	return time.Since(begin)
}

func request(t *testing.T, p *pipes, text string) net.Conn {
	t.Helper()
	conn := p.dial()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return conn
}

const anyCall = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

func TestTheCheckHasTimeToAnswer(t *testing.T) {
	if limit := newServer(nil, time.Second, 16<<10).WriteTimeout; limit < check.Limit+time.Second {
		t.Errorf("an answer is cut off after %v", limit)
	}
}

func TestLimitsOfTheServer(t *testing.T) {
	for name, test := range map[string]struct {
		send string
		want time.Duration
	}{
		"header": {"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ", 5 * time.Second},
		"idle":   {anyCall, 120 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			p, stop, _ := served(t, func(http.ResponseWriter, *http.Request) {})
			if took := endOf(request(t, p, test.send)); took != test.want {
				t.Errorf("%s: cut off after %v, want %v", name, took, test.want)
			}
			stop()
		})
	}
}

// Clients open connections to spare, and send on them later: one must not be
// closed sooner than one that is between two calls.
func TestConnectionToSpareStaysOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, stop, _ := served(t, func(http.ResponseWriter, *http.Request) {})
		if took := endOf(p.dial()); took != 120*time.Second {
			t.Errorf("a silent connection is cut off after %v, want 120 s", took)
		}
		conn := p.dial()
		time.Sleep(119 * time.Second)
		// From its first byte on, the header has 5 s as any other.
		if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\n"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(4 * time.Second)
		if _, err := io.WriteString(conn, "Host: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || response.StatusCode != 200 {
			t.Errorf("%v, %v", response, err)
		}
		if took := endOf(conn); took != 120*time.Second {
			t.Errorf("cut off %v after the call, want 120 s", took)
		}
		conn = p.dial()
		time.Sleep(60 * time.Second)
		begin := time.Now()
		if _, err := io.WriteString(conn, "GET"); err != nil {
			t.Fatal(err)
		}
		_ = endOf(conn)
		if took := time.Since(begin); took != 5*time.Second {
			t.Errorf("a slow header is cut off after %v, want 5 s", took)
		}
		stop()
	})
}

// A client that does not read its answer is cut off 10 s after the call's
// deadline.
func TestClientThatDoesNotReadIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan time.Duration, 1)
		p, stop, _ := served(t, func(w http.ResponseWriter, _ *http.Request) {
			begin := time.Now()
			for {
				if _, err := w.Write(make([]byte, 1<<20)); err != nil {
					ended <- time.Since(begin)
					return
				}
			}
		})
		conn := request(t, p, anyCall)
		if took := <-ended; took != 60*time.Second {
			t.Errorf("cut off after %v, want 60 s", took)
		}
		_ = conn.Close()
		stop()
	})
}

func TestDrainIsBoundedAndExitsNonZero(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		arrived, release := make(chan struct{}), make(chan struct{})
		p, stop, status := served(t, func(http.ResponseWriter, *http.Request) {
			close(arrived)
			<-release
		})
		conn := request(t, p, anyCall)
		<-arrived
		begin := time.Now()
		stop()
		if code := <-status; code != exitFailure || time.Since(begin) != 25*time.Second {
			t.Errorf("exit status %d after %v, want 1 after 25 s", code, time.Since(begin))
		}
		close(release)
		_ = conn.Close()
	})
}

func TestUnexpectedStopExitsNonZero(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _, status := served(t, func(http.ResponseWriter, *http.Request) {})
		synctest.Wait()
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		if code := <-status; code != exitFailure {
			t.Errorf("exit status %d, want 1", code)
		}
	})
}
