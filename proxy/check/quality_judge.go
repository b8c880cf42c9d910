package check

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"example.com/entra-scim-proxy/proxy/scim"
)

// trait is something that answers should have.
type trait struct {
	// wrong says what is wrong with an answer, in words for everybody; "" if
	// nothing is.
	wrong  func(answer) string
	status Status
	remedy string
	// doubtful tells that nothing is wrong if no rule changes it.
	doubtful bool
}

// enough is what a call has to have had before no answer is held against the
// backend: others of the step, or of the run, may have had the time.
const enough = callLimit * 9 / 10

// judge asks the backend and looks for traits in the answer, if it has that of
// the base; what lacks is tried with rules. It returns the answer that was
// judged: if the base took rules that are on, what came through them.
func (c *check) judge(ctx context.Context, target string, base trait, traits []trait) (got answer, findings []Finding) {
	begun := time.Now()
	got, bad, ok := c.call(ctx, http.MethodGet, target, nil)
	if !ok {
		if bad.Class == "timeout" && time.Since(begun) < enough {
			bad.Status, bad.Found = Warn, "there was no time left to judge an answer: the backend is slow"
		}
		return got, []Finding{bad}
	}
	call := asked{method: http.MethodGet, target: target, complaint: base.wrong, seen: map[scim.Set]answer{}}
	if found := base.wrong(got); found != "" {
		finding := c.repaired(ctx, call, found, base.status, base.remedy)
		repaired, known := call.seen[c.Rules]
		if findings = append(findings, finding); finding.Status != Pass || !known {
			return got, findings
		}
		got = repaired
	}
	if got.cut {
		return got, append(findings, Finding{Status: Warn, Found: "an answer is larger than 512 KiB, and was not judged"})
	}
	for _, trait := range traits {
		found := trait.wrong(got)
		if found == "" {
			continue
		}
		call.complaint = func(other answer) string {
			if bad := base.wrong(other); bad != "" {
				return bad
			}
			return trait.wrong(other)
		}
		finding := c.repaired(ctx, call, found, trait.status, trait.remedy)
		if finding.Rules != "" || !trait.doubtful {
			findings = append(findings, finding)
		}
	}
	return got, findings
}

// answered is the trait of an answer with a status that is a JSON object.
func answered(status Status, what string, want int) trait {
	return trait{status: status, remedy: "see the log of the backend, or of what is in front of it", wrong: func(got answer) string {
		switch start := firstByte(got.body); {
		case got.status != want:
			return fmt.Sprintf("%s is answered with %d instead of %d", what, got.status, want)
		case start == '<':
			return what + " is answered with a page for people (HTML)"
		case got.cut:
			return "" // judge says it
		case start != '{':
			return what + " is not answered with a JSON object"
		}
		if _, ok := readMessage(got.body); !ok {
			return what + " is not answered with a JSON object"
		}
		return ""
	}}
}

// together makes calls side by side, which have the limit of their step together.
func together(parts ...func() []Finding) []Finding {
	return slices.Concat(beside(len(parts), func(i int) []Finding { return parts[i]() })...)
}

// worse compares findings; the worst is the first.
func worse(a, b Finding) int { return severity[b.Status] - severity[a.Status] }

// merged is one finding for several: the worst, with what others of its kind or
// a better one found, but not what passed beside what did not.
func merged(findings []Finding) Finding {
	// What passes without rules is not worth a word.
	findings = slices.DeleteFunc(findings, func(f Finding) bool { return f.Status == Pass && f.Rules == "" })
	if len(findings) == 0 {
		return Finding{Status: Pass}
	}
	slices.SortStableFunc(findings, worse)
	sum := findings[0]
	var found, remedies []string
	var rules scim.Set
	for _, finding := range findings {
		if finding.Status == Pass && sum.Status != Pass {
			break
		}
		if !slices.Contains(found, finding.Found) {
			found = append(found, finding.Found)
		}
		if finding.Remedy != "" && !slices.Contains(remedies, finding.Remedy) {
			remedies = append(remedies, finding.Remedy)
		}
		if set, err := scim.ParseRules(finding.Rules); err == nil {
			rules |= set
		}
	}
	sum.Found, sum.Remedy, sum.Rules = strings.Join(found, "; "), strings.Join(remedies, "; "), rules.String()
	return sum
}

// atMost makes findings no worse than a status.
func atMost(status Status, findings []Finding) []Finding {
	for i, finding := range findings {
		if worse(finding, Finding{Status: status}) < 0 {
			findings[i].Status = status
		}
	}
	return findings
}
