package keyvault_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"example.com/entra-scim-proxy/lab/pki"
	"example.com/entra-scim-proxy/lab/vault"
	"example.com/entra-scim-proxy/proxy/keyvault"
)

const (
	vaultHost = "contoso-canary.vault.azure.net"
	value     = "value-canary"
)

// azure is an HTTP double of a vault, with its challenge, and of the managed
// identity endpoint of Azure Functions. The SDK in front of it is the real one.
type azure struct {
	vault.Vault
	client *http.Client
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
	server := httptest.NewUnstartedServer(a)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	identity := httptest.NewServer(http.HandlerFunc(a.Identity))
	t.Cleanup(identity.Close)
	t.Setenv("IDENTITY_ENDPOINT", identity.URL+"/msi/token")
	t.Setenv("IDENTITY_HEADER", vault.IdentityHeader)

	var dialer net.Dialer
	a.client = &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: authority.Pool()},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if strings.HasPrefix(address, vaultHost) {
				address = server.Listener.Addr().String()
			}
			return dialer.DialContext(ctx, network, address)
		},
	}}
	return a
}

// open makes a vault with a client id of its own, because the SDK caches tokens
// by it for the whole process.
func (a *azure) open(t *testing.T) *keyvault.Vault {
	t.Helper()
	v, err := keyvault.New(keyvault.Options{URL: "https://" + vaultHost, ManagedIdentity: true, ClientID: uuid.NewString(), Client: a.client})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestReadsTheCurrentVersionWithTheManagedIdentity(t *testing.T) {
	a := newAzure(t)
	a.Set("name-canary", vault.Secret{Value: value, Expires: time.Now().Add(time.Hour), NotBefore: time.Now().Add(-time.Hour)})
	source := a.open(t).Secret("name-canary")
	for range 3 {
		values, err := source.Read(t.Context())
		if err != nil || len(values) != 1 || values.Current().Reveal() != value {
			t.Fatalf("%v, %v", values, err)
		}
	}
	if reads, issued := a.Counts(); reads != 3 || issued != 1 {
		t.Errorf("%d secret reads, %d tokens; want 3 and 1", reads, issued)
	}
	if printed := fmt.Sprintf("%+v %s %#v", source, source, source); strings.Contains(printed, value) {
		t.Errorf("the source prints the value: %s", printed)
	}
}

// Key Vault itself returns such versions.
func TestVersionsOutsideTheirWindowAreRefused(t *testing.T) {
	a := newAzure(t)
	source := a.open(t).Secret("name-canary")
	for want, secret := range map[string]vault.Secret{
		"expired on":       {Value: value, Expires: time.Now().Add(-time.Second)},
		"not valid before": {Value: value, NotBefore: time.Now().Add(time.Hour)},
	} {
		a.Set("name-canary", secret)
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
		"absent":  {0, "", []string{"404 SecretNotFound", "no secret of that name"}},
		"unknown": {400, "BadParameter", []string{"400 BadParameter"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAzure(t)
			a.Refuse(test.status, test.code)
			_, err := a.open(t).Secret("name-canary").Read(t.Context())
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
	a.SetIdentity(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprint(w, `{"statusCode":400,"message":"identity-canary not found"}`)
	})
	_, err := a.open(t).Secret("name-canary").Read(t.Context())
	wantError(t, err, "identity")
}

// A vault or an identity endpoint that says nothing must not hold a caller
// longer than its deadline.
func TestSilenceEndsWithTheDeadline(t *testing.T) {
	a := newAzure(t)
	release := make(chan struct{})
	defer close(release)
	a.SetIdentity(func(http.ResponseWriter, *http.Request) { <-release })
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	begin := time.Now()
	_, err := a.open(t).Secret("name-canary").Read(ctx)
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
	_, err := a.open(t).Secret("name-canary").Read(t.Context())
	wantError(t, err, "does not resolve")
}

func TestVaultBehindAnotherAuthority(t *testing.T) {
	a := newAzure(t)
	other, err := pki.New("Intercepting Root")
	if err != nil {
		t.Fatal(err)
	}
	a.client.Transport.(*http.Transport).TLSClientConfig.RootCAs = other.Pool()
	_, err = a.open(t).Secret("name-canary").Read(t.Context())
	wantError(t, err, "intercept")
}

func TestDefaultChainRefusesWhatItCannotUse(t *testing.T) {
	t.Setenv("AZURE_TOKEN_CREDENTIALS", "nonsense")
	if _, err := keyvault.New(keyvault.Options{URL: "https://" + vaultHost}); err == nil {
		t.Error("no error")
	}
}
