package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
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
	// Verified gets the chain of each connection that is made, the backend's
	// own certificate first; nil means nobody wants it. It must not block.
	Verified func(chain []*x509.Certificate)
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
	// slow, in bytes; net/http's own 4 MiB shows in the memory of a small
	// instance.
	maxReceive = 1 << 20
	// maxHeader bounds the backend's response header, in bytes.
	maxHeader = 64 << 10
)

// Transport makes the calls to the backend. Use [NewTransport].
type Transport struct {
	*http.Transport
	dialer   *dialer
	answered atomic.Bool // the backend has answered a call
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
	transport.DialContext = d.dial
	transport.DialTLSContext = d.dialTLS
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
	response, err := t.Transport.RoundTrip(request)
	if err == nil {
		t.answered.Store(true)
		return response, nil
	}
	// In TLS 1.3 the client learns only after its side of the handshake that
	// the server misses its certificate (RFC 8446 section 4.4.2.4), and over
	// HTTP/2 net/http loses the alert: what is left is a closed connection.
	if t.dialer.asked.Load() && !t.answered.Load() && (closed(err) || strings.Contains(err.Error(), notEstablished)) {
		if _, ok := errors.AsType[*handshakeError](err); !ok {
			err = &handshakeError{err: err, name: t.dialer.options.ServerName, certificateAsked: true}
		}
	}
	return nil, err
}

// notEstablished is in net/http's error, which is not exported, for an HTTP/2
// connection that ended before the backend's first word on it.
const notEstablished = "client conn could not be established"

type dialer struct {
	options Options
	limit   time.Duration
	net     net.Dialer
	asked   atomic.Bool // the last handshake that succeeded asked for a client certificate
}

func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	return d.net.DialContext(ctx, network, address)
}

// dialTLS connects under the present roots, and under newer ones if there are any
// and the backend's certificate asks for them: nothing has been sent by then.
func (d *dialer) dialTLS(ctx context.Context, network, address string) (net.Conn, error) {
	if d.options.Roots == nil {
		return d.handshake(ctx, network, address, nil)
	}
	roots, err := d.options.Roots(ctx)
	if err != nil {
		return nil, fmt.Errorf("backend CA: %w", err)
	}
	conn, err := d.handshake(ctx, network, address, roots)
	if d.options.RenewRoots == nil || !isUntrusted(err) {
		return conn, err
	}
	fresh := d.options.RenewRoots(ctx, roots)
	if fresh.String() == roots.String() {
		return nil, err
	}
	return d.handshake(ctx, network, address, fresh)
}

// isUntrusted reports whether other roots might make the handshake succeed.
func isUntrusted(err error) bool {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return true
	}
	invalid, ok := errors.AsType[x509.CertificateInvalidError](err)
	return ok && invalid.Reason == x509.Expired && invalid.Cert.IsCA
}

// handshake makes one connection. It does the handshake itself instead of
// leaving it to the transport, which reports an EOF in the handshake just as
// one after the request.
func (d *dialer) handshake(ctx context.Context, network, address string, roots *Roots) (net.Conn, error) {
	config := &tls.Config{
		ServerName: d.options.ServerName,
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1"},
	}
	if roots != nil {
		config.RootCAs = roots.Pool
	}
	asked := false // in the handshake, which is over when it is read
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		asked = true
		// What the TLS client itself sends for want of a certificate.
		return &tls.Certificate{}, nil
	}

	plain, err := d.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(plain, config)
	ctx, cancel := context.WithTimeout(ctx, d.limit)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = plain.Close() // the handshake's error is the one to report
		return nil, &handshakeError{err: err, name: d.options.ServerName, certificateAsked: asked}
	}
	d.asked.Store(asked)
	if d.options.Verified != nil {
		d.options.Verified(conn.ConnectionState().VerifiedChains[0])
	}
	return conn, nil
}

// handshakeError is a failed TLS handshake with the backend.
type handshakeError struct {
	err              error
	name             string
	certificateAsked bool // the backend asked for a client certificate
}

func (e *handshakeError) Error() string { return "TLS handshake: " + e.err.Error() }

func (e *handshakeError) Unwrap() error { return e.err }
