package profile

import (
	stdcmp "cmp"
	"encoding/base64"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNames(t *testing.T) {
	want := []string{"strict", "lenient", "confluence", "guard", "user-sync", "odj", "luxplugins", "kantega"}
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
		if want := stdcmp.Or(map[string]Certificate{"guard": PublicCA, "kantega": PlainHTTP}[p.Name], PrivateCA); p.Certificate != want {
			t.Errorf("%s has a certificate of kind %s", p.Name, p.Certificate)
		}
		if p.Backend.Token != "" || p.Backend.PublicURL != "" {
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
		if p, _ = ByName(p.Name); strings.Contains(fmt.Sprint(p), "spoiled") {
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
			map[string]string{"strict": "400", "confluence": "400"}},
		{"raw missing element", patch("/Users/{omar}", `{"op":"replace","path":"emails[type eq \"other\"].value","value":"o@example.com"}`), "200",
			map[string]string{"strict": "400", "confluence": "400"}},
		{"raw unknown attribute", patch("/Users/{omar}", `{"op":"add","path":"badge","value":"1"}`), "200",
			map[string]string{"strict": "400", "confluence": "400"}},
		{"raw disable", patch("/Users/{omar}", `{"op":"replace","path":"active","value":"False"}`), "200",
			map[string]string{"strict": "400", "confluence": "400", "guard": "400", "odj": "400"}},
		{"disable", patch("/Users/{omar}", `{"op":"replace","path":"active","value":false}`), "200", nil},
		{"create group", create("team", "/Groups", group, "jira-users"), "201", nil},
		{"find group", count("/Groups?excludedAttributes=members&filter=displayName+eq+%22jira-users%22"), "200 1", map[string]string{"odj": "200 0"}},
		{"add members", members("/Groups/{team}", `{"op":"add","path":"members","value":[{"value":"{omar}"},{"value":"{zoe}"}]}`), "204 200 2",
			map[string]string{"odj": "204 404 0"}},
		{"raw remove member", members("/Groups/{team}", `{"op":"Remove","path":"members","value":[{"$ref":null,"value":"{zoe}"}]}`), "204 200 1",
			map[string]string{"strict": "400 200 2", "confluence": "400 200 2", "odj": "204 404 0"}},
		{"rename group", patch("/Groups/{team}", `{"op":"replace","path":"displayName","value":"jira-people"}`), "204", map[string]string{"guard": "400"}},
		{"create group of administrators", create("admins", "/Groups", group, "jira-administrators"), "201", nil},
		{"add an administrator", members("/Groups/{admins}", `{"op":"add","path":"members","value":[{"value":"{zoe}"}]}`), "204 200 1",
			map[string]string{"odj": "204 404 0", "user-sync": "204 200 0"}},
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
		{"basic", func(t *testing.T, s *system, c *client) string {
			other := *c
			pair := s.profile.Backend.Basic.User + ":" + s.profile.Backend.Basic.Password
			other.authorization = "Basic " + base64.StdEncoding.EncodeToString([]byte(pair))
			status, _ := other.do(t, http.MethodGet, "/Users", "")
			return fmt.Sprint(status)
		}, "401", map[string]string{"luxplugins": "200", "kantega": "200"}},
		{"the first call is in the log", func(_ *testing.T, s *system, _ *client) string {
			entries := s.backend.Audit()
			return fmt.Sprint(len(entries) > 0 && strings.Contains(entries[0].Target, "7d420df3") && entries[0].Status == 200)
		}, "false", map[string]string{"confluence": "true", "user-sync": "true", "luxplugins": "true"}},
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

// defaultTargets is Entra's default mapping of users with a value each, as
// MicrosoftDocs/entra-docs, use-scim-to-provision-users-and-groups.md, has it.
var defaultTargets = []string{
	"userName", "active", "displayName", "title", `emails[type eq "work"].value`, "preferredLanguage", "name.givenName", "name.familyName",
	"name.formatted", `addresses[type eq "work"].formatted`, `addresses[type eq "work"].streetAddress`, `addresses[type eq "work"].locality`,
	`addresses[type eq "work"].region`, `addresses[type eq "work"].postalCode`, `addresses[type eq "work"].country`,
	`phoneNumbers[type eq "work"].value`, `phoneNumbers[type eq "mobile"].value`, `phoneNumbers[type eq "fax"].value`, "externalId",
	enterprise + ":employeeNumber", enterprise + ":department", enterprise + ":manager",
}

// TestDroppedTargets holds that what is dropped was there, that a backend takes
// what is left, and that what it does not have is dropped.
func TestDroppedTargets(t *testing.T) {
	for _, p := range All() {
		t.Run(p.Name, func(t *testing.T) {
			s := start(t, p)
			c := s.proxied(t)
			if status := c.create(t, "omar", "/Users", `{"schemas":["`+coreUser+`"],"userName":"omar@contoso.com"}`); status != 201 {
				t.Fatalf("POST got %d", status)
			}
			dropped := map[string]bool{}
			for _, target := range p.Entra.Dropped {
				dropped[target] = true
			}
			for _, target := range defaultTargets {
				value := `"omar@contoso.com"`
				if target == "active" {
					value = "true"
				}
				status, answer := c.do(t, http.MethodPatch, "/Users/{omar}",
					ops(fmt.Sprintf(`{"op":"Replace","path":%q,"value":%s}`, target, value)))
				unsupported := regexp.MustCompile(`^[a-z:A-Z0-9.]*`).FindString(target)
				for _, name := range p.Backend.Unsupported {
					if strings.HasPrefix(unsupported, name) {
						if !dropped[target] || status != 400 {
							t.Errorf("%s is not supported: dropped %v, got %d", target, dropped[target], status)
						}
						status = 200
					}
				}
				if status != 200 {
					t.Errorf("%s: got %d %v", target, status, answer)
				}
				delete(dropped, target)
			}
			for target := range dropped {
				t.Errorf("%q is dropped, but not in the default mapping", target)
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
				manager := s.supports(enterprise + ":manager")
				if manager {
					step(200, http.MethodPatch, "/Users/{omar}", ops(`{"op":"Add","path":"`+enterprise+`:manager","value":"{zoe}"}`))
				}
				step(200, http.MethodPatch, "/Users/{omar}", ops(disable[dialect]))
				omar := step(200, http.MethodGet, "/Users/{omar}", "")
				boss, _ := omar[enterprise].(map[string]any)
				if omar["active"] != false || omar["displayName"] != "O." || omar["emails"] == nil || omar["name"] == nil || manager != (boss["manager"] != nil) {
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
				if p.Entra.Scope != OneGroup {
					team := step(200, http.MethodGet, "/Groups/{team}", "")
					if list, _ := team["members"].([]any); len(list) != 1 {
						t.Errorf("got %v", team)
					}
				}
				step(204, http.MethodDelete, "/Users/{omar}", "")
			})
		}
	}
}

// supports reports whether the backend has an attribute.
func (s *system) supports(path string) bool {
	for _, name := range s.profile.Backend.Unsupported {
		if strings.HasPrefix(path, name) {
			return false
		}
	}
	return true
}
