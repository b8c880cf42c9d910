package entra

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/entra-scim-proxy/lab/directory"
)

// On demand the default dialect is spoken, whatever the tenant URL says; the
// cycles go on in the other.
func TestOnDemand(t *testing.T) {
	p, o, seen := watched(t, build{client: Options{TenantURL: flag2020}})
	provision := func(id string, want ...string) Report {
		t.Helper()
		seen.steps()
		report, err := p.job.Provision(t.Context(), id)
		if err != nil || !report.OK() {
			t.Errorf("got %v, %+v", err, report)
		}
		for _, call := range seen.list {
			if sent := string(call.Sent); strings.Contains(sent, `"op":"replace"`) || strings.Contains(sent, `"op":"add"`) {
				t.Errorf("sent %s", sent)
			}
		}
		if len(seen.list) < 2 || seen.list[0].Step != "probe users" || seen.list[1].Step != "probe groups" {
			t.Errorf("begins with %+v", seen.list)
		}
		wantSteps(t, seen, want...)
		return report
	}
	provision(o.ada, "look up user 200", "create user 201")
	provision(o.grace, "look up user 200", "create user 201")
	// Now that there is a manager. Graces's change is picked up by the cycle.
	provision(o.ada, "read user 200", "read user 200", "set manager 200")
	must(t, o.UpdateUser(o.ada, func(u *directory.User) { u.JobTitle = "Countess" }))
	provision(o.ada, "read user 200", "update user 200")
	provision(o.staff, "look up group 200", "create group 201", "add member 204")
	if report := p.clean(); !report.Initial || report.Users.Created != 1 || report.Users.Unchanged != 2 || report.MembersAdded != 1 {
		t.Errorf("the cycle after: got %+v", report)
	}
	p.same()

	// Unassigned people are disabled, disabled people are not found.
	must(t, o.Unassign(o.grace))
	if report := provision(o.grace, "read user 200", "update user 200"); report.Users.Disabled != 1 {
		t.Errorf("somebody unassigned: got %+v", report)
	}
	must(t, o.SetEnabled(o.noor, false), o.Unassign(o.staff))
	for _, id := range []string{o.noor, "nobody"} {
		if report, err := p.job.Provision(t.Context(), id); !errors.Is(err, directory.ErrNotFound) || report.Calls > 0 {
			t.Errorf("somebody disabled: got %v, %+v", err, report)
		}
	}
	provision(o.staff, "read group 200", "delete group 204")
	guest, err := o.CreateUser(directory.User{UserPrincipalName: "guest@contoso.com", AccountEnabled: true})
	must(t, err)
	provision(guest)
}

func TestOnDemandTakesFiveMembersInOneOperation(t *testing.T) {
	seen := &calls{}
	p := newPlant(t, build{
		size: directory.Options{Seed: 9, Users: 30, Groups: 1, Memberships: 12}, job: JobOptions{Parallel: 1, Observe: seen.observe},
	})
	group := p.directory.Groups()[0]
	for _, member := range p.directory.Members(group) {
		if _, err := p.job.Provision(t.Context(), member); err != nil && !errors.Is(err, directory.ErrNotFound) {
			t.Fatal(err)
		}
	}
	for _, want := range []int{5, 5, 0} {
		seen.steps()
		report, err := p.job.Provision(t.Context(), group)
		if err != nil {
			t.Fatal(err)
		}
		if want == 0 {
			want = report.MembersAdded // what is left of 12, some of whom are disabled
		}
		last := seen.list[len(seen.list)-1]
		if got := strings.Count(string(last.Sent), `"value":"`); report.MembersAdded != want || got != want || strings.Count(string(last.Sent), `"op"`) != 1 {
			t.Errorf("got %d members: %s", report.MembersAdded, last.Sent)
		}
	}
}

func TestOnDemandByExternalID(t *testing.T) {
	p, o, seen := watched(t, build{job: JobOptions{Unverified: Unverified{OnDemandByExternalID: true}}})
	if _, err := p.job.Provision(t.Context(), o.ada); err != nil {
		t.Fatal(err)
	}
	var filters []string
	for _, call := range seen.list {
		if _, filter, ok := strings.Cut(call.Path, "/Users?filter="); ok {
			filters = append(filters, filter[:strings.Index(filter, "+")])
		}
	}
	if diff := cmp.Diff([]string{"externalId", "externalId"}, filters); diff != "" {
		t.Errorf("filters (-want +got):\n%s", diff)
	}
	seen.steps()
	p.clean()
	if !strings.Contains(seen.list[0].Path, "filter=userName") {
		t.Errorf("the cycle asks %s", seen.list[0].Path)
	}
}

func TestOnDemandTestsTheConnectionFirst(t *testing.T) {
	p, o, seen := watched(t, build{})
	p.set(&p.front, tampering(lookUps("/Users"), toStatus(http.StatusForbidden)))
	report, err := p.job.Provision(t.Context(), o.ada)
	if err == nil || len(report.Failures) != 1 || report.Failures[0].Object != "" || p.backend.Users() != 0 {
		t.Errorf("got %v, %+v", err, report)
	}
	if _, held := p.job.Quarantine(); held {
		t.Error("what fails on demand is no matter for quarantine")
	}
	if got := fmt.Sprint(len(seen.list), seen.list[0].Status); got != "1 403" {
		t.Errorf("got %s", got)
	}
}
