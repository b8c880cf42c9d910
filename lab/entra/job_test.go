package entra

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"example.com/entra-scim-proxy/lab/backend"
	"example.com/entra-scim-proxy/lab/directory"
	"example.com/entra-scim-proxy/proxy"
)

const (
	jobToken = "job-token"
	flag2020 = "?aadOptscim062020"
)

// plant is a directory and a job, and the strict backend behind the proxy with
// all its rules, each on a real socket.
type plant struct {
	t         testing.TB
	directory *directory.Directory
	backend   *backend.Backend
	client    *Client
	job       *Job
	url       string // of the proxy, and the tenant

	mu sync.Mutex
	// tamper, if there is one, stands between the proxy and the backend;
	// between the client and the proxy with front.
	tamper, front func(http.Handler) http.Handler
}

// ServeHTTP is the backend as the proxy sees it.
func (p *plant) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.layer(&p.tamper, p.backend).ServeHTTP(w, r)
}

func (p *plant) layer(tamper *func(http.Handler) http.Handler, next http.Handler) http.Handler {
	p.mu.Lock()
	defer p.mu.Unlock()
	if *tamper == nil {
		return next
	}
	return (*tamper)(next)
}

// set changes how the backend, or the front, is tampered with; nil ends it.
func (p *plant) set(which *func(http.Handler) http.Handler, tamper func(http.Handler) http.Handler) {
	p.mu.Lock()
	defer p.mu.Unlock()
	*which = tamper
}

// build is what a test changes of a plant.
type build struct {
	size   directory.Options
	dir    *directory.Directory // instead of a generated one
	job    JobOptions
	client Options // TenantURL is the query to add to it
	faults []backend.Fault
	rules  string // of the proxy; empty is all
}

func newPlant(t testing.TB, b build) *plant {
	t.Helper()
	p := &plant{t: t, directory: b.dir}
	var err error
	if p.directory == nil {
		if p.directory, err = directory.Generate(b.size); err != nil {
			t.Fatal(err)
		}
	}
	front := httptest.NewUnstartedServer(nil)
	p.url = "http://" + front.Listener.Addr().String() + "/scim"
	p.backend, err = backend.New(backend.Options{Token: "backend-token", BasePath: "/rest", PublicURL: p.url, Faults: b.faults})
	if err != nil {
		t.Fatal(err)
	}
	behind := httptest.NewServer(p)
	t.Cleanup(behind.Close)
	transport := &http.Transport{MaxIdleConnsPerHost: 64, TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}}
	t.Cleanup(transport.CloseIdleConnections)
	through := newProxy(t, cmp.Or(b.rules, "all"), behind.URL+"/rest", jobToken, "backend-token", proxy.Options{Transport: transport})
	front.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.layer(&p.front, through).ServeHTTP(w, r) })
	front.Start()
	t.Cleanup(front.Close)

	b.client.TenantURL, b.client.Token = p.url+b.client.TenantURL, jobToken
	p.client = newJobClient(t, b.client)
	b.job.Directory = p.directory
	if p.job, err = NewJob(p.client, b.job); err != nil {
		t.Fatal(err)
	}
	return p
}

func newJobClient(t testing.TB, o Options) *Client {
	t.Helper()
	client, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// cycle makes a cycle, which must come to its end.
func (p *plant) cycle() Report {
	p.t.Helper()
	report, err := p.job.Cycle(context.Background())
	if err != nil {
		p.t.Fatal(err)
	}
	return report
}

// clean makes a cycle that must do everything, and find nothing wrong.
func (p *plant) clean() Report {
	p.t.Helper()
	report := p.cycle()
	for _, failure := range report.Failures {
		p.t.Errorf("failed: %+v", failure)
	}
	for _, finding := range report.Findings {
		p.t.Errorf("found: %s: %s (%s %s)", finding.Rule, finding.Example.Detail, finding.Example.Method, finding.Example.Path)
	}
	return report
}

// differences are what Compare finds.
func (p *plant) differences() []string {
	p.t.Helper()
	found, err := p.job.Compare(context.Background())
	if err != nil {
		p.t.Fatal(err)
	}
	var texts []string
	for _, difference := range found {
		texts = append(texts, difference.String())
	}
	return texts
}

func (p *plant) same() {
	p.t.Helper()
	if got := p.differences(); len(got) > 0 {
		p.t.Errorf("Compare finds:\n%s", strings.Join(got[:min(len(got), 10)], "\n"))
	}
}

// Whole cycles of a tenant that changes, in both dialects: the backend ends up
// as the directory wants it each time.
func TestCyclesWithChurn(t *testing.T) {
	for name, query := range map[string]string{"default": "", "compliant": flag2020} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlant(t, build{
				size: directory.Options{Seed: 5, Users: 70, Groups: 9, Memberships: 150}, client: Options{TenantURL: query},
			})
			first := p.clean()
			if !first.Initial || first.Users.Created == 0 || first.Groups.Created != 9 || first.MembersAdded == 0 || first.ManagersSet == 0 {
				t.Errorf("initial cycle: got %+v", first)
			}
			p.same()
			if idle := p.clean(); idle.Initial || idle.Calls != 2 {
				t.Errorf("a cycle after which nothing changed: got %d calls, want the probes", idle.Calls)
			}
			var seen Report
			for seed := range uint64(6) {
				changes := p.directory.Churn(seed, 40)
				report := p.clean()
				if t.Failed() {
					t.Fatal(changes)
				}
				p.same()
				if t.Failed() {
					t.Fatal(changes)
				}
				seen.Users.Created += report.Users.Created
				seen.Users.Updated += report.Users.Updated
				seen.Users.Disabled += report.Users.Disabled
				seen.Users.Restored += report.Users.Restored
				seen.Users.Deleted += report.Users.Deleted
				seen.Groups.Created += report.Groups.Created
				seen.Groups.Updated += report.Groups.Updated
				seen.Groups.Deleted += report.Groups.Deleted
				seen.MembersAdded += report.MembersAdded
				seen.MembersRemoved += report.MembersRemoved
				seen.ManagersSet += report.ManagersSet
			}
			for what, n := range map[string]int{
				"created": seen.Users.Created, "updated": seen.Users.Updated, "disabled": seen.Users.Disabled, "restored": seen.Users.Restored,
				"deleted": seen.Users.Deleted, "groups created": seen.Groups.Created, "groups updated": seen.Groups.Updated,
				"groups deleted": seen.Groups.Deleted, "members added": seen.MembersAdded, "members removed": seen.MembersRemoved,
				"managers set": seen.ManagersSet,
			} {
				if n == 0 {
					t.Errorf("nothing was %s", what)
				}
			}
		})
	}
}

// directTo sends a request to a handler, as somebody else.
func (p *plant) directTo(handler http.Handler, method, path, body string) (int, map[string]any) {
	p.t.Helper()
	request := httptest.NewRequest(method, "/rest"+path, strings.NewReader(body))
	request.Header.Set("Authorization", "Bearer backend-token")
	request.Header.Set("Content-Type", contentType)
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	var answer map[string]any
	_ = json.Unmarshal(recorder.Body.Bytes(), &answer)
	return recorder.Code, answer
}

// deleteUser deletes a user by hand at the backend.
func (p *plant) deleteUser(name string) {
	p.t.Helper()
	_, list := p.direct(http.MethodGet, "/Users?filter="+url.QueryEscape(`userName eq "`+name+`"`), "")
	for _, one := range list["Resources"].([]any) {
		if status, _ := p.direct(http.MethodDelete, "/Users/"+one.(map[string]any)["id"].(string), ""); status != http.StatusNoContent {
			p.t.Fatal(status)
		}
	}
}
