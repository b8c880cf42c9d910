// Package e2e runs the packaged proxy under the Functions host, between Entra's
// provisioning service and the systems of the field. `make e2e` builds the
// package and names its folder in E2E_APP.
package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"

	"example.com/entra-scim-proxy/lab/directory"
	"example.com/entra-scim-proxy/lab/entra"
	"example.com/entra-scim-proxy/lab/profile"
	"example.com/entra-scim-proxy/lab/stand"
	"example.com/entra-scim-proxy/lab/vault"
)

// world is one system of the field behind the packaged proxy, with everything
// as in Azure: the secrets in a key vault where this machine can have one.
type world struct {
	*testing.T
	*stand.Stand
	profile profile.Profile
	log     proxyLog
	secrets []string // all that there ever were
	// troubled says that the test makes things go wrong, so that the log may
	// hold errors.
	troubled bool
}

// newWorld starts a system by the name of its profile, with further settings of
// the proxy.
func newWorld(t *testing.T, system string, settings ...string) *world {
	t.Helper()
	return newWorldWith(t, system, stand.Options{Settings: settings})
}

// newWorldWith is newWorld with options of the stand; what every world has
// alike is put over them.
func newWorldWith(t *testing.T, system string, options stand.Options) *world {
	t.Helper()
	app := os.Getenv("E2E_APP")
	if app == "" {
		t.Skip("needs the package: run make e2e, or name its folder in E2E_APP")
	}
	w := &world{T: t}
	var ok bool
	if w.profile, ok = profile.ByName(system); !ok {
		t.Fatalf("there is no profile %q", system)
	}
	options.App, options.Profile, options.Azure, options.Vault, options.Log = app, w.profile, true, true, &w.log
	var err error
	w.Stand, err = stand.New(t.Context(), options)
	if errors.Is(err, vault.ErrSystem) {
		t.Log(err)
		options.Vault = false
		w.Stand, err = stand.New(t.Context(), options)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.remember()
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		w.judgeLog()
	})
	return w
}

// remember notes the secrets as they are now.
func (w *world) remember() { w.secrets = append(w.secrets, w.Secrets()...) }

// people makes a small tenant for the system.
func (w *world) people(o directory.Options) *directory.Directory {
	w.Helper()
	d, err := stand.NewDirectory(w.profile, o)
	if err != nil {
		w.Fatal(err)
	}
	return d
}

// client is Entra with a tenant URL with the flag or without.
func (w *world) client(flag bool) *entra.Client {
	w.Helper()
	client, err := entra.New(entra.Options{TenantURL: w.TenantURL(flag), Token: w.Token()})
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(client.Close)
	return client
}

// job provisions the tenant as the profile's administrator set it up; change may
// be nil.
func (w *world) job(client *entra.Client, d *directory.Directory, change func(*entra.JobOptions)) *entra.Job {
	w.Helper()
	options := stand.JobOptions(w.profile, d)
	if change != nil {
		change(&options)
	}
	job, err := entra.NewJob(client, options)
	if err != nil {
		w.Fatal(err)
	}
	return job
}

// cycle runs one that has to go well, every answer as Entra needs it, but for
// the quirks of the system.
func (w *world) cycle(job *entra.Job) entra.Report {
	w.Helper()
	report, err := job.Cycle(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	w.wantSystem(report)
	return report
}

func (w *world) wantClean(report entra.Report) {
	w.Helper()
	for _, f := range report.Failures {
		w.Errorf("failed: %s: %s: %s", f.Object, f.Step, f.Reason)
	}
	for _, f := range report.Findings {
		w.Errorf("found %d times: %s: %s %s: %d: %s; sent %s", f.Count, f.Sentence, f.Example.Method, f.Example.Path, f.Example.Status, f.Example.Detail, f.Example.Sent)
	}
}

// differences between system and directory, but for those that are expected.
func (w *world) differences(job *entra.Job, expected func(entra.Difference) bool) (seen int) {
	w.Helper()
	list, err := job.Compare(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	for _, difference := range list {
		if expected != nil && expected(difference) {
			seen++
			continue
		}
		w.Error(difference)
	}
	return seen
}

// proxyLog collects the proxy's log. Its zero value is empty.
type proxyLog struct {
	mu    sync.Mutex
	lines [][]byte
}

// Write takes whole lines.
func (l *proxyLog) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, bytes.Clone(text))
	return len(text), nil
}

// exchange is what a test reads of a line.
type exchange struct {
	Level, Msg, Method, Route, Class, Rules string
	Status                                  int
	Replayed                                bool
}

// exchanges are the lines about calls.
func (l *proxyLog) exchanges() []exchange {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []exchange
	for _, text := range l.lines {
		for line := range bytes.Lines(text) {
			var e exchange
			if json.Unmarshal(line, &e) == nil && e.Msg == "exchange" {
				list = append(list, e)
			}
		}
	}
	return list
}

// judgeLog wants neither a secret nor a person in the log, and errors only where
// the test made them.
func (w *world) judgeLog() {
	w.Helper()
	w.log.mu.Lock()
	text := string(bytes.Join(w.log.lines, nil))
	w.log.mu.Unlock()
	for _, secret := range append(w.secrets, "contoso.com", "filter=") {
		if strings.Contains(text, secret) {
			w.Errorf("the log holds %q", secret)
		}
	}
	calls := 0
	for line := range strings.Lines(text) {
		var e exchange
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			w.Errorf("the log has a line that is not JSON: %s", line)
		}
		if e.Msg == "exchange" {
			calls++
		}
		if e.Level == "error" && !w.troubled {
			w.Errorf("the log has an error: %s", line)
		}
	}
	if calls == 0 {
		w.Error("the log has no line about a call")
	}
}
