package check

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"example.com/entra-scim-proxy/proxy/scim"
)

// way is how a call goes to the backend: directly, or through a proxy.
type way struct {
	trial
	direct bool
	// more tells that rules are on that NORMALIZE does not turn on.
	more bool
}

// mores are the values of NORMALIZE that are tried beyond what is on, in this
// order. What no group chooses comes last: it costs calls, or other backends
// fare worse with it.
var mores = []string{"all", "all,missing-target", "all,content-type-json", "all,content-type-json,missing-target"}

// ladder lists the ways in which to try a call that changes something: as it
// comes, as the proxy serves, and with more rules.
func (c *check) ladder() []way {
	list := []way{{direct: true}}
	if len(c.value(Inbound)) == 0 {
		return list // which the proxy asks for
	}
	list = append(list, way{trial: trial{rules: c.Rules}})
	for _, text := range mores {
		if rules, err := scim.ParseRules(text); err == nil && rules&^c.Rules != 0 {
			list = append(list, way{trial: trial{rules: rules | c.Rules, plain: true}, more: true})
		}
	}
	return list
}

// outcome is what became of a call that changes something.
type outcome struct {
	answer
	// bad says why it did not do what it should; zero if it did.
	bad Finding
	// lost tells that there was no answer: it may have been served or not.
	lost bool
	// final tells that no other way can help.
	final bool
}

// send makes a call, and judges its status.
func (c *check) send(ctx context.Context, w way, method, target string, body []byte) (o outcome) {
	if w.direct {
		var ok bool
		if o.answer, o.bad, ok = c.call(ctx, method, target, body); !ok {
			// Of what the proxy hands on to nobody, none is a success.
			o.lost, o.final = o.status < http.StatusMultipleChoices, true
			return o
		}
	} else {
		through, err := c.fronts.get(w.trial)
		if err != nil {
			o.bad, o.final = Finding{Status: Fail, Class: "internal", Found: "the proxy cannot be made", Cause: err.Error()}, true
			return o
		}
		if o.answer, err = through.ask(ctx, method, target, body, c.value(Inbound).Current().Reveal()); err != nil {
			o.bad, o.lost, o.final = silent(ctx, err), true, true
			return o
		}
	}
	if o.status >= http.StatusMultipleChoices {
		o.bad = declined(o.answer)
		o.final = !slices.Contains(repairable, o.status)
		// The proxy's own answer for a backend that gave none.
		o.lost = o.status == http.StatusBadGateway || o.status == http.StatusGatewayTimeout
	}
	return o
}

// repairable are the answers that may be due to the form of a request.
var repairable = []int{
	http.StatusBadRequest, http.StatusNotAcceptable, http.StatusUnsupportedMediaType,
	http.StatusUnprocessableEntity, http.StatusInternalServerError,
}

// scimTypes are those of RFC 7644 section 3.12, table 9. Anything else that an
// answer has in their place may be of the inside.
var scimTypes = []string{
	"invalidFilter", "tooMany", "uniqueness", "mutability", "invalidSyntax", "invalidPath", "noTarget",
	"invalidValue", "invalidVers", "sensitive",
}

// declined is the finding for an answer that is none of success.
func declined(got answer) Finding {
	finding := Finding{Status: Fail, Found: fmt.Sprintf("refused with status %d", got.status), Remedy: remedies[got.status]}
	if finding.Remedy == "" {
		finding.Remedy = remedyShape
	}
	if kind := decoded(got.body).text("scimType"); slices.Contains(scimTypes, kind) {
		finding.Cause = "the backend calls it " + kind
	}
	switch {
	case got.line.class != "":
		finding.Class, finding.Cause = got.line.class, got.line.cause
	case got.status >= http.StatusInternalServerError:
		finding.Class = "backend_error"
	}
	if got.line.remedy != "" {
		finding.Remedy = got.line.remedy
	}
	return finding
}

// remedies are what to do about answers that are not about the form of a request.
var remedies = map[int]string{
	http.StatusForbidden:           "have the backend allow this to the account that the proxy calls with",
	http.StatusMethodNotAllowed:    "have the backend, and what is in front of it, take this method",
	http.StatusNotImplemented:      "have the backend take this method",
	http.StatusTooManyRequests:     "raise the backend's limit of calls for the proxy",
	http.StatusInternalServerError: "see the backend's log",
	http.StatusBadGateway:          "see the log of what is in front of the backend",
	http.StatusServiceUnavailable:  "see the backend's log",
}

// remedyShape is what to do about a request that no rule helps.
const remedyShape = "have the backend take it, or take the attribute out of Entra's attribute mapping"

// climb tries a call in one way after the other until it does what it should. The
// finding is what was wrong with the first, and which rules repair that.
func (c *check) climb(ctx context.Context, try func(way) outcome) Finding {
	var first outcome
	for _, w := range c.ladder() {
		o := try(w)
		if o.bad.Status == "" {
			return c.taken(w, o.answer, first)
		}
		if first.bad.Status == "" {
			first = o
		}
		if o.final || ctx.Err() != nil {
			break
		}
	}
	if ctx.Err() != nil && !first.final {
		first.bad.Found += noTime
		if c.Rules != 0 {
			first.bad.Status = Warn // one of them may repair it
		}
	}
	return first.bad
}

// taken is the finding for a call that did what it should; first is what became
// of it in the first way, if that is another.
func (c *check) taken(w way, got answer, first outcome) Finding {
	found, rules := first.bad.Found, requestRules(got.line.rules)
	if accept := scim.Set(0).With(scim.AcceptSCIM); first.status != http.StatusNotAcceptable && (rules != accept || got.line.dropped) {
		rules &^= accept // it is at work on every call
	}
	switch {
	case w.direct:
		return Finding{Status: Pass, Found: "taken as it comes"}
	case got.line.dropped:
		return Finding{Status: Pass, Found: found + ", but for what DROP_ATTRIBUTES takes out", Rules: rules.String()}
	case !w.more && rules != 0:
		return Finding{Status: Pass, Found: found + ", which NORMALIZE repairs", Rules: rules.String()}
	case rules == 0:
		return Finding{Status: Warn, Found: found + " at first, and taken when asked again", Remedy: "run the check again"}
	}
	c.advice.need(rules)
	return Finding{
		Status: Fail, Found: found, Rules: rules.String(),
		Remedy: "turn on the rules that repair it: see the recommended setting",
	}
}

// requestRules are those of the rules named that are about requests.
func requestRules(names string) (rules scim.Set) {
	fired, err := scim.ParseRules(names)
	if err != nil {
		return 0 // none
	}
	table := scim.Rules()
	for id := range fired.All() {
		if table[id].Group != "response" {
			rules = rules.With(id)
		}
	}
	return rules
}
