package verdict_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"example.com/entra-scim-proxy/lab/backend"
	"example.com/entra-scim-proxy/lab/directory"
	"example.com/entra-scim-proxy/lab/entra"
	"example.com/entra-scim-proxy/lab/verdict"
)

const token = "lab-token"

// endpoint is a lenient backend, which Entra needs no proxy for, and its URL.
func endpoint(t *testing.T, around func(http.Handler) http.Handler, faults ...backend.Fault) (*backend.Backend, string) {
	t.Helper()
	var front atomic.Value
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		front.Load().(http.HandlerFunc)(w, r)
	}))
	t.Cleanup(server.Close)
	b, err := backend.New(backend.Options{Token: token, BasePath: "/scim", PublicURL: server.URL + "/scim", Lenient: true, Faults: faults})
	if err != nil {
		t.Fatal(err)
	}
	handler := http.Handler(b)
	if around != nil {
		handler = around(b)
	}
	front.Store(http.HandlerFunc(handler.ServeHTTP))
	return b, server.URL + "/scim"
}

// run judges an endpoint with a small tenant; change may be nil.
func run(ctx context.Context, t *testing.T, url string, change func(*verdict.Options)) (verdict.Verdict, error) {
	t.Helper()
	d, err := directory.Generate(directory.Options{Seed: 3, Users: 30, Groups: 4, Memberships: 60})
	if err != nil {
		t.Fatal(err)
	}
	client, err := entra.New(entra.Options{TenantURL: url, Token: token})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	options := verdict.Options{Client: client, Job: entra.JobOptions{Directory: d, Seed: 3}, Seed: 3}
	if change != nil {
		change(&options)
	}
	return verdict.Run(ctx, options)
}

// phases are those of a whole run.
func phases() []string {
	return []string{
		"Test Connection", "Microsoft's tests", "initial cycle", "cycle after N changes", "cycle after N changes",
		"cycle with nothing to do", "on demand", "comparison", "clean-up",
	}
}

func TestGoodEndpoint(t *testing.T) {
	b, url := endpoint(t, nil)
	for _, flag := range []string{"", "?aadOptscim062020"} {
		most := 0
		v, err := run(t.Context(), t, url+flag, func(o *verdict.Options) {
			o.Progress = func(_ string, done, total int) {
				if done > total || done != most+1 {
					t.Errorf("progress: %d of %d after %d", done, total, most)
				}
				most = done
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		var text bytes.Buffer
		v.Print(&text)
		if !v.OK || len(v.Shortfalls) > 0 || !strings.Contains(text.String(), "✓ Entra will provision") {
			t.Errorf("got %s", text.String())
		}
		var names []string
		calls := 0
		for _, p := range v.Phases {
			names = append(names, regexp.MustCompile(`\d+`).ReplaceAllString(p.Name, "N"))
			calls += p.Calls
			if p.Calls == 0 || p.Failed > 0 || p.Median > p.P99 || p.P99 > p.Most {
				t.Errorf("phase %+v", p)
			}
		}
		if diff := gocmp.Diff(phases(), names); diff != "" {
			t.Errorf("phases (-want +got):\n%s", diff)
		}
		if calls != most {
			t.Errorf("%d calls were shown, %d are in the phases", most, calls)
		}
		if b.Users()+b.Groups() > 0 {
			t.Errorf("left behind: %d users, %d groups", b.Users(), b.Groups())
		}
	}
}

// What the endpoint gets wrong is told in sentences, and makes it fall short.
func TestBadEndpoints(t *testing.T) {
	for name, test := range map[string]struct {
		around func(http.Handler) http.Handler
		faults []backend.Fault
		want   []string // regular expressions, of the shortfalls
		left   bool     // something cannot be removed
		phases int      // how many there are; zero for all
	}{
		"members leaked": {
			faults: []backend.Fault{backend.MembersLeaked},
			want:   []string{`mandatory tests`, `differs from the directory`},
		},
		"no match is 404": {
			faults: []backend.Fault{backend.FilterNotFound},
			want:   []string{`^Test Connection fails: .*404`},
			phases: 1,
		},
		"PATCH fails": {
			around: refuse(http.MethodPatch, http.StatusInternalServerError),
			want:   []string{`mandatory tests`, `still not provisioned`, `differs from the directory`},
		},
		"DELETE fails": {
			around: refuse(http.MethodDelete, http.StatusInternalServerError),
			want:   []string{`resources could not be removed`},
			left:   true,
		},
		"the answers to POSTs are lost, and nothing can be looked for": {
			around: forgetful,
			want:   []string{`^The initial cycle was broken off`, `^The job is in quarantine: `, `resources could not be removed`},
			left:   true,
		},
		"the token is not taken": {
			around: refuse("", http.StatusUnauthorized),
			want:   []string{`^Test Connection fails: .*401`, `^Answers lack one thing`},
			phases: 1,
		},
		"a login page": {
			around: func(http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Type", "text/html")
					_, _ = w.Write([]byte("<title>Sign in</title>")) // who has left needs no answer
				})
			},
			want:   []string{`^Test Connection fails: .*not a JSON object`},
			phases: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			b, url := endpoint(t, test.around, test.faults...)
			v, err := run(t.Context(), t, url, nil)
			if err != nil {
				t.Fatal(err)
			}
			if want := cmp.Or(test.phases, len(phases())); len(v.Phases) != want {
				t.Errorf("got %d phases, want %d", len(v.Phases), want)
			}
			if there := b.Users() + b.Groups(); len(v.Left) < there || test.left != (there > 0) {
				t.Errorf("%d resources are left, told %+v", there, v.Left)
			}
			if v.OK {
				t.Error("nothing falls short")
			}
			wantInOrder(t, v)
			for _, want := range test.want {
				if !slices.ContainsFunc(v.Shortfalls, regexp.MustCompile(want).MatchString) {
					t.Errorf("got %q, want %q among them", v.Shortfalls, want)
				}
			}
		})
	}
}

// wantInOrder checks that each rule has one row, those that are fatal first, and
// that answers which are fatal count as failed.
func wantInOrder(t *testing.T, v verdict.Verdict) {
	t.Helper()
	failed, noted, seen := 0, false, map[string]bool{}
	for _, p := range v.Phases {
		failed += p.Failed
	}
	for _, f := range v.Findings {
		if seen[f.Rule] || noted && f.Fatal || failed == 0 {
			t.Errorf("%d calls failed; %s in %+v", failed, f.Rule, v.Findings)
		}
		seen[f.Rule], noted = true, !f.Fatal
	}
}

// Microsoft shows what its preview tests come to, and lets endpoints pass.
func TestPreviewTestsDoNotCount(t *testing.T) {
	_, url := endpoint(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodDelete { // of what is not there, too
				next.ServeHTTP(httptest.NewRecorder(), r)
				w.WriteHeader(http.StatusNoContent)
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	v, err := run(t.Context(), t, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	failed := slices.ContainsFunc(v.Checks, func(c verdict.Check) bool {
		return c.Kind == entra.KindPreview && c.State == entra.CheckFailed
	})
	if !v.OK || !failed {
		t.Errorf("a preview test failed: %v; shortfalls: %q", failed, v.Shortfalls)
	}
}

// refuse answers a status to all calls of a method, or to all.
func refuse(method string, status int) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if method == "" || r.Method == method {
				w.WriteHeader(status)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// forgetful breaks off after the first POST, whose answer is lost.
func forgetful(next http.Handler) http.Handler {
	var posted atomic.Bool
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case posted.Load():
			w.WriteHeader(http.StatusServiceUnavailable)
		case r.Method == http.MethodPost:
			posted.Store(true)
			next.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// Those who were there before stay, although colleagues of that name leave the
// company.
func TestThoseWhoWereThereStay(t *testing.T) {
	b, url := endpoint(t, nil)
	before := 0
	v, err := run(t.Context(), t, url, func(o *verdict.Options) {
		for _, id := range o.Job.Directory.Users() {
			user, _ := o.Job.Directory.User(id)
			if _, err := b.AddUser(map[string]any{"userName": user.UserPrincipalName, "displayName": "Somebody else", "active": true}); err != nil {
				t.Fatal(err)
			}
			before++
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if b.Users() != before || b.Groups() != 0 || before == 0 {
		t.Errorf("of %d users %d are still there; groups: %d", before, b.Users(), b.Groups())
	}
	if v.OK || !slices.ContainsFunc(v.Shortfalls, regexp.MustCompile(`were there before: \d+; `).MatchString) {
		t.Errorf("got %q", v.Shortfalls)
	}
}

// Whoever interrupts finds an endpoint without what was made there.
func TestInterruptedRunCleansUp(t *testing.T) {
	for _, phase := range []string{"Microsoft's tests", "initial cycle", "comparison"} {
		b, url := endpoint(t, nil)
		ctx, cancel := context.WithCancelCause(t.Context())
		cause := errors.New("somebody pressed Ctrl-C")
		inPhase := 0
		v, err := run(ctx, t, url, func(o *verdict.Options) {
			o.Progress = func(now string, _, _ int) {
				if now == phase {
					if inPhase++; inPhase == 5 {
						cancel(cause)
					}
				}
			}
		})
		cancel(nil)
		if !errors.Is(err, cause) || inPhase < 5 {
			t.Errorf("%s: got %v after %d calls", phase, err, inPhase)
		}
		if b.Users()+b.Groups() > 0 || len(v.Left) > 0 {
			t.Errorf("%s: left behind: %d users, %d groups; told %v", phase, b.Users(), b.Groups(), v.Left)
		}
	}
}

// The same seed gives the same verdict: all but the durations, and the ids that
// the endpoint chose.
func TestSameSeedSameVerdict(t *testing.T) {
	ids := regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
	ports := regexp.MustCompile(`127\.0\.0\.1:\d+`)
	judge := func(parallel int) string {
		_, url := endpoint(t, nil, backend.NoLocation, backend.ManagerString)
		v, err := run(t.Context(), t, url, func(o *verdict.Options) { o.Job.Parallel = parallel })
		if err != nil {
			t.Fatal(err)
		}
		for i := range v.Phases {
			p := &v.Phases[i]
			p.Seconds, p.Median, p.P99, p.Most = 0, 0, 0, 0
		}
		text, err := json.MarshalIndent(v, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		return ids.ReplaceAllString(ports.ReplaceAllString(string(text), "HOST"), "ID")
	}
	first := judge(1)
	if diff := gocmp.Diff(first, judge(16)); diff != "" {
		t.Errorf("with 1 and with 16 calls at once (-first +second):\n%s", diff)
	}
	if !strings.Contains(first, `"findings"`) || !strings.Contains(first, `"rule"`) {
		t.Errorf("the faults were not found: %s", first)
	}
}
