package proxy_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The vectors of kind "query" of the shared set: byte for byte, but for the
// flags that admins put into the Tenant URL.
func TestQueryReachesTheBackendByteForByte(t *testing.T) {
	eachQuery(t, func(name string, input, expected queryCall) {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, setup{base: "/scim"})
			w.call(t, input.Method, input.URL, "")
			got := w.one(t)
			if diff := cmp.Diff(expected, queryCall{got.Method, got.URI}); diff != "" {
				t.Error(diff)
			}
		})
	})
}

func TestTargetGoesOutAsItCame(t *testing.T) {
	tests := []struct{ path, base, target, want string }{
		{"/scim", "/jira/rest/scim/v2", "/scim/Users", "/jira/rest/scim/v2/Users"},
		{"/scim", "/jira/rest/scim/v2/", "/scim/Users", "/jira/rest/scim/v2/Users"},
		{"/scim", "", "/scim/Users", "/Users"},
		{"/scim", "", "/scim", "/"},
		{"/scim", "", "/scim/", "/"},
		{"/scim", "/v2", "/scim", "/v2"},
		{"/scim", "/v2", "/scim/", "/v2/"},
		{"/", "/v2", "/Users", "/v2/Users"},
		{"/", "/v2", "//Users", "/v2/Users"},
		{"/scim", "/v2", "/scim//Users", "/v2/Users"},
		{"/scim", "/v2", "/scim///Users/1", "/v2/Users/1"},
		{"/scim", "/v2", "//scim/Users", "/v2/Users"},
		{"/scim", "/v2", "/scim/Users//1", "/v2/Users//1"},
		{"/a/b", "/v2", "/a/b/Users", "/v2/Users"},
		{"/scim", "/a%20b", "/scim/Users/x%20y", "/a%20b/Users/x%20y"},
		{"/scim", "/v2", "/scim/Users/%41%7a%c3%bc", "/v2/Users/%41%7a%c3%bc"},
		{"/scim", "/v2", "/scim/Users/a!$&'()*+,=:@[]~|\"<>", "/v2/Users/a!$&'()*+,=:@[]~|\"<>"},
		{"/scim", "/v2", "/scim/Users/100%25", "/v2/Users/100%25"},
		{"/scim", "/v2", "/scim/Users/...", "/v2/Users/..."},
		{"/scim", "/v2", "/scim/Users/.search", "/v2/Users/.search"},
		{"/scim", "/v2", "http://evil.example.com/scim/Users", "/v2/Users"},
		{"/scim", "/v2", "/scim/Users?", "/v2/Users?"},
		{"/scim", "/v2", "/scim/Users?a=1&&b=%zz", ""},
		{"/scim", "/v2", "/scim/Users?&a=1&&b=2&", "/v2/Users?&a=1&&b=2&"},
		{"/scim", "/v2", "/scim/Users?filter=userName%20eq%20%22O%27Neil+x%40y%22&count=+1", "/v2/Users?filter=userName%20eq%20%22O%27Neil+x%40y%22&count=+1"},
		{"/scim", "/v2", "/scim/Users?CODE=x&a=1", "/v2/Users?a=1"},
		{"/scim", "/v2", "/scim/Users?a=1&%63ode=x", "/v2/Users?a=1"},
		{"/scim", "/v2", "/scim/Users?AADOPTSCIM062020&a=%5b&azureadscimpatch2017=", "/v2/Users?a=%5b"},
		{"/scim", "/v2", "/scim/Users?aadOptscim062020&&a=1", "/v2/Users?&a=1"},
		{"/scim", "/v2", "/scim/Users?aadOptscim062020&", "/v2/Users"},
		{"/scim", "/v2", "/scim/Users?filter=code&codes=1", "/v2/Users?filter=code&codes=1"},
	}
	for _, http1 := range []bool{true, false} {
		for _, test := range tests {
			t.Run(fmt.Sprintf("http1=%v %s", http1, test.target), func(t *testing.T) {
				w := newWorld(t, setup{base: test.base, path: test.path, http1: http1})
				got := w.call(t, "GET", test.target, "")
				if test.want == "" {
					wantProblem(t, got, 400, "invalidFilter")
					return
				}
				if uri := w.one(t).URI; uri != test.want {
					t.Errorf("the backend got %q, want %q", uri, test.want)
				}
			})
		}
	}
}

func TestRequestHeadersPassByAllowList(t *testing.T) {
	w := newWorld(t, setup{})
	passing := []string{
		"Accept: application/scim+json", "Accept-Language: en", "Accept-Encoding: br", "Content-Encoding: identity",
		"If-Match: W/\"1\"", "If-None-Match: *", "Prefer: return=minimal", "ADSCIMVersion: 5.0",
		"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate: a=b", "X-Request-Id: id-1",
	}
	stopped := []string{
		"Cookie: a=b", "X-Functions-Key: k", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-Host: evil.example.com",
		"X-Forwarded-Proto: http", "Forwarded: for=192.0.2.1", "X-Original-URL: /admin", "X-Rewrite-URL: /admin",
		"Disguised-Host: evil.example.com", "X-MS-Client-Principal: x", "X-Azure-Functions-InvocationId: inv-1",
		"Proxy-Authorization: Basic x", "User-Agent: Mozilla", "Origin: https://evil.example.com", "Via: x", "Range: bytes=0-1",
		"X-HTTP-Method-Override: DELETE", "Idempotency-Key: 1", "TE: trailers", "Te: gzip", "Keep-Alive: 1", "X-Http-Method: PUT",
	}
	w.call(t, "PATCH", "/scim/Users/1", `{"a":1}`, append(passing, stopped...)...)
	got := w.one(t)
	want := http.Header{
		"Authorization": {"Bearer " + backendToken}, "User-Agent": {"proxy-test"}, "Content-Length": {"7"},
		"Content-Type": {"application/scim+json; charset=utf-8"},
	}
	for _, header := range passing {
		name, value, _ := strings.Cut(header, ": ")
		want.Set(name, value)
	}
	if diff := cmp.Diff(want, got.Header); diff != "" {
		t.Error(diff)
	}
	if got.Host != serverName || got.Body != `{"a":1}` {
		t.Errorf("host %q, body %q", got.Host, got.Body)
	}
}

// A client that sends nothing of its own gets nothing added: Entra's GETs carry
// no Accept and never asked for gzip.
func TestNothingIsAddedToARequest(t *testing.T) {
	w := newWorld(t, setup{})
	w.call(t, "GET", "/scim/Users", "")
	want := http.Header{"Authorization": {"Bearer " + backendToken}, "User-Agent": {"proxy-test"}}
	if diff := cmp.Diff(want, w.one(t).Header); diff != "" {
		t.Error(diff)
	}
}

// CVE-2021-33197, RFC 9110 section 7.6.1: a client must not take headers away
// by naming them in Connection. With the deprecated Director it could.
func TestConnectionHeaderCannotRemoveTheSwappedToken(t *testing.T) {
	for _, value := range []string{"Authorization", "close, authorization", "Authorization, User-Agent, Host", "X-Forwarded-For"} {
		w := newWorld(t, setup{http1: true})
		w.call(t, "GET", "/scim/Users", "", "Connection: "+value)
		got := w.one(t)
		if got.Header.Get("Authorization") != "Bearer "+backendToken || got.Header.Get("User-Agent") != "proxy-test" || got.Host != serverName {
			t.Errorf("Connection: %s: the backend got %v", value, got.Header)
		}
	}
}

func TestRequestTrailersDoNotPass(t *testing.T) {
	for _, http1 := range []bool{true, false} {
		w := newWorld(t, setup{http1: http1, answer: func(rw http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			_, _ = fmt.Fprintf(rw, "%s %v", body, r.Trailer)
		}})
		got := w.raw(t, "POST", "POST /scim/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+entraToken+
			"\r\nTransfer-Encoding: chunked\r\nTrailer: Authorization, X-Evil\r\n\r\n"+
			"2\r\n{}\r\n0\r\nAuthorization: Bearer evil\r\nX-Evil: 1\r\n\r\n")
		if got.body != "{} map[]" {
			t.Errorf("http1=%v: the backend got body and trailers %q", http1, got.body)
		}
	}
}

// RFC 9112 section 6.1: after a body whose end another server may see elsewhere,
// nothing on the connection counts as a call.
func TestNoCallFollowsABodyInChunks(t *testing.T) {
	head := "Host: x\r\nConnection: keep-alive\r\nAuthorization: Bearer " + entraToken + "\r\nTransfer-Encoding: chunked\r\n"
	for _, sent := range []string{
		"POST /scim/Users HTTP/1.1\r\n" + head + "\r\n2\r\n{}\r\n0\r\n\r\n",
		"POST /scim/Users HTTP/1.1\r\n" + head + "Content-Length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		"POST /scim/Users HTTP/1.0\r\n" + head + "Content-Length: 2\r\n\r\n{}",
		"POST /elsewhere HTTP/1.1\r\n" + head + "\r\n0\r\n\r\n",
	} {
		w := newWorld(t, setup{})
		if got := w.raw(t, "POST", sent); !got.Close {
			t.Errorf("%q: the connection stays open", sent)
		}
	}
}

func TestResponseHeadersPassByAllowList(t *testing.T) {
	passing := http.Header{
		"Content-Type": {"application/scim+json"}, "Content-Encoding": {"identity"}, "Etag": {`W/"1"`},
		"Last-Modified": {"Mon, 02 Nov 2026 10:00:00 GMT"}, "Location": {"/Users/1"}, "Retry-After": {"7"}, "Allow": {"GET"},
		"Vary": {"Accept"}, "Cache-Control": {"no-store"}, "Ratelimit": {"a"}, "Ratelimit-Policy": {"b"}, "X-Ratelimit-Remaining": {"1"},
	}
	stopped := []string{
		"Set-Cookie", "Server", "X-Powered-By", "Via", "Www-Authenticate", "X-Backend-Host", "Strict-Transport-Security",
		"Refresh", "Alt-Svc", "Link", "Proxy-Authenticate", "X-Request-Id", "Access-Control-Allow-Origin", "Content-Location",
	}
	for _, http1 := range []bool{true, false} {
		w := newWorld(t, setup{http1: http1, answer: func(rw http.ResponseWriter, _ *http.Request) {
			maps.Copy(rw.Header(), passing)
			for _, name := range stopped {
				rw.Header().Set(name, "internal-canary")
			}
			rw.Header().Set("Trailer", "X-Late")
			rw.Header().Set("X-Late", "internal-canary")
			_, _ = io.WriteString(rw, "body")
			_ = http.NewResponseController(rw).Flush()
			rw.Header().Set(http.TrailerPrefix+"X-Later", "internal-canary")
		}})
		got := w.call(t, "GET", "/scim/Users", "")
		header := got.Header.Clone()
		header.Del("Date") // the proxy's own server adds it
		if diff := cmp.Diff(passing, header); diff != "" {
			t.Errorf("http1=%v: %s", http1, diff)
		}
		if len(got.Trailer) != 0 || got.body != "body" {
			t.Errorf("http1=%v: trailers %v, body %q", http1, got.Trailer, got.body)
		}
	}
}

// A guessed Content-Type would be the proxy's word, not the backend's.
func TestAbsentContentTypeStaysAbsent(t *testing.T) {
	w := newWorld(t, setup{answer: func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header()["Content-Type"] = nil
		_, _ = io.WriteString(rw, "<html>")
	}})
	if got := w.call(t, "GET", "/scim/Users", ""); got.Header["Content-Type"] != nil {
		t.Errorf("Content-Type = %q, want none", got.Header["Content-Type"])
	}
}

// httputil.ReverseProxy hands 1xx answers on past ModifyResponse.
func TestInformationalAnswersDoNotPass(t *testing.T) {
	for _, http1 := range []bool{true, false} {
		w := newWorld(t, setup{http1: http1, answer: func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Link", "</internal-canary>; rel=preload")
			rw.WriteHeader(http.StatusEarlyHints)
			rw.WriteHeader(http.StatusProcessing)
			rw.Header().Set("Content-Type", "application/scim+json")
			rw.WriteHeader(http.StatusOK)
		}})
		got := w.call(t, "GET", "/scim/Users", "") // http.ReadResponse would return a 103 as the answer
		if got.StatusCode != 200 || got.Header.Get("Link") != "" || got.Header.Get("Content-Type") != "application/scim+json" {
			t.Errorf("http1=%v: %d %v", http1, got.StatusCode, got.Header)
		}
	}
}

func TestUpgradesAreRefused(t *testing.T) {
	switched := false
	w := newWorld(t, setup{http1: true, answer: func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			switched = true
		}
		conn := hijack(t, rw)
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
	}})
	got := w.call(t, "GET", "/scim/Users", "", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")
	wantProblem(t, got, 502, "")
	if switched {
		t.Error("the Upgrade header reached the backend")
	}
}

func TestRedirectsBecome502AndOtherStatusesPass(t *testing.T) {
	redirects := []int{301, 302, 303, 307, 308}
	for _, status := range []int{200, 201, 202, 204, 300, 301, 302, 303, 304, 305, 307, 308, 400, 404, 405, 409, 412, 429, 500, 501, 503, 599} {
		w := newWorld(t, setup{answer: func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Location", "https://sso.corp.example.com/login")
			rw.Header().Set("Retry-After", "3")
			rw.WriteHeader(status)
		}})
		got := w.call(t, "GET", "/scim/Users/1", "")
		if slices.Contains(redirects, status) {
			wantProblem(t, got, 502, "")
			if strings.Contains(fmt.Sprint(got.Header, got.body), "corp.example.com") {
				t.Errorf("%d: the target of the redirect leaks", status)
			}
			continue
		}
		if got.StatusCode != status || got.Header.Get("Retry-After") != "3" || got.body != "" {
			t.Errorf("%d came out as %d %v %q", status, got.StatusCode, got.Header, got.body)
		}
		if len(w.requests()) != 1 {
			t.Errorf("%d: the backend saw %d requests", status, len(w.requests()))
		}
	}
}

// What a client says about its connection is between it and the proxy.
func TestOddUpgradeIsIgnored(t *testing.T) {
	w := newWorld(t, setup{})
	got := w.call(t, "GET", "/scim/Users", "", "Connection: Upgrade, If-Match", "Upgrade: canary\x80", "If-Match: *", "TE: trailers")
	if seen := w.one(t); got.StatusCode != 200 || seen.Header.Get("Upgrade") != "" || seen.Header.Get("If-Match") != "*" || seen.Header.Get("Te") != "" {
		t.Errorf("%d, the backend got %v", got.StatusCode, w.one(t).Header)
	}
}

// Statuses outside of 200 to 599 would panic in the server or mean nothing.
func TestImpossibleAnswersBecome502(t *testing.T) {
	for _, text := range []string{
		"HTTP/1.1 099 Low\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 600 High\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 000 Zero\r\nContent-Length: 0\r\n\r\n", "NONSENSE\r\n\r\n", "",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
		"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("a", 70<<10) + "\r\n\r\n",
	} {
		w := newWorld(t, setup{http1: true, answer: func(rw http.ResponseWriter, _ *http.Request) {
			conn := hijack(t, rw)
			_, _ = io.WriteString(conn, text)
			_ = conn.Close()
		}})
		got := w.call(t, "GET", "/scim/Users", "")
		wantProblem(t, got, 502, "")
		if line := w.line(t); line["class"] != "bad_answer" || line["level"] != "error" {
			t.Errorf("%.20q: log line %v", text, line)
		}
	}
}

// wantProblem checks that an answer is a SCIM Error of ours.
func wantProblem(t *testing.T, got answer, status int, scimType string) {
	t.Helper()
	var body map[string]any
	if err := json.Unmarshal([]byte(got.body), &body); err != nil {
		t.Errorf("%d with body %q: %v", got.StatusCode, got.body, err)
		return
	}
	want := map[string]any{"schemas": []any{"urn:ietf:params:scim:api:messages:2.0:Error"}, "status": itoa(status)}
	if scimType != "" {
		want["scimType"] = scimType
	}
	detail, _ := body["detail"].(string)
	delete(body, "detail")
	if diff := cmp.Diff(want, body); diff != "" || got.StatusCode != status || !strings.Contains(detail, "Request id: ") {
		t.Errorf("%d, detail %q, %s", got.StatusCode, detail, diff)
	}
	names := slices.Sorted(maps.Keys(got.Header))
	allowed := []string{"Allow", "Connection", "Content-Length", "Content-Type", "Date", "Retry-After", "Www-Authenticate"}
	for _, name := range names {
		if !slices.Contains(allowed, name) {
			t.Errorf("header %s in an answer of ours", name)
		}
	}
	if got.Header.Get("Content-Type") != "application/scim+json" {
		t.Errorf("Content-Type = %q", got.Header.Get("Content-Type"))
	}
}
