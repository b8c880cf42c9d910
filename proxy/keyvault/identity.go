package keyvault

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"regexp"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// Who names the identity that the vault is read with, as far as the settings do.
func (v *Vault) Who() string { return v.who }

// Identity gets a token for the vault, without asking the vault, and returns whom
// it names: for the operator, client id and object id; "" if it does not say.
// Of a person who logged in to a developer's machine it returns no id. Nobody
// has verified the token. The error says what to do, and is [token.ErrAway] if
// there was no answer.
func (v *Vault) Identity(ctx context.Context) (string, error) {
	got, err := v.credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{v.scope}})
	if err != nil {
		return "", explainIdentity(ctx, err)
	}
	return whom(got.Token), nil
}

// publicScope is that of the vaults of the public cloud.
const publicScope = "https://vault.azure.net/.default"

// scopeOf returns what a token for the vault is asked for with: each cloud has
// its own, which is in the names of its vaults.
// https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates#dns-suffixes-for-object-identifiers
func scopeOf(vault string) string {
	parsed, err := url.Parse(vault)
	if err != nil {
		return publicScope
	}
	_, cloud, _ := strings.Cut(strings.ToLower(parsed.Hostname()), ".")
	if !strings.HasPrefix(cloud, "vault.") {
		return publicScope
	}
	return "https://" + cloud + "/.default"
}

// objectID is the form of Entra's ids. What has another form is not shown: nobody
// knows what it is.
var objectID = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// whom returns whom an access token names; "" if it is no JWT, or does not say.
// https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference
func whom(token string) string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return ""
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return ""
	}
	var claims struct {
		AppID string // of the first version of tokens
		Azp   string // of the second
		OID   string
		Scp   string // what a person lets the application do
		IDTyp string
	}
	if json.Unmarshal(payload, &claims) != nil {
		return ""
	}
	var words []string
	for _, id := range []string{claims.AppID, claims.Azp} {
		if objectID.MatchString(id) {
			words = append(words, "client id "+id)
			break
		}
	}
	switch {
	case claims.Scp != "" || claims.IDTyp == "user":
		words = append([]string{"a person"}, words...)
	case objectID.MatchString(claims.OID):
		words = append(words, "object id "+claims.OID)
	}
	return strings.Join(words, ", ")
}
