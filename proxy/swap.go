package proxy

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"example.com/entra-scim-proxy/proxy/token"
)

// errTransport marks the errors that came out of Options.Transport.
var errTransport = errors.New("call to the backend failed")

// swap sends a call with the backend's credential, and once more with a fresh
// one if the backend refuses the first: a call that was answered 401 was not
// executed.
type swap struct {
	next     http.RoundTripper
	outbound *token.Cache[token.Credentials]
}

// RoundTrip implements [http.RoundTripper].
func (s *swap) RoundTrip(request *http.Request) (*http.Response, error) {
	x := exchangeOf(request.Context())
	start := time.Now()
	// Not deferred: the log line is about the time to the response header.
	response, err := s.send(x, request)
	if err == nil && response.StatusCode == http.StatusUnauthorized {
		response, err = s.repeat(x, request, response)
	}
	x.backendTime = time.Since(start)
	if err != nil {
		return nil, err
	}
	// The transport fills trailers in when the body ends, and ReverseProxy
	// passes them on; a copy without them is out of its reach.
	answer := *response
	answer.Trailer = nil
	x.answered = &answerBody{ReadCloser: response.Body}
	answer.Body = x.answered
	return &answer, nil
}

func (s *swap) send(x *exchange, request *http.Request) (*http.Response, error) {
	// A RoundTripper must not change the request it is given, but this one is
	// ours: rewrite made its header.
	request.Header.Set("Authorization", "Bearer "+x.credential.Reveal())
	response, err := s.next.RoundTrip(request)
	if err != nil {
		if ctxErr := context.Cause(request.Context()); ctxErr != nil {
			err = ctxErr // what the transport makes of it depends on when it noticed
		}
		return nil, fmt.Errorf("%w: %w", errTransport, err)
	}
	return response, nil
}

// repeat sends the call again if there is a credential that the backend has
// not refused, and a body to send.
func (s *swap) repeat(x *exchange, request *http.Request, refused *http.Response) (*http.Response, error) {
	discard(refused)
	used := x.credential
	isRefused := func(have token.Credentials) bool { return have.Current().Equal(used) }
	start := time.Now()
	fresh, err := s.outbound.Renew(request.Context(), isRefused)
	x.secretTime += time.Since(start)
	if err != nil || isRefused(fresh) || (request.Body != nil && request.GetBody == nil) {
		return nil, errCredentialRefused
	}
	again := request.Clone(request.Context())
	if request.GetBody != nil {
		if again.Body, err = request.GetBody(); err != nil {
			return nil, errCredentialRefused
		}
	}
	x.credential, x.replayed = fresh.Current(), true
	response, err := s.send(x, again)
	if err == nil && response.StatusCode == http.StatusUnauthorized {
		discard(response)
		return nil, errCredentialRefused
	}
	return response, err
}

// discard ends a response that nobody will read, so that its connection can
// serve the next call if the body is short.
func discard(response *http.Response) {
	_, _ = io.CopyN(io.Discard, response.Body, 4<<10)
	_ = response.Body.Close()
}

// isSCIMError reports whether a response's body is a SCIM Error (RFC 7644
// section 3.12), plain or in gzip. The body can be read afterwards as before.
func isSCIMError(response *http.Response) bool {
	start, err := io.ReadAll(io.LimitReader(response.Body, holdLimit))
	response.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(start), response.Body), response.Body}
	if err != nil {
		return false
	}
	body := io.Reader(bytes.NewReader(start))
	switch strings.ToLower(response.Header.Get("Content-Encoding")) {
	case "", "identity":
	case "gzip":
		if body, err = gzip.NewReader(body); err != nil {
			return false
		}
		body = io.LimitReader(body, holdLimit)
	default:
		return false
	}
	var message struct {
		Schemas []string `json:"schemas"`
	}
	return json.NewDecoder(body).Decode(&message) == nil && slices.Contains(message.Schemas, errorSchema)
}
