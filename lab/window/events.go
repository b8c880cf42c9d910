package window

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// rest is the least time between two events about exchanges: what changes
	// faster is told at once, and a page that reads slowly skips it.
	rest = 100 * time.Millisecond
	// comeBack is how soon a page comes back whose stream has ended, in
	// milliseconds.
	comeBack = 1000
	// patience is how long a page may leave an event unread before its stream
	// ends. It comes back by itself.
	patience = 10 * time.Second
)

// news is what the event "exchanges" holds.
type news struct {
	Reset bool  `json:"reset"` // all that the page had is void
	Rows  []row `json:"rows"`  // in the order in which they began
}

// since returns the exchanges that changed after a change, and the last change.
func (r *Recorder) since(change uint64) (rows []row, last uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	rows = []row{}
	for _, e := range r.ring {
		if e.change > change {
			rows = append(rows, e.row())
		}
	}
	return rows, r.change
}

func (r *Recorder) pulse(now time.Time) pulse {
	r.mu.Lock()
	counts := r.counts // a copy, to sort it outside the lock
	r.mu.Unlock()
	return counts.pulse(now)
}

// stream is one page that watches.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	epoch   string
	seen    uint64 // the last change that was told
	status  uint64 // the last change of facts and actions that was told
}

// events serves server-sent events
// (https://html.spec.whatwg.org/multipage/server-sent-events.html): "status"
// with facts and actions, "exchanges" with what is new of them, and once a
// second "pulse" with the figures, which is the heartbeat too. A page that comes
// back with Last-Event-ID gets what changed since. The stream ends with the
// request's context.
func (p *page) events(w http.ResponseWriter, request *http.Request) {
	changes, stop := p.recorder.watch()
	defer stop()
	w.Header().Set("Content-Type", "text/event-stream")
	s := &stream{w: w, control: http.NewResponseController(w), epoch: p.epoch}
	resumed := s.resume(request.Header.Get("Last-Event-ID"))
	if p.tellStatus(s) != nil || p.tellNews(s, !resumed) != nil || p.tellPulse(s) != nil {
		return
	}
	beat := time.NewTicker(time.Second)
	defer beat.Stop()
	awake := changes
	var rested <-chan time.Time
	for {
		var err error
		select {
		case <-request.Context().Done():
			return
		case <-beat.C:
			err = p.tellPulse(s)
		case <-rested:
			awake, rested = changes, nil
		case <-awake:
			if err = p.tellStatus(s); err == nil {
				err = p.tellNews(s, false)
			}
			awake, rested = nil, time.After(rest)
		}
		if err != nil {
			return
		}
	}
}

// resume takes up after an event id of this process.
func (s *stream) resume(id string) bool {
	epoch, change, _ := strings.Cut(id, ".")
	n, err := strconv.ParseUint(change, 10, 64)
	if epoch != s.epoch || err != nil {
		return false
	}
	s.seen = n
	return true
}

func (p *page) tellStatus(s *stream) error {
	status, change := p.status()
	if change == s.status {
		return nil
	}
	s.status = change
	return s.send("status", "", status)
}

func (p *page) tellNews(s *stream, reset bool) error {
	rows, last := p.recorder.since(s.seen)
	s.seen = last
	if len(rows) == 0 && !reset {
		return nil
	}
	return s.send("exchanges", s.epoch+"."+strconv.FormatUint(last, 10), news{reset, rows})
}

func (p *page) tellPulse(s *stream) error {
	return s.send("pulse", "", p.recorder.pulse(time.Now()))
}

// send writes one event and gives the page a while to take it.
func (s *stream) send(event, id string, data any) error {
	encoded, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("window: encode event %s: %w", event, err)
	}
	if id != "" {
		id = fmt.Sprintf("id: %s\nretry: %d\n", id, comeBack)
	}
	_ = s.control.SetWriteDeadline(time.Now().Add(patience)) // a writer without deadlines is none of a server's
	if _, err := fmt.Fprintf(s.w, "event: %s\n%sdata: %s\n\n", event, id, encoded); err != nil {
		return fmt.Errorf("window: send event %s: %w", event, err)
	}
	return s.control.Flush()
}
