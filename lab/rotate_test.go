package main

import (
	"bytes"
	"errors"
	"net/http"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/entra-scim-proxy/lab/entra"
	"example.com/entra-scim-proxy/lab/profile"
	"example.com/entra-scim-proxy/lab/stand"
	"example.com/entra-scim-proxy/lab/vault"
)

func TestWriteRotation(t *testing.T) {
	good := entra.Call{Step: "look up user", Method: http.MethodGet, Path: "/scim/Users", OK: true}
	bad := entra.Call{Step: "create user", Method: http.MethodPost, Path: "/scim/Users", Detail: "want 201, got 502: no"}
	skipped := entra.Call{Step: "delete user", Method: http.MethodDelete, Path: "/scim/Users/{user}", Skipped: true, Detail: "skipped"}
	for _, test := range []struct {
		calls  []entra.Call
		failed int
		want   string
	}{
		{[]entra.Call{good, good}, 0, "\nRotation: both tokens replaced in the vault while 2 calls went through: 0 failed\n"},
		{[]entra.Call{good, bad, skipped}, 2, `
Rotation: both tokens replaced in the vault while 3 calls went through: 2 failed
  ✗ create user: POST /scim/Users: want 201, got 502: no
`},
	} {
		var got bytes.Buffer
		failed := writeRotation(&got, "both tokens", test.calls)
		if diff := cmp.Diff(test.want, got.String()); diff != "" || failed != test.failed {
			t.Errorf("%d failed; report (-want +got):\n%s", failed, diff)
		}
	}
}

// vaultStand is a stand with a vault, where this system can have one.
func vaultStand(t *testing.T) *stand.Stand {
	t.Helper()
	strict, _ := profile.ByName("strict")
	s, err := stand.New(t.Context(), stand.Options{App: app(t), Profile: strict, Vault: true})
	if errors.Is(err, vault.ErrSystem) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// needVault skips a test on systems that cannot have a vault.
func needVault(t *testing.T) {
	t.Helper()
	s, err := vault.Tunnel(stand.VaultName, "127.0.0.1:1")
	if errors.Is(err, vault.ErrSystem) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
}

// A rotation that was none must not look like one without failures.
func TestRotationThatWasNone(t *testing.T) {
	s := vaultStand(t)
	if err := checkRotation(t.Context(), s, s.BackendToken()); err == nil || err.Error() != "the backend answers 200 to its old token; want 401" {
		t.Errorf("a backend that did not drop its token: got %v", err)
	}
	if err := checkRotation(t.Context(), s, "dropped"); err != nil {
		t.Errorf("one that did: got %v", err)
	}
	proxy, err := url.Parse(s.Vault.Environment()["HTTPS_PROXY"])
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy)}}
	if response, err := client.Get("https://scim.corp.example.com/"); err == nil {
		response.Body.Close()
		t.Error("the way to the vault leads elsewhere, too")
	}
	const want = `the proxy asked HTTPS_PROXY, which is for the vault alone, for ["CONNECT scim.corp.example.com:443"]`
	if err := checkRotation(t.Context(), s, "dropped"); err == nil || err.Error() != want {
		t.Errorf("a proxy that went astray: got %v", err)
	}
}
