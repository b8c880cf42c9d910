package e2e

import (
	"strings"
	"testing"

	"example.com/entra-scim-proxy/lab/directory"
	"example.com/entra-scim-proxy/lab/entra"
	"example.com/entra-scim-proxy/lab/profile"
)

// quirks are what a system does not do, and nobody can make it. A difference
// that is none of them fails the test, and so does a quirk that did not show.
var quirks = map[string]func(entra.Difference) bool{
	// It does not rename groups.
	"guard": func(d entra.Difference) bool { return d.Kind == entra.DiffValue && d.Attribute == "displayName" },
	// Its own lists say who is in which group; and it disables those who are
	// deleted, so they stay in theirs, nameless.
	"user-sync": func(d entra.Difference) bool {
		switch d.Kind {
		case entra.DiffMemberMissing:
			return !isAssigned(d.Object)
		case entra.DiffMemberSurplus:
			return isKept(d.Object) || !strings.Contains(d.Attribute, "@")
		}
		return false
	},
	// It forgets groups.
	"odj": func(d entra.Difference) bool { return d.Kind == entra.DiffMissing && !strings.Contains(d.Object, "@") },
}

// isAssigned says that User Sync's lists let a group have members, isKept that
// they are never taken out of it.
func isAssigned(group string) bool {
	return (strings.HasPrefix(group, "jira-") || strings.HasPrefix(group, "confluence-")) && !strings.HasSuffix(group, "-administrators")
}

func isKept(group string) bool { return strings.HasPrefix(group, "jira-core-") }

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
	w.troubled = system.Name == "guard" // the refusal of a renaming
	d := w.people(directory.Options{Seed: 5, Users: 60, Groups: 8, Memberships: 160})
	job := w.job(w.client(flag), d, nil)
	for week := range uint64(4) {
		if week > 0 {
			d.Churn(week, 40)
		}
		report, err := job.Cycle(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		wantSystem(w, report)
	}
	for _, id := range onDemand(w, d) {
		report, err := job.Provision(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		wantSystem(w, report)
	}
	quirk := quirks[system.Name]
	if seen := w.differences(job, quirk); quirk != nil && seen == 0 {
		t.Error("the system has a quirk that did not show")
	}
	if _, left, err := job.CleanUp(t.Context()); err != nil || len(left) > 0 {
		t.Errorf("the clean-up: %v, left %v", err, left)
	}
}

// wantSystem is wantClean, but for what a system refuses on purpose.
func wantSystem(w *world, report entra.Report) {
	w.Helper()
	if w.profile.Name != "guard" {
		w.wantClean(report)
		return
	}
	for _, f := range report.Failures {
		if !strings.Contains(f.Reason, "400") {
			w.Errorf("failed: %+v", f)
		}
	}
	for _, f := range report.Findings {
		if f.Rule != "group update status" {
			w.Errorf("found: %+v", f)
		}
	}
}

// onDemand are somebody to provision on demand, and a group.
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
	for _, id := range d.Groups() {
		if d.InScope(id) {
			return append(ids, id)
		}
	}
	w.Fatal("no group is in scope")
	return nil
}
