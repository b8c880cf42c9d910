package check

import (
	"encoding/json"
	"math"
	"time"

	"example.com/entra-scim-proxy/proxy/upstream"
)

// Status is how a step ended.
type Status string

// How a step can end.
const (
	// Pass: as it should be.
	Pass Status = "pass"
	// Warn: it works, and deserves attention.
	Warn Status = "warn"
	// Fail: Entra's calls fail for it.
	Fail Status = "fail"
	// Skip: it needs a step that failed, or does not apply.
	Skip Status = "skip"
)

// Finding is what a step found. Found, Class and Remedy name nothing that a
// holder of Entra's token may not know: no address, host, path of the backend,
// certificate, secret, version or person. Cause and Details may, but for secrets
// themselves and persons.
type Finding struct {
	Status Status `json:"status"`
	// Class is the problem's name in the log (docs/runbook.md); "" if there is none.
	Class string `json:"class,omitempty"`
	// Found says in a few words what was found.
	Found string `json:"found,omitempty"`
	// Cause is one sentence on why it is so; "" if Found says it.
	Cause string `json:"cause,omitempty"`
	// Remedy is one sentence on what to do; "" if there is nothing to do.
	Remedy string `json:"remedy,omitempty"`
	// Details are lines for who can see the inside.
	Details []string `json:"details,omitempty"`
	// Rules are those of NORMALIZE that repair it, with commas between.
	Rules string `json:"rules,omitempty"`
	// ForAll is what everybody gets instead; nil means the finding itself.
	ForAll *Finding `json:"-"`
}

// Result is a step's finding.
type Result struct {
	// Step is its name, such as "tls".
	Step string `json:"step"`
	Finding
	// Took is how long it took; in JSON "ms", in milliseconds.
	Took time.Duration `json:"-"`
}

// Report is the outcome of a run.
type Report struct {
	// Started is when it began.
	Started time.Time
	// Took is how long it took; in JSON "ms", in milliseconds.
	Took time.Duration
	// Result is [Fail] if a step failed, or if the run ended before it came through
	// the proxy, and [Pass] otherwise.
	Result Status
	// Steps are the results, in the order of a call's way.
	Steps []Result
	// Recommended are settings by name, those that the findings speak for; nil if
	// nothing is known.
	Recommended map[string]string
}

func (r *Report) add(result Result) {
	r.Steps = append(r.Steps, result)
	// That step is skipped for what failed, or for want of time.
	if result.Status == Fail || result.Step == proxyUsersStep && result.Status == Skip {
		r.Result = Fail
	}
}

// Public returns the report without what only those may know who can see the
// inside: causes, details, and that a token can be guessed or is another one, too.
func (r Report) Public() Report {
	steps := make([]Result, len(r.Steps))
	for i, result := range r.Steps {
		if result.ForAll != nil {
			result.Finding = *result.ForAll
		}
		result.Cause, result.Details = "", nil
		steps[i] = result
	}
	r.Steps = steps
	return r
}

// MarshalJSON writes the report for machines.
func (r Report) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Started     string            `json:"started"`
		Took        float64           `json:"ms"`
		Result      Status            `json:"result"`
		Steps       []Result          `json:"steps"`
		Recommended map[string]string `json:"recommended,omitempty"`
	}{r.Started.UTC().Format(time.RFC3339), milliseconds(r.Took), r.Result, r.Steps, r.Recommended})
}

// MarshalJSON writes the result for machines.
func (r Result) MarshalJSON() ([]byte, error) {
	type plain Result // without this method
	return json.Marshal(struct {
		plain
		Took float64 `json:"ms"`
	}{plain(r), milliseconds(r.Took)})
}

func milliseconds(d time.Duration) float64 { return math.Round(float64(d.Microseconds())/100) / 10 }

// stages say in public how far a call came.
var stages = map[upstream.Stage]string{
	upstream.Connect:   "no connection to the backend",
	upstream.Handshake: "no TLS connection to the backend",
	upstream.Answer:    "no usable answer from the backend",
}

// failed is the finding for an error of the connection to the backend.
func failed(err error) Finding {
	fault := upstream.Explain(err)
	return Finding{Status: Fail, Class: fault.Class, Found: stages[fault.Stage], Cause: fault.Cause, Remedy: fault.Remedy}
}
