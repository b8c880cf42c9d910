package stand

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// DirectCall is what the proxy exists for: a call to the backend by somebody who
// trusts the public authorities only, as Entra does. It returns the error of
// the handshake as text, and fails when the call ends in any other way. No
// credential is sent.
func (s *Stand) DirectCall(ctx context.Context) (string, error) {
	target, status, err := s.CallBackend(ctx, nil, "")
	if err == nil {
		return "", fmt.Errorf("call the backend without its private CA: want a certificate error, got %d", status)
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); !ok {
		return "", fmt.Errorf("call the backend without its private CA: want a certificate error: %w", err)
	}
	if failed, ok := errors.AsType[*url.Error](err); ok {
		err = failed.Err
	}
	return fmt.Sprintf("GET %s: %v", target, err), nil
}

// CallBackend lists the backend's users without the proxy, trusting the roots
// given, nil meaning the system's. The credential is of the profile's kind: a
// token, a password, an API key, or a client certificate and its key in PEM;
// empty sends none. It returns the URL and the status of the answer.
func (s *Stand) CallBackend(ctx context.Context, roots *x509.CertPool, credential string) (target string, status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	config := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	auth := s.options.Profile.Auth
	if auth.ClientCertificate() && credential != "" {
		pair, err := tls.X509KeyPair([]byte(credential), []byte(credential))
		if err != nil {
			return "", 0, fmt.Errorf("read the client certificate: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives:   true,
		TLSHandshakeTimeout: 5 * time.Second,
		TLSClientConfig:     config,
		// See BackendName.
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, s.BackendAddress)
		},
	}}
	target = strings.Replace(s.backendURL(), "127.0.0.1", BackendName, 1) + "/Users"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return "", 0, fmt.Errorf("build the direct call: %w", err)
	}
	if credential != "" {
		auth.Present(request, credential)
	}
	response, err := client.Do(request)
	if err != nil {
		return target, 0, err
	}
	response.Body.Close()
	return target, response.StatusCode, nil
}
