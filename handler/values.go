package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/google/uuid"
	"go.uber.org/zap/zapcore"

	"example.com/entra-scim-proxy/proxy/scim"
	"example.com/entra-scim-proxy/proxy/token"
	"example.com/entra-scim-proxy/proxy/upstream"
)

// The types of the settings. The text of an UnmarshalText error says what was
// found, and ends up in a problem line.

// backendURL is an absolute http or https URL.
type backendURL struct{ *url.URL }

// ambiguousPath finds a dot segment, an empty one or a NUL in an escaped path:
// what one server reads as another path than the next.
var ambiguousPath = regexp.MustCompile(`(?i)/(\.|%2e){1,2}(/|$)|//|%00`)

// numericHost is a host that ends in a number and so is no name: some resolvers
// read 0xA9FEA9FE or 0251.0376.43518 as an address
// (https://url.spec.whatwg.org/#ends-in-a-number-checker).
var numericHost = regexp.MustCompile(`(?i)(^|\.)(0x[0-9a-f]*|[0-9]+)\.?$`)

func (b *backendURL) UnmarshalText(text []byte) error {
	parsed, err := parseURL(text)
	if err != nil {
		return err
	}
	if parsed.Scheme != "https" && parsed.Scheme != "http" || ambiguousPath.MatchString(parsed.EscapedPath()) {
		return fmt.Errorf("%q", text)
	}
	if address, err := netip.ParseAddr(parsed.Hostname()); err == nil {
		if why := upstream.Forbidden(address); why != "" {
			return fmt.Errorf("%q, which is %s", text, why)
		}
	} else if numericHost.MatchString(parsed.Hostname()) {
		return fmt.Errorf("%q, which is an address in other than its usual form", text)
	}
	b.URL = parsed
	return nil
}

// parseURL parses an absolute URL of scheme, host and path. Its errors do not
// show a text that may hold a secret, in a user name or a query.
func parseURL(text []byte) (*url.URL, error) {
	parsed, err := url.Parse(string(text))
	switch {
	case err != nil:
		return nil, errors.New("a text that is no URL")
	case parsed.User != nil:
		return nil, errors.New("a URL with a user name")
	case bytes.ContainsAny(text, "?#"):
		return nil, errors.New("a URL with a query or a fragment")
	case parsed.Scheme == "", parsed.Opaque != "":
		return nil, errors.New("a text that is no absolute URL")
	case parsed.Hostname() == "", strings.HasSuffix(parsed.Host, ":"), !validPort(parsed.Port()):
		return nil, fmt.Errorf("%q", text)
	}
	return parsed, nil
}

// validPort reports whether the port of a URL can be dialled; "" is the
// scheme's own.
func validPort(text string) bool {
	number, err := strconv.ParseUint(text, 10, 16)
	return text == "" || err == nil && number > 0
}

// secret is a reference to a bearer token, or to a CA bundle.
type secret struct {
	token.Reference
	// source reads the value; nil for the zero reference and, until the vault
	// is open, for a keyvault one.
	source token.Source
}

func (s *secret) UnmarshalText(text []byte) error {
	reference, err := token.ParseReference(string(text))
	s.Reference = reference
	return err
}

// resolve completes the secret as far as that takes no I/O. A value that is at
// hand already is judged by validate.
func (s *secret) resolve(environment map[string]string, validate func(token.Secret) error) error {
	var value token.Secret
	switch target := s.Target(); s.Kind() {
	case token.Path:
		s.source = token.File(target)
		return nil
	case token.Env:
		text, ok := environment[target]
		if !ok {
			return fmt.Errorf("env:%s, which is not set", harmless(target))
		}
		value = token.NewSecret(text)
	case token.Plain:
		value = token.NewSecret(target)
	default:
		return nil
	}
	s.source = token.Static(value)
	if err := validate(value); err != nil {
		return fmt.Errorf("%s: with an unusable value: %w", s.Kind(), err)
	}
	return nil
}

// isFixed reports whether the secret cannot change while the process runs.
func (s *secret) isFixed() bool {
	switch s.Kind() {
	case token.Env, token.Plain:
		return true
	case token.KeyVault:
		return strings.Contains(s.Target(), "/") // one version
	default:
		return false
	}
}

// origin says, for the operator, where the secret is kept.
func (s *secret) origin() string {
	switch s.Kind() {
	case token.Plain:
		return "plain:…"
	case token.Env:
		return "env:" + harmless(s.Target())
	default:
		return string(s.Kind()) + ":" + s.Target()
	}
}

// variableName is what a variable's name usually looks like; any other target
// of an env: reference may be a secret by mistake, in base32 for example.
var variableName = regexp.MustCompile(`^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$`)

func harmless(name string) string {
	if variableName.MatchString(name) {
		return name
	}
	return "…"
}

// validIdentity reports why a value is no client certificate with its key.
func validIdentity(value token.Secret) error {
	_, err := upstream.ParseIdentity([]byte(value.Reveal()))
	return err
}

// validBundle reports why a value is no CA bundle.
func validBundle(value token.Secret) error {
	_, err := upstream.ParseBundle([]byte(value.Reveal()))
	return err
}

// serverName is a host name or an IP address.
type serverName string

var hostName = regexp.MustCompile(`^[0-9A-Za-z_]([0-9A-Za-z_-]*[0-9A-Za-z_])?(\.[0-9A-Za-z_]([0-9A-Za-z_-]*[0-9A-Za-z_])?)*$`)

func (s *serverName) UnmarshalText(text []byte) error {
	if !hostName.Match(text) && net.ParseIP(string(text)) == nil {
		return fmt.Errorf("%q", text)
	}
	*s = serverName(text)
	return nil
}

// boolean is spelt out, unlike what strconv.ParseBool takes.
type boolean bool

func (b *boolean) UnmarshalText(text []byte) error {
	switch string(text) {
	case "true":
		*b = true
	case "false":
		*b = false
	default:
		return fmt.Errorf("%q", text)
	}
	return nil
}

// timeout is below the 230 s after which Azure cuts an answer off.
type timeout time.Duration

func (t *timeout) UnmarshalText(text []byte) error {
	duration, err := time.ParseDuration(string(text))
	if err != nil || duration < time.Second || duration > 220*time.Second {
		return fmt.Errorf("%q", text)
	}
	*t = timeout(duration)
	return nil
}

// window is how long something read is used.
type window time.Duration

// maxWindow is a week: who has not looked at a broken vault by then never will.
const maxWindow = 7 * 24 * time.Hour

func (w *window) UnmarshalText(text []byte) error {
	duration, err := time.ParseDuration(string(text))
	if err != nil || duration < time.Second || duration > maxWindow {
		return fmt.Errorf("%q", text)
	}
	*w = window(duration)
	return nil
}

// vaultURL is the URL of a Key Vault.
type vaultURL string

func (v *vaultURL) UnmarshalText(text []byte) error {
	parsed, err := parseOrigin(text, "https")
	*v = vaultURL(parsed)
	return err
}

// origin is scheme, host and port.
type origin string

func (o *origin) UnmarshalText(text []byte) error {
	parsed, err := parseOrigin(text, "https", "http")
	*o = origin(parsed)
	return err
}

// parseOrigin parses an origin with one of the schemes; a single slash as path
// does not count.
func parseOrigin(text []byte, schemes ...string) (string, error) {
	parsed, err := parseURL(text)
	if err != nil {
		return "", err
	}
	for _, scheme := range schemes {
		if bare := scheme + "://" + parsed.Host; string(text) == bare || string(text) == bare+"/" {
			return bare, nil
		}
	}
	return "", fmt.Errorf("%q", text)
}

// clientID is the id of an Entra application.
type clientID string

func (c *clientID) UnmarshalText(text []byte) error {
	// The length, because the library takes other spellings, too.
	if len(text) != 36 || uuid.Validate(string(text)) != nil {
		return fmt.Errorf("%q", text)
	}
	*c = clientID(text)
	return nil
}

// scimPath is "" for the root, else without trailing slash.
type scimPath string

var (
	plainPath     = regexp.MustCompile(`^(/[0-9A-Za-z._~-]+)+/?$`)
	dotSegment    = regexp.MustCompile(`/\.\.?(/|$)`)
	reservedPaths = []string{"admin", "runtime"}
)

func (s *scimPath) UnmarshalText(text []byte) error {
	path := string(text)
	if path != "/" && (!plainPath.MatchString(path) || dotSegment.MatchString(path)) {
		return fmt.Errorf("%q", text)
	}
	first, _, _ := strings.Cut(path[1:], "/")
	for _, reserved := range reservedPaths {
		if strings.EqualFold(first, reserved) {
			return fmt.Errorf("%q", text)
		}
	}
	*s = scimPath(strings.TrimSuffix(path, "/"))
	return nil
}

// size is a number of bytes.
type size int64

// maxSize is the largest body that the Functions host takes, in bytes.
const maxSize = 100 << 20

func (s *size) UnmarshalText(text []byte) error {
	bytes, err := humanize.ParseBytes(string(text))
	if err != nil || bytes < 1 || bytes > maxSize {
		return fmt.Errorf("%q", text)
	}
	*s = size(bytes)
	return nil
}

// headerSize is a number of bytes.
type headerSize int

const (
	minHeader  = 8 << 10 // tokens and filters of a usual length fit
	mostHeader = 1 << 20
)

func (h *headerSize) UnmarshalText(text []byte) error {
	bytes, err := humanize.ParseBytes(string(text))
	if err != nil || bytes < minHeader || bytes > mostHeader {
		return fmt.Errorf("%q", text)
	}
	*h = headerSize(bytes)
	return nil
}

// count is how many there may be.
type count int

const mostCount = 100_000

func (c *count) UnmarshalText(text []byte) error {
	number, err := strconv.ParseUint(string(text), 10, 32)
	if err != nil || number < 1 || number > mostCount {
		return fmt.Errorf("%q", text)
	}
	*c = count(number)
	return nil
}

// ruleSet is a set of rules.
type ruleSet struct{ scim.Set }

func (r *ruleSet) UnmarshalText(text []byte) error {
	set, err := scim.ParseRules(string(text))
	r.Set = set
	return err
}

// nameList is a list with commas between; blanks around a name do not count.
type nameList []string

func (n *nameList) UnmarshalText(text []byte) error {
	var list nameList
	for name := range strings.SplitSeq(string(text), ",") {
		if name = strings.TrimSpace(name); name == "" {
			return fmt.Errorf("%q, with an empty name", text)
		}
		list = append(list, name)
	}
	*n = list
	return nil
}

// logLevel is one of zap's levels up to error: nothing may silence errors.
type logLevel struct{ zapcore.Level }

func (l *logLevel) UnmarshalText(text []byte) error {
	level, err := zapcore.ParseLevel(string(text))
	if err != nil || level > zapcore.ErrorLevel {
		return fmt.Errorf("%q", text)
	}
	l.Level = level
	return nil
}

// portNames are the variables that name the port, the first that is set counts.
var portNames = []string{"FUNCTIONS_CUSTOMHANDLER_PORT", "PORT"}

const (
	defaultPort     = 8080
	portExpectation = "a port from 1 to 65535, or 0 for any free one"
)

// port returns the port to listen on.
func port(environment map[string]string, r *report) uint16 {
	for _, name := range portNames {
		if value, ok := environment[name]; ok {
			number, err := strconv.ParseUint(value, 10, 16)
			if err != nil {
				r.add(name, fmt.Sprintf("%q", value))
				return defaultPort
			}
			return uint16(number)
		}
	}
	return defaultPort
}
