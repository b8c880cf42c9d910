package keyvault_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"example.com/entra-scim-proxy/lab/pki"
	"example.com/entra-scim-proxy/lab/vault"
	"example.com/entra-scim-proxy/proxy/keyvault"
	"example.com/entra-scim-proxy/proxy/token"
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
			if !strings.HasPrefix(address, "127.0.0.1:") { // the metadata service of a machine of Azure's
				return nil, &net.OpError{Op: "dial", Net: network, Err: errors.New("no route to host")}
			}
			return dialer.DialContext(ctx, network, address)
		},
	}}
	t.Cleanup(a.client.Transport.(*http.Transport).CloseIdleConnections)
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

// read reads a secret as the product does, and returns its values.
func (a *azure) read(t *testing.T, use keyvault.Use, version string) ([]string, error) {
	t.Helper()
	return reveal(a.open(t).Secret("name-canary", version, use, zap.NewNop()).Read(t.Context()))
}

func reveal(credentials token.Credentials, err error) ([]string, error) {
	var values []string
	for _, credential := range credentials {
		values = append(values, credential.Reveal())
	}
	return values, err
}

func TestReadsTheCurrentVersionWithTheManagedIdentity(t *testing.T) {
	a := newAzure(t)
	end := time.Now().Add(time.Hour).Truncate(time.Second)
	a.Set("name-canary", vault.Secret{Value: value, Expires: end, NotBefore: time.Now().Add(-time.Hour)})
	source := a.open(t).Secret("name-canary", "", keyvault.Accept, zap.NewNop())
	for range 3 {
		values, err := source.Read(t.Context())
		if err != nil || len(values) != 1 || values.Current().Reveal() != value || !values.Current().Expires().Equal(end) {
			t.Fatalf("%v, %v", values, err)
		}
	}
	if counts := a.Counts(); counts.Reads["name-canary"] != 3 || counts.Lists != 3 || counts.Tokens != 1 {
		t.Errorf("%+v; want 3 reads, 3 lists and 1 token", counts)
	}
	if printed := fmt.Sprintf("%+v %s %#v", source, source, source); strings.Contains(printed, "canary") {
		t.Errorf("the source prints %s", printed)
	}
}

// The value of a version never changes: that of the one before is read once.
func TestReadsTheVersionBefore(t *testing.T) {
	a := newAzure(t)
	now := time.Now()
	var ids []string
	for i, value := range []string{"oldest", "before", "current"} {
		ids = append(ids, a.Set("name-canary", vault.Secret{Value: value, Created: now.Add(time.Duration(i-3) * time.Second)}))
	}
	source := a.open(t).Secret("name-canary", "", keyvault.Accept, zap.NewNop())
	for range 3 {
		if values, err := reveal(source.Read(t.Context())); err != nil || !slices.Equal(values, []string{"current", "before"}) {
			t.Fatalf("%v, %v", values, err)
		}
	}
	counts := a.Counts()
	if counts.Reads["name-canary/"+ids[1]] != 1 || counts.Reads["name-canary/"+ids[0]] != 0 {
		t.Errorf("%+v; want one read of the version before, and none of an older one", counts)
	}
	a.Set("name-canary", vault.Secret{Value: "newest", Created: now})
	if values, err := reveal(source.Read(t.Context())); err != nil || !slices.Equal(values, []string{"newest", "current"}) {
		t.Errorf("after a rotation: %v, %v", values, err)
	}
	a.Update("name-canary", ids[2], func(s *vault.Secret) { s.Disabled = true })
	if values, err := reveal(source.Read(t.Context())); err != nil || !slices.Equal(values, []string{"newest"}) {
		t.Errorf("after the withdrawal of the version before: %v, %v", values, err)
	}
}

// A list of versions has pages, and no order.
func TestReadsManyVersions(t *testing.T) {
	a := newAzure(t)
	now := time.Now()
	for i := range 60 {
		a.Set("name-canary", vault.Secret{Value: fmt.Sprint("value ", i), Created: now.Add(time.Duration(i-60) * time.Minute)})
	}
	if values, err := a.read(t, keyvault.Accept, ""); err != nil || !slices.Equal(values, []string{"value 59", "value 58"}) {
		t.Errorf("%v, %v", values, err)
	}
}

// Whom the newest version was withdrawn from reads what is left.
func TestReadsPastADisabledVersion(t *testing.T) {
	a := newAzure(t)
	now := time.Now()
	a.Set("name-canary", vault.Secret{Value: "oldest", Created: now.Add(-2 * time.Hour)})
	a.Set("name-canary", vault.Secret{Value: "before", Created: now.Add(-time.Hour)})
	a.Set("name-canary", vault.Secret{Value: "leaked", Disabled: true})
	for _, use := range []keyvault.Use{keyvault.Accept, keyvault.Present} {
		if values, err := a.read(t, use, ""); err != nil || !slices.Equal(values, []string{"before"}) {
			t.Errorf("%v: %v, %v", use, values, err)
		}
	}
}

// Key Vault itself returns versions outside of their window.
func TestVersionsOutsideTheirWindow(t *testing.T) {
	for name, test := range map[string]struct {
		secret  vault.Secret
		use     keyvault.Use
		refusal string
	}{
		"expired, to accept":        {vault.Secret{Value: value, Expires: time.Now().Add(-time.Second)}, keyvault.Accept, "expired on"},
		"expired, to present":       {vault.Secret{Value: value, Expires: time.Now().Add(-time.Second)}, keyvault.Present, ""},
		"not yet valid, to accept":  {vault.Secret{Value: value, NotBefore: time.Now().Add(time.Hour)}, keyvault.Accept, "not valid before"},
		"not yet valid, to present": {vault.Secret{Value: value, NotBefore: time.Now().Add(time.Hour)}, keyvault.Present, "not valid before"},
		"expired, to trust":         {vault.Secret{Value: value, Expires: time.Now().Add(-time.Second)}, keyvault.Newest, ""},
		"not yet valid, to trust":   {vault.Secret{Value: value, NotBefore: time.Now().Add(time.Hour)}, keyvault.Newest, "not valid before"},
		"disabled, to accept":       {vault.Secret{Value: value, Disabled: true}, keyvault.Accept, "disabled"},
		"disabled, to present":      {vault.Secret{Value: value, Disabled: true}, keyvault.Present, "disabled"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAzure(t)
			id := a.Set("name-canary", test.secret)
			for _, version := range []string{"", id} {
				values, err := a.read(t, test.use, version)
				if test.refusal != "" {
					wantError(t, err, test.refusal)
				} else if err != nil || !slices.Equal(values, []string{value}) {
					t.Errorf("version %q: %v, %v", version, values, err)
				}
			}
		})
	}
}

// Each value has the origin of its own version, however it was come by.
func TestValuesHaveTheOriginOfTheirVersion(t *testing.T) {
	a := newAzure(t)
	var origins []token.Origin // the newest first
	for i := range 2 {
		origin := token.Origin{
			Created: time.Now().Add(time.Duration(i-2) * time.Hour).Truncate(time.Second), Expires: time.Now().Add(time.Duration(i+1) * time.Hour).Truncate(time.Second),
		}
		origin.Version = a.Set("name-canary", vault.Secret{Value: value, Created: origin.Created, Expires: origin.Expires})
		origins = append([]token.Origin{origin}, origins...)
	}
	read := func(what, version string, want ...token.Origin) {
		t.Helper()
		values, err := a.open(t).Secret("name-canary", version, keyvault.Accept, zap.NewNop()).Read(t.Context())
		if err != nil || len(values) != len(want) {
			t.Fatalf("%s: %v, %v; want %d values", what, values, err, len(want))
		}
		for i, value := range values {
			if diff := cmp.Diff(want[i], value.Origin()); diff != "" {
				t.Errorf("%s: value %d (-want +got):\n%s", what, i+1, diff)
			}
		}
	}
	read("all", "", origins...)
	read("pinned", origins[0].Version, origins[0])
	a.RefuseList(vault.Refusal{Status: 403, Code: "Forbidden", Inner: "ForbiddenByPolicy"})
	alone := origins[0]
	alone.Unlisted = true
	read("without the right to list", "", alone)
	read("pinned, without the right to list", origins[0].Version, origins[0])
}

func TestReadsAPinnedVersion(t *testing.T) {
	a := newAzure(t)
	id := a.Set("name-canary", vault.Secret{Value: "pinned"})
	a.Set("name-canary", vault.Secret{Value: "newer"})
	if values, err := a.read(t, keyvault.Accept, id); err != nil || !slices.Equal(values, []string{"pinned"}) {
		t.Errorf("%v, %v", values, err)
	}
	if counts := a.Counts(); counts.Lists != 0 || counts.Reads["name-canary"] != 0 {
		t.Errorf("%+v; want one read", counts)
	}
	_, err := a.read(t, keyvault.Accept, strings.Repeat("0", 32))
	wantError(t, err, "404", "no such version")
}

// An identity that may read secrets, but not list them, is common with access
// policies.
func TestReadsWithoutTheRightToList(t *testing.T) {
	a := newAzure(t)
	a.Set("name-canary", vault.Secret{Value: "before", Created: time.Now().Add(-time.Hour)})
	a.Set("name-canary", vault.Secret{Value: "current"})
	a.RefuseList(vault.Refusal{Status: 403, Code: "Forbidden", Inner: "ForbiddenByPolicy", Message: "The user, group or application 'appid=" + application + ";oid=" + object + "' does not have secrets list permission on key vault 'contoso-canary'"})
	core, logs := observer.New(zap.DebugLevel)
	source := a.open(t).Secret("name-canary", "", keyvault.Accept, zap.New(core))
	for range 3 {
		if values, err := reveal(source.Read(t.Context())); err != nil || !slices.Equal(values, []string{"current"}) {
			t.Fatalf("%v, %v", values, err)
		}
	}
	if lines := logs.All(); len(lines) != 1 || lines[0].Level != zap.WarnLevel || !strings.Contains(fmt.Sprint(lines[0].ContextMap()), "Get and List") {
		t.Errorf("%v; want one warning", lines)
	}
	a.RefuseList(vault.Refusal{Status: 500, Code: "InternalServerError"})
	_, err := source.Read(t.Context())
	wantError(t, err, "500")
}

// The secret behind a Key Vault certificate is no token; nor does it stand in
// the way of the one that took its place.
func TestCertificatesAreRefused(t *testing.T) {
	a := newAzure(t)
	// A media type has no case (RFC 9110 section 8.3.1).
	for i, kind := range []string{"Application/X-PKCS12", "application/x-pkcs12"} {
		a.Set("name-canary", vault.Secret{Value: "MIIKcQIBAzCCCjcGCSqGSIb3", ContentType: kind, Created: time.Now().Add(time.Duration(i-2) * time.Hour)})
		_, err := a.read(t, keyvault.Present, "")
		wantError(t, err, "PKCS #12")
		if !errors.Is(err, token.ErrUnusable) {
			t.Errorf("error %v, want ErrUnusable", err)
		}
	}
	a.Set("name-canary", vault.Secret{Value: value})
	for _, use := range []keyvault.Use{keyvault.Accept, keyvault.Present} {
		if values, err := a.read(t, use, ""); err != nil || !slices.Equal(values, []string{value}) {
			t.Errorf("%v, %v", values, err)
		}
	}
}

// What was valid until a moment ago may still be taken, and an older version
// may not.
func TestExpiredVersionBesideAnOlderOne(t *testing.T) {
	a := newAzure(t)
	a.Set("name-canary", vault.Secret{Value: "retired", Created: time.Now().Add(-time.Hour)})
	a.Set("name-canary", vault.Secret{Value: "expired", Expires: time.Now().Add(-time.Second)})
	for use, want := range map[keyvault.Use][]string{
		keyvault.Accept: {"retired", "expired"}, keyvault.Present: {"retired", "expired"}, keyvault.Newest: {"expired"},
	} {
		if values, err := a.read(t, use, ""); err != nil || !slices.Equal(values, want) {
			t.Errorf("use %v: %v, %v; want %v", use, values, err, want)
		}
	}
	credentials, err := a.open(t).Secret("name-canary", "", keyvault.Accept, zap.NewNop()).Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for presented, want := range map[string]bool{"retired": true, "expired": false} {
		if _, ok := credentials.Match(presented); ok != want {
			t.Errorf("%s matches: %v, want %v", presented, ok, want)
		}
	}
}

func TestTrustIsTheNewestVersionAlone(t *testing.T) {
	a := newAzure(t)
	before := a.Set("name-canary", vault.Secret{Value: "before", Created: time.Now().Add(-time.Hour)})
	a.Set("name-canary", vault.Secret{Value: value})
	if values, err := a.read(t, keyvault.Newest, ""); err != nil || !slices.Equal(values, []string{value}) {
		t.Errorf("%v, %v", values, err)
	}
	if counts := a.Counts(); counts.Reads["name-canary/"+before] != 0 {
		t.Errorf("%+v; want no read of the version before", counts)
	}
}

func TestDefaultChainRefusesWhatItCannotUse(t *testing.T) {
	t.Setenv("AZURE_TOKEN_CREDENTIALS", "nonsense")
	if _, err := keyvault.New(keyvault.Options{URL: "https://" + vaultHost}); err == nil {
		t.Error("no error")
	}
}
