package entra

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/entra-scim-proxy/lab/directory"
)

// A cycle that is interrupted anywhere leaves nothing behind that a clean-up
// with a fresh context does not find.
func TestCleanUpAfterInterruption(t *testing.T) {
	for _, at := range []int64{3, 9, 20, 33, 47} {
		p := newPlant(t, build{size: directory.Options{Seed: 3, Users: 10, Groups: 2, Memberships: 9}, job: JobOptions{Parallel: 1}})
		p.direct(http.MethodPost, "/Users", `{"schemas":["`+userSchema+`"],"userName":"somebody@contoso.com"}`)
		ctx, cancel := context.WithCancel(t.Context())
		var n atomic.Int64
		p.set(&p.front, func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				next.ServeHTTP(w, r.WithContext(context.WithoutCancel(r.Context()))) // the backend does not notice
				if n.Add(1) == at {
					cancel()
					panic(http.ErrAbortHandler)
				}
			})
		})
		if _, err := p.job.Cycle(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("after %d calls: got %v", at, err)
		}
		p.set(&p.front, nil)
		had := p.backend.Users() + p.backend.Groups() - 1
		deleted, left, err := p.job.CleanUp(t.Context())
		if err != nil || len(left) > 0 || deleted != had {
			t.Errorf("after %d calls: got %d of %d deleted, left %v, %v", at, deleted, had, left, err)
		}
		if p.backend.Users() != 1 || p.backend.Groups() != 0 {
			t.Errorf("after %d calls: %d users and %d groups are left", at, p.backend.Users(), p.backend.Groups())
		}
		// The job can begin anew.
		p.clean()
		p.same()
	}
}

// A POST that is under way when somebody interrupts may be carried out long
// after: nobody would know of what it created.
func TestInterruptionWaitsForWhatIsBeingCreated(t *testing.T) {
	p := newPlant(t, build{size: directory.Options{Seed: 3, Users: 6}, job: JobOptions{Parallel: 3}})
	ctx, cancel := context.WithCancel(t.Context())
	var n atomic.Int64
	var slow sync.WaitGroup
	p.set(&p.front, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost && n.Add(1) <= 3 {
				slow.Add(1)
				defer slow.Done()
				cancel()
				time.Sleep(300 * time.Millisecond)
			}
			next.ServeHTTP(w, r.WithContext(context.WithoutCancel(r.Context())))
		})
	})
	if _, err := p.job.Cycle(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	_, left, err := p.job.CleanUp(t.Context())
	slow.Wait()
	if err != nil || len(left) > 0 || n.Load() == 0 || p.backend.Users() > 0 {
		t.Errorf("%v; left %v; %d users after %d POSTs", err, left, p.backend.Users(), n.Load())
	}
}

// What could not be deleted is told of, and another clean-up goes on.
func TestCleanUpTellsWhatIsLeft(t *testing.T) {
	p, o, seen := watched(t, build{})
	p.clean()
	ids := map[string]string{"ada": p.job.users[o.ada].id, "staff": p.job.groups[o.staff].id}
	p.set(&p.front, tampering(func(r *http.Request) bool {
		return r.Method == http.MethodDelete && (strings.HasSuffix(r.URL.Path, ids["ada"]) || strings.HasSuffix(r.URL.Path, ids["staff"]))
	}, toStatus(http.StatusForbidden)))
	seen.steps()
	deleted, left, err := p.job.CleanUp(t.Context())
	want := []Leftover{
		{"group", "Staff", ids["staff"], "want 204, got 403"}, {"user", "ada@contoso.com", ids["ada"], "want 204, got 403"},
	}
	if diff := cmp.Diff(want, left); diff != "" || deleted != 2 || err != nil {
		t.Errorf("got %d deleted, %v; left (-want +got):\n%s", deleted, err, diff)
	}
	wantSteps(t, seen, "clean up group 403", "clean up user 403", "clean up user 204", "clean up user 204")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := p.job.CleanUp(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	p.set(&p.front, nil)
	if deleted, left, err := p.job.CleanUp(t.Context()); deleted != 2 || len(left) > 0 || err != nil {
		t.Errorf("at last: got %d, %v, %v", deleted, left, err)
	}
	if deleted, left, err := p.job.CleanUp(t.Context()); deleted+len(left) != 0 || err != nil {
		t.Errorf("with nothing to do: got %d, %v, %v", deleted, left, err)
	}
}

// Of a POST whose answer was lost nobody knows whether it was done, if the
// look-up fails as well.
func TestCleanUpCannotLookForWhatWasLost(t *testing.T) {
	p, _, _ := watched(t, build{})
	p.set(&p.front, tampering(posts("/Groups"), toStatus(http.StatusServiceUnavailable)))
	p.cycle()
	p.set(&p.front, tampering(lookUps("/Groups"), toStatus(http.StatusServiceUnavailable)))
	deleted, left, err := p.job.CleanUp(t.Context())
	if diff := cmp.Diff([]Leftover{{"group", "Staff", "", "want 200, got 503"}}, left); diff != "" || deleted != 3 || err != nil {
		t.Errorf("got %d deleted, %v; left (-want +got):\n%s", deleted, err, diff)
	}
	p.set(&p.front, nil)
	if deleted, left, err := p.job.CleanUp(t.Context()); deleted != 1 || len(left) > 0 || err != nil || p.backend.Groups() != 0 {
		t.Errorf("at last: got %d, %v, %v", deleted, left, err)
	}
}
