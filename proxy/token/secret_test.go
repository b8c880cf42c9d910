package token_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"example.com/entra-scim-proxy/proxy/token"
)

const canary = "canary-5up3r-s3cr3t"

// A Secret in an unexported field is out of reach of its own Format method, so
// only the pointer inside protects it.
func TestNothingPrintsASecret(t *testing.T) {
	reference, err := token.ParseReference("plain:" + canary)
	if err != nil {
		t.Fatal(err)
	}
	secret := token.NewSecret(canary)
	type hidden struct {
		secret      token.Secret
		credentials token.Credentials
		static      token.Static
		reference   token.Reference
		pointer     *token.Secret
		source      token.Source
		table       map[string]token.Secret
	}
	values := map[string]any{
		"Secret": secret, "*Secret": &secret, "Credentials": token.Credentials{secret}, "Static": token.Static(secret),
		"Reference": reference, "*Reference": &reference,
		"struct": hidden{
			secret: secret, credentials: token.Credentials{secret}, static: token.Static(secret), reference: reference,
			pointer: &secret, source: token.Static(secret), table: map[string]token.Secret{"k": secret},
		},
	}
	for name, value := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p"} {
			if got := fmt.Sprintf(verb, value); leaks(got) {
				t.Errorf("%s with %s: %s", name, verb, got)
			}
		}
		encoded, err := json.Marshal(value)
		if err != nil {
			t.Errorf("json of %s: %v", name, err)
		}
		if leaks(string(encoded)) {
			t.Errorf("json of %s: %s", name, encoded)
		}
		var out strings.Builder
		encoder := zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig())
		log := zap.New(zapcore.NewCore(encoder, zapcore.AddSync(&out), zap.DebugLevel))
		log.Info("line", zap.Any("value", value), zap.Reflect("reflected", value))
		log.Sugar().Infof("%+v", value)
		slog.New(slog.NewTextHandler(&out, nil)).Info("line", "value", value)
		if leaks(out.String()) {
			t.Errorf("log of %s: %s", name, &out)
		}
	}
	if want := fmt.Sprintf("sha256:%.4x", sha256.Sum256([]byte(canary))); secret.String() != want {
		t.Errorf("identity = %q, want %q", secret, want)
	}
}

func leaks(text string) bool {
	return strings.Contains(text, canary) || strings.Contains(text, fmt.Sprintf("%x", canary)) ||
		strings.Contains(text, fmt.Sprintf("%X", canary))
}

func TestMatch(t *testing.T) {
	candidates := token.Credentials{token.NewSecret("new"), {}, token.NewSecret("previous")}
	for presented, want := range map[string]bool{
		"new": true, "previous": true, "": false, "ne": false, "news": false, "New": false, "none": false,
	} {
		match, ok := candidates.Match(presented)
		if ok != want || (ok && match.Reveal() != presented) {
			t.Errorf("Match(%q) = %v, %v, want %v", presented, match, ok, want)
		}
	}
	for _, none := range []token.Credentials{nil, {token.Secret{}}, {token.NewSecret("")}} {
		if _, ok := none.Match(""); ok {
			t.Errorf("%v matches the empty token", none)
		}
	}
}

func TestParseReference(t *testing.T) {
	for text, want := range map[string]token.Kind{
		"keyvault:scim-token": token.KeyVault, "env:TOKEN": token.Env, "file:/run/token": token.Path,
		"plain:a:b": token.Plain, "plain: ": token.Plain,
	} {
		reference, err := token.ParseReference(text)
		_, target, _ := strings.Cut(text, ":")
		if err != nil || reference.Kind() != want || reference.Target() != target {
			t.Errorf("ParseReference(%q) = %q %q, %v", text, reference.Kind(), reference.Target(), err)
		}
	}
	for _, text := range []string{
		canary, "", ":", "keyvault", "keyvault:", "env:", "file:", "plain:", "Keyvault:name", " plain:x", "vault:" + canary,
		"keyvault:" + canary + "_", "keyvault:" + canary + "/x/y", "keyvault:" + strings.Repeat("a", 128), "file:a\x00b",
	} {
		reference, err := token.ParseReference(text)
		if err == nil {
			t.Errorf("ParseReference(%q) = %v, want an error", text, reference)
		} else if leaks(err.Error()) {
			t.Errorf("the error of %q holds the value: %v", text, err)
		}
	}
}

func FuzzParseReference(f *testing.F) {
	for _, seed := range []string{"keyvault:a", "env:A", "file:/a", "plain:a", "plain:", "x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		reference, err := token.ParseReference(text)
		if err == nil && string(reference.Kind())+":"+reference.Target() != text {
			t.Errorf("%q parsed to %q %q", text, reference.Kind(), reference.Target())
		}
	})
}

func TestValidate(t *testing.T) {
	for value, ok := range map[string]bool{
		"abc.DEF-123_~+/=": true, "with space": true,
		"": false, " leading": false, "trailing ": false, "line\n": false, "carriage\r": false, "tab\t": false, "nul\x00": false,
		"umlaut-ü": false, "del\x7f": false, "@Microsoft.KeyVault(SecretUri=https://example.com/)": false,
	} {
		err := token.NewSecret(value).Validate()
		if (err == nil) != ok {
			t.Errorf("Validate(%q) = %v, want ok %v", value, err, ok)
		}
	}
	if err := (token.Secret{}).Validate(); err == nil {
		t.Error("the zero Secret is valid")
	}
}

func TestFileTrimsOneLineEnding(t *testing.T) {
	for content, want := range map[string]string{
		"token": "token", "token\n": "token", "token\r\n": "token", "token\n\n": "token\n", "token\r": "token\r", "\n": "", "": "",
	} {
		path := filepath.Join(t.TempDir(), "token")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		values, err := token.File(path).Read(t.Context())
		if err != nil || values.Current().Reveal() != want {
			t.Errorf("file %q: %q, %v, want %q", content, values.Current().Reveal(), err, want)
		}
	}
}

// A pipe without a writer must not hold the reader.
func TestFileDoesNotWaitForAPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skip("no named pipes here:", err)
	}
	values, err := token.ReadCredentials(token.File(path))(t.Context())
	if err == nil {
		t.Errorf("%v, want an error", values)
	}
}

func TestFileErrorsDoNotHoldThePath(t *testing.T) {
	large := filepath.Join(t.TempDir(), "internal-name")
	if err := os.WriteFile(large, make([]byte, 1<<20+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{large, filepath.Join(t.TempDir(), "internal-name"), t.TempDir() + "/internal-name/x"} {
		_, err := token.File(path).Read(t.Context())
		if err == nil || strings.Contains(err.Error(), "internal-name") {
			t.Errorf("error = %v, want one without the path", err)
		}
	}
}

func TestMatchAllocatesNothingButItsInput(t *testing.T) {
	candidates := token.Credentials{token.NewSecret(strings.Repeat("a", 64)), token.NewSecret(strings.Repeat("b", 64))}
	presented := strings.Repeat("b", 64)
	if got := testing.AllocsPerRun(200, func() { candidates.Match(presented) }); got > 1 {
		t.Errorf("%v allocations, ceiling 1", got)
	}
}

func BenchmarkMatch(b *testing.B) {
	candidates := token.Credentials{token.NewSecret(strings.Repeat("a", 64)), token.NewSecret(strings.Repeat("b", 64))}
	presented := strings.Repeat("b", 64)
	b.ReportAllocs()
	for b.Loop() {
		candidates.Match(presented)
	}
}
