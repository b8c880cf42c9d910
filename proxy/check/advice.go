package check

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"example.com/entra-scim-proxy/proxy/scim"
)

// advice collects the settings that the findings speak for.
type advice struct {
	mu       sync.Mutex
	rules    scim.Set
	other    map[string]string
	statuses map[string]Status // of the steps that had their turn
	chosen   map[string]string
}

// need notes rules that repair something.
func (a *advice) need(rules scim.Set) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.rules |= rules
}

// set notes another setting.
func (a *advice) set(name, value string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.other == nil {
		a.other = map[string]string{}
	}
	a.other[name] = value
}

// note notes how a step ended.
func (a *advice) note(name string, status Status) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.statuses == nil {
		a.statuses = map[string]Status{}
	}
	a.statuses[name] = status
}

// passed reports whether a step had its turn and did not fail. The caller holds mu.
func (a *advice) passed(name string) bool {
	status, ran := a.statuses[name]
	return ran && (status == Pass || status == Warn)
}

// tried reports whether all shapes had their turn, and taken whether some were
// taken and the others beside the point. The caller holds mu.
func (a *advice) tried(shapes []string) (tried, taken bool) {
	failed := false
	for _, name := range shapes {
		status, ran := a.statuses[name]
		if !ran {
			return false, false
		}
		failed = failed || status == Fail
	}
	return len(shapes) > 0, !failed && slices.ContainsFunc(shapes, a.passed)
}

// settings returns what the last step recommends; nil if that is nothing.
func (a *advice) settings() map[string]string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return maps.Clone(a.chosen)
}

// adviceStep ends a run with the recommended settings. It has the other steps
// tell how they end.
func (c *check) adviceStep(all []step) step {
	var names, shapes []string
	for i, s := range all {
		names = append(names, s.name)
		if strings.HasPrefix(s.name, "shape ") {
			shapes = append(shapes, s.name)
		}
		all[i].run = func(ctx context.Context) Finding {
			finding := s.run(ctx)
			c.advice.note(s.name, finding.Status)
			return finding
		}
	}
	return step{name: "recommendation", after: names, always: true, run: func(context.Context) Finding { return c.recommend(shapes) }}
}

// What is said where the shapes of Entra's PATCH were not tried, or not all.
const (
	untried  = "; the shapes of Entra's PATCH are tried with --write only"
	timeless = "; not all shapes of Entra's PATCH had their turn"
)

// recommend chooses the settings. The shapes are the steps about PATCH.
func (c *check) recommend(shapes []string) Finding {
	a := &c.advice
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.passed("users") && a.rules == 0 && len(a.other) == 0 {
		return Finding{Status: Skip, Found: "nothing is known of the backend's answers"}
	}
	tried, taken := a.tried(shapes)
	lacking := a.rules &^ c.Rules
	rules := c.Rules
	if !taken || lacking != 0 {
		rules = c.recommended()
	}
	a.chosen = map[string]string{"NORMALIZE": express(rules)}
	if rules.Has(scim.Location) && !c.HasPublicURL {
		a.chosen["PUBLIC_URL"] = "https://<host of the Tenant URL>"
	}
	maps.Copy(a.chosen, a.other)
	var list []string
	for _, name := range slices.Sorted(maps.Keys(a.chosen)) {
		list = append(list, name+"="+a.chosen[name])
	}
	finding := Finding{Status: Pass, Found: strings.Join(list, ", ")}
	switch {
	case lacking != 0:
		finding.Status, finding.Rules = Warn, lacking.String()
		finding.Remedy = "set it: it repairs what the steps above found"
	case len(a.other) > 0:
		finding.Status, finding.Remedy = Warn, "set it: see the steps above"
	case rules == c.Rules:
		finding.Found += ", as it is"
	case c.Rules == 0:
		finding.Status, finding.Remedy = Warn, "set it: backends that are strict refuse what Entra sends"
	default:
		finding.Found += ", if no rule is left out on purpose"
	}
	switch {
	case !c.Write:
		finding.Found += untried
	case !tried:
		finding.Found += timeless
	}
	return finding
}

// recommended are all rules, because one tenant sends more shapes than a run can
// see (docs/rules.md), and by name those that are on or repair something. The one
// that needs PUBLIC_URL has to repair something where that is not set.
func (c *check) recommended() scim.Set {
	rules := rulesOf("all") | c.Rules | c.advice.rules
	if !c.HasPublicURL && !(c.Rules | c.advice.rules).Has(scim.Location) {
		rules &^= scim.Set(0).With(scim.Location)
	}
	return rules
}

// rulesOf returns the rules that a name stands for in NORMALIZE; none if it is
// unknown.
func rulesOf(name string) scim.Set {
	rules, err := scim.ParseRules(name)
	if err != nil {
		return 0
	}
	return rules
}

// express writes rules as the shorter value of NORMALIZE: what is on, or all but
// what is off.
func express(rules scim.Set) string {
	if rules == 0 {
		return "none"
	}
	on, all := namesOf(rules), rulesOf("all")
	rest := []string{"all"}
	for _, name := range namesOf(all &^ rules) {
		rest = append(rest, "-"+name)
	}
	rest = append(rest, namesOf(rules&^all)...)
	if rules&all == 0 || len(on) < len(rest) {
		return strings.Join(on, ",")
	}
	return strings.Join(rest, ",")
}

// namesOf are the names of groups that are whole, then of the other rules.
func namesOf(rules scim.Set) (names []string) {
	for _, name := range scim.Names() {
		if set := rulesOf(name); set != 0 && set&^rules == 0 {
			names, rules = append(names, name), rules&^set
		}
	}
	return names
}
