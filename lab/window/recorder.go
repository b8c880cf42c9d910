package window

import (
	"slices"
	"strconv"
	"sync"
	"time"
)

const (
	// keep is how many exchanges are remembered.
	keep = 500
	// budget bounds the bodies and headers of all of them, in bytes.
	budget = 32 << 20
	// keepEarly bounds the parts that wait for an exchange to begin.
	keepEarly = 64
)

// Recorder gathers the parts of exchanges, which arrive in any order and from
// many goroutines: what Entra sent and got ([Recorder.FromEntra]), what the
// backend got and said ([Recorder.AtBackend]) and the proxy's log (it is an
// [io.Writer]). It remembers the last 500 exchanges, fewer if they are large,
// and counts all of them. The zero value is ready to use; it must not be copied.
type Recorder struct {
	mu       sync.Mutex
	change   uint64 // of the last change to anything that is shown
	serial   uint64 // of the last exchange
	ring     []*entry
	bytes    int
	byID     map[string]*entry
	byTrace  map[string]*entry
	logs     early[logLine] // by id
	calls    early[*call]   // by traceparent
	facts    []Fact
	status   uint64 // the change that facts or actions saw last
	step     string
	counts   counts
	watchers map[chan struct{}]bool

	lines splitter
}

// Fact is something to know about the set-up.
type Fact struct {
	// Label names it. It is unique.
	Label string `json:"label"`
	// Value must hold no secret: it is shown as it is. A Recorder forgets a
	// fact without one.
	Value string `json:"value"`
	// Alert sets it off from the others, as something that is wrong.
	Alert bool `json:"alert"`
}

// entry is an Exchange in the making. The Recorder's lock guards it.
type entry struct {
	Exchange
	key     string // what the log calls it
	trace   string
	calls   []*call
	secrets []string
	open    bool
	gone    bool // no longer remembered
	size    int
	change  uint64 // of the Recorder, when this was changed last
}

// call is a call to the backend. The Recorder's lock guards it.
type call struct {
	Pair
	secrets []string
	owner   *entry // nil until the exchange begins
}

// SetFact adds a fact to those that [Options] has, or replaces the one with its
// label.
func (r *Recorder) SetFact(fact Fact) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.IndexFunc(r.facts, func(f Fact) bool { return f.Label == fact.Label })
	switch {
	case fact.Value == "" && i < 0:
		return
	case fact.Value == "":
		r.facts = slices.Delete(r.facts, i, i+1)
	case i < 0:
		r.facts = append(r.facts, fact)
	case r.facts[i] == fact:
		return
	default:
		r.facts[i] = fact
	}
	r.noteStatus()
}

// SetStep says what Entra does from now on. Exchanges that begin later have it
// as their Step.
func (r *Recorder) SetStep(step string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.step = step
}

// Exchanges returns what is remembered, oldest first.
func (r *Recorder) Exchanges() []Exchange {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]Exchange, len(r.ring))
	for i, e := range r.ring {
		all[i] = e.snapshot()
	}
	return all
}

// Totals returns how many exchanges ended in each outcome since the beginning.
func (r *Recorder) Totals() map[string]uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.counts.totals()
}

// snapshot returns a copy that later parts do not change.
func (e *entry) snapshot() Exchange {
	x := e.Exchange
	for _, c := range e.calls {
		x.Backend = append(x.Backend, c.Pair)
	}
	return x
}

// begin adds an exchange and the parts that came before it.
func (r *Recorder) begin(x Exchange, trace string, secrets []string) *entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.serial++
	e := &entry{Exchange: x, key: x.ID, trace: trace, secrets: secrets, open: true}
	e.Step = r.step
	if r.byID == nil {
		r.byID, r.byTrace = map[string]*entry{}, map[string]*entry{}
	}
	if r.byID[e.key] != nil || e.key == "" {
		e.ID += "~" + strconv.FormatUint(r.serial, 10)
	}
	r.ring = append(r.ring, e)
	if e.key != "" {
		r.byID[e.key] = e
		for _, line := range r.logs.take(e.key) {
			line.apply(e)
		}
	}
	if trace != "" {
		r.byTrace[trace] = e
		for _, c := range r.calls.take(trace) {
			r.adopt(e, c)
		}
	}
	r.note(e)
	return e
}

// end completes an exchange with what was read of the request and what Entra
// got.
func (r *Recorder) end(e *entry, request, answer Message, took time.Duration) {
	r.lockScrubbed(e.known, &request, &answer)
	defer r.mu.Unlock()
	e.open = false
	e.Duration, e.Status, e.Answer = took, answer.Status, answer
	e.Entra.Body, e.Entra.Size, e.Entra.Truncated, e.Entra.Broken = request.Body, request.Size, request.Truncated, request.Broken
	e.Outcome = outcomeOf(answer, len(e.calls))
	r.counts.add(e.Start.Add(took), e.Outcome, took)
	r.note(e)
}

// known returns the credentials of all messages so far.
func (e *entry) known() []string {
	secrets := slices.Clone(e.secrets)
	for _, c := range e.calls {
		secrets = append(secrets, c.secrets...)
	}
	return secrets
}

// known returns the credentials of all messages of the exchange so far.
func (c *call) known() []string {
	if c.owner == nil {
		return c.secrets
	}
	return c.owner.known()
}

// scrub removes credentials that are new from what was there before.
func (e *entry) scrub() {
	secrets := e.known()
	e.Entra.scrub(secrets)
	e.Answer.scrub(secrets)
	for _, c := range e.calls {
		c.Got.scrub(secrets)
		c.Said.scrub(secrets)
	}
	for _, secret := range secrets {
		if len(secret) >= shortest {
			e.Cause = scrubText(e.Cause, secret)
		}
	}
}

// lockScrubbed locks the Recorder when the messages hold none of the
// credentials that are known then. It looks for them outside the lock, as bodies
// may be large, and again if others became known meanwhile.
func (r *Recorder) lockScrubbed(known func() []string, messages ...*Message) {
	for done := 0; ; {
		r.mu.Lock()
		secrets := known()
		if len(secrets) == done {
			break
		}
		r.mu.Unlock()
		for _, m := range messages {
			m.scrub(secrets)
		}
		done = len(secrets)
	}
	for _, m := range messages {
		m.cut()
	}
}

// reach joins a call that reached the backend to its exchange, if that is known.
func (r *Recorder) reach(trace string, c *call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.byTrace[trace]
	if e == nil {
		r.calls.put(trace, c)
		return
	}
	r.adopt(e, c)
	r.note(e)
}

func (r *Recorder) adopt(e *entry, c *call) {
	c.owner = e
	e.calls = append(e.calls, c)
	e.scrub()
}

// leave completes a call to the backend.
func (r *Recorder) leave(c *call, request, said Message) {
	r.lockScrubbed(c.known, &request, &said)
	defer r.mu.Unlock()
	c.Got.Body, c.Got.Size, c.Got.Truncated, c.Got.Broken = request.Body, request.Size, request.Truncated, request.Broken
	c.Said = said
	if c.owner != nil {
		r.note(c.owner)
	}
}

// logged joins a line of the log to its exchange, if that is known.
func (r *Recorder) logged(line logLine) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.byID[line.RequestID]
	if e == nil {
		r.logs.put(line.RequestID, line)
		return
	}
	line.apply(e)
	r.note(e)
}

// weigh counts what an exchange holds and forgets the oldest ones where that is
// too much. The exchange at hand stays.
func (r *Recorder) weigh(e *entry) {
	if e.gone {
		return
	}
	r.bytes -= e.size
	e.size = e.weight()
	r.bytes += e.size
	old := 0
	for len(r.ring)-old > 1 && (len(r.ring)-old > keep || r.bytes > budget) && r.ring[old] != e {
		gone := r.ring[old]
		gone.gone = true
		r.bytes -= gone.size
		if r.byID[gone.key] == gone {
			delete(r.byID, gone.key)
		}
		if r.byTrace[gone.trace] == gone {
			delete(r.byTrace, gone.trace)
		}
		old++
	}
	r.ring = slices.Delete(r.ring, 0, old)
}

// weight is the memory that an exchange takes, in bytes.
func (e *entry) weight() int {
	weight := len(e.Class) + len(e.Cause) + len(e.Remedy) + e.Entra.weight() + e.Answer.weight()
	for _, c := range e.calls {
		weight += c.Got.weight() + c.Said.weight()
	}
	return weight
}

// note marks an exchange as changed and wakes those who watch.
func (r *Recorder) note(e *entry) {
	r.weigh(e)
	r.change++
	e.change = r.change
	r.wake()
}

// noteStatus does the same for facts and actions.
func (r *Recorder) noteStatus() {
	r.change++
	r.status = r.change
	r.wake()
}

func (r *Recorder) wake() {
	for watcher := range r.watchers {
		select {
		case watcher <- struct{}{}:
		default: // it is awake already
		}
	}
}

// watch returns a channel that holds a value whenever something changed since
// it was last received from. The caller calls stop.
func (r *Recorder) watch() (changes <-chan struct{}, stop func()) {
	watcher := make(chan struct{}, 1)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.watchers == nil {
		r.watchers = map[chan struct{}]bool{}
	}
	r.watchers[watcher] = true
	return watcher, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.watchers, watcher)
	}
}

// early holds the last parts whose exchange has not begun. Most of them never
// find one: it was forgotten, or the call went past the front.
type early[T any] struct {
	parts map[string][]T
	order []string // oldest first; a key that was taken may still be here
}

func (e *early[T]) put(key string, part T) {
	if e.parts == nil {
		e.parts = map[string][]T{}
	}
	if len(e.order) == keepEarly {
		delete(e.parts, e.order[0])
		e.order = slices.Delete(e.order, 0, 1)
	}
	e.parts[key] = append(e.parts[key], part)
	e.order = append(e.order, key)
}

func (e *early[T]) take(key string) []T {
	parts := e.parts[key]
	delete(e.parts, key)
	return parts
}
