package attack

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"example.com/entra-scim-proxy/lab/pki"
)

// rawBackend speaks HTTP/1.1 as the vector says whose id is the last segment of
// the path, and properly to everybody else.
type rawBackend struct {
	net.Listener
	vectors map[string]answerVector
	mu      sync.Mutex
	arrived map[string]int // calls, by id
	strange []string       // what did not look like a call of the proxy's
	token   atomic.Value   // the one that a call must carry, string
}

// goodAnswer is what the backend says to a call that is no vector.
func goodAnswer(id string) (body, whole string) {
	body = fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":%q,"userName":"babs@contoso.com"}`, id)
	return body, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/scim+json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// listenTLS opens a port of the loopback interface with a certificate for the
// inside name and the protocol given.
func listenTLS(t *testing.T, authority *pki.Authority, protocol string) net.Listener {
	t.Helper()
	certificate, err := authority.Certificate(pki.Leaf{CommonName: "leaf-" + canary, Names: []string{insideName}})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{certificate}, NextProtos: []string{protocol}, MinVersion: tls.VersionTLS12,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener
}

func newRawBackend(t *testing.T, authority *pki.Authority, vectors []answerVector) *rawBackend {
	t.Helper()
	b := &rawBackend{Listener: listenTLS(t, authority, "http/1.1"), vectors: map[string]answerVector{}, arrived: map[string]int{}}
	for _, v := range vectors {
		b.vectors[v.id] = v
	}
	go func() { // ends when the listener is closed
		for {
			conn, err := b.Accept()
			if err != nil {
				return
			}
			go b.serve(conn) // ends with the connection
		}
	}()
	return b
}

func (b *rawBackend) serve(conn net.Conn) {
	defer conn.Close()
	for reader := bufio.NewReader(conn); ; {
		request, err := http.ReadRequest(reader)
		if err != nil {
			return
		}
		if _, err := io.Copy(io.Discard, request.Body); err != nil {
			return
		}
		id := b.note(request)
		v, known := b.vectors[id]
		if !known {
			_, v.says = goodAnswer(id)
			v.stay = true
		}
		if _, err := io.WriteString(conn, v.says); err != nil {
			return
		}
		if v.serve != nil {
			v.serve(conn)
		}
		if !v.stay {
			return
		}
	}
}

// serveOnce answers one call properly, and tells that no other may follow.
func (b *rawBackend) serveOnce(conn net.Conn, reader *bufio.Reader) {
	request, err := http.ReadRequest(reader)
	if err != nil || request.Method == "PRI" { // the preface of HTTP/2
		return
	}
	_, answer := goodAnswer(b.note(request))
	_, _ = io.WriteString(conn, strings.Replace(answer, "\r\n", "\r\nConnection: close\r\n", 1)) // or the call fails
}

// note counts a call and returns its id.
func (b *rawBackend) note(request *http.Request) string {
	id := request.URL.Path[strings.LastIndex(request.URL.Path, "/")+1:]
	b.mu.Lock()
	defer b.mu.Unlock()
	b.arrived[id]++
	want, _ := b.token.Load().(string)
	if got := request.Header["Authorization"]; len(got) != 1 || got[0] != "Bearer "+want || !strings.HasPrefix(request.URL.Path, insideBase+"/") {
		b.strange = append(b.strange, fmt.Sprintf("%s %s %q", request.Method, request.URL, got))
	}
	return id
}

// take returns how often a call has arrived, and what else was strange.
func (b *rawBackend) take(id string) (calls int, strange []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	strange, b.strange = b.strange, nil
	return b.arrived[id], strange
}

// goodCalls number the calls between the vectors.
var goodCalls atomic.Int64

// attack sends the vector's call, and an ordinary one behind it on the same
// connection if that is open: each must get its own answer and nothing else.
func (w *answerWorld) attack(t *testing.T, v answerVector, take func(string) (int, []string)) {
	t.Helper()
	method := v.method
	if method == "" {
		method = http.MethodGet
	}
	body := ""
	if method == http.MethodPost || method == http.MethodPatch {
		body = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"]}`
	}
	conn := w.dial(t)
	reader := bufio.NewReader(conn)
	w.send(t, conn, method, v.id+v.query, body, "")
	got := receiveReply(reader, method)
	// A POST or PATCH may meet a connection that another vector has ended, and is not
	// repeated; so it has not been tried yet.
	for tries := 0; tries < 20 && got.status == http.StatusBadGateway && body != ""; tries++ {
		if calls, _ := take(v.id); calls > 0 {
			break
		}
		_ = conn.Close()
		conn = w.dial(t)
		reader = bufio.NewReader(conn)
		w.send(t, conn, method, v.id+v.query, body, "")
		got = receiveReply(reader, method)
	}
	want := v.want
	if v.normalized != (answerEnd{}) && strings.Contains(w.name, "all") {
		want = v.normalized
	}
	if v.or != (answerEnd{}) && len(w.breaches(got, v.or)) == 0 {
		want = v.or
	}
	found := w.breaches(got, want)

	if got.broken != nil || got.header.Get("Connection") == "close" {
		_ = conn.Close()
		conn = nil
	}
	found = append(found, w.afterwards(t, conn, reader)...)
	calls, strange := take(v.id)
	// net/http repeats a GET that met the end of its connection, and the host
	// one that was broken off before its header.
	if calls < 1 || calls > 1 && method != http.MethodGet && method != http.MethodHead {
		found = append(found, fmt.Sprintf("the call arrived %d times", calls))
	}
	for _, call := range strange {
		found = append(found, "the backend was sent "+call)
	}
	for _, breach := range found {
		t.Errorf("%s, %s (%s): let through: %s", w.name, v.id, v.guards, breach)
	}
	if want.class != "" && len(found) == 0 {
		w.wantLine(t, v.id, idOf(got), want.class)
	}
}

// afterwards returns what is wrong with an ordinary call behind a vector's, on
// its connection if that is open. The call may meet the end of the connection to
// the backend; then it fails, and another one has to go well.
func (w *answerWorld) afterwards(t *testing.T, conn net.Conn, reader *bufio.Reader) (found []string) {
	t.Helper()
	const tries = 5
	for try := range tries {
		if conn == nil {
			conn = w.dial(t)
			reader = bufio.NewReader(conn)
		}
		id := fmt.Sprintf("good-%d", goodCalls.Add(1))
		w.send(t, conn, http.MethodGet, id, "", "Connection: close\r\n")
		got := receiveReply(reader, http.MethodGet)
		good, _ := goodAnswer(id)
		want := passed(http.StatusOK, good)
		isLast := try == tries-1 || got.status != http.StatusBadGateway
		if !isLast {
			want = failed("bad_answer")
		}
		for _, breach := range w.breaches(got, want) {
			found = append(found, "the next call: "+breach)
		}
		if rest, _ := io.ReadAll(reader); len(rest) != 0 {
			found = append(found, fmt.Sprintf("behind the answers came %.200q", rest))
		}
		_ = conn.Close()
		if isLast {
			return found
		}
		conn = nil
	}
	return found
}

func (w *answerWorld) send(t *testing.T, conn net.Conn, method, id, body, header string) {
	t.Helper()
	if body != "" {
		header += fmt.Sprintf("Content-Type: application/scim+json\r\nContent-Length: %d\r\n", len(body))
	}
	if _, err := fmt.Fprintf(conn, "%s /scim/Users/%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n%s\r\n%s", method, id, w.token, header, body); err != nil {
		t.Errorf("%s: %s: %v", w.name, id, err)
	}
}

// wantLine waits for the line of a failed exchange, which says why.
func (w *answerWorld) wantLine(t *testing.T, vector, id, class string) {
	t.Helper()
	line := w.log.await(t, func(line map[string]any) bool { return line["msg"] == "exchange" && line["request_id"] == id })
	if line["class"] != class {
		t.Errorf("%s, %s: the log says %v, want class %s", w.name, vector, line, class)
	}
}
