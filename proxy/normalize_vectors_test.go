package proxy_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"example.com/entra-scim-proxy/proxy"
	"example.com/entra-scim-proxy/proxy/scim"
)

// vector is an element of scim/testdata/entra.json.
type vector struct {
	Name, Kind      string
	Input, Expected json.RawMessage
	InputRaw        string `json:"input_raw"`
	ExpectedRaw     string `json:"expected_raw"`
	Passthrough     bool
	Config          struct {
		ExtensionSchemas, BooleanAttributes, IntegerAttributes, SimpleMultiValuedAttributes []string
	}
}

// vectorCalls are the kinds of vectors that are request bodies, and how Entra
// sends them.
var vectorCalls = map[string]string{
	"patch-user": "PATCH /scim/Users/1", "patch-group": "PATCH /scim/Groups/1", "put-user": "PUT /scim/Users/1",
	"create-user": "POST /scim/Users", "create-group": "POST /scim/Groups", "patch-user-with-state": "PATCH /scim/Users/1",
}

// vectors reads those of package scim.
func vectors(t *testing.T) (all []vector) {
	t.Helper()
	data, err := os.ReadFile("scim/testdata/entra.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// queryCall is what a vector of kind "query" is about.
type queryCall struct{ Method, URL string }

// eachQuery calls f with the vectors of kind "query".
func eachQuery(t *testing.T, f func(name string, input, expected queryCall)) {
	t.Helper()
	seen := 0
	for _, v := range vectors(t) {
		if v.Kind != "query" {
			continue
		}
		seen++
		var input, expected queryCall
		if err := errors.Join(json.Unmarshal(v.Input, &input), json.Unmarshal(v.Expected, &expected)); err != nil {
			t.Fatal(err)
		}
		f(v.Name, input, expected)
	}
	if seen < 10 {
		t.Errorf("only %d vectors were seen", seen)
	}
}

// The vectors through the running proxy: package scim's own test cannot see
// what becomes of a body's framing on the way.
func TestVectorsReachTheBackendNormalized(t *testing.T) {
	seen := 0
	for _, v := range vectors(t) {
		if line, ok := vectorCalls[v.Kind]; ok {
			seen++
			t.Run(v.Name, func(t *testing.T) { v.check(t, line) })
		}
	}
	if seen < 81 {
		t.Errorf("only %d vectors were seen", seen)
	}
}

func (v *vector) check(t *testing.T, line string) {
	var state struct{ Resource, Patch json.RawMessage }
	body, rules := cmp.Or(v.InputRaw, string(v.Input)), "all"
	if strings.HasSuffix(v.Kind, "-with-state") {
		if err := json.Unmarshal(v.Input, &state); err != nil {
			t.Fatal(err)
		}
		body, rules = string(state.Patch), "all,missing-target"
	}
	w := newWorld(t, setup{options: v.options(t, rules), answer: func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "application/scim+json")
		if r.Method == http.MethodGet {
			_, _ = rw.Write(state.Resource)
			return
		}
		rw.WriteHeader(http.StatusNoContent)
	}})
	method, target, _ := strings.Cut(line, " ")
	got := w.call(t, method, target, body, "Accept: application/scim+json")

	var expected struct {
		Refused *struct {
			Status   int
			SCIMType string
		}
	}
	if json.Unmarshal(v.Expected, &expected) == nil && expected.Refused != nil {
		wantProblem(t, got, expected.Refused.Status, expected.Refused.SCIMType)
		if len(w.requests()) != 0 {
			t.Errorf("the backend saw %v", w.requests())
		}
		return
	}
	sent := w.requests()[len(w.requests())-1]
	if got.StatusCode != 204 || sent.Length != int64(len(sent.Body)) {
		t.Fatalf("%d %s; the backend got %q, Content-Length %d", got.StatusCode, got.body, sent.Body, sent.Length)
	}
	if v.ExpectedRaw != "" {
		if sent.Body != v.ExpectedRaw {
			t.Errorf("got  %s\nwant %s", sent.Body, v.ExpectedRaw)
		}
	} else if diff := gocmp.Diff(decode(t, string(v.Expected)), decode(t, sent.Body)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if logged := w.line(t)["rules"]; v.Passthrough && (sent.Body != body || logged != nil) || !v.Passthrough && logged == nil {
		t.Errorf("rules %v made %s of %s", logged, sent.Body, body)
	}
}

func (v *vector) options(t *testing.T, setting string) func(*proxy.Options) {
	rules, err := scim.ParseRules(setting)
	if err != nil {
		t.Fatal(err)
	}
	n, err := scim.New(scim.Options{
		Rules: rules, Extensions: v.Config.ExtensionSchemas, Booleans: v.Config.BooleanAttributes,
		Integers: v.Config.IntegerAttributes, Multivalued: v.Config.SimpleMultiValuedAttributes,
	})
	if err != nil {
		t.Fatal(err)
	}
	return func(o *proxy.Options) { o.Normalizer, o.PublicURL = n, "https://scim.example.com" }
}
