package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"example.com/entra-scim-proxy/lab/backend"
	"example.com/entra-scim-proxy/lab/verdict"
)

// endpoint is a lenient backend, which Entra needs no proxy for. Every call is
// shown to watch first.
func endpoint(t *testing.T, watch func(*http.Request), faults ...backend.Fault) (*backend.Backend, *httptest.Server) {
	t.Helper()
	var b *backend.Backend
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		watch(r)
		b.ServeHTTP(w, r)
	}))
	var err error
	b, err = backend.New(backend.Options{
		Token: "lab-token", BasePath: "/scim", PublicURL: "http://" + server.Listener.Addr().String() + "/scim", Lenient: true, Faults: faults,
	})
	if err != nil {
		t.Fatal(err)
	}
	server.Start()
	t.Cleanup(server.Close)
	return b, server
}

// judge runs `lab cycle` with a small tenant.
func judge(ctx context.Context, url string, flags ...string) (code int, out, errs string) {
	var o, e bytes.Buffer
	args := append([]string{"cycle", "--url", url, "--token", "lab-token", "--users", "20", "--groups", "3"}, flags...)
	code = dispatch(ctx, args, stdio{out: &o, err: &e})
	return code, o.String(), e.String()
}

func nobody(*http.Request) {}

func TestCycleJudges(t *testing.T) {
	b, server := endpoint(t, nobody)
	for _, test := range []struct{ url, dialect, want string }{
		{server.URL + "/scim/", "", "default"},
		{server.URL + "/scim?aadOptscim062020", "", "compliant"},
		{server.URL + "/scim", "compliant", "compliant"},
		{server.URL + "/scim?aadOptscim062020", "default", "default"},
	} {
		code, out, errs := judge(t.Context(), test.url, "--dialect", test.dialect)
		if code != 0 || errs != "" || !strings.Contains(out, "in the "+test.want+" dialect\n") || !strings.Contains(out, "✓ Entra will provision") {
			t.Errorf("%+v: got exit code %d, stderr %s, stdout %s", test, code, errs, out)
		}
	}
	// Without groups, /Groups is not asked for.
	for groups, probes := range map[string]string{"0": "1", "1": "2"} {
		code, out, errs := judge(t.Context(), server.URL+"/scim", "--users", "1", "--groups", groups)
		if code != 0 || !regexp.MustCompile(`\nTest Connection +`+probes+` `).MatchString(out) {
			t.Errorf("one user, %s groups: got exit code %d, stderr %s, stdout %s", groups, code, errs, out)
		}
	}
	if b.Users()+b.Groups() > 0 {
		t.Errorf("left behind: %d users, %d groups", b.Users(), b.Groups())
	}
}

// The exit status is that of the verdict, and standard output is JSON alone.
func TestCycleAsJSON(t *testing.T) {
	for _, test := range []struct {
		faults []backend.Fault
		code   int
		errs   string
	}{
		{nil, 0, ""},
		{[]backend.Fault{backend.MembersLeaked}, 1, "lab cycle: the endpoint falls short of what Entra needs\n"},
		{[]backend.Fault{backend.FilterNotFound}, 1, "lab cycle: the endpoint falls short of what Entra needs\n"},
	} {
		_, server := endpoint(t, nobody, test.faults...)
		code, out, errs := judge(t.Context(), server.URL+"/scim", "--json")
		var v verdict.Verdict
		if err := json.Unmarshal([]byte(out), &v); err != nil {
			t.Errorf("%v: %v: %s", test.faults, err, out)
		}
		if code != test.code || errs != test.errs || v.OK != (code == 0) || len(v.Phases) == 0 || v.Users != 20 {
			t.Errorf("%v: got exit code %d, stderr %q, verdict %+v", test.faults, code, errs, v)
		}
	}
}

// A certificate of a private authority is one that Entra does not trust.
func TestCycleTrustsPublicAuthoritiesOnly(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	code, out, _ := judge(t.Context(), server.URL+"/scim")
	if code != 1 || !strings.Contains(out, "Test Connection fails: ") || !strings.Contains(out, "certificate signed by unknown authority") {
		t.Errorf("got exit code %d, stdout %s", code, out)
	}
}

// Ctrl-C, in the middle of it: what was created goes, and no verdict is given.
func TestCycleInterrupted(t *testing.T) {
	for _, when := range []int64{1, 50, 400} { // in Test Connection, the lists and a cycle
		ctx, cancel := context.WithCancel(t.Context())
		var calls atomic.Int64
		b, server := endpoint(t, func(*http.Request) {
			if calls.Add(1) == when {
				cancel()
			}
		})
		code, out, errs := judge(ctx, server.URL+"/scim")
		if code != 1 || out != "" || !strings.HasSuffix(errs, "lab cycle: interrupted; left behind: 0\n") {
			t.Errorf("at call %d: got exit code %d, stdout %s, stderr %s", when, code, out, errs)
		}
		if b.Users()+b.Groups() > 0 || calls.Load() < when {
			t.Errorf("at call %d of %d: left behind: %d users, %d groups", when, calls.Load(), b.Users(), b.Groups())
		}
	}
}
