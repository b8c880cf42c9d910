package stand

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"

	"example.com/entra-scim-proxy/lab/pki"
)

// The proxy's client certificates, for a backend that demands one. They come
// from an authority of their own, so that a mix-up with the one of the backend
// shows.

// newIdentity issues a client certificate by a new authority, which has its
// number in its name. It returns the key and the certificate in PEM, in the order
// in which Key Vault has them.
func newIdentity(number int) (authority *pki.Authority, pem string, err error) {
	if authority, err = pki.New(fmt.Sprintf("Lab Client CA %d", number)); err != nil {
		return nil, "", err
	}
	certificate, key, err := authority.Issue(pki.Leaf{CommonName: "entra-scim-proxy", Client: true})
	return authority, string(key) + string(certificate), err
}

// trustClients makes the backend demand a client certificate by one of the
// authorities of each new connection; those before them count no longer.
func (s *Stand) trustClients(authorities ...*pki.Authority) {
	config := s.serverTLS()
	config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
	for _, authority := range authorities {
		config.ClientCAs.AppendCertsFromPEM(authority.PEM())
	}
	config.NextProtos = []string{"h2", "http/1.1"} // the server adds them to its own only
	s.demanding.Store(config)
}

// RotateCertificate gives the proxy a new client certificate, by another
// authority, which the backend trusts from then on. It trusts the old one, too,
// until drop is called; then it refuses it to new connections, and those that
// are open stay. It is an error unless the profile's service takes a client
// certificate.
func (s *Stand) RotateCertificate() (drop func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.clientAuthority == nil {
		return nil, fmt.Errorf("rotate the client certificate: %s takes none", s.options.Profile.Name)
	}
	authority, certificate, err := newIdentity(s.identities + 1)
	if err != nil {
		return nil, err
	}
	s.trustClients(s.clientAuthority, authority)
	if err := s.store(BackendClientCertName, certificate); err != nil {
		return nil, err
	}
	s.clientAuthority, s.clientCertificate, s.identities = authority, certificate, s.identities+1
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.trustClients(s.clientAuthority)
	}, nil
}

// ClientCertificate is the proxy's certificate and key in PEM, as they are now;
// empty unless the profile's service takes one.
func (s *Stand) ClientCertificate() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clientCertificate
}
