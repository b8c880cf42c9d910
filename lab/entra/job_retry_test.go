package entra

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A restart keeps links and writes memberships anew; a reset breaks links.
func TestRestart(t *testing.T) {
	p, o, seen := watched(t, build{})
	p.clean()
	// The backend lost a membership, which Entra does not notice.
	p.direct(http.MethodPatch, "/Groups/"+p.job.groups[o.staff].id, `{"schemas":["`+patchSchema+`"],"Operations":[{"op":"remove","path":"members"}]}`)
	must(t, o.RemoveMember(o.staff, o.noor))
	p.set(&p.front, tampering(patches("/Groups"), toStatus(http.StatusServiceUnavailable)))
	p.cycle() // fails to take Noor out
	p.set(&p.front, nil)
	p.job.Restart()
	seen.steps()
	if report := p.clean(); !report.Initial || report.Users.Unchanged != 3 || report.MembersAdded != 1 || report.MembersRemoved != 1 {
		t.Errorf("after a restart: got %+v", report)
	}
	wantSteps(t, seen, "read user 200", "read user 200", "read user 200", "read group 200", "read user 200", "read user 200",
		"add member 204", "remove member 204")
	p.same()

	p.job.Reset()
	seen.steps()
	if report := p.clean(); !report.Initial || report.Users.Linked != 3 || report.Groups.Linked != 1 {
		t.Errorf("after a reset: got %+v", report)
	}
	wantSteps(t, seen, "look up user 200", "look up user 200", "look up user 200", "look up group 200", "read user 200", "read user 200",
		"add member 204")
	if deleted, left, err := p.job.CleanUp(t.Context()); deleted != 4 || len(left) > 0 || err != nil {
		t.Errorf("clean-up after a reset: got %d, %v, %v", deleted, left, err)
	}
}

// What fails is tried again in each following cycle, or ever more rarely.
func TestFailuresAreTriedAgain(t *testing.T) {
	for name, test := range map[string]struct {
		backOff bool
		want    []int // cycles that try
	}{
		"every cycle": {false, []int{1, 2, 3, 4, 5, 6, 7, 8, 9}},
		"back-off":    {true, []int{1, 2, 4, 8}},
	} {
		t.Run(name, func(t *testing.T) {
			p, o, seen := watched(t, build{job: JobOptions{Unverified: Unverified{BackOff: test.backOff}}})
			p.set(&p.front, tampering(posts("/Groups"), toStatus(http.StatusServiceUnavailable)))
			var tried []int
			for cycle := 1; cycle <= 9; cycle++ {
				seen.steps()
				report := p.cycle()
				if slices.ContainsFunc(seen.list, func(c Call) bool { return strings.Contains(c.Step, "create group") || c.Step == "look up group" }) {
					tried = append(tried, cycle)
					if cycle == 1 {
						wantFailure := []Failure{{Object: "Staff", Step: "create group", Reason: "want 201, got 503"}}
						if diff := cmp.Diff(wantFailure, report.Failures); diff != "" || report.Groups.Failed != 1 {
							t.Errorf("failures (-want +got):\n%s", diff)
						}
						p.set(&p.front, tampering(lookUpsOf("Staff"), toStatus(http.StatusServiceUnavailable)))
					}
				}
				// That it changes is no reason to hurry.
				must(t, o.RenameGroup(o.staff, fmt.Sprint("Staff ", cycle)))
			}
			if diff := cmp.Diff(test.want, tried); diff != "" {
				t.Errorf("cycles that tried (-want +got):\n%s", diff)
			}
			p.set(&p.front, nil)
			for range 8 {
				p.clean()
			}
			p.same()
		})
	}
}

// However often cycles are interrupted, the next one writes the references: to be
// cut off is no failure to back off from.
func TestInterruptedReferences(t *testing.T) {
	p, _, seen := watched(t, build{job: JobOptions{Unverified: Unverified{BackOff: true}}})
	for range 5 {
		ctx, cancel := context.WithCancel(t.Context())
		p.set(&p.front, func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPatch {
					cancel()
					panic(http.ErrAbortHandler)
				}
				next.ServeHTTP(w, r)
			})
		})
		if _, err := p.job.Cycle(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	}
	p.set(&p.front, nil)
	seen.steps()
	if report := p.clean(); report.ManagersSet != 2 || report.MembersAdded != 2 {
		t.Errorf("got %+v, %q", report, seen.steps())
	}
	p.same()
}

// References wait, too, and longer each time.
func TestReferencesBackOff(t *testing.T) {
	p, _, seen := watched(t, build{job: JobOptions{Unverified: Unverified{BackOff: true}}})
	p.set(&p.front, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPatch {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	tried := map[string][]int{}
	for cycle := 1; cycle <= 9; cycle++ {
		seen.steps()
		p.cycle()
		for _, step := range []string{"set manager", "add member"} {
			if len(seen.sent(step)) > 0 {
				tried[step] = append(tried[step], cycle)
			}
		}
	}
	if diff := cmp.Diff(map[string][]int{"set manager": {1, 2, 4, 8}, "add member": {1, 2, 4, 8}}, tried); diff != "" {
		t.Errorf("cycles that tried (-want +got):\n%s", diff)
	}
}

func lookUpsOf(name string) func(*http.Request) bool {
	return func(r *http.Request) bool { return strings.Contains(r.URL.Query().Get("filter"), `"`+name) }
}

// A POST whose answer is lost is found by the next cycle, which takes the
// resource for its own.
func TestLostAnswerToPost(t *testing.T) {
	p, _, seen := watched(t, build{})
	lost := 0
	p.set(&p.front, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost && lost < 2 {
				lost++
				next.ServeHTTP(discard{w.Header().Clone()}, r)
				panic(http.ErrAbortHandler)
			}
			next.ServeHTTP(w, r)
		})
	})
	if report := p.cycle(); report.Users.Failed != 2 || p.backend.Users() != 3 {
		t.Errorf("got %+v", report)
	}
	if report := p.clean(); report.Users.Linked != 2 || p.backend.Users() != 3 {
		t.Errorf("got %+v", report)
	}
	p.same()
	seen.steps()
	if deleted, left, err := p.job.CleanUp(context.Background()); deleted != 4 || len(left) > 0 || err != nil {
		t.Errorf("clean-up: got %d, %v, %v", deleted, left, err)
	}
	if p.backend.Users()+p.backend.Groups() > 0 {
		t.Error("something was left")
	}
}

// discard is a ResponseWriter that nobody reads.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}
