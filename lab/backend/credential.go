package backend

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// BasicAuth is a user and a password, neither of which is empty (RFC 7617).
type BasicAuth struct{ User, Password string }

// scheme is a way to authenticate (RFC 7644 section 2).
type scheme struct {
	word      string // in front of the secret, in lower case; empty: the secret stands alone
	challenge string // RFC 9110 section 11.6.1

	// kind, name and description are what discovery says of it (RFC 7643
	// section 5, which has no kind for the last two).
	kind, name, description string
}

var (
	bearerScheme = &scheme{"bearer", `Bearer realm="scim"`, "oauthbearertoken", "Bearer token", "A fixed bearer token (RFC 6750)."}
	basicScheme  = &scheme{"basic", `Basic realm="scim", charset="UTF-8"`, "httpbasic", "HTTP Basic", "A fixed user and password (RFC 7617)."}
	// ApiKey is registered nowhere, but a 401 has to have a challenge (RFC 9110
	// section 15.5.2).
	keyScheme = &scheme{"", `ApiKey realm="scim"`, "apikey", "API key", "A fixed key in a header field of its own."}
	tlsScheme = &scheme{kind: "tls", name: "TLS client authentication", description: "A client certificate (RFC 7644 section 2)."}
)

// credential is one that a caller may present.
type credential struct {
	scheme *scheme
	field  string // of the header, that carries it
	user   string // of Basic
	// digest is that of the secret as it stands on the wire, which is not kept,
	// so that no formatting of a Backend can show it.
	digest [sha256.Size]byte
}

// fieldName is a token of RFC 9110 section 5.6.2.
var fieldName = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

// credentialsOf returns what callers may present, that of Token first; none if
// TLS has identified them.
func credentialsOf(o Options) ([]credential, error) {
	basic := o.Basic != (BasicAuth{})
	switch {
	case o.Anonymous && (o.Token != "" || basic || o.KeyHeader != ""):
		return nil, errors.New("backend: Anonymous excludes Token, Basic and KeyHeader")
	case o.Anonymous:
		return nil, nil
	case o.KeyHeader != "" && (o.Token == "" || basic):
		return nil, errors.New("backend: KeyHeader carries Token, and excludes Basic")
	case o.KeyHeader != "" && (!fieldName.MatchString(o.KeyHeader) || strings.EqualFold(o.KeyHeader, authorization)):
		return nil, fmt.Errorf("backend: KeyHeader %q must be the name of a header field other than %s", o.KeyHeader, authorization)
	case o.Token == "" && !basic:
		return nil, errors.New("backend: Token is required, unless Basic or Anonymous stands in for it")
	case basic && (o.Basic.User == "" || o.Basic.Password == "" || strings.Contains(o.Basic.User, ":")):
		return nil, errors.New("backend: Basic needs a password, and a user without a colon")
	}
	var list []credential
	switch {
	case o.KeyHeader != "":
		list = append(list, credential{scheme: keyScheme, field: o.KeyHeader}.with(o.Token))
	case o.Token != "":
		list = append(list, credential{scheme: bearerScheme, field: authorization}.with(o.Token))
	}
	if basic {
		list = append(list, credential{scheme: basicScheme, field: authorization, user: o.Basic.User}.with(o.Basic.Password))
	}
	return list, nil
}

const authorization = "Authorization"

// with is the credential with another secret.
func (c credential) with(secret string) credential {
	if c.scheme == basicScheme {
		secret = base64.StdEncoding.EncodeToString([]byte(c.user + ":" + secret))
	}
	c.digest = sha256.Sum256([]byte(secret))
	return c
}

// isIn reports whether a header holds the credential, and no other in its
// field (RFC 6750 section 2.1, RFC 7617 section 2).
func (c credential) isIn(header http.Header) bool {
	values := header.Values(c.field)
	if len(values) != 1 {
		return false
	}
	word, secret := "", values[0]
	if c.scheme.word != "" {
		word, secret, _ = strings.Cut(secret, " ")
	}
	digest := sha256.Sum256([]byte(secret))
	return subtle.ConstantTimeCompare(digest[:], c.digest[:]) == 1 && strings.EqualFold(word, c.scheme.word)
}

// admit returns why r is not served, nil if it is; challenges go to header. A
// service that does not read Authorization would ignore it; here it is refused,
// so that one that went astray shows.
func (b *Backend) admit(r *http.Request, header http.Header) error {
	reads := slices.ContainsFunc(b.credentials, func(c credential) bool { return c.field == authorization })
	if !reads && r.Header.Values(authorization) != nil {
		return &scimError{status: http.StatusBadRequest, detail: "nobody asked for an Authorization"}
	}
	if b.credentials == nil || slices.ContainsFunc(b.credentials, func(c credential) bool { return c.isIn(r.Header) }) {
		return nil
	}
	for _, c := range b.credentials {
		header.Add("WWW-Authenticate", c.scheme.challenge)
	}
	return &scimError{status: http.StatusUnauthorized, detail: "a valid credential is required"}
}

// WithToken returns a view of the same resources that expects another token,
// which must not be empty; with Basic alone, another password. Where TLS
// identifies the callers there is nothing to change.
func (b *Backend) WithToken(token string) *Backend {
	view := *b
	view.credentials = slices.Clone(b.credentials)
	if view.credentials != nil {
		view.credentials[0] = view.credentials[0].with(token)
	}
	return &view
}
