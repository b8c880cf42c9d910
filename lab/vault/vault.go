// Package vault is an Azure Key Vault and a managed identity endpoint on this
// machine, as far as the proxy uses them: the current version of a secret, read
// with a token that the endpoint issued.
package vault

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	resource = "https://vault.azure.net"
	// challenge is what Key Vault answers to a call without a token.
	// https://learn.microsoft.com/azure/key-vault/general/authentication-requests-and-responses
	challenge = `Bearer authorization="https://login.microsoftonline.com/8adf8e6e-67b2-4cf2-a259-e3dc5476c621", resource="` + resource + `"`
)

// Secret is the current version of a secret.
type Secret struct {
	// Value is the secret itself.
	Value string
	// NotBefore and Expires bound its validity; zero means no bound. As with
	// Key Vault, they do not keep anybody from reading it.
	NotBefore, Expires time.Time
}

// Vault is one vault with the identity that may read it. The zero Vault is
// empty and ready to use. Its methods may be called at any time.
type Vault struct {
	mu       sync.Mutex
	secrets  map[string]Secret
	token    string
	refusal  refusal
	reads    int
	issued   int
	clientID string
	identity http.HandlerFunc
}

type refusal struct {
	status int
	code   string
}

// Set stores the current version of a secret.
func (v *Vault) Set(name string, secret Secret) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.secrets == nil {
		v.secrets = map[string]Secret{}
	}
	v.secrets[name] = secret
}

// Refuse makes the vault answer every read with the status and error code; zero
// ends that.
func (v *Vault) Refuse(status int, code string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.refusal = refusal{status, code}
}

// SetIdentity replaces what the identity endpoint does; nil ends that.
func (v *Vault) SetIdentity(identity http.HandlerFunc) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.identity = identity
}

// Counts returns how many reads came with a good token, and how many tokens
// were issued.
func (v *Vault) Counts() (reads, issued int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.reads, v.issued
}

// ClientID returns the client id that the last token was asked for with, "" for
// the system-assigned identity.
func (v *Vault) ClientID() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.clientID
}

// ServeHTTP is the vault, to be served over TLS under a name of
// vault.azure.net: the SDK compares it with the challenge's.
func (v *Vault) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	authorization := r.Header.Get("Authorization")
	switch {
	case authorization == "":
		w.Header().Set("WWW-Authenticate", challenge)
		fail(w, http.StatusUnauthorized, "Unauthorized")
		return
	case v.token == "" || authorization != "Bearer "+v.token:
		fail(w, http.StatusForbidden, "Forbidden")
		return
	}
	v.reads++
	name, ok := strings.CutPrefix(r.URL.Path, "/secrets/")
	name = strings.TrimSuffix(name, "/")
	secret, found := v.secrets[name]
	switch {
	case v.refusal.status != 0:
		fail(w, v.refusal.status, v.refusal.code)
	case !ok || !found || r.Method != http.MethodGet || r.URL.Query().Get("api-version") == "":
		fail(w, http.StatusNotFound, "SecretNotFound")
	default:
		answer(w, http.StatusOK, map[string]any{
			"value": secret.Value, "attributes": secret.attributes(),
			"id": "https://" + r.Host + "/secrets/" + name + "/0123456789abcdef0123456789abcdef",
		})
	}
}

func (s Secret) attributes() map[string]any {
	attributes := map[string]any{"enabled": true}
	for name, at := range map[string]time.Time{"nbf": s.NotBefore, "exp": s.Expires} {
		if !at.IsZero() {
			attributes[name] = at.Unix()
		}
	}
	return attributes
}

// IdentityHeader is what a caller of the identity endpoint proves itself with:
// the value for IDENTITY_HEADER.
const IdentityHeader = "lab-identity-header"

// Identity is the managed identity endpoint of Azure Functions, for
// IDENTITY_ENDPOINT.
// https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference
func (v *Vault) Identity(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	replaced := v.identity
	v.mu.Unlock()
	if replaced != nil {
		replaced(w, r) // not under the lock: it may take its time
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.issued++
	v.clientID = r.URL.Query().Get("client_id")
	if r.Header.Get("X-Identity-Header") != IdentityHeader || r.URL.Query().Get("resource") != resource {
		answer(w, http.StatusBadRequest, map[string]any{"statusCode": http.StatusBadRequest, "message": "wrong header or resource"})
		return
	}
	if v.token == "" {
		v.token = rand.Text()
	}
	answer(w, http.StatusOK, map[string]any{
		"access_token": v.token, "token_type": "Bearer", "resource": resource,
		"expires_on": time.Now().Add(24 * time.Hour).Unix(),
	})
}

func fail(w http.ResponseWriter, status int, code string) {
	answer(w, status, map[string]any{"error": map[string]string{"code": code, "message": code}})
}

func answer(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// A failed write means that the caller has left.
	_ = json.NewEncoder(w).Encode(body)
}
