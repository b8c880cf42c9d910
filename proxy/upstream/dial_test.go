package upstream_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"example.com/entra-scim-proxy/proxy/upstream"
)

// answer makes the answer to a question; nil is silence.
type answer func(dnsmessage.Question) *dnsmessage.Message

// answering answers with a code, and to questions of the right type with
// addresses.
func answering(code dnsmessage.RCode, addresses ...string) answer {
	return func(question dnsmessage.Question) *dnsmessage.Message {
		message := &dnsmessage.Message{Header: dnsmessage.Header{RCode: code}}
		for _, text := range addresses {
			address := netip.MustParseAddr(text)
			header := dnsmessage.ResourceHeader{Name: question.Name, Class: question.Class, Type: question.Type, TTL: 1}
			switch {
			case address.Is4() && question.Type == dnsmessage.TypeA:
				message.Answers = append(message.Answers, dnsmessage.Resource{Header: header, Body: &dnsmessage.AResource{A: address.As4()}})
			case address.Is6() && question.Type == dnsmessage.TypeAAAA:
				message.Answers = append(message.Answers, dnsmessage.Resource{Header: header, Body: &dnsmessage.AAAAResource{AAAA: address.As16()}})
			}
		}
		return message
	}
}

func silence(dnsmessage.Question) *dnsmessage.Message { return nil }

// resolver asks a DNS server of its own over UDP.
func resolver(t *testing.T, reply answer) *net.Resolver {
	t.Helper()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	go serveDNS(server, reply) // ends when the socket is closed
	return asking(server.LocalAddr().String())
}

// asking returns a resolver whose DNS server is at an address.
func asking(address string) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", address)
	}}
}

func serveDNS(server net.PacketConn, reply answer) {
	buffer := make([]byte, 1500)
	for {
		n, client, err := server.ReadFrom(buffer)
		if err != nil {
			return
		}
		var query dnsmessage.Message
		if query.Unpack(buffer[:n]) != nil || len(query.Questions) != 1 {
			continue
		}
		message := reply(query.Questions[0])
		if message == nil {
			continue
		}
		message.ID, message.Response, message.RecursionAvailable, message.Questions = query.ID, true, true, query.Questions
		if packed, err := message.Pack(); err == nil {
			_, _ = server.WriteTo(packed, client)
		}
	}
}

// freePort returns a port of 127.0.0.1 on which nothing listens.
func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// lookup is what becomes of a name, and how that is explained.
type lookup struct {
	resolver             *net.Resolver
	class, cause, remedy string
}

// lookups are those that find nothing, each provoked on a real socket.
func lookups(t *testing.T) map[string]lookup {
	t.Helper()
	gone, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = gone.Close()
	return map[string]lookup{
		"NXDOMAIN":   {resolver(t, answering(dnsmessage.RCodeNameError)), "dns", "no such host", "does not resolve"},
		"no address": {resolver(t, answering(dnsmessage.RCodeSuccess)), "dns", "no such host", "does not resolve"},
		"SERVFAIL":   {resolver(t, answering(dnsmessage.RCodeServerFailure)), "dns_no_answer", "server misbehaving", "do not answer, or fail"},
		"REFUSED":    {resolver(t, answering(dnsmessage.RCodeRefused)), "dns_no_answer", "server misbehaving", "do not answer, or fail"},
		"silence":    {resolver(t, silence), "dns_no_answer", "dial: i/o timeout", "do not answer, or fail"},
		"no server":  {asking(gone.LocalAddr().String()), "dns_no_answer", "dial: connection refused", "do not answer, or fail"},
	}
}

func TestExplainNamesThatDoNotResolve(t *testing.T) {
	tests := lookups(t)
	tests["refused connection"] = lookup{resolver(t, answering(dnsmessage.RCodeSuccess, "127.0.0.1")), "refused", "connection refused", "nothing listens"}
	for what, test := range tests {
		transport := newTransport(t, upstream.Options{ServerName: name, Timeout: time.Second})
		transport.SetResolver(test.resolver)
		_, err := get(t, transport, "https://backend-canary.example.com:"+freePort(t))
		t.Logf("%s: %v", what, err)
		wantFault(t, err, upstream.Connect, test.class, test.cause, test.remedy)
		if fault := upstream.Explain(err); strings.Contains(fault.Cause+fault.Remedy, "canary") {
			t.Errorf("%s: the fault shows the backend's name: %+v", what, fault)
		}
	}
}

// A full backlog makes the system drop the packets of one connection more, as a
// firewall does.
func TestExplainSilence(t *testing.T) {
	address := deaf(t)
	transport := newTransport(t, upstream.Options{ServerName: name, Timeout: 500 * time.Millisecond})
	_, err := get(t, transport, "https://"+address)
	wantFault(t, err, upstream.Connect, "no_answer", "timeout", "firewall")

	// Of two addresses one is silent, and nothing listens at the other: the one
	// that is tried first counts.
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	for class, addresses := range map[string][]string{"no_answer": {"127.0.0.1", "127.0.0.2"}, "refused": {"127.0.0.2", "127.0.0.1"}} {
		transport.SetResolver(resolver(t, answering(dnsmessage.RCodeSuccess, addresses...)))
		_, err = get(t, transport, "https://backend.example.com:"+port)
		wantFault(t, err, upstream.Connect, class, "", "")
	}

	// The end of the whole call is the caller's to explain, not a silence.
	long := newTransport(t, upstream.Options{ServerName: name})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+address, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := long.RoundTrip(request); !errors.Is(err, context.DeadlineExceeded) || upstream.Explain(err).Stage == upstream.Connect {
		t.Errorf("%v: %+v; want the call's own end", err, upstream.Explain(err))
	}
}

// deaf returns an address that takes no more connections.
func deaf(t *testing.T) string {
	t.Helper()
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(socket) })
	if err := errors.Join(syscall.Bind(socket, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), syscall.Listen(socket, 0)); err != nil {
		t.Fatal(err)
	}
	bound, err := syscall.Getsockname(socket)
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", bound.(*syscall.SockaddrInet4).Port)
	for range 20 {
		conn, err := net.DialTimeout("tcp", address, 200*time.Millisecond)
		if err != nil {
			return address
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
	t.Skip("this system takes connections that nobody accepts")
	return ""
}

// TCP has no route to the broadcast address; no packet leaves. The other errors
// are made as package net makes them.
func TestExplainNoRoute(t *testing.T) {
	_, err := get(t, newTransport(t, upstream.Options{ServerName: name}), "https://255.255.255.255")
	wantFault(t, err, upstream.Connect, "unreachable", "connect: ", "")
	address := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 443}
	for number, want := range map[syscall.Errno][2]string{
		syscall.EHOSTUNREACH: {"unreachable", "no route"}, syscall.ENETUNREACH: {"unreachable", "no route"},
		syscall.EACCES: {"unreachable", "this machine itself"}, syscall.EPERM: {"unreachable", "this machine itself"},
		syscall.EADDRNOTAVAIL: {"unreachable", "check routes"},
		syscall.ETIMEDOUT:     {"no_answer", "firewall"}, syscall.ECONNREFUSED: {"refused", "nothing listens"}, syscall.ECONNRESET: {"refused", "nothing listens"},
	} {
		err := fmt.Errorf("round trip: %w", &net.OpError{Op: "dial", Net: "tcp", Addr: address, Err: os.NewSyscallError("connect", number)})
		wantFault(t, err, upstream.Connect, want[0], "connect: "+number.Error(), want[1])
	}
}
