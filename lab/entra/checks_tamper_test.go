package entra

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// request is one of Entra's on its way to a tampered service.
type request struct {
	*http.Request
	sent string // its body
}

// tamper answers a request; next is what the service would have answered, and
// has done.
type tamper func(r request, next func() recorded) recorded

// on tampers with requests of one method whose path and query, as they are on
// the wire, match an expression.
func on(method, target string, inner tamper) tamper {
	expression := regexp.MustCompile(target)
	return func(r request, next func() recorded) recorded {
		if r.Method != method || !expression.MatchString(r.RequestURI) {
			return next()
		}
		return inner(r, next)
	}
}

// sending tampers with requests whose body matches an expression.
func sending(inner tamper, expression string) tamper {
	body := regexp.MustCompile(expression)
	return func(r request, next func() recorded) recorded {
		if !body.MatchString(r.sent) {
			return next()
		}
		return inner(r, next)
	}
}

// say answers without doing anything.
func say(status int, body string) tamper {
	return func(request, func() recorded) recorded {
		answer := recorded{httptest.NewRecorder()}
		answer.replace(status, "application/scim+json", body)
		return answer
	}
}

// spoil changes what the service answers.
func spoil(change func(recorded)) tamper {
	return func(_ request, next func() recorded) recorded {
		answer := next()
		change(answer)
		return answer
	}
}

// instead answers in the place of a status.
func instead(of, status int, media, body string) tamper {
	return spoil(func(answer recorded) {
		if answer.Code == of {
			answer.replace(status, media, body)
		}
	})
}

// ignored takes a PATCH and does nothing.
func ignored() tamper { return say(http.StatusNoContent, "") }

const (
	scimMedia    = "application/scim+json"
	conflictBody = `{"schemas":["` + errorSchema + `"],"status":"409","scimType":"uniqueness"}`
)

// between puts a tamper in front of a handler. Tampers are called one at a time.
func between(t *testing.T, change tamper) func(http.Handler) http.Handler {
	var one sync.Mutex
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			one.Lock()
			defer one.Unlock()
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			answer := change(request{r, string(body)}, func() recorded {
				recorder := httptest.NewRecorder()
				next.ServeHTTP(recorder, r)
				return recorded{recorder}
			})
			for name, values := range answer.Header() {
				if name != "Content-Length" {
					w.Header()[name] = values
				}
			}
			w.WriteHeader(answer.Code)
			if _, err := w.Write(answer.Body.Bytes()); err != nil && answer.Code != http.StatusNoContent {
				t.Error(err)
			}
		})
	}
}

// rows are the names of the checks in a state, with their list.
func rows(checks []Check, state string) []string {
	var names []string
	for _, check := range checks {
		if check.State == state {
			names = append(names, check.List+": "+check.Name)
		}
	}
	slices.Sort(names)
	return names
}

// shares is in how many parts the checks are split of which nothing is expected
// to fail. The race detector makes all of them too slow to try with each service.
const shares = 6

// someChecks are the checks that are wanted, and a share of the others; all of
// them unless there is a race detector.
func someChecks(share int, wanted func(string) bool) []checkList {
	lists, n := checkLists(), 0
	if !raceDetector() {
		return lists
	}
	for i, l := range lists {
		lists[i].checks = slices.DeleteFunc(l.checks, func(row check) bool {
			n++
			return (n+share)%shares != 0 && !wanted(l.name+": "+row.name)
		})
	}
	return lists
}

// raceDetector reports whether the test was built with one.
func raceDetector() bool {
	build, _ := debug.ReadBuildInfo()
	return build != nil && slices.Contains(build.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// Each check fails for a service that gets wrong what the check is about, and
// no other check does, but for those that are about the same.
func TestEachCheckFailsForItsReason(t *testing.T) {
	table := faultyServices()
	seen := map[string]bool{}
	for i, key := range slices.Sorted(maps.Keys(table)) {
		test, share := table[key], i
		name, _, _ := strings.Cut(key, " #")
		seen[name] = true
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			c := newCheckedInMemory(t, between(t, test.tamper()))
			want := append(slices.Clone(test.with), name)
			checks := c.runLists(t.Context(), t, test.flag, someChecks(share, func(row string) bool {
				return slices.Contains(want, row) || slices.Contains(test.skips, row)
			}))
			slices.Sort(want)
			if diff := cmp.Diff(want, rows(checks, CheckFailed)); diff != "" {
				t.Errorf("checks that failed (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.skips, rows(checks, CheckSkipped)); diff != "" {
				t.Errorf("checks that were skipped (-want +got):\n%s", diff)
			}
			for _, check := range checks {
				if !check.OK() {
					t.Log(check)
				}
				if !check.OK() && (check.Detail == "" || strings.ContainsAny(check.Detail, "\r\n")) {
					t.Errorf("%s: %q is no reason on one line", check.Name, check.Detail)
				}
			}
			c.wantEmpty(t)
		})
	}
	for _, l := range checkLists() {
		for _, row := range l.checks {
			if name := l.name + ": " + row.name; row.try != nil && !seen[name] {
				t.Errorf("no service fails %q", name)
			} else if row.try == nil && seen[name] {
				t.Errorf("%q is never tried", name)
			}
		}
	}
}
