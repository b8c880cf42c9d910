package entra

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/entra-scim-proxy/lab/backend"
)

var update = flag.Bool("update", false, "rewrite golden files")

// newBackend is the lab's strict backend under /scim.
func newBackend(t *testing.T) http.Handler {
	t.Helper()
	handler, err := backend.New(backend.Options{Token: "secret-token", BasePath: "/scim"})
	if err != nil {
		t.Fatal(err)
	}
	return handler
}

// Every request of a lifecycle, with {keys} where ids will be.
func TestLifecycleInEachDialect(t *testing.T) {
	for name, options := range map[string]Options{
		"default":   {TenantURL: "http://127.0.0.1/scim"},
		"compliant": {TenantURL: "http://127.0.0.1/scim?aadOptscim062020"},
		"default with options": {
			TenantURL: "http://127.0.0.1/scim", MemberRefNull: true, LegacyGroupSchema: true, ReplaceMissing: true, AppRoles: true,
		},
		"compliant with options": {
			TenantURL: "http://127.0.0.1/scim?AzureAdScimPatch062020", MemberRefNull: true, ReplaceMissing: true, AppRoles: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			options.Token = "t"
			client := newClient(t, options)
			if got, _, _ := strings.Cut(name, " "); got != client.Dialect() {
				t.Errorf("dialect: got %q, want %q", client.Dialect(), got)
			}
			golden(t, filepath.Join("testdata", strings.ReplaceAll(name, " ", "-")+".golden"), script(t, client))
		})
	}
}

// script is a lifecycle as text: each step's name, request line and body.
func script(t *testing.T, client *Client) string {
	t.Helper()
	return written(t, client, client.lifecycle())
}

func written(t *testing.T, client *Client, steps []step) string {
	t.Helper()
	var text strings.Builder
	for _, s := range steps {
		body, err := new(memory).encode(s.body)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&text, "%s\n  %s %s\n", s.name, s.method, client.tenant.target(s.path, s.query))
		if body != nil {
			fmt.Fprintf(&text, "  %s\n", body)
		}
		if s.leaked != nil {
			if body, err = new(memory).encode(s.leaked); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&text, "  or, once members were shown: %s\n", body)
		}
	}
	return regexp.MustCompile(guid).ReplaceAllString(text.String(), "GUID")
}

// golden compares text with a file.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestStepsDependOnEarlierOnes(t *testing.T) {
	client := newClient(t, Options{TenantURL: "http://127.0.0.1/scim?aadOptscim062020", Token: "t"})
	earlier := map[string]bool{}
	for _, s := range client.lifecycle() {
		for _, name := range s.after {
			if !earlier[name] {
				t.Errorf("%q waits for %q, which is no earlier step", s.name, name)
			}
		}
		if earlier[s.name] {
			t.Errorf("%q is there twice", s.name)
		}
		earlier[s.name] = true
	}
}

// recorded is an answer of the backend on its way to the client.
type recorded struct {
	*httptest.ResponseRecorder
}

// edit replaces text in the body, which must hold it.
func (r recorded) edit(t *testing.T, old, new string) {
	body := r.Body.String()
	if !strings.Contains(body, old) {
		t.Errorf("no %q in %s", old, body)
	}
	r.Body.Reset()
	r.Body.WriteString(strings.ReplaceAll(body, old, new))
}

// set replaces one member of the body.
func (r recorded) set(t *testing.T, name string, value any) {
	var body map[string]any
	if err := json.Unmarshal(r.Body.Bytes(), &body); err != nil {
		t.Error(err)
	}
	body[name] = value
	r.Body.Reset()
	if err := json.NewEncoder(r.Body).Encode(body); err != nil {
		t.Error(err)
	}
}

// replace makes another answer of it.
func (r recorded) replace(status int, media, body string) {
	r.Code = status
	r.Header().Set("Content-Type", media)
	r.Body.Reset()
	r.Body.WriteString(body)
}

// lifecycleWith plays a lifecycle against the backend, which refuses what is not yet
// RFC 7644 in it; the answer to the step named is tampered with.
func lifecycleWith(t *testing.T, name string, tamper func(*testing.T, recorded)) map[string]Call {
	t.Helper()
	handler := newBackend(t)
	var current atomic.Value // name of the step
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, request)
		if current.Load() == name {
			tamper(t, recorded{recorder})
		}
		header := w.Header()
		for name, values := range recorder.Header() {
			if name != "Content-Length" {
				header[name] = values
			}
		}
		w.WriteHeader(recorder.Code)
		w.Write(recorder.Body.Bytes())
	}))
	t.Cleanup(server.Close)
	client := newClient(t, Options{TenantURL: server.URL + "/scim?aadOptscim062020", Token: "secret-token"})
	calls := map[string]Call{}
	m := client.newMemory()
	for _, s := range client.lifecycle() {
		current.Store(s.name)
		calls[s.name] = client.take(t.Context(), m, s)
	}
	if _, there := calls[name]; !there {
		t.Fatalf("no step %q", name)
	}
	return calls
}

const twoMatches = `{"schemas":["` + listSchema + `"],"totalResults":2,"Resources":[{"id":"1"},{"id":"2"}]}`

func TestJudgement(t *testing.T) {
	const scim = "application/scim+json"
	for _, test := range []struct {
		name, step string
		tamper     func(*testing.T, recorded)
		want       string // start of the reason
	}{
		{"wrong content type", probeUsers, func(_ *testing.T, r recorded) { r.Header().Set("Content-Type", "application/json") },
			`want content type application/scim+json, got "application/json"`},
		{"no content type", readUser, func(_ *testing.T, r recorded) { r.Header()["Content-Type"] = nil },
			`want content type application/scim+json, got ""`},
		{"HTML", probeUsers, func(_ *testing.T, r recorded) { r.replace(200, scim, "<html>Log in</html>") }, "the body is not a JSON object: "},
		{"empty body", readUser, func(_ *testing.T, r recorded) { r.replace(200, scim, "") }, "the body is not a JSON object: "},
		{"null body", readUser, func(_ *testing.T, r recorded) { r.replace(200, scim, "null") }, "the body is null"},
		{"Resources null", probeGroups, func(t *testing.T, r recorded) { r.set(t, "Resources", nil) }, "the list has no array Resources"},
		{"no ListResponse", lookUpUser, func(t *testing.T, r recorded) { r.set(t, "schemas", []string{userSchema}) }, "schemas does not name " + listSchema},
		{"totalResults a string", lookUpUser, func(t *testing.T, r recorded) { r.set(t, "totalResults", "0") }, `totalResults is "0", want a number`},
		{"a match too early", lookUpUser, func(_ *testing.T, r recorded) { r.replace(200, scim, twoMatches) }, "want 0 matches, got 2"},
		{"two matches", findUser, func(_ *testing.T, r recorded) { r.replace(200, scim, twoMatches) }, "want 1 matches, got 2"},
		{"no match", findUser, func(_ *testing.T, r recorded) { r.replace(200, scim, emptyList) }, "want 1 matches, got 0"},
		{"a match with a string", findUser, func(t *testing.T, r recorded) { r.edit(t, `"active":true`, `"active":"True"`) },
			`active was sent as true and came back as "True"`},
		{"no Location", createUser, func(_ *testing.T, r recorded) { r.Header().Del("Location") }, "there is no Location of what was created"},
		{"Location inside", createUser, func(_ *testing.T, r recorded) {
			r.Header().Set("Location", "https://scim.corp.example.com/rest/scim/v2/Users/1")
		}, `the Location leads elsewhere than to the tenant URL: "https://scim.corp.example.com/rest/scim/v2/Users/1"`},
		{"Location below another path", createUser, func(_ *testing.T, r recorded) { r.Header().Set("Location", "/rest/scim/v2/Users/1") },
			`the Location leads elsewhere than to the tenant URL: "/rest/scim/v2/Users/1"`},
		{"meta.location inside", readUser, func(t *testing.T, r recorded) {
			r.edit(t, `"location":"/scim/`, `"location":"https://scim.corp.example.com/`)
		},
			"the meta.location leads elsewhere than to the tenant URL: "},
		{"member not removed", "the member removed is gone", func(_ *testing.T, r recorded) { r.replace(200, scim, twoMatches) }, "want 0 matches, got 2"},
		{"members emptied", "the first member stays", func(_ *testing.T, r recorded) { r.replace(200, scim, emptyList) }, "want 1 matches, got 0"},
		{"401", probeUsers, func(_ *testing.T, r recorded) {
			r.replace(401, scim, `{"schemas":["`+errorSchema+`"],"status":"401","detail":"no such\ntoken"}`)
		}, "want 200, got 401: no such token"},
		{"500 in HTML", disableUser, func(_ *testing.T, r recorded) { r.replace(500, "text/html", "<p>sorry") }, "want 200 or 204, got 500"},
		{"200 for 201", createUser, func(_ *testing.T, r recorded) { r.Code = 200 }, "want 201, got 200"},
		{"no id", createUser, func(t *testing.T, r recorded) { r.set(t, "id", nil) }, "the resource has no id"},
		{"another id", readUser, func(t *testing.T, r recorded) { r.set(t, "id", "1") }, "the id is that of another resource"},
		{"active a string", readUser, func(t *testing.T, r recorded) { r.set(t, "active", "True") }, `active was sent as true and came back as "True"`},
		{"active not written", "read disabled user", func(t *testing.T, r recorded) { r.set(t, "active", true) }, "active was sent as false and came back as true"},
		{"name changed", readUser, func(t *testing.T, r recorded) { r.edit(t, `"givenName":"Ada"`, `"givenName":"ada"`) }, `name.givenName was sent as "Ada" and came back as "ada"`},
		{"e-mail lost", readUser, func(t *testing.T, r recorded) { r.set(t, "emails", nil) }, "emails came back without the element that was sent"},
		{"members leaked", "read group", func(t *testing.T, r recorded) { r.set(t, "members", []any{}) }, "members is there although it was excluded"},
		{"group PATCH with a body", addMember, func(_ *testing.T, r recorded) { r.replace(200, scim, "{}") }, "want 204, got 200"},
		{"404 in HTML", "read deleted user", func(_ *testing.T, r recorded) { r.replace(404, "text/html", "<p>gone") }, "want content type application/scim+json"},
		{"404 without a SCIM Error", "read deleted user", func(_ *testing.T, r recorded) { r.replace(404, scim, "{}") }, "schemas does not name " + errorSchema},
		{"404 with a number", "read deleted user", func(t *testing.T, r recorded) { r.set(t, "status", 404) }, `want status "404" in the SCIM Error, got 404`},
		{"deleted user still there", "read deleted user by old id", func(_ *testing.T, r recorded) { r.Code = 200 }, "want 404, got 200"},
	} {
		t.Run(test.name, func(t *testing.T) {
			call := lifecycleWith(t, test.step, test.tamper)[test.step]
			if call.OK || call.Skipped || !strings.HasPrefix(call.Detail, test.want) {
				t.Errorf("got OK %v, detail %q, want %q", call.OK, call.Detail, test.want)
			}
			if strings.ContainsAny(call.Detail, "\r\n") {
				t.Errorf("detail %q is not one line", call.Detail)
			}
		})
	}
}

func TestOldIDGivenOutAgain(t *testing.T) {
	m := &memory{ids: map[string]string{"user": "1", "user again": "1"}}
	err := differs("user again", "user", isResource("user again", nil))(m, map[string]any{"id": "1"})
	if err == nil {
		t.Error("no error")
	}
}

func TestDependentCallsAreSkipped(t *testing.T) {
	calls := lifecycleWith(t, createUser, func(_ *testing.T, r recorded) {
		r.replace(http.StatusConflict, "application/scim+json", `{"detail":"taken"}`)
	})
	if got, want := calls[createUser].Detail, "want 201, got 409: taken"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	var sent []string
	for step, call := range calls {
		if call.Skipped {
			if call.OK || call.Status != 0 || !strings.HasPrefix(call.Detail, "skipped: ") {
				t.Errorf("%s: got %+v", step, call)
			}
		} else {
			sent = append(sent, step)
		}
	}
	slices.Sort(sent)
	want := []string{
		renameGroup, addMembers, removeMember, "the member removed is gone", "the first member stays", "read group", "read renamed group",
		"clean up group", "clean up colleague", "clean up manager", createGroup, createUser, createManager, createPeer,
		"look up manager", "look up colleague", lookUpGroup, lookUpUser, probeGroups, probeUsers,
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, sent); diff != "" {
		t.Errorf("calls sent (-want +got):\n%s", diff)
	}
	if got, want := calls[readUser].Path, "/scim/Users/{user}"; got != want {
		t.Errorf("path of a skipped call: got %q, want %q", got, want)
	}
	if got, want := calls[readUser].Detail, `skipped: "create user" did not end as it should`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNobodyListens(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	client := newClient(t, Options{TenantURL: server.URL + "/scim?aadOptscim062020", Token: "t"})
	call := client.TestConnection(t.Context())[0]
	if call.OK || call.Status != 0 || !strings.Contains(call.Detail, "connection refused") || strings.Contains(call.Detail, "filter") {
		t.Errorf("got %+v", call)
	}
}

// A group that shows its members makes Entra replace them all from then on:
// here by one person, who is not one of the two that were there.
func TestLeakedMembersTurnAddIntoReplace(t *testing.T) {
	for step, want := range map[string]string{addMembers: "add", "read renamed group": "replace"} {
		calls := lifecycleWith(t, step, func(t *testing.T, r recorded) {
			if want == "replace" {
				r.set(t, "members", []any{})
			}
		})
		if sent := string(calls[addMember].Sent); !strings.Contains(sent, `"op":"`+want+`","path":"members"`) {
			t.Errorf("%s: sent %s", step, sent)
		}
		if got := calls["the first member stays"].OK; got != (want == "add") {
			t.Errorf("%s: the first member stays: %v", step, got)
		}
	}
}

func TestVisitLeavesNothingBehind(t *testing.T) {
	handler := newBackend(t)
	server := httptest.NewServer(handler)
	defer server.Close()
	for token, want := range map[string][]bool{"secret-token": {true, true, true}, "other": {false, false, false}} {
		var got []bool
		for _, call := range newClient(t, Options{TenantURL: server.URL + "/scim", Token: token}).Visit(t.Context()) {
			got = append(got, call.OK)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("calls with the token %s (-want +got):\n%s", token, diff)
		}
	}
	if left := handler.(*backend.Backend).Users(); left != 0 {
		t.Errorf("%d users are left", left)
	}
}
