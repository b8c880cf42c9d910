package upstream

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A server of crypto/tls cannot be told which signatures to take, so what it
// would ask for is made.
func TestOfferSuitsWhatIsAskedFor(t *testing.T) {
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	factors, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	own := map[string]*Identity{"ECDSA": made(t, curve.Public(), curve), "RSA": made(t, factors.Public(), factors)}
	onlyECDSA, onlyRSA := []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}, []tls.SignatureScheme{tls.PSSWithSHA256, tls.PSSWithSHA384}
	ours, other := own["RSA"].leaf().RawIssuer, []byte{0x30, 0x00}
	for what, test := range map[string]struct {
		key         string
		schemes     []tls.SignatureScheme
		authorities [][]byte
		sent        bool
		strange     int // authorities that are remembered as not ours
	}{
		"ECDSA":               {"ECDSA", onlyECDSA, nil, true, 0},
		"RSA":                 {"RSA", onlyRSA, nil, true, 0},
		"ECDSA for RSA":       {"ECDSA", onlyRSA, nil, false, 0},
		"RSA for ECDSA":       {"RSA", onlyECDSA, [][]byte{ours}, false, 0},
		"our authority":       {"RSA", onlyRSA, [][]byte{other, ours}, true, 0},
		"another authority":   {"RSA", onlyRSA, [][]byte{other, other}, true, 2},
		"neither one suits":   {"RSA", onlyECDSA, [][]byte{other}, false, 0},
		"no certificate here": {"", onlyRSA, [][]byte{other}, true, 0},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			o := offer{identity: own[test.key]}
			pair, err := o.answer(&tls.CertificateRequestInfo{Version: version, SignatureSchemes: test.schemes, AcceptableCAs: test.authorities})
			if !o.asked || len(o.authorities) != test.strange || (err == nil) != test.sent {
				t.Errorf("%s, %s: %v, %+v", what, tls.VersionName(version), err, o)
			}
			if unsupported, ok := errors.AsType[*unsupportedKeyError](err); err != nil && (!ok || len(unsupported.schemes) != len(test.schemes)) {
				t.Errorf("%s: %v, want one that tells the schemes", what, err)
			}
			if err == nil && (len(pair.Certificate) == 1) != (o.identity != nil) {
				t.Errorf("%s: %d certificates are sent", what, len(pair.Certificate))
			}
		}
	}
}

func made(t *testing.T, public, private any) *Identity {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "self"}, NotAfter: time.Now().Add(time.Hour)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	text := append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})...)
	identity, err := ParseIdentity(text)
	if err != nil {
		t.Fatal(err)
	}
	return identity
}

// A connection that ends says something of the certificate only where the backend
// has said nothing else.
func TestUnheard(t *testing.T) {
	for what, test := range map[string]struct {
		received int64
		err      error
		want     bool
	}{
		"an end":                   {0, io.EOF, true},
		"a reset":                  {0, syscall.ECONNRESET, true},
		"an alert and a reset":     {alertRecord, syscall.ECONNRESET, true},
		"a close_notify":           {alertRecord, io.EOF, false},
		"empty SETTINGS and reset": {31, syscall.ECONNRESET, false},
	} {
		var l link
		l.received.Store(test.received)
		if got := l.unheard(test.err); got != test.want {
			t.Errorf("%s: %v, want %v", what, got, test.want)
		}
	}
}

// A server of crypto/tls sends few of the alerts there are.
func TestExplainAlertsAboutTheClientCertificate(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	own := made(t, key.Public(), key)
	named := [][]byte{own.leaf().RawSubject}
	const other = "one of the authorities asked for"
	for alert, want := range map[tls.AlertError]struct{ remedy, withAuthorities string }{
		alertBadCertificate:         {"cannot verify", other},
		alertUnsupportedCertificate: {"no certificate of this kind", "no certificate of this kind"},
		alertCertificateRevoked:     {"was revoked", "was revoked"},
		alertCertificateExpired:     {"for expired", other},
		alertCertificateUnknown:     {"does not say why", other},
		alertUnknownCA:              {"does not know the issuer", other},
		alertAccessDenied:           {"does not let its subject in", "does not let its subject in"},
		alertHandshakeFailure:       {"a reason of its own", other},
	} {
		for remedy, authorities := range map[string][][]byte{want.remedy: nil, want.withAuthorities: named} {
			if want.remedy == want.withAuthorities {
				authorities = named
			}
			fault := Explain(&handshakeError{
				err:   &net.OpError{Op: "remote error", Err: alert},
				offer: offer{asked: true, identity: own, authorities: authorities},
			})
			if fault.Stage != Handshake || fault.Class != "tls_client_certificate_refused" || !strings.Contains(fault.Remedy, remedy) ||
				!strings.Contains(fault.Cause, alert.Error()+"; presented: subject \"CN=self\", issuer \"CN=self\", valid until ") {
				t.Errorf("%v, authorities %v: %+v; want a remedy with %q", alert, authorities != nil, fault, remedy)
			}
		}
	}
}

// What a backend asks for goes into one line of the log, however much it is.
func TestLongDemandsAreCut(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	name, err := asn1.Marshal(pkix.Name{CommonName: strings.Repeat("ä", 10_000)}.ToRDNSequence())
	if err != nil {
		t.Fatal(err)
	}
	own := made(t, key.Public(), key)
	for what, failed := range map[string]*handshakeError{
		"a name":  {err: io.EOF, offer: offer{asked: true, identity: own, authorities: [][]byte{name}}},
		"schemes": {err: &unsupportedKeyError{err: io.EOF, schemes: make([]tls.SignatureScheme, 10_000)}, offer: offer{asked: true, identity: own}},
	} {
		if cause := Explain(failed).Cause; len(cause) > 1000 {
			t.Errorf("%s makes a cause of %d bytes", what, len(cause))
		}
	}
}

// A server of crypto/tls never asks for a second handshake; the error is as the
// client makes it.
func TestExplainRenegotiation(t *testing.T) {
	fault := Explain(&net.OpError{Op: "local error", Err: tls.AlertError(alertNoRenegotiation)})
	if fault.Stage != Handshake || fault.Class != "tls_renegotiation" || fault.Cause != "local error: tls: no renegotiation" || !strings.Contains(fault.Remedy, "client certificate") {
		t.Errorf("%+v", fault)
	}
	if fault := Explain(&net.OpError{Op: "remote error", Err: tls.AlertError(alertNoRenegotiation)}); fault.Class != "bad_answer" {
		t.Errorf("the backend's alert: %+v", fault)
	}
}
