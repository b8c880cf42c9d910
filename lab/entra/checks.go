package entra

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strings"
)

// The lists of Microsoft's tests.
const (
	// ListValidator is what scimvalidator.microsoft.com tries. Its list is
	// published nowhere; this one is put together from what its users report.
	ListValidator = "validator"
	// ListSuite is the Logic App that publishers of gallery applications run:
	// https://github.com/AzureAD/SCIMReferenceCode, SCIM-Validation-Test-Overview.md.
	ListSuite = "suite"
)

// How much a test counts in its list.
const (
	KindMandatory = "mandatory"
	KindPreview   = "preview"  // of the validator
	KindOptional  = "optional" // of the suite
)

// How a check ended.
const (
	CheckPassed        = "passed"
	CheckFailed        = "failed"         // an answer is not what the test wants
	CheckSkipped       = "skipped"        // it could not be tried, so nothing is known
	CheckNotApplicable = "not applicable" // no call of a custom application could show it
)

// Check is one test of Microsoft's two public lists, and what came of it.
type Check struct {
	// List is ListValidator or ListSuite.
	List string
	// Name says what is tried, in a few words; it is unique in its list.
	Name string
	// Kind is KindMandatory, KindPreview or KindOptional.
	Kind string
	// State is CheckPassed, CheckFailed, CheckSkipped or CheckNotApplicable.
	State string
	// Detail says why, on one line; empty when nothing is to be said. A check
	// that passed has one if something that it made could not be removed.
	Detail string
	// Calls are the calls in their order, those that prepare the check and those
	// that clean up included; none if it was not tried.
	Calls []Call
	// Source is where the list is published, and what the test relies on.
	Source string
}

// OK reports whether nothing is left to be done: the check passed, or does not
// apply.
func (c Check) OK() bool { return c.State == CheckPassed || c.State == CheckNotApplicable }

// String is the check on one line, without its calls.
func (c Check) String() string {
	text := fmt.Sprintf("%s: %s: %s", c.List, c.Name, c.State)
	if c.Detail != "" {
		text += ": " + c.Detail
	}
	return text
}

// check is a row of the table of checks: either try or reason is set.
type check struct {
	name, kind string
	source     string       // beside the list's
	try        func(*trial) // adds the steps
	reason     string       // why it does not apply, a sentence
	note       string       // what to know if it does not pass, part of a sentence
}

// checkList is one of Microsoft's lists.
type checkList struct {
	name, source string
	checks       []check
}

func checkLists() []checkList {
	return []checkList{
		{ListValidator, "scimvalidator.microsoft.com", validatorChecks()},
		{ListSuite, "AzureAD/SCIMReferenceCode SCIM-Validation-Test-Overview.md", suiteChecks()},
	}
}

// mute are the statuses that speak for a whole service, which it is no use to
// ask on; 0 is no answer at all.
var mute = []int{
	0, http.StatusUnauthorized, http.StatusForbidden,
	http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
}

// Checks tries every test of Microsoft's two lists, one after the other, and
// yields a row for each, in the order of the lists; there are as many rows
// whatever happens, unless the loop is left. A check makes users and groups of its own, called
// "Lab-Check-" and a part that is random for each call of Checks, and removes
// them again, also when it fails and when the context ends. Users, groups and
// calls that only prepare a check are not judged, so that one mistake of a
// backend shows in the checks that are about it. If no user can be looked up, or
// once the context has ended, the remaining checks are skipped.
func (c *Client) Checks(ctx context.Context) iter.Seq[Check] { return c.checks(ctx, checkLists()) }

// checks tries the checks of lists.
func (c *Client) checks(ctx context.Context, lists []checkList) iter.Seq[Check] {
	return func(yield func(Check) bool) {
		gate := c.play(ctx, probes()[:1])[0]
		var silence string
		if slices.Contains(mute, gate.Status) {
			silence = gate.Step + ": " + gate.Detail
		}
		run, n := "Lab-Check-"+newGUID()[:8], 0
		for _, l := range lists {
			for _, row := range l.checks {
				n++
				if !yield(c.check(ctx, l, row, fmt.Sprintf("%s-%02d", run, n), silence)) {
					return
				}
			}
		}
	}
}

// check tries one row, unless there is a reason not to; silence is one.
func (c *Client) check(ctx context.Context, l checkList, row check, name, silence string) Check {
	made := Check{List: l.name, Name: row.name, Kind: row.kind, Source: l.source + ", " + row.source}
	switch {
	case row.try == nil:
		made.State, made.Detail = CheckNotApplicable, row.reason
	case ctx.Err() != nil:
		made.State, made.Detail = CheckSkipped, interrupted
	case silence != "":
		made.State, made.Detail = CheckSkipped, silence
	default:
		c.try(ctx, row, name, &made)
	}
	return made
}

const interrupted = "the run was interrupted"

// try plays the steps of a row, with everything it makes named after name, and
// cleans up.
func (c *Client) try(ctx context.Context, row check, name string, into *Check) {
	t := newTrial(c, name)
	row.try(t)
	m := c.newMemory()
	for _, s := range t.steps {
		into.Calls = append(into.Calls, c.take(ctx, m, s))
	}
	into.State, into.Detail = checkOutcome(t.steps, into.Calls)
	if into.State != CheckPassed && ctx.Err() != nil {
		into.State, into.Detail = CheckSkipped, interrupted
	} else if into.State != CheckPassed && row.note != "" {
		into.Detail += "; " + row.note
	}
	cleaning, left := c.cleanUp(ctx, m, t.steps, into.Calls)
	into.Calls = append(into.Calls, cleaning...)
	if left != "" {
		into.Detail = strings.TrimPrefix(into.Detail+"; left behind: "+left, "; ")
	}
}

// checkOutcome is decided by the first call that did not end as it should. All steps
// after it were skipped.
func checkOutcome(steps []step, calls []Call) (state, detail string) {
	for i, call := range calls {
		switch {
		case call.OK:
		case steps[i].given:
			return CheckSkipped, "could not be prepared: " + call.Step + ": " + call.Detail
		default:
			return CheckFailed, call.Step + ": " + call.Detail
		}
	}
	return CheckPassed, ""
}
