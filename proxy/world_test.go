package proxy_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"example.com/entra-scim-proxy/lab/pki"
	"example.com/entra-scim-proxy/proxy"
	"example.com/entra-scim-proxy/proxy/token"
	"example.com/entra-scim-proxy/proxy/upstream"
)

const (
	entraToken   = "entra-canary-token"
	backendToken = "backend-canary-token"
	serverName   = "scim.corp.example.com"
)

// seen is one request as the backend got it.
type seen struct {
	Method, URI, Host string
	Header            http.Header
	Body              string
	Length            int64
	Trailer           http.Header
}

// world is a proxy on a real socket in front of a TLS backend behind a private
// CA, also on one.
type world struct {
	address string // the proxy's
	backend *httptest.Server
	logs    *observer.ObservedLogs
	lines   chan struct{} // one for each exchange line
	secret  *source       // the backend's token, as the proxy gets it

	outbound *token.Cache[token.Credentials] // the proxy's cache of it

	mu   sync.Mutex
	seen []seen
}

// source is a secret that a test rotates.
type source struct {
	mu    sync.Mutex
	value string
	err   error
}

func (s *source) set(value string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.value, s.err = value, err
}

func (s *source) Read(context.Context) (token.Credentials, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return token.Credentials{token.NewSecret(s.value)}, s.err
}

// setup is what a test changes of the world.
type setup struct {
	answer  http.HandlerFunc // of the backend; nil: 200 with an empty list
	base    string           // path of BACKEND_URL
	path    string           // SCIM_PATH; "" is /scim, "/" the root
	timeout time.Duration
	maxBody int64
	http1   bool
	// bodyTime replaces the 30 s that a body may take; zero does not.
	bodyTime time.Duration
	options  func(*proxy.Options)
}

const emptyList = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":0,"Resources":[]}`

func newWorld(t *testing.T, with setup) *world {
	t.Helper()
	w := &world{secret: &source{value: backendToken}}
	authority, err := pki.New("Contoso Private Root")
	if err != nil {
		t.Fatal(err)
	}
	w.startBackend(t, authority, with)

	base, err := url.Parse(w.backend.URL + with.base)
	if err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zap.DebugLevel)
	w.logs = logs
	// The answer can arrive before the line is written.
	w.lines = make(chan struct{}, 1000)
	log := zap.New(core, zap.Hooks(func(entry zapcore.Entry) error {
		if entry.Message == "exchange" {
			w.lines <- struct{}{}
		}
		return nil
	}))
	roots := func(context.Context) (*upstream.Roots, error) { return &upstream.Roots{Pool: authority.Pool()}, nil }
	options := proxy.Options{
		Backend: base, Host: serverName, Path: strings.TrimSuffix(orDefault(with.path, "/scim"), "/"),
		Timeout: orDefault(with.timeout, 20*time.Second), MaxBody: orDefault(with.maxBody, 1<<20), UserAgent: "proxy-test", MaxConcurrent: 10_000,
		Inbound:   token.NewCache(token.ReadCredentials(token.Static(token.NewSecret(entraToken))), token.Windows{}, log),
		Outbound:  token.NewCache(token.ReadCredentials(w.secret), token.Windows{}, log),
		Transport: upstream.NewTransport(upstream.Options{ServerName: serverName, Roots: roots}),
		Explain: func(err error) proxy.Fault {
			fault := upstream.Explain(err)
			problem := map[upstream.Stage]error{upstream.Connect: proxy.ErrUnreachable, upstream.Handshake: proxy.ErrTLS, upstream.Answer: proxy.ErrBadAnswer}
			return proxy.Fault{Problem: problem[fault.Stage], Class: fault.Class, Cause: fault.Cause, Remedy: fault.Remedy}
		},
		Log: log,
	}
	if with.options != nil {
		with.options(&options)
	}
	w.outbound = options.Outbound
	handler, err := proxy.New(options)
	if err != nil {
		t.Fatal(err)
	}
	if with.bodyTime > 0 {
		handler.SetBodyTime(with.bodyTime)
	}
	w.address = newServer(t, handler)
	return w
}

func orDefault[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}

func (w *world) startBackend(t *testing.T, authority *pki.Authority, with setup) {
	t.Helper()
	certificate, err := authority.Certificate(pki.Leaf{Names: []string{serverName}})
	if err != nil {
		t.Fatal(err)
	}
	answer := with.answer
	if answer == nil {
		answer = func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", "application/scim+json")
			_, _ = io.WriteString(rw, emptyList)
		}
	}
	w.backend = httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.record(r)
		answer(rw, r)
	}))
	w.backend.EnableHTTP2 = !with.http1
	w.backend.TLS = serverConfig(certificate)
	w.backend.StartTLS()
	t.Cleanup(w.backend.Close)
}

// recordLimit is the length from which on a body is left to the handler, as one
// of unknown length is.
const recordLimit = 1 << 20

// record notes a request with its whole body, and gives the body back.
func (w *world) record(r *http.Request) {
	entry := seen{Method: r.Method, URI: r.RequestURI, Host: r.Host, Header: r.Header.Clone(), Length: r.ContentLength}
	if r.ContentLength >= 0 && r.ContentLength < recordLimit {
		body, _ := io.ReadAll(r.Body)
		entry.Body, entry.Trailer = string(body), r.Trailer
		r.Body = io.NopCloser(strings.NewReader(string(body)))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, entry)
}

// requests returns what the backend saw.
func (w *world) requests() []seen {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen
}

// one returns the only request that the backend saw.
func (w *world) one(t *testing.T) seen {
	t.Helper()
	all := w.requests()
	if len(all) != 1 {
		t.Fatalf("the backend saw %d requests, want 1: %+v", len(all), all)
	}
	return all[0]
}

// answer is a response with its body read.
type answer struct {
	*http.Response
	body string
	err  error // of reading the body
}

// raw sends bytes as they are and reads one response. The connection stays
// open until the test ends, unless the proxy closes it.
func (w *world) raw(t *testing.T, method, text string) answer {
	t.Helper()
	conn, err := net.Dial("tcp", w.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return read(t, conn, method)
}

func read(t *testing.T, conn net.Conn, method string) answer {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("read response: %v", err)
	}
	body, err := io.ReadAll(response.Body)
	return answer{response, string(body), err}
}

// call sends a request with Entra's token. headers are "Name: value" lines.
func (w *world) call(t *testing.T, method, target, body string, headers ...string) answer {
	t.Helper()
	var text strings.Builder
	text.WriteString(method + " " + target + " HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer " + entraToken + "\r\n")
	for _, header := range headers {
		text.WriteString(header + "\r\n")
	}
	if body != "" {
		text.WriteString("Content-Type: application/scim+json; charset=utf-8\r\nContent-Length: " + itoa(len(body)) + "\r\n")
	}
	return w.raw(t, method, text.String()+"\r\n"+body)
}

// line returns the log line of the only exchange so far.
func (w *world) line(t *testing.T) map[string]any {
	t.Helper()
	select {
	case <-w.lines:
	case <-time.After(30 * time.Second):
	}
	lines := w.logs.FilterMessage("exchange").All()
	if len(lines) != 1 {
		t.Fatalf("%d exchange lines, want 1: %v", len(lines), lines)
	}
	fields := lines[0].ContextMap()
	fields["level"] = lines[0].Level.String()
	return fields
}

func itoa(n int) string { return strconv.Itoa(n) }

func serverConfig(certificate tls.Certificate) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{certificate}}
}

// newServer serves a handler as the world's proxy is served.
func newServer(t *testing.T, handler http.Handler) (address string) {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.DisableGeneralOptionsHandler = true
	server.Start()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func identity(secret string) string { return token.NewSecret(secret).String() }

// warm lets the proxy's cache read the secret.
func (w *world) warm(t *testing.T) {
	t.Helper()
	if _, err := w.outbound.Get(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// linesWith returns the exchange lines whose key has the value.
func (w *world) linesWith(key string, value any) []observer.LoggedEntry {
	return w.logs.FilterMessage("exchange").Filter(func(line observer.LoggedEntry) bool {
		return line.ContextMap()[key] == value
	}).All()
}

// hijack takes the connection of a backend's call over, to answer by hand.
func hijack(t *testing.T, rw http.ResponseWriter) net.Conn {
	t.Helper()
	conn, _, err := http.NewResponseController(rw).Hijack()
	if err != nil {
		t.Error(err)
		panic(http.ErrAbortHandler) // the handler cannot go on
	}
	return conn
}
