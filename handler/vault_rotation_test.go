package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.com/entra-scim-proxy/lab/pki"
	"example.com/entra-scim-proxy/lab/vault"
)

// awaitStatus makes calls until one is answered with the status.
func (p *process) awaitStatus(t *testing.T, token string, want int) {
	t.Helper()
	for limit := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) { // real time: it is another process's
		status, body := p.get(t, token)
		if status == want {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("%d %s, want %d", status, body, want)
		}
	}
}

// What callers present does not count any more once the vault says so. What the
// backend is presented does: it knows best what it takes.
func TestWithdrawnTokenOfCallersEnds(t *testing.T) {
	t.Parallel()
	v := &vault.Vault{}
	p, b := startWithVault(t, v, map[string]string{"SECRET_REFRESH": "1s"})
	p.awaitStatus(t, b.entra, 200)
	v.Delete("backend-token")
	p.awaitLine(t, b.entra, `"setting":"BACKEND_TOKEN"`, `"last_good_value_in_use":true`)
	if status, body := p.get(t, b.entra); status != 200 {
		t.Errorf("%d %s", status, body)
	}
	v.Delete("entra-token")
	p.awaitStatus(t, b.entra, 503)
}

// awaitLine makes calls until a line of the log holds the texts.
func (p *process) awaitLine(t *testing.T, token string, texts ...string) {
	t.Helper()
	for limit := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) { // as above
		for _, line := range p.output() {
			missing := false
			for _, text := range texts {
				missing = missing || !strings.Contains(line, text)
			}
			if !missing {
				return
			}
		}
		if time.Now().After(limit) {
			t.Fatalf("no line with %q in\n%s", texts, strings.Join(p.output(), "\n"))
		}
		p.get(t, token)
	}
}

func TestStaleWindowIsTheOperators(t *testing.T) {
	t.Parallel()
	v := &vault.Vault{}
	p, b := startWithVault(t, v, map[string]string{"SECRET_REFRESH": "1s", "SECRET_STALE": "2s"})
	p.awaitStatus(t, b.entra, 200)
	v.Refuse(vault.Refusal{Status: 403, Code: "Forbidden", Inner: "ForbiddenByRbac"})
	p.awaitStatus(t, b.entra, 503)
}

// A certificate that another authority signed by now is trusted with the call
// that finds it out.
func TestBundleIsReadAgainForACertificateItDoesNotCover(t *testing.T) {
	t.Parallel()
	v := &vault.Vault{}
	other, err := pki.New("Other Root")
	if err != nil {
		t.Fatal(err)
	}
	v.Set("other-ca", vault.Secret{Value: string(other.PEM())})
	p, b := startWithVault(t, v, map[string]string{"BACKEND_CA": "keyvault:other-ca"})
	p.await(t, `"setting":"BACKEND_CA"`)
	v.Set("other-ca", vault.Secret{Value: b.ca})
	if status, body := p.get(t, b.entra); status != 200 {
		t.Errorf("%d %s", status, body)
	}
}

// A bundle that has expired in the vault is not the end of its certificates, and
// what it replaced is not wanted back.
func TestBundleThatHasExpiredInTheVaultCounts(t *testing.T) {
	t.Parallel()
	v := &vault.Vault{}
	other, err := pki.New("Other Root")
	if err != nil {
		t.Fatal(err)
	}
	p, b := startWithVault(t, v, map[string]string{"BACKEND_CA": "keyvault:expired-ca"})
	v.Set("expired-ca", vault.Secret{Value: string(other.PEM()), Created: time.Now().Add(-time.Hour)})
	v.Set("expired-ca", vault.Secret{Value: b.ca, Expires: time.Now().Add(-time.Second)})
	p.awaitStatus(t, b.entra, 200)
}

// The version before has an end, too, and whoever still presents it is to know.
func TestExpiryOfBothVersionsIsInTheLog(t *testing.T) {
	t.Parallel()
	v := &vault.Vault{}
	for i, value := range []string{"before", "current"} {
		v.Set("both", vault.Secret{Value: value, Created: time.Now().Add(time.Duration(i-2) * time.Hour), Expires: time.Now().Add(time.Duration(i+20) * 24 * time.Hour)})
	}
	p, _ := startWithVault(t, v, map[string]string{"ENTRA_TOKEN": "keyvault:both"})
	for _, days := range []string{"19", "20"} {
		p.awaitLine(t, "current", `"what":"ENTRA_TOKEN"`, `"days_left":`+days)
	}
}

// A token that cannot change while the process runs is not waited for.
func TestFixedTokenIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	var refuse atomic.Bool
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if refuse.Load() {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	t.Cleanup(backend.Close)
	p := start(t, local("BACKEND_URL", backend.URL, "BACKEND_ALLOW_HTTP", "true", "ENTRA_TOKEN", "file:"+write(t, "entra", "e"), "BACKEND_TOKEN", "plain:b"))
	if status, body := p.get(t, "e"); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	refuse.Store(true)
	begin := time.Now()
	if status, body := p.get(t, "e"); status != 502 || time.Since(begin) > 10*time.Second {
		t.Errorf("%d %s after %v, want 502 at once", status, body, time.Since(begin))
	}
}

func TestFixedReferences(t *testing.T) {
	for reference, want := range map[string]bool{
		"plain:a/b": true, "env:HOME": true, "file:/run/token": false, "keyvault:a": false, "keyvault:a/" + strings.Repeat("0", 32): true,
	} {
		s, found := parseSettings(valid("BACKEND_TOKEN", reference, "KEY_VAULT_URL", "https://contoso.vault.azure.net"))
		if got := s.BackendToken.isFixed(); got != want || len(found.problems) != 0 {
			t.Errorf("%s: %v %v, want %v", reference, got, found.problems, want)
		}
	}
}
