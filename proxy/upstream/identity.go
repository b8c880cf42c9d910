package upstream

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Identity is a client certificate with its key, for a backend that wants to
// know by TLS who calls. Every way of formatting or encoding it keeps the key.
// The zero Identity, and nil, hold nothing. Use [ParseIdentity].
type Identity struct {
	// Certificates are the chain as it is sent: the client's own first, then
	// the others in the order they were found in. Not empty.
	Certificates []*x509.Certificate
	// Warnings tell the operator, one sentence each, why a backend may refuse
	// the certificates; nil if nothing.
	Warnings []string
	// fmt follows one pointer of a struct's unexported field when the verb
	// does not fit (%s), but never two.
	pair **tls.Certificate
}

// String returns the identity of the chain: "sha256:" and the first 8 hex digits
// of the digest of its certificates in DER, which for one alone is its
// fingerprint; "none" for nil and the zero Identity.
func (i *Identity) String() string {
	if i.isNone() {
		return "none"
	}
	digest := sha256.New()
	for _, certificate := range i.Certificates {
		digest.Write(certificate.Raw)
	}
	return "sha256:" + hex.EncodeToString(digest.Sum(nil)[:4])
}

// Format writes String's result for every verb and flag.
func (i *Identity) Format(state fmt.State, _ rune) {
	// A formatter cannot report a failed write; fmt ignores it too.
	_, _ = io.WriteString(state, i.String())
}

// MarshalText encodes String's result, for JSON and every other encoder that
// takes an [encoding.TextMarshaler]. It never fails.
func (i *Identity) MarshalText() ([]byte, error) {
	return []byte(i.String()), nil
}

func (i *Identity) isNone() bool { return i == nil || i.pair == nil }

// leaf is the client's own certificate.
func (i *Identity) leaf() *x509.Certificate { return i.Certificates[0] }

// ParseIdentity parses PEM, or the base64 of it, that holds one private key
// (RFC 7468 sections 10 and 11; the EC and RSA forms of RFC 5915 and RFC 8017,
// too) and the certificates to send, in any order: a Key Vault certificate of
// content type application/x-pem-file has the key first. The client's own
// certificate is the one that belongs to the key, wherever it stands; of two, the
// one that is valid longer. It is as
// strict as [ParseBundle]. Its errors say what was found and what is expected,
// and never hold a part of the key. That a backend is likely to refuse the
// certificate is a warning: the backend decides.
func ParseIdentity(text []byte) (*Identity, error) {
	return parseIdentity(text, time.Now())
}

func parseIdentity(text []byte, now time.Time) (*Identity, error) {
	if isPKCS12(text) {
		return nil, errors.New("found PKCS #12 (a .pfx file), expected PEM: store it as PEM; in Key Vault, that is content type application/x-pem-file")
	}
	text, err := unwrap(text)
	if err != nil {
		return nil, err
	}
	var found parts
	if err := eachBlock(text, found.add); err != nil {
		return nil, err
	}
	switch {
	case found.key == nil:
		return nil, errors.New("no private key found, expected one beside the certificate")
	case len(found.certificates) == 0:
		return nil, errors.New("no certificate found, expected the one that belongs to the private key")
	}
	own := found.own()
	if own < 0 {
		return nil, fmt.Errorf("wrong key: the private key belongs to none of the certificates (the first is %s); expected the key that the certificate was issued for",
			found.certificates[0].Subject)
	}
	return found.identity(own, now), nil
}

// parts are what a text holds.
type parts struct {
	key          crypto.Signer
	certificates []*x509.Certificate
	places       []int // of the certificates, among the blocks
}

func (p *parts) add(place int, block *pem.Block) error {
	switch block.Type {
	case certificateBlock:
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return fmt.Errorf("not a certificate: %w", err)
		}
		p.certificates, p.places = append(p.certificates, certificate), append(p.places, place)
		return nil
	case "PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY", "ENCRYPTED PRIVATE KEY":
		key, err := parseKey(block)
		if err != nil {
			return err
		}
		if p.key != nil {
			return errors.New("found a second private key, expected one")
		}
		p.key = key
		return nil
	case "EC PARAMETERS": // which openssl writes in front of the key that has them, too
		return nil
	}
	if len(block.Type) > longestType || !plainType.MatchString(block.Type) {
		return errors.New("found a block of no known type, expected a certificate or a private key")
	}
	return fmt.Errorf("found %q, expected a certificate or a private key", block.Type)
}

// plainType is a type of block that may be quoted, up to a length: anything
// longer may be a part of the key.
var plainType = regexp.MustCompile(`^[A-Z0-9 ]*$`)

const longestType = 30

// parseKey leaves out what the parsers say: their words are not ours to vouch for.
func parseKey(block *pem.Block) (crypto.Signer, error) {
	// RFC 1421 section 4.6.1.1, which openssl's older key files use.
	if block.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED") {
		return nil, errors.New("the private key is encrypted: decrypt it first (openssl pkey)")
	}
	// By content, as crypto/tls does: the labels are mixed up in the field.
	if key, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
		if signer, ok := key.(crypto.Signer); ok {
			return signer, nil
		}
		return nil, errors.New("the private key cannot sign, expected RSA, ECDSA or Ed25519")
	}
	if key, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	return nil, errors.New("not a private key, expected RSA, ECDSA or Ed25519 as PKCS #8 or in the EC or RSA form")
}

// own returns the index of the certificate that belongs to the key; -1 if none
// does. After a renewal with the same key there may be two: then the one that is
// valid longest.
func (p *parts) own() int {
	own := -1
	for i, certificate := range p.certificates {
		if p.isOwn(certificate) && (own < 0 || certificate.NotAfter.After(p.certificates[own].NotAfter)) {
			own = i
		}
	}
	return own
}

func (p *parts) isOwn(certificate *x509.Certificate) bool {
	public, ok := certificate.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(p.key.Public())
}

func (p *parts) identity(own int, now time.Time) *Identity {
	identity := &Identity{}
	pair := &tls.Certificate{PrivateKey: p.key, Leaf: p.certificates[own]}
	for i, certificate := range p.certificates {
		for _, warning := range warnings(certificate, i == own, now) {
			identity.Warnings = append(identity.Warnings, fmt.Sprintf("PEM block %d (%s) %s", p.places[i], certificate.Subject, warning))
		}
	}
	identity.Certificates = append([]*x509.Certificate{pair.Leaf}, slices.DeleteFunc(p.certificates, p.isOwn)...)
	for _, certificate := range identity.Certificates {
		pair.Certificate = append(pair.Certificate, certificate.Raw)
	}
	identity.pair = &pair
	return identity
}

// warnings tells why a backend may refuse a certificate.
func warnings(certificate *x509.Certificate, own bool, now time.Time) (warnings []string) {
	switch {
	case now.After(certificate.NotAfter):
		warnings = append(warnings, "expired on "+certificate.NotAfter.UTC().Format(time.RFC3339))
	case now.Before(certificate.NotBefore):
		warnings = append(warnings, "is valid only from "+certificate.NotBefore.UTC().Format(time.RFC3339))
	}
	if own && !isForClients(certificate) {
		warnings = append(warnings, "is not meant for client authentication: its extended key usage names other uses only")
	}
	return warnings
}

// isForClients follows RFC 5280 section 4.2.1.12: without the extension, any
// use will do.
func isForClients(certificate *x509.Certificate) bool {
	return len(certificate.ExtKeyUsage)+len(certificate.UnknownExtKeyUsage) == 0 ||
		slices.Contains(certificate.ExtKeyUsage, x509.ExtKeyUsageClientAuth) ||
		slices.Contains(certificate.ExtKeyUsage, x509.ExtKeyUsageAny)
}

// isPKCS12 reports whether text is PKCS #12, or the base64 of it: a sequence
// whose first member is the version, 3 (RFC 7292 section 4).
func isPKCS12(text []byte) bool {
	if decoded, ok := fromBase64(text); ok {
		text = decoded
	}
	if len(text) < 2 || text[0] != 0x30 {
		return false
	}
	head := 2 // tag and length, which is longer if its first byte says so (X.690 section 8.1.3)
	if text[1] > 0x80 {
		head += int(text[1] & 0x7f)
	}
	return len(text) > head && bytes.HasPrefix(text[head:], []byte{0x02, 0x01, 0x03})
}
