package main

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap/zapcore"
)

// valueTypes are the types of settings with a text of their own: each parses one,
// and writes what it has read.
var valueTypes = [...]func(text []byte) (string, error){
	func(text []byte) (string, error) {
		var v backendURL
		if err := v.UnmarshalText(text); err != nil {
			return "", err
		}
		return v.String(), nil
	},
	func(text []byte) (string, error) {
		var v secret
		err := v.UnmarshalText(text)
		return string(v.Kind()) + ":" + v.Target(), err
	},
	func(text []byte) (string, error) { var v auth; err := v.UnmarshalText(text); return v.written(), err },
	func(text []byte) (string, error) { var v username; err := v.UnmarshalText(text); return string(v), err },
	func(text []byte) (string, error) {
		var v serverName
		err := v.UnmarshalText(text)
		return string(v), err
	},
	func(text []byte) (string, error) {
		var v timeout
		err := v.UnmarshalText(text)
		return time.Duration(v).String(), err
	},
	func(text []byte) (string, error) {
		var v window
		err := v.UnmarshalText(text)
		return time.Duration(v).String(), err
	},
	func(text []byte) (string, error) { var v vaultURL; err := v.UnmarshalText(text); return string(v), err },
	func(text []byte) (string, error) { var v origin; err := v.UnmarshalText(text); return string(v), err },
	func(text []byte) (string, error) { var v clientID; err := v.UnmarshalText(text); return string(v), err },
	func(text []byte) (string, error) {
		var v scimPath
		err := v.UnmarshalText(text)
		if strings.HasSuffix(string(v), "/") {
			return "", nil // which is refused, and so found
		}
		return "/" + strings.TrimPrefix(string(v), "/"), err
	},
	func(text []byte) (string, error) {
		var v size
		err := v.UnmarshalText(text)
		return strconv.FormatInt(int64(v), 10), err
	},
	func(text []byte) (string, error) {
		var v nameList
		err := v.UnmarshalText(text)
		return strings.Join(v, ","), err
	},
	func(text []byte) (string, error) { var v groups; err := v.UnmarshalText(text); return string(v), err },
	func(text []byte) (string, error) {
		var v logLevel
		err := v.UnmarshalText(text)
		return v.String(), err
	},
	func(text []byte) (string, error) {
		var v boolean
		err := v.UnmarshalText(text)
		return strconv.FormatBool(bool(v)), err
	},
}

// written is the text that reads as the value.
func (a auth) written() string {
	if a.kind == authHeader {
		return a.kind + ":" + a.header
	}
	return a.kind
}

// What is accepted as a value is accepted again as it was read, and means the
// same; what is not is refused in one line, without what may be a secret.
func FuzzSettingValue(f *testing.F) {
	seeds := []string{
		"https://scim.corp.example.com/jira/rest/scim/v2", "http://[::1]:8443/a%20b/", "https://u@h", "https://169.254.169.254/", "keyvault:name/0123456789abcdef0123456789abcdef",
		"env:DEMO_IN", "plain:a:b c", "file:/run/x", "basic", "header:X-Api-Key", "header:Host", "none", "scim-user", "a:b", "192.0.2.1", "2001:db8::1", "50s", "1h30m", "1e3s", "220001ms",
		"https://contoso.vault.azure.net/", "https://contoso.example.com:443", "8adf8e6e-67b2-4cf2-a259-e3dc5476c621", "/", "/scim/", "/Admin/x", "/a/..", "1MiB", "1,000", "1.5 kB",
		"title, name.formatted", "a,,b", "forward", "stub", "warn", "fatal", "true", "TRUE", "", "\x00", "é",
	}
	for kind := range valueTypes {
		for _, seed := range seeds {
			f.Add(byte(kind), seed)
		}
	}
	f.Fuzz(func(t *testing.T, kind byte, text string) {
		read := valueTypes[int(kind)%len(valueTypes)]
		value, err := read([]byte(text))
		if err != nil {
			if said := err.Error(); strings.ContainsAny(said, "\r\n\x1b") {
				t.Errorf("%q: %q is not one line", text, said)
			}
			return
		}
		if again, err := read([]byte(value)); err != nil || again != value {
			t.Errorf("%q is read as %q, and that as %q: %v", text, value, again, err)
		}
	})
}

// What net/http says becomes one line of JSON, without a peer's bytes.
func FuzzScrubbed(f *testing.F) {
	for _, seed := range []string{"http: TLS handshake error from 192.0.2.1:1: EOF\n", `Unsolicited response received on idle HTTP channel starting with "canary"; err=<nil>`, "\n", "\x1b[31m", "\xff", `"`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		var out bytes.Buffer
		if n, err := (scrubbed{newLogger(&out, zapcore.DebugLevel)}).Write(line); n != len(line) || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		var said struct {
			Message string
			Cut     bool
		}
		if err := json.Unmarshal(out.Bytes(), &said); err != nil || bytes.Count(out.Bytes(), []byte("\n")) != 1 {
			t.Fatalf("%q: %v", out.Bytes(), err)
		}
		before, _, quoted := strings.Cut(string(bytes.TrimSpace(line)), `"`)
		if said.Cut != quoted || len([]rune(said.Message)) != len([]rune(before)) || strings.Contains(said.Message, `"`) {
			t.Errorf("%q became %q", line, said.Message)
		}
	})
}
