package entra

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/entra-scim-proxy/lab/backend"
	"example.com/entra-scim-proxy/lab/directory"
)

// calls is an observer that keeps what was sent, one line for each call.
type calls struct{ list []Call }

func (c *calls) observe(call Call) { c.list = append(c.list, call) }

// steps returns the steps of the calls so far, with their status, and forgets
// the calls. Probes are left out.
func (c *calls) steps() []string {
	var steps []string
	for _, call := range c.list {
		if !strings.HasPrefix(call.Step, "probe") {
			steps = append(steps, fmt.Sprint(call.Step, " ", call.Status))
		}
	}
	c.list = nil
	return steps
}

// watched is a plant of an office whose calls are kept, one at a time.
func watched(t *testing.T, b build) (*plant, office, *calls) {
	t.Helper()
	seen := &calls{}
	o := newOffice(t)
	b.dir, b.job.Parallel, b.job.Observe = o.Directory, 1, seen.observe
	return newPlant(t, b), o, seen
}

func wantSteps(t *testing.T, c *calls, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, c.steps()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

// direct sends a request to the backend as somebody else, past the proxy.
func (p *plant) direct(method, path, body string) (int, map[string]any) {
	p.t.Helper()
	return p.directTo(p.backend, method, path, body)
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// The sequences of a small tenant, call by call.
func TestSequences(t *testing.T) {
	p, o, seen := watched(t, build{client: Options{TenantURL: flag2020}})
	p.clean()
	wantSteps(t, seen,
		"look up user 200", "create user 201", "look up user 200", "create user 201", "look up user 200", "create user 201",
		"look up group 200", "create group 201",
		"read user 200", "set manager 200", "read user 200", "set manager 200",
		"read group 200", "add member 204", "add member 204")
	for _, step := range []struct {
		name string
		do   func() error
		want []string
	}{
		{"update", func() error {
			return o.UpdateUser(o.ada, func(u *directory.User) { u.JobTitle = "Countess" })
		}, []string{"read user 200", "update user 200"}},
		{"clear", func() error { return o.UpdateUser(o.ada, func(u *directory.User) { u.JobTitle = "" }) }, []string{"read user 200"}},
		{"manager", func() error { return o.SetManager(o.ada, o.noor) }, []string{"read user 200", "read user 200", "set manager 200"}},
		{"no manager", func() error { return o.SetManager(o.ada, "") }, []string{"read user 200"}},
		{"disable", func() error { return o.SetEnabled(o.ada, false) }, []string{"read user 200", "update user 200"}},
		{"enable", func() error { return o.SetEnabled(o.ada, true) }, []string{"read user 200", "update user 200"}},
		{"soft delete", func() error { return o.SoftDelete(o.ada) }, []string{"read user 200", "update user 200"}},
		{"restore", func() error { return o.Restore(o.ada) }, []string{"read user 200", "update user 200"}},
		{"leave", func() error { return o.RemoveMember(o.staff, o.ada) }, []string{"read group 200", "remove member 204"}},
		{"join", func() error { return o.AddMember(o.staff, o.ada) }, []string{"read group 200", "add member 204"}},
		{"rename group", func() error { return o.RenameGroup(o.staff, "All") }, []string{"read group 200", "update group 204"}},
		{"rename, join, leave", func() error {
			return firstError(o.RenameGroup(o.staff, "Both"), o.AddMember(o.staff, o.grace), o.RemoveMember(o.staff, o.noor))
		}, []string{"read group 200", "update group 204", "add member 204", "remove member 204"}},
		{"part", func() error { return o.RemoveMember(o.staff, o.ada) }, []string{"read group 200", "remove member 204"}},
		{"join and go", func() error {
			return firstError(o.AddMember(o.staff, o.ada), o.SoftDelete(o.ada))
		}, []string{"read user 200", "update user 200"}},
		{"come back", func() error { return o.Restore(o.ada) }, []string{
			"read user 200", "update user 200", "read group 200", "add member 204",
		}},
		{"unassign, still in scope", func() error { return o.Unassign(o.ada) }, nil},
		{"out of scope", func() error { return o.RemoveMember(o.staff, o.ada) }, []string{
			"read user 200", "update user 200", "read group 200", "remove member 204",
		}},
		{"out of scope, changed", func() error {
			return o.UpdateUser(o.ada, func(u *directory.User) { u.JobTitle, u.Manager = "Lady", o.grace })
		}, []string{"read user 200"}},
		{"purge out of scope", func() error { return firstError(o.SoftDelete(o.ada), o.Purge(o.ada)) }, []string{"read user 200"}},
		{"purge in scope", func() error { return firstError(o.SoftDelete(o.noor), o.Purge(o.noor)) }, []string{
			"read user 200", "delete user 204",
		}},
		{"delete group", func() error { return o.DeleteGroup(o.staff) }, []string{"read group 200", "delete group 204"}},
		{"disabled joiner", func() error {
			id, err := o.CreateUser(directory.User{UserPrincipalName: "guest@contoso.com"})
			return firstError(err, o.Assign(id))
		}, nil},
		{"joiner with the name of somebody who was left", func() error {
			id, err := o.CreateUser(directory.User{UserPrincipalName: "ada@contoso.com", DisplayName: "Another Ada", AccountEnabled: true})
			return firstError(err, o.Assign(id))
		}, []string{"look up user 200", "update user 200"}},
	} {
		must(t, step.do())
		p.clean()
		if diff := cmp.Diff(step.want, seen.steps()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
		p.same()
		seen.steps()
	}
	if p.backend.Users() != 2 { // Grace, and Ada, who was unassigned first
		t.Errorf("got %d users at the endpoint", p.backend.Users())
	}
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// A user deleted by hand at the endpoint is created again as soon as something
// makes Entra read it, and not before; the new id goes where the old one was.
func TestUserDeletedAtTheEndpointIsCreatedAgain(t *testing.T) {
	for name, test := range map[string]struct {
		later bool
		want  [][]string
	}{
		"in the same cycle": {want: [][]string{
			{"read user 404", "look up user 200", "create user 201", "read user 200", "set manager 200", "read group 200", "add member 204"}, nil,
		}},
		"in the next cycle": {later: true, want: [][]string{
			{"read user 404"},
			{"look up user 200", "create user 201", "read user 200", "set manager 200", "read group 200", "add member 204"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			p, o, seen := watched(t, build{job: JobOptions{Unverified: Unverified{RecreateNextCycle: test.later}}})
			p.clean()
			p.deleteUser("ada@contoso.com")
			if diff := cmp.Diff([]string{"member missing: Staff, ada@contoso.com", "missing: ada@contoso.com"}, p.differences()); diff != "" {
				t.Errorf("Compare (-want +got):\n%s", diff)
			}
			seen.steps()
			p.clean()
			wantSteps(t, seen)
			must(t, o.UpdateUser(o.ada, func(u *directory.User) { u.JobTitle = "Countess" }))
			for _, want := range test.want {
				p.clean()
				wantSteps(t, seen, want...)
			}
			p.same()
		})
	}
}

// A manager who is created again has another id, and so have those who report
// to it a PATCH.
func TestRecreatedManagerIsSetAgain(t *testing.T) {
	p, o, seen := watched(t, build{})
	p.clean()
	p.deleteUser("grace@contoso.com")
	must(t, o.UpdateUser(o.grace, func(u *directory.User) { u.JobTitle = "Admiral" }))
	seen.steps()
	p.clean()
	wantSteps(t, seen, "read user 404", "look up user 200", "create user 201",
		"read user 200", "set manager 200", "read user 200", "set manager 200")
	p.same()
}

// That somebody is gone can also show when only the manager is to be written;
// then the next cycle creates them.
func TestUserMissedByItsManager(t *testing.T) {
	p, o, seen := watched(t, build{})
	p.clean()
	p.deleteUser("grace@contoso.com")
	p.deleteUser("noor@contoso.com")
	must(t, o.UpdateUser(o.grace, func(u *directory.User) { u.JobTitle = "Admiral" }))
	want := []Failure{{Object: "noor@contoso.com", Step: "set manager", Reason: "the user is not there any more"}}
	report := p.cycle()
	if diff := cmp.Diff(want, report.Failures); diff != "" || report.ReferencesFailed != 1 || report.Users.Failed != 0 {
		t.Errorf("failures (-want +got):\n%s", diff)
	}
	seen.steps()
	p.clean()
	wantSteps(t, seen, "read user 404", "look up user 200", "create user 201",
		"read user 200", "set manager 200", "read group 200", "add member 204")
	p.same()
}

// Somebody who logged in before being provisioned is matched and completed, and
// stays when the lab cleans up.
func TestUserWhoWasThereIsAdopted(t *testing.T) {
	for name, test := range map[string]struct {
		matching []string
		resource string
		lookUps  int
	}{
		"by name":      {nil, `"userName":"ADA@contoso.com"`, 1},
		"by mail":      {[]string{"externalId", workEmail}, `"userName":"ada","emails":[{"type":"work","value":"ada@contoso.com"}]`, 2},
		"by all three": {[]string{workEmail, "externalId", "userName"}, `"userName":"ada@contoso.com"`, 3},
	} {
		t.Run(name, func(t *testing.T) {
			p, _, seen := watched(t, build{job: JobOptions{Matching: test.matching}})
			status, made := p.direct(http.MethodPost, "/Users", `{"schemas":["`+userSchema+`"],`+test.resource+`}`)
			if status != http.StatusCreated {
				t.Fatal(made)
			}
			report := p.clean()
			if report.Users.Created != 2 || report.Users.Restored != 1 { // active was not there
				t.Errorf("got %+v", report.Users)
			}
			asked := 0
			for _, call := range seen.list {
				if call.Step == "look up user" && strings.Contains(call.Path, "ada") {
					asked++
				}
			}
			if asked != test.lookUps {
				t.Errorf("got %d look-ups, want %d", asked, test.lookUps)
			}
			p.same()
			deleted, left, err := p.job.CleanUp(t.Context())
			if err != nil || len(left) > 0 || deleted != 3 || p.backend.Users() != 1 || p.backend.Groups() != 0 {
				t.Errorf("clean-up: got %d deleted, left %v, %v; %d users", deleted, left, err, p.backend.Users())
			}
			if status, _ := p.direct(http.MethodGet, "/Users/"+made["id"].(string), ""); status != http.StatusOK {
				t.Errorf("the user who was there is gone: %d", status)
			}
		})
	}
}

// With one group assigned, all users come through it; a backend without groups
// gets nobody.
func TestScopeOfOneGroup(t *testing.T) {
	size := directory.Options{Seed: 2, Users: 12, Groups: 1, Memberships: 7, ThroughGroups: true}
	p := newPlant(t, build{size: size})
	if report := p.clean(); report.Users.Created+report.Users.Skipped != 7 || report.Groups.Created != 1 {
		t.Errorf("got %+v", report)
	}
	p.same()

	noGroups := tampering(func(r *http.Request) bool { return strings.Contains(r.URL.Path, "/Groups") }, func(g *given) {
		g.status, g.raw = http.StatusNotFound, "<h1>Not Found</h1>"
		g.header.Set("Content-Type", "text/html")
	})
	p = newPlant(t, build{size: size})
	p.set(&p.front, noGroups)
	if _, err := p.job.TestConnection(t.Context()); err == nil {
		t.Error("the connection test passes without groups")
	}
	if report, err := p.job.Cycle(t.Context()); err == nil || report.Calls != 2 || p.backend.Users() != 0 {
		t.Errorf("without groups: got %v, %+v", err, report)
	}
	if held, ok := p.job.Quarantine(); !ok || !strings.Contains(held.Reason, "probe groups") {
		t.Errorf("without groups: got %v, %+v", ok, held)
	}

	p = newPlant(t, build{size: size, job: JobOptions{UsersOnly: true}})
	p.set(&p.front, noGroups)
	if report := p.clean(); report.Users.Created != 7-report.Users.Skipped || report.Groups != (Counts{}) {
		t.Errorf("users only: got %+v", report)
	}
	p.same()
}

// The trap: a group that shows its members is emptied by the next one to join.
func TestLeakedMembersEmptyTheGroup(t *testing.T) {
	for name, test := range map[string]struct {
		rules   string
		careful bool
		want    []string
	}{
		"leaked":             {rules: "all,-excluded-members", want: []string{"member missing: Staff, ada@contoso.com", "member missing: Staff, noor@contoso.com"}},
		"leaked and ignored": {rules: "all,-excluded-members", careful: true},
		"repaired":           {rules: "all"},
	} {
		t.Run(name, func(t *testing.T) {
			p, o, seen := watched(t, build{
				rules: test.rules, faults: []backend.Fault{backend.MembersLeaked}, client: Options{TenantURL: flag2020},
				job: JobOptions{Unverified: Unverified{IgnoreLeaks: test.careful}},
			})
			p.clean()
			p.same()
			must(t, o.AddMember(o.staff, o.grace))
			seen.steps()
			report := p.cycle()
			var rules []string
			for _, f := range report.Findings {
				rules = append(rules, f.Rule)
			}
			if got, want := slices.Equal(rules, []string{ruleMembers}), test.rules != "all"; got != want {
				t.Errorf("found %v", rules)
			}
			body := string(seen.list[len(seen.list)-1].Sent)
			if got, want := strings.Contains(body, `"op":"replace"`), test.want != nil; got != want {
				t.Errorf("sent %s", body)
			}
			if diff := cmp.Diff(test.want, p.differences()); diff != "" {
				t.Errorf("Compare (-want +got):\n%s", diff)
			}
			// Once it is mended, a restart brings everybody back.
			p.set(&p.tamper, func(http.Handler) http.Handler { return p.backend.Strict() })
			p.job.Restart()
			p.clean()
			p.same()
		})
	}
}
