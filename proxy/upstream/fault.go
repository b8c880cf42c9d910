package upstream

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
)

// Stage is how far a failed call to the backend came.
type Stage string

// The stages, in the order of a call.
const (
	// Connect covers DNS and TCP.
	Connect Stage = "connect"
	// Handshake is TLS, up to the backend's verdict on our certificate.
	Handshake Stage = "handshake"
	// Answer is everything after.
	Answer Stage = "answer"
)

// Fault explains to the operator why a round trip to the backend failed. It
// holds no address, and no name but those of certificates in a failed handshake:
// the backend's, ours, and the authorities that the backend asks for.
type Fault struct {
	// Stage is how far the call came.
	Stage Stage
	// Class is a stable, snake_case name to search and alert on.
	Class string
	// Cause is what was found.
	Cause string
	// Remedy is what to do about it, a sentence; "" if nothing is known.
	Remedy string
}

// Explain classifies an error of the transport that [NewTransport] returns.
// An error it does not know is of stage Answer and class "bad_answer".
func Explain(err error) Fault {
	if failed, ok := errors.AsType[*handshakeError](err); ok {
		return explainHandshake(failed)
	}
	if forbidden, ok := errors.AsType[*forbiddenError](err); ok {
		return explainForbidden(forbidden)
	}
	if panicked, ok := errors.AsType[*panicError](err); ok {
		return Fault{Stage: Connect, Class: "internal", Cause: panicked.Error(), Remedy: "report it, with the stack in the cause"}
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return explainDial(op)
	}
	if isRenegotiation(err) {
		return explainRenegotiation(err)
	}
	return Fault{
		Stage: Answer, Class: "bad_answer", Cause: cause(err),
		Remedy: "the backend closed the connection or sent something that is not HTTP; see its log, and that BACKEND_URL has the right scheme and port",
	}
}

func explainDial(op *net.OpError) Fault {
	fault := Fault{Stage: Connect, Class: "unreachable", Cause: cause(op), Remedy: "check routes and firewalls from here to the backend"}
	name, isDNS := errors.AsType[*net.DNSError](op)
	switch {
	case isDNS && name.IsNotFound:
		fault.Class = "dns"
		fault.Remedy = "the name in BACKEND_URL does not resolve here; check it, and the DNS servers and private zones linked to the virtual network"
	case isDNS:
		fault.Class = "dns_no_answer"
		fault.Remedy = "the DNS servers do not answer, or fail; check those of the virtual network, that they are reachable from here, and what they forward to"
	case errors.Is(op, syscall.ECONNREFUSED), errors.Is(op, syscall.ECONNRESET):
		fault.Class = "refused"
		fault.Remedy = "nothing listens on the port of BACKEND_URL, or a firewall answers in its place; check the port, and that the backend is up"
	case isTimeout(op):
		fault.Class = "no_answer"
		fault.Remedy = "packets vanish: a firewall, a route or a wrong address lies between here and the backend"
	case errors.Is(op, syscall.EHOSTUNREACH), errors.Is(op, syscall.ENETUNREACH):
		fault.Remedy = "there is no route to the backend; check that the app is in the virtual network, and the routes from there to the backend"
	case errors.Is(op, syscall.EACCES), errors.Is(op, syscall.EPERM):
		fault.Remedy = "a rule of this machine itself forbids the connection; check its firewall"
	}
	return fault
}

func explainForbidden(forbidden *forbiddenError) Fault {
	return Fault{
		Stage: Connect, Class: "forbidden_address", Cause: "the address is " + forbidden.reason,
		Remedy: "no backend lives at the address that the name in BACKEND_URL resolves to, and nothing was sent there; check that DNS record, and who can change it",
	}
}

// closed reports whether the peer ended the connection.
func closed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func isTimeout(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		return true
	}
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

// cause is err's text without the addresses and host names that errors of
// package net carry, and without the backend's bytes, which those of net/http
// quote.
func cause(err error) string {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Op + ": " + cause(op.Err)
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		// Behind the last colon there is no address of a DNS server.
		return strings.TrimSpace(dns.Err[strings.LastIndex(dns.Err, ": ")+1:])
	}
	if address, ok := errors.AsType[*net.AddrError](err); ok {
		return address.Err
	}
	text, _, quoted := strings.Cut(err.Error(), `"`)
	if quoted {
		return text + "…"
	}
	return text
}
