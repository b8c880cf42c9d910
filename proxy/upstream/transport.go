package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"
)

// Options describe the connection to the backend.
type Options struct {
	// ServerName is the name that the backend's certificate must carry, and
	// the SNI sent. Required for https.
	ServerName string
	// Roots yields the certificates to trust. It is asked for each new
	// connection, so that a new bundle counts without a restart; its error
	// ends the connection attempt and comes back from RoundTrip wrapped.
	// Nil means the system's roots.
	Roots func(context.Context) (*Roots, error)
	// RenewRoots is asked for newer roots when the backend's certificate is not
	// valid under those given; if it has others, the connection is tried once
	// more. Nil means that there never are any.
	RenewRoots func(ctx context.Context, refused *Roots) *Roots
	// Identity yields the certificate for a backend that asks for one. It is
	// asked for each new connection, so that a new one counts without a
	// restart; its error ends the connection attempt and comes back from
	// RoundTrip wrapped. So does a key that can make none of the signatures
	// that the backend takes, even if it would do without a certificate. Nil,
	// and a nil Identity, mean that there is none.
	Identity func(context.Context) (*Identity, error)
	// RenewIdentity is asked for a newer one when the backend refuses the one
	// given. If it has another, a handshake that failed for it is tried once
	// more. In TLS 1.3 the refusal comes after the handshake: then the call
	// fails, RenewIdentity is asked beside it, for 10 s at most, and the next
	// connection profits; so it is for a connection that ends there without a
	// word. It must return when ctx ends. Nil means that there never is any.
	RenewIdentity func(ctx context.Context, refused *Identity) *Identity
	// Unasked is told of each connection on which the backend did not ask for
	// the certificate that there is; nil means nobody wants to know. It must not
	// block.
	Unasked func()
	// Verified gets the chain of each connection that is made, the backend's
	// own certificate first; nil means nobody wants it. It must not block.
	Verified func(chain []*x509.Certificate)
	// Dial connects to an address and port, the host as in the URL; nil means the
	// system's dialer and resolver. Where it leads is not looked at: see
	// [Forbidden].
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Lookup is what [Transport.Lookup] asks for the addresses of a host; nil means
	// the system's resolver. Calls do not use it.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	// Timeout is the whole call's deadline. One attempt to connect may take at
	// most half of it, and the handshake as much again. Zero means 20 s.
	Timeout time.Duration
}

const (
	// idleTimeout is below the keep-alive of any usual server (Node closes
	// after 5 s): a POST on a connection that the backend has just closed
	// fails and cannot be repeated.
	idleTimeout = 3 * time.Second
	// connectLimit bounds the TCP connect, and as much again the handshake.
	connectLimit = 10 * time.Second
	// pingAfter and pingTimeout find a blackholed HTTP/2 connection, which
	// would otherwise fail every call until TCP gives up.
	pingAfter, pingTimeout = 10 * time.Second, 5 * time.Second
	// maxConnections is how many connections there are, at work or idle, more
	// than one instance is usually given calls at once. Calls beyond wait for
	// one: thousands that have waited for a credential would otherwise all
	// connect in the same moment, and none would get through its handshake.
	maxConnections = 256
	// maxReceive bounds what HTTP/2 buffers of one answer while the client is
	// slow, in bytes. A thousand clients that do not read take a thousand times as
	// much: all the memory of a small instance, with net/http's own 4 MiB
	// (TestClientsThatDoNotRead).
	maxReceive = 64 << 10
	// maxHeader bounds the backend's response header, in bytes.
	maxHeader = 64 << 10
	// renewLimit bounds the read of a newer client certificate that no call
	// waits for.
	renewLimit = 10 * time.Second
)

// Transport makes the calls to the backend. Use [NewTransport].
type Transport struct {
	*http.Transport
	dialer   *dialer
	answered atomic.Bool // the backend has answered a call
	renewing atomic.Bool // RenewIdentity is being asked beside the calls
}

// NewTransport makes a transport, which connects at the first call. The
// environment's proxy is not used: it must not see the backend's token. Nothing
// is compressed or decompressed. TLS is 1.2 or newer.
func NewTransport(options Options) *Transport {
	if options.Timeout == 0 {
		options.Timeout = 2 * connectLimit
	}
	d := &dialer{options: options, limit: min(connectLimit, options.Timeout/2)}
	d.net.Timeout = d.limit

	// A clone keeps what a literal would lose: HTTP/2 and the limits of the
	// default transport.
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	transport.DialContext = guarded(d.dialPlain)
	transport.DialTLSContext = guarded(d.dialTLS)
	transport.DisableCompression = true
	transport.ForceAttemptHTTP2 = true
	transport.HTTP2 = &http.HTTP2Config{
		SendPingTimeout: pingAfter, PingTimeout: pingTimeout, MaxReceiveBufferPerStream: maxReceive,
	}
	transport.IdleConnTimeout = idleTimeout
	transport.MaxConnsPerHost = maxConnections
	transport.MaxIdleConns = maxConnections
	transport.MaxIdleConnsPerHost = maxConnections
	transport.MaxResponseHeaderBytes = maxHeader
	return &Transport{Transport: transport, dialer: d}
}

// RoundTrip implements [http.RoundTripper]. [Explain] knows its errors.
func (t *Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	request, c := traced(request)
	var used **tls.Conn // nil if nobody will ask
	if t.dialer.options.Identity != nil {
		used = &c.used
	}
	response, err := t.Transport.RoundTrip(request)
	if err == nil && c.surplus.Load() {
		_ = response.Body.Close()
		_ = c.link.Load().Close() // it may be in use again: that call fails, too
		return nil, errSurplus
	}
	if err == nil {
		t.hear(used)
		return response, nil
	}
	if isDialing(err) {
		return nil, t.notBlamed(err)
	}
	if refusal := t.lateRefusal(err, used); refusal != nil {
		t.renewBeside(refusal.offer.identity)
		if refusal.saysWhy() || !t.hasAnswered(refusal.offer.identity) {
			return nil, refusal
		}
	}
	return nil, err
}

// errSurplus ends a call that was about to get what the backend had sent behind
// its answer to another one. Net/http gives a connection to the next call before
// it looks whether more has come (RFC 9112 section 9.3).
var errSurplus = errors.New("the backend sent more than the answer to the call before")

// carried is how a call goes out.
type carried struct {
	used    *tls.Conn // nil for plain HTTP
	link    atomic.Pointer[link]
	before  atomic.Int64 // received on the link until the call got it
	surplus atomic.Bool  // the answer was there before the call
}

// traced returns the request, and where it will be found how it goes out.
func traced(request *http.Request) (*http.Request, *carried) {
	c := new(carried)
	return request.WithContext(httptrace.WithClientTrace(request.Context(), &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			l, _ := info.Conn.(*link)
			if c.used, _ = info.Conn.(*tls.Conn); c.used != nil {
				l = linkOf(c.used)
			}
			if l != nil {
				c.before.Store(l.received.Load())
			}
			c.link.Store(l)
		},
		GotFirstResponseByte: func() {
			if l := c.link.Load(); l != nil && l.received.Load() == c.before.Load() {
				c.surplus.Store(true)
			}
		},
	})), c
}

// hear notes that the backend has answered a call.
func (t *Transport) hear(used **tls.Conn) {
	t.answered.Store(true)
	if used == nil || *used == nil {
		return
	}
	if l := linkOf(*used); l != nil && l.offer.asked && l.offer.identity != nil {
		t.dialer.accepted.Store(l.offer.identity)
	}
}

// hasAnswered reports whether the backend has answered a call with a client
// certificate, or any call if there is none. Unless it says otherwise, it does
// not refuse that, then, but ends for a reason of its own.
func (t *Transport) hasAnswered(identity *Identity) bool {
	if identity == nil {
		return t.answered.Load()
	}
	return t.dialer.accepted.Load().String() == identity.String()
}

// notBlamed returns the error of a connection that did not come about, without
// the blame for the client certificate if the backend ended the handshake without
// a word and has taken the certificate before.
func (t *Transport) notBlamed(err error) error {
	failed, ok := errors.AsType[*handshakeError](err)
	if ok && failed.isRefusal() && closed(failed.err) && t.hasAnswered(failed.offer.identity) {
		return &handshakeError{err: failed.err, name: failed.name}
	}
	return err
}

// notEstablished is in net/http's error, which is not exported, for an HTTP/2
// connection that ended before the backend's first word on it.
const notEstablished = "client conn could not be established"

// lateRefusal returns the handshake error that a failed call comes down to if the
// backend may have refused the client certificate, or the want of one; nil if it
// has not. In TLS 1.3 that is known only after our side of the handshake (RFC 8446
// section 4.4.2.4), and the alert may get lost when the connection ends.
func (t *Transport) lateRefusal(err error, used **tls.Conn) *handshakeError {
	l := t.dialer.last.Load()
	if used != nil && *used != nil {
		l = linkOf(*used)
	}
	if l == nil || !l.offer.asked {
		return nil
	}
	lost := strings.Contains(err.Error(), notEstablished)
	ended := lost || closed(err) || errors.Is(err, net.ErrClosed)
	if ended && (l.over.Load() || lost && used != nil && *used != nil) {
		// net/http is done with this connection, and crypto/tls repeats what
		// ended it: the error may be that of a write, or that of the end.
		_, again := l.tls.Read(make([]byte, 1))
		if _, ok := remoteAlert(again); ok || closed(again) {
			err = again
		}
	}
	refusal := &handshakeError{err: err, name: t.dialer.options.ServerName, offer: l.offer}
	if refusal.saysWhy() || (lost || closed(err)) && l.unheard(err) {
		return refusal
	}
	return nil
}

// renewBeside has a newer client certificate read for the next connection. The
// call that was refused does not wait: it may have had an effect for all we
// know, and is not repeated.
func (t *Transport) renewBeside(refused *Identity) {
	if refused == nil || t.dialer.options.RenewIdentity == nil || !t.renewing.CompareAndSwap(false, true) {
		return
	}
	go func() { // ends with the read, renewLimit at the latest
		defer t.renewing.Store(false)
		ctx, cancel := context.WithTimeout(context.Background(), renewLimit)
		defer cancel()
		t.dialer.options.RenewIdentity(ctx, refused)
	}()
}
