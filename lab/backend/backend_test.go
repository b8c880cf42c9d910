package backend

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNewRefusesUnusableOptions(t *testing.T) {
	for name, o := range map[string]Options{
		"no token":                {},
		"relative base path":      {Token: "x", BasePath: "scim"},
		"base path with slash":    {Token: "x", BasePath: "/scim/"},
		"root as base path":       {Token: "x", BasePath: "/"},
		"relative public URL":     {Token: "x", PublicURL: "/scim"},
		"public URL with slash":   {Token: "x", PublicURL: "https://scim.example.com/"},
		"public URL not parsable": {Token: "x", PublicURL: "https://scim.example.com/%zz"},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestAuthorization(t *testing.T) {
	l := newLab(t)
	for _, test := range []struct {
		name   string
		values []string
		status int
	}{
		{"right", []string{"Bearer " + testToken}, 200},
		{"scheme in another case", []string{"bEARER " + testToken}, 200},
		{"none", nil, 401},
		{"empty", []string{""}, 401},
		{"wrong token", []string{"Bearer lab-tokem"}, 401},
		{"token in another case", []string{"Bearer LAB-TOKEN"}, 401},
		{"prefix of the token", []string{"Bearer lab"}, 401},
		{"token with more behind it", []string{"Bearer " + testToken + " x"}, 401},
		{"two spaces", []string{"Bearer  " + testToken}, 401},
		{"no scheme", []string{testToken}, 401},
		{"another scheme", []string{"Basic " + testToken}, 401},
		{"twice", []string{"Bearer " + testToken, "Bearer " + testToken}, 401},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := l.request(t, http.MethodGet, "/Users", "")
			r.Header["Authorization"] = test.values
			got := l.send(t, r)
			if test.status == 200 {
				if got.status != 200 {
					t.Errorf("got %d %s", got.status, got.raw)
				}
				return
			}
			wantError(t, got, 401, "")
			if !strings.HasPrefix(got.header.Get("WWW-Authenticate"), "Bearer") {
				t.Errorf("WWW-Authenticate is %q", got.header.Get("WWW-Authenticate"))
			}
		})
	}
}

func TestPathsOutsideTheBasePathGetHTML(t *testing.T) {
	l := newLab(t)
	for _, path := range []string{"/", "/Users", "/rest/scim", "/rest/scim/v22/Users", "/rest/scim/v2Users", "/rest/scim/../scim/v2/Users"} {
		r := l.request(t, http.MethodGet, "", "")
		r.URL.Path = path
		got := l.send(t, r)
		if got.status != 404 || !strings.HasPrefix(got.header.Get("Content-Type"), "text/html") || !strings.Contains(got.raw, "<html") {
			t.Errorf("%s: got %d %s %q", path, got.status, got.header.Get("Content-Type"), got.raw)
		}
	}
}

func TestUnknownEndpointsGetSCIMErrors(t *testing.T) {
	l := peopled(t)
	for _, path := range []string{"", "/", "/Users/", "//Users", "/users", "/Bulk", "/Me", "/Users/{jane}/x",
		"/Users/{jane}%2Fx", "/Users/{team}", "/Groups/{jane}", "/Users/none"} {
		wantError(t, l.do(t, http.MethodGet, path, ""), 404, "")
	}
}

func TestUnsupportedMethods(t *testing.T) {
	l := peopled(t)
	for _, test := range []struct{ method, path, allow string }{
		{http.MethodPut, "/Users", "GET, HEAD, POST"},
		{http.MethodPatch, "/Groups", "GET, HEAD, POST"},
		{http.MethodDelete, "/Users", "GET, HEAD, POST"},
		{http.MethodPost, "/Users/{jane}", "DELETE, GET, HEAD, PATCH, PUT"},
		{http.MethodOptions, "/Groups/{team}", "DELETE, GET, HEAD, PATCH, PUT"},
		{http.MethodPost, "/ServiceProviderConfig", "GET, HEAD"},
	} {
		got := l.do(t, test.method, test.path, "")
		wantError(t, got, 405, "")
		if diff := cmp.Diff(test.allow, got.header.Get("Allow")); diff != "" {
			t.Errorf("%s %s: Allow (-want +got):\n%s", test.method, test.path, diff)
		}
	}
}

func TestHeadIsGetWithoutContent(t *testing.T) {
	l := peopled(t)
	for _, path := range []string{"/Users", "/Users/{jane}", "/Groups/{team}", "/Users/none", "/ServiceProviderConfig"} {
		// The recorder sees what the handler writes; a server would hide it.
		record := func(method string) *httptest.ResponseRecorder {
			w := httptest.NewRecorder()
			l.backend.ServeHTTP(w, l.request(t, method, path, ""))
			return w
		}
		get, head := record(http.MethodGet), record(http.MethodHead)
		if head.Code != get.Code || head.Body.Len() > 0 || get.Body.Len() == 0 {
			t.Errorf("%s: HEAD got %d with %d bytes, GET %d with %d", path, head.Code, head.Body.Len(), get.Code, get.Body.Len())
		}
		if diff := cmp.Diff(get.Header(), head.Header()); diff != "" {
			t.Errorf("%s: header (-GET +HEAD):\n%s", path, diff)
		}
	}
}

func TestServiceProviderConfig(t *testing.T) {
	l := newLab(t)
	got := l.must(t, 200, http.MethodGet, "/ServiceProviderConfig", "")
	want := map[string]any{
		"patch":  map[string]any{"supported": true},
		"bulk":   map[string]any{"supported": false, "maxOperations": 0.0, "maxPayloadSize": 0.0},
		"filter": map[string]any{"supported": true, "maxResults": 1000.0},
	}
	for name := range want {
		if diff := cmp.Diff(want[name], got[name]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestQueriesThatCannotBeParsedAreRefused(t *testing.T) {
	l := peopled(t)
	for _, query := range []string{
		`filter=userName+eq+"a;b"&count=2`,
		"filter=%zz",
		"filter=userName+pr&filter=active+pr",
		"count=1&count=2",
	} {
		r := l.request(t, http.MethodGet, "/Users", "")
		r.URL.RawQuery = query
		wantError(t, l.send(t, r), 400, invalidFilter)
	}
}

func TestMediaTypes(t *testing.T) {
	l := newLab(t)
	for _, test := range []struct {
		media, encoding string
		ok              bool
	}{
		{"application/scim+json", "", true},
		{"application/scim+json; charset=utf-8", "", true},
		{"Application/JSON;charset=UTF-8", "", true},
		{"", "", false},
		{"text/plain", "", false},
		{"application/scim+json; charset=iso-8859-1", "", false},
		{"application/scim+json; charset", "", false},
		{"application/json-patch+json", "", false},
		{"application/scim+json", "gzip", false},
	} {
		r := l.request(t, http.MethodPost, "/Users", user(`"userName":"`+test.media+`@contoso.com"`))
		r.Header.Set("Content-Type", test.media)
		if test.encoding != "" {
			r.Header.Set("Content-Encoding", test.encoding)
		}
		got := l.send(t, r)
		if !test.ok {
			wantError(t, got, 415, "")
		} else if got.status != 201 || got.header.Get("Content-Type") != mediaType {
			t.Errorf("%q: got %d %s", test.media, got.status, got.raw)
		}
	}
}

func TestBodiesOverOneMebibyteAreRefused(t *testing.T) {
	l := newLab(t)
	padded := func(size int) string {
		body := user(`"userName":"jane@contoso.com"`)
		return body + strings.Repeat(" ", size-len(body))
	}
	wantError(t, l.do(t, http.MethodPost, "/Users", padded(1<<20+1)), 413, "")
	l.must(t, 201, http.MethodPost, "/Users", padded(1<<20))
}

func TestCreatedResource(t *testing.T) {
	l := peopled(t)
	got := l.do(t, http.MethodPost, "/Users?attributes=userName,meta", user(`"userName":"new@contoso.com"`))
	id := textOf(got.body["id"])
	if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(id) {
		t.Errorf("id %q is not a random UUID", id)
	}
	location := publicURL + "/Users/" + id
	if got.status != 201 || got.header.Get("Location") != location {
		t.Errorf("got %d, Location %q, want %q", got.status, got.header.Get("Location"), location)
	}
	meta := objectOf(got.body["meta"])
	if meta["created"] == nil || meta["created"] != meta["lastModified"] {
		t.Errorf("meta is %v", meta)
	}
	delete(meta, "created")
	delete(meta, "lastModified")
	want := map[string]any{"schemas": []any{userURN}, "id": id, "userName": "new@contoso.com",
		"meta": map[string]any{"resourceType": "User", "location": location}}
	if diff := cmp.Diff(want, got.body); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if l.backend.Users() != 3 || l.backend.Groups() != 1 {
		t.Errorf("%d users and %d groups, want 3 and 1", l.backend.Users(), l.backend.Groups())
	}
}

func TestLocationsWithoutPublicURL(t *testing.T) {
	b, err := New(Options{Token: testToken, BasePath: "/scim"})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/scim/Users",
		strings.NewReader(user(`"userName":"jane@contoso.com"`)))
	r.Header.Set("Authorization", "Bearer "+testToken)
	r.Header.Set("Content-Type", mediaType)
	w := httptest.NewRecorder()
	b.ServeHTTP(w, r)
	if got := w.Header().Get("Location"); w.Code != 201 || !strings.HasPrefix(got, "/scim/Users/") {
		t.Errorf("got %d, Location %q", w.Code, got)
	}
}
