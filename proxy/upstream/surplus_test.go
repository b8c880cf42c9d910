package upstream_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"

	"example.com/entra-scim-proxy/lab/pki"
	"example.com/entra-scim-proxy/proxy/upstream"
)

// net/http gives a connection to the next call before it looks whether more than
// the answer has come on it. What has is nobody's answer (RFC 9112 section 9.3).
func TestSurplusIsNotTheNextCallsAnswer(t *testing.T) {
	const answered = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nown"
	twice := func(conn net.Conn) {
		_, _ = http.ReadRequest(bufio.NewReader(conn))
		_, _ = io.WriteString(conn, answered+strings.ReplaceAll(answered, "own", "bad"))
		_, _ = io.Copy(io.Discard, conn) // until the connection is dropped
		_ = conn.Close()
	}
	a := authority(t, "Root")
	certificate, err := a.Certificate(pki.Leaf{Names: []string{name}})
	if err != nil {
		t.Fatal(err)
	}
	for scheme, serve := range map[string]func(net.Conn){
		"http": twice,
		"https": func(conn net.Conn) {
			twice(tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"http/1.1"}}))
		},
	} {
		transport := newTransport(t, upstream.Options{ServerName: name, Roots: trusting(a)})
		url := scheme + "://" + peer(t, serve)
		next := make(chan error, 1)
		trace := &httptrace.ClientTrace{PutIdleConn: func(error) {
			// The moment between the two: the next call goes out in it.
			written := make(chan struct{})
			go func() { next <- readBody(t, transport, url, written) }() // received below
			select {
			case <-written:
			case <-time.After(20 * time.Second):
				t.Errorf("%s: the next call did not go out", scheme)
			}
		}}
		request, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := transport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(response.Body); string(body) != "own" || err != nil {
			t.Errorf("%s: %q, %v", scheme, body, err)
		}
		_ = response.Body.Close()
		wantFault(t, <-next, upstream.Answer, "bad_answer", "more than the answer", "")
	}
}

// readBody makes a call, and closes written when that is out. It returns the
// call's error, nil for an answer.
func readBody(t *testing.T, transport http.RoundTripper, url string, written chan struct{}) error {
	trace := &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { close(written) }}
	request, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(response.Body)
	t.Errorf("the next call got %q, %v", body, err)
	return response.Body.Close()
}
