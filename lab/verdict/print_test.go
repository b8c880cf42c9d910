package verdict_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/entra-scim-proxy/lab/entra"
	"example.com/entra-scim-proxy/lab/verdict"
)

// bad is a verdict with one of everything, and many failures.
func bad() verdict.Verdict {
	v := verdict.Verdict{
		Shortfalls: []string{"Entra could not do it"}, Dialect: "default", Users: 3, Groups: 2, Memberships: 4,
		Phases: []verdict.Phase{{Name: "initial cycle", Calls: 30, Failed: 2, Seconds: 1.5, Median: 1.25, P99: 7, Most: 8}},
		Checks: []verdict.Check{
			{List: entra.ListValidator, Name: "create user", Kind: entra.KindMandatory, State: entra.CheckPassed},
			{List: entra.ListValidator, Name: "delete twice", Kind: entra.KindPreview, State: entra.CheckFailed, Detail: "want 404, got 500"},
			{List: entra.ListSuite, Name: "federated identity", Kind: entra.KindMandatory, State: entra.CheckNotApplicable, Detail: "no"},
		},
		Findings: []verdict.Finding{{
			Rule: "media", Sentence: "Answers are application/scim+json", Source: "RFC 7644", Fatal: true, Count: 3,
			Method: "GET", Path: "/scim/Users/1", Status: 200, Detail: "text/html",
		}},
		Differences: []entra.Difference{{Kind: entra.DiffValue, Object: "ada@contoso.com", Attribute: "title", Want: `"A"`, Got: `"B"`}},
		Left:        []entra.Leftover{{Kind: "user", Name: "ada@contoso.com", ID: "7", Reason: "500"}, {Kind: "group", Name: "Staff", Reason: "EOF"}},
	}
	for range 22 {
		if len(v.Failures) == 19 {
			v.Failures = append(v.Failures, verdict.Failure{Phase: "Test Connection", Step: "probe users", Reason: "EOF"})
		}
		v.Failures = append(v.Failures, verdict.Failure{Phase: "initial cycle", Object: "ada@contoso.com", Step: "update user", Reason: "500"})
	}
	return v
}

func TestPrint(t *testing.T) {
	var got bytes.Buffer
	bad().Print(&got)
	want := `Users: 3, groups: 2, memberships: 4, in the default dialect

phase          calls  failed  seconds  calls/s  median ms  99 % ms  most ms
initial cycle  30     2       1.5      20       1.2        7.0      8.0

Microsoft's validator: 1 passed, 1 failed, 0 skipped, 0 not applicable
  ✗ delete twice (preview): failed: want 404, got 500

Microsoft's suite for the gallery: 0 passed, 0 failed, 0 skipped, 1 not applicable
  - federated identity (mandatory): not applicable: no

Answers that are not what Entra needs:
  fatal, 3×: Answers are application/scim+json (RFC 7644)
    GET /scim/Users/1: 200: text/html

What Entra could not do, or not at once:
` + strings.Repeat("  initial cycle: ada@contoso.com: update user: 500\n", 19) + `  Test Connection: probe users: EOF
  and 3 more

Where the endpoint differs from the directory:
  value: ada@contoso.com, title, want "A", got "B"

Left behind:
  user ada@contoso.com (7): 500
  group Staff (if it exists): EOF

✗ This endpoint falls short:
  Entra could not do it.
`
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("verdict (-want +got):\n%s", diff)
	}
}

// Machines get all rows, and names in one style.
func TestJSON(t *testing.T) {
	text, err := json.Marshal(bad())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"ok":false,"shortfalls":["Entra could not do it"]`, `"differences":[{"kind":"value","object":"ada@contoso.com"`,
		`"left":[{"kind":"user","name":"ada@contoso.com","id":"7","reason":"500"},`, `"medianMilliseconds":1.25`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
	if n := strings.Count(string(text), `"step":"update user"`); n != 22 {
		t.Errorf("%d failures", n)
	}
}
