package check_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/entra-scim-proxy/lab/backend"
	"example.com/entra-scim-proxy/proxy/check"
)

// issuer is a certificate with its key, made as a test needs it.
type issuer struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// certify makes a certificate that by signs, or itself if by is nil.
func certify(t *testing.T, name string, by *issuer, change func(*x509.Certificate)) *issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(days(90)), BasicConstraintsValid: true,
		IsCA: true, KeyUsage: x509.KeyUsageCertSign,
	}
	if change != nil {
		change(template)
	}
	made := &issuer{template, key}
	if by == nil {
		by = made
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by.cert, &key.PublicKey, by.key)
	if err != nil {
		t.Fatal(err)
	}
	if made.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return made
}

// forServer turns a template into one of a server's certificate.
func forServer(more func(*x509.Certificate)) func(*x509.Certificate) {
	return func(template *x509.Certificate) {
		template.IsCA, template.KeyUsage, template.DNSNames = false, x509.KeyUsageDigitalSignature, []string{backendName}
		if more != nil {
			more(template)
		}
	}
}

func days(n int) time.Duration { return time.Duration(n)*24*time.Hour + time.Hour }

func ending(after time.Duration) func(*x509.Certificate) {
	return func(template *x509.Certificate) { template.NotAfter = time.Now().Add(after) }
}

// bundle is a PEM bundle.
func bundle(issuers ...*issuer) string {
	var text strings.Builder
	for _, i := range issuers {
		_ = pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: i.cert.Raw})
	}
	return text.String()
}

// present has the world's backend present certificates, the first with its key.
func (w *world) present(t *testing.T, configure func(*tls.Config), certificates ...*issuer) {
	t.Helper()
	pair := tls.Certificate{PrivateKey: certificates[0].key}
	for _, c := range certificates {
		pair.Certificate = append(pair.Certificate, c.cert.Raw)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(w.serve))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	if configure != nil {
		configure(s.TLS)
	}
	s.EnableHTTP2 = true
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	var err error
	if w.Backend, err = url.Parse(s.URL + basePath); err != nil {
		t.Fatal(err)
	}
}

// set gives a setting's secret a value; "" takes the setting away.
func (w *world) set(setting, value string) {
	w.Secrets = slices.DeleteFunc(w.Secrets, func(s check.Secret) bool { return s.Setting == setting })
	if value != "" {
		w.Secrets = append(w.Secrets, check.Secret{Setting: setting, Source: "plain", Read: static(value)})
	}
}

func TestChains(t *testing.T) {
	root := certify(t, "Contoso Root", nil, nil)
	issuing := certify(t, "Contoso Issuing", root, nil)
	leaf := certify(t, "leaf", issuing, forServer(nil))
	stray := certify(t, "Stray CA", nil, nil)
	soon := certify(t, "leaf", issuing, forServer(ending(days(12))))
	hours := certify(t, "leaf", issuing, forServer(ending(5*time.Hour)))
	rootSoon := certify(t, "Contoso Root", nil, ending(days(9)))
	underRootSoon := certify(t, "leaf", rootSoon, forServer(nil))
	issuingSoon := certify(t, "Contoso Issuing", root, ending(days(9)))
	underIssuingSoon := certify(t, "leaf", issuingSoon, forServer(nil))
	pin := certify(t, "pin", nil, forServer(ending(days(20))))
	expired := certify(t, "Old Root", nil, ending(-time.Hour))
	// The same key once more, valid longer.
	reissued, longer := &issuer{key: rootSoon.key}, *rootSoon.cert
	longer.NotAfter = time.Now().Add(days(90))
	der, err := x509.CreateCertificate(rand.Reader, &longer, &longer, &rootSoon.key.PublicKey, rootSoon.key)
	if err != nil {
		t.Fatal(err)
	}
	if reissued.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}

	for name, test := range map[string]struct {
		presented, trusted []*issuer
		status             check.Status
		found              string
		details            []string
		no                 string // in no detail
	}{
		"right": {
			[]*issuer{leaf, issuing}, []*issuer{root}, check.Pass, "TLS 1.3, HTTP/2, certificate valid for 90 days",
			[]string{
				`certificate 1: subject "CN=leaf", issuer "CN=Contoso Issuing", signed by certificate 2, names ["scim.corp.example.com"]`,
				`certificate 2: subject "CN=Contoso Issuing", issuer "CN=Contoso Root", signed by PEM block 1 of BACKEND_CA ("CN=Contoso Root", sha256:`,
				fmt.Sprintf("sha256:%x", sha256.Sum256(leaf.cert.Raw))[:15], leaf.cert.NotAfter.Format(time.RFC3339),
			}, "needless",
		},
		"root sent, too": {
			[]*issuer{leaf, issuing, root}, []*issuer{stray, root}, check.Pass, "90 days",
			[]string{"signed by itself, also PEM block 2 of BACKEND_CA", "certificate 3 is needless: it is a root", "verified with PEM block 2 of BACKEND_CA"}, "wrong order",
		},
		"wrong order":            {[]*issuer{leaf, root, issuing}, []*issuer{root}, check.Pass, "90 days", []string{"in the wrong order", "certificate 2 is needless: it is a root"}, "certificate 3 is needless"},
		"a stray one":            {[]*issuer{leaf, stray, issuing}, []*issuer{root}, check.Pass, "90 days", []string{"certificate 2 is needless: it issued none of the others"}, "wrong order"},
		"intermediate":           {[]*issuer{leaf}, []*issuer{issuing}, check.Pass, "90 days", []string{`does not send its intermediate "CN=Contoso Issuing"`}, "needless"},
		"intermediate sent, too": {[]*issuer{leaf, issuing}, []*issuer{issuing}, check.Pass, "90 days", []string{"verified with PEM block 1"}, "does not send"},
		"expired beside":         {[]*issuer{leaf, issuing}, []*issuer{expired, root}, check.Pass, "90 days", []string{"BACKEND_CA: PEM block 1 (CN=Old Root) is not used: it expired on", "PEM block 2 of BACKEND_CA"}, "does not send"},
		"leaf soon":              {[]*issuer{soon, issuing}, []*issuer{root}, check.Warn, "TLS 1.3, HTTP/2, certificate valid for 12 days", nil, "needless"},
		"leaf today":             {[]*issuer{hours, issuing}, []*issuer{root}, check.Warn, "valid for less than a day", nil, "needless"},
		"root soon":              {[]*issuer{underRootSoon}, []*issuer{rootSoon}, check.Warn, "valid for 90 days; that of an authority in BACKEND_CA for 9 days", nil, "needless"},
		"root soon, twice":       {[]*issuer{underRootSoon}, []*issuer{rootSoon, reissued}, check.Pass, "90 days", []string{"verified with PEM block 2"}, "needless"},
		"issuer soon":            {[]*issuer{underIssuingSoon, issuingSoon}, []*issuer{root}, check.Warn, "valid for 90 days; that of its issuer for 9 days", nil, "needless"},
		"pin": {
			[]*issuer{pin}, []*issuer{pin}, check.Warn, "valid for 20 days",
			[]string{"signed by itself, also PEM block 1 of BACKEND_CA", "BACKEND_CA: PEM block 1 (CN=pin) is no authority; it is trusted as a pin"}, "needless",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, backend.Options{})
			w.present(t, nil, test.presented...)
			w.set(check.BackendCA, bundle(test.trusted...))
			got := finding(t, runNetwork(t, w.Options), "tls")
			wantStep(t, got, test.status, "", test.found, test.details...)
			if text := strings.Join(got.Details, "\n"); strings.Contains(text, test.no) {
				t.Errorf("a detail says %q:\n%s", test.no, text)
			}
			if (got.Remedy != "") != (test.status == check.Warn) {
				t.Errorf("remedy %q", got.Remedy)
			}
		})
	}
}

func TestUnknownAuthority(t *testing.T) {
	root := certify(t, "Contoso Root", nil, nil)
	issuing := certify(t, "Contoso Issuing", root, nil)
	leaf := certify(t, "leaf", issuing, forServer(nil))
	other := certify(t, "Other Root", nil, nil)
	renewed := certify(t, "Contoso Root", nil, nil)
	expired := certify(t, "Contoso Root", nil, ending(-time.Hour))
	underExpired := certify(t, "leaf", expired, forServer(nil))
	alone := certify(t, "alone", nil, forServer(nil))
	aia := func(urls ...string) *issuer {
		return certify(t, "leaf", issuing, forServer(func(template *x509.Certificate) { template.IssuingCertificateURL = urls }))
	}
	fingerprint := func(i *issuer) string {
		digest := sha256.Sum256(i.cert.Raw)
		return strings.ToUpper(strings.ReplaceAll(fmt.Sprintf("% x", digest[:]), " ", ":"))
	}
	keyID := strings.ToUpper(strings.ReplaceAll(fmt.Sprintf("% x", issuing.cert.SubjectKeyId), " ", ":"))
	const ask = "Ask the owner of that authority for it"

	for name, test := range map[string]struct {
		presented, trusted []*issuer
		cause, remedy      string
		details            []string
		no                 string // in no detail
	}{
		"no intermediate": {
			[]*issuer{leaf}, []*issuer{root}, `does not send the certificate of its issuer "CN=Contoso Issuing", and BACKEND_CA does not have it`, "have the backend send it",
			[]string{`missing: the certificate of "CN=Contoso Issuing", subject key id ` + keyID + ". " + ask}, "curl",
		},
		"issuer's address": {
			[]*issuer{aia("ldap:///CN=x", "http://pki.example.com/issuing.crt")}, []*issuer{root}, "does not send", "BACKEND_CA",
			[]string{"curl -fsS http://pki.example.com/issuing.crt | openssl x509 -inform der", "confirm its fingerprint"}, "ldap",
		},
		"issuer in PKCS #7": {[]*issuer{aia("http://pki.example.com/a.P7C?x=$(y)&z='")}, []*issuer{root}, "does not send", "BACKEND_CA",
			[]string{`curl -fsS 'http://pki.example.com/a.P7C?x=$(y)&z='\''' | openssl pkcs7 -inform der -print_certs`}, ask},
		"no address of use":  {[]*issuer{aia("ldap://dc.example.com/CN=x", "http://", "http://a b.example.com/")}, []*issuer{root}, "does not send", "BACKEND_CA", []string{ask}, "curl"},
		"no address to show": {[]*issuer{aia("http://a.example.com/?\u202e", "http://a.example.com/"+strings.Repeat("a", 500), "http://a.example.com/[1-99999]", "http://a.example.com/?{a,b}")}, []*issuer{root}, "does not send", "BACKEND_CA", []string{ask}, "curl"},
		"many places":        {[]*issuer{aia("http://a.example.com", "http://b.example.com", "http://c.example.com", "http://d.example.com")}, []*issuer{root}, "", "", []string{"http://c.example"}, "http://d.example"},
		"no root":            {[]*issuer{leaf, issuing}, []*issuer{other}, `ends in a certificate that "CN=Contoso Root" issued, and BACKEND_CA does not have it`, "put the certificate of the authority", []string{ask}, "openssl s_client"},
		"root sent": {
			[]*issuer{leaf, issuing, root}, []*issuer{other}, `ends in the root "CN=Contoso Root", and BACKEND_CA does not have it`, "put that root's certificate",
			[]string{`missing: certificate 3, "CN=Contoso Root"`, "-servername scim.corp.example.com -showcerts </dev/null", "it is number 2 there", fingerprint(root)}, ask,
		},
		"self-signed":              {[]*issuer{alone}, []*issuer{other}, `"CN=alone" is self-signed`, "that very certificate", []string{"it is number 0 there", fingerprint(alone)}, ask},
		"renewed":                  {[]*issuer{leaf, issuing}, []*issuer{other, renewed}, `"CN=Contoso Root" was renewed with another key: PEM block 2 of BACKEND_CA`, "beside the old one", []string{ask}, "s_client"},
		"renewed, sent":            {[]*issuer{leaf, issuing, root}, []*issuer{renewed}, "was renewed with another key: PEM block 1", "beside the old one", []string{fingerprint(root)}, ask},
		"expired in the bundle":    {[]*issuer{underExpired}, []*issuer{other, expired}, `leads to PEM block 2 of BACKEND_CA ("CN=Contoso Root"), which is not used`, "present certificate", []string{"BACKEND_CA: PEM block 2 (CN=Contoso Root) is not used: it expired"}, ask},
		"no BACKEND_CA":            {[]*issuer{leaf}, nil, "BACKEND_CA is not set: the system's roots", "BACKEND_CA", []string{ask, "signed by none that is presented or trusted"}, "curl"},
		"no BACKEND_CA, root sent": {[]*issuer{leaf, issuing, root}, nil, "BACKEND_CA is not set: the system's roots", "BACKEND_CA", []string{fingerprint(root)}, "needless"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, backend.Options{})
			w.present(t, nil, test.presented...)
			w.set(check.BackendCA, bundle(test.trusted...))
			got := finding(t, runNetwork(t, w.Options), "tls")
			wantStep(t, got, check.Fail, "tls_unknown_authority", "an authority that is not trusted", append(test.details, "protocol: TLS 1.3")...)
			if !strings.Contains(got.Cause, test.cause) || !strings.Contains(got.Remedy, test.remedy) {
				t.Errorf("cause  %s\nremedy %s", got.Cause, got.Remedy)
			}
			if text := strings.Join(got.Details, "\n"); strings.Contains(text, test.no) {
				t.Errorf("a detail says %q:\n%s", test.no, text)
			}
		})
	}
}

// A certificate's names are whatever its owner likes.
func TestNamesAreQuotedAndCutShort(t *testing.T) {
	long := strings.Repeat("x", 300)
	leaf := certify(t, "a\x1b[31m\u202e"+long, nil, forServer(func(template *x509.Certificate) {
		template.DNSNames = []string{backendName, "b\x1b]0;" + long}
	}))
	w := newWorld(t, backend.Options{})
	w.present(t, nil, leaf)
	w.set(check.BackendCA, bundle(leaf))
	text := strings.Join(finding(t, runNetwork(t, w.Options), "tls").Details[:2], "\n")
	if strings.ContainsAny(text, "\x1b\u202e") || strings.Contains(text, long[:200]) || !strings.Contains(text, `subject "CN=a\x1b[31m\u202exx`) || !strings.Contains(text, `"b\x1b]0;xx`) {
		t.Errorf("%q", text)
	}
}

// Anybody may present hundreds of certificates of one name, each of which could
// have signed each.
func TestALongChainIsNotJudgedWhole(t *testing.T) {
	signer := certify(t, "A", nil, nil)
	chain := []*issuer{certify(t, "A", signer, forServer(nil))}
	for range 15 {
		chain = append(chain, certify(t, "A", nil, nil))
	}
	w := newWorld(t, backend.Options{})
	w.present(t, nil, append(chain, signer, signer, signer)...)
	got := finding(t, runNetwork(t, w.Options), "tls")
	wantStep(t, got, check.Fail, "tls_unknown_authority", "", "certificate 1: ", "signed by none that is presented or trusted", "and 11 more certificates")
	wantStep(t, got, check.Fail, "tls_unknown_authority", "", `missing: the certificate of "CN=A"`)
}

// A certificate that is trusted as an authority may still not be allowed to sign.
func TestAuthorityThatMayNotSign(t *testing.T) {
	root := certify(t, "Contoso Root", nil, func(template *x509.Certificate) { template.KeyUsage = x509.KeyUsageCRLSign })
	w := newWorld(t, backend.Options{})
	w.present(t, nil, certify(t, "leaf", root, forServer(nil)))
	w.set(check.BackendCA, bundle(root))
	got := finding(t, runNetwork(t, w.Options), "tls")
	wantStep(t, got, check.Fail, "tls_unknown_authority", "")
	if !strings.Contains(got.Cause, `PEM block 1 of BACKEND_CA ("CN=Contoso Root") signed the chain, but may not`) {
		t.Errorf("cause %s", got.Cause)
	}
}

// An address is no name for SNI.
func TestUnknownAuthorityOfAnAddress(t *testing.T) {
	w := newWorld(t, backend.Options{})
	w.present(t, nil, certify(t, "alone", nil, forServer(func(template *x509.Certificate) {
		template.IPAddresses = []net.IP{net.ParseIP("192.0.2.7")}
	})))
	w.ServerName = "192.0.2.7"
	wantStep(t, finding(t, runNetwork(t, w.Options), "tls"), check.Fail, "tls_unknown_authority", "", "-connect "+w.Backend.Host+" -noservername -showcerts")
}

func TestCertificatesThatAreNotRight(t *testing.T) {
	for kind, want := range map[backend.CertificateKind][2]string{
		backend.CertificateExpired: {"tls_expired", "expired on"}, backend.CertificateTooEarly: {"tls_not_yet_valid", "valid only from"},
		backend.CertificateWrongName: {"tls_wrong_name", "elsewhere.example.com"}, backend.CertificateWrongCA: {"tls_unknown_authority", "Some other CA"},
		backend.CertificateSelfSigned: {"tls_unknown_authority", "self-signed"}, backend.CertificateForClients: {"tls_certificate", "usage"},
	} {
		t.Run(string(kind), func(t *testing.T) {
			w := newWorld(t, backend.Options{})
			if err := w.certificates.Present(kind); err != nil {
				t.Fatal(err)
			}
			got := finding(t, runNetwork(t, w.Options), "tls")
			if got.Status != check.Fail || got.Class != want[0] || !strings.Contains(got.Cause, want[1]) || !strings.HasPrefix(strings.Join(got.Details[1:], "\n"), "certificate 1: ") {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestPortWithoutTLS(t *testing.T) {
	w := newWorld(t, backend.Options{})
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	w.Backend.Host = plain.Listener.Addr().String()
	wantStep(t, finding(t, runNetwork(t, w.Options), "tls"), check.Fail, "tls_not_spoken", "no TLS connection to the backend")
}

// By name, TLS goes where calls go.
func TestTLSByName(t *testing.T) {
	w := newWorld(t, backend.Options{})
	w.Backend.Host, w.Lookup = "backend.example.com", leading("192.0.2.7")
	var mu sync.Mutex // steps connect side by side
	var asked []string
	w.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		mu.Lock()
		asked = append(asked, address)
		mu.Unlock()
		return new(net.Dialer).DialContext(ctx, network, w.server.Listener.Addr().String())
	}
	report := runNetwork(t, w.Options)
	wantStep(t, finding(t, report, "tls"), check.Pass, "", "TLS 1.3")
	mu.Lock()
	defer mu.Unlock()
	if len(asked) < 2 || asked[0] != "192.0.2.7:443" || asked[1] != "backend.example.com:443" {
		t.Errorf("connected to %q", asked)
	}
}
