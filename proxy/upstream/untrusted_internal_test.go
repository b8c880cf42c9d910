package upstream

import (
	"crypto/x509"
	"errors"
	"fmt"
	"testing"
)

// A read of the roots is worth it only where others could help.
func TestIsUntrusted(t *testing.T) {
	authority, leaf := &x509.Certificate{IsCA: true}, &x509.Certificate{}
	for name, test := range map[string]struct {
		err  error
		want bool
	}{
		"none":               {nil, false},
		"something else":     {errors.New("EOF"), false},
		"another name":       {x509.HostnameError{Certificate: leaf, Host: "x"}, false},
		"unknown authority":  {x509.UnknownAuthorityError{Cert: leaf}, true},
		"expired authority":  {x509.CertificateInvalidError{Cert: authority, Reason: x509.Expired}, true},
		"expired leaf":       {x509.CertificateInvalidError{Cert: leaf, Reason: x509.Expired}, false},
		"authority's limits": {x509.CertificateInvalidError{Cert: authority, Reason: x509.CANotAuthorizedForThisName}, false},
	} {
		err := test.err
		if err != nil {
			err = fmt.Errorf("TLS handshake: %w", err)
		}
		if got := isUntrusted(err); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}
