package proxy_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"

	"example.com/entra-scim-proxy/proxy"
)

func TestMethods(t *testing.T) {
	const allow = "GET, HEAD, POST, PUT, PATCH, DELETE"
	for method := range strings.SplitSeq(allow, ", ") {
		w := newWorld(t, setup{})
		if got := w.call(t, method, "/scim/Users/1", ""); got.StatusCode != 200 || w.one(t).Method != method {
			t.Errorf("%s: %d", method, got.StatusCode)
		}
	}
	for _, line := range []string{
		"OPTIONS *", "OPTIONS /scim/Users", "TRACE /scim/Users", "CONNECT 127.0.0.1:1", "FOO /scim/Users", "get /scim/Users",
		"FOO /elsewhere", "PROPFIND /scim/../x",
	} {
		w := newWorld(t, setup{})
		method, target, _ := strings.Cut(line, " ")
		// Without a credential: the method comes first.
		got := w.raw(t, method, method+" "+target+" HTTP/1.1\r\nHost: x\r\n\r\n")
		wantProblem(t, got, 405, "")
		if got.Header.Get("Allow") != allow || len(w.requests()) != 0 {
			t.Errorf("%s: Allow %q, backend saw %v", line, got.Header.Get("Allow"), w.requests())
		}
	}
}

func TestPathAttacksAreRefused(t *testing.T) {
	refused := map[int][]string{
		400: {
			"/scim/../admin", "/scim/Users/..", "/scim/./Users", "/scim/.", "/scim/%2e%2e/admin", "/scim/%2E./x", "/scim/.%2e/x", "/scim/%2e",
			"/scim/Users/a%2fb", "/scim/Users/a%2Fb", "/scim/Users/a%5cb", "/scim/Users/a%5Cb", `/scim/Users/a\b`, `/scim/..\admin`,
			"/scim/Users/a%00", "/scim/Users/a%0d%0aX-Evil:1", "/scim/Users/%7f", "/scim/Users;x=1", "/scim;a/Users", "/scim/Users/1;", "/scim/..;/admin",
			"/scim/%252e%252e/admin", "/scim/Users/a%252fb", "/scim/Users/%2541", "/scim/Users/%25%34%31",
			// RFC 3629 section 10: overlong forms of dot and slash.
			"/scim/%c0%ae%c0%ae/admin", "/scim/Users/a%c0%afb", "/scim/Users/%ff", "/scim/Users/\xff", "/scim/Users/\u00e9", "/scim/Users/1#/x", "/scim/Users#",
			"http://evil.example.com/scim/../admin", "/elsewhere/../scim/Users",
		},
		404: {
			"/", "/elsewhere", "/scimx", "/scim%20", "/SCIM/Users", "/%73cim/Users", "/scim.", "/x/scim/Users", "/a//scim/Users", "/scim%3f/Users",
		},
	}
	for status, targets := range refused {
		for _, target := range targets {
			w := newWorld(t, setup{base: "/v2"})
			got := w.call(t, "GET", target, "", "X-Azure-Functions-InvocationId: not-a-ping")
			wantProblem(t, got, status, "")
			if len(w.requests()) != 0 {
				t.Errorf("%s reached the backend as %v", target, w.requests())
			}
		}
	}
}

// CVE-2022-2880: what httputil.ReverseProxy's Rewrite silently drops would turn
// a filtered list into an unfiltered one.
func TestQueriesThatDoNotParseAreRefused(t *testing.T) {
	for _, query := range []string{
		`filter=userName+eq+"a;b"&count=2`, "a=%", "a=%4", "a=%zz", "%zz=1", "a;b", "filter=%22a%22;count=1", "#filter=x", "filter=a#b",
		// CVE-2026-39825: parameters past the parser's limit of 10,000.
		strings.Repeat("a&", 10001) + "filter=x",
	} {
		w := newWorld(t, setup{})
		got := w.call(t, "GET", "/scim/Users?"+query, "")
		wantProblem(t, got, 400, "invalidFilter")
		if len(w.requests()) != 0 {
			t.Errorf("%.40q reached the backend as %v", query, w.requests())
		}
	}
}

func TestCredential(t *testing.T) {
	accepted := []string{"Authorization: Bearer " + entraToken, "authorization: bearer " + entraToken, "Authorization: BEARER   " + entraToken + "  "}
	refused := []string{
		"", "Authorization:", "Authorization: Bearer", "Authorization: Bearer ", "Authorization: " + entraToken, "Authorization: Basic " + entraToken,
		"Authorization: Bearer x", "Authorization: Bearer " + entraToken + "x", "Authorization: Bearer " + entraToken[:5], "Authorization: Bearer\t" + entraToken,
		"Authorization: Bearer " + strings.ToUpper(entraToken), "Authorization: Bearer " + entraToken + ", Bearer " + entraToken,
		"Authorization: Bearer " + entraToken + "\r\nAuthorization: Bearer " + entraToken, "Authorization: Bearer x\r\nAuthorization: Bearer " + entraToken,
		"X-Authorization: Bearer " + entraToken, "Proxy-Authorization: Bearer " + entraToken, "Authorization: Bearer " + backendToken,
		"Cookie: access_token=" + entraToken, "Authorization: Bearer \"" + entraToken + "\"",
	}
	for _, header := range accepted {
		w := newWorld(t, setup{})
		if got := w.raw(t, "GET", "GET /scim/Users HTTP/1.1\r\nHost: x\r\n"+header+"\r\n\r\n"); got.StatusCode != 200 {
			t.Errorf("%q: %d", header, got.StatusCode)
		}
	}
	bodies := map[string]bool{}
	for _, header := range refused {
		w := newWorld(t, setup{})
		if header != "" {
			header += "\r\n"
		}
		got := w.raw(t, "GET", "GET /scim/Users HTTP/1.1\r\nHost: x\r\nX-Request-Id: same\r\n"+header+"\r\n")
		wantProblem(t, got, 401, "")
		got.Header.Del("Date")
		bodies[fmt.Sprint(got.Header, got.body)] = true
		if got.Header.Get("WWW-Authenticate") != "Bearer" || len(w.requests()) != 0 {
			t.Errorf("%q: WWW-Authenticate %q, backend saw %v", header, got.Header.Get("WWW-Authenticate"), w.requests())
		}
	}
	if len(bodies) != 1 {
		t.Errorf("absent, malformed and wrong credentials get %d different answers, want one: %v", len(bodies), bodies)
	}
}

// The token in the query is the Functions key, not Entra's.
func TestACredentialInTheQueryDoesNotCount(t *testing.T) {
	w := newWorld(t, setup{})
	got := w.raw(t, "GET", "GET /scim/Users?access_token="+entraToken+"&code="+entraToken+" HTTP/1.1\r\nHost: x\r\n\r\n")
	wantProblem(t, got, 401, "")
}

func TestHostPingIsAnsweredHere(t *testing.T) {
	w := newWorld(t, setup{path: "/", base: "/v2"})
	got := w.raw(t, "GET", "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if got.StatusCode != 200 || got.body != "" || len(w.requests()) != 0 || w.logs.FilterMessage("exchange").Len() != 0 {
		t.Errorf("ping: %d %q, backend saw %v", got.StatusCode, got.body, w.requests())
	}
	// The host marks what is not a ping.
	if got := w.call(t, "GET", "/", "", "X-Azure-Functions-InvocationId: inv-1"); got.StatusCode != 200 || w.one(t).URI != "/v2/" {
		t.Errorf("call to /: %d, backend saw %v", got.StatusCode, w.requests())
	}
	if got := w.raw(t, "POST", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"); got.StatusCode != 401 {
		t.Errorf("POST / without a token: %d, want 401", got.StatusCode)
	}
}

func TestMisconfiguredRefusesEverythingButThePing(t *testing.T) {
	w := newWorld(t, setup{})
	server := newServer(t, proxy.Misconfigured(zap.NewNop()))
	for line, status := range map[string]int{"GET /": 200, "GET /scim/Users": 503, "POST /": 503, "OPTIONS *": 503, "GET /x/../y": 503} {
		method, _, _ := strings.Cut(line, " ")
		w.address = server
		got := w.raw(t, method, line+" HTTP/1.1\r\nHost: x\r\n\r\n")
		if status == 200 {
			if got.StatusCode != 200 {
				t.Errorf("%s: %d", line, got.StatusCode)
			}
			continue
		}
		wantProblem(t, got, status, "")
		if got.Header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", line)
		}
	}
}

func TestLogLineOfAnExchange(t *testing.T) {
	w := newWorld(t, setup{})
	w.call(t, "PATCH", "/scim/Users/2a69c9a6?aadOptscim062020&attributes=canary-query", `{"canary":"body"}`,
		"X-Azure-Functions-InvocationId: inv-1", "X-Request-Id: other", "X-Forwarded-For: 192.0.2.1")
	got := w.line(t)
	for _, key := range []string{"total_ms", "backend_ms", "secret_ms"} {
		if took, ok := got[key].(float64); !ok || took < 0 || (key == "total_ms" && took == 0) {
			t.Errorf("%s = %v", key, got[key])
		}
		delete(got, key)
	}
	want := map[string]any{
		"level": "info", "request_id": "inv-1", "method": "PATCH", "route": "/Users/{id}", "status": 200,
		"bytes_in": int64(17), "bytes_out": int64(len(emptyList)),
		"caller": identity(entraToken), "credential": identity(backendToken),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestRequestIDIsTheHostsThenTheClientsIfHarmless(t *testing.T) {
	for header, want := range map[string]string{
		"X-Azure-Functions-InvocationId: 9edf3db5-0000\r\nX-Request-Id: b": "9edf3db5-0000",
		"X-Request-Id: a.B_9-":                     "a.B_9-",
		"X-Request-Id: evil\" \x1b[31m":            "",
		"X-Request-Id: " + strings.Repeat("a", 65): "",
		"X-Other: 1": "",
	} {
		w := newWorld(t, setup{})
		got := w.raw(t, "GET", "GET /scim/Users HTTP/1.1\r\nHost: x\r\n"+header+"\r\n\r\n")
		if got.StatusCode == http.StatusBadRequest && want == "" {
			continue // net/http refused the header itself
		}
		id, _ := w.line(t)["request_id"].(string)
		if (want != "" && id != want) || (want == "" && len(id) != 26) || !strings.Contains(got.body, "Request id: "+id) {
			t.Errorf("%q: id %q in the log, answer %s", header, id, got.body)
		}
	}
}

func TestRoutesInTheLogHideIds(t *testing.T) {
	for target, want := range map[string]string{
		"/scim/Users": "/Users", "/scim/Users/canary": "/Users/{id}", "/scim/Groups/canary/x/y": "/Groups/{id}/{more}", "/scim": "/",
		"/scim/canary": "/{other}", "/scim/.search": "/.search", "/scim/Bulk": "/Bulk", "/scim//Users//canary": "/Users/{id}/{more}", "/canary": "",
	} {
		w := newWorld(t, setup{})
		w.call(t, "GET", target, "")
		if got := w.line(t)["route"]; got != want {
			t.Errorf("%s: route %q, want %q", target, got, want)
		}
	}
}
