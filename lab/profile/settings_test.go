package profile

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/entra-scim-proxy/lab/backend"
)

// defaultTargets is Entra's default mapping of users with a value each, as
// MicrosoftDocs/entra-docs, use-scim-to-provision-users-and-groups.md, has it.
var defaultTargets = []string{
	"userName", "active", "displayName", "title", `emails[type eq "work"].value`, "preferredLanguage", "name.givenName", "name.familyName",
	"name.formatted", `addresses[type eq "work"].formatted`, `addresses[type eq "work"].streetAddress`, `addresses[type eq "work"].locality`,
	`addresses[type eq "work"].region`, `addresses[type eq "work"].postalCode`, `addresses[type eq "work"].country`,
	`phoneNumbers[type eq "work"].value`, `phoneNumbers[type eq "mobile"].value`, `phoneNumbers[type eq "fax"].value`, "externalId",
	enterprise + ":employeeNumber", enterprise + ":department", enterprise + ":manager",
}

// TestDroppedTargets holds that what is dropped in Entra was there, and that a
// backend takes what is left: what it does not have is dropped, in Entra or by
// the proxy, which answers an update of nothing else itself.
func TestDroppedTargets(t *testing.T) {
	for _, p := range All() {
		t.Run(p.Name, func(t *testing.T) {
			s := start(t, p)
			c := s.proxied(t)
			if status := c.create(t, "omar", "/Users", `{"schemas":["`+coreUser+`"],"userName":"omar@contoso.com"}`); status != 201 {
				t.Fatalf("POST got %d", status)
			}
			inEntra := map[string]bool{}
			for _, target := range p.Entra.Dropped {
				inEntra[target] = true
			}
			byProxy := p.Proxy["DROP_ATTRIBUTES"] != ""
			for _, target := range defaultTargets {
				value := `"omar@contoso.com"`
				if target == "active" {
					value = "true"
				}
				status, answer := c.do(t, http.MethodPatch, "/Users/{omar}",
					ops(fmt.Sprintf(`{"op":"Replace","path":%q,"value":%s}`, target, value)))
				want := 200
				if !s.supports(target) {
					want = 400 // Entra must not send it
					if byProxy {
						want = 204
					}
					if byProxy == inEntra[target] {
						t.Errorf("%s is not supported: dropped in Entra %v, by the proxy %v", target, inEntra[target], byProxy)
					}
				}
				if status != want {
					t.Errorf("%s: got %d %v, want %d", target, status, answer, want)
				}
				delete(inEntra, target)
			}
			for target := range inEntra {
				t.Errorf("%q is dropped, but not in the default mapping", target)
			}
		})
	}
}

// What the service refuses the proxy drops, and nothing else.
func TestDropAttributes(t *testing.T) {
	lux, _ := ByName("luxplugins")
	const body = `{"schemas":["` + coreUser + `","` + enterprise + `"],"userName":"omar@contoso.com","displayName":"Omar","title":"Boss",
		"preferredLanguage":"en","addresses":[{"type":"work","country":"NL"}],"phoneNumbers":[{"type":"work","value":"1"}],"roles":[{"value":"x"}],
		"` + enterprise + `":{"department":"Sales"}}`
	s := start(t, lux)
	if status := s.direct(t).create(t, "omar", "/Users", body); status != 400 {
		t.Fatalf("the service itself: got %d", status)
	}
	c := s.proxied(t)
	if status := c.create(t, "omar", "/Users", body); status != 201 {
		t.Fatalf("got %d", status)
	}
	_, omar := c.do(t, http.MethodGet, "/Users/{omar}", "")
	delete(omar, "id")
	delete(omar, "meta")
	if diff := cmp.Diff(map[string]any{"schemas": []any{coreUser}, "userName": "omar@contoso.com", "displayName": "Omar"}, omar); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The settings of the proxy fit what the service takes, knows and has.
func TestSettingsFitTheService(t *testing.T) {
	auth := map[string]map[string]string{
		"luxplugins": {"BACKEND_AUTH": "basic", "BACKEND_USERNAME": "scim"},
		"in-house":   {"BACKEND_AUTH": "none"},
		"api-key":    {"BACKEND_AUTH": "header:X-Api-Key"},
	}
	for _, p := range All() {
		want := auth[p.Name]
		if want == nil {
			want = map[string]string{}
		}
		if diff := cmp.Diff(want, p.Auth.Settings()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", p.Name, diff)
		}
		if drop := strings.Join(p.Backend.Unsupported, ","); p.Proxy["DROP_ATTRIBUTES"] != drop {
			t.Errorf("%s: DROP_ATTRIBUTES=%s, want %s", p.Name, p.Proxy["DROP_ATTRIBUTES"], drop)
		}
		if stub := p.Proxy["GROUPS"] == "stub"; stub != slices.Contains(p.Backend.Habits, backend.NoGroups) || stub != (p.Name == "odj") {
			t.Errorf("%s: GROUPS=%s with the habits %q", p.Name, p.Proxy["GROUPS"], p.Backend.Habits)
		}
	}
}

// A service that demands a client certificate is closed to a proxy that has
// none.
func TestWithoutClientCertificate(t *testing.T) {
	inHouse, _ := ByName("in-house")
	s := start(t, inHouse)
	if status, _ := s.proxied(t).do(t, http.MethodGet, "/Users", ""); status != 200 {
		t.Errorf("with one: got %d", status)
	}
	s.client = nil
	if status, _ := s.proxied(t).do(t, http.MethodGet, "/Users", ""); status != 502 {
		t.Errorf("without: got %d", status)
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
