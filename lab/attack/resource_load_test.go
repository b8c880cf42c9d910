package attack

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/entra-scim-proxy/lab/profile"
	"example.com/entra-scim-proxy/lab/stand"
)

// full asks for the long form of the tests that put load on the proxy.
var full = os.Getenv("ATTACK_FULL") != ""

// large is an answer of the backend that no buffer on the way takes whole.
var large = []byte(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"Resources":[{"id":"0"}` + strings.Repeat(`,{"id":"1","userName":"adele@contoso.com","active":true}`, 20_000) + "]}")

// plant is a world whose backend is the test's own: it keeps the calls to /Users/kept
// until it is opened, answers /Users/large at length, and reads each body.
type plant struct {
	*world
	kept   chan struct{} // gets one for each call that is kept
	opened chan struct{}
	once   sync.Once
}

func newPlant(t *testing.T, kind int, settings ...string) *plant {
	t.Helper()
	folder, err := build()
	if err != nil {
		t.Fatal(err)
	}
	p := &plant{world: &world{name: kinds[kind].name, behindHost: kinds[kind].host, http2: kinds[kind].http}, kept: make(chan struct{}, 100_000), opened: make(chan struct{})}
	p.output.arrived = sync.NewCond(&p.output.mu)
	strict, _ := profile.ByName("strict")
	options := stand.Options{Profile: strict, HTTP1: !p.http2, AtBackend: p.backend, Log: &p.output, Settings: settings}
	if p.behindHost {
		options.App, options.Azure = folder, true
	}
	if p.Stand, err = stand.New(t.Context(), options); err != nil {
		t.Fatal(err)
	}
	p.front, p.stop = strings.TrimPrefix(p.Origin, "http://"), p.Close
	if p.behindHost {
		p.pid = p.Host.Pid()
	} else {
		if err := p.startHandler(filepath.Join(folder, "handler")); err != nil {
			t.Fatal(err, p.Close())
		}
		p.front = p.output.address()
	}
	t.Cleanup(func() {
		p.open()
		if err := p.stop(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func (p *plant) open() { p.once.Do(func() { close(p.opened) }) }

func (p *plant) backend(http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		switch {
		case err != nil || r.Header.Get("Authorization") != "Bearer "+p.BackendToken():
			w.WriteHeader(http.StatusBadRequest)
		case strings.HasSuffix(r.URL.Path, "/kept"):
			p.kept <- struct{}{}
			select {
			case <-p.opened:
			case <-r.Context().Done():
			}
			w.WriteHeader(http.StatusNoContent)
		case strings.HasSuffix(r.URL.Path, "/large"):
			w.Header().Set("Content-Type", "application/scim+json")
			_, _ = w.Write(large) // whoever asked may leave
		case strings.HasSuffix(r.URL.Path, "/endless"):
			for range 8 {
				_, _ = w.Write(large) // likewise
			}
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
}

// ping asks as the host does whether the handler is up.
func (p *plant) ping(t *testing.T) {
	t.Helper()
	if p.behindHost {
		if status, err := p.Host.Ping(t.Context()); status != http.StatusOK || err != nil {
			t.Errorf("the ping: %d %v", status, err)
		}
		return
	}
	if answers, rest := p.send(t, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"); len(answers) != 1 || answers[0].status != http.StatusOK || rest != "" {
		t.Errorf("the ping: %v %q", answers, rest)
	}
}

// works makes an ordinary call.
func (p *plant) works(t *testing.T) {
	t.Helper()
	if got, err := p.call(t.Context(), newClient(t, 1), "GET /scim/Users/1", nil); err != nil || got.status != http.StatusNotFound {
		t.Errorf("an ordinary call: %d %v %.200s", got.status, err, got.body)
	}
}

// Over the limit a call is refused at once: all that are too many have their
// answers while the backend still keeps those that are not. The ping is no call.
func TestOverload(t *testing.T) {
	for _, row := range []struct {
		kind, most int
		settings   []string
	}{
		{0, 4, []string{"MAX_CONCURRENT=4"}}, {3, 4, []string{"MAX_CONCURRENT=4"}},
		{1, 1000, nil}, // the default
	} {
		t.Run(fmt.Sprint(kinds[row.kind].name, " ", row.most), func(t *testing.T) {
			t.Parallel()
			p := newPlant(t, row.kind, row.settings...)
			overload(t, p, row.most)
		})
	}
}

func overload(t *testing.T, p *plant, most int) {
	client := newClient(t, 3*most)
	statuses := make(chan int, 3*most)
	var calls sync.WaitGroup
	start := func(n int) {
		for range n {
			calls.Go(func() { // ends when the backend is open, at the latest
				got, err := p.call(t.Context(), client, "GET /scim/Users/kept", nil)
				if err != nil || got.status == http.StatusServiceUnavailable && (got.header.Get("Retry-After") != "2" || !bytes.Contains(got.body, []byte(":Error"))) {
					t.Errorf("%v %v %.200s", err, got.header, got.body)
				}
				statuses <- got.status
			})
		}
	}
	await := func(what string, status, n int) {
		limit := time.After(patience)
		for i := range n {
			select {
			case got := <-statuses:
				if got != status {
					t.Errorf("%s: %d", what, got)
				}
			case <-limit:
				t.Fatalf("%s: %d answers, want %d", what, i, n)
			}
		}
	}
	start(most)
	for range most { // each has its place
		select {
		case <-p.kept:
		case <-time.After(patience):
			t.Fatal("the calls do not reach the backend")
		}
	}
	p.ping(t)
	start(2 * most)
	await("too many", http.StatusServiceUnavailable, 2*most)
	p.ping(t)
	p.open()
	await("within the limit", http.StatusNoContent, most)
	calls.Wait()
	p.works(t)
}

// memory are figures of a process, in bytes: what it has now, and what it had at
// most.
type memory struct{ now, most int }

func (w *world) memory(t *testing.T) (m memory) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.pid))
	if err != nil {
		t.Skip("the system does not tell what a process takes:", err)
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		kilobytes, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(value), " kB"))
		switch {
		case name == "VmRSS" && err == nil:
			m.now = kilobytes << 10
		case name == "VmHWM" && err == nil:
			m.most = kilobytes << 10
		}
	}
	if m.now == 0 || m.most == 0 {
		t.Fatalf("no figures in %s", status)
	}
	return m
}

// descriptors counts the file descriptors of the handler.
func (w *world) descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", w.pid))
	if err != nil {
		t.Skip("the system does not tell of descriptors:", err)
	}
	return len(list)
}

// awaitDescriptors waits until the handler has no more descriptors than that.
func (w *world) awaitDescriptors(t *testing.T, most int) {
	t.Helper()
	limit, tick := time.After(patience), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for w.descriptors(t) > most {
		select {
		case <-tick.C: // there is no event to wait for
		case <-limit:
			t.Fatalf("the handler has %d descriptors still, want %d at most", w.descriptors(t), most)
		}
	}
}

// spared is what the handler may have over its start when all is over: those of
// its idle connections to the backend, and of the test's.
const spared = 64

// memoryBound is what the handler may take at most, whatever is asked of it:
// GOMEMLIMIT, which is 192 MiB, and what the collector cannot hold to it, because
// it is in use.
const memoryBound = 320 << 20

// A thousand calls at once, of the worst that is known of each kind, do not take
// more memory than there is. Whoever is not refused with 503 is served.
func TestMemoryUnderTheWorstMix(t *testing.T) {
	p := newPlant(t, 1, "NORMALIZE=all", "DROP_ATTRIBUTES=title", "BACKEND_TIMEOUT=220s")
	begin, rounds := p.memory(t), 1
	if full {
		rounds = 10
	}
	counts := map[int]int{}
	for range rounds {
		for status, n := range p.worstMix(t) {
			counts[status] += n
		}
	}
	m := p.memory(t)
	t.Logf("%d MiB at the start, %d MiB at most, %d MiB at the end; answers by status: %v", begin.now>>20, m.most>>20, m.now>>20, counts)
	if m.most > memoryBound {
		t.Errorf("the handler took %d MiB, want %d at most", m.most>>20, memoryBound>>20)
	}
	p.awaitDescriptors(t, spared)
	p.ping(t)
	p.works(t)
	overloaded := 0
	for _, line := range p.settle(t) {
		for _, wrong := range p.judgeLine(line) {
			t.Errorf("%.600s", wrong)
		}
		if strings.Contains(line, `"class":"overloaded"`) {
			overloaded++
		}
	}
	// A client that is still sending may find the connection closed before it
	// reads the answer. It was refused all the same.
	if counts[http.StatusServiceUnavailable]+counts[0] > overloaded {
		t.Errorf("%d calls were refused, and the log tells of %d", counts[http.StatusServiceUnavailable]+counts[0], overloaded)
	}
}

// worst are calls that cost the proxy more than others, with the statuses that
// are right beside 503.
func worst() []trial {
	numbers := []byte(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"Add","path":"members","value":[1` + strings.Repeat(",1", 130_000) + `]}]}`)
	removals := []byte(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"Remove","path":"members","value":[{"value":"1"}` + strings.Repeat(`,{"value":"1"}`, 20_000) + `]}]}`)
	long := []byte(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"` + strings.Repeat("a", 150_000) + `"}`)
	short := bytes.Repeat([]byte(" "), 64<<10)
	return slices.Concat(
		[]trial{
			{line: "PATCH /scim/Groups/1", body: numbers, want: []int{404, 400}}, {line: "PATCH /scim/Groups/1", body: removals, want: []int{404, 400}},
			{line: "PATCH /scim/Groups/kept", body: removals, want: []int{204, 400}}, {line: "GET /scim/Users/large", want: []int{200}},
		},
		slices.Repeat([]trial{
			{line: "POST /scim/Users", body: long, want: []int{404}}, {line: "PUT /scim/Users/kept", body: long, want: []int{204}}, {line: "POST /scim/Bulk/kept", body: short, want: []int{204}},
			{line: "POST /scim/Bulk", body: long, want: []int{404}}, {line: "GET /scim/Users/kept", want: []int{204}},
		}, 6),
	)
}

// worstMix makes a thousand calls at once, a tenth of which do not read their
// answers, and two thousand guesses beside, and counts the answers. The kept
// ones go on when all the others have theirs.
func (p *plant) worstMix(t *testing.T) map[int]int {
	t.Helper()
	client := newClient(t, 1000)
	client.Timeout = 4 * patience // the machine may be busy
	defer client.CloseIdleConnections()
	mix := worst()
	results := make(chan int, 1000)
	var calls, quick sync.WaitGroup
	ctx, stop := context.WithTimeout(t.Context(), 4*patience)
	defer stop()
	for i := range 900 {
		each := mix[i%len(mix)]
		run := func() { // ends with its answer, or with ctx
			got, err := p.call(ctx, client, each.line, each.body)
			right := got.status == http.StatusServiceUnavailable
			right = right || slices.Contains(each.want, got.status)
			if refusedWhileSending := err != nil && got.status == 0 && len(each.body) > 0; !right && !refusedWhileSending || err != nil && !refusedWhileSending {
				t.Errorf("%s: %d %v %.200s", each.line, got.status, err, got.body)
			}
			results <- got.status
		}
		if strings.HasSuffix(each.line, "/kept") {
			calls.Go(run)
		} else {
			quick.Go(run)
		}
	}
	for range 100 { // they do not read what they asked for
		conn, err := p.dial(t)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, p.fill("GET /scim/Users/large HTTP/1.1\r\nHost: {host}\r\n{auth}\r\n\r\n", "")); err != nil {
			t.Error(err)
		}
	}
	quick.Go(func() { p.guessAll(t) })
	quick.Wait()
	p.ping(t)
	p.open()
	calls.Wait()
	close(results)
	counts := map[int]int{}
	for status := range results {
		counts[status]++
	}
	return counts
}

// guessAll presents wrong tokens on a few connections.
func (p *plant) guessAll(t *testing.T) {
	client := newClient(t, 20)
	defer client.CloseIdleConnections()
	var guessing sync.WaitGroup
	for range 20 {
		guessing.Go(func() { // ends with its calls
			for n := range guesses / 20 {
				got, err := p.call(t.Context(), client, "GET /scim/Users/1", nil, fmt.Sprint("Authorization: Bearer ", n))
				if err != nil || got.status != http.StatusUnauthorized && got.status != http.StatusServiceUnavailable {
					t.Errorf("a guess: %d %v", got.status, err)
				}
			}
		})
	}
	guessing.Wait()
}
