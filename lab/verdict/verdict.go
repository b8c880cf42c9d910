// Package verdict answers whether Entra will provision against a SCIM endpoint:
// it plays Test Connection, Microsoft's two lists of tests and the cycles of a
// whole directory, judges every answer, compares what the endpoint ended up
// with, and removes what it made.
package verdict

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"example.com/entra-scim-proxy/lab/directory"
	"example.com/entra-scim-proxy/lab/entra"
)

// Options say what to play. Client and Job.Directory are required.
type Options struct {
	// Client speaks to the endpoint, in the dialect of its tenant URL.
	Client *entra.Client
	// Job is how the provisioning job is set up. Its Observe is not called.
	Job entra.JobOptions
	// Seed chooses what changes between the cycles.
	Seed uint64
	// Progress is told how many calls there were so far, and an estimate of how
	// many there will be; nil tells nobody. It is called from several goroutines,
	// one at a time.
	Progress func(phase string, done, total int)
}

// Verdict is what came of it. None of its slices is nil when it comes from Run.
type Verdict struct {
	// OK says that nothing fell short.
	OK bool `json:"ok"`
	// Shortfalls are the reasons for which it is not OK, a sentence each.
	Shortfalls []string `json:"shortfalls"`
	// Dialect is the one that was spoken outside of on-demand provisioning.
	Dialect string `json:"dialect"`
	// Users, Groups and Memberships are those of the directory at the beginning.
	Users       int `json:"users"`
	Groups      int `json:"groups"`
	Memberships int `json:"memberships"`
	// Phases are in the order in which they were played.
	Phases []Phase `json:"phases"`
	// Checks are Microsoft's tests.
	Checks []Check `json:"checks"`
	// Failures are what Entra could not do, or not at once.
	Failures []Failure `json:"failures"`
	// Findings are what answers lack of what Entra needs.
	Findings []Finding `json:"findings"`
	// Differences are those between the endpoint and the directory at the end.
	Differences []entra.Difference `json:"differences"`
	// Left is what could not be removed.
	Left []entra.Leftover `json:"left"`
}

// changesOf is how much changes between two cycles: one thing of each kind, or a
// twentieth of the directory.
func changesOf(users int) int { return max(users/20, len(directory.ChurnKinds())) }

// cleanUpLimit bounds the removal of what was made, also after an interrupt.
const cleanUpLimit = 5 * time.Minute

// run is a Verdict in the making.
type run struct {
	options Options
	job     *entra.Job
	verdict Verdict
	phase   string
	meter   atomic.Pointer[meter]
	// done and total are calls, the latter an estimate.
	done, total int
	unsettled   []entra.Failure // of the last cycle
}

// Run plays it all. If the context ends it stops, removes what it made and
// returns the context's error; any other error means that nothing could be
// played. What the endpoint gets wrong is no error.
func Run(ctx context.Context, options Options) (Verdict, error) {
	d := options.Job.Directory
	r := &run{options: options, verdict: Verdict{
		Dialect: options.Client.Dialect(), Users: len(d.Users()), Groups: len(d.Groups()), Memberships: d.Memberships(),
		Shortfalls: []string{}, Phases: []Phase{}, Checks: []Check{}, Failures: []Failure{}, Findings: []Finding{},
		Differences: []entra.Difference{}, Left: []entra.Leftover{},
	}}
	r.total = r.estimate()
	options.Job.Observe = r.observe
	var err error
	if r.job, err = entra.NewJob(options.Client, options.Job); err != nil {
		return Verdict{}, err
	}
	if r.connect(ctx) {
		r.lists(ctx)
		r.cycles(ctx)
		r.compare(ctx)
		r.cleanUp(ctx)
	}
	if err := context.Cause(ctx); err != nil {
		return r.verdict, err
	}
	r.judge()
	return r.verdict, nil
}

// estimate is roughly how many calls there will be: Microsoft's tests, two for
// the match and the creation of each object, two for a manager, one for a
// membership, then the changes, the comparison and the removal.
func (r *run) estimate() int {
	objects := r.verdict.Users + r.verdict.Groups
	const lists = 300
	return lists + 4*objects + 2*r.verdict.Users + r.verdict.Memberships + 10*changesOf(r.verdict.Users)
}

// observe counts a call of the job.
func (r *run) observe(call entra.Call) {
	r.meter.Load().add(call)
	r.done++
	if r.options.Progress != nil {
		r.options.Progress(r.phase, r.done, max(r.total, r.done))
	}
}

// play runs one phase; what it observes is counted there.
func (r *run) play(name string, phase func()) {
	m := newMeter()
	r.phase = name
	r.meter.Store(m)
	phase()
	r.verdict.Phases = append(r.verdict.Phases, m.phase(name))
}

// connect is Test Connection; without it there is nothing else to be played.
func (r *run) connect(ctx context.Context) (ok bool) {
	r.play("Test Connection", func() {
		report, err := r.job.TestConnection(ctx)
		r.note("Test Connection", report)
		if err != nil {
			r.short("Test Connection fails: %v", err)
		}
		ok = err == nil
	})
	return ok
}

// lists are Microsoft's tests.
func (r *run) lists(ctx context.Context) {
	if ctx.Err() != nil {
		return
	}
	r.play("Microsoft's tests", func() {
		for check := range r.options.Client.Checks(ctx) {
			for _, call := range check.Calls {
				r.observe(call)
			}
			r.verdict.Checks = append(r.verdict.Checks, newCheck(check))
			r.verdict.Left = append(r.verdict.Left, leftBy(check)...)
		}
	})
}

// cycles play an initial cycle, two with changes before them, one without, and
// on-demand provisioning.
func (r *run) cycles(ctx context.Context) {
	d, changes := r.options.Job.Directory, changesOf(r.verdict.Users)
	initial := r.cycle(ctx, "initial cycle")
	if n := existing(initial.Users) + existing(initial.Groups); n > 0 {
		r.short("Users or groups with the invented names were there before: %d; what follows would delete some, so it was not tried: use an empty test system, or another --seed", n)
		return
	}
	for week := range uint64(2) {
		if ctx.Err() != nil {
			return
		}
		made := d.Churn(r.options.Seed+week, changes)
		r.cycle(ctx, fmt.Sprintf("cycle after %d changes", len(made)))
	}
	r.cycle(ctx, "cycle with nothing to do")
	if ctx.Err() != nil {
		return
	}
	r.play("on demand", func() {
		for _, id := range r.chosen() {
			report, err := r.job.Provision(ctx, id)
			r.note("on demand", report)
			if err != nil {
				r.short("Provisioning on demand fails: %v", err)
			}
		}
	})
}

// existing are those that the endpoint had before an initial cycle.
func existing(c entra.Counts) int {
	return c.Linked + c.Updated + c.Disabled + c.Restored + c.Unchanged
}

func (r *run) cycle(ctx context.Context, name string) (report entra.Report) {
	if ctx.Err() != nil {
		return report
	}
	r.play(name, func() {
		var err error
		report, err = r.job.Cycle(ctx)
		r.note(name, report)
		r.unsettled = report.Failures
		if err != nil {
			r.short("The %s was broken off: %v", name, err)
		}
		if quarantine, ok := r.job.Quarantine(); ok {
			r.short("The job is in quarantine: %s", quarantine.Reason)
		}
	})
	return report
}

// chosen are a user and a group to provision on demand, each with something to
// write.
func (r *run) chosen() []string {
	d := r.options.Job.Directory
	var ids []string
	for _, id := range d.Users() {
		if user, _ := d.User(id); user.Active() && d.InScope(id) {
			if d.UpdateUser(id, func(u *directory.User) { u.JobTitle += " (on demand)" }) == nil {
				ids = append(ids, id)
			}
			break
		}
	}
	if r.options.Job.UsersOnly {
		return ids
	}
	for _, id := range d.Groups() {
		if d.InScope(id) {
			return append(ids, id)
		}
	}
	return ids
}

func (r *run) compare(ctx context.Context) {
	if ctx.Err() != nil {
		return
	}
	r.play("comparison", func() {
		differences, err := r.job.Compare(ctx)
		r.verdict.Differences = append(r.verdict.Differences, differences...)
		if err != nil {
			r.short("The comparison was broken off: %v", err)
		}
	})
}

// cleanUp removes what was made, also when the context has ended.
func (r *run) cleanUp(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpLimit)
	defer cancel()
	r.play("clean-up", func() {
		_, left, err := r.job.CleanUp(ctx)
		r.verdict.Left = append(r.verdict.Left, left...)
		if err != nil {
			r.short("The clean-up was broken off: %v", err)
		}
	})
}
