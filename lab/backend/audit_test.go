package backend

import (
	"crypto/sha256"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// TestAudit holds that every call is in the log, whatever became of it, and is
// there when the answer is.
func TestAudit(t *testing.T) {
	l := labOf(t, Options{Audit: 10})
	probe := "/Users?filter=userName+eq+%227d420df3-9995-4831-a406-ecf8166f5f6a%22"
	l.must(t, 200, http.MethodGet, probe, "")
	wrong := l.request(t, http.MethodDelete, "/Users/1%2f2", "")
	wrong.Header.Del("Authorization")
	l.send(t, wrong)
	refused := l.do(t, http.MethodPost, "/Users", "{}")
	elsewhere, err := http.NewRequestWithContext(t.Context(), http.MethodGet, l.server.URL+"/admin", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere.Header.Set("Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	l.send(t, elsewhere)
	want := []AuditEntry{
		{Method: "GET", Target: basePath + probe, Status: 200},
		{Method: "DELETE", Target: basePath + "/Users/1%2f2", Status: 401},
		{Method: "POST", Target: basePath + "/Users", Status: 400},
		{Method: "GET", Target: "/admin", Status: 404, Traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
	}
	if diff := cmp.Diff(want, l.backend.Audit(), cmpopts.IgnoreFields(AuditEntry{}, "Time", "Digest")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := l.backend.Audit()[2].Digest; got != sha256.Sum256([]byte(refused.raw)) {
		t.Errorf("the digest is not that of the answer %s", refused.raw)
	}
	handle(l.backend.WithToken("other"), http.MethodGet, "/Users", "")
	if got := l.backend.Audit(); len(got) != 5 || got[4].Status != 401 {
		t.Errorf("a view of the backend writes another log: %v", got)
	}
}

func TestAuditKeepsTheLatest(t *testing.T) {
	for size, want := range map[int]string{0: "", 1: "7", 3: "567", 7: "1234567", 9: "1234567"} {
		a := &audit{size: size}
		for i := range 7 {
			a.add(AuditEntry{Target: strconv.Itoa(i + 1)})
		}
		var got strings.Builder
		for _, entry := range a.entries() {
			got.WriteString(entry.Target)
		}
		if got.String() != want {
			t.Errorf("of %d entries: %s, want %s", size, got.String(), want)
		}
	}
}

func TestAuditTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, err := New(Options{Token: testToken, BasePath: basePath, Audit: 2})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		var trouble Trouble
		slow := trouble.Handler(b) // so that time passes before the call
		trouble.Begin(Slow(time.Minute), When{})
		serve(slow, http.MethodGet, "/Users")
		if got := b.Audit()[0].Time; !got.Equal(began.Add(time.Minute)) {
			t.Errorf("at %v, began %v", got, began)
		}
	})
}

func TestAuditConcurrently(t *testing.T) {
	a := &audit{size: 5}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				a.add(AuditEntry{Method: "GET"})
				if got := len(a.entries()); got > 5 {
					t.Errorf("%d entries", got)
				}
			}
		})
	}
	wg.Wait()
	if got := len(a.entries()); got != 5 {
		t.Errorf("%d entries", got)
	}
}
