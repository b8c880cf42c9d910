package entra

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/entra-scim-proxy/lab/directory"
)

// pipes is a listener without a network: each connection is a net.Pipe, so that
// a real server and a real client can live in a bubble of testing/synctest.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func newPipes() *pipes { return &pipes{make(chan net.Conn), make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.done); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-p.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// clockwork is an office provisioned over pipes: an agreeable endpoint behind a server.
type clockwork struct {
	office
	job       *Job
	agreeable *agreeable
	// fate, if it is set, answers instead of it.
	fate  func(w http.ResponseWriter, r *http.Request) bool
	start time.Time
	times []time.Duration // of the cycles of Run, from the start
	last  Report
}

// newClockwork must be called in a bubble; close ends all its goroutines.
func newClockwork(t *testing.T, options JobOptions) (c *clockwork, end func()) {
	t.Helper()
	c = &clockwork{office: newOffice(t), agreeable: newAgreeable(), start: time.Now()}
	line := newPipes()
	server := &http.Server{Handler: c, ReadHeaderTimeout: time.Hour}
	ended := make(chan error)
	go func() { ended <- server.Serve(line) }() // until end closes the server
	client := newJobClient(t, Options{TenantURL: "http://scim.example.com/scim", Token: jobToken})
	client.http.Transport.(*http.Transport).DialContext = line.dial
	options.Directory = c.Directory
	options.Reported = func(r Report, _ error) {
		c.times, c.last = append(c.times, time.Since(c.start)), r
	}
	var err error
	if c.job, err = NewJob(client, options); err != nil {
		t.Fatal(err)
	}
	return c, func() {
		client.Close()
		server.Close()
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}
}

func (c *clockwork) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if c.fate != nil && c.fate(w, r) {
		return
	}
	response, err := c.agreeable.RoundTrip(r)
	if err != nil {
		panic(err)
	}
	defer response.Body.Close()
	maps.Copy(w.Header(), response.Header)
	w.WriteHeader(response.StatusCode)
	_, _ = io.Copy(w, response.Body)
}

// run runs the job for a while.
func (c *clockwork) run(t *testing.T, limit time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	return c.job.Run(ctx)
}

const day = 24 * time.Hour

func TestRunMakesACycleEvery40Minutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, end := newClockwork(t, JobOptions{})
		defer end()
		if err := c.run(t, 2*time.Hour+time.Minute); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		want := []time.Duration{0, 40 * time.Minute, 80 * time.Minute, 120 * time.Minute}
		if diff := cmp.Diff(want, c.times); diff != "" {
			t.Errorf("times of cycles (-want +got):\n%s", diff)
		}
		if c.last.Initial || c.last.Calls != 2 {
			t.Errorf("the last cycle: got %+v", c.last)
		}
	})
}

// A cycle that takes longer is followed by the next one at once.
func TestRunAfterALongCycle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, end := newClockwork(t, JobOptions{Parallel: 1})
		defer end()
		posts := 0
		c.fate = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPost {
				if posts++; posts <= 60 {
					time.Sleep(59 * time.Second) // within Entra's patience
					w.WriteHeader(http.StatusServiceUnavailable)
					return true
				}
			}
			return false
		}
		for range 50 {
			id, err := c.CreateUser(directory.User{UserPrincipalName: c.ids(), AccountEnabled: true})
			must(t, err, c.Assign(id))
		}
		if err := c.run(t, 100*time.Minute); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		// 53 people and a group; what failed is tried again at once.
		want := []time.Duration{54 * 59 * time.Second, 60 * 59 * time.Second}
		if diff := cmp.Diff(want, c.times[:min(2, len(c.times))]); diff != "" {
			t.Errorf("ends of cycles (-want +got):\n%s", diff)
		}
	})
}

// ids makes a name that nobody has.
func (c *clockwork) ids() string { return "user" + string(rune('a'+len(c.Users()))) + "@contoso.com" }

// An endpoint that never answers costs Entra's 60 s, and quarantine.
func TestProbeTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, end := newClockwork(t, JobOptions{})
		c.fate = func(_ http.ResponseWriter, r *http.Request) bool {
			<-r.Context().Done()
			return true
		}
		report, err := c.job.Cycle(t.Context())
		if err == nil || report.Calls != 1 || time.Since(c.start) != 60*time.Second {
			t.Errorf("got %v after %v, %+v", err, time.Since(c.start), report)
		}
		if _, held := c.job.Quarantine(); !held {
			t.Error("no quarantine")
		}
		end()
	})
}

// In quarantine there are retries 6, 12 and 24 hours after the first failure,
// then one a day; after 28 days there are none.
func TestQuarantineSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, end := newClockwork(t, JobOptions{})
		defer end()
		c.fate = func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
		if err := c.run(t, 365*day); !errors.Is(err, ErrDisabled) {
			t.Errorf("got %v", err)
		}
		want := []time.Duration{0, 6 * time.Hour, 12 * time.Hour}
		for n := range 27 {
			want = append(want, time.Duration(n+1)*day)
		}
		if diff := cmp.Diff(want, c.times); diff != "" {
			t.Errorf("times of cycles (-want +got):\n%s", diff)
		}
		held, ok := c.job.Quarantine()
		if !ok || !held.Disabled || !held.Since.Equal(c.start) || held.Reason != "entra: probe users: want 200, got 401" {
			t.Errorf("got %v, %+v", ok, held)
		}
		if time.Since(c.start) != 28*day {
			t.Errorf("disabled after %v", time.Since(c.start))
		}
		if _, err := c.job.Cycle(t.Context()); !errors.Is(err, ErrDisabled) {
			t.Errorf("a cycle of a disabled job: got %v", err)
		}
		// Somebody mends it, and restarts provisioning.
		c.fate = nil
		c.job.Restart()
		if report, err := c.job.Cycle(t.Context()); err != nil || !report.Initial || report.Users.Created != 3 {
			t.Errorf("after a restart: got %v, %+v", err, report)
		}
	})
}

// The first retry that goes well ends quarantine.
func TestQuarantineEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, end := newClockwork(t, JobOptions{})
		defer end()
		c.fate = func(w http.ResponseWriter, _ *http.Request) bool {
			if time.Since(c.start) < 7*time.Hour {
				w.WriteHeader(http.StatusForbidden)
				return true
			}
			return false
		}
		_ = c.run(t, 13*time.Hour)
		want := []time.Duration{0, 6 * time.Hour, 12 * time.Hour, 12*time.Hour + 40*time.Minute}
		if diff := cmp.Diff(want, c.times); diff != "" {
			t.Errorf("times of cycles (-want +got):\n%s", diff)
		}
		if held, ok := c.job.Quarantine(); ok {
			t.Errorf("still %+v", held)
		}
	})
}

func TestThresholds(t *testing.T) {
	for _, test := range []struct {
		users, groups, references, fine int
		want                            string
	}{
		{4_999, 0, 0, 0, ""}, // of everybody
		{5_000, 0, 0, 0, "5000 of 5000 objects failed"},
		{4_999, 1, 0, 0, "5000 of 5000 objects failed"},
		{30_000, 0, 0, 5_000, "30000 of 35000 objects failed"},
		{20_000, 0, 0, 100_000, ""},
		{20_000, 0, 0, 30_000, ""}, // not more than 40 %
		{20_001, 0, 0, 30_000, "20001 of 50001 objects failed"},
		{40_000, 0, 0, 1_000_000, ""},
		{40_001, 0, 0, 1_000_000, "40001 failures"},
		{40_000, 0, 20_000, 1_000_000, ""},
		{40_000, 0, 21_000, 1_000_000, "61000 failures, references among them"},
		{0, 0, 60_000, 0, ""},
		{0, 0, 60_001, 0, "60001 failures, references among them"},
	} {
		r := Report{Users: Counts{Failed: test.users, Unchanged: test.fine}, Groups: Counts{Failed: test.groups}, ReferencesFailed: test.references}
		if got := tooManyFailures(r); got != test.want {
			t.Errorf("%+v: got %q, want %q", test, got, test.want)
		}
	}
}

// A job whose objects fail, most of them, goes into quarantine although the
// probes go well.
func TestTooManyFailuresMeanQuarantine(t *testing.T) {
	d := directory.New(1)
	var ids []string
	for n := range fewFailures {
		id, err := d.CreateUser(directory.User{UserPrincipalName: fmt.Sprintf("user%d@contoso.com", n), AccountEnabled: true})
		must(t, err, d.Assign(id))
		ids = append(ids, id)
	}
	s := newAgreeable()
	s.answer = func(r *http.Request) *http.Response {
		if strings.Contains(r.URL.RawQuery, "contoso") {
			return problem(http.StatusInternalServerError)
		}
		return nil
	}
	job, err := NewJob(newAgreeableClient(t, s), JobOptions{Directory: d, UsersOnly: true, Unmapped: []string{manager}})
	if err != nil {
		t.Fatal(err)
	}
	report, err := job.Cycle(t.Context())
	if held, ok := job.Quarantine(); err != nil || !ok || held.Reason != "5000 of 5000 objects failed" || report.Users.Failed != fewFailures {
		t.Errorf("got %v, %v, %+v", err, ok, held)
	}
	// Most are not wanted any more; the others go well.
	s.answer = nil
	for _, id := range ids[9:] {
		must(t, d.Unassign(id))
	}
	if report, err := job.Cycle(t.Context()); err != nil || report.Users.Created != 9 || report.Users.Failed > 0 {
		t.Errorf("the retry: got %v, %+v", err, report.Users)
	}
	if held, ok := job.Quarantine(); ok {
		t.Errorf("still %+v", held)
	}
}

// An interrupted cycle is no reason for quarantine, and comes again in full.
func TestInterruptedCycle(t *testing.T) {
	for _, at := range []int{1, 3, 9} {
		ctx, cancel := context.WithCancel(t.Context())
		s := newAgreeable()
		s.answer = func(*http.Request) *http.Response {
			if len(s.calls) == at {
				cancel()
			}
			return nil
		}
		o := newOffice(t)
		job, err := NewJob(newAgreeableClient(t, s), JobOptions{Directory: o.Directory, Parallel: 1})
		if err != nil {
			t.Fatal(err)
		}
		if report, err := job.Cycle(ctx); !errors.Is(err, context.Canceled) || report.Users.Failed > 0 {
			t.Errorf("after %d calls: got %v, %+v", at, err, report)
		}
		if _, held := job.Quarantine(); held {
			t.Errorf("after %d calls: quarantine", at)
		}
		if report, err := job.Cycle(t.Context()); err != nil || !report.Initial || len(report.Failures) > 0 {
			t.Errorf("the next: got %v, %+v", err, report)
		}
		if s.made != 4 {
			t.Errorf("after %d calls: got %d resources in the end", at, s.made)
		}
		if _, err := job.Cycle(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	}
}
