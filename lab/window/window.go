// Package window shows exchanges between Entra, the proxy and the backend as
// they happen, on a web page for the person at this machine: a [Recorder] takes
// them in, and the handler that [New] returns serves them, next to buttons that
// make something happen.
//
// No credential gets as far as the Recorder's memory: see [Message]. The page
// loads nothing from elsewhere, and the handler answers only to names of this
// machine.
package window

import (
	"crypto/rand"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
)

// Options configures the page.
type Options struct {
	// Title is the page's heading; empty means "Entra SCIM proxy lab".
	Title string
	// Facts are shown on top. Those that change go to [Recorder.SetFact].
	Facts []Fact
	// Actions are the buttons, in this order.
	Actions []Action
}

// page is the handler's state.
type page struct {
	recorder *Recorder
	options  Options
	epoch    string // tells this process's event ids from those of others

	mu      sync.Mutex
	running map[string]bool // names of actions
}

// New returns the handler of the page: the page and its files, /events,
// /exchanges/{id} and /actions/{name}, and nothing else. It serves requests
// whose Host is a loopback address or localhost, and state changes only if they
// come from the page itself or from no browser. It panics if two actions share
// a name, or one has no name or no Run.
//
// A stream of events ends with its request's context: a server that is to shut
// down ends the context of its BaseContext first.
func New(recorder *Recorder, options Options) http.Handler {
	if options.Title == "" {
		options.Title = "Entra SCIM proxy lab"
	}
	p := &page{recorder: recorder, options: options, epoch: rand.Text(), running: map[string]bool{}}
	p.options.Facts = slices.Clone(options.Facts)
	p.options.Actions = slices.Clone(options.Actions)
	mustBeUsable(p.options.Actions)

	mux := http.NewServeMux()
	for path, file := range files {
		mux.HandleFunc("GET "+path, file.serve)
	}
	mux.HandleFunc("GET /events", p.events)
	mux.HandleFunc("GET /exchanges/{id}", p.exchange)
	mux.HandleFunc("POST /actions/{name}", p.action)
	return guard(http.NewCrossOriginProtection().Handler(mux))
}

// file is one of the page's files.
type file struct{ name, mediaType string }

// files are all of them, by the path at which they are served.
var files = map[string]file{
	"/{$}":       {"page/index.html", "text/html; charset=utf-8"},
	"/style.css": {"page/style.css", "text/css; charset=utf-8"},
	"/app.js":    {"page/app.js", script},
	"/table.js":  {"page/table.js", script},
	"/detail.js": {"page/detail.js", script},
	"/diff.js":   {"page/diff.js", script},
	"/charts.js": {"page/charts.js", script},
	"/make.js":   {"page/make.js", script},
}

const script = "text/javascript; charset=utf-8"

//go:embed page
var embedded embed.FS

func (f file) serve(w http.ResponseWriter, _ *http.Request) {
	content, err := embedded.ReadFile(f.name)
	if err != nil {
		panic(err) // a file of the table is not embedded
	}
	w.Header().Set("Content-Type", f.mediaType)
	_, _ = w.Write(content) // who has left needs no answer
}

// headers are set on every answer.
var headers = map[string]string{
	"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
		"img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Referrer-Policy":              "no-referrer",
	"X-Content-Type-Options":       "nosniff",
	"Cache-Control":                "no-store",
}

// guard refuses names that are not this machine's: a site can have its own name
// resolve to 127.0.0.1 (DNS rebinding), and is then of the page's origin, but
// the browser still sends that name.
func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		for name, value := range headers {
			w.Header().Set(name, value)
		}
		if !isLoopback(request.Host) {
			http.Error(w, "This page is served to this machine only: use 127.0.0.1 or localhost.", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, request)
	})
}

// isLoopback reports whether a Host header names this machine.
func isLoopback(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	}
	if strings.EqualFold(name, "localhost") {
		return true
	}
	address, err := netip.ParseAddr(name)
	return err == nil && address.IsLoopback()
}

func (p *page) exchange(w http.ResponseWriter, request *http.Request) {
	found, ok := p.recorder.detail(request.PathValue("id"))
	if !ok {
		writeJSON(w, http.StatusNotFound, reply{Error: "The exchange is no longer remembered."})
		return
	}
	writeJSON(w, http.StatusOK, found)
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	encoded, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Errorf("window: encode an answer: %w", err)) // of types of our own
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(encoded) // who has left needs no answer
}

func mustBeUsable(actions []Action) {
	names := map[string]bool{}
	for _, action := range actions {
		if action.Name == "" || action.Run == nil || names[action.Name] {
			panic(errors.New("window: an action needs a Run and a name of its own: " + action.Label))
		}
		names[action.Name] = true
	}
}
