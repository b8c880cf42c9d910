package backend

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBasicAuth(t *testing.T) {
	both := labOf(t, Options{Basic: BasicAuth{User: "scim", Password: "a:b ü"}})
	for _, test := range []struct {
		name   string
		set    func(*http.Request)
		status int
	}{
		{"right", func(r *http.Request) { r.SetBasicAuth("scim", "a:b ü") }, 200},
		{"wrong password", func(r *http.Request) { r.SetBasicAuth("scim", "a") }, 401},
		{"wrong user", func(r *http.Request) { r.SetBasicAuth("x", "a:b ü") }, 401},
		{"bearer", func(*http.Request) {}, 200},
		{"the token as Basic", func(r *http.Request) { r.Header.Set("Authorization", "Basic "+testToken) }, 401},
		{"the pair as a token", func(r *http.Request) {
			r.SetBasicAuth("scim", "a:b ü")
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "Basic", "Bearer", 1))
		}, 401},
		{"two credentials", func(r *http.Request) { r.Header.Add("Authorization", r.Header.Get("Authorization")) }, 401},
		{"another scheme", func(r *http.Request) { r.Header.Set("Authorization", "Digest "+testToken) }, 401},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := both.request(t, http.MethodGet, "/Users", "")
			test.set(r)
			got := both.send(t, r)
			if got.status != test.status {
				t.Errorf("got %d %s", got.status, got.raw)
			}
			challenges := got.header.Values("WWW-Authenticate")
			if got.status == 401 && !cmp.Equal(challenges, []string{`Bearer realm="scim"`, `Basic realm="scim", charset="UTF-8"`}) {
				t.Errorf("challenges: %q", challenges)
			}
		})
	}
	types := schemesOf(both.do(t, http.MethodGet, "/ServiceProviderConfig", ""))
	if diff := cmp.Diff([]any{"oauthbearertoken", "httpbasic"}, types); diff != "" {
		t.Errorf("authenticationSchemes (-want +got):\n%s", diff)
	}
}

// bare sends a call with the header fields given, name and value in turn, and
// without those that a lab adds.
func (l *lab) bare(t *testing.T, fields ...string) reply {
	t.Helper()
	r := l.request(t, http.MethodGet, "/Users", "")
	r.Header.Del("Authorization")
	for i := 0; i < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	return l.send(t, r)
}

// labWith is a lab whose backend expects the credential of o.
func labWith(t *testing.T, o Options) *lab {
	t.Helper()
	o.BasePath = basePath
	b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return labAt(t, b)
}

func labAt(t *testing.T, b *Backend) *lab {
	t.Helper()
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	return &lab{backend: b, server: server}
}

// pair is the Authorization of RFC 7617.
func pair(user, password string) string {
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(user, password)
	return r.Header.Get("Authorization")
}

// TestCredentials holds who is let in by each kind of credential, alone.
func TestCredentials(t *testing.T) {
	for name, kind := range map[string]struct {
		options    Options
		challenges []string
		schemes    []any // of discovery
		right      []string
		wrong      [][]string
	}{
		"Basic": {
			Options{Basic: BasicAuth{"scim", "secret"}}, []string{`Basic realm="scim", charset="UTF-8"`}, []any{"httpbasic"},
			[]string{"authorization", pair("scim", "secret")},
			[][]string{
				nil, {"Authorization", "Bearer secret"}, {"Authorization", "Bearer "}, {"Authorization", ""},
				{"Authorization", pair("scim", "")}, {"Authorization", pair("", "secret")}, {"Authorization", pair("other", "secret")},
				{"Authorization", strings.Replace(pair("scim", "secret"), "Basic", "Bearer", 1)},
				{"Authorization", pair("scim", "secret"), "Authorization", pair("scim", "secret")},
			},
		},
		"key": {
			Options{Token: "secret", KeyHeader: "X-Api-Key"}, []string{`ApiKey realm="scim"`}, []any{"apikey"},
			[]string{"x-api-key", "secret"},
			[][]string{
				nil, {"X-Api-Key", ""}, {"X-Api-Key", "Secret"}, {"X-Api-Key", "Bearer secret"}, {"X-Api-Key", " secret x"},
				{"X-Other-Key", "secret"}, {"X-Api-Key", "secret", "X-Api-Key", "secret"},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := labWith(t, kind.options)
			if got := l.bare(t, kind.right...); got.status != 200 {
				t.Errorf("the right one: got %d %s", got.status, got.raw)
			}
			for _, fields := range kind.wrong {
				got := l.bare(t, fields...)
				wantError(t, got, 401, "")
				if diff := cmp.Diff(kind.challenges, got.header.Values("WWW-Authenticate")); diff != "" {
					t.Errorf("%q: challenges (-want +got):\n%s", fields, diff)
				}
			}
			r := l.request(t, http.MethodGet, "/ServiceProviderConfig", "")
			r.Header = http.Header{}
			r.Header.Set(kind.right[0], kind.right[1])
			if diff := cmp.Diff(kind.schemes, schemesOf(l.send(t, r))); diff != "" {
				t.Errorf("authenticationSchemes (-want +got):\n%s", diff)
			}
			if text := fmt.Sprintf("%v %+v %#v", l.backend, l.backend, l.backend); strings.Contains(text, "secret") {
				t.Errorf("the backend prints its secret: %s", text)
			}
		})
	}
}

func schemesOf(config reply) (kinds []any) {
	for _, scheme := range listOf(config.body["authenticationSchemes"]) {
		kinds = append(kinds, objectOf(scheme)["type"])
	}
	return kinds
}

// Without a credential everybody is served, since TLS has let them in.
func TestAnonymous(t *testing.T) {
	l := labWith(t, Options{Anonymous: true})
	if got := l.bare(t, "X-Api-Key", "x"); got.status != 200 {
		t.Errorf("got %d %s", got.status, got.raw)
	}
	r := l.request(t, http.MethodGet, "/ServiceProviderConfig", "")
	r.Header.Del("Authorization")
	if diff := cmp.Diff([]any{"tls"}, schemesOf(l.send(t, r))); diff != "" {
		t.Errorf("authenticationSchemes (-want +got):\n%s", diff)
	}
	if got := labAt(t, l.backend.WithToken("new")).bare(t); got.status != 200 {
		t.Errorf("after a rotation of nothing: got %d %s", got.status, got.raw)
	}
}

// What nobody asked for must show: it is a credential that went astray.
func TestStrayAuthorization(t *testing.T) {
	for _, value := range []string{"Bearer secret", "Bearer of-entra", pair("scim", "secret"), ""} {
		wantError(t, labWith(t, Options{Anonymous: true}).bare(t, "Authorization", value), 400, "")
		key := labWith(t, Options{Token: "secret", KeyHeader: "X-Api-Key"})
		wantError(t, key.bare(t, "Authorization", value), 400, "")
		wantError(t, key.bare(t, "Authorization", value, "X-Api-Key", "secret"), 400, "")
	}
}

// A rotation changes the secret of the kind that there is, and nothing else.
func TestWithToken(t *testing.T) {
	bearer := func(secret string) []string { return []string{"Authorization", "Bearer " + secret} }
	basic := func(secret string) []string { return []string{"Authorization", pair("scim", secret)} }
	for name, kind := range map[string]struct {
		options Options
		secret  func(string) []string
		kept    []string // a credential that stays; nil for none
	}{
		"bearer":                  {Options{Token: "old"}, bearer, nil},
		"bearer, and Basic stays": {Options{Token: "old", Basic: BasicAuth{"scim", "p"}}, bearer, basic("p")},
		"Basic alone":             {Options{Basic: BasicAuth{"scim", "old"}}, basic, nil},
		"key":                     {Options{Token: "old", KeyHeader: "X-Api-Key"}, func(secret string) []string { return []string{"X-Api-Key", secret} }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			before := labWith(t, kind.options)
			after := labAt(t, before.backend.WithToken("new"))
			for _, test := range []struct {
				lab    *lab
				secret string
				want   int
			}{{before, "old", 200}, {before, "new", 401}, {after, "old", 401}, {after, "new", 200}} {
				if got := test.lab.bare(t, kind.secret(test.secret)...); got.status != test.want {
					t.Errorf("%s: got %d, want %d", test.secret, got.status, test.want)
				}
			}
			if kind.kept != nil {
				if got := after.bare(t, kind.kept...); got.status != 200 {
					t.Errorf("the other credential: got %d", got.status)
				}
			}
		})
	}
}

// Combinations that say nothing are no options, and no error shows a secret.
func TestCredentialsAtFault(t *testing.T) {
	basic := BasicAuth{"scim", "secret"}
	for _, test := range []struct {
		options Options
		want    string
	}{
		{Options{}, "Token is required"},
		{Options{KeyHeader: "X-Api-Key"}, "KeyHeader carries Token"},
		{Options{KeyHeader: "X-Api-Key", Basic: basic}, "KeyHeader carries Token"},
		{Options{Token: "secret", KeyHeader: "X-Api-Key", Basic: basic}, "excludes Basic"},
		{Options{Token: "secret", KeyHeader: "X Api Key"}, `KeyHeader "X Api Key"`},
		{Options{Token: "secret", KeyHeader: "X-Api-Key:"}, `KeyHeader "X-Api-Key:"`},
		{Options{Token: "secret", KeyHeader: "authorization"}, `KeyHeader "authorization"`},
		{Options{Token: "secret", Basic: BasicAuth{User: "x"}}, "Basic needs"},
		{Options{Basic: BasicAuth{Password: "secret"}}, "Basic needs"},
		{Options{Basic: BasicAuth{User: "a:b", Password: "secret"}}, "Basic needs"},
		{Options{Anonymous: true, Token: "secret"}, "Anonymous excludes"},
		{Options{Anonymous: true, Basic: basic}, "Anonymous excludes"},
		{Options{Anonymous: true, KeyHeader: "X-Api-Key"}, "Anonymous excludes"},
	} {
		_, err := New(test.options)
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("got %v, want %s", err, test.want)
		}
	}
}
