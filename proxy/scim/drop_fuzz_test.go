package scim_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"example.com/entra-scim-proxy/proxy/scim"
)

const site = "urn:example:site:1.0:User"

// dropLists are what the fuzz targets drop.
var dropLists = [][]string{
	{"title", "name.formatted", "emails.display", enterprise + ":manager.displayName"},
	{"emails", "active", "Members.display", "urn:ietf:params:scim:schemas:core:2.0:User:displayName"},
	{enterprise, "urn:ietf:params:scim:schemas:core:2.0:Group:displayName", site + ":x"},
	{"name", "members", "roles", "manager", customSchema + "isContractor", customSchema + "badges.isNew", site},
	{enterprise + ":manager", "roles.type", "roles.display", "roles.primary", "emails.type", "a.b", "custom"},
	{"value", "type", "userName", "id", "externalId", "title", "roles.x", "emails.primary", "name.givenName"},
}

func FuzzDrop(f *testing.F) {
	next := 0
	seed := func(kind scim.Body, body string) {
		next++
		f.Add(int(kind), next%2, next%len(dropLists), everyRule, body)
		f.Add(int(kind), next%3%2, (next+3)%len(dropLists), everyRule, body)
	}
	seeds(f, seed)
	for _, c := range dropCases(f) {
		seed(c.kind, c.input)
	}
	f.Fuzz(func(t *testing.T, kind, of, list int, rules uint64, body string) {
		checkDrop(t, scim.Body(uint(kind)%3), scim.Resource(uint(of)%2), dropLists[uint(list)%uint(len(dropLists))], scim.Set(rules), body)
	})
}

// FuzzDropShapes makes bodies of parts that mean something, as FuzzShapes does.
func FuzzDropShapes(f *testing.F) {
	addChoices(f, 128)
	f.Fuzz(func(t *testing.T, rules uint64, choices []byte) {
		s := shape{choices}
		kind, of, list := scim.Body(s.choose(3)), scim.Resource(s.choose(2)), dropLists[s.choose(len(dropLists))]
		checkDrop(t, kind, of, list, scim.Set(rules), s.body(kind))
	})
}

// checkDrop holds what becomes of a body to the contract: without rules, it is
// what dropWalk expects; with them, it is the same as one after the other.
func checkDrop(t *testing.T, kind scim.Body, of scim.Resource, drop []string, rules scim.Set, body string) {
	t.Helper()
	input, alone := []byte(body), known(t, 0, drop...)
	got, err := alone.Request(kind, of, input)
	if string(input) != body {
		t.Fatal("the input was overwritten")
	}
	if err == nil {
		checkDropped(t, newDropWalk(kind, of, drop), input, got)
	}
	checkAgain(t, alone, kind, of, got, err)
	both := known(t, rules, drop...)
	got, err = both.Request(kind, of, input)
	if err == nil && !got.Empty {
		w := newDropWalk(kind, of, drop)
		if w.body(decoded(t, got.Body)); w.count > 0 {
			t.Fatalf("%d are left of %q:\n%s\n%s", w.count, drop, input, got.Body)
		}
	}
	checkAgain(t, both, kind, of, got, err)
	// With a part of roles, what is dropped goes before the rule that takes ids
	// out counts what is left.
	if !strings.Contains(strings.Join(drop, ","), "roles.") {
		checkInTurn(t, alone, known(t, rules), kind, of, input, got, err)
	}
}

func checkDropped(t *testing.T, w *dropWalk, input []byte, got scim.Outcome) {
	t.Helper()
	want := w.body(decoded(t, input))
	switch {
	case got.Empty != w.empty || got.Dropped != w.count || got.Fired != 0:
		t.Fatalf("empty: %t, want %t; %d dropped, want %d: %s", got.Empty, w.empty, got.Dropped, w.count, input)
	case got.Empty:
	case !json.Valid(got.Body):
		t.Fatalf("not valid: %q", got.Body)
	case got.Dropped == 0 && &got.Body[0] != &input[0]:
		t.Fatal("nothing was dropped, but the result is another slice")
	default:
		if diff := gocmp.Diff(want, decoded(t, got.Body)); diff != "" {
			t.Fatalf("-want +got:\n%s\n%s\n%s", diff, input, got.Body)
		}
	}
}

// checkAgain does it a second time, which changes nothing.
func checkAgain(t *testing.T, n *scim.Normalizer, kind scim.Body, of scim.Resource, got scim.Outcome, err error) {
	t.Helper()
	if err != nil {
		if got.Body != nil || got.Fired != 0 || got.Dropped != 0 || got.Empty {
			t.Fatalf("an error and an outcome: %+v", got)
		}
		return
	}
	if got.Empty {
		return
	}
	again, err := n.Request(kind, of, got.Body)
	if err != nil || again.Fired != 0 || again.Dropped != 0 || again.Empty || &again.Body[0] != &got.Body[0] {
		t.Fatalf("a second time, by %q, %v:\n%s\n%s", again.Fired, err, got.Body, again.Body)
	}
}

// checkInTurn drops and applies the rules by turns until nothing changes, which
// comes to the same.
func checkInTurn(t *testing.T, drops, rules *scim.Normalizer, kind scim.Body, of scim.Resource, input []byte, got scim.Outcome, gotErr error) {
	t.Helper()
	want := scim.Outcome{Body: input}
	for changed := true; changed && !want.Empty; {
		dropped, err := drops.Request(kind, of, want.Body)
		if err != nil {
			if gotErr == nil {
				t.Fatalf("dropped alone: %v", err)
			}
			return
		}
		if want = dropped; want.Empty {
			break
		}
		applied, err := rules.Request(kind, of, want.Body)
		// Without a rule for the kind, names that come twice are not looked at.
		if err != nil && rules.Concerns(kind) {
			if gotErr == nil {
				t.Fatalf("by rules alone: %v", err)
			}
			return
		}
		if err == nil {
			want.Body = applied.Body
		}
		changed = applied.Fired != 0
	}
	switch {
	case gotErr != nil:
		t.Fatalf("%v, but not one after the other: %s", gotErr, input)
	case got.Empty != want.Empty || !bytes.Equal(got.Body, want.Body):
		t.Fatalf("one after the other:\n%s\n%s\n%s", input, got.Body, want.Body)
	}
}
