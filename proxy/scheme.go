package proxy

import (
	"encoding/base64"
	"net/http"
	"regexp"
	"slices"

	"example.com/entra-scim-proxy/proxy/token"
)

// Scheme is how the backend is shown its credential. The zero Scheme is a
// bearer token (RFC 6750 section 2.1).
type Scheme struct {
	// User makes it Basic (RFC 7617), with the secret as the password. It holds
	// neither a colon nor a control character.
	User string
	// Header is a header that takes the secret as it is, such as X-Api-Key: one
	// of those that [CanCarryCredential]. It does not count beside User.
	Header string
}

// Present puts a secret into the header of a call.
func (s *Scheme) Present(header http.Header, secret token.Secret) {
	switch {
	case s.User != "":
		pair := s.User + ":" + secret.Reveal()
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(pair)))
	case s.Header != "":
		header.Set(s.Header, secret.Reveal())
	default:
		header.Set("Authorization", "Bearer "+secret.Reveal())
	}
}

// fieldName is the name of a header (RFC 9110 section 5.1).
var fieldName = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

// takenHeaders are those that the transport sets, or that end at the next hop
// (RFC 9110 section 7.6.1).
var takenHeaders = []string{
	"Host", "User-Agent", "Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive", "Proxy-Connection",
	"Te", "Trailer", "Upgrade", "Expect",
}

// CanCarryCredential reports whether a header of that name can take a
// [Scheme]'s secret: it is no header of the client's that is passed on, nor one
// that calls need for something else.
func CanCarryCredential(name string) bool {
	canonical := http.CanonicalHeaderKey(name)
	return fieldName.MatchString(name) && !slices.Contains(requestHeaders, canonical) && !slices.Contains(takenHeaders, canonical)
}
