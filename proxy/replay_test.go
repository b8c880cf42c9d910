package proxy_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"example.com/entra-scim-proxy/lab/pki"
	"example.com/entra-scim-proxy/proxy"
	"example.com/entra-scim-proxy/proxy/upstream"
)

// A call that may have had an effect is not repeated, whatever broke it.
func TestBrokenCallIsNotRepeated(t *testing.T) {
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
		first := true
		w := newWorld(t, setup{http1: true, answer: func(rw http.ResponseWriter, _ *http.Request) {
			if first {
				first = false
				return // the connection is kept, and used for the second call
			}
			conn := hijack(t, rw)
			_ = conn.Close()
		}})
		if got := w.call(t, method, "/scim/Users/1", "{}"); got.StatusCode != 200 {
			t.Fatalf("%s: %d", method, got.StatusCode)
		}
		wantProblem(t, w.call(t, method, "/scim/Users/1", "{}"), 502, "")
		if len(w.requests()) != 2 {
			t.Errorf("%s: the backend saw %d requests, want 2", method, len(w.requests()))
		}
	}
}

// resetting is an HTTP/2 backend that takes whole calls and resets them. Over
// HTTP/2, net/http repeats some of these by itself, without end.
type resetting struct {
	net.Listener
	code  http2.ErrCode
	calls atomic.Int32
}

func (r *resetting) serve() {
	for {
		conn, err := r.Accept()
		if err != nil {
			return
		}
		go r.reset(conn) // ends when either side closes
	}
}

func (r *resetting) reset(conn net.Conn) {
	defer conn.Close()
	if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
		return
	}
	framer := http2.NewFramer(conn, conn)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_ = framer.WriteSettings()
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return
		}
		if settings, ok := frame.(*http2.SettingsFrame); ok && !settings.IsAck() {
			_ = framer.WriteSettingsAck()
		}
		if end, ok := frame.(interface{ StreamEnded() bool }); ok && end.StreamEnded() {
			r.calls.Add(1)
			_ = framer.WriteRSTStream(frame.Header().StreamID, r.code)
		}
	}
}

func TestResetCallIsNotRepeatedOverHTTP2(t *testing.T) {
	authority, err := pki.New("Root")
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := authority.Certificate(pki.Leaf{Names: []string{serverName}})
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range []http2.ErrCode{http2.ErrCodeProtocol, http2.ErrCodeRefusedStream, http2.ErrCodeInternal, http2.ErrCodeCancel} {
		for _, line := range []string{"POST {}", "PATCH {}", "DELETE ", "POST ", "PUT {}"} {
			method, body, _ := strings.Cut(line, " ")
			listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"h2"}})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = listener.Close() })
			backend := &resetting{Listener: listener, code: code}
			go backend.serve() // ends when the listener is closed
			w := newWorld(t, setup{options: func(o *proxy.Options) {
				o.Backend = &url.URL{Scheme: "https", Host: listener.Addr().String()}
				o.Transport = upstream.NewTransport(upstream.Options{ServerName: serverName, Roots: func(context.Context) (*upstream.Roots, error) {
					return &upstream.Roots{Pool: authority.Pool()}, nil
				}})
			}})
			wantProblem(t, w.call(t, method, "/scim/Users", body), 502, "")
			if n := backend.calls.Load(); n != 1 {
				t.Errorf("%s %q after %v: the backend executed it %d times", method, body, code, n)
			}
			if line := w.line(t); line["class"] != "bad_answer" {
				t.Errorf("%s %q after %v: log line %v", method, body, code, line)
			}
		}
	}
}

// A 401 whose body trickles must not keep the repeat waiting, nor a 403 its
// own answer beyond the deadline.
func TestRefusalWithATricklingBody(t *testing.T) {
	var status atomic.Int32
	status.Store(http.StatusUnauthorized)
	answer := func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer rotated" {
			return
		}
		rw.WriteHeader(int(status.Load()))
		_, _ = io.WriteString(rw, "abc")
		_ = http.NewResponseController(rw).Flush()
		<-r.Context().Done()
	}
	for _, http1 := range []bool{true, false} {
		status.Store(http.StatusUnauthorized)
		w := newWorld(t, setup{http1: http1, answer: answer})
		w.warm(t)
		w.secret.set("rotated", nil)
		if got := w.call(t, "POST", "/scim/Users", "{}"); got.StatusCode != 200 {
			t.Errorf("http1=%v, 401: %d %s", http1, got.StatusCode, got.body)
		}
		status.Store(http.StatusForbidden)
		w = newWorld(t, setup{http1: http1, answer: answer, timeout: time.Second})
		wantProblem(t, w.call(t, "POST", "/scim/Users", "{}"), 504, "")
		if line := w.line(t); line["class"] != "timeout" {
			t.Errorf("http1=%v, 403: log line %v", http1, line)
		}
	}
}

// roundTripper is a transport in a test's words.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// The deadline counts from the call's arrival, not from when the proxy is done
// with its own part.
func TestDeadlineCountsFromArrival(t *testing.T) {
	var deadline time.Time
	w := newWorld(t, setup{timeout: 7 * time.Second, options: func(o *proxy.Options) {
		o.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
			deadline, _ = r.Context().Deadline()
			return nil, io.EOF
		})
	}})
	before := time.Now()
	w.call(t, "GET", "/scim/Users", "")
	if from, to := before.Add(7*time.Second), time.Now().Add(7*time.Second); deadline.Before(from) || deadline.After(to) {
		t.Errorf("deadline %v, want one from %v to %v", deadline, from, to)
	}
}

// A dial or a handshake that times out is a deadline exceeded, too, but not
// the call's.
func TestConnectionsThatTimeOutAreExplained(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	handshake := upstream.NewTransport(upstream.Options{ServerName: serverName, Timeout: time.Second})
	dial := roundTripper(func(r *http.Request) (*http.Response, error) {
		dialer := net.Dialer{Timeout: time.Nanosecond}
		_, err := dialer.DialContext(r.Context(), "tcp", silent.Addr().String())
		return nil, err
	})
	for class, transport := range map[string]http.RoundTripper{"tls_silence": handshake, "no_answer": dial} {
		w := newWorld(t, setup{options: func(o *proxy.Options) {
			o.Backend = &url.URL{Scheme: "https", Host: silent.Addr().String()}
			o.Transport = transport
		}})
		wantProblem(t, w.call(t, "GET", "/scim/Users", ""), 502, "")
		line := w.line(t)
		if line["class"] != class || line["level"] != "error" || line["remedy"] == nil || strings.Contains(fmt.Sprint(line), "127.0.0.1") {
			t.Errorf("%s: log line %v", class, line)
		}
	}
}

// What the backend sent must not come back in the log.
func TestBrokenAnswersAreNotQuotedInTheLog(t *testing.T) {
	for _, text := range []string{
		`{"userName":"canary@contoso.com"}` + "\r\n", "HTTP/1.1 200 OK\r\nSet-Cookie canary\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: canary\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: canary\r\n\r\n", "HTTP/1.1 canary OK\r\n\r\n",
	} {
		w := newWorld(t, setup{http1: true, answer: func(rw http.ResponseWriter, _ *http.Request) {
			conn := hijack(t, rw)
			_, _ = io.WriteString(conn, text)
			_ = conn.Close()
		}})
		wantProblem(t, w.call(t, "GET", "/scim/Users", ""), 502, "")
		w.line(t)
		for _, line := range w.logs.All() {
			if printed := fmt.Sprint(line.Message, line.ContextMap()); strings.Contains(printed, "canary@") || strings.Contains(printed, " canary") || strings.Contains(printed, "127.0.0.1") {
				t.Errorf("%q is in the log: %s", text, printed)
			}
		}
	}
}

func TestPanicIsNotTheClientsFault(t *testing.T) {
	w := newWorld(t, setup{options: func(o *proxy.Options) {
		o.Transport = roundTripper(func(*http.Request) (*http.Response, error) { panic("broken") })
	}})
	conn := w.open(t, head("GET", "/scim/Users"))
	if data, _ := io.ReadAll(conn); len(data) != 0 {
		t.Errorf("the client got %q", data)
	}
	if line := w.line(t); line["class"] != "internal" || line["level"] != "error" {
		t.Errorf("log line %v", line)
	}
	if got := w.call(t, "GET", "/elsewhere", ""); got.StatusCode != 404 {
		t.Errorf("the next call: %d", got.StatusCode)
	}
}

// A backend whose handler just returns when its caller leaves says 200.
func TestAnswerThatComesWithTheDeadlineIs504(t *testing.T) {
	w := newWorld(t, setup{timeout: time.Second, options: func(o *proxy.Options) {
		o.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return &http.Response{StatusCode: 200, Request: r, Header: http.Header{}, Body: http.NoBody}, nil
		})
	}})
	wantProblem(t, w.call(t, "POST", "/scim/Users", "{}"), 504, "")
}

// A backend that ends its body in good order because the proxy has left must
// not make a part of a list look like the whole.
func TestBodyThatEndsWithTheCallIsNotWhole(t *testing.T) {
	for name, length := range map[string]int64{"unknown length": -1, "whole length": 5} {
		w := newWorld(t, setup{timeout: time.Second, options: func(o *proxy.Options) {
			o.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
				reader, writer := io.Pipe()
				go func() { // ends with the call
					_, _ = io.WriteString(writer, "begin")
					<-r.Context().Done()
					_ = writer.Close()
				}()
				header := http.Header{}
				if length >= 0 {
					header.Set("Content-Length", itoa(int(length)))
				}
				return &http.Response{StatusCode: 200, Request: r, Header: header, ContentLength: length, Body: reader}, nil
			})
		}})
		got := w.call(t, "GET", "/scim/Users", "")
		if whole := got.err == nil; whole != (length >= 0) || got.body != "begin" {
			t.Errorf("%s: %q, error %v", name, got.body, got.err)
		}
	}
}

// Whatever the backend says of a body that it did not get whole, Entra is told
// what became of the body.
func TestAnswerToAnIncompleteBodyIsNotPassedOn(t *testing.T) {
	w := newWorld(t, setup{maxBody: 4, options: func(o *proxy.Options) {
		o.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
			_, _ = io.Copy(io.Discard, r.Body)
			return &http.Response{StatusCode: 201, Request: r, Header: http.Header{}, Body: http.NoBody}, nil
		})
	}})
	start := head("POST", "/scim/Users", "Transfer-Encoding: chunked") + "5\r\n12345\r\n0\r\n\r\n"
	wantProblem(t, read(t, w.open(t, start), "POST"), 413, "")
}

// The error of a connection that was reset holds both addresses, and
// httputil.ReverseProxy logs what it gets.
func TestResetInTheBodyLeavesNoAddressInTheLog(t *testing.T) {
	begun := make(chan struct{})
	w := newWorld(t, setup{http1: true, answer: func(rw http.ResponseWriter, _ *http.Request) {
		conn := hijack(t, rw)
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegin\r\n")
		<-begun // or the reset would overtake it
		below := conn.(*tls.Conn).NetConn()
		_ = below.(*net.TCPConn).SetLinger(0)
		_ = below.Close()
	}})
	conn := w.open(t, head("GET", "/scim/Users"))
	if _, err := io.ReadFull(conn, make([]byte, 20)); err != nil {
		t.Fatal(err)
	}
	close(begun)
	_, _ = io.Copy(io.Discard, conn)
	if line := w.line(t); line["class"] != "backend_cut" || !strings.Contains(fmt.Sprint(line["cause"]), "reset") {
		t.Errorf("log line %v", line)
	}
	for _, line := range w.logs.All() {
		if printed := fmt.Sprint(line.Message, line.ContextMap()); strings.Contains(printed, "127.0.0.1") {
			t.Errorf("an address is in the log: %s", printed)
		}
	}
}
