package backend

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// checkIndexes holds every index, order and membership of s against the
// resources themselves.
func checkIndexes(t testing.TB, s *store) {
	t.Helper()
	s.mu.RLock()
	defer s.mu.RUnlock()
	count := 0
	for _, kind := range resourceTypes {
		count += len(s.order[kind])
		if !slices.IsSortedFunc(s.order[kind], byCreation) {
			t.Errorf("%ss are out of order", kind.name)
		}
		for i, name := range kind.indexes {
			fresh := newIndex(kind, name)
			for _, r := range s.order[kind] {
				fresh.add(r)
			}
			if diff := cmp.Diff(idsOf(fresh.holders), idsOf(s.indexes[kind][i].holders)); diff != "" {
				t.Errorf("index of %s (-fresh +kept):\n%s", name, diff)
			}
		}
		for _, r := range s.order[kind] {
			if s.byID[r.id] != r {
				t.Errorf("%s %s is not found by its id", kind.name, r.id)
			}
			checkMemberships(t, s, r)
		}
	}
	if count != len(s.byID) {
		t.Errorf("%d resources by id, %d in order", len(s.byID), count)
	}
}

func checkMemberships(t testing.TB, s *store, r *record) {
	t.Helper()
	if !slices.IsSortedFunc(r.members, byJoining) || !slices.IsSortedFunc(r.groups, byGroup) {
		t.Errorf("memberships of %s are out of order", r.id)
	}
	for _, m := range r.members {
		if m.group != r || m.member.in(r) != m || s.byID[m.member.id] != m.member {
			t.Errorf("member %s of %s is not one", m.member.id, r.id)
		}
	}
	for _, m := range r.groups {
		if m.member != r || !slices.Contains(m.group.members, m) || s.byID[m.group.id] != m.group {
			t.Errorf("group %s of %s is not one", m.group.id, r.id)
		}
	}
	if r.own["members"] != nil {
		t.Errorf("%s holds its members twice", r.id)
	}
}

func idsOf(holders map[string][]*record) map[string][]string {
	out := map[string][]string{}
	for key, records := range holders {
		for _, r := range records {
			out[key] = append(out[key], r.id)
		}
	}
	return out
}

// checkFilter holds what the indexes answer to a filter against a scan of all
// full representations.
func checkFilter(t testing.TB, s *store, kind *resourceType, text string) {
	t.Helper()
	q, err := compileQuery(kind, text)
	if err != nil {
		return
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	var want, got []string
	for _, r := range s.order[kind] {
		if q.match(s.represent(r, projection{})) {
			want = append(want, r.id)
		}
	}
	for _, r := range s.matching(kind, q) {
		got = append(got, r.id)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%s (-scanned +indexed):\n%s", text, diff)
	}
}

// history plays requests that bytes choose, four each, on few names, so that
// they meet. It knows the ids it was given, also those that are gone.
type history struct {
	backend *Backend
	ids     []string
}

func newHistory(t testing.TB) *history {
	t.Helper()
	b, err := New(Options{Token: testToken, BasePath: basePath, PublicURL: publicURL})
	if err != nil {
		t.Fatal(err)
	}
	return &history{backend: b, ids: []string{"none"}}
}

// steps are what a history may do: %[1]s and %[2]s are ids, %[3]d is a small
// number.
var steps = []struct{ method, path, body string }{
	{http.MethodPost, "/Users", user(`"userName":"U%[3]d","externalId":"E%[3]d","displayName":"Same","emails":[{"type":"work","value":"m%[3]d"},{"type":"home","value":"M%[3]d"}]`)},
	{http.MethodPost, "/Groups", group(`"displayName":"G%[3]d","members":[{"value":"%[1]s"},{"value":"%[2]s"}]`)},
	{http.MethodPost, "/Groups", group(`"displayName":"g%[3]d","externalId":"e%[3]d"`)},
	{http.MethodPut, "/Users/%[1]s", user(`"userName":"u%[3]d","emails":[{"type":"home","value":"m%[3]d"}]`)},
	{http.MethodPut, "/Groups/%[1]s", group(`"displayName":"g%[3]d","members":[{"value":"%[2]s"},{"value":"%[1]s"}]`)},
	{http.MethodPatch, "/Users/%[1]s", ops(`{"op":"replace","path":"userName","value":"u%[3]d"}`)},
	{http.MethodPatch, "/Users/%[1]s", ops(`{"op":"replace","path":"emails[type eq \"work\"].value","value":"m%[3]d"},{"op":"remove","path":"externalId"}`)},
	{http.MethodPatch, "/Users/%[1]s", ops(`{"op":"add","path":"externalId","value":"e%[3]d"},{"op":"remove","path":"userName"}`)},
	{http.MethodPatch, "/Groups/%[1]s", ops(`{"op":"add","path":"members","value":[{"value":"%[2]s"}]}`)},
	{http.MethodPatch, "/Groups/%[1]s", ops(`{"op":"add","path":"members","value":[{"value":"%[2]s"}]},{"op":"replace","path":"displayName","value":"g%[3]d"}`)},
	{http.MethodPatch, "/Groups/%[1]s", ops(`{"op":"remove","path":"members[value eq \"%[2]s\"]"}`)},
	{http.MethodPatch, "/Groups/%[1]s", ops(`{"op":"remove","path":"members[value eq \"%[2]s\"]"},{"op":"add","path":"members","value":[{"value":"%[2]s"},{"value":"%[1]s"}]}`)},
	{http.MethodPatch, "/Groups/%[1]s", ops(`{"op":"remove","path":"members"}`)},
	{http.MethodDelete, "/Users/%[1]s", ""},
	{http.MethodDelete, "/Groups/%[1]s", ""},
	{http.MethodDelete, "/Users/%[2]s", ""},
}

// play plays the requests and checks the indexes after each.
func (h *history) play(t testing.TB, choices []byte) {
	t.Helper()
	for choice := range slices.Chunk(choices, 4) {
		if len(choice) < 4 {
			return
		}
		step := steps[int(choice[0])%len(steps)]
		first, second := h.ids[int(choice[1])%len(h.ids)], h.ids[int(choice[2])%len(h.ids)]
		fill := func(format string) string {
			return strings.NewReplacer("%[1]s", first, "%[2]s", second, "%[3]d", fmt.Sprint(choice[3]%4)).Replace(format)
		}
		status, body := handle(h.backend, step.method, fill(step.path), fill(step.body))
		if status >= 500 {
			t.Fatalf("%s %s: %d %s", step.method, step.path, status, body)
		}
		if status == http.StatusCreated {
			_, rest, _ := strings.Cut(body, `"id":"`)
			id, _, _ := strings.Cut(rest, `"`)
			h.ids = append(h.ids, id)
		}
	}
	checkIndexes(t, h.backend.store)
}

// filterShapes are what a history is asked; %s is an id, %d a small number.
var filterShapes = []string{
	`userName eq "U%d"`, `userName ne "U%d"`, `externalId eq "E%d"`, `externalId eq "e%d"`, `displayName eq "same"`, `displayName eq "g%d"`,
	`emails eq "M%d"`, `emails.value eq "m%d"`, `emails[type eq "work"].value eq "m%d"`, `emails[value eq "m%d"]`,
	`emails[value eq "m%d" and type eq "home"].type pr`, `emails[type eq "work"].value eq "m%d" and emails[type eq "home"].value eq "m1"`,
	`emails[value eq "m%d"].value eq "m2"`, `emails[value eq "m%d" and value eq "m2"]`,
	`id eq "%s"`, `id eq "%s" and displayName eq "same"`, `members eq "%s"`, `members[value eq "%s"]`, `members.value eq "%s" and displayName eq "g1"`,
	`members[value eq "%s" and type eq "user"]`, `id eq "%s" and members pr`, `groups eq "%s"`, `not (members eq "%s")`,
	`userName eq "u%d" or userName eq "u1"`, `(userName eq "u%d" or userName eq "u1") and displayName eq "same"`,
	`userName eq "u%d" and userName eq "u1"`, `displayName eq "same" and not (emails.value eq "m%d")`, `schemas pr and displayName eq "g%d"`,
}

func (h *history) ask(t testing.TB) {
	t.Helper()
	for _, shape := range filterShapes {
		for i := range 3 {
			id := h.ids[len(h.ids)-1-i%len(h.ids)]
			text := strings.NewReplacer("%d", fmt.Sprint(i), "%s", id).Replace(shape)
			checkFilter(t, h.backend.store, userType, text)
			checkFilter(t, h.backend.store, groupType, text)
		}
	}
}

func TestIndexesKeepUp(t *testing.T) {
	for seed := range uint64(10) {
		source := rand.New(rand.NewPCG(seed, 0)) // a failure must be repeatable
		h := newHistory(t)
		for range 6 {
			choices := make([]byte, 4*30)
			for i := range choices {
				choices[i] = byte(source.Uint32())
			}
			h.play(t, choices)
			h.ask(t)
		}
	}
}

// FuzzHistory holds that no history leads the indexes astray.
func FuzzHistory(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 0, 0, 0, 2, 1, 1, 2, 3, 10, 3, 1, 0, 13, 1, 0, 0})
	f.Add([]byte{0, 0, 0, 1, 2, 0, 0, 0, 4, 2, 1, 4, 11, 2, 1, 0, 12, 2, 0, 0, 14, 2, 0, 0})
	f.Fuzz(func(t *testing.T, choices []byte) {
		h := newHistory(t)
		h.play(t, choices[:min(len(choices), 4*30)])
		h.ask(t)
	})
}

// FuzzIndexedFilter holds that indexes find what a scan finds, whatever the
// filter.
func FuzzIndexedFilter(f *testing.F) {
	for _, test := range filters {
		f.Add(test.filter)
	}
	for _, shape := range filterShapes {
		f.Add(strings.NewReplacer("%d", "2", "%s", "{jane}").Replace(shape))
	}
	l := peopled(f)
	for i := range 4 {
		l.must(f, 201, http.MethodPost, "/Users", user(fmt.Sprintf(`"userName":"u%d","displayName":"same",
			"emails":[{"type":"work","value":"m%d"},{"type":"home","value":"m2"}]`, i, i)))
		l.must(f, 201, http.MethodPost, "/Groups", group(fmt.Sprintf(`"displayName":"g%d","members":[{"value":"{omar}"}]`, i)))
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, kind := range resourceTypes {
			checkFilter(t, l.backend.store, kind, l.named(text))
		}
	})
}

// TestWhatIndexesAnswer holds that Entra's filters are answered without a
// look at resources, so that a change that loses an index shows.
func TestWhatIndexesAnswer(t *testing.T) {
	l := peopled(t)
	for _, test := range []struct {
		kind   *resourceType
		filter string
		looks  int // at resources, of which there are 2 users and 1 group
	}{
		{userType, `userName eq "jane@contoso.com"`, 0},
		{userType, `externalId eq "Jane-1"`, 0},
		{userType, `displayName eq "jane doe"`, 0},
		{userType, `emails eq "jane@contoso.com"`, 0},
		{userType, `emails[type eq "work"].value eq "jane@contoso.com"`, 1},
		{userType, `emails[type eq "work"].value eq "nobody@contoso.com"`, 0},
		{userType, `id eq "{jane}" and ` + enterpriseURN + `:manager eq "x"`, 1},
		{groupType, `displayName eq "team"`, 0},
		{groupType, `id eq "{team}" and members eq "{jane}"`, 0},
		{groupType, `members[value eq "{jane}"]`, 0},
		{userType, `title eq "Engineer"`, 2},
	} {
		q, err := compileQuery(test.kind, l.named(test.filter))
		if err != nil {
			t.Fatal(err)
		}
		looks, match := 0, q.match
		q.match = func(doc map[string]any) bool {
			looks++
			return match(doc)
		}
		if l.backend.store.matching(test.kind, q); looks != test.looks {
			t.Errorf("%s: looked at %d resources, want %d", test.filter, looks, test.looks)
		}
	}
}
