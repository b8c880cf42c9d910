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
	"net/http/httptrace"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"example.com/entra-scim-proxy/proxy/token"
)

// errTransport marks the errors that came out of Options.Transport.
var errTransport = errors.New("call to the backend failed")

// swap sends a call with the backend's credential, and again with another one if
// the backend refuses the first: a call that was answered 401 was not executed.
type swap struct {
	next     http.RoundTripper
	outbound *token.Cache[token.Credentials] // nil: there is no credential
	scheme   Scheme
	fixed    bool // the credential never changes
	log      *zap.Logger
	standing
}

// RoundTrip implements [http.RoundTripper] for the exchange's own call.
func (s *swap) RoundTrip(request *http.Request) (*http.Response, error) {
	x := exchangeOf(request.Context())
	start := time.Now()
	response, err := s.call(x, request, x.body)
	x.backendTime += time.Since(start)
	if err != nil {
		return nil, err
	}
	// The transport fills trailers in when the body ends, and ReverseProxy
	// passes them on; a copy without them is out of its reach.
	answer := *response
	answer.Trailer = nil
	x.answered = &answerBody{ReadCloser: response.Body, ctx: request.Context(), length: response.ContentLength}
	answer.Body = x.answered
	return &answer, nil
}

// call sends a request, whose header must be ours, and repeats it if it was
// refused. The request carries body.outgoing(), and so does its repeat. Every
// call to the backend takes this way.
func (s *swap) call(x *exchange, request *http.Request, body *requestBody) (*http.Response, error) {
	response, err := s.send(x, request)
	switch {
	case err != nil || response.StatusCode != http.StatusUnauthorized:
		return response, err
	case s.outbound == nil:
		_ = response.Body.Close() // unread: nobody gets it
		return nil, errCertificateRefused
	}
	return s.repeat(x, request, response, body)
}

func (s *swap) send(x *exchange, request *http.Request) (*http.Response, error) {
	if request.Body == nil && !isSafe(request.Method) {
		request = x.once(request)
	}
	start := time.Now()
	// A RoundTripper must not change the request it is given, but this one is
	// ours: rewrite made its header, or readResource.
	if s.outbound != nil {
		s.scheme.Present(request.Header, x.credential)
	}
	response, err := s.next.RoundTrip(request)
	switch cause := context.Cause(request.Context()); {
	case err != nil && errors.Is(cause, errRepeated):
		err = cause
	case cause != nil:
		// The call itself is over. What the transport makes of that depends on
		// when it noticed; and an answer that comes now may be what a backend
		// says for want of a caller, such as an empty 200.
		if err == nil {
			_ = response.Body.Close()
		}
		return nil, cause
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errTransport, err)
	}
	s.sent(start, x.credential, response.StatusCode)
	return response, nil
}

func isSafe(method string) bool { return method == http.MethodGet || method == http.MethodHead }

// errRepeated ends a call that net/http was about to send a second time.
var errRepeated = errors.New("broken off by the backend, and not repeated")

// once keeps net/http from sending a request without a body again after the
// backend broke the call off: over HTTP/2 it does so whatever the method, and
// for some errors without end.
func (x *exchange) once(request *http.Request) *http.Request {
	ctx, abort := context.WithCancelCause(request.Context())
	x.abort = abort
	var sent atomic.Bool
	return request.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteHeaders: func() { sent.Store(true) },
		GotConn: func(httptrace.GotConnInfo) {
			if sent.Load() {
				abort(errRepeated)
			}
		},
	}))
}

// repeat sends the call again, with each credential that there is and that the
// backend has not refused on this call; at last it waits, once, for another.
func (s *swap) repeat(x *exchange, request *http.Request, refused *http.Response, body *requestBody) (*http.Response, error) {
	// Unread: a body that trickles would keep the repeat waiting.
	_ = refused.Body.Close()
	ctx := request.Context()
	if !body.repeatable() {
		return nil, s.learn(ctx, x)
	}
	tried := []token.Secret{x.credential}
	for waited := false; ; {
		start := time.Now()
		credentials, next, ok := s.another(ctx, tried)
		if !ok && !waited {
			waited = true
			credentials, next, ok = s.await(ctx, tried)
		}
		x.secretTime += time.Since(start)
		if !ok {
			return nil, errCredentialRefused
		}
		again := request.Clone(ctx)
		again.Body = body.outgoing()
		x.credential, x.replayed = next, true
		response, err := s.send(x, again)
		if err != nil {
			return nil, err
		}
		if response.StatusCode != http.StatusUnauthorized {
			s.remember(credentials, next)
			return response, nil
		}
		_ = response.Body.Close()
		tried = append(tried, next)
	}
}

// learn lets the next call profit from the refusal of one that cannot be sent
// again.
func (s *swap) learn(ctx context.Context, x *exchange) error {
	start := time.Now()
	limited, cancel := context.WithTimeout(ctx, renewLimit)
	defer cancel()
	if credentials, next, ok := s.another(limited, []token.Secret{x.credential}); ok {
		s.remember(credentials, next)
	}
	x.secretTime += time.Since(start)
	return errCredentialRefused
}

// withheld returns why an answer of the backend's is handed on to nobody; nil if
// it is.
func withheld(response *http.Response) error {
	switch response.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return errRedirect
	case http.StatusForbidden:
		if !isSCIMError(response) {
			return errForbidden
		}
	}
	if response.StatusCode < 200 || response.StatusCode > 599 || hasOddLength(response) {
		return ErrBadAnswer
	}
	return nil
}

// hasOddLength reports whether an answer has several lengths, or one that is none.
// Over HTTP/2 the transport does not mind, because its frames tell the end; but
// the client may speak HTTP/1.1, and would be given the choice (RFC 9112 section
// 6.3).
func hasOddLength(response *http.Response) bool {
	lengths := len(response.Header["Content-Length"])
	return lengths > 1 || lengths == 1 && response.ContentLength < 0
}

// Withheld explains what a [Proxy] does not hand on of the backend's answers; ok
// is false for an answer that it does. With outbound the call had a credential.
// The body can be read afterwards as before.
func Withheld(response *http.Response, outbound bool) (fault Fault, ok bool) {
	err := withheld(response)
	if response.StatusCode == http.StatusUnauthorized {
		if err = errCertificateRefused; outbound {
			err = errCredentialRefused
		}
	}
	if err == nil {
		return Fault{}, false
	}
	found := problemOf(err)
	return Fault{Problem: err, Class: found.class, Cause: err.Error(), Remedy: found.remedy}, true
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

// answerError returns why the backend's body ended early, nil if it did not.
func (x *exchange) answerError(ctx context.Context) error {
	if x.answered.broken == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return fmt.Errorf("%w: %w", errTransport, x.answered.broken)
}
