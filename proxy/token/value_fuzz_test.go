package token_test

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/entra-scim-proxy/proxy/token"
)

// What can be a token goes through a header and matches itself alone; what can
// be a password goes through HTTP Basic; and no error tells the value.
func FuzzSecretValue(f *testing.F) {
	for _, seed := range []string{"", "a", " a", "a\n", "é", "@Microsoft.KeyVault(x)", "-----BEGIN ", "a\x00b", "\xff", "a\tb", strings.Repeat("a", 200)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		secret := token.NewSecret(value)
		validation, password := secret.Validate(), secret.ValidatePassword()
		for _, err := range []error{validation, password} {
			if err != nil && len(value) > 3 && len(err.Error()) > len(value) && strings.Contains(err.Error(), value) && !strings.Contains(wording, value) {
				t.Errorf("the error tells the value: %v", err)
			}
		}
		if validation == nil {
			var wire bytes.Buffer
			if err := (http.Header{"A": {value}}).Write(&wire); err != nil || wire.String() != "A: "+value+"\r\n" {
				t.Errorf("%q becomes %q: %v", value, wire.String(), err)
			}
		}
		if password == nil {
			request := &http.Request{Header: http.Header{}}
			request.SetBasicAuth("user", value)
			if _, got, ok := request.BasicAuth(); !ok || got != value {
				t.Errorf("%q becomes %q", value, got)
			}
		}
		credentials := token.Credentials{token.NewSecret(value + "x"), secret}
		if match, ok := credentials.Match(value); ok != (value != "") || ok && !match.Equal(secret) {
			t.Errorf("%q matches %v", value, ok)
		}
		if _, ok := credentials.Match(value + "y"); ok {
			t.Errorf("%qy matches", value)
		}
	})
}

// wording is what errors about values may say.
const wording = "the value is empty, begins or ends with a space; is a Key Vault reference that Azure did not resolve; use keyvault:NAME instead; " +
	"is a certificate or key in PEM, where a token password belongs; is not UTF-8; byte of is 0x, which a header cannot carry; begins a control character, which HTTP Basic cannot carry"

// A file's content is the value, but for one line ending.
func FuzzFile(f *testing.F) {
	for _, seed := range []string{"", "a", "a\n", "a\r\n", "a\n\n", "\n", "\r\n", "a\r", "\xff\x00"} {
		f.Add([]byte(seed))
	}
	path := filepath.Join(f.TempDir(), "secret")
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := token.File(path).Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		value := got.Current().Reveal()
		rest, ok := strings.CutPrefix(string(content), value)
		if !ok || rest != "" && rest != "\n" && rest != "\r\n" || rest == "" && strings.HasSuffix(value, "\n") || rest == "\n" && strings.HasSuffix(value, "\r") {
			t.Errorf("%q is read as %q", content, value)
		}
	})
}
