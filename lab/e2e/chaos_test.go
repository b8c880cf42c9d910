package e2e

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.com/entra-scim-proxy/lab/backend"
	"example.com/entra-scim-proxy/lab/directory"
	"example.com/entra-scim-proxy/lab/entra"
	"example.com/entra-scim-proxy/lab/stand"
)

// backendTimeout is the proxy's: a call that is refused may wait so long for
// another credential.
const backendTimeout = 2 * time.Second

// company is how large a run is.
type company struct {
	directory.Options
	spells, changes int // faults, and changes between two cycles
	parallel        int
	limit           time.Duration
}

// TestChaos holds that nothing is lost: whatever breaks, between Entra and
// proxy, in the proxy, between proxy and backend or at the vault, and several
// of it at a time, what Entra saw done was done, nothing was done that Entra did
// not ask for, nothing was done twice, and in the end the backend is what the
// directory is. The seed CHAOS_SEED repeats a run, as far as [chaos] says.
func TestChaos(t *testing.T) {
	small := company{
		Options: directory.Options{Users: 300, Groups: 20, Memberships: 1_500},
		spells:  40, changes: 60, parallel: 8, limit: time.Minute,
	}
	for _, seed := range seeds(t, 1, 2, 3) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			runChaos(t, seed, small)
		})
	}
}

// TestChaosTenThousand is TestChaos for a company of 10,000, with E2E_SCALE=1
// only.
func TestChaosTenThousand(t *testing.T) {
	if os.Getenv("E2E_SCALE") != "1" {
		t.Skip("with E2E_SCALE=1 only: it takes some minutes of both processors")
	}
	runChaos(t, seeds(t, 1)[0], company{
		Options: directory.Options{Users: 10_000, Groups: 500, Memberships: 50_000},
		spells:  120, changes: 1_000, parallel: 16, limit: 8 * time.Minute,
	})
}

// seeds are those given, or that of CHAOS_SEED.
func seeds(t *testing.T, otherwise ...uint64) []uint64 {
	t.Helper()
	given := os.Getenv("CHAOS_SEED")
	if given == "" {
		return otherwise
	}
	seed, err := strconv.ParseUint(given, 10, 64)
	if err != nil {
		t.Fatalf("CHAOS_SEED: %v", err)
	}
	return []uint64{seed}
}

// newChaos is a strict backend behind the proxy, with a wire on either side of
// it. Odd seeds have a backend that speaks HTTP/2.
func newChaos(t *testing.T, seed uint64) *chaos {
	front, back := newWire(t), newWire(t)
	c := &chaos{front: front, back: back, changed: make(chan struct{}, 1), hits: map[string]int{}}
	c.world = newWorldWith(t, "strict", stand.Options{
		Settings: []string{
			"BACKEND_URL=https://" + back.address + "/rest/scim/v2",
			"PUBLIC_URL=http://" + front.address,
			"BACKEND_TIMEOUT=" + backendTimeout.String(),
			"SECRET_REFRESH=1s", // so that the vault is asked all the time
		},
		HTTP1:         seed%2 == 0,
		FailureWindow: time.Nanosecond, // the crashes of months in a minute
		Adjust: func(s *stand.Stand, o *backend.Options) {
			o.PublicURL = "http://" + front.address + stand.SCIMPath
			o.Audit = 1 << 20 // all of it
			back.target.Store(&s.BackendAddress)
		},
	})
	c.troubled = true
	if c.Vault == nil {
		t.Skip("needs a key vault, which this system cannot have")
	}
	host := strings.TrimPrefix(c.Origin, "http://")
	front.target.Store(&host)
	return c
}

func runChaos(t *testing.T, seed uint64, size company) {
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("to repeat it: make package && CHAOS_SEED=%d E2E_APP=$PWD/dist E2E_SCALE=%s go test -count=1 ./lab/e2e -run '^%s$'",
				seed, os.Getenv("E2E_SCALE"), strings.Split(t.Name(), "/")[0])
		}
	})
	c := newChaos(t, seed)
	size.Options.Seed = seed
	d := c.people(size.Options)
	book := newLedger(seed)
	client, err := entra.New(entra.Options{
		TenantURL: "http://" + c.front.address + stand.SCIMPath + "?" + stand.Flag, Token: c.Token(),
		Timeout: 10 * time.Second, Traceparent: book.traceparent,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	job := c.job(client, d, func(o *entra.JobOptions) {
		o.Seed, o.Parallel = seed, size.parallel
		o.Observe = func(call entra.Call) {
			book.book(call)
			c.wantNothingOfTheInside(call)
			c.clock.tick()
		}
	})
	started := time.Now()
	// What an initial cycle takes without a fault, nearly.
	c.plan(seed, 4*size.Users+3*size.Groups+size.Memberships, size.spells)
	ctx, cancel := context.WithTimeout(t.Context(), size.limit)
	defer cancel()
	broken, mending := c.provision(ctx, job, d, seed, size)
	byKind, all := c.strikes()
	lost, err := job.Compare(ctx)
	if err != nil {
		t.Fatal(err)
	}
	sums := book.reconcile(c.Backend().Audit())
	twins := c.twins()
	c.report(lost, sums, twins)
	c.wantNobodyInTheLog(d)
	t.Logf("seed %d: %d calls in %.1f s, %d of them failed (by status: %s)",
		seed, len(book.sent), time.Since(started).Seconds(), book.failed, tally(book.statuses))
	t.Logf("%d faults of %d spells (%s)", all, len(c.spells), tally(byKind))
	t.Logf("classes in the log: %s", tally(c.wantClasses()))
	t.Logf("%d cycles with faults, %d without until one was clean; the proxy was started %d times", broken, mending, c.Host.Starts())
	t.Logf("operations lost: %d; reported done, but not: %d; applied twice: %d, of which by the host's repeats of DELETE: %d",
		len(lost), len(sums.falsely), len(sums.twice)+sums.deletes+len(twins), sums.deletes)
	if all < len(c.spells)/2 || int64(c.Host.Starts()) != 1+c.killed.Load() {
		t.Errorf("of %d spells there were %d faults; %d starts of the proxy for %d kills", len(c.spells), all, c.Host.Starts(), c.killed.Load())
	}
}

// provision runs cycles until the faults are over and one is clean. It returns
// how many it took of each.
func (c *chaos) provision(ctx context.Context, job *entra.Job, d *directory.Directory, seed uint64, size company) (broken, mending int) {
	c.begin(ctx)
	over := make(chan struct{})
	go func() { c.under.Wait(); close(over) }() // ends with the spells, which end with the context
	for ; !closed(over); broken++ {
		report, err := job.Cycle(ctx)
		switch {
		case err != nil:
			c.rest(ctx) // quarantine: for Entra, hours
		case len(report.Failures) == 0:
			// Not before. When an answer is lost, and the directory takes the
			// change back before Entra tries again, the job has nothing to do and
			// the backend keeps what it did: somebody who was created, or became
			// a member. What Entra does then is not known.
			d.Churn(seed<<32+uint64(broken), size.changes)
		}
	}
	for ctx.Err() == nil {
		mending++
		report, err := job.Cycle(ctx)
		if err == nil && report.OK() {
			return broken, mending
		}
		c.rest(ctx)
	}
	c.Fatalf("no clean cycle in %v", size.limit)
	return broken, mending
}

func closed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// rest waits until a fault begins or ends, but not long.
func (c *chaos) rest(ctx context.Context) {
	timer := time.NewTimer(50 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-c.changed:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// report tells what went wrong, a few of each.
func (c *chaos) report(lost []entra.Difference, sums account, twins []string) {
	c.Helper()
	const few = 20
	for _, difference := range lost[:min(few, len(lost))] {
		c.Errorf("lost: %s", difference)
	}
	for _, what := range sums.falsely[:min(few, len(sums.falsely))] {
		c.Errorf("reported done: %s", what)
	}
	for _, what := range append(sums.twice, twins...)[:min(few, len(sums.twice)+len(twins))] {
		c.Errorf("applied twice: %s", what)
	}
	if c.Failed() {
		for _, s := range c.spells {
			c.Log(s)
		}
	}
}
