package attack

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

var update = flag.Bool("update", false, "write the generated part of docs/security.md")

// class is a row of the table in docs/security.md.
type class struct {
	name   string
	guards string
	// vectors is how many there are, and worlds in how many each is tried.
	vectors, worlds int
}

// classes is the table. Those from the client's side are run by TestAttacks
// and TestBodies; the others have tests of their own.
func classes() []class {
	var list []class
	for _, a := range append(attacks(), bodies()) {
		list = append(list, class{a.name, a.guards, len(a.vectors), len(kinds)})
	}
	return slices.Concat(list, answerClasses(), resources())
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
		contentLengths(), transferEncodings(), chunks(), trailers(), expectations(), upgrades(), tunnels(), malformed(), injections(),
	}
}

// A vector is found by its class and its id, and knows what it guards.
func TestVectorsHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for _, a := range append(attacks(), bodies()) {
		if a.guards == "" || len(a.vectors) == 0 {
			t.Errorf("%s guards nothing", a.name)
		}
		for _, v := range a.vectors {
			name := a.name + ": " + v.id
			if seen[name] {
				t.Errorf("%q is there twice", name)
			}
			seen[name] = true
		}
	}
}

// Nothing gets through, whichever way it comes.
func TestAttacks(t *testing.T) {
	inEachWorld(t, nil, func(t *testing.T, w *world) {
		var vectors []vector
		for _, a := range attacks() {
			for _, v := range a.vectors {
				v.id = fmt.Sprintf("%s (%s): %.80q", a.name, cmp.Or(v.guards, a.guards), v.id)
				vectors = append(vectors, v)
			}
		}
		through := map[string]bool{}
		for _, b := range w.mount(t, vectors) {
			through[b.vector] = true
			t.Errorf("%s: %s", b.vector, b.what)
		}
		t.Logf("%s: %d vectors tried, %d let through", w.name, len(vectors), len(through))
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
			found = append(found, breach{"nobody", fmt.Sprintf("a request of nobody's (%q) reached the backend: %s %s", m, r.method, r.uri)})
		}
	}
	return found
}

const (
	page      = "../../docs/security.md"
	pageBegin = "<!-- attacks: generated from lab/attack by go test ./lab/attack -update -->\n"
	pageEnd   = "<!-- end of attacks -->\n"
)

// The page has each class with its figures. That nothing is let through is
// what the tests of the classes are there for: each breach fails one.
func TestPage(t *testing.T) {
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(data), pageBegin)
	have, after, ok2 := strings.Cut(rest, pageEnd)
	if !ok || !ok2 {
		t.Fatalf("%s lacks %q or %q", page, pageBegin, pageEnd)
	}
	var table strings.Builder
	table.WriteString("\n| Class | Guards | Vectors | Worlds | Tried | Let through |\n|---|---|---|---|---|---|\n")
	vectors, tried, names := 0, 0, []string{}
	for _, c := range classes() {
		n := c.vectors
		fmt.Fprintf(&table, "| %s | %s | %d | %d | %d | 0 |\n", c.name, c.guards, n, c.worlds, n*c.worlds)
		if slices.Contains(names, c.name) {
			t.Errorf("%s is there twice", c.name)
		}
		vectors, tried, names = vectors+n, tried+n*c.worlds, append(names, c.name)
	}
	fmt.Fprintf(&table, "| **All** | | **%d** | | **%d** | **0** |\n\n", vectors, tried)
	want := table.String()
	if have == want {
		return
	}
	if !*update {
		t.Fatal("the table of docs/security.md is not that of the vectors: run go test ./lab/attack -run TestPage -update")
	}
	if err := os.WriteFile(page, []byte(before+pageBegin+want+pageEnd+after), 0o600); err != nil {
		t.Fatal(err)
	}
}
