package backend

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// handle calls b without a network, which is too slow for fuzzing.
func handle(b *Backend, method, path, body string) (int, string) {
	r := httptest.NewRequest(method, basePath+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+testToken)
	r.Header.Set("Content-Type", mediaType)
	w := httptest.NewRecorder()
	b.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// FuzzPatch holds that a PATCH that is refused changes nothing, and that one
// that is not leaves a resource that a PUT would accept. The body names
// resources as {jane}.
func FuzzPatch(f *testing.F) {
	for _, test := range patchedUsers {
		f.Add(false, ops(test.operations))
	}
	for _, test := range refusedPatches {
		f.Add(false, ops(test.operation))
	}
	for _, operation := range []string{
		`{"op":"add","path":"members","value":[{"value":"{omar}"}]}`,
		`{"op":"replace","path":"members","value":[]}`,
		`{"op":"remove","path":"members[value eq \"{jane}\"]"}`,
		`{"op":"add","path":"members[value eq \"{omar}\"]","value":{"type":"User"}}`,
		`{"op":"replace","value":{"displayName":"x","members":[{"value":"{omar}","type":"User"}]}}`,
	} {
		f.Add(true, ops(operation))
	}
	l := peopled(f)
	start := map[string]string{}
	for _, name := range []string{"jane", "team"} {
		path := map[string]string{"jane": "/Users/", "team": "/Groups/"}[name] + l.ids[name]
		_, start[path] = handle(l.backend, http.MethodGet, path, "")
	}
	f.Fuzz(func(t *testing.T, onGroup bool, body string) {
		path := "/Users/" + l.ids["jane"]
		if onGroup {
			path = "/Groups/" + l.ids["team"]
		}
		// Each run begins with the same resource, so that a failure can be
		// repeated.
		if status, text := handle(l.backend, http.MethodPut, path, start[path]); status != 200 {
			t.Fatalf("restoring: %d %s", status, text)
		}
		_, before := handle(l.backend, http.MethodGet, path, "")
		status, text := handle(l.backend, http.MethodPatch, path, l.named(body))
		_, after := handle(l.backend, http.MethodGet, path, "")
		switch {
		case status >= 500:
			t.Fatalf("got %d %s", status, text)
		case status >= 400:
			if diff := cmp.Diff(before, after); diff != "" {
				t.Fatalf("refused with %d, but changed (-before +after):\n%s", status, diff)
			}
			return
		}
		if !json.Valid([]byte(after)) {
			t.Fatalf("not JSON: %s", after)
		}
		status, again := handle(l.backend, http.MethodPut, path, after)
		if status != 200 {
			t.Fatalf("PATCH left what PUT refuses: %d %s\n%s", status, again, after)
		}
		if diff := cmp.Diff(after, again); diff != "" {
			t.Fatalf("PATCH left what PUT changes (-patched +put):\n%s", diff)
		}
	})
}
