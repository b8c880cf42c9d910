package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"example.com/entra-scim-proxy/proxy/scim"
	"example.com/entra-scim-proxy/proxy/token"
)

// The categories of failure that a round trip to the backend can have. The
// Explain function of [Options] sorts errors of the transport into them.
var (
	// ErrUnreachable means that no connection to the backend came about.
	ErrUnreachable = errors.New("backend unreachable")
	// ErrTLS means that the TLS handshake with the backend failed.
	ErrTLS = errors.New("backend TLS failed")
	// ErrBadAnswer means that the backend's answer is not usable HTTP.
	ErrBadAnswer = errors.New("backend answer unusable")
)

var (
	errSettings           = errors.New("settings are bad")
	errMethod             = errors.New("method not allowed")
	errPath               = errors.New("path refused")
	errOutside            = errors.New("path outside SCIM_PATH")
	errUnauthorized       = errors.New("credential refused")
	errOverloaded         = errors.New("too many calls at once")
	errQuery              = errors.New("query does not parse")
	errBodyTooLarge       = errors.New("body over MAX_BODY")
	errBodyIncomplete     = errors.New("body did not arrive")
	errContentEncoding    = errors.New("body with a content coding, where rules may apply")
	errGroupMethod        = errors.New("method not known to the group stub")
	errCheckMethod        = errors.New("method not known to the check")
	errCheckTooSoon       = errors.New("the check ran a moment ago")
	errCheck              = errors.New("the check could not tell what it found")
	errNoGroup            = errors.New("id not made by the group stub")
	errGroupName          = errors.New("group without a name to make an id of")
	errCredentialRefused  = errors.New("backend refused our credential")
	errCertificateRefused = errors.New("backend answered 401, though no credential is meant to be sent")
	errForbidden          = errors.New("backend answered 403 without a SCIM error")
	errRedirect           = errors.New("backend answered with a redirect")
)

// problem is one kind of failure: what Entra is told, and how loud the log is.
type problem struct {
	err      error
	class    string // in the log, stable
	status   int
	scimType string // RFC 7644 section 3.12, table 9
	detail   string
	level    zapcore.Level
	remedy   string // in the log; "" where there is nothing to do, or the fault's own says it
}

// problems lists every failure that the proxy itself answers. The first row
// whose err matches counts; the last matches everything.
var problems = []problem{
	{errSettings, "settings", http.StatusServiceUnavailable, "",
		"The proxy's settings are incomplete or wrong; its log names them.", zap.ErrorLevel,
		"correct the settings that the lines \"bad setting\" name, at the start of the process"},
	{errMethod, "method", http.StatusMethodNotAllowed, "",
		"The method is not one of " + allowedMethods + ".", zap.WarnLevel, ""},
	{errPath, "path", http.StatusBadRequest, "",
		"The path holds a dot segment, an encoded slash, backslash or percent sign, a parameter, a fragment, a control character, a raw byte that is not ASCII, or bytes that are not UTF-8.", zap.WarnLevel, ""},
	{errOutside, "not_found", http.StatusNotFound, "",
		"There is no SCIM service at this path; check the Tenant URL.", zap.WarnLevel,
		"the Tenant URL must end in the path of SCIM_PATH"},
	{errUnauthorized, "unauthorized", http.StatusUnauthorized, "",
		"The bearer token is absent or not valid.", zap.WarnLevel,
		"if it is Entra: paste the value of the secret that ENTRA_TOKEN refers to as its Secret Token"},
	{errOverloaded, "overloaded", http.StatusServiceUnavailable, "",
		"The proxy has as many calls as it may take at a time.", zap.WarnLevel,
		"see the cause: if these are Entra's own calls, a slow backend keeps them; else raise MAX_CONCURRENT, or GOMEMLIMIT together with the size of the instance, or let the platform start instances sooner"},
	{errGroupMethod, "method", http.StatusMethodNotAllowed, "",
		"The proxy answers for groups in the backend's place, and does not know this method there.", zap.WarnLevel, ""},
	{errCheckMethod, "method", http.StatusMethodNotAllowed, "",
		"The check answers GET, and no other method.", zap.WarnLevel, ""},
	{errCheckTooSoon, "check_too_soon", http.StatusTooManyRequests, "",
		"The check runs once in 30 s.", zap.WarnLevel, ""},
	{errCheck, "internal", http.StatusInternalServerError, "",
		"The check failed by a fault of its own.", zap.ErrorLevel, "report it"},
	{errNoGroup, "no_group", http.StatusNotFound, "",
		"The proxy answers for groups in the backend's place, and this id is none of its own.", zap.InfoLevel, ""},
	{errGroupName, "invalid_value", http.StatusBadRequest, "invalidValue",
		"A group needs an externalId or a displayName, and neither may be longer than 1024 bytes.", zap.WarnLevel,
		"find the attribute mapping in Entra that makes such a group"},
	{errQuery, "query", http.StatusBadRequest, "invalidFilter",
		"The query does not parse.", zap.WarnLevel, ""},
	{errBodyTooLarge, "body_too_large", http.StatusRequestEntityTooLarge, "",
		"The request body is larger than the proxy allows.", zap.WarnLevel,
		"raise MAX_BODY if such bodies are meant to pass"},
	{errBodyIncomplete, "body_incomplete", http.StatusBadRequest, "",
		"The request body did not arrive whole and in time.", zap.WarnLevel, ""},
	{errContentEncoding, "content_encoding", http.StatusUnsupportedMediaType, "",
		"The request body has a Content-Encoding; the proxy takes it only without.", zap.WarnLevel,
		"have the client send its bodies uncompressed, or do without rules for request bodies in NORMALIZE, DROP_ATTRIBUTES and GROUPS=stub"},
	{scim.ErrSyntax, "invalid_syntax", http.StatusBadRequest, "invalidSyntax",
		"The request body is not JSON that every reader takes for the same.", zap.WarnLevel, ""},
	{scim.ErrValue, "invalid_value", http.StatusBadRequest, "invalidValue",
		"The proxy cannot put an operation into a form that means the same to every backend.", zap.WarnLevel,
		"find the attribute mapping in Entra that makes the operation that the cause names"},
	{token.ErrUnavailable, "secret_unavailable", http.StatusServiceUnavailable, "",
		"The proxy cannot read one of its own secrets at the moment.", zap.ErrorLevel,
		"see the cause; it is tried again every 10 s"},
	{errCredentialRefused, "credential_refused", http.StatusBadGateway, "",
		"The identity backend refuses the proxy's credential.", zap.ErrorLevel,
		"renew the secret that BACKEND_TOKEN refers to: the backend answers 401 to its current value, and to the one before; with BACKEND_AUTH=basic check BACKEND_USERNAME, too"},
	{errCertificateRefused, "credential_refused", http.StatusBadGateway, "",
		"The identity backend refuses the proxy's credential.", zap.ErrorLevel,
		"the backend does not take the client certificate for a credential: check what it knows of the certificate in BACKEND_CLIENT_CERT, or whether it wants another BACKEND_AUTH than none"},
	{errForbidden, "forbidden", http.StatusBadGateway, "",
		"Something in front of the identity backend refuses the proxy's call.", zap.ErrorLevel,
		"something in front of the backend, such as a firewall, must let this app through, or a gateway does not know the key of BACKEND_TOKEN; see its log"},
	{errRedirect, "redirect", http.StatusBadGateway, "",
		"The identity backend answered with a redirect.", zap.ErrorLevel,
		"check scheme and path of BACKEND_URL; a backend that redirects to a login page does not take the token there"},
	{context.DeadlineExceeded, "timeout", http.StatusGatewayTimeout, "",
		"The identity backend did not answer in time.", zap.WarnLevel,
		"find out why the backend is slow, or raise BACKEND_TIMEOUT (Entra itself gives up after 60 s)"},
	{ErrTLS, "tls", http.StatusBadGateway, "",
		"The TLS connection from the proxy to the identity backend failed.", zap.ErrorLevel, ""},
	{ErrUnreachable, "unreachable", http.StatusBadGateway, "",
		"The identity backend cannot be reached.", zap.ErrorLevel, ""},
	// ErrBadAnswer, and what nobody thought of.
	{nil, "bad_answer", http.StatusBadGateway, "",
		"The identity backend sent no usable answer.", zap.ErrorLevel, ""},
}

// problemOf finds err's row.
func problemOf(err error) problem {
	for _, p := range problems {
		if p.err == nil || errors.Is(err, p.err) {
			return p
		}
	}
	panic("unreachable: the last row matches everything")
}

// shown are the errors whose own text is for everybody, as their package
// promises. It follows the problem's detail: an admin who reads it in Entra's
// log must learn which operation it is about.
var shown = []error{scim.ErrSyntax, scim.ErrValue}

func isShown(err error) bool {
	return slices.ContainsFunc(shown, func(kind error) bool { return errors.Is(err, kind) })
}

// sentence is an error's text with a capital and a full stop.
func sentence(err error) string {
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// What is sent as Retry-After with 503, in seconds.
const (
	// retryAfter is how long the proxy itself waits after a failed read of a
	// secret.
	retryAfter = 10
	// retrySoon is enough for calls to end, unless they wait for something.
	retrySoon = 2
)

// scimError is the message of RFC 7644 section 3.12.
type scimError struct {
	Schemas  []string `json:"schemas"`
	Status   string   `json:"status"`
	SCIMType string   `json:"scimType,omitempty"`
	Detail   string   `json:"detail"`
}

const errorSchema = "urn:ietf:params:scim:api:messages:2.0:Error"

// write answers with the problem. The id is the request's, for the operator
// who looks the call up in the log.
func (p problem) write(w http.ResponseWriter, id string) error {
	body, err := json.Marshal(scimError{
		Schemas: []string{errorSchema}, Status: strconv.Itoa(p.status), SCIMType: p.scimType,
		Detail: p.detail + " Request id: " + id,
	})
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", mediaSCIM)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	switch p.status {
	case http.StatusMethodNotAllowed:
		if h.Get("Allow") == "" {
			h.Set("Allow", allowedMethods)
		}
	case http.StatusUnsupportedMediaType:
		h.Set("Accept-Encoding", "identity") // RFC 9110 section 15.5.16
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", "Bearer")
	case http.StatusServiceUnavailable:
		wait := retryAfter
		if p.err == errOverloaded { //nolint:errorlint // the row's own
			wait = retrySoon
		}
		h.Set("Retry-After", strconv.Itoa(wait))
	}
	w.WriteHeader(p.status)
	_, err = w.Write(body)
	return err
}

// allowedMethods are those of RFC 7644 section 3.2, and HEAD (RFC 9110
// section 9.3.2).
var allowedMethods = strings.Join(methods, ", ")

var methods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
}
