// Package upstream is the TLS edge to the backend: which certificates it
// trusts, how it connects, and what a failed connection means.
package upstream

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"regexp"
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

// certificateBlock is the type of PEM block a bundle consists of (RFC 7468
// section 5).
const certificateBlock = "CERTIFICATE"

var beginMarker = []byte("-----BEGIN ")

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
	if !bytes.Contains(bundle, beginMarker) {
		decoded, err := base64.StdEncoding.DecodeString(string(bytes.Join(bytes.Fields(bundle), nil)))
		if err != nil || !bytes.Contains(decoded, beginMarker) {
			return nil, errors.New("no PEM block and no base64 of one")
		}
		bundle = decoded
	}
	roots := &Roots{Pool: x509.NewCertPool(), digest: sha256.Sum256(bundle)}
	trusted := 0
	before, blocks := split(bundle)
	if looksLikePEM.Match(before) {
		return nil, errors.New("the text before PEM block 1 looks like another block with a broken first line")
	}
	for i, block := range blocks {
		cert, rest, err := parseBlock(block)
		if err != nil {
			return nil, fmt.Errorf("PEM block %d: %w", i+1, err)
		}
		if looksLikePEM.Match(rest) {
			return nil, fmt.Errorf("the text after PEM block %d looks like another block with a broken first line", i+1)
		}
		roots.Certificates = append(roots.Certificates, cert)
		warning, use := judge(cert, now)
		if warning != "" {
			roots.Warnings = append(roots.Warnings, fmt.Sprintf("PEM block %d (%s) %s", i+1, cert.Subject, warning))
		}
		if use {
			roots.Pool.AddCert(cert)
			trusted++
		}
	}
	if trusted == 0 {
		return nil, fmt.Errorf("nothing left to trust: %s", strings.Join(roots.Warnings, "; "))
	}
	return roots, nil
}

// looksLikePEM finds what is left of a block that lost its begin marker: a
// marker of any spelling, or a line of base64 as long as those of a block.
var looksLikePEM = regexp.MustCompile(`(?i)-(BEGIN|END)[ -]|BEGIN.CERTIFICATE|(?m)^[0-9A-Za-z+/=]{60,}\s*$`)

// split cuts a bundle in front of each begin marker, so that a broken block
// cannot hide: pem.Decode would silently go on to the next good one.
func split(bundle []byte) (before []byte, blocks [][]byte) {
	parts := bytes.Split(bundle, beginMarker)
	for _, part := range parts[1:] {
		blocks = append(blocks, append(bytes.Clone(beginMarker), part...))
	}
	return parts[0], blocks
}

func parseBlock(text []byte) (cert *x509.Certificate, rest []byte, err error) {
	block, rest := pem.Decode(text)
	if block == nil {
		return nil, nil, errors.New("not readable as PEM (cut off, or line breaks lost?)")
	}
	if block.Type != certificateBlock {
		return nil, nil, fmt.Errorf("found %q, expected %q", block.Type, certificateBlock)
	}
	if cert, err = x509.ParseCertificate(block.Bytes); err != nil {
		return nil, nil, fmt.Errorf("not a certificate: %w", err)
	}
	return cert, rest, nil
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
