package e2e

import (
	"testing"

	"example.com/entra-scim-proxy/lab/directory"
	"example.com/entra-scim-proxy/lab/profile"
)

// Every system, in both dialects, from the first cycle to the last: at the end
// it holds what the directory does.
func TestEverySystemInBothDialects(t *testing.T) {
	for _, system := range profile.All() {
		for _, flag := range []bool{false, true} {
			name := system.Name + "/default"
			if flag {
				name = system.Name + "/compliant"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				playSystem(t, system, flag)
			})
		}
	}
}

func playSystem(t *testing.T, system profile.Profile, flag bool) {
	w := newWorld(t, system.Name)
	d := w.people(directory.Options{Seed: 5, Users: 60, Groups: 8, Memberships: 160})
	job := w.job(w.client(flag), d, nil)
	for week := range uint64(4) {
		if week > 0 {
			d.Churn(week, 40)
		}
		w.cycle(job)
	}
	for _, id := range onDemand(w, d) {
		report, err := job.Provision(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		w.wantSystem(report)
	}
	if system.Proxy["GROUPS"] == "stub" {
		w.wantNoGroupCalls()
	}
	differs := quirks[system.Name].differs
	if seen := w.differences(job, differs); differs != nil && seen == 0 {
		t.Error("the system has a quirk that did not show")
	}
	if _, left, err := job.CleanUp(t.Context()); err != nil || len(left) > 0 {
		t.Errorf("the clean-up: %v, left %v", err, left)
	}
}

// onDemand are somebody to provision on demand, and a group if any is in scope.
func onDemand(w *world, d *directory.Directory) (ids []string) {
	w.Helper()
	for _, id := range d.Users() {
		if user, _ := d.User(id); user.Active() && d.InScope(id) {
			if err := d.UpdateUser(id, func(u *directory.User) { u.DisplayName += " II" }); err != nil {
				w.Fatal(err)
			}
			ids = append(ids, id)
			break
		}
	}
	if w.profile.Entra.Scope == profile.UsersOnly {
		return ids
	}
	for _, id := range d.Groups() {
		if d.InScope(id) {
			return append(ids, id)
		}
	}
	w.Fatal("no group is in scope")
	return nil
}
