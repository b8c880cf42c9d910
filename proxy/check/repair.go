package check

import (
	"context"

	"example.com/entra-scim-proxy/proxy/scim"
)

// ways are the values of NORMALIZE that are tried on what is wrong with an
// answer, in this order.
var ways = []string{"all", "all,content-type-json,missing-target"}

// asked is a call to the backend that ended in an answer which Entra cannot use
// as it comes.
type asked struct {
	method, target string
	body           []byte
	// complaint returns what is wrong with an answer, in words for everybody; ""
	// if nothing is.
	complaint func(answer) string
}

// repaired is the finding for what is wrong with the answer to a call: it passes
// if the rules that are on repair it. Else it is of the status given, and says
// which rules would; with none, it gives the remedy.
func (c *check) repaired(ctx context.Context, call asked, found string, status Status, remedy string) Finding {
	rules, ok := c.repairs(ctx, call)
	switch {
	case !ok:
		return Finding{Status: status, Found: found, Remedy: remedy}
	case rules&^c.Rules == 0:
		return Finding{Status: Pass, Found: found + ", which NORMALIZE repairs", Rules: rules.String()}
	}
	c.advice.need(rules)
	return Finding{Status: status, Found: found, Rules: rules.String(), Remedy: "turn on the rules that repair it: see the recommended setting"}
}

// repairs sends a call through proxies with other rules, and returns those that
// were at work when there was nothing to complain about; ok is false if there
// always was.
func (c *check) repairs(ctx context.Context, call asked) (rules scim.Set, ok bool) {
	for _, way := range ways {
		all, err := scim.ParseRules(way)
		if err != nil {
			continue // a name in the table above is wrong, as a test would tell
		}
		through, err := c.fronts.get(trial{rules: all, plain: true})
		if err != nil {
			return 0, false
		}
		got, err := through.ask(ctx, call.method, call.target, call.body, c.value(EntraToken).Current().Reveal())
		if err != nil || call.complaint(got) != "" || got.line.rules == "" {
			continue
		}
		if rules, err = scim.ParseRules(got.line.rules); err == nil {
			return rules, true
		}
	}
	return 0, false
}
