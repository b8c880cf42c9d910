package proxy_test

import (
	"strings"
	"testing"

	"example.com/entra-scim-proxy/proxy"
	"example.com/entra-scim-proxy/proxy/scim"
)

// dropping sets the proxy's rules, and the attributes that it drops.
func dropping(t *testing.T, rules string, paths ...string) func(*proxy.Options) {
	t.Helper()
	set, err := scim.ParseRules(rules)
	if err != nil {
		t.Fatal(err)
	}
	n, err := scim.New(scim.Options{Rules: set, Drop: paths})
	if err != nil {
		t.Fatal(err)
	}
	return func(o *proxy.Options) { o.Normalizer, o.PublicURL = n, "https://scim.example.com" }
}

func TestAttributesAreDroppedOnTheWay(t *testing.T) {
	const users, groups = "urn:ietf:params:scim:schemas:core:2.0:User:displayName", "urn:ietf:params:scim:schemas:core:2.0:Group:externalId"
	for _, test := range []struct {
		line, body, want string
		dropped          any // in the log
	}{
		{"POST /scim/Users", `{"userName":"ada", "title":"x","displayName":"Ada"}`, `{"userName":"ada"}`, 2},
		{"PUT /scim/Users/1", `{"userName":"ada","Title":null,"externalId":"1"}`, `{"userName":"ada","externalId":"1"}`, 1},
		{"PUT /scim/Me", `{"title":"x","displayName":"Ada","userName":"ada"}`, `{"userName":"ada"}`, 2},
		{"POST /scim/Groups", `{"displayName":"Staff","externalId":"1"}`, `{"displayName":"Staff"}`, 1},
		{"POST /scim/v2/GROUPS", `{"displayName":"Staff","externalId":"1"}`, `{"displayName":"Staff"}`, 1},
		{"PATCH /scim/Users/1", patch(`{"op":"Add","path":"title","value":"x"},` + disabling), patch(disabling), 1},
		{"PATCH /scim/Groups/1", patch(disabling), patch(disabling), nil},
		{"POST /scim/Bulk", `{"title":"x"}`, `{"title":"x"}`, nil},
		{"POST /scim/Users/.search", `{"title":"x"}`, `{"title":"x"}`, nil},
	} {
		for _, rules := range []string{"none", "response"} {
			w := newWorld(t, setup{options: dropping(t, rules, "title", users, groups)})
			method, target, _ := strings.Cut(test.line, " ")
			got := w.call(t, method, target, test.body)
			request := w.one(t)
			if got.StatusCode != 200 || request.Body != test.want || request.Length != int64(len(test.want)) {
				t.Errorf("%s with %s: %d, the backend got %s", test.line, rules, got.StatusCode, request.Body)
			}
			if line := w.line(t); line["dropped"] != test.dropped || line["answer"] != nil {
				t.Errorf("%s with %s: log line %v", test.line, rules, line)
			}
		}
	}
}

// The admin asked for that: nothing is left to send, and Entra must not fail.
func TestPatchOfWhichNothingIsLeftIsAnswered(t *testing.T) {
	for _, rules := range []string{"none", "all", "all,missing-target"} {
		w := newWorld(t, setup{options: dropping(t, rules, "title", "nickName")})
		got := w.call(t, "PATCH", "/scim/Users/1", patch(`{"op":"Replace","path":"title","value":"x"},{"op":"Remove","path":"nickname","value":[{"value":"x"}]}`))
		if got.StatusCode != 204 || got.body != "" || len(w.requests()) > 0 {
			t.Errorf("%s: %d %q, the backend saw %d calls", rules, got.StatusCode, got.body, len(w.requests()))
		}
		line := w.line(t)
		if line["answer"] != "nothing_left" || line["dropped"] != 2 || line["class"] != nil || line["level"] != "info" || line["rules"] != nil {
			t.Errorf("%s: log line %v", rules, line)
		}
		// One that came empty is the backend's to judge.
		if w.call(t, "PATCH", "/scim/Users/1", patch("")); len(w.requests()) != 1 {
			t.Errorf("%s: a PATCH without operations did not reach the backend", rules)
		}
	}
}

func TestBodyToDropFromIsReadStrictly(t *testing.T) {
	for body, want := range map[string]string{`{"title":1,"title":2}`: "invalidSyntax", `{"title":`: "invalidSyntax"} {
		w := newWorld(t, setup{options: dropping(t, "none", "title")})
		wantProblem(t, w.call(t, "POST", "/scim/Users", body), 400, want)
		if len(w.requests()) > 0 {
			t.Errorf("%s reached the backend", body)
		}
	}
	w := newWorld(t, setup{options: dropping(t, "none", "title")})
	if got := w.call(t, "POST", "/scim/Users", "{}", "Content-Encoding: gzip"); got.StatusCode != 415 {
		t.Errorf("encoded: %d", got.StatusCode)
	}
}
