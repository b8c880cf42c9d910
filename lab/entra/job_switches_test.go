package entra

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/entra-scim-proxy/lab/directory"
)

// traffic makes three cycles with changes between them, and returns each
// request with names in the place of ids, sorted, and the reports.
func traffic(t *testing.T, o JobOptions) ([]string, []Report) {
	t.Helper()
	var lines []string
	o.Observe = func(c Call) { lines = append(lines, c.Method+" "+c.Path+" "+string(c.Sent)) }
	p := newPlant(t, build{size: directory.Options{Seed: 11, Users: 40, Groups: 5, Memberships: 90}, client: Options{TenantURL: flag2020}, job: o})
	// Something to find, in more than one answer.
	p.set(&p.front, tampering(func(r *http.Request) bool { return strings.Contains(r.URL.RawQuery, "filter=displayName") }, func(g *given) {
		g.header.Set("Content-Type", "application/json")
	}))
	var reports []Report
	names := map[string]string{}
	for seed := range uint64(3) {
		reports = append(reports, p.cycle())
		for _, links := range []map[string]*link{p.job.users, p.job.groups} {
			for _, l := range links {
				names[l.id] = l.objectID
			}
		}
		p.directory.Churn(seed, 30)
	}
	for i, line := range lines {
		lines[i] = regexp.MustCompile(guid).ReplaceAllStringFunc(line, func(id string) string {
			if name, ok := names[id]; ok {
				return "{" + name + "}"
			}
			return id
		})
	}
	slices.Sort(lines)
	for i := range reports {
		reports[i].Duration = 0
		for j := range reports[i].Findings {
			reports[i].Findings[j].Example.Duration = 0 // its path is a look-up, without ids
		}
	}
	return lines, reports
}

// The same seed and options send the same requests and report the same,
// whatever the number of calls at once.
func TestDeterminism(t *testing.T) {
	t.Parallel()
	lines, reports := traffic(t, JobOptions{Seed: 4, Parallel: 1})
	if len(reports[0].Findings) != 1 || reports[0].Findings[0].Count < 5 {
		t.Errorf("found %+v", reports[0].Findings)
	}
	again, reportsAgain := traffic(t, JobOptions{Seed: 4, Parallel: 16})
	if diff := cmp.Diff(lines, again); diff != "" {
		t.Errorf("requests with Parallel 16 (-1 +16):\n%s", diff)
	}
	if diff := cmp.Diff(reports, reportsAgain); diff != "" {
		t.Errorf("reports with Parallel 16 (-1 +16):\n%s", diff)
	}
	if other, _ := traffic(t, JobOptions{Seed: 5, Parallel: 1}); cmp.Equal(lines, other) {
		t.Error("another seed probes with the same GUIDs")
	}
}

// sent lists the bodies of the calls of one step.
func (c *calls) sent(step string) []string {
	var bodies []string
	for _, call := range c.list {
		if call.Step == step {
			bodies = append(bodies, string(call.Sent))
		}
	}
	return bodies
}

// The bodies of a small tenant, in both dialects.
func TestBodies(t *testing.T) {
	for name, query := range map[string]string{"default": "", "compliant": flag2020} {
		t.Run(name, func(t *testing.T) {
			p, o, seen := watched(t, build{client: Options{TenantURL: query}})
			p.clean()
			must(t, o.UpdateUser(o.ada, func(u *directory.User) {
				u.JobTitle, u.Mail, u.PreferredLanguage, u.Department, u.Mobile = "Countess", "c@contoso.com", "en-GB", "Poetry", "+1 555 0101"
			}), o.RemoveMember(o.staff, o.ada), o.RenameGroup(o.staff, "All"), o.SetEnabled(o.noor, false))
			p.clean()
			var text strings.Builder
			ids := strings.NewReplacer(p.job.users[o.ada].id, "{ada}", p.job.users[o.noor].id, "{noor}", p.job.users[o.grace].id, "{grace}",
				p.job.groups[o.staff].id, "{staff}", o.staff, "{staff's objectId}")
			for _, call := range seen.list {
				fmt.Fprintf(&text, "%s\n  %s %s\n", call.Step, call.Method, ids.Replace(call.Path))
				if call.Sent != nil {
					fmt.Fprintf(&text, "  %s\n", ids.Replace(string(call.Sent)))
				}
			}
			golden(t, "testdata/job-"+name+".golden", text.String())
		})
	}
}

func TestSwitches(t *testing.T) {
	t.Run("RefCheck", func(t *testing.T) {
		p, o, seen := watched(t, build{job: JobOptions{Unverified: Unverified{RefCheck: true}}})
		p.set(&p.tamper, qualifyManager)
		p.clean()
		steps := seen.steps()
		if diff := cmp.Diff([]string{
			"ask for manager 200", "set manager 200", "ask for manager 200", "set manager 200",
			"read group 200", "ask for member 200", "add member 204", "ask for member 200", "add member 204",
		}, steps[len(steps)-9:]); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
		// What is so already, is not written.
		p.job.Restart()
		must(t, o.RemoveMember(o.staff, o.ada))
		p.edit("/Groups/"+p.job.groups[o.staff].id, `{"op":"remove","path":"members[value eq \"`+p.job.users[o.ada].id+`\"]"}`)
		seen.steps()
		if report := p.clean(); report.ManagersSet+report.MembersAdded+report.MembersRemoved != 0 {
			t.Errorf("got %+v", report)
		}
		for _, call := range seen.list {
			if strings.HasPrefix(call.Step, "ask") && !regexp.MustCompile(
				`^/scim/(Users\?attributes=id&filter=id\+eq\+%22`+guid+`%22\+and\+manager|Groups\?attributes=id&filter=id\+eq\+%22`+guid+`%22\+and\+members)\+eq\+%22`+guid+`%22$`,
			).MatchString(call.Path) {
				t.Errorf("asks %s", call.Path)
			}
		}
		p.same()
	})
	t.Run("MembersPerPatch", func(t *testing.T) {
		p, o, seen := watched(t, build{job: JobOptions{Unverified: Unverified{MembersPerPatch: 2}}})
		must(t, o.AddMember(o.staff, o.grace))
		p.clean()
		if got := seen.sent("add member"); len(got) != 2 || strings.Count(got[0], `"value":"`) != 2 || strings.Count(got[0], `"op"`) != 1 {
			t.Errorf("sent %s", got)
		}
		must(t, o.RemoveMember(o.staff, o.ada), o.RemoveMember(o.staff, o.noor))
		if report := p.clean(); report.MembersRemoved != 2 || len(seen.sent("remove member")) != 1 {
			t.Errorf("got %+v", report)
		}
		p.same()
	})
	t.Run("PeriodicActive", func(t *testing.T) {
		p, o, seen := watched(t, build{job: JobOptions{Unverified: Unverified{PeriodicActive: true}}})
		must(t, o.SetEnabled(o.noor, false))
		p.clean()
		seen.steps()
		must(t, o.UpdateUser(o.ada, func(u *directory.User) { u.JobTitle = "Countess" }))
		if report := p.clean(); report.Users.Unchanged != 1 || report.Users.Updated != 1 {
			t.Errorf("got %+v", report)
		}
		wantSteps(t, seen, "read user 200", "update user 200", "read user 200", "update user 200")
		p.same()
		p.job.Restart()
		seen.steps()
		p.clean()
		if got := seen.sent("update user"); len(got) > 0 {
			t.Errorf("an initial cycle sent %s", got)
		}
	})
	t.Run("CreateActiveAsText", func(t *testing.T) {
		p, _, seen := watched(t, build{job: JobOptions{Unverified: Unverified{CreateActiveAsText: true}}})
		p.clean()
		if got := seen.sent("create user")[0]; !strings.Contains(got, `"active":"True"`) {
			t.Errorf("sent %s", got)
		}
		p.same()
	})
	t.Run("ExternalIDFromObjectID", func(t *testing.T) {
		p, o, seen := watched(t, build{job: JobOptions{ExternalIDFromObjectID: true}})
		p.clean()
		if got := seen.sent("create user")[1]; !strings.Contains(got, `"externalId":"`+o.ada+`"`) {
			t.Errorf("sent %s", got)
		}
		p.same()
	})
	t.Run("Unmapped", func(t *testing.T) {
		p, o, seen := watched(t, build{job: JobOptions{Unmapped: []string{"active", "title", manager, workPhone, department}}})
		p.clean()
		for _, body := range seen.sent("create user") {
			for _, name := range []string{"active", "title", "phone", "department"} {
				if strings.Contains(body, name) {
					t.Errorf("sent %s", body)
				}
			}
		}
		if got := seen.sent("set manager"); len(got) > 0 {
			t.Errorf("sent %s", got)
		}
		p.same()
		seen.steps()
		// DELETE takes the place of disabling, and POST of restoring.
		must(t, o.SetEnabled(o.ada, false))
		p.clean()
		wantSteps(t, seen, "read user 200", "delete user 204")
		p.same()
		seen.steps()
		must(t, o.SetEnabled(o.ada, true))
		p.clean()
		wantSteps(t, seen, "look up user 200", "create user 201", "read group 200", "add member 204")
		p.same()
	})
	t.Run("SkipOutOfScopeDeletions", func(t *testing.T) {
		p, o, seen := watched(t, build{job: JobOptions{SkipOutOfScopeDeletions: true}})
		p.clean()
		seen.steps()
		must(t, o.Unassign(o.grace), o.Unassign(o.staff), o.UpdateUser(o.grace, func(u *directory.User) { u.JobTitle = "Admiral" }))
		must(t, o.AddMember(o.staff, o.grace), o.SetEnabled(o.noor, false))
		p.clean()
		wantSteps(t, seen, "read user 200", "update user 200") // Noor, who is blocked from signing in
		p.same()
		seen.steps()
		must(t, o.SoftDelete(o.grace), o.Purge(o.grace), o.DeleteGroup(o.staff))
		p.clean()
		wantSteps(t, seen, "read user 200", "read user 200") // of those who lost their manager
		p.same()
		if p.backend.Users() != 3 || p.backend.Groups() != 1 {
			t.Errorf("got %d users and %d groups", p.backend.Users(), p.backend.Groups())
		}
	})
	t.Run("MemberRefNull, LegacyGroupSchema, ReplaceMissing", func(t *testing.T) {
		p, o, seen := watched(t, build{rules: "all,missing-target", client: Options{MemberRefNull: true, LegacyGroupSchema: true, ReplaceMissing: true}})
		p.clean()
		must(t, o.UpdateUser(o.ada, func(u *directory.User) { u.Mobile = "+1 555 0102" }), o.RemoveMember(o.staff, o.ada))
		p.clean()
		for step, want := range map[string]string{
			"add member": `"value":[{"$ref":null,"value":"`, "remove member": `"value":[{"$ref":null,"value":"`,
			"create group": legacyGroupSchema, "update user": `{"op":"Replace","path":"phoneNumbers[type eq \"mobile\"].value"`,
			"set manager": `{"op":"Replace","path":"` + manager,
		} {
			if got := seen.sent(step); len(got) == 0 || !strings.Contains(got[0], want) {
				t.Errorf("%s: sent %s", step, got)
			}
		}
		if strings.Contains(seen.sent("create group")[0], "members") {
			t.Error("the sample creates groups without members")
		}
		p.same()
	})
}

// qualifyManager makes a filter of RFC 7644 of the query that Entra's
// documentation shows, which leaves out the schema of manager.
func qualifyManager(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "+and+manager+eq+", "+and+"+manager+".value+eq+", 1)
		next.ServeHTTP(w, r)
	})
}

func TestRetryAfter(t *testing.T) {
	for name, test := range map[string]struct {
		honour  bool
		value   string
		refusal int // calls that are refused
		wait    time.Duration
		failed  int
	}{
		"ignored":        {false, "7", 1, 0, 1},
		"honoured":       {true, "7", 1, 7 * time.Second, 0},
		"honoured once":  {true, "7", 2, 7 * time.Second, 1},
		"without number": {true, "soon", 1, 0, 1},
		"negative":       {true, "-1", 1, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, end := newClockwork(t, JobOptions{Parallel: 1, Unverified: Unverified{HonourRetryAfter: test.honour}})
				defer end()
				refused := 0
				c.fate = func(w http.ResponseWriter, r *http.Request) bool {
					if r.Method != http.MethodPost || refused == test.refusal {
						return false
					}
					refused++
					w.Header().Set("Retry-After", test.value)
					w.WriteHeader(http.StatusTooManyRequests)
					return true
				}
				report, err := c.job.Cycle(t.Context())
				if err != nil || report.Users.Failed != test.failed || time.Since(c.start) != test.wait {
					t.Errorf("got %v after %v, %+v", err, time.Since(c.start), report.Users)
				}
			})
		})
	}
}

func TestJobOptionsAreChecked(t *testing.T) {
	client := newAgreeableClient(t, newAgreeable())
	d := directory.New(1)
	for name, test := range map[string]struct {
		client  *Client
		options JobOptions
	}{
		"no client":           {nil, JobOptions{Directory: d}},
		"no directory":        {client, JobOptions{}},
		"negative":            {client, JobOptions{Directory: d, Parallel: -1}},
		"too many":            {client, JobOptions{Directory: d, Parallel: 65}},
		"unknown match":       {client, JobOptions{Directory: d, Matching: []string{"nickName"}}},
		"match not mapped":    {client, JobOptions{Directory: d, Matching: []string{"externalId"}, Unmapped: []string{"externalId"}}},
		"unknown attribute":   {client, JobOptions{Directory: d, Unmapped: []string{"nickName"}}},
		"without a name":      {client, JobOptions{Directory: d, Unmapped: []string{"userName"}}},
		"negative batches":    {client, JobOptions{Directory: d, Unverified: Unverified{MembersPerPatch: -1}}},
		"on demand by nobody": {client, JobOptions{Directory: d, Unmapped: []string{"externalId"}, Unverified: Unverified{OnDemandByExternalID: true}}},
	} {
		if job, err := NewJob(test.client, test.options); err == nil || job != nil || !strings.HasPrefix(err.Error(), "entra: ") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
