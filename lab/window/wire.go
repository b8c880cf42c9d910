package window

import (
	"net/http"
	"time"
	"unicode/utf8"
)

// row is an exchange as the page's table shows it.
type row struct {
	ID      string   `json:"id"`
	Change  uint64   `json:"change"`
	Start   int64    `json:"start"` // Unix time in milliseconds
	MS      float64  `json:"ms"`
	Method  string   `json:"method"`
	Target  string   `json:"target"`
	Step    string   `json:"step"`
	Status  int      `json:"status"`
	Outcome string   `json:"outcome"` // empty while it is open
	Rules   []string `json:"rules"`
	Class   string   `json:"class"`
	Calls   int      `json:"calls"` // to the backend
}

// detail is an exchange with everything that is known of it.
type detail struct {
	row
	Cause      string  `json:"cause"`
	Remedy     string  `json:"remedy"`
	Caller     string  `json:"caller"`
	Credential string  `json:"credential"`
	BackendMS  float64 `json:"backendMS"`
	SecretMS   float64 `json:"secretMS"`
	Logged     bool    `json:"logged"`
	Entra      message `json:"entra"`
	Answer     message `json:"answer"`
	Backend    []pair  `json:"backend"`
}

type pair struct {
	Got  message `json:"got"`
	Said message `json:"said"`
}

// message is a Message whose body is text.
type message struct {
	StartLine string      `json:"startLine"`
	Header    http.Header `json:"header"`
	Body      string      `json:"body"` // empty if it is binary
	Binary    bool        `json:"binary"`
	Size      int64       `json:"size"`
	Truncated bool        `json:"truncated"`
	Broken    bool        `json:"broken"`
	Status    int         `json:"status"`
}

func (e *entry) row() row {
	return row{
		ID: e.ID, Change: e.change, Start: e.Start.UnixMilli(), MS: milliseconds(e.Duration),
		Method: e.Method, Target: e.Target, Step: e.Step,
		Status: e.Status, Outcome: e.Outcome, Rules: e.Rules, Class: e.Class, Calls: len(e.calls),
	}
}

// detail returns the exchange with that ID. It is not found if it was forgotten.
func (r *Recorder) detail(id string) (d detail, found bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.ring {
		if e.ID != id {
			continue
		}
		d = detail{
			row: e.row(), Cause: e.Cause, Remedy: e.Remedy, Caller: e.Caller, Credential: e.Credential,
			BackendMS: milliseconds(e.BackendTime), SecretMS: milliseconds(e.SecretTime), Logged: e.Logged,
			Entra: e.Entra.wire(), Answer: e.Answer.wire(), Backend: []pair{},
		}
		for _, c := range e.calls {
			d.Backend = append(d.Backend, pair{c.Got.wire(), c.Said.wire()})
		}
		return d, true
	}
	return detail{}, false
}

func (m Message) wire() message {
	w := message{
		StartLine: m.StartLine, Header: m.Header, Size: m.Size,
		Truncated: m.Truncated, Broken: m.Broken, Status: m.Status,
	}
	body := m.Body
	if m.Truncated {
		// The cut may go through a character.
		for range utf8.UTFMax {
			if r, size := utf8.DecodeLastRune(body); r != utf8.RuneError || size != 1 {
				break
			}
			body = body[:len(body)-1]
		}
	}
	if w.Binary = !utf8.Valid(body); !w.Binary {
		w.Body = string(body)
	}
	return w
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
