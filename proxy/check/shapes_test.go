package check_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/entra-scim-proxy/lab/backend"
	"example.com/entra-scim-proxy/proxy/check"
	"example.com/entra-scim-proxy/proxy/scim"
)

// writing is a world whose check writes, with a user that was there before.
func writing(t *testing.T, options backend.Options, rules string) *world {
	t.Helper()
	w := newWorld(t, options)
	addAda(t, w)
	w.Write = true
	var err error
	if w.Rules, err = scim.ParseRules(rules); err != nil {
		t.Fatal(err)
	}
	return w
}

func addAda(t *testing.T, w *world) {
	t.Helper()
	if _, err := w.backend.AddUser(map[string]any{"userName": "ada@contoso.com", "displayName": "Ada"}); err != nil {
		t.Fatal(err)
	}
}

// nothingLeft fails the test unless the backend is as it was.
func nothingLeft(t *testing.T, w *world) {
	t.Helper()
	if users, groups := w.backend.Users(), w.backend.Groups(); users != 1 || groups != 0 {
		t.Errorf("the backend has %d users and %d groups", users, groups)
	}
}

// shapes are the statuses of the shapes, with the rules that repair them.
func shapes(report check.Report) map[string]string {
	got := map[string]string{}
	for _, result := range report.Steps {
		if name, ok := strings.CutPrefix(result.Step, "shape "); ok {
			got[name] = strings.TrimSpace(string(result.Status) + " " + result.Rules)
		}
	}
	return got
}

// isCall picks calls of a method under a path.
func isCall(method, path string) func(*http.Request) bool {
	return func(r *http.Request) bool {
		return r.Method == method && strings.HasPrefix(r.URL.Path, basePath+path)
	}
}

func TestShapesOfAStrictBackend(t *testing.T) {
	want := map[string]string{
		"active as string": "op-case,active-boolean", "active as boolean": "", "Replace": "op-case", "Add": "op-case",
		"filtered path": "op-case", "missing, with Add": "op-case", "missing, with Replace": "op-case,missing-target",
		"enterprise": "op-case", "without a path": "pathless-split", "enterprise, no path": "pathless-split",
		"manager as string": "op-case,manager-object", "Remove member by value": "op-case,remove-value", "Add member": "op-case",
		"remove member by filter": "", "add member": "", "group name": "op-case",
	}
	for _, rules := range []string{"none", "all,missing-target"} {
		t.Run(rules, func(t *testing.T) {
			w := writing(t, backend.Options{}, rules)
			report := w.run(t)
			expected := map[string]string{}
			for name, needs := range want {
				status := "fail"
				if needs == "" || rules != "none" {
					status = "pass"
				}
				if name == "missing, with Add" && rules != "none" {
					needs += ",missing-target" // which is at work wherever the element is missing
				}
				expected[name] = strings.TrimSpace(status + " " + needs)
			}
			if diff := cmp.Diff(expected, shapes(report)); diff != "" {
				t.Errorf("shapes (-want +got):\n%s", diff)
			}
			if got := finding(t, report, "delete"); got.Status != check.Pass {
				t.Errorf("delete: %+v", got)
			}
			// No group of rules has it.
			if got := report.Recommended["NORMALIZE"]; !strings.Contains(got, "missing-target") {
				t.Errorf("recommended: %q", got)
			}
			nothingLeft(t, w)
		})
	}
}

func TestShapesOfALenientBackend(t *testing.T) {
	for _, rules := range []string{"none", "all"} {
		t.Run(rules, func(t *testing.T) {
			w := writing(t, backend.Options{Lenient: true}, rules)
			report := w.run(t)
			for name, got := range shapes(report) {
				if got != "pass" {
					t.Errorf("%s: %s", name, got)
				}
			}
			if len(shapes(report)) != 16 || report.Result != check.Pass {
				t.Errorf("%s, %v", report.Result, shapes(report))
			}
			nothingLeft(t, w)
		})
	}
}

// One that takes all but booleans as strings. That a rule repairs its answers, too,
// has nothing to do with that.
func TestShapesWithBooleanActive(t *testing.T) {
	w := writing(t, backend.Options{Lenient: true, Habits: []backend.Habit{backend.BooleanActive}, Faults: []backend.Fault{backend.PlainJSON}}, "none")
	report := w.run(t)
	for name, got := range shapes(report) {
		want := "pass"
		if name == "active as string" {
			want = "fail op-case,active-boolean"
		}
		if got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
	got := finding(t, report, "shape active as string")
	want := check.Finding{
		Status: check.Fail, Found: "refused with status 400", Rules: "op-case,active-boolean",
		Remedy:  "turn on the rules that repair it: see the recommended setting",
		Details: []string{`sent: {"op":"Replace","path":"active","value":"False"}`},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Of a boolean that comes back as a string, the shapes can tell what it says.
func TestShapesWithActiveAsAString(t *testing.T) {
	w := writing(t, backend.Options{Lenient: true, Faults: []backend.Fault{backend.ActiveString, backend.ManagerString, backend.PlainJSON}}, "none")
	for name, got := range shapes(w.run(t)) {
		if got != "pass" {
			t.Errorf("%s: %s", name, got)
		}
	}
	nothingLeft(t, w)
}

func TestShapesThatChangeNothing(t *testing.T) {
	w := writing(t, backend.Options{Lenient: true}, "all")
	w.trouble.Begin(backend.Instead("204", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.WriteHeader(http.StatusNoContent)
	})), backend.When{Match: isCall(http.MethodPatch, "/")})
	report := w.run(t)
	for name := range shapes(report) {
		got := finding(t, report, "shape "+name)
		switch found := "answered with success, and changed nothing"; name {
		case "Remove member by value", "remove member by filter": // nobody can be made a member
			if got.Status != check.Skip {
				t.Errorf("%s: %+v", name, got)
			}
		default:
			if got.Status != check.Fail || got.Found != found || got.Remedy == "" || got.Rules != "" {
				t.Errorf("%s: %+v", name, got)
			}
		}
	}
	nothingLeft(t, w)
}

// Keys with dots are ignored, the rest is taken.
func TestShapesThatChangeAPart(t *testing.T) {
	w := writing(t, backend.Options{Lenient: true}, "none")
	w.trouble.Begin(backend.Instead("no dots", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var message map[string]any
		_ = json.Unmarshal(body, &message)
		for _, o := range message["Operations"].([]any) {
			if object, ok := o.(map[string]any)["value"].(map[string]any); ok {
				delete(object, "name.givenName")
			}
		}
		body, _ = json.Marshal(message)
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		w.serve(rw, r)
	})), backend.When{Match: isCall(http.MethodPatch, "/Users/")})
	report := w.run(t)
	got := finding(t, report, "shape without a path")
	if got.Found != "answered with success, and changed only a part of what it should" || got.Rules != "pathless-split" || got.Status != check.Fail {
		t.Errorf("%+v", got)
	}
	if got := finding(t, report, "shape enterprise, no path"); got.Status != check.Pass {
		t.Errorf("%+v", got)
	}
}

// removesAll makes a backend of one that takes a removal of members by value for
// one of all members (RFC 7644 section 3.5.2.2).
func removesAll(w *world) backend.Harm {
	return backend.Instead("removes all", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if bytes.Contains(body, []byte(`"Remove"`)) || bytes.Contains(body, []byte(`"remove"`)) && !bytes.Contains(body, []byte(`members[`)) {
			body = []byte(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"remove","path":"members"}]}`)
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		w.serve(rw, r)
	}))
}

func TestShapeThatRemovesEverybody(t *testing.T) {
	for rules, status := range map[string]check.Status{"none": check.Fail, "all": check.Pass} {
		t.Run(rules, func(t *testing.T) {
			w := writing(t, backend.Options{Lenient: true}, rules)
			w.trouble.Begin(removesAll(w), backend.When{Match: isCall(http.MethodPatch, "/Groups/")})
			report := w.run(t)
			got := finding(t, report, "shape Remove member by value")
			if got.Status != status || got.Rules != "op-case,remove-value" || !strings.HasPrefix(got.Found, "removes everybody from the group, whoever is to be removed") {
				t.Errorf("%+v", got)
			}
			for _, name := range []string{"remove member by filter", "Add member", "add member"} {
				if got := finding(t, report, "shape "+name); got.Status != check.Pass {
					t.Errorf("%s: %+v", name, got)
				}
			}
			nothingLeft(t, w)
		})
	}
}

// No rule helps: filters are ignored as well.
func TestShapesThatAlwaysRemoveEverybody(t *testing.T) {
	w := writing(t, backend.Options{Lenient: true}, "all")
	w.trouble.Begin(backend.Instead("removes all", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if bytes.Contains(bytes.ToLower(body), []byte(`"remove"`)) {
			body = []byte(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"remove","path":"members"}]}`)
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		w.serve(rw, r)
	})), backend.When{Match: isCall(http.MethodPatch, "/Groups/")})
	report := w.run(t)
	for _, name := range []string{"Remove member by value", "remove member by filter"} {
		if got := finding(t, report, "shape "+name); got.Status != check.Fail || got.Rules != "" || got.Remedy != "have the backend remove only who is named" {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestShapesThatSomethingInFrontRefuses(t *testing.T) {
	w := writing(t, backend.Options{Lenient: true}, "all")
	w.trouble.Begin(backend.ErrorPage(http.StatusForbidden), backend.When{Match: isCall(http.MethodPatch, "/")})
	report := w.run(t)
	for _, name := range []string{"shape active as string", "shape Add member"} {
		if got := finding(t, report, name); got.Status != check.Fail || got.Class != "forbidden" || got.Remedy == "" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	nothingLeft(t, w)
}

func TestShapesThatEndInAnErrorOfTheBackend(t *testing.T) {
	w := writing(t, backend.Options{Lenient: true}, "none")
	w.trouble.Begin(backend.ErrorPage(http.StatusInternalServerError), backend.When{Match: isCall(http.MethodPatch, "/Users/")})
	if got := finding(t, w.run(t), "shape Replace"); got.Status != check.Fail || got.Class != "backend_error" || got.Found != "refused with status 500" {
		t.Errorf("%+v", got)
	}
}

// An attribute that the backend does not keep is no reproach.
func TestShapesOfAttributesThatTheBackendLacks(t *testing.T) {
	w := writing(t, backend.Options{Unsupported: []string{"title", "phoneNumbers"}}, "none")
	report := w.run(t)
	if got := finding(t, report, "create user"); got.Status != check.Warn || !strings.Contains(got.Remedy, "DROP_ATTRIBUTES") {
		t.Errorf("%+v", got)
	}
	for _, name := range []string{"Add", "missing, with Add", "missing, with Replace"} {
		if got := finding(t, report, "shape "+name); got.Status != check.Skip || got.Found != "the backend does not keep such an attribute" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	nothingLeft(t, w)
}

// The only manager that there is to try is the user, which may not be allowed.
func TestShapeOfAManagerThatIsRefused(t *testing.T) {
	w := writing(t, backend.Options{Lenient: true}, "all")
	w.trouble.Begin(backend.Refuse(http.StatusBadRequest, "a manager is somebody else"), backend.When{Match: func(r *http.Request) bool {
		if r.Method != http.MethodPatch {
			return false
		}
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		return bytes.Contains(body, []byte(`User:manager"`))
	}})
	want := check.Finding{Status: check.Skip, Found: "refused with status 400, and the user may not be its own manager, which is what was tried"}
	if diff := cmp.Diff(want, finding(t, w.run(t), "shape manager as string")); diff != "" {
		t.Error(diff)
	}
}

// What the backend refuses and DROP_ATTRIBUTES takes out does not hurt Entra.
func TestShapesThatAreDropped(t *testing.T) {
	w := writing(t, backend.Options{Lenient: true}, "none")
	w.drop = []string{"title"}
	w.trouble.Begin(backend.Refuse(http.StatusBadRequest, "no title"), backend.When{Match: func(r *http.Request) bool {
		if r.Method != http.MethodPatch {
			return false
		}
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		return bytes.Contains(body, []byte(`"title"`))
	}})
	if got := finding(t, w.run(t), "shape Add"); got.Status != check.Pass || got.Found != "refused with status 400, but for what DROP_ATTRIBUTES takes out" {
		t.Errorf("%+v", got)
	}
}

// The backend may be slow to take a change, and lose one of two at a time.
func TestShapesChangeAResourceOneAfterTheOther(t *testing.T) {
	w := writing(t, backend.Options{}, "none")
	var mu sync.Mutex
	under, overlaps := map[string]int{}, 0
	w.trouble.Begin(backend.Instead("counted", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		mu.Lock()
		under[r.URL.Path]++
		if under[r.URL.Path] > 1 {
			overlaps++
		}
		mu.Unlock()
		w.serve(rw, r)
		mu.Lock()
		under[r.URL.Path]--
		mu.Unlock()
	})), backend.When{Match: isCall(http.MethodPatch, "/")})
	w.run(t)
	if overlaps > 0 || len(under) != 2 {
		t.Errorf("%d overlap, %d resources", overlaps, len(under))
	}
}
