package attack

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// answer is one that a client got.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// dial opens a connection to the front.
func (w *world) dial(t *testing.T) (net.Conn, error) {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", w.front)
	if err != nil {
		return nil, err
	}
	return conn, conn.SetDeadline(time.Now().Add(patience))
}

// silence is how long a server may say nothing before the client half-closes
// the connection: the end of a client that sent all it had.
const silence = 10 * time.Second

// send writes raw bytes on a new connection and reads what comes until the peer
// closes it. If they end in the middle of a message, or leave the connection
// open, the client half-closes after a silence; a message that ends in
// "Connection: close" saves the wait. What is no answer is the rest.
func (w *world) send(t *testing.T, raw string) (answers []answer, rest string) {
	t.Helper()
	return parse(raw, w.exchange(t, raw, false))
}

// exchange returns all bytes that come back. With cut the client half-closes
// at once.
func (w *world) exchange(t *testing.T, raw string, cut bool) []byte {
	t.Helper()
	conn, err := w.dial(t)
	if err != nil {
		t.Error(err)
		return nil
	}
	defer conn.Close()
	half := func() { _ = conn.(*net.TCPConn).CloseWrite() } // the peer may have closed before
	// A server that refuses may close before it has read everything.
	_, _ = io.WriteString(conn, raw)
	if cut {
		half()
	}
	var got bytes.Buffer
	buffer := make([]byte, 64<<10)
	timer := time.AfterFunc(silence, half)
	defer timer.Stop()
	for {
		n, err := conn.Read(buffer)
		got.Write(buffer[:n])
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("the server neither answers nor closes: %.300q", raw)
			}
			return got.Bytes()
		}
		timer.Reset(silence)
	}
}

// parse takes the answers apart, as a client would that sent the request.
func parse(sent string, got []byte) (answers []answer, rest string) {
	method, _, _ := strings.Cut(sent, " ")
	reader := bufio.NewReader(bytes.NewReader(got))
	for {
		if _, err := reader.Peek(1); err != nil {
			return answers, ""
		}
		response, err := http.ReadResponse(reader, &http.Request{Method: method})
		if err != nil {
			break
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close() // it is in memory
		answers = append(answers, answer{response.StatusCode, response.Header, body})
		if err != nil {
			break
		}
	}
	left, _ := io.ReadAll(reader) // from memory
	return answers, string(left)
}

// What is no attack passes, in each world: otherwise nothing would get through
// because nothing works.
func TestPlainCall(t *testing.T) {
	inEachWorld(t, nil, func(t *testing.T, w *world) {
		w.took()
		w.lines(t)
		id := w.newMark()
		answers, rest := w.send(t, w.fill(get("Connection: close\r\n"), id))
		if len(answers) != 1 || answers[0].status != http.StatusNotFound || !strings.Contains(string(answers[0].body), ":Error") || rest != "" {
			t.Errorf("the client got %v and %q", answers, rest)
		}
		got := w.took()
		if len(got) != 1 || got[0].method != http.MethodGet || got[0].uri != w.base()+"/Users/"+id || len(w.judgeRequest(got[0])) > 0 {
			t.Errorf("the backend got %v", got)
		}
		for _, line := range w.lines(t) {
			if line["msg"] == "exchange" && line["method"] == "GET" && line["route"] == "/Users/{id}" && line["status"] == 404.0 {
				return
			}
		}
		t.Error("the log does not tell of the call")
	})
}
