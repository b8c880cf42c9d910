package profile

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"example.com/entra-scim-proxy/lab/backend"
	"example.com/entra-scim-proxy/lab/pki"
	"example.com/entra-scim-proxy/proxy"
	"example.com/entra-scim-proxy/proxy/scim"
	"example.com/entra-scim-proxy/proxy/token"
	"example.com/entra-scim-proxy/proxy/upstream"
)

const (
	backendToken = "backend-token"
	entraToken   = "entra-token"
	serverName   = "scim.example.com"
	coreUser     = "urn:ietf:params:scim:schemas:core:2.0:User"
	coreGroup    = "urn:ietf:params:scim:schemas:core:2.0:Group"
	patchOp      = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
)

// system is a profile's backend behind a real server.
type system struct {
	profile   Profile
	backend   *backend.Backend
	authority *pki.Authority
	server    *httptest.Server
}

func start(t *testing.T, p Profile) *system {
	t.Helper()
	options := p.Backend
	options.Token = backendToken
	b, err := backend.New(options)
	if err != nil {
		t.Fatal(err)
	}
	s := &system{profile: p, backend: b, server: httptest.NewUnstartedServer(b)}
	s.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(s.server.Close)
	if p.Certificate == PlainHTTP {
		s.server.Start()
		return s
	}
	if s.authority, err = pki.New("Lab Root"); err != nil {
		t.Fatal(err)
	}
	certificate, err := s.authority.Certificate(pki.Leaf{Names: []string{serverName}})
	if err != nil {
		t.Fatal(err)
	}
	s.server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	s.server.StartTLS()
	return s
}

// direct is a client of the backend that trusts its authority.
func (s *system) direct(t *testing.T) *client {
	transport := &http.Transport{}
	if s.authority != nil {
		transport.TLSClientConfig = &tls.Config{RootCAs: s.authority.Pool(), ServerName: serverName}
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &client{base: s.server.URL + s.profile.Backend.BasePath, authorization: "Bearer " + backendToken,
		http: http.Client{Transport: transport}, ids: map[string]string{}}
}

// proxied is a client of a proxy in front of the backend, with the profile's
// settings.
func (s *system) proxied(t *testing.T) *client {
	t.Helper()
	base, err := url.Parse(s.server.URL + s.profile.Backend.BasePath)
	if err != nil {
		t.Fatal(err)
	}
	rules, err := scim.ParseRules(s.profile.Proxy["NORMALIZE"])
	if err != nil {
		t.Fatal(err)
	}
	normalizer, err := scim.New(scim.Options{Rules: rules})
	if err != nil {
		t.Fatal(err)
	}
	var link upstream.Options
	if s.authority != nil {
		link = upstream.Options{ServerName: serverName, Roots: func(context.Context) (*upstream.Roots, error) {
			return &upstream.Roots{Pool: s.authority.Pool()}, nil
		}}
	}
	secret := func(value string) *token.Cache[token.Credentials] {
		return token.NewCache(token.ReadCredentials(token.Static(token.NewSecret(value))), token.Windows{}, zap.NewNop())
	}
	handler, err := proxy.New(proxy.Options{
		Backend: base, Path: "/scim", Timeout: 20 * time.Second, MaxBody: 1 << 20,
		Inbound: secret(entraToken), Outbound: secret(backendToken), OutboundFixed: true,
		Transport: upstream.NewTransport(link), Normalizer: normalizer,
		Explain: func(err error) proxy.Fault {
			return proxy.Fault{Problem: proxy.ErrUnreachable, Class: upstream.Explain(err).Class, Cause: err.Error()}
		},
		Log: zap.NewNop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(handler)
	t.Cleanup(front.Close)
	return &client{base: front.URL + "/scim", authorization: "Bearer " + entraToken, ids: map[string]string{}}
}

// client calls a SCIM service.
type client struct {
	base, authorization string
	http                http.Client
	ids                 map[string]string // stand for {name} in paths and bodies
}

// do returns status and body of an answer; the body is nil unless it is an
// object.
func (c *client) do(t *testing.T, method, path, body string) (int, map[string]any) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(c.ids)) {
		path = strings.ReplaceAll(path, "{"+name+"}", c.ids[name])
		body = strings.ReplaceAll(body, "{"+name+"}", c.ids[name])
	}
	r, err := http.NewRequestWithContext(t.Context(), method, c.base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", c.authorization)
	if body != "" {
		r.Header.Set("Content-Type", "application/scim+json; charset=utf-8")
	}
	res, err := c.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var object map[string]any
	if len(data) > 0 && json.Unmarshal(data, &object) != nil {
		t.Fatalf("%s %s: %d %q", method, path, res.StatusCode, data)
	}
	return res.StatusCode, object
}

// create posts a resource and names it.
func (c *client) create(t *testing.T, name, path, body string) int {
	t.Helper()
	status, resource := c.do(t, http.MethodPost, path, body)
	c.ids[name], _ = resource["id"].(string)
	return status
}

// ops is the message of a PATCH.
func ops(operations string) string {
	return `{"schemas":["` + patchOp + `"],"Operations":[` + operations + `]}`
}
