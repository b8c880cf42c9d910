package profile

import (
	stdcmp "cmp"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/entra-scim-proxy/lab/backend"
)

func TestNames(t *testing.T) {
	want := []string{"strict", "lenient", "confluence", "guard", "user-sync", "odj", "luxplugins", "kantega", "in-house", "api-key"}
	var names []string
	for _, p := range All() {
		names = append(names, p.Name)
		found, ok := ByName(p.Name)
		if diff := cmp.Diff(p, found); !ok || diff != "" {
			t.Errorf("%s (-all +found):\n%s", p.Name, diff)
		}
		if p.Summary == "" || strings.ContainsAny(p.Summary, "\n") || p.Proxy["NORMALIZE"] == "" || p.Entra.Scope == "" {
			t.Errorf("%s is not complete: %+v", p.Name, p)
		}
		if plain := p.Certificate == PlainHTTP; plain != (p.Proxy["BACKEND_ALLOW_HTTP"] == "true") {
			t.Errorf("%s: %s with %v", p.Name, p.Certificate, p.Proxy)
		}
		if p.Auth.ClientCertificate() && p.Certificate == PlainHTTP {
			t.Errorf("%s demands a certificate without TLS", p.Name)
		}
		if want := stdcmp.Or(map[string]Certificate{"guard": PublicCA, "kantega": PlainHTTP}[p.Name], PrivateCA); p.Certificate != want {
			t.Errorf("%s has a certificate of kind %s", p.Name, p.Certificate)
		}
		if o := p.Backend; o.Token != "" || o.KeyHeader != "" || o.Basic != (backend.BasicAuth{}) || o.Anonymous || o.PublicURL != "" {
			t.Errorf("%s sets what the caller sets", p.Name)
		}
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if p, ok := ByName("Strict"); ok || p.Name != "" {
		t.Errorf("got %v", p)
	}
}

// Nobody can change the table for others.
func TestAllIsFresh(t *testing.T) {
	for _, p := range All() {
		p.Proxy["NORMALIZE"] = "spoiled"
		for i := range p.Entra.Dropped {
			p.Entra.Dropped[i] = "spoiled"
		}
		for i := range p.Backend.Habits {
			p.Backend.Habits[i] = "spoiled"
		}
		for i := range p.Backend.Unsupported {
			p.Backend.Unsupported[i] = "spoiled"
		}
		p.Auth.Settings()["BACKEND_AUTH"] = "spoiled"
		if p, _ = ByName(p.Name); strings.Contains(fmt.Sprint(p, p.Auth.Settings()), "spoiled") {
			t.Errorf("%s: %v", p.Name, p)
		}
	}
}

// TestWhatAClientSees goes through all profiles with the same calls. The calls
// are those of the field: RFC 7644, unless their name says raw.
func TestWhatAClientSees(t *testing.T) {
	const (
		user  = `{"schemas":["` + coreUser + `"],"active":true,"emails":[{"type":"work","value":"%[1]s"}],"userName":"%[1]s"}`
		group = `{"schemas":["` + coreGroup + `"],"displayName":"%s"}`
	)
	patch := func(path, operation string) func(*testing.T, *system, *client) string {
		return func(t *testing.T, _ *system, c *client) string {
			status, _ := c.do(t, http.MethodPatch, path, ops(operation))
			return fmt.Sprint(status)
		}
	}
	count := func(path string) func(*testing.T, *system, *client) string {
		return func(t *testing.T, _ *system, c *client) string {
			status, list := c.do(t, http.MethodGet, path, "")
			return fmt.Sprint(status, list["totalResults"])
		}
	}
	members := func(path, operation string) func(*testing.T, *system, *client) string {
		return func(t *testing.T, _ *system, c *client) string {
			status, _ := c.do(t, http.MethodPatch, path, ops(operation))
			found, group := c.do(t, http.MethodGet, path, "")
			list, _ := group["members"].([]any)
			return fmt.Sprint(status, found, len(list))
		}
	}
	create := func(name, path, body, value string) func(*testing.T, *system, *client) string {
		return func(t *testing.T, _ *system, c *client) string {
			return fmt.Sprint(c.create(t, name, path, fmt.Sprintf(body, value)))
		}
	}
	with := func(header http.Header) func(*testing.T, *system, *client) string {
		return func(t *testing.T, _ *system, c *client) string {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.base+"/Users", nil)
			if err != nil {
				t.Fatal(err)
			}
			maps.Copy(r.Header, header)
			res, err := c.http.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			return fmt.Sprint(res.StatusCode)
		}
	}
	probes := []struct {
		name string
		run  func(*testing.T, *system, *client) string
		want string
		but  map[string]string // by profile
	}{
		{"test connection", count("/Users?filter=userName+eq+%227d420df3-9995-4831-a406-ecf8166f5f6a%22"), "200 0", nil},
		{"somebody who has signed in", func(t *testing.T, s *system, c *client) string {
			id, err := s.backend.AddAccount(map[string]any{"userName": "jane@contoso.com", "emails": []any{map[string]any{"value": "jane@contoso.com"}}})
			if err != nil {
				t.Fatal(err)
			}
			status := c.create(t, "jane", "/Users", fmt.Sprintf(user, "jane@contoso.com"))
			return fmt.Sprint(status, c.ids["jane"] == id)
		}, "409 false", map[string]string{"guard": "201 true", "user-sync": "201 true", "luxplugins": "201 true", "kantega": "201 true"}},
		{"create", create("omar", "/Users", user, "omar@contoso.com"), "201", nil},
		{"create another", create("zoe", "/Users", user, "zoe@contoso.com"), "201", nil},
		{"create again", create("nobody", "/Users", user, "omar@contoso.com"), "409", nil},
		{"title", patch("/Users/{omar}", `{"op":"replace","path":"title","value":"Boss"}`), "200", map[string]string{"luxplugins": "400"}},
		{"manager", patch("/Users/{omar}", `{"op":"add","path":"`+enterprise+`:manager","value":{"value":"{zoe}"}}`), "200",
			map[string]string{"luxplugins": "400"}},
		{"filter on e-mail", count("/Users?filter=emails%5btype+eq+%22work%22%5d.value+eq+%22omar%40contoso.com%22"), "200 1",
			map[string]string{"guard": "400 <nil>"}},
		{"raw verb", patch("/Users/{omar}", `{"op":"Replace","path":"displayName","value":"Omar"}`), "200",
			map[string]string{"strict": "400", "confluence": "400", "in-house": "400"}},
		{"raw missing element", patch("/Users/{omar}", `{"op":"replace","path":"emails[type eq \"other\"].value","value":"o@example.com"}`), "200",
			map[string]string{"strict": "400", "confluence": "400", "in-house": "400"}},
		{"raw unknown attribute", patch("/Users/{omar}", `{"op":"add","path":"badge","value":"1"}`), "200",
			map[string]string{"strict": "400", "confluence": "400", "in-house": "400"}},
		{"raw disable", patch("/Users/{omar}", `{"op":"replace","path":"active","value":"False"}`), "200",
			map[string]string{"strict": "400", "confluence": "400", "guard": "400", "odj": "400", "in-house": "400"}},
		{"disable", patch("/Users/{omar}", `{"op":"replace","path":"active","value":false}`), "200", nil},
		{"create group", create("team", "/Groups", group, "jira-users"), "201", map[string]string{"odj": "404"}},
		{"find group", count("/Groups?excludedAttributes=members&filter=displayName+eq+%22jira-users%22"), "200 1", map[string]string{"odj": "404 <nil>"}},
		{"add members", members("/Groups/{team}", `{"op":"add","path":"members","value":[{"value":"{omar}"},{"value":"{zoe}"}]}`), "204 200 2",
			map[string]string{"odj": "404 404 0"}},
		{"raw remove member", members("/Groups/{team}", `{"op":"Remove","path":"members","value":[{"$ref":null,"value":"{zoe}"}]}`), "204 200 1",
			map[string]string{"strict": "400 200 2", "confluence": "400 200 2", "in-house": "400 200 2", "odj": "404 404 0"}},
		{"rename group", patch("/Groups/{team}", `{"op":"replace","path":"displayName","value":"jira-people"}`), "204", map[string]string{"guard": "400", "odj": "404"}},
		{"create group of administrators", create("admins", "/Groups", group, "jira-administrators"), "201", map[string]string{"odj": "404"}},
		{"add an administrator", members("/Groups/{admins}", `{"op":"add","path":"members","value":[{"value":"{zoe}"}]}`), "204 200 1",
			map[string]string{"odj": "404 404 0", "user-sync": "204 200 0"}},
		{"delete", func(t *testing.T, _ *system, c *client) string {
			status, _ := c.do(t, http.MethodDelete, "/Users/{omar}", "")
			found, user := c.do(t, http.MethodGet, "/Users/{omar}", "")
			return fmt.Sprint(status, found, user["active"])
		}, "204 404 <nil>", map[string]string{"user-sync": "204 200 false"}},
		{"deleted by hand", func(t *testing.T, s *system, c *client) string {
			deleted := s.backend.DeleteUser("zoe@contoso.com")
			status, _ := c.do(t, http.MethodGet, "/Users/{zoe}", "")
			return fmt.Sprint(deleted, status)
		}, "true 404", nil},
		{"no credential", with(nil), "401", map[string]string{"in-house": "200"}},
		{"bearer", with(http.Header{"Authorization": {"Bearer " + backendSecret}}), "200",
			map[string]string{"luxplugins": "401", "in-house": "400", "api-key": "400"}},
		{"basic", with(http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte("scim:"+backendSecret))}}), "401",
			map[string]string{"luxplugins": "200", "in-house": "400", "api-key": "400"}},
		{"key", with(http.Header{"X-Api-Key": {backendSecret}}), "401", map[string]string{"in-house": "200", "api-key": "200"}},
		{"the first call is in the log", func(_ *testing.T, s *system, _ *client) string {
			entries := s.backend.Audit()
			return fmt.Sprint(len(entries) > 0 && strings.Contains(entries[0].Target, "7d420df3") && entries[0].Status == 200)
		}, "false", map[string]string{"confluence": "true", "user-sync": "true", "odj": "true", "luxplugins": "true"}},
	}
	for _, p := range All() {
		t.Run(p.Name, func(t *testing.T) {
			s := start(t, p)
			c := s.direct(t)
			for _, probe := range probes {
				want := probe.want
				if other, ok := probe.but[p.Name]; ok {
					want = other
				}
				if got := probe.run(t, s, c); got != want {
					t.Errorf("%s: got %s, want %s", probe.name, got, want)
				}
			}
		})
	}
}

// TestThroughTheProxy sends what Entra sends, in both dialects, through a proxy
// that has the profile's settings.
func TestThroughTheProxy(t *testing.T) {
	remove := map[string]string{
		"default":   `{"op":"Remove","path":"members","value":[{"$ref":null,"value":"{zoe}"}]}`,
		"compliant": `{"op":"remove","path":"members[value eq \"{zoe}\"]"}`,
	}
	update := map[string]string{
		"default": `{"op":"Replace","path":"displayName","value":"O."},{"op":"Add","path":"name.familyName","value":"Said"},
			{"op":"Replace","path":"emails[type eq \"work\"].value","value":"o@contoso.com"}`,
		"compliant": `{"op":"replace","path":"emails[type eq \"work\"].value","value":"o@contoso.com"},
			{"op":"add","value":{"displayName":"O.","name.familyName":"Said"}}`,
	}
	disable := map[string]string{
		"default":   `{"op":"Replace","path":"active","value":"False"}`,
		"compliant": `{"op":"replace","path":"active","value":false}`,
	}
	for _, p := range All() {
		for dialect := range remove {
			t.Run(p.Name+" "+dialect, func(t *testing.T) {
				s := start(t, p)
				c := s.proxied(t)
				step := func(want int, method, path, body string) map[string]any {
					t.Helper()
					status, answer := c.do(t, method, path, body)
					if status != want && (want != 200 || status != 204) {
						t.Fatalf("%s %s %s: got %d %v, want %d", method, path, body, status, answer, want)
					}
					return answer
				}
				for _, name := range []string{"omar", "zoe"} {
					if status := c.create(t, name, "/Users", `{"schemas":["`+coreUser+`","`+enterprise+`"],"externalId":"`+name+`","userName":"`+name+
						`@contoso.com","active":true,"meta":{"resourceType":"User"},"roles":[]}`); status != 201 {
						t.Fatalf("POST got %d", status)
					}
				}
				step(200, http.MethodPatch, "/Users/{omar}", ops(update[dialect]))
				step(200, http.MethodPatch, "/Users/{omar}", ops(`{"op":"Add","path":"`+enterprise+`:manager","value":"{zoe}"}`))
				step(200, http.MethodPatch, "/Users/{omar}", ops(disable[dialect]))
				omar := step(200, http.MethodGet, "/Users/{omar}", "")
				boss, _ := omar[enterprise].(map[string]any)
				if omar["active"] != false || omar["displayName"] != "O." || omar["emails"] == nil || omar["name"] == nil || s.supports(enterprise+":manager") != (boss["manager"] != nil) {
					t.Errorf("got %v", omar)
				}
				if status := c.create(t, "team", "/Groups", `{"schemas":["`+coreGroup+`","http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
					"externalId":"g-1","displayName":"jira-users","members":[],"meta":{"resourceType":"Group"}}`); status != 201 {
					t.Fatalf("POST of a group got %d", status)
				}
				for _, name := range []string{"omar", "zoe"} {
					step(204, http.MethodPatch, "/Groups/{team}", ops(`{"op":"Add","path":"members","value":[{"$ref":null,"value":"{`+name+`}"}]}`))
				}
				step(204, http.MethodPatch, "/Groups/{team}", ops(remove[dialect]))
				if p.Entra.GroupRename {
					step(204, http.MethodPatch, "/Groups/{team}", ops(`{"op":"Replace","path":"displayName","value":"jira-people"}`))
				}
				team, members, kept := step(200, http.MethodGet, "/Groups/{team}", ""), 1, 1
				if p.Proxy["GROUPS"] == "stub" {
					members, kept = 0, 0
				}
				if list, _ := team["members"].([]any); len(list) != members || s.backend.Groups() != kept {
					t.Errorf("got %v; the backend has %d groups", team, s.backend.Groups())
				}
				step(204, http.MethodDelete, "/Groups/{team}", "")
				step(204, http.MethodDelete, "/Users/{omar}", "")
			})
		}
	}
}
