package attack

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// named changes the names of a certificate.
func named(names ...string) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.DNSNames = names }
}

// tlsPeers are those whom the handler meets at the backend's address. The key
// behind BACKEND_CA is the authority's of each function.
func tlsPeers() []tlsPeer {
	const unknown, wrong, invalid = "tls_unknown_authority", "tls_wrong_name", "tls_certificate"
	leaf := func(id, guards, class string, change func(*x509.Certificate)) tlsPeer {
		return tlsPeer{id: id, guards: guards, class: class, chain: func(a *tlsAuthority) tls.Certificate { return a.leaf(change) }}
	}
	below := func(id, guards, class string, change func(*x509.Certificate)) tlsPeer {
		return tlsPeer{id: id, guards: guards, class: class, chain: func(a *tlsAuthority) tls.Certificate {
			between := a.below(change)
			return between.leaf(nil, between)
		}}
	}
	hour := time.Now().Add(-time.Hour)
	return append([]tlsPeer{
		leaf("right", "CIS NGINX 4.1.9", "", nil),
		leaf("expired", "RFC 5280 4.1.2.5", "tls_expired", func(c *x509.Certificate) { c.NotBefore, c.NotAfter = hour.Add(-time.Hour), hour }),
		leaf("not-yet-valid", "RFC 5280 4.1.2.5", "tls_not_yet_valid", func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour) }),
		leaf("other-name", "CIS NGINX 4.1.10, RFC 9525", wrong, named("elsewhere.example.com")),
		leaf("name-in-cn-only", "RFC 9525 2", "tls_name_only_in_cn", func(c *x509.Certificate) { c.DNSNames, c.Subject.CommonName = nil, insideName }),
		leaf("wildcard-over-two-labels", "RFC 9525 6.3", wrong, named("*.example.com")),
		leaf("wildcard-alone", "RFC 9525 6.3", wrong, named("*")),
		leaf("wildcard-in-label", "RFC 9525 6.3", wrong, named("s*.corp.example.com", "*m.corp.example.com")),
		leaf("wildcard-inside", "RFC 9525 6.3", wrong, named("scim.*.example.com", "*.*.example.com")),
		leaf("wildcard-of-one-label", "RFC 9525 6.3", "", named("*.corp.example.com")),
		leaf("name-with-nul", "CVE-2009-2408", wrong, named(insideName+"\x00.example.net")),
		leaf("name-as-prefix", "RFC 9525 6.3", wrong, named(insideName+".example.net", "x"+insideName)),
		leaf("names-by-the-thousand", "CVE-2025-61729", wrong, func(c *x509.Certificate) {
			for i := range 4000 {
				c.DNSNames = append(c.DNSNames, fmt.Sprintf("n%d.example.com", i))
			}
			c.DNSNames = c.DNSNames[1:]
		}),
		leaf("address-instead-of-name", "RFC 9525 6.4", wrong, func(c *x509.Certificate) {
			c.DNSNames, c.IPAddresses = nil, []net.IP{net.IPv4(127, 0, 0, 1)}
		}),
		leaf("for-clients-only", "RFC 5280 4.2.1.12", invalid, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }),
		leaf("unknown-critical-extension", "RFC 5280 4.2", invalid, func(c *x509.Certificate) {
			c.ExtraExtensions = append(c.ExtraExtensions, criticalExtension())
		}),
		below("by-an-intermediate", "RFC 5280 6", "", nil),
		below("name-not-permitted", "RFC 5280 4.2.1.10, CVE-2025-61727", invalid, func(c *x509.Certificate) {
			c.PermittedDNSDomainsCritical, c.PermittedDNSDomains = true, []string{"other.example.com"}
		}),
		below("name-excluded", "RFC 5280 4.2.1.10, CVE-2026-33810", invalid, func(c *x509.Certificate) {
			c.PermittedDNSDomainsCritical, c.ExcludedDNSDomains = true, []string{"CORP.example.com"}
		}),
		below("intermediate-expired", "RFC 5280 6.1.3", "tls_expired", func(c *x509.Certificate) { c.NotBefore, c.NotAfter = hour.Add(-time.Hour), hour }),
		below("intermediate-that-may-not-sign", "RFC 5280 4.2.1.9", unknown, func(c *x509.Certificate) { c.IsCA, c.KeyUsage = false, x509.KeyUsageDigitalSignature }),
		below("intermediate-for-clients", "RFC 5280 4.2.1.12", invalid, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }),
	}, tlsChains()...)
}

// tlsChains are those with a chain or a handshake of their own.
func tlsChains() []tlsPeer {
	const unknown = "tls_unknown_authority"
	right := func(a *tlsAuthority) tls.Certificate { return a.leaf(nil) }
	return []tlsPeer{
		{id: "by-another-authority-of-the-same-name", guards: "CIS NGINX 4.1.9", class: unknown, chain: func(a *tlsAuthority) tls.Certificate {
			other := newTLSAuthority(a.t)
			return other.leaf(nil, other)
		}},
		{id: "self-signed", guards: "CIS NGINX 4.1.9", class: unknown, chain: func(a *tlsAuthority) tls.Certificate {
			own := &tlsAuthority{t: a.t, cert: leafTemplate(), key: newTLSKey(a.t)}
			return tls.Certificate{PrivateKey: own.key, Certificate: [][]byte{own.sign(leafTemplate(), own.key).Raw}}
		}},
		{id: "intermediate-missing", guards: "RFC 8446 4.4.2", class: unknown, chain: func(a *tlsAuthority) tls.Certificate { return a.below(nil).leaf(nil) }},
		{id: "chain-of-100", guards: "CVE-2026-32280, CVE-2026-32281", class: "tls_certificate", chain: func(a *tlsAuthority) tls.Certificate {
			other := newTLSAuthority(a.t)
			shown := []*tlsAuthority{other}
			for range 99 {
				shown = append(shown, shown[len(shown)-1].below(nil))
			}
			return shown[99].leaf(nil, shown...)
		}},
		{id: "path-longer-than-allowed", guards: "RFC 5280 4.2.1.9", class: "tls_certificate", chain: func(a *tlsAuthority) tls.Certificate {
			first := a.below(func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = 0, true })
			second := first.below(nil)
			return second.leaf(nil, second, first)
		}},
		{id: "huge-certificate", guards: "RFC 8446 4.4.2, CVE-2025-61729", class: "tls_failed", chain: func(a *tlsAuthority) tls.Certificate {
			return a.leaf(func(c *x509.Certificate) { c.Subject.Organization = []string{strings.Repeat("a", 1<<19)} })
		}},
		{id: "sha-1", guards: "RFC 9155", class: unknown, chain: func(a *tlsAuthority) tls.Certificate {
			return a.leaf(func(c *x509.Certificate) { c.SignatureAlgorithm = x509.ECDSAWithSHA1 })
		}},
		{id: "tls-1.0", guards: "RFC 8996", class: "tls_no_common_version", chain: right, configure: func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS10 }},
		{id: "tls-1.1", guards: "RFC 8996", class: "tls_no_common_version", chain: right, configure: func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }},
		{id: "tls-1.2", guards: "CIS Azure 9.4", chain: right, configure: func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }},
		{id: "no-protocol-chosen", guards: "RFC 7301 3.2", chain: right, configure: func(c *tls.Config) { c.NextProtos = nil }},
		{id: "only-another-protocol", guards: "RFC 7301 3.2", class: "tls_failed", chain: right, configure: func(c *tls.Config) { c.NextProtos = []string{"h3"} }},
		{id: "protocol-not-offered", guards: "RFC 7301 3.2", class: "tls_failed", chain: right, configure: func(c *tls.Config) { c.NextProtos, c.MaxVersion = []string{"h2"}, tls.VersionTLS12 }},
		{id: "http2-and-not-spoken", guards: "RFC 9113 3.4", class: "bad_answer", chain: right, configure: func(c *tls.Config) { c.NextProtos = []string{"h2"} }},
	}
}

// tlsPlaces are where the handshakes fail.
var tlsPlaces = []answerPlace{{"direct-tls", false, nil}, {"host-tls", true, nil}}

// Who is not the backend gets no call, and Entra learns one sentence.
func tlsAttack(t *testing.T, app string) {
	t.Parallel()
	for _, place := range tlsPlaces {
		t.Run(place.name, func(t *testing.T) {
			t.Parallel()
			authority, backend := newTLSAuthority(t), newTLSBackend(t)
			w := startAnswerWorld(t, app, place, authority.PEM(), backend.Addr().String())
			backend.token.Store("backend-token-of-" + place.name)
			w.unhandled = w.unhandled[:len(w.unhandled)-2] // names of certificates are for the operator
			for _, peer := range tlsPeers() {
				config := &tls.Config{Certificates: []tls.Certificate{peer.chain(authority)}, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS10}
				if peer.configure != nil {
					peer.configure(config)
				}
				backend.config.Store(config)
				backend.twisted.Store(peer.id == "protocol-not-offered")
				w.meet(t, backend, peer)
			}
			if n := backend.resumed.Load(); n > 0 {
				t.Errorf("%s: let through: %d sessions were resumed, past the check of the certificate (CVE-2025-68121)", w.name, n)
			}
			w.judgeLog(t)
		})
	}
}

// meet sends a call to the peer.
func (w *answerWorld) meet(t *testing.T, backend *tlsBackend, peer tlsPeer) {
	t.Helper()
	conn := w.dial(t)
	defer conn.Close()
	w.send(t, conn, http.MethodGet, peer.id, "", "Connection: close\r\n")
	got := receiveReply(bufio.NewReader(conn), http.MethodGet)
	body, _ := goodAnswer(peer.id)
	want := passed(http.StatusOK, body)
	if peer.class != "" {
		want = failed(peer.class)
	}
	found := w.breaches(got, want)
	calls, strange := backend.take(peer.id)
	if (calls > 0) != (peer.class == "") {
		found = append(found, fmt.Sprintf("the call arrived %d times", calls))
	}
	for _, breach := range append(found, strange...) {
		t.Errorf("%s, %s (%s): let through: %s", w.name, peer.id, peer.guards, breach)
	}
	if peer.class != "" && len(found) == 0 {
		w.wantLine(t, peer.id, idOf(got), peer.class)
	}
}
