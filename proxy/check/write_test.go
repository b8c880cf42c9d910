package check_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/entra-scim-proxy/lab/backend"
	"example.com/entra-scim-proxy/proxy/check"
)

const throwAwayPrefix = "entra-scim-proxy-check-"

func TestCreationIsEntras(t *testing.T) {
	w := writing(t, backend.Options{}, "none")
	w.run(t)
	var bodies []string
	for _, call := range w.seen() {
		if call.Method == http.MethodPost {
			bodies = append(bodies, call.Body)
			if got := call.Header.Get("Content-Type"); got != "application/scim+json; charset=utf-8" {
				t.Errorf("Content-Type: %s", got)
			}
		}
	}
	if len(bodies) != 2 {
		t.Fatalf("%d creations: %q", len(bodies), bodies)
	}
	var user struct {
		Schemas               []string
		UserName, DisplayName string
		ExternalID            string
		Active                bool
		Emails                []struct{ Type, Value string }
	}
	if err := json.Unmarshal([]byte(bodies[0]), &user); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(user.UserName, throwAwayPrefix) || !strings.HasSuffix(user.UserName, "@example.com") ||
		user.DisplayName != "entra-scim-proxy check, safe to delete" || len(user.ExternalID) != 36 || !user.Active ||
		len(user.Emails) != 1 || user.Emails[0].Value != user.UserName || user.Emails[0].Type != "work" || len(user.Schemas) != 2 {
		t.Errorf("user: %s", bodies[0])
	}
	if !strings.Contains(bodies[1], `"members":[]`) || !strings.Contains(bodies[1], `"displayName":"`+throwAwayPrefix) {
		t.Errorf("group: %s", bodies[1])
	}
}

func TestNoWritingWithoutWrite(t *testing.T) {
	w := writing(t, backend.Options{}, "none")
	w.Write = false
	for _, result := range w.run(t).Steps {
		if result.Step == "delete" || strings.HasPrefix(result.Step, "create") || strings.HasPrefix(result.Step, "shape") {
			t.Errorf("step %q", result.Step)
		}
	}
	for _, call := range w.seen() {
		if call.Method != http.MethodGet {
			t.Errorf("%s %s", call.Method, call.URI)
		}
	}
}

func TestNoGroupIsWrittenWhereTheProxyAnswersForGroups(t *testing.T) {
	w := writing(t, backend.Options{Lenient: true}, "none")
	w.StubGroups = true
	report := w.run(t)
	for name, got := range shapes(report) {
		if got != "pass" || strings.Contains(name, "member") {
			t.Errorf("%s: %s", name, got)
		}
	}
	if slices.ContainsFunc(report.Steps, func(r check.Result) bool { return r.Step == "create group" }) {
		t.Error("there is a step that creates a group")
	}
	for _, call := range w.seen() {
		if call.Method != http.MethodGet && strings.Contains(call.URI, "/Groups") {
			t.Errorf("%s %s", call.Method, call.URI)
		}
	}
	nothingLeft(t, w)
}

// The names that the details hold are of use to who has to delete by hand; the
// rest of the report is for everybody.
func TestWritingSaysNothingOfTheInside(t *testing.T) {
	w := writing(t, backend.Options{}, "none")
	w.trouble.Begin(backend.Refuse(http.StatusForbidden, "not by you"), backend.When{Match: isCall(http.MethodDelete, "/")})
	report := w.run(t)
	public, err := json.Marshal(report.Public())
	if err != nil {
		t.Fatal(err)
	}
	forbidden := []string{throwAwayPrefix, "not by you"}
	for _, call := range w.seen() {
		if path, ok := strings.CutPrefix(call.URI, basePath+"/Users/"); ok {
			forbidden = append(forbidden, path)
		}
	}
	for _, text := range forbidden {
		if strings.Contains(string(public), text) {
			t.Errorf("%q is in the report", text)
		}
	}
	got := finding(t, report, "delete")
	if got.Status != check.Fail || got.Remedy == "" || len(got.Details) != 2 ||
		!strings.HasPrefix(got.Details[0], `group "`+throwAwayPrefix) || !strings.HasPrefix(got.Details[1], `user "`+throwAwayPrefix) {
		t.Errorf("%+v", got)
	}
}

// A creation may be served though its answer is lost.
func TestLostCreationIsDeleted(t *testing.T) {
	for _, path := range []string{"/Users", "/Groups"} {
		t.Run(path, func(t *testing.T) {
			w := writing(t, backend.Options{}, "none")
			w.trouble.Begin(backend.ResetAfter(), backend.When{Match: isCall(http.MethodPost, path)})
			report := w.run(t)
			step := map[string]string{"/Users": "create user", "/Groups": "create group"}[path]
			if got := finding(t, report, step); got.Status != check.Fail || got.Class == "" {
				t.Errorf("%+v", got)
			}
			if got := finding(t, report, "delete"); got.Status != check.Pass {
				t.Errorf("%+v", got)
			}
			if sent := slices.DeleteFunc(w.seen(), func(c call) bool { return c.Method != http.MethodPost || c.URI != basePath+path }); len(sent) != 1 {
				t.Errorf("it was sent %d times", len(sent))
			}
			nothingLeft(t, w)
		})
	}
}

// The same with answers that do not say that it was served, and to both of two.
func TestCreationWithAWrongAnswerIsDeleted(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		found  string
	}{
		"error":      {http.StatusInternalServerError, "refused with status 500"},
		"no content": {http.StatusCreated, "answered with success, and without an id"},
	} {
		t.Run(name, func(t *testing.T) {
			w := writing(t, backend.Options{}, "none")
			w.trouble.Begin(backend.Instead(name, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				w.serve(httptest.NewRecorder(), r)
				rw.WriteHeader(test.status)
			})), backend.When{Match: isCall(http.MethodPost, "/")})
			report := w.run(t)
			for _, step := range []string{"create user", "create group"} {
				if got := finding(t, report, step); got.Status != check.Fail || got.Found != test.found || got.Remedy == "" {
					t.Errorf("%s: %+v", step, got)
				}
			}
			nothingLeft(t, w)
		})
	}
}

// A backend that answers with everybody, whatever the filter, must not lose them.
func TestOnlyWhatWasCreatedIsDeleted(t *testing.T) {
	w := writing(t, backend.Options{}, "none")
	w.trouble.Begin(backend.ResetAfter(), backend.When{Match: isCall(http.MethodPost, "/Users")})
	w.trouble.Begin(backend.Instead("no filter", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		r.URL.RawQuery = ""
		w.serve(rw, r)
	})), backend.When{Match: func(r *http.Request) bool { return strings.Contains(r.URL.RawQuery, "userName+eq+%22"+throwAwayPrefix) }})
	if got := finding(t, w.run(t), "delete"); got.Status != check.Pass {
		t.Errorf("%+v", got)
	}
	nothingLeft(t, w)
}

// Whether it was served is open: nothing of it is found.
func TestCreationWithoutTrace(t *testing.T) {
	w := writing(t, backend.Options{}, "none")
	w.trouble.Begin(backend.Reset(), backend.When{Match: isCall(http.MethodPost, "/Users")})
	got := finding(t, w.run(t), "delete")
	if got.Status != check.Warn || len(got.Details) != 1 || !strings.HasPrefix(got.Details[0], `user "`+throwAwayPrefix) {
		t.Errorf("%+v", got)
	}
	nothingLeft(t, w)
}

func TestCreationThatIsRefused(t *testing.T) {
	w := writing(t, backend.Options{}, "all")
	w.trouble.Begin(backend.Refuse(http.StatusForbidden, "not by you"), backend.When{Match: isCall(http.MethodPost, "/")})
	report := w.run(t)
	for _, name := range []string{"create user", "create group"} {
		if got := finding(t, report, name); got.Status != check.Fail || got.Found != "refused with status 403" || got.Remedy == "" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	for name, got := range shapes(report) {
		if got != "skip" {
			t.Errorf("%s: %s", name, got)
		}
	}
	nothingLeft(t, w)
}

// Nothing but a rule that no group chooses makes the backend take it: the check
// goes on with what that rule created.
func TestCreationThatARuleRepairs(t *testing.T) {
	w := writing(t, backend.Options{Lenient: true}, "none")
	w.trouble.Begin(backend.Refuse(http.StatusUnsupportedMediaType, "JSON only"), backend.When{Match: func(r *http.Request) bool {
		return r.Method == http.MethodPost && strings.Contains(r.Header.Get("Content-Type"), "scim")
	}})
	report := w.run(t)
	if got := finding(t, report, "create user"); got.Status != check.Fail || got.Rules != "content-type-json" {
		t.Errorf("%+v", got)
	}
	if got := finding(t, report, "shape Replace"); got.Status != check.Pass {
		t.Errorf("%+v", got)
	}
	nothingLeft(t, w)
}

func TestDeletionsThatDoNotDelete(t *testing.T) {
	deletion := isCall(http.MethodDelete, "/Users/")
	for name, test := range map[string]struct {
		options backend.Options
		harm    backend.Harm
		times   int // 0 is always
		status  check.Status
		found   string
		users   int
	}{
		"disables": {options: backend.Options{Habits: []backend.Habit{backend.DisableOnDelete}}, status: check.Warn,
			found: "the backend disables a user instead of deleting it", users: 2},
		"reserves": {options: backend.Options{Habits: []backend.Habit{backend.ReserveNames}}, status: check.Pass, found: "nothing is left", users: 1},
		"ignores": {harm: backend.RefuseBare(http.StatusNoContent), status: check.Fail,
			found: "answered with success, and the user is still there", users: 2},
		"knows no DELETE": {harm: backend.RefuseBare(http.StatusMethodNotAllowed), status: check.Fail,
			found: "the user cannot be deleted: refused with status 405", users: 2},
		"resets once":        {harm: backend.Reset(), times: 1, status: check.Pass, found: "nothing is left", users: 1},
		"resets once served": {harm: backend.ResetAfter(), status: check.Pass, found: "nothing is left", users: 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := writing(t, test.options, "none")
			if test.harm.String() != "" {
				w.trouble.Begin(test.harm, backend.When{Match: deletion, Next: test.times})
			}
			got := finding(t, w.run(t), "delete")
			if got.Status != test.status || got.Found != test.found || (len(got.Details) == 1) != (test.status != check.Pass) {
				t.Errorf("%+v", got)
			}
			if users, groups := w.backend.Users(), w.backend.Groups(); users != test.users || groups != 0 {
				t.Errorf("%d users, %d groups", users, groups)
			}
		})
	}
}

// Ctrl-C in the middle of a creation, and of a change.
func TestEndedCheckLeavesNothing(t *testing.T) {
	for _, at := range []struct{ method, path string }{
		{http.MethodPost, "/Users"}, {http.MethodPost, "/Groups"}, {http.MethodPatch, "/Users/"}, {http.MethodPatch, "/Groups/"},
	} {
		t.Run(at.method+at.path, func(t *testing.T) {
			w := writing(t, backend.Options{}, "none")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			w.trouble.Begin(backend.Instead("ended", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body) // which may be lost otherwise
				r.Body = io.NopCloser(bytes.NewReader(body))
				cancel()
				<-r.Context().Done()
				w.serve(rw, r)
			})), backend.When{Match: isCall(at.method, at.path), Next: 1})
			report := check.Run(ctx, w.Options, nil)
			if got := finding(t, report, "delete"); got.Status != check.Pass {
				t.Errorf("%+v", got)
			}
			if got := finding(t, report, "shape group name"); got.Status != check.Skip {
				t.Errorf("%+v", got)
			}
			nothingLeft(t, w)
		})
	}
}

// hangs does not answer, and ends with the call.
func hangs() backend.Harm { return backend.Slow(dead) }

func TestBackendThatHangsInTheMiddle(t *testing.T) {
	for name, test := range map[string]struct {
		when  backend.When
		steps map[string]check.Status
	}{
		"one change": {backend.When{Match: isCall(http.MethodPatch, "/Users/"), Next: 1},
			map[string]check.Status{"shape active as string": check.Fail, "shape active as boolean": check.Pass, "delete": check.Pass}},
		"all changes": {backend.When{Match: isCall(http.MethodPatch, "/")},
			map[string]check.Status{"shape active as string": check.Fail, "shape group name": check.Skip, "delete": check.Pass}},
		"deletion": {backend.When{Match: isCall(http.MethodDelete, "/Groups/")},
			map[string]check.Status{"delete": check.Fail}},
	} {
		synctest.Test(t, func(t *testing.T) {
			w, _, finish := inMemory(t, delays{})
			defer finish()
			addAda(t, w)
			w.Write = true
			w.trouble.Begin(hangs(), test.when)
			w.trouble.Begin(backend.Slow(time.Second), backend.When{Match: isCall(http.MethodDelete, "/Users/")})
			report, d := took(t, w.Options)
			if d >= check.Limit {
				t.Errorf("%s: it took %v", name, d)
			}
			for step, want := range test.steps {
				if got := finding(t, report, step); got.Status != want {
					t.Errorf("%s: %s: %+v", name, step, got)
				}
			}
			if got := finding(t, report, "delete"); got.Status == check.Fail && len(got.Details) != 1 {
				t.Errorf("%s: %+v", name, got)
			}
			if w.backend.Users() != 1 {
				t.Errorf("%s: %d users", name, w.backend.Users())
			}
		})
	}
}

// The backend is at a creation still when nobody waits for it any more.
func TestLateCreationIsDeleted(t *testing.T) {
	for _, late := range []time.Duration{0, 100 * time.Millisecond, 700 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			w, _, finish := inMemory(t, delays{})
			defer finish()
			addAda(t, w)
			w.Write = true
			var served atomic.Bool
			w.trouble.Begin(backend.Instead("late", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body) // without which nobody notices that the client is gone
				r.Body = io.NopCloser(bytes.NewReader(body))
				<-r.Context().Done()
				time.Sleep(late)
				w.serve(httptest.NewRecorder(), r)
				served.Store(true)
			})), backend.When{Match: isCall(http.MethodPost, "/Users")})
			report, _ := took(t, w.Options)
			if got := finding(t, report, "delete"); got.Status != check.Pass || !served.Load() {
				t.Errorf("%v: %+v, served: %v", late, got, served.Load())
			}
			nothingLeft(t, w)
		})
	}
}
