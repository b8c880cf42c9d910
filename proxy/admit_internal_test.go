package proxy

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"go.uber.org/zap"

	"example.com/entra-scim-proxy/proxy/token"
)

// What passes means the same to a parser that decodes once, to one that decodes
// twice, and to one that resolves dot segments.
func FuzzResourcePath(f *testing.F) {
	for _, seed := range []string{
		"/scim/Users", "/scim//Users", "/scim/../x", "/scim/%2e%2e/x", "/scim/a%2fb", "/scim/%252e", "/scim/a;b", "//scim/x", "/scim/%41%c3%bc", "/scim",
		"/scim/100%25", "/scim/..;/x", "/scim/%25252e",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, target string) {
		parsed, err := url.ParseRequestURI(target)
		if err != nil || parsed.Scheme != "" {
			return // net/http answers 400, or it is in absolute form
		}
		escaped := escapedPath(parsed)
		resource, err := resourcePath(escaped, "/scim")
		if err != nil {
			return
		}
		if !strings.HasSuffix(escaped, resource) || (resource != "" && resource[0] != '/') {
			t.Fatalf("%q became %q", escaped, resource)
		}
		if template := route(resource); !strings.HasPrefix(template, otherRoute[0]) && !strings.HasSuffix(resource, "/") &&
			!strings.Contains(resource, "//") && endpoint(resource) != template {
			t.Fatalf("%q: route %q, endpoint %q", resource, template, endpoint(resource))
		}
		once, err := url.PathUnescape(resource)
		if err != nil {
			t.Fatalf("%q does not decode: %v", resource, err)
		}
		if strings.Count(once, "/") != strings.Count(resource, "/") || strings.ContainsAny(once, "\\\x00\r\n") {
			t.Errorf("%q decodes to %q", resource, once)
		}
		if strings.ContainsAny(resource, ";#") || slices.Contains(strings.Split(once, "/"), "..") || !utf8.ValidString(once) {
			t.Errorf("%q passes", resource)
		}
		if cleaned := path.Clean("/x" + once); !strings.HasPrefix(cleaned, "/x") {
			t.Errorf("%q leaves its base", resource)
		}
		if twice, err := url.PathUnescape(once); err == nil && strings.Count(twice, "/") != strings.Count(once, "/") {
			t.Errorf("%q decodes differently the second time", resource)
		}
	})
}

// What passes holds the same parameters in the same order as what came, less
// the stripped ones, and not a byte is changed.
func FuzzForwardedQuery(f *testing.F) {
	for _, seed := range []string{
		"", "filter=userName+eq+%22a%22", "aadOptscim062020&filter=a", "code=1", "a&code&b", "&&", "a;b", "%zz", "AADOPTSCIM062020=true&a=%5b", "c%6fde=1",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		query, cut, err := forwardedQuery(raw)
		values, parseErr := url.ParseQuery(raw)
		if (err != nil) != (parseErr != nil || strings.Contains(raw, "#")) {
			t.Fatalf("%q: error %v, the parser's %v", raw, err, parseErr)
		}
		if err != nil {
			return
		}
		if !cut && query != raw {
			t.Errorf("%q became %q and nothing was cut", raw, query)
		}
		kept, err := url.ParseQuery(query)
		if err != nil {
			t.Fatalf("%q became %q: %v", raw, query, err)
		}
		for key, want := range values {
			if slices.Contains(strippedKeys, strings.ToLower(key)) {
				want = nil
			}
			if !slices.Equal(kept[key], want) {
				t.Errorf("%q became %q: %q is %q", raw, query, key, kept[key])
			}
		}
		if again, cut, err := forwardedQuery(query); again != query || cut || err != nil {
			t.Errorf("%q is not a fixed point: %q", query, again)
		}
		rest := raw
		for pair := range strings.SplitSeq(query, "&") {
			at := strings.Index(rest, pair)
			if at < 0 {
				t.Fatalf("%q became %q: %q is not in the rest", raw, query, pair)
			}
			rest = rest[at+len(pair):]
		}
	})
}

// Every sentinel has a row of its own; each row can be reached and tells Entra
// something.
func TestProblemTable(t *testing.T) {
	for _, p := range problems {
		if p.err != nil && problemOf(p.err).class != p.class {
			t.Errorf("%v finds the row %s, want %s", p.err, problemOf(p.err).class, p.class)
		}
		if p.status < 400 || p.detail == "" || !strings.HasSuffix(p.detail, ".") || p.class == "" {
			t.Errorf("row %+v", p)
		}
	}
}

// The runbook says of each problem what Entra gets and how loud the log is. That
// it has a row for each class, and for no other, is for TestRunbook of package
// main.
func TestRunbookHasStatusAndLevel(t *testing.T) {
	text, err := os.ReadFile("../docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if errors.Is(p.err, ErrTLS) || errors.Is(p.err, ErrUnreachable) { // Explain names the class of those
			continue
		}
		gets, _, found := strings.Cut(string(text), " | `"+p.class+"`, "+p.level.String()+" | ")
		gets = gets[strings.LastIndexByte(gets, '\n')+1:]
		if !found || !strings.Contains(gets, strconv.Itoa(p.status)) {
			t.Errorf("docs/runbook.md has no row with %d and %s at level %s, or what precedes it is %q", p.status, p.class, p.level, gets)
		}
	}
}

func BenchmarkAdmission(b *testing.B) {
	const target = "/scim/Users/2a69c9a6-1708-45b7-acbe-a7b4c8fb102a"
	const query = "aadOptscim062020&filter=userName+eq+%22jane%40contoso.com%22"
	b.ReportAllocs()
	for b.Loop() {
		if _, err := resourcePath(target, "/scim"); err != nil {
			b.Fatal(err)
		}
		if _, _, err := forwardedQuery(query); err != nil {
			b.Fatal(err)
		}
	}
}

// The hot path's share of garbage, per call.
func TestAllocationCeilings(t *testing.T) {
	var pool bufferPool
	for name, test := range map[string]struct {
		ceiling float64
		run     func()
	}{
		"path":          {1, func() { _, _ = resourcePath("/scim/Users/2a69c9a6-1708-45b7-acbe-a7b4c8fb102a", "/scim") }},
		"query":         {6, func() { _, _, _ = forwardedQuery("aadOptscim062020&filter=userName+eq+%22jane%40contoso.com%22") }},
		"route":         {0, func() { _ = route("/Users/2a69c9a6-1708-45b7-acbe-a7b4c8fb102a") }},
		"problem":       {0, func() { _ = problemOf(errRedirect) }},
		"copy buffer":   {0, func() { pool.Put(pool.Get()) }},
		"plain segment": {0, func() { _ = plainSegment("2a69c9a6-1708-45b7-acbe-a7b4c8fb102a") }},
	} {
		if got := testing.AllocsPerRun(200, test.run); got > test.ceiling {
			t.Errorf("%s: %v allocations, ceiling %v", name, got, test.ceiling)
		}
	}
}

// Without the buffer pool each call would allocate 32 KiB for its copy buffer.
func TestExchangesReuseTheCopyBuffer(t *testing.T) {
	cache := token.NewCache(token.ReadCredentials(token.Static(token.NewSecret("token"))), token.Windows{}, zap.NewNop())
	p, err := New(Options{
		Backend: &url.URL{Scheme: "https", Host: "backend.example.com"}, Timeout: time.Minute, MaxBody: 1, MaxConcurrent: 10, Inbound: cache, Outbound: cache,
		Explain: func(error) Fault { return Fault{} }, Log: zap.NewNop(),
		Transport: transportFunc(func(r *http.Request) *http.Response {
			return &http.Response{StatusCode: 200, Request: r, Header: http.Header{}, ContentLength: -1, Body: io.NopCloser(strings.NewReader("{}"))}
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	result := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/Users", nil)
			r.Header.Set("Authorization", "Bearer token")
			w := httptest.NewRecorder()
			p.ServeHTTP(w, r)
			if w.Code != 200 {
				b.Fatal(w.Code)
			}
		}
	})
	if got := result.AllocedBytesPerOp(); got > 20<<10 {
		t.Errorf("%d bytes a call, ceiling 20 KiB", got)
	}
}

type transportFunc func(*http.Request) *http.Response

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r), nil }

// A token comes out of exactly one header of the scheme, whole.
func FuzzBearer(f *testing.F) {
	for _, seed := range []string{"Bearer token", "bearer  token", "Basic token", "Bearer", "Bearer ", "Bearertoken", "Bearer a b", " Bearer a"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		presented := bearer(http.Header{"Authorization": {value}})
		if presented != "" && (!strings.EqualFold(value[:7], "Bearer ") || !strings.HasSuffix(value, presented) || presented[0] == ' ') {
			t.Errorf("%q holds the token %q", value, presented)
		}
		if twice := bearer(http.Header{"Authorization": {value, value}}); twice != "" {
			t.Errorf("two headers hold the token %q", twice)
		}
	})
}

func TestEndpoint(t *testing.T) {
	for resource, want := range map[string]string{
		"": "/", "/": "/", "/Users": "/Users", "/Users/": "/Users", "/Users/1": "/Users/{id}", "/Users/1/": "/Users/{id}",
		"/v2/Groups/1": "/Groups/{id}", "/a/b/Users": "/Users", "/groups/1": "/Groups/{id}", "/%47roups/1": "/Groups/{id}",
		"/Groups//1": "/Groups/{id}", "/Groups/1//": "/Groups/{id}", "/Groups/Users": "/Groups/{id}", "/Users/1/x/y": "/Users/{id}/{more}",
		"/Me": "/Me", "/Users/.search": "/Users/{id}", "/Bulk": "/Bulk", "/v2/Bulk": "/Bulk",
		"/Devices": "/{other}", "/Devices/1": "/{other}/{id}", "/Devices/1/2/3": "/{other}/{id}/{more}",
	} {
		if got := endpoint(resource); got != want {
			t.Errorf("%q: got %q, want %q", resource, got, want)
		}
	}
}

func TestIsJSON(t *testing.T) {
	for _, contentType := range [][]string{
		nil, {""}, {"application/scim+json"}, {"Application/JSON; charset=utf-8"}, {"text/json"}, {"application/json;;="},
		{"application/scim+json, application/json"}, {"text/plain", "application/json"},
	} {
		if !isJSON(contentType) {
			t.Errorf("%q is not", contentType)
		}
	}
	for _, contentType := range [][]string{{"text/plain"}, {"application/jsonx"}, {"application/json-patch+json"}, {"+json"}, {"text/plain", "text/html"}} {
		if isJSON(contentType) {
			t.Errorf("%q is", contentType)
		}
	}
}

func FuzzAccept(f *testing.F) {
	for _, seed := range []string{"", "*/*", "application/*;q=0", "application/scim+json;q=0, text/html", `a/b;c="d,e"`, ";;,", "application/json; q=x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		if !acceptsSCIM([]string{line, "application/scim+json"}) {
			t.Errorf("%q and SCIM's own type: not accepted", line)
		}
		if acceptsSCIM([]string{line}) && !strings.Contains(line, "*") && !strings.Contains(strings.ToLower(line), "json") {
			t.Errorf("%q is accepted", line)
		}
	})
}
