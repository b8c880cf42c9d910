package check

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math"
	"net"
	"time"

	"example.com/entra-scim-proxy/proxy/upstream"
)

// certificateNotice is how long before its end a certificate is worth a warning,
// as in the log.
const certificateNotice = 30 * 24 * time.Hour

// shakeHands makes a TLS connection.
func (c *check) shakeHands(ctx context.Context) Finding {
	if c.Backend.Scheme == "http" {
		return Finding{
			Status: Warn, Found: "no TLS: the credential and all data travel in clear",
			Remedy: "have the backend served over https, and set BACKEND_URL to that",
		}
	}
	target := net.JoinHostPort(c.Backend.Hostname(), c.port())
	shown, err := c.edge().Handshake(ctx, target)
	seen := newChain(shown, c.roots)
	if err != nil {
		finding := failed(err)
		finding.Details = append(agreed(shown), seen.lines()...)
		if finding.Class == "tls_unknown_authority" {
			seen.explain(&finding, err, target, c.ServerName)
		}
		finding.Details = append(finding.Details, seen.unused()...)
		return finding
	}
	finding := Finding{Status: Pass, Found: protocol(shown) + ", certificate valid for " + left(shown.Chain[0])}
	seen.warn(&finding)
	if !shown.Asked && c.identity != nil && c.Present == nil && finding.Status == Pass {
		finding.Status = Warn
		finding.Found = "the backend does not ask for the client certificate in the handshake: nothing tells it who calls"
		finding.Remedy = "have the backend demand a client certificate"
	}
	finding.Details = append(agreed(shown), seen.lines()...)
	finding.Details = append(finding.Details, seen.anchor(), c.clientLine(shown))
	finding.Details = append(finding.Details, seen.unused()...)
	return finding
}

// protocol names what is spoken.
func protocol(shown upstream.Presented) string {
	if shown.Protocol == "h2" {
		return tls.VersionName(shown.Version) + ", HTTP/2"
	}
	return tls.VersionName(shown.Version) + ", HTTP/1.1"
}

// agreed lists what the two sides agreed on, as far as they did.
func agreed(shown upstream.Presented) []string {
	if shown.Version == 0 {
		return nil
	}
	text := "protocol: " + tls.VersionName(shown.Version)
	if shown.CipherSuite != 0 {
		text += ", " + tls.CipherSuiteName(shown.CipherSuite)
	}
	if shown.Protocol != "" {
		text += ", ALPN " + shown.Protocol
	}
	return []string{text}
}

// clientLine tells of the client certificate.
func (c *check) clientLine(shown upstream.Presented) string {
	switch {
	case !shown.Asked && c.identity == nil:
		return "the backend asks for no client certificate"
	case !shown.Asked:
		return "the backend asks for no client certificate; that of BACKEND_CLIENT_CERT is not used"
	}
	text := "the backend asks for a client certificate"
	if shown.Authorities != "" {
		text += " of " + shown.Authorities
	}
	switch {
	case c.identity == nil:
		return text + ", and gets none: BACKEND_CLIENT_CERT is not set"
	case shown.Stranger:
		return fmt.Sprintf("%s, and gets %s, which none of them issued", text, c.identity)
	}
	return fmt.Sprintf("%s, and gets %s", text, c.identity)
}

// left says how long a certificate is valid.
func left(certificate *x509.Certificate) string {
	days := int(math.Floor(time.Until(certificate.NotAfter).Hours() / 24))
	if days < 1 {
		return "less than a day"
	}
	return count(days, "day", "days")
}

// warn turns a finding into a warning if a certificate that the connection
// depends on ends soon.
func (c *chain) warn(finding *Finding) {
	at := 0
	for i, certificate := range c.best {
		if certificate.NotAfter.Before(c.best[at].NotAfter) {
			at = i
		}
	}
	if time.Until(c.best[at].NotAfter) > certificateNotice {
		return
	}
	finding.Status = Warn
	switch {
	case at > 0 && c.place(c.best[at]) > 0:
		finding.Found += "; that of an authority in BACKEND_CA for " + left(c.best[at])
		finding.Remedy = "put the authority's next certificate into BACKEND_CA in time, beside the present one"
	case at > 0:
		finding.Found += "; that of its issuer for " + left(c.best[at])
		finding.Remedy = "have the backend's issuer renewed in time, and the backend present the new certificates"
	case c.place(c.best[0]) > 0:
		finding.Remedy = "renew the backend's certificate in time, and put the new one into BACKEND_CA beside the present one before the backend presents it"
	default:
		finding.Remedy = "renew the backend's certificate in time"
	}
}
