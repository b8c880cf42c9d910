package proxy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"example.com/entra-scim-proxy/proxy/scim"
)

// bodyKinds are the calls whose bodies the rules know, by method and route: the
// writes of RFC 7644 section 3.2 to one resource, or to the collection it shall
// be in. All others, /Bulk and searches among them, stream.
var bodyKinds = map[[2]string]scim.Body{
	{http.MethodPatch, "/Users/{id}"}:  scim.Patch,
	{http.MethodPatch, "/Groups/{id}"}: scim.Patch,
	{http.MethodPatch, "/Me"}:          scim.Patch,
	{http.MethodPost, "/Users"}:        scim.Create,
	{http.MethodPost, "/Groups"}:       scim.Create,
	{http.MethodPost, "/Me"}:           scim.Create,
	{http.MethodPut, "/Users/{id}"}:    scim.Replace,
	{http.MethodPut, "/Groups/{id}"}:   scim.Replace,
	{http.MethodPut, "/Me"}:            scim.Replace,
}

// bodyKind returns what the call's body is, and whether a rule may change it, or
// an attribute be dropped from it.
func (p *Proxy) bodyKind(x *exchange, r *http.Request) (kind scim.Body, concerned bool) {
	if x.body.length == 0 {
		return 0, false
	}
	kind, ok := bodyKinds[[2]string{x.method, x.endpoint}]
	return kind, ok && p.options.Normalizer.Concerns(kind) && isJSON(r.Header["Content-Type"])
}

// isJSON reports whether a backend may take a body for JSON: one of the types in
// Content-Type is, with any parameters or broken ones, or there is none. Some
// clients send none, and their backends take it for the default.
func isJSON(contentType []string) bool {
	named := false
	for _, line := range contentType {
		for value := range strings.SplitSeq(line, ",") {
			name := strings.ToLower(mediaType(value))
			switch name {
			case mediaSCIM, mediaJSON, "text/json": // no patch of another kind, such as RFC 6902's
				return true
			}
			named = named || name != ""
		}
	}
	return !named
}

// isEncoded reports whether a Content-Encoding names a coding that the rules
// would have to undo.
func isEncoded(contentEncoding []string) bool {
	for _, value := range contentEncoding {
		for coding := range strings.SplitSeq(value, ",") {
			if coding = strings.TrimSpace(coding); coding != "" && !strings.EqualFold(coding, "identity") {
				return true
			}
		}
	}
	return false
}

// errNothingLeft: every operation of a PATCH was about attributes that are
// dropped.
var errNothingLeft = errors.New("no operation is left of the PATCH")

// normalize applies the rules to the held body, and drops attributes from it.
func (p *Proxy) normalize(ctx context.Context, x *exchange, kind scim.Body) error {
	if len(x.body.held) == 0 {
		return nil // it came in chunks, and there was none
	}
	of := scim.User
	if strings.HasPrefix(x.endpoint, "/Groups") {
		of = scim.Group
	}
	var outcome scim.Outcome
	var refused error
	err := p.load.parse(ctx, len(x.body.held), func() { outcome, refused = p.options.Normalizer.Request(kind, of, x.body.held) })
	if err := cmp.Or(err, refused); err != nil {
		return err // nothing added: its text is shown to the client
	}
	x.rules |= outcome.Fired
	x.dropped += outcome.Dropped
	if outcome.Empty {
		return errNothingLeft
	}
	x.body.replace(outcome.Body)
	return nil
}

// completeTargets applies the rule missing-target, which has to see the
// resource. Without it the PATCH stays as it is: the backend's own word on it
// is then the answer, and the log line's cause says why. It fails only if there is
// no memory for the resource.
func (p *Proxy) completeTargets(ctx context.Context, x *exchange, client http.Header) error {
	if !p.options.Normalizer.NeedsResource(x.body.held) {
		return nil
	}
	if err := p.load.hold(x, p.options.MaxBody/2); err != nil {
		return err
	}
	start := time.Now()
	resource, err := p.readResource(ctx, x, client)
	x.backendTime += time.Since(start)
	if err != nil {
		cause := err.Error()
		if errors.Is(err, errTransport) {
			cause = p.options.Explain(err).Cause
		}
		x.cause = "missing-target could not read the resource: " + cause
		return nil
	}
	return p.load.parse(ctx, len(x.body.held)+len(resource), func() {
		body, fired := p.options.Normalizer.Complete(x.body.held, resource)
		x.body.replace(body)
		x.rules |= fired
	})
}

// readHeaders are the client's headers that go with the proxy's own GET: who
// asks, and on whose behalf. Conditions and preferences are about the PATCH.
var readHeaders = []string{"Adscimversion", "Traceparent", "Tracestate", "X-Request-Id"}

// readResource gets the resource that the exchange is about. It may take three
// quarters of the time that is left, in which a credential that is waited for
// comes, so that the exchange's own call has the last one.
func (p *Proxy) readResource(ctx context.Context, x *exchange, client http.Header) ([]byte, error) {
	deadline, _ := ctx.Deadline() // ServeHTTP's
	ctx, cancel := context.WithTimeout(ctx, time.Until(deadline)/4*3)
	defer cancel()
	header := allowed(client, readHeaders)
	header.Set("Accept", mediaSCIM)
	header.Set("User-Agent", p.options.UserAgent)
	request := &http.Request{Method: http.MethodGet, URL: p.target(x), Host: p.options.Host, Header: header}
	response, err := p.swap.call(x, request.WithContext(ctx), new(requestBody))
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("the backend answered %d", response.StatusCode)
	case !isJSON(response.Header["Content-Type"]):
		return nil, errors.New("the backend's answer is not JSON")
	}
	resource, err := io.ReadAll(io.LimitReader(response.Body, p.options.MaxBody+1))
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx) // also without an error: see answerBody
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errTransport, err)
	case int64(len(resource)) > p.options.MaxBody:
		return nil, errors.New("it is larger than MAX_BODY")
	}
	return resource, nil
}
