package keyvault_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"example.com/entra-scim-proxy/lab/pki"
	"example.com/entra-scim-proxy/lab/vault"
	"example.com/entra-scim-proxy/proxy/keyvault"
	"example.com/entra-scim-proxy/proxy/token"
)

const (
	application = "11111111-2222-3333-4444-555555555555"
	object      = "66666666-7777-8888-9999-000000000000"
	who         = "Caller: appid=" + application + ";oid=" + object + ";iss=https://sts.windows.net/canary/\r\nVault: contoso-canary;location=westeurope"
)

func TestFailuresSayWhatToDoAndNameNothing(t *testing.T) {
	for name, test := range map[string]struct {
		refusal vault.Refusal
		want    []string
	}{
		"role": {vault.Refusal{Status: 403, Code: "Forbidden", Inner: "ForbiddenByRbac", Message: "Caller is not authorized to perform action on resource.\r\n" + who},
			[]string{"403 Forbidden (ForbiddenByRbac)", "role Key Vault Secrets User", "appid=" + application + ";oid=" + object}},
		"policy": {vault.Refusal{Status: 403, Code: "Forbidden", Inner: "ForbiddenByPolicy", Message: "The user, group or application '" + who + "' does not have secrets get permission"},
			[]string{"access policies", "Get and List", "oid=" + object}},
		"firewall": {vault.Refusal{Status: 403, Code: "Forbidden", Inner: "ForbiddenByFirewall", Message: "Client address is not authorized and caller is not a trusted service.\r\nClient address: 192.0.2.77\r\n" + who},
			[]string{"ForbiddenByFirewall", "firewall", "private endpoint"}},
		"connection": {vault.Refusal{Status: 403, Code: "Forbidden", Inner: "ForbiddenByConnection", Message: "Public network access is disabled"},
			[]string{"ForbiddenByConnection", "private DNS zone"}},
		"plain 403":   {vault.Refusal{Status: 403, Code: "Forbidden"}, []string{"403 Forbidden", "Key Vault Secrets User"}},
		"unknown 403": {vault.Refusal{Status: 403, Code: "Forbidden", Inner: "ForbiddenByCanary"}, []string{"403 Forbidden", "Key Vault Secrets User"}},
		"absent":      {vault.Refusal{}, []string{"404 SecretNotFound", "no secret of that name"}},
		"unknown":     {vault.Refusal{Status: 400, Code: "BadParameter"}, []string{"400 BadParameter"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAzure(t)
			a.Refuse(test.refusal)
			_, err := a.read(t, keyvault.Accept, "")
			wantError(t, err, test.want...)
			if strings.Contains(err.Error(), "192.0.2.77") {
				t.Errorf("the error names an address: %v", err)
			}
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
	_, err := a.read(t, keyvault.Accept, "")
	wantError(t, err, "identity")
}

// A vault or an identity endpoint that says nothing must not hold a caller
// longer than its deadline.
func TestSilenceEndsWithTheDeadline(t *testing.T) {
	a := newAzure(t)
	release := make(chan struct{})
	defer close(release)
	a.SetIdentity(func(http.ResponseWriter, *http.Request) { <-release })
	for _, limit := range []time.Duration{500 * time.Millisecond, 10 * time.Second} { // before, and after, the SDK gives up by itself
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		begin := time.Now()
		_, err := a.open(t).Secret("name-canary", "", keyvault.Accept, zap.NewNop()).Read(ctx)
		cancel()
		wantError(t, err, "did not answer in time")
		if time.Since(begin) > limit+2*time.Second || !errors.Is(err, token.ErrAway) {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
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
	_, err := a.read(t, keyvault.Accept, "")
	wantError(t, err, "does not resolve")
	if !errors.Is(err, token.ErrAway) {
		t.Errorf("error %v, want ErrAway", err)
	}
}

// A firewall that drops what it does not like says nothing.
func TestVaultThatCannotBeReachedInTime(t *testing.T) {
	a := newAzure(t)
	inner := a.client.Transport.(*http.Transport).DialContext
	a.client.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if strings.HasPrefix(address, vaultHost) {
			dialer := net.Dialer{Timeout: time.Nanosecond}
			return dialer.DialContext(ctx, network, "192.0.2.77:443")
		}
		return inner(ctx, network, address)
	}
	_, err := a.read(t, keyvault.Accept, "")
	wantError(t, err, "did not answer in time")
	if !errors.Is(err, token.ErrAway) {
		t.Errorf("error %v, want ErrAway", err)
	}
}

// The environment's proxy is on the way, and its address is nobody's business.
func TestProxyThatIsNotThere(t *testing.T) {
	a := newAzure(t)
	a.client.Transport.(*http.Transport).Proxy = func(r *http.Request) (*url.URL, error) {
		if r.URL.Host == vaultHost {
			return &url.URL{Scheme: "http", Host: "127.0.0.1:1"}, nil
		}
		return nil, nil //nolint:nilnil // what the type asks for: no proxy
	}
	_, err := a.read(t, keyvault.Accept, "")
	wantError(t, err, "could not be reached: proxyconnect: dial: ")
	if strings.Contains(err.Error(), "127.0.0.1") || !errors.Is(err, token.ErrAway) {
		t.Errorf("the error names an address, or is not ErrAway: %v", err)
	}
}

// net/http has no type for what a proxy answers to CONNECT.
func TestProxyThatRefuses(t *testing.T) {
	a := newAzure(t)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	t.Cleanup(proxy.Close)
	a.client.Transport.(*http.Transport).Proxy = func(r *http.Request) (*url.URL, error) {
		if r.URL.Host == vaultHost {
			return url.Parse(proxy.URL)
		}
		return nil, nil //nolint:nilnil // what the type asks for: no proxy
	}
	_, err := a.read(t, keyvault.Accept, "")
	wantError(t, err, "HTTPS_PROXY")
	if !errors.Is(err, token.ErrAway) {
		t.Errorf("error %v, want ErrAway", err)
	}
}

func TestVaultBehindAnotherAuthority(t *testing.T) {
	a := newAzure(t)
	other, err := pki.New("Intercepting Root")
	if err != nil {
		t.Fatal(err)
	}
	a.client.Transport.(*http.Transport).TLSClientConfig.RootCAs = other.Pool()
	_, err = a.read(t, keyvault.Accept, "")
	wantError(t, err, "intercept")
	if errors.Is(err, token.ErrAway) {
		t.Errorf("error %v, and nobody is told to mend it", err)
	}
}

// Three kinds of failure: that nothing counts any more, that nobody answers,
// and what somebody has to mend.
func TestFailuresAreOfThreeKinds(t *testing.T) {
	var id string
	for name, test := range map[string]struct {
		trouble         func(*azure)
		pinned          bool
		accept, present error // category; nil: none
	}{
		"disabled":         {func(a *azure) { a.Update("name-canary", id, func(s *vault.Secret) { s.Disabled = true }) }, false, token.ErrWithdrawn, nil},
		"disabled, pinned": {func(a *azure) { a.Update("name-canary", id, func(s *vault.Secret) { s.Disabled = true }) }, true, token.ErrWithdrawn, nil},
		"not yet valid, pinned": {func(a *azure) {
			a.Update("name-canary", id, func(s *vault.Secret) { s.NotBefore = time.Now().Add(time.Hour) })
		}, true, token.ErrWithdrawn, nil},
		"deleted":         {func(a *azure) { a.Delete("name-canary") }, false, token.ErrWithdrawn, nil},
		"deleted, pinned": {func(a *azure) { a.Delete("name-canary") }, true, token.ErrWithdrawn, nil},
		"disabled, and may not be listed": {func(a *azure) {
			a.Update("name-canary", id, func(s *vault.Secret) { s.Disabled = true })
			a.RefuseList(vault.Refusal{Status: 403, Code: "Forbidden", Inner: "ForbiddenByPolicy"})
		}, false, token.ErrWithdrawn, nil},
		// Not every vault has an empty list of what is not there.
		"deleted, and not to be listed": {func(a *azure) {
			a.Delete("name-canary")
			a.RefuseList(vault.Refusal{Status: 404, Code: "SecretNotFound"})
		}, false, token.ErrWithdrawn, nil},
		"no right":         {func(a *azure) { a.Refuse(vault.Refusal{Status: 403, Code: "Forbidden", Inner: "ForbiddenByRbac"}) }, false, nil, nil},
		"no right, pinned": {func(a *azure) { a.Refuse(vault.Refusal{Status: 403, Code: "Forbidden", Inner: "ForbiddenByRbac"}) }, true, nil, nil},
		"failing":          {func(a *azure) { a.Refuse(vault.Refusal{Status: 503, Code: "Unavailable"}) }, false, token.ErrAway, token.ErrAway},
		"list failing": {func(a *azure) {
			a.Update("name-canary", id, func(s *vault.Secret) { s.Disabled = true })
			a.RefuseList(vault.Refusal{Status: 503, Code: "Unavailable"})
		}, false, token.ErrAway, token.ErrAway},
		"failing, pinned": {func(a *azure) { a.Refuse(vault.Refusal{Status: 503, Code: "Unavailable"}) }, true, token.ErrAway, token.ErrAway},
		"no certificate":  {func(a *azure) { a.Set("name-canary", vault.Secret{Value: "MII", ContentType: "application/x-pkcs12"}) }, false, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAzure(t)
			id = a.Set("name-canary", vault.Secret{Value: value})
			test.trouble(a)
			version := ""
			if test.pinned {
				version = id
			}
			for use, want := range map[keyvault.Use]error{keyvault.Accept: test.accept, keyvault.Present: test.present, keyvault.Newest: test.present} {
				values, err := a.read(t, use, version)
				wantError(t, err)
				for _, category := range []error{token.ErrWithdrawn, token.ErrAway} {
					if errors.Is(err, category) != errors.Is(want, category) {
						t.Errorf("use %v: %v, %v; want category %v", use, values, err, want)
					}
				}
			}
		})
	}
}

// What the vault said first says most.
func TestWithdrawnSecretsAreExplained(t *testing.T) {
	for name, test := range map[string]struct {
		trouble func(a *azure, id string)
		want    string
	}{
		"disabled": {func(a *azure, id string) { a.Update("name-canary", id, func(s *vault.Secret) { s.Disabled = true }) }, "none of the secret's 1 versions is in force; the newest is disabled"},
		"deleted, and may not be listed": {func(a *azure, _ string) {
			a.Delete("name-canary")
			a.RefuseList(vault.Refusal{Status: 403, Code: "Forbidden", Inner: "ForbiddenByPolicy"})
		}, "404 SecretNotFound"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAzure(t)
			test.trouble(a, a.Set("name-canary", vault.Secret{Value: value}))
			core, logs := observer.New(zap.DebugLevel)
			_, err := a.open(t).Secret("name-canary", "", keyvault.Accept, zap.New(core)).Read(t.Context())
			wantError(t, err, test.want)
			if n := logs.Len(); n != 0 {
				t.Errorf("%v; want no line about versions", logs.All())
			}
		})
	}
}

// Somebody withdraws a version between its listing and its reading. One beside
// the current one is no loss, but a vault that does not answer for it is: whoever
// still has it would be refused. That the current one is gone the next read
// tells.
func TestWithdrawalInTheMiddleOfARead(t *testing.T) {
	for name, test := range map[string]struct {
		change func(a *azure, id string)
		second string // what becomes of a read of the second; "": it is left out
		first  string // and of the first
	}{
		"disabled": {func(a *azure, id string) { a.Update("name-canary", id, func(s *vault.Secret) { s.Disabled = true }) }, "", "403 Forbidden (SecretDisabled)"},
		"deleted":  {func(a *azure, _ string) { a.Delete("name-canary") }, "", "404 SecretNotFound"},
		"refused":  {func(a *azure, _ string) { a.Refuse(vault.Refusal{Status: 400, Code: "BadParameter"}) }, "400 BadParameter", "400 BadParameter"},
	} {
		for _, disabled := range []bool{false, true} { // the newest version, so that the one before comes first
			t.Run(fmt.Sprint(name, " ", disabled), func(t *testing.T) {
				a := newAzure(t)
				before := a.Set("name-canary", vault.Secret{Value: "before", Created: time.Now().Add(-time.Hour)})
				a.Set("name-canary", vault.Secret{Value: "current", Disabled: disabled})
				inner := a.client.Transport
				a.client.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
					if strings.HasSuffix(r.URL.Path, "/"+before) {
						test.change(a, before)
					}
					return inner.RoundTrip(r)
				})
				values, err := a.read(t, keyvault.Accept, "")
				want := test.second
				if disabled {
					want = test.first
				}
				switch {
				case want == "":
					if err != nil || strings.Join(values, " ") != "current" {
						t.Errorf("%v, %v; want the current one", values, err)
					}
				default:
					wantError(t, err, want)
					if errors.Is(err, token.ErrWithdrawn) {
						t.Errorf("%v is taken for a withdrawal of the secret", err)
					}
				}
			})
		}
	}
}

// Somebody rotates between two answers of the vault: what was just made counts,
// and what it replaced is the one before.
func TestRotationInTheMiddleOfARead(t *testing.T) {
	a := newAzure(t)
	a.Set("name-canary", vault.Secret{Value: "old", Created: time.Now().Add(-time.Hour)})
	inner := a.client.Transport
	a.client.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
		if strings.HasSuffix(r.URL.Path, "/versions") {
			a.Set("name-canary", vault.Secret{Value: "new"})
		}
		return inner.RoundTrip(r)
	})
	if values, err := a.read(t, keyvault.Accept, ""); err != nil || strings.Join(values, " ") != "new old" {
		t.Errorf("%v, %v; want new and old", values, err)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A cold identity endpoint can take seconds, which come on top of the vault's.
func TestSlowIdentityEndpointIsWaitedFor(t *testing.T) {
	a := newAzure(t)
	a.Set("name-canary", vault.Secret{Value: value})
	a.SetIdentity(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(3500 * time.Millisecond) // real time: sockets
		a.SetIdentity(nil)
		a.Identity(w, r)
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if values, err := reveal(a.open(t).Secret("name-canary", "", keyvault.Accept, zap.NewNop()).Read(ctx)); err != nil {
		t.Errorf("%v, %v", values, err)
	}
}

// Without any identity the log says how to give one.
func TestNoIdentityIsNamed(t *testing.T) {
	a := newAzure(t)
	for _, name := range []string{"IDENTITY_ENDPOINT", "IDENTITY_HEADER"} {
		if err := os.Unsetenv(name); err != nil { // newAzure's Setenv puts it back
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", t.TempDir()) // without the tools of a developer
	v, err := keyvault.New(keyvault.Options{URL: "https://" + vaultHost, Client: a.client})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err = v.Secret("name-canary", "", keyvault.Accept, zap.NewNop()).Read(ctx)
	wantError(t, err, "managed identity", "az login")
}
