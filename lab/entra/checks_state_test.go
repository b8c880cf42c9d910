package entra

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// lacking answers like a service that lacks an endpoint.
func lacking(target string) tamper {
	return func(r request, next func() recorded) recorded {
		if strings.Contains(r.RequestURI, target) {
			return say(404, `{"schemas":["`+errorSchema+`"],"status":"404","detail":"no such endpoint"}`)(r, next)
		}
		return next()
	}
}

// What a service lacks shows in the checks that are about it; those that would
// need it say so.
func TestAServiceWithoutGroups(t *testing.T) {
	c := newCheckedInMemory(t, between(t, lacking("/Groups")))
	checks := c.run(t.Context(), t, "")
	wantRows(t, checks)
	want := []string{
		"suite: SCIM group create", "suite: create a group", "suite: provision a group on demand",
		"validator: create a group", "validator: look for a group that does not exist",
	}
	if diff := cmp.Diff(want, rows(checks, CheckFailed)); diff != "" {
		t.Errorf("checks that failed (-want +got):\n%s", diff)
	}
	for _, check := range checks {
		if check.State != CheckSkipped {
			continue
		}
		if want := "could not be prepared: create group"; !strings.HasPrefix(check.Detail, want) {
			t.Errorf("%s: got %q, want %q", check.Name, check.Detail, want)
		}
		failed := slices.IndexFunc(check.Calls, func(call Call) bool { return !call.OK })
		for _, call := range check.Calls[failed+1:] {
			if !call.Skipped && call.Step != "clean up" {
				t.Errorf("%s: %q was sent after %q", check.Name, call.Step, check.Calls[failed].Step)
			}
		}
	}
	if got := len(rows(checks, CheckSkipped)); got == 0 {
		t.Error("no check was skipped")
	}
	c.wantEmpty(t)
}

func TestAServiceWithoutSchemas(t *testing.T) {
	c := newCheckedInMemory(t, between(t, lacking("/Schemas")))
	checks := c.run(t.Context(), t, "")
	at := slices.IndexFunc(checks, func(check Check) bool { return !check.OK() })
	want := "suite: discover the schemas: failed: read schemas: want 200, got 404: no such endpoint; only gallery applications are asked for schemas"
	if at < 0 || checks[at].String() != want {
		t.Fatalf("got %v, want %s", checks[max(at, 0)], want)
	}
	if others := slices.ContainsFunc(checks[at+1:], func(check Check) bool { return !check.OK() }); others {
		t.Error("others failed, too")
	}
}

// A service that does not answer at all is asked once.
func TestAServiceThatIsNotThere(t *testing.T) {
	for name, test := range map[string]struct {
		tamper tamper
		want   string
	}{
		"401":         {say(401, `{"detail":"no such token"}`), "test connection: users: want 200, got 401: no such token"},
		"403":         {say(403, "{}"), "test connection: users: want 200, got 403"},
		"504 in HTML": {instead(200, 504, "text/html", "<p>"), "test connection: users: want 200, got 504"},
		"no answer": {func(request, func() recorded) recorded { panic(http.ErrAbortHandler) },
			"test connection: users: EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int64
			c := newChecked(t, between(t, func(r request, next func() recorded) recorded {
				asked.Add(1)
				return test.tamper(r, next)
			}))
			checks := c.run(t.Context(), t, "")
			wantRows(t, checks)
			for _, check := range checks {
				if check.State == CheckNotApplicable {
					continue
				}
				if check.State != CheckSkipped || check.Detail != test.want || check.OK() || len(check.Calls) > 0 {
					t.Errorf("got %v, want %q", check, test.want)
				}
			}
			if got := asked.Load(); got != 1 {
				t.Errorf("it was asked %d times", got)
			}
		})
	}
}

// Whatever a service answers, there is a row for each check, and none of those
// that are tried passes.
func TestAServiceThatAnswersNonsense(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"HTML": "<!doctype html>", "nothing": "", "null": "null", "a list": "[]", "an empty object": "{}",
		"odd types":  `{"id":1,"schemas":"x","Resources":{},"totalResults":"1","meta":[],"members":{},"status":404}`,
		"odd lists":  `{"id":"1","schemas":["` + listSchema + `","` + errorSchema + `"],"Resources":[null,1,{"id":null}],"totalResults":-7}`,
		"itself":     `{"id":"{user}","schemas":["` + listSchema + `"],"Resources":[{"id":"{user}","members":[null]}],"totalResults":1e300}`,
		"a cut body": `{"id":"1`,
	} {
		for _, status := range []int{200, 201, 404, 500} {
			client := newClient(t, Options{TenantURL: "http://scim.example.com/scim", Token: "t"})
			client.http.Transport = direct{http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", scimMedia)
				w.Header().Set("Location", "/scim/Users/1")
				w.WriteHeader(status)
				if _, err := w.Write([]byte(answer)); err != nil {
					t.Error(err)
				}
			})}
			checks := slices.Collect(client.Checks(t.Context()))
			wantRows(t, checks)
			if passed := rows(checks, CheckPassed); passed != nil {
				t.Errorf("%s with %d: passed: %q", name, status, passed)
			}
		}
	}
}

func TestChecksAfterTheEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := newCheckedInMemory(t, between(t, func(_ request, next func() recorded) recorded { return next() }))
	checks := c.run(ctx, t, "")
	wantRows(t, checks)
	for _, check := range checks {
		if check.State != CheckNotApplicable && (check.State != CheckSkipped || check.Detail != interrupted) {
			t.Errorf("got %v", check)
		}
	}
}

func TestCheckOnOneLine(t *testing.T) {
	for want, check := range map[string]Check{
		"suite: update a user: passed":             {List: ListSuite, Name: "update a user", State: CheckPassed},
		"validator: find a user: failed: find: no": {List: ListValidator, Name: "find a user", State: CheckFailed, Detail: "find: no"},
	} {
		if got := check.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for state, want := range map[string]bool{CheckPassed: true, CheckNotApplicable: true, CheckFailed: false, CheckSkipped: false, "": false} {
		if got := (Check{State: state}).OK(); got != want {
			t.Errorf("%q: got %v", state, got)
		}
	}
}
