package check_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"example.com/entra-scim-proxy/lab/backend"
	"example.com/entra-scim-proxy/lab/pki"
	"example.com/entra-scim-proxy/proxy/check"
	"example.com/entra-scim-proxy/proxy/token"
)

// secret returns the world's secret of a setting, to be changed.
func (w *world) secret(t *testing.T, setting string) *check.Secret {
	t.Helper()
	for i := range w.Secrets {
		if w.Secrets[i].Setting == setting {
			return &w.Secrets[i]
		}
	}
	w.Secrets = append(w.Secrets, check.Secret{Setting: setting})
	return &w.Secrets[len(w.Secrets)-1]
}

// wantSaid compares what a step says in a few words, and looks for parts in its
// details.
func wantSaid(t *testing.T, got check.Finding, status check.Status, found string, details ...string) {
	t.Helper()
	if got.Status != status || got.Found != found || status == check.Warn && got.Remedy == "" {
		t.Errorf("%s %q, to do %q; want %s %q", got.Status, got.Found, got.Remedy, status, found)
	}
	text := strings.Join(got.Details, "\n")
	for _, part := range details {
		if !strings.Contains(text, part) {
			t.Errorf("details:\n%s\nwant %q among them", text, part)
		}
	}
}

func certificates(t *testing.T, leaf pki.Leaf) (authority *pki.Authority, certificate, key string) {
	t.Helper()
	authority, err := pki.New("Other Canary Root")
	if err != nil {
		t.Fatal(err)
	}
	certificatePEM, keyPEM, err := authority.Issue(leaf)
	if err != nil {
		t.Fatal(err)
	}
	return authority, string(certificatePEM), string(keyPEM)
}

func TestBundleIsDescribed(t *testing.T) {
	in := func(d time.Duration) time.Time { return time.Now().Add(d + time.Minute) }
	const day = 24 * time.Hour
	_, leaf, _ := certificates(t, pki.Leaf{CommonName: "leaf-canary"})
	_, pin, _ := certificates(t, pki.Leaf{CommonName: "pin-canary", SelfSigned: true, NotAfter: in(12 * day)})
	_, over, _ := certificates(t, pki.Leaf{CommonName: "over-canary", SelfSigned: true, NotAfter: time.Now().Add(-time.Hour)})
	root, _, _ := certificates(t, pki.Leaf{})
	for name, test := range map[string]struct {
		more    string
		status  check.Status
		found   string
		details []string
	}{
		"the root": {"", check.Pass, "from a file, 1 certificate", []string{"source: file", `PEM block 1: "CN=Contoso Private Root", expires `, "sha256:"}},
		"two":      {string(root.PEM()), check.Pass, "from a file, 2 certificates", []string{`PEM block 2: "CN=Other Canary Root", expires `, "(in 89 days)"}},
		"a leaf":   {leaf, check.Warn, "from a file, 2 certificates, 1 with a remark", []string{"PEM block 2 (CN=leaf-canary) is not used"}},
		"expired":  {over, check.Warn, "from a file, 2 certificates, 1 with a remark", []string{`PEM block 2: "CN=over-canary", expired `, "it expired on"}},
		"pinned, and soon over": {pin, check.Warn, "from a file, 2 certificates, one expires in 12 days, 1 with a remark",
			[]string{"pin for the one server", `PEM block 2: "CN=pin-canary", expires `, "(in 12 days)"}},
		"many": {strings.Repeat(string(root.PEM()), 25), check.Pass, "from a file, 26 certificates", []string{"PEM block 20: ", "\nand 6 more"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, backend.Options{})
			secret := w.secret(t, check.BackendCA)
			secret.Source, secret.Read = "file:/run/path-canary", static(string(w.authority.PEM())+test.more)
			report := w.run(t)
			got := finding(t, report, "secret BACKEND_CA")
			wantSaid(t, got, test.status, test.found, test.details...)
			if n := len(got.Details); n > 2+20+1 {
				t.Errorf("%d lines", n)
			}
		})
	}
}

func TestClientCertificateIsDescribed(t *testing.T) {
	const day = 24 * time.Hour
	in := func(d time.Duration) time.Time { return time.Now().Add(d + time.Minute) }
	for name, test := range map[string]struct {
		leaf    pki.Leaf
		status  check.Status
		found   string
		details []string
	}{
		"good": {pki.Leaf{CommonName: "client-canary", Client: true, NotAfter: in(80 * day)}, check.Pass, "from a file, its certificate expires in 80 days",
			[]string{`certificate 1 of 2: subject "CN=client-canary", issuer "CN=Other Canary Root", expires `, "(in 80 days), sha256:", `certificate 2 of 2: subject "CN=Other Canary Root"`}},
		"soon over": {pki.Leaf{Client: true, NotAfter: in(29 * day)}, check.Warn, "from a file, its certificate expires in 29 days", nil},
		"over": {pki.Leaf{Client: true, NotAfter: time.Now().Add(-3*day - time.Minute)}, check.Warn,
			"from a file, its certificate expired 3 days ago, the backend may refuse it", []string{"PEM block 1 () expired on "}},
		"a server's": {pki.Leaf{CommonName: "client-canary", NotAfter: in(80 * day)}, check.Warn,
			"from a file, its certificate expires in 80 days, the backend may refuse it", []string{"not meant for client authentication"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, backend.Options{})
			authority, certificate, key := certificates(t, test.leaf)
			secret := w.secret(t, check.BackendCert)
			secret.Source, secret.Read = "file:/run/path-canary", static(certificate+key+string(authority.PEM()))
			report := w.run(t)
			got := finding(t, report, "secret BACKEND_CLIENT_CERT")
			wantSaid(t, got, test.status, test.found, test.details...)
			if text := fmt.Sprint(got); strings.Contains(text, strings.Split(key, "\n")[1]) {
				t.Errorf("the key is in %s", text)
			}
		})
	}
}

// What is kept where is for who sees the inside, and what it is for nobody.
func TestSecretsTellNothingInPublic(t *testing.T) {
	w := newWorld(t, backend.Options{})
	w.Vault = &check.Vault{
		Who:      "the user-assigned managed identity with client id who-canary",
		Identity: func(context.Context) (string, error) { return "client id whom-canary", nil },
		Reach:    func(context.Context) error { return nil },
	}
	for i := range w.Secrets {
		s := &w.Secrets[i]
		values, err := s.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		values[0] = values[0].WithOrigin(token.Origin{Version: "version-canary", Created: time.Now().Add(-time.Hour)})
		s.Source, s.InVault = "keyvault:name-canary", true
		s.Read = func(context.Context) (token.Credentials, error) { return values, nil }
	}
	report := w.run(t)
	if report.Result != check.Pass {
		t.Errorf("%s", report.Result)
	}
	inside, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"name-canary", "version-canary", "who-canary", "whom-canary", "Contoso Private Root"} {
		if !strings.Contains(string(inside), part) {
			t.Errorf("the details do not name %s", part)
		}
	}
	public, err := json.Marshal(report.Public())
	if err != nil {
		t.Fatal(err)
	}
	if text := string(public); strings.Contains(text, "canary") || strings.Contains(text, "Contoso") {
		t.Errorf("public: %s", text)
	}
	for _, secret := range []string{entraToken, backendToken} {
		if strings.Contains(string(inside), secret) {
			t.Errorf("%s is in the report", secret)
		}
	}
}
