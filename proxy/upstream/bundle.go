// Package upstream is the TLS edge to the backend: which certificates it
// trusts, how it connects, and what a failed connection means.
package upstream

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"strings"
	"time"
)

// Roots are the certificates that the backend's chain may end in. A nil Roots,
// and a zero one, stand for the system's.
type Roots struct {
	// Pool holds the trusted certificates; nil means the system's.
	Pool *x509.CertPool
	// Certificates are those of the bundle, in its order, with those that are
	// not used; nil for the system's roots.
	Certificates []*x509.Certificate
	// Warnings tell the operator, one sentence each, what of the bundle is
	// not used or deserves attention; nil if nothing.
	Warnings []string
	// digest identifies the bundle.
	digest [sha256.Size]byte
}

// String returns "system roots", or the identity of the bundle: "sha256:" and
// 8 hex digits.
func (r *Roots) String() string {
	if r == nil || r.Pool == nil {
		return "system roots"
	}
	return "sha256:" + hex.EncodeToString(r.digest[:4])
}

// ParseBundle parses a PEM bundle, or the base64 of one, strictly: unlike
// [x509.CertPool.AppendCertsFromPEM], which skips what it cannot read, a block
// that does not parse is an error that names it by its place. Text outside of
// blocks is allowed (RFC 7468 section 2). A certificate that has expired is
// left out with a warning, because the rest of the bundle may still verify; so
// is one that some authority issued to a server. A self-signed server
// certificate is trusted as a pin, with a warning. A bundle that leaves nothing
// to trust is an error.
func ParseBundle(bundle []byte) (*Roots, error) {
	return parseBundle(bundle, time.Now())
}

func parseBundle(bundle []byte, now time.Time) (*Roots, error) {
	bundle, err := unwrap(bundle)
	if err != nil {
		return nil, err
	}
	roots := &Roots{Pool: x509.NewCertPool(), digest: sha256.Sum256(bundle)}
	trusted := 0
	err = eachBlock(bundle, func(place int, block *pem.Block) error {
		if block.Type != certificateBlock {
			return fmt.Errorf("found %q, expected %q", block.Type, certificateBlock)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return fmt.Errorf("not a certificate: %w", err)
		}
		roots.Certificates = append(roots.Certificates, cert)
		warning, use := judge(cert, now)
		if warning != "" {
			roots.Warnings = append(roots.Warnings, fmt.Sprintf("PEM block %d (%s) %s", place, cert.Subject, warning))
		}
		if use {
			roots.Pool.AddCert(cert)
			trusted++
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if trusted == 0 {
		return nil, fmt.Errorf("nothing left to trust: %s", strings.Join(roots.Warnings, "; "))
	}
	return roots, nil
}

// judge decides whether a certificate of a bundle is used, and what to say.
func judge(cert *x509.Certificate, now time.Time) (warning string, use bool) {
	switch {
	case now.After(cert.NotAfter):
		return "is not used: it expired on " + cert.NotAfter.UTC().Format(time.RFC3339), false
	case cert.IsCA:
		return "", true
	case bytes.Equal(cert.RawIssuer, cert.RawSubject):
		return "is no authority; it is trusted as a pin for the one server that presents it, until " +
			cert.NotAfter.UTC().Format(time.RFC3339), true
	default:
		return fmt.Sprintf("is not used: it is a server's certificate, not an authority; put in its issuer (%s)", cert.Issuer), false
	}
}
