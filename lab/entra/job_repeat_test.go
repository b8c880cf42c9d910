package entra

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What the endpoint has already, Entra may add again, and that must succeed.
func TestMembersAreAddedAgain(t *testing.T) {
	p, o, seen := watched(t, build{job: JobOptions{Unverified: Unverified{RepeatMembers: true}}})
	p.clean()
	seen.steps()
	p.clean()
	wantSteps(t, seen, "read group 200", "add member 204", "add member 204")
	if idle := p.clean(); idle.Calls != 2 {
		t.Errorf("once is enough: got %q", seen.steps())
	}
	// Whoever leaves meanwhile is not added again; who comes back is, twice.
	must(t, o.AddMember(o.staff, o.grace))
	p.clean()
	must(t, o.RemoveMember(o.staff, o.grace))
	seen.steps()
	p.clean()
	wantSteps(t, seen, "read group 200", "remove member 204")
	must(t, o.AddMember(o.staff, o.grace))
	p.clean()
	p.clean()
	wantSteps(t, seen, "read group 200", "add member 204", "read group 200", "add member 204")
	p.same()
	// A group that is made anew is filled anew, twice.
	p.job.Restart()
	p.clean()
	p.direct(http.MethodDelete, "/Groups/"+p.job.groups[o.staff].id, "")
	p.clean()
	seen.steps()
	p.clean()
	wantSteps(t, seen, "read group 200", "add member 204", "add member 204", "add member 204")
}

// Who is moved to the recycle bin has another userName there, in both dialects,
// until they are restored.
func TestTheDeletedAreRenamed(t *testing.T) {
	for query, dialect := range map[string]struct{ away, back string }{
		"": {
			`[{"op":"Replace","path":"userName","value":"IDada@contoso.com"},{"op":"Replace","path":"active","value":"False"}]`,
			`[{"op":"Replace","path":"userName","value":"ada@contoso.com"},{"op":"Replace","path":"active","value":"True"}]`,
		},
		flag2020: {
			`[{"op":"replace","value":{"active":false,"userName":"IDada@contoso.com"}}]`,
			`[{"op":"replace","value":{"active":true,"userName":"ada@contoso.com"}}]`,
		},
	} {
		p, o, seen := watched(t, build{client: Options{TenantURL: query}, job: JobOptions{Unverified: Unverified{PrefixDeleted: true}}})
		p.clean()
		seen.steps()
		id := strings.ReplaceAll(o.ada, "-", "")
		for _, step := range []struct {
			do   func(string) error
			want string
		}{{o.SoftDelete, dialect.away}, {o.Restore, dialect.back}} {
			must(t, step.do(o.ada))
			p.clean()
			bodies := seen.sent("update user")
			want := []string{`{"schemas":["` + patchSchema + `"],"Operations":` + strings.Replace(step.want, "ID", id, 1) + "}"}
			if diff := cmp.Diff(want, bodies); diff != "" {
				t.Errorf("%q: updates (-want +got):\n%s", query, diff)
			}
			seen.steps()
			p.same()
		}
		must(t, o.SoftDelete(o.ada))
		p.clean()
		p.job.Restart() // looks at everybody, and finds nothing to do
		seen.steps()
		p.clean()
		if steps := seen.steps(); slices.Contains(steps, "update user 200") {
			t.Errorf("%q: got %q", query, steps)
		}
		// Who went out of scope first keeps the name.
		must(t, o.Unassign(o.noor), o.RemoveMember(o.staff, o.noor), o.SoftDelete(o.noor))
		p.clean()
		if steps := seen.sent("update user"); len(steps) != 1 || strings.Contains(steps[0], "userName") {
			t.Errorf("%q: got %q", query, steps)
		}
		p.same()
		seen.steps()
		must(t, o.Purge(o.ada))
		p.clean()
		wantSteps(t, seen, "read user 200", "delete user 204")
		p.same()
	}
}
