package upstream

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"strings"
	"time"
)

// The alerts about a client's certificate (RFC 8446 section 6.2).
const (
	alertBadCertificate         = 42
	alertUnsupportedCertificate = 43
	alertCertificateRevoked     = 44
	alertCertificateExpired     = 45
	alertCertificateUnknown     = 46
	alertUnknownCA              = 48
	alertAccessDenied           = 49
	alertCertificateRequired    = 116
)

// clientCertificateAlerts are what a backend ends a handshake with after ours.
var clientCertificateAlerts = map[uint64]bool{
	alertBadCertificate: true, alertUnsupportedCertificate: true, alertCertificateRevoked: true, alertCertificateExpired: true,
	alertCertificateUnknown: true, alertUnknownCA: true, alertAccessDenied: true, alertCertificateRequired: true,
}

// refusalRemedies say what to do about a client certificate that the backend
// refused with an alert.
var refusalRemedies = map[uint64]string{
	alertBadCertificate:         "the backend cannot verify the client certificate; have it trust the issuer, and put intermediates into BACKEND_CLIENT_CERT, behind the certificate",
	alertUnsupportedCertificate: "the backend takes no certificate of this kind; use one that is meant for client authentication, with a kind of key that the backend supports",
	alertCertificateRevoked:     "the certificate was revoked; have a new one issued and put it into BACKEND_CLIENT_CERT",
	alertCertificateExpired:     "the backend takes a certificate of the chain in BACKEND_CLIENT_CERT for expired; renew it, or check the backend's clock",
	alertCertificateUnknown:     "the backend does not accept the client certificate and does not say why; see its log, and have it trust the issuer",
	alertUnknownCA:              "the backend does not know the issuer; add it to the authorities that it trusts for clients, or put missing intermediates into BACKEND_CLIENT_CERT, behind the certificate",
	alertAccessDenied:           "the client certificate is valid, but the backend does not let its subject in; grant that there",
}

// issuerKnown are the alerts of a backend that has found the certificate's
// issuer, whatever authorities it named.
var issuerKnown = map[uint64]bool{alertUnsupportedCertificate: true, alertCertificateRevoked: true, alertAccessDenied: true}

// refused is what is left to say without such an alert.
const refused = "the backend ended the connection over the client certificate, or for a reason of its own; see its log, and have it trust the issuer"

// explainRefusal explains a handshake that failed after the backend had asked
// for a client certificate.
func explainRefusal(failed *handshakeError) Fault {
	identity := failed.offer.identity
	if identity == nil {
		return Fault{
			Stage: Handshake, Class: "tls_client_certificate", Cause: cause(failed.err),
			Remedy: "the backend demands a client certificate, and there is none: set BACKEND_CLIENT_CERT, or turn that off there for this client",
		}
	}
	leaf := identity.leaf()
	fault := Fault{
		Stage: Handshake, Class: "tls_client_certificate_refused", Remedy: refused,
		Cause: fmt.Sprintf("%s; presented: subject %q, issuer %q, valid until %s", cause(failed.err), leaf.Subject, leaf.Issuer, date(leaf.NotAfter)),
	}
	unsupported, isUnsupported := errors.AsType[*unsupportedKeyError](failed)
	alert, _ := remoteAlert(failed)
	now := time.Now()
	switch {
	case isUnsupported:
		fault.Cause = fmt.Sprintf("the backend takes none of the signatures that the key of %q (%s) can make, only %v", leaf.Subject, leaf.PublicKeyAlgorithm, unsupported.schemes[:min(len(unsupported.schemes), maxSchemes)])
		fault.Remedy = "put a certificate with another kind of key into BACKEND_CLIENT_CERT, or enable such signatures at the backend"
	case now.After(leaf.NotAfter):
		fault.Class = "tls_client_certificate_expired"
		fault.Remedy = "the client certificate has expired: renew it and put the new one into BACKEND_CLIENT_CERT"
	case now.Before(leaf.NotBefore):
		fault.Cause += fmt.Sprintf(", but not yet valid: only from %s", date(leaf.NotBefore))
		fault.Remedy = "the client certificate is not valid yet: wait, or check the clocks of its issuer and of this machine"
	case failed.offer.authorities != nil && !issuerKnown[alert]:
		fault.Cause += "; authorities asked for: " + authorityNames(failed.offer.authorities)
		fault.Remedy = "put a certificate into BACKEND_CLIENT_CERT that one of the authorities asked for has issued, with the intermediates, or have the backend trust this issuer"
	case refusalRemedies[alert] != "":
		fault.Remedy = refusalRemedies[alert]
	}
	return fault
}

func date(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// maxAuthorities is how many of the authorities asked for are named: a backend
// may name all that its system trusts.
const maxAuthorities = 5

// maxSchemes is how many signature schemes are named; TLS knows some twenty.
const maxSchemes = 20

// maxName bounds a name that a peer chose, in characters, and maxNames how many
// names of a server are told: a certificate has room for 64 KiB of them, and a log
// line of that length does not reach Application Insights whole.
const maxName, maxNames = 200, 20

// short cuts such a name.
func short(name string) string {
	text := []rune(name)
	return string(text[:min(len(text), maxName)])
}

// authorityNames lists names in DER.
func authorityNames(authorities [][]byte) string {
	var names []string
	for _, der := range authorities[:min(len(authorities), maxAuthorities)] {
		names = append(names, fmt.Sprintf("%q", authorityName(der)))
	}
	if more := len(authorities) - maxAuthorities; more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}

func authorityName(der []byte) string {
	var sequence pkix.RDNSequence
	if _, err := asn1.Unmarshal(der, &sequence); err != nil {
		return "(not a name)"
	}
	var name pkix.Name
	name.FillFromRDNSequence(&sequence)
	return short(name.String())
}
