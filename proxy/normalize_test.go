package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"example.com/entra-scim-proxy/proxy"
	"example.com/entra-scim-proxy/proxy/scim"
	"example.com/entra-scim-proxy/proxy/token"
)

// normalizer has the rules that a NORMALIZE setting chooses.
func normalizer(t testing.TB, setting string) *scim.Normalizer {
	t.Helper()
	rules, err := scim.ParseRules(setting)
	if err != nil {
		t.Fatal(err)
	}
	n, err := scim.New(scim.Options{Rules: rules})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// normalizing sets the proxy's rules as NORMALIZE does.
func normalizing(t testing.TB, setting string) func(*proxy.Options) {
	n := normalizer(t, setting)
	return func(o *proxy.Options) { o.Normalizer, o.PublicURL = n, "https://scim.example.com" }
}

// message sends a request with just the headers given, and Entra's token.
func (w *world) message(t *testing.T, line, body string, headers ...string) answer {
	t.Helper()
	method, target, _ := strings.Cut(line, " ")
	return w.raw(t, method, head(method, target, headers...)+body)
}

// chunked is a body's transfer coding, in two chunks.
func chunked(body string) string {
	half := len(body) / 2
	return fmt.Sprintf("%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n", half, body[:half], len(body)-half, body[half:])
}

// patch is a PatchOp message.
func patch(operations string) string {
	return `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[` + operations + `]}`
}

const (
	disabling = `{"op":"Replace","path":"active","value":"False"}`
	disabled  = `{"op":"replace","path":"active","value":false}`
)

// A body that is not JSON shows what is read: no rule that reads lets it pass.
func TestWhatNoRuleConcernsIsNotRead(t *testing.T) {
	const body = "{\"op\":\"Replace\",\"op\":1,,}\x00\xff"
	for _, test := range []struct{ rules, line, contentType string }{
		{"none", "PATCH /scim/Users/1", "application/scim+json"},
		{"none", "POST /scim/Users", "application/scim+json"},
		{"response", "PATCH /scim/Users/1", "application/scim+json"},
		{"request,response,content-type-json", "POST /scim/Users", "text/plain"},
		{"accept-scim", "PUT /scim/Users/1", "application/scim+json"},
		{"create", "PATCH /scim/Users/1", "application/scim+json"},
		{"create", "PUT /scim/Users/1", "application/scim+json"},
		{"op-case,remove-value,missing-target", "POST /scim/Users", "application/scim+json"},
		{"op-case,remove-value,missing-target", "PUT /scim/Users/1", "application/scim+json"},
		{"all", "POST /scim/Bulk", "application/scim+json"},
		{"all", "PATCH /scim/Bulk", "application/scim+json"},
		{"all", "POST /scim/.search", "application/scim+json"},
		{"all", "POST /scim/Users/.search", "application/scim+json"},
		{"all", "POST /scim/Groups/.search", "application/scim+json"},
		{"all", "POST /scim/Users/1", "application/scim+json"},
		{"all", "PUT /scim/Users", "application/scim+json"},
		{"all", "PATCH /scim/Groups", "application/scim+json"},
		{"all", "PATCH /scim/Users/1/manager", "application/scim+json"},
		{"all", "PATCH /scim/Me/1", "application/scim+json"},
		{"all", "PUT /scim/ServiceProviderConfig", "application/scim+json"},
		{"all", "POST /scim/Devices", "application/scim+json"},
		{"all", "DELETE /scim/Users/1", "application/scim+json"},
		{"all", "GET /scim/Users/1", "application/scim+json"},
		{"all", "PATCH /scim/Users/1", "text/plain"},
		{"all", "PATCH /scim/Users/1", "application/xml"},
		{"all", "PATCH /scim/Users/1", "application/jsonx"},
		{"all", "PATCH /scim/Users/1", "application/json-patch+json"},
		{"all", "PATCH /scim/Users/1", "text/plain; a=application/json"},
	} {
		t.Run(fmt.Sprint(test), func(t *testing.T) {
			w := newWorld(t, setup{options: normalizing(t, test.rules)})
			got := w.message(t, test.line, body, "Content-Type: "+test.contentType, "Content-Length: "+itoa(len(body)), "Content-Encoding: x-canary")
			if one := w.one(t); got.StatusCode != 200 || one.Body != body || one.Length != int64(len(body)) {
				t.Errorf("%d, the backend got %q, Content-Length %d", got.StatusCode, one.Body, one.Length)
			}
			if rules := w.line(t)["rules"]; rules != nil && rules != "accept-scim" {
				t.Errorf("rules %v", rules)
			}
		})
	}
}

func TestWhatARuleMayConcernIsRead(t *testing.T) {
	const body = `{"displayName":"a","displayName":"b"}`
	for _, test := range []struct{ rules, line, contentType string }{
		{"all", "PATCH /scim/Users/1", "Content-Type: application/scim+json"},
		{"all", "PATCH /scim/Groups/1", "Content-Type: application/scim+json"},
		{"all", "PATCH /scim/Me", "Content-Type: application/scim+json"},
		{"all", "PATCH /scim/v2/Groups/1", "Content-Type: application/scim+json"},
		{"all", "PATCH /scim/groups/1", "Content-Type: application/scim+json"},
		{"all", "PATCH /scim/%47roups//1//", "Content-Type: application/scim+json"},
		{"all", "PATCH /scim/Groups/1", "Content-Type: text/plain\r\nContent-Type: text/json"},
		{"all", "POST /scim/Users", "Content-Type: application/scim+json"},
		{"all", "POST /scim/Groups", "Content-Type: application/scim+json"},
		{"all", "POST /scim/Me", "Content-Type: application/scim+json"},
		{"all", "PUT /scim/Users/1", "Content-Type: application/scim+json"},
		{"all", "PUT /scim/Groups/1", "Content-Type: application/scim+json"},
		{"all", "PUT /scim/Me", "Content-Type: application/scim+json"},
		{"all", "POST /scim/Users/?attributes=id", "Content-Type: application/scim+json"},
		{"all", "PATCH /scim//Users/1/?aadOptscim062020", "Content-Type: application/scim+json"},
		{"all", "PATCH /scim/Users/1", "Content-Type: application/json"},
		{"all", "PATCH /scim/Users/1", "Content-Type: Application/SCIM+JSON ;charset=UTF-8"},
		{"all", "PATCH /scim/Users/1", "Content-Type: application/json; charset; charset=\""},
		{"all", "PATCH /scim/Users/1", "Content-Type:"},
		{"all", "PATCH /scim/Users/1", "Prefer: return=minimal"}, // no Content-Type
		{"op-case", "PATCH /scim/Users/1", "Content-Type: application/scim+json"},
		{"missing-target", "PATCH /scim/Users/1", "Content-Type: application/scim+json"},
		{"active-boolean", "PUT /scim/Users/1", "Content-Type: application/scim+json"},
		{"create-null", "POST /scim/Users", "Content-Type: application/scim+json"},
	} {
		t.Run(fmt.Sprint(test), func(t *testing.T) {
			w := newWorld(t, setup{options: normalizing(t, test.rules)})
			wantProblem(t, w.message(t, test.line, body, test.contentType, "Content-Length: "+itoa(len(body))), 400, "invalidSyntax")
			if len(w.requests()) != 0 {
				t.Errorf("the backend saw %v", w.requests())
			}
		})
	}
}

func TestRulesChangeTheBody(t *testing.T) {
	body, want := patch(" "+disabling+" "), patch(" "+disabled+" ")
	for _, http1 := range []bool{true, false} {
		for name, sent := range map[string][]string{
			"known length": {body, "Content-Length: " + itoa(len(body))},
			"chunked":      {chunked(body), "Transfer-Encoding: chunked"},
		} {
			w := newWorld(t, setup{http1: http1, options: normalizing(t, "all")})
			got := w.message(t, "PATCH /scim/Users/1", sent[0], sent[1], "Content-Type: application/scim+json; charset=utf-8",
				"Accept: application/scim+json", "Content-Encoding: Identity")
			one := w.one(t)
			if got.StatusCode != 200 || one.Body != want || one.Length != int64(len(want)) || one.Header.Get("Content-Type") != "application/scim+json; charset=utf-8" {
				t.Errorf("http1=%v, %s: %d, the backend got %q of %d bytes, %v", http1, name, got.StatusCode, one.Body, one.Length, one.Header)
			}
			line := w.line(t)
			if line["rules"] != "op-case,active-boolean" || line["bytes_in"] != int64(len(body)) || line["level"] != "info" {
				t.Errorf("http1=%v, %s: log line %v", http1, name, line)
			}
		}
	}
}

// What no rule changes is held all the same, and passes byte for byte.
func TestUnchangedBodiesPassByteForByte(t *testing.T) {
	body := "\t{\"Operations\" : [ " + disabled + "\r\n],\"x\":12345678901234567890, \"\\u00fc\":\"\\/\"} \n"
	w := newWorld(t, setup{options: normalizing(t, "all")})
	w.message(t, "PATCH /scim/Users/1", chunked(body), "Transfer-Encoding: chunked", "Accept: */*")
	if one := w.one(t); one.Body != body || one.Length != int64(len(body)) || one.Header["Content-Type"] != nil {
		t.Errorf("the backend got %q, Content-Length %d, %v", one.Body, one.Length, one.Header)
	}
	if rules := w.line(t)["rules"]; rules != nil {
		t.Errorf("rules %v", rules)
	}
}

// Over 64 KiB a body streams where no rule concerns it, and cannot be repeated.
// Here it is held, so the repeat sends what the first call did.
func TestRefusedCallIsRepeatedWithTheNormalizedBody(t *testing.T) {
	body := patch(`{"op":"Replace","path":"title","value":"` + strings.Repeat("x", 300<<10) + `"}`)
	want := strings.Replace(body, "Replace", "replace", 1)
	for _, http1 := range []bool{true, false} {
		for name, sent := range map[string][]string{
			"known length": {body, "Content-Length: " + itoa(len(body))},
			"chunked":      {chunked(body), "Transfer-Encoding: chunked"},
		} {
			w := newWorld(t, setup{http1: http1, answer: demanding("rotated"), options: normalizing(t, "all")})
			w.warm(t)
			w.secret.set("rotated", nil)
			got := w.message(t, "PATCH /scim/Users/1", sent[0], sent[1])
			if got.StatusCode != 200 || got.body != "PATCH:"+want {
				t.Errorf("http1=%v, %s: %d with %d bytes, want %d", http1, name, got.StatusCode, len(got.body), len(want))
			}
			for i, one := range w.requests() {
				if one.Body != want || one.Length != int64(len(want)) {
					t.Errorf("http1=%v, %s, call %d: %d bytes, Content-Length %d", http1, name, i, len(one.Body), one.Length)
				}
			}
			if line := w.line(t); len(w.requests()) != 2 || line["bytes_in"] != int64(len(body)) || line["replayed"] != true {
				t.Errorf("http1=%v, %s: %d calls, log line %v", http1, name, len(w.requests()), line)
			}
		}
	}
}

func TestEmptyBodiesHaveNothingToNormalize(t *testing.T) {
	for name, sent := range map[string][]string{
		"none":          {"", "Content-Length: 0", "Content-Encoding: gzip"},
		"no length":     {"", "Accept: */*"},
		"without chunk": {"0\r\n\r\n", "Transfer-Encoding: chunked"},
	} {
		for _, http1 := range []bool{true, false} {
			w := newWorld(t, setup{http1: http1, options: normalizing(t, "all,content-type-json")})
			got := w.message(t, "PATCH /scim/Users/1", sent[0], append(sent[1:], "Content-Type: application/scim+json")...)
			if one := w.one(t); got.StatusCode != 200 || one.Length != 0 || one.Header.Get("Content-Type") != "application/scim+json" {
				t.Errorf("%s, http1=%v: %d, the backend got %+v", name, http1, got.StatusCode, one)
			}
		}
	}
}

func TestHeldBodyOverTheLimitIsNotSent(t *testing.T) {
	body := patch(disabling)
	for name, test := range map[string]struct {
		more    int
		framing string
	}{
		"known, over":   {1, "Content-Length: " + itoa(len(body)+1)},
		"chunked, over": {1, "Transfer-Encoding: chunked"},
		"chunked, at":   {0, "Transfer-Encoding: chunked"},
		"known, at":     {0, "Content-Length: " + itoa(len(body))},
	} {
		w := newWorld(t, setup{maxBody: int64(len(body)), options: normalizing(t, "all")})
		sent := body + strings.Repeat(" ", test.more)
		if strings.HasPrefix(test.framing, "T") {
			sent = chunked(sent)
		}
		got := w.message(t, "PATCH /scim/Users/1", sent, test.framing)
		if test.more == 0 {
			if got.StatusCode != 200 || w.one(t).Body != patch(disabled) {
				t.Errorf("%s: %d, the backend got %q", name, got.StatusCode, w.one(t).Body)
			}
			continue
		}
		wantProblem(t, got, 413, "")
		if line := w.line(t); len(w.requests()) != 0 || line["class"] != "body_too_large" || !got.Close {
			t.Errorf("%s: the backend saw %v, log line %v, Connection: close is %v", name, w.requests(), line, got.Close)
		}
	}
}

func TestHeldBodyThatDoesNotArriveIs400(t *testing.T) {
	for name, start := range map[string]string{
		"known length": head("PATCH", "/scim/Users/1", "Content-Length: 100000") + "{",
		"chunked":      head("PATCH", "/scim/Users/1", "Transfer-Encoding: chunked") + "5\r\n{    \r\n",
	} {
		w := newWorld(t, setup{bodyTime: 200 * time.Millisecond, options: normalizing(t, "all")})
		wantProblem(t, read(t, w.open(t, start), "PATCH"), 400, "")
		if line := w.line(t); line["class"] != "body_incomplete" || len(w.requests()) != 0 {
			t.Errorf("%s: log line %v, the backend saw %v", name, line, w.requests())
		}
	}
}

// The body never comes: an answer that waits for it would not either.
func TestEncodedBodyIs415Unread(t *testing.T) {
	for _, test := range []struct {
		refused bool
		headers []string
	}{
		{true, []string{"Content-Encoding: gzip"}},
		{true, []string{"Content-Encoding: GZIP"}},
		{true, []string{"Content-Encoding: identity, br"}},
		{true, []string{"Content-Encoding: gzip, identity"}},
		{true, []string{"Content-Encoding: identity", "Content-Encoding: deflate"}},
		{true, []string{"Content-Encoding: x"}},
		{false, []string{"Content-Encoding: IDENTITY"}},
		{false, []string{"Content-Encoding: identity, Identity ,"}},
		{false, []string{"Content-Encoding:"}},
	} {
		w := newWorld(t, setup{bodyTime: 200 * time.Millisecond, options: normalizing(t, "op-case")})
		got := w.message(t, "PATCH /scim/Users/1", "", append(test.headers, "Content-Length: 10")...)
		if !test.refused {
			wantProblem(t, got, 400, "") // it did not come
			continue
		}
		if got.Header.Get("Accept-Encoding") != "identity" || !got.Close {
			t.Errorf("%v: header %v, Connection: close is %v", test.headers, got.Header, got.Close)
		}
		got.Header.Del("Accept-Encoding")
		wantProblem(t, got, 415, "")
		if line := w.line(t); line["class"] != "content_encoding" || line["level"] != "warn" || line["bytes_in"] != int64(0) || len(w.requests()) != 0 {
			t.Errorf("%v: log line %v, the backend saw %v", test.headers, line, w.requests())
		}
	}
}

// The admin sees the detail in Entra's log, and no more of the call than that.
func TestRefusedBodyNamesTheOperation(t *testing.T) {
	const remove = `{"op":"Remove","path":"members","value":[{"canary":"u1"}]}`
	for _, test := range []struct{ line, body, scimType, class, want string }{
		{"PATCH /scim/Groups/1", patch(disabling + "," + remove), "invalidValue", "invalid_value", "peration 2"},
		{"PATCH /scim/Groups/1", `{"Operations":[],"Operations":["canary"]}`, "invalidSyntax", "invalid_syntax", "twice"},
		{"POST /scim/Users", `{"userName":"canary"`, "invalidSyntax", "invalid_syntax", "end"},
		{"PUT /scim/Users/1", `{"userName":"canary"}{`, "invalidSyntax", "invalid_syntax", "behind"},
		{"POST /scim/Groups", strings.Repeat("[", 65), "invalidSyntax", "invalid_syntax", "64"},
	} {
		w := newWorld(t, setup{options: normalizing(t, "all")})
		method, target, _ := strings.Cut(test.line, " ")
		got := w.call(t, method, target, test.body)
		wantProblem(t, got, 400, test.scimType)
		line := w.line(t)
		cause := fmt.Sprint(line["cause"])
		if line["class"] != test.class || line["level"] != "warn" || line["rules"] != nil || len(w.requests()) != 0 {
			t.Errorf("%s: log line %v, the backend saw %v", test.body, line, w.requests())
		}
		// The log's words, with a capital.
		if !strings.Contains(got.body, test.want) || !strings.Contains(cause, test.want) || !strings.Contains(got.body, `. `+strings.ToUpper(cause[:1])) {
			t.Errorf("%s: %s, cause %q", test.body, got.body, cause)
		}
		if strings.Contains(got.body+fmt.Sprint(line), "canary") {
			t.Errorf("%s: %s and %v tell of the body", test.body, got.body, line)
		}
	}
}

// What is refused whatever the backend's credential is does not wait for it.
func TestRefusalsDoNotWaitForTheBackendsCredential(t *testing.T) {
	var asked atomic.Bool
	never := func(ctx context.Context) (token.Credentials, error) {
		asked.Store(true)
		<-ctx.Done()
		return nil, errors.New("too late")
	}
	for want, send := range map[int]func(*world) answer{
		400: func(w *world) answer { return w.call(t, "PATCH", "/scim/Groups/1", `{"a":1,"a":2}`) },
		415: func(w *world) answer { return w.call(t, "PATCH", "/scim/Groups/1", "{}", "Content-Encoding: gzip") },
		413: func(w *world) answer {
			return w.message(t, "POST /scim/Users", chunked(strings.Repeat(" ", 200)), "Transfer-Encoding: chunked")
		},
	} {
		w := newWorld(t, setup{maxBody: 100, options: func(o *proxy.Options) {
			o.Normalizer = normalizer(t, "all")
			o.Outbound = token.NewCache(never, token.Windows{}, zap.NewNop())
		}})
		if got := send(w); got.StatusCode != want || asked.Load() {
			t.Errorf("%d %s, want %d; the credential was asked for: %v", got.StatusCode, got.body, want, asked.Load())
		}
	}
}

// A call that a rule touched is no more repeatable behind the proxy's back than
// any other (ADR 6).
func TestNormalizedCallHasNoGetBody(t *testing.T) {
	var got *http.Request
	w := newWorld(t, setup{options: func(o *proxy.Options) {
		o.Normalizer = normalizer(t, "all")
		o.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
			got = r
			return &http.Response{StatusCode: 204, Request: r, Header: http.Header{}, Body: http.NoBody}, nil
		})
	}})
	body := patch(disabling)
	w.message(t, "PATCH /scim/Users/1", chunked(body), "Transfer-Encoding: chunked", "Trailer: X-A")
	if got.GetBody != nil || got.ContentLength != int64(len(patch(disabled))) || got.TransferEncoding != nil || got.Trailer != nil {
		t.Errorf("GetBody %v, length %d, transfer coding %v, trailer %v", got.GetBody != nil, got.ContentLength, got.TransferEncoding, got.Trailer)
	}
	if sent, err := io.ReadAll(got.Body); string(sent) != patch(disabled) || err != nil {
		t.Errorf("%q, %v", sent, err)
	}
}
