package entra

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	// Sent is the request's body; nil if it has none, or the call was skipped.
	Sent []byte
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
	// Answer is the answer's body as it came, and not nil; nil if there was no
	// answer, or it did not come whole. Only jobs have it.
	Answer []byte
	// Traceparent is what Options.Traceparent made for the call.
	Traceparent string
}

// step is one row of a sequence. Path, query and body may hold {keys} of ids
// kept earlier.
type step struct {
	name   string
	after  []string // steps that must have ended as they should
	method string
	path   string
	query  string
	body   any // nil sends none
	leaked any // takes the place of body once a group has shown its members
	want   []int
	keep   string // key to keep the id of the answer under; empty keeps none
	judge  judge  // nil asks for nothing beyond status, media type and JSON
	given  bool   // prepares others: media type and locations do not count
}

// memory is what one sequence learned.
type memory struct {
	base   string            // URL of the SCIM service, without a trailing slash
	ids    map[string]string // key -> id of a resource
	ok     map[string]bool   // name of step -> ended as it should
	leaked bool              // a group showed the members that were excluded
	lost   []string          // as Options.Lost
}

func (c *Client) newMemory() *memory {
	return &memory{base: c.tenant.origin + c.tenant.base, ids: map[string]string{}, ok: map[string]bool{}, lost: c.options.Lost}
}

// play sends the steps one after the other, as Entra does for one object.
func (c *Client) play(ctx context.Context, steps []step) []Call {
	m := c.newMemory()
	calls := make([]Call, 0, len(steps))
	for _, s := range steps {
		calls = append(calls, c.take(ctx, m, s))
	}
	return calls
}

func (c *Client) take(ctx context.Context, m *memory, s step) (call Call) {
	defer func() { m.ok[s.name] = call.OK }()
	target := c.tenant.target(m.expand(s.path, url.PathEscape), m.expand(s.query, escape))
	call = Call{Step: s.name, Method: s.method, Path: target, Want: s.want}
	failed := slices.IndexFunc(s.after, func(name string) bool { return !m.ok[name] })
	switch {
	case failed >= 0:
		call.Skipped, call.Detail = true, "skipped: \""+s.after[failed]+"\" did not end as it should"
		return call
	case strings.Contains(target, "{"):
		call.Skipped, call.Detail = true, "skipped: there is no such resource"
		return call
	}
	body := s.body
	if m.leaked && s.leaked != nil {
		body = s.leaked
	}
	var err error
	if call.Sent, err = m.encode(body); err != nil {
		call.Detail = oneLine(err)
		return call
	}
	start := time.Now()
	got, err := c.send(ctx, s.method, target, call.Sent)
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
func (m *memory) expand(text string, escape func(string) string) string {
	for key, id := range m.ids {
		text = strings.ReplaceAll(text, "{"+key+"}", escape(id))
	}
	return text
}

// encode is a body in JSON with kept ids in the place of their keys; nil stays
// nil.
func (m *memory) encode(body any) ([]byte, error) {
	if body == nil {
		return nil, nil
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("entra: encode body: %w", err)
	}
	for key, id := range m.ids {
		quoted, err := json.Marshal(id)
		if err != nil {
			return nil, fmt.Errorf("entra: encode id: %w", err)
		}
		encoded = bytes.ReplaceAll(encoded, []byte("{"+key+"}"), quoted[1:len(quoted)-1])
	}
	return encoded, nil
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
