package main

import (
	"crypto/tls"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"example.com/entra-scim-proxy/lab/backend"
	"example.com/entra-scim-proxy/lab/entra"
	"example.com/entra-scim-proxy/lab/pki"
)

// site is a stand whose backend runs in this process, where it can be looked
// into, behind the real proxy.
type site struct {
	*stand
	backend *backend.Backend

	mu     sync.Mutex
	then   *content // before the first resource was deleted, since forget
	active []any    // of the analyst, after each PATCH since forget
}

// content is what a backend holds, with the names of resources, as {name}, in
// the place of their ids.
type content struct {
	users, groups map[string]map[string]any // by userName or displayName
}

// newSite starts a backend with the options given, of which the stand sets
// token and base path, and the proxy with the rules given.
func newSite(t *testing.T, normalize string, options func(*stand) backend.Options) *site {
	t.Helper()
	binary := handler(t)
	port, err := checkPort(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	s := new(site)
	if s.stand, err = newStand(port, normalize, (*stand).writeSecrets); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.close() })
	certificate, err := s.authority.Certificate(pki.Leaf{Names: []string{backendName}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodDelete {
			s.look(t)
		}
		s.backend.ServeHTTP(w, r)
		if r.Method == http.MethodPatch {
			s.watch(t)
		}
	}))
	s.backendAddress = server.Listener.Addr().String()
	made := options(s.stand)
	made.Token, made.BasePath = s.backendToken, backendPath
	if s.backend, err = backend.New(made); err != nil {
		t.Fatal(err)
	}
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	if err := s.startProxy(t.Context(), binary, s.path("proxy.log")); err != nil {
		t.Fatal(err)
	}
	return s
}

// strict is a backend that knows the proxy as its public URL.
func strict(s *stand) backend.Options {
	return backend.Options{PublicURL: s.origin + proxyPath}
}

// cycle plays one through the proxy.
func (s *site) cycle(t *testing.T, options entra.Options) map[string]entra.Call {
	t.Helper()
	options.Token = s.entraToken
	client, err := entra.New(options)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	calls := map[string]entra.Call{}
	for _, call := range client.Lifecycle(t.Context()) {
		calls[call.Step] = call
	}
	return calls
}

// forget lets the next cycle's content be taken down.
func (s *site) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.then, s.active = nil, nil
}

func (s *site) look(t *testing.T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.then == nil {
		s.then = new(s.content(t))
	}
}

func (s *site) watch(t *testing.T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active = append(s.active, s.content(t).users[analyst]["active"])
}

// content asks the backend itself.
func (s *site) content(t *testing.T) content {
	names := map[string]string{}
	read := func(path, by string) map[string]map[string]any {
		r := httptest.NewRequest(http.MethodGet, backendPath+path, nil)
		r.Header.Set("Authorization", "Bearer "+s.backendToken)
		w := httptest.NewRecorder()
		s.backend.Strict().ServeHTTP(w, r)
		for id, name := range names {
			text := strings.ReplaceAll(w.Body.String(), id, "{"+name+"}")
			w.Body.Reset()
			w.Body.WriteString(text)
		}
		var list struct{ Resources []map[string]any }
		if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil {
			t.Error(err)
		}
		found := map[string]map[string]any{}
		for _, resource := range list.Resources {
			name, _ := resource[by].(string)
			if id, _ := resource["id"].(string); !strings.HasPrefix(id, "{") {
				names[id] = name
			}
			found[name] = resource
		}
		return found
	}
	read("/Users", "userName") // who is who
	return content{read("/Users", "userName"), read("/Groups", "displayName")}
}

// members are the names of a group's members, in alphabetical order.
func (c content) members(group string) []string {
	var names []string
	list, _ := c.groups[group]["members"].([]any)
	for _, element := range list {
		member, _ := element.(map[string]any)
		id, _ := member["value"].(string)
		names = append(names, id)
	}
	slices.Sort(names)
	return names
}
