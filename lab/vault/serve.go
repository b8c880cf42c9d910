package vault

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"example.com/entra-scim-proxy/lab/pki"
)

// ErrSystem is why [Serve] and [Tunnel] fail on some systems.
var ErrSystem = errors.New("a key vault on this machine needs Linux or a BSD: " +
	"on other systems Go programs take no root certificate from SSL_CERT_FILE")

// rootsFromVariable are the systems where SSL_CERT_FILE counts, out of those
// that crypto/x509 has in root_unix.go.
var rootsFromVariable = []string{"linux", "dragonfly", "freebsd", "netbsd", "openbsd"}

// Server is a Vault that other processes reach under its public name: over TLS,
// next to its identity endpoint, and behind a CONNECT proxy that stands in for
// DNS. Use [Serve] or [Tunnel].
type Server struct {
	*Vault

	environment map[string]string
	servers     []*http.Server
	serving     sync.WaitGroup

	mu     sync.Mutex
	strays []string
}

// Serve serves a vault under a host name of vault.azure.net, which the SDK
// insists on, until Close. It writes the root certificate to trust into the
// directory given.
func Serve(v *Vault, host, dir string) (s *Server, err error) {
	if !slices.Contains(rootsFromVariable, runtime.GOOS) {
		return nil, ErrSystem
	}
	authority, err := pki.New("Lab Public Root")
	if err != nil {
		return nil, err
	}
	certificate, err := authority.Certificate(pki.Leaf{Names: []string{host}})
	if err != nil {
		return nil, err
	}
	root := filepath.Join(dir, "public-root.pem")
	if err := os.WriteFile(root, authority.PEM(), 0o600); err != nil {
		return nil, fmt.Errorf("vault: write the root certificate: %w", err)
	}
	s = &Server{Vault: v}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	// Without ALPN it is HTTP/1.1, where a broken call is a broken connection.
	secrets, err := s.start(v, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12})
	if err != nil {
		return nil, err
	}
	identity, err := s.start(http.HandlerFunc(v.Identity), nil)
	if err != nil {
		return nil, err
	}
	if err := s.tunnel(host, secrets); err != nil {
		return nil, err
	}
	maps.Copy(s.environment, map[string]string{
		"IDENTITY_ENDPOINT": "http://" + identity + "/msi/token", "IDENTITY_HEADER": IdentityHeader, "SSL_CERT_FILE": root,
	})
	return s, nil
}

// Tunnel leads to somebody else's vault, which serves TLS at the address given,
// under its public name until Close. The Server has no Vault. Its Environment
// leaves the identity endpoint and the certificate to trust to the caller.
func Tunnel(host, address string) (*Server, error) {
	if !slices.Contains(rootsFromVariable, runtime.GOOS) {
		return nil, ErrSystem
	}
	s := &Server{}
	if err := s.tunnel(host, address); err != nil {
		return nil, err
	}
	return s, nil
}

// tunnel starts the CONNECT proxy that leads to the address under the name.
func (s *Server) tunnel(host, address string) error {
	names, err := s.start(s.connect(host+":443", address), nil)
	if err != nil {
		return err
	}
	s.environment = map[string]string{"KEY_VAULT_URL": "https://" + host, "HTTPS_PROXY": "http://" + names}
	return nil
}

// start serves on a port of its own until Close; over TLS unless the
// configuration is nil.
func (s *Server) start(handler http.Handler, config *tls.Config) (address string, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("vault: listen: %w", err)
	}
	address = listener.Addr().String()
	if config != nil {
		listener = tls.NewListener(listener, config)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	s.servers = append(s.servers, server)
	s.serving.Go(func() { _ = server.Serve(listener) }) // ends with Close, which is the error it returns
	return address, nil
}

// Environment returns the variables with which a process reaches vault and
// identity endpoint. They are the child's alone: in this process they would
// turn other calls away.
func (s *Server) Environment() map[string]string { return maps.Clone(s.environment) }

// Strays returns what the CONNECT proxy was asked for besides the vault, as
// method and host. It refused all of them.
func (s *Server) Strays() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.strays)
}

// Close ends everything, calls under way included.
func (s *Server) Close() {
	for _, server := range s.servers {
		server.Close()
	}
	s.serving.Wait()
}

// connect tunnels to the target, under the one name that it is asked for by.
func (s *Server) connect(name, target string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Host != name {
			s.mu.Lock()
			s.strays = append(s.strays, r.Method+" "+r.Host)
			s.mu.Unlock()
			w.WriteHeader(http.StatusForbidden)
			return
		}
		server, err := new(net.Dialer).DialContext(r.Context(), "tcp", target)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer server.Close()
		client, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer client.Close()
		// A failed write or copy means that a side has left, which ends both.
		_, _ = io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n")
		go func() { // ends when a side closes; the vault's does with Close
			_, _ = io.Copy(server, client)
			server.Close()
		}()
		_, _ = io.Copy(client, server)
	})
}
