package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"example.com/entra-scim-proxy/lab/backend"
)

// clock counts the calls of Entra: it is by them that faults begin and end.
type clock struct {
	mu      sync.Mutex
	now     int
	waiting map[chan struct{}]int
}

func (c *clock) tick() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now++
	for ch, at := range c.waiting {
		if at <= c.now {
			close(ch)
			delete(c.waiting, ch)
		}
	}
}

// at returns a channel that is closed once so many calls were made.
func (c *clock) at(calls int) <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	ch := make(chan struct{})
	if calls <= c.now {
		close(ch)
		return ch
	}
	if c.waiting == nil {
		c.waiting = map[chan struct{}]int{}
	}
	c.waiting[ch] = calls
	return ch
}

// chaos breaks a world, as a seed says: the kinds of the faults, the calls of
// Entra at which each begins and ends, and which of the calls, connections and
// bytes in between it is about. What the seed cannot say is in which order calls
// that are under way together arrive, so that a second run comes close to the
// first and is not the same.
type chaos struct {
	*world
	clock clock
	// front is between Entra and the host, back between proxy and backend.
	front, back *wire
	spells      []spell
	under       sync.WaitGroup // the spells that are not over
	changed     chan struct{}  // gets something when one begins or ends
	killed      atomic.Int64

	mu   sync.Mutex
	hits map[string]int
}

// spell is a fault that begins at a call of Entra's, and ends after so many, or
// after its longest time.
type spell struct {
	fault
	at, calls int
	seed      uint64
}

// fault is a kind of spell. begin returns how to end it, which returns how
// often it struck.
type fault struct {
	name  string
	begin func(c *chaos, r *rand.Rand) (end func() int)
}

// longest is how long a spell lasts at most.
const longest = 2 * time.Second

// faults lists the kinds. A login page is not among them: it says 200 with what
// is no SCIM, and whether Entra takes that for done is not the proxy's to say.
func faults() []fault {
	list := []fault{
		{"entra-proxy: cut at a byte", func(c *chaos, r *rand.Rand) func() int { return cutting(c.front, r) }},
		{"entra-proxy: all reset", func(c *chaos, _ *rand.Rand) func() int { return struck(c.front.resetAll()) }},
		{"entra-proxy: refused", func(c *chaos, _ *rand.Rand) func() int { return once(c.front.refuse(c.T)) }},
		{"proxy: SIGKILL", (*chaos).kill},
		{"proxy: SIGKILL during a vault outage", func(c *chaos, r *rand.Rand) func() int {
			c.Vault.SetDown(true)
			return once(func() { c.kill(r)(); c.Vault.SetDown(false) })
		}},
		{"vault: outage", func(c *chaos, _ *rand.Rand) func() int {
			c.Vault.SetDown(true)
			return once(func() { c.Vault.SetDown(false) })
		}},
		{"proxy-backend: cut at a byte", func(c *chaos, r *rand.Rand) func() int { return cutting(c.back, r) }},
		{"proxy-backend: all reset", func(c *chaos, _ *rand.Rand) func() int { return struck(c.back.resetAll()) }},
		{"proxy-backend: refused, as in a restart", func(c *chaos, _ *rand.Rand) func() int { return once(c.back.refuse(c.T)) }},
		{"proxy-backend: wrong certificate", (*chaos).certificate},
	}
	for _, harm := range []struct {
		backend.Harm
		share float64
	}{
		{backend.Slow(30 * time.Millisecond), 0.3},
		{backend.Slow(2 * backendTimeout), 0.005},
		{backend.SlowBody(20, 30*time.Millisecond), 0.3},
		{backend.CutBody(20), 0.3},
		{backend.CutChunked(20), 0.3},
		{backend.Reset(), 0.3},
		{backend.ResetAfter(), 0.3},
		{backend.CloseIdle(0), 0.5},
		{backend.Unauthorized(), 0.3},
		{backend.Refuse(http.StatusForbidden, "no"), 0.3},
		{backend.RefuseBare(http.StatusForbidden), 0.3},
		{backend.TooMany(time.Second), 0.3},
		{backend.Refuse(http.StatusInternalServerError, "no"), 0.3},
		{backend.RefuseBare(http.StatusServiceUnavailable), 0.3},
		{backend.ErrorPage(http.StatusBadGateway), 0.3},
	} {
		list = append(list, fault{"backend: " + harm.String(), func(c *chaos, r *rand.Rand) func() int {
			spell := c.Trouble.Begin(harm.Harm, backend.When{Share: harm.share, Seed: r.Uint64()})
			return func() int { spell.End(); return spell.Hits() }
		}})
	}
	return list
}

// struck is the end of what was over when it began.
func struck(times int) func() int { return func() int { return times } }

// once is the end of what struck once.
func once(end func()) func() int { return func() int { end(); return 1 } }

func cutting(w *wire, r *rand.Rand) func() int {
	before, end := w.broken(), w.cut(r.Uint64(), 0.5)
	return func() int { end(); return w.broken() - before }
}

// kill fails only if the handler is down already.
func (c *chaos) kill(*rand.Rand) func() int {
	if c.Host.Kill() != nil {
		return struck(0)
	}
	c.killed.Add(1)
	return struck(1)
}

// certificate presents a wrong one to all connections, which have to be made
// anew.
func (c *chaos) certificate(r *rand.Rand) func() int {
	kinds := backend.AllCertificateKinds()[1:]
	present := func(kind backend.CertificateKind) {
		if err := c.Certificates.Present(kind); err != nil {
			c.Error(err)
		}
		c.back.resetAll()
	}
	present(kinds[r.IntN(len(kinds))])
	return once(func() { present(backend.CertificateRight) })
}

// plan draws spells for a run of so many calls: each kind at least once, and
// several at a time.
func (c *chaos) plan(seed uint64, calls, spells int) {
	r := rand.New(rand.NewPCG(seed, 0))
	kinds := faults()
	for i := range spells {
		kind := kinds[r.IntN(len(kinds))]
		if i < len(kinds) {
			kind = kinds[i]
		}
		c.spells = append(c.spells, spell{
			fault: kind, at: 1 + r.IntN(calls), calls: calls/100 + r.IntN(calls/15), seed: r.Uint64(),
		})
	}
}

// begin lets the spells begin when their calls come. They end with the context
// at the latest.
func (c *chaos) begin(ctx context.Context) {
	for _, s := range c.spells {
		c.under.Go(func() { // ends with the spell
			select {
			case <-c.clock.at(s.at):
			case <-ctx.Done():
				return
			}
			end := s.begin(c, rand.New(rand.NewPCG(s.seed, 1)))
			c.note()
			timer := time.NewTimer(longest)
			defer timer.Stop()
			select {
			case <-c.clock.at(s.at + s.calls):
			case <-timer.C:
			case <-ctx.Done():
			}
			hits := end()
			c.mu.Lock()
			c.hits[s.name] += hits
			c.mu.Unlock()
			c.note()
		})
	}
}

// note wakes who waits for a change.
func (c *chaos) note() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// strikes is how often faults struck, by kind, and in all.
func (c *chaos) strikes() (byKind map[string]int, all int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.hits {
		all += n
	}
	return c.hits, all
}

// String is the plan, for who looks for the cause of a failure.
func (s spell) String() string {
	return fmt.Sprintf("from call %d, for %d: %s", s.at, s.calls, s.name)
}
