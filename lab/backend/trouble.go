package backend

import (
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Trouble makes calls go wrong on the wire while a server serves: what a
// network, a proxy in front of the product or a container does, of which the
// product knows nothing. The zero value leaves all calls alone. It is safe for
// concurrent use.
//
// [Trouble.Handler] stands in front of the server's handler, and
// [Trouble.ConnState] is the server's ConnState.
type Trouble struct {
	mu     sync.Mutex
	spells []*Spell
	idle   map[net.Conn]*time.Timer // until each is closed
}

// When says which calls a spell of trouble is about. The zero value is all of
// them, until the spell ends.
type When struct {
	// Next is the number of calls after which the spell is over; 0 means that
	// it ends with [Spell.End] only. Calls that are none of the spell's do not
	// count.
	Next int
	// Every picks one call of so many, the last of each group; 0 and 1 mean
	// all.
	Every int
	// Share picks each call with this probability, above 0 and up to 1; 0 means
	// all. Which they are depends on Seed and the number of the call only.
	Share float64
	// Seed is that of Share.
	Seed uint64
	// Match picks calls by their request; nil means all. Calls that it does not
	// pick are not counted for Every and Share.
	Match func(*http.Request) bool
}

// Spell is a time during which one thing goes wrong.
type Spell struct {
	trouble *Trouble
	harm    Harm
	when    When
	seen    uint64 // calls that Match has picked
	hits    int
	ended   bool // by End
}

// Begin starts a spell. Of several at a time the one that began first stands
// in front. One that serves a call by itself keeps it from those behind it,
// which do not count it.
func (t *Trouble) Begin(harm Harm, when When) *Spell {
	s := &Spell{trouble: t, harm: harm, when: when}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.spells = append(t.spells, s)
	return s
}

// End ends the spell. Calls that it has hold of stay harmed; connections that
// it was to close later stay open.
func (s *Spell) End() {
	s.trouble.mu.Lock()
	defer s.trouble.mu.Unlock()
	s.ended = true
	s.trouble.drop(s)
}

// Hits returns how many calls, or idle connections, the spell has harmed.
func (s *Spell) Hits() int {
	s.trouble.mu.Lock()
	defer s.trouble.mu.Unlock()
	return s.hits
}

// drop ends a spell; t.mu is held.
func (t *Trouble) drop(s *Spell) {
	t.spells = slices.DeleteFunc(t.spells, func(have *Spell) bool { return have == s })
}

// takes reports whether the spell harms a call, or an idle connection if r is
// nil, and counts it; t.mu is held.
func (s *Spell) takes(r *http.Request) bool {
	if r != nil && s.when.Match != nil && !s.when.Match(r) {
		return false
	}
	s.seen++
	if s.when.Every > 1 && s.seen%uint64(s.when.Every) != 0 {
		return false
	}
	if s.when.Share > 0 && rand.New(rand.NewPCG(s.when.Seed, s.seen)).Float64() >= s.when.Share {
		return false
	}
	s.hits++
	if s.hits == s.when.Next {
		s.trouble.drop(s)
	}
	return true
}

// Handler returns a handler that lets calls through to next or harms them.
func (t *Trouble) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.harmed(r, next).ServeHTTP(w, r)
	})
}

// harmed puts what goes wrong with r in front of next.
func (t *Trouble) harmed(r *http.Request, next http.Handler) http.Handler {
	t.mu.Lock()
	defer t.mu.Unlock()
	var harms []Harm
	for _, s := range slices.Clone(t.spells) { // which takes shortens
		if s.harm.wrap != nil && s.takes(r) {
			harms = append(harms, s.harm)
			if s.harm.final {
				break
			}
		}
	}
	for _, harm := range slices.Backward(harms) {
		next = harm.wrap(next)
	}
	return next
}

// ConnState is for [http.Server.ConnState]: it closes connections that
// [CloseIdle] is about.
func (t *Trouble) ConnState(conn net.Conn, state http.ConnState) {
	if t.idled(conn, state) {
		conn.Close()
	}
}

// idled follows the state of a connection and reports whether to close it now.
func (t *Trouble) idled(conn net.Conn, state http.ConnState) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if timer := t.idle[conn]; timer != nil {
		timer.Stop()
		delete(t.idle, conn)
	}
	if state != http.StateIdle {
		return false
	}
	for _, s := range slices.Clone(t.spells) { // which takes shortens
		if s.harm.wrap != nil || !s.takes(nil) {
			continue
		}
		if s.harm.idle == 0 {
			return true
		}
		if t.idle == nil {
			t.idle = map[net.Conn]*time.Timer{}
		}
		// It ends when the connection is used or closed.
		t.idle[conn] = time.AfterFunc(s.harm.idle, func() {
			if !s.over() {
				conn.Close()
			}
		})
		return false
	}
	return false
}

// over reports whether End was called.
func (s *Spell) over() bool {
	s.trouble.mu.Lock()
	defer s.trouble.mu.Unlock()
	return s.ended
}
