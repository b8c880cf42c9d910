package check

import (
	"context"
	"net/http"
	"slices"

	"example.com/entra-scim-proxy/proxy/scim"
)

// ways are the values of NORMALIZE that are tried on what is wrong with an
// answer, in this order, after the rules that are on.
var ways = []string{"all", "all,content-type-json,missing-target"}

// asked is a call to the backend that ended in an answer which Entra cannot use
// as it comes.
type asked struct {
	method, target string
	body           []byte
	// complaint returns what is wrong with an answer, in words for everybody; ""
	// if nothing is.
	complaint func(answer) string
	// seen keeps the answers to a GET through proxies with other rules, for who
	// has several complaints; nil keeps none.
	seen map[scim.Set]answer
}

// noTime ends what is found where the time was over before all ways were tried.
const noTime = "; there was no time to try what repairs it"

// repaired is the finding for what is wrong with the answer to a call: it passes
// if the rules that are on repair it. Else it is of the status given, and says
// which rules would; with none, it gives the remedy.
func (c *check) repaired(ctx context.Context, call asked, found string, status Status, remedy string) Finding {
	rules, ok := c.repairs(ctx, call)
	switch {
	case !ok && ctx.Err() != nil:
		if c.Rules != 0 {
			status = Warn // one of them may repair it
		}
		return Finding{Status: status, Found: found + noTime, Remedy: remedy}
	case !ok:
		return Finding{Status: status, Found: found, Remedy: remedy}
	case rules&^c.Rules == 0:
		return Finding{Status: Pass, Found: found + ", which NORMALIZE repairs", Rules: rules.String()}
	}
	c.advice.need(rules)
	return Finding{Status: status, Found: found, Rules: rules.String(), Remedy: "turn on the rules that repair it: see the recommended setting"}
}

// repairs sends a call through proxies, first with the rules that are on, then
// with others, and returns those that it took to leave nothing to complain about;
// ok is false if there always was something.
func (c *check) repairs(ctx context.Context, call asked) (rules scim.Set, ok bool) {
	sets := []scim.Set{c.Rules}
	for _, way := range ways {
		if set, err := scim.ParseRules(way); err == nil { // a wrong name in the table is for a test to tell
			sets = append(sets, set)
		}
	}
	for _, set := range sets {
		if set == 0 {
			continue
		}
		if fired := c.good(ctx, call, set); fired != 0 {
			return c.least(ctx, call, fired), true
		}
	}
	return 0, false
}

// good sends a call through a proxy with some rules. It returns those that were
// at work, if there is nothing to complain about.
func (c *check) good(ctx context.Context, call asked, rules scim.Set) scim.Set {
	got, known := call.seen[rules]
	if !known {
		var err error
		if got, err = c.through(ctx, call, rules); err != nil {
			return 0
		}
	}
	if call.seen != nil {
		call.seen[rules] = got
	}
	if call.complaint(got) != "" || got.line.rules == "" {
		return 0
	}
	fired, err := scim.ParseRules(got.line.rules)
	if err != nil {
		return 0 // it is the proxy's own list
	}
	return fired
}

// through sends a call through a proxy with some rules.
func (c *check) through(ctx context.Context, call asked, rules scim.Set) (answer, error) {
	front, err := c.fronts.get(trial{rules: rules, plain: true})
	if err != nil {
		return answer{}, err
	}
	return front.ask(ctx, call.method, call.target, call.body, c.value(Inbound).Current().Reveal())
}

// least is the one of the rules that does it alone, if there is one: others were
// at work that the complaint is not about. Only a GET can be repeated.
func (c *check) least(ctx context.Context, call asked, fired scim.Set) scim.Set {
	if call.method != http.MethodGet {
		return fired
	}
	// From the end: the rule for requests, which fires with every GET, comes first.
	for _, rule := range slices.Backward(slices.Collect(fired.All())) {
		if alone := scim.Set(0).With(rule); alone == fired || c.good(ctx, call, alone) != 0 {
			return alone
		}
	}
	return fired
}
