package scim_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/entra-scim-proxy/proxy/scim"
)

// byName is the group that no name of a group chooses.
const byName = "by name only"

var kebab = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

func TestTableOfRules(t *testing.T) {
	rules := scim.Rules()
	taken := map[string]bool{"all": true, "none": true}
	for _, rule := range rules {
		taken[rule.Group] = true
	}
	for id, rule := range rules {
		if !kebab.MatchString(rule.Name) {
			t.Errorf("%q is not in kebab case", rule.Name)
		}
		if taken[rule.Name] {
			t.Errorf("the name %q is taken, by a rule, a group, all or none", rule.Name)
		}
		taken[rule.Name] = true
		if rule.Group != byName && !kebab.MatchString(rule.Group) {
			t.Errorf("%s: group %q", rule.Name, rule.Group)
		}
		for _, line := range []string{rule.Before, rule.After, rule.Source} {
			if line == "" || line != strings.TrimSpace(line) || strings.ContainsAny(line, "\n\r\t") {
				t.Errorf("%s: %q is not one line", rule.Name, line)
			}
		}
		if rule.Before == rule.After {
			t.Errorf("%s: before and after are equal", rule.Name)
		}
		if !strings.Contains(rule.Source, "RFC ") && !strings.Contains(rule.Source, "https://") {
			t.Errorf("%s: source %q names neither an RFC nor a page", rule.Name, rule.Source)
		}
		if name := scim.ID(id).String(); name != rule.Name {
			t.Errorf("rule %d is called %s and %s", id, name, rule.Name)
		}
	}
}

func TestRulesIsACopy(t *testing.T) {
	scim.Rules()[0].Name = "changed"
	if name := scim.Rules()[0].Name; name == "changed" {
		t.Error("the table can be changed from outside")
	}
}

func TestNamesListsGroupsThenRules(t *testing.T) {
	names := scim.Names()
	groups := slices.Sorted(slices.Values(names[:len(names)-len(scim.Rules())]))
	if diff := cmp.Diff([]string{"active", "create", "patch", "request", "response"}, groups); diff != "" {
		t.Error(diff)
	}
	for i, rule := range scim.Rules() {
		if name := names[len(groups)+i]; name != rule.Name {
			t.Errorf("name %d is %s, want %s", len(groups)+i, name, rule.Name)
		}
	}
}

// selected returns the rules that a test chooses, as a set would name them.
func selected(chosen func(scim.Rule) bool) string {
	var names []string
	for _, rule := range scim.Rules() {
		if chosen(rule) {
			names = append(names, rule.Name)
		}
	}
	return strings.Join(names, ",")
}

func TestParseRules(t *testing.T) {
	all := func(rule scim.Rule) bool { return rule.Group != byName }
	but := func(excluded ...string) string {
		return selected(func(rule scim.Rule) bool {
			return all(rule) && !slices.Contains(excluded, rule.Name) && !slices.Contains(excluded, rule.Group)
		})
	}
	groups := func(groups ...string) string {
		return selected(func(rule scim.Rule) bool { return slices.Contains(groups, rule.Group) })
	}
	for text, want := range map[string]string{
		"none":                             "",
		" none ":                           "",
		"all":                              selected(all),
		"active":                           groups("active"),
		"active,create":                    groups("active", "create"),
		"create, active":                   groups("active", "create"),
		"request,response":                 groups("request", "response"),
		"op-case":                          "op-case",
		"location,op-case":                 "op-case,location",
		" op-case ,\tlocation":             "op-case,location",
		"op-case,op-case":                  "op-case",
		"active,active-boolean":            groups("active"),
		"all,active,op-case":               selected(all),
		"all,-roles-drop-id":               but("roles-drop-id"),
		"-roles-drop-id,all":               but("roles-drop-id"),
		"all,-response":                    but("response"),
		"all,-response,-op-case,-response": but("response", "op-case"),
		"all,-response,location":           but("response"), // taken out is taken out
		"active,-op-case":                  groups("active"),
		"missing-target":                   "missing-target",
		"all,content-type-json":            selected(func(rule scim.Rule) bool { return all(rule) || rule.Name == "content-type-json" }),
		"missing-target,content-type-json,op-case": "op-case,content-type-json,missing-target",
	} {
		set, err := scim.ParseRules(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if diff := cmp.Diff(want, set.String()); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
}

func TestParseRulesRefuses(t *testing.T) {
	known := ", not among none, all, " + strings.Join(scim.Names(), ", ")
	for text, want := range map[string]string{
		"":                       `"", with an empty name`,
		" ":                      `" ", with an empty name`,
		",":                      `",", with an empty name`,
		"op-case,":               `"op-case,", with an empty name`,
		"op-case,,location":      `"op-case,,location", with an empty name`,
		"none,op-case":           `"none,op-case", with none beside others`,
		"all,none":               `"all,none", with none beside others`,
		"none,none":              `"none,none", with none beside others`,
		"nonsense":               `"nonsense"` + known,
		"op-case, Op-Case,patch": `"Op-Case"` + known,
		"op_case,active_boolean": `"op_case" and "active_boolean"` + known,
		"op-case location":       `"op-case location"` + known,
		"All":                    `"All"` + known,
		"by name only":           `"by name only"` + known,
		"-":                      `"-"` + known,
		"all,--op-case":          `"--op-case"` + known,
		"all,- op-case":          `"- op-case"` + known,
		"all,-none":              `"-none"` + known,
		"all,-nonsense":          `"-nonsense"` + known,
		"-op-case":               `"-op-case", which takes out of nothing; name what is on as well, such as all`,
		"-all":                   `"-all", which takes out of nothing; name what is on as well, such as all`,
		"op-case,-op-case":       `"op-case,-op-case", which takes out all that it names; none says so`,
		"active,-all":            `"active,-all", which takes out all that it names; none says so`,
	} {
		set, err := scim.ParseRules(text)
		if err == nil {
			t.Errorf("%q: %q, no error", text, set)
		} else if diff := cmp.Diff(want, err.Error()); diff != "" || set != 0 {
			t.Errorf("%q: set %q, %s", text, set, diff)
		}
	}
}

func TestSetOfRules(t *testing.T) {
	set := scim.Set(0).With(scim.MissingTarget).With(scim.OpCase).With(scim.OpCase)
	if !set.Has(scim.OpCase) || !set.Has(scim.MissingTarget) || set.Has(scim.Location) {
		t.Errorf("%b", set)
	}
	if got := slices.Collect(set.All()); !slices.Equal(got, []scim.ID{scim.OpCase, scim.MissingTarget}) {
		t.Errorf("%v", got)
	}
	for id := range set.All() {
		if id != scim.OpCase {
			t.Errorf("%v comes before op-case", id)
		}
		break // the iterator has to stand it
	}
	if got := scim.Set(0).String(); got != "" {
		t.Errorf("the empty set is %q", got)
	}
}

// What ParseRules takes, it takes in any order, and names again.
func FuzzParseRules(f *testing.F) {
	for _, name := range scim.Names() {
		f.Add(name)
		f.Add("all,-" + name)
	}
	for _, text := range []string{"none", "all", "", ",", "-", "none,none", " op-case ,\tlocation", "\xff", "all,all", "-all"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		set, err := scim.ParseRules(text)
		items := strings.Split(text, ",")
		slices.Reverse(items)
		reversed, reversedErr := scim.ParseRules(strings.Join(items, ","))
		if reversed != set || (reversedErr == nil) != (err == nil) {
			t.Errorf("%q: %q, %v; in another order %q, %v", text, set, err, reversed, reversedErr)
		}
		if err != nil {
			if set != 0 || err.Error() == "" || strings.ContainsAny(err.Error(), "\n\r") {
				t.Errorf("%q: set %q, error %q", text, set, err)
			}
			return
		}
		if none := strings.TrimSpace(text) == "none"; none != (set == 0) {
			t.Fatalf("%q: %q", text, set)
		}
		if set == 0 {
			return
		}
		if again, err := scim.ParseRules(set.String()); err != nil || again != set {
			t.Errorf("%q: %q, which is parsed as %q, %v", text, set, again, err)
		}
	})
}
