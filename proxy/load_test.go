package proxy_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/entra-scim-proxy/proxy"
	"example.com/entra-scim-proxy/proxy/scim"
	"example.com/entra-scim-proxy/proxy/token"
)

// gate is a backend that keeps its calls until it is opened.
type gate struct {
	arrived chan struct{}
	open    chan struct{}
}

func newGate() *gate { return &gate{make(chan struct{}, 1000), make(chan struct{})} }

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.arrived <- struct{}{}
	select {
	case <-g.open:
	case <-r.Context().Done():
	}
	w.Header().Set("Content-Type", "application/scim+json")
	_, _ = io.WriteString(w, emptyList)
}

// Over MAX_CONCURRENT a call is refused at once, before its token is looked at,
// and the host's ping is answered all the same.
func TestCallsOverTheLimitAreRefusedAtOnce(t *testing.T) {
	g := newGate()
	w := newWorld(t, setup{answer: g.ServeHTTP, options: func(o *proxy.Options) { o.MaxConcurrent = 3 }})
	var calls sync.WaitGroup
	for range 3 {
		calls.Go(func() { // ends when the gate is open
			if got := w.call(t, "GET", "/scim/Users", ""); got.StatusCode != 200 || got.body != emptyList {
				t.Errorf("a call within the limit: %d %s", got.StatusCode, got.body)
			}
		})
	}
	for range 3 {
		<-g.arrived
	}
	for _, token := range []string{"Bearer " + entraToken, "Bearer wrong"} {
		got := w.raw(t, "GET", "GET /scim/Users HTTP/1.1\r\nHost: x\r\nX-Request-Id: over\r\nAuthorization: "+token+"\r\n\r\n")
		const want = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"503","detail":"The proxy has as many calls as it may take at a time. Request id: over"}`
		if got.StatusCode != 503 || got.body != want || got.Header.Get("Retry-After") != "2" {
			t.Errorf("over the limit: %d %s, Retry-After %q", got.StatusCode, got.body, got.Header.Get("Retry-After"))
		}
	}
	if got := w.raw(t, "GET", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); got.StatusCode != 200 || got.body != "" {
		t.Errorf("the ping: %d %s", got.StatusCode, got.body)
	}
	close(g.open)
	calls.Wait()
	if lines := w.linesWith("class", "overloaded"); len(lines) != 2 || lines[0].Level.String() != "warn" || lines[0].ContextMap()["cause"] != "too many calls at once: 3 calls are under way" {
		t.Errorf("lines: %v", lines)
	}
	if got := w.call(t, "GET", "/scim/Users", ""); got.StatusCode != 200 {
		t.Errorf("afterwards: %d %s", got.StatusCode, got.body)
	}
}

// However a call ends, it gives its place back.
func TestPlacesComeBack(t *testing.T) {
	w := newWorld(t, setup{
		options: func(o *proxy.Options) { o.MaxConcurrent, o.Memory = 1, 1<<20 },
		answer: func(rw http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/cut":
				rw.Header().Set("Content-Length", "10")
				_, _ = io.WriteString(rw, "cut")
				panic(http.ErrAbortHandler)
			case "/status":
				rw.WriteHeader(http.StatusInternalServerError)
			}
		},
	})
	body := strings.Repeat(" ", 60<<10) + "{}" // what is held of it is half of what there is
	for _, call := range []struct{ method, target, body string }{
		{"POST", "/scim/cut", body}, {"POST", "/scim/status", body}, {"POST", "/other", ""}, {"GET", "/scim/Users?;", ""}, {"POST", "/scim/Users", body}, {"POST", "/scim/Users", body},
	} {
		if got := w.call(t, call.method, call.target, call.body); got.StatusCode == 503 {
			t.Errorf("%s %s: %s", call.method, call.target, got.body)
		}
		<-w.lines // the place is given back before the line, the answer ends before
	}
}

// Bodies that are held have a part of the memory; one beyond it is refused, and one
// that streams is not.
func TestBodiesHeldAreBounded(t *testing.T) {
	g := newGate()
	rules, err := scim.ParseRules("all")
	if err != nil {
		t.Fatal(err)
	}
	normalizer, err := scim.New(scim.Options{Rules: rules})
	if err != nil {
		t.Fatal(err)
	}
	// A quarter of it is for bodies, and each counts twice: room for two of 250 KB.
	w := newWorld(t, setup{answer: g.ServeHTTP, options: func(o *proxy.Options) { o.Memory, o.Normalizer = 4<<20, normalizer }})
	body := `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"` + strings.Repeat("a", 250<<10) + `"}`
	var calls sync.WaitGroup
	for range 2 {
		calls.Go(func() { // ends when the gate is open
			if got := w.call(t, "POST", "/scim/Users", body); got.StatusCode != 200 {
				t.Errorf("within the bound: %d %s", got.StatusCode, got.body)
			}
		})
	}
	<-g.arrived
	<-g.arrived
	if got := w.call(t, "POST", "/scim/Users", body); got.StatusCode != 503 || got.Header.Get("Retry-After") != "2" {
		t.Errorf("beyond the bound: %d %s", got.StatusCode, got.body)
	}
	calls.Go(func() { // likewise
		if got := w.call(t, "POST", "/scim/Bulk", body); got.StatusCode != 200 {
			t.Errorf("a body that streams: %d %s", got.StatusCode, got.body)
		}
	})
	<-g.arrived
	close(g.open)
	calls.Wait()
	if got := w.call(t, "POST", "/scim/Users", body); got.StatusCode != 200 {
		t.Errorf("afterwards: %d %s", got.StatusCode, got.body)
	}
	if lines := w.linesWith("class", "overloaded"); len(lines) != 1 || !strings.Contains(lines[0].ContextMap()["cause"].(string), "memory") {
		t.Errorf("lines: %v", lines)
	}
}

// A body that is larger than all the memory there is for bodies passes alone.
func TestBodyLargerThanTheMemoryPassesAlone(t *testing.T) {
	w := newWorld(t, setup{options: func(o *proxy.Options) { o.Memory = 1 << 10 }})
	if got := w.call(t, "POST", "/scim/Users", strings.Repeat("x", 32<<10)); got.StatusCode != 200 {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
}

// Whoever guesses tokens gets half of the places at most.
func TestGuessersLeavePlacesToOthers(t *testing.T) {
	slow := make(chan struct{})
	var once sync.Once
	reads := 0 // never two at once
	w := newWorld(t, setup{options: func(o *proxy.Options) {
		o.MaxConcurrent = 4
		o.Inbound = token.NewCache(func(ctx context.Context) (token.Credentials, error) {
			if reads++; reads > 1 {
				select {
				case <-slow:
				case <-ctx.Done():
				}
			}
			return token.Credentials{token.NewSecret(entraToken)}, nil
		}, token.Windows{}, o.Log)
	}})
	t.Cleanup(func() { once.Do(func() { close(slow) }) })
	if got := w.call(t, "GET", "/scim/Users", ""); got.StatusCode != 200 {
		t.Fatalf("%d", got.StatusCode)
	}
	statuses := make(chan int, 6)
	var guesses sync.WaitGroup
	for range 6 {
		guesses.Go(func() { // ends with the read, or after the 2 s that it is waited for
			statuses <- w.raw(t, "GET", "GET /scim/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer guess\r\n\r\n").StatusCode
		})
	}
	for range 4 { // two wait
		if status := <-statuses; status != 503 {
			t.Errorf("a guess too many: %d", status)
		}
	}
	if got := w.call(t, "GET", "/scim/Users", ""); got.StatusCode != 200 {
		t.Errorf("Entra meanwhile: %d %s", got.StatusCode, got.body)
	}
	once.Do(func() { close(slow) })
	guesses.Wait()
	for range 2 {
		if status := <-statuses; status != 401 {
			t.Errorf("a guess: %d", status)
		}
	}
}

// A flood of wrong tokens gets ten lines a second, and the next line says how many
// there would have been.
func TestFloodOfWrongTokensDoesNotFillTheLog(t *testing.T) {
	w := newWorld(t, setup{})
	const guesses = 200
	begun := time.Now()
	for range guesses {
		if got := w.raw(t, "GET", "GET /scim/Users HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer guess\r\n\r\n"); got.StatusCode != 401 {
			t.Fatalf("%d %s", got.StatusCode, got.body)
		}
	}
	most := 10 + int(10*time.Since(begun).Seconds()) + 1
	if got := w.call(t, "GET", "/scim/Users", ""); got.StatusCode != 200 {
		t.Fatalf("%d %s", got.StatusCode, got.body)
	}
	for len(w.linesWith("caller", identity(entraToken))) == 0 {
		<-w.lines // the answer can be here before the line is
	}
	written, withheld := w.linesWith("class", "unauthorized"), int64(0)
	for _, line := range w.logs.FilterMessage("exchange").All() {
		if n, ok := line.ContextMap()["withheld"].(int64); ok {
			withheld += n
		}
	}
	if len(written) < 10 || len(written) > most || len(written)+int(withheld) != guesses {
		t.Errorf("%d lines, %d withheld; want 10 to %d, and %d together", len(written), withheld, most, guesses)
	}
}

// A panic in a hook ends its own exchange as a broken one, with the stack in the
// one line, and no value that it may hold.
func TestPanicInAHookEndsItsOwnExchange(t *testing.T) {
	for name, change := range map[string]func(*proxy.Options){
		"transport": func(o *proxy.Options) { o.Transport = panicking{o.Transport} },
		"explain": func(o *proxy.Options) {
			o.Transport = failing{o.Transport}
			o.Explain = func(error) proxy.Fault { panic("canary of " + entraToken) }
		},
		"body of the answer": func(o *proxy.Options) { o.Transport = panickingBody{o.Transport} },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, setup{options: change})
			conn, err := net.Dial("tcp", w.address)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = conn.Close() })
			if _, err := io.WriteString(conn, "GET /scim/Panic HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+entraToken+"\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(conn); strings.HasSuffix(string(got), "0\r\n\r\n") || strings.Contains(string(got), "canary") {
				t.Errorf("the client got %q, %v", got, err)
			}
			line := w.line(t)
			stack, _ := line["stack"].(string)
			if line["class"] != "internal" || line["level"] != "error" || !strings.Contains(stack, "goroutine") || !strings.Contains(stack, "load_test.go") {
				t.Errorf("line %v", line)
			}
			for key, value := range line {
				if text, ok := value.(string); ok && strings.Contains(text, "canary of") {
					t.Errorf("%s shows the value: %s", key, text)
				}
			}
			if got := w.call(t, "GET", "/scim/Users", ""); got.StatusCode != 200 {
				t.Errorf("the next call: %d %s", got.StatusCode, got.body)
			}
		})
	}
}

type panicking struct{ http.RoundTripper }

func (p panicking) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Opaque, "/Panic") {
		panic("canary of " + entraToken)
	}
	return p.RoundTripper.RoundTrip(r)
}

type failing struct{ http.RoundTripper }

func (f failing) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Opaque, "/Panic") {
		return nil, errors.New("failed")
	}
	return f.RoundTripper.RoundTrip(r)
}

type panickingBody struct{ http.RoundTripper }

func (p panickingBody) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := p.RoundTripper.RoundTrip(r)
	if err == nil && strings.HasSuffix(r.URL.Opaque, "/Panic") {
		response.ContentLength = -1
		response.Header.Del("Content-Length")
		response.Body = struct {
			io.Reader
			io.Closer
		}{&panickingReader{}, response.Body}
	}
	return response, err
}

// panickingReader yields something first.
type panickingReader struct{ yielded bool }

func (p *panickingReader) Read(buffer []byte) (int, error) {
	if p.yielded {
		panic("canary of " + entraToken)
	}
	p.yielded = true
	return copy(buffer, `{"Resources":[`), nil
}
