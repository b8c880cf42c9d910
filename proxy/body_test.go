package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
)

// open sends the start of a request and leaves the connection to the test.
func (w *world) open(t *testing.T, text string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", w.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	send(t, conn, text)
	return conn
}

func send(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
}

// head is the start of an authorized request.
func head(method, target string, headers ...string) string {
	return method + " " + target + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + entraToken + "\r\n" +
		strings.Join(append(headers, ""), "\r\n") + "\r\n"
}

func TestBodiesPassByteForByte(t *testing.T) {
	odd := "{\r\n \"a\" :12345678901234567890,\t\"b\":\"\\u00fc\\/\", \"a\":1}\x00\xff"
	for _, size := range []int{len(odd), 64 << 10, 64<<10 + 1, 300 << 10} {
		body := (odd + strings.Repeat("x", size))[:size]
		for _, http1 := range []bool{true, false} {
			w := newWorld(t, setup{http1: http1})
			w.call(t, "POST", "/scim/Users", body)
			if got := w.one(t); got.Body != body || got.Length != int64(size) {
				t.Errorf("http1=%v, %d bytes: the backend got %d bytes, Content-Length %d", http1, size, len(got.Body), got.Length)
			}
		}
	}
}

func TestBodyOverTheLimitIsRefusedUnread(t *testing.T) {
	w := newWorld(t, setup{maxBody: 100})
	// No byte of the body is ever sent: an answer that waits for it never comes.
	conn := w.open(t, head("POST", "/scim/Users", "Content-Length: 101"))
	got := read(t, conn, "POST")
	wantProblem(t, got, 413, "")
	if !got.Close || len(w.requests()) != 0 {
		t.Errorf("Connection: close is %v, backend saw %v", got.Close, w.requests())
	}

	w = newWorld(t, setup{maxBody: 100})
	if got := w.call(t, "POST", "/scim/Users", strings.Repeat("x", 100)); got.StatusCode != 200 || w.one(t).Length != 100 {
		t.Errorf("a body of exactly the limit: %d", got.StatusCode)
	}
}

func TestChunkedBodyOverTheLimitNeverLooksWhole(t *testing.T) {
	for _, http1 := range []bool{true, false} {
		ended := make(chan error, 1)
		w := newWorld(t, setup{http1: http1, maxBody: 100, answer: func(_ http.ResponseWriter, r *http.Request) {
			_, err := io.ReadAll(r.Body)
			ended <- err
		}})
		conn := w.open(t, head("POST", "/scim/Users", "Transfer-Encoding: chunked")+"64\r\n"+strings.Repeat("x", 100)+"\r\n")
		send(t, conn, "1\r\nx\r\n")
		got := read(t, conn, "POST")
		wantProblem(t, got, 413, "")
		if !got.Close {
			t.Errorf("http1=%v: no Connection: close", http1)
		}
		if err := <-ended; err == nil {
			t.Errorf("http1=%v: the backend took the cut body for a whole one", http1)
		}
		if line := w.line(t); line["class"] != "body_too_large" {
			t.Errorf("log line %v", line)
		}
	}
}

// Each chunk has to be through before the next is sent.
func TestBodiesStreamBothWays(t *testing.T) {
	for _, http1 := range []bool{true, false} {
		w := newWorld(t, setup{http1: http1, answer: func(rw http.ResponseWriter, r *http.Request) {
			control := http.NewResponseController(rw)
			if err := control.EnableFullDuplex(); err != nil && http1 {
				t.Error(err)
			}
			lines := bufio.NewScanner(r.Body)
			for lines.Scan() {
				_, _ = fmt.Fprintf(rw, "echo %s\n", lines.Text())
				if err := control.Flush(); err != nil {
					t.Error(err)
				}
			}
		}})
		conn := w.open(t, head("POST", "/scim/Bulk", "Transfer-Encoding: chunked"))
		send(t, conn, "4\r\none\n\r\n")
		reader := bufio.NewReader(conn)
		if err := conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(response.Body)
		for i, word := range []string{"one", "two", "three"} {
			if got, err := lines.ReadString('\n'); got != "echo "+word+"\n" {
				t.Fatalf("http1=%v: line %d is %q, %v", http1, i, got, err)
			}
			if word == "one" {
				send(t, conn, "4\r\ntwo\n\r\n")
			} else if word == "two" {
				send(t, conn, "6\r\nthree\n\r\n0\r\n\r\n")
			}
		}
	}
}

// CVE-2021-36221 is the panic behind it. A middleware that recovers all panics
// would make a truncated chunked list look complete.
func TestCutBackendBodyReachesTheClientCut(t *testing.T) {
	begin := strings.Repeat("{", 8<<10) // more than the server holds back
	for name, framing := range map[string]string{
		"between chunks":      "Transfer-Encoding: chunked\r\n\r\n2000\r\n" + begin + "\r\n",
		"in a chunk":          "Transfer-Encoding: chunked\r\n\r\n2001\r\n" + begin,
		"short of the length": "Content-Length: 8193\r\n\r\n" + begin,
	} {
		w := newWorld(t, setup{http1: true, answer: func(rw http.ResponseWriter, _ *http.Request) {
			conn := hijack(t, rw)
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n"+framing)
			_ = conn.Close()
		}})
		got := w.call(t, "GET", "/scim/Users", "")
		if got.StatusCode != 200 || got.body == "" || !strings.HasPrefix(begin, got.body) || got.err == nil {
			t.Errorf("%s: %d with %d bytes, error %v; want the part that came and an error", name, got.StatusCode, len(got.body), got.err)
		}
		if line := w.line(t); line["class"] != "backend_cut" || line["level"] != "warn" {
			t.Errorf("%s: log line %v", name, line)
		}
		for _, line := range w.logs.All() {
			if printed := fmt.Sprint(line.Message, line.ContextMap()); strings.Contains(printed, "127.0.0.1") {
				t.Errorf("%s: an address is in the log: %s", name, printed)
			}
		}
	}
}

func TestClientThatLeavesIsNotAnswered(t *testing.T) {
	arrived, left := make(chan struct{}), make(chan struct{})
	w := newWorld(t, setup{answer: func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done() // the proxy hands the client's leaving on
		close(left)
	}})
	conn := w.open(t, head("GET", "/scim/Users"))
	<-arrived
	// A half-closed connection could still read a wrong 200.
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	<-left
	if data, err := io.ReadAll(conn); len(data) != 0 {
		t.Errorf("a client that left got %q, %v", data, err)
	}
	if line := w.line(t); line["class"] != "client_gone" || line["level"] != "info" {
		t.Errorf("log line %v", line)
	}
}

func TestBackendThatIsTooSlowIs504(t *testing.T) {
	for _, http1 := range []bool{true, false} {
		w := newWorld(t, setup{http1: http1, timeout: time.Second, answer: func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
		}})
		got := w.call(t, "POST", "/scim/Users", "{}")
		wantProblem(t, got, 504, "")
		if line := w.line(t); line["class"] != "timeout" || line["level"] != "warn" {
			t.Errorf("log line %v", line)
		}
	}
}

// The deadline is the whole call's: a body that trickles past it breaks off.
func TestDeadlineInTheBodyCutsTheAnswer(t *testing.T) {
	for _, http1 := range []bool{true, false} {
		w := newWorld(t, setup{http1: http1, timeout: 3 * time.Second, answer: func(rw http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(rw, "begin")
			_ = http.NewResponseController(rw).Flush()
			<-r.Context().Done()
		}})
		got := w.call(t, "GET", "/scim/Users", "")
		if got.StatusCode != 200 || got.body != "begin" || got.err == nil {
			t.Errorf("http1=%v: %d %q, error %v; want an error", http1, got.StatusCode, got.body, got.err)
		}
		if line := w.line(t); line["class"] != "timeout" {
			t.Errorf("http1=%v: log line %v", http1, line)
		}
	}
}

func TestBodyThatDoesNotArriveIs400(t *testing.T) {
	for name, start := range map[string]string{
		"held":     head("POST", "/scim/Users", "Content-Length: 10") + "12345",
		"streamed": head("POST", "/scim/Users", "Content-Length: 100000") + "12345",
		"chunked":  head("POST", "/scim/Users", "Transfer-Encoding: chunked") + "5\r\n12345\r\n",
	} {
		for _, http1 := range []bool{true, false} {
			w := newWorld(t, setup{http1: http1, bodyTime: 200 * time.Millisecond, answer: func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
			}})
			got := read(t, w.open(t, start), "POST")
			wantProblem(t, got, 400, "")
			if !got.Close {
				t.Errorf("%s: no Connection: close", name)
			}
			if line := w.line(t); line["class"] != "body_incomplete" {
				t.Errorf("%s: log line %v", name, line)
			}
		}
	}
}

// The body's deadline ends with the body: the backend may take longer.
func TestCallOutlivesTheBodyDeadline(t *testing.T) {
	for name, size := range map[string]int{"held": 10, "streamed": 100 << 10} {
		w := newWorld(t, setup{bodyTime: 500 * time.Millisecond, answer: func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-time.After(1200 * time.Millisecond): // another process's time
			case <-r.Context().Done():
			}
		}})
		if got := w.call(t, "POST", "/scim/Users", strings.Repeat("x", size)); got.StatusCode != 200 {
			t.Errorf("%s: %d %s", name, got.StatusCode, got.body)
		}
	}
}

// A client that is refused unread cannot hold the connection by sending slowly.
func TestRefusedClientIsCutOff(t *testing.T) {
	w := newWorld(t, setup{})
	for status, start := range map[string]string{
		"401": "POST /scim/Users HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n123",
		"404": head("POST", "/elsewhere", "Content-Length: 10") + "123",
		"413": head("POST", "/scim/Users", "Content-Length: 10000000") + "123",
		"405": "GET-PING / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n123",
		// With a body it is not the host's ping.
		"404 ": "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n123",
	} {
		conn := w.open(t, start)
		if got := read(t, conn, "POST"); itoa(got.StatusCode) != strings.TrimSpace(status) || !got.Close {
			t.Errorf("%s: %d, Connection: close is %v", status, got.StatusCode, got.Close)
		}
		begin := time.Now()
		if _, err := io.ReadAll(conn); err != nil || time.Since(begin) > 10*time.Second {
			t.Errorf("%s: the connection ended with %v after %v, want soon", status, err, time.Since(begin))
		}
	}
}

// A backend may answer before the body is through; the connection is then of no
// more use.
func TestEarlyAnswerClosesTheConnection(t *testing.T) {
	for _, http1 := range []bool{true, false} {
		w := newWorld(t, setup{http1: http1, answer: func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusConflict) }})
		conn := w.open(t, head("POST", "/scim/Users", "Content-Length: "+itoa(recordLimit))+"12345")
		if got := read(t, conn, "POST"); got.StatusCode != 409 || !got.Close {
			t.Errorf("http1=%v: %d, Connection: close is %v", http1, got.StatusCode, got.Close)
		}
	}
}

func TestEarlyRefusalClosesTheConnection(t *testing.T) {
	w := newWorld(t, setup{})
	for name, start := range map[string]string{
		"405": "FOO /scim/Users HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\n",
		"404": head("POST", "/elsewhere", "Content-Length: 500000"),
		"400": head("POST", "/scim/Users?a=%25;", "Transfer-Encoding: chunked"),
		"401": "POST /scim/Users HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\nExpect: 100-continue\r\n\r\n",
	} {
		if got := read(t, w.open(t, start), "POST"); itoa(got.StatusCode) != name || !got.Close {
			t.Errorf("%s: %d, Connection: close is %v", name, got.StatusCode, got.Close)
		}
	}
}

func TestHeadAndEmptyAnswers(t *testing.T) {
	w := newWorld(t, setup{answer: func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodDelete {
			rw.WriteHeader(http.StatusNoContent)
			return
		}
		rw.Header().Set("Content-Length", "1234")
	}})
	if got := w.call(t, "HEAD", "/scim/Users/1", ""); got.StatusCode != 200 || got.ContentLength != 1234 {
		t.Errorf("HEAD: %d, length %d", got.StatusCode, got.ContentLength)
	}
	if got := w.call(t, "DELETE", "/scim/Users/1", ""); got.StatusCode != 204 || got.body != "" {
		t.Errorf("DELETE: %d %q", got.StatusCode, got.body)
	}
}

func TestBackendErrorsAreWarned(t *testing.T) {
	for status, level := range map[int]string{200: "info", 404: "info", 409: "info", 429: "info", 500: "warn", 503: "warn"} {
		w := newWorld(t, setup{answer: func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(status) }})
		w.call(t, "GET", "/scim/Users/1", "")
		if line := w.line(t); line["level"] != level {
			t.Errorf("%d is logged at %v, want %s", status, line["level"], level)
		}
		if n := w.logs.FilterLevelExact(zap.ErrorLevel).Len(); n != 0 {
			t.Errorf("%d: %d Error lines", status, n)
		}
	}
}
