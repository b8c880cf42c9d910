package check_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"example.com/entra-scim-proxy/lab/backend"
	"example.com/entra-scim-proxy/proxy/check"
)

// altered puts a handler in front of the backend that changes answers.
func altered(w *world, change func(r *http.Request, status *int, body *string)) {
	inner := w.backend
	w.trouble.Begin(backend.Instead("altered", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		recorder := httptest.NewRecorder()
		inner.ServeHTTP(recorder, r)
		status, body := recorder.Code, recorder.Body.String()
		change(r, &status, &body)
		rw.Header().Set("Content-Type", recorder.Header().Get("Content-Type"))
		rw.WriteHeader(status)
		_, _ = io.WriteString(rw, body)
	})), backend.When{})
}

func TestOddAnswers(t *testing.T) {
	byID := func(r *http.Request) bool { return strings.Count(r.URL.Path, "/Users/") > 0 }
	page := func(r *http.Request) bool { return r.URL.Query().Has("startIndex") }
	for _, test := range []struct {
		name   string
		change func(r *http.Request, status *int, body *string)
		step   string
		status check.Status
		found  string
	}{
		{"an unknown id is somebody", func(r *http.Request, status *int, body *string) {
			if byID(r) && *status == http.StatusNotFound {
				*status, *body = http.StatusOK, `{"id":"1"}`
			}
		}, "not found", check.Fail, "answered with 200 instead of 404"},
		{"an unknown id is a bad one", func(r *http.Request, status *int, _ *string) {
			if byID(r) && *status == http.StatusNotFound {
				*status = http.StatusBadRequest
			}
		}, "not found", check.Fail, "answered with 400 instead of 404"},
		{"404 without a SCIM Error", func(r *http.Request, status *int, body *string) {
			if *status == http.StatusNotFound {
				*body = `{"error":"unknown"}`
			}
		}, "not found", check.Warn, "without a SCIM Error"},
		{"totalResults as a string", func(r *http.Request, _ *int, body *string) {
			if page(r) {
				*body = strings.Replace(*body, `"totalResults":2`, `"totalResults":"2"`, 1)
			}
		}, "list", check.Warn, "no integer in totalResults"},
		{"Resources an object", func(r *http.Request, _ *int, body *string) {
			if page(r) {
				*body = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":2,"Resources":{}}`
			}
		}, "list", check.Warn, "Resources that are no array"},
		{"no page", func(r *http.Request, status *int, body *string) {
			if page(r) {
				*status = http.StatusInternalServerError
			}
		}, "list", check.Warn, "the list of users is answered with 500 instead of 200"},
		{"all on one page", func(r *http.Request, _ *int, body *string) {
			if page(r) {
				*body = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":11,"Resources":[{},{},{},{},{},{},{},{},{},{},{}]}`
			}
		}, "list", check.Warn, "more resources than were asked for"},
		{"a huge list", func(r *http.Request, _ *int, body *string) {
			if page(r) {
				*body = strings.TrimSuffix(*body, "}") + `,"filler":"` + strings.Repeat("x", 1<<19) + `"}`
			}
		}, "list", check.Warn, "larger than 512 KiB"},
		{"an id as a number", func(r *http.Request, status *int, body *string) {
			if byID(r) && *status == http.StatusOK {
				*body = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":1,"userName":"x","meta":{"location":"https://h/1"}}`
			}
		}, "resources", check.Fail, "no string for an id"},
		{"e-mail as an object", func(r *http.Request, status *int, body *string) {
			if byID(r) && *status == http.StatusOK {
				*body = strings.Replace(*body, `{`, `{"emails":{},`, 1)
			}
		}, "resources", check.Fail, "emails are no array"},
		{"a login page for a user", func(r *http.Request, status *int, body *string) {
			if byID(r) && *status == http.StatusOK {
				*body = "<html>"
			}
		}, "resources", check.Fail, "a page for people"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := inhabited(t, backend.Options{})
			altered(w, test.change)
			got := finding(t, w.run(t), test.step)
			if got.Status != test.status || !strings.Contains(got.Found, test.found) || got.Remedy == "" && !strings.Contains(got.Found, "KiB") {
				t.Errorf("%+v", got)
			}
		})
	}
}

// filtered changes what a filter on an attribute compares with.
func filtered(change func(attribute, value string) string) func(r *http.Request) {
	return func(r *http.Request) {
		query := r.URL.Query()
		attribute, quoted, ok := strings.Cut(query.Get("filter"), " eq ")
		if !ok {
			return
		}
		query.Set("filter", change(attribute, strings.Trim(quoted, `"`)))
		r.URL.RawQuery = query.Encode()
	}
}

func TestFilters(t *testing.T) {
	names := []string{strings.ToLower(jane), jane, strings.ToLower(omar), omar, strings.ToLower(team), team}
	for _, test := range []struct {
		name   string
		change func(attribute, value string) string
		status check.Status
		found  []string
	}{
		{"contains", func(attribute, value string) string { return fmt.Sprintf("%s co %q", attribute, value) },
			check.Fail, []string{"finds a user by a part of it", "finds a group by a part of it"}},
		{"with case", func(attribute, value string) string {
			for _, name := range names {
				if strings.EqualFold(name, value) && value != jane && value != omar && value != team {
					value = "nobody"
				}
			}
			return fmt.Sprintf("%s eq %q", attribute, value)
		}, check.Warn, []string{"tell upper from lower case"}},
		{"never", func(attribute, _ string) string { return attribute + ` eq "nobody"` },
			check.Fail, []string{"does not find a user that there is", "does not find a group that there is"}},
		{"by domain", func(attribute, value string) string {
			if _, domain, found := strings.Cut(value, "@"); found {
				return fmt.Sprintf("%s ew %q", attribute, domain)
			}
			return fmt.Sprintf("%s eq %q", attribute, value)
		}, check.Fail, []string{"finds others, too"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := inhabited(t, backend.Options{})
			inner, change := w.backend, filtered(test.change)
			w.trouble.Begin(backend.Instead("other filters", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				change(r)
				inner.ServeHTTP(rw, r)
			})), backend.When{})
			report := w.run(t)
			got := finding(t, report, "filter")
			if got.Status != test.status || got.Rules != "" || got.Remedy == "" {
				t.Errorf("%+v", got)
			}
			for _, found := range test.found {
				if !strings.Contains(got.Found, found) {
					t.Errorf("%q lacks %q", got.Found, found)
				}
			}
			if test.status == check.Fail && strings.Contains(got.Found, "case") {
				t.Errorf("%q says something of case", got.Found)
			}
			wantQuality(t, report, "filter", "excludedAttributes")
		})
	}
}
