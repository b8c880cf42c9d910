package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"example.com/entra-scim-proxy/proxy"
	"example.com/entra-scim-proxy/proxy/token"
	"example.com/entra-scim-proxy/proxy/upstream"
)

// maxAnswer bounds what is read of an answer, in bytes. A run holds several at
// once, as JSON of ten times the size, in an instance that serves Entra beside.
const maxAnswer = 512 << 10

// contentType is that of Entra's bodies.
const contentType = "application/scim+json; charset=utf-8"

// keep keeps the values of a setting's secret for other steps.
func (c *check) keep(setting string, values token.Credentials) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.values[setting] = values
}

// value returns what was kept; nil if nothing was.
func (c *check) value(setting string) token.Credentials {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.values[setting]
}

// answer is what came back for a call.
type answer struct {
	status int
	header http.Header
	body   []byte
	// cut tells that the body is longer than maxAnswer.
	cut bool
	// line is the proxy's log line about the call; zero for a call to the backend.
	line line
}

// newEdge makes the connections to the backend. It is called when the secrets
// have been read.
func (c *check) newEdge() *upstream.Transport {
	options := upstream.Options{ServerName: c.ServerName, Timeout: c.Timeout, Lookup: c.Lookup, Dial: c.Dial}
	if c.roots != nil {
		options.Roots = func(context.Context) (*upstream.Roots, error) { return c.roots, nil }
	}
	if c.identity != nil {
		options.Identity = func(context.Context) (*upstream.Identity, error) { return c.identity, nil }
	}
	c.opened.Store(upstream.NewTransport(options))
	return c.opened.Load()
}

// entraHeader is what Entra sends with every call beside its credential: no
// Accept, and no User-Agent.
// https://github.com/MicrosoftDocs/azure-docs/issues/94189
func entraHeader(body []byte) http.Header {
	header := http.Header{"ADSCIMVersion": {"5.0"}} // not Header.Set, which spells it otherwise
	if body != nil {
		header.Set("Content-Type", contentType)
	}
	return header
}

// ask calls the backend as the proxy does without any rules, with the credential
// given; the zero Secret sends none. The target is a path below BACKEND_URL with
// its query, sent as it is. [failed] knows its errors.
func (c *check) ask(ctx context.Context, method, target string, body []byte, credential token.Secret) (answer, error) {
	return c.askBelow(ctx, c.base(), method, target, body, credential)
}

// base is the path of BACKEND_URL, escaped, without a slash at its end.
func (c *check) base() string { return strings.TrimSuffix(c.Backend.EscapedPath(), "/") }

// askBelow is ask with another path instead of BACKEND_URL's.
func (c *check) askBelow(ctx context.Context, base, method, target string, body []byte, credential token.Secret) (answer, error) {
	path, query, _ := strings.Cut(target, "?")
	request, err := newRequest(ctx, method, &url.URL{
		Scheme: c.Backend.Scheme, Host: c.Backend.Host, Opaque: base + path, RawQuery: query,
	}, body)
	if err != nil {
		return answer{}, err
	}
	request.Host = c.Host
	request.Header.Set("User-Agent", c.UserAgent)
	if c.Present != nil && credential.Reveal() != "" {
		c.Present(request.Header, credential)
	}
	return roundTrip(c.edge(), request)
}

// call is ask with the present credential, and judges the answers that the proxy
// hands on to nobody: then ok is false, and the finding says why.
func (c *check) call(ctx context.Context, method, target string, body []byte) (got answer, bad Finding, ok bool) {
	got, err := c.ask(ctx, method, target, body, c.value(Outbound).Current())
	if err != nil {
		return got, silent(ctx, err), false
	}
	if bad, withheld := c.withheld(got); withheld {
		return got, bad, false
	}
	return got, Finding{}, true
}

// get is call for a GET, through the rules that are on if the backend does not
// answer it otherwise.
func (c *check) get(ctx context.Context, target string) (got answer, bad Finding, ok bool) {
	got, bad, ok = c.call(ctx, http.MethodGet, target, nil)
	if ok && got.isPlain() || c.Rules == 0 {
		return got, bad, ok
	}
	other, err := c.through(ctx, asked{method: http.MethodGet, target: target}, c.Rules)
	if err != nil || !other.isPlain() {
		return got, bad, ok
	}
	return other, Finding{}, true
}

// isPlain reports whether an answer to a GET says what there is, or that there is
// nothing.
func (a answer) isPlain() bool { return a.status == http.StatusOK || a.isGone() }

// isGone reports whether an answer says that there is no such resource.
func (a answer) isGone() bool {
	return a.status == http.StatusNotFound || a.status == http.StatusGone
}

// withheld is the finding for an answer that the proxy hands on to nobody; ok is
// false for one that it does.
func (c *check) withheld(got answer) (bad Finding, ok bool) {
	fault, ok := proxy.Withheld(got.response(), c.Present != nil) //nolint:bodyclose // its body is bytes in memory
	if !ok {
		return Finding{}, false
	}
	return refusal(fault), true
}

// silent is the finding for a call without an answer.
func silent(ctx context.Context, err error) Finding {
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil {
		return Finding{
			Status: Fail, Class: classTimeout, Found: "the backend did not answer in the time that the check gives it",
			Remedy: "find out why the backend is slow; Entra gives up after 60 s, the proxy after BACKEND_TIMEOUT",
		}
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return Finding{Status: Skip, Found: "the check was ended before the answer came"}
	}
	finding := failed(err)
	if errors.Is(err, errCut) {
		finding.Class, finding.Found = "backend_cut", "the backend's answer broke off"
	}
	return finding
}

// errCut marks the error of an answer whose body ended early.
var errCut = errors.New("the answer broke off")

// refusal is the finding for an answer that the proxy hands on to nobody.
func refusal(fault proxy.Fault) Finding {
	return Finding{Status: Fail, Class: fault.Class, Found: fault.Cause, Remedy: fault.Remedy} // the cause is a sentence for everybody
}

func newRequest(ctx context.Context, method string, target *url.URL, body []byte) (*http.Request, error) {
	var content io.Reader
	if body != nil {
		content = bytes.NewReader(body)
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://backend", content)
	if err != nil {
		return nil, fmt.Errorf("build request: %w", err)
	}
	request.URL, request.Header = target, entraHeader(body)
	return request, nil
}

// roundTrip makes a call and reads the answer. It follows no redirect.
func roundTrip(transport http.RoundTripper, request *http.Request) (answer, error) {
	response, err := transport.RoundTrip(request)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }() // read as far as it is needed
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		err = fmt.Errorf("%w: %w", errCut, err)
	}
	got := answer{status: response.StatusCode, header: response.Header, body: body[:min(len(body), maxAnswer)], cut: len(body) > maxAnswer}
	return got, err
}

// response is the answer once more, for who reads its body.
func (a answer) response() *http.Response {
	return &http.Response{StatusCode: a.status, Header: a.header, Body: io.NopCloser(bytes.NewReader(a.body))}
}
