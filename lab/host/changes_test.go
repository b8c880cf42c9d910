//go:build unix

package host

import (
	"encoding/base64"
	"regexp"
	"strings"
	"testing"
)

// rowCase is what proves a row of the table on the wire.
type rowCase struct {
	target string // of the request line; empty is /scim/Users
	fields string // of the request, one per line
	body   string
	want   []string // whole lines of what the handler gets
	never  []string // beginnings of lines it must not get, in lower case
	reply  string   // field of the handler's answer, which the client must not get
}

const invocationPattern = `[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`

// dropped is a row of a field that goes neither way.
func dropped(name, value string) rowCase {
	return rowCase{fields: name + ": " + value, never: []string{strings.ToLower(name) + ":"}, reply: name + ": " + value}
}

// rowCases has a case for each row, by the row's name.
var rowCases = map[string]rowCase{
	"Disguised-Host":         {fields: "DISGUISED-HOST: scim.contoso.com", want: []string{"X-Forwarded-Host: scim.contoso.com", "Disguised-Host: scim.contoso.com"}},
	"X-Forwarded-Proto (in)": {fields: "X-Forwarded-Proto: https", want: []string{"X-Forwarded-Proto: https"}},

	"Connection": { // the fields that it names pass
		fields: "Connection: X-Some\r\nX-Some: kept", want: []string{"X-Some: kept"}, never: []string{"connection:"}, reply: "Connection: X-Some",
	},
	"Transfer-Encoding": {
		fields: "Transfer-Encoding: chunked", body: "3\r\nabc\r\n0\r\n\r\n",
		want: []string{"Transfer-Encoding: chunked"}, // the engine's own
	},
	"Keep-Alive":                dropped("Keep-Alive", "timeout=5"),
	"Upgrade":                   dropped("Upgrade", "h2c"),
	"Proxy-Connection":          dropped("Proxy-Connection", "keep-alive"),
	"Proxy-Authenticate":        dropped("Proxy-Authenticate", "Basic"),
	"Proxy-Authentication-Info": dropped("Proxy-Authentication-Info", "x"),
	"Proxy-Authorization":       dropped("Proxy-Authorization", "Basic eDp5"),
	"Proxy-Features":            dropped("Proxy-Features", "x"),
	"Proxy-Instruction":         dropped("Proxy-Instruction", "x"),
	"Security-Scheme":           dropped("Security-Scheme", "x"),
	"Alpn":                      dropped("ALPN", "h2"),
	"Close":                     dropped("Close", "x"),
	"Http2-Settings":            dropped("HTTP2-Settings", "AAMAAABk"),
	"Upgrade-Insecure-Requests": dropped("Upgrade-Insecure-Requests", "1"),
	"Te":                        dropped("TE", "trailers"),
	"Alt-Svc":                   dropped("Alt-Svc", "clear"),
	"Strict-Transport-Security": dropped("Strict-Transport-Security", "max-age=1"),

	"Host":               {want: []string{`Host: 127\.0\.0\.1:[0-9]+`}, never: []string{"host: contoso"}},
	"X-Forwarded-For":    {fields: "X-Forwarded-For: 192.0.2.1", want: []string{`X-Forwarded-For: 127\.0\.0\.1`}},
	"X-Forwarded-Prefix": {fields: "X-Forwarded-Prefix: /x", never: []string{"x-forwarded-prefix"}},
	"X-Forwarded-Host":   {fields: "X-Forwarded-Host: evil.example.com", want: []string{"X-Forwarded-Host: contoso.com"}, never: []string{"x-forwarded-host: evil"}},
	"X-Forwarded-Proto":  {want: []string{"X-Forwarded-Proto: http"}},
	"Forwarded":          {fields: "Forwarded: for=192.0.2.1", never: []string{"forwarded:"}},

	"X-Azure-Functions-Hostversion": {
		fields: "X-Azure-Functions-HostVersion: 9", want: []string{`X-Azure-Functions-Hostversion: 4\.[0-9.]+`}, never: []string{"x-azure-functions-hostversion: 9"},
	},
	"X-Azure-Functions-Invocationid": {
		fields: "X-Azure-Functions-InvocationId: forged", want: []string{"X-Azure-Functions-Invocationid: " + invocationPattern}, never: []string{"x-azure-functions-invocationid: forged"},
	},
	"X-Ms-Invocation-Id": {
		fields: "x-ms-invocation-id: forged", want: []string{"X-Ms-Invocation-Id: " + invocationPattern}, never: []string{"x-ms-invocation-id: forged"},
	},
	"Traceparent": {want: []string{"Traceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}-01"}},

	"path": {
		target: `/scim/a%2Fb/%41%22/./x/../%E4%BD%A0%FF//y`,
		want:   []string{`GET /scim/a%252Fb/A%22/%E4%BD%A0%25FF//y HTTP/1\.1`},
	},
	"query": {
		target: `/scim?filter=userName+eq+%22a%2Fb%22&flag&&x=%zz;y=1&code=k%3D`,
		want:   []string{regexp.QuoteMeta(`GET /scim?filter=userName+eq+%22a%2Fb%22&flag&&x=%zz;y=1&code=k%3D HTTP/1.1`)},
	},
	"User-Agent":      {never: []string{"user-agent"}},
	"Authorization":   {fields: "Authorization: Bearer abc", want: []string{"Authorization: Bearer abc"}},
	"X-Functions-Key": {fields: "x-functions-key: abc", want: []string{"X-Functions-Key: abc"}},
	"Cookie":          {fields: "Cookie: a=b", want: []string{"Cookie: a=b"}},
	"repeated fields": {
		fields: "Authorization: Bearer a\r\nAuthorization: Bearer b\r\nCookie: a=1\r\nCookie: b=2\r\nUser-Agent: a/1\r\nUser-Agent: b/2",
		want:   []string{"Authorization: Bearer a, Bearer b", "Cookie: a=1; b=2", "User-Agent: a/1 b/2"},
	},
}

// sourceLine is a file and its lines; those of .NET itself were not at hand.
var sourceLine = regexp.MustCompile(`^(YARP|host|host #11035) src/[A-Za-z./]+\.cs:[0-9]+(-[0-9]+)?(; dotnet/runtime src/[A-Za-z./]+\.cs)?$|^dotnet/runtime src/[A-Za-z./]+\.cs$`)

// Each row of the table does on the wire what it says.
func TestEachChange(t *testing.T) {
	h := startHost(t, Options{Hostname: "contoso-scim.azurewebsites.net"})
	rows := map[string]bool{}
	for _, row := range changes(true) {
		rows[row.name] = true
		if row.what == "" || !sourceLine.MatchString(row.source) {
			t.Errorf("the row %q does not say what happens, or which line says so: %q", row.name, row.source)
		}
		c, ok := rowCases[row.name]
		if !ok {
			t.Errorf("the row %q has no case", row.name)
			continue
		}
		t.Run(row.name, func(t *testing.T) { c.check(t, h) })
	}
	for name := range rowCases {
		if !rows[name] {
			t.Errorf("the case %q has no row", name)
		}
	}
}

func (c rowCase) check(t *testing.T, h *Host) {
	method, target := "GET", c.target
	if target == "" {
		target = "/scim/Users"
	}
	if c.body != "" {
		method = "POST"
	}
	request := method + " " + target + " HTTP/1.1\r\nHost: contoso.com\r\n"
	if c.fields != "" {
		request += c.fields + "\r\n"
	}
	conn := dial(t, h)
	_, got := conn.exchange(t, request+"\r\n"+c.body)
	head, body, _ := strings.Cut(got, "\r\n\r\n")
	for _, want := range c.want {
		if !regexp.MustCompile(`(?m)^` + want + `\r?$`).MatchString(head) {
			t.Errorf("the handler got no line %q:\n%s", want, got)
		}
	}
	for _, never := range c.never {
		if strings.Contains(strings.ToLower("\n"+head), "\n"+never) {
			t.Errorf("the handler got a line %q:\n%s", never, got)
		}
	}
	if body != c.body {
		t.Errorf("the handler got the body %q, want %q", body, c.body)
	}
	if c.reply == "" {
		return
	}
	// The same connection: the handler's wishes for its own are not the client's.
	answer := "HTTP/1.1 200 OK\r\n" + c.reply + "\r\nX-Kept: yes\r\nContent-Length: 2\r\n\r\nok"
	head, body = conn.exchange(t, "GET /scim HTTP/1.1\r\nHost: contoso.com\r\nX-Reply: "+
		base64.StdEncoding.EncodeToString([]byte(answer))+"\r\n\r\n")
	name, _, _ := strings.Cut(c.reply, ":")
	if fieldOf(head, name) != "" || fieldOf(head, "X-Kept") != "yes" || body != "ok" {
		t.Errorf("the client got %q and %q", head, body)
	}
}

// Under Core Tools nothing stands before the host, so that it believes nobody.
func TestFrontEndFieldsLocally(t *testing.T) {
	h := startHost(t, Options{})
	_, got := dial(t, h).exchange(t, "GET / HTTP/1.1\r\nHost: contoso.com\r\nDISGUISED-HOST: evil.example.com\r\nX-Forwarded-Proto: https\r\nTraceparent: own\r\n\r\n")
	if fieldOf(got, "Traceparent") != "own" || fieldOf(got, "X-Forwarded-Host") != "contoso.com" || fieldOf(got, "X-Forwarded-Proto") != "http" {
		t.Errorf("the handler got:\n%s", got)
	}
}

// An empty name counts as one, too: there is no host then.
func TestEmptyDisguisedHost(t *testing.T) {
	h := startHost(t, Options{Hostname: "contoso-scim.azurewebsites.net"})
	_, got := dial(t, h).exchange(t, "GET / HTTP/1.1\r\nHost: contoso.com\r\nDISGUISED-HOST:\r\nX-Forwarded-Host: evil.example.com\r\n\r\n")
	if strings.Contains(strings.ToLower(got), "x-forwarded-host") {
		t.Errorf("the handler got:\n%s", got)
	}
}

// What a client or a handler says besides goes through unharmed: fields of one
// line, repeated fields of an answer, status and reason of its own.
func TestUnchanged(t *testing.T) {
	h := startHost(t, Options{NoTraceparent: true})
	conn := dial(t, h)
	_, got := conn.exchange(t, "PATCH /scim/Users/1?aadOptscim062020 HTTP/1.1\r\nHost: contoso.com\r\nUser-Agent: probe/1\r\n"+
		"Accept-Encoding: br\r\nX-Own: a,b\r\nContent-Type: application/scim+json\r\nContent-Length: 4\r\n\r\n\xff\xfe{}")
	for _, want := range []string{"PATCH /scim/Users/1?aadOptscim062020 HTTP/1.1\r\n", "User-Agent: probe/1\r\n", "Accept-Encoding: br\r\n",
		"X-Own: a,b\r\n", "Content-Type: application/scim+json\r\n", "Content-Length: 4\r\n", "\r\n\r\n\xff\xfe{}"} {
		if !strings.Contains(got, want) {
			t.Errorf("the handler did not get %q:\n%q", want, got)
		}
	}
	if strings.Contains(strings.ToLower(got), "traceparent") {
		t.Errorf("the handler got a traceparent:\n%s", got)
	}
	if _, got = conn.exchange(t, "GET /? HTTP/1.1\r\nHost: contoso.com\r\n\r\n"); !strings.HasPrefix(got, "GET /? HTTP/1.1\r\n") ||
		fieldOf(got, "Accept-Encoding") != "" || fieldOf(got, "User-Agent") != "" {
		t.Errorf("the handler got:\n%s", got)
	}
	_, got = conn.exchange(t, "GET / HTTP/1.1\r\nHost: contoso.com\r\ntraceparent: 00-0123456789abcdef0123456789abcdef-0123456789abcdef-00\r\n\r\n")
	if fieldOf(got, "traceparent") != "00-0123456789abcdef0123456789abcdef-0123456789abcdef-00" {
		t.Errorf("the handler got:\n%s", got)
	}
	if _, got = conn.exchange(t, "GET http://contoso.com/a%2Fb HTTP/1.1\r\nHost: contoso.com\r\n\r\n"); !strings.HasPrefix(got, "GET /a%252Fb HTTP/1.1\r\n") {
		t.Errorf("the handler got:\n%s", got)
	}
	answer := "HTTP/1.1 307 Elsewhere\r\nLocation: http://127.0.0.1:1/x\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 0\r\n\r\n"
	head, _ := conn.exchange(t, "GET / HTTP/1.1\r\nHost: contoso.com\r\nX-Reply: "+base64.StdEncoding.EncodeToString([]byte(answer))+"\r\n\r\n")
	for _, want := range []string{"HTTP/1.1 307 ", "Location: http://127.0.0.1:1/x\r\n", "Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n"} {
		if !strings.Contains(head, want) {
			t.Errorf("the client did not get %q:\n%s", want, head)
		}
	}
	if _, got = conn.exchange(t, "GET / HTTP/1.1\r\nHost: contoso.com\r\n\r\n"); fieldOf(got, "Cookie") != "" {
		t.Errorf("the host keeps cookies:\n%s", got)
	}
}
