package check_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/entra-scim-proxy/lab/backend"
	"example.com/entra-scim-proxy/proxy/check"
	"example.com/entra-scim-proxy/proxy/scim"
)

// replying is a handler with one answer.
func replying(status int, header, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for line := range strings.Lines(header) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
			w.Header().Add(name, value)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// listOf is a ListResponse with other attributes beside schemas.
func listOf(rest string) string {
	return `{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],` + rest + `}`
}

// only picks the calls below an endpoint.
func only(endpoint string) backend.When {
	return backend.When{Match: func(r *http.Request) bool { return strings.Contains(r.URL.Path, endpoint) }}
}

// rules reads a NORMALIZE.
func rules(t *testing.T, text string) scim.Set {
	t.Helper()
	set, err := scim.ParseRules(cmp.Or(text, "none"))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// want is what a step's finding must be: parts of its texts, and else all of it.
type want struct {
	status                        check.Status
	class, found, remedy, details string
	rules                         string
}

func (want want) check(t *testing.T, report check.Report, name string) {
	t.Helper()
	got := finding(t, report, name)
	details := strings.Join(got.Details, "\n")
	if got.Status != want.status || got.Class != want.class || got.Rules != want.rules ||
		!strings.Contains(got.Found, want.found) || !strings.Contains(got.Remedy, want.remedy) || !strings.Contains(details, want.details) {
		t.Errorf("%s: %+v, want %+v", name, got, want)
	}
	if got.Status == check.Fail && (got.Found == "" || got.Remedy == "") {
		t.Errorf("%s fails without a word", name)
	}
}

// quiet runs the check, and wants that it only reads, and that nothing inside
// shows in public.
func quiet(t *testing.T, w *world) check.Report {
	t.Helper()
	report := w.run(t)
	for _, call := range w.seen() {
		if call.Method != http.MethodGet {
			t.Errorf("%s %s in a check that only reads", call.Method, call.URI)
		}
	}
	public, err := json.Marshal(report.Public())
	if err != nil {
		t.Fatal(err)
	}
	whole, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	for _, inside := range []string{backendName, w.Backend.Host, basePath, "Contoso Private Root", "corp.example.com"} {
		if strings.Contains(string(public), inside) {
			t.Errorf("in public: %q in %s", inside, public)
		}
	}
	for _, secret := range []string{entraToken, backendToken, "ada@example.com"} {
		if strings.Contains(string(whole), secret) {
			t.Errorf("shown: %q in %s", secret, whole)
		}
	}
	return report
}

const (
	repairs = "which NORMALIZE repairs"
	turnOn  = "turn on the rules that repair it"
	passes  = "Entra's Test Connection passes here"
	astray  = "correct the path of BACKEND_URL"
)

func TestProbesThatAreAnsweredWell(t *testing.T) {
	for _, normalize := range []string{"none", "all"} {
		w := newWorld(t, backend.Options{})
		w.Rules = rules(t, normalize)
		report := quiet(t, w)
		want{status: check.Pass, found: "takes it"}.check(t, report, "credential")
		for _, name := range []string{"users", "groups"} {
			want{status: check.Pass, found: "200 and an empty list"}.check(t, report, name)
			fired := ""
			if normalize == "all" {
				fired = "accept-scim" // of Entra's calls, which have no Accept
			}
			want{status: check.Pass, found: passes, rules: fired}.check(t, report, "proxy "+name)
		}
	}
}

// Each is a backend that answers Entra's look-up in its own way.
func TestProbesOfUsers(t *testing.T) {
	for name, test := range map[string]struct {
		harm  backend.Harm
		users want
	}{
		"a login page":  {backend.LoginPage(), want{status: check.Fail, found: "HTML", remedy: astray, details: "able to deserialize"}},
		"an error page": {backend.ErrorPage(503), want{status: check.Fail, class: "backend_error", found: "503", remedy: "log of the backend"}},
		"500":           {backend.Refuse(500, "no"), want{status: check.Fail, class: "backend_error", found: "500", remedy: "log of the backend"}},
		"400":           {backend.Refuse(400, "no"), want{status: check.Fail, found: "so does what has no filter", remedy: "scheme, port and path of BACKEND_URL"}},
		"402":           {backend.Refuse(402, "no"), want{status: check.Fail, found: "402", remedy: "whether BACKEND_URL leads to its SCIM service"}},
		"too many":      {backend.TooMany(time.Minute), want{status: check.Fail, found: "429", remedy: "limit"}},
		"another method": {
			backend.RefuseBare(405), want{status: check.Fail, found: "405", remedy: astray},
		},
		"404 for all": {
			backend.RefuseBare(404), want{status: check.Fail, found: "there is no SCIM service", remedy: astray, details: "status 404"},
		},
		"404 for all, in SCIM": {
			backend.Refuse(404, "no"), want{status: check.Fail, found: "there is no SCIM service", remedy: astray},
		},
		"204": {backend.RefuseBare(204), want{status: check.Fail, found: "204", remedy: "whether BACKEND_URL leads"}},
		"a redirect": {
			backend.Instead("", replying(302, "Location: https://login.corp.example.com/adfs?SAMLRequest=canary", "")),
			want{status: check.Fail, class: "redirect", found: "redirect", remedy: "path of BACKEND_URL", details: "leads to https://login.corp.example.com/adfs"},
		},
		"a redirect with the token": {
			backend.Instead("", replying(307, "Location: /login/"+backendToken, "")),
			want{status: check.Fail, class: "redirect", found: "redirect", remedy: "path of BACKEND_URL"},
		},
		"no JSON":     {backend.Instead("", replying(200, "", "OK")), want{status: check.Fail, found: "not a JSON object", remedy: astray}},
		"nothing":     {backend.Instead("", replying(200, "", "")), want{status: check.Fail, found: "not a JSON object", remedy: astray}},
		"broken JSON": {backend.Instead("", replying(200, "", `{"schemas":[`)), want{status: check.Fail, found: "not a JSON object", remedy: astray}},
		"two values":  {backend.Instead("", replying(200, "", listOf(`"totalResults":0`)+"{}")), want{status: check.Fail, found: "not a JSON object", remedy: astray}},
		"other JSON":  {backend.Instead("", replying(200, "", `{"schemas":{},"totalResults":0}`)), want{status: check.Fail, found: "no ListResponse", remedy: astray}},
		"SCIM 1.1": {
			backend.Instead("", replying(200, "", `{"schemas":["urn:scim:schemas:core:1.0"],"totalResults":0}`)),
			want{status: check.Fail, found: "SCIM 1.1", remedy: "SCIM 2.0"},
		},
		"a filter that is ignored": {
			backend.Instead("", replying(200, "", listOf(`"totalResults":1,"Resources":[{"id":"1","userName":"ada@example.com"}]`))),
			want{status: check.Fail, found: "strangers", remedy: "honour filters"},
		},
		"a total of strangers": {
			backend.Instead("", replying(200, "", listOf(`"totalResults":7,"Resources":[]`))),
			want{status: check.Fail, found: "strangers", remedy: "honour filters"},
		},
		"strangers, not counted": {
			backend.Instead("", replying(200, "", listOf(`"totalResults":0,"Resources":[{"id":"1","userName":"ada@example.com"}]`))),
			want{status: check.Fail, found: "strangers", remedy: "honour filters"},
		},
		"everybody": {
			backend.Instead("", replying(200, "", listOf(`"Resources":["`+strings.Repeat("x", 1<<19)+`"]`))),
			want{status: check.Fail, found: "more than 512 KiB", remedy: "honour filters"},
		},
		"a total as text": {
			backend.Instead("", replying(200, "", listOf(`"totalResults":"0","Resources":[]`))),
			want{status: check.Fail, found: "totalResults", remedy: "RFC 7644"},
		},
		"an object of resources": {
			backend.Instead("", replying(200, "", listOf(`"totalResults":0,"Resources":{}`))),
			want{status: check.Fail, found: "no array", remedy: "RFC 7644"},
		},
		// The step about lists says so; Entra's look-up does not mind.
		"Resources null": {
			backend.Instead("", replying(200, "", listOf(`"totalResults":0,"Resources":null`))),
			want{status: check.Pass, found: "200 and an empty list"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, normalize := range []string{"none", "all"} {
				w := newWorld(t, backend.Options{})
				w.Rules = rules(t, normalize)
				w.trouble.Begin(test.harm, backend.When{})
				report := quiet(t, w)
				test.users.check(t, report, "users")
				for _, detail := range finding(t, report, "users").Details {
					if strings.Contains(detail, "canary") {
						t.Error(detail)
					}
				}
				if name == "404 for all, in SCIM" && normalize == "all" {
					continue // filter-not-found takes it for an empty list
				}
				if got := finding(t, report, "proxy users"); got.Status != test.users.status || got.Class != test.users.class {
					t.Errorf("proxy users: %+v", got)
				}
			}
		})
	}
}

func TestProbesThatRulesRepair(t *testing.T) {
	needsAccept := func(w *world) http.HandlerFunc {
		return func(rw http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Accept") == "" {
				replying(406, "", "")(rw, r)
				return
			}
			w.serve(rw, r)
		}
	}
	for name, test := range map[string]struct {
		faults []backend.Fault
		harm   func(*world) http.HandlerFunc
		rule   string
		class  string
		found  string
	}{
		"a filter that nothing matches": {faults: []backend.Fault{backend.FilterNotFound}, rule: "filter-not-found", found: "404"},
		"no Accept":                     {harm: needsAccept, rule: "accept-scim", found: "406"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, on := range []string{"none", "all", test.rule, "active"} {
				w := newWorld(t, backend.Options{Faults: test.faults})
				w.Rules = rules(t, on)
				if test.harm != nil {
					w.trouble.Begin(backend.Instead("", test.harm(w)), backend.When{})
				}
				report := quiet(t, w)
				direct, through := want{status: check.Pass, found: repairs, rules: test.rule}, want{status: check.Pass, found: passes, rules: test.rule}
				switch on {
				case "all":
					if through.rules != "accept-scim" {
						through.rules = "accept-scim," + test.rule
					}
				case "none", "active":
					direct = want{status: check.Fail, found: test.found, remedy: turnOn, rules: test.rule}
					through = want{status: check.Fail, found: test.found}
				}
				for _, name := range []string{"users", "groups"} {
					direct.check(t, report, name)
					through.check(t, report, "proxy "+name)
				}
			}
		})
	}
}

// No rule makes an answer of a page.
func TestProbesThatFindNobodyWithAPage(t *testing.T) {
	w := newWorld(t, backend.Options{Faults: []backend.Fault{backend.FilterNotFound, backend.ErrorPages}})
	w.Rules = rules(t, "all")
	report := quiet(t, w)
	for _, name := range []string{"users", "groups"} {
		want{status: check.Fail, found: "404", remedy: "empty ListResponse where nothing matches", details: "HTTP/404"}.check(t, report, name)
	}
}

func TestPathOfTheBackendThatIsWrong(t *testing.T) {
	for path, elsewhere := range map[string]bool{
		"/rest/scim": true, "/rest": true, "": true, "/": true, "/rest/": true,
		"/rest/scim/v2/Users": false, "/rest/scim/v2/v1": false, "/rest/SCIM/v2": false, "/identity": false, "/a/b/c": false,
	} {
		t.Run(path, func(t *testing.T) {
			for _, normalize := range []string{"none", "all"} {
				w := newWorld(t, backend.Options{})
				w.Rules = rules(t, normalize)
				w.Backend.Path = path
				tried := map[string]bool{}
				w.trouble.Begin(backend.Instead("", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
					w.mu.Lock()
					if base, ok := strings.CutSuffix(r.URL.Path, "/Users"); ok {
						tried[base] = true
					}
					w.mu.Unlock()
					w.serve(rw, r)
				})), only("/Users"))
				report := quiet(t, w)
				got := finding(t, report, "users")
				want{status: check.Fail, found: "there is no SCIM service", remedy: astray}.check(t, report, "users")
				if strings.Contains(got.Found, "a path below it answers") != elsewhere || slices.Contains(got.Details, "a SCIM service answers at the path "+basePath) != elsewhere {
					t.Errorf("%+v", got)
				}
				// What is not below it may be another service's.
				for base := range tried {
					if len(tried) > 1+4 || !strings.HasPrefix(base, strings.TrimSuffix(path, "/")) {
						t.Errorf("tried: %v", tried)
					}
				}
			}
		})
	}
}

func TestGroupsThatTheBackendDoesNotHave(t *testing.T) {
	none := want{status: check.Warn, found: "has no groups", remedy: "GROUPS=stub"}
	for _, normalize := range []string{"none", "all"} {
		w := newWorld(t, backend.Options{Habits: []backend.Habit{backend.NoGroups}})
		w.Rules = rules(t, normalize)
		report := quiet(t, w)
		want{status: check.Pass}.check(t, report, "users")
		none.check(t, report, "groups")
		if got := report.Recommended["GROUPS"]; got != "stub" {
			t.Errorf("recommended: %q", got)
		}
	}
	for _, status := range []int{404, 405, 501} {
		w := newWorld(t, backend.Options{})
		w.trouble.Begin(backend.RefuseBare(status), only("/Groups"))
		report := quiet(t, w)
		none.check(t, report, "groups")
		none.check(t, report, "proxy groups")
		want{status: check.Pass}.check(t, report, "proxy users")
	}
}

func TestGroupsThatTheProxyAnswersFor(t *testing.T) {
	w := newWorld(t, backend.Options{})
	w.StubGroups = true
	w.trouble.Begin(backend.RefuseBare(500), only("/Groups"))
	report := quiet(t, w)
	want{status: check.Skip, found: "GROUPS=stub"}.check(t, report, "groups")
	want{status: check.Pass, found: "the proxy answers for groups"}.check(t, report, "proxy groups")
}

func TestGroupsThatFail(t *testing.T) {
	for name, test := range map[string]struct {
		harm  backend.Harm
		class string
		found string
	}{
		"500":        {backend.ErrorPage(500), "backend_error", "500"},
		"no rights":  {backend.Refuse(403, "no"), "", "403"},
		"a firewall": {backend.RefuseBare(403), "forbidden", "403"},
		"a page":     {backend.LoginPage(), "", "HTML"},
		"broken off": {backend.CutBody(9), "backend_cut", "broke off"},
		"no filters": {backend.Refuse(400, "no"), "", "400"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, backend.Options{})
			w.trouble.Begin(test.harm, only("/Groups"))
			report := quiet(t, w)
			want{status: check.Pass}.check(t, report, "users")
			want{status: check.Fail, class: test.class, found: test.found}.check(t, report, "groups")
			if got := finding(t, report, "proxy groups"); got.Status != check.Fail || got.Class != test.class {
				t.Errorf("%+v", got)
			}
		})
	}
	w := newWorld(t, backend.Options{})
	w.Backend.Path = "/identity"
	report := quiet(t, w)
	want{status: check.Fail, found: "404", remedy: "see users"}.check(t, report, "groups")
}

// Without Entra's token nothing can be tried through the proxy.
func TestProbesWithoutEntrasToken(t *testing.T) {
	w := newWorld(t, backend.Options{Faults: []backend.Fault{backend.FilterNotFound}})
	w.Secrets[0].Read = refuses(fmt.Errorf("the secret is not there"))
	report := quiet(t, w)
	want{status: check.Fail, found: "404", remedy: "empty ListResponse"}.check(t, report, "users")
	want{status: check.Skip}.check(t, report, "proxy users")
}

// What is not listed without a filter may be there all the same.
func TestBackendThatListsNothingWithoutAFilter(t *testing.T) {
	for _, status := range []int{http.StatusBadRequest, http.StatusForbidden, http.StatusInternalServerError} {
		w := newWorld(t, backend.Options{Faults: []backend.Fault{backend.FilterNotFound}})
		w.trouble.Begin(backend.Refuse(status, "no filter"), backend.When{Match: func(r *http.Request) bool { return r.URL.Query().Has("count") }})
		report := w.run(t)
		for _, name := range []string{"users", "groups"} {
			want{status: check.Fail, found: "404", remedy: turnOn, rules: "filter-not-found"}.check(t, report, name)
		}
		if report.Recommended["GROUPS"] != "" {
			t.Errorf("%d: recommended: %v", status, report.Recommended)
		}
	}
}
