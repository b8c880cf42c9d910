package backend

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/entra-scim-proxy/lab/pki"
)

// TestCertificates shows each certificate to a client that trusts the
// authority, on a server that keeps running.
func TestCertificates(t *testing.T) {
	authority, err := pki.New("Lab CA")
	if err != nil {
		t.Fatal(err)
	}
	certificates, err := NewCertificates(authority, "scim.example.com", "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.TLS = &tls.Config{GetCertificate: certificates.GetCertificate}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	server.TLS.Certificates = nil // httptest's own
	invalid := func(reason x509.InvalidReason) func(error) bool {
		return func(err error) bool {
			found, ok := errors.AsType[x509.CertificateInvalidError](err)
			return ok && found.Reason == reason
		}
	}
	unknown := func(err error) bool {
		_, ok := errors.AsType[x509.UnknownAuthorityError](err)
		return ok
	}
	for _, test := range []struct {
		kind CertificateKind
		want func(error) bool
	}{
		{CertificateRight, func(err error) bool { return err == nil }},
		{CertificateExpired, invalid(x509.Expired)},
		{CertificateTooEarly, invalid(x509.Expired)},
		{CertificateWrongName, func(err error) bool {
			_, ok := errors.AsType[x509.HostnameError](err)
			return ok
		}},
		{CertificateWrongCA, unknown},
		{CertificateSelfSigned, unknown},
		{CertificateForClients, invalid(x509.IncompatibleUsage)},
		{CertificateRight, func(err error) bool { return err == nil }},
	} {
		if err := certificates.Present(test.kind); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"scim.example.com", "127.0.0.1"} {
			conn, err := tls.Dial("tcp", server.Listener.Addr().String(), &tls.Config{RootCAs: authority.Pool(), ServerName: name})
			if err == nil {
				conn.Close()
			}
			if !test.want(err) {
				t.Errorf("%s, %s: %v", test.kind, name, err)
			}
		}
	}
	if err := certificates.Present("green"); err == nil || !strings.Contains(err.Error(), "green") {
		t.Errorf("got %v", err)
	}
	leaf, err := certificates.GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"scim.example.com"}, leaf.Leaf.DNSNames); diff != "" {
		t.Errorf("another certificate is presented (-want +got):\n%s", diff)
	}
}
