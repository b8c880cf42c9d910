package window_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"example.com/entra-scim-proxy/lab/window"
)

const (
	entraToken   = "canary-of-entra-3f1c7f0e94d1"
	backendToken = "canary-of-the-backend-86d0aa"
)

// world is a recorder between a front and a backend, with a proxy in the middle
// that swaps the token and writes a log, each on sockets of its own.
type world struct {
	*window.Recorder
	front, backend, page *httptest.Server
}

// newWorld serves what the backend says, and a page with the options.
func newWorld(t *testing.T, backend http.HandlerFunc, options window.Options) *world {
	t.Helper()
	w := &world{Recorder: new(window.Recorder)}
	w.backend = httptest.NewServer(w.AtBackend(backend))
	t.Cleanup(w.backend.Close)

	var calls atomic.Int64
	front := w.FromEntra(http.HandlerFunc(w.proxy), func(r *http.Request) (id, traceparent string) {
		return r.Header.Get("X-Invocation"), r.Header.Get("Traceparent")
	})
	w.front = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		n := calls.Add(1)
		r.Header.Set("X-Invocation", fmt.Sprintf("call-%d", n))
		r.Header.Set("Traceparent", fmt.Sprintf("00-%032x-%016x-01", n, n))
		front.ServeHTTP(rw, r)
	}))
	t.Cleanup(w.front.Close)

	streams, end := context.WithCancel(t.Context())
	w.page = httptest.NewUnstartedServer(window.New(w.Recorder, options))
	w.page.Config.BaseContext = func(net.Listener) context.Context { return streams }
	w.page.Start()
	t.Cleanup(func() { end(); w.page.Close() })
	return w
}

// proxy hands a call on as the proxy does, twice if the backend answers 401.
// A path with "refuse" is refused.
func (w *world) proxy(rw http.ResponseWriter, r *http.Request) {
	line := map[string]any{
		"level": "info", "msg": "exchange", "request_id": r.Header.Get("X-Invocation"), "method": r.Method,
		"backend_ms": 1.5, "caller": "sha256:00000001", "credential": "sha256:00000002",
	}
	defer func() {
		encoded, _ := json.Marshal(line)
		w.Write(append(encoded, '\n'))
	}()
	body, _ := io.ReadAll(r.Body)
	if strings.Contains(r.URL.Path, "refuse") {
		line["class"], line["cause"], line["remedy"] = "invalid_value", "the token is "+entraToken, "none"
		http.Error(rw, "no", http.StatusBadRequest)
		return
	}
	line["rules"] = "op-case,active-boolean"
	for _, token := range []string{backendToken, backendToken + "-2"} {
		request, _ := http.NewRequestWithContext(r.Context(), r.Method, w.backend.URL+r.URL.RequestURI(), bytes.NewReader(body))
		request.Header.Set("Authorization", "Bearer "+token)
		request.Header.Set("X-Request-Id", r.Header.Get("X-Request-Id"))
		request.Header.Set("Traceparent", r.Header.Get("Traceparent"))
		answer, err := http.DefaultTransport.RoundTrip(request)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		if answer.StatusCode == http.StatusUnauthorized && token == backendToken {
			answer.Body.Close()
			continue
		}
		maps.Copy(rw.Header(), answer.Header)
		rw.WriteHeader(answer.StatusCode)
		_ = http.NewResponseController(rw).Flush()
		_, err = io.Copy(rw, answer.Body)
		answer.Body.Close()
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		return
	}
}

// call makes a call of Entra's and returns the answer's body.
func (w *world) call(t *testing.T, method, target, body string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, w.front.URL+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+entraToken)
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// get returns what the page's server answers, however it does.
func (w *world) get(t *testing.T, path string) (status int, body string) {
	t.Helper()
	response, err := http.Get(w.page.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(content)
}

func echo(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/scim+json")
	body, _ := io.ReadAll(r.Body)
	w.Write(body)
}
