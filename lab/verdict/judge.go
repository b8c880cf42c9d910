package verdict

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"example.com/entra-scim-proxy/lab/entra"
)

// Check is one of Microsoft's tests.
type Check struct {
	List   string `json:"list"`
	Name   string `json:"name"`
	Kind   string `json:"kind"`
	State  string `json:"state"`
	Detail string `json:"detail,omitempty"`
	Source string `json:"source"`
}

func newCheck(c entra.Check) Check {
	return Check{c.List, c.Name, c.Kind, c.State, c.Detail, c.Source}
}

// leftBy is what a test made and could not remove, or could not look for: a
// [entra.Check] tells by its calls.
func leftBy(c entra.Check) (left []entra.Leftover) {
	for _, call := range c.Calls {
		if call.OK || call.Skipped || call.Step != "clean up" && call.Step != "look for what was made" {
			continue
		}
		kind, id := "user", ""
		path, _, _ := strings.Cut(call.Path, "?")
		if strings.Contains(path, "/Groups") {
			kind = "group"
		}
		if call.Method == http.MethodDelete {
			id = path[strings.LastIndex(path, "/")+1:]
		}
		left = append(left, entra.Leftover{Kind: kind, Name: fmt.Sprintf("of the test %q", c.Name), ID: id, Reason: call.Detail})
	}
	return left
}

// Failure is something that Entra could not do, or not at once.
type Failure struct {
	Phase  string `json:"phase"`
	Object string `json:"object,omitempty"`
	Step   string `json:"step"`
	Reason string `json:"reason"`
}

// Finding is one way in which answers were not what Entra needs.
type Finding struct {
	Rule     string `json:"rule"`
	Sentence string `json:"sentence"`
	Source   string `json:"source"`
	// Fatal says that Entra takes it for a failure.
	Fatal bool `json:"fatal"`
	// Count is in how many answers it was found.
	Count int `json:"count"`
	// Example is one of them: method, path, status and what was found.
	Method string `json:"method"`
	Path   string `json:"path"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
}

// note takes a report over.
func (r *run) note(phase string, report entra.Report) {
	for _, f := range report.Failures {
		r.verdict.Failures = append(r.verdict.Failures, Failure{phase, f.Object, f.Step, f.Reason})
	}
	for _, f := range report.Findings {
		i := slices.IndexFunc(r.verdict.Findings, func(known Finding) bool { return known.Rule == f.Rule })
		if i >= 0 {
			r.verdict.Findings[i].Count += f.Count
			continue
		}
		r.verdict.Findings = append(r.verdict.Findings, Finding{
			Rule: f.Rule, Sentence: f.Sentence, Source: f.Source, Fatal: f.Fatal, Count: f.Count,
			Method: f.Example.Method, Path: f.Example.Path, Status: f.Example.Status, Detail: f.Example.Detail,
		})
	}
}

func (r *run) short(format string, values ...any) {
	r.verdict.Shortfalls = append(r.verdict.Shortfalls, fmt.Sprintf(format, values...))
}

// judge adds what the parts come to.
func (r *run) judge() {
	v := &r.verdict
	slices.SortStableFunc(v.Findings, func(a, b Finding) int { return cmp.Compare(order(a), order(b)) })
	missed := 0
	for _, c := range v.Checks {
		if c.Kind == entra.KindMandatory && (c.State == entra.CheckFailed || c.State == entra.CheckSkipped) {
			missed++
		}
	}
	fatal := 0
	for _, f := range v.Findings {
		if f.Fatal {
			fatal++
		}
	}
	for _, part := range []struct {
		count          int
		one, otherwise string
	}{
		{missed, "One of Microsoft's mandatory tests is not passed", "%d of Microsoft's mandatory tests are not passed"},
		{fatal, "Answers lack one thing that Entra needs", "Answers lack %d things that Entra needs"},
		{len(r.unsettled), "One object is still not provisioned after the last cycle", "%d objects are still not provisioned after the last cycle"},
		{len(v.Differences), "The endpoint differs from the directory in one place", "The endpoint differs from the directory in %d places"},
		{len(v.Left), "One resource could not be removed", "%d resources could not be removed"},
	} {
		switch part.count {
		case 0:
		case 1:
			r.short("%s", part.one)
		default:
			r.short(part.otherwise, part.count)
		}
	}
	v.OK = len(v.Shortfalls) == 0
}

// order puts what is fatal first.
func order(f Finding) int {
	if f.Fatal {
		return 0
	}
	return 1
}
