package scim_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/entra-scim-proxy/proxy/scim"
)

// example makes a body of an example in the table, or in docs/rules.md.
func example(text string) (scim.Body, string) {
	text, _, _ = strings.Cut(text, " (") // what the operator has to set
	switch {
	case strings.HasPrefix(text, `{"op":`):
		return scim.Patch, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[` + text + `]}`
	case strings.HasPrefix(text, `"`):
		return scim.Create, "{" + text + "}"
	}
	return scim.Create, text
}

// What the page shows of a rule for bodies is what the rule does.
func TestExamplesOfTheTableHold(t *testing.T) {
	for id, rule := range scim.Rules() {
		id := scim.ID(id)
		if rule.Group == "request" || rule.Group == "response" || rule.Group == byName {
			continue
		}
		n, err := scim.New(scim.Options{
			Rules:    scim.Set(0).With(id),
			Booleans: []string{"isContractor"}, Integers: []string{"favouriteNumber"}, Multivalued: []string{"tags"},
		})
		if err != nil {
			t.Fatal(err)
		}
		kind, before := example(rule.Before)
		_, after := example(rule.After)
		got, fired, err := request(n, kind, []byte(before))
		if err != nil || !fired.Has(id) {
			t.Errorf("%s: fired %q, %v", rule.Name, fired, err)
		}
		if diff := cmp.Diff(after, string(got)); diff != "" {
			t.Errorf("%s: %s", rule.Name, diff)
		}
	}
}

func TestExampleOfMissingTargetHolds(t *testing.T) {
	rule := scim.Rules()[scim.MissingTarget]
	n, err := scim.New(scim.Options{Rules: scim.Set(0).With(scim.MissingTarget)})
	if err != nil {
		t.Fatal(err)
	}
	operation, _, ok := strings.Cut(rule.Before, ", and no such element")
	_, before := example(operation)
	_, after := example(rule.After)
	if !ok || !n.NeedsResource([]byte(before)) {
		t.Errorf("the example is %s", rule.Before)
	}
	got, fired := n.Complete([]byte(before), []byte(`{"id":"1","emails":[{"type":"home","value":"b@contoso.com"}]}`))
	if diff := cmp.Diff(after, string(got)); diff != "" || !fired.Has(scim.MissingTarget) {
		t.Errorf("fired %q: %s", fired, diff)
	}
}

// The example of custom attributes is the only one in the page's own words.
func TestExampleOfCustomAttributesHolds(t *testing.T) {
	data, err := os.ReadFile(rulesPage)
	if err != nil {
		t.Fatal(err)
	}
	words, _, _ := strings.Cut(string(data), rulesBegin)
	_, words, _ = strings.Cut(words, "## Custom attributes")
	lines := map[string]string{}
	for line := range strings.Lines(words) {
		for _, prefix := range []string{"NORMALIZE=", "BOOLEAN_ATTRIBUTES=", "INTEGER_ATTRIBUTES=", "- {", "+ {"} {
			if rest, ok := strings.CutPrefix(line, prefix); ok {
				lines[prefix] = strings.TrimSpace(rest)
			}
		}
	}
	rules, err := scim.ParseRules(lines["NORMALIZE="])
	if err != nil {
		t.Fatal(err)
	}
	n, err := scim.New(scim.Options{
		Rules: rules, Booleans: []string{lines["BOOLEAN_ATTRIBUTES="]}, Integers: []string{lines["INTEGER_ATTRIBUTES="]},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, before := example("{" + lines["- {"])
	_, after := example("{" + lines["+ {"])
	got, _, err := request(n, scim.Patch, []byte(before))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(after, string(got)); diff != "" {
		t.Error(diff)
	}
}
