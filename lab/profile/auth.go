package profile

import (
	"net/http"
	"strings"

	"example.com/entra-scim-proxy/lab/backend"
)

// Auth is how a service knows who calls it. The zero value is a bearer token
// (RFC 6750).
type Auth struct {
	// Scheme is the proxy's BACKEND_AUTH: "basic" (RFC 7617), "header:" and the
	// name of the header field that carries an API key, or "none", where the
	// service demands a client certificate (RFC 7644 section 2). Empty means
	// bearer.
	Scheme string
	// User is the proxy's BACKEND_USERNAME; empty unless Scheme is "basic".
	User string
}

const (
	basic = "basic"
	none  = "none"
)

// Settings are those of the proxy by name, without the secret; none for a
// bearer token.
func (a Auth) Settings() map[string]string {
	settings := map[string]string{}
	if a.Scheme != "" {
		settings["BACKEND_AUTH"] = a.Scheme
	}
	if a.User != "" {
		settings["BACKEND_USERNAME"] = a.User
	}
	return settings
}

// ClientCertificate reports whether the service demands one in the handshake,
// and no other credential.
func (a Auth) ClientCertificate() bool { return a.Scheme == none }

// key is the header field that carries an API key; empty if none does.
func (a Auth) key() string {
	if name, ok := strings.CutPrefix(a.Scheme, "header:"); ok {
		return name
	}
	return ""
}

// Present puts the secret, which is a token, a password or a key, into the
// header of a call. It does nothing where the service takes a client
// certificate.
func (a Auth) Present(r *http.Request, secret string) {
	switch {
	case a.ClientCertificate():
	case a.Scheme == basic:
		r.SetBasicAuth(a.User, secret)
	case a.key() != "":
		r.Header.Set(a.key(), secret)
	default:
		r.Header.Set("Authorization", "Bearer "+secret)
	}
}

// Expecting returns the options of a backend that serves those who present the
// secret, which is ignored where it takes a client certificate.
func (p Profile) Expecting(secret string) backend.Options {
	options := p.Backend
	switch {
	case p.Auth.ClientCertificate():
		options.Anonymous = true
	case p.Auth.Scheme == basic:
		options.Basic = backend.BasicAuth{User: p.Auth.User, Password: secret}
	default:
		options.Token, options.KeyHeader = secret, p.Auth.key()
	}
	return options
}
