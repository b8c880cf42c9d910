package check

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestChallenges(t *testing.T) {
	for header, want := range map[string]string{
		``:                          "",
		`,`:                         "",
		`Bearer`:                    "Bearer",
		`bEARER realm="scim"`:       "Bearer",
		`Negotiate YIIJvw==`:        "Negotiate",
		`Basic realm="a, Digest b"`: "Basic",
		`Basic realm="a\", NTLM `:   "Basic",
		`Basic realm=x, Bearer error="invalid_token", error_description="Basic, NTLM"`: "Basic,Bearer",
		`Basic realm=x,	NTLM	`: "Basic,NTLM",
		`NTLM, ntlm`:           "NTLM",
		// Names of parameters are no schemes.
		`Basic realm="a", digest="b", oauth = "c"`: "Basic",
		`Canary abc`: "",
	} {
		if got := strings.Join(challenges(http.Header{"Www-Authenticate": {header}}), ","); got != want {
			t.Errorf("%q: %q, want %q", header, got, want)
		}
	}
	if got := challenges(http.Header{"Www-Authenticate": {"Negotiate", "Basic", "NTLM"}}); !slices.Equal(got, []string{"Basic", "NTLM", "Negotiate"}) {
		t.Error(got)
	}
}

// Nothing of the header is shown but names that are known.
func FuzzChallenges(f *testing.F) {
	for _, seed := range []string{`Bearer realm="scim"`, `Basic realm=x, NTLM`, `Negotiate YIIJvw==`, `Basic realm="a\"`, `secret, "`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		for _, name := range challenges(http.Header{"Www-Authenticate": {header}}) {
			if schemes[strings.ToLower(name)] != name || !strings.Contains(strings.ToLower(header), strings.ToLower(name)) {
				t.Errorf("%q: %q", header, name)
			}
		}
	})
}

// Whatever the body is, a list without a complaint is an empty list, and no
// complaint repeats any of it.
func FuzzLookUp(f *testing.F) {
	for _, seed := range []string{
		`{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":0,"Resources":[]}`,
		`{"SCHEMAS":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"TotalResults":0.0,"Resources":null}`,
		`{"schemas":["urn:scim:schemas:core:1.0"],"totalResults":"0"}`, `{"schemas":{}}`, `<html>`, `[`, ``, "\ufeff{}",
	} {
		f.Add(200, []byte(seed))
	}
	f.Add(404, []byte(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"404"}`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		bad := lookUp(answer{status: status, body: body})
		if bad == nil && (status != 200 || !bytes.Contains(body, []byte("{")) || !isList(answer{status: status, body: body})) {
			t.Errorf("%d %q passes", status, body)
		}
		if bad != nil && (bad.found == "" || bad.remedy == "") {
			t.Errorf("%d %q: %+v", status, body, bad)
		}
	})
}
