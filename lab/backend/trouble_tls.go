package backend

import (
	"crypto/tls"
	"fmt"
	"sync/atomic"
	"time"

	"example.com/entra-scim-proxy/lab/pki"
)

// CertificateKind is what is right or wrong with a server's certificate.
type CertificateKind string

// The kinds of certificates.
const (
	CertificateRight      CertificateKind = "right"
	CertificateExpired    CertificateKind = "expired"            // an hour ago
	CertificateTooEarly   CertificateKind = "not valid yet"      // for an hour
	CertificateWrongName  CertificateKind = "wrong name"         // elsewhere.example.com
	CertificateWrongCA    CertificateKind = "wrong CA"           // of another authority, otherwise right
	CertificateSelfSigned CertificateKind = "self-signed"        // otherwise right
	CertificateForClients CertificateKind = "client certificate" // not for servers
)

// AllCertificateKinds lists the kinds, the right one first.
func AllCertificateKinds() []CertificateKind {
	return []CertificateKind{
		CertificateRight, CertificateExpired, CertificateTooEarly, CertificateWrongName, CertificateWrongCA, CertificateSelfSigned, CertificateForClients,
	}
}

// Certificates presents one of several certificates, which can change while a
// server serves. It is safe for concurrent use.
type Certificates struct {
	leaves map[CertificateKind]*tls.Certificate
	now    atomic.Pointer[tls.Certificate]
}

// NewCertificates issues certificates of all kinds for the names given, DNS
// names or IP addresses, and presents the right one.
func NewCertificates(authority *pki.Authority, names ...string) (*Certificates, error) {
	other, err := pki.New("Some other CA")
	if err != nil {
		return nil, err
	}
	hour := time.Now().Add(-time.Hour)
	c := &Certificates{leaves: map[CertificateKind]*tls.Certificate{}}
	for _, issue := range []struct {
		kind CertificateKind
		by   *pki.Authority
		leaf pki.Leaf
	}{
		{CertificateRight, authority, pki.Leaf{Names: names}},
		{CertificateExpired, authority, pki.Leaf{Names: names, NotBefore: hour.Add(-time.Hour), NotAfter: hour}},
		{CertificateTooEarly, authority, pki.Leaf{Names: names, NotBefore: hour.Add(2 * time.Hour)}},
		{CertificateWrongName, authority, pki.Leaf{Names: []string{"elsewhere.example.com"}}},
		{CertificateWrongCA, other, pki.Leaf{Names: names}},
		{CertificateSelfSigned, authority, pki.Leaf{Names: names, SelfSigned: true}},
		{CertificateForClients, authority, pki.Leaf{Names: names, Client: true}},
	} {
		leaf, err := issue.by.Certificate(issue.leaf)
		if err != nil {
			return nil, fmt.Errorf("backend: certificate %q: %w", issue.kind, err)
		}
		c.leaves[issue.kind] = &leaf
	}
	return c, c.Present(CertificateRight)
}

// Present changes the certificate for connections that are made from now on.
// Those that are open keep theirs; [CloseIdle] ends them.
func (c *Certificates) Present(kind CertificateKind) error {
	leaf, ok := c.leaves[kind]
	if !ok {
		return fmt.Errorf("backend: there is no certificate %q", kind)
	}
	c.now.Store(leaf)
	return nil
}

// GetCertificate is for [tls.Config.GetCertificate].
func (c *Certificates) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return c.now.Load(), nil
}
