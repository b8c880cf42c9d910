package check

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
)

// proxyUsersStep is what all comes down to.
const proxyUsersStep = "proxy users"

// frontSteps ask the same through the proxy.
func (c *check) frontSteps() []step {
	needs := []string{"settings", secretStep(Inbound), "credential"}
	after := []string{"users", "groups"}
	return []step{
		{name: proxyUsersStep, limit: callLimit, run: c.proxyUsers, needs: needs, after: after},
		{name: "proxy groups", limit: callLimit, run: c.proxyGroups, needs: needs, after: after},
	}
}

// asEntraWants is found where the proxy hands on what Entra expects.
const asEntraWants = "Entra's Test Connection passes here"

func (c *check) proxyUsers(ctx context.Context) Finding {
	through, err := c.fronts.get(trial{rules: c.Rules})
	if err != nil {
		return noProxy(err)
	}
	stranger := begin(func() int {
		got, _ := through.ask(ctx, http.MethodGet, usersProbe(), nil, rand.Text())
		return got.status
	})
	finding := c.throughProxy(ctx, through, usersProbe())
	if finding.Status != Pass {
		return finding.asBefore("users", c.usersFailed.Load())
	}
	switch status := stranger(); status {
	case http.StatusUnauthorized:
		return finding
	case 0:
		return Finding{Status: Warn, Found: asEntraWants + "; there was no time to see that a wrong token is refused", Rules: finding.Rules}
	default:
		return Finding{
			Status: Fail, Found: fmt.Sprintf("a wrong token is answered with %d instead of 401", status),
			Remedy: "stop the app and report it",
		}
	}
}

func (c *check) proxyGroups(ctx context.Context) Finding {
	through, err := c.fronts.get(trial{rules: c.Rules})
	if err != nil {
		return noProxy(err)
	}
	finding := c.throughProxy(ctx, through, groupsProbe())
	if finding.Status == Fail && c.noGroups.Load() {
		return usersOnly
	}
	if finding.Status == Pass && c.StubGroups {
		finding.Found += "; the proxy answers for groups (GROUPS=stub)"
	}
	return finding.asBefore("groups", c.groupsFailed.Load())
}

// asBefore points to the step that failed for what the backend answers, and knows
// better what to do.
func (f Finding) asBefore(step string, failed bool) Finding {
	if failed && f.Status == Fail && (f.Class == "" || f.Class == "backend_error") {
		f.Remedy = "see " + step
	}
	return f
}

// noProxy is the finding where no proxy can be made.
func noProxy(err error) Finding {
	return Finding{
		Status: Fail, Class: "settings", Found: "the proxy cannot be made", Cause: err.Error(),
		Remedy: "correct the settings",
	}
}

// throughProxy is the finding for a probe through the proxy.
func (c *check) throughProxy(ctx context.Context, through *front, target string) Finding {
	got, err := through.ask(ctx, http.MethodGet, target, nil, c.value(Inbound).Current().Reveal())
	switch {
	case err != nil && errors.Is(ctx.Err(), context.Canceled):
		return silent(ctx, ctx.Err())
	case err != nil && ctx.Err() != nil:
		return tooSlow
	}
	if got.cut {
		got.line.class, got.line.cause = "", "" // which are about us, who read no further
	}
	bad := lookUp(got)
	if err == nil && bad == nil {
		return Finding{Status: Pass, Found: asEntraWants, Rules: got.line.rules}
	}
	finding := Finding{
		Status: Fail, Class: got.line.class, Found: fmt.Sprintf("the proxy answers %d", got.status),
		Cause: got.line.cause, Remedy: got.line.remedy, Rules: got.line.rules, Details: []string{got.brief()},
	}
	switch {
	case err != nil:
		finding.Found = "the proxy's answer broke off"
		finding.Remedy = cmp.Or(finding.Remedy, "see the log of the backend, or of what is in front of it")
	case finding.Class == "" || finding.Class == bad.class:
		finding.Found, finding.Class = bad.found, bad.class // the answer is the backend's
		fallthrough
	default:
		finding.Remedy = cmp.Or(finding.Remedy, bad.remedy)
	}
	if shown := entraShows(got); shown != "" {
		finding.Details = append(finding.Details, shown)
	}
	return finding
}

// tooSlow is the finding where the proxy does not answer in time. It may be
// waiting for another credential, too.
var tooSlow = Finding{
	Status: Fail, Class: classTimeout, Found: "the proxy did not answer in the time that the check gives it",
	Remedy: "see the steps before; if they pass, find out why the backend is slow, or whether it refuses the credential at times",
}
