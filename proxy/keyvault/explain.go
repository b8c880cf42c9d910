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

// plainCode is an error code that may be shown: it may also be from something that
// is no key vault.
var plainCode = regexp.MustCompile(`^[0-9A-Za-z]+$`)

// maxCode bounds one, in bytes: those of Key Vault have up to 30.
const maxCode = 64

// answerOf returns the answer of Key Vault that err is, if it is one.
func answerOf(err error) (answer, bool) {
	failed, ok := errors.AsType[*azcore.ResponseError](err)
	if !ok {
		return answer{}, false
	}
	a := answer{status: failed.StatusCode}
	if len(failed.ErrorCode) <= maxCode && plainCode.MatchString(failed.ErrorCode) {
		a.code = failed.ErrorCode
	}
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

// passes reports whether the answer is one that mends itself.
func (a answer) passes() bool {
	return a.status == http.StatusTooManyRequests || a.status >= http.StatusInternalServerError
}

// text is the answer in words, and what to do about it.
func (a answer) text() string {
	words := []string{strings.TrimSpace(fmt.Sprintf("key vault answered %d %s", a.status, a.code))}
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
		if a.passes() {
			return away(a.text())
		}
		return errors.New(a.text())
	}
	if isTokenRefused(err) {
		return errTokenRefused
	}
	if _, ok := errors.AsType[*azidentity.AuthenticationFailedError](err); ok {
		return silent(vaultOrIdentity)
	}
	if err := explainCall(err, vaultOrIdentity); err != nil {
		return err
	}
	return errors.New("key vault could not be read: " + noIdentity + ", or what answers at KEY_VAULT_URL is no key vault")
}

// explainIdentity is explain for a call that only asked for a token. The SDK's
// own words name endpoints, and say little of what is behind them.
func explainIdentity(ctx context.Context, err error) error {
	if isTokenRefused(err) {
		return errTokenRefused
	}
	if _, ok := errors.AsType[*azidentity.AuthenticationFailedError](err); ok || ctx.Err() != nil {
		return silent(identityAlone)
	}
	return errors.New(noIdentity)
}

// isTokenRefused reports whether the identity endpoint answered, and gave no
// token.
func isTokenRefused(err error) bool {
	failed, ok := errors.AsType[*azidentity.AuthenticationFailedError](err)
	return ok && failed.RawResponse != nil
}

// errTokenRefused says what to do then.
var errTokenRefused = errors.New("no token for key vault: the identity endpoint refused; in Azure: check that a managed identity is assigned to the app and AZURE_CLIENT_ID names it; locally: az login")

const noIdentity = "no identity is available here (in Azure: assign a managed identity to the app; locally: az login)"

// Whom a call may have been waiting for.
const (
	vaultAlone      = "key vault"
	identityAlone   = "the identity endpoint"
	vaultOrIdentity = "key vault or the identity endpoint"
)

// explainCall turns an error of net/http into one for the log; nil if it is none.
// A call that gets its token on the way has waited for either of the two.
func explainCall(err error, waitedFor string) error {
	if failed, ok := errors.AsType[*net.DNSError](err); ok {
		if failed.IsTimeout {
			return away("no DNS server answers for the vault's name; check the DNS servers of this network")
		}
		return away("the vault's name does not resolve here; check KEY_VAULT_URL and the private DNS zone")
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return errors.New("the vault's certificate is not trusted here; does something on the way intercept TLS?")
	}
	if errors.Is(err, http.ErrSchemeMismatch) {
		return errors.New("what answers at KEY_VAULT_URL is no key vault: it does not speak TLS; correct the setting")
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && !op.Timeout() {
		return away(waitedFor + " could not be reached: " + operation(op))
	}
	if timeout, ok := errors.AsType[net.Error](err); errors.Is(err, context.DeadlineExceeded) || ok && timeout.Timeout() {
		return silent(waitedFor)
	}
	if _, ok := errors.AsType[*url.Error](err); ok {
		return away("the way to key vault failed; if HTTPS_PROXY is set, see what that proxy says")
	}
	return nil
}

// silent is the error for a call without an answer in time.
func silent(waitedFor string) error {
	remedy := "check the network, and that an identity is assigned to the app"
	if waitedFor == vaultAlone {
		remedy = "check firewalls, routes and the private endpoint on the way"
	}
	return away(waitedFor + " did not answer in time; " + remedy)
}

func away(text string) error { return fmt.Errorf("%w: %s", token.ErrAway, text) }

// operation is the text of an error without the addresses in it.
func operation(op *net.OpError) string {
	if inner, ok := errors.AsType[*net.OpError](op.Err); ok {
		return op.Op + ": " + operation(inner)
	}
	return op.Op + ": " + op.Err.Error()
}
