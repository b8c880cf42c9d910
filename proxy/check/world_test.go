package check_test

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"example.com/entra-scim-proxy/lab/backend"
	"example.com/entra-scim-proxy/lab/pki"
	"example.com/entra-scim-proxy/proxy"
	"example.com/entra-scim-proxy/proxy/check"
	"example.com/entra-scim-proxy/proxy/scim"
	"example.com/entra-scim-proxy/proxy/token"
	"example.com/entra-scim-proxy/proxy/upstream"
)

const (
	entraToken   = "entra-canary-token"
	backendToken = "backend-canary-token"
	backendName  = "scim.corp.example.com"
	basePath     = "/rest/scim/v2"
	publicURL    = "https://contoso-scim.example.com"
)

// world is a backend of the lab's on a real socket, behind a private CA, and what
// the check needs to know of it.
type world struct {
	check.Options
	backend      *backend.Backend
	trouble      *backend.Trouble
	certificates *backend.Certificates
	authority    *pki.Authority
	server       *httptest.Server
	drop         []string // DROP_ATTRIBUTES

	mu    sync.Mutex
	calls []call // as the backend got them, without those that trouble took
}

// call is one request as the backend got it.
type call struct {
	Method, URI, Host, Body string
	Header                  http.Header
}

// newWorld serves a backend. Token, BasePath and PublicURL are set. What a test
// changes of Options has to be changed before run.
func newWorld(t *testing.T, options backend.Options) *world {
	t.Helper()
	w := &world{trouble: &backend.Trouble{}}
	var err error
	if w.authority, err = pki.New("Contoso Private Root"); err != nil {
		t.Fatal(err)
	}
	if w.certificates, err = backend.NewCertificates(w.authority, backendName); err != nil {
		t.Fatal(err)
	}
	options.Token, options.BasePath, options.PublicURL = backendToken, basePath, publicURL+"/scim"
	if w.backend, err = backend.New(options); err != nil {
		t.Fatal(err)
	}
	w.server = httptest.NewUnstartedServer(w.trouble.Handler(http.HandlerFunc(w.serve)))
	w.server.TLS = &tls.Config{GetCertificate: w.certificates.GetCertificate, MinVersion: tls.VersionTLS12}
	w.server.EnableHTTP2 = true
	w.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	w.server.StartTLS()
	// httptest adds its own certificate, which GetCertificate comes before.
	t.Cleanup(w.server.Close)
	w.Options = w.options(t, w.server.URL+basePath)
	return w
}

// seen are the calls so far. One that nobody waits for may still be under way.
func (w *world) seen() []call {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.calls)
}

func (w *world) serve(rw http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	w.mu.Lock()
	w.calls = append(w.calls, call{r.Method, r.RequestURI, r.Host, string(body), r.Header.Clone()})
	w.mu.Unlock()
	w.backend.ServeHTTP(rw, r)
}

// options are those for a backend at the URL given.
func (w *world) options(t *testing.T, backendURL string) check.Options {
	t.Helper()
	base, err := url.Parse(backendURL)
	if err != nil {
		t.Fatal(err)
	}
	scheme := proxy.Scheme{}
	return check.Options{
		Settings: check.Finding{Status: check.Pass},
		Secrets: []check.Secret{
			{Setting: check.Inbound, Source: "file", Read: static(entraToken)},
			{Setting: check.Outbound, Source: "file", Read: static(backendToken)},
			{Setting: check.BackendCA, Source: "plain", Read: static(string(w.authority.PEM()))},
		},
		Backend: base, Host: backendName, ServerName: backendName, Present: scheme.Present, UserAgent: "entra-scim-proxy/test",
		Timeout: 50 * time.Second, Path: "/scim", HasPublicURL: true, Proxy: w.proxy, Log: zap.NewNop(),
	}
}

// static reads a value that never changes.
func static(value string) func(context.Context) (token.Credentials, error) {
	return token.Static(token.NewSecret(value)).Read
}

// proxy is the real one, in front of the world's backend.
func (w *world) proxy(rules scim.Set, plain bool, log *zap.Logger) (http.Handler, error) {
	options := scim.Options{Rules: rules}
	if !plain {
		options.Drop = w.drop
	}
	normalizer, err := scim.New(options)
	if err != nil {
		return nil, err
	}
	cache := func(setting string) *token.Cache[token.Credentials] {
		at := slices.IndexFunc(w.Secrets, func(s check.Secret) bool { return s.Setting == setting })
		return token.NewCache(w.Secrets[at].Read, token.Windows{}, log)
	}
	roots := func(context.Context) (*upstream.Roots, error) { return upstream.ParseBundle(w.authority.PEM()) }
	return proxy.New(proxy.Options{
		Backend: w.Backend, Host: w.Host, Path: w.Path, Timeout: w.Timeout, MaxBody: 1 << 20, MaxConcurrent: 1000, UserAgent: w.UserAgent,
		Inbound: cache(check.Inbound), Outbound: cache(check.Outbound),
		Transport:  upstream.NewTransport(upstream.Options{ServerName: w.ServerName, Roots: roots, Timeout: w.Timeout, Lookup: w.Lookup, Dial: w.Dial}),
		StubGroups: w.StubGroups && !plain, Normalizer: normalizer, PublicURL: publicURL, Explain: explain, Log: log,
	})
}

func explain(err error) proxy.Fault {
	fault := upstream.Explain(err)
	problem := map[upstream.Stage]error{
		upstream.Connect: proxy.ErrUnreachable, upstream.Handshake: proxy.ErrTLS, upstream.Answer: proxy.ErrBadAnswer,
	}[fault.Stage]
	return proxy.Fault{Problem: problem, Class: fault.Class, Cause: fault.Cause, Remedy: fault.Remedy}
}

// run runs the check.
func (w *world) run(t *testing.T) check.Report {
	t.Helper()
	report := check.Run(t.Context(), w.Options, nil)
	t.Cleanup(func() {
		if t.Failed() {
			for _, result := range report.Steps {
				t.Logf("%+v", result)
			}
			t.Logf("recommended: %v", report.Recommended)
		}
	})
	return report
}

// finding is what the report has of a step.
func finding(t *testing.T, report check.Report, name string) check.Finding {
	t.Helper()
	for _, result := range report.Steps {
		if result.Step == name {
			return result.Finding
		}
	}
	t.Errorf("the report has no step %q", name)
	return check.Finding{}
}

// well is what steps find where all is well.
var well = map[string]string{
	"ServiceProviderConfig": "as RFC 7643 has it", "ResourceTypes": "as RFC 7643 has it", "Schemas": "as RFC 7643 has it",
	"content type": "application/scim+json", "list": "lists are ListResponses", "not found": "an unknown id is answered with 404",
	"excludedAttributes": "groups come without their members where Entra asks for that",
	"filter":             "a name in any case finds its owner, and nobody else",
	"resources":          "users and groups are as RFC 7643 has them",
}

func TestAllIsWell(t *testing.T) {
	w := newWorld(t, backend.Options{})
	if report := w.run(t); report.Result != check.Pass {
		t.Errorf("%s", report.Result)
	}
}
