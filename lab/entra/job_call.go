package entra

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// round is one cycle, or what is done on demand: a job at work.
type round struct {
	*Job
	dialect  dialect
	matching []int
	record   *record
	base     string // URL of the SCIM service, without a trailing slash
	onDemand bool
}

func (j *Job) round(d dialect) *round {
	return &round{
		Job: j, dialect: d, matching: j.mapping.matching, record: newRecord(j.options.Observe),
		base: j.client.tenant.origin + j.client.tenant.base,
	}
}

// outgoing is a call that a round makes.
type outgoing struct {
	step   string
	object string // whom it is about
	method string
	path   string
	query  string
	body   any // nil sends none
	manner manner
	judge  func(v *verdict, body map[string]any) // nil, or for a body of success
}

// reply is an answer that is good enough to go on with.
type reply struct {
	status int
	body   map[string]any // nil if there was none
	// lost says that the request may have reached the endpoint, although there
	// is no answer.
	lost bool
}

// errRefused says that the endpoint said no in the right way.
var errRefused = errors.New("refused")

// do makes one call, judges the answer, and records both. The error is what
// fails the object.
func (r *round) do(ctx context.Context, q outgoing) (reply, error) {
	target := r.client.tenant.target(q.path, q.query)
	call := Call{Step: q.step, Method: q.method, Path: target, Want: q.manner.right}
	if q.body != nil {
		var err error
		if call.Sent, err = json.Marshal(q.body); err != nil {
			return reply{}, fmt.Errorf("entra: encode body: %w", err)
		}
	}
	for try := 0; ; try++ {
		got, answered, err := r.try(ctx, q, call)
		if err != nil && try == 0 && r.options.HonourRetryAfter && pauseAsTold(ctx, got) {
			continue
		}
		return answered, err
	}
}

// try makes the call once.
func (r *round) try(ctx context.Context, q outgoing, call Call) (answer, reply, error) {
	start := time.Now()
	got, err := r.client.send(ctx, q.method, call.Path, call.Sent)
	call.Duration, call.Status, call.Traceparent = time.Since(start), got.status, got.trace
	if err == nil {
		call.Answer = got.body
	}
	answered := reply{status: got.status, lost: err != nil}
	v := &verdict{}
	if err == nil {
		answered.body = v.examine(r.base, q.manner, got)
		if q.judge != nil && answered.body != nil {
			q.judge(v, answered.body)
		}
		if err = v.err(); err == nil && slices.Contains(q.manner.refuses, got.status) {
			err = fmt.Errorf("%w: %w", errRefused, unexpected(q.manner.right, got))
		}
		// A server that failed may have done it all the same.
		answered.lost = got.status >= http.StatusInternalServerError
	}
	call.OK = err == nil && len(v.rules) == 0
	switch {
	case err != nil:
		call.Detail = oneLine(err)
	case !call.OK:
		call.Detail = v.details[0]
	}
	r.record.call(call, q.object, v)
	return got, answered, err
}

// pauseAsTold waits for the seconds of Retry-After (RFC 9110 section 10.2.3), if
// a 429 has them. It reports whether to try again.
func pauseAsTold(ctx context.Context, got answer) bool {
	seconds, err := strconv.Atoi(got.header.Get("Retry-After"))
	if got.status != http.StatusTooManyRequests || err != nil || seconds < 0 {
		return false
	}
	timer := time.NewTimer(time.Duration(seconds) * time.Second)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// resource is the path of one resource.
func resource(f *family, id string) string { return f.path + "/" + url.PathEscape(id) }

// probe sends the look-ups that open everything: their failure ends it.
// https://learn.microsoft.com/entra/identity/app-provisioning/use-scim-to-provision-users-and-groups
func (r *round) probe(ctx context.Context) error {
	collections := []*family{r.userFamily()}
	if !r.options.UsersOnly {
		collections = append(collections, r.groupFamily())
	}
	for _, f := range collections {
		a := f.attributes[f.matching[0]]
		step := "probe " + f.name + "s"
		_, err := r.do(ctx, outgoing{
			step: step, method: http.MethodGet, path: f.path, query: equals(f.excluded, a.path(), r.guid()), manner: lookUpManner,
			judge: func(v *verdict, list map[string]any) {
				if found := v.found(r.base, list); found != nil {
					v.note(ruleProbe, "somebody matches a random GUID")
				}
			},
		})
		if ended := ctx.Err(); ended != nil {
			return fmt.Errorf("entra: %s: %w", step, ended)
		}
		if err != nil {
			r.record.fail("", step, err)
			return fmt.Errorf("entra: %s: %s", step, oneLine(err))
		}
	}
	return nil
}
