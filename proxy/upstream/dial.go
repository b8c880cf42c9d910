package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

type dialer struct {
	options Options
	limit   time.Duration
	net     net.Dialer
	// last is the connection of the last handshake that succeeded.
	last atomic.Pointer[link]
	// accepted is the certificate that the backend has taken last, as far as is
	// known.
	accepted atomic.Pointer[Identity]
}

// dial connects, but to no forbidden address: which one it is, DNS decides. A
// name that leads to one is not tried at its other addresses either.
func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if d.options.Dial != nil {
		return d.dialGiven(ctx, network, address)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var refused atomic.Pointer[forbiddenError] // two addresses may be tried at once
	dialer := d.net
	dialer.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error {
		if err := checkAddress(address); err != nil {
			refused.Store(err)
			cancel()
			return err
		}
		return nil
	}
	conn, err := dialer.DialContext(ctx, network, address)
	if forbidden := refused.Load(); forbidden != nil {
		if err == nil {
			_ = conn.Close() // nothing was sent
		}
		return nil, forbidden
	}
	return conn, err
}

// dialPlain connects for calls over plain HTTP.
func (d *dialer) dialPlain(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := d.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &link{Conn: conn}, nil
}

// dialGiven connects by [Options].Dial. Its errors become what the system's dialer
// makes of its own.
func (d *dialer) dialGiven(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.limit)
	defer cancel()
	conn, err := d.options.Dial(ctx, network, address)
	if err == nil || isDialing(err) {
		return conn, err
	}
	return nil, &net.OpError{Op: "dial", Net: network, Err: err}
}

// checkAddress checks an address and port that is about to be connected to.
func checkAddress(address string) *forbiddenError {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return &forbiddenError{"none that can be checked"}
	}
	if reason := Forbidden(to.Addr()); reason != "" {
		return &forbiddenError{reason}
	}
	return nil
}

// forbiddenError says why a connection was not made, without the address.
type forbiddenError struct{ reason string }

func (e *forbiddenError) Error() string { return "connect: the address is " + e.reason }

// terms are what a handshake is made with.
type terms struct {
	roots    *Roots
	identity *Identity
	// rootsRenewed and identityRenewed tell that newer ones were asked for.
	rootsRenewed, identityRenewed bool
}

// dialTLS connects under the present terms, and under newer ones, each once, if
// there are any and the handshake failed for the want of them: nothing has been
// sent by then.
func (d *dialer) dialTLS(ctx context.Context, network, address string) (net.Conn, error) {
	with, err := d.terms(ctx)
	if err != nil {
		return nil, err
	}
	for {
		conn, err := d.handshake(ctx, network, address, with)
		if err == nil {
			return conn, nil
		}
		if ctx.Err() != nil || !d.renew(ctx, &with, err) {
			return nil, err
		}
	}
}

func (d *dialer) terms(ctx context.Context) (with terms, err error) {
	if d.options.Roots != nil {
		if with.roots, err = d.options.Roots(ctx); err != nil {
			return terms{}, &termsError{"backend CA", err}
		}
	}
	if d.options.Identity != nil {
		if with.identity, err = d.options.Identity(ctx); err != nil {
			return terms{}, &termsError{"client certificate", err}
		}
	}
	return with, nil
}

// termsError is a failed read of what a handshake is made with.
type termsError struct {
	what string
	err  error
}

func (e *termsError) Error() string { return e.what + ": " + e.err.Error() }

func (e *termsError) Unwrap() error { return e.err }

// isDialing reports whether an error comes from the making of a connection, as
// far as the end of our side of the handshake.
func isDialing(err error) bool {
	_, isTerms := errors.AsType[*termsError](err)
	_, isForbidden := errors.AsType[*forbiddenError](err)
	_, isHandshake := errors.AsType[*handshakeError](err)
	_, isPanic := errors.AsType[*panicError](err)
	op, isOp := errors.AsType[*net.OpError](err)
	return isPanic || isTerms || isForbidden || isHandshake || isOp && op.Op == "dial"
}

// renew replaces what the handshake failed for, and reports whether there was
// another.
func (d *dialer) renew(ctx context.Context, with *terms, failure error) bool {
	switch {
	case isUntrusted(failure) && d.options.Roots != nil && d.options.RenewRoots != nil && !with.rootsRenewed:
		refused := with.roots
		with.roots, with.rootsRenewed = d.options.RenewRoots(ctx, refused), true
		// None is not the system's: those were never meant to count.
		return with.roots != nil && with.roots.String() != refused.String()
	case isIdentityRefused(failure) && d.options.RenewIdentity != nil && !with.identityRenewed:
		refused := with.identity
		with.identity, with.identityRenewed = d.options.RenewIdentity(ctx, refused), true
		return !with.identity.isNone() && with.identity.String() != refused.String()
	}
	return false
}

// isUntrusted reports whether other roots might make the handshake succeed.
func isUntrusted(err error) bool {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return true
	}
	invalid, ok := errors.AsType[x509.CertificateInvalidError](err)
	return ok && invalid.Reason == x509.Expired && invalid.Cert.IsCA
}

// isIdentityRefused reports whether another client certificate might make the
// handshake succeed.
func isIdentityRefused(err error) bool {
	failed, ok := errors.AsType[*handshakeError](err)
	return ok && failed.isRefusal() && failed.offer.identity != nil
}

// handshake makes one connection. It does the handshake itself instead of
// leaving it to the transport, which reports an EOF in the handshake just as
// one after the request.
func (d *dialer) handshake(ctx context.Context, network, address string, with terms) (net.Conn, error) {
	l := &link{}
	config := d.config(l, with)

	var err error
	if l.Conn, err = d.dial(ctx, network, address); err != nil {
		return nil, err
	}
	conn := tls.Client(l, config)
	ctx, cancel := context.WithTimeout(ctx, d.limit)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = l.Close() // the handshake's error is the one to report
		return nil, &handshakeError{err: err, name: d.options.ServerName, offer: l.offer}
	}
	asked := l.offer.asked
	if asked && conn.ConnectionState().Version == tls.VersionTLS12 {
		// Accepted, or the handshake would have failed.
		d.accepted.Store(l.offer.identity)
		l.offer = offer{}
	}
	if !asked && l.offer.identity != nil && d.options.Unasked != nil {
		d.options.Unasked()
	}
	l.received.Store(0)
	l.tls, l.spoken = conn, make(chan struct{})
	d.last.Store(l)
	if d.options.Verified != nil {
		d.options.Verified(conn.ConnectionState().VerifiedChains[0])
	}
	return conn, nil
}

// config describes the TLS on a connection, and what that is to offer.
func (d *dialer) config(l *link, with terms) *tls.Config {
	config := &tls.Config{
		ServerName: d.options.ServerName,
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1"},
	}
	if with.roots != nil {
		config.RootCAs = with.roots.Pool
	}
	if !with.identity.isNone() {
		l.offer.identity = with.identity
	}
	config.GetClientCertificate = l.offer.answer
	return config
}

// link is a connection below TLS, or that of plain HTTP.
type link struct {
	net.Conn
	tls      *tls.Conn // above it; nil before the end of the handshake, and for plain HTTP
	offer    offer
	received atomic.Int64 // bytes, since the handshake if there is one
	over     atomic.Bool  // closed by us
	// spoken is closed when the first read since the handshake returns; nil
	// before the end of the handshake.
	spoken chan struct{}
	first  sync.Once
}

// linkOf returns what a connection of [dialer.handshake] is made of, nil for
// any other.
func linkOf(conn *tls.Conn) *link {
	l, _ := conn.NetConn().(*link)
	return l
}

func (l *link) Read(b []byte) (int, error) {
	n, err := l.Conn.Read(b)
	l.received.Add(int64(n))
	if l.spoken != nil {
		l.first.Do(func() { close(l.spoken) })
	}
	return n, err
}

// lastWords bounds the wait for what came before the end of a connection, which
// has come by then.
const lastWords = 100 * time.Millisecond

// Write fails, if the backend has ended the connection, after the first read
// has returned: net/http closes the connection for it, and an alert that says
// why would be lost.
func (l *link) Write(b []byte) (int, error) {
	n, err := l.Conn.Write(b)
	if err != nil && closed(err) && l.offer.asked && l.spoken != nil {
		timer := time.NewTimer(lastWords)
		defer timer.Stop()
		select {
		case <-l.spoken:
		case <-timer.C:
		}
	}
	return n, err
}

func (l *link) Close() error {
	l.over.Store(true)
	return l.Conn.Close()
}

// alertRecord is the size of an encrypted alert of TLS 1.3, in bytes (RFC 8446
// section 5.2). The shortest first word of HTTP/2, empty SETTINGS, takes 31.
const alertRecord = 5 + 2 + 1 + 16

// unheard reports whether the backend had said nothing since the handshake, but
// perhaps an alert, when err ended the connection.
func (l *link) unheard(err error) bool {
	received := l.received.Load()
	if errors.Is(err, io.EOF) {
		return received == 0 // else it said that it closes: close_notify is no refusal
	}
	return received <= alertRecord
}

// offer is the client certificate that a backend may ask for, and whether the
// two suit each other.
type offer struct {
	identity *Identity // nil: there is none
	asked    bool      // the backend asked
	// authorities are those that the backend asked for, DER names, if it did
	// and none of them issued the certificate.
	authorities [][]byte
}

// answer is for [tls.Config.GetClientCertificate].
func (o *offer) answer(asked *tls.CertificateRequestInfo) (*tls.Certificate, error) {
	o.asked = true
	if o.identity == nil {
		// What the TLS client itself sends for want of a certificate.
		return &tls.Certificate{}, nil
	}
	pair := *o.identity.pair
	schemes := *asked
	schemes.AcceptableCAs = nil
	if err := schemes.SupportsCertificate(pair); err != nil {
		return nil, &unsupportedKeyError{err: err, schemes: asked.SignatureSchemes}
	}
	// Authorities are a hint (RFC 8446 section 4.2.4): the backend may know
	// ours all the same.
	if err := asked.SupportsCertificate(pair); err != nil {
		o.authorities = asked.AcceptableCAs
	}
	return pair, nil
}

// unsupportedKeyError is about a key that can make none of the signatures that
// the backend takes.
type unsupportedKeyError struct {
	err     error
	schemes []tls.SignatureScheme // those it takes
}

func (e *unsupportedKeyError) Error() string { return e.err.Error() }

func (e *unsupportedKeyError) Unwrap() error { return e.err }

// handshakeError is a failed TLS handshake with the backend.
type handshakeError struct {
	err   error
	name  string
	offer offer
}

func (e *handshakeError) Error() string { return "TLS handshake: " + e.err.Error() }

func (e *handshakeError) Unwrap() error { return e.err }

// isRefusal reports whether the handshake failed after the backend had asked
// for a client certificate, and for no reason of its own that is known.
func (e *handshakeError) isRefusal() bool { return e.offer.asked && !isTimeout(e.err) }

// saysWhy reports whether the backend said that it is about the client
// certificate.
func (e *handshakeError) saysWhy() bool {
	alert, ok := remoteAlert(e.err)
	return ok && clientCertificateAlerts[alert]
}
