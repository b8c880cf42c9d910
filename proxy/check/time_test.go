package check_test

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.com/entra-scim-proxy/lab/backend"
	"example.com/entra-scim-proxy/lab/pki"
	"example.com/entra-scim-proxy/proxy/check"
	"example.com/entra-scim-proxy/proxy/token"
)

// dead is how long what is dead takes: longer than anybody waits.
const dead = time.Hour

// delays are how long each part of the way takes to answer.
type delays struct{ identity, vault, secrets, lookup, dial, handshake, answer time.Duration }

// network is a backend of the lab's that is reached in memory, so that time can
// stand still.
type network struct {
	delays
	// deaf tells that nobody heeds a context.
	deaf  bool
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

// wait waits as long as something takes.
func (n *network) wait(ctx context.Context, d time.Duration) error {
	if n.deaf {
		time.Sleep(d)
		return nil
	}
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (n *network) lookupHost(ctx context.Context, _ string) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr("192.0.2.1")}, n.wait(ctx, n.lookup)
}

func (n *network) connect(ctx context.Context, network, _ string) (net.Conn, error) {
	if err := n.wait(ctx, n.dial); err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	here, there := net.Pipe()
	select {
	case n.conns <- there:
		return here, nil
	case <-n.done:
		return nil, net.ErrClosed
	}
}

func (n *network) Accept() (net.Conn, error) {
	select {
	case conn := <-n.conns:
		return conn, nil
	case <-n.done:
		return nil, net.ErrClosed
	}
}

func (n *network) Close() error {
	n.once.Do(func() { close(n.done) })
	return nil
}

func (n *network) Addr() net.Addr { return &net.UnixAddr{Net: "memory"} }

// inMemory is a world without sockets. It is served until close.
func inMemory(t *testing.T, with delays) (w *world, n *network, finish func()) {
	t.Helper()
	n = &network{delays: with, conns: make(chan net.Conn), done: make(chan struct{})}
	w = &world{trouble: &backend.Trouble{}}
	var err error
	if w.authority, err = pki.New("Contoso Private Root"); err != nil {
		t.Fatal(err)
	}
	certificate, err := w.authority.Certificate(pki.Leaf{Names: []string{backendName}})
	if err != nil {
		t.Fatal(err)
	}
	if w.backend, err = backend.New(backend.Options{Token: backendToken, BasePath: basePath, PublicURL: publicURL + "/scim"}); err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ErrorLog: log.New(io.Discard, "", 0), Handler: w.trouble.Handler(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if n.wait(r.Context(), n.answer) == nil {
			w.serve(rw, r)
		}
	}))}
	secured := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		time.Sleep(n.handshake)
		return &certificate, nil
	}}
	go func() { _ = server.Serve(tls.NewListener(n, secured)) }() // ends with finish
	w.Options = w.options(t, "https://scim.corp.example.com"+basePath)
	w.Lookup, w.Dial = n.lookupHost, n.connect
	for i, secret := range w.Secrets {
		w.Secrets[i].InVault = true
		w.Secrets[i].Read = func(ctx context.Context) (token.Credentials, error) {
			if err := n.wait(ctx, n.secrets); err != nil {
				return nil, err
			}
			return secret.Read(ctx)
		}
	}
	w.Vault = &check.Vault{
		Identity: func(ctx context.Context) (string, error) { return "", n.wait(ctx, n.identity) },
		Reach:    func(ctx context.Context) error { return n.wait(ctx, n.vault) },
	}
	return w, n, func() {
		_ = server.Close()
		time.Sleep(2 * dead) // whoever is deaf has to end in the bubble
	}
}

// took runs the check and returns how long it took.
func took(t *testing.T, options check.Options) (check.Report, time.Duration) {
	t.Helper()
	started := time.Now()
	report := check.Run(t.Context(), options, nil)
	return report, time.Since(started)
}

func TestNothingWaitsWithoutNeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _, finish := inMemory(t, delays{})
		defer finish()
		if report, d := took(t, w.Options); report.Result != check.Pass || d > 100*time.Millisecond {
			t.Errorf("%s after %v: %+v", report.Result, d, report)
		}
	})
}

// What can be asked side by side is.
func TestNothingWaitsInLine(t *testing.T) {
	const each = 500 * time.Millisecond
	longer := map[string]time.Duration{
		"identity": 2 * each, "vault": 2 * each, "settings": 0, "dns": 2 * each, "tcp": 0, "tls": 0, "secret BACKEND_CA": each, "recommendation": 0,
		"content type": 2 * each, // whether there is an error, then what it is like
		"list":         3 * each, // the first group has no members
		"proxy users":  3 * each, // the proxy of these tests reads both tokens anew
		"proxy groups": 3 * each,
	}
	synctest.Test(t, func(t *testing.T) {
		w, _, finish := inMemory(t, delays{identity: 2 * each, vault: 2 * each, secrets: each, lookup: 2 * each, answer: each})
		defer finish()
		populate(t, w.backend)
		report, d := took(t, w.Options)
		for _, result := range report.Steps {
			expected, ok := longer[result.Step]
			if !ok {
				expected = each
			}
			if result.Status == check.Fail || result.Status == check.Skip || result.Took.Round(each/5) != expected {
				t.Errorf("%s after %v, want %v: %+v", result.Step, result.Took, expected, result.Finding)
			}
		}
		// The vault, the secrets, credential, users, list, and what needs that.
		if d.Round(each/5) != (2+1+1+1+3+1)*each {
			t.Errorf("%v", d)
		}
	})
}

// Each part of the way dead, or as slow as it may be, beside others that are.
func TestTheCheckEndsInTime(t *testing.T) {
	draw := rand.New(rand.NewPCG(8, 8))
	slow := func(limit time.Duration) time.Duration {
		return []time.Duration{0, limit - time.Millisecond, limit / 2, dead}[draw.IntN(4)]
	}
	all := []delays{
		{}, {identity: dead}, {vault: dead}, {secrets: dead}, {lookup: dead}, {dial: dead}, {handshake: dead}, {answer: dead},
		{dead, dead, dead, dead, dead, dead, dead},
		{4*time.Second - 1, 4*time.Second - 1, 5*time.Second - 1, 3*time.Second - 1, 3*time.Second - 1, 3*time.Second - 1, 4*time.Second - 1},
		{0, 0, 0, 0, 0, 0, 4*time.Second - 1},
	}
	for range 40 {
		all = append(all, delays{
			slow(4 * time.Second), slow(4 * time.Second), slow(5 * time.Second), slow(3 * time.Second),
			slow(3 * time.Second), slow(3 * time.Second), slow(4 * time.Second),
		})
	}
	for _, with := range all {
		for _, deaf := range []bool{false, true} {
			for _, write := range []bool{false, true} {
				synctest.Test(t, func(t *testing.T) {
					w, n, finish := inMemory(t, with)
					defer finish()
					n.deaf, w.Write = deaf, write
					report, d := took(t, w.Options)
					if d >= check.Limit {
						t.Errorf("%+v, deaf %v, write %v: it took %v", with, deaf, write, d)
					}
					isDead := with.identity == dead || with.vault == dead || with.secrets == dead || with.lookup == dead || with.dial == dead || with.handshake == dead || with.answer == dead
					if isDead && report.Result != check.Fail {
						t.Errorf("%+v, deaf %v, write %v: %s", with, deaf, write, report.Result)
					}
				})
			}
		}
	}
}

// A backend that is never silent, and never done.
func TestTheCheckEndsInTimeThoughAnswersTrickle(t *testing.T) {
	for _, write := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w, _, finish := inMemory(t, delays{})
			defer finish()
			w.trouble.Begin(backend.Instead("trickle", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				for r.Context().Err() == nil {
					_, _ = io.WriteString(rw, " ")
					_ = http.NewResponseController(rw).Flush()
					time.Sleep(time.Second)
				}
			})), backend.When{Match: func(r *http.Request) bool { return r.Method != http.MethodGet || r.URL.Path != basePath+"/Users" }})
			w.Write = write
			report, d := took(t, w.Options)
			if d >= check.Limit || finding(t, report, "groups").Class != "timeout" {
				t.Errorf("write %v: %+v after %v", write, finding(t, report, "groups"), d)
			}
		})
	}
}

// What a run has no time for is no fault of a backend that is slow, and not dead.
func TestASlowBackendFailsNothing(t *testing.T) {
	for _, ms := range []int{100, 250, 300, 350, 400, 600, 1000} {
		synctest.Test(t, func(t *testing.T) {
			w, _, finish := inMemory(t, delays{answer: time.Duration(ms) * time.Millisecond})
			defer finish()
			w.Write, w.Rules = true, rules(t, "all,missing-target")
			report := w.run(t)
			for _, result := range report.Steps {
				if result.Status == check.Fail {
					t.Errorf("%d ms: %+v", ms, result)
				}
			}
			if report.Result != check.Pass {
				t.Errorf("%d ms: %s", ms, report.Result)
			}
			want{status: check.Pass, found: "NORMALIZE=all,missing-target, as it is"}.check(t, report, "recommendation")
			if got := finding(t, report, "recommendation"); (ms > 200) != strings.Contains(got.Found, "not all shapes") {
				t.Errorf("%d ms: %+v", ms, got)
			}
		})
	}
}

// Nor is it passed: all that is slow may add up to a run that never comes through
// the proxy.
func TestARunThatComesNowhereHasNotPassed(t *testing.T) {
	for each := 2 * time.Second; each < 3*time.Second; each += 50 * time.Millisecond {
		synctest.Test(t, func(t *testing.T) {
			w, _, finish := inMemory(t, delays{identity: 3900 * time.Millisecond, secrets: 3900 * time.Millisecond, answer: each})
			defer finish()
			report, _ := took(t, w.Options)
			if got := finding(t, report, "proxy users"); report.Result != check.Fail || got.Status != check.Skip {
				t.Errorf("%v: %s, %+v", each, report.Result, got)
			}
		})
	}
}

func TestARunThatIsEndedFindsNothing(t *testing.T) {
	for at := 50 * time.Millisecond; at < 6*time.Second; at += 100 * time.Millisecond {
		synctest.Test(t, func(t *testing.T) {
			const each = 300 * time.Millisecond
			w, _, finish := inMemory(t, delays{identity: each, secrets: each, lookup: each, dial: each, handshake: each, answer: each})
			defer finish()
			w.Write, w.Rules = true, rules(t, "all,missing-target")
			ctx, end := context.WithCancel(t.Context())
			time.AfterFunc(at, end)
			report := check.Run(ctx, w.Options, nil)
			if report.Result != check.Fail || report.Took > at+4*time.Second {
				t.Errorf("%v: %s after %v", at, report.Result, report.Took)
			}
			for _, result := range report.Steps {
				if result.Status == check.Fail {
					t.Errorf("%v: %+v", at, result)
				}
			}
			if w.backend.Users() > 0 || w.backend.Groups() > 0 {
				t.Errorf("%v: %d users and %d groups are left", at, w.backend.Users(), w.backend.Groups())
			}
		})
	}
}

// What there was no time to try may be what the rules that are on repair.
func TestShapesThatRunOutOfTime(t *testing.T) {
	silent := backend.Instead("silent", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		<-r.Context().Done()
	}))
	for _, test := range []struct {
		rules string
		patch backend.Harm
		want  want
	}{
		{"none", backend.Slow(2500 * time.Millisecond), want{status: check.Fail, found: "refused with status 400; there was no time"}},
		{"all", backend.Slow(2500 * time.Millisecond), want{status: check.Warn, found: "refused with status 400; there was no time"}},
		{"all", silent, want{status: check.Fail, class: "timeout", found: "the backend did not answer in the time that the check gives it"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			w, _, finish := inMemory(t, delays{})
			defer finish()
			w.Write, w.Rules = true, rules(t, test.rules)
			w.trouble.Begin(test.patch, backend.When{Match: func(r *http.Request) bool { return r.Method == http.MethodPatch }})
			test.want.check(t, w.run(t), "shape active as string")
		})
	}
}

// A backend that is slow, but not for Entra, is not found at fault for what the
// check has no time for.
func TestSlowBackendPasses(t *testing.T) {
	for _, answer := range []time.Duration{time.Second, 2 * time.Second, 3 * time.Second, 3500 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			w, _, finish := inMemory(t, delays{answer: answer})
			defer finish()
			for _, result := range w.run(t).Steps {
				if result.Status == check.Fail {
					t.Errorf("answers after %v: %+v", answer, result)
				}
			}
		})
	}
}

// One that does not answer at all where answers are judged is.
func TestSilenceWhereAnswersAreJudged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _, finish := inMemory(t, delays{})
		defer finish()
		w.trouble.Begin(backend.Slow(dead), backend.When{Match: func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, basePath+"/Users/") }})
		if got := finding(t, w.run(t), "not found"); got.Status != check.Fail || got.Class != "timeout" {
			t.Errorf("%+v", got)
		}
	})
}
