// Package keyvault reads secrets from Azure Key Vault. It is the only importer
// of the Key Vault SDK.
package keyvault

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
)

// tryTimeout bounds one attempt of the SDK, which has no limit of its own: an
// identity endpoint that is not there would otherwise be waited for more than
// a minute. A call to the vault gets its token within its attempt, and a cold
// identity endpoint can take seconds.
const tryTimeout = 5 * time.Second

// apiVersion is the vault's, whatever a newer SDK would ask for: sovereign
// clouds and emulators get new ones late.
const apiVersion = "7.6"

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
	client     *azsecrets.Client
	credential azcore.TokenCredential
	scope      string // what the credential is asked for
	who        string
	url        string       // without a slash at the end
	greeting   *http.Client // follows no redirect
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
	// Not for the credential, whose endpoints have versions of their own.
	vault := client
	vault.APIVersion = apiVersion
	secrets, err := azsecrets.NewClient(options.URL, credential, &azsecrets.ClientOptions{ClientOptions: vault})
	if err != nil {
		return nil, fmt.Errorf("key vault client: %w", err)
	}
	return &Vault{
		client: secrets, credential: credential, scope: scopeOf(options.URL), who: options.who(),
		url: strings.TrimSuffix(options.URL, "/"), greeting: options.greeting(),
	}, nil
}

// greeting makes the client for calls without a token.
func (o Options) greeting() *http.Client {
	client := http.Client{} // the system's roots and the environment's proxies, as the SDK's own
	if o.Client != nil {
		client = *o.Client
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client
}

// who names the identity, as far as the settings do.
func (o Options) who() string {
	switch {
	case !o.ManagedIdentity:
		return "the default chain: environment, workload identity, managed identity, developer tools"
	case o.ClientID != "":
		return "the user-assigned managed identity with client id " + o.ClientID
	}
	return "the system-assigned managed identity"
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
