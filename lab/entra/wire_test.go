package entra

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// tap is a server that keeps the exact bytes of each request.
type tap struct {
	listener net.Listener
	answer   func(*http.Request) []byte

	mu       sync.Mutex
	requests []string
}

// newTap answers every request with the bytes given, which must leave the
// connection open.
func newTap(t *testing.T, answer string) *tap {
	t.Helper()
	return newTapFunc(t, func(*http.Request) []byte { return []byte(answer) })
}

func newTapFunc(t *testing.T, answer func(*http.Request) []byte) *tap {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tap := &tap{listener: listener, answer: answer}
	var serving sync.WaitGroup
	serving.Go(func() { // ends with the listener
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { tap.serve(conn) }) // ends when the client closes its connections
		}
	})
	t.Cleanup(func() {
		listener.Close()
		serving.Wait()
	})
	return tap
}

func (p *tap) serve(conn net.Conn) {
	defer conn.Close()
	var raw bytes.Buffer
	reader := bufio.NewReader(io.TeeReader(conn, &raw))
	for {
		request, err := http.ReadRequest(reader)
		if err != nil {
			return
		}
		body, err := io.ReadAll(request.Body)
		if err != nil {
			return
		}
		request.Body = io.NopCloser(bytes.NewReader(body))
		p.mu.Lock()
		p.requests = append(p.requests, raw.String())
		p.mu.Unlock()
		raw.Reset()
		conn.Write(p.answer(request))
	}
}

// guid is a random UUID, RFC 9562 section 5.4.
const guid = `[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`

// seen returns the requests so far, with GUIDs and the port made constant.
func (p *tap) seen() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	ids := regexp.MustCompile(guid)
	var requests []string
	for _, request := range p.requests {
		request = ids.ReplaceAllString(request, "GUID")
		requests = append(requests, strings.ReplaceAll(request, p.listener.Addr().String(), "HOST"))
	}
	return requests
}

func (p *tap) client(t *testing.T, suffix string, forward bool) *Client {
	t.Helper()
	return newClient(t, Options{
		TenantURL:   "http://" + p.listener.Addr().String() + suffix,
		Token:       "secret-token",
		ForwardFlag: forward,
	})
}

func newClient(t *testing.T, options Options) *Client {
	t.Helper()
	client, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

const emptyList = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":0,"Resources":[]}`

func scimAnswer(status, media, body string) string {
	return "HTTP/1.1 " + status + "\r\nContent-Type: " + media + "\r\n" +
		"Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
}

const common = "Host: HOST\r\nADSCIMVersion: 5.0\r\nAuthorization: Bearer secret-token\r\n"

func TestProbesOnTheWire(t *testing.T) {
	const users = `/Users?filter=userName+eq+%22GUID%22`
	const groups = `/Groups?excludedAttributes=members&filter=displayName+eq+%22GUID%22`
	for _, test := range []struct {
		name, suffix string
		forward      bool
		users        string
		groups       string
	}{
		{"flag consumed", "/scim?aadOptscim062020", false, "/scim" + users, "/scim" + groups},
		{"trailing slash", "/scim/?aadOptscim062020", false, "/scim" + users, "/scim" + groups},
		{"flag with a value in another case", "/scim?AADOPTSCIM062020=true", false, "/scim" + users, "/scim" + groups},
		{"no path", "?aadOptscim062020", false, users, groups},
		{"escaped path", "/a%2Fb/scim?aadOptscim062020", false, "/a%2Fb/scim" + users, "/a%2Fb/scim" + groups},
		{
			"flag forwarded", "/scim?aadOptscim062020", true,
			"/scim/Users?aadOptscim062020&filter=userName+eq+%22GUID%22",
			"/scim/Groups?aadOptscim062020&excludedAttributes=members&filter=displayName+eq+%22GUID%22",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			tap := newTap(t, scimAnswer("200 OK", "application/scim+json", emptyList))
			for _, call := range tap.client(t, test.suffix, test.forward).TestConnection(t.Context()) {
				if !call.OK {
					t.Errorf("%s: %s", call.Step, call.Detail)
				}
			}
			want := []string{
				"GET " + test.users + " HTTP/1.1\r\n" + common + "\r\n",
				"GET " + test.groups + " HTTP/1.1\r\n" + common + "\r\n",
			}
			if diff := cmp.Diff(want, tap.seen()); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}

func TestADSCIMVersionIsConfigurable(t *testing.T) {
	tap := newTap(t, scimAnswer("200 OK", "application/scim+json", emptyList))
	client := newClient(t, Options{
		TenantURL:     "http://" + tap.listener.Addr().String() + "/scim?aadOptscim062020",
		Token:         "secret-token",
		ADSCIMVersion: "Date:2026-01-01, ActivityId:1",
	})
	client.TestConnection(t.Context())
	if got := tap.seen()[0]; !strings.Contains(got, "\r\nADSCIMVersion: Date:2026-01-01, ActivityId:1\r\n") {
		t.Errorf("got %q", got)
	}
}

func TestTheFlagChoosesTheDialect(t *testing.T) {
	for query, want := range map[string]string{
		"":                               "default",
		"?aadOptscim062021":              "default",
		"?AzureAdScimPatch2017":          "default",
		"?aadOptscim062020":              "compliant",
		"?AADOPTSCIM062020=true":         "compliant",
		"?code=x&AzureAdScimPatch062020": "compliant",
	} {
		client := newClient(t, Options{TenantURL: "http://127.0.0.1/scim" + query, Token: "t"})
		if got := client.Dialect(); got != want {
			t.Errorf("%q: got %q, want %q", query, got, want)
		}
	}
}

func TestBodiesOnTheWire(t *testing.T) {
	tap := newTap(t, scimAnswer("201 Created", "application/scim+json", `{"id":"a/b\"c"}`))
	client := tap.client(t, "/scim", false)
	client.play(t.Context(), []step{
		{name: "create", method: http.MethodPost, path: "/Users", body: map[string]any{"active": true}, want: wantCreated, keep: "user"},
		{name: "change", method: http.MethodPatch, path: "/Users/{user}", query: refers("{user}", "members", "{user}"), body: map[string]any{"manager": "{user}"}},
	})
	const media = "Content-Type: application/scim+json; charset=utf-8\r\n"
	want := []string{
		"POST /scim/Users HTTP/1.1\r\nHost: HOST\r\nContent-Length: 15\r\n" + common[len("Host: HOST\r\n"):] + media + "\r\n" +
			`{"active":true}`,
		"PATCH /scim/Users/a%2Fb%22c?attributes=id&filter=id+eq+%22a%2fb%22c%22+and+members+eq+%22a%2fb%22c%22 HTTP/1.1\r\n" +
			"Host: HOST\r\nContent-Length: 20\r\n" + common[len("Host: HOST\r\n"):] + media + "\r\n" + `{"manager":"a/b\"c"}`,
	}
	if diff := cmp.Diff(want, tap.seen()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	tap := newTap(t, "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")
	calls := tap.client(t, "/scim?aadOptscim062020", false).TestConnection(t.Context())
	if got, want := calls[0].Detail, "want 200, got 302, a redirect, which is not followed"; got != want {
		t.Errorf("detail: got %q, want %q", got, want)
	}
	if got := len(tap.seen()); got != len(calls) {
		t.Errorf("got %d requests for %d calls", got, len(calls))
	}
}

func TestCutBodyIsNotOK(t *testing.T) {
	tap := newTap(t, "HTTP/1.1 200 OK\r\nContent-Type: application/scim+json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"sch\r\nzz\r\n")
	calls := tap.client(t, "/scim?aadOptscim062020", false).TestConnection(t.Context())
	if calls[0].OK || !strings.HasPrefix(calls[0].Detail, "the answer's body was cut off: ") {
		t.Errorf("got %+v", calls[0])
	}
}

func TestEscapeIsFormEncodingInLowerCaseHex(t *testing.T) {
	for text, want := range map[string]string{
		`userName eq "jane@contoso.com"`:                    `userName+eq+%22jane%40contoso.com%22`,
		`emails[type eq "work"].value eq "a+b@contoso.com"`: `emails%5btype+eq+%22work%22%5d.value+eq+%22a%2bb%40contoso.com%22`,
		`ÅB%2F`: `%c3%85B%252F`,
	} {
		if got := escape(text); got != want {
			t.Errorf("escape(%q): got %q, want %q", text, got, want)
		}
	}
}

func TestNewRefusesUnusableOptions(t *testing.T) {
	const flagged = "http://127.0.0.1/scim?aadOptscim062020"
	for name, options := range map[string]Options{
		"no URL":     {Token: "t"},
		"no scheme":  {TenantURL: "127.0.0.1/scim?aadOptscim062020", Token: "t"},
		"other":      {TenantURL: "ftp://127.0.0.1/scim?aadOptscim062020", Token: "t"},
		"user":       {TenantURL: "http://a:b@127.0.0.1/scim?aadOptscim062020", Token: "t"},
		"unparsable": {TenantURL: "http://127.0.0.1/%zz?aadOptscim062020", Token: "t"},
		"no token":   {TenantURL: flagged},
	} {
		if _, err := New(options); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := New(Options{TenantURL: flagged, Token: "t"}); err != nil {
		t.Error(err)
	}
}
