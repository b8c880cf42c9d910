package e2e

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/entra-scim-proxy/lab/backend"
	"example.com/entra-scim-proxy/lab/directory"
	"example.com/entra-scim-proxy/lab/entra"
)

// What goes wrong for a while costs no change: what failed is told to Entra as a
// failure, and its next cycles bring it.
func TestTroublesCostNothingInTheEnd(t *testing.T) {
	for name, harm := range map[string]backend.Harm{
		"slow":                     backend.Slow(200 * time.Millisecond),
		"slow body":                backend.SlowBody(20, 200*time.Millisecond),
		"cut":                      backend.CutBody(20),
		"cut, in chunks":           backend.CutChunked(20),
		"reset":                    backend.Reset(),
		"reset after it was done":  backend.ResetAfter(),
		"connections closed early": backend.CloseIdle(0),
		"unauthorized":             backend.Unauthorized(),
		"forbidden":                backend.Refuse(http.StatusForbidden, "no"),
		"forbidden by a firewall":  backend.RefuseBare(http.StatusForbidden),
		"too many requests":        backend.TooMany(time.Second),
		"server error":             backend.Refuse(http.StatusInternalServerError, "no"),
		"unavailable":              backend.RefuseBare(http.StatusServiceUnavailable),
		"error page":               backend.ErrorPage(http.StatusBadGateway),
		"login page":               backend.LoginPage(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// A call that is refused may wait for another credential for as
			// long as it has; there will be none.
			w := newWorld(t, "strict", "BACKEND_TIMEOUT=2s")
			w.troubled = true
			d := w.people(directory.Options{Seed: 3, Users: 30, Groups: 4, Memberships: 60})
			writes := 0 // that failed
			job := w.job(w.client(true), d, func(o *entra.JobOptions) {
				o.Observe = func(call entra.Call) {
					if call.Method != http.MethodGet && !call.OK {
						writes++
					}
				}
			})
			// Not the probe: that would be quarantine, and nothing tried.
			if report, err := job.TestConnection(t.Context()); err != nil || !report.OK() {
				t.Fatalf("%+v, %v", report, err)
			}
			spell := w.Trouble.Begin(harm, backend.When{Next: 40, Share: 0.2, Seed: 7, Match: isNotProbe})
			for range 12 {
				// An error is the probe's, which connections that close spare no
				// more than the rest.
				report, err := job.Cycle(t.Context())
				if err == nil && spell.Hits() > 0 && len(report.Failures) == 0 {
					break
				}
			}
			if spell.Hits() == 0 {
				t.Error("nothing went wrong")
			}
			if harmless := strings.HasPrefix(name, "slow"); (writes == 0) != harmless {
				t.Errorf("%d writes failed", writes)
			}
			spell.End()
			job.Restart() // writes memberships anew that were lost after they were done
			w.cycle(job)
			w.differences(job, nil)
		})
	}
}

// isNotProbe is everything but the look-ups of a random GUID, which have it as a
// name.
func isNotProbe(r *http.Request) bool {
	filter := r.URL.Query().Get("filter")
	return !(r.Method == http.MethodGet && filter != "" && !strings.Contains(filter, "@contoso.com") && strings.Contains(r.URL.Path, "/Users")) &&
		!(r.Method == http.MethodGet && strings.HasPrefix(filter, "displayName") && strings.Count(filter, "-") == 4)
}

// A certificate that is not right ends in quarantine, with the reason in the
// log and not on the wire; the right one ends it.
func TestWrongCertificates(t *testing.T) {
	w := newWorld(t, "strict")
	w.troubled = true
	d, _ := one(t)
	job := w.job(w.client(true), d, nil)
	for kind, class := range map[backend.CertificateKind]string{
		backend.CertificateExpired:    "tls_expired",
		backend.CertificateTooEarly:   "tls_not_yet_valid",
		backend.CertificateWrongName:  "tls_wrong_name",
		backend.CertificateWrongCA:    "tls_unknown_authority",
		backend.CertificateSelfSigned: "tls_unknown_authority",
		backend.CertificateForClients: "tls_certificate",
	} {
		if err := w.Certificates.Present(kind); err != nil {
			t.Fatal(err)
		}
		closing := w.Trouble.Begin(backend.CloseIdle(0), backend.When{})
		_, _ = job.TestConnection(t.Context()) // may be the last on an old connection
		closing.End()
		before := len(w.log.exchanges())
		_, err := job.Cycle(t.Context())
		if err == nil {
			t.Errorf("%s: the cycle went well", kind)
			continue
		}
		if text := err.Error(); !strings.Contains(text, "502") || strings.Contains(text, "x509") || strings.Contains(text, w.BackendAddress) {
			t.Errorf("%s: Entra reads %v", kind, err)
		}
		if _, ok := job.Quarantine(); !ok {
			t.Errorf("%s: no quarantine", kind)
		}
		got := w.log.exchanges()[before:]
		if !slices.ContainsFunc(got, func(e exchange) bool { return e.Class == class }) {
			t.Errorf("%s: the log has %+v, want class %s", kind, got, class)
		}
	}
	if err := w.Certificates.Present(backend.CertificateRight); err != nil {
		t.Fatal(err)
	}
	w.cycle(job)
	if _, ok := job.Quarantine(); ok {
		t.Error("the quarantine goes on")
	}
	w.differences(job, nil)
}

// The host kills the handler in the middle of a cycle, and starts another one:
// the calls under way fail, and the next cycle makes up for it.
func TestCrashInTheMiddleOfACycle(t *testing.T) {
	w := newWorld(t, "strict")
	w.troubled = true
	d := w.people(directory.Options{Seed: 4, Users: 60, Groups: 4, Memberships: 90})
	var seen calls
	killed := make(chan error, 1)
	job := w.job(w.client(true), d, func(o *entra.JobOptions) {
		n := 0
		o.Observe = func(call entra.Call) {
			seen.observe(call)
			if n++; n == 100 {
				go func() { killed <- w.Host.Kill() }() // ends with the handler; received below
			}
		}
	})
	report, err := job.Cycle(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := <-killed; err != nil {
		t.Fatal(err)
	}
	t.Logf("%d of %d calls failed", len(report.Failures), len(seen.take()))
	for range 3 {
		if report, err = job.Cycle(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	w.wantClean(report)
	if w.Host.Starts() != 2 {
		t.Errorf("the handler was started %d times, want twice", w.Host.Starts())
	}
	w.differences(job, nil)
}
