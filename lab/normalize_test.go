package main

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/entra-scim-proxy/lab/backend"
	"example.com/entra-scim-proxy/lab/entra"
	"example.com/entra-scim-proxy/lab/stand"
)

// The people and the group of a lifecycle.
const (
	analyst  = "ada.example@contoso.com"
	director = "grace.example@contoso.com"
	peer     = "noor.example@contoso.com"

	staff   = "Contoso Engineering"
	renamed = staff + " and Analysis"
)

// wantProvisioned checks that the calls went well, and what they led to.
func wantProvisioned(t *testing.T, s *site, calls map[string]entra.Call) {
	t.Helper()
	for step, call := range calls {
		if call.Skipped {
			continue // because another one failed
		}
		if !call.OK || call.Status >= 400 && call.Status != http.StatusNotFound {
			t.Errorf("%s: got %d, %s; sent %s", step, call.Status, call.Detail, call.Sent)
		}
	}
	if s.then == nil {
		t.Fatal("nothing was deleted")
	}
	user := s.then.users[analyst]
	enterprise, _ := user[enterpriseSchema].(map[string]any)
	manager, _ := enterprise["manager"].(map[string]any)
	name, _ := user["name"].(map[string]any)
	got := map[string]any{
		"active": user["active"], "title": user["title"], "displayName": user["displayName"], "preferredLanguage": user["preferredLanguage"],
		"givenName": name["givenName"], "familyName": name["familyName"], "emails": user["emails"], "phoneNumbers": user["phoneNumbers"],
		"department": enterprise["department"], "employeeNumber": enterprise["employeeNumber"], "manager": manager["value"],
		"members": s.then.members(renamed),
	}
	want := map[string]any{
		"active": true, "title": "Senior Analyst", "displayName": "Augusta Example", "preferredLanguage": "en-GB",
		"givenName": "Augusta", "familyName": "Example",
		"emails": []any{map[string]any{"type": "work", "primary": true, "value": "augusta@contoso.com"}},
		"phoneNumbers": []any{
			map[string]any{"type": "work", "value": "+1 555 0199"}, map[string]any{"type": "mobile", "value": "+1 555 0101"},
		},
		"department": "Analysis", "employeeNumber": "1815", "manager": "{" + peer + "}",
		"members": []string{"{" + analyst + "}", "{" + director + "}"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the user, and the members of the group (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]any{true, false, true}, slices.Compact(s.active)); diff != "" {
		t.Errorf("active, as the PATCHes left it (-want +got):\n%s", diff)
	}
	if left := s.content(t); len(left.users)+len(left.groups) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestWholeLifeWithAllRules(t *testing.T) {
	s := newSite(t, "all", nil)
	for _, url := range s.tenantURLs() {
		s.forget()
		wantProvisioned(t, s, s.life(t, entra.Options{TenantURL: url}))
		s.forget()
		wantProvisioned(t, s, s.life(t, entra.Options{TenantURL: url, MemberRefNull: true, LegacyGroupSchema: true, AppRoles: true}))
		if roles := s.then.users[analyst]["roles"]; !cmp.Equal(roles, []any{map[string]any{"value": "Auditor", "display": "Auditor of engines"}}) {
			t.Errorf("roles: got %v", roles)
		}
	}
}

// failure is how a step ends.
type failure struct{ step, detail string }

// wantFailures checks the ends of some steps.
func wantFailures(t *testing.T, calls map[string]entra.Call, failures []failure) {
	t.Helper()
	for _, want := range failures {
		if call := calls[want.step]; call.OK || call.Skipped || !strings.HasPrefix(call.Detail, want.detail) {
			t.Errorf("%s: got OK %v, %q, want %q; sent %s", want.step, call.OK, call.Detail, want.detail, call.Sent)
		}
	}
}

// What Entra's administrators find in their logs when nothing repairs its
// dialects.
func TestWithoutRulesPatchesFail(t *testing.T) {
	const user, group = "want 200 or 204, got 400: ", "want 204, got 400: "
	const op = "op must be one of add, remove and replace"
	s := newSite(t, "none", nil)
	wantFailures(t, s.life(t, entra.Options{TenantURL: s.TenantURL(false), LegacyGroupSchema: true}), []failure{
		{"create group", `want 201, got 400: schemas: Group has no schema "http://schemas.microsoft.com/`},
	})
	wantFailures(t, s.life(t, entra.Options{TenantURL: s.TenantURL(false)}), []failure{
		{"update user", user + op},
		{"change phone, add others", user + op},
		{"set manager", user + op},
		{"disable user", user + op},
		{"rename group", group + op},
		{"add two members", group + op},
	})
	wantFailures(t, s.life(t, entra.Options{TenantURL: s.TenantURL(true), AppRoles: true}), []failure{
		{"update user", user + `operation 2: "name.formatted" names no attribute of `},
		{"change phone, add others", user + `operation 3: "` + enterpriseSchema + `:employeeNumber" names no attribute of `},
		{"set manager", user + "operation 1: manager must be an object"},
		{"assign app role", user + `operation 1: there is no attribute "displayName"`},
	})
}

// With the operations' case repaired, the next faults of the default dialect
// show, and the worst: a backend that reads RFC 7644 section 3.5.2.2 to the
// letter removes everybody, and says that all is well.
func TestWithOpCaseAloneOneRemovalEmptiesTheGroup(t *testing.T) {
	s := newSite(t, "op-case", nil)
	calls := s.life(t, entra.Options{TenantURL: s.TenantURL(false)})
	const user = "want 200 or 204, got 400: "
	wantFailures(t, calls, []failure{
		{"set manager", user + "operation 1: manager must be an object"},
		{"disable user", user + "operation 1: active must be a boolean"},
		{"the first member stays", "want 1 matches, got 0"},
		{"the third member stays", "want 1 matches, got 0"},
	})
	if call := calls["remove one member"]; !call.OK || call.Status != http.StatusNoContent {
		t.Errorf("remove one member: got %d, %s", call.Status, call.Detail)
	}
	if left := s.then.members(renamed); left != nil || s.then.groups[renamed] == nil {
		t.Errorf("members: got %v of %v, want none", left, s.then.groups[renamed])
	}
}

// Entra replaces elements that are not there, too; RFC 7644 section 3.5.2.3
// wants 400 noTarget for that.
func TestMissingTarget(t *testing.T) {
	s := newSite(t, "all", nil)
	for i, url := range s.tenantURLs() {
		wantFailures(t, s.life(t, entra.Options{TenantURL: url, ReplaceMissing: true}), []failure{{
			"change phone, add others",
			`want 200 or 204, got 400: operation ` + [...]string{"3", "2"}[i] + `: no value matches phoneNumbers[type eq "mobile"]`,
		}})
	}
	s = newSite(t, "all,missing-target", nil)
	for _, url := range s.tenantURLs() {
		s.forget()
		wantProvisioned(t, s, s.life(t, entra.Options{TenantURL: url, ReplaceMissing: true, AppRoles: true}))
	}
}

// Backends get answers wrong, too. Entra's client complains about each of these
// until the rules for answers repair them.
func TestFaultyBackends(t *testing.T) {
	with := func(fault backend.Fault) adjust {
		return func(_ *stand.Stand, o *backend.Options) { o.Faults = []backend.Fault{fault} }
	}
	const media = `want content type application/scim+json, got "`
	for name, test := range map[string]struct {
		backend  adjust
		failures []failure
	}{
		"members leaked": {with(backend.MembersLeaked), []failure{
			{"read group", "members is there although it was excluded"},
			{"the first member stays", "want 1 matches, got 0"},
		}},
		"filter not found": {with(backend.FilterNotFound), []failure{
			{"test connection: users", "want 200, got 404: nothing matches the filter"},
			{"test connection: groups", "want 200, got 404: nothing matches the filter"},
		}},
		"Resources null": {with(backend.ResourcesNull), []failure{{"test connection: users", "the list has no array Resources"}}},
		"plain JSON":     {with(backend.PlainJSON), []failure{{"test connection: users", media + `application/json"`}}},
		"manager string": {with(backend.ManagerString), []failure{{"set manager", enterpriseSchema + ".manager.value was sent as "}}},
		"active string":  {with(backend.ActiveString), []failure{{"create user", `active was sent as true and came back as "True"`}}},
		"error pages":    {with(backend.ErrorPages), []failure{{"read deleted user", media + "text/html"}}},
		"no Location":    {with(backend.NoLocation), []failure{{"create user", "there is no Location of what was created"}}},
		"relative locations": {
			func(_ *stand.Stand, o *backend.Options) { o.PublicURL = "" },
			[]failure{{"create user", `the Location leads elsewhere than to the tenant URL: "` + backendPath + "/Users/"}},
		},
		"locations inside": {
			func(s *stand.Stand, o *backend.Options) { o.PublicURL = "https://" + s.BackendAddress + o.BasePath },
			[]failure{{"create user", `the Location leads elsewhere than to the tenant URL: "https://127.0.0.1:`}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, "all,-response", test.backend)
			calls := s.life(t, entra.Options{TenantURL: s.TenantURL(false)})
			wantFailures(t, calls, test.failures)
			if name == "members leaked" {
				// One person has taken the place of all.
				if diff := cmp.Diff([]string{"{" + analyst + "}"}, s.then.members(renamed)); diff != "" {
					t.Errorf("members (-want +got):\n%s", diff)
				}
			}
			s = newSite(t, "all", test.backend)
			for _, url := range s.tenantURLs() {
				s.forget()
				wantProvisioned(t, s, s.life(t, entra.Options{TenantURL: url}))
			}
		})
	}
}
