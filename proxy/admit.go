package proxy

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"example.com/entra-scim-proxy/proxy/token"
)

// escapedPath returns the path of the request target as the client wrote it.
func escapedPath(u *url.URL) string {
	// RawPath is set whenever the default encoding of Path would differ from
	// what came; EscapedPath alone would encode anew what it finds invalid.
	if u.RawPath != "" {
		return u.RawPath
	}
	return u.EscapedPath()
}

// resourcePath checks an escaped path and cuts the public prefix off. What is
// left begins with a slash or is empty, and is otherwise as the client wrote
// it, but for the slashes in front of the resource: a Tenant URL that ends in
// a slash makes them two.
//
// Whatever another parser could read as a different path is refused: the check
// would count for one path and the backend serve the other.
func resourcePath(escaped, prefix string) (string, error) {
	for segment := range strings.SplitSeq(escaped, "/") {
		if !plainSegment(segment) {
			return "", errPath
		}
	}
	if strings.HasPrefix(escaped, "//") {
		escaped = "/" + strings.TrimLeft(escaped, "/")
	}
	rest, ok := strings.CutPrefix(escaped, prefix)
	if !ok || (rest != "" && rest[0] != '/') {
		return "", errOutside
	}
	if strings.HasPrefix(rest, "//") {
		rest = "/" + strings.TrimLeft(rest, "/")
	}
	return rest, nil
}

// plainSegment reports whether an escaped path segment means the same to every
// parser.
func plainSegment(segment string) bool {
	if strings.ContainsAny(segment, ";#") {
		return false
	}
	for i := range len(segment) {
		if segment[i] >= utf8.RuneSelf {
			return false // no URI holds it (RFC 3986 section 2.1): UTF-8 to some parsers, Latin-1 to others
		}
	}
	decoded, err := url.PathUnescape(segment)
	// Bytes that are not UTF-8 are an overlong dot or slash to some parsers
	// (RFC 3629 section 10).
	if err != nil || decoded == "." || decoded == ".." || !utf8.ValidString(decoded) {
		return false
	}
	for i := range len(decoded) {
		switch b := decoded[i]; {
		case b < ' ', b == 0x7f, b == '/', b == '\\':
			return false
		case b == '%' && i+2 < len(decoded) && isHex(decoded[i+1]) && isHex(decoded[i+2]):
			return false // encoded twice
		}
	}
	return true
}

func isHex(b byte) bool {
	return '0' <= b && b <= '9' || 'a' <= b && b <= 'f' || 'A' <= b && b <= 'F'
}

// bearer returns the token of the one Authorization header, "" if there is
// none, or more than one, or it is of another scheme (RFC 6750 section 2.1).
func bearer(header http.Header) string {
	values := header["Authorization"]
	if len(values) != 1 {
		return ""
	}
	scheme, presented, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimLeft(presented, " ")
}

// renewLimit bounds how long a caller with an unknown token waits for a read of
// the tokens that are accepted.
const renewLimit = 2 * time.Second

// authenticate checks the caller's credential. Absent, malformed and wrong ones
// fail with the same error. A token that is not known may be one that the
// secret got a second ago: it is read again, so rarely that a flood of wrong
// tokens does not reach its source.
func (p *Proxy) authenticate(ctx context.Context, x *exchange, header http.Header) error {
	accepted, err := x.secret(ctx, p.options.Inbound)
	if err != nil {
		return err
	}
	presented := bearer(header)
	match, ok := accepted.Match(presented)
	if !ok && presented != "" {
		start := time.Now()
		limited, cancel := context.WithTimeout(ctx, renewLimit)
		defer cancel()
		err := p.load.renew(func() {
			accepted = p.options.Inbound.Renew(limited, func(have token.Credentials) bool {
				_, ok := have.Match(presented)
				return ok
			})
		})
		x.secretTime += time.Since(start)
		if err != nil {
			return err
		}
		match, ok = accepted.Match(presented)
	}
	if !ok {
		return errUnauthorized
	}
	x.caller = match
	return nil
}

// strippedKeys are the query parameters that are not the backend's business:
// the flags that admins put into the Tenant URL, and the key of Azure
// Functions. All in lower case.
// https://learn.microsoft.com/entra/identity/app-provisioning/application-provisioning-config-problem-scim-compatibility
var strippedKeys = []string{"aadoptscim062020", "azureadscimpatch062020", "azureadscimpatch2017", "code"}

// forwardedQuery checks that the query parses whole, because what a parser
// skips, such as a filter with a raw semicolon, would turn a filtered list
// into an unfiltered one. It returns the raw query without the stripped keys,
// the rest byte for byte, and whether a key was cut.
func forwardedQuery(raw string) (query string, cut bool, err error) {
	// To a parser that knows fragments, what follows a raw # is none of it.
	if _, err := url.ParseQuery(raw); err != nil || strings.Contains(raw, "#") {
		return "", false, errQuery
	}
	pairs := strings.Split(raw, "&")
	kept := slices.DeleteFunc(pairs, isStripped)
	if len(kept) == len(pairs) {
		return raw, false, nil
	}
	return strings.Join(kept, "&"), true, nil
}

func isStripped(pair string) bool {
	key, _, _ := strings.Cut(pair, "=")
	decoded, err := url.QueryUnescape(key)
	return err == nil && slices.Contains(strippedKeys, strings.ToLower(decoded))
}

// routes are the templates of the paths that a log line may show, by their
// first segment: the endpoints of RFC 7644 section 3.2.
var routes = map[string][3]string{
	"Users":                 {"/Users", "/Users/{id}", "/Users/{id}/{more}"},
	"Groups":                {"/Groups", "/Groups/{id}", "/Groups/{id}/{more}"},
	"Me":                    {"/Me", "/Me/{id}", "/Me/{id}/{more}"},
	"ServiceProviderConfig": {"/ServiceProviderConfig", "/ServiceProviderConfig/{id}", "/ServiceProviderConfig/{id}/{more}"},
	"ResourceTypes":         {"/ResourceTypes", "/ResourceTypes/{id}", "/ResourceTypes/{id}/{more}"},
	"Schemas":               {"/Schemas", "/Schemas/{id}", "/Schemas/{id}/{more}"},
	"Bulk":                  {"/Bulk", "/Bulk/{id}", "/Bulk/{id}/{more}"},
	".well-known":           {"/.well-known", "/.well-known/{id}", "/.well-known/{id}/{more}"},
	".search":               {"/.search", "/.search/{id}", "/.search/{id}/{more}"},
}

// otherRoute is the template of every other path.
var otherRoute = [3]string{"/{other}", "/{other}/{id}", "/{other}/{id}/{more}"}

// route is the template of a resource path, without ids: "/Users/{id}".
func route(resource string) string {
	first, rest, deeper := strings.Cut(strings.TrimPrefix(resource, "/"), "/")
	if first == "" {
		return "/"
	}
	templates, ok := routes[first]
	if !ok {
		templates = otherRoute
	}
	switch {
	case !deeper:
		return templates[0]
	case !strings.Contains(rest, "/"):
		return templates[1]
	}
	return templates[2]
}

// endpoint is the template of the resource that a path is about, as a backend
// may read it: names of endpoints count whatever their case and encoding, what
// is in front of them, such as a version, does not, nor do empty segments.
// Rules that protect from harm go by it.
func endpoint(resource string) string {
	var segments []string
	for segment := range strings.SplitSeq(resource, "/") {
		if decoded, err := url.PathUnescape(segment); err == nil && decoded != "" {
			segments = append(segments, decoded)
		}
	}
	for i, segment := range segments {
		if templates, ok := templatesOf(segment); ok {
			return templates[min(len(segments)-1-i, len(templates)-1)]
		}
	}
	if len(segments) == 0 {
		return "/"
	}
	return otherRoute[min(len(segments), len(otherRoute))-1]
}

// templatesOf finds the endpoint of a name, whatever its case.
func templatesOf(name string) ([3]string, bool) {
	if templates, ok := routes[name]; ok {
		return templates, true
	}
	for known, templates := range routes {
		if strings.EqualFold(name, known) {
			return templates, true
		}
	}
	return [3]string{}, false
}
