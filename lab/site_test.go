package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"example.com/entra-scim-proxy/lab/backend"
	"example.com/entra-scim-proxy/lab/entra"
	"example.com/entra-scim-proxy/lab/profile"
	"example.com/entra-scim-proxy/lab/stand"
)

// backendPath is the base path of the strict backend.
const backendPath = "/rest/scim/v2"

// site is a stand whose backend is looked into while it serves.
type site struct {
	*stand.Stand

	mu     sync.Mutex
	then   *content // before the first resource was deleted, since forget
	active []any    // of the analyst, after each PATCH since forget
}

// content is what a backend holds, with the names of resources, as {name}, in
// the place of their ids.
type content struct {
	users, groups map[string]map[string]any // by userName or displayName
}

// adjust changes the options of a strict backend.
type adjust = func(*stand.Stand, *backend.Options)

// newSite is a strict backend, with the options changed, behind the real proxy
// with the rules given.
func newSite(t *testing.T, normalize string, change adjust) *site {
	t.Helper()
	strict, _ := profile.ByName("strict")
	s := new(site)
	var err error
	s.Stand, err = stand.New(t.Context(), stand.Options{
		App: app(t), Profile: strict, Adjust: change, Settings: []string{"NORMALIZE=" + normalize},
		AtBackend: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodDelete {
					s.look(t)
				}
				next.ServeHTTP(w, r)
				if r.Method == http.MethodPatch {
					s.watch(t)
				}
			})
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// tenantURLs are those of the default and of the compliant dialect.
func (s *site) tenantURLs() []string { return []string{s.TenantURL(false), s.TenantURL(true)} }

// life plays one through the proxy.
func (s *site) life(t *testing.T, options entra.Options) map[string]entra.Call {
	t.Helper()
	options.Token = s.Token()
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

// forget lets the next life's content be taken down.
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
		r.Header.Set("Authorization", "Bearer "+s.BackendToken())
		w := httptest.NewRecorder()
		s.Backend().Strict().ServeHTTP(w, r)
		text := w.Body.String()
		for id, name := range names {
			text = strings.ReplaceAll(text, id, "{"+name+"}")
		}
		var list struct{ Resources []map[string]any }
		if err := json.Unmarshal([]byte(text), &list); err != nil {
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
