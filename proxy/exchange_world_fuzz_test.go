package proxy_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"example.com/entra-scim-proxy/proxy"
	"example.com/entra-scim-proxy/proxy/scim"
	"example.com/entra-scim-proxy/proxy/token"
	"example.com/entra-scim-proxy/proxy/upstream"
)

const (
	fuzzBase = "/base/scim/v2" // the path of BACKEND_URL
	fuzzHost = "backend.example.com"
	fuzzUser = "scim-user"
	// fuzzMaxBody is small, so that short inputs come near it.
	fuzzMaxBody = 4 << 10
	// fuzzMaxInput is below what a header may have.
	fuzzMaxInput = 12 << 10
)

// variants are the proxies that an input can meet.
var variants = [...]struct {
	rules   string
	stub    bool
	drop    []string
	scheme  proxy.Scheme
	carrier string // the header of the backend's credential
	shown   string // its value
}{
	{rules: "none", carrier: "Authorization", shown: "Bearer " + backendToken},
	{rules: "all", carrier: "Authorization", shown: "Bearer " + backendToken},
	{rules: "none", stub: true, scheme: proxy.Scheme{Header: "X-Api-Key"}, carrier: "X-Api-Key", shown: backendToken},
	{
		rules: "all", stub: true, drop: []string{"title", "name.formatted"}, scheme: proxy.Scheme{User: fuzzUser}, carrier: "Authorization",
		shown: "Basic " + base64.StdEncoding.EncodeToString([]byte(fuzzUser+":"+backendToken)),
	},
}

// fuzzWorld is one of those, served as the product serves it, between a client
// and a backend in memory.
type fuzzWorld struct {
	variant   int
	front     *memoryListener
	backend   *memoryBackend
	transport *upstream.Transport

	mu      sync.Mutex
	calls   []*fuzzCall // that reached the proxy, of the connection under way
	seen    []fuzzSeen  // what the backend got
	log     bytes.Buffer
	errors  bytes.Buffer // what net/http logged
	answer  int          // of the backend, an index of fuzzAnswers
	failing atomic.Bool  // a call to the backend failed
}

// fuzzCall is a call as it reached the proxy.
type fuzzCall struct {
	method, path string
	ping         bool
	authorized   bool
	// first and end are the places in seen of what the proxy asked the backend.
	first, end int
	whole      atomic.Bool // the body came to its end
	length     int64
	mu         sync.Mutex
	body       []byte
	aborted    bool // the handler panicked
}

// fuzzSeen is a request as the backend got it, and the status that it answered.
type fuzzSeen struct {
	*http.Request
	body   []byte
	whole  bool
	status int
}

// newFuzzWorlds starts a world for each variant. They end with the target, and
// nothing of them may be left then.
func newFuzzWorlds(f *testing.F, backend func(*fuzzWorld) *memoryBackend) (worlds []*fuzzWorld) {
	f.Helper()
	before := goleak.IgnoreCurrent()
	// What the transport says of an answer that nobody asked for.
	writer := log.Writer()
	log.SetOutput(io.Discard)
	var ends []func()
	for variant := range variants {
		w := &fuzzWorld{variant: variant, front: newMemoryListener()}
		w.backend = backend(w)
		server := w.serve(f)
		worlds = append(worlds, w)
		ends = append(ends, func() {
			_ = server.Close()
			w.settle()
			if w.backend.end != nil {
				w.backend.end()
			}
		})
	}
	f.Cleanup(func() {
		for _, end := range ends {
			end()
		}
		log.SetOutput(writer)
		var left error
		for stop := time.Now().Add(20 * time.Second); time.Now().Before(stop); {
			if left = goleak.Find(before); left == nil {
				return
			}
		}
		f.Errorf("goroutines are left: %v", left)
	})
	return worlds
}

// serve starts the proxy as handler/serve.go does, but for limits in time.
func (w *fuzzWorld) serve(f *testing.F) *http.Server {
	f.Helper()
	handler, err := proxy.New(w.options(f))
	if err != nil {
		f.Fatal(err)
	}
	handler.LogStrangers()
	server := &http.Server{
		Handler:                      w.watched(handler),
		ReadHeaderTimeout:            5 * time.Second,
		MaxHeaderBytes:               12 << 10,
		ErrorLog:                     log.New(lockedWriter{&w.mu, &w.errors}, "", 0),
		DisableGeneralOptionsHandler: true,
	}
	go func() { _ = server.Serve(w.front) }() // ends with Close in newFuzzWorlds
	return server
}

func (w *fuzzWorld) options(f *testing.F) proxy.Options {
	f.Helper()
	variant := variants[w.variant]
	rules, err := scim.ParseRules(variant.rules)
	if err != nil {
		f.Fatal(err)
	}
	normalizer, err := scim.New(scim.Options{Rules: rules, Drop: variant.drop})
	if err != nil {
		f.Fatal(err)
	}
	encoder := zapcore.NewJSONEncoder(zapcore.EncoderConfig{
		TimeKey: "time", LevelKey: "level", NameKey: "logger", MessageKey: "msg",
		EncodeTime: zapcore.RFC3339NanoTimeEncoder, EncodeLevel: zapcore.LowercaseLevelEncoder,
	})
	logger := zap.New(zapcore.NewCore(encoder, zapcore.AddSync(lockedWriter{&w.mu, &w.log}), zap.DebugLevel))
	w.transport = upstream.NewTransport(upstream.Options{Dial: w.backend.Dial})
	return proxy.Options{
		Backend: &url.URL{Scheme: "http", Host: fuzzHost, Path: fuzzBase}, Path: "/scim",
		Timeout: time.Minute, MaxBody: fuzzMaxBody, MaxConcurrent: 1000, UserAgent: "proxy-fuzz",
		Inbound:       token.NewCache(token.ReadCredentials(token.Static(token.NewSecret(entraToken))), token.Windows{}, logger),
		Outbound:      token.NewCache(token.ReadCredentials(token.Static(token.NewSecret(backendToken))), token.Windows{}, logger),
		OutboundFixed: true, Scheme: variant.scheme, Transport: failureWatch{w}, StubGroups: variant.stub,
		Normalizer: normalizer, PublicURL: "https://public.example.com",
		Check: func(context.Context) ([]byte, error) { return []byte(`{"result":"pass"}`), nil },
		Explain: func(err error) proxy.Fault {
			fault := upstream.Explain(err)
			return proxy.Fault{Problem: proxy.ErrBadAnswer, Class: fault.Class, Cause: fault.Cause, Remedy: fault.Remedy}
		},
		Log: logger,
	}
}

// failureWatch notes failed calls to the backend, after which it may still be
// reading.
type failureWatch struct{ w *fuzzWorld }

func (f failureWatch) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := f.w.transport.RoundTrip(request)
	if err != nil {
		f.w.failing.Store(true)
	}
	return response, err
}

// lockedWriter lets goroutines share a buffer.
type lockedWriter struct {
	mu *sync.Mutex
	to *bytes.Buffer
}

func (l lockedWriter) Write(data []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.to.Write(data)
}

// watched notes the calls on their way to the handler.
func (w *fuzzWorld) watched(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		authorization := r.Header["Authorization"]
		call := &fuzzCall{
			method: r.Method, path: r.URL.Path, ping: proxy.IsPing(r), length: r.ContentLength,
			authorized: len(authorization) == 1 && isEntras(authorization[0]),
		}
		call.whole.Store(r.ContentLength == 0)
		w.mu.Lock()
		call.first, call.aborted = len(w.seen), true
		w.calls = append(w.calls, call)
		w.mu.Unlock()
		defer func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			call.end = len(w.seen)
		}()
		watched := r.WithContext(r.Context())
		watched.Body = &watchedBody{r.Body, call}
		handler.ServeHTTP(rw, watched)
		call.aborted = false
	})
}

// isEntras reports whether an Authorization has Entra's token (RFC 6750 section
// 2.1), read otherwise than the proxy does.
func isEntras(authorization string) bool {
	fields := strings.Fields(authorization)
	return len(fields) == 2 && strings.EqualFold(fields[0], "Bearer") && fields[1] == entraToken
}

// watchedBody notes what a client's body held.
type watchedBody struct {
	io.ReadCloser
	call *fuzzCall
}

func (b *watchedBody) Read(buffer []byte) (int, error) {
	n, err := b.ReadCloser.Read(buffer)
	b.call.mu.Lock()
	defer b.call.mu.Unlock()
	b.call.body = append(b.call.body, buffer[:n]...)
	if err == io.EOF || int64(len(b.call.body)) == b.call.length {
		b.call.whole.Store(true)
	}
	return n, err
}

// connect sends bytes to the proxy on a connection of their own, and returns all
// that comes back until the proxy ends it. The client ends its side when the
// proxy wants more than there is.
func (w *fuzzWorld) connect(t *testing.T, raw []byte) []byte {
	t.Helper()
	w.mu.Lock()
	w.calls, w.seen = nil, nil
	w.log.Reset()
	w.errors.Reset()
	w.mu.Unlock()
	w.failing.Store(false)

	// Up to here net/http never asks for the last byte alone that a header may
	// have, which would look as if it waited for the client to leave.
	if len(raw) > fuzzMaxInput {
		t.Skip("too long")
	}
	client, server := memoryPipe()
	over := make(chan struct{})
	server.left = func() { close(over) }
	// net/http reads single bytes only to notice that a client leaves, which
	// this one does not do before it is answered.
	server.in.starved = func(room int) bool { return room > 1 }
	_, _ = client.Write(raw)
	w.front.conns <- net.Conn(server)
	select {
	case <-over:
	case <-time.After(time.Minute):
		t.Fatal("the proxy neither answers nor ends the connection")
	}
	client.in.mu.Lock()
	got := slices.Clone(client.in.data)
	client.in.mu.Unlock()
	_ = client.Close()
	if w.failing.Load() {
		w.settle() // the backend may be about to read what was cut off
	}
	return got
}

// settle ends the connections to the backend.
func (w *fuzzWorld) settle() {
	w.transport.CloseIdleConnections()
	w.backend.wait()
}
