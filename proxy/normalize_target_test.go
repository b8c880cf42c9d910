package proxy_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/entra-scim-proxy/proxy"
)

// These aim at an address that a user may not have.
const (
	aimed     = `{"op":"Replace","path":"emails[type eq \"work\"].value","value":"ada@contoso.com"}`
	aimedOnly = `{"op":"replace","path":"emails[type eq \"work\"].value","value":"ada@contoso.com"}`
	completed = `{"op":"add","path":"emails","value":[{"type":"work","value":"ada@contoso.com"}]}`
)

const withoutEmail = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"1","userName":"ada@contoso.com"}`

// reading is a backend that answers the proxy's GET, and the PATCH with 204.
func reading(get http.HandlerFunc) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			get(rw, r)
			return
		}
		rw.WriteHeader(http.StatusNoContent)
	}
}

func answering(status int, contentType, body string) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", contentType)
		rw.Header().Set("Location", "/elsewhere")
		rw.WriteHeader(status)
		_, _ = io.WriteString(rw, body)
	}
}

func decode(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

func TestMissingTargetIsAddedWhole(t *testing.T) {
	for _, http1 := range []bool{true, false} {
		for _, length := range []bool{true, false} {
			w := newWorld(t, setup{http1: http1, base: "/v2", answer: reading(answering(200, "application/scim+json", withoutEmail)),
				options: normalizing(t, "all,missing-target")})
			body := patch(aimed)
			framing, sent := "Content-Length: "+itoa(len(body)), body
			if !length {
				framing, sent = "Transfer-Encoding: chunked", chunked(body)
			}
			got := w.message(t, "PATCH /scim/Users/1?attributes=id", sent, framing, "Content-Type: application/scim+json", "Accept: */*")
			seen := w.requests()
			if got.StatusCode != 204 || len(seen) != 2 {
				t.Fatalf("http1=%v: %d %s, the backend saw %v", http1, got.StatusCode, got.body, seen)
			}
			if diff := cmp.Diff(decode(t, patch(completed)), decode(t, seen[1].Body)); diff != "" || seen[1].Length != int64(len(seen[1].Body)) {
				t.Errorf("http1=%v: Content-Length %d: %s", http1, seen[1].Length, diff)
			}
			if seen[0].Method+seen[0].URI != "GET/v2/Users/1" || seen[1].Method+seen[1].URI != "PATCH/v2/Users/1?attributes=id" {
				t.Errorf("http1=%v: the backend saw %v", http1, seen)
			}
			if line := w.line(t); line["rules"] != "op-case,missing-target" || line["cause"] != nil || line["bytes_in"] != int64(len(body)) {
				t.Errorf("http1=%v: log line %v", http1, line)
			}
		}
	}
}

// No condition, preference or secret of the client's is about the proxy's GET.
func TestReadCarriesNothingOfTheClientsCall(t *testing.T) {
	for _, http1 := range []bool{true, false} {
		w := newWorld(t, setup{http1: http1, answer: reading(answering(200, "application/json", withoutEmail)), options: normalizing(t, "all,missing-target")})
		w.call(t, "PATCH", "/scim/Me?filter=canary", patch(aimed), "Accept: text/html", "Accept-Encoding: gzip", "Accept-Language: en",
			"If-Match: W/\"1\"", "If-None-Match: *", "Prefer: return=minimal", "Cookie: a=b", "X-Functions-Key: k", "User-Agent: canary",
			"ADSCIMVersion: 5.0", "traceparent: 00-01-02-00", "tracestate: a=b", "X-Request-Id: id-1", "Connection: authorization")
		one := w.requests()[0]
		want := http.Header{
			"Accept": {"application/scim+json"}, "Authorization": {"Bearer " + backendToken}, "User-Agent": {"proxy-test"},
			"Adscimversion": {"5.0"}, "Traceparent": {"00-01-02-00"}, "Tracestate": {"a=b"}, "X-Request-Id": {"id-1"},
		}
		if diff := cmp.Diff(want, one.Header); diff != "" || one.Method != "GET" || one.URI != "/Me" || one.Host != serverName || one.Length != 0 {
			t.Errorf("http1=%v: %+v: %s", http1, one, diff)
		}
	}
}

func TestResourceIsReadOnlyWhenATargetMayBeMissing(t *testing.T) {
	for _, test := range []struct{ rules, line, body string }{
		{"all", "PATCH /scim/Users/1", patch(aimed)},
		{"missing-target", "PATCH /scim/Users/1", patch(disabling)},
		{"all,missing-target", "POST /scim/Users", patch(aimed)},
		{"all,missing-target", "PUT /scim/Users/1", patch(aimed)},
		{"missing-target", "PATCH /scim/Users/1/x", patch(aimed)},
	} {
		w := newWorld(t, setup{options: normalizing(t, test.rules)})
		w.message(t, test.line, test.body, "Content-Length: "+itoa(len(test.body)))
		if one := w.one(t); one.Method == "GET" {
			t.Errorf("%+v: the backend saw %+v", test, one)
		}
	}
}

// Whatever becomes of the GET, the PATCH goes, and its own answer is what counts.
func TestPatchGoesUnchangedWhenTheResourceCannotBeRead(t *testing.T) {
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	for name, test := range map[string]struct {
		get   http.HandlerFunc
		cause string
	}{
		"not found":    {answering(404, "application/scim+json", withoutEmail), "404"},
		"server error": {answering(500, "application/scim+json", withoutEmail), "500"},
		"no content":   {func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(204) }, "204"},
		"redirect":     {answering(302, "application/scim+json", withoutEmail), "302"},
		"forbidden":    {answering(403, "application/scim+json", withoutEmail), "403"},
		"refused":      {answering(401, "application/scim+json", withoutEmail), "refused our credential"},
		"HTML":         {answering(200, "text/html", withoutEmail), "not JSON"},
		"huge":         {answering(200, "application/scim+json", withoutEmail+strings.Repeat(" ", 2000)), "MAX_BODY"},
		"no answer":    {hang, "deadline"},
		"an endless body": {func(rw http.ResponseWriter, r *http.Request) {
			answering(200, "application/json", "{")(rw, r)
			flush(rw)
			hang(rw, r)
		}, "deadline"},
		"a cut body": {func(rw http.ResponseWriter, r *http.Request) {
			answering(200, "application/json", withoutEmail)(rw, r)
			flush(rw)
			panic(http.ErrAbortHandler)
		}, "backend"},
		"a broken connection": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "backend"},
		"not JSON inside":     {answering(200, "application/scim+json", "<html>"), ""},
	} {
		for _, http1 := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, http1=%v", name, http1), func(t *testing.T) {
				timeout := 10 * time.Second
				if test.cause == "deadline" {
					timeout = 4 * time.Second
				}
				w := newWorld(t, setup{http1: http1, maxBody: 1000, timeout: timeout, answer: reading(test.get), options: normalizing(t, "all,missing-target")})
				got := w.call(t, "PATCH", "/scim/Users/1", patch(aimed), "Accept: */*")
				seen := w.requests()
				if last := seen[len(seen)-1]; got.StatusCode != 204 || last.Method != "PATCH" || last.Body != patch(aimedOnly) || last.URI != "/Users/1" {
					t.Errorf("%d %s, the backend saw %v", got.StatusCode, got.body, seen)
				}
				line := w.line(t)
				if line["class"] != nil || line["level"] != "info" || line["rules"] != "op-case" || line["credential"] != identity(backendToken) {
					t.Errorf("log line %v", line)
				}
				cause, _ := line["cause"].(string)
				if !strings.Contains(cause, test.cause) || (test.cause != "") != strings.HasPrefix(cause, "missing-target") || strings.Contains(cause, "127.0.0.1") {
					t.Errorf("cause %q", cause)
				}
				if took := line["backend_ms"].(float64); test.cause == "deadline" && (took < 2000 || took > 3900) {
					t.Errorf("the GET had %v ms of the call's 4000", took)
				}
			})
		}
	}
}

func flush(rw http.ResponseWriter) { _ = http.NewResponseController(rw).Flush() }

// The credential that the GET finds out of date is renewed for the PATCH, too.
func TestReadRenewsTheCredential(t *testing.T) {
	for _, http1 := range []bool{true, false} {
		demand := demanding("rotated")
		w := newWorld(t, setup{http1: http1, options: normalizing(t, "all,missing-target"), answer: func(rw http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet && r.Header.Get("Authorization") == "Bearer rotated" {
				answering(200, "application/scim+json", withoutEmail)(rw, r)
				return
			}
			demand(rw, r)
		}})
		w.warm(t)
		w.secret.set("rotated", nil)
		got := w.call(t, "PATCH", "/scim/Users/1", patch(aimed))
		var calls []string // and whether they have a body
		for _, one := range w.requests() {
			calls = append(calls, fmt.Sprint(one.Method, " ", one.Header.Get("Authorization"), " ", one.Length != 0))
		}
		want := []string{"GET Bearer " + backendToken + " false", "GET Bearer rotated false", "PATCH Bearer rotated true"}
		if diff := cmp.Diff(want, calls); diff != "" || got.StatusCode != 200 {
			t.Errorf("http1=%v: %d: %s", http1, got.StatusCode, diff)
		}
		if line := w.line(t); line["replayed"] != true || line["credential"] != identity("rotated") || line["rules"] != "op-case,accept-scim,missing-target" {
			t.Errorf("http1=%v: log line %v", http1, line)
		}
	}
}

// What ends the call while the resource is read ends it for good.
func TestClientThatLeavesDuringTheReadGetsNoPatch(t *testing.T) {
	arrived := make(chan struct{})
	w := newWorld(t, setup{options: normalizing(t, "all,missing-target"), answer: reading(func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
	})})
	body := patch(aimed)
	conn := w.open(t, head("PATCH", "/scim/Users/1", "Content-Length: "+itoa(len(body)))+body)
	<-arrived
	_ = conn.Close()
	if line := w.line(t); line["class"] != "client_gone" {
		t.Errorf("log line %v", line)
	}
	if one := w.one(t); one.Method != "GET" {
		t.Errorf("the backend saw %+v", one)
	}
}

// The error of a connection holds its address.
func TestUnreachableResourceLeavesNoAddressInTheLog(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	w := newWorld(t, setup{options: func(o *proxy.Options) {
		o.Normalizer = normalizer(t, "all,missing-target")
		o.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodGet {
				_, err := new(net.Dialer).DialContext(r.Context(), "tcp", closed.Addr().String())
				return nil, err
			}
			return &http.Response{StatusCode: 204, Request: r, Header: http.Header{}, Body: http.NoBody}, nil
		})
	}})
	got := w.call(t, "PATCH", "/scim/Users/1", patch(aimed))
	if cause := fmt.Sprint(w.line(t)["cause"]); got.StatusCode != 204 || !strings.Contains(cause, "connection refused") || strings.Contains(cause, "127.0.0.1") {
		t.Errorf("%d, cause %s", got.StatusCode, cause)
	}
}

// A failure of the PATCH itself is told as ever, not the GET's before it.
func TestFailureAfterTheReadIsTheCalls(t *testing.T) {
	w := newWorld(t, setup{options: func(o *proxy.Options) {
		o.Normalizer = normalizer(t, "all,missing-target")
		o.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodGet {
				return &http.Response{StatusCode: 500, Request: r, Header: http.Header{}, Body: http.NoBody}, nil
			}
			return nil, io.ErrUnexpectedEOF
		})
	}})
	wantProblem(t, w.call(t, "PATCH", "/scim/Users/1", patch(aimed)), 502, "")
	if line := w.line(t); line["class"] != "bad_answer" || strings.Contains(fmt.Sprint(line["cause"]), "missing-target") {
		t.Errorf("log line %v", line)
	}
}

// As with any other answer (ADR 7): what comes when the time is over may be
// what a backend says for want of a caller.
func TestResourceThatEndsWithTheTimeIsNotUsed(t *testing.T) {
	var sent string
	w := newWorld(t, setup{timeout: time.Second, options: func(o *proxy.Options) {
		o.Normalizer = normalizer(t, "all,missing-target")
		o.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodPatch {
				body, err := io.ReadAll(r.Body)
				sent = string(body)
				return &http.Response{StatusCode: 204, Request: r, Header: http.Header{}, Body: http.NoBody}, err
			}
			reader, writer := io.Pipe()
			go func() { // ends with the GET's time
				<-r.Context().Done()
				_, _ = io.WriteString(writer, withoutEmail)
				_ = writer.Close()
			}()
			return &http.Response{StatusCode: 200, Request: r, Header: http.Header{}, ContentLength: -1, Body: reader}, nil
		})
	}})
	got := w.call(t, "PATCH", "/scim/Users/1", patch(aimed))
	if cause := fmt.Sprint(w.line(t)["cause"]); got.StatusCode != 204 || sent != patch(aimedOnly) || !strings.Contains(cause, "deadline") {
		t.Errorf("%d, the backend got %s, cause %s", got.StatusCode, sent, cause)
	}
}
