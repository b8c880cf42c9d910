package entra

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/entra-scim-proxy/lab/directory"
)

// given is an answer on its way to the client.
type given struct {
	status int
	header http.Header
	body   map[string]any // nil if there is none, or it is not JSON
	raw    string         // instead of body
}

// list returns the resources of a ListResponse.
func (g *given) list() []any {
	resources, _ := g.body["Resources"].([]any)
	return resources
}

// resource is the one in the answer, or the only one in a list; nil if there is
// none.
func (g *given) resource() map[string]any {
	if g.body["id"] != nil {
		return g.body
	}
	if list := g.list(); len(list) == 1 {
		return list[0].(map[string]any)
	}
	return nil
}

// tampering changes answers to requests that fit.
func tampering(fits func(*http.Request) bool, change func(*given)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !fits(r) {
				next.ServeHTTP(w, r)
				return
			}
			recorder := httptest.NewRecorder()
			next.ServeHTTP(recorder, r)
			g := &given{status: recorder.Code, header: recorder.Header().Clone(), raw: recorder.Body.String()}
			if json.Unmarshal(recorder.Body.Bytes(), &g.body) == nil {
				g.raw = ""
			}
			change(g)
			text := []byte(g.raw)
			if g.raw == "" && g.body != nil {
				text, _ = json.Marshal(g.body)
			}
			maps.Copy(w.Header(), g.header)
			w.Header().Del("Content-Length")
			w.WriteHeader(g.status)
			_, _ = bytes.NewReader(text).WriteTo(w)
		})
	}
}

// The calls that tampering is for.
func call(method, path string, collection bool) func(*http.Request) bool {
	return func(r *http.Request) bool {
		_, id, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/scim/"), "/")
		return r.Method == method && strings.Contains(r.URL.Path, path) && (id == "") == collection
	}
}

func lookUps(path string) func(*http.Request) bool { return call(http.MethodGet, path, true) }
func reads(path string) func(*http.Request) bool   { return call(http.MethodGet, path, false) }
func posts(path string) func(*http.Request) bool   { return call(http.MethodPost, path, true) }
func patches(path string) func(*http.Request) bool { return call(http.MethodPatch, path, false) }
func deletes(path string) func(*http.Request) bool { return call(http.MethodDelete, path, false) }

// office is a directory of three people, one of them the manager of the others,
// and a group of two.
type office struct {
	*directory.Directory
	grace, ada, noor, staff string
}

func newOffice(t testing.TB) office {
	t.Helper()
	o := office{Directory: directory.New(1)}
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, person := range []struct {
		id          *string
		given, name string
	}{{&o.grace, "Grace", "grace"}, {&o.ada, "Ada", "ada"}, {&o.noor, "Noor", "noor"}} {
		id, err := o.CreateUser(directory.User{
			UserPrincipalName: person.name + "@contoso.com", MailNickname: person.name, AccountEnabled: true, Mail: person.name + "@contoso.com",
			GivenName: person.given, Surname: "Example", DisplayName: person.given + " Example", JobTitle: "Analyst",
			Department: "Engines", City: "London", TelephoneNumber: "+1 555 0100", Manager: o.grace,
		})
		must(err)
		must(o.Assign(id))
		*person.id = id
	}
	var err error
	o.staff, err = o.CreateGroup("Staff")
	must(err)
	must(o.Assign(o.staff))
	must(o.AddMember(o.staff, o.ada))
	must(o.AddMember(o.staff, o.noor))
	return o
}

// alter makes changes that need every kind of call but POST.
func (o office) alter(t testing.TB) {
	t.Helper()
	for _, err := range []error{
		o.UpdateUser(o.ada, func(u *directory.User) { u.JobTitle = "Senior Analyst" }),
		o.RenameGroup(o.staff, "Everybody"), o.AddMember(o.staff, o.grace), o.RemoveMember(o.staff, o.ada),
		o.SoftDelete(o.noor), o.Purge(o.noor),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// people are look-ups of somebody, and not of a random GUID.
func people(r *http.Request) bool {
	return lookUps("/Users")(r) && strings.Contains(r.URL.RawQuery, "contoso.com")
}

func aProbe(r *http.Request) bool { return lookUps("/Users")(r) && !people(r) }

func toStatus(status int) func(*given) {
	return func(g *given) { g.status, g.body = status, nil }
}

// Each rule is broken by one kind of tampering, and nothing else is found then.
func TestFindings(t *testing.T) {
	set := func(name string, value any) func(*given) {
		return func(g *given) {
			if resource := g.resource(); resource != nil {
				resource[name] = value
			}
		}
	}
	untested := maps.Clone(rules)
	for _, test := range []struct {
		rule   string
		fits   func(*http.Request) bool
		change func(*given)
	}{
		{ruleLookUpStatus, lookUps("/Groups"), toStatus(http.StatusNotFound)},
		{ruleReadStatus, reads("/Users"), toStatus(http.StatusServiceUnavailable)},
		{ruleCreateStatus, posts("/Users"), toStatus(http.StatusBadRequest)},
		{ruleUpdateStatus, patches("/Users"), toStatus(http.StatusNotImplemented)},
		{ruleGroupStatus, patches("/Groups"), toStatus(http.StatusConflict)},
		{ruleDeleteStatus, deletes("/Users"), toStatus(http.StatusMethodNotAllowed)},
		{ruleWorksStatus, deletes("/Users"), toStatus(http.StatusOK)},
		{ruleRedirect, patches("/Users"), toStatus(http.StatusFound)},
		{ruleMedia, reads("/Users"), func(g *given) { g.header.Set("Content-Type", "application/json") }},
		{ruleJSON, reads("/Users"), func(g *given) { g.raw = "<title>Please log in</title>" }},
		{ruleJSON, posts("/Users"), func(g *given) { g.raw = "null" }},
		{ruleJSON, posts("/Users"), func(g *given) { g.body = nil }},
		{ruleList, lookUps("/Users"), func(g *given) { g.body["Resources"], g.body["totalResults"] = "none", nil }},
		{ruleList, people, func(g *given) { g.body["Resources"], g.body["totalResults"] = []any{"ada"}, 1 }},
		{ruleListSchema, lookUps("/Users"), func(g *given) { delete(g.body, "schemas") }},
		{ruleResources, lookUps("/Users"), func(g *given) { g.body["Resources"] = nil }},
		{ruleTotal, lookUps("/Users"), func(g *given) { g.body["totalResults"] = "0" }},
		{ruleMatches, people, func(g *given) {
			g.body["Resources"], g.body["totalResults"] = []any{map[string]any{"id": "1"}, map[string]any{"id": "2"}}, 2
		}},
		{ruleWrongMatch, people, func(g *given) {
			g.body["Resources"], g.body["totalResults"] = []any{map[string]any{"id": "1", "userName": "mallory@contoso.com"}}, 1
		}},
		{ruleProbe, aProbe, func(g *given) {
			g.body["Resources"], g.body["totalResults"] = []any{map[string]any{"id": "1"}}, 1
		}},
		{ruleID, posts("/Users"), func(g *given) { delete(g.body, "id") }},
		{ruleID, posts("/Groups"), func(g *given) { g.body["id"] = 12 }},
		{ruleStableID, reads("/Users"), set("id", "another")},
		{ruleStableID, patches("/Users"), set("id", "another")},
		{ruleType, reads("/Users"), set("active", "True")},
		{ruleType, posts("/Users"), set("active", "True")},
		{ruleType, patches("/Users"), set(enterpriseSchema, map[string]any{"manager": "grace"})},
		{ruleType, reads("/Groups"), set("displayName", []any{"Staff"})},
		{ruleOneOfAType, reads("/Users"), func(g *given) {
			emails := g.body["emails"].([]any)
			g.body["emails"] = append(emails, map[string]any{"type": "Work", "value": "another@contoso.com"})
		}},
		{ruleOneOfAType, posts("/Users"), func(g *given) {
			phones := g.body["phoneNumbers"].([]any)
			g.body["phoneNumbers"] = append(phones, phones[0])
		}},
		{ruleOneOfAType, patches("/Users"), func(g *given) {
			phone := map[string]any{"type": "fax"}
			g.body["phoneNumbers"] = []any{phone, phone}
		}},
		{ruleRoundTrip, posts("/Users"), set("userName", "ADA@CONTOSO.COM")},
		{ruleRoundTrip, posts("/Groups"), func(g *given) { delete(g.body, "externalId") }},
		{ruleRoundTrip, patches("/Users"), set("title", "Analyst")},
		{ruleKept, reads("/Users"), set("title", "Countess")},
		{ruleKept, reads("/Groups"), set("externalId", nil)},
		{ruleMembers, reads("/Groups"), set("members", []any{map[string]any{"value": "1"}})},
		{ruleMembers, reads("/Groups"), set("members", []any{})},
		{ruleLocation, posts("/Users"), func(g *given) { g.header.Del("Location") }},
		{ruleLocation, posts("/Users"), func(g *given) { g.header.Set("Location", "https://inside.corp.example.com/1") }},
		{ruleLocation, posts("/Users"), func(g *given) { g.header.Set("Location", g.header.Get("Location")+"/../../../elsewhere") }},
		{ruleLocation, reads("/Users"), set("meta", map[string]any{"location": "/rest/Users/1"})},
		{ruleErrorBody, reads("/Groups"), func(g *given) { g.status, g.raw = http.StatusNotFound, "<h1>Not found</h1>" }},
		{ruleErrorBody, reads("/Groups"), func(g *given) {
			g.status, g.body = http.StatusNotFound, map[string]any{"schemas": []string{errorSchema}, "status": "400"}
		}},
		{ruleUniqueness, posts("/Users"), func(g *given) {
			g.status, g.body = http.StatusConflict, map[string]any{"schemas": []string{errorSchema}, "status": "409"}
		}},
		{ruleUniqueness, posts("/Users"), toStatus(http.StatusConflict)},
	} {
		t.Run(test.rule, func(t *testing.T) {
			o := newOffice(t)
			p := newPlant(t, build{dir: o.Directory, client: Options{TenantURL: flag2020}})
			p.set(&p.front, tampering(test.fits, test.change))
			report, err := p.job.Cycle(t.Context())
			if err == nil {
				o.alter(t)
				second, _ := p.job.Cycle(t.Context())
				report.Findings = append(report.Findings, second.Findings...)
				report.Failures = append(report.Failures, second.Failures...)
			}
			var got []string
			for _, f := range report.Findings {
				got = append(got, f.Rule)
				if want := rules[f.Rule]; f.Count == 0 || f.Sentence != want.sentence || f.Source != want.source || f.Fatal != want.fatal {
					t.Errorf("got %+v", f)
				}
				if f.Example.Method == "" || f.Example.Detail == "" || f.Example.OK {
					t.Errorf("%s: the example is %+v", f.Rule, f.Example)
				}
			}
			slices.Sort(got)
			if diff := cmp.Diff([]string{test.rule}, slices.Compact(got)); diff != "" {
				t.Errorf("found (-want +got):\n%s%v", diff, report.Findings)
			}
			if fatal := rules[test.rule].fatal; fatal && len(report.Failures) == 0 {
				t.Error("nothing failed")
			} else if !fatal && test.rule != ruleUniqueness && len(report.Failures) > 0 {
				t.Errorf("failed: %+v", report.Failures)
			}
		})
		delete(untested, test.rule)
	}
	for rule := range untested {
		t.Errorf("nothing breaks the rule %q", rule)
	}
}

// Which call is the example does not depend on the order in which calls end.
func TestExampleOfAFinding(t *testing.T) {
	findings := func(objects ...string) []Finding {
		c := newRecord(nil)
		for _, object := range objects {
			v := &verdict{}
			v.note(ruleMedia, "about %s", object)
			c.call(Call{Step: "read user", Path: "/" + object}, object, v)
		}
		return c.report().Findings
	}
	want := findings("ada", "grace", "noor")
	if diff := cmp.Diff(want, findings("noor", "ada", "grace")); diff != "" || want[0].Count != 3 || want[0].Example.Detail != "about ada" {
		t.Errorf("in another order (-want +got):\n%s%+v", diff, want)
	}
}
