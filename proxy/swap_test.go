package proxy_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"example.com/entra-scim-proxy/proxy"
	"example.com/entra-scim-proxy/proxy/token"
)

// demanding is a backend that takes one token only.
func demanding(accepted string) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+accepted {
			rw.Header().Set("WWW-Authenticate", `Bearer realm="internal-canary"`)
			rw.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(rw, "internal-canary")
			return
		}
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(rw, "%s:%s", r.Method, body)
	}
}

func TestRefusedCallIsRepeatedOnceWithAFreshCredential(t *testing.T) {
	for _, http1 := range []bool{true, false} {
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
			w := newWorld(t, setup{http1: http1, answer: demanding("rotated")})
			body := ""
			if method != "GET" && method != "DELETE" {
				body = strings.Repeat("x", 64<<10)
			}
			w.warm(t)
			w.secret.set("rotated", nil)
			got := w.call(t, method, "/scim/Users/1", body)
			if got.StatusCode != 200 || got.body != method+":"+body {
				t.Errorf("%s: %d with %d bytes", method, got.StatusCode, len(got.body))
			}
			if len(w.requests()) != 2 {
				t.Errorf("%s: the backend saw %d requests, want 2", method, len(w.requests()))
			}
			lines := w.linesWith("replayed", true)
			if len(lines) != 1 || lines[0].ContextMap()["credential"] != identity("rotated") {
				t.Errorf("%s: lines of replayed calls: %v", method, lines)
			}
		}
	}
}

func TestRefusedCredentialIs502(t *testing.T) {
	tests := map[string]struct {
		rotate func(*source)
		body   string
		calls  int
	}{
		"the same value":            {func(*source) {}, "{}", 1},
		"another value that is bad": {func(s *source) { s.set("other", nil) }, "{}", 2},
		"source away":               {func(s *source) { s.set("", errors.New("vault is away")) }, "{}", 1},
		"body too large to be held": {func(s *source) { s.set("rotated", nil) }, strings.Repeat("x", 64<<10+1), 1},
	}
	for name, test := range tests {
		w := newWorld(t, setup{answer: demanding("rotated")})
		w.warm(t)
		test.rotate(w.secret)
		got := w.call(t, "POST", "/scim/Users", test.body)
		wantProblem(t, got, 502, "")
		if strings.Contains(fmt.Sprint(got.Header, got.body), "canary") || got.Header.Get("WWW-Authenticate") != "" {
			t.Errorf("%s: the backend's answer leaks: %v %s", name, got.Header, got.body)
		}
		if len(w.requests()) != test.calls {
			t.Errorf("%s: the backend saw %d requests, want %d", name, len(w.requests()), test.calls)
		}
		lines := w.linesWith("class", "credential_refused")
		if len(lines) != 1 || lines[0].Level.String() != "error" || lines[0].ContextMap()["remedy"] == nil {
			t.Errorf("%s: lines %v", name, lines)
		}
	}
}

// A body that streams cannot be sent twice, but the next call has the fresh
// credential.
func TestCallAfterARefusedStreamSucceeds(t *testing.T) {
	w := newWorld(t, setup{answer: demanding("rotated")})
	w.warm(t)
	w.secret.set("rotated", nil)
	wantProblem(t, w.call(t, "POST", "/scim/Users", strings.Repeat("x", 64<<10+1)), 502, "")
	if got := w.call(t, "POST", "/scim/Users", "{}"); got.StatusCode != 200 {
		t.Errorf("the next call: %d", got.StatusCode)
	}
}

func TestUnreadableSecretIs503(t *testing.T) {
	w := newWorld(t, setup{})
	w.secret.set("", errors.New("vault internal-canary is away"))
	got := w.call(t, "GET", "/scim/Users", "")
	wantProblem(t, got, 503, "")
	if got.Header.Get("Retry-After") != "10" || strings.Contains(got.body, "canary") || len(w.requests()) != 0 {
		t.Errorf("Retry-After %q, body %s, backend saw %v", got.Header.Get("Retry-After"), got.body, w.requests())
	}
	if line := w.line(t); line["class"] != "secret_unavailable" || line["level"] != "error" {
		t.Errorf("log line %v", line)
	}
}

const scimForbidden = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"403","detail":"read-only"}`

func TestForbiddenPassesOnlyAsASCIMError(t *testing.T) {
	var compressed bytes.Buffer
	zipper := gzip.NewWriter(&compressed)
	_, _ = io.WriteString(zipper, scimForbidden)
	if err := zipper.Close(); err != nil {
		t.Fatal(err)
	}
	long := strings.Replace(scimForbidden, "read-only", strings.Repeat("long ", 10000), 1)
	tests := map[string]struct {
		encoding, body string
		passes         bool
	}{
		"SCIM error":             {"", scimForbidden, true},
		"long SCIM error":        {"", long, true},
		"gzip":                   {"gzip", compressed.String(), true},
		"unknown encoding":       {"br", scimForbidden, false},
		"broken gzip":            {"gzip", scimForbidden, false},
		"HTML":                   {"", "<html>internal-canary</html>", false},
		"empty":                  {"", "", false},
		"other JSON":             {"", `{"error":"internal-canary"}`, false},
		"the URN somewhere else": {"", `{"detail":"urn:ietf:params:scim:api:messages:2.0:Error"}`, false},
		"cut JSON":               {"", scimForbidden[:80], false},
	}
	for name, test := range tests {
		w := newWorld(t, setup{answer: func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", "application/scim+json")
			if test.encoding != "" {
				rw.Header().Set("Content-Encoding", test.encoding)
			}
			rw.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(rw, test.body)
		}})
		got := w.call(t, "PATCH", "/scim/Users/1", "{}")
		if test.passes {
			if got.StatusCode != 403 || got.body != test.body {
				t.Errorf("%s: %d with %d bytes, want it as it came", name, got.StatusCode, len(got.body))
			}
			continue
		}
		wantProblem(t, got, 502, "")
		if strings.Contains(got.body, "canary") {
			t.Errorf("%s: leaks %s", name, got.body)
		}
	}
}

// CVE-2022-30631: what decides about a 403 is bounded, whatever it unpacks to.
func TestForbiddenWithAHugeBody(t *testing.T) {
	var bomb bytes.Buffer
	zipper := gzip.NewWriter(&bomb)
	_, _ = io.WriteString(zipper, strings.Repeat(" ", 4<<20)+scimForbidden)
	if err := zipper.Close(); err != nil {
		t.Fatal(err)
	}
	if bomb.Len() > 100<<10 {
		t.Fatalf("a bomb of %d bytes", bomb.Len())
	}
	for name, answer := range map[string]http.HandlerFunc{
		"bomb": func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Encoding", "gzip")
			rw.WriteHeader(http.StatusForbidden)
			_, _ = rw.Write(bomb.Bytes())
		},
		"endless": func(rw http.ResponseWriter, r *http.Request) {
			rw.WriteHeader(http.StatusForbidden)
			for r.Context().Err() == nil {
				_, _ = io.WriteString(rw, strings.Repeat(" ", 32<<10))
			}
		},
	} {
		w := newWorld(t, setup{answer: answer})
		wantProblem(t, w.call(t, "GET", "/scim/Users", ""), 502, "")
		if line := w.line(t); line["class"] != "forbidden" {
			t.Errorf("%s: log line %v", name, line)
		}
	}
}

// Concurrent calls share nothing but the cache and the connections.
func TestConcurrentCallsDoNotMix(t *testing.T) {
	w := newWorld(t, setup{answer: func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(rw, "%s %s", r.URL.Path, body)
	}})
	done := make(chan string)
	const callers = 50
	for i := range callers {
		go func() { // ends with its one call
			body := strings.Repeat(itoa(i%10), 1000)
			got := w.call(t, "PATCH", "/scim/Users/"+itoa(i), body)
			if want := "/Users/" + itoa(i) + " " + body; got.body != want {
				done <- fmt.Sprintf("call %d got %.40q", i, got.body)
				return
			}
			done <- ""
		}()
	}
	for range callers {
		if failure := <-done; failure != "" {
			t.Error(failure)
		}
	}
}

// Whatever holds a secret, at whatever depth, prints its identity at most.
func TestNothingOfTheProxyPrintsASecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := token.NewCache(token.ReadCredentials(token.Static(token.NewSecret(backendToken))), token.Windows{}, zap.NewNop())
		if credentials, err := cache.Get(t.Context()); err != nil || credentials.Current().Reveal() != backendToken {
			t.Fatalf("%v, %v", credentials, err)
		}
		synctest.Wait() // fmt would race with the end of the read
		options := proxy.Options{
			Backend: &url.URL{Scheme: "https", Host: "scim.corp.example.com"}, Timeout: time.Second, MaxBody: 1, MaxConcurrent: 1,
			Inbound: cache, Outbound: cache, Transport: http.DefaultTransport, Explain: func(error) proxy.Fault { return proxy.Fault{} }, Log: zap.NewNop(),
		}
		handler, err := proxy.New(options)
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range map[string]any{"Options": options, "Proxy": handler, "Cache": cache, "struct": struct{ cache any }{cache}} {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
				printed := fmt.Sprintf(verb, value)
				if strings.Contains(printed, backendToken) || strings.Contains(printed, fmt.Sprintf("%x", backendToken)) {
					t.Errorf("%s with %s prints a secret: %s", name, verb, printed)
				}
			}
		}
	})
}
