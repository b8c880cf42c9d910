package backend

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// total is how many resources a list has, by its total and by its content.
func (l *lab) total(t testing.TB, path string, want int) {
	t.Helper()
	got := l.must(t, 200, http.MethodGet, path, "")
	if n := len(listOf(got["Resources"])); n != want || got["totalResults"] != float64(want) {
		t.Errorf("GET %s: got %v, want %d", path, got, want)
	}
}

func TestNoGroupRename(t *testing.T) {
	l := labOf(t, Options{Habits: []Habit{NoGroupRename}}).settle(t)
	for _, operation := range []string{
		`{"op":"replace","path":"displayName","value":"Crew"}`,
		`{"op":"replace","path":"` + groupURN + `:displayName","value":"team"}`,
		`{"op":"add","path":"members","value":[{"value":"{jane}"}]},{"op":"add","value":{"displayName":"Crew","externalId":"x"}}`,
	} {
		wantError(t, l.do(t, http.MethodPatch, "/Groups/{team}", ops(operation)), 400, mutability)
	}
	wantError(t, l.do(t, http.MethodPut, "/Groups/{team}", group(`"displayName":"Crew"`)), 400, mutability)
	if got := l.must(t, 200, http.MethodGet, "/Groups/{team}", ""); got["displayName"] != "Team" || got["externalId"] != nil {
		t.Errorf("got %v", got)
	}
	l.must(t, 204, http.MethodPatch, "/Groups/{team}", ops(`{"op":"replace","value":{"displayName":"Team","externalId":"x"}}`))
	l.must(t, 200, http.MethodPut, "/Groups/{team}", group(`"displayName":"Team"`))
	l.must(t, 200, http.MethodPatch, "/Users/{jane}", ops(`{"op":"replace","path":"displayName","value":"Jane"}`))
	wantError(t, l.do(t, http.MethodPatch, "/Groups/none", ops(`{"op":"replace","path":"displayName","value":"x"}`)), 404, "")
}

func TestNoEmailFilter(t *testing.T) {
	l := labOf(t, Options{Habits: []Habit{NoEmailFilter}}).settle(t)
	for _, filter := range []string{
		"emails%5btype+eq+%22home%22%5d.value+eq+%22jane%40example.com%22", "Emails.value+pr",
		"not+(userName+pr+or+emails.value+pr)",
	} {
		wantError(t, l.do(t, http.MethodGet, "/Users?filter="+filter, ""), 400, invalidFilter)
	}
	wantError(t, l.do(t, http.MethodGet, "/Users?filter=emails%5b", ""), 400, invalidFilter)
	l.total(t, "/Users?filter=userName+eq+%22jane%40contoso.com%22", 1)
	l.total(t, "/Users", 2)
}

// account is a user whom nobody provisioned.
func account() map[string]any {
	return map[string]any{"userName": "jane", "displayName": "Jane (sign-in)",
		"emails": []any{map[string]any{"value": "Jane@contoso.com"}}}
}

// TestAdopt is the life of an account: unknown to SCIM, linked by a POST, and
// from then on a user like any other.
func TestAdopt(t *testing.T) {
	for habit, posted := range map[Habit]string{
		AdoptByEmail: user(`"userName":"jane@contoso.com","displayName":"Jane Doe","emails":[{"type":"work","value":"jane@contoso.com"}]`),
		AdoptByName:  user(`"userName":"JANE","displayName":"Jane Doe","emails":[{"type":"work","value":"jane@contoso.com"}]`),
	} {
		t.Run(string(habit), func(t *testing.T) {
			l := labOf(t, Options{Habits: []Habit{habit}})
			id, err := l.backend.AddAccount(account())
			if err != nil {
				t.Fatal(err)
			}
			l.create(t, "omar", "/Users", user(`"userName":"omar@contoso.com","emails":[{"value":"omar@contoso.com"}]`))
			l.ids["jane"] = id
			l.total(t, "/Users", 1)
			l.total(t, "/Users?filter=displayName+sw+%22Jane%22+or+userName+pr", 1)
			for _, method := range []string{http.MethodGet, http.MethodPatch, http.MethodPut, http.MethodDelete} {
				body := map[string]string{http.MethodPatch: ops(`{"op":"replace","path":"title","value":"x"}`), http.MethodPut: posted}[method]
				wantError(t, l.do(t, method, "/Users/{jane}", body), 404, "")
			}
			// Parentheses of a filter end where it ends.
			wantError(t, l.do(t, http.MethodGet, "/Users?filter=userName+pr)+or+(userName+pr", ""), 400, invalidFilter)

			wantError(t, l.do(t, http.MethodPost, "/Users", strings.Replace(posted, `"displayName"`, `"shoe"`, 1)), 400, invalidSyntax)
			l.total(t, "/Users", 1) // a POST that fails links nobody
			got := l.do(t, http.MethodPost, "/Users", posted)
			if got.status != 201 || got.body["id"] != id || got.body["displayName"] != "Jane Doe" ||
				got.header.Get("Location") != publicURL+"/Users/"+id {
				t.Fatalf("got %d %v %s", got.status, got.header, got.raw)
			}
			l.total(t, "/Users", 2)
			l.create(t, "team", "/Groups", group(`"displayName":"Team","members":[{"value":"{jane}"}]`))
			if n := len(listOf(l.must(t, 200, http.MethodGet, "/Users/{jane}", "")["groups"])); n != 1 {
				t.Errorf("%d groups", n)
			}
			wantError(t, l.do(t, http.MethodPost, "/Users", posted), 409, uniqueness)
			if l.backend.Users() != 2 {
				t.Errorf("%d users", l.backend.Users())
			}
		})
	}
}

func TestAccountsWithoutAdoption(t *testing.T) {
	l := labOf(t, Options{Habits: []Habit{ConflictByEmail}})
	id, err := l.backend.AddAccount(account())
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, l.do(t, http.MethodPost, "/Users", user(`"userName":"x","emails":[{"value":"JANE@contoso.com"}]`)), 409, uniqueness)
	wantError(t, l.do(t, http.MethodPost, "/Users", user(`"userName":"Jane"`)), 409, uniqueness)
	l.create(t, "omar", "/Users", user(`"userName":"omar","emails":[{"type":"work"}]`))
	l.total(t, "/Users", 1)
	if _, err := l.backend.AddAccount(account()); err == nil {
		t.Error("two accounts have one userName")
	}
	// The product's administrator sees everybody.
	if status, text := handle(l.backend.Strict(), http.MethodGet, "/Users/"+id, ""); status != 200 {
		t.Errorf("got %d %s", status, text)
	}
}

// Without /Groups it is as if nobody had ever heard of groups, whatever the
// method.
func TestNoGroups(t *testing.T) {
	l := labOf(t, Options{Habits: []Habit{NoGroups}})
	l.create(t, "jane", "/Users", user(`"userName":"jane@contoso.com"`))
	unknown := l.do(t, http.MethodGet, "/Teams", "")
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions} {
		for _, path := range []string{"/Groups", "/Groups/", "/Groups/{jane}", "/Groups/a/b", "/Groups?filter=displayName+eq+%22Team%22"} {
			got := l.do(t, method, path, group(`"displayName":"Team"`))
			wantError(t, got, 404, "")
			if got.raw != unknown.raw || got.header.Get("Allow") != "" {
				t.Errorf("%s %s: got %s, want %s", method, path, got.raw, unknown.raw)
			}
		}
	}
	if got := l.do(t, http.MethodHead, "/Groups", ""); got.status != 404 {
		t.Errorf("HEAD got %d", got.status)
	}
	for endpoint, want := range map[string][]string{"ResourceTypes": {"User"}, "Schemas": {enterpriseURN, userURN}} {
		names := slices.Sorted(maps.Keys(definitionsBehind(t, l, endpoint)))
		slices.Sort(want)
		if diff := cmp.Diff(want, names); diff != "" {
			t.Errorf("%s (-want +got):\n%s", endpoint, diff)
		}
	}
	for _, path := range []string{"/ResourceTypes/Group", "/Schemas/" + groupURN} {
		wantError(t, l.do(t, http.MethodGet, path, ""), 404, "")
	}
	l.must(t, 200, http.MethodPatch, "/Users/{jane}", ops(`{"op":"replace","path":"title","value":"x"}`))
	if status, text := handle(l.backend.Strict(), http.MethodGet, "/Groups", ""); status != 200 {
		t.Errorf("without the habit: got %d %s", status, text)
	}
}

func TestBooleanActive(t *testing.T) {
	l := labOf(t, Options{Lenient: true, Habits: []Habit{BooleanActive}}).settle(t)
	for _, operation := range []string{
		`{"op":"Replace","path":"active","value":"False"}`,
		`{"op":"replace","value":{"active":"False"}}`,
	} {
		wantError(t, l.do(t, http.MethodPatch, "/Users/{jane}", ops(operation)), 400, invalidValue)
	}
	wantError(t, l.do(t, http.MethodPost, "/Users", user(`"userName":"x","active":"True"`)), 400, invalidValue)
	l.must(t, 200, http.MethodPatch, "/Users/{jane}", ops(`{"op":"Replace","path":"active","value":false}`))
	l.must(t, 200, http.MethodPatch, "/Users/{jane}", ops(`{"op":"Replace","path":"roles[value eq \"reader\"].primary","value":"False"}`))
}

func TestDisableOnDelete(t *testing.T) {
	l := labOf(t, Options{Habits: []Habit{DisableOnDelete}}).settle(t)
	l.must(t, 204, http.MethodDelete, "/Users/{jane}", "")
	if got := l.must(t, 200, http.MethodGet, "/Users/{jane}", ""); got["active"] != false || len(listOf(got["groups"])) != 1 {
		t.Errorf("got %v", got)
	}
	l.total(t, "/Users?filter=userName+eq+%22jane%40contoso.com%22", 1)
	l.must(t, 204, http.MethodDelete, "/Users/{jane}", "")
	wantError(t, l.do(t, http.MethodPost, "/Users", user(`"userName":"jane@contoso.com"`)), 409, uniqueness)
	wantError(t, l.do(t, http.MethodDelete, "/Users/none", ""), 404, "")
	l.must(t, 204, http.MethodDelete, "/Groups/{team}", "")
	wantError(t, l.do(t, http.MethodGet, "/Groups/{team}", ""), 404, "")
}

func TestReserveNames(t *testing.T) {
	l := labOf(t, Options{Habits: []Habit{ReserveNames}}).settle(t)
	wantError(t, l.do(t, http.MethodDelete, "/Users/none", ""), 404, "")
	l.must(t, 204, http.MethodDelete, "/Users/{jane}", "")
	wantError(t, l.do(t, http.MethodGet, "/Users/{jane}", ""), 404, "")
	l.total(t, "/Users?filter=userName+eq+%22jane%40contoso.com%22", 0)
	taken := user(`"userName":"Jane@contoso.com"`)
	wantError(t, l.do(t, http.MethodPost, "/Users", taken), 409, uniqueness)
	wantError(t, l.do(t, http.MethodPut, "/Users/{omar}", taken), 409, uniqueness)
	wantError(t, l.do(t, http.MethodPatch, "/Users/{omar}", ops(`{"op":"replace","path":"userName","value":"jane@contoso.com"}`)), 409, uniqueness)
	l.create(t, "zoe", "/Users", user(`"userName":"zoe@contoso.com"`))
}

// names are the display names or userNames of a group's members.
func (l *lab) members(t testing.TB, path string) []string {
	t.Helper()
	var names []string
	for _, member := range listOf(l.must(t, 200, http.MethodGet, path, "")["members"]) {
		for name, id := range l.ids {
			if objectOf(member)["value"] == id {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// TestGroupLists plays the same changes on groups that the lists know
// differently: jane is in the group before, omar is not.
func TestGroupLists(t *testing.T) {
	const (
		add     = `{"op":"add","path":"members","value":[{"value":"{omar}"}]}`
		remove  = `{"op":"remove","path":"members[value eq \"{jane}\"]"}`
		replace = `{"op":"replace","path":"members","value":[{"value":"{omar}"}]}`
	)
	both, jane, omar := []string{"jane", "omar"}, []string{"jane"}, []string{"omar"}
	for _, test := range []struct {
		name                   string
		lists                  GroupLists
		added, removed, change []string // the members after each
	}{
		{"no list is about it", GroupLists{OnlyAssign: "jira-.*"}, both, nil, omar},
		{"not in the list", GroupLists{OnlyAssign: "jira"}, jane, nil, nil},
		{"in the list, then in the other", GroupLists{OnlyAssign: "jira-.*", NeverAssign: ".*-users"}, jane, nil, nil},
		{"never removed", GroupLists{NeverRemove: "(?i)JIRA-users"}, both, jane, both},
		{"users only", GroupLists{NeverAssign: ".*", NeverRemove: ".*"}, jane, jane, jane},
		{"alternatives", GroupLists{NeverAssign: "jira|users", NeverRemove: "users|x"}, both, nil, omar},
	} {
		for operation, want := range map[string][]string{add: test.added, remove: test.removed, replace: test.change} {
			t.Run(test.name+" "+operation[7:10], func(t *testing.T) {
				l := labOf(t, Options{}).settle(t)
				l.create(t, "group", "/Groups", group(`"displayName":"jira-users","members":[{"value":"{jane}"}]`))
				habit, err := test.lists.habit()
				if err != nil {
					t.Fatal(err)
				}
				l.backend.habits = append(l.backend.habits, habit)
				l.must(t, 204, http.MethodPatch, "/Groups/{group}", ops(operation))
				if diff := cmp.Diff(want, l.members(t, "/Groups/{group}")); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		}
	}
}

// A group is created and replaced under the same rules, and the answer shows
// what is so.
func TestGroupListsOnCreation(t *testing.T) {
	l := labOf(t, Options{GroupLists: GroupLists{NeverAssign: "x-.*"}}).settle(t)
	l.create(t, "free", "/Groups", group(`"displayName":"free","members":[{"value":"{jane}"}]`))
	got := l.must(t, 201, http.MethodPost, "/Groups", group(`"displayName":"x-1","members":[{"value":"{jane}"}]`))
	l.ids["x"] = textOf(got["id"])
	again := l.must(t, 200, http.MethodPut, "/Groups/{x}?attributes=members", group(`"displayName":"x-1","members":[{"value":"{jane}"}]`))
	if got["members"] != nil || again["members"] != nil || again["displayName"] != nil {
		t.Errorf("POST: %v\nPUT: %v", got, again)
	}
	if names := l.members(t, "/Groups/{free}"); !slices.Equal(names, []string{"jane"}) {
		t.Errorf("got %v", names)
	}
	wantError(t, l.do(t, http.MethodPatch, "/Groups/{x}", ops(`{"op":"Add","path":"members","value":[]}`)), 400, invalidSyntax)
}

// A name that is changed counts at once.
func TestGroupListsOnRenaming(t *testing.T) {
	l := labOf(t, Options{GroupLists: GroupLists{NeverAssign: "x-.*"}}).settle(t)
	add := `{"op":"add","path":"members","value":[{"value":"{omar}"}]}`
	rename := `{"op":"replace","path":"displayName","value":"%s"},`
	l.create(t, "group", "/Groups", group(`"displayName":"free","members":[{"value":"{jane}"}]`))
	for _, test := range []struct {
		name, operations string
		want             []string
	}{
		{"into a list", strings.Replace(rename, "%s", "x-1", 1) + add, []string{"jane"}},
		{"within it", strings.Replace(rename, "%s", "x-2", 1) + add, []string{"jane"}},
		{"out of it", strings.Replace(rename, "%s", "free", 1) + add, []string{"jane", "omar"}},
	} {
		l.must(t, 204, http.MethodPatch, "/Groups/{group}", ops(test.operations))
		if diff := cmp.Diff(test.want, l.members(t, "/Groups/{group}")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
	wantError(t, l.do(t, http.MethodPatch, "/Groups/none", ops(add)), 404, "")
}

// What was said to a client whose group somebody else deletes meanwhile stays so.
func TestGroupDeletedUnderTheLists(t *testing.T) {
	l := labOf(t, Options{GroupLists: GroupLists{NeverAssign: ".*"}}).settle(t)
	l.backend.habits = append(l.backend.habits, habit{"PATCH /Groups/{id}": func(b *Backend, c call, next serving) (answer, error) {
		got, err := next(b, c)
		return got, errors.Join(err, b.store.remove(c.kind, c.id))
	}})
	l.must(t, 204, http.MethodPatch, "/Groups/{team}", ops(`{"op":"add","path":"members","value":[{"value":"{omar}"}]}`))
	wantError(t, l.do(t, http.MethodGet, "/Groups/{team}", ""), 404, "")
}

func TestUnsupported(t *testing.T) {
	l := labOf(t, Options{Lenient: true, Unsupported: []string{"title", "name.middleName", "addresses", enterpriseURN + ":manager"}})
	l.create(t, "omar", "/Users", user(`"userName":"omar@contoso.com"`))
	for _, operation := range []string{
		`{"op":"Replace","path":"title","value":"x"}`,
		`{"op":"remove","path":"title"}`,
		`{"op":"Add","path":"addresses[type eq \"work\"].country","value":"x"}`,
		`{"op":"add","value":{"active":true,"name":{"middleName":"x"}}}`,
		`{"op":"add","value":{"name.middleName":"x"}}`,
		`{"op":"add","path":"` + enterpriseURN + `:manager","value":"{omar}"}`,
		`{"op":"add","value":{"` + enterpriseURN + `":{"manager":{"value":"{omar}"}}}}`,
	} {
		wantError(t, l.do(t, http.MethodPatch, "/Users/{omar}", ops(operation)), 400, invalidSyntax)
	}
	wantError(t, l.do(t, http.MethodPost, "/Users", user(`"userName":"x","addresses":[{"country":"x"}]`)), 400, invalidSyntax)
	wantError(t, l.do(t, http.MethodPut, "/Users/{omar}", user(`"userName":"x","TITLE":"x"`)), 400, invalidSyntax)
	l.create(t, "zoe", "/Users", user(`"userName":"zoe","title":null,"addresses":[]`))
	l.must(t, 200, http.MethodPatch, "/Users/{omar}", ops(`{"op":"Add","value":{"name.givenName":"x","`+enterpriseURN+`:department":"x","shoe":1}}`))

	l = labOf(t, Options{Unsupported: []string{enterpriseURN}}).settle(t)
	wantError(t, l.do(t, http.MethodPatch, "/Users/{omar}", ops(`{"op":"add","path":"`+enterpriseURN+`:department","value":"x"}`)), 400, invalidSyntax)
	l.must(t, 200, http.MethodPatch, "/Users/{omar}", ops(`{"op":"add","path":"title","value":"x"}`))
}

// A habit that stands in front of another sees the call first.
func TestHabitsTogether(t *testing.T) {
	posted := user(`"userName":"x","emails":[{"value":"jane@contoso.com"}]`)
	for _, test := range []struct {
		habits []Habit
		want   int
	}{
		{[]Habit{AdoptByEmail, ConflictByEmail, DisableOnDelete}, 201},
		{[]Habit{DisableOnDelete, ConflictByEmail, AdoptByEmail}, 409},
	} {
		l := labOf(t, Options{Lenient: true, Habits: test.habits, GroupLists: GroupLists{NeverAssign: ".*"}})
		if _, err := l.backend.AddAccount(account()); err != nil {
			t.Fatal(err)
		}
		if got := l.do(t, http.MethodPost, "/Users", posted); got.status != test.want {
			t.Errorf("%q: got %d %s, want %d", test.habits, got.status, got.raw, test.want)
		}
		l.create(t, "omar", "/Users", user(`"userName":"omar@contoso.com","active":true`))
		l.create(t, "team", "/Groups", group(`"displayName":"Team","members":[{"value":"{omar}"}]`))
		if names := l.members(t, "/Groups/{team}"); names != nil {
			t.Errorf("%q: the group has %v", test.habits, names)
		}
		l.must(t, 204, http.MethodDelete, "/Users/{omar}", "")
		l.total(t, "/Users?filter=active+eq+false", 1)
	}
}

func TestOptionsAtFault(t *testing.T) {
	for _, test := range []struct {
		options Options
		want    string
	}{
		{Options{Habits: []Habit{NoGroups, "sleepy"}}, `Habits holds "sleepy"`},
		{Options{Unsupported: []string{"title", "shoe"}}, `Unsupported holds "shoe"`},
		{Options{Unsupported: []string{"Title"}}, `Unsupported holds "Title"`},
		{Options{Unsupported: []string{"a b"}}, `Unsupported holds "a b"`},
		{Options{GroupLists: GroupLists{OnlyAssign: "("}}, "GroupLists.OnlyAssign"},
		{Options{GroupLists: GroupLists{NeverAssign: "("}}, "GroupLists.NeverAssign"},
		{Options{GroupLists: GroupLists{NeverRemove: "("}}, "GroupLists.NeverRemove"},
	} {
		test.options.Token = "x"
		_, err := New(test.options)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v, want %s", err, test.want)
		}
	}
}
