package upstream

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
)

// Lookup resolves a host as a call does; an IP address is its own answer. If an
// address is forbidden (see [Forbidden]), it returns all of them and an error.
// [Explain] knows its errors.
func (t *Transport) Lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if address, err := netip.ParseAddr(host); err == nil {
		return checkAddresses([]netip.Addr{address})
	}
	lookup := t.dialer.options.Lookup
	if lookup == nil {
		lookup = t.dialer.lookup
	}
	addresses, err := lookup(ctx, host)
	switch {
	case err != nil:
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: asDNSError(err, host)}
	case len(addresses) == 0:
		none := &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: none}
	}
	return checkAddresses(addresses)
}

// lookup asks the system.
func (d *dialer) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	return cmp.Or(d.net.Resolver, net.DefaultResolver).LookupNetIP(ctx, "ip", host)
}

// asDNSError makes an error one of DNS, whatever it was: nothing else was tried.
func asDNSError(err error, host string) error {
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return err
	}
	return &net.DNSError{UnwrapErr: err, Err: cause(err), Name: host, IsTimeout: isTimeout(err)}
}

func checkAddresses(found []netip.Addr) (addresses []netip.Addr, err error) {
	for _, address := range found {
		address = address.Unmap() // an IPv4 address may come as an IPv6 one
		addresses = append(addresses, address)
		if reason := Forbidden(address); reason != "" {
			err = &forbiddenError{reason}
		}
	}
	return addresses, err
}

// Connect makes a TCP connection to an address, host and port, as a call does.
// The caller closes it. [Explain] knows its errors.
func (t *Transport) Connect(ctx context.Context, address string) (net.Conn, error) {
	return t.dialer.dial(ctx, "tcp", address)
}

// Presented is what a handshake showed of the backend.
type Presented struct {
	// Chain are the certificates as they were presented, trusted or not, the
	// backend's own first; nil if the handshake did not come so far.
	Chain []*x509.Certificate
	// Verified are the chains that can be made of those, from the backend's own to
	// a trusted one; nil if there is none.
	Verified [][]*x509.Certificate
	// Version and CipherSuite are those of [tls.ConnectionState]; zero if they were
	// not agreed on.
	Version, CipherSuite uint16
	// Protocol is "h2" or "http/1.1"; "" if the backend chose none.
	Protocol string
	// Asked tells that the backend asked for a client certificate. Nothing is known
	// of that if its own was not trusted.
	Asked bool
	// Authorities lists the names of those whose client certificates it asked for,
	// quoted, five at most; "" if it named none.
	Authorities string
	// Stranger tells that none of them issued the certificate that there is.
	Stranger bool
}

// Handshake makes one TLS connection to an address, host and port, as a call
// does, and closes it. It does not ask for newer certificates, and does not wait
// for the verdict on ours, which in TLS 1.3 comes after the handshake. What was
// presented is there with an error, too, as far as is known. [Explain] knows its
// errors.
func (t *Transport) Handshake(ctx context.Context, address string) (Presented, error) {
	d := t.dialer
	with, err := d.terms(ctx)
	if err != nil {
		return Presented{}, err
	}
	var shown Presented
	l := &link{}
	config := d.config(l, with)
	answer := config.GetClientCertificate
	config.GetClientCertificate = func(asked *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		shown.Authorities = authorityNames(asked.AcceptableCAs)
		return answer(asked)
	}
	if l.Conn, err = d.dial(ctx, "tcp", address); err != nil {
		return Presented{}, err
	}
	conn := tls.Client(l, config)
	ctx, cancel := context.WithTimeout(ctx, d.limit)
	defer cancel()
	if err = conn.HandshakeContext(ctx); err != nil {
		_ = l.Close() // the handshake's error is the one to report
		err = &handshakeError{err: err, name: d.options.ServerName, offer: l.offer}
	} else {
		_ = conn.Close() // nothing was sent
	}
	state := conn.ConnectionState()
	shown.Chain, shown.Verified = state.PeerCertificates, state.VerifiedChains
	if verification, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		shown.Chain = verification.UnverifiedCertificates
	}
	shown.Version, shown.CipherSuite, shown.Protocol = state.Version, state.CipherSuite, state.NegotiatedProtocol
	shown.Asked, shown.Stranger = l.offer.asked, l.offer.authorities != nil
	return shown, err
}
