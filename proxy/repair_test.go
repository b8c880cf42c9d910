package proxy_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/entra-scim-proxy/proxy"
)

const (
	scimNotFound = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"404","detail":"no such user"}`
	noMatches    = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":0,"Resources":[],"startIndex":1,"itemsPerPage":0}`
	listSchema   = `"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"]`
	enterprise   = `"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"`
	scimType     = "application/scim+json"
)

// reply is what a backend answers. Headers are "Name: value" lines; a status of
// 0 is 200.
type reply struct {
	status  int
	body    string
	headers []string
}

func (r reply) handler(rw http.ResponseWriter, _ *http.Request) {
	rw.Header()["Content-Type"] = nil
	for _, line := range r.headers {
		name, value, _ := strings.Cut(line, ": ")
		rw.Header()[http.CanonicalHeaderKey(name)] = []string{value}
	}
	rw.WriteHeader(orDefault(r.status, http.StatusOK))
	_, _ = io.WriteString(rw, r.body)
}

// ask sends a call without a body through a proxy with the rules, whose backend
// at /v2 gives the reply.
func (r reply) ask(t *testing.T, rules, line string) (answer, *world) {
	t.Helper()
	w := newWorld(t, setup{base: "/v2", options: normalizing(t, rules), answer: r.handler})
	method, target, _ := strings.Cut(line, " ")
	return w.call(t, method, target, ""), w
}

// rulesFired returns the log line's rules.
func (w *world) rulesFired(t *testing.T) string {
	t.Helper()
	rules, _ := w.line(t)["rules"].(string)
	return rules
}

func TestResponseVectors(t *testing.T) {
	type message struct {
		Status  int
		Headers map[string]string
		Body    json.RawMessage
		BodyRaw string `json:"body_raw"`
	}
	seen := 0
	for _, v := range vectors(t) {
		if v.Kind != "response" {
			continue
		}
		seen++
		var input struct {
			Request  struct{ Method, URL string }
			Response message
		}
		var expected message
		if err := json.Unmarshal(v.Input, &input); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(v.Expected, &expected); err != nil {
			t.Fatal(err)
		}
		r := reply{status: input.Response.Status, body: string(input.Response.Body) + input.Response.BodyRaw}
		for name, value := range input.Response.Headers {
			r.headers = append(r.headers, name+": "+value)
		}
		got, _ := r.ask(t, "all", input.Request.Method+" "+input.Request.URL)
		if got.StatusCode != expected.Status {
			t.Errorf("%s: %d, want %d", v.Name, got.StatusCode, expected.Status)
		}
		for name, value := range expected.Headers {
			if got.Header.Get(name) != value {
				t.Errorf("%s: %s: %q, want %q", v.Name, name, got.Header.Get(name), value)
			}
		}
		if expected.Body != nil {
			if diff := cmp.Diff(valueOf(t, string(expected.Body)), valueOf(t, got.body)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", v.Name, diff)
			}
		}
		if v.Passthrough && got.body != r.body {
			t.Errorf("%s: %q", v.Name, got.body)
		}
	}
	if seen < 8 {
		t.Errorf("only %d vectors were seen", seen)
	}
}

func valueOf(t *testing.T, text string) (value any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return value
}

// Each rule alone, and what it leaves alone.
func TestResponseRules(t *testing.T) {
	scim, jsonType, html := "Content-Type: application/scim+json", "Content-Type: application/json", "Content-Type: text/html; charset=utf-8"
	for name, test := range map[string]struct {
		rules, line string
		reply       reply
		status      int    // 0: the reply's
		body        string // "": the reply's
		header      string // a line of the answer's; "": none is asked for
		fired       bool
	}{
		"members of a group": {"excluded-members", "GET /scim/Groups/1?excludedAttributes=members",
			reply{0, `{"id":"1", "members":[{"value":"u1"}] }`, []string{scim}}, 0, `{"id":"1" }`, "Content-Length: 11", true},
		"members of a list": {"excluded-members", "GET /scim/Groups?excludedAttributes=externalId%2CMembers&filter=displayName+eq+%22A%22",
			reply{0, `{"Resources":[{"members":[],"id":"1"}]}`, []string{jsonType}}, 0, `{"Resources":[{"id":"1"}]}`, "", true},
		"members by their full name, without a type": {"excluded-members", "GET /scim/Groups/1?excludedAttributes=urn:ietf:params:scim:schemas:core:2.0:Group:members",
			reply{0, `{"id":"1","members":[]}`, nil}, 0, `{"id":"1"}`, "", true},
		"members of another JSON type": {"excluded-members", "PATCH /scim/Groups/1?excludedAttributes=members",
			reply{0, `{"id":"1","members":[]}`, []string{"Content-Type: application/vnd.x+json"}}, 0, `{"id":"1"}`, "Content-Type: application/vnd.x+json", true},
		"members that were asked for": {"excluded-members", "GET /scim/Groups/1?excludedAttributes=externalId",
			reply{0, `{"id":"1","members":[]}`, []string{scim}}, 0, "", "", false},
		"members of an error": {"excluded-members", "GET /scim/Groups/1?excludedAttributes=members",
			reply{404, `{"members":[]}`, []string{scim}}, 0, "", "", false},
		"members of another type": {"excluded-members", "GET /scim/Groups/1?excludedAttributes=members",
			reply{0, `{"members":[]}`, []string{"Content-Type: text/plain"}}, 0, `{}`, "Content-Type: text/plain", true},
		"no members in what is no JSON": {"excluded-members", "GET /scim/Groups/1?excludedAttributes=members",
			reply{0, `members`, []string{"Content-Type: text/plain"}}, 0, "", "Content-Type: text/plain", false},

		"filter without a match": {"filter-not-found", "GET /scim/Users?filter=userName+eq+%22a%22",
			reply{404, scimNotFound, []string{scim, `Etag: "1"`, "Last-Modified: Mon, 02 Nov 2026 10:00:00 GMT", "Retry-After: 1", "Location: /x", "RateLimit: 5"}}, 200, noMatches, "RateLimit: 5", true},
		"filter on another collection":    {"filter-not-found", "GET /scim/Devices/?filter=a", reply{404, scimNotFound, []string{jsonType}}, 200, noMatches, "Content-Type: application/scim+json", true},
		"filter, HTML":                    {"filter-not-found", "GET /scim/Users?filter=a", reply{404, "<html>" + scimNotFound, []string{html}}, 0, "", "", false},
		"filter, no body":                 {"filter-not-found", "GET /scim/Users?filter=a", reply{404, "", nil}, 0, "", "", false},
		"filter, other JSON":              {"filter-not-found", "GET /scim/Users?filter=a", reply{404, `{"error":"no route"}`, []string{jsonType}}, 0, "", "", false},
		"filter, other status":            {"filter-not-found", "GET /scim/Users?filter=a", reply{400, scimNotFound, []string{scim}}, 0, "", "", false},
		"empty filter":                    {"filter-not-found", "GET /scim/Users?filter=+&startIndex=1", reply{404, scimNotFound, []string{scim}}, 0, "", "", false},
		"no filter":                       {"filter-not-found", "GET /scim/Users?x=filter", reply{404, scimNotFound, []string{scim}}, 0, "", "", false},
		"filter on a resource":            {"filter-not-found", "GET /scim/Users/1?filter=a", reply{404, scimNotFound, []string{scim}}, 0, "", "", false},
		"filter below another path":       {"filter-not-found", "GET /scim/v2/Users?filter=a", reply{404, scimNotFound, []string{scim}}, 0, "", "", false},
		"filter on what is no collection": {"filter-not-found", "GET /scim/Me?filter=a", reply{404, scimNotFound, []string{scim}}, 0, "", "", false},
		"filter in a POST":                {"filter-not-found", "POST /scim/Users?filter=a", reply{404, scimNotFound, []string{scim}}, 0, "", "", false},

		"null for resources": {"resources-array", "GET /scim/Users?filter=a", reply{0, `{` + listSchema + `,"Resources":null}`, []string{scim}}, 0, `{` + listSchema + `,"Resources":[]}`, "", true},
		"no resources":       {"resources-array", "POST /scim/Users/.search", reply{0, `{` + listSchema + `}`, []string{scim}}, 0, `{` + listSchema + `,"Resources":[]}`, "", true},
		"no list can come":   {"resources-array", "GET /scim/Users/1", reply{0, `{` + listSchema + `}`, []string{scim, `Etag: "1"`}}, 0, "", `Etag: "1"`, false},

		"plain JSON":              {"response-type", "GET /scim/Users", reply{0, emptyList, []string{jsonType + "; charset=utf-8"}}, 0, "", "Content-Type: application/scim+json; charset=utf-8", true},
		"plain JSON of an error":  {"response-type", "GET /scim/Users/1", reply{404, scimNotFound, []string{"Content-Type: Application/JSON ;v=1"}}, 0, "", "Content-Type: application/scim+json;v=1", true},
		"no type":                 {"response-type", "GET /scim/Users", reply{0, "\ufeff\r\n {}", nil}, 0, "", "Content-Type: application/scim+json", true},
		"no type, an array":       {"response-type", "GET /scim/Bulk", reply{500, "[]", nil}, 0, "", "Content-Type: application/scim+json", true},
		"no type, no JSON":        {"response-type", "GET /scim/Users", reply{0, strings.Repeat(" ", 5000) + "{}", []string{"Content-Length: 5002"}}, 0, "", "Content-Type: ", false},
		"no type, no body":        {"response-type", "GET /scim/Users", reply{0, "", nil}, 0, "", "Content-Type: ", false},
		"another type":            {"response-type", "GET /scim/Users", reply{0, "{}", []string{"Content-Type: application/json-seq"}}, 0, "", "Content-Type: application/json-seq", false},
		"the type of SCIM itself": {"response-type", "GET /scim/Users", reply{0, "{}", []string{scim}}, 0, "", "Content-Type: application/scim+json", false},

		"manager":        {"response-manager", "GET /scim/Users/1", reply{0, `{` + enterprise + `:{"manager":"2"}}`, []string{scim}}, 0, `{` + enterprise + `:{"manager":{"value":"2"}}}`, "", true},
		"no manager":     {"response-manager", "GET /scim/Users/1", reply{0, `{` + enterprise + `:{"manager":""}}`, []string{scim}}, 0, `{` + enterprise + `:{"manager":null}}`, "", true},
		"active":         {"response-active", "PATCH /scim/Users/1", reply{0, `{"active":"False"}`, []string{scim}}, 0, `{"active":false}`, "", true},
		"active in Bulk": {"response-active", "POST /scim/Bulk", reply{0, `{"active":"False"}`, []string{scim}}, 0, "", "", false},

		"HTML":                        {"html-error", "GET /scim/Users", reply{503, "<html>canary</html>", []string{html, "Retry-After: 7"}}, 0, "SCIM", "Retry-After: 7", true},
		"HTML that does not look it":  {"html-error", "GET /scim/Users", reply{502, "canary", []string{"Content-Type: application/xhtml+xml"}}, 0, "SCIM", "Content-Type: application/scim+json", true},
		"HTML without a type":         {"html-error", "DELETE /scim/Users/1", reply{404, "\ufeff \n<!DOCTYPE html>canary", nil}, 0, "SCIM", "Content-Type: application/scim+json", true},
		"HTML as text":                {"html-error", "GET /scim/Users", reply{400, "<", []string{"Content-Type: text/plain", `Etag: "1"`}}, 0, "SCIM", "Etag: ", true},
		"HTML of a success":           {"html-error", "GET /scim/Users", reply{200, "<html>", []string{html}}, 0, "", "", false},
		"JSON as HTML":                {"html-error", "GET /scim/Users", reply{404, scimNotFound, []string{html}}, 0, "", "Content-Type: text/html; charset=utf-8", false},
		"HTML as JSON":                {"html-error", "GET /scim/Users", reply{404, "<html>", []string{jsonType}}, 0, "SCIM", "Content-Type: application/scim+json", true},
		"plain text":                  {"html-error", "GET /scim/Users", reply{404, "no <b>such</b> user", []string{"Content-Type: text/plain"}}, 0, "", "", false},
		"no page":                     {"html-error", "GET /scim/Users", reply{404, "", []string{html}}, 0, "", "Content-Type: text/html; charset=utf-8", false},
		"a SCIM Error stays as it is": {"html-error", "GET /scim/Users", reply{404, scimNotFound, []string{scim, `Etag: "1"`}}, 0, "", `Etag: "1"`, false},

		"Location":                             {"location", "POST /scim/Users", reply{201, `{}`, []string{scim, "Location: https://scim.corp.example.com/v2/Users/1"}}, 0, "", "Location: https://scim.example.com/scim/Users/1", true},
		"relative Location":                    {"location", "PUT /scim/Users/1", reply{200, "", []string{"Location: /v2/Users/1"}}, 0, "", "Location: https://scim.example.com/scim/Users/1", true},
		"Location elsewhere":                   {"location", "POST /scim/Users", reply{201, `{"id":"1"}`, []string{scim, "Location: https://scim.corp.example.com/v20/Users/1"}}, 0, "", "Location: https://scim.corp.example.com/v20/Users/1", false},
		"meta.location":                        {"location", "GET /scim/Users/1", reply{0, `{"meta":{"location":"/Users/1"}}`, []string{scim, `Etag: "1"`}}, 0, `{"meta":{"location":"https://scim.example.com/scim/Users/1"}}`, "Etag: ", true},
		"Location from meta":                   {"location", "POST /scim/Users", reply{201, `{"id":"1","meta":{"location":"https://elsewhere.example.com/1"}}`, []string{scim, `Etag: "1"`}}, 0, "", "Location: https://elsewhere.example.com/1", true},
		"Location from id":                     {"location", "POST /scim/Users/", reply{201, `{"id":"a b\u00fc"}`, []string{scim}}, 0, "", "Location: https://scim.example.com/scim/Users/a%20b%C3%BC", true},
		"Location behind a version":            {"location", "POST /scim/v3/Users", reply{201, `{"id":"1"}`, []string{scim}}, 0, "", "Location: https://scim.example.com/scim/v3/Users/1", true},
		"Location that the proxy would refuse": {"location", "POST /scim/Users", reply{201, `{"id":"a/b"}`, []string{scim}}, 0, "", "Location: ", false},
		"Location from a relative one":         {"location", "POST /scim/Users", reply{201, `{"meta":{"location":"../x"},"id":"1"}`, []string{scim}}, 0, "", "Location: https://scim.example.com/scim/Users/1", true},
		"Location from neither":                {"location", "POST /scim/Users", reply{201, `{"id":"..","meta":{"location":"a b"}}`, []string{scim}}, 0, `{"id":"..","meta":{"location":"https://scim.example.com/scim/a b"}}`, "Location: ", true},
		"Location of no creation":              {"location", "POST /scim/Users", reply{200, `{"id":"1"}`, []string{scim}}, 0, "", "Location: ", false},
		"Location of no JSON":                  {"location", "POST /scim/Users", reply{201, `{"id":"1"`, []string{scim}}, 0, "", "Location: ", false},
		"Location by PUT":                      {"location", "PUT /scim/Users/1", reply{201, `{"id":"1"}`, []string{scim}}, 0, "", "Location: ", false},
	} {
		t.Run(name, func(t *testing.T) {
			got, w := test.reply.ask(t, test.rules, test.line)
			if want := orDefault(test.status, orDefault(test.reply.status, 200)); got.StatusCode != want {
				t.Errorf("%d, want %d", got.StatusCode, want)
			}
			switch want := orDefault(test.body, test.reply.body); {
			case want == "SCIM":
				wantProblem(t, got, test.reply.status, "")
			case got.body != want:
				t.Errorf("%s\nwant %s", got.body, want)
			}
			if strings.Contains(fmt.Sprint(got.Header, got.body), "canary") {
				t.Errorf("the page leaks: %v %s", got.Header, got.body)
			}
			if name, value, found := strings.Cut(test.header, ": "); found && got.Header.Get(name) != value {
				t.Errorf("%s: %q, want %q", name, got.Header.Get(name), value)
			}
			if length := got.Header.Get("Content-Length"); got.ContentLength < 0 || length != itoa(len(got.body)) {
				t.Errorf("Content-Length %q of %d", length, len(got.body))
			}
			want := ""
			if test.fired {
				want = test.rules
			}
			if fired := w.rulesFired(t); fired != want {
				t.Errorf("fired: %q, want %q", fired, want)
			}
		})
	}
}

// The rule needs a public URL.
func TestLocationWithoutAPublicURL(t *testing.T) {
	n := normalizer(t, "location,response-active")
	r := reply{201, `{"id":"1","active":"true","meta":{"location":"/Users/1"}}`, []string{"Content-Type: " + scimType, "Location: /v2/Users/1"}}
	w := newWorld(t, setup{base: "/v2", answer: r.handler, options: func(o *proxy.Options) { o.Normalizer = n }})
	got := w.call(t, "POST", "/scim/Users", "{}")
	if got.Header.Get("Location") != "/v2/Users/1" || got.body != `{"id":"1","active":true,"meta":{"location":"/Users/1"}}` || w.rulesFired(t) != "response-active" {
		t.Errorf("%v %s", got.Header, got.body)
	}
}

// What replaces a backend's answer has nothing of it.
func TestReplacedAnswersHaveNothingOfTheBackends(t *testing.T) {
	headers := []string{"Content-Type: text/html", `Etag: "1"`, "Last-Modified: Mon, 02 Nov 2026 10:00:00 GMT", "Cache-Control: no-store", "Server: canary"}
	got, w := reply{500, "<html>canary", headers}.ask(t, "all", "GET /scim/Users")
	want := http.Header{"Content-Type": {scimType}, "Cache-Control": {"no-store"}, "Content-Length": {itoa(len(got.body))}, "Date": got.Header["Date"]}
	if diff := cmp.Diff(want, got.Header); diff != "" {
		t.Error(diff)
	}
	if line := w.line(t); !strings.Contains(got.body, fmt.Sprint(line["request_id"])) || line["class"] != "backend_error" || line["level"] != "warn" {
		t.Errorf("%s, log line %v", got.body, line)
	}

	headers = append(headers, "Location: /x", "Retry-After: 1", "Allow: GET")
	got, _ = reply{404, scimNotFound, headers}.ask(t, "all", "GET /scim/Users?filter=a")
	want = http.Header{"Content-Type": {scimType}, "Cache-Control": {"no-store"}, "Content-Length": {itoa(len(noMatches))}, "Date": got.Header["Date"]}
	if diff := cmp.Diff(want, got.Header); diff != "" {
		t.Error(diff)
	}
}

func zip(t *testing.T, text string) string {
	t.Helper()
	var zipped bytes.Buffer
	zipper := gzip.NewWriter(&zipped)
	_, _ = io.WriteString(zipper, text)
	if err := zipper.Close(); err != nil {
		t.Fatal(err)
	}
	return zipped.String()
}

// What no rule can read passes with all its headers.
func TestUnreadableAnswersPassUntouched(t *testing.T) {
	body := `{"id":"1","active":"True","members":[],"meta":{"location":"/Users/1"}}`
	for name, test := range map[string]struct {
		line  string
		reply reply
	}{
		"gzip":            {"GET /scim/Groups/1?excludedAttributes=members", reply{0, zip(t, body), []string{"Content-Encoding: gzip"}}},
		"several codings": {"GET /scim/Groups/1?excludedAttributes=members", reply{0, zip(t, body), []string{"Content-Encoding: identity, br"}}},
		"gzip, not found": {"GET /scim/Users?filter=a", reply{404, zip(t, scimNotFound), []string{"Content-Encoding: gzip"}}},
		"gzip, HTML":      {"GET /scim/Users", reply{500, zip(t, "<html>"), []string{"Content-Encoding: gzip"}}},
		"HEAD":            {"HEAD /scim/Users/1", reply{0, "", []string{"Content-Length: 1234"}}},
		"HEAD, not found": {"HEAD /scim/Users?filter=a", reply{404, "", []string{"Content-Length: 104"}}},
		"no content":      {"DELETE /scim/Users/1", reply{204, "", nil}},
		"not modified":    {"GET /scim/Users/1", reply{304, "", nil}},
	} {
		test.reply.headers = append(test.reply.headers, `Etag: W/"1"`, "Location: /v2/Users/1")
		if test.reply.status != http.StatusNotModified { // net/http allows it no type
			test.reply.headers = append(test.reply.headers, "Content-Type: application/json")
		}
		got, w := test.reply.ask(t, "response", test.line)
		if got.body != test.reply.body || got.StatusCode != orDefault(test.reply.status, 200) || w.rulesFired(t) != "" {
			t.Errorf("%s: %d with %q", name, got.StatusCode, got.body)
		}
		for _, line := range test.reply.headers {
			if header, value, _ := strings.Cut(line, ": "); got.Header.Get(header) != value {
				t.Errorf("%s: %s: %q, want %q", name, header, got.Header.Get(header), value)
			}
		}
	}
	// An identity coding is none.
	got, _ := reply{0, `{"active":"True"}`, []string{"Content-Encoding: identity", "Content-Type: application/scim+json"}}.ask(t, "all", "GET /scim/Users/1")
	if got.body != `{"active":true}` {
		t.Errorf("identity: %s", got.body)
	}
}

// A backend that may compress its answer would be out of the rules' reach.
func TestAcceptEncodingIsKeptFromTheBackend(t *testing.T) {
	for rules, want := range map[string]string{
		"none": "gzip, br", "response-type": "gzip, br", "active": "gzip, br",
		"excluded-members": "identity", "filter-not-found": "identity", "resources-array": "identity", "response-manager": "identity",
		"response-active": "identity", "html-error": "identity", "location": "identity",
	} {
		w := newWorld(t, setup{options: normalizing(t, rules)})
		w.call(t, "GET", "/scim/Users", "", "Accept-Encoding: gzip, br")
		if got := w.one(t).Header.Get("Accept-Encoding"); got != want {
			t.Errorf("%s: the backend saw %q, want %q", rules, got, want)
		}
	}
}

// Without the rules, or without a public URL for the one that needs it, all of
// it passes.
func TestAnswersPassWithoutRules(t *testing.T) {
	r := reply{404, "<html>", []string{"Content-Type: text/html", "Location: /v2/Users/1"}}
	for _, line := range []string{"GET /scim/Users?filter=a", "GET /scim/Groups/1?excludedAttributes=members"} {
		if got, w := r.ask(t, "none", line); got.StatusCode != 404 || got.body != "<html>" || got.Header.Get("Location") != "/v2/Users/1" || w.rulesFired(t) != "" {
			t.Errorf("%s: %d %s %v", line, got.StatusCode, got.body, got.Header)
		}
	}
}
