package entra

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"

	"example.com/entra-scim-proxy/lab/backend"
	"example.com/entra-scim-proxy/proxy"
	"example.com/entra-scim-proxy/proxy/scim"
	"example.com/entra-scim-proxy/proxy/token"
)

// checked is the strict backend behind the real proxy, with all rules on.
type checked struct {
	url     string // tenant URL of the default dialect
	backend *backend.Backend
	client  http.RoundTripper // nil: over sockets
}

// newChecked starts both on sockets; between, unless nil, stands in front of the
// proxy.
func newChecked(t *testing.T, between func(http.Handler) http.Handler) checked {
	t.Helper()
	var front http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { front.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	made := newInternal(t, server.URL)
	behind := httptest.NewServer(made)
	t.Cleanup(behind.Close)
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 16}
	t.Cleanup(transport.CloseIdleConnections)
	front = newCheckedProxy(t, behind.URL, server.URL, transport)
	if between != nil {
		front = between(front)
	}
	return checked{url: server.URL + "/scim", backend: made}
}

// newCheckedInMemory is newChecked without sockets.
func newCheckedInMemory(t *testing.T, between func(http.Handler) http.Handler) checked {
	t.Helper()
	const public = "http://scim.example.com"
	made := newInternal(t, public)
	front := between(newCheckedProxy(t, "http://internal.example.com", public, direct{made}))
	return checked{public + "/scim", made, direct{front}}
}

func newInternal(t *testing.T, public string) *backend.Backend {
	t.Helper()
	made, err := backend.New(backend.Options{Token: "internal-token", BasePath: internalPath, PublicURL: public + "/scim"})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

const internalPath = "/rest/scim/v2"

func newCheckedProxy(t *testing.T, backendURL, publicURL string, transport http.RoundTripper) http.Handler {
	t.Helper()
	return newProxy(t, "all", backendURL+internalPath, "secret-token", "internal-token",
		proxy.Options{Transport: transport, PublicURL: publicURL})
}

// direct calls a handler.
type direct struct{ handler http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	arrived := httptest.NewRequestWithContext(r.Context(), r.Method, r.URL.String(), nil)
	arrived.URL, arrived.RequestURI, arrived.Header = r.URL, r.URL.RequestURI(), r.Header
	if path, ok := strings.CutPrefix(r.URL.Opaque, "//"); ok || path != "" {
		arrived.URL = &url.URL{Path: path, RawQuery: r.URL.RawQuery}
	}
	if r.Body != nil {
		arrived.Body, arrived.ContentLength = r.Body, r.ContentLength
	}
	recorder, served := httptest.NewRecorder(), make(chan error, 1)
	go func() { // ends with the handler, which may outlive the caller
		defer func() {
			reason := recover()
			switch err, _ := reason.(error); {
			case reason == nil:
				served <- nil
			case errors.Is(err, http.ErrAbortHandler):
				served <- io.ErrUnexpectedEOF
			default:
				panic(reason)
			}
		}()
		d.handler.ServeHTTP(recorder, arrived)
	}()
	select {
	case err := <-served:
		if err != nil {
			return nil, err
		}
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	response := recorder.Result()
	response.Request = r
	return response, nil
}

// newProxy is the proxy with some of its rules, on /scim, in front of a backend.
// It adds to the options what is the same for all.
func newProxy(t testing.TB, rules, backendURL, inbound, outbound string, o proxy.Options) http.Handler {
	t.Helper()
	some, err := scim.ParseRules(rules)
	if err != nil {
		t.Fatal(err)
	}
	if o.Normalizer, err = scim.New(scim.Options{Rules: some}); err != nil {
		t.Fatal(err)
	}
	if o.Backend, err = url.Parse(backendURL); err != nil {
		t.Fatal(err)
	}
	credentials := func(value string) *token.Cache[token.Credentials] {
		return token.NewCache(token.ReadCredentials(token.Static(token.NewSecret(value))), token.Windows{}, zap.NewNop())
	}
	o.Inbound, o.Outbound, o.OutboundFixed = credentials(inbound), credentials(outbound), true
	o.Path, o.Timeout, o.MaxBody, o.MaxConcurrent, o.Log = "/scim", 30*time.Second, 1<<20, 1000, zap.NewNop()
	o.Explain = func(err error) proxy.Fault { return proxy.Fault{Problem: proxy.ErrUnreachable, Cause: err.Error()} }
	handler, err := proxy.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return handler
}

func (c checked) run(ctx context.Context, t *testing.T, flag string) []Check {
	t.Helper()
	return c.runLists(ctx, t, flag, checkLists())
}

func (c checked) runLists(ctx context.Context, t *testing.T, flag string, lists []checkList) []Check {
	t.Helper()
	client := newClient(t, Options{TenantURL: c.url + flag, Token: "secret-token"})
	if c.client != nil {
		client.http.Transport = c.client
	}
	return slices.Collect(client.checks(ctx, lists))
}

// wantRows checks that there is a row for each check, in the order of the lists.
func wantRows(t *testing.T, checks []Check) {
	t.Helper()
	var want, got []string
	for _, l := range checkLists() {
		for _, row := range l.checks {
			want = append(want, l.name+": "+row.name+", "+row.kind)
		}
	}
	for _, check := range checks {
		got = append(got, check.List+": "+check.Name+", "+check.Kind)
		if check.Source == "" || strings.HasSuffix(check.Source, ", ") {
			t.Errorf("%s: the source is %q", check.Name, check.Source)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

// wantEmpty checks that nothing is left behind.
func (c checked) wantEmpty(t *testing.T) {
	t.Helper()
	if users, groups := c.backend.Users(), c.backend.Groups(); users+groups > 0 {
		t.Errorf("%d users and %d groups are left", users, groups)
	}
}

func TestChecksPassThroughTheProxyInEachDialect(t *testing.T) {
	t.Parallel()
	for _, flag := range []string{"", "?aadOptscim062020"} {
		c := newChecked(t, nil)
		checks := c.run(t.Context(), t, flag)
		wantRows(t, checks)
		for _, check := range checks {
			if !check.OK() || check.State == CheckPassed && (check.Detail != "" || len(check.Calls) == 0) {
				t.Errorf("%q: %v", flag, check)
			}
			for _, call := range check.Calls {
				if !call.OK {
					t.Errorf("%q: %v: %s: %s", flag, check, call.Step, call.Detail)
				}
			}
		}
		c.wantEmpty(t)
	}
}

func TestChecksWithOtherOptions(t *testing.T) {
	t.Parallel()
	c := newChecked(t, nil)
	client := newClient(t, Options{
		TenantURL: c.url, Token: "secret-token", ForwardFlag: true, MemberRefNull: true, LegacyGroupSchema: true, AppRoles: true,
	})
	for check := range client.Checks(t.Context()) {
		if !check.OK() {
			t.Error(check)
		}
	}
	c.wantEmpty(t)
}

// The published numbers: 25 tests in the suite, seven in preview.
func TestTheListsAreComplete(t *testing.T) {
	count, apart := map[string]int{}, map[string]bool{}
	for _, l := range checkLists() {
		for _, row := range l.checks {
			count[l.name+" "+row.kind]++
			if apart[l.name+row.name] {
				t.Errorf("%s: %q is there twice", l.name, row.name)
			}
			apart[l.name+row.name] = true
			if (row.try == nil) == (row.reason == "") {
				t.Errorf("%q is neither tried nor explained, or both", row.name)
			}
		}
	}
	want := map[string]int{"validator mandatory": 25, "validator preview": 7, "suite mandatory": 21, "suite optional": 4}
	if diff := cmp.Diff(want, count); diff != "" {
		t.Errorf("checks (-want +got):\n%s", diff)
	}
}

// Runs at the same time, also of the same check, do not meet.
func TestChecksAtTheSameTime(t *testing.T) {
	t.Parallel()
	c := newChecked(t, nil)
	var running sync.WaitGroup
	for range 2 {
		running.Go(func() { // ends with the checks
			for _, check := range c.run(t.Context(), t, "") {
				if !check.OK() {
					t.Error(check)
				}
			}
		})
	}
	running.Wait()
	c.wantEmpty(t)
}

// Every request of every check, with {keys} where ids will be.
func TestCheckRequestsInEachDialect(t *testing.T) {
	for name, url := range map[string]string{"default": "http://127.0.0.1/scim", "compliant": "http://127.0.0.1/scim?aadOptscim062020"} {
		client := newClient(t, Options{TenantURL: url, Token: "t"})
		var text strings.Builder
		for _, l := range checkLists() {
			for _, row := range l.checks {
				if row.try == nil {
					continue
				}
				trial := newTrial(client, "Lab-Check-00")
				row.try(trial)
				fmt.Fprintf(&text, "# %s: %s\n", l.name, row.name)
				for i, s := range trial.steps {
					if s.given {
						trial.steps[i].name += " (prepares)"
					}
				}
				text.WriteString(written(t, client, trial.steps))
			}
		}
		golden(t, filepath.Join("testdata", "checks-"+name+".golden"), text.String())
	}
}
