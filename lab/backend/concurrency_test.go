package backend

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
)

// TestConcurrentUse means something under the race detector. It also holds
// that no update is lost and that of two users with one name one is refused.
func TestConcurrentUse(t *testing.T) {
	l := newLab(t)
	l.create(t, "team", "/Groups", group(`"displayName":"Team"`))
	const workers, rounds = 8, 10
	var wg sync.WaitGroup
	var mu sync.Mutex
	statuses := map[int]int{}
	for worker := range workers {
		wg.Go(func() {
			for round := range rounds {
				shared := l.do(t, http.MethodPost, "/Users", user(fmt.Sprintf(`"userName":"shared%d@example.com"`, round)))
				mu.Lock()
				statuses[shared.status]++
				mu.Unlock()
				own := l.do(t, http.MethodPost, "/Users", user(fmt.Sprintf(`"userName":"u%d.%d@example.com"`, worker, round)))
				id := textOf(own.body["id"])
				add := l.do(t, http.MethodPatch, "/Groups/{team}", ops(fmt.Sprintf(`{"op":"add","path":"members","value":[{"value":%q}]}`, id)))
				get := l.do(t, http.MethodGet, "/Users/"+id, "")
				list := l.do(t, http.MethodGet, "/Groups?filter=members+pr", "")
				if add.status != 204 || get.status != 200 || len(listOf(get.body["groups"])) != 1 || list.status != 200 {
					t.Errorf("worker %d: %d %s, %d %s, %d", worker, add.status, add.raw, get.status, get.raw, list.status)
				}
				if round%2 == 1 {
					if got := l.do(t, http.MethodDelete, "/Users/"+id, ""); got.status != 204 {
						t.Errorf("worker %d: DELETE: %d", worker, got.status)
					}
				}
			}
		})
	}
	wg.Wait()
	if statuses[201] != rounds || statuses[409] != (workers-1)*rounds {
		t.Errorf("statuses of POSTs with a shared name: %v", statuses)
	}
	members := listOf(l.must(t, 200, http.MethodGet, "/Groups/{team}", "")["members"])
	if want := workers * rounds / 2; len(members) != want || l.backend.Users() != want+rounds {
		t.Errorf("%d members and %d users, want %d and %d", len(members), l.backend.Users(), want, want+rounds)
	}
}
