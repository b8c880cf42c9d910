// Package keyvault reads secrets from Azure Key Vault. It is the only importer
// of the Key Vault SDK.
package keyvault

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"example.com/entra-scim-proxy/proxy/token"
)

// tryTimeout bounds one attempt of the SDK, which has no limit of its own: an
// identity endpoint that is not there would otherwise be waited for more than
// a minute.
const tryTimeout = 3 * time.Second

// Options describe a vault.
type Options struct {
	// URL is the vault's, such as https://contoso-scim.vault.azure.net.
	// Required.
	URL string
	// ManagedIdentity uses the managed identity endpoint only, as in Azure;
	// false means the SDK's default chain: environment, workload identity,
	// managed identity, developer tools.
	ManagedIdentity bool
	// ClientID is that of a user-assigned identity; "" means the
	// system-assigned one. The default chain takes it from AZURE_CLIENT_ID.
	ClientID string
	// Client makes the calls to the vault and to the identity endpoint; nil
	// means the SDK's own, which trusts the system's roots.
	Client *http.Client
}

// Vault is one Key Vault.
type Vault struct {
	client *azsecrets.Client
}

// New makes a client of the vault. It connects at the first read. It fails
// when the URL or the identity settings in the environment cannot be used.
func New(options Options) (*Vault, error) {
	client := policy.ClientOptions{Retry: policy.RetryOptions{
		MaxRetries: 2, TryTimeout: tryTimeout, RetryDelay: 200 * time.Millisecond, MaxRetryDelay: time.Second,
	}}
	if options.Client != nil {
		client.Transport = options.Client
	}
	credential, err := newCredential(options, client)
	if err != nil {
		return nil, fmt.Errorf("azure identity: %w", err)
	}
	secrets, err := azsecrets.NewClient(options.URL, credential, &azsecrets.ClientOptions{ClientOptions: client})
	if err != nil {
		return nil, fmt.Errorf("key vault client: %w", err)
	}
	return &Vault{client: secrets}, nil
}

func newCredential(options Options, client policy.ClientOptions) (azcore.TokenCredential, error) {
	if !options.ManagedIdentity {
		return azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{ClientOptions: client})
	}
	identity := &azidentity.ManagedIdentityCredentialOptions{ClientOptions: client}
	if options.ClientID != "" {
		identity.ID = azidentity.ClientID(options.ClientID)
	}
	return azidentity.NewManagedIdentityCredential(identity)
}

// Secret returns the source of the secret with the name given.
func (v *Vault) Secret(name string) token.Source {
	return secret{client: v.client, name: name}
}

type secret struct {
	client *azsecrets.Client
	name   string
}

// Read returns the current version. Key Vault returns versions that have
// expired or are not valid yet, too (the dates are informational):
// https://learn.microsoft.com/azure/key-vault/secrets/about-secrets
func (s secret) Read(ctx context.Context) (token.Credentials, error) {
	response, err := s.client.GetSecret(ctx, s.name, "", nil)
	if err != nil {
		return nil, explain(err)
	}
	if response.Value == nil {
		return nil, errors.New("key vault answered without a value")
	}
	if attributes := response.Attributes; attributes != nil {
		now := time.Now()
		if start := attributes.NotBefore; start != nil && now.Before(*start) {
			return nil, fmt.Errorf("the current version is not valid before %s", start.UTC().Format(time.RFC3339))
		}
		if end := attributes.Expires; end != nil && !now.Before(*end) {
			return nil, fmt.Errorf("the current version expired on %s", end.UTC().Format(time.RFC3339))
		}
	}
	return token.Credentials{token.NewSecret(*response.Value)}, nil
}

// String names what the source is, not which secret it reads.
func (s secret) String() string { return "key vault secret" }

// remedies say what to do about an answer of Key Vault, by status.
var remedies = map[int]string{
	http.StatusUnauthorized:    "the vault refuses the identity's token; check that vault and identity belong to the same tenant",
	http.StatusForbidden:       "give the app's identity the role Key Vault Secrets User on the vault, and check the vault's firewall and that the secret is enabled",
	http.StatusNotFound:        "no secret of that name is in the vault of KEY_VAULT_URL",
	http.StatusTooManyRequests: "the vault throttles; reads are repeated",
}

// explain turns an error of the SDK into one for the log. The SDK's own text
// holds the URL with the names of vault and secret, and the answer's body.
func explain(err error) error {
	if response, ok := errors.AsType[*azcore.ResponseError](err); ok {
		text := fmt.Sprintf("key vault answered %d %s", response.StatusCode, response.ErrorCode)
		if remedy := remedies[response.StatusCode]; remedy != "" {
			text += ": " + remedy
		}
		return errors.New(text)
	}
	if _, ok := errors.AsType[*azidentity.AuthenticationFailedError](err); ok {
		return errors.New("no token for key vault: the identity endpoint refused; check that the identity is assigned to the app and AZURE_CLIENT_ID names it")
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return errors.New("the vault's name does not resolve here; check KEY_VAULT_URL and the private DNS zone")
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("key vault or the identity endpoint did not answer in time; check the network, and that an identity is assigned to the app")
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return fmt.Errorf("key vault or the identity endpoint could not be reached: %s: %w", op.Op, op.Err)
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return errors.New("the vault's certificate is not trusted here; does something on the way intercept TLS?")
	}
	return errors.New("key vault could not be read: no identity is available here (locally: az login), or what answers at KEY_VAULT_URL is no key vault")
}
