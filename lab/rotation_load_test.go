package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"text/tabwriter"
	"time"
)

// traffic is Entra: calls at a steady rate, whether or not those before were
// answered. Half of them are GETs, a quarter POSTs, a quarter PATCHes.
type traffic struct {
	url    string // where Users are
	rate   int    // in calls per second
	made   int    // calls before the rate was known
	client *http.Client
	stop   context.CancelFunc
	ended  chan struct{} // closed when the last call is over

	mu            sync.Mutex
	phase         string
	phases        []string
	token, former string
	changed       time.Time // when token was
	pending, most int
	endings       map[ending]int
	slowest       map[string]time.Duration // by phase
	acknowledged  map[string]bool          // POSTs and PATCHes, as the backend counts them
}

// ending is how a call ended.
type ending struct {
	phase, method string
	status        int    // zero: without an answer
	problem       string // empty if it ended as it should
}

// entraGivesUp is how long Entra waits for an answer.
const entraGivesUp = 60 * time.Second

// startTraffic begins to call, until halt or the test's end, at the rate given or
// what this machine can keep up with: what is tested is not how fast it is.
func startTraffic(t *testing.T, url, token string, rate int) *traffic {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	e := &traffic{
		url: url, rate: rate, token: token, former: token, stop: cancel, ended: make(chan struct{}),
		endings: map[ending]int{}, slowest: map[string]time.Duration{}, acknowledged: map[string]bool{},
		client: &http.Client{Timeout: entraGivesUp, Transport: &http.Transport{
			MaxIdleConnsPerHost: 1000, IdleConnTimeout: time.Minute, DisableCompression: true,
		}},
	}
	t.Cleanup(e.halt)
	e.enter("before")
	e.call(0) // which waits for the secrets
	if able := max(e.throughput()/6, 10); able < rate {
		t.Logf("%d calls/s instead of %d: this machine has no more to spare", able, rate)
		e.rate = able
	}
	go e.run(ctx) // ends with halt
	return e
}

// throughput is how many calls a second many callers can make.
func (e *traffic) throughput() int {
	var made atomic.Int64
	var callers sync.WaitGroup
	end := time.Now().Add(time.Second)
	for range 32 {
		callers.Go(func() {
			for time.Now().Before(end) {
				e.call(int(made.Add(1)))
			}
		})
	}
	callers.Wait()
	e.made = int(made.Load()) + 1
	return e.made
}

// run starts the calls that are due at each tick: one that came late is made up
// for.
func (e *traffic) run(ctx context.Context) {
	defer close(e.ended)
	begin := time.Now()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	var calls sync.WaitGroup
	defer calls.Wait() // the client's timeout ends each
	made := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		due := int(time.Since(begin).Seconds() * float64(e.rate))
		for n := made; n < due; n++ {
			calls.Go(func() { e.call(e.made + n) })
		}
		made = max(made, due)
	}
}

// halt ends the calls and waits for those under way.
func (e *traffic) halt() {
	e.stop()
	<-e.ended
	e.client.CloseIdleConnections()
}

// enter begins a phase: calls count for the one they began in.
func (e *traffic) enter(phase string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.phase = phase
	e.phases = append(e.phases, phase)
}

// present is that somebody typed a new token into the portal.
func (e *traffic) present(token string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.token, e.former, e.changed = token, e.token, time.Now()
}

// begin returns what a call takes from the moment it begins in.
func (e *traffic) begin(n int) (phase, token string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.pending++
	e.most = max(e.most, e.pending)
	// Entra is many machines, and not all of them know at once.
	if time.Since(e.changed) < time.Second && n/4%4 == 0 {
		return e.phase, e.former
	}
	return e.phase, e.token
}

// call makes the n-th call and counts how it ended.
func (e *traffic) call(n int) {
	phase, token := e.begin(n)
	begin := time.Now()
	method, userName := [...]string{"GET", "POST", "GET", "PATCH"}[n%4], fmt.Sprintf("user%d@canary.example.com", n)
	status, problem := e.send(method, userName, token, n)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.pending--
	e.endings[ending{phase, method, status, problem}]++
	e.slowest[phase] = max(e.slowest[phase], time.Since(begin))
	if problem == "" && method != http.MethodGet {
		e.acknowledged[method+" "+userName] = true
	}
}

// send makes one call and judges the answer.
func (e *traffic) send(method, userName, token string, n int) (status int, problem string) {
	target, body, want := e.url, io.Reader(nil), http.StatusOK
	switch method {
	case http.MethodGet:
		target += "?filter=" + url.QueryEscape(`userName eq "`+userName+`"`)
	case http.MethodPost:
		body, want = strings.NewReader(document(userName, n)), http.StatusCreated
	case http.MethodPatch:
		target += "/" + userName
		body, want = strings.NewReader(document(userName, n)), http.StatusNoContent
	}
	request, err := http.NewRequestWithContext(context.Background(), method, target, body)
	if err != nil {
		return 0, err.Error()
	}
	request.Header.Set("Authorization", "Bearer "+token)
	if body != nil {
		request.Header.Set("Content-Type", "application/scim+json; charset=utf-8")
	}
	response, err := e.client.Do(request)
	if err != nil {
		return 0, broken(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return response.StatusCode, "the body ended early: " + broken(err)
	case response.StatusCode != want:
		return response.StatusCode, detail(content)
	}
	return response.StatusCode, misfit(method, userName, content)
}

// document is a body of 0.3 to 2 KiB, of POST and PATCH alike: to the backend
// both are bytes that must arrive whole.
func document(userName string, n int) string {
	start := fmt.Sprintf(`{"schemas":[%q],"userName":%q,"externalId":"`, userSchema, userName)
	return start + strings.Repeat("x", 300+n*37%1748-len(start)-2) + `"}`
}

// broken is an error without the addresses, which differ from call to call.
func broken(err error) string {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Op + ": " + op.Err.Error()
	}
	if failed, ok := errors.AsType[*url.Error](err); ok {
		return failed.Err.Error()
	}
	return err.Error()
}

// detail is what the body of an error says, without the request id.
func detail(content []byte) string {
	var message struct{ Detail string }
	if err := json.Unmarshal(content, &message); err != nil || message.Detail == "" {
		return "no SCIM Error"
	}
	text, _, _ := strings.Cut(message.Detail, " Request id")
	return text
}

// misfit says what is wrong with the body of an answer of the right status.
func misfit(method, userName string, content []byte) string {
	var body struct {
		UserName  string
		Resources []struct{ UserName string }
	}
	if method == http.MethodPatch {
		if len(content) > 0 {
			return "a body beside 204"
		}
		return ""
	}
	if err := json.Unmarshal(content, &body); err != nil {
		return "no JSON"
	}
	if len(body.Resources) == 1 {
		body.UserName = body.Resources[0].UserName
	}
	if body.UserName != userName {
		return "the answer to another call"
	}
	return ""
}

// total is how many calls are over, and how many of them failed.
func (e *traffic) total() (calls, failed int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for o, count := range e.endings {
		calls += count
		if o.problem != "" {
			failed += count
		}
	}
	return calls, failed
}

// slowestNow is the longest call of the present phase.
func (e *traffic) slowestNow() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.slowest[e.phase]
}

// failures is a table of the calls that failed, by phase, method, status and
// problem.
func (e *traffic) failures() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "calls\tphase\tmethod\tstatus\tproblem")
	order := func(a, b ending) int {
		return cmp.Or(slices.Index(e.phases, a.phase)-slices.Index(e.phases, b.phase), strings.Compare(fmt.Sprint(a), fmt.Sprint(b)))
	}
	for _, o := range slices.SortedFunc(maps.Keys(e.endings), order) {
		if o.problem != "" {
			fmt.Fprintf(table, "%d\t%s\t%s\t%d\t%s\n", e.endings[o], o.phase, o.method, o.status, o.problem)
		}
	}
	table.Flush()
	return text.String()
}

// summary is a line for each phase.
func (e *traffic) summary() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "phase\tcalls\tslowest")
	for _, phase := range e.phases {
		calls := 0
		for o, count := range e.endings {
			if o.phase == phase {
				calls += count
			}
		}
		fmt.Fprintf(table, "%s\t%d\t%v\n", phase, calls, e.slowest[phase].Round(time.Millisecond))
	}
	table.Flush()
	return text.String()
}
