package keyvault_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"example.com/entra-scim-proxy/lab/pki"
	"example.com/entra-scim-proxy/lab/vault"
	"example.com/entra-scim-proxy/proxy/keyvault"
	"example.com/entra-scim-proxy/proxy/token"
)

// giveToken makes the identity endpoint issue one token.
func (a *azure) giveToken(access string) {
	a.SetIdentity(func(w http.ResponseWriter, r *http.Request) {
		if got := r.URL.Query().Get("resource"); got != "https://vault.azure.net" {
			http.Error(w, "wrong resource "+got, http.StatusBadRequest)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{ // a caller that left is not waited for
			"access_token": access, "token_type": "Bearer", "expires_on": time.Now().Add(24 * time.Hour).Unix(),
		})
	})
}

func TestIdentityIsNamed(t *testing.T) {
	a := newAzure(t)
	claims := `{"appid":"` + application + `","oid":"` + object + `","canary":"claim-canary"}`
	for access, want := range map[string]string{
		"e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".x": "client id " + application + ", object id " + object,
		"token-canary": "",
	} {
		a.giveToken(access)
		if got, err := a.open(t).Identity(t.Context()); err != nil || got != want {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
	if counts := a.Counts(); len(counts.Reads)+counts.Lists != 0 {
		t.Errorf("%+v; want no call to the vault", counts)
	}
}

// What a check asks for is what a read uses: there is one token for both.
func TestIdentityGetsTheTokenOfReads(t *testing.T) {
	a := newAzure(t)
	a.Set("name-canary", vault.Secret{Value: value})
	v := a.open(t)
	if _, err := v.Identity(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Secret("name-canary", "", keyvault.Accept, zap.NewNop()).Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := a.Counts().Tokens; n != 1 {
		t.Errorf("%d tokens, want 1", n)
	}
}

func TestWhoIsAsked(t *testing.T) {
	id := uuid.NewString()
	for want, options := range map[string]keyvault.Options{
		"the system-assigned managed identity":                       {ManagedIdentity: true},
		"the user-assigned managed identity with client id " + id:    {ManagedIdentity: true, ClientID: id},
		"the default chain: environment, workload identity, managed": {},
	} {
		options.URL = "https://" + vaultHost
		v, err := keyvault.New(options)
		if err != nil {
			t.Fatal(err)
		}
		if got := v.Who(); !strings.HasPrefix(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestIdentityThatCannotBeHad(t *testing.T) {
	a := newAzure(t)
	a.SetIdentity(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprint(w, `{"statusCode":400,"message":"identity-canary not found"}`)
	})
	_, err := a.open(t).Identity(t.Context())
	wantError(t, err, "the identity endpoint refused", "AZURE_CLIENT_ID")
	if errors.Is(err, token.ErrAway) {
		t.Errorf("%v, and nobody is told to mend it", err)
	}
	release := make(chan struct{})
	defer close(release)
	a.SetIdentity(func(http.ResponseWriter, *http.Request) { <-release })
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond) // real time: sockets
	defer cancel()
	_, err = a.open(t).Identity(ctx)
	wantError(t, err, "the identity endpoint did not answer in time")
	if !errors.Is(err, token.ErrAway) {
		t.Errorf("error %v, want ErrAway", err)
	}
}

func TestNoIdentityAtAll(t *testing.T) {
	a := newAzure(t)
	for _, name := range []string{"IDENTITY_ENDPOINT", "IDENTITY_HEADER"} {
		if err := os.Unsetenv(name); err != nil { // newAzure's Setenv puts it back
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", t.TempDir())                  // without the tools of a developer
	a.client.Transport = roundTripper(unreachable) // nor a machine of Azure's
	v, err := keyvault.New(keyvault.Options{URL: "https://" + vaultHost, Client: a.client})
	if err != nil {
		t.Fatal(err)
	}
	_, err = v.Identity(t.Context())
	wantError(t, err, "no identity is available here", "az login")
}

func unreachable(*http.Request) (*http.Response, error) {
	return nil, &net.OpError{Op: "dial", Err: errors.New("no route to host")}
}

func TestVaultIsReached(t *testing.T) {
	a := newAzure(t)
	if err := a.open(t).Reach(t.Context()); err != nil {
		t.Error(err)
	}
	if counts := a.Counts(); counts.Tokens != 0 {
		t.Errorf("%+v; want no token", counts)
	}
}

// answering makes whatever is called at the vault's name answer so.
func (a *azure) answering(status int, header, body string) {
	a.client.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
		recorder := httptest.NewRecorder()
		if name, value, ok := strings.Cut(header, ": "); ok {
			recorder.Header().Set(name, value)
		}
		if r.Header.Get("Authorization") != "" || r.URL.Path != "/secrets" || r.URL.RawQuery != "api-version=7.6" {
			status = http.StatusTeapot
		}
		recorder.WriteHeader(status)
		_, _ = recorder.WriteString(body)
		return recorder.Result(), nil
	})
}

func TestAnswersWithoutAToken(t *testing.T) {
	refused := func(inner string) string {
		return `{"error":{"code":"Forbidden","message":"Client address: 192.0.2.77 canary","innererror":{"code":"` + inner + `"}}}`
	}
	for name, test := range map[string]struct {
		status       int
		header, body string
		want         []string // parts of the error; nil: none
		away         bool
	}{
		"a vault":                 {401, `WWW-Authenticate: Bearer authorization="https://login.microsoftonline.com/x", resource="https://vault.azure.net"`, "", nil, false},
		"a scheme has no case":    {401, `WWW-Authenticate: bearer realm=""`, "", nil, false},
		"firewall":                {403, "", refused("ForbiddenByFirewall"), []string{"403 Forbidden (ForbiddenByFirewall)", "allow its subnet"}, false},
		"private endpoint only":   {403, "", refused("ForbiddenByConnection"), []string{"ForbiddenByConnection", "private DNS zone"}, false},
		"another login":           {401, `WWW-Authenticate: Basic realm="canary"`, "", []string{"no key vault", "401"}, false},
		"a bare scheme":           {401, `WWW-Authenticate: Bearer`, "", []string{"no key vault"}, false},
		"no challenge":            {401, "", "", []string{"no key vault", "401"}, false},
		"a page":                  {200, "Content-Type: text/html", "<html>canary</html>", []string{"no key vault", "200"}, false},
		"a page with a challenge": {200, "WWW-Authenticate: Bearer realm=x", "", []string{"no key vault", "200"}, false},
		"a redirect to a login":   {302, "Location: https://login.canary.example.com/", "", []string{"no key vault", "302"}, false},
		"something else refuses":  {403, "", "<html>canary</html>", []string{"no key vault", "403"}, false},
		"an odd code":             {403, "X-Ms-Error-Code: see https://canary", "", []string{"no key vault", "403"}, false},
		"throttled":               {429, "", `{"error":{"code":"Throttled"}}`, []string{"429 Throttled"}, true},
		"failing":                 {503, "X-Ms-Error-Code: see https://canary", "", []string{"answered 503:", "fails"}, true},
		"endless":                 {403, "", strings.Repeat("x", 1<<20), []string{"no key vault"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAzure(t)
			a.answering(test.status, test.header, test.body)
			err := a.open(t).Reach(t.Context())
			if test.want == nil {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantError(t, err, test.want...)
			if errors.Is(err, token.ErrAway) != test.away || strings.Contains(err.Error(), "192.0.2.77") {
				t.Errorf("%v; want ErrAway: %v, and no address", err, test.away)
			}
		})
	}
}

func TestVaultThatIsNotReached(t *testing.T) {
	other, err := pki.New("Intercepting Root")
	if err != nil {
		t.Fatal(err)
	}
	dial := func(err error) func(*http.Transport) {
		return func(transport *http.Transport) {
			transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
				return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 77)}, Err: err}
			}
		}
	}
	for name, test := range map[string]struct {
		trouble func(*http.Transport)
		want    string
		away    bool
	}{
		"no such name":      {dial(&net.DNSError{Err: "no such host", Name: vaultHost, IsNotFound: true}), "does not resolve here", true},
		"no DNS":            {dial(&net.DNSError{Err: "i/o timeout", Name: vaultHost, IsTimeout: true}), "no DNS server answers", true},
		"refused":           {dial(errors.New("connection refused")), "key vault could not be reached: dial: connection refused", true},
		"silent":            {dial(os.ErrDeadlineExceeded), "key vault did not answer in time; check firewalls", true},
		"another authority": {func(transport *http.Transport) { transport.TLSClientConfig.RootCAs = other.Pool() }, "intercept TLS", false},
		"no TLS": {func(transport *http.Transport) {
			plain := httptest.NewServer(http.NotFoundHandler())
			t.Cleanup(plain.Close)
			transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, plain.Listener.Addr().String())
			}
		}, "no key vault: it does not speak TLS", false},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAzure(t)
			test.trouble(a.client.Transport.(*http.Transport))
			err := a.open(t).Reach(t.Context())
			wantError(t, err, test.want)
			if errors.Is(err, token.ErrAway) != test.away || strings.Contains(err.Error(), "192.0.2.77") {
				t.Errorf("%v; want ErrAway: %v, and no address", err, test.away)
			}
		})
	}
}

func TestVaultThatBreaksOff(t *testing.T) {
	a := newAzure(t)
	a.SetDown(true)
	err := a.open(t).Reach(t.Context())
	wantError(t, err, "the way to key vault failed")
}

func TestReachHeedsItsDeadline(t *testing.T) {
	a := newAzure(t)
	a.SetDelay(time.Minute)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond) // real time: sockets
	defer cancel()
	err := a.open(t).Reach(ctx)
	wantError(t, err, "key vault did not answer in time")
	if !errors.Is(err, token.ErrAway) {
		t.Errorf("error %v, want ErrAway", err)
	}
}

// A redirect would lead to whoever the answer names.
func TestReachFollowsNoRedirect(t *testing.T) {
	a := newAzure(t)
	asked := 0
	a.client.Transport = roundTripper(func(*http.Request) (*http.Response, error) {
		asked++
		recorder := httptest.NewRecorder()
		recorder.Header().Set("Location", "https://login.example.com/")
		recorder.WriteHeader(http.StatusFound)
		return recorder.Result(), nil
	})
	wantError(t, a.open(t).Reach(t.Context()), "302")
	if asked != 1 {
		t.Errorf("%d calls, want 1", asked)
	}
	if a.client.CheckRedirect != nil {
		t.Error("the caller's client was changed")
	}
}
