//go:build unix

package host

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
)

// await asks the handler what it saw until that holds the text.
func await(t *testing.T, h *Host, text string) string {
	t.Helper()
	conn := dial(t, h)
	for {
		_, seen := conn.exchange(t, "GET /do/seen HTTP/1.1\r\nHost: contoso.com\r\n\r\n")
		if strings.Contains(seen, text) {
			return seen
		}
	}
}

// The first bytes of an answer arrive before the handler sends the last.
func TestStreamedAnswer(t *testing.T) {
	h := startHost(t, Options{})
	for path, want := range map[string][2]string{
		"/do/stream": {"5\r\nfirst\r\n", "4\r\nlast\r\n0\r\nX-Sum: 9\r\n\r\n"},
		"/do/drip":   {"first", "last"},
	} {
		conn := dial(t, h)
		io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: contoso.com\r\n\r\n")
		if _, err := readHead(conn.r); err != nil {
			t.Fatal(err)
		}
		for i, part := range want {
			if i == 1 {
				get(t, h, "/do/release") // only now the handler goes on
			}
			got := make([]byte, len(part))
			if _, err := io.ReadFull(conn.r, got); err != nil || string(got) != part {
				t.Fatalf("%s: got %q, %v", path, got, err)
			}
		}
	}
}

// A body of known length is read to its end before the handler hears of the
// call; a chunked one is passed on as it comes.
func TestRequestBodies(t *testing.T) {
	h := startHost(t, Options{})
	whole, chunked := dial(t, h), dial(t, h)
	io.WriteString(whole, "POST /whole HTTP/1.1\r\nHost: contoso.com\r\nContent-Length: 8\r\n\r\nhalf")
	io.WriteString(chunked, "POST /chunked HTTP/1.1\r\nHost: contoso.com\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
	if seen := await(t, h, "piece half"); strings.Contains(seen, "POST /whole") {
		t.Errorf("the handler heard of a call whose body is not there:\n%s", seen)
	}
	if _, body := whole.exchange(t, "rest"); !strings.HasSuffix(body, "\r\n\r\nhalfrest") {
		t.Errorf("the handler got %q", body)
	}
	if _, body := chunked.exchange(t, "4\r\nrest\r\n0\r\n\r\n"); !strings.HasSuffix(body, "\r\n\r\n4\r\nhalf\r\n4\r\nrest\r\n0\r\n\r\n") {
		t.Errorf("the handler got %q", body)
	}
}

// A request's trailers end at the host, which reads none; that there are some is
// told.
func TestRequestTrailers(t *testing.T) {
	h := startHost(t, Options{})
	_, got := dial(t, h).exchange(t, "POST /scim HTTP/1.1\r\nHost: contoso.com\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Sum: 1\r\n\r\n")
	if !strings.HasSuffix(got, "\r\n\r\n1\r\na\r\n0\r\n\r\n") || fieldOf(got, "Trailer") != "X-Sum" {
		t.Errorf("the handler got %q", got)
	}
}

func TestBodyLimit(t *testing.T) {
	h := startHost(t, Options{Settings: []string{bodyLimitSetting + "=9", bodyLimitSetting + "=4"}})
	for _, test := range []struct{ name, rest, status string }{
		{"at the limit", "Content-Length: 4\r\n\r\nabcd", "200"},
		{"above", "Content-Length: 5\r\n\r\nabcde", "500"},
		{"chunked at the limit", "Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n", "200"},
		{"chunked above", "Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n", "500"},
	} {
		t.Run(test.name, func(t *testing.T) {
			head, _ := dial(t, h).exchange(t, "POST /scim HTTP/1.1\r\nHost: contoso.com\r\n"+test.rest)
			if statusOf(head) != test.status {
				t.Errorf("got %q, want status %s", head, test.status)
			}
		})
	}
}

// The documented limit is Kestrel's, 100 MiB.
func TestDefaultBodyLimit(t *testing.T) {
	for length, want := range map[int64]bool{104857600: true, 104857601: false} {
		r := httptest.NewRequest(http.MethodPost, "/", http.NoBody)
		r.ContentLength = length
		if err := readBody(httptest.NewRecorder(), r, new(Host).bodyLimit()); (err == nil) != want {
			t.Errorf("a body of %d bytes: %v", length, err)
		}
	}
}

func TestRoutes(t *testing.T) {
	h := startHost(t, Options{})
	for _, test := range []struct{ request, status string }{
		{"GET / HTTP/1.1", "200"},
		{"GET http://contoso.com/scim HTTP/1.1", "200"},
		{"DELETE /scim/Users/1 HTTP/1.1", "200"},
		{"TRACE /scim HTTP/1.1", "404"},
		{"CONNECT contoso.com:443 HTTP/1.1", "400"},
		{"OPTIONS * HTTP/1.1", "400"},
		{"GET /admin HTTP/1.1", "404"},
		{"GET /Admin/host/status HTTP/1.1", "404"},
		{"GET /%61dmin/host/status HTTP/1.1", "404"},
		{"GET /x/../runtime/webhooks HTTP/1.1", "404"},
		{"GET /administrator HTTP/1.1", "200"},
		{"GET /scim/%00 HTTP/1.1", "400"},
	} {
		head, _ := dial(t, h).exchange(t, test.request+"\r\nHost: contoso.com\r\n\r\n")
		if statusOf(head) != test.status {
			t.Errorf("%s: got %q, want status %s", test.request, head, test.status)
		}
	}
}

// Around sees what the client sent, and each invocation has an id of its own,
// the one that the handler gets.
func TestAround(t *testing.T) {
	var seen atomic.Pointer[Invocation]
	var calls atomic.Int32
	h := startHost(t, Options{Around: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			calls.Add(1)
			invocation, ok := InvocationOf(r.Context())
			if !ok || r.Host != "contoso.com" || r.Header.Get("X-Forwarded-For") != "" || r.Header.Get("Te") != "trailers" || r.RequestURI != "/a%2Fb" {
				t.Errorf("got %v and %v", invocation, r)
			}
			seen.Store(&invocation)
			next.ServeHTTP(w, r)
		})
	}})
	ids := map[string]bool{}
	for range 3 {
		_, got := dial(t, h).exchange(t, "GET /a%2Fb HTTP/1.1\r\nHost: contoso.com\r\nTE: trailers\r\n\r\n")
		invocation := *seen.Load()
		if invocation.ID == "" || invocation.ID != fieldOf(got, "X-Azure-Functions-InvocationId") || invocation.ID != fieldOf(got, "x-ms-invocation-id") ||
			invocation.Traceparent == "" || invocation.Traceparent != fieldOf(got, "traceparent") || invocation.Function != "scim" {
			t.Errorf("Around got %v, the handler\n%s", invocation, got)
		}
		ids[invocation.ID] = true
	}
	get(t, h, "/admin")
	if len(ids) != 3 || calls.Load() != 3 {
		t.Errorf("got the ids %v in %d calls", ids, calls.Load())
	}
	if _, ok := InvocationOf(t.Context()); ok {
		t.Error("a context of nothing has an invocation")
	}
}

func TestPing(t *testing.T) {
	h := startHost(t, Options{})
	if status, err := h.Ping(t.Context()); status != http.StatusOK || err != nil {
		t.Errorf("got %d, %v", status, err)
	}
	_, seen := get(t, h, "/do/seen")
	ping, _, _ := strings.Cut(seen, "\r\n\r\n")
	if !strings.HasPrefix(ping, "GET / HTTP/1.1\r\nHost: 127.0.0.1:") || strings.Contains(strings.ToLower(ping), "invocation") || fieldOf(ping, "User-Agent") != "" {
		t.Errorf("the handler got %q", ping)
	}
}

// A client that leaves takes its call with it.
func TestClientLeaves(t *testing.T) {
	h := startHost(t, Options{})
	conn := dial(t, h)
	io.WriteString(conn, "GET /do/hang HTTP/1.1\r\nHost: contoso.com\r\n\r\n")
	await(t, h, "hanging")
	conn.Close()
	await(t, h, "given up")
}

// An answer that breaks off breaks off for the client, too.
func TestBrokenAnswer(t *testing.T) {
	h := startHost(t, Options{})
	conn := dial(t, h)
	io.WriteString(conn, "GET /do/cut HTTP/1.1\r\nHost: contoso.com\r\n\r\n")
	if all, err := io.ReadAll(conn.r); !strings.HasSuffix(string(all), "begun") {
		t.Errorf("got %q, %v", all, err)
	}
}

// A call without a body is sent again when the handler drops it, up to ten
// times; one with a body only until there is a connection. Either way a failed
// one is an empty 500.
func TestResent(t *testing.T) {
	h := startHost(t, Options{})
	for _, test := range []struct {
		request string
		times   int
	}{
		{"DELETE /do/drop/a HTTP/1.1\r\nHost: contoso.com\r\n\r\n", maxAttempts},
		{"POST /do/drop/b HTTP/1.1\r\nHost: contoso.com\r\nContent-Length: 1\r\n\r\nx", 1},
	} {
		head, body := dial(t, h).exchange(t, test.request)
		line, _, _ := strings.Cut(test.request, "\r\n")
		_, seen := get(t, h, "/do/seen")
		if times := strings.Count(seen, line); statusOf(head) != "500" || body != "" || times != test.times {
			t.Errorf("%s: got %q and %q after %d times, want %d", line, head, body, times, test.times)
		}
	}
}

// BenchmarkCall is a call through the host and back, with a raw handler.
func BenchmarkCall(b *testing.B) {
	conn := dial(b, startHost(b, Options{}))
	b.ReportAllocs()
	for b.Loop() {
		conn.exchange(b, "GET /scim/Users/1 HTTP/1.1\r\nHost: contoso.com\r\nAuthorization: Bearer a\r\n\r\n")
	}
}

// A body that breaks off is no call.
func TestBrokenBody(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/", iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("abc"))))
	r.ContentLength = 3
	if err := readBody(httptest.NewRecorder(), r, defaultBodyLimit); !errors.Is(err, iotest.ErrTimeout) {
		t.Errorf("got %v", err)
	}
}
