package backend

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// patchedRolls are operations on a group of jane, omar and the group other;
// lee is no member.
var patchedRolls = []string{
	`{"op":"add","path":"members","value":[{"value":"{lee}"}]}`,
	`{"op":"add","path":"members","value":{"value":"{lee}","type":"user"}}`,
	`{"op":"add","path":"members","value":[{"value":"{lee}"},{"value":"{jane}"},{"value":"{lee}","type":"User"}]}`,
	`{"op":"add","path":"members","value":[{"value":"{lee}"},{"value":"{omar}"}]}`, // who may have left before
	`{"op":"add","path":"members","value":[{"value":"{lee}"},{"value":"none"}]}`,
	`{"op":"add","path":"members","value":[{"value":"{lee}","type":"Group"}]}`,
	`{"op":"add","path":"members","value":[{"type":"User"}]}`,
	`{"op":"add","path":"members","value":"{lee}"}`,
	`{"op":"add","path":"members","value":[]}`,
	`{"op":"add","value":{"members":[{"value":"{lee}"}],"displayName":"x"}}`,
	`{"op":"remove","path":"members[value eq \"{omar}\"]"}`,
	`{"op":"remove","path":"members[VALUE EQ \"{omar}\"]"}`,
	`{"op":"remove","path":"members[value eq \"none\"]"}`,
	`{"op":"remove","path":"members[value eq null]"}`,
	`{"op":"remove","path":"members[value ne \"{omar}\"]"}`,
	`{"op":"remove","path":"members[display eq \"jane doe\"]"}`,
	`{"op":"remove","path":"members[type eq \"User\"]"}`,
	`{"op":"remove","path":"members[value eq \"{omar}\"].type"}`,
	`{"op":"remove","path":"members"}`,
	`{"op":"replace","path":"members","value":[{"value":"{omar}"},{"value":"{jane}"}]}`,
	`{"op":"replace","path":"members","value":null}`,
	`{"op":"replace","path":"members","value":{"value":"{omar}"}}`,
	`{"op":"replace","path":"members[value eq \"{jane}\"]","value":{"value":"{lee}"}}`,
	`{"op":"replace","path":"members[value eq \"{lee}\"]","value":{"value":"{lee}"}}`,
	`{"op":"add","path":"members[value eq \"{lee}\"]","value":{"type":"User"}}`,
	`{"op":"add","path":"members[type eq \"robot\"]","value":{"display":"x"}}`,
	`{"op":"replace","path":"displayName","value":"Team"}`,
	`{"op":"replace","path":"displayName","value":"Other"}`,
}

// rollLab is a lab with the group that patchedRolls are about.
func rollLab(t testing.TB) *lab {
	t.Helper()
	l := peopled(t)
	l.create(t, "lee", "/Users", user(`"userName":"lee@contoso.com"`))
	l.create(t, "other", "/Groups", group(`"displayName":"Other"`))
	l.must(t, 200, http.MethodPut, "/Groups/{team}", group(`"displayName":"Team","members":[{"value":"{jane}"},{"value":"{omar}"},{"value":"{other}"}]`))
	return l
}

// outcome patches the group, with a roll or with the list that it stands for,
// puts it back as it was and returns what came of it.
func (l *lab) outcome(t testing.TB, operations []patchOperation, asList bool) (out struct {
	Members, Problem string
	Touched          bool
}) {
	t.Helper()
	s, id := l.backend.store, l.ids["team"]
	r := s.byID[id]
	before, was := s.represent(r, projection{}), r.modified
	doc, err := s.update(groupType, id, projection{}, func(current map[string]any) (map[string]any, error) {
		if members, ok := current["members"].(*roll); !ok {
			t.Fatal("the members are no roll")
		} else if asList {
			current = with(current, "members", members.list())
		}
		return groupType.patched(current, operations)
	})
	if problem, ok := errors.AsType[*scimError](err); ok {
		out.Problem = problem.Error()
	}
	out.Members, out.Touched = fmt.Sprint(doc["displayName"], doc["members"]), r.modified != was
	checkIndexes(t, s)
	own, err := groupType.canonical(before)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.update(groupType, id, nothing, func(map[string]any) (map[string]any, error) { return own, nil }); err != nil {
		t.Fatal(err)
	}
	return out
}

// checkRoll holds that a PATCH of a roll has the outcome of one of a list.
func (l *lab) checkRoll(t testing.TB, body string) {
	t.Helper()
	object, err := parseObject([]byte(l.named(body)))
	if err != nil {
		return
	}
	operations, err := parsePatch(object)
	if err != nil {
		return
	}
	if diff := cmp.Diff(l.outcome(t, operations, true), l.outcome(t, operations, false)); diff != "" {
		t.Fatalf("%s (-list +roll):\n%s", body, diff)
	}
}

func TestRollIsAList(t *testing.T) {
	l := rollLab(t)
	for _, first := range patchedRolls {
		l.checkRoll(t, ops(first))
		for _, second := range patchedRolls {
			l.checkRoll(t, ops(first+","+second))
		}
	}
}

// FuzzRoll is TestRollIsAList for operations that nobody thought of.
func FuzzRoll(f *testing.F) {
	for i, operation := range patchedRolls {
		f.Add(ops(operation))
		f.Add(ops(strings.Join(patchedRolls[i:min(i+3, len(patchedRolls))], ",")))
	}
	l := rollLab(f)
	f.Fuzz(func(t *testing.T, body string) { l.checkRoll(t, body) })
}

// TestPatchOfMembersIsAtomic holds RFC 7644 section 3.5.2 for operations that
// come before one that fails.
func TestPatchOfMembersIsAtomic(t *testing.T) {
	l := rollLab(t)
	for _, failing := range []string{
		`{"op":"add","path":"members","value":[{"value":"none"}]}`,
		`{"op":"replace","path":"displayName","value":"other"}`,
		`{"op":"replace","path":"displayName","value":""}`,
		`{"op":"add","path":"shoeSize","value":"40"}`,
	} {
		before := l.do(t, http.MethodGet, "/Groups/{team}", "").raw
		got := l.do(t, http.MethodPatch, "/Groups/{team}", ops(`{"op":"add","path":"members","value":[{"value":"{lee}"}]},
			{"op":"remove","path":"members[value eq \"{jane}\"]"},`+failing))
		if got.status != 400 && got.status != 409 {
			t.Errorf("%s: got %d %s", failing, got.status, got.raw)
		}
		if diff := cmp.Diff(before, l.do(t, http.MethodGet, "/Groups/{team}", "").raw); diff != "" {
			t.Errorf("%s (-before +after):\n%s", failing, diff)
		}
		if groups := l.must(t, 200, http.MethodGet, "/Users/{lee}", "")["groups"]; groups != nil {
			t.Errorf("%s: lee is in %v", failing, groups)
		}
	}
}

// TestPatchDoesNotCopyMembers holds what makes large groups cheap.
func TestPatchDoesNotCopyMembers(t *testing.T) {
	cost := func(members int) float64 {
		s := newScale(t, 2_000, 1, members)
		add := ops(`{"op":"add","path":"members","value":[{"value":"` + s.users[1_999] + `"}]}`)
		remove := ops(`{"op":"remove","path":"members[value eq \"` + s.users[1_999] + `\"]"}`)
		return testing.AllocsPerRun(20, func() {
			s.call(t, http.StatusNoContent, http.MethodPatch, "/Groups/"+s.groups[0], add)
			s.call(t, http.StatusNoContent, http.MethodPatch, "/Groups/"+s.groups[0], remove)
			s.call(t, http.StatusOK, http.MethodGet, "/Groups/"+s.groups[0]+"?excludedAttributes=members", "")
		})
	}
	if few, many := cost(10), cost(1_900); many > few+20 {
		t.Errorf("%.0f allocations with 1,900 members, %.0f with 10", many, few)
	}
}
