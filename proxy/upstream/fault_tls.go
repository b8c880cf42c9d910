package upstream

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"reflect"
	"strings"
	"time"
)

func explainHandshake(failed *handshakeError) Fault {
	if verification, ok := errors.AsType[*tls.CertificateVerificationError](failed); ok {
		return explainCertificate(failed, verification)
	}
	fault := Fault{Stage: Handshake, Class: "tls_failed", Cause: cause(failed.err), Remedy: "see the backend's TLS settings and log"}
	alert, isAlert := remoteAlert(failed)
	_, isRecord := errors.AsType[tls.RecordHeaderError](failed)
	switch {
	case isRecord:
		fault.Class = "tls_not_spoken"
		fault.Remedy = "the backend does not speak TLS on this port; check scheme and port of BACKEND_URL"
	case failed.isRefusal():
		return explainRefusal(failed)
	case isAlert && alert == alertProtocolVersion, strings.Contains(failed.err.Error(), "unsupported protocol version"):
		fault.Class = "tls_no_common_version"
		fault.Remedy = "the backend offers only TLS 1.1 or older; enable TLS 1.2 or 1.3 there"
	case isAlert && (alert == alertHandshakeFailure || alert == alertInsufficientSecurity):
		fault.Class = "tls_no_common_cipher"
		fault.Remedy = "the backend shares no cipher suite or key exchange with us; enable ECDHE with AES-GCM there"
	case isTimeout(failed):
		fault.Class = "tls_silence"
		fault.Remedy = "the handshake got no answer; " + keyShareHint
		if failed.offer.asked {
			fault.Remedy = "the backend went silent while it checks the client certificate, which may need a revocation list or an OCSP service that it does not reach; see its log"
		}
	case closed(failed):
		fault.Class = "tls_closed"
		fault.Remedy = "the connection was closed in the handshake; " + keyShareHint
	}
	return fault
}

// keyShareHint names the usual cause of a handshake that vanishes: post-quantum
// key shares make the ClientHello larger than one packet, which old middleboxes
// drop. https://go.dev/doc/go1.24#crypto-tls
const keyShareHint = "a middlebox or an old TLS stack may choke on the large ClientHello of post-quantum key shares: try GODEBUG=tlsmlkem=0"

// Alerts of RFC 8446 section 6.2.
const (
	alertHandshakeFailure     = 40
	alertProtocolVersion      = 70
	alertInsufficientSecurity = 71
	alertNoRenegotiation      = 100 // of RFC 5246 section 7.2.2 only
)

// remoteAlert returns the alert that the backend ended the connection with.
func remoteAlert(err error) (alert uint64, ok bool) { return alertOf("remote error", err) }

// isRenegotiation reports whether the backend asked for another handshake on a
// connection of TLS 1.2, which we refuse.
func isRenegotiation(err error) bool {
	alert, ok := alertOf("local error", err)
	return ok && alert == alertNoRenegotiation
}

func explainRenegotiation(err error) Fault {
	return Fault{
		Stage: Handshake, Class: "tls_renegotiation", Cause: cause(err),
		Remedy: "the backend asks for another handshake when it has the call, as IIS and per-path settings do for a client certificate; have it ask for the certificate in the first one (IIS: clientcertnegotiation of the binding)",
	}
}

// alertOf returns the alert of an error of crypto/tls. Its type is not exported,
// but for QUIC: it is a uint8 in a net.OpError, which tells who sent it.
func alertOf(sender string, err error) (alert uint64, ok bool) {
	op, ok := errors.AsType[*net.OpError](err)
	if !ok || op.Op != sender {
		return 0, false
	}
	value := reflect.ValueOf(op.Err)
	if value.Kind() != reflect.Uint8 {
		return 0, false
	}
	return value.Uint(), true
}

func explainCertificate(failed *handshakeError, verification *tls.CertificateVerificationError) Fault {
	leaf := verification.UnverifiedCertificates[0]
	fault := Fault{
		Stage: Handshake, Class: "tls_certificate", Cause: cause(verification.Err),
		Remedy: "the backend's certificate is not valid for its use; have it issued anew",
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](verification); ok {
		fault.Class = "tls_unknown_authority"
		fault.Cause = fmt.Sprintf("presented: subject %q, issuer %q", short(leaf.Subject.String()), short(leaf.Issuer.String()))
		fault.Remedy = "put that issuer's certificate into BACKEND_CA (intermediates that the backend does not send, too)"
		return fault
	}
	if _, ok := errors.AsType[x509.HostnameError](verification); ok {
		return explainName(fault, leaf, failed.name)
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](verification); ok && invalid.Reason == x509.Expired {
		explainValidity(&fault, invalid.Cert)
	}
	return fault
}

func explainName(fault Fault, leaf *x509.Certificate, want string) Fault {
	var names []string
	for _, name := range leaf.DNSNames {
		names = append(names, short(name))
	}
	for _, ip := range leaf.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		fault.Class = "tls_name_only_in_cn"
		fault.Cause = fmt.Sprintf("the certificate names no host but in its common name %q, which no TLS client reads any more (RFC 9525 section 2)", short(leaf.Subject.CommonName))
		fault.Remedy = "have the backend's certificate issued with a subject alternative name"
		return fault
	}
	fault.Class = "tls_wrong_name"
	more := ""
	if len(names) > maxNames {
		more = fmt.Sprintf(" and %d more", len(names)-maxNames)
		names = names[:maxNames]
	}
	fault.Cause = fmt.Sprintf("names presented: %q%s, name expected: %q", names, more, want)
	fault.Remedy = "set BACKEND_SERVER_NAME to one of the names presented, or have the certificate issued for the name expected"
	return fault
}

func explainValidity(fault *Fault, cert *x509.Certificate) {
	if time.Now().Before(cert.NotBefore) {
		fault.Class = "tls_not_yet_valid"
		fault.Cause = fmt.Sprintf("subject %q is valid only from %s", short(cert.Subject.String()), cert.NotBefore.UTC().Format(time.RFC3339))
		fault.Remedy = "wait, or check the clocks of the issuer and of this machine"
		return
	}
	fault.Class = "tls_expired"
	fault.Cause = fmt.Sprintf("subject %q expired on %s", short(cert.Subject.String()), cert.NotAfter.UTC().Format(time.RFC3339))
	fault.Remedy = "renew that certificate at the backend"
}
