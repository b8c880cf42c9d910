package upstream_test

import (
	"encoding/base64"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"example.com/entra-scim-proxy/lab/pki"
	"example.com/entra-scim-proxy/proxy/upstream"
)

func authority(t testing.TB, name string) *pki.Authority {
	t.Helper()
	a, err := pki.New(name)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func leafPEM(t testing.TB, a *pki.Authority, leaf pki.Leaf) string {
	t.Helper()
	certPEM, _, err := a.Issue(leaf)
	if err != nil {
		t.Fatal(err)
	}
	return string(certPEM)
}

func TestParseBundle(t *testing.T) {
	first, second := authority(t, "First Root"), authority(t, "Second Root")
	expired, err := pki.NewExpired("Old Root")
	if err != nil {
		t.Fatal(err)
	}
	one, two, old := string(first.PEM()), string(second.PEM()), string(expired.PEM())
	pin := leafPEM(t, first, pki.Leaf{CommonName: "pinned", SelfSigned: true})
	issued := leafPEM(t, first, pki.Leaf{CommonName: "issued"})
	broken := strings.Replace(two, "\nMII", "\n!!!", 1)
	garbage := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("not DER")}))
	key := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("key-canary")}))

	tests := map[string]struct {
		bundle   string
		warnings []string // a part of each
		fails    string   // a part of the error
	}{
		"one":                    {bundle: one},
		"two with comments":      {bundle: "# First\n" + one + "\nsubject=Second\n" + two + "trailing text"},
		"CRLF":                   {bundle: strings.ReplaceAll(one+two, "\n", "\r\n")},
		"base64":                 {bundle: base64.StdEncoding.EncodeToString([]byte(one + two))},
		"base64 in lines":        {bundle: wrap(base64.StdEncoding.EncodeToString([]byte(one)))},
		"expired beside good":    {bundle: old + one, warnings: []string{"PEM block 1 (CN=Old Root) is not used: it expired on "}},
		"pin":                    {bundle: pin, warnings: []string{"PEM block 1 (CN=pinned) is no authority; it is trusted as a pin"}},
		"server's beside issuer": {bundle: issued + one, warnings: []string{"PEM block 1 (CN=issued) is not used: it is a server's certificate"}},
		"only expired":           {bundle: old, fails: "nothing left to trust: PEM block 1 (CN=Old Root) is not used: it expired"},
		"only a server's":        {bundle: issued, fails: "put in its issuer (CN=First Root)"},
		"broken second":          {bundle: one + broken + one, fails: "PEM block 2: not readable as PEM"},
		"cut off":                {bundle: one + two[:len(two)/2], fails: "PEM block 2: not readable as PEM"},
		"four dashes":            {bundle: one + two[1:], fails: "the text after PEM block 1 looks like another block"},
		"first begin line lost":  {bundle: two[len("-----BEGIN CERTIFICATE-----\n"):] + one, fails: "the text before PEM block 1 looks like another block"},
		"second one lost":        {bundle: one + two[len("-----BEGIN CERTIFICATE-----\n"):], fails: "the text after PEM block 1 looks like another block"},
		"begin in lower case":    {bundle: one + strings.Replace(two, "BEGIN", "Begin", 1), fails: "the text after PEM block 1 looks like another block"},
		"no-break space":         {bundle: one + strings.Replace(two, "BEGIN ", "BEGIN\u00a0", 1), fails: "the text after PEM block 1 looks like another block"},
		"line breaks lost":       {bundle: strings.ReplaceAll(one, "\n", " "), fails: "PEM block 1: not readable as PEM"},
		"no certificate inside":  {bundle: one + garbage, fails: "PEM block 2: not a certificate"},
		"a key":                  {bundle: one + key, fails: `PEM block 2: found "PRIVATE KEY", expected "CERTIFICATE"`},
		"empty":                  {bundle: "", fails: "no PEM block"},
		"text":                   {bundle: "canary", fails: "no PEM block"},
		"base64 of text":         {bundle: base64.StdEncoding.EncodeToString([]byte("canary")), fails: "no PEM block"},
	}
	for name, test := range tests {
		roots, err := upstream.ParseBundle([]byte(test.bundle))
		if test.fails != "" {
			if err == nil || !strings.Contains(err.Error(), test.fails) || strings.Contains(err.Error(), "canary") {
				t.Errorf("%s: error %v, want one with %q", name, err, test.fails)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(roots.Warnings) != len(test.warnings) {
			t.Errorf("%s: warnings %q, want %q", name, roots.Warnings, test.warnings)
			continue
		}
		for i, want := range test.warnings {
			if !strings.Contains(roots.Warnings[i], want) {
				t.Errorf("%s: warning %q, want %q", name, roots.Warnings[i], want)
			}
		}
	}
}

func wrap(text string) string {
	var lines []string
	for len(text) > 64 {
		lines, text = append(lines, text[:64]), text[64:]
	}
	return strings.Join(append(lines, text), "\n") + "\n"
}

func FuzzParseBundle(f *testing.F) {
	a := authority(f, "Root")
	f.Add(a.PEM())
	f.Add([]byte(base64.StdEncoding.EncodeToString(a.PEM())))
	f.Add([]byte(leafPEM(f, a, pki.Leaf{CommonName: "x", SelfSigned: true, NotAfter: time.Now().Add(-time.Hour)})))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, bundle []byte) {
		roots, err := upstream.ParseBundle(bundle)
		if err == nil && roots.Pool == nil {
			t.Error("no error and nothing to trust: the system's roots would apply")
		}
	})
}
