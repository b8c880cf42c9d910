package check_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"example.com/entra-scim-proxy/lab/backend"
	"example.com/entra-scim-proxy/proxy/check"
)

// people are who the tests' backends have: one of them has a manager.
const (
	omar = "Omar.Haddad@example.com"
	jane = "Jane.Doe@example.com"
	team = "Contoso Payroll"
)

// inhabited is a world whose backend has people, and a group with a member.
func inhabited(t *testing.T, options backend.Options) *world {
	t.Helper()
	w := newWorld(t, options)
	populate(t, w.backend)
	return w
}

func populate(t *testing.T, b *backend.Backend) {
	t.Helper()
	boss := create(t, b, "/Users", fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":%q,"active":true}`, omar))
	member := create(t, b, "/Users", fmt.Sprintf(
		`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"userName":%q,"active":true,
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":{"value":%q}}}`, jane, boss))
	create(t, b, "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Contoso Guests"}`)
	create(t, b, "/Groups", fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":%q,"members":[{"value":%q}]}`, team, member))
}

// create creates a resource past all faults, and returns its id.
func create(t *testing.T, b *backend.Backend, path, body string) string {
	t.Helper()
	request := httptest.NewRequest(http.MethodPost, basePath+path, strings.NewReader(body))
	request.Header.Set("Authorization", "Bearer "+backendToken)
	request.Header.Set("Content-Type", "application/scim+json")
	recorder := httptest.NewRecorder()
	b.Strict().ServeHTTP(recorder, request)
	var resource struct{ ID string }
	if err := json.Unmarshal(recorder.Body.Bytes(), &resource); err != nil || recorder.Code != http.StatusCreated {
		t.Fatalf("%d %s: %v", recorder.Code, recorder.Body, err)
	}
	return resource.ID
}

// qualityNames are the steps of qualitySteps.
var qualityNames = []string{"content type", "list", "excludedAttributes", "filter", "not found", "resources"}

// wantQuality wants all of them to pass without a word, but those named.
func wantQuality(t *testing.T, report check.Report, but ...string) {
	t.Helper()
	for _, name := range qualityNames {
		if got := finding(t, report, name); !strings.Contains(strings.Join(but, ","), name) && (got.Status != check.Pass || got.Found != well[name]) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestEachFaultHasItsFinding(t *testing.T) {
	const inside = "https://" + backendName + basePath
	for _, test := range []struct {
		name     string
		fault    backend.Fault
		location string // of the backend; "" means the public one
		step     string
		status   check.Status
		found    string
		rule     string // "" if none repairs it
	}{
		{"members leaked", backend.MembersLeaked, "", "excludedAttributes", check.Fail, "groups show their members", "excluded-members"},
		{"Resources null", backend.ResourcesNull, "", "list", check.Warn, "an empty list has null for Resources", "resources-array"},
		{"plain JSON", backend.PlainJSON, "", "content type", check.Warn, "application/json instead of", "response-type"},
		{"manager a string", backend.ManagerString, "", "resources", check.Fail, "the manager is no object", "response-manager"},
		{"active a string", backend.ActiveString, "", "resources", check.Fail, "active is no boolean", "response-active"},
		{"errors are pages", backend.ErrorPages, "", "not found", check.Warn, "an error comes as a page", "html-error"},
		{"no location", backend.NoLocation, "", "resources", check.Warn, "a user has no meta.location", ""},
		{"relative locations", "", "-", "resources", check.Warn, "meta.location is relative", "location"},
		{"locations inside", "", inside, "resources", check.Warn, "leads to the backend itself", "location"},
	} {
		serve := func(t *testing.T, text string) check.Report {
			w := inhabited(t, backend.Options{})
			options := backend.Options{Token: backendToken, BasePath: basePath, PublicURL: cmp.Or(strings.Trim(test.location, "-"), publicURL+"/scim")}
			if test.location == "-" {
				options.PublicURL = ""
			}
			if test.fault != "" {
				options.Faults = []backend.Fault{test.fault}
			}
			faulty, err := backend.New(options)
			if err != nil {
				t.Fatal(err)
			}
			populate(t, faulty)
			w.backend, w.Rules = faulty, rules(t, text)
			return w.run(t)
		}
		t.Run(test.name+"/none", func(t *testing.T) {
			report := serve(t, "none")
			got := finding(t, report, test.step)
			if got.Status != test.status || !strings.Contains(got.Found, test.found) || got.Rules != test.rule || got.Remedy == "" {
				t.Errorf("%+v", got)
			}
			wantQuality(t, report, test.step)
			last := finding(t, report, "recommendation")
			if last.Status != check.Warn || last.Rules != test.rule || report.Recommended["NORMALIZE"] != "all" {
				t.Errorf("%+v, %v", last, report.Recommended)
			}
		})
		for _, on := range []string{"all", cmp.Or(test.rule, "all")} {
			t.Run(test.name+"/"+on, func(t *testing.T) {
				report := serve(t, on)
				got := finding(t, report, test.step)
				if test.rule == "" && got.Status != test.status {
					t.Errorf("%+v", got)
				}
				if test.rule != "" && (got.Status != check.Pass || got.Rules != test.rule || !strings.Contains(got.Found, test.found) || got.Remedy != "") {
					t.Errorf("%+v", got)
				}
				wantQuality(t, report, test.step)
				last := finding(t, report, "recommendation")
				if last.Status != check.Pass || last.Rules != "" || report.Recommended["NORMALIZE"] != "all" || strings.Contains(last.Found, "as it is") != (on == "all") {
					t.Errorf("%+v, %v", last, report.Recommended)
				}
			})
		}
	}
}

func TestFilterNotFoundIsRepaired(t *testing.T) {
	for _, on := range []string{"all", "filter-not-found"} {
		t.Run(on, func(t *testing.T) {
			w := inhabited(t, backend.Options{Faults: []backend.Fault{backend.FilterNotFound}})
			w.Rules = rules(t, on)
			report := w.run(t)
			for _, name := range []string{"content type", "list", "filter"} {
				if got := finding(t, report, name); got.Status != check.Pass || got.Rules != "filter-not-found" {
					t.Errorf("%s: %+v", name, got)
				}
			}
			wantQuality(t, report, "content type", "list", "filter")
		})
	}
}

// Nothing of the report may tell who is in the directory.
func TestAReportNamesNobody(t *testing.T) {
	w := inhabited(t, backend.Options{Faults: []backend.Fault{backend.MembersLeaked, backend.ManagerString, backend.ActiveString, backend.NoLocation}})
	text := fmt.Sprintf("%+v", w.run(t))
	for _, name := range []string{omar, jane, team, strings.ToLower(omar), "example.com/Users", "Haddad", "Payroll"} {
		if strings.Contains(text, name) {
			t.Errorf("the report has %q", name)
		}
	}
}

func TestNothingToLookAt(t *testing.T) {
	t.Run("an empty directory", func(t *testing.T) {
		report := newWorld(t, backend.Options{}).run(t)
		for _, name := range []string{"excludedAttributes", "filter", "resources"} {
			if got := finding(t, report, name); got.Status != check.Skip || !strings.Contains(got.Found, "--write") {
				t.Errorf("%s: %+v", name, got)
			}
		}
		wantQuality(t, report, "excludedAttributes", "filter", "resources")
	})
	t.Run("no groups", func(t *testing.T) {
		w := inhabited(t, backend.Options{Habits: []backend.Habit{backend.NoGroups}})
		report := w.run(t)
		wantQuality(t, report, "excludedAttributes")
		if got := finding(t, report, "ResourceTypes"); got.Status != check.Warn || !strings.Contains(got.Found, "no Group") {
			t.Errorf("%+v", got)
		}
		if got := finding(t, report, "recommendation"); got.Status != check.Warn || report.Recommended["GROUPS"] != "stub" {
			t.Errorf("%+v %v", got, report.Recommended)
		}
	})
	t.Run("GROUPS=stub", func(t *testing.T) {
		w := inhabited(t, backend.Options{Habits: []backend.Habit{backend.NoGroups}})
		w.StubGroups = true
		report := w.run(t)
		wantQuality(t, report, "excludedAttributes")
		if got := finding(t, report, "excludedAttributes"); got.Status != check.Skip {
			t.Errorf("%+v", got)
		}
		if got := finding(t, report, "ResourceTypes"); got.Status != check.Pass {
			t.Errorf("%+v", got)
		}
		for _, call := range w.seen() {
			if strings.Contains(call.URI, "/Groups") {
				t.Errorf("%s %s", call.Method, call.URI)
			}
		}
	})
}

// A backend that wants an Accept header is judged by what comes with it.
func TestAcceptIsRepaired(t *testing.T) {
	w := inhabited(t, backend.Options{Faults: []backend.Fault{backend.ActiveString}})
	w.Rules = rules(t, "accept-scim")
	w.trouble.Begin(backend.Refuse(http.StatusNotAcceptable, "no media type"), backend.When{Match: func(r *http.Request) bool { return r.Header.Get("Accept") == "" }})
	report := w.run(t)
	for _, name := range []string{"content type", "list", "excludedAttributes", "filter", "not found"} {
		if got := finding(t, report, name); got.Status != check.Pass || got.Rules != "accept-scim" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := finding(t, report, "resources"); got.Status != check.Fail || got.Rules != "accept-scim,response-active" {
		t.Errorf("%+v", got)
	}
}

// A backend that takes a second for each answer is slow, and Entra waits longer:
// no step may fail for it.
func TestASlowBackendIsJudged(t *testing.T) {
	for _, on := range []string{"none", "excluded-members", "all"} {
		synctest.Test(t, func(t *testing.T) {
			w, _, finish := inMemory(t, delays{answer: time.Second})
			defer finish()
			populate(t, w.backend)
			faulty, err := w.backend.WithFaults(backend.MembersLeaked)
			if err != nil {
				t.Fatal(err)
			}
			w.backend, w.Rules = faulty, rules(t, on)
			report := w.run(t)
			wantQuality(t, report, "excludedAttributes")
			got, status := finding(t, report, "excludedAttributes"), check.Pass
			if on == "none" {
				status = check.Fail
			}
			if got.Status != status || got.Rules != "excluded-members" || report.Recommended["NORMALIZE"] != "all" {
				t.Errorf("%s: %+v %v", on, got, report.Recommended)
			}
		})
	}
}

// With --write there is always something to look at; what the directory has
// comes first, for it says more.
func TestWhatARunHasMadeIsJudged(t *testing.T) {
	for _, on := range []string{"none", "all"} {
		w := newWorld(t, backend.Options{Faults: []backend.Fault{backend.MembersLeaked}})
		w.Write, w.Rules = true, rules(t, on)
		report := w.run(t)
		got, status := finding(t, report, "excludedAttributes"), check.Pass
		if on == "none" {
			status = check.Fail
		}
		if got.Status != status || got.Rules != "excluded-members" {
			t.Errorf("%s: %+v", on, got)
		}
		wantQuality(t, report, "excludedAttributes")
		if last := finding(t, report, "recommendation"); strings.Contains(last.Found, "--write") {
			t.Errorf("%+v", last)
		}
	}
}

// Rules repair nothing if other answers come with them.
func TestAnErrorIsNoRepair(t *testing.T) {
	w := inhabited(t, backend.Options{Faults: []backend.Fault{backend.PlainJSON}})
	w.trouble.Begin(backend.Refuse(http.StatusInternalServerError, "no"), backend.When{Match: func(r *http.Request) bool { return r.Header.Get("Accept") != "" }})
	if got := finding(t, w.run(t), "content type"); got.Status != check.Warn || got.Rules != "" {
		t.Errorf("%+v", got)
	}
}

// A location under the name that the backend is called by is no complaint where
// that is the public name.
func TestAPublicLocationIsWell(t *testing.T) {
	w := newWorld(t, backend.Options{})
	public, err := backend.New(backend.Options{Token: backendToken, BasePath: basePath, PublicURL: publicURL + basePath})
	if err != nil {
		t.Fatal(err)
	}
	populate(t, public)
	w.backend, w.Path, w.Host = public, basePath, strings.TrimPrefix(publicURL, "https://")
	wantQuality(t, w.run(t))
}

// What a run has made is looked at where the directory cannot be listed.
func TestADirectoryThatIsNotListed(t *testing.T) {
	w := newWorld(t, backend.Options{})
	w.Write = true
	w.trouble.Begin(backend.Refuse(http.StatusForbidden, "no lists"), backend.When{Match: func(r *http.Request) bool { return r.URL.Query().Has("startIndex") }})
	report := w.run(t)
	wantQuality(t, report, "list")
	if got := finding(t, report, "list"); got.Status != check.Warn || !strings.Contains(got.Found, "403 instead of 200") {
		t.Errorf("%+v", got)
	}
}
