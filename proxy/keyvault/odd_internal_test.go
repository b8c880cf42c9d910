package keyvault

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	azfake "github.com/Azure/azure-sdk-for-go/sdk/azcore/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets/fake"
	"go.uber.org/zap"

	"example.com/entra-scim-proxy/proxy/token"
)

// odd returns the source of a secret in the SDK's own fake of a vault, which
// can answer what no vault should.
func odd(t *testing.T, value azsecrets.GetSecretResponse, list func(*azfake.PagerResponder[azsecrets.ListSecretPropertiesVersionsResponse])) *secret {
	t.Helper()
	server := fake.Server{
		GetSecret: func(context.Context, string, string, *azsecrets.GetSecretOptions) (r azfake.Responder[azsecrets.GetSecretResponse], _ azfake.ErrorResponder) {
			r.SetResponse(http.StatusOK, value, nil)
			return r, azfake.ErrorResponder{}
		},
		NewListSecretPropertiesVersionsPager: func(string, *azsecrets.ListSecretPropertiesVersionsOptions) (r azfake.PagerResponder[azsecrets.ListSecretPropertiesVersionsResponse]) {
			list(&r)
			return r
		},
	}
	options := policy.ClientOptions{Transport: fake.NewServerTransport(&server), Retry: policy.RetryOptions{MaxRetries: -1}}
	client, err := azsecrets.NewClient("https://contoso.vault.azure.net", &azfake.TokenCredential{}, &azsecrets.ClientOptions{ClientOptions: options})
	if err != nil {
		t.Fatal(err)
	}
	return &secret{client: client, name: "name", log: zap.NewNop()}
}

func secretAnswer(value *string, attributes *azsecrets.SecretAttributes) azsecrets.GetSecretResponse {
	return azsecrets.GetSecretResponse{Secret: azsecrets.Secret{
		ID: new(azsecrets.ID("https://contoso.vault.azure.net/secrets/name/1")), Value: value, Attributes: attributes,
	}}
}

func page(properties ...*azsecrets.SecretProperties) azsecrets.ListSecretPropertiesVersionsResponse {
	return azsecrets.ListSecretPropertiesVersionsResponse{SecretPropertiesListResult: azsecrets.SecretPropertiesListResult{Value: properties}}
}

// Every field of the SDK's types is a pointer, and may be nil: nothing that is
// not said to be enabled counts.
func TestOddAnswersOfAVaultAreErrors(t *testing.T) {
	enabled := &azsecrets.SecretAttributes{Enabled: new(true)}
	bare := &azsecrets.SecretProperties{ID: new(azsecrets.ID("https://contoso.vault.azure.net/secrets/name/1"))}
	for name, test := range map[string]struct {
		value azsecrets.GetSecretResponse
		list  func(*azfake.PagerResponder[azsecrets.ListSecretPropertiesVersionsResponse])
		want  string
	}{
		"no value": {secretAnswer(nil, enabled), nil, "without a value"},
		"no attributes": {secretAnswer(new("value"), enabled), func(r *azfake.PagerResponder[azsecrets.ListSecretPropertiesVersionsResponse]) {
			r.AddPage(http.StatusOK, page(bare), nil)
		}, "disabled"},
		"a list that breaks off": {secretAnswer(new("value"), enabled), func(r *azfake.PagerResponder[azsecrets.ListSecretPropertiesVersionsResponse]) {
			r.AddPage(http.StatusOK, page(&azsecrets.SecretProperties{ID: bare.ID, Attributes: enabled}), nil)
			r.AddResponseError(http.StatusInternalServerError, "InternalError")
		}, "500 InternalError"},
	} {
		credentials, err := odd(t, test.value, test.list).Read(t.Context())
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, %v; want an error with %q", name, credentials, err, test.want)
		}
	}
}

// A version can be there before it is in the list.
func TestVersionThatIsNotListedYet(t *testing.T) {
	now := time.Now()
	before := &azsecrets.SecretProperties{
		ID:         new(azsecrets.ID("https://contoso.vault.azure.net/secrets/name/0")),
		Attributes: &azsecrets.SecretAttributes{Enabled: new(true), Created: new(now.Add(-time.Hour))},
	}
	value := secretAnswer(new("value"), &azsecrets.SecretAttributes{Enabled: new(true), Created: &now})
	s := odd(t, value, func(r *azfake.PagerResponder[azsecrets.ListSecretPropertiesVersionsResponse]) {
		r.AddPage(http.StatusOK, page(before), nil)
	})
	if credentials, err := s.Read(t.Context()); err != nil || len(credentials) != 2 || credentials.Current().Reveal() != "value" {
		t.Errorf("%v, %v", credentials, err)
	}
}

func TestOddPinnedVersionIsAnError(t *testing.T) {
	s := odd(t, secretAnswer(new("value"), nil), nil)
	s.pinned = "1"
	if credentials, err := s.Read(t.Context()); err == nil || !strings.Contains(err.Error(), "disabled") {
		t.Errorf("%v, %v; want an error", credentials, err)
	}
}

// What mends itself is told from what somebody has to mend by the status.
func TestStatusesThatPass(t *testing.T) {
	for status, want := range map[int]bool{400: false, 401: false, 405: false, 429: true, 500: true, 503: true} {
		s := odd(t, secretAnswer(new("value"), nil), func(r *azfake.PagerResponder[azsecrets.ListSecretPropertiesVersionsResponse]) {
			r.AddResponseError(status, "Code")
		})
		if credentials, err := s.Read(t.Context()); err == nil || errors.Is(err, token.ErrAway) != want {
			t.Errorf("%d: %v, %v; want an error that is ErrAway: %v", status, credentials, err, want)
		}
	}
}
