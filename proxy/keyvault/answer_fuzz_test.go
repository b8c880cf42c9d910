package keyvault

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
)

// Whatever answers in the vault's place, what is said of it names neither vault
// nor secret, holds nothing of the body but codes and the caller's ids, and is
// short.
func FuzzExplainAnswer(f *testing.F) {
	caller := "Caller: appid=" + client + ";oid=" + object + ";iss=https://sts.example.com/"
	for _, seed := range []string{
		`{"error":{"code":"Forbidden","message":"` + caller + ` canary","innererror":{"code":"ForbiddenByRbac"}}}`, `{"error":{"code":"SecretNotFound","message":"canary"}}`,
		`{"error":{"code":"canary!","innererror":{"code":"canary!"}}}`, "<html>canary!", "", "null", `{"error":null}`, `{"error":{"message":7}}`,
		`{"error":{"code":"` + strings.Repeat("A", 3000) + `"}}`,
	} {
		for _, status := range []int{401, 403, 404, 429, 503, 999} {
			f.Add(status, "", []byte(seed))
		}
		f.Add(400, "Throttled", []byte(seed))
	}
	f.Fuzz(func(t *testing.T, status int, code string, body []byte) {
		err := runtime.NewResponseError(&http.Response{
			StatusCode: status, Status: "canary!", Header: http.Header{"X-Ms-Error-Code": {code}}, Body: io.NopCloser(strings.NewReader(string(body))),
			Request: &http.Request{Method: http.MethodGet, URL: &url.URL{Scheme: "https", Host: "vault.example.com", Path: "/secrets/name"}},
		})
		text := explain(err).Error()
		a, ok := answerOf(err)
		if !ok || a.status != status {
			t.Fatalf("%d is %+v", status, a)
		}
		if len(text) > 500 {
			t.Errorf("%d bytes: %q", len(text), text)
		}
		for _, inside := range []string{"vault.example.com", "/secrets/", "canary!", "<html"} {
			if strings.Contains(text, inside) {
				t.Errorf("%q tells %q", text, inside)
			}
		}
		if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("%q is not plain", text)
		}
		if isAbsent(err) && isForbidden(err) || isDisabled(err) && !isForbidden(err) {
			t.Errorf("%+v is several things", a)
		}
		if inner := errors.Unwrap(explain(err)); inner != nil && !a.passes() {
			t.Errorf("%+v mends itself: %v", a, inner)
		}
	})
}

// A vault asks for a bearer token; nothing else is taken for one that does.
func FuzzBearerChallenge(f *testing.F) {
	for _, seed := range []string{`Bearer authorization="https://login.example.com"`, "bearer a", "Bearer", "Bearer ", "Basic realm=x", "Bearerx a", " Bearer a", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		fields := strings.Fields(header)
		got := hasBearerChallenge(http.Header{"Www-Authenticate": {header}})
		if got && (len(fields) < 2 || len(fields[0]) != 6 && !strings.EqualFold(fields[0], "Bearer")) {
			t.Errorf("%q asks for a token", header)
		}
		if !got && len(fields) == 2 && strings.EqualFold(fields[0], "Bearer") && header == fields[0]+" "+fields[1] {
			t.Errorf("%q asks for none", header)
		}
	})
}

// A scope is that of a cloud's vaults, whatever KEY_VAULT_URL is: no path, user
// or name of a vault gets into it.
func FuzzScopeOf(f *testing.F) {
	for _, seed := range []string{"https://contoso.vault.azure.net", "https://a.VAULT.azure.cn/", "https://127.0.0.1", ":", "https://u@a.vault.x/y?z#w", "https://a.vault.", "https://a.vault.x:8443"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, vault string) {
		scope := scopeOf(vault)
		cloud, ok := strings.CutSuffix(scope, "/.default")
		host, isHTTPS := strings.CutPrefix(cloud, "https://vault.")
		if !ok || !isHTTPS || scope != publicScope && !strings.Contains(strings.ToLower(vault), ".vault."+host) && !strings.Contains(vault, "%") {
			t.Errorf("%q: %q", vault, scope)
		}
		if strings.ContainsAny(host, "/@?#:") {
			t.Errorf("%q: %q", vault, scope)
		}
	})
}
