package window

import (
	"context"
	"net/http"
	"slices"
)

// Action is a button of the page.
type Action struct {
	// Name stands in the path that runs it. It is unique.
	Name string
	// Label is what the button says, Hint what it does, in a sentence.
	Label, Hint string
	// Run does it, in the goroutine of the request that asked for it, once at a
	// time. The context ends when the page that asked is left. What it returns
	// is shown to the person who pressed: the message in a sentence, or the
	// error. Neither may hold a secret.
	Run func(ctx context.Context) (message string, err error)
	// Disabled says in a sentence why the button cannot be pressed; empty means
	// that it can.
	Disabled string
}

// button is an Action as the page gets it.
type button struct {
	Name     string `json:"name"`
	Label    string `json:"label"`
	Hint     string `json:"hint"`
	Disabled string `json:"disabled"`
	Running  bool   `json:"running"`
}

// status is what the event of that name holds.
type status struct {
	Title   string   `json:"title"`
	Facts   []Fact   `json:"facts"`
	Actions []button `json:"actions"`
}

// reply is the answer to an action, or an error.
type reply struct {
	Message string `json:"message,omitempty"`
	Error   string `json:"error,omitempty"`
}

// status returns facts and actions, and the change that they saw last, counted
// from 1.
func (p *page) status() (status, uint64) {
	p.recorder.mu.Lock()
	change := p.recorder.status + 1
	facts := append(append([]Fact{}, p.options.Facts...), p.recorder.facts...) // never null
	p.recorder.mu.Unlock()

	p.mu.Lock()
	defer p.mu.Unlock()
	buttons := make([]button, len(p.options.Actions))
	for i, a := range p.options.Actions {
		buttons[i] = button{a.Name, a.Label, a.Hint, a.Disabled, p.running[a.Name]}
	}
	return status{p.options.Title, facts, buttons}, change
}

func (p *page) action(w http.ResponseWriter, request *http.Request) {
	name := request.PathValue("name")
	i := slices.IndexFunc(p.options.Actions, func(a Action) bool { return a.Name == name })
	if i < 0 {
		writeJSON(w, http.StatusNotFound, reply{Error: "There is no such action."})
		return
	}
	action := p.options.Actions[i]
	if action.Disabled != "" {
		writeJSON(w, http.StatusConflict, reply{Error: action.Disabled})
		return
	}
	if !p.start(name) {
		writeJSON(w, http.StatusConflict, reply{Error: "It is running already."})
		return
	}
	defer p.stop(name)
	message, err := action.Run(request.Context())
	if err != nil {
		// It ran, which is all that the status is about.
		writeJSON(w, http.StatusOK, reply{Error: err.Error()})
		return
	}
	writeJSON(w, http.StatusOK, reply{Message: message})
}

// start reports whether the action was not running.
func (p *page) start(name string) bool {
	p.mu.Lock()
	was := p.running[name]
	p.running[name] = true
	p.mu.Unlock()
	if !was {
		p.recorder.touchStatus()
	}
	return !was
}

func (p *page) stop(name string) {
	p.mu.Lock()
	p.running[name] = false
	p.mu.Unlock()
	p.recorder.touchStatus()
}

func (r *Recorder) touchStatus() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.noteStatus()
}
