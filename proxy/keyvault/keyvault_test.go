package keyvault_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.com/entra-scim-proxy/lab/pki"
	"example.com/entra-scim-proxy/proxy/keyvault"
)

const (
	vaultHost = "contoso-canary.vault.azure.net"
	value     = "value-canary"
	bearer    = "managed-identity-canary"
)

// azure is an HTTP double of a vault, with its challenge, and of the managed
// identity endpoint of Azure Functions. The SDK in front of it is the real one.
type azure struct {
	client   *http.Client
	answer   func(http.ResponseWriter) // of the vault, once authenticated
	identity func(http.ResponseWriter, *http.Request)
	secrets  atomic.Int32 // calls that came with a token
	tokens   atomic.Int32
}

func newAzure(t *testing.T) *azure {
	t.Helper()
	a := &azure{}
	authority, err := pki.New("Public Root")
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := authority.Certificate(pki.Leaf{Names: []string{vaultHost}})
	if err != nil {
		t.Fatal(err)
	}
	vault := httptest.NewUnstartedServer(http.HandlerFunc(a.serveVault))
	vault.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	vault.StartTLS()
	t.Cleanup(vault.Close)
	identity := httptest.NewServer(http.HandlerFunc(a.serveIdentity))
	t.Cleanup(identity.Close)
	t.Setenv("IDENTITY_ENDPOINT", identity.URL+"/msi/token")
	t.Setenv("IDENTITY_HEADER", "identity-header")

	var dialer net.Dialer
	a.client = &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: authority.Pool()},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if strings.HasPrefix(address, vaultHost) {
				address = vault.Listener.Addr().String()
			}
			return dialer.DialContext(ctx, network, address)
		},
	}}
	return a
}

func (a *azure) serveVault(w http.ResponseWriter, r *http.Request) {
	switch r.Header.Get("Authorization") {
	case "":
		w.Header().Set("WWW-Authenticate", `Bearer authorization="https://login.microsoftonline.com/8adf8e6e-67b2-4cf2-a259-e3dc5476c621", resource="https://vault.azure.net"`)
		w.WriteHeader(http.StatusUnauthorized)
	case "Bearer " + bearer:
		a.secrets.Add(1)
		a.answer(w)
	default:
		w.WriteHeader(http.StatusForbidden)
	}
}

func (a *azure) serveIdentity(w http.ResponseWriter, r *http.Request) {
	a.tokens.Add(1)
	if a.identity != nil {
		a.identity(w, r)
		return
	}
	if r.Header.Get("X-IDENTITY-HEADER") != "identity-header" || r.URL.Query().Get("resource") != "https://vault.azure.net" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	_, _ = fmt.Fprintf(w, `{"access_token":%q,"expires_on":"%d","resource":"https://vault.azure.net","token_type":"Bearer"}`, bearer, time.Now().Add(24*time.Hour).Unix())
}

// secret answers with a version of the secret.
func secret(attributes map[string]any) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{
			"value": value, "id": "https://" + vaultHost + "/secrets/name-canary/0123456789abcdef0123456789abcdef", "attributes": attributes,
		})
	}
}

// open makes a vault. Each test has a client id of its own, because the SDK
// caches tokens by it for the whole process.
func (a *azure) open(t *testing.T, clientID string) *keyvault.Vault {
	t.Helper()
	vault, err := keyvault.New(keyvault.Options{URL: "https://" + vaultHost, ManagedIdentity: true, ClientID: clientID, Client: a.client})
	if err != nil {
		t.Fatal(err)
	}
	return vault
}

func TestReadsTheCurrentVersionWithTheManagedIdentity(t *testing.T) {
	a := newAzure(t)
	a.answer = secret(map[string]any{"enabled": true, "exp": time.Now().Add(time.Hour).Unix(), "nbf": time.Now().Add(-time.Hour).Unix()})
	source := a.open(t, "11111111-0000-0000-0000-000000000001").Secret("name-canary")
	for range 3 {
		values, err := source.Read(t.Context())
		if err != nil || len(values) != 1 || values.Current().Reveal() != value {
			t.Fatalf("%v, %v", values, err)
		}
	}
	if a.secrets.Load() != 3 || a.tokens.Load() != 1 {
		t.Errorf("%d secret reads, %d tokens; want 3 and 1", a.secrets.Load(), a.tokens.Load())
	}
	if printed := fmt.Sprintf("%+v %s %#v", source, source, source); strings.Contains(printed, value) {
		t.Errorf("the source prints the value: %s", printed)
	}
}

// Key Vault itself returns such versions.
func TestVersionsOutsideTheirWindowAreRefused(t *testing.T) {
	a := newAzure(t)
	source := a.open(t, "11111111-0000-0000-0000-000000000002").Secret("name-canary")
	for want, attributes := range map[string]map[string]any{
		"expired on":       {"enabled": true, "exp": time.Now().Add(-time.Second).Unix()},
		"not valid before": {"enabled": true, "nbf": time.Now().Add(time.Hour).Unix()},
	} {
		a.answer = secret(attributes)
		if values, err := source.Read(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, %v; want an error with %q", values, err, want)
		}
	}
}

func TestFailuresSayWhatToDoAndNameNothing(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		code   string
		want   []string
	}{
		"role":    {403, "Forbidden", []string{"403 Forbidden", "Key Vault Secrets User"}},
		"absent":  {404, "SecretNotFound", []string{"404 SecretNotFound", "no secret of that name"}},
		"unknown": {400, "BadParameter", []string{"400 BadParameter"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAzure(t)
			a.answer = func(w http.ResponseWriter) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(test.status)
				_, _ = fmt.Fprintf(w, `{"error":{"code":%q,"message":"name-canary in contoso-canary"}}`, test.code)
			}
			_, err := a.open(t, "11111111-0000-0000-0000-000000000003").Secret("name-canary").Read(t.Context())
			wantError(t, err, test.want...)
		})
	}
}

func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	if strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "http") {
		t.Errorf("the error names something of the inside: %v", err)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %v, want one with %q", err, part)
		}
	}
}

func TestIdentityEndpointThatRefuses(t *testing.T) {
	a := newAzure(t)
	a.identity = func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprint(w, `{"statusCode":400,"message":"identity-canary not found"}`)
	}
	_, err := a.open(t, "11111111-0000-0000-0000-000000000004").Secret("name-canary").Read(t.Context())
	wantError(t, err, "identity")
}

// A vault or an identity endpoint that says nothing must not hold a caller
// longer than its deadline.
func TestSilenceEndsWithTheDeadline(t *testing.T) {
	a := newAzure(t)
	release := make(chan struct{})
	defer close(release)
	a.identity = func(http.ResponseWriter, *http.Request) { <-release }
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	begin := time.Now()
	_, err := a.open(t, "11111111-0000-0000-0000-000000000005").Secret("name-canary").Read(ctx)
	wantError(t, err, "did not answer in time")
	if time.Since(begin) > 5*time.Second {
		t.Errorf("after %v", time.Since(begin))
	}
}

func TestVaultThatIsNotThere(t *testing.T) {
	a := newAzure(t)
	a.client.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		var dialer net.Dialer
		if strings.HasPrefix(address, vaultHost) {
			return nil, &net.OpError{Op: "dial", Net: network, Err: &net.DNSError{Err: "no such host", Name: vaultHost, IsNotFound: true}}
		}
		return dialer.DialContext(ctx, network, address)
	}
	_, err := a.open(t, "11111111-0000-0000-0000-000000000006").Secret("name-canary").Read(t.Context())
	wantError(t, err, "does not resolve")
}

func TestVaultBehindAnotherAuthority(t *testing.T) {
	a := newAzure(t)
	other, err := pki.New("Intercepting Root")
	if err != nil {
		t.Fatal(err)
	}
	a.client.Transport.(*http.Transport).TLSClientConfig.RootCAs = other.Pool()
	_, err = a.open(t, "11111111-0000-0000-0000-000000000007").Secret("name-canary").Read(t.Context())
	wantError(t, err, "intercept")
}

func TestDefaultChainRefusesWhatItCannotUse(t *testing.T) {
	t.Setenv("AZURE_TOKEN_CREDENTIALS", "nonsense")
	if _, err := keyvault.New(keyvault.Options{URL: "https://" + vaultHost}); err == nil {
		t.Error("no error")
	}
}
