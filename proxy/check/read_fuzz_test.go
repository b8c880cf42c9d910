package check

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode"

	"example.com/entra-scim-proxy/lab/pki"
	"example.com/entra-scim-proxy/proxy/token"
	"example.com/entra-scim-proxy/proxy/upstream"
)

// An object is read as package json reads it; and what is read of a list that
// breaks off is the beginning of what is read of the whole.
func FuzzReadMessage(f *testing.F) {
	for _, seed := range []string{
		`{"id":1,"ID":"x"}`, `{}`, "\ufeff{}", `{} {}`, `null`, `[]`, `{"a":`, `{"Resources":[{"id":"1"},{"id":"2"},null,3]}`, `{"x":{"resources":[{}]},"resources":[{"a":[{}]}],"b":1}`, `{"Resources":{"id":"1"}}`,
	} {
		f.Add([]byte(seed), len(seed)/2)
	}
	f.Fuzz(func(t *testing.T, body []byte, at int) {
		m, ok := readMessage(body)
		var second map[string]json.RawMessage
		err := json.Unmarshal(bytes.TrimPrefix(body, []byte("\ufeff")), &second)
		if ok != (err == nil && second != nil) || ok && len(second) != len(m) {
			t.Errorf("%q: %v, %v; and package json says %v, %v", body, m, ok, second, err)
		}
		for name := range m {
			if got, known := m.find(name); !known || fmt.Sprint(got) != fmt.Sprint(m[name]) {
				t.Errorf("%q of %q is %v", name, body, got)
			}
			if _, known := m.find(strings.ToUpper(name)); !known && strings.EqualFold(name, strings.ToUpper(name)) {
				t.Errorf("%q of %q is not found in capitals", name, body)
			}
		}
		all := readResources(body)
		if array, isArray := m.get("Resources").([]any); ok && isArray && len(m) == 1 && len(all) > len(array) {
			t.Errorf("%d resources of %d in %q", len(all), len(array), body)
		}
		at = min(max(at, 0), len(body))
		part := readResources(body[:at])
		if len(part) > len(all) {
			t.Fatalf("%d resources in %q, and %d in its beginning", len(all), body, len(part))
		}
		for i := range part {
			if fmt.Sprint(part[i]) != fmt.Sprint(all[i]) {
				t.Errorf("%q: resource %d is %v, and %v in its beginning", body, i, all[i], part[i])
			}
		}
	})
}

// shellWords splits a line as a POSIX shell does (section 2.2 of its language), as
// far as it knows it; ok is false if a character would do anything else than
// stand for itself or make a pipe.
func shellWords(line string) (words []string, ok bool) {
	word, inWord, rest := "", false, line
	for rest != "" {
		c := rest[0]
		rest = rest[1:]
		switch {
		case c == '\'':
			quoted, after, closed := strings.Cut(rest, "'")
			if !closed {
				return nil, false
			}
			word, inWord, rest = word+quoted, true, after
		case c == '\\' && strings.HasPrefix(rest, "'"):
			word, inWord, rest = word+"'", true, rest[1:]
		case c == ' ':
			if inWord {
				words = append(words, word)
			}
			word, inWord = "", false
		case c == '|' && !inWord:
			word, inWord = "|", true
		case strings.IndexByte("|&;<>()$`\\\"*?[#~=%!{}\t\n", c) >= 0 && !(c == '%' || c == '='):
			return nil, false
		default:
			word, inWord = word+string(c), true
		}
	}
	if inWord {
		words = append(words, word)
	}
	return words, true
}

// What an operator is told to paste into a shell runs one command on one word,
// whatever a stranger's certificate says.
func FuzzCommands(f *testing.F) {
	for _, seed := range []string{"http://pki.example.com/root.crt", "http://a/$(id)", "http://a/'b", "http://a/;id", "ldap://a", "http://a/b c", "http://a/{1,2}", "https://a/`id`.p7c", "-o/etc/x", "", "a\nb"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.ContainsFunc(text, func(r rune) bool { return r == 0 || r == unicode.ReplacementChar }) {
			return // no argument of a command
		}
		words, ok := shellWords("openssl " + shellQuoted(text) + " x")
		if !ok || text != "" && (len(words) != 3 || words[1] != text) {
			t.Errorf("%q is quoted as %s: %q, %v", text, shellQuoted(text), words, ok)
		}
		line := fetching(text)
		if line == "" {
			return
		}
		words, ok = shellWords(line)
		if !ok || len(words) < 6 || words[0] != "curl" || words[1] != "-fsS" || !strings.HasPrefix(words[2], "http") || words[3] != "|" || words[4] != "openssl" {
			t.Errorf("%q makes %q: %q", text, line, words)
		}
	})
}

// What is printed of a result has no control characters, and as many lines as it
// has parts.
func FuzzPrinter(f *testing.F) {
	for _, seed := range []string{"", "a", "\x1b[2J", "a\nb", "\u202e", "\xff", "%d"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var out strings.Builder
		Printer{Out: &out}.See(Result{Step: text, Finding: Finding{Status: Fail, Found: text, Class: text, Cause: "c" + text, Remedy: "r" + text, Details: []string{text, text}}})
		if strings.Count(out.String(), "\n") != 5 || strings.ContainsFunc(strings.ReplaceAll(out.String(), "\n", ""), func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q prints %q", text, out.String())
		}
	})
}

// What is said of a chain is bounded and printable, and following it ends, whoever
// signed whom.
func FuzzChain(f *testing.F) {
	authority, err := pki.New("Contoso Private Root")
	if err != nil {
		f.Fatal(err)
	}
	root, _ := pem.Decode(authority.PEM())
	for _, leaf := range []pki.Leaf{{Names: []string{"scim.corp.example.com"}}, {CommonName: "a\n\x1b[31m", SelfSigned: true}, {CommonName: strings.Repeat("a", 9000)}} {
		certificate, err := authority.Certificate(leaf)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(certificate.Certificate[0], root.Bytes)
		f.Add(root.Bytes, certificate.Certificate[0])
		f.Add(certificate.Certificate[0], certificate.Certificate[0])
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		one, err := x509.ParseCertificate(first)
		if err != nil {
			return
		}
		presented := []*x509.Certificate{one}
		if two, err := x509.ParseCertificate(second); err == nil {
			presented = append(presented, two, one)
		}
		for _, roots := range []*upstream.Roots{nil, {Certificates: presented[len(presented)-1:], Pool: x509.NewCertPool()}} {
			c := newChain(upstream.Presented{Chain: presented}, roots)
			var finding Finding
			c.explain(&finding, x509.UnknownAuthorityError{Cert: one}, "backend.example.com:443", "scim.corp.example.com")
			for _, line := range append(c.lines(), append(finding.Details, finding.Cause, finding.Remedy)...) {
				if len(line) > 4<<10 || strings.ContainsFunc(line, unicode.IsControl) {
					t.Errorf("%d bytes: %.300q", len(line), line)
				}
			}
			if path := c.path(); len(path) > len(presented) || finding.Cause == "" {
				t.Errorf("the path is %v, the cause %q", path, finding.Cause)
			}
		}
	})
}

// Where a redirect leads is told without query and secrets, in one short line.
func FuzzLeads(f *testing.F) {
	for _, seed := range []string{"https://login.example.com/a?session=canary", "/x?canary", "https://a/scim-secret-canary", "//h\x1b", "https://a/%73cim-secret-canary", "https://user:pw@h/"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, location string) {
		const value = "scim-secret-canary"
		c := &check{values: map[string]token.Credentials{Outbound: {token.NewSecret(value)}}}
		for _, line := range c.leads(answer{header: http.Header{"Location": {location}}}) {
			if strings.Contains(strings.ToLower(line), value) || strings.Contains(line, "?") {
				t.Errorf("%q: %q", location, line)
			}
			if target, err := url.Parse(location); err == nil && target.User != nil && strings.Contains(line, target.User.String()+"@"+target.Host) {
				t.Errorf("%q: %q names a user", location, line)
			}
			if len([]rune(line)) > 300 || strings.ContainsFunc(line, unicode.IsControl) {
				t.Errorf("%q: %q is not one short line", location, line)
			}
		}
	})
}
