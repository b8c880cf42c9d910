package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/entra-scim-proxy/lab/backend"
	"example.com/entra-scim-proxy/lab/profile"
	"example.com/entra-scim-proxy/lab/stand"
	"example.com/entra-scim-proxy/lab/vault"
)

// newStand sets a backend of the lab's up, as the profile of the name given is,
// with a person and, if it has any, a group with a member. The secrets are in a
// vault if so asked.
func newStand(t *testing.T, name string, inVault bool, adjust func(*stand.Stand, *backend.Options)) *stand.Stand {
	t.Helper()
	system, ok := profile.ByName(name)
	if !ok {
		t.Fatalf("there is no profile %q", name)
	}
	s, err := stand.New(t.Context(), stand.Options{Profile: system, Adjust: adjust, Vault: inVault})
	if errors.Is(err, vault.ErrSystem) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	const person = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
		"userName":"Person.Canary.%d@example.com","displayName":"Person Canary","active":true%s}`
	manager := insert(t, s, system, "/Users", fmt.Sprintf(person, 1, ""))
	managed := fmt.Sprintf(`,"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":{"value":%q}}`, manager)
	if slices.Contains(system.Backend.Unsupported, "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User") {
		managed = ""
	}
	user := insert(t, s, system, "/Users", fmt.Sprintf(person, 2, managed))
	insert(t, s, system, "/Groups", fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Group Canary","members":[{"value":%q}]}`, user))
	return s
}

// insert creates a resource behind the proxy's back, and returns its id; "" if
// the backend has no such resources.
func insert(t *testing.T, s *stand.Stand, system profile.Profile, path, body string) (id string) {
	t.Helper()
	request := httptest.NewRequest("POST", system.Backend.BasePath+path, strings.NewReader(body))
	request.Header.Set("Content-Type", "application/scim+json")
	system.Auth.Present(request, s.BackendToken())
	recorder := httptest.NewRecorder()
	s.Backend().ServeHTTP(recorder, request)
	var made struct{ ID string }
	if err := json.Unmarshal(recorder.Body.Bytes(), &made); recorder.Code == 201 && err != nil || path == "/Users" && made.ID == "" {
		t.Fatalf("POST %s: %s", path, recorder.Body)
	}
	return made.ID
}

// environment is that of the proxy in front of a stand, with other settings; an
// empty one is left out.
func environmentOf(s *stand.Stand, settings map[string]string) map[string]string {
	environment := map[string]string{"PORT": "0"}
	for _, setting := range s.Settings() {
		name, value, _ := strings.Cut(setting, "=")
		environment[name] = value
	}
	maps.Copy(environment, settings)
	maps.DeleteFunc(environment, func(_, value string) bool { return value == "" })
	return environment
}

// reports runs the real binary's check and compares what it prints with the file
// of the name given, but for what differs from run to run. Where the machine stood
// still meanwhile, steps ran out of time: then once more.
func reports(t *testing.T, name string, s *stand.Stand, settings map[string]string, arguments ...string) {
	t.Helper()
	for range 3 {
		still := standstill()
		p := launch(t, environmentOf(s, settings), append([]string{"check"}, arguments...)...)
		status := p.exit(t)
		text := strings.Join(p.output(), "\n") + "\n" + p.errors()
		absent(t, name, strings.ToLower(text), append(s.Secrets(), "person.canary", "person canary", "group canary"))
		text = fmt.Sprintf("%sexit status %d\n", timeless(text), status)
		if still() < time.Second {
			golden(t, name, text)
			return
		}
	}
	t.Skip("the machine stands still again and again")
}

// standstill returns a function that returns the longest time since in which
// nothing ran here.
func standstill() func() time.Duration {
	const tick = 20 * time.Millisecond
	done, longest := make(chan struct{}), make(chan time.Duration, 1)
	go func() { // ends with the function
		var most time.Duration
		for last := time.Now(); ; last = time.Now() {
			select {
			case <-done:
				longest <- most
				return
			case <-time.After(tick):
				most = max(most, time.Since(last)-tick)
			}
		}
	}()
	return func() time.Duration { close(done); return <-longest }
}

// golden compares a text with the file of the name given, or writes that.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "check", strings.NewReplacer(", ", "-", " ", "-", "/", "-").Replace(name)+".txt")
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s: want -, got + (go test ./handler -run Golden -update writes it anew):\n%s", name, diff)
	}
}

// varying is what differs from run to run.
var varying = []struct {
	pattern *regexp.Regexp
	instead string
}{
	{regexp.MustCompile(` +\d+ ms`), " N ms"},
	{regexp.MustCompile(`"ms": ?[0-9.]+`), `"ms": N`},
	{regexp.MustCompile(`in \d+\.\d s`), "in N s"},
	{regexp.MustCompile(`stream ID \d+`), "stream ID N"},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "ADDRESS"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`), "TIME"},
	{regexp.MustCompile(`sha256:[0-9a-f]{8,64}`), "sha256:HEX"},
	{regexp.MustCompile(`(?i)([0-9A-F]{2}:){7,}[0-9A-F]{2}`), "KEY:ID"},
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "UUID"},
	{regexp.MustCompile(`\b[0-9a-f]{32,64}\b`), "HEX"},
	{regexp.MustCompile(`entra-scim-proxy-check-[0-9a-z]+`), "entra-scim-proxy-check-ID"},
	{regexp.MustCompile(`/[^\s",]*/entra-scim-lab-[^/]*/`), "DIR/"},
	{regexp.MustCompile(`\b(89|90) days`), "N days"},
}

func timeless(text string) string {
	for _, each := range varying {
		text = each.pattern.ReplaceAllString(text, each.instead)
	}
	return text
}
