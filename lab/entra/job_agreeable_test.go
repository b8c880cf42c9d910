package entra

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// agreeable is an endpoint without a network that knows nobody and takes everything.
// It is an http.RoundTripper, so that it can be used in a bubble of
// testing/synctest, where time is free.
type agreeable struct {
	mu    sync.Mutex
	made  int
	calls []time.Time
	// answer, if it is not nil and returns one, takes the place of the usual
	// answer.
	answer func(*http.Request) *http.Response
}

func newAgreeable() *agreeable { return &agreeable{} }

// newAgreeableClient is a client whose calls end there.
func newAgreeableClient(t testing.TB, s http.RoundTripper) *Client {
	t.Helper()
	client := newJobClient(t, Options{TenantURL: "http://scim.example.com/scim", Token: jobToken})
	client.http.Transport = s
	return client
}

func respond(status int, body any) *http.Response {
	response := &http.Response{
		StatusCode: status, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{"Content-Type": {"application/scim+json"}}, Body: http.NoBody,
	}
	if body != nil {
		text, _ := json.Marshal(body)
		response.Body = io.NopCloser(strings.NewReader(string(text)))
	}
	return response
}

func problem(status int) *http.Response {
	return respond(status, map[string]any{"schemas": []string{errorSchema}, "status": fmt.Sprint(status)})
}

// RoundTrip answers at once, unless answer has just ended the call.
func (s *agreeable) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, time.Now())
	if s.answer != nil {
		if response := s.answer(r); response != nil {
			return response, nil
		}
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	collection := strings.Count(r.URL.Path, "/") == 2
	switch {
	case r.Method == http.MethodGet && collection:
		return respond(http.StatusOK, map[string]any{
			"schemas": []string{listSchema}, "totalResults": 0, "Resources": []any{},
		}), nil
	case r.Method == http.MethodPost:
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			return nil, err
		}
		s.made++
		body["id"] = fmt.Sprintf("%08d-made", s.made)
		delete(body, "members")
		response := respond(http.StatusCreated, body)
		response.Header.Set("Location", "http://scim.example.com"+r.URL.Path+"/"+body["id"].(string))
		return response, nil
	case r.Method == http.MethodGet:
		_, id, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/scim/"), "/")
		return respond(http.StatusOK, map[string]any{"id": id}), nil
	}
	return respond(http.StatusNoContent, nil), nil
}
