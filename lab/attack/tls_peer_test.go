package attack

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"sync/atomic"
	"testing"
	"time"
)

// tlsPeer is somebody who answers in the backend's place.
type tlsPeer struct {
	id, guards string
	class      string // "" if it is the backend
	chain      func(*tlsAuthority) tls.Certificate
	configure  func(*tls.Config)
}

// tlsAuthority signs whatever it is asked to.
type tlsAuthority struct {
	t    *testing.T
	cert *x509.Certificate
	key  crypto.Signer
}

func newTLSKey(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// authorityTemplate is that of an authority with a name.
func authorityTemplate(name string) *x509.Certificate {
	return &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
}

// leafTemplate is that of the backend's right certificate.
func leafTemplate() *x509.Certificate {
	return &x509.Certificate{
		Subject: pkix.Name{CommonName: "leaf-" + canary}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour),
		DNSNames: []string{insideName}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
}

func newTLSAuthority(t *testing.T) *tlsAuthority {
	t.Helper()
	a := &tlsAuthority{t: t, key: newTLSKey(t), cert: authorityTemplate(insideCA)}
	a.cert = a.sign(a.cert, a.key)
	return a
}

// sign makes a certificate for a key.
func (a *tlsAuthority) sign(template *x509.Certificate, key crypto.Signer) *x509.Certificate {
	a.t.Helper()
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		a.t.Fatal(err)
	}
	template.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert
}

// below makes an authority that this one has signed.
func (a *tlsAuthority) below(change func(*x509.Certificate)) *tlsAuthority {
	a.t.Helper()
	template, key := authorityTemplate("between-"+canary), newTLSKey(a.t)
	if change != nil {
		change(template)
	}
	return &tlsAuthority{t: a.t, cert: a.sign(template, key), key: key}
}

// leaf issues the backend's certificate, changed, and shows the authorities
// given behind it.
func (a *tlsAuthority) leaf(change func(*x509.Certificate), shown ...*tlsAuthority) tls.Certificate {
	a.t.Helper()
	template, key := leafTemplate(), newTLSKey(a.t)
	if change != nil {
		change(template)
	}
	chain := tls.Certificate{PrivateKey: key, Certificate: [][]byte{a.sign(template, key).Raw}}
	for _, authority := range shown {
		chain.Certificate = append(chain.Certificate, authority.cert.Raw)
	}
	return chain
}

func (a *tlsAuthority) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// otherProtocol changes the protocol that a server has chosen, where that is plain to
// see (TLS 1.2), to one that nobody offered.
type otherProtocol struct{ net.Conn }

func (c otherProtocol) Write(data []byte) (int, error) {
	n, err := c.Conn.Write(bytes.ReplaceAll(data, []byte("\x02h2"), []byte("\x02h3")))
	return n, err
}

// tlsBackend shakes hands as the peer at hand does.
type tlsBackend struct {
	*rawBackend
	config  atomic.Pointer[tls.Config]
	twisted atomic.Bool
	resumed atomic.Int64
}

func newTLSBackend(t *testing.T) *tlsBackend {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	b := &tlsBackend{rawBackend: &rawBackend{Listener: listener, arrived: map[string]int{}}}
	go func() { // ends when the listener is closed
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if b.twisted.Load() {
				conn = otherProtocol{conn}
			}
			go b.shake(tls.Server(conn, b.config.Load())) // ends with the connection
		}
	}()
	return b
}

// shake takes one call, and ends the connection.
func (b *tlsBackend) shake(conn *tls.Conn) {
	defer conn.Close()
	if conn.Handshake() != nil {
		return
	}
	if conn.ConnectionState().DidResume {
		b.resumed.Add(1)
	}
	b.serveOnce(conn, bufio.NewReader(conn))
}

// criticalExtension is one that nobody knows.
func criticalExtension() pkix.Extension {
	return pkix.Extension{Id: []int{1, 3, 6, 1, 4, 1, 55555, 1}, Critical: true, Value: []byte{5, 0}}
}
