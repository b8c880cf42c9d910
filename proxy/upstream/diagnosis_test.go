package upstream_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"example.com/entra-scim-proxy/lab/pki"
	"example.com/entra-scim-proxy/proxy/upstream"
)

func TestLookup(t *testing.T) {
	transport := newTransport(t, upstream.Options{})
	transport.SetResolver(resolver(t, answering(dnsmessage.RCodeSuccess, "192.0.2.7", "2001:db8::7")))
	for host, want := range map[string][]string{
		"backend.example.com": {"192.0.2.7", "2001:db8::7"},
		"192.0.2.9":           {"192.0.2.9"},
		"::1":                 {"::1"},
		"::ffff:192.0.2.9":    {"192.0.2.9"},
	} {
		addresses, err := transport.Lookup(t.Context(), host)
		var got []string
		for _, address := range addresses {
			got = append(got, address.String())
		}
		slices.Sort(got)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v; want %v", host, got, err, want)
		}
	}
}

func TestExplainLookup(t *testing.T) {
	tests := lookups(t)
	tests["metadata"] = lookup{resolver(t, answering(dnsmessage.RCodeSuccess, "169.254.169.254")), "forbidden_address", "link-local", "DNS record"}
	tests["metadata behind"] = lookup{resolver(t, answering(dnsmessage.RCodeSuccess, "192.0.2.7", "168.63.129.16")), "forbidden_address", "Azure", "DNS record"}
	for what, test := range tests {
		transport := newTransport(t, upstream.Options{})
		transport.SetResolver(test.resolver)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		_, err := transport.Lookup(ctx, "backend-canary.example.com")
		cancel()
		t.Logf("%s: %v", what, err)
		wantFault(t, err, upstream.Connect, test.class, test.cause, test.remedy)
		if fault := upstream.Explain(err); strings.Contains(fault.Cause+fault.Remedy, "canary") {
			t.Errorf("%s: the fault shows the backend's name: %+v", what, fault)
		}
	}
}

// What a test's own functions fail with means what it would mean of the system's.
func TestExplainLookupAndDialGiven(t *testing.T) {
	late := func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	transport := newTransport(t, upstream.Options{
		Timeout: 200 * time.Millisecond,
		Lookup:  func(ctx context.Context, _ string) ([]netip.Addr, error) { return nil, late(ctx) },
		Dial:    func(ctx context.Context, _, _ string) (net.Conn, error) { return nil, late(ctx) },
	})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := transport.Lookup(ctx, "backend.example.com")
	wantFault(t, err, upstream.Connect, "dns_no_answer", "deadline exceeded", "do not answer")
	_, err = transport.Connect(t.Context(), "192.0.2.7:443")
	wantFault(t, err, upstream.Connect, "no_answer", "deadline exceeded", "packets vanish")
	_, err = get(t, transport, "https://backend.example.com")
	wantFault(t, err, upstream.Connect, "no_answer", "deadline exceeded", "packets vanish")

	for class, failure := range map[string]error{"dns": &net.DNSError{Err: "no such host", IsNotFound: true}, "dns_no_answer": errors.New("broken")} {
		transport := newTransport(t, upstream.Options{Lookup: func(context.Context, string) ([]netip.Addr, error) { return nil, failure }})
		_, err := transport.Lookup(t.Context(), "backend.example.com")
		wantFault(t, err, upstream.Connect, class, "", "")
	}
	none := newTransport(t, upstream.Options{Lookup: func(context.Context, string) ([]netip.Addr, error) { return nil, nil }})
	_, err = none.Lookup(t.Context(), "backend.example.com")
	wantFault(t, err, upstream.Connect, "dns", "no such host", "")
	// Nobody is asked for the address of an address.
	if addresses, err := none.Lookup(t.Context(), "192.0.2.9"); err != nil || len(addresses) != 1 {
		t.Errorf("%v, %v", addresses, err)
	}
}

func TestCallsConnectByTheDialGiven(t *testing.T) {
	a := authority(t, "Root")
	server := backend(t, a, pki.Leaf{Names: []string{name}}, nil)
	var asked []string
	transport := newTransport(t, upstream.Options{
		ServerName: name, Roots: trusting(a),
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			asked = append(asked, network+" "+address)
			return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
		},
	})
	if _, err := get(t, transport, "https://backend.example.com:8443/x"); err != nil || !slices.Equal(asked, []string{"tcp backend.example.com:8443"}) {
		t.Errorf("asked for %q, error %v", asked, err)
	}
}

func TestConnect(t *testing.T) {
	server := backend(t, authority(t, "Root"), pki.Leaf{}, nil)
	transport := newTransport(t, upstream.Options{Timeout: time.Second})
	conn, err := transport.Connect(t.Context(), server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	_, err = transport.Connect(t.Context(), "127.0.0.1:"+freePort(t))
	wantFault(t, err, upstream.Connect, "refused", "connection refused", "nothing listens")
	_, err = transport.Connect(t.Context(), "169.254.169.254:80")
	wantFault(t, err, upstream.Connect, "forbidden_address", "link-local", "")
	_, err = transport.Connect(t.Context(), deaf(t))
	wantFault(t, err, upstream.Connect, "no_answer", "timeout", "packets vanish")
}

func TestHandshakeShowsWhatWasPresented(t *testing.T) {
	a, other := authority(t, "Corp Root"), authority(t, "Other Root")
	issuing, err := a.Intermediate("Corp Issuing CA")
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(issuing.PEM())
	server := backend(t, issuing, pki.Leaf{CommonName: "leaf", Names: []string{name}}, func(s *httptest.Server) {
		s.TLS.Certificates[0].Certificate = append(s.TLS.Certificates[0].Certificate, block.Bytes)
		s.TLS.ClientAuth, s.TLS.ClientCAs = tls.RequestClientCert, other.Pool()
	})
	address := server.Listener.Addr().String()
	closed := make(chan struct{})
	transport := newTransport(t, upstream.Options{ServerName: name, Roots: trusting(a), Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		return closing{conn, closed}, err
	}})
	shown, err := transport.Handshake(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-closed:
	default:
		t.Error("the connection was not closed")
	}
	if got, want := subjects(shown.Chain), []string{"leaf", "Corp Issuing CA"}; !slices.Equal(got, want) {
		t.Errorf("presented %q, want %q", got, want)
	}
	if len(shown.Verified) != 1 || !slices.Equal(subjects(shown.Verified[0]), []string{"leaf", "Corp Issuing CA", "Corp Root"}) {
		t.Errorf("verified %v", shown.Verified)
	}
	if shown.Version != tls.VersionTLS13 || shown.CipherSuite == 0 || shown.Protocol != "h2" {
		t.Errorf("version %x, suite %x, protocol %q", shown.Version, shown.CipherSuite, shown.Protocol)
	}
	if !shown.Asked || shown.Authorities != `"CN=Other Root"` || shown.Stranger {
		t.Errorf("asked %v, for %q, stranger %v", shown.Asked, shown.Authorities, shown.Stranger)
	}

	// Not trusted, and shown all the same.
	shown, err = newTransport(t, upstream.Options{ServerName: name, Roots: trusting(other)}).Handshake(t.Context(), address)
	wantFault(t, err, upstream.Handshake, "tls_unknown_authority", "Corp Issuing CA", "BACKEND_CA")
	if got, want := subjects(shown.Chain), []string{"leaf", "Corp Issuing CA"}; !slices.Equal(got, want) || shown.Verified != nil || shown.Version != tls.VersionTLS13 || shown.CipherSuite == 0 {
		t.Errorf("presented %q, want %q; %+v", got, want, shown)
	}

	// A certificate of ours that the backend did not ask for.
	certificate, key, err := a.Issue(pki.Leaf{CommonName: "client", Client: true})
	if err != nil {
		t.Fatal(err)
	}
	identity, err := upstream.ParseIdentity(bytes.Join([][]byte{certificate, key}, nil))
	if err != nil {
		t.Fatal(err)
	}
	transport = newTransport(t, upstream.Options{
		ServerName: name, Roots: trusting(a), Identity: func(context.Context) (*upstream.Identity, error) { return identity, nil },
	})
	if shown, err = transport.Handshake(t.Context(), address); err != nil || !shown.Stranger {
		t.Errorf("stranger %v, error %v", shown.Stranger, err)
	}
}

func subjects(certificates []*x509.Certificate) (names []string) {
	for _, certificate := range certificates {
		names = append(names, certificate.Subject.CommonName)
	}
	return names
}

// closing tells of the end of a connection.
type closing struct {
	net.Conn
	closed chan struct{}
}

func (c closing) Close() error {
	close(c.closed)
	return c.Conn.Close()
}

func TestExplainHandshake(t *testing.T) {
	a := authority(t, "Root")
	plain := httptest.NewServer(nil)
	t.Cleanup(plain.Close)
	transport := newTransport(t, upstream.Options{ServerName: name, Roots: trusting(a), Timeout: time.Second})
	_, err := transport.Handshake(t.Context(), plain.Listener.Addr().String())
	wantFault(t, err, upstream.Handshake, "tls_not_spoken", "", "does not speak TLS")
	silent := peer(t, func(conn net.Conn) { t.Cleanup(func() { _ = conn.Close() }) })
	_, err = transport.Handshake(t.Context(), silent)
	wantFault(t, err, upstream.Handshake, "tls_silence", "", "middlebox")
	_, err = transport.Handshake(t.Context(), "127.0.0.1:"+freePort(t))
	wantFault(t, err, upstream.Connect, "refused", "", "")
	// In TLS 1.2 a demand for a client certificate fails the handshake itself.
	demanding := backend(t, a, pki.Leaf{CommonName: "leaf", Names: []string{name}}, func(s *httptest.Server) {
		s.TLS.MaxVersion, s.TLS.ClientAuth = tls.VersionTLS12, tls.RequireAnyClientCert
	})
	shown, err := transport.Handshake(t.Context(), demanding.Listener.Addr().String())
	wantFault(t, err, upstream.Handshake, "tls_client_certificate", "", "BACKEND_CLIENT_CERT")
	if !shown.Asked || len(shown.Chain) != 1 {
		t.Errorf("%+v", shown)
	}
}
