package check_test

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.com/entra-scim-proxy/lab/backend"
	"example.com/entra-scim-proxy/proxy/check"
	"example.com/entra-scim-proxy/proxy/token"
)

// faulty is inMemory with a backend that has a fault.
func faulty(t *testing.T, with delays, fault backend.Fault) (w *world, finish func()) {
	t.Helper()
	w, _, finish = inMemory(t, with)
	view, err := w.backend.WithFaults(fault)
	if err != nil {
		t.Fatal(err)
	}
	w.backend = view
	return w, finish
}

func TestProbesThatRunOutOfTime(t *testing.T) {
	// Too slow to tell whether there is a SCIM service.
	synctest.Test(t, func(t *testing.T) {
		w, finish := faulty(t, delays{answer: 2500 * time.Millisecond}, backend.FilterNotFound)
		defer finish()
		report := w.run(t)
		for _, name := range []string{"users", "groups"} {
			want{status: check.Fail, found: "404; there was no time", remedy: "empty ListResponse"}.check(t, report, name)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		w, finish := faulty(t, delays{answer: 1500 * time.Millisecond}, backend.FilterNotFound)
		defer finish()
		report := w.run(t)
		want{status: check.Fail, found: "no time to try what repairs it", remedy: "empty ListResponse"}.check(t, report, "users")
	})
	synctest.Test(t, func(t *testing.T) {
		w, finish := faulty(t, delays{answer: 1500 * time.Millisecond}, backend.FilterNotFound)
		defer finish()
		w.Rules = rules(t, "active")
		report := w.run(t)
		want{status: check.Warn, found: "no time to try what repairs it", remedy: "empty ListResponse"}.check(t, report, "users")
	})
	// Time enough to look for it elsewhere, everywhere at once.
	synctest.Test(t, func(t *testing.T) {
		w, _, finish := inMemory(t, delays{answer: 900 * time.Millisecond})
		defer finish()
		w.Backend = &url.URL{Scheme: "https", Host: w.Backend.Host, Path: "/rest"}
		want{status: check.Fail, found: "a path below it answers", details: "/rest/scim/v2"}.check(t, w.run(t), "users")
	})
	// Some keep calls without a credential waiting.
	synctest.Test(t, func(t *testing.T) {
		w, _, finish := inMemory(t, delays{answer: 3500 * time.Millisecond})
		defer finish()
		w.trouble.Begin(backend.Slow(dead), backend.When{Match: func(r *http.Request) bool { return r.Header.Get("Authorization") == "" }})
		report := w.run(t)
		want{status: check.Pass, found: "takes it"}.check(t, report, "credential")
		want{status: check.Pass}.check(t, report, "users")
	})
	synctest.Test(t, func(t *testing.T) {
		w, _, finish := inMemory(t, delays{answer: dead})
		defer finish()
		report := w.run(t)
		want{status: check.Fail, class: "timeout", found: "did not answer in the time", remedy: "find out why the backend is slow"}.check(t, report, "credential")
		want{status: check.Skip, found: "needs credential"}.check(t, report, "users")
	})
}

// The rules that repair an answer are tried when Entra's token is there.
func TestProbesWaitForEntrasToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _, finish := inMemory(t, delays{})
		defer finish()
		w.withoutToken() // for which there would be a wait, too
		read, first := w.Secrets[0].Read, new(sync.Once)
		w.Secrets[0].Read = func(ctx context.Context) (token.Credentials, error) {
			first.Do(func() { time.Sleep(3 * time.Second) })
			return read(ctx)
		}
		w.trouble.Begin(backend.Instead("", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Has("filter") && r.Header.Get("Accept") == "" {
				replying(406, "", "")(rw, r)
				return
			}
			replying(200, "Content-Type: application/scim+json", listOf(`"totalResults":0,"Resources":[]`))(rw, r)
		})), backend.When{})
		want{status: check.Fail, found: "406", remedy: turnOn, rules: "accept-scim"}.check(t, w.run(t), "users")
	})
}

// A backend that falls silent once the credential was taken.
func TestProxyThatRunsOutOfTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _, finish := inMemory(t, delays{answer: time.Second})
		defer finish()
		time.AfterFunc(1500*time.Millisecond, func() { w.trouble.Begin(backend.Slow(dead), backend.When{}) })
		report := w.run(t)
		want{status: check.Pass}.check(t, report, "credential")
		want{status: check.Fail, class: "timeout", found: "the proxy did not answer in the time"}.check(t, report, "proxy users")
		want{status: check.Fail, class: "timeout", found: "the proxy did not answer in the time"}.check(t, report, "proxy groups")
	})
}

// Whoever ends the check does not find the backend at fault.
func TestProbesThatAreEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _, finish := inMemory(t, delays{answer: time.Second})
		defer finish()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(500*time.Millisecond, cancel)
		report := check.Run(ctx, w.Options, nil)
		want{status: check.Skip, found: "the check was ended"}.check(t, report, "credential")
	})
	synctest.Test(t, func(t *testing.T) {
		w, _, finish := inMemory(t, delays{})
		defer finish()
		w.trouble.Begin(backend.Slow(dead), backend.When{Match: func(r *http.Request) bool { return r.URL.Path == basePath+"/Schemas" }})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(500*time.Millisecond, cancel)
		report := check.Run(ctx, w.Options, nil)
		want{status: check.Skip, found: "the check was ended"}.check(t, report, "Schemas")
	})
	synctest.Test(t, func(t *testing.T) {
		w, _, finish := inMemory(t, delays{answer: time.Second})
		defer finish()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(2500*time.Millisecond, cancel)
		report := check.Run(ctx, w.Options, nil)
		want{status: check.Pass}.check(t, report, "users")
		for _, name := range []string{"proxy users", "proxy groups"} {
			want{status: check.Skip, found: "the check was ended"}.check(t, report, name)
		}
	})
}
