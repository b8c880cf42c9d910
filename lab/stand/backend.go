package stand

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"example.com/entra-scim-proxy/lab/backend"
	"example.com/entra-scim-proxy/lab/profile"
)

// startBackend serves the profile's backend, over TLS unless it has none. Its
// external base URL is the proxy's, as an operator would set it, so that the
// locations it hands out lead back through the proxy.
func (s *Stand) startBackend() (err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	s.BackendAddress = listener.Addr().String()
	if s.options.Profile.Certificate != profile.PlainHTTP {
		if err := s.certify(); err != nil {
			return errors.Join(err, listener.Close())
		}
	}
	options := s.options.Profile.Expecting(s.backendToken)
	options.PublicURL = s.Origin + SCIMPath
	if s.options.Adjust != nil {
		s.options.Adjust(s, &options)
	}
	if s.backend, err = backend.New(options); err != nil {
		return errors.Join(err, listener.Close())
	}
	handler := s.Trouble.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.Backend().ServeHTTP(w, r)
	}))
	if s.options.AtBackend != nil {
		handler = s.options.AtBackend(handler)
	}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(s.Certificates != nil && !s.options.HTTP1)
	s.server = &http.Server{
		Handler: handler, ConnState: s.Trouble.ConnState, Protocols: &protocols,
		ReadHeaderTimeout: 5 * time.Second, ErrorLog: log.New(io.Discard, "", 0),
	}
	s.serving.Go(func() { // ends with Close
		if s.Certificates == nil {
			_ = s.server.Serve(listener) // the error is that of Close
			return
		}
		s.server.TLSConfig = s.serverTLS()
		s.server.TLSConfig.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return s.demanding.Load(), nil
		}
		_ = s.server.ServeTLS(listener, "", "")
	})
	return nil
}

// certify makes the backend's certificates, and, if the profile has its service
// demand one, the proxy's.
func (s *Stand) certify() (err error) {
	if s.Certificates, err = backend.NewCertificates(s.Authority, BackendName); err != nil {
		return err
	}
	if !s.options.Profile.Auth.ClientCertificate() {
		return nil
	}
	s.identities = 1
	if s.clientAuthority, s.clientCertificate, err = newIdentity(s.identities); err != nil {
		return err
	}
	s.trustClients(s.clientAuthority)
	return nil
}

// serverTLS is how the backend meets those who connect, without what it demands
// of them.
func (s *Stand) serverTLS() *tls.Config {
	return &tls.Config{GetCertificate: s.Certificates.GetCertificate, MinVersion: tls.VersionTLS12}
}

// backendURL is the proxy's setting.
func (s *Stand) backendURL() string {
	scheme := "https"
	if s.Certificates == nil {
		scheme = "http"
	}
	return scheme + "://" + s.BackendAddress + s.options.Profile.Backend.BasePath
}

// Backend is what answers behind the proxy, as it is now: a rotation replaces
// it by another view of the same resources.
func (s *Stand) Backend() *backend.Backend {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.backend
}
