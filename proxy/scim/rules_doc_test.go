package scim_test

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"example.com/entra-scim-proxy/proxy/scim"
)

var update = flag.Bool("update", false, "write the generated part of docs/rules.md")

const (
	rulesPage  = "../../docs/rules.md"
	rulesBegin = "<!-- rules: generated from proxy/scim/table.go by go test ./proxy/scim -update -->\n"
	rulesEnd   = "<!-- end of rules -->\n"
)

// The page's list of rules is the table, in other words.
func TestRulesPageListsTheRules(t *testing.T) {
	data, err := os.ReadFile(rulesPage)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(data), rulesBegin)
	have, after, ok2 := strings.Cut(rest, rulesEnd)
	if !ok || !ok2 {
		t.Fatalf("%s lacks %q or %q", rulesPage, rulesBegin, rulesEnd)
	}
	want := rulesList(t)
	if have == want {
		return
	}
	if !*update {
		t.Fatal("the rules in docs/rules.md are not those of the code: run go test ./proxy/scim -update")
	}
	if err := os.WriteFile(rulesPage, []byte(before+rulesBegin+want+rulesEnd+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// groupWords introduce the groups, in the order of the page.
var groupWords = []struct{ group, words string }{
	{"active", "Booleans that are sent as strings."},
	{"patch", "The operations of a PATCH, and what values look like. Where a rule is about values, it applies to the same values in a POST and a PUT, too."},
	{"create", "The resource in a POST. A PUT is left alone, because null is how a client clears an attribute there."},
	{"request", "The header of a request."},
	{"response", "The backend's answers, where they would hurt Entra."},
	{byName, "No group chooses these, and `all` does not: name them. They are for backends that need them; others may fare worse. `missing-target` costs one GET of the resource for each PATCH that may need it; if that GET fails, the PATCH goes out without it."},
}

// rulesList is the generated part of the page: an overview in the order of
// application, then each rule with its example.
func rulesList(t *testing.T) string {
	t.Helper()
	var page strings.Builder
	page.WriteString("\n## Overview\n\nThe rules in the order in which they are applied. In the examples below, `-` is before and `+` is after.\n\n| Rule | Group | Applies to |\n|---|---|---|\n")
	seen := map[string]bool{}
	for id, rule := range scim.Rules() {
		fmt.Fprintf(&page, "| [`%s`](#%s) | %s | %s |\n", rule.Name, rule.Name, groupName(rule.Group), appliesTo(t, scim.ID(id)))
		seen[rule.Group] = true
	}
	for _, each := range groupWords {
		if !seen[each.group] {
			t.Errorf("no rule is in the group %s", each.group)
		}
		delete(seen, each.group)
		title := "Group `" + each.group + "`"
		if each.group == byName {
			title = "By name only"
		}
		fmt.Fprintf(&page, "\n## %s\n\n%s\n", title, each.words)
		for _, rule := range scim.Rules() {
			if rule.Group == each.group {
				page.WriteString(ruleText(rule))
			}
		}
	}
	for group := range seen {
		t.Errorf("the group %s has no words", group)
	}
	return page.String() + "\n"
}

func groupName(group string) string {
	if group == byName {
		return group
	}
	return "`" + group + "`"
}

// appliesTo says what a rule may change. For bodies, the code is asked.
func appliesTo(t *testing.T, id scim.ID) string {
	t.Helper()
	n, err := scim.New(scim.Options{Rules: scim.Set(0).With(id)})
	if err != nil {
		t.Fatal(err)
	}
	var methods []string
	for kind, method := range []string{scim.Patch: "PATCH", scim.Create: "POST", scim.Replace: "PUT"} {
		if n.Concerns(scim.Body(kind)) {
			methods = append(methods, method)
		}
	}
	switch {
	case len(methods) > 0:
		return strings.Join(methods, ", ")
	case scim.Rules()[id].Group == "response":
		return "answers"
	}
	return "request header"
}

// ruleText is the rule's section. The example is in a code block, where no
// character means anything to Markdown.
func ruleText(rule scim.Rule) string {
	fence := "```"
	for strings.Contains(rule.Before+rule.After, fence) {
		fence += "`"
	}
	sources := strings.Split(rule.Source, "; ")
	for i, source := range sources {
		sources[i] = linked(source)
	}
	return fmt.Sprintf("\n### `%s`\n\n%sdiff\n- %s\n+ %s\n%s\n\nSource: %s\n",
		rule.Name, fence, rule.Before, rule.After, fence, strings.Join(sources, "; "))
}

var (
	clause = regexp.MustCompile(`RFC (\d+) section (\d+(?:\.\d+)*)`)
	thread = regexp.MustCompile(`^https://github\.com/([^/]+/[^/]+)/(?:issues|pull)/(\d+)$`)
	page   = regexp.MustCompile(`https://\S+`)
)

// linked turns RFC clauses and addresses into links.
func linked(source string) string {
	if match := thread.FindStringSubmatch(source); match != nil {
		return "[" + match[1] + "#" + match[2] + "](" + source + ")"
	}
	source = page.ReplaceAllString(source, "<$0>")
	return clause.ReplaceAllString(source, "[$0](https://www.rfc-editor.org/rfc/rfc$1#section-$2)")
}

func TestLinksOfTheRulesPage(t *testing.T) {
	for source, want := range map[string]string{
		"RFC 7644 section 3.5.2.2":                              "[RFC 7644 section 3.5.2.2](https://www.rfc-editor.org/rfc/rfc7644#section-3.5.2.2)",
		"RFC 7643 section 3. And more":                          "[RFC 7643 section 3](https://www.rfc-editor.org/rfc/rfc7643#section-3). And more",
		"https://github.com/scimmyjs/scimmy/issues/51":          "[scimmyjs/scimmy#51](https://github.com/scimmyjs/scimmy/issues/51)",
		"https://learn.microsoft.com/answers/questions/1693075": "<https://learn.microsoft.com/answers/questions/1693075>",
		"RFC 7644 section 3.1 (for backends that answer 415)":   "[RFC 7644 section 3.1](https://www.rfc-editor.org/rfc/rfc7644#section-3.1) (for backends that answer 415)",
		"RFC 7644 section 3.3, RFC 7643 section 3.1":            "[RFC 7644 section 3.3](https://www.rfc-editor.org/rfc/rfc7644#section-3.3), [RFC 7643 section 3.1](https://www.rfc-editor.org/rfc/rfc7643#section-3.1)",
	} {
		if got := linked(source); got != want {
			t.Errorf("%q becomes %q, want %q", source, got, want)
		}
	}
}
