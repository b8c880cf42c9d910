package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"

	"example.com/entra-scim-proxy/lab/backend"
	"example.com/entra-scim-proxy/lab/directory"
	"example.com/entra-scim-proxy/lab/entra"
	"example.com/entra-scim-proxy/lab/stand"
)

// ledger is what Entra saw of each call, by its traceparent. It knows nothing of
// the job that made the calls.
type ledger struct {
	mu       sync.Mutex
	random   *rand.ChaCha8
	sent     map[string]booked
	failed   int
	statuses map[int]int
}

// booked is how a call ended for Entra.
type booked struct {
	method string
	step   string
	status int
	whole  bool // the answer came to its end
	digest [sha256.Size]byte
}

func newLedger(seed uint64) *ledger {
	var key [32]byte
	copy(key[:], fmt.Sprintf("traceparents %d", seed))
	return &ledger{random: rand.NewChaCha8(key), sent: map[string]booked{}, statuses: map[int]int{}}
}

// traceparent makes one (https://www.w3.org/TR/trace-context/#traceparent-header).
func (l *ledger) traceparent() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var id [24]byte
	_, _ = l.random.Read(id[:]) // never fails, by its documentation
	return "00-" + hex.EncodeToString(id[:16]) + "-" + hex.EncodeToString(id[16:]) + "-01"
}

func (l *ledger) book(call entra.Call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent[call.Traceparent] = booked{
		method: call.Method, step: call.Step, status: call.Status,
		whole: call.Answer != nil, digest: sha256.Sum256(call.Answer),
	}
	l.statuses[call.Status]++
	if !call.OK {
		l.failed++
	}
}

// account is what the ledger and the backend's audit log say together.
type account struct {
	// falsely are calls that Entra saw done and the backend did not do, or did
	// with another answer.
	falsely []string
	// twice are calls that were executed more often than Entra sent them, and
	// calls that Entra never sent.
	twice []string
	// deletes are those among them that the Functions host repeats.
	deletes int
}

// reconcile holds what Entra saw against what the backend executed.
func (l *ledger) reconcile(log []backend.AuditEntry) account {
	l.mu.Lock()
	defer l.mu.Unlock()
	executed := map[string][]backend.AuditEntry{}
	for _, entry := range log {
		executed[entry.Traceparent] = append(executed[entry.Traceparent], entry)
	}
	var a account
	for trace, call := range l.sent {
		// Entra takes a 404 for gone, or deleted, and a 409 for there already.
		counts := call.status/100 == 2 || call.status == http.StatusNotFound || call.status == http.StatusConflict
		if counts && !slices.ContainsFunc(executed[trace], call.agrees) {
			a.falsely = append(a.falsely, fmt.Sprintf("%s: %d for %s %s, of which the backend has %s",
				trace, call.status, call.method, call.step, inWords(executed[trace])))
		}
	}
	for trace, entries := range executed {
		call, known := l.sent[trace]
		writes := slices.DeleteFunc(slices.Clone(entries), func(e backend.AuditEntry) bool {
			return e.Method == http.MethodGet || e.Status == http.StatusUnauthorized // which changed nothing
		})
		switch {
		case !known:
			a.twice = append(a.twice, fmt.Sprintf("%s: Entra did not send %s", trace, inWords(entries)))
		case len(writes) > 1 && call.method == http.MethodDelete:
			a.deletes += len(writes) - 1
		case len(writes) > 1:
			a.twice = append(a.twice, fmt.Sprintf("%s: Entra sent one %s, the backend has %s", trace, call.method, inWords(writes)))
		}
	}
	slices.Sort(a.falsely)
	slices.Sort(a.twice)
	return a
}

// agrees reports whether an entry of the audit log is the call as Entra saw it.
// Of an answer that broke off, only the status is known.
func (c booked) agrees(e backend.AuditEntry) bool {
	return e.Method == c.method && e.Status == c.status && (!c.whole || e.Digest == c.digest)
}

func inWords(entries []backend.AuditEntry) string {
	if len(entries) == 0 {
		return "nothing"
	}
	var words []string
	for _, e := range entries {
		words = append(words, fmt.Sprintf("%s: %d", e.Method, e.Status))
	}
	return strings.Join(words, ", ")
}

// twins are names that two resources of the backend share.
func (w *world) twins() (found []string) {
	w.Helper()
	for path, names := range map[string][]string{"/Users": {"userName", "externalId"}, "/Groups": {"displayName", "externalId"}} {
		seen := map[string]bool{}
		for first, total := 1, 1; first <= total; {
			r := httptest.NewRequest(http.MethodGet, fmt.Sprintf("%s%s?excludedAttributes=members&startIndex=%d", w.profile.Backend.BasePath, path, first), http.NoBody)
			w.profile.Auth.Present(r, w.BackendToken())
			answer := httptest.NewRecorder()
			w.Backend().Strict().ServeHTTP(answer, r)
			var page struct {
				TotalResults int
				Resources    []map[string]any
			}
			if err := json.Unmarshal(answer.Body.Bytes(), &page); err != nil || answer.Code != http.StatusOK {
				w.Fatalf("list %s: %d, %v", path, answer.Code, err)
			}
			for _, resource := range page.Resources {
				for _, name := range names {
					value, _ := resource[name].(string)
					key := name + " " + strings.ToLower(value)
					if value != "" && seen[key] {
						found = append(found, path+": "+key)
					}
					seen[key] = true
				}
			}
			if total = page.TotalResults; len(page.Resources) == 0 {
				break
			}
			first += len(page.Resources)
		}
	}
	return found
}

// knownClasses are those that the runbook explains.
func (w *world) knownClasses() map[string]bool {
	w.Helper()
	text, err := os.ReadFile("../../docs/runbook.md")
	if err != nil {
		w.Fatal(err)
	}
	known := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\|[^|]*\\| `([a-z0-9_]+)`, (?:error|warn|info) \\|").FindAllSubmatch(text, -1) {
		known[string(row[1])] = true
	}
	if len(known) < 30 {
		w.Fatalf("the runbook has only %d classes that can be found", len(known))
	}
	return known
}

// wantClasses wants a class for each exchange that failed, one that the runbook
// knows and that is no fault of the proxy's own. It returns how often each came.
func (w *world) wantClasses() map[string]int {
	w.Helper()
	known, seen := w.knownClasses(), map[string]int{}
	for _, e := range w.log.exchanges() {
		if e.Class != "" {
			seen[e.Class]++
		} else if e.Status == 0 || e.Status >= http.StatusInternalServerError || e.Level == "warn" || e.Level == "error" {
			w.Errorf("an exchange that failed has no class: %+v", e)
		}
	}
	for class := range seen {
		if !known[class] {
			w.Errorf("docs/runbook.md does not know class %q", class)
		}
	}
	if seen["internal"] > 0 {
		w.Errorf("%d exchanges ended in a fault of the proxy's own", seen["internal"])
	}
	return seen
}

// wantNothingOfTheInside judges an answer that tells of a failure.
func (c *chaos) wantNothingOfTheInside(call entra.Call) {
	if call.Status < http.StatusBadRequest {
		return
	}
	text := string(call.Answer)
	for _, inside := range append(c.secrets, c.back.address, c.BackendAddress, stand.BackendName, "Lab Private CA", "x509", "vault") {
		if strings.Contains(text, inside) {
			c.Errorf("Entra reads %q in a %d: %s", inside, call.Status, text)
		}
	}
}

// wantNobodyInTheLog looks for some of the people and groups, by their names.
func (c *chaos) wantNobodyInTheLog(d *directory.Directory) {
	c.Helper()
	var names []string
	for _, id := range d.Users() {
		u, _ := d.User(id)
		names = append(names, u.DisplayName, u.MailNickname)
		if len(names) >= 60 {
			break
		}
	}
	for _, id := range d.Groups()[:10] {
		g, _ := d.Group(id)
		names = append(names, g.DisplayName)
	}
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	for _, line := range c.log.lines {
		for _, name := range names {
			if bytes.Contains(line, []byte(name)) {
				c.Errorf("the log names %q: %s", name, line)
			}
		}
	}
}

// tally prints counts in the order of their names.
func tally[K int | string](counts map[K]int) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%v %d", key, counts[key]))
	}
	return strings.Join(parts, ", ")
}
