package check_test

import (
	"net/http"
	"strings"
	"testing"

	"example.com/entra-scim-proxy/lab/backend"
	"example.com/entra-scim-proxy/proxy/check"
)

func TestDiscovery(t *testing.T) {
	const list = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":1,"Resources":`
	answer := func(body string) backend.Harm {
		return backend.Instead("discovery", replying(http.StatusOK, "", body))
	}
	for _, test := range []struct {
		name, step string
		harm       backend.Harm
		want       want
	}{
		{"no PATCH", "ServiceProviderConfig", answer(`{"PATCH":{"supported":false}}`),
			want{status: check.Warn, found: "takes no PATCH", remedy: "--write"}},
		{"no filters", "ServiceProviderConfig", answer(`{"filter":{"supported":false},"patch":{"supported":true}}`),
			want{status: check.Warn, found: "no filters", remedy: "turn filters on"}},
		{"neither", "ServiceProviderConfig", answer(`{"filter":{"supported":false},"patch":{"supported":false}}`),
			want{status: check.Warn, found: "only; the backend says that it has no filters", remedy: "; turn"}},
		{"odd types", "ServiceProviderConfig", answer(`{"filter":[],"patch":"no"}`), want{status: check.Pass}},
		{"absent", "ServiceProviderConfig", backend.Refuse(http.StatusNotFound, "no"), want{status: check.Pass, found: "Entra does not ask for it"}},
		{"not implemented", "ServiceProviderConfig", backend.Refuse(http.StatusNotImplemented, "no"), want{status: check.Pass, found: "Entra does not ask for it"}},
		{"broken", "ServiceProviderConfig", backend.ErrorPage(http.StatusInternalServerError),
			want{status: check.Warn, found: "500 instead of 200; Entra does not"}},
		{"a login page", "Schemas", backend.LoginPage(), want{status: check.Warn, found: "a page for people"}},
		{"no array", "Schemas", answer(`[]`), want{status: check.Warn, found: "not answered with a JSON object"}},
		{"reset", "Schemas", backend.Reset(), want{status: check.Warn, class: "bad_answer", found: "Entra does not ask for it"}},
		{"401", "Schemas", backend.Unauthorized(), want{status: check.Warn, class: "credential_refused", found: "Entra does not ask for it"}},
		{"large", "Schemas", answer(list + `["` + strings.Repeat("x", 1<<19) + `"]}`), want{status: check.Warn, found: "larger than 512 KiB"}},
		{"no schema of users", "Schemas", answer(list + `[{"id":"urn:contoso"},1]}`), want{status: check.Warn, found: "schema of users is not"}},
		{"nothing", "ResourceTypes", answer(`{}`), want{status: check.Warn, found: "no User among them; there is no Group", remedy: "GROUPS=stub"}},
		{"elsewhere", "ResourceTypes", answer(list + `[{"name":"User","endpoint":"/People"},{"id":"Group","endpoint":"/Teams"}]}`),
			want{status: check.Warn, found: "another endpoint than /Users, which is what Entra calls; groups are under another", remedy: "answer at /Users"}},
		{"absolute", "ResourceTypes", answer(list + `[{"name":"User","endpoint":"https://h/v2/Users"},{"name":"Group","endpoint":"Groups/"}]}`),
			want{status: check.Pass}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, backend.Options{})
			w.trouble.Begin(test.harm, only("/"+test.step))
			report := quiet(t, w)
			test.want.check(t, report, test.step)
			for _, name := range []string{"ServiceProviderConfig", "ResourceTypes", "Schemas"} {
				if got := finding(t, report, name); name != test.step && (got.Status != check.Pass || got.Found != well[name]) {
					t.Errorf("%s: %+v", name, got)
				}
			}
		})
	}
}
