package window

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
	"time"
)

// lineLimit bounds a line of the log, in bytes; a longer one is skipped.
const lineLimit = 64 << 10

// logLine is what is read of the proxy's one line per exchange; the keys are
// those of MarshalLogObject in proxy/exchange.go and of newLogger in
// handler/logger.go.
type logLine struct {
	Message    string  `json:"msg"`
	RequestID  string  `json:"request_id"`
	BackendMS  float64 `json:"backend_ms"`
	SecretMS   float64 `json:"secret_ms"`
	Caller     string  `json:"caller"`
	Credential string  `json:"credential"`
	Rules      string  `json:"rules"`
	Class      string  `json:"class"`
	Cause      string  `json:"cause"`
	Remedy     string  `json:"remedy"`
}

func (l logLine) apply(e *entry) {
	e.Logged = true
	e.Class, e.Cause, e.Remedy = l.Class, l.Cause, l.Remedy
	e.Caller, e.Credential = l.Caller, l.Credential
	e.BackendTime, e.SecretTime = duration(l.BackendMS), duration(l.SecretMS)
	if l.Rules != "" {
		e.Rules = strings.Split(l.Rules, ",")
	}
	e.scrub()
}

func duration(milliseconds float64) time.Duration {
	return time.Duration(milliseconds * float64(time.Millisecond))
}

// splitter makes lines of what is written in pieces.
type splitter struct {
	mu      sync.Mutex
	pending []byte
	skip    bool // the line is too long
}

// Write takes the proxy's log: lines of JSON, of which those with the message
// "exchange" are joined to the exchange with their request_id and all others
// are ignored. A line may come in several pieces, or end without a line feed.
// Write takes everything and never fails.
func (r *Recorder) Write(data []byte) (int, error) {
	r.lines.mu.Lock()
	defer r.lines.mu.Unlock()
	for rest := data; len(rest) > 0; {
		piece, after, ended := bytes.Cut(rest, []byte("\n"))
		rest = after
		r.lines.take(piece)
		if (ended || r.lines.whole()) && !r.lines.skip {
			r.read(r.lines.pending)
			r.lines.pending = r.lines.pending[:0]
		}
		if ended {
			r.lines.pending, r.lines.skip = r.lines.pending[:0], false
		}
	}
	return len(data), nil
}

func (s *splitter) take(piece []byte) {
	if s.skip || len(s.pending)+len(piece) > lineLimit {
		s.pending, s.skip = nil, true
		return
	}
	s.pending = append(s.pending, piece...)
}

// whole reports whether what is pending is an object already: no object is the
// beginning of another.
func (s *splitter) whole() bool {
	return bytes.HasSuffix(s.pending, []byte("}")) && json.Valid(s.pending)
}

func (r *Recorder) read(line []byte) {
	if !bytes.Contains(line, []byte(`"exchange"`)) {
		return
	}
	var parsed logLine
	if json.Unmarshal(line, &parsed) == nil && parsed.Message == "exchange" && parsed.RequestID != "" {
		r.logged(parsed)
	}
}
