package backend

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// TestCloseIdleAtOnce reads the end of the connection right behind the answer.
func TestCloseIdleAtOnce(t *testing.T) {
	var trouble Trouble
	l := troubled(t, &trouble, plain)
	spell := trouble.Begin(CloseIdle(0), When{Next: 1})
	exchange := func() (*http.Response, *bufio.Reader, net.Conn) {
		conn, err := net.Dial("tcp", l.server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		if err := l.request(t, http.MethodGet, "/Users/{jane}", "").Write(conn); err != nil {
			t.Fatal(err)
		}
		reader := bufio.NewReader(conn)
		res, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			t.Fatal(err)
		}
		return res, reader, conn
	}
	res, reader, _ := exchange()
	if res.StatusCode != 200 || res.Close {
		t.Errorf("got %v", res)
	}
	if _, err := reader.ReadByte(); !errors.Is(err, io.EOF) || spell.Hits() != 1 {
		t.Errorf("got %v, %d hits", err, spell.Hits())
	}
	_, reader, conn := exchange() // the spell is over: the connection stays
	if err := l.request(t, http.MethodGet, "/Users/{jane}", "").Write(conn); err != nil {
		t.Fatal(err)
	}
	if res, err := http.ReadResponse(reader, nil); err != nil || res.StatusCode != 200 {
		t.Errorf("got %v, %v", res, err)
	}
}

// pipes is a listener whose connections are in memory, which a bubble needs.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p pipes) Close() error   { close(p.done); return nil }
func (p pipes) Addr() net.Addr { return &net.UnixAddr{} }

// TestCloseIdleLater waits for the end of a connection in a bubble's time.
func TestCloseIdleLater(t *testing.T) {
	for _, test := range []struct {
		name  string
		pause time.Duration
		end   bool
		want  string
	}{
		{"idle for long", 11 * time.Second, false, "closed"},
		{"used before", 9 * time.Second, false, "open"},
		{"spell ended before", 11 * time.Second, true, "open"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var trouble Trouble
				listener := pipes{conns: make(chan net.Conn), done: make(chan struct{})}
				server := &http.Server{Handler: trouble.Handler(http.NotFoundHandler()), ConnState: trouble.ConnState}
				served := make(chan error, 1)
				go func() { served <- server.Serve(listener) }() // ends with Close below
				defer func() {
					server.Close()
					if err := <-served; !errors.Is(err, http.ErrServerClosed) {
						t.Error(err)
					}
				}()
				client, other := net.Pipe()
				defer client.Close()
				listener.conns <- other
				spell := trouble.Begin(CloseIdle(10*time.Second), When{})
				reader := bufio.NewReader(client)
				call := func() error {
					if _, err := io.WriteString(client, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
						return err
					}
					res, err := http.ReadResponse(reader, nil)
					if err != nil {
						return err
					}
					_, err = io.Copy(io.Discard, res.Body)
					return err
				}
				for range 3 { // each use starts the time anew
					if err := call(); err != nil {
						t.Fatal(err)
					}
					time.Sleep(9 * time.Second)
				}
				if err := call(); err != nil {
					t.Fatal(err)
				}
				if test.end {
					spell.End()
				}
				time.Sleep(test.pause)
				synctest.Wait()
				if got := map[bool]string{true: "open", false: "closed"}[call() == nil]; got != test.want {
					t.Errorf("the connection is %s", got)
				}
			})
		})
	}
}
