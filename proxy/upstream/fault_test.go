package upstream_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.com/entra-scim-proxy/lab/pki"
	"example.com/entra-scim-proxy/proxy/upstream"
)

// Every failure here is provoked on a real connection.
func TestExplainTLSFailures(t *testing.T) {
	a, other := authority(t, "Corp Root"), authority(t, "Other Root")
	good := pki.Leaf{CommonName: "leaf-subject", Names: []string{name}}
	tests := map[string]struct {
		leaf      pki.Leaf
		configure func(*httptest.Server)
		roots     *pki.Authority
		cause     string // a part of it
		remedy    string
	}{
		"tls_unknown_authority": {leaf: good, roots: other, cause: `subject "CN=leaf-subject", issuer "CN=Corp Root"`, remedy: "BACKEND_CA"},
		"tls_wrong_name":        {leaf: pki.Leaf{Names: []string{"old.example.com", "192.0.2.7"}}, cause: `["old.example.com" "192.0.2.7"], name expected: "scim.corp.example.com"`, remedy: "BACKEND_SERVER_NAME"},
		"tls_name_only_in_cn":   {leaf: pki.Leaf{CommonName: name}, cause: `common name "scim.corp.example.com"`, remedy: "subject alternative name"},
		"tls_expired":           {leaf: pki.Leaf{CommonName: "old", Names: []string{name}, NotAfter: time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC), NotBefore: time.Date(2026, 10, 1, 8, 0, 0, 0, time.UTC)}, cause: `"CN=old" expired on 2026-11-01T08:00:00Z`, remedy: "renew"},
		"tls_not_yet_valid":     {leaf: pki.Leaf{CommonName: "new", Names: []string{name}, NotBefore: time.Now().Add(time.Hour), NotAfter: time.Now().Add(2 * time.Hour)}, cause: `"CN=new" is valid only from`, remedy: "clocks"},
		"tls_certificate":       {leaf: pki.Leaf{Names: []string{name}, Client: true}, cause: "usage", remedy: "issued anew"},
		"tls_no_common_version": {leaf: good, configure: func(s *httptest.Server) { s.TLS.MinVersion, s.TLS.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }, cause: "protocol version", remedy: "TLS 1.2"},
		"tls_no_common_cipher": {leaf: good, configure: func(s *httptest.Server) {
			s.TLS.MaxVersion, s.TLS.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_RC4_128_SHA}
		}, cause: "handshake failure", remedy: "ECDHE"},
	}
	for class, test := range tests {
		server := backend(t, a, test.leaf, test.configure)
		roots := a
		if test.roots != nil {
			roots = test.roots
		}
		_, err := get(t, newTransport(t, upstream.Options{ServerName: name, Roots: trusting(roots)}), server.URL)
		wantFault(t, err, upstream.Handshake, class, test.cause, test.remedy)
	}
}

// wantFault also checks that nothing shows the backend's address.
func wantFault(t *testing.T, err error, stage upstream.Stage, class, cause, remedy string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error", class)
		return
	}
	fault := upstream.Explain(err)
	if fault.Stage != stage || fault.Class != class || !strings.Contains(fault.Cause, cause) || !strings.Contains(fault.Remedy, remedy) {
		t.Errorf("%v\n got %+v\nwant stage %s, class %s, cause with %q, remedy with %q", err, fault, stage, class, cause, remedy)
	}
	if strings.Contains(fault.Cause+fault.Remedy, "127.0.0.1") {
		t.Errorf("%s shows the backend's address: %+v", class, fault)
	}
}

func TestExplainDemandForAClientCertificate(t *testing.T) {
	a := authority(t, "Root")
	for version, number := range map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13} {
		for _, http2 := range []bool{true, false} {
			server := backend(t, a, pki.Leaf{Names: []string{name}}, func(s *httptest.Server) {
				s.EnableHTTP2 = http2
				s.TLS.MinVersion, s.TLS.MaxVersion = number, number
				s.TLS.ClientAuth, s.TLS.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
			})
			_, err := get(t, newTransport(t, upstream.Options{ServerName: name, Roots: trusting(a)}), server.URL)
			t.Logf("TLS %s, http2=%v: %v", version, http2, err)
			wantFault(t, err, upstream.Handshake, "tls_client_certificate", "", "client certificate")
		}
	}
	// A backend that only asks is content with none.
	server := backend(t, a, pki.Leaf{Names: []string{name}}, func(s *httptest.Server) { s.TLS.ClientAuth = tls.RequestClientCert })
	if _, err := get(t, newTransport(t, upstream.Options{ServerName: name, Roots: trusting(a)}), server.URL); err != nil {
		t.Errorf("a backend that only asks: %v", err)
	}
}

// That a backend once asked for a certificate says nothing of later faults.
func TestClientCertificateOnceAskedForDoesNotHideOtherFaults(t *testing.T) {
	a := authority(t, "Root")
	var behave atomic.Pointer[func(net.Conn)]
	server := backend(t, a, pki.Leaf{Names: []string{name}}, func(s *httptest.Server) {
		s.TLS.ClientAuth = tls.RequestClientCert
		s.EnableHTTP2 = false
		s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/close" {
				panic(http.ErrAbortHandler)
			}
		})
	})
	// A port that passes connections on to the backend, until it does not.
	address := peer(t, func(conn net.Conn) {
		if other := behave.Load(); other != nil {
			(*other)(conn)
			return
		}
		target, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Error(err)
			return
		}
		go pass(target, conn, &atomic.Bool{}) // both end when a side closes
		go pass(conn, target, &atomic.Bool{})
	})
	transport := newTransport(t, upstream.Options{ServerName: name, Roots: trusting(a), Timeout: 2 * time.Second})
	if _, err := get(t, transport, "https://"+address); err != nil {
		t.Fatal(err)
	}
	_, err := get(t, transport, "https://"+address+"/close")
	wantFault(t, err, upstream.Answer, "bad_answer", "", "")
	for class, serve := range map[string]func(net.Conn){
		"tls_closed": func(conn net.Conn) {
			_, _ = bufio.NewReader(conn).ReadByte()
			_ = conn.Close()
		},
		"tls_silence": func(conn net.Conn) { t.Cleanup(func() { _ = conn.Close() }) },
	} {
		behave.Store(&serve)
		transport.CloseIdleConnections()
		_, err := get(t, transport, "https://"+address)
		wantFault(t, err, upstream.Handshake, class, "", "")
	}
}

// peer accepts connections and does with them what a test says.
func peer(t *testing.T, serve func(net.Conn)) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() { // ends when the listener is closed
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serve(conn)
		}
	}()
	return listener.Addr().String()
}

func TestExplainPeersThatDoNotShakeHands(t *testing.T) {
	closing := func(conn net.Conn) {
		_, _ = bufio.NewReader(conn).ReadByte()
		_ = conn.Close()
	}
	resetting := func(conn net.Conn) {
		_, _ = bufio.NewReader(conn).ReadByte()
		_ = conn.(*net.TCPConn).SetLinger(0)
		_ = conn.Close()
	}
	silent := func(conn net.Conn) { t.Cleanup(func() { _ = conn.Close() }) }
	plain := func(conn net.Conn) {
		_, _ = bufio.NewReader(conn).ReadByte()
		_, _ = io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\n\r\n")
		_ = conn.Close()
	}
	for name, test := range map[string]struct {
		serve         func(net.Conn)
		class, remedy string
	}{
		"closing": {closing, "tls_closed", "GODEBUG=tlsmlkem=0"}, "resetting": {resetting, "tls_closed", "GODEBUG=tlsmlkem=0"},
		"silent": {silent, "tls_silence", "GODEBUG=tlsmlkem=0"}, "plain": {plain, "tls_not_spoken", "BACKEND_URL"},
	} {
		t.Run(name, func(t *testing.T) {
			transport := newTransport(t, upstream.Options{ServerName: "x.example.com", Timeout: 2 * time.Second})
			begin := time.Now()
			_, err := get(t, transport, "https://"+peer(t, test.serve))
			if took := time.Since(begin); took > 10*time.Second {
				t.Errorf("after %v, want half of the 2 s at most", took)
			}
			wantFault(t, err, upstream.Handshake, test.class, "", test.remedy)
		})
	}
}

func TestExplainUnreachablePeers(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := listener.Addr().String()
	_ = listener.Close()
	for _, scheme := range []string{"https://", "http://"} {
		_, err = get(t, newTransport(t, upstream.Options{ServerName: name}), scheme+gone)
		wantFault(t, err, upstream.Connect, "refused", "connect: connection refused", "BACKEND_URL")
	}
	// RFC 6761 section 6.4 keeps .invalid from ever resolving.
	_, err = get(t, newTransport(t, upstream.Options{ServerName: name}), "https://backend-canary.invalid")
	wantFault(t, err, upstream.Connect, "dns", "", "does not resolve")
	if fault := upstream.Explain(err); strings.Contains(fault.Cause, "canary") {
		t.Errorf("the cause shows the backend's name: %+v", fault)
	}
	// No address is known to swallow packets here, so the error is made.
	timeout := &net.OpError{Op: "dial", Net: "tcp", Err: context.DeadlineExceeded}
	wantFault(t, timeout, upstream.Connect, "no_answer", "deadline", "firewall")
}

func TestExplainBrokenAnswers(t *testing.T) {
	for name, serve := range map[string]func(net.Conn){
		"close": func(conn net.Conn) {
			_, _ = bufio.NewReader(conn).ReadByte()
			_ = conn.Close()
		},
		"reset": func(conn net.Conn) {
			_, _ = bufio.NewReader(conn).ReadByte()
			_ = conn.(*net.TCPConn).SetLinger(0)
			_ = conn.Close()
		},
		"nonsense": func(conn net.Conn) {
			_, _ = io.WriteString(conn, "SSH-2.0-OpenSSH\r\n")
			_ = conn.Close()
		},
	} {
		_, err := get(t, newTransport(t, upstream.Options{ServerName: name}), "http://"+peer(t, serve))
		wantFault(t, err, upstream.Answer, "bad_answer", "", "BACKEND_URL")
	}
}
