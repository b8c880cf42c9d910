package bench

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
)

// PlainCommand is the subcommand that runs [Plain].
const PlainCommand = "plain"

// Plain serves the rival until the context ends: the proxy that a person would
// write on an afternoon, with the same check and swap, no limits, no log and
// no SCIM. It reads PORT, BACKEND_URL, BACKEND_SERVER_NAME, BACKEND_CA,
// BACKEND_TOKEN and ENTRA_TOKEN like the real one, with file: references only,
// and replaces no path.
func Plain(ctx context.Context, getenv func(string) string) error {
	handler, err := newPlain(getenv)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", getenv("PORT")))
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	server := &http.Server{Handler: handler} //nolint:gosec // a deadline costs time, and the plainest has none
	defer context.AfterFunc(ctx, func() { server.Close() })()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

func newPlain(getenv func(string) string) (http.Handler, error) {
	backend, err := url.Parse(getenv("BACKEND_URL"))
	if err != nil {
		return nil, fmt.Errorf("parse BACKEND_URL: %w", err)
	}
	backend.Path = "" // the same as the public one
	content := map[string]string{}
	for _, setting := range []string{"BACKEND_CA", "BACKEND_TOKEN", "ENTRA_TOKEN"} {
		read, err := os.ReadFile(strings.TrimPrefix(getenv(setting), "file:"))
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", setting, err)
		}
		content[setting] = string(bytes.TrimSpace(read))
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(content["BACKEND_CA"]))
	outgoing := "Bearer " + content["BACKEND_TOKEN"]
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(backend)
			r.Out.Header.Set("Authorization", outgoing)
		},
		Transport: &http.Transport{
			TLSClientConfig:     &tls.Config{RootCAs: roots, ServerName: getenv("BACKEND_SERVER_NAME")},
			MaxIdleConnsPerHost: 256,
			// Or the TLS configuration would keep it at HTTP/1.1, and the table
			// would compare protocols instead of proxies.
			ForceAttemptHTTP2: true,
		},
	}
	expected := sha256.Sum256([]byte("Bearer " + content["ENTRA_TOKEN"]))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		presented := sha256.Sum256([]byte(r.Header.Get("Authorization")))
		switch {
		case r.URL.Path == "/": // the Functions host's ping
		case subtle.ConstantTimeCompare(presented[:], expected[:]) != 1:
			w.WriteHeader(http.StatusUnauthorized)
		default:
			proxy.ServeHTTP(w, r)
		}
	}), nil
}
