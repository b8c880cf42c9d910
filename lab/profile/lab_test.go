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
	backendSecret = "backend-secret" // of every kind
	entraToken    = "entra-token"
	serverName    = "scim.example.com"
	coreUser      = "urn:ietf:params:scim:schemas:core:2.0:User"
	coreGroup     = "urn:ietf:params:scim:schemas:core:2.0:Group"
	patchOp       = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
)

// system is a profile's backend behind a real server.
type system struct {
	profile   Profile
	backend   *backend.Backend
	authority *pki.Authority
	server    *httptest.Server
	client    []byte // certificate and key in PEM; nil unless the service demands one
}

func start(t *testing.T, p Profile) *system {
	t.Helper()
	b, err := backend.New(p.Expecting(backendSecret))
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
	if p.Auth.ClientCertificate() {
		s.demandCertificate(t)
	}
	s.server.StartTLS()
	return s
}

// demandCertificate makes the server ask for a certificate of another authority
// than its own, and issues one.
func (s *system) demandCertificate(t *testing.T) {
	t.Helper()
	clients, err := pki.New("Lab Clients")
	if err != nil {
		t.Fatal(err)
	}
	certificate, key, err := clients.Issue(pki.Leaf{CommonName: "entra-scim-proxy", Client: true})
	if err != nil {
		t.Fatal(err)
	}
	s.client = append(key, certificate...)
	s.server.TLS.ClientAuth, s.server.TLS.ClientCAs = tls.RequireAndVerifyClientCert, clients.Pool()
}

// direct is a client of the backend that trusts its authority.
func (s *system) direct(t *testing.T) *client {
	t.Helper()
	transport := &http.Transport{}
	if s.authority != nil {
		transport.TLSClientConfig = &tls.Config{RootCAs: s.authority.Pool(), ServerName: serverName}
	}
	if s.client != nil {
		pair, err := tls.X509KeyPair(s.client, s.client)
		if err != nil {
			t.Fatal(err)
		}
		transport.TLSClientConfig.Certificates = []tls.Certificate{pair}
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &client{base: s.server.URL + s.profile.Backend.BasePath, auth: s.profile.Auth, secret: backendSecret,
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
	secret := func(value string) *token.Cache[token.Credentials] {
		return token.NewCache(token.ReadCredentials(token.Static(token.NewSecret(value))), token.Windows{}, zap.NewNop())
	}
	auth := s.profile.Auth
	outbound := secret(backendSecret)
	if auth.ClientCertificate() {
		outbound = nil
	}
	handler, err := proxy.New(proxy.Options{
		Backend: base, Path: "/scim", Timeout: 20 * time.Second, MaxBody: 1 << 20, MaxConcurrent: 1000,
		Inbound: secret(entraToken), Outbound: outbound, OutboundFixed: true,
		Scheme:    proxy.Scheme{User: auth.User, Header: auth.key()},
		Transport: upstream.NewTransport(s.link(t)), Normalizer: s.normalizer(t),
		StubGroups: s.profile.Proxy["GROUPS"] == "stub",
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
	return &client{base: front.URL + "/scim", secret: entraToken, ids: map[string]string{}}
}

// normalizer has the rules of the profile's settings, and what they drop.
func (s *system) normalizer(t *testing.T) *scim.Normalizer {
	t.Helper()
	rules, err := scim.ParseRules(s.profile.Proxy["NORMALIZE"])
	if err != nil {
		t.Fatal(err)
	}
	options := scim.Options{Rules: rules}
	if paths := s.profile.Proxy["DROP_ATTRIBUTES"]; paths != "" {
		options.Drop = strings.Split(paths, ",")
	}
	normalizer, err := scim.New(options)
	if err != nil {
		t.Fatal(err)
	}
	return normalizer
}

// link is what the proxy knows of the backend's TLS.
func (s *system) link(t *testing.T) upstream.Options {
	t.Helper()
	if s.authority == nil {
		return upstream.Options{}
	}
	link := upstream.Options{ServerName: serverName, Roots: func(context.Context) (*upstream.Roots, error) {
		return &upstream.Roots{Pool: s.authority.Pool()}, nil
	}}
	if s.client != nil {
		identity, err := upstream.ParseIdentity(s.client)
		if err != nil {
			t.Fatal(err)
		}
		link.Identity = func(context.Context) (*upstream.Identity, error) { return identity, nil }
	}
	return link
}

// client calls a SCIM service.
type client struct {
	base   string
	auth   Auth
	secret string
	http   http.Client
	ids    map[string]string // stand for {name} in paths and bodies
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
	c.auth.Present(r, c.secret)
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
