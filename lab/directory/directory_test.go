package directory_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/entra-scim-proxy/lab/directory"
)

// world is a directory with three people and two groups that a test gets by
// name.
type world struct {
	*directory.Directory
	t   *testing.T
	ids map[string]string
}

func newWorld(t *testing.T) world {
	t.Helper()
	w := world{directory.New(1), t, map[string]string{}}
	for _, name := range []string{"ada", "grace", "noor"} {
		id, err := w.CreateUser(directory.User{UserPrincipalName: name + "@contoso.com", MailNickname: name, AccountEnabled: true})
		w.must(err)
		w.ids[name] = id
	}
	for _, name := range []string{"staff", "guests"} {
		id, err := w.CreateGroup(name)
		w.must(err)
		w.ids[name] = id
	}
	return w
}

func (w world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// since tells what changed, by name.
func (w world) since(mark *directory.Watermark) []string {
	changes, next := w.Changes(*mark)
	*mark = next
	names := map[string]string{}
	for name, id := range w.ids {
		names[id] = name
	}
	var said []string
	for _, id := range slices.Concat(changes.Users, changes.Groups) {
		said = append(said, names[id])
	}
	for _, gone := range slices.Concat(changes.PurgedUsers, changes.DeletedGroups) {
		verb := "unmanaged "
		if gone.InScope {
			verb = "gone "
		}
		said = append(said, verb+names[gone.ObjectID])
	}
	return said
}

func TestChangesTellWhatAnIncrementalCycleNeeds(t *testing.T) {
	w := newWorld(t)
	var mark directory.Watermark
	if diff := cmp.Diff([]string{"ada", "grace", "noor", "staff", "guests"}, w.since(&mark)); diff != "" {
		t.Errorf("at first (-want +got):\n%s", diff)
	}
	user, group := func(name string) string { return w.ids[name] }, func(name string) string { return w.ids[name] }
	for _, step := range []struct {
		name string
		do   func() error
		want []string
	}{
		{"nothing", func() error { return nil }, nil},
		{"assign", func() error { return w.Assign(user("ada")) }, []string{"ada"}},
		{"assign again", func() error { return w.Assign(user("ada")) }, nil},
		{"update", func() error {
			return w.UpdateUser(user("grace"), func(u *directory.User) { u.JobTitle = "Admiral" })
		}, []string{"grace"}},
		{"update with nothing new", func() error {
			return w.UpdateUser(user("grace"), func(u *directory.User) { u.JobTitle = "Admiral" })
		}, nil},
		{"join a group that is not assigned", func() error { return w.AddMember(group("staff"), user("noor")) }, nil},
		{"assign the group", func() error { return w.Assign(group("staff")) }, []string{"noor", "staff"}},
		{"join it, being in scope", func() error { return w.AddMember(group("staff"), user("ada")) }, nil},
		{"join it, not being in scope", func() error { return w.AddMember(group("staff"), user("grace")) }, []string{"grace"}},
		{"leave it, and the scope", func() error { return w.RemoveMember(group("staff"), user("grace")) }, []string{"grace"}},
		{"leave it again", func() error { return w.RemoveMember(group("staff"), user("grace")) }, nil},
		{"leave it, being assigned", func() error { return w.RemoveMember(group("staff"), user("ada")) }, nil},
		{"manager", func() error { return w.SetManager(user("noor"), user("ada")) }, []string{"noor"}},
		{"disable", func() error { return w.SetEnabled(user("ada"), false) }, []string{"ada"}},
		{"soft delete", func() error { return w.SoftDelete(user("ada")) }, []string{"ada"}},
		{"restore", func() error { return w.Restore(user("ada")) }, []string{"ada"}},
		{"rename group", func() error { return w.RenameGroup(group("guests"), "visitors") }, []string{"guests"}},
		{"delete group in scope", func() error { return w.DeleteGroup(group("staff")) }, []string{"noor", "gone staff"}},
		{"delete group out of scope", func() error { return w.DeleteGroup(group("guests")) }, []string{"unmanaged guests"}},
		{"purge in scope", func() error { return errors.Join(w.SoftDelete(user("ada")), w.Purge(user("ada"))) }, []string{"noor", "gone ada"}},
		{"purge out of scope", func() error { return errors.Join(w.SoftDelete(user("grace")), w.Purge(user("grace"))) }, []string{"unmanaged grace"}},
	} {
		w.must(step.do())
		if diff := cmp.Diff(step.want, w.since(&mark)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
	}
}

func TestScope(t *testing.T) {
	w := newWorld(t)
	ada, staff, guests := w.ids["ada"], w.ids["staff"], w.ids["guests"]
	for i, step := range []struct {
		do   func() error
		want bool
	}{
		{func() error { return nil }, false},
		{func() error { return w.AddMember(staff, ada) }, false},
		{func() error { return w.Assign(staff) }, true},
		{func() error { return errors.Join(w.AddMember(guests, ada), w.Assign(guests)) }, true},
		{func() error { return w.Unassign(staff) }, true},
		{func() error { return w.DeleteGroup(guests) }, false},
		{func() error { return w.Assign(ada) }, true},
		{func() error { return w.Assign(staff) }, true},
		{func() error { return w.Unassign(ada) }, true},
		{func() error { return w.SoftDelete(ada) }, true}, // until somebody unassigns it
		{func() error { return w.Unassign(staff) }, false},
		{func() error { return w.Purge(ada) }, false},
		{func() error { return w.Assign(staff) }, false},
	} {
		w.must(step.do())
		if got := w.InScope(ada); got != step.want {
			t.Errorf("after step %d: got in scope %v, want %v", i, got, step.want)
		}
	}
	if !w.InScope(staff) || w.InScope(guests) {
		t.Error("groups: want those in scope that are assigned")
	}
}

func TestRecycleBinKeepsMemberships(t *testing.T) {
	w := newWorld(t)
	ada, staff := w.ids["ada"], w.ids["staff"]
	w.must(w.AddMember(staff, ada))
	w.must(w.SoftDelete(ada))
	w.must(w.Restore(ada))
	if got := w.Members(staff); !slices.Equal(got, []string{ada}) || !slices.Equal(w.MemberOf(ada), []string{staff}) {
		t.Errorf("after a restore: got members %v", got)
	}
	w.must(w.SetManager(w.ids["noor"], ada))
	w.must(w.SoftDelete(ada))
	w.must(w.Purge(ada))
	noor, _ := w.User(w.ids["noor"])
	if got := w.Members(staff); len(got) > 0 || noor.Manager != "" {
		t.Errorf("after a purge: got members %v and manager %q", got, noor.Manager)
	}
}

func TestRefusals(t *testing.T) {
	w := newWorld(t)
	ada, staff := w.ids["ada"], w.ids["staff"]
	bin := w.ids["grace"]
	w.must(w.SoftDelete(bin))
	create := func(u directory.User) error { _, err := w.CreateUser(u); return err }
	set := func(change func(*directory.User)) error { return w.UpdateUser(ada, change) }
	for name, test := range map[string]struct{ got, want error }{
		"no name":               {create(directory.User{}), directory.ErrInvalid},
		"name taken":            {create(directory.User{UserPrincipalName: "ADA@contoso.com"}), directory.ErrTaken},
		"name in the bin":       {create(directory.User{UserPrincipalName: "grace@contoso.com"}), directory.ErrTaken},
		"nickname taken":        {create(directory.User{UserPrincipalName: "x@contoso.com", MailNickname: "Ada"}), directory.ErrTaken},
		"id taken":              {create(directory.User{UserPrincipalName: "x@contoso.com", ObjectID: staff}), directory.ErrTaken},
		"manager unknown":       {set(func(u *directory.User) { u.Manager = "nobody" }), directory.ErrInvalid},
		"own manager":           {set(func(u *directory.User) { u.Manager = ada }), directory.ErrInvalid},
		"name cleared":          {set(func(u *directory.User) { u.UserPrincipalName = "" }), directory.ErrInvalid},
		"name of another":       {set(func(u *directory.User) { u.UserPrincipalName = "noor@contoso.com" }), directory.ErrTaken},
		"update in the bin":     {w.SetEnabled(bin, false), directory.ErrNotFound},
		"member in the bin":     {w.AddMember(staff, bin), directory.ErrNotFound},
		"purge of the living":   {w.Purge(ada), directory.ErrNotFound},
		"restore of the living": {w.Restore(ada), directory.ErrNotFound},
		"bin twice":             {w.SoftDelete(bin), directory.ErrNotFound},
		"group name taken":      {func() error { _, err := w.CreateGroup("STAFF"); return err }(), directory.ErrTaken},
		"group name empty":      {w.RenameGroup(staff, ""), directory.ErrInvalid},
		"group renamed onto":    {w.RenameGroup(staff, "guests"), directory.ErrTaken},
		"group unknown":         {w.DeleteGroup("nobody"), directory.ErrNotFound},
		"nobody assigned":       {w.Assign("nobody"), directory.ErrNotFound},
	} {
		if !errors.Is(test.got, test.want) {
			t.Errorf("%s: got %v, want %v", name, test.got, test.want)
		}
	}
	// Another case of one's own name is no conflict, and a purge frees names.
	w.must(set(func(u *directory.User) { u.UserPrincipalName = "Ada@Contoso.com" }))
	w.must(w.RenameGroup(staff, "Staff"))
	w.must(w.Purge(bin))
	w.must(create(directory.User{UserPrincipalName: "grace@contoso.com", MailNickname: "grace"}))
	w.must(w.DeleteGroup(staff))
	_, err := w.CreateGroup("staff")
	w.must(err)
}

// content is all that a directory shows.
func content(d *directory.Directory) map[string]any {
	got := map[string]any{}
	for _, id := range d.Users() {
		user, _ := d.User(id)
		got[id] = []any{user, d.InScope(id), d.MemberOf(id)}
	}
	for _, id := range d.Groups() {
		group, _ := d.Group(id)
		got[id] = []any{group, d.InScope(id), d.Members(id)}
	}
	return got
}

func generate(t testing.TB, o directory.Options) *directory.Directory {
	t.Helper()
	d, err := directory.Generate(o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestGenerateFollowsFromTheSeed(t *testing.T) {
	options := directory.Options{Seed: 7, Users: 300, Groups: 12, Memberships: 1500}
	one, two := generate(t, options), generate(t, options)
	if diff := cmp.Diff(content(one), content(two)); diff != "" {
		t.Errorf("the same seed, twice (-first +second):\n%s", diff)
	}
	if diff := cmp.Diff(one.Churn(3, 100), two.Churn(3, 100)); diff != "" {
		t.Errorf("the same churn, twice (-first +second):\n%s", diff)
	}
	if diff := cmp.Diff(content(one), content(two)); diff != "" {
		t.Errorf("after the same churn (-first +second):\n%s", diff)
	}
	options.Seed = 8
	if cmp.Equal(content(one), content(generate(t, options))) {
		t.Error("another seed made the same tenant")
	}
}

func TestGeneratedTenantIsLifelike(t *testing.T) {
	d := generate(t, directory.Options{Seed: 1, Users: 2000, Groups: 60, Memberships: 9000})
	if got := len(d.Users()); got != 2000 {
		t.Errorf("got %d users", got)
	}
	if got := d.Memberships(); got != 9000 {
		t.Errorf("got %d memberships", got)
	}
	rank := map[string]int{}
	count := map[string]int{}
	for i, id := range d.Users() {
		u, _ := d.User(id)
		rank[id] = i
		if at, ok := rank[u.Manager]; u.Manager != "" && (!ok || at >= i) {
			t.Errorf("%s has a manager who came later: circles are possible", u.UserPrincipalName)
		}
		for name, found := range map[string]bool{
			"no manager": u.Manager == "", "no mail": u.Mail == "", "no title": u.JobTitle == "",
			"a fax": u.FacsimileTelephoneNumber != "", "disabled": !u.AccountEnabled,
			"umlaut": strings.ContainsAny(u.DisplayName, "üöëø"), "apostrophe": strings.Contains(u.UserPrincipalName, "'"),
			"long": len(u.DisplayName) > 50,
		} {
			if found {
				count[name]++
			}
		}
		if strings.Trim(u.UserPrincipalName, "abcdefghijklmnopqrstuvwxyz0123456789.'-@") != "" {
			t.Errorf("%q cannot be a user principal name", u.UserPrincipalName)
		}
	}
	for _, name := range []string{"no manager", "no mail", "no title", "a fax", "disabled", "umlaut", "apostrophe", "long"} {
		if got := count[name]; got == 0 || got > 400 {
			t.Errorf("%s: got %d of 2000, want a few", name, got)
		}
	}
	groups := d.Groups()
	if first, last := len(d.Members(groups[0])), len(d.Members(groups[59])); first < 5*last || last == 0 {
		t.Errorf("sizes of the first and the last group: got %d and %d", first, last)
	}
}

func TestGenerateFillsGroupsToTheBrim(t *testing.T) {
	d := generate(t, directory.Options{Users: 7, Groups: 5, Memberships: 35, ThroughGroups: true})
	if got := d.Memberships(); got != 35 || !d.InScope(d.Users()[6]) {
		t.Errorf("got %d memberships", got)
	}
	if d := generate(t, directory.Options{Users: 3, ThroughGroups: true}); d.InScope(d.Users()[0]) {
		t.Error("somebody is in scope without a group")
	}
	if _, err := directory.Generate(directory.Options{Users: 7, Groups: 5, Memberships: 36}); err == nil {
		t.Error("more memberships than can be: want an error")
	}
}

func TestChurnDoesOneOfEachKind(t *testing.T) {
	kinds := directory.ChurnKinds()
	d := generate(t, directory.Options{Seed: 1, Users: 60, Groups: 6, Memberships: 150})
	_, mark := d.Changes(0)
	for seed := range uint64(20) {
		done := d.Churn(seed, len(kinds)+10)
		if len(done) != len(kinds)+10 {
			t.Errorf("got %d changes, want %d", len(done), len(kinds)+10)
		}
		var got []string
		for _, change := range done[:len(kinds)] {
			got = append(got, change.Kind)
			if change.Object == "" || !strings.HasPrefix(change.String(), change.Kind+": ") {
				t.Errorf("got %q", change)
			}
		}
		if diff := cmp.Diff(kinds, got); diff != "" {
			t.Errorf("kinds (-want +got):\n%s", diff)
		}
		changes, next := d.Changes(mark)
		if mark = next; len(changes.Users) == 0 || len(changes.PurgedUsers) == 0 || len(changes.DeletedGroups) == 0 {
			t.Errorf("the directory does not tell of it: %+v", changes)
		}
	}
	if got := directory.New(1).Churn(1, 5); len(got) != 5 { // joiners and new groups
		t.Errorf("in an empty directory: got %v", got)
	}
}

func BenchmarkGenerate(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		generate(b, directory.Options{Seed: 1, Users: 10_000, Groups: 500, Memberships: 50_000})
	}
}

func BenchmarkChurn(b *testing.B) {
	d := generate(b, directory.Options{Seed: 1, Users: 10_000, Groups: 500, Memberships: 50_000})
	b.ReportAllocs()
	for b.Loop() {
		d.Churn(1, 100)
	}
}
