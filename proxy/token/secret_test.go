package token_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"example.com/entra-scim-proxy/proxy/token"
)

const canary = "canary-5up3r-s3cr3t"

// Nor where it is from. A Secret in an unexported field is out of reach of its own Format method, so
// only the pointer inside protects it.
func TestNothingPrintsASecret(t *testing.T) {
	reference, err := token.ParseReference("plain:" + canary)
	if err != nil {
		t.Fatal(err)
	}
	secret := token.NewSecret(canary).WithOrigin(token.Origin{Version: canary})
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

func TestEqual(t *testing.T) {
	a, zero := token.NewSecret("a"), token.Secret{}
	for name, test := range map[string]struct {
		one, other token.Secret
		want       bool
	}{
		"the same": {a, a, true}, "the same value": {a, token.NewSecret("a").WithOrigin(token.Origin{Version: "1", Created: time.Now(), Expires: time.Now()}), true},
		"another value": {a, token.NewSecret("b"), false}, "none": {a, zero, false}, "none to a value": {zero, a, false},
		"none twice": {zero, zero, false},
	} {
		if got := test.one.Equal(test.other); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

func TestCredentialsShowAllIdentities(t *testing.T) {
	a, b := token.NewSecret("a"), token.NewSecret("b")
	for want, credentials := range map[string]token.Credentials{"": nil, a.String(): {a}, a.String() + " " + b.String(): {a, b}} {
		if got := credentials.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestOriginIsKept(t *testing.T) {
	origin := token.Origin{Version: "1", Created: time.Now(), Expires: time.Now().Add(time.Hour), Unlisted: true}
	plain := token.NewSecret("a")
	if dated := plain.WithOrigin(origin); dated.Origin() != origin || dated.Expires() != origin.Expires || dated.Reveal() != "a" || dated.String() != plain.String() {
		t.Errorf("%v from %+v", dated, dated.Origin())
	}
	if plain.Origin() != (token.Origin{}) {
		t.Errorf("the secret it was made of changed: %+v", plain.Origin())
	}
}

// The time between two reads of the secret must not be a time of grace.
func TestExpiredCandidatesMatchNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		candidates := token.Credentials{token.NewSecret("new").WithOrigin(token.Origin{Expires: time.Now().Add(time.Minute)}), token.NewSecret("previous")}
		time.Sleep(time.Minute - time.Nanosecond)
		if match, ok := candidates.Match("new"); !ok || match.Expired() {
			t.Error("a token does not match before it expires")
		}
		time.Sleep(time.Nanosecond)
		if _, ok := candidates.Match("new"); ok || !candidates.Current().Expired() {
			t.Error("a token matches although it has expired")
		}
		if _, ok := candidates.Match("previous"); !ok {
			t.Error("a token without an end does not match")
		}
	})
	if s := (token.Secret{}).WithOrigin(token.Origin{Expires: time.Now()}); !s.Expires().IsZero() || s.Expired() || s.String() != "none" {
		t.Errorf("the zero Secret expires: %v", s)
	}
}

func TestReadCredentialsWantsACurrentValue(t *testing.T) {
	good, bad := token.NewSecret("good"), token.NewSecret("bad\n")
	for name, test := range map[string]struct {
		read token.Credentials
		want string
	}{
		"both":          {token.Credentials{good, token.NewSecret("before")}, "good before"},
		"bad before":    {token.Credentials{good, bad}, "good"},
		"empty before":  {token.Credentials{good, token.NewSecret("")}, "good"},
		"bad current":   {token.Credentials{bad, good}, ""},
		"none":          {nil, ""},
		"empty current": {token.Credentials{token.NewSecret(""), good}, ""},
	} {
		values, err := token.ReadCredentials(values(test.read))(t.Context())
		var got []string
		for _, value := range values {
			got = append(got, value.Reveal())
		}
		if strings.Join(got, " ") != test.want || errors.Is(err, token.ErrUnusable) != (test.want == "") {
			t.Errorf("%s: %q, %v; want %q, or else ErrUnusable", name, got, err, test.want)
		}
	}
}

// values is a source in a test's words.
type values token.Credentials

func (v values) Read(context.Context) (token.Credentials, error) { return token.Credentials(v), nil }

func TestParseReference(t *testing.T) {
	for text, want := range map[string]token.Kind{
		"keyvault:scim-token": token.KeyVault, "keyvault:scim-token/0123456789abcdef0123456789abcdef": token.KeyVault, "env:TOKEN": token.Env, "file:/run/token": token.Path,
		"plain:a:b": token.Plain, "plain: ": token.Plain, "plain:a\x00b": token.Plain,
		"keyvault:" + strings.Repeat("a", 127): token.KeyVault, "keyvault:A/0123456789ABCDEF0123456789ABCDEF": token.KeyVault,
	} {
		reference, err := token.ParseReference(text)
		_, target, _ := strings.Cut(text, ":")
		if err != nil || reference.Kind() != want || reference.Target() != target {
			t.Errorf("ParseReference(%q) = %q %q, %v", text, reference.Kind(), reference.Target(), err)
		}
	}
	for _, text := range []string{
		canary, "", ":", "keyvault", "keyvault:", "env:", "file:", "plain:", "Keyvault:name", " plain:x", "vault:" + canary,
		"keyvault:" + canary + "_", "keyvault:" + canary + "/x/y", "keyvault:name/", "keyvault:/0123456789abcdef0123456789abcdef",
		"keyvault:name/" + canary, "keyvault:name/0123456789abcdef0123456789abcdef/", "keyvault:name/0123456789abcdef0123456789abcdef0", "keyvault:name/0123456789abcdef-123456789abcdef", "keyvault:" + strings.Repeat("a", 128), "file:a\x00b", "env:a\x00b",
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
	for _, seed := range []string{"keyvault:a", "keyvault:a/0123456789abcdef0123456789abcdef", "env:A", "file:/a", "plain:a", "plain:", "x"} {
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
		"-----BEGIN CERTIFICATE-----": false, "-----BEGIN RSA PRIVATE KEY----- MIIE": false,
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
	if err := token.NewSecret("abc\n").Validate(); err == nil || !strings.HasPrefix(err.Error(), "byte 4 of 4 is 0x0a") {
		t.Errorf("%v, want the place that an editor shows", err)
	}
}

// A password may be what no token can, but for what RFC 7617 forbids.
func TestValidatePassword(t *testing.T) {
	for value, ok := range map[string]bool{
		"pässword: 1 ": true, " ": true, "日本": true, "a\u00a0b": true,
		"": false, "a\nb": false, "a\x00": false, "a\x7f": false, "a\u0085": false, "\xff": false,
		"@Microsoft.KeyVault(SecretUri=x)": false, "-----BEGIN PRIVATE KEY-----": false,
	} {
		err := token.NewSecret(value).ValidatePassword()
		if (err == nil) != ok {
			t.Errorf("ValidatePassword(%q) = %v, want ok %v", value, err, ok)
		}
		source := token.Static(token.NewSecret(value))
		if got, err := token.ReadPasswords(source)(t.Context()); (err == nil) != ok || ok && got.Current().Reveal() != value {
			t.Errorf("ReadPasswords of %q: %v", value, err)
		}
	}
	if err := token.NewSecret("ä\n").ValidatePassword(); err == nil || !strings.HasPrefix(err.Error(), "byte 3 of 3 ") {
		t.Errorf("the place of a bad character: %v", err)
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

// Nor must one whose writer says nothing.
func TestFileWaitsForAPipeUntilTheDeadline(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skip("no named pipes here:", err)
	}
	writer, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	// A read without a deadline would end here, and well.
	timer := time.AfterFunc(10*time.Second, func() { _ = writer.Close() })
	defer func() {
		timer.Stop()
		_ = writer.Close()
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond) // real time: the kernel's pipe
	defer cancel()
	if values, err := token.File(path).Read(ctx); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v, %v; want the deadline's error", values, err)
	}
}

func TestFileTellsWhenItWasWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte("value"), 0o600); err != nil {
		t.Fatal(err)
	}
	written := time.Now().Add(-12 * 24 * time.Hour).Truncate(time.Second)
	if err := os.Chtimes(path, time.Now(), written); err != nil {
		t.Fatal(err)
	}
	values, err := token.ReadCredentials(token.File(path))(t.Context())
	if got := values.Current().Origin(); err != nil || !got.Created.Equal(written) || got.Version != "" || !got.Expires.IsZero() {
		t.Errorf("%+v, %v", got, err)
	}
}

// When somebody made a pipe says nothing of what comes out of it.
func TestPipeDoesNotTellWhenItWasWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skip("no named pipes here:", err)
	}
	values, err := token.File(path).Read(t.Context())
	if got := values.Current().Origin(); err != nil || got != (token.Origin{}) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestFileOfTheLargestSize(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bundle")
	if err := os.WriteFile(path, bytes.Repeat([]byte("x"), 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if values, err := token.File(path).Read(t.Context()); err != nil || len(values.Current().Reveal()) != 1<<20 {
		t.Errorf("%d bytes, %v", len(values.Current().Reveal()), err)
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

// dated are two candidates as Key Vault yields them, with an end.
func dated() token.Credentials {
	origin := token.Origin{Version: "1", Created: time.Now(), Expires: time.Now().Add(time.Hour)}
	return token.Credentials{token.NewSecret(strings.Repeat("a", 64)).WithOrigin(origin), token.NewSecret(strings.Repeat("b", 64)).WithOrigin(origin)}
}

func TestMatchAllocatesNothing(t *testing.T) {
	candidates := dated()
	presented := strings.Repeat("b", 64)
	if got := testing.AllocsPerRun(200, func() { candidates.Match(presented) }); got > 0 {
		t.Errorf("%v allocations, ceiling 0", got)
	}
}

// The rival is the hash that a check in constant time cannot do without.
func BenchmarkMatch(b *testing.B) {
	candidates := dated()
	for _, length := range []int{43, 64} {
		presented := strings.Repeat("b", length)
		b.Run(fmt.Sprint(length, " bytes"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				candidates.Match(presented)
			}
		})
		b.Run(fmt.Sprint(length, " bytes, SHA-256 alone"), func(b *testing.B) {
			data := []byte(presented)
			for b.Loop() {
				sha256.Sum256(data)
			}
		})
	}
}
