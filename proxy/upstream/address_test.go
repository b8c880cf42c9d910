package upstream_test

import (
	"fmt"
	"net"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"example.com/entra-scim-proxy/proxy/upstream"
)

func TestForbidden(t *testing.T) {
	for address, want := range map[string]string{ // a part of the reason; "": none
		"169.254.169.254": "link-local", "169.254.0.1": "link-local", "169.254.170.2": "link-local", "224.0.0.1": "link-local",
		"fe80::1": "link-local", "fe80::1%eth0": "link-local", "febf::1": "link-local", "ff02::1": "link-local", "ff02::1%1": "link-local",
		"::ffff:169.254.169.254": "link-local", "::ffff:a9fe:a9fe%eth0": "link-local", "::169.254.169.254": "link-local",
		"64:ff9b::169.254.169.254": "link-local", "2002:a9fe:a9fe::1": "link-local",
		"168.63.129.16": "Azure", "::ffff:168.63.129.16": "Azure", "64:ff9b::168.63.129.16": "Azure", "2002:a83f:8110::": "Azure",
		"fd00:ec2::254": "AWS", "fd00:ec2::254%eth0": "AWS", "fd20:ce::254": "Google", "100.100.100.200": "Alibaba", "192.0.0.192": "Oracle",

		// Backends live here.
		"127.0.0.1": "", "::1": "", "10.0.0.4": "", "172.16.0.1": "", "192.168.1.1": "", "100.64.0.1": "", "fd00:ec2::253": "", "fd12::1": "",
		"169.253.255.255": "", "169.255.0.0": "", "168.63.129.17": "", "192.0.2.1": "", "fec0::1": "", "2001:db8::1": "", "::ffff:10.0.0.4": "",
		"64:ff9b::10.0.0.4": "", "2002:0a00:0004::": "", "64:ff9b:1::169.254.169.254": "", "0.0.0.0": "", "::": "",
	} {
		got := upstream.Forbidden(netip.MustParseAddr(address))
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", address, got, want)
		}
	}
	if got := upstream.Forbidden(netip.Addr{}); got != "" {
		t.Errorf("the zero address: %q", got)
	}
}

// Who owns the name decides where it leads, at each connection anew (DNS
// rebinding). The refusal comes before the system is told to connect, whose own
// error would be of another class.
func TestForbiddenAddressIsRefusedBeforeAPacketLeaves(t *testing.T) {
	for _, addresses := range [][]string{
		{"169.254.169.254"}, {"::ffff:169.254.169.254"}, {"fe80::1"}, {"168.63.129.16"}, {"fd00:ec2::254"}, {"64:ff9b::a9fe:a9fe"},
		// Nothing listens at the other one, so that both are tried.
		{"127.0.0.1", "169.254.169.254"}, {"169.254.169.254", "127.0.0.1"}, {"127.0.0.1", "fe80::1"},
	} {
		for _, scheme := range []string{"https", "http"} {
			transport := newTransport(t, upstream.Options{ServerName: name})
			transport.SetResolver(resolver(t, answering(dnsmessage.RCodeSuccess, addresses...)))
			_, err := get(t, transport, scheme+"://backend-canary.example.com:"+freePort(t))
			wantFault(t, err, upstream.Connect, "forbidden_address", "the address is ", "check that DNS record")
			if text := fmt.Sprintf("%v %+v", err, upstream.Explain(err)); strings.Contains(text, "canary") || strings.Contains(text, "169.254") {
				t.Errorf("%v: the fault shows name or address: %s", addresses, text)
			}
		}
	}
	// One in the URL itself, without DNS.
	for _, host := range []string{"169.254.169.254", "[::ffff:169.254.169.254]", "[fe80::1%25lo]"} {
		_, err := get(t, newTransport(t, upstream.Options{ServerName: name}), "http://"+host)
		wantFault(t, err, upstream.Connect, "forbidden_address", "link-local", "")
	}
}

// A name may lead to more than one address, none of them forbidden.
func TestEachAddressOfANameIsTried(t *testing.T) {
	server := httptest.NewServer(nil) // on 127.0.0.1
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	transport := newTransport(t, upstream.Options{ServerName: name})
	transport.SetResolver(resolver(t, answering(dnsmessage.RCodeSuccess, "127.0.0.2", "127.0.0.1", "::1")))
	if _, err := get(t, transport, "http://backend.example.com:"+port); err != nil {
		t.Error(err)
	}
}
