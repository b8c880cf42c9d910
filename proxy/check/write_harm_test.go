package check_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.com/entra-scim-proxy/lab/backend"
	"example.com/entra-scim-proxy/proxy/check"
)

// serveAs serves a call as another, and returns the answer.
func serveAs(w *world, r *http.Request, method, path string) *httptest.ResponseRecorder {
	other := r.Clone(r.Context())
	other.Method, other.Body, other.ContentLength = method, http.NoBody, 0
	other.URL.Path = path
	answer := httptest.NewRecorder()
	w.backend.ServeHTTP(answer, other)
	return answer
}

// A creation that is answered with somebody else's resource, whole or by its id
// only, gives no right to change or to delete that.
func TestOnlyWhatWasSentIsChanged(t *testing.T) {
	for name, shown := range map[string][]string{"whole": {"id", "userName", "displayName", "schemas"}, "id only": {"id"}} {
		for _, path := range []string{"/Users", "/Groups"} {
			t.Run(name+path, func(t *testing.T) {
				w := writing(t, backend.Options{Lenient: true}, "all")
				staff := httptest.NewRequest(http.MethodPost, basePath+"/Groups", strings.NewReader(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Staff"}`))
				staff.Header = http.Header{"Authorization": {"Bearer " + backendToken}, "Content-Type": {"application/scim+json"}}
				w.backend.ServeHTTP(httptest.NewRecorder(), staff)
				var id string
				w.trouble.Begin(backend.Instead("another", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
					var list struct{ Resources []map[string]any }
					_ = json.Unmarshal(serveAs(w, r, http.MethodGet, basePath+path).Body.Bytes(), &list)
					answer := map[string]any{}
					for _, key := range shown {
						answer[key] = list.Resources[0][key]
					}
					id, _ = answer["id"].(string)
					body, _ := json.Marshal(answer)
					replying(http.StatusCreated, "Content-Type: application/scim+json", string(body))(rw, r)
				})), backend.When{Match: isCall(http.MethodPost, path)})
				report := w.run(t)
				step := map[string]string{"/Users": "create user", "/Groups": "create group"}[path]
				if got := finding(t, report, step); id == "" || got.Status != check.Fail || !strings.Contains(got.Found, "than the one that was sent") {
					t.Errorf("id %q: %+v", id, got)
				}
				// What became of what was sent is open.
				if got := finding(t, report, "delete"); got.Status != check.Warn || !strings.Contains(got.Found, "cannot be found") {
					t.Errorf("%+v", got)
				}
				for _, call := range w.seen() {
					if call.Method != http.MethodGet && strings.HasSuffix(call.URI, "/"+id) {
						t.Errorf("%s %s", call.Method, call.URI)
					}
				}
				if users, groups := w.backend.Users(), w.backend.Groups(); users != 1 || groups != 1 {
					t.Errorf("%d users, %d groups", users, groups)
				}
			})
		}
	}
}

// An answer with no more than the id is enough: the resource tells whose it is.
func TestCreationThatIsAnsweredWithTheIDOnly(t *testing.T) {
	w := writing(t, backend.Options{Lenient: true}, "none")
	w.trouble.Begin(backend.Instead("id only", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		answer := httptest.NewRecorder()
		w.serve(answer, r)
		var resource struct {
			ID string `json:"id"`
		}
		_ = json.Unmarshal(answer.Body.Bytes(), &resource)
		body, _ := json.Marshal(resource)
		replying(http.StatusCreated, "Content-Type: application/scim+json", string(body))(rw, r)
	})), backend.When{Match: isCall(http.MethodPost, "/")})
	report := w.run(t)
	for _, step := range []string{"create user", "create group", "shape Replace", "shape Add member", "delete"} {
		if got := finding(t, report, step); got.Status != check.Pass {
			t.Errorf("%s: %+v", step, got)
		}
	}
	nothingLeft(t, w)
}

// A backend that answers nobody without an Accept header, as Entra sends none, is
// read, and cleaned up, through the rule that repairs it.
func TestWritingToABackendThatWantsAnAcceptHeader(t *testing.T) {
	w := writing(t, backend.Options{Lenient: true}, "all")
	w.trouble.Begin(backend.Refuse(http.StatusNotAcceptable, "nothing is accepted"), backend.When{Match: func(r *http.Request) bool {
		return r.Header.Get("Accept") == ""
	}})
	report := w.run(t)
	for _, result := range report.Steps {
		if result.Status == check.Fail {
			t.Errorf("%+v", result)
		}
	}
	for name, got := range shapes(report) {
		if !strings.HasPrefix(got, "pass") || !strings.HasSuffix(got, "accept-scim") {
			t.Errorf("%s: %s", name, got)
		}
	}
	if got := finding(t, report, "excludedAttributes"); got.Status != check.Pass {
		t.Errorf("%+v", got)
	}
	nothingLeft(t, w)
}

// A creation may be served though it is refused, and be refused again for that.
func TestRefusedCreationIsDeleted(t *testing.T) {
	for _, rules := range []string{"none", "all"} {
		t.Run(rules, func(t *testing.T) {
			w := writing(t, backend.Options{Lenient: true}, rules)
			w.trouble.Begin(backend.Instead("served", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				w.serve(httptest.NewRecorder(), r)
				replying(http.StatusBadRequest, "", "")(rw, r)
			})), backend.When{Match: isCall(http.MethodPost, "/"), Next: 1})
			if got := finding(t, w.run(t), "delete"); got.Status != check.Pass {
				t.Errorf("%+v", got)
			}
			nothingLeft(t, w)
		})
	}
}

// A creation that seemed to have failed may be served late, when the next has been
// taken and what that created has another name.
func TestGroupThatIsCreatedTwiceIsDeleted(t *testing.T) {
	w := writing(t, backend.Options{Lenient: true}, "all")
	var first *http.Request
	w.trouble.Begin(backend.Instead("late", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		first = r.Clone(context.WithoutCancel(r.Context()))
		first.Body = io.NopCloser(bytes.NewReader(body))
		rw.WriteHeader(http.StatusInternalServerError)
	})), backend.When{Match: isCall(http.MethodPost, "/Groups"), Next: 1})
	w.trouble.Begin(backend.Instead("served", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.serve(httptest.NewRecorder(), first)
		w.serve(rw, r)
	})), backend.When{Match: isCall(http.MethodDelete, "/Groups/"), Next: 1})
	report := w.run(t)
	for _, step := range []string{"shape group name", "delete"} {
		if got := finding(t, report, step); got.Status != check.Pass {
			t.Errorf("%s: %+v", step, got)
		}
	}
	nothingLeft(t, w)
}

// Some do not show a user any more that was disabled: that is not deleted.
func TestDisabledUserThatIsHiddenIsNamed(t *testing.T) {
	w := writing(t, backend.Options{Lenient: true}, "none")
	hidden := false
	w.trouble.Begin(backend.Instead("hides", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		if hidden {
			replying(http.StatusNotFound, "", "")(rw, r)
			return
		}
		hidden = bytes.Contains(body, []byte(`"False"`))
		w.serve(rw, r)
	})), backend.When{Match: func(r *http.Request) bool {
		return strings.HasPrefix(r.URL.Path, basePath+"/Users/") && (hidden || r.Method == http.MethodPatch)
	}})
	report := w.run(t)
	if got := finding(t, report, "shape active as string"); got.Status != check.Fail || !strings.Contains(got.Remedy, "disabled or not") {
		t.Errorf("%+v", got)
	}
	got := finding(t, report, "delete")
	if got.Status != check.Warn || len(got.Details) != 1 || !strings.Contains(got.Details[0], throwAwayPrefix) {
		t.Errorf("%+v", got)
	}
}

// The rule about Accept is at work on every call, and repairs nothing of what
// DROP_ATTRIBUTES takes out.
func TestCreationThatIsTakenWithoutWhatIsDropped(t *testing.T) {
	w := writing(t, backend.Options{Lenient: true, Unsupported: []string{"title"}}, "all")
	w.drop = []string{"title"}
	got := finding(t, w.run(t), "create user")
	if got.Status != check.Pass || got.Found != "refused with status 400, but for what DROP_ATTRIBUTES takes out" || got.Rules != "" {
		t.Errorf("%+v", got)
	}
}

// Some answer from a copy, which shows a change a moment later.
func TestBackendThatAnswersFromACopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _, finish := inMemory(t, delays{})
		defer finish()
		var err error
		if w.backend, err = backend.New(backend.Options{Token: backendToken, BasePath: basePath, Lenient: true}); err != nil {
			t.Fatal(err)
		}
		addAda(t, w)
		w.Write = true
		copies, until := map[string]string{}, map[string]time.Time{}
		var mu sync.Mutex
		w.trouble.Begin(backend.Instead("a copy", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			path, now := r.URL.Path, time.Now()
			if r.Method != http.MethodGet && !now.Before(until[path]) {
				copies[path], until[path] = serveAs(w, r, http.MethodGet, path).Body.String(), now.Add(lag)
			}
			if r.Method == http.MethodGet && now.Before(until[path]) {
				replying(http.StatusOK, "Content-Type: application/scim+json", copies[path])(rw, r)
				return
			}
			w.serve(rw, r)
		})), backend.When{Match: func(r *http.Request) bool {
			return r.URL.RawQuery == "" && (isCall(r.Method, "/Users/")(r) || isCall(r.Method, "/Groups/")(r))
		}})
		report, _ := took(t, w.Options)
		for name, got := range shapes(report) {
			if got != "pass" {
				t.Errorf("%s: %s", name, got)
			}
		}
		if got := finding(t, report, "delete"); got.Status != check.Pass {
			t.Errorf("%+v", got)
		}
		nothingLeft(t, w)
	})
}

// lag is what such a copy takes.
const lag = 300 * time.Millisecond
