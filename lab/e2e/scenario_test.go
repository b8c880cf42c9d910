package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"example.com/entra-scim-proxy/lab/directory"
	"example.com/entra-scim-proxy/lab/entra"
)

// calls collects what a job sends. Its zero value is empty.
type calls struct {
	mu   sync.Mutex
	list []entra.Call
}

func (c *calls) observe(call entra.Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, call)
}

// take returns the calls since the last time.
func (c *calls) take() (list []entra.Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	list, c.list = c.list, nil
	return list
}

// shapes are the calls without ids and values: "GET /Users/{id} 404".
func shapes(list []entra.Call) []string {
	var out []string
	for _, call := range list {
		path, query, _ := strings.Cut(strings.TrimPrefix(call.Path, "/scim"), "?")
		if parts := strings.Split(path, "/"); len(parts) > 2 {
			path = "/" + parts[1] + "/{id}"
		}
		if strings.Contains(query, "filter=") {
			path += "?filter"
		}
		out = append(out, call.Method+" "+path+" "+http.StatusText(call.Status))
	}
	return out
}

// one is a tenant of one user, who is assigned.
func one(t *testing.T) (d *directory.Directory, id string) {
	t.Helper()
	d = directory.New(1)
	id, err := d.CreateUser(directory.User{
		UserPrincipalName: "ada.example@contoso.com", Mail: "ada.example@contoso.com", MailNickname: "ada.example",
		DisplayName: "Ada Example", GivenName: "Ada", Surname: "Example", JobTitle: "Analyst", AccountEnabled: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Assign(id); err != nil {
		t.Fatal(err)
	}
	return d, id
}

// From StackOverflow: an administrator deletes somebody in Confluence,
// and wants them back. Entra learns of it from the 404, which has to be the
// backend's own, and creates a new user.
func TestUserDeletedAtTheBackendIsCreatedAgain(t *testing.T) {
	for _, flag := range []bool{false, true} {
		w := newWorld(t, "confluence")
		d, id := one(t)
		var seen calls
		job := w.job(w.client(flag), d, func(o *entra.JobOptions) { o.Observe, o.UsersOnly = seen.observe, true })
		w.cycle(job)
		if !w.Backend().DeleteUser("ada.example@contoso.com") {
			t.Fatal("there is nobody to delete")
		}
		if err := d.UpdateUser(id, func(u *directory.User) { u.JobTitle = "Countess" }); err != nil {
			t.Fatal(err)
		}
		seen.take()
		report := w.cycle(job)
		want := []string{"GET /Users?filter OK", "GET /Users/{id} Not Found", "GET /Users?filter OK", "POST /Users Created"}
		if got := shapes(seen.take()); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		if report.Users.Created != 1 || w.Backend().Users() != 1 {
			t.Errorf("created %d, the backend has %d", report.Users.Created, w.Backend().Users())
		}
		w.differences(job, nil)
	}
}

// From the Atlassian Community, on Guard: somebody signed in before they were
// provisioned. No filter finds the account; the POST links it. Others go by the
// name where Guard goes by the e-mail address.
func TestEarlierAccountIsAdopted(t *testing.T) {
	for system, name := range map[string]string{
		"guard": "712020:ada", "user-sync": "ada.example@contoso.com", "luxplugins": "Ada.Example@contoso.com", "kantega": "ada.example@contoso.com",
	} {
		for _, flag := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/flag %t", system, flag), func(t *testing.T) { adopt(t, system, flag, name) })
		}
	}
}

func adopt(t *testing.T, system string, flag bool, name string) {
	w := newWorld(t, system)
	account, err := w.Backend().AddAccount(map[string]any{
		"userName": name, "displayName": "ada", "active": true,
		"emails": []any{map[string]any{"type": "work", "primary": true, "value": "Ada.Example@contoso.com"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	d, user := one(t)
	group, err := d.CreateGroup("jira-analysts")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.AddMember(group, user); err != nil {
		t.Fatal(err)
	}
	if err := d.Assign(group); err != nil {
		t.Fatal(err)
	}
	var seen calls
	job := w.job(w.client(flag), d, func(o *entra.JobOptions) { o.Observe = seen.observe })
	w.cycle(job)
	if w.Backend().Users() != 1 {
		t.Errorf("the backend has %d users", w.Backend().Users())
	}
	member := false
	for _, call := range seen.take() {
		member = member || call.Method == http.MethodPatch && strings.Contains(string(call.Sent), account)
	}
	if !member {
		t.Error("the group did not get the account's own id")
	}
	w.differences(job, quirks[system].differs)
}

// What the proxy was first asked for, Schwarz IT's ODJ: one group is in scope,
// which the backend knows nothing of, and active has to be a boolean. Without
// /Groups nobody would be provisioned.
func TestGroupOnlyScopeWithBooleanActive(t *testing.T) {
	for _, flag := range []bool{false, true} {
		w := newWorld(t, "odj")
		d := w.people(directory.Options{Seed: 2, Users: 30, Groups: 3, Memberships: 40})
		var seen calls
		job := w.job(w.client(flag), d, func(o *entra.JobOptions) { o.Observe = seen.observe })
		w.cycle(job)
		if got := shapes(seen.take()); !slices.Contains(got, "POST /Groups Created") {
			t.Errorf("the group was not accepted: %q", got)
		}
		leaver := ""
		inScope, employed := 0, 0
		for _, id := range d.Users() {
			if user, _ := d.User(id); d.InScope(id) {
				inScope++
				if user.Active() {
					employed, leaver = employed+1, id
				}
			}
		}
		if inScope == 0 || inScope == 30 || w.Backend().Users() != employed {
			t.Fatalf("%d of 30 are in scope, %d of them active; the backend has %d", inScope, employed, w.Backend().Users())
		}
		if err := d.SetEnabled(leaver, false); err != nil {
			t.Fatal(err)
		}
		if report := w.cycle(job); report.Users.Disabled != 1 {
			t.Errorf("disabled: %+v", report.Users)
		}
		// The default dialect has a string for it, which the system refuses.
		active := map[bool]string{false: `"False"`, true: `false`}[flag]
		if !slices.ContainsFunc(seen.take(), func(call entra.Call) bool {
			return call.Method == http.MethodPatch && strings.Contains(string(call.Sent), `"value":`+active)
		}) {
			t.Errorf("flag %v: nobody was disabled by %s", flag, active)
		}
		w.differences(job, quirks["odj"].differs)
		w.wantNoGroupCalls()
	}
}

// wantNoGroupCalls wants none in the audit log of the system, and others.
func (w *world) wantNoGroupCalls() {
	w.Helper()
	entries := w.Backend().Audit()
	for _, entry := range entries {
		if strings.Contains(entry.Target, "/Groups") {
			w.Errorf("the backend was asked %s %s", entry.Method, entry.Target)
		}
	}
	if len(entries) == 0 {
		w.Error("the backend was asked nothing")
	}
}

// The other half of it: unasked, the proxy does not make up what the backend has
// not. A /Groups that fails is told as it is, and with group scope nobody comes.
func TestWithoutGroupsNobodyIsProvisioned(t *testing.T) {
	w := newWorld(t, "odj", "GROUPS=forward")
	d := w.people(directory.Options{Seed: 2, Users: 10, Groups: 2, Memberships: 12})
	job := w.job(w.client(true), d, nil)
	if _, err := job.Cycle(t.Context()); err == nil {
		t.Error("the cycle went well without /Groups")
	}
	if _, ok := job.Quarantine(); !ok || w.Backend().Users() != 0 {
		t.Errorf("quarantine %v, users %d", ok, w.Backend().Users())
	}
}

// From the documentation of LuxPlugins: administrators look into the audit log
// to see that Test Connection came through. So the probe has to reach the
// backend, byte for byte, and nothing may be made up for it.
func TestProbeIsInTheAuditLog(t *testing.T) {
	for _, system := range []string{"luxplugins", "user-sync"} {
		t.Run(system, func(t *testing.T) { probeIsInTheAuditLog(t, system) })
	}
}

func probeIsInTheAuditLog(t *testing.T, system string) {
	w := newWorld(t, system)
	d, _ := one(t)
	var seen calls
	job := w.job(w.client(false), d, func(o *entra.JobOptions) { o.Observe = seen.observe })
	if _, err := job.TestConnection(t.Context()); err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, call := range seen.take() {
		want = append(want, call.Method+" "+strings.Replace(call.Path, "/scim", w.profile.Backend.BasePath, 1))
	}
	for _, entry := range w.Backend().Audit() {
		got = append(got, entry.Method+" "+entry.Target)
		if entry.Status != http.StatusOK {
			t.Errorf("%s: got %d", entry.Target, entry.Status)
		}
	}
	if !slices.Equal(got, want) || len(want) != 2 {
		t.Errorf("the audit log has %q, Entra sent %q", got, want)
	}
}

// On-demand provisioning ignores the flag, so a tenant that has it sends both
// dialects to one endpoint.
func TestOnDemandInACompliantTenant(t *testing.T) {
	w := newWorld(t, "strict")
	d, id := one(t)
	other, err := d.CreateUser(directory.User{UserPrincipalName: "grace.example@contoso.com", DisplayName: "Grace Example", AccountEnabled: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Assign(other); err != nil {
		t.Fatal(err)
	}
	var seen calls
	job := w.job(w.client(true), d, func(o *entra.JobOptions) { o.Observe, o.UsersOnly = seen.observe, true })
	w.cycle(job)
	// In a cycle: without a path, and booleans are booleans.
	change := func(title string, enabled bool) {
		t.Helper()
		for _, user := range []string{id, other} {
			if err := d.UpdateUser(user, func(u *directory.User) { u.JobTitle, u.Department = title, title+"s" }); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.SetEnabled(other, enabled); err != nil {
			t.Fatal(err)
		}
	}
	sent := func() (text string) {
		for _, call := range seen.take() {
			text += string(call.Sent)
		}
		return text
	}
	change("Analyst", false)
	seen.take()
	w.cycle(job)
	if text := sent(); !strings.Contains(text, `"op":"replace"`) || !strings.Contains(text, `false`) || strings.Contains(text, `"op":"Replace"`) {
		t.Errorf("a cycle sent %s", text)
	}
	// On demand: one operation for each attribute, in Pascal case; and the user
	// who was unassigned is disabled with a string.
	change("Manager", true)
	w.cycle(job)
	change("Engineer", true)
	seen.take()
	if err := d.Unassign(other); err != nil {
		t.Fatal(err)
	}
	for _, user := range []string{id, other} {
		report, err := job.Provision(t.Context(), user)
		if err != nil {
			t.Fatal(err)
		}
		w.wantClean(report)
	}
	if text := sent(); !strings.Contains(text, `"op":"Replace","path":"title"`) && !strings.Contains(text, `"op":"Add","path":"title"`) ||
		!strings.Contains(text, `"False"`) || strings.Contains(text, `"op":"replace"`) {
		t.Errorf("on demand sent %s", text)
	}
	// And the next cycle is as the first.
	change("Director", true)
	w.cycle(job)
	if text := sent(); strings.Contains(text, `"op":"Replace"`) {
		t.Errorf("the next cycle sent %s", text)
	}
	w.differences(job, nil)
}

// Microsoft's two lists, through the package, in both dialects.
func TestMicrosoftsLists(t *testing.T) {
	w := newWorld(t, "strict")
	for _, flag := range []bool{false, true} {
		passed := 0
		for check := range w.client(flag).Checks(t.Context()) {
			if !check.OK() {
				t.Error(check)
			}
			if check.State == entra.CheckPassed {
				passed++
			}
		}
		if passed < 50 {
			t.Errorf("only %d checks passed", passed)
		}
	}
	if w.Backend().Users()+w.Backend().Groups() > 0 {
		t.Errorf("left behind: %d users, %d groups", w.Backend().Users(), w.Backend().Groups())
	}
}
