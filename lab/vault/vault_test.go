package vault_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/entra-scim-proxy/lab/vault"
)

// world is a vault that is served, and a caller with a token.
type world struct {
	vault.Vault
	server, identity *httptest.Server
	token            string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{}
	w.server = httptest.NewTLSServer(&w.Vault)
	t.Cleanup(w.server.Close)
	w.identity = httptest.NewServer(http.HandlerFunc(w.Identity))
	t.Cleanup(w.identity.Close)
	var issued struct {
		Token string `json:"access_token"`
	}
	response, err := w.ask(t, "?api-version=2019-08-01&resource=https%3A%2F%2Fvault.azure.net&client_id=9edf3db5")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&issued); err != nil || issued.Token == "" {
		t.Fatalf("no token: %v", err)
	}
	w.token = issued.Token
	return w
}

// ask calls the identity endpoint.
func (w *world) ask(t *testing.T, query string) (*http.Response, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.identity.URL+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Identity-Header", vault.IdentityHeader)
	return w.identity.Client().Do(request)
}

// send calls the vault with the authorization given.
func (w *world) send(ctx context.Context, t *testing.T, url, authorization string) (*http.Response, error) {
	t.Helper()
	if strings.HasPrefix(url, "/") {
		url = w.server.URL + url
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	return w.server.Client().Do(request)
}

// document is what the vault answers.
type document struct {
	Status int `json:"-"`

	ID, Value, ContentType string
	Attributes             map[string]any
	Error                  struct {
		Code, Message string
		InnerError    struct{ Code string }
	}
}

type list struct {
	Value    []document
	NextLink *string
}

// get reads a secret or an error with the good token.
func (w *world) get(t *testing.T, url string) (d document) {
	t.Helper()
	d.Status = w.decode(t, url+"?api-version=2026-04-01", &d)
	return d
}

func (w *world) decode(t *testing.T, url string, into any) (status int) {
	t.Helper()
	response, err := w.send(t.Context(), t, url, "Bearer "+w.token)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode
}

func (w *world) wantError(t *testing.T, url string, want vault.Refusal) {
	t.Helper()
	d := w.get(t, url)
	got := vault.Refusal{Status: d.Status, Code: d.Error.Code, Inner: d.Error.InnerError.Code, Message: d.Error.Message}
	if diff := cmp.Diff(want, got); diff != "" || d.Value != "" {
		t.Errorf("%s: value %q, error (-want +got):\n%s", url, d.Value, diff)
	}
}

func TestCallerWithoutTheTokenGetsNothing(t *testing.T) {
	w := newWorld(t)
	w.Set("a", vault.Secret{Value: "one"})
	for authorization, want := range map[string]int{"": http.StatusUnauthorized, "Bearer other": http.StatusForbidden} {
		for _, url := range []string{"/secrets/a/?api-version=1", "/secrets/a/versions?api-version=1"} {
			response, err := w.send(t.Context(), t, url, authorization)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			challenge := response.Header.Get("WWW-Authenticate")
			if response.StatusCode != want || (want == http.StatusUnauthorized) != strings.Contains(challenge, `resource="https://vault.azure.net"`) {
				t.Errorf("%q, %s: got %d with challenge %q", authorization, url, response.StatusCode, challenge)
			}
		}
	}
	if counts := w.Counts(); len(counts.Reads) != 0 || counts.Lists != 0 {
		t.Errorf("counted %+v", counts)
	}
}

func TestCurrentVersionIsTheLastOneSet(t *testing.T) {
	w := newWorld(t)
	created := time.Date(2026, 5, 4, 3, 2, 1, 999, time.UTC)
	first := w.Set("a", vault.Secret{Value: "one", ContentType: "text/plain", Created: created, NotBefore: created.Add(time.Hour), Expires: created.Add(2 * time.Hour)})
	begin := time.Now().Unix()
	second := w.Set("a", vault.Secret{Value: "two"})
	if !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(first) || first == second {
		t.Errorf("versions %q and %q", first, second)
	}
	for path, value := range map[string]string{"/secrets/a": "two", "/secrets/a/": "two", "/secrets/a/" + second: "two", "/secrets/a/" + first: "one"} {
		got := w.get(t, path)
		version := map[string]string{"one": first, "two": second}[value]
		if got.Status != http.StatusOK || got.Value != value || got.ID != w.server.URL+"/secrets/a/"+version {
			t.Errorf("%s: got %+v", path, got)
		}
	}
	old := w.get(t, "/secrets/a/"+first)
	want := map[string]any{
		"enabled": true, "recoveryLevel": "Recoverable+Purgeable", "created": float64(created.Unix()), "updated": float64(created.Unix()),
		"nbf": float64(created.Unix() + 3600), "exp": float64(created.Unix() + 7200),
	}
	if diff := cmp.Diff(want, old.Attributes); diff != "" || old.ContentType != "text/plain" {
		t.Errorf("content type %q, attributes (-want +got):\n%s", old.ContentType, diff)
	}
	young := w.get(t, "/secrets/a").Attributes
	if at, ok := young["created"].(float64); !ok || int64(at) < begin || int64(at) > time.Now().Unix() {
		t.Errorf("created without a date: %v", young)
	}
	if young["nbf"] != nil || young["exp"] != nil {
		t.Errorf("bounds that nobody set: %v", young)
	}
}

func TestDisabledVersionIsNotRead(t *testing.T) {
	w := newWorld(t)
	first := w.Set("a", vault.Secret{Value: "one"})
	second := w.Set("a", vault.Secret{Value: "two"})
	w.Update("a", second, func(s *vault.Secret) { s.Disabled = true })
	want := vault.Refusal{Status: http.StatusForbidden, Code: "Forbidden", Inner: "SecretDisabled", Message: "Operation get is not allowed on a disabled secret."}
	w.wantError(t, "/secrets/a/"+second, want)
	w.wantError(t, "/secrets/a/", want)
	if got := w.get(t, "/secrets/a/"+first); got.Value != "one" {
		t.Errorf("the version before: got %+v", got)
	}
	var all list
	if status := w.decode(t, "/secrets/a/versions?api-version=1", &all); status != http.StatusOK || len(all.Value) != 2 {
		t.Fatalf("got %d, %+v", status, all)
	}
	for _, item := range all.Value {
		if enabled := strings.HasSuffix(item.ID, first); item.Attributes["enabled"] != enabled || item.Value != "" {
			t.Errorf("listed as %+v", item)
		}
	}
}

func TestUpdateOfAVersionThatIsNotThere(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("it passes in silence")
		}
	}()
	new(vault.Vault).Update("a", "1", func(*vault.Secret) {})
}

func TestUnknownSecrets(t *testing.T) {
	w := newWorld(t)
	w.Set("a", vault.Secret{Value: "one"})
	w.Set("b", vault.Secret{Value: "one"})
	w.Delete("b")
	for _, name := range []string{"b", "c", "a/0123456789abcdef0123456789abcdef"} {
		message := fmt.Sprintf("A secret with (name/id) %s was not found in this key vault.", name)
		w.wantError(t, "/secrets/"+name, vault.Refusal{Status: http.StatusNotFound, Code: "SecretNotFound", Message: message})
	}
	for _, path := range []string{"/keys/a", "/secrets", "/secrets/", "/secrets/a/b/c"} {
		if got := w.get(t, path); got.Status != http.StatusNotFound || got.Error.Code != "NotFound" {
			t.Errorf("%s: got %+v", path, got)
		}
	}
	var none list
	if status := w.decode(t, "/secrets/c/versions?api-version=1", &none); status != http.StatusOK || none.Value == nil || len(none.Value) > 0 || none.NextLink != nil {
		t.Errorf("versions of a secret that is not there: got %d, %+v", status, none)
	}
}

func TestParametersOutOfRange(t *testing.T) {
	w := newWorld(t)
	w.Set("a", vault.Secret{Value: "one"})
	for _, url := range []string{
		"/secrets/a", "/secrets/a/versions",
		"/secrets/a/versions?api-version=1&maxresults=0", "/secrets/a/versions?api-version=1&maxresults=26", "/secrets/a/versions?api-version=1&maxresults=x",
	} {
		var d document
		if status := w.decode(t, url, &d); status != http.StatusBadRequest || d.Error.Code != "BadParameter" {
			t.Errorf("%s: got %d, %+v", url, status, d)
		}
	}
}

func TestListingIsPagedAndNotInTheOrderOfTime(t *testing.T) {
	w := newWorld(t)
	var made []string
	for i := range 60 {
		made = append(made, w.Set("a", vault.Secret{Value: "x", Created: time.Unix(int64(i), 0)}))
	}
	for query, want := range map[string][]int{"": {25, 25, 10}, "&maxresults=20": {20, 20, 20}} {
		var listed []string
		var pages []int
		for url := "/secrets/a/versions?api-version=2026-04-01" + query; url != ""; {
			var l list
			if status := w.decode(t, url, &l); status != http.StatusOK {
				t.Fatalf("%s: got %d", url, status)
			}
			for _, item := range l.Value {
				listed = append(listed, item.ID[strings.LastIndex(item.ID, "/")+1:])
			}
			pages = append(pages, len(l.Value))
			url = ""
			if l.NextLink != nil {
				url = *l.NextLink
				if !strings.HasPrefix(url, w.server.URL+"/") || !strings.Contains(url, "$skiptoken=") || !strings.Contains(url, "api-version=2026-04-01") {
					t.Fatalf("nextLink %s", url)
				}
			}
		}
		if diff := cmp.Diff(want, pages); diff != "" {
			t.Errorf("pages (-want +got):\n%s", diff)
		}
		if slices.Equal(made, listed) {
			t.Error("in the order of time")
		}
		if diff := cmp.Diff(slices.Sorted(slices.Values(made)), slices.Sorted(slices.Values(listed))); diff != "" {
			t.Errorf("versions (-want +got):\n%s", diff)
		}
	}
	if counts := w.Counts(); counts.Lists != 6 {
		t.Errorf("counted %+v", counts)
	}
}

func TestRefusals(t *testing.T) {
	w := newWorld(t)
	w.Set("a", vault.Secret{Value: "one"})
	role := vault.Refusal{Status: http.StatusForbidden, Code: "Forbidden", Inner: "ForbiddenByRbac", Message: "Caller is not authorized."}
	w.RefuseList(role)
	w.wantError(t, "/secrets/a/versions", role)
	if got := w.get(t, "/secrets/a"); got.Value != "one" {
		t.Errorf("without the right to list: got %+v", got)
	}
	w.RefuseList(vault.Refusal{})
	throttled := vault.Refusal{Status: http.StatusTooManyRequests, Code: "Throttled", Message: "Slow down."}
	w.Refuse(throttled)
	w.wantError(t, "/secrets/a/versions", throttled)
	w.wantError(t, "/secrets/a", throttled)
	w.Refuse(vault.Refusal{})
	var all list
	if status := w.decode(t, "/secrets/a/versions?api-version=1", &all); status != http.StatusOK || len(all.Value) != 1 {
		t.Errorf("after the refusals: got %d, %+v", status, all)
	}
}

func TestDownBreaksConnectionsOff(t *testing.T) {
	w := newWorld(t)
	w.Set("a", vault.Secret{Value: "one"})
	w.SetDown(true)
	if response, err := w.send(t.Context(), t, "/secrets/a?api-version=1", "Bearer "+w.token); err == nil {
		response.Body.Close()
		t.Errorf("the vault answers %d", response.StatusCode)
	}
	if response, err := w.ask(t, ""); err == nil {
		response.Body.Close()
		t.Errorf("the identity endpoint answers %d", response.StatusCode)
	}
	w.SetDown(false)
	if got := w.get(t, "/secrets/a"); got.Value != "one" {
		t.Errorf("afterwards: got %+v", got)
	}
}

func TestDelay(t *testing.T) {
	w := newWorld(t)
	w.Set("a", vault.Secret{Value: "one"})
	w.SetDelay(50 * time.Millisecond)
	begin := time.Now()
	if got := w.get(t, "/secrets/a"); got.Value != "one" || time.Since(begin) < 50*time.Millisecond {
		t.Errorf("got %+v after %v", got, time.Since(begin))
	}
	w.SetDelay(time.Hour)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := w.send(ctx, t, "/secrets/a?api-version=1", "Bearer "+w.token); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	w.server.Close() // returns when the vault has noticed that the caller left
}

func TestCounts(t *testing.T) {
	w := newWorld(t)
	first := w.Set("a", vault.Secret{Value: "one"})
	w.get(t, "/secrets/a")
	w.get(t, "/secrets/a/")
	w.get(t, "/secrets/a/"+first)
	w.get(t, "/secrets/b")
	w.decode(t, "/secrets/a/versions?api-version=1", new(list))
	if response, err := w.ask(t, "?resource=other"); err != nil || response.StatusCode != http.StatusBadRequest {
		t.Errorf("a token for another resource: got %v, %v", response, err)
	} else {
		response.Body.Close()
	}
	want := vault.Counts{Reads: map[string]int{"a": 2, "a/" + first: 1, "b": 1}, Lists: 1, Tokens: 1}
	if diff := cmp.Diff(want, w.Counts()); diff != "" || w.ClientID() != "9edf3db5" {
		t.Errorf("client id %q, counts (-want +got):\n%s", w.ClientID(), diff)
	}
}

// For the race detector.
func TestMethodsAtAnyTime(t *testing.T) {
	w := newWorld(t)
	var callers sync.WaitGroup
	for i := range 4 {
		callers.Go(func() {
			for range 20 {
				id := w.Set("a", vault.Secret{Value: "x"})
				w.Update("a", id, func(s *vault.Secret) { s.Disabled = i%2 == 0 })
				for _, path := range []string{"/secrets/a/", "/secrets/a/" + id, "/secrets/a/versions"} {
					response, err := w.send(t.Context(), t, path+"?api-version=1", "Bearer "+w.token)
					if err != nil {
						t.Error(err)
						return
					}
					io.Copy(io.Discard, response.Body)
					response.Body.Close()
				}
				w.Counts()
			}
		})
	}
	callers.Wait()
}
