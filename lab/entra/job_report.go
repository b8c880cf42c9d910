package entra

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// Counts are the outcomes for objects of one kind; each object is counted once.
type Counts struct {
	// Created were not found, and were posted; Linked were found, and had
	// nothing to change.
	Created, Linked int
	// Updated, Disabled and Restored were patched, Deleted deleted.
	Updated, Disabled, Restored, Deleted int
	// Unchanged were read and are as they should be.
	Unchanged int
	// Skipped are in scope but disabled, and were not created; or are gone at
	// the endpoint, and nobody wants them back, or not before the next cycle.
	Skipped int
	// Failed are those that failed; each has a row in the report's Failures.
	Failed int
}

func (c Counts) total() int {
	return c.Created + c.Linked + c.Updated + c.Disabled + c.Restored + c.Deleted + c.Unchanged + c.Skipped + c.Failed
}

// Report is what a cycle did, or something smaller on demand.
type Report struct {
	// Initial says that it was an initial cycle.
	Initial bool
	// Users and Groups count objects.
	Users, Groups Counts
	// MembersAdded and MembersRemoved count memberships, ManagersSet users.
	MembersAdded, MembersRemoved, ManagersSet int
	// ReferencesFailed counts memberships and managers.
	ReferencesFailed int
	// Calls is the number of calls sent, Duration the time from the first to
	// the last.
	Calls    int
	Duration time.Duration
	// Failures are sorted by object and step.
	Failures []Failure
	// Findings are sorted, those that are fatal first.
	Findings []Finding
}

// Failure is something that was not done, and will be tried again.
type Failure struct {
	// Object is a userPrincipalName or displayName; for the probe it is empty.
	Object string
	// Step says what failed, Reason why, on one line.
	Step, Reason string
}

// OK reports whether all was done, and nothing was found.
func (r Report) OK() bool { return len(r.Failures)+len(r.Findings) == 0 }

// record collects a report from several goroutines.
type record struct {
	observe func(Call)
	start   time.Time

	mu       sync.Mutex
	r        Report
	findings map[string]*Finding
	// examples are the keys of the findings' examples: the least is kept, so
	// that it does not depend on the order in which calls end.
	examples map[string]string
}

func newRecord(observe func(Call)) *record {
	return &record{observe: observe, start: time.Now(), findings: map[string]*Finding{}, examples: map[string]string{}}
}

// call adds a call for an object, and what was found about its answer.
func (c *record) call(call Call, object string, v *verdict) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.r.Calls++
	for i, name := range v.rules {
		f := c.findings[name]
		if f == nil {
			of := rules[name]
			f = &Finding{Rule: name, Sentence: of.sentence, Source: of.source, Fatal: of.fatal}
			c.findings[name] = f
		}
		f.Count++
		if key := object + "\x00" + call.Step; f.Count == 1 || key < c.examples[name] {
			c.examples[name], f.Example = key, call
			f.Example.Detail, f.Example.OK = v.details[i], false
		}
	}
	if c.observe != nil {
		c.observe(call)
	}
}

// count changes the numbers.
func (c *record) count(change func(*Report)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.r)
}

func (c *record) fail(object, step string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.r.Failures = append(c.r.Failures, Failure{object, step, oneLine(err)})
}

// report is the report so far.
func (c *record) report() Report {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.r
	r.Duration = time.Since(c.start)
	r.Failures = slices.Clone(r.Failures)
	slices.SortFunc(r.Failures, func(a, b Failure) int {
		return cmp.Or(cmp.Compare(a.Object, b.Object), cmp.Compare(a.Step, b.Step), cmp.Compare(a.Reason, b.Reason))
	})
	for _, f := range c.findings {
		r.Findings = append(r.Findings, *f)
	}
	sortFindings(r.Findings)
	return r
}
