package keyvault

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"example.com/entra-scim-proxy/proxy/token"
)

// Inner error codes of Key Vault's 403.
// https://learn.microsoft.com/azure/key-vault/general/troubleshooting-access-issues
const (
	byRole       = "ForbiddenByRbac"
	byPolicy     = "ForbiddenByPolicy"
	byFirewall   = "ForbiddenByFirewall"
	byConnection = "ForbiddenByConnection"
	disabled     = "SecretDisabled"
)

// refusals say what to do about a 403, by inner error code.
var refusals = map[string]string{
	byRole:       "assign the role Key Vault Secrets User on the vault to the caller; a new assignment takes some minutes",
	byPolicy:     "the vault goes by access policies: grant the caller Get and List on secrets, or turn the vault to role-based access",
	byFirewall:   "the vault's firewall refuses the address this app calls from: allow its subnet, or give the vault a private endpoint",
	byConnection: "the vault takes calls by its private endpoint only, and this one came another way: link its private DNS zone to the app's network",
	disabled:     "the version is disabled: enable it, or set a new one",
}

// remedies say what to do about any other answer, by status.
var remedies = map[int]string{
	http.StatusUnauthorized:        "the vault refuses the identity's token; check that vault and identity belong to the same tenant",
	http.StatusForbidden:           "give the app's identity the role Key Vault Secrets User on the vault, and check the vault's firewall and that the secret is enabled",
	http.StatusNotFound:            "no secret of that name, or no such version of it, is in the vault of KEY_VAULT_URL",
	http.StatusTooManyRequests:     "the vault throttles; reads are repeated",
	http.StatusInternalServerError: "the vault itself fails; reads are repeated",
	http.StatusServiceUnavailable:  "the vault itself fails; reads are repeated",
}

// answer is what counts of an error answer of Key Vault.
type answer struct {
	status      int
	code, inner string
	caller      string // "appid=…;oid=…" of the principal; "" if not told
}

// principal finds the caller in the message of a 403. What else is in it, such
// as addresses and resource ids, has no business in the log.
var principal = regexp.MustCompile(`appid=[0-9a-fA-F-]{36}(?:;oid=[0-9a-fA-F-]{36})?`)

// answerOf returns the answer of Key Vault that err is, if it is one.
func answerOf(err error) (answer, bool) {
	failed, ok := errors.AsType[*azcore.ResponseError](err)
	if !ok {
		return answer{}, false
	}
	a := answer{status: failed.StatusCode, code: failed.ErrorCode}
	if failed.RawResponse == nil {
		return a, true
	}
	var body struct {
		Error struct {
			Message    string
			InnerError struct{ Code string }
		}
	}
	// The SDK keeps the body. One that cannot be read adds nothing.
	if data, err := runtime.Payload(failed.RawResponse); err == nil && json.Unmarshal(data, &body) == nil {
		a.inner = body.Error.InnerError.Code
		a.caller = principal.FindString(body.Error.Message)
	}
	return a, true
}

func isForbidden(err error) bool {
	a, ok := answerOf(err)
	return ok && a.status == http.StatusForbidden
}

func isAbsent(err error) bool {
	a, ok := answerOf(err)
	return ok && a.status == http.StatusNotFound
}

func isDisabled(err error) bool {
	a, ok := answerOf(err)
	return ok && a.status == http.StatusForbidden && a.inner == disabled
}

// text is the answer in words, and what to do about it.
func (a answer) text() string {
	words := []string{fmt.Sprintf("key vault answered %d %s", a.status, a.code)}
	remedy := remedies[a.status]
	if refusal, ok := refusals[a.inner]; ok {
		words[0] += " (" + a.inner + ")"
		remedy = refusal
	}
	if remedy != "" {
		words = append(words, remedy)
	}
	if a.caller != "" {
		words = append(words, "the caller is "+a.caller)
	}
	return strings.Join(words, ": ")
}

// explain turns an error of the SDK into one for the log. The SDK's own text
// holds the URL with the names of vault and secret, and the answer's body. The
// error is [token.ErrAway] where nobody has to act, unless it lasts.
func explain(err error) error {
	if errors.Is(err, errNoText) {
		return err
	}
	if a, ok := answerOf(err); ok {
		if a.status == http.StatusTooManyRequests || a.status >= http.StatusInternalServerError {
			return away(a.text())
		}
		return errors.New(a.text())
	}
	if failed, ok := errors.AsType[*azidentity.AuthenticationFailedError](err); ok && failed.RawResponse != nil {
		return errors.New("no token for key vault: the identity endpoint refused; in Azure: check that a managed identity is assigned to the app and AZURE_CLIENT_ID names it; locally: az login")
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return away("the vault's name does not resolve here; check KEY_VAULT_URL and the private DNS zone")
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return errors.New("the vault's certificate is not trusted here; does something on the way intercept TLS?")
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && !op.Timeout() {
		return away("key vault or the identity endpoint could not be reached: " + operation(op))
	}
	_, isToken := errors.AsType[*azidentity.AuthenticationFailedError](err)
	timeout, isTimeout := errors.AsType[net.Error](err)
	if isToken || errors.Is(err, context.DeadlineExceeded) || isTimeout && timeout.Timeout() {
		return away("key vault or the identity endpoint did not answer in time; check the network, and that an identity is assigned to the app")
	}
	if _, ok := errors.AsType[*url.Error](err); ok {
		return away("the way to key vault failed; if HTTPS_PROXY is set, see what that proxy says")
	}
	return errors.New("key vault could not be read: no identity is available here (in Azure: assign a managed identity to the app; locally: az login), or what answers at KEY_VAULT_URL is no key vault")
}

func away(text string) error { return fmt.Errorf("%w: %s", token.ErrAway, text) }

// operation is the text of an error without the addresses in it.
func operation(op *net.OpError) string {
	if inner, ok := errors.AsType[*net.OpError](op.Err); ok {
		return op.Op + ": " + operation(inner)
	}
	return op.Op + ": " + op.Err.Error()
}
