package entra

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrDisabled says that the job was in quarantine for 28 days, and makes no more
// cycles until it is restarted.
var ErrDisabled = errors.New("entra: the job was in quarantine for 28 days and is disabled")

// The times of a job.
// https://learn.microsoft.com/entra/identity/app-provisioning/application-provisioning-quarantine-status
const (
	cycleEvery      = 40 * time.Minute
	quarantineLimit = 28 * 24 * time.Hour
)

// Quarantine is the state of a job that failed too much.
type Quarantine struct {
	// Since is the time of the first failure, Reason the latest, on one line.
	Since  time.Time
	Reason string
	// Next is when Run tries again.
	Next time.Time
	// Disabled says that it does not any more.
	Disabled bool
}

// Quarantine returns the job's quarantine, if it is in any. The next cycle that
// goes well ends it, and a restart does.
func (j *Job) Quarantine() (Quarantine, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.quarantine == nil {
		return Quarantine{}, false
	}
	held := *j.quarantine
	held.Disabled = time.Since(held.Since) >= quarantineLimit
	return held, true
}

// hold puts the job in quarantine, or keeps it there.
func (j *Job) hold(at time.Time, reason string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.quarantine == nil {
		j.quarantine = &Quarantine{Since: at}
	}
	j.quarantine.Reason = reason
	j.quarantine.Next = nextRetry(j.quarantine.Since, time.Now())
}

func (j *Job) unhold() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.quarantine = nil
}

// nextRetry is the first time for a retry after now: 6, 12 and 24 hours after
// the first failure, and every 24 hours from then on.
func nextRetry(since, now time.Time) time.Time {
	for _, first := range []time.Duration{6 * time.Hour, 12 * time.Hour} {
		if at := since.Add(first); at.After(now) {
			return at
		}
	}
	const day = 24 * time.Hour
	return since.Add(now.Sub(since).Truncate(day) + day)
}

// The numbers of failures that mean quarantine.
const (
	fewFailures  = 5_000  // too few to look at the proportion
	manyFailures = 40_000 // too many without references
	mostFailures = 60_000 // too many with references
	failedShare  = 0.4
)

// tooManyFailures is the reason for quarantine after a cycle; empty if there is
// none. References count for the greatest of the thresholds only.
func tooManyFailures(r Report) string {
	objects, all := r.Users.Failed+r.Groups.Failed, r.Users.total()+r.Groups.total()
	switch {
	case objects+r.ReferencesFailed > mostFailures:
		return fmt.Sprintf("%d failures, references among them", objects+r.ReferencesFailed)
	case objects > manyFailures:
		return fmt.Sprintf("%d failures", objects)
	case objects >= fewFailures && float64(objects) > failedShare*float64(all):
		return fmt.Sprintf("%d of %d objects failed", objects, all)
	}
	return ""
}

// Run makes cycles until the context ends: one every 40 minutes, each as soon as
// the one before has ended if that took longer; in quarantine 6, 12 and 24 hours
// after the first failure, and then daily. It returns the context's error, or
// ErrDisabled after 28 days of quarantine.
func (j *Job) Run(ctx context.Context) error {
	for {
		started := time.Now()
		report, err := j.Cycle(ctx)
		if err := ctx.Err(); err != nil {
			return err
		}
		if errors.Is(err, ErrDisabled) {
			return err
		}
		if j.options.Reported != nil {
			j.options.Reported(report, err)
		}
		next := started.Add(cycleEvery)
		if held, ok := j.Quarantine(); ok {
			next = held.Next
		}
		timer := time.NewTimer(time.Until(next))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}
