package attack

import (
	"fmt"
	"sync"
	"testing"
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
	return []attackClass{hopByHop()}
}

// atOnce is how many attacks run in a world at the same time.
const atOnce = 4

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
			t.Errorf("%s: %s", b.vector, b.what)
		}
		t.Logf("%s: %d vectors tried, %d let through", w.name, len(vectors), len(found))
	})
}

// mount tries the vectors and judges each.
func (w *world) mount(t *testing.T, vectors []vector) (found []breach) {
	t.Helper()
	done := make([]tried, len(vectors))
	var running sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for i, v := range vectors {
		slots <- struct{}{}
		running.Go(func() { // ends with the attack
			defer func() { <-slots }()
			done[i] = w.attack(t, v)
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
