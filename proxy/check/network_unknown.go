package check

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// explain says which certificate is missing in BACKEND_CA, and how to get it. The
// name is that which the certificate has to carry.
func (c *chain) explain(finding *Finding, err error, target, name string) {
	finding.Found = "the backend's certificate comes from an authority that is not trusted"
	path := c.path()
	at := path[len(path)-1]
	top := c.presented[at]
	rooted := signed(top, top)
	switch old := c.namesake(top); {
	case c.blocked(top, finding, err):
		return
	case old > 0:
		finding.Cause = fmt.Sprintf("%s was renewed with another key: PEM block %d of BACKEND_CA has that name, but did not sign what the backend presents", dn(top.Issuer), old)
		finding.Remedy = "put the authority's present certificate into BACKEND_CA, beside the old one; handler check shows how to get it"
	case rooted && at == 0:
		finding.Cause = fmt.Sprintf("the backend's certificate %s is self-signed, and %s", dn(top.Subject), c.lacks())
		finding.Remedy = "put that very certificate into BACKEND_CA, if it is known to be the backend's, or have it issued by an authority; handler check shows how to get it"
	case rooted:
		finding.Cause = fmt.Sprintf("the chain ends in the root %s, and %s", dn(top.Subject), c.lacks())
		finding.Remedy = "put that root's certificate into BACKEND_CA; handler check shows how to get it"
	case len(path) == 1:
		finding.Cause = fmt.Sprintf("the backend does not send the certificate of its issuer %s, and %s", dn(top.Issuer), c.lacks())
		finding.Remedy = "put the issuer's certificate into BACKEND_CA, or, if the issuer is an intermediate of an authority that is trusted, have the backend send it; handler check shows how to get it"
	default:
		finding.Cause = fmt.Sprintf("the chain ends in a certificate that %s issued, and %s", dn(top.Issuer), c.lacks())
		finding.Remedy = "put the certificate of the authority that the chain ends in into BACKEND_CA; handler check shows how to get it"
	}
	if rooted {
		finding.Details = append(finding.Details, c.print(at, target, name)...)
		return
	}
	finding.Details = append(finding.Details, download(top)...)
}

// lacks says where the missing certificate is not.
func (c *chain) lacks() string {
	if c.roots == nil {
		return "BACKEND_CA is not set: the system's roots, which count then, do not have it"
	}
	return "BACKEND_CA does not have it"
}

// blocked reports whether the issuer of the last certificate is in BACKEND_CA, and
// says why that does not help.
func (c *chain) blocked(top *x509.Certificate, finding *Finding, err error) bool {
	at := slices.IndexFunc(c.bundle(), func(other *x509.Certificate) bool { return other.Equal(top) || signed(other, top) })
	if at < 0 {
		return false
	}
	finding.Cause = fmt.Sprintf("the chain leads to PEM block %d of BACKEND_CA (%s), which is not used", at+1, dn(c.bundle()[at].Subject))
	finding.Remedy = "put the authority's present certificate into BACKEND_CA, and see the details for what is wrong with the one there"
	if slices.ContainsFunc(c.roots.Warnings, func(warning string) bool {
		return strings.HasPrefix(warning, fmt.Sprintf("PEM block %d ", at+1))
	}) {
		return true
	}
	finding.Cause = fmt.Sprintf("PEM block %d of BACKEND_CA (%s) signed the chain, but may not", at+1, dn(c.bundle()[at].Subject))
	if verification, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		finding.Cause += ": " + verification.Err.Error()
	}
	finding.Remedy = "have the authority's certificate, or what it issued, made anew with the right extensions"
	return true
}

// namesake returns where in BACKEND_CA a certificate of the issuer's name is, from
// 1 on; 0 if there is none.
func (c *chain) namesake(top *x509.Certificate) int {
	return slices.IndexFunc(c.bundle(), func(other *x509.Certificate) bool { return bytes.Equal(other.RawSubject, top.RawIssuer) }) + 1
}

// print says how to print a certificate that the backend presents.
func (c *chain) print(at int, target, name string) []string {
	server := "-servername " + shellQuoted(name)
	if _, err := netip.ParseAddr(name); err == nil {
		server = "-noservername" // RFC 6066 section 3 has no addresses in SNI
	}
	return []string{
		fmt.Sprintf("missing: certificate %d, %s. To print what the backend presents:", at+1, dn(c.presented[at].Subject)),
		fmt.Sprintf("openssl s_client -connect %s %s -showcerts </dev/null", shellQuoted(target), server),
		fmt.Sprintf("it is number %d there, which counts from 0. Before it is trusted, have the owner of the authority confirm its SHA-256 fingerprint:", at),
		colons(sha256Of(c.presented[at])),
	}
}

// download says how to get the certificate of an issuer that was not presented.
func download(top *x509.Certificate) []string {
	missing := fmt.Sprintf("missing: the certificate of %s", dn(top.Issuer))
	if len(top.AuthorityKeyId) > 0 {
		missing += ", subject key id " + colons(top.AuthorityKeyId)
	}
	// The URLs come from a certificate that nobody has verified.
	// https://www.rfc-editor.org/rfc/rfc5280#section-4.2.2.1
	var lines []string
	for _, text := range top.IssuingCertificateURL[:min(len(top.IssuingCertificateURL), maxURLs)] {
		if line := fetching(text); line != "" {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return []string{missing + ". Ask the owner of that authority for it, in PEM"}
	}
	lines = append([]string{missing + ". The certificate says that it is at:"}, lines...)
	return append(lines,
		"before it is trusted, have the owner of the authority confirm its fingerprint: openssl x509 -noout -fingerprint -sha256")
}

// maxURLs is how many are shown of those at which a certificate says that its
// issuer's is.
const maxURLs = 3

// fetching returns the command that gets a certificate; "" if the URL is of
// another scheme than http, such as ldap.
func fetching(text string) string {
	location, err := url.Parse(text)
	if err != nil || location.Scheme != "http" && location.Scheme != "https" || location.Host == "" || len(text) > maxURL || !plainURL.MatchString(text) {
		return ""
	}
	format := "openssl x509 -inform der"
	if path := strings.ToLower(location.Path); strings.HasSuffix(path, ".p7c") || strings.HasSuffix(path, ".p7b") {
		format = "openssl pkcs7 -inform der -print_certs"
	}
	return fmt.Sprintf("curl -fsS %s | %s", shellQuoted(location.String()), format)
}

// maxURL is the length of the longest that is shown, in bytes.
const maxURL = 500

// plainURL is what a URL is made of (RFC 3986 section 2), without the brackets and
// braces of which curl makes many URLs.
var plainURL = regexp.MustCompile(`^[!-Z^-z|~]+$`)

// harmlessWord is a word that a shell takes as it is.
var harmlessWord = regexp.MustCompile(`^[\w.:/%-]+$`)

// shellQuoted quotes a word for a POSIX shell.
func shellQuoted(word string) string {
	if harmlessWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

func sha256Of(certificate *x509.Certificate) []byte {
	digest := sha256.Sum256(certificate.Raw)
	return digest[:]
}

// colons writes bytes as openssl does.
func colons(digest []byte) string {
	return strings.ReplaceAll(strings.ToUpper(fmt.Sprintf("% x", digest)), " ", ":")
}
