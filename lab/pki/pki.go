// Package pki makes the private certificate authorities of the lab: the thing
// that Entra rejects and the proxy exists for. Everything lives in memory and
// is made anew at each start.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"
)

// Authority is a certificate authority with its key.
type Authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// validity is how long a certificate is valid: well beyond the time in which one
// that expires is worth a warning.
const validity = 90 * 24 * time.Hour

// Leaf describes a certificate to issue. The zero value is a server
// certificate without any name, valid from an hour ago for 90 days.
type Leaf struct {
	// CommonName is the subject's common name; empty means none.
	CommonName string
	// Names are the subject alternative names; those that parse as IP
	// addresses become IP names, the rest DNS names.
	Names []string
	// NotBefore and NotAfter bound the validity; zero means an hour ago and
	// 90 days from now.
	NotBefore, NotAfter time.Time
	// Client makes a client certificate instead of a server certificate.
	Client bool
	// SelfSigned signs the certificate with its own key instead of the
	// authority's.
	SelfSigned bool
}

// New makes an authority whose subject has the common name given, valid for 90
// days. It fails only when the system has no randomness.
func New(commonName string) (*Authority, error) {
	return newAuthority(commonName, time.Now().Add(validity), nil)
}

// Intermediate makes an authority whose certificate a signed, valid for 90 days.
// It fails only when the system has no randomness.
func (a *Authority) Intermediate(commonName string) (*Authority, error) {
	return newAuthority(commonName, time.Now().Add(validity), a)
}

// NewExpired makes an authority whose own certificate ended an hour ago.
func NewExpired(commonName string) (*Authority, error) {
	return newAuthority(commonName, time.Now().Add(-time.Hour), nil)
}

// newAuthority makes one that parent signs, or itself if there is none.
func newAuthority(commonName string, notAfter time.Time, parent *Authority) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("pki: generate key: %w", err)
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: commonName},
		NotBefore:             time.Now().Add(-48 * time.Hour),
		NotAfter:              notAfter,
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	if parent == nil {
		parent = &Authority{cert: template, key: key}
	}
	cert, err := sign(template, parent.cert, &key.PublicKey, parent.key)
	if err != nil {
		return nil, err
	}
	return &Authority{cert: cert, key: key}, nil
}

// PEM returns the authority's certificate as one CERTIFICATE block: what goes
// into BACKEND_CA.
func (a *Authority) PEM() []byte {
	return certificatePEM(a.cert.Raw)
}

// Pool returns a pool that holds nothing but the authority.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// Issue makes a certificate and its key, both PEM (CERTIFICATE and EC PRIVATE
// KEY blocks).
func (a *Authority) Issue(leaf Leaf) (certPEM, keyPEM []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("pki: generate key: %w", err)
	}
	template := leaf.template()
	parent, parentKey := a.cert, a.key
	if leaf.SelfSigned {
		parent, parentKey = template, key
	}
	cert, err := sign(template, parent, &key.PublicKey, parentKey)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("pki: encode key: %w", err)
	}
	return certificatePEM(cert.Raw), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), nil
}

// Certificate issues a leaf in the form that tls.Config takes.
func (a *Authority) Certificate(leaf Leaf) (tls.Certificate, error) {
	certPEM, keyPEM, err := a.Issue(leaf)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(certPEM, keyPEM)
}

func (l Leaf) template() *x509.Certificate {
	usage := x509.ExtKeyUsageServerAuth
	if l.Client {
		usage = x509.ExtKeyUsageClientAuth
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: l.CommonName},
		NotBefore:             l.NotBefore,
		NotAfter:              l.NotAfter,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{usage},
		BasicConstraintsValid: true,
	}
	if template.NotBefore.IsZero() {
		template.NotBefore = time.Now().Add(-time.Hour)
	}
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(validity)
	}
	for _, name := range l.Names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	return template
}

func sign(template, parent *x509.Certificate, public *ecdsa.PublicKey, key *ecdsa.PrivateKey) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("pki: draw serial number: %w", err)
	}
	template.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		return nil, fmt.Errorf("pki: sign certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("pki: parse the certificate just signed: %w", err)
	}
	return cert, nil
}

func certificatePEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
