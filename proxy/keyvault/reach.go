package keyvault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
)

// maxGreeting bounds what is read of the answer to a call without a token.
const maxGreeting = 64 << 10

// Reach asks the vault for its greeting: a call without a token, which a vault
// answers by asking for one. The error says what to do, and is [token.ErrAway]
// if there was no answer.
func (v *Vault) Reach(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, v.url+"/secrets?api-version="+apiVersion, nil)
	if err != nil {
		return errors.New("KEY_VAULT_URL is no URL that can be called")
	}
	request.Close = true // one call, whose connection is of no use to others
	response, err := v.greeting.Do(request)
	if err != nil {
		return explainCall(err, vaultAlone)
	}
	defer func() { _ = response.Body.Close() }() // read as far as it is needed
	if response.StatusCode == http.StatusUnauthorized && hasBearerChallenge(response.Header) {
		return nil
	}
	response.Body = io.NopCloser(io.LimitReader(response.Body, maxGreeting))
	a, ok := answerOf(runtime.NewResponseError(response))
	_, refused := refusals[a.inner]
	switch {
	case ok && refused:
		return errors.New(a.text())
	case ok && a.passes():
		return away(a.text())
	}
	return fmt.Errorf("what answers at KEY_VAULT_URL is no key vault: it answered %d, and did not ask for a token; correct the setting, or see what is on the way", response.StatusCode)
}

// hasBearerChallenge reports whether an answer asks for a token.
// https://learn.microsoft.com/azure/key-vault/general/authentication-requests-and-responses
func hasBearerChallenge(header http.Header) bool {
	for _, challenge := range header.Values("WWW-Authenticate") {
		scheme, parameters, _ := strings.Cut(strings.TrimSpace(challenge), " ")
		if strings.EqualFold(scheme, "Bearer") && parameters != "" { // RFC 9110 section 11.1
			return true
		}
	}
	return false
}
