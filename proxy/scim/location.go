package scim

import (
	"bytes"
	"net/url"
	"slices"
	"strings"
)

// Locations maps the URLs that a backend gives to its resources to those at
// which the client finds them. Use [NewLocations].
type Locations struct {
	scheme string
	// authorities are the spellings of host and port.
	authorities []string
	path        string   // escaped, without trailing slash
	bases       []string // the base URL with each of them
	public      string   // without trailing slash
	quoted      []byte   // public, as it is within a JSON string
}

// NewLocations makes the map from a backend's base URL to the public one, which
// comes without query and trailing slash. The backend is also known by another
// host, the one that it is addressed as: a name with a port unless that is the
// scheme's own.
func NewLocations(backend *url.URL, host, public string) *Locations {
	quoted := quote(strings.ToValidUTF8(public, "\ufffd"))
	l := &Locations{
		scheme: backend.Scheme, path: strings.TrimSuffix(backend.EscapedPath(), "/"),
		public: public, quoted: quoted[1 : len(quoted)-1],
	}
	for _, host := range []string{backend.Host, host} {
		l.authorities = append(l.authorities, spellings(backend.Scheme, host)...)
	}
	for _, authority := range l.authorities {
		l.bases = append(l.bases, backend.Scheme+"://"+authority+l.path)
	}
	return l
}

// spellings are the ways to write a host whose port may be the scheme's own
// (RFC 3986 section 3.2.3).
func spellings(scheme, host string) []string {
	port := ":443"
	if equalFold(scheme, "http") {
		port = ":80"
	}
	name := strings.TrimSuffix(strings.TrimSuffix(host, port), ":")
	if (&url.URL{Host: name}).Port() != "" {
		return []string{name}
	}
	return []string{name, name + ":", name + port}
}

// Map returns the public URL of a location, which is a URL under the backend's
// base, or relative to it: RFC 7643 section 2.3.7 resolves what is relative at
// the service's base URL, the part before /Users. What leads elsewhere, or
// perhaps does, is returned as it is.
func (l *Locations) Map(location string) string {
	separator, rest, ok := l.rest([]byte(location))
	if !ok {
		return location
	}
	return l.public + separator + string(rest)
}

// rest cuts the base off. The public URL is the public base, the separator, and
// the rest, which is part of location. If it is not ok, location stays.
func (l *Locations) rest(location []byte) (separator string, rest []byte, ok bool) {
	if _, isPublic := cutBase(location, l.public); isPublic {
		return "", nil, false
	}
	// The spelling that nearly all have, without a closer look.
	for _, base := range l.bases {
		if rest, ok := cutBase(location, base); ok {
			return "", rest, isPlain(rest)
		}
	}
	rest = location
	if scheme, after, found := cutScheme(location); found {
		if rest = after; !equalFold(scheme, l.scheme) || !bytes.HasPrefix(rest, []byte("//")) {
			return "", nil, false
		}
	}
	switch {
	case bytes.HasPrefix(rest, []byte("//")):
		if rest, ok = l.cutAuthority(rest[2:]); !ok {
			return "", nil, false
		}
		if rest, ok = cutBase(rest, l.path); !ok {
			return "", nil, false
		}
	case len(rest) == 0, rest[0] == '?', rest[0] == '#':
		return "", nil, false // relative to what, is not sure
	case rest[0] != '/':
		separator = "/"
	default:
		if below, isBelow := cutBase(rest, l.path); isBelow {
			rest = below
		}
	}
	return separator, rest, isPlain(rest)
}

// cutBase cuts a base off, which ends where a path segment does.
func cutBase(location []byte, base string) (rest []byte, ok bool) {
	if len(location) < len(base) || string(location[:len(base)]) != base {
		return nil, false
	}
	rest = location[len(base):]
	return rest, len(rest) == 0 || rest[0] == '/' || rest[0] == '?' || rest[0] == '#'
}

// cutScheme cuts the scheme off that an absolute URL has (RFC 3986 section 3.1).
func cutScheme(location []byte) (scheme, rest []byte, ok bool) {
	for i, b := range location {
		switch b {
		case ':':
			return location[:i], location[i+1:], true
		case '/', '?', '#':
			return nil, nil, false
		}
	}
	return nil, nil, false
}

// cutAuthority cuts the backend's host and port off, if they are that.
func (l *Locations) cutAuthority(location []byte) (rest []byte, ok bool) {
	end := 0
	for end < len(location) && location[end] != '/' && location[end] != '?' && location[end] != '#' {
		end++
	}
	for _, authority := range l.authorities {
		if string(location[:end]) == authority || equalFold(location[:end], authority) {
			return location[end:], true
		}
	}
	return nil, false
}

// isPlain reports whether what follows a base means the same behind another: it
// has no dot segments (RFC 3986 section 5.2.4), nor what some parsers take for a
// slash, or skip.
func isPlain(rest []byte) bool {
	i := slices.IndexFunc(rest, func(b byte) bool { return oddBytes[b] })
	if i < 0 {
		return true
	}
	for _, b := range rest[i:] {
		if oddBytes[b] && b != '.' && b != '%' {
			return false
		}
	}
	if end := bytes.IndexAny(rest, "?#"); end >= 0 {
		rest = rest[:end]
	}
	return !slices.ContainsFunc(bytes.Split(rest, []byte("/")), isDots)
}

// oddBytes are what isPlain has to look at more closely.
var oddBytes = func() (odd [256]bool) {
	for b := range odd {
		odd[b] = b < ' ' || b == 0x7f || b == '\\' || b == '.' || b == '%'
	}
	return odd
}()

// isDots reports whether a path segment is . or .., also in percent encoding.
func isDots(segment []byte) bool {
	dots := 0
	for ; len(segment) > 0; dots++ {
		switch {
		case segment[0] == '.':
			segment = segment[1:]
		case len(segment) >= 3 && equalFold(segment[:3], "%2e"):
			segment = segment[3:]
		default:
			return false
		}
	}
	return dots == 1 || dots == 2
}
