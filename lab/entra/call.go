package entra

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Call is the outcome of one step.
type Call struct {
	// Step says what Entra does, in a few words.
	Step string
	// Method and Path are the request's; the path is the request target,
	// escaped, with its query. In a call that was skipped the id of a resource
	// that was never made reads "{user}".
	Method, Path string
	// Status is the answer's; zero when there was none.
	Status int
	// Want lists the statuses that are right.
	Want []int
	// Duration is the time until the last byte of the answer; zero if skipped.
	Duration time.Duration
	// OK says that the status was right and the body what Entra needs.
	OK bool
	// Skipped says that a call it depends on did not end as it should, so that
	// it was not sent. A skipped call is not OK.
	Skipped bool
	// Detail is the reason, on one line, when OK is false.
	Detail string
}

// step is one row of a sequence. Paths may hold {keys} of ids kept earlier.
type step struct {
	name   string
	after  []string // steps that must have ended as they should
	method string
	path   string
	query  string
	body   func(m *memory) any // nil sends none
	want   []int
	keep   string // key to keep the id of the answer under; empty keeps none
	judge  judge  // nil asks for nothing beyond status, media type and JSON
}

// memory is what one sequence learned.
type memory struct {
	ids map[string]string // key -> id of a resource
	ok  map[string]bool   // name of step -> ended as it should
}

// play sends the steps one after the other, as Entra does for one object.
func (c *Client) play(ctx context.Context, steps []step) []Call {
	m := &memory{ids: map[string]string{}, ok: map[string]bool{}}
	calls := make([]Call, 0, len(steps))
	for _, s := range steps {
		call := c.take(ctx, m, s)
		m.ok[s.name] = call.OK
		calls = append(calls, call)
	}
	return calls
}

func (c *Client) take(ctx context.Context, m *memory, s step) Call {
	path := m.expand(s.path)
	call := Call{Step: s.name, Method: s.method, Path: c.tenant.target(path, s.query), Want: s.want}
	failed := slices.IndexFunc(s.after, func(name string) bool { return !m.ok[name] })
	switch {
	case failed >= 0:
		call.Skipped, call.Detail = true, "skipped: \""+s.after[failed]+"\" did not end as it should"
		return call
	case strings.Contains(path, "{"):
		call.Skipped, call.Detail = true, "skipped: there is no such resource"
		return call
	}
	var body any
	if s.body != nil {
		body = s.body(m)
	}
	start := time.Now()
	got, err := c.send(ctx, s.method, path, s.query, body)
	call.Duration, call.Status = time.Since(start), got.status
	if err == nil {
		err = examine(m, s, got)
	}
	if err != nil {
		call.Detail = oneLine(err)
		return call
	}
	call.OK = true
	return call
}

// expand puts kept ids, escaped, in the place of their keys.
func (m *memory) expand(path string) string {
	for key, id := range m.ids {
		path = strings.ReplaceAll(path, "{"+key+"}", url.PathEscape(id))
	}
	return path
}

// oneLine is the reason without the method and URL that net/http puts in front:
// the row of the call names them already.
func oneLine(err error) string {
	if failed, ok := errors.AsType[*url.Error](err); ok {
		err = failed.Err
	}
	const most = 200
	text := []rune(strings.Join(strings.Fields(err.Error()), " "))
	if len(text) > most {
		text = append(text[:most], '…')
	}
	return string(text)
}
