package upstream_test

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"example.com/entra-scim-proxy/lab/pki"
	"example.com/entra-scim-proxy/proxy/upstream"
)

// issue returns a client certificate and its key, in PEM.
func issue(t testing.TB, a *pki.Authority, leaf pki.Leaf) (certificate, key string) {
	t.Helper()
	leaf.Client = true
	certPEM, keyPEM, err := a.Issue(leaf)
	if err != nil {
		t.Fatal(err)
	}
	return string(certPEM), string(keyPEM)
}

func encode(kind string, der []byte, err error) string {
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// selfSigned returns a certificate of a key, in PEM.
func selfSigned(t testing.TB, public, private any) string {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "self"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	return encode("CERTIFICATE", der, err)
}

// pfx is as much of PKCS #12 as shows in the first bytes.
var pfx = append([]byte{0x30, 0x82, 0x09, 0x51, 0x02, 0x01, 0x03, 0x30, 0x82, 0x09}, "canary"...)

func TestParseIdentity(t *testing.T) {
	a := authority(t, "Client Root")
	ca := string(a.PEM())
	cert, key := issue(t, a, pki.Leaf{CommonName: "proxy"})
	other, otherKey := issue(t, a, pki.Leaf{CommonName: "other"})
	old, oldKey := issue(t, a, pki.Leaf{CommonName: "old", NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour)})
	early, earlyKey := issue(t, a, pki.Leaf{CommonName: "early", NotBefore: time.Now().Add(time.Hour)})
	serverCert, serverKey, err := a.Issue(pki.Leaf{CommonName: "server"})
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode([]byte(key))
	private, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	key8 := encode("PRIVATE KEY", pkcs8, err)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	rsaPEM, rsaCert := encode("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey), nil), selfSigned(t, rsaKey.Public(), rsaKey)
	exchange, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	exchangeDER, err := x509.MarshalPKCS8PrivateKey(exchange)
	exchangePEM := encode("PRIVATE KEY", exchangeDER, err)
	parameters := encode("EC PARAMETERS", []byte{6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7}, nil)
	sealed := strings.Replace(key, "-----\n", "-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n", 1)
	bags := "Bag Attributes\n    localKeyID: 01 00\n    friendlyName: proxy\n"

	tests := map[string]struct {
		text     string
		subjects string   // in their order
		warnings []string // a part of each
		fails    string   // a part of the error
	}{
		"certificate first":     {text: cert + key, subjects: "proxy"},
		"key first":             {text: key8 + cert, subjects: "proxy"},
		"with the chain":        {text: key + cert + ca, subjects: "proxy Client Root"},
		"chain first":           {text: ca + other + key + cert, subjects: "proxy Client Root other"},
		"between attributes":    {text: bags + cert + bags + key8, subjects: "proxy"},
		"with parameters":       {text: parameters + key + cert, subjects: "proxy"},
		"RSA":                   {text: rsaPEM + rsaCert, subjects: "self"},
		"under another label":   {text: strings.ReplaceAll(key8, "PRIVATE KEY", "RSA PRIVATE KEY") + cert, subjects: "proxy"},
		"CRLF":                  {text: strings.ReplaceAll(key+cert, "\n", "\r\n"), subjects: "proxy"},
		"base64":                {text: base64.StdEncoding.EncodeToString([]byte(key + cert)), subjects: "proxy"},
		"base64 in lines":       {text: wrap(base64.StdEncoding.EncodeToString([]byte(key + cert))), subjects: "proxy"},
		"expired":               {text: oldKey + old, subjects: "old", warnings: []string{"PEM block 2 (CN=old) expired on "}},
		"not yet valid":         {text: early + earlyKey, subjects: "early", warnings: []string{"PEM block 1 (CN=early) is valid only from "}},
		"a server's":            {text: string(serverKey) + string(serverCert), subjects: "server", warnings: []string{"PEM block 2 (CN=server) is not meant for client authentication"}},
		"expired in the chain":  {text: key + cert + old, subjects: "proxy old", warnings: []string{"PEM block 3 (CN=old) expired on "}},
		"no key":                {text: cert + ca, fails: "no private key found, expected one"},
		"two keys":              {text: key + cert + otherKey, fails: "PEM block 3: found a second private key"},
		"the same key twice":    {text: key + cert + key8, fails: "PEM block 3: found a second private key"},
		"encrypted":             {text: encode("ENCRYPTED PRIVATE KEY", pkcs8, nil) + cert, fails: "PEM block 1: the private key is encrypted: decrypt it first"},
		"encrypted, older form": {text: cert + sealed, fails: "PEM block 2: the private key is encrypted: decrypt it first"},
		"no certificate":        {text: parameters + key, fails: "no certificate found, expected the one"},
		"wrong key":             {text: otherKey + cert + ca, fails: "wrong key: the private key belongs to none of the certificates (the first is CN=proxy)"},
		"key of another kind":   {text: rsaPEM + cert, fails: "wrong key"},
		"key exchange":          {text: exchangePEM + cert, fails: "the private key cannot sign"},
		"broken key":            {text: cert + strings.Replace(key, "\nM", "\n!", 1), fails: "PEM block 2: not readable as PEM"},
		"no key inside":         {text: cert + encode("PRIVATE KEY", []byte("canary"), nil), fails: "PEM block 2: not a private key, expected"},
		"no certificate inside": {text: encode("CERTIFICATE", []byte("canary"), nil) + key, fails: "PEM block 1: not a certificate"},
		"cut off":               {text: cert + key[:len(key)/2], fails: "PEM block 2: not readable as PEM"},
		"key cut off in front":  {text: key[len("-----BEGIN EC PRIVATE KEY-----\n"):] + cert, fails: "the text before PEM block 1 looks like another block"},
		"four dashes":           {text: cert + key + key8[1:], fails: "the text after PEM block 2 looks like another block"},
		"public key":            {text: cert + encode("PUBLIC KEY", []byte("canary"), nil) + key, fails: `PEM block 2: found "PUBLIC KEY", expected a certificate or a private key`},
		"long type":             {text: cert + encode(strings.Repeat("CANARY", 10), []byte("canary"), nil), fails: "PEM block 2: found a block of no known type"},
		"type in small letters": {text: cert + encode("canary", []byte("canary"), nil), fails: "PEM block 2: found a block of no known type"},
		"a length and no more":  {text: "\x30\xff", fails: "no PEM block"},
		"PKCS #12":              {text: string(pfx), fails: "store it as PEM; in Key Vault, that is content type application/x-pem-file"},
		"PKCS #12 in base64":    {text: wrap(base64.StdEncoding.EncodeToString(pfx)), fails: "found PKCS #12"},
		"DER":                   {text: string(pkcs8), fails: "no PEM block"},
		"empty":                 {text: "", fails: "no PEM block"},
		"text":                  {text: "canary", fails: "no PEM block"},
	}
	for name, test := range tests {
		identity, err := upstream.ParseIdentity([]byte(test.text))
		if test.fails != "" {
			if err == nil || !strings.Contains(err.Error(), test.fails) || strings.Contains(strings.ToLower(err.Error()), "canary") {
				t.Errorf("%s: error %v, want one with %q", name, err, test.fails)
			}
			if err != nil && quotes(err.Error(), test.text) {
				t.Errorf("%s: the error shows a key: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var subjects []string
		for _, certificate := range identity.Certificates {
			subjects = append(subjects, certificate.Subject.CommonName)
		}
		if got := strings.Join(subjects, " "); got != test.subjects {
			t.Errorf("%s: %q, want %q", name, got, test.subjects)
		}
		if !slices.EqualFunc(identity.Warnings, test.warnings, strings.Contains) {
			t.Errorf("%s: warnings %q, want %q", name, identity.Warnings, test.warnings)
		}
	}
}

// quotes reports whether text shows a line of a key in input.
func quotes(text, input string) bool {
	for _, line := range keyLines(input) {
		if strings.Contains(text, line) {
			return true
		}
	}
	return false
}

var keyBlock = regexp.MustCompile(`(?s)-----BEGIN [A-Z0-9 ]*KEY-----(.*?)(-----|$)`)

// keyLines are the lines of the keys in a text, but those too short to say
// anything.
func keyLines(text string) (lines []string) {
	if decoded, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), "")); err == nil {
		text = string(decoded)
	}
	for _, match := range keyBlock.FindAllStringSubmatch(text, -1) {
		for line := range strings.Lines(match[1]) {
			if line = strings.TrimSpace(line); len(line) >= 16 {
				lines = append(lines, line)
			}
		}
	}
	return lines
}

func TestIdentityOfIdentities(t *testing.T) {
	a := authority(t, "Root")
	cert, key := issue(t, a, pki.Leaf{CommonName: "proxy"})
	identity, err := upstream.ParseIdentity([]byte(key + string(a.PEM()) + cert))
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	alone, err := upstream.ParseIdentity([]byte(key + cert))
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("sha256:%.4x", sha256.Sum256(pair.Certificate[0])); alone.String() != want {
		t.Errorf("%s, want %s", alone, want)
	}
	// An intermediate that was missing makes it another one.
	if identity.String() == alone.String() {
		t.Errorf("%s with and without an issuer", alone)
	}
	for _, none := range []*upstream.Identity{nil, {}} {
		if got := none.String(); got != "none" {
			t.Errorf("%q, want none", got)
		}
	}
}

// After a renewal with the same key both certificates may be there.
func TestLongestOfTwoCertificatesCounts(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	certificate := func(name string, end time.Time) string {
		template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: end}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	old, fresh := certificate("old", time.Now().Add(time.Hour)), certificate("fresh", time.Now().Add(2*time.Hour))
	for _, text := range []string{old + fresh, fresh + old} {
		identity, err := upstream.ParseIdentity([]byte(keyPEM(t, key) + text))
		if err != nil || identity.Certificates[0].Subject.CommonName != "fresh" || len(identity.Certificates) != 1 {
			t.Errorf("%v, %v", identity, err)
		}
	}
}

// An Identity in an unexported field is out of reach of its own Format method,
// so only the pointers inside protect the key. That of Ed25519 is itself no
// pointer, which fmt might leave alone.
func TestNothingPrintsTheKey(t *testing.T) {
	public, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	scalar, err := curve.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		public, private any
		secret          []byte
	}{{public, edwards, edwards.Seed()}, {curve.Public(), curve, scalar}} {
		der, err := x509.MarshalPKCS8PrivateKey(test.private)
		key := encode("PRIVATE KEY", der, err)
		identity, err := upstream.ParseIdentity([]byte(key + selfSigned(t, test.public, test.private)))
		if err != nil {
			t.Fatal(err)
		}
		number := new(big.Int).SetBytes(test.secret)
		wantHidden(t, identity, []string{
			// Of the lines of the key, the last may hold what is public.
			keyLines(key)[0], number.String(), number.Text(16), strings.ToUpper(number.Text(16)), base64.StdEncoding.EncodeToString(test.secret),
			strings.Trim(fmt.Sprint(test.secret), "[]"), strings.Trim(fmt.Sprintf("%#v", test.secret), "[]byte{}"),
		})
	}
}

func wantHidden(t *testing.T, identity *upstream.Identity, forms []string) {
	t.Helper()
	type hidden struct {
		identity *upstream.Identity
		value    upstream.Identity
		any      any
		table    map[string]*upstream.Identity
	}
	//nolint:govet // a copy, to print it
	values := map[string]any{
		"*Identity": identity, "Identity": *identity,
		"unexported": hidden{identity, *identity, identity, map[string]*upstream.Identity{"k": identity}},
		"exported":   struct{ Identity *upstream.Identity }{identity},
		"by value":   struct{ Identity upstream.Identity }{*identity},
	}
	check := func(how, text string) {
		for _, form := range forms {
			if strings.Contains(text, form) {
				t.Errorf("%s shows the key as %.4s…", how, form)
			}
		}
	}
	for name, value := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p"} {
			check(name+" with "+verb, fmt.Sprintf(verb, value))
		}
		encoded, err := json.Marshal(value)
		if err != nil {
			t.Errorf("json of %s: %v", name, err)
		}
		check("json of "+name, string(encoded))
		var out strings.Builder
		encoder := zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig())
		log := zap.New(zapcore.NewCore(encoder, zapcore.AddSync(&out), zap.DebugLevel))
		log.Info("line", zap.Any("value", value), zap.Reflect("reflected", value))
		log.Sugar().Infof("%+v", value)
		slog.New(slog.NewTextHandler(&out, nil)).Info("line", "value", value)
		check("log of "+name, out.String())
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		if got := fmt.Sprintf(verb, identity); got != identity.String() {
			t.Errorf("%s: %q, want its identity", verb, got)
		}
	}
	if encoded, err := json.Marshal(identity); err != nil || string(encoded) != `"`+identity.String()+`"` {
		t.Errorf("json: %s, %v; want its identity", encoded, err)
	}
}

func FuzzParseIdentity(f *testing.F) {
	a := authority(f, "Root")
	cert, key := issue(f, a, pki.Leaf{CommonName: "proxy"})
	f.Add([]byte(key + cert + string(a.PEM())))
	f.Add([]byte(base64.StdEncoding.EncodeToString([]byte(cert + key))))
	f.Add([]byte(cert + strings.Replace(key, "-----\n", "-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n", 1)))
	f.Add([]byte(strings.ReplaceAll(key, "EC PRIVATE", strings.Repeat("PRIVATE", 9)) + cert))
	f.Add(pfx)
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n"))
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(keyPEM(f, p224) + selfSigned(f, p224.Public(), p224)))
	f.Fuzz(func(t *testing.T, text []byte) {
		identity, err := upstream.ParseIdentity(text)
		if err != nil {
			if quotes(err.Error(), string(text)) {
				t.Errorf("the error shows a key: %v", err)
			}
			return
		}
		public, private := upstream.Pair(identity)
		if own, ok := public.(interface{ Equal(crypto.PublicKey) bool }); !ok || !own.Equal(private.Public()) || !own.Equal(identity.Certificates[0].PublicKey) {
			t.Error("the key is not that of the first certificate")
		}
	})
}

func keyPEM(t testing.TB, key *ecdsa.PrivateKey) string {
	t.Helper()
	der, err := x509.MarshalECPrivateKey(key)
	return encode("EC PRIVATE KEY", der, err)
}
