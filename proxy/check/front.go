package check

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"example.com/entra-scim-proxy/proxy/scim"
)

// invocationHeader is what the Functions host adds to a call. The proxy takes its
// log line's request_id from it.
const invocationHeader = "X-Azure-Functions-Invocationid"

// trial says which proxy is tried: [Options].Proxy has the meaning.
type trial struct {
	rules scim.Set
	plain bool
}

// fronts are the proxies that the run has tried so far.
type fronts struct {
	open func(trial) (*front, error)

	mu   sync.Mutex
	made map[trial]*front
	over bool // no more are made: nobody would close them
}

// get returns the proxy for a trial.
func (f *fronts) get(of trial) (*front, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if have := f.made[of]; have != nil {
		return have, nil
	}
	if f.over {
		return nil, net.ErrClosed
	}
	opened, err := f.open(of)
	if err != nil {
		return nil, err
	}
	if f.made == nil {
		f.made = map[trial]*front{}
	}
	f.made[of] = opened
	return opened, nil
}

// front is a proxy in this process, served over connections in memory.
type front struct {
	path   string
	lines  *lines
	server *http.Server
	client *http.Transport
}

func (c *check) newFront(of trial) (*front, error) {
	kept := &lines{LevelEnabler: zapcore.DebugLevel, by: map[string]line{}}
	handler, err := c.Proxy(of.rules, of.plain, zap.New(kept))
	if err != nil {
		return nil, fmt.Errorf("make the proxy: %w", err)
	}
	listener := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	var http1 http.Protocols
	http1.SetHTTP1(true)
	f := &front{
		path: c.Path, lines: kept,
		server: &http.Server{Handler: handler, ReadHeaderTimeout: limit, ErrorLog: log.New(io.Discard, "", 0)},
		client: &http.Transport{DialContext: listener.dial, DisableCompression: true, Protocols: &http1},
	}
	go func() { _ = f.server.Serve(listener) }() // ends with close
	return f, nil
}

// ask makes a call as Entra does. The target is a path below SCIM_PATH with its
// query, sent as it is.
func (f *front) ask(ctx context.Context, method, target string, body []byte, token string) (answer, error) {
	if err := ctx.Err(); err != nil {
		return answer{}, err // no line would come of it
	}
	path, query, _ := strings.Cut(target, "?")
	request, err := newRequest(ctx, method, &url.URL{Scheme: "http", Host: "proxy", Opaque: f.path + path, RawQuery: query}, body)
	if err != nil {
		return answer{}, err
	}
	request.Header["Authorization"] = []string{"Bearer " + token}
	request.Header["User-Agent"] = []string{""} // how net/http is told to send none
	id := rand.Text()
	request.Header[invocationHeader] = []string{id}
	got, err := roundTrip(f.client, request)
	wait := lineWait
	if ctx.Err() != nil {
		wait = overrun / 2 // the step has no more than that
	}
	got.line = f.lines.take(id, wait)
	return got, err
}

func (f *front) close() {
	f.client.CloseIdleConnections()
	_ = f.server.Close() // connections in memory
}

// close ends what the run has opened.
func (c *check) close() {
	if opened := c.opened.Load(); opened != nil {
		opened.CloseIdleConnections()
	}
	c.fronts.mu.Lock()
	defer c.fronts.mu.Unlock()
	c.fronts.over = true
	for _, f := range c.fronts.made {
		f.close()
	}
}

// pipes is a listener for connections in memory.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-p.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept implements [net.Listener].
func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener].
func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

// Addr implements [net.Listener].
func (*pipes) Addr() net.Addr { return &net.UnixAddr{Net: "memory"} }

// line is what the check reads of a line of the proxy's log.
type line struct {
	class, cause, remedy, rules, answer string
	// dropped tells that DROP_ATTRIBUTES took something out of the body.
	dropped bool
}

// lines is a log that keeps the lines about calls by their request_id.
type lines struct {
	zapcore.LevelEnabler

	mu sync.Mutex
	by map[string]line
}

// With implements [zapcore.Core]. The lines about calls have all their fields.
func (l *lines) With([]zapcore.Field) zapcore.Core { return l }

// Check implements [zapcore.Core].
func (l *lines) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	return checked.AddCore(entry, l)
}

// Write implements [zapcore.Core].
func (l *lines) Write(_ zapcore.Entry, fields []zapcore.Field) error {
	encoder := zapcore.NewMapObjectEncoder()
	for _, field := range fields {
		field.AddTo(encoder)
	}
	text := func(key string) string { value, _ := encoder.Fields[key].(string); return value }
	if id := text("request_id"); id != "" {
		l.mu.Lock()
		defer l.mu.Unlock()
		_, dropped := encoder.Fields["dropped"]
		l.by[id] = line{text("class"), text("cause"), text("remedy"), text("rules"), text("answer"), dropped}
	}
	return nil
}

// Sync implements [zapcore.Core].
func (*lines) Sync() error { return nil }

// lineWait is how long a line may come after its answer: the proxy writes it when
// the whole answer has gone out.
const lineWait = time.Second

// take returns the line about a call; the zero line if none comes in time.
func (l *lines) take(id string, wait time.Duration) line {
	for deadline := time.Now().Add(wait); ; time.Sleep(time.Millisecond) {
		l.mu.Lock()
		found, ok := l.by[id]
		delete(l.by, id)
		l.mu.Unlock()
		if ok || time.Now().After(deadline) {
			return found
		}
	}
}
