package backend

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	testToken = "lab-token"
	basePath  = "/rest/scim/v2"
	publicURL = "https://scim.example.com/scim"
)

// lab is a backend behind a real server, with resources that tests name as
// {jane} in paths and bodies.
type lab struct {
	backend *Backend
	server  *httptest.Server
	ids     map[string]string
}

// reply is an answer of the backend.
type reply struct {
	status int
	header http.Header
	raw    string
	body   map[string]any // nil unless raw is a JSON object
}

func newLab(t testing.TB) *lab {
	t.Helper()
	b, err := New(Options{Token: testToken, BasePath: basePath, PublicURL: publicURL})
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{backend: b, server: httptest.NewServer(b), ids: map[string]string{}}
	t.Cleanup(l.server.Close)
	return l
}

// peopled is a lab with the users jane and omar, and the group team, whose
// only member is jane.
func peopled(t testing.TB) *lab {
	t.Helper()
	l := newLab(t)
	l.create(t, "jane", "/Users", `{"schemas":["`+userURN+`","`+enterpriseURN+`"],
		"userName":"jane@contoso.com","externalId":"Jane-1","displayName":"Jane Doe","active":true,"title":"Engineer",
		"name":{"givenName":"Jane","familyName":"Doe"},
		"emails":[{"type":"work","value":"jane@contoso.com","primary":true},{"type":"home","value":"jane@example.com"}],
		"`+enterpriseURN+`":{"department":"Sales","employeeNumber":"007"}}`)
	l.create(t, "omar", "/Users", user(`"userName":"omar@contoso.com","displayName":"Omar Said"`))
	l.create(t, "team", "/Groups", group(`"displayName":"Team","members":[{"value":"{jane}"}]`))
	return l
}

// user and group wrap members of a resource in one with the core schema.
func user(members string) string  { return `{"schemas":["` + userURN + `"],` + members + `}` }
func group(members string) string { return `{"schemas":["` + groupURN + `"],` + members + `}` }

// ops wraps operations in a PATCH message.
func ops(operations string) string {
	return `{"schemas":["` + patchOpURN + `"],"Operations":[` + operations + `]}`
}

// named puts ids in the place of {name}.
func (l *lab) named(text string) string {
	for _, name := range slices.Sorted(maps.Keys(l.ids)) {
		text = strings.ReplaceAll(text, "{"+name+"}", l.ids[name])
	}
	return text
}

// request makes a request with the token and, for a body, the media type.
func (l *lab) request(t testing.TB, method, path, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, l.server.URL+basePath+l.named(path),
		strings.NewReader(l.named(body)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+testToken)
	if body != "" {
		r.Header.Set("Content-Type", "application/scim+json; charset=utf-8")
	}
	return r
}

// send may be called in any goroutine, so it does not end the test; a reply
// that did not come has status 0.
func (l *lab) send(t testing.TB, r *http.Request) reply {
	t.Helper()
	res, err := l.server.Client().Do(r)
	if err != nil {
		t.Error(err)
		return reply{}
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Error(err)
		return reply{}
	}
	got := reply{status: res.StatusCode, header: res.Header, raw: string(data)}
	if json.Unmarshal(data, &got.body) != nil {
		got.body = nil
	}
	return got
}

func (l *lab) do(t testing.TB, method, path, body string) reply {
	t.Helper()
	return l.send(t, l.request(t, method, path, body))
}

// must is do for a request whose status is not in question.
func (l *lab) must(t testing.TB, status int, method, path, body string) map[string]any {
	t.Helper()
	got := l.do(t, method, path, body)
	if got.status != status {
		t.Fatalf("%s %s: got %d %s, want %d", method, l.named(path), got.status, got.raw, status)
	}
	return got.body
}

// create makes a resource and names it.
func (l *lab) create(t testing.TB, name, path, body string) {
	t.Helper()
	l.ids[name] = textOf(l.must(t, http.StatusCreated, http.MethodPost, path, body)["id"])
}

// wantError checks that got is a SCIM Error and nothing else.
func wantError(t testing.TB, got reply, status int, scimType string) {
	t.Helper()
	if got.status != status || textOf(got.body["scimType"]) != scimType {
		t.Fatalf("got %d %s, want %d with scimType %q", got.status, got.raw, status, scimType)
	}
	if media := got.header.Get("Content-Type"); media != mediaType {
		t.Errorf("Content-Type is %q", media)
	}
	if textOf(got.body["detail"]) == "" {
		t.Errorf("no detail in %s", got.raw)
	}
	want := map[string]any{"schemas": []any{errorURN}, "status": strconv.Itoa(status)}
	have := map[string]any{"schemas": got.body["schemas"], "status": got.body["status"]}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("SCIM Error (-want +got):\n%s", diff)
	}
}

// parsed is JSON in a test table, with names replaced.
func (l *lab) parsed(t testing.TB, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(l.named(text)), &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}
