package vault

import (
	"crypto/rand"
	"net/http"
	"time"
)

// IdentityHeader is what a caller of the identity endpoint proves itself with:
// the value for IDENTITY_HEADER.
const IdentityHeader = "lab-identity-header"

// Identity is the managed identity endpoint of Azure Functions, for
// IDENTITY_ENDPOINT.
// https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference
func (v *Vault) Identity(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	replaced, down := v.identity, v.down
	v.mu.Unlock()
	switch {
	case down:
		panic(http.ErrAbortHandler)
	case replaced != nil:
		replaced(w, r) // not under the lock: it may take its time
		return
	}
	clientID := r.URL.Query().Get("client_id")
	if r.Header.Get("X-Identity-Header") != IdentityHeader || r.URL.Query().Get("resource") != resource {
		write(w, http.StatusBadRequest, map[string]any{"statusCode": http.StatusBadRequest, "message": "wrong header or resource"})
		return
	}
	write(w, http.StatusOK, map[string]any{
		"access_token": v.issue(clientID), "token_type": "Bearer", "resource": resource,
		"expires_on": time.Now().Add(24 * time.Hour).Unix(),
	})
}

// issue returns the token that the vault accepts: one and the same.
func (v *Vault) issue(clientID string) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.issued++
	v.clientID = clientID
	if v.token == "" {
		v.token = rand.Text()
	}
	return v.token
}
