package entra

import (
	"context"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/entra-scim-proxy/lab/backend"
)

// tried plays one check.
func (c checked) tried(ctx context.Context, t *testing.T, list, name string) Check {
	t.Helper()
	client := newClient(t, Options{TenantURL: c.url, Token: "secret-token"})
	if c.client != nil {
		client.http.Transport = c.client
	}
	for _, l := range checkLists() {
		for _, row := range l.checks {
			if l.name == list && row.name == name {
				made := Check{List: list, Name: name}
				client.try(ctx, row, "Lab-Check-0123abcd-00", &made)
				return made
			}
		}
	}
	t.Fatalf("there is no check %q", name)
	return Check{}
}

// Whichever call the run is interrupted in, before it or after it, nothing
// stays.
func TestAnInterruptedCheckLeavesNothingBehind(t *testing.T) {
	for _, row := range [][2]string{
		{ListValidator, "add a member and remove another at once"},
		{ListValidator, "create the same group again"},
		{ListValidator, "change a user's userName"},
		{ListSuite, "restore a group"},
		{ListSuite, "delete a user"},
	} {
		for _, late := range []bool{false, true} {
			for at := 1; ; at++ {
				ctx, cancel := context.WithCancel(t.Context())
				calls := 0
				c := newCheckedInMemory(t, between(t, func(_ request, next func() recorded) recorded {
					if calls++; calls == at && !late {
						cancel()
					}
					answer := next()
					if calls == at {
						cancel()
					}
					return answer
				}))
				check := c.tried(ctx, t, row[0], row[1])
				cancel()
				c.wantEmpty(t)
				if check.State == CheckPassed {
					break // it ended before, or with the interruption
				}
				if check.State != CheckSkipped || check.Detail != interrupted {
					t.Errorf("interrupted in call %d: %v", at, check)
				}
				if at > 30 {
					t.Fatalf("%s does not end: %v", row[1], check)
				}
			}
		}
	}
}

// inBubble plays the check that creates a user, directly against the strict
// backend, of which serve tampers with the POST. There is no socket, so that
// time may stand still.
func inBubble(ctx context.Context, t *testing.T, serve func(create func())) (checked, Check) {
	t.Helper()
	made, err := backend.New(backend.Options{Token: "secret-token", BasePath: "/scim"})
	if err != nil {
		t.Fatal(err)
	}
	c := checked{"http://scim.example.com/scim", made, direct{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			made.ServeHTTP(w, r)
			return
		}
		serve(func() { made.ServeHTTP(w, r) })
	})}}
	return c, c.tried(ctx, t, ListValidator, "create a user")
}

// A call that makes something is waited for when the run is interrupted: only
// its answer tells what there is.
func TestACreationIsNotCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		c, check := inBubble(ctx, t, func(create func()) {
			cancel()
			time.Sleep(grace - time.Second)
			create()
		})
		if check.Detail != interrupted || !check.Calls[0].OK {
			t.Errorf("got %v, %+v", check, check.Calls[0])
		}
		c.wantEmpty(t)
	})
}

func TestACreationIsNotWaitedForForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		start := time.Now()
		c, check := inBubble(ctx, t, func(create func()) {
			create()
			cancel()
			time.Sleep(10 * grace)
		})
		if took := time.Since(start); took != grace {
			t.Errorf("it took %v", took)
		}
		time.Sleep(10 * grace) // the service ends, too
		if check.Detail != interrupted {
			t.Errorf("got %v", check)
		}
		c.wantEmpty(t)
	})
}

// What was made is found by its name if no answer told its id.
func TestWhatWasMadeIsFoundAgain(t *testing.T) {
	for name, change := range map[string]tamper{
		"an error after the fact": instead(201, 500, scimMedia, "{}"),
		"no id":                   instead(201, 201, scimMedia, "{}"),
		"HTML":                    instead(201, 200, "text/html", "<p>Welcome"),
	} {
		for _, row := range [][2]string{
			{ListValidator, "create a user"}, {ListValidator, "create a group"}, {ListSuite, "provision a group on demand"}, {ListSuite, "page through users"},
		} {
			c := newCheckedInMemory(t, between(t, on(http.MethodPost, "", change)))
			check := c.tried(t.Context(), t, row[0], row[1])
			if check.OK() || strings.Contains(check.Detail, "left behind") {
				t.Errorf("%s: %v", name, check)
			}
			if prepares := strings.HasPrefix(check.Detail, "could not be prepared: create user"); prepares != (row[0] == ListSuite) {
				t.Errorf("%s: %v", name, check)
			}
			c.wantEmpty(t)
		}
	}
}

// An id is an id, whatever else is wrong with the answer.
func TestAnIDNeedsNoSearch(t *testing.T) {
	for name, change := range map[string]tamper{
		"200":        spoil(func(a recorded) { a.Code = 200 }),
		"plain JSON": spoil(func(a recorded) { a.Header().Set("Content-Type", "application/json") }),
	} {
		c := newCheckedInMemory(t, between(t, on(http.MethodPost, "", change)))
		check := c.tried(t.Context(), t, ListValidator, "create a user")
		if got := len(check.Calls); check.State != CheckFailed || got != 3 {
			t.Errorf("%s: %d calls, %v", name, got, check)
		}
		c.wantEmpty(t)
	}
}

// A service that takes duplicates has two to remove.
func TestDuplicatesAreRemoved(t *testing.T) {
	c := newCheckedInMemory(t, between(t, func(r request, next func() recorded) recorded {
		if strings.Contains(r.sent, `"displayName"`) && strings.Contains(r.sent, `"name":{"familyName"`) { // the second, whose members are sorted
			sent := strings.Replace(r.sent, `"userName":"`, `"userName":"another-`, 1)
			r.Body, r.ContentLength = http.NoBody, int64(len(sent))
			r.Body = httptest.NewRequest(http.MethodPost, "/", strings.NewReader(sent)).Body
		}
		return next()
	}))
	check := c.tried(t.Context(), t, ListValidator, "create the same user again")
	if want := "create user again: want 409, got 201"; check.State != CheckFailed || check.Detail != want {
		t.Errorf("got %v, want %q", check, want)
	}
	c.wantEmpty(t)
}

// A service that knows no filters shows everybody; strangers stay.
func TestStrangersAreNotRemoved(t *testing.T) {
	c := newCheckedInMemory(t, between(t, func(r request, next func() recorded) recorded {
		r.URL.RawQuery = ""
		answer := next()
		if r.Method == http.MethodPost && strings.Contains(r.sent, "Lab-Check") {
			answer.replace(500, scimMedia, "{}")
		}
		return answer
	}))
	client := newClient(t, Options{TenantURL: c.url, Token: "secret-token"})
	client.http.Transport = c.client
	calls := client.play(t.Context(), []step{
		{name: createUser, method: http.MethodPost, path: "/Users", body: newUser("Stranger", "Analyst", "Engines"), want: wantCreated},
		{name: createGroup, method: http.MethodPost, path: "/Groups", body: newGroup(), want: wantCreated},
	})
	if !calls[0].OK || !calls[1].OK {
		t.Fatal(calls)
	}
	for _, name := range []string{"create a user", "create a group"} {
		if check := c.tried(t.Context(), t, ListValidator, name); check.State != CheckFailed || strings.Contains(check.Detail, "left behind") {
			t.Errorf("got %v", check)
		}
	}
	if users, groups := c.backend.Users(), c.backend.Groups(); users != 1 || groups != 1 {
		t.Errorf("%d users and %d groups are left, want the strangers", users, groups)
	}
}

// What cannot be removed is told, also where the check has passed.
func TestWhatIsLeftBehindIsTold(t *testing.T) {
	for name, test := range map[string]struct {
		tamper      tamper
		state, want string
	}{
		"no DELETE": {on(http.MethodDelete, "", say(405, "{}")), CheckPassed, "left behind: /scim/Users/"},
		"no answer": {on(http.MethodPost, "", instead(201, 500, scimMedia, "{}")), CheckSkipped,
			`could not be prepared: create user: want 200 or 201 or 204, got 500; left behind: perhaps what "create user" made`},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCheckedInMemory(t, between(t, func(r request, next func() recorded) recorded {
				if name == "no answer" && r.Method == http.MethodGet {
					return say(500, "{}")(r, next)
				}
				return test.tamper(r, next)
			}))
			check := c.tried(t.Context(), t, ListValidator, "find a user")
			if check.State != test.state || !strings.HasPrefix(check.Detail, test.want) {
				t.Errorf("got %v, want %q", check, test.want)
			}
			if got := c.backend.Users(); got != 1 {
				t.Errorf("%d users are left", got)
			}
		})
	}
}

// Only what is there is removed, and what refers to others before them.
func TestCleanUpIsShort(t *testing.T) {
	for name, want := range map[string][]string{
		"restore a group": {
			"POST /Groups", "DELETE /Groups/{}", "GET /Groups?excludedAttributes=members&filter=displayName+eq+%22Lab-Check-0123abcd-00-group%22",
			"POST /Groups", "GET /Groups/{}", "DELETE /Groups/{}",
		},
		"delete a user":                    {"POST /Users", "DELETE /Users/{}", "GET /Users/{}"},
		"create the same user again":       {"POST /Users", "POST /Users", "DELETE /Users/{}"},
		"delete a user who does not exist": {"DELETE /Users/{}"},
		"add a member to a group": {
			"POST /Users", "POST /Groups", "PATCH /Groups/{}", "GET /Groups/{}", "DELETE /Groups/{}", "DELETE /Users/{}",
		},
	} {
		c := newCheckedInMemory(t, between(t, func(_ request, next func() recorded) recorded { return next() }))
		var got []string
		list := ListValidator
		if name == "restore a group" {
			list = ListSuite
		}
		for _, call := range c.tried(t.Context(), t, list, name).Calls {
			got = append(got, call.Method+" "+regexp.MustCompile(guid).ReplaceAllString(strings.TrimPrefix(call.Path, "/scim"), "{}"))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// A service that hangs holds cleaning up for so long, and no longer.
func TestCleanUpEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		made, err := backend.New(backend.Options{Token: "secret-token", BasePath: "/scim"})
		if err != nil {
			t.Fatal(err)
		}
		c := checked{"http://scim.example.com/scim", made, direct{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodDelete {
				<-r.Context().Done()
				return
			}
			made.ServeHTTP(w, r)
		})}}
		start := time.Now()
		check := c.tried(t.Context(), t, ListSuite, "page through groups")
		if took := time.Since(start); took != cleanUpTime {
			t.Errorf("it took %v", took)
		}
		if got := strings.Count(check.Detail, "/scim/Groups/"); got != 6 || check.State != CheckPassed {
			t.Errorf("got %v", check)
		}
	})
}
