package proxy_test

import (
	"encoding/base64"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/zap"

	"example.com/entra-scim-proxy/proxy"
	"example.com/entra-scim-proxy/proxy/token"
)

// credentials are the headers of a call that can hold the backend's secret.
func credentials(header http.Header) map[string][]string {
	found := map[string][]string{}
	for name, values := range header {
		if name == "Authorization" || strings.HasPrefix(name, "X-") {
			found[name] = values
		}
	}
	return found
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func TestCredentialIsPresentedAsTheSchemeSays(t *testing.T) {
	for name, test := range map[string]struct {
		scheme proxy.Scheme
		secret string
		header string
		want   string
	}{
		"bearer":           {proxy.Scheme{}, backendToken, "Authorization", "Bearer " + backendToken},
		"basic":            {proxy.Scheme{User: "scim"}, "pässword: 1 ", "Authorization", basic("scim", "pässword: 1 ")},
		"basic, and more":  {proxy.Scheme{User: "scim", Header: "X-Api-Key"}, backendToken, "Authorization", basic("scim", backendToken)},
		"API key":          {proxy.Scheme{Header: "x-api-key"}, backendToken, "X-Api-Key", backendToken},
		"scheme of no RFC": {proxy.Scheme{Header: "Authorization"}, "GenieKey 1", "Authorization", "GenieKey 1"},
	} {
		w := newWorld(t, setup{options: func(o *proxy.Options) {
			o.Scheme = test.scheme
			o.Normalizer = normalizer(t, "missing-target") // which has a call of its own
			o.Outbound = token.NewCache(token.ReadPasswords(token.Static(token.NewSecret(test.secret))), token.Windows{}, zap.NewNop())
		}})
		got := w.call(t, "PATCH", "/scim/Users/1", patch(`{"op":"replace","path":"emails[type eq \"work\"].value","value":"a@contoso.com"}`),
			"X-Api-Key: Entra's", "Proxy-Authorization: Entra's")
		if got.StatusCode != 200 || len(w.requests()) != 2 {
			t.Fatalf("%s: %d after %d calls", name, got.StatusCode, len(w.requests()))
		}
		for _, request := range w.requests() {
			if found := credentials(request.Header); len(found) != 1 || !slices.Equal(found[test.header], []string{test.want}) {
				t.Errorf("%s: %s got %q", name, request.Method, found)
			}
		}
		if line := w.line(t); line["credential"] != identity(test.secret) {
			t.Errorf("%s: log line %v", name, line)
		}
	}
}

// A password rotates as a token does.
func TestRefusedPasswordIsReplaced(t *testing.T) {
	for _, scheme := range []proxy.Scheme{{User: "scim"}, {Header: "X-Api-Key"}} {
		takes := func(r *http.Request) bool {
			return r.Header.Get("Authorization") == basic("scim", "rotated") || r.Header.Get("X-Api-Key") == "rotated"
		}
		w := newWorld(t, setup{
			answer: func(rw http.ResponseWriter, r *http.Request) {
				if !takes(r) {
					rw.WriteHeader(http.StatusUnauthorized)
				}
			},
			options: func(o *proxy.Options) { o.Scheme = scheme },
		})
		w.warm(t)
		w.secret.set("rotated", nil)
		if got := w.call(t, "POST", "/scim/Users", "{}"); got.StatusCode != 200 {
			t.Errorf("%+v: %d %s", scheme, got.StatusCode, got.body)
		}
		requests := w.requests()
		if len(requests) != 2 || len(credentials(requests[1].Header)) != 1 || requests[1].Body != "{}" {
			t.Errorf("%+v: %+v", scheme, requests)
		}
	}
}

// With no credential there is nothing to swap: the backend knows the caller from
// TLS, and if it does not, nothing can be tried again.
func TestNoCredential(t *testing.T) {
	status := http.StatusOK
	var closed atomic.Int64
	w := newWorld(t, setup{
		answer: func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(status) },
		options: func(o *proxy.Options) {
			o.Outbound, o.Transport = nil, &closing{RoundTripper: o.Transport, closed: &closed}
		},
	})
	if got := w.call(t, "POST", "/scim/Users", "{}", "X-Api-Key: Entra's"); got.StatusCode != 200 {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	if found := credentials(w.one(t).Header); len(found) > 0 {
		t.Errorf("the backend got %q", found)
	}
	if line := w.line(t); line["credential"] != "none" {
		t.Errorf("log line %v", line)
	}
	status = http.StatusUnauthorized
	wantProblem(t, w.call(t, "POST", "/scim/Users", "{}"), 502, "")
	lines := w.linesWith("class", "credential_refused")
	if len(lines) != 1 || !strings.Contains(lines[0].ContextMap()["remedy"].(string), "BACKEND_CLIENT_CERT") || len(w.requests()) != 2 {
		t.Errorf("%d calls, log lines %v", len(w.requests()), lines)
	}
	if closed.Load() != 2 {
		t.Error("an answer was left open, and its connection with it")
	}
}

// closing counts the answers that are closed.
type closing struct {
	http.RoundTripper
	closed *atomic.Int64
}

func (c *closing) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := c.RoundTripper.RoundTrip(request)
	if err == nil {
		response.Body = &closingBody{ReadCloser: response.Body, count: sync.OnceFunc(func() { c.closed.Add(1) })}
	}
	return response, err
}

type closingBody struct {
	io.ReadCloser
	count func()
}

func (b *closingBody) Close() error {
	b.count()
	return b.ReadCloser.Close()
}

func TestCanCarryCredential(t *testing.T) {
	for name, want := range map[string]bool{
		"X-Api-Key": true, "apikey": true, "Authorization": true, "PRIVATE-TOKEN": true, "Cookie": true,
		"": false, "X Api": false, "X-Api:": false, "Schlüssel": false, "X\r\nY": false, "Host": false, "content-length": false,
		"Transfer-encoding": false, "CONNECTION": false, "TE": false, "Accept": false, "content-type": false, "If-Match": false,
		"X-Request-ID": false, "user-agent": false, "Expect": false, "Upgrade": false, "Trailer": false,
	} {
		if got := proxy.CanCarryCredential(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}
