package main

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap/zapcore"

	"example.com/entra-scim-proxy/proxy/check"
	"example.com/entra-scim-proxy/proxy/token"
)

// situation is what a risk may depend on: settings that can be used, and where
// they are used.
type situation struct {
	*settings
	environment map[string]string
	azure       bool
}

// Beyond these, a value is legal and deserves a warning.
const (
	shortTimeout = timeout(5 * time.Second)
	longTimeout  = timeout(55 * time.Second) // Entra gives up after 60 s
	shortRefresh = window(30 * time.Second)  // no secret is renewed sooner for a token that is not known
	longStale    = window(24 * time.Hour)
	largeBody    = size(10 << 20)
)

// risks are combinations that are legal, and that nobody should run without
// knowing. Their warnings name settings and no values: they are for everybody.
var risks = []struct {
	when    func(situation) bool
	warning string
}{
	{
		func(s situation) bool { return s.BackendURL.Scheme == "http" && !isLoopback(s.BackendURL.Hostname()) },
		"BACKEND_URL is http://: the credential and people's data cross the network in clear text; use https://, or let nothing but the proxy reach the backend",
	},
	{
		func(s situation) bool {
			return s.azure && s.BackendURL.Scheme == "https" && s.BackendCA.Kind() == "" && !s.hasOwnRoots() &&
				!isLoopback(s.BackendURL.Hostname()) && isPrivate(s.verifiedName())
		},
		"BACKEND_CA is not set, but no public CA may certify a name or an address such as the backend's; set it to the CA that does",
	},
	{
		situation.sharesSecret,
		"ENTRA_TOKEN and BACKEND_TOKEN are the same secret: who holds Entra's token can call the backend past the proxy; give each one of its own",
	},
	{
		func(s situation) bool { return s.BackendTimeout > longTimeout },
		"BACKEND_TIMEOUT is over 55s: Entra gives up after 60 s, and then repeats calls that may have worked",
	},
	{
		func(s situation) bool { return s.BackendTimeout < shortTimeout },
		"BACKEND_TIMEOUT is under 5s: waiting for a secret, and a second try with another one, count against it; the default of 50s leaves room",
	},
	{
		func(s situation) bool { return s.SecretRefresh < shortRefresh && s.usesVault() },
		"SECRET_REFRESH is under 30s: each instance reads the vault that often, which costs, and which the vault may refuse; a token that is not known is looked up at once in any case",
	},
	{
		func(s situation) bool {
			return s.SecretStale > longStale && slices.Contains([]token.Kind{token.KeyVault, token.Path}, s.EntraToken.Kind())
		},
		"SECRET_STALE is over 24h: while ENTRA_TOKEN cannot be read, a token that was withdrawn is accepted for that long",
	},
	{
		func(s situation) bool { return s.MaxBody > largeBody && readsBodies(s.normalizer) },
		"MAX_BODY is over 10MiB: a body that rules or DROP_ATTRIBUTES apply to takes up to about 20 times its size in memory",
	},
	{
		func(s situation) bool {
			public, err := url.Parse(string(s.PublicURL))
			return err == nil && public.Scheme == "http" && !isLoopback(public.Hostname())
		},
		"PUBLIC_URL is http://, but Entra only calls https://; set it to the origin of the Tenant URL",
	},
	{
		func(s situation) bool { return s.LogLevel.Level > zapcore.InfoLevel },
		"LOG_LEVEL leaves out the lines of calls that succeed: the log does not tell what Entra changed, and alerts miss slow calls; use info",
	},
	{
		func(s situation) bool { return s.azure && bool(s.CheckDetails) },
		"CHECK_DETAILS=true shows addresses, names and certificates of the inside to whoever holds Entra's token; set it to false when the search is over",
	},
}

// secretRisks are those of a reference to a secret. Their warnings follow the
// setting's name.
var secretRisks = []struct {
	when    func(reference *secret, azure bool) bool
	warning string
}{
	{
		// In Azure it is refused.
		func(reference *secret, azure bool) bool { return reference.Kind() == token.Plain && !azure },
		" holds the secret itself, for whoever sees the settings; refer to it with file: or env:",
	},
	{
		func(reference *secret, azure bool) bool { return reference.Kind() == token.Env && azure },
		" is an env: reference: whoever sees the app's environment sees the secret, and a new one counts from the next start on; keyvault: has neither fault",
	},
	{
		func(reference *secret, _ bool) bool { return reference.isPinned() },
		" names one version of the secret: a new one does not count until the setting changes; leave the version out",
	},
}

// secretSettings are those whose value must stay secret.
var secretSettings = []string{check.Inbound, check.Outbound, check.BackendCert}

// riskWarnings returns the warnings that a situation deserves.
func riskWarnings(s situation) (warnings []string) {
	references := s.references()
	for _, setting := range secretSettings {
		for _, risk := range secretRisks {
			if risk.when(references[setting], s.azure) {
				warnings = append(warnings, setting+risk.warning)
			}
		}
	}
	for _, risk := range risks {
		if risk.when(s) {
			warnings = append(warnings, risk.warning)
		}
	}
	return warnings
}

// usesVault reports whether a setting refers to a secret in the vault.
func (s *settings) usesVault() bool {
	for _, reference := range s.references() {
		if reference.Kind() == token.KeyVault {
			return true
		}
	}
	return false
}

// isPinned reports whether the reference names one version of a secret in the
// vault.
func (s *secret) isPinned() bool { return s.Kind() == token.KeyVault && s.isFixed() }

// hasOwnRoots reports whether the operator has replaced the system's roots by
// the variables that crypto/x509 reads.
func (s situation) hasOwnRoots() bool {
	return s.environment["SSL_CERT_FILE"] != "" || s.environment["SSL_CERT_DIR"] != ""
}

// sharesSecret reports whether Entra's token is the backend's as well, as far as
// that shows without reading either.
func (s situation) sharesSecret() bool {
	inbound, outbound := &s.EntraToken, &s.BackendToken
	if value, ok := inbound.source.(token.Static); ok {
		other, ok := outbound.source.(token.Static)
		return ok && token.Secret(value).Equal(token.Secret(other))
	}
	if inbound.Kind() != outbound.Kind() {
		return false
	}
	if inbound.Kind() == token.KeyVault {
		name, version, _ := strings.Cut(inbound.Target(), "/")
		otherName, otherVersion, _ := strings.Cut(outbound.Target(), "/")
		isSame := version == "" || otherVersion == "" || strings.EqualFold(version, otherVersion)
		return isSame && strings.EqualFold(name, otherName) // the vault does not tell case
	}
	return inbound.Target() == outbound.Target()
}

// isLoopback reports whether a host is this machine (RFC 6761 section 6.3).
func isLoopback(host string) bool {
	if address, err := netip.ParseAddr(host); err == nil {
		return address.Unmap().IsLoopback()
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// sharedAddresses are those between a carrier and its customers (RFC 6598).
var sharedAddresses = netip.MustParsePrefix("100.64.0.0/10")

// privateSuffixes end names that the public DNS does not have: reserved for
// private use (local: RFC 6762, home.arpa: RFC 8375, internal: ICANN), or usual
// there and delegated to nobody.
var privateSuffixes = []string{".local", ".home.arpa", ".internal", ".corp", ".lan", ".intranet"}

// isPrivate reports whether a host is one that a public CA must not certify
// (Baseline Requirements of the CA/Browser Forum, section 4.2.2).
func isPrivate(host string) bool {
	if address, err := netip.ParseAddr(host); err == nil {
		address = address.Unmap()
		return address.IsPrivate() || sharedAddresses.Contains(address)
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return !strings.Contains(host, ".") ||
		slices.ContainsFunc(privateSuffixes, func(suffix string) bool { return strings.HasSuffix(host, suffix) })
}
