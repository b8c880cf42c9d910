package backend

import (
	"crypto/sha256"
	"net/http"
	"slices"
	"sync"
	"time"
)

// AuditEntry is one call as the log of a product shows it to its
// administrator.
type AuditEntry struct {
	// Time is when the call arrived.
	Time time.Time
	// Method is the method of the request.
	Method string
	// Target is the path and, if there was one, the query, escaped as they
	// came.
	Target string
	// Status is that of the answer.
	Status int
	// Traceparent is the request's field of that name (W3C Trace Context);
	// empty means none.
	Traceparent string
	// Digest is that of the answer's body, an empty one included.
	Digest [sha256.Size]byte
}

// Audit returns the calls that Options.Audit keeps, the oldest first. Calls
// that were refused are among them, and so are the probes of Test Connection:
// administrators of LuxPlugins look for these to see that Entra came through
// (wiki-luxplugins.atlassian.net, page 1843101697).
func (b *Backend) Audit() []AuditEntry { return b.audit.entries() }

// audit keeps the latest calls.
type audit struct {
	size int

	mu    sync.Mutex
	ring  []AuditEntry
	first int // the oldest, once the ring is full
}

// note adds a call with its answer.
func (a *audit) note(began time.Time, r *http.Request, got encoded) {
	if a.size <= 0 {
		return // a digest costs something
	}
	a.add(AuditEntry{
		Time: began, Method: r.Method, Target: r.URL.RequestURI(), Status: got.status,
		Traceparent: r.Header.Get("Traceparent"), Digest: sha256.Sum256(got.data),
	})
}

func (a *audit) add(entry AuditEntry) {
	if a.size <= 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.ring) < a.size {
		a.ring = append(a.ring, entry)
		return
	}
	a.ring[a.first] = entry
	a.first = (a.first + 1) % a.size
}

func (a *audit) entries() []AuditEntry {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Concat(a.ring[a.first:], a.ring[:a.first])
}
