package upstream

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"unicode"

	"example.com/entra-scim-proxy/lab/pki"
)

// maxCause is more than any cause needs, in bytes, and less than what cuts a log
// line off.
const maxCause = 8 << 10

// whole reports what keeps a text from being one short line of the log.
func whole(text string) string {
	if len(text) > maxCause {
		return fmt.Sprintf("%d bytes", len(text))
	}
	if at := strings.IndexFunc(text, func(r rune) bool { return unicode.IsControl(r) || r == unicode.ReplacementChar }); at >= 0 {
		return fmt.Sprintf("a control character at byte %d", at)
	}
	return ""
}

// Whatever certificate a backend presents, what is said of it is one line, and
// not a long one.
func FuzzExplainCertificate(f *testing.F) {
	authority, err := pki.New("Contoso Private Root")
	if err != nil {
		f.Fatal(err)
	}
	var many []string
	for i := range 300 {
		many = append(many, fmt.Sprintf("h%d.example.com", i))
	}
	for _, leaf := range []pki.Leaf{
		{Names: []string{"scim.corp.example.com"}}, {CommonName: "scim.corp.example.com"}, {Names: many}, {CommonName: "a\n\x1b[31m\"", SelfSigned: true},
		{CommonName: strings.Repeat("a", 20_000)}, {Names: []string{"192.0.2.1", "*.example.com"}},
	} {
		certificate, err := authority.Certificate(leaf)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(certificate.Certificate[0])
	}
	block, _ := pem.Decode(authority.PEM())
	f.Add(block.Bytes)
	f.Fuzz(func(t *testing.T, der []byte) {
		leaf, err := x509.ParseCertificate(der)
		if err != nil {
			return
		}
		classes := map[string]bool{}
		for _, why := range []error{
			x509.UnknownAuthorityError{Cert: leaf}, x509.HostnameError{Certificate: leaf, Host: "scim.corp.example.com"},
			x509.CertificateInvalidError{Cert: leaf, Reason: x509.Expired}, x509.CertificateInvalidError{Cert: leaf, Reason: x509.IncompatibleUsage}, errors.New(`"peer"`),
		} {
			failed := &tls.CertificateVerificationError{UnverifiedCertificates: []*x509.Certificate{leaf}, Err: why}
			fault := Explain(&handshakeError{err: failed, name: "scim.corp.example.com"})
			if bad := whole(fault.Cause); bad != "" || fault.Stage != Handshake || fault.Remedy == "" {
				t.Errorf("%T: %s: %+.300v", why, bad, fault)
			}
			classes[fault.Class] = true
		}
		if len(classes) != 4 {
			t.Errorf("not told apart: %v", classes)
		}
	})
}

// The names of authorities that a backend asks for are quoted, few and short.
func FuzzAuthorityName(f *testing.F) {
	for _, name := range []string{"CN=Contoso Root", "a\n", strings.Repeat("é", 300)} {
		der, err := asn1.Marshal(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(der, 1)
	}
	authority, err := pki.New("Contoso \"Root\"\n")
	if err != nil {
		f.Fatal(err)
	}
	block, _ := pem.Decode(authority.PEM())
	root, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(root.RawSubject, 7)
	f.Fuzz(func(t *testing.T, der []byte, times int) {
		times = min(max(times, 0), 1000)
		names := authorityNames(slicesOf(der, times))
		if bad := whole(strings.ReplaceAll(names, "\ufffd", "")); bad != "" || strings.Count(names, `", `) > maxAuthorities {
			t.Errorf("%s: %q", bad, names)
		}
		if (names == "") != (times == 0) || strings.Contains(names, "more") != (times > maxAuthorities) && !strings.Contains(string(der), "more") {
			t.Errorf("%d names: %q", times, names)
		}
	})
}

func slicesOf(der []byte, times int) (all [][]byte) {
	for range times {
		all = append(all, der)
	}
	return all
}

// The cause of a failure holds no address, no server's name, and nothing that
// somebody quotes of a peer.
func FuzzCause(f *testing.F) {
	for _, seed := range []string{"EOF", `malformed HTTP response "canary"`, "no such host", "read udp 10.0.0.1:1->10.0.0.2:53: i/o timeout", "server misbehaving", `"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		address := &net.TCPAddr{IP: net.IPv4(10, 1, 2, 3), Port: 4711}
		for _, err := range []error{
			errors.New(text), &net.OpError{Op: "read", Net: "tcp", Source: address, Addr: address, Err: errors.New(text)},
			&net.OpError{Op: "dial", Net: "tcp", Addr: address, Err: &net.DNSError{Err: "lookup: " + text, Name: "scim.corp.example.com", Server: "10.1.2.3:53"}},
			fmt.Errorf("call: %w", &net.AddrError{Err: text, Addr: "10.1.2.3"}),
		} {
			said := cause(err)
			for _, inside := range []string{"10.1.2.3", "4711", "scim.corp.example.com"} {
				if strings.Contains(said, inside) && !strings.Contains(text, inside) {
					t.Errorf("%#v: %q", err, said)
				}
			}
			if _, quoted, ok := strings.Cut(text, `"`); ok && len(quoted) > 3 && !strings.Contains(text[:strings.Index(text, `"`)], quoted) && strings.HasSuffix(said, quoted) && !asAddress(err) {
				t.Errorf("%q tells what is quoted: %q", text, said)
			}
		}
	})
}

// asAddress reports whether the text is that of package net, which quotes nobody.
func asAddress(err error) bool {
	_, ok := errors.AsType[*net.AddrError](err)
	_, dns := errors.AsType[*net.DNSError](err)
	return ok || dns
}

// An address is as forbidden as every other way to write it.
func FuzzForbidden(f *testing.F) {
	for _, seed := range []string{"169.254.169.254", "168.63.129.16", "fe80::1%eth0", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::", "::a9fe:a9fe", "127.0.0.1", "10.0.0.1", "fd00:ec2::254", "::"} {
		address := netip.MustParseAddr(seed)
		f.Add(address.AsSlice())
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		address, ok := netip.AddrFromSlice(raw)
		if !ok {
			return
		}
		why := Forbidden(address)
		if address.IsLinkLocalUnicast() && why == "" {
			t.Errorf("%v is allowed", address)
		}
		forms := []netip.Addr{address.WithZone("eth0"), address.Unmap()}
		if plain := address.Unmap(); plain.Is4() {
			b := plain.As4()
			forms = append(forms, netip.AddrFrom16(plain.As16()),
				netip.AddrFrom16([16]byte{0, 0x64, 0xff, 0x9b, 12: b[0], 13: b[1], 14: b[2], 15: b[3]}), netip.AddrFrom16([16]byte{0x20, 0x02, b[0], b[1], b[2], b[3], 6: 1}))
		}
		for _, form := range forms {
			if got := Forbidden(form); got != why {
				t.Errorf("%v: %q, and %v: %q", address, why, form, got)
			}
		}
	})
}
