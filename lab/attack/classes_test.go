package attack

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// class is a row of the table in docs/security.md.
type class struct {
	name   string
	guards string
	// vectors is how many there are, and worlds in how many each is tried.
	vectors func() int
	worlds  int
}

// classes is the table. A class of vectors from the client's side has a row in
// attacks, too, which is what is run.
func classes() []class {
	var list []class
	for _, a := range attacks() {
		list = append(list, class{a.name, a.guards, func() int { return len(a.vectors) }, len(kinds)})
	}
	return list
}

// attackClass is a class of attacks from the client's side.
type attackClass struct {
	name, guards string
	vectors      []vector
}

// attacks are all of them.
func attacks() []attackClass {
	return []attackClass{
		hopByHop(), forwardedBy(), forgedHost(), requestIDs(), methodsAsked(), credentials(), paths(), queries(), hosts(),
		contentLengths(), transferEncodings(), chunks(), trailers(),
	}
}

// Nothing gets through, whichever way it comes.
func TestAttacks(t *testing.T) {
	inEachWorld(t, nil, func(t *testing.T, w *world) {
		var vectors []vector
		for _, a := range attacks() {
			for _, v := range a.vectors {
				v.id = a.name + ": " + v.id
				vectors = append(vectors, v)
			}
		}
		w.took()
		found := w.mount(t, vectors)
		for _, b := range found {
			t.Errorf("%.90q: %s", b.vector, b.what)
		}
		t.Logf("%s: %d vectors tried, %d let through", w.name, len(vectors), len(found))
	})
}

// mount tries the vectors and judges each.
func (w *world) mount(t *testing.T, vectors []vector) (found []breach) {
	t.Helper()
	done := make([]tried, len(vectors))
	var running sync.WaitGroup
	// Behind the host one by one, so that the next call is on the connection to
	// the proxy that the attack was on.
	slots := make(chan struct{}, map[bool]int{false: 4, true: 1}[w.behindHost])
	for i, v := range vectors {
		slots <- struct{}{}
		running.Go(func() { // ends with the attack
			defer func() { <-slots }()
			begin := time.Now()
			done[i] = w.attack(t, v)
			if d := time.Since(begin); d > 300*time.Millisecond {
				t.Logf("SLOW2 %v %.80q", d, v.id)
			}
		})
	}
	running.Wait()
	found = w.judgeLog(t) // and by now each request has come that will
	byMark := map[string][]request{}
	for _, r := range w.took() {
		m := mark.FindString(r.uri)
		byMark[m] = append(byMark[m], r)
	}
	for _, v := range done {
		found = append(found, w.judge(v, byMark[v.mark])...)
		delete(byMark, v.mark)
	}
	for m, rest := range byMark {
		for _, r := range rest {
			found = append(found, breach{"?", fmt.Sprintf("a request of nobody's (%q) reached the backend: %s %s", m, r.method, r.uri)})
		}
	}
	return found
}
