// Package attack mounts attacks on the real binary: from the client's side
// through the Functions host and directly, from the backend's, and by sheer
// load. Each vector names the CVE or the clause that it guards, and counts in
// the table of docs/security.md.
package attack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"example.com/entra-scim-proxy/lab/profile"
	"example.com/entra-scim-proxy/lab/stand"
)

// patience bounds every wait for an event. It is far beyond what a busy machine
// takes.
const patience = 60 * time.Second

// world is the real binary between a client on a raw socket and the lab's SCIM
// backend over real TLS.
type world struct {
	*stand.Stand
	name       string
	behindHost bool
	http2      bool   // between proxy and backend
	front      string // host:port that a client connects to
	pid        int    // of the handler, which the host may start anew
	inside     []string

	output output // the handler's
	stop   func() error

	mu       sync.Mutex
	requests []request
	marks    int
}

// kinds are the four worlds.
var kinds = []struct {
	name       string
	host, http bool
}{
	{"direct+h1", false, false}, {"direct+h2", false, true}, {"host+h1", true, false}, {"host+h2", true, true},
}

// start sets a world up, with further settings of the proxy. No rule is on
// unless the settings say so, so that bodies stream.
func start(ctx context.Context, kind int, settings []string) (w *world, err error) {
	folder, err := build()
	if err != nil {
		return nil, err
	}
	strict, _ := profile.ByName("strict")
	k := kinds[kind]
	w = &world{name: k.name, behindHost: k.host, http2: k.http}
	w.output.arrived = sync.NewCond(&w.output.mu)
	options := stand.Options{
		Profile: strict, HTTP1: !k.http, AtBackend: w.record, Log: &w.output,
		Settings: append([]string{"NORMALIZE=none", "LOG_LEVEL=debug"}, settings...),
	}
	if k.host {
		options.App, options.Azure = folder, true
	}
	if w.Stand, err = stand.New(ctx, options); err != nil {
		return nil, err
	}
	w.stop = w.Close
	if k.host {
		w.pid = w.Host.Pid()
	} else if err := w.startHandler(filepath.Join(folder, "handler")); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	w.front = strings.TrimPrefix(w.Origin, "http://")
	if !k.host {
		w.front = w.output.address()
	}
	w.inside = append(w.Secrets(), w.BackendAddress, stand.BackendName, "Lab Private CA", "/rest/scim", "entra-scim-lab-")
	return w, nil
}

// startHandler runs the binary without a host.
func (w *world) startHandler(path string) error {
	command := exec.CommandContext(context.Background(), path) // stop ends it
	command.Env = append([]string{"PATH=" + os.Getenv("PATH"), "FUNCTIONS_CUSTOMHANDLER_PORT=0"}, w.Settings()...)
	command.Stdout, command.Stderr = &w.output, &w.output
	if err := command.Start(); err != nil {
		return err
	}
	w.pid = command.Process.Pid
	w.stop = func() error {
		err := command.Process.Signal(syscall.SIGTERM)
		return errors.Join(err, command.Wait(), w.Close())
	}
	return nil
}

// shared are the worlds with default settings. Most tests share them.
var shared = struct {
	sync.Mutex
	worlds [4]*world
}{}

func closeWorlds() (err error) {
	shared.Lock()
	defer shared.Unlock()
	for _, w := range shared.worlds {
		if w != nil {
			err = errors.Join(err, w.stop())
		}
	}
	return err
}

// inEachWorld runs a test in all four worlds at once: those that tests without
// settings share, or new ones with the settings given.
func inEachWorld(t *testing.T, settings []string, do func(t *testing.T, w *world)) {
	t.Helper()
	for i, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			do(t, newWorld(t, i, settings))
		})
	}
}

// newWorld is one of the four kinds; see inEachWorld.
func newWorld(t *testing.T, kind int, settings []string) *world {
	t.Helper()
	if len(settings) > 0 {
		w, err := start(t.Context(), kind, settings)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := w.stop(); err != nil {
				t.Error(err)
			}
		})
		return w
	}
	shared.Lock()
	defer shared.Unlock()
	if shared.worlds[kind] == nil {
		w, err := start(t.Context(), kind, nil)
		if err != nil {
			t.Fatal(err)
		}
		shared.worlds[kind] = w
	}
	return shared.worlds[kind]
}

// request is one that the backend got.
type request struct {
	method, uri, host, proto string
	header, trailer          http.Header
	body                     []byte
	cut                      bool // the body did not come to its end
}

// record notes each request that arrives, before the backend sees it.
func (w *world) record(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body := new(bytes.Buffer)
		_, err := body.ReadFrom(http.MaxBytesReader(rw, r.Body, 1<<20))
		got := request{
			method: r.Method, uri: r.RequestURI, host: r.Host, proto: r.Proto,
			header: r.Header.Clone(), trailer: r.Trailer.Clone(), body: body.Bytes(), cut: err != nil,
		}
		w.mu.Lock()
		w.requests = append(w.requests, got)
		w.mu.Unlock()
		r.Body = http.NoBody
		next.ServeHTTP(rw, r)
	})
}

// took returns what the backend got since the last call.
func (w *world) took() []request {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := w.requests
	w.requests = nil
	return list
}

// newMark makes a text that says which vector a request comes from.
func (w *world) newMark() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.marks++
	return fmt.Sprintf("mark%05dx", w.marks)
}

// settle makes a call, and returns the lines of the log since the last one once
// the line of that call is there, and with it those of calls that ended before.
func (w *world) settle(t *testing.T) []string {
	t.Helper()
	// With a query that does not parse, so that it ends at the proxy, and with the
	// token, or its line may be withheld.
	answers, _ := w.send(t, "GET /scim/Users?; HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer "+w.Token()+"\r\n\r\n")
	if len(answers) != 1 {
		t.Fatalf("a plain call got %d answers", len(answers))
	}
	_, id, ok := strings.Cut(string(answers[0].body), "Request id: ")
	if id, _, _ = strings.Cut(id, `"`); !ok || id == "" {
		t.Fatalf("an answer without a request id: %s", answers[0].body)
	}
	return w.output.since(t, func(lines []string) bool {
		return slices.ContainsFunc(lines, func(line string) bool { return strings.Contains(line, id) })
	})
}

// lines returns the log since the last call, parsed. A line that is no JSON
// object fails the test.
func (w *world) lines(t *testing.T) []map[string]any {
	t.Helper()
	var list []map[string]any
	for _, text := range w.settle(t) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Errorf("the log has a line that is no JSON: %q", text)
			continue
		}
		list = append(list, line)
	}
	return list
}

// output is what the handler writes, by lines.
type output struct {
	mu      sync.Mutex
	arrived *sync.Cond
	rest    []byte
	all     []string
	told    int // of all
}

// Write takes a piece.
func (o *output) Write(piece []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.rest = append(o.rest, piece...)
	for {
		end := bytes.IndexByte(o.rest, '\n')
		if end < 0 {
			return len(piece), nil
		}
		o.all = append(o.all, string(o.rest[:end]))
		o.rest = o.rest[end+1:]
		o.arrived.Broadcast()
	}
}

// await waits until the lines that were not told yet are enough. The lock is
// held.
func (o *output) await(enough func(lines []string) bool) bool {
	late := false
	timer := time.AfterFunc(patience, func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		late = true
		o.arrived.Broadcast()
	})
	defer timer.Stop()
	for !enough(o.all[o.told:]) && !late {
		o.arrived.Wait()
	}
	return !late
}

// since returns the lines that were not told yet, once they are enough.
func (o *output) since(t *testing.T, enough func(lines []string) bool) []string {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.await(enough) {
		t.Errorf("the log does not say what it should; the last lines: %q", o.all[max(0, len(o.all)-3):])
	}
	list := o.all[o.told:]
	o.told = len(o.all)
	return list
}

// address is where the handler listens, by its own word.
func (o *output) address() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var line struct{ Msg, Address string }
	o.await(func(lines []string) bool {
		for _, text := range lines {
			if json.Unmarshal([]byte(text), &line) == nil && line.Msg == "listening" {
				return true
			}
		}
		return false
	})
	return line.Address
}

// base is the path of the backend's URL.
func (w *world) base() string {
	target, err := url.Parse(w.Setting("BACKEND_URL"))
	if err != nil {
		return ""
	}
	return target.Path
}
