package window_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"example.com/entra-scim-proxy/lab/window"
)

// watched is a recorder that says when a call has passed all of its taps.
type watched struct {
	window.Recorder
	ended chan struct{}
}

// tapped serves next behind each of the taps in turn.
func tapped(t *testing.T, next http.HandlerFunc, test func(t *testing.T, r *watched, address string)) {
	for _, name := range []string{"front", "backend"} {
		t.Run(name, func(t *testing.T) {
			r := &watched{ended: make(chan struct{}, 8)}
			handler := r.FromEntra(next, func(*http.Request) (string, string) { return "", "" })
			if name == "backend" {
				handler = r.FromEntra(r.AtBackend(next), func(r *http.Request) (string, string) { return "", r.Header.Get("Traceparent") })
			}
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
				defer func() { r.ended <- struct{}{} }()
				handler.ServeHTTP(w, request)
			}))
			defer server.Close()
			test(t, r, server.Listener.Addr().String())
		})
	}
}

// dial sends a request as it is and returns the connection.
func dial(t *testing.T, address, request string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := io.WriteString(conn, strings.ReplaceAll(request, "\n", "\r\n")); err != nil {
		t.Fatal(err)
	}
	return conn, bufio.NewReader(conn)
}

const get = "GET /a%2Fb?c=%22 HTTP/1.1\nHost: example.com\nTraceparent: 00-1\n\n"

// The first piece arrives while the handler holds the second back.
func TestTapStreams(t *testing.T) {
	for name, flush := range map[string]func(http.ResponseWriter){
		"controller": func(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() },
		"flusher":    func(w http.ResponseWriter) { w.(http.Flusher).Flush() },
	} {
		t.Run(name, func(t *testing.T) {
			arrived := make(chan struct{})
			tapped(t, func(w http.ResponseWriter, _ *http.Request) {
				io.WriteString(w, "first")
				flush(w)
				<-arrived
				io.WriteString(w, "second")
			}, func(t *testing.T, _ *watched, address string) {
				_, reader := dial(t, address, get)
				answer, err := http.ReadResponse(reader, nil)
				if err != nil {
					t.Fatal(err)
				}
				first := make([]byte, 5)
				if _, err := io.ReadFull(answer.Body, first); err != nil || string(first) != "first" {
					t.Fatalf("%q, %v", first, err)
				}
				arrived <- struct{}{}
				if rest, err := io.ReadAll(answer.Body); err != nil || string(rest) != "second" {
					t.Errorf("%q, %v", rest, err)
				}
			})
		})
	}
}

// The handler reads a first piece of the request while the client holds the
// second back, and answers in between.
func TestTapStreamsRequests(t *testing.T) {
	tapped(t, func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		if err := control.EnableFullDuplex(); err != nil {
			t.Error(err)
		}
		piece := make([]byte, 3)
		for range 2 {
			_, _ = io.ReadFull(r.Body, piece)
			w.Write(piece)
			_ = control.Flush()
		}
	}, func(t *testing.T, _ *watched, address string) {
		conn, reader := dial(t, address, "POST / HTTP/1.1\nHost: example.com\nTraceparent: 00-1\nContent-Length: 6\n\none")
		answer, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		piece := make([]byte, 3)
		if _, err := io.ReadFull(answer.Body, piece); err != nil || string(piece) != "one" {
			t.Fatalf("%q, %v", piece, err)
		}
		io.WriteString(conn, "two")
		if _, err := io.ReadFull(answer.Body, piece); err != nil || string(piece) != "two" {
			t.Errorf("%q, %v", piece, err)
		}
	})
}

// An answer that is broken off stays broken off.
func TestTapAborts(t *testing.T) {
	tapped(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}, func(t *testing.T, r *watched, address string) {
		_, reader := dial(t, address, get)
		answer, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(answer.Body); !errors.Is(err, io.ErrUnexpectedEOF) || string(body) != "half" {
			t.Errorf("%q, %v", body, err)
		}
		if x := r.Exchanges()[0]; x.Outcome != window.Aborted || !x.Answer.Broken || string(x.Answer.Body) != "half" {
			t.Errorf("recorded %+v", x)
		}
	})
}

// A client that leaves ends the call, and is told apart from one that stays.
func TestTapSeesTheClientLeave(t *testing.T) {
	tapped(t, func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
	}, func(t *testing.T, r *watched, address string) {
		conn, _ := dial(t, address, get)
		conn.Close()
		<-r.ended
		if totals := r.Totals(); totals[window.Aborted] != 1 {
			t.Errorf("totals %v", totals)
		}
	})
}

// What net/http offers beyond the three methods of a response writer works.
func TestTapPassesTheRest(t *testing.T) {
	tapped(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</hint>")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
		w.Header().Set("Trailer", "X-Sum")
		if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Hour)); err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprint(w, r.RequestURI, r.URL.RawPath)
		w.Header().Set("X-Sum", "12")
	}, func(t *testing.T, r *watched, address string) {
		_, reader := dial(t, address, get)
		hint, err := http.ReadResponse(reader, nil)
		if err != nil || hint.StatusCode != http.StatusEarlyHints || hint.Header.Get("Link") != "</hint>" {
			t.Fatalf("%+v, %v", hint, err)
		}
		answer, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(answer.Body)
		if got := fmt.Sprint(answer.StatusCode, string(body), answer.Trailer); got != "202/a%2Fb?c=%22/a%2Fbmap[X-Sum:[12]]" {
			t.Errorf("got %s", got)
		}
		if x := r.Exchanges()[0]; x.Answer.Status != 202 || x.Target != "/a%2Fb?c=%22" {
			t.Errorf("recorded %+v", x)
		}
	})
}

// A handler may take the connection, to answer what is no HTTP.
func TestTapLetsTheConnectionBeTaken(t *testing.T) {
	tapped(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		io.WriteString(conn, "no HTTP")
		conn.Close()
	}, func(t *testing.T, r *watched, address string) {
		_, reader := dial(t, address, get)
		if got, err := io.ReadAll(reader); err != nil || string(got) != "no HTTP" {
			t.Errorf("%q, %v", got, err)
		}
		<-r.ended
		if totals := r.Totals(); totals[window.Aborted] != 1 {
			t.Errorf("totals %v", totals)
		}
	})
}

// A body that is not read stays unread, and none stays none.
func TestTapLeavesBodiesAlone(t *testing.T) {
	tapped(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.ContentLength, r.Body == http.NoBody)
	}, func(t *testing.T, r *watched, address string) {
		for request, want := range map[string]string{
			get: "0 true",
			"POST / HTTP/1.1\nHost: example.com\nTraceparent: 00-2\nContent-Length: 3\n\nabc": "3 false",
		} {
			_, reader := dial(t, address, request)
			answer, err := http.ReadResponse(reader, nil)
			if err != nil {
				t.Fatal(err)
			}
			if body, _ := io.ReadAll(answer.Body); string(body) != want {
				t.Errorf("%q, want %q", body, want)
			}
		}
		for _, x := range r.Exchanges() {
			if x.Entra.Broken != (x.Method == "POST") || len(x.Entra.Body) > 0 {
				t.Errorf("recorded %+v", x.Entra)
			}
		}
	})
}

// A client may leave as soon as it has the whole answer, which is before the
// handler returns.
func TestTapTellsWhoHasItAllFromWhoLeaves(t *testing.T) {
	for name, test := range map[string]struct {
		method, length string
		status         int
		want           string
	}{
		"no content":   {"DELETE", "", 204, window.Proxied},
		"not modified": {"GET", "", 304, window.Proxied},
		"head":         {"HEAD", "", 200, window.Proxied},
		"length":       {"GET", "5", 200, window.Proxied},
		"too little":   {"GET", "6", 200, window.Aborted},
		"chunked":      {"GET", "", 200, window.Aborted},
	} {
		t.Run(name, func(t *testing.T) {
			tapped(t, func(w http.ResponseWriter, r *http.Request) {
				if test.length != "" {
					w.Header().Set("Content-Length", test.length)
				}
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, "12345")
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done()
			}, func(t *testing.T, r *watched, address string) {
				conn, reader := dial(t, address, strings.Replace(get, "GET", test.method, 1))
				if _, err := http.ReadResponse(reader, nil); err != nil {
					t.Fatal(err)
				}
				conn.Close()
				<-r.ended
				if got := r.Exchanges()[0].Outcome; got != test.want {
					t.Errorf("got %s, want %s", got, test.want)
				}
			})
		})
	}
}
