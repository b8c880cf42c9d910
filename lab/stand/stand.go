// Package stand sets the lab up on this machine: a SCIM backend of the field in
// this process, its certificate from a private authority, the secrets in files
// or in a key vault, and the packaged proxy under the Functions host.
package stand

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"example.com/entra-scim-proxy/lab/backend"
	"example.com/entra-scim-proxy/lab/host"
	"example.com/entra-scim-proxy/lab/pki"
	"example.com/entra-scim-proxy/lab/profile"
	"example.com/entra-scim-proxy/lab/vault"
)

const (
	// BackendName is the only name in the backend's certificate. It is known to
	// the company's own resolver only.
	BackendName = "scim.corp.example.com"
	// SCIMPath is the proxy's default SCIM_PATH.
	SCIMPath = "/scim"
	// Flag chooses Entra's compliant dialect, in the query of a tenant URL.
	Flag = "aadOptscim062020"
)

// Options say what to set up. Profile is required.
type Options struct {
	// App is the folder of the packaged proxy, built for this machine; empty for
	// a proxy that somebody else starts, with [Stand.Settings].
	App string
	// Profile is the system behind the proxy, with the settings it asks for.
	Profile profile.Profile
	// Port of the Functions host on 127.0.0.1; zero takes a free one.
	Port int
	// Azure makes the proxy believe that it runs there.
	Azure bool
	// Vault keeps the secrets in a key vault, which the proxy reads with the SDK
	// and a managed identity; false keeps them in files. It fails with
	// [vault.ErrSystem] on some systems.
	Vault bool
	// HTTP1 keeps the backend from offering HTTP/2.
	HTTP1 bool
	// Settings of the proxy, NAME=value each, take precedence over those that
	// the stand makes.
	Settings []string
	// Adjust changes the options of the backend before it is made; nil changes
	// nothing.
	Adjust func(*Stand, *backend.Options)
	// FailureWindow is that of [host.Options].
	FailureWindow time.Duration
	// FromEntra and AtBackend wrap what takes Entra's calls, and the backend's
	// handler. Nil wraps nothing.
	FromEntra, AtBackend func(http.Handler) http.Handler
	// Log gets the proxy's log, line by line; nil discards it.
	Log io.Writer
}

// Stand is one set-up. [New] makes one, and Close ends it.
type Stand struct {
	// Origin is where Entra reaches the proxy, without a slash at its end.
	Origin string
	// BackendAddress is the host:port that the backend listens on.
	BackendAddress string
	// Host runs the proxy; nil without App.
	Host *host.Host
	// Trouble makes calls to the backend go wrong.
	Trouble *backend.Trouble
	// Certificates are what the backend can present; nil without TLS.
	Certificates *backend.Certificates
	// Authority issued them.
	Authority *pki.Authority
	// Vault is nil if the secrets are in files.
	Vault *vault.Server

	options    Options
	dir        string // nobody else can read it
	references []string
	server     *http.Server
	serving    sync.WaitGroup

	// demanding is how TLS is spoken to those who must show a client
	// certificate; nil if nobody must.
	demanding atomic.Pointer[tls.Config]

	mu                       sync.Mutex
	entraToken, backendToken string // the second is empty if there is a client certificate
	clientAuthority          *pki.Authority
	clientCertificate        string // and key, in PEM
	identities               int    // client certificates so far
	backend                  *backend.Backend
}

// New sets everything up and returns once the proxy answers. The context limits
// that only. If it fails, nothing is left; the error holds the last lines that
// the proxy wrote to standard error.
func New(ctx context.Context, options Options) (*Stand, error) {
	s := newStand(options)
	if err := s.setUp(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// newStand is a stand of which nothing is set up.
func newStand(options Options) *Stand {
	s := &Stand{options: options, Trouble: new(backend.Trouble), entraToken: NewToken()}
	if !options.Profile.Auth.ClientCertificate() {
		s.backendToken = NewToken()
	}
	return s
}

func (s *Stand) setUp(ctx context.Context) (err error) {
	if s.dir, err = os.MkdirTemp("", "entra-scim-lab-"); err != nil { // 0700
		return fmt.Errorf("make a temporary directory: %w", err)
	}
	if s.Authority, err = pki.New("Lab Private CA"); err != nil {
		return err
	}
	// Open from now on, so that nobody else gets the port.
	front, err := listen(ctx, s.options.Port)
	if err != nil {
		return err
	}
	s.Origin = "http://" + front.Addr().String()
	if err := s.startBackend(); err != nil {
		return errors.Join(err, front.Close())
	}
	if err := s.keepSecrets(); err != nil {
		return errors.Join(err, front.Close())
	}
	if s.options.App == "" {
		return front.Close()
	}
	return s.startProxy(ctx, front)
}

// NewToken is 256 random bits, as they can stand in a header.
func NewToken() string {
	var b [32]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// startProxy starts the app under the Functions host, whose the listener is.
func (s *Stand) startProxy(ctx context.Context, front net.Listener) (err error) {
	options := host.Options{
		App: s.options.App, Settings: s.Settings(), Listener: front,
		Stdout: s.options.Log, Around: s.options.FromEntra, FailureWindow: s.options.FailureWindow,
	}
	if s.options.Azure {
		options.Hostname = "contoso-scim.azurewebsites.net"
	}
	s.Host, err = host.Start(ctx, options)
	return err
}

// Settings of the proxy, NAME=value each: what the stand knows, what the profile
// asks for, what was asked of the stand; the later one counts.
func (s *Stand) Settings() []string {
	settings := map[string]string{
		"BACKEND_URL":         s.backendURL(),
		"BACKEND_SERVER_NAME": BackendName,
		"PUBLIC_URL":          s.Origin,
	}
	maps.Copy(settings, s.options.Profile.Auth.Settings())
	maps.Copy(settings, s.options.Profile.Proxy)
	for _, setting := range slices.Concat(s.references, s.options.Settings) {
		name, value, _ := strings.Cut(setting, "=")
		settings[name] = value
	}
	var list []string
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		list = append(list, name+"="+settings[name])
	}
	return list
}

// Setting returns a setting of the proxy; empty if it has none.
func (s *Stand) Setting(name string) string {
	for _, setting := range s.Settings() {
		if value, ok := strings.CutPrefix(setting, name+"="); ok {
			return value
		}
	}
	return ""
}

// TenantURL is what an administrator types into the portal, with the flag of
// the compliant dialect or without.
func (s *Stand) TenantURL(flag bool) string {
	if flag {
		return s.Origin + SCIMPath + "?" + Flag
	}
	return s.Origin + SCIMPath
}

// Token is what Entra presents: the portal's Secret Token.
func (s *Stand) Token() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.entraToken
}

// BackendToken is what the backend expects: a bearer token, a password or an API
// key; empty where it takes a client certificate.
func (s *Stand) BackendToken() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.backendToken
}

// Close ends the proxy, the backend and the vault, and removes the directory.
func (s *Stand) Close() error {
	var errs []error
	if s.Host != nil {
		errs = append(errs, s.Host.Close())
	}
	if s.server != nil {
		errs = append(errs, s.server.Close())
		s.serving.Wait()
	}
	if s.Vault != nil {
		s.Vault.Close()
	}
	if s.dir != "" {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return errors.Join(errs...)
}

func (s *Stand) path(name string) string { return filepath.Join(s.dir, name) }

// listen opens a port of 127.0.0.1, so that a busy one is reported in words and
// before anything starts. Zero takes any.
func listen(ctx context.Context, port int) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		other := port + 1
		if port == 65535 {
			other = port - 1
		}
		return nil, fmt.Errorf("port %d is in use on 127.0.0.1; end the program that holds it or choose another: set PORT=%d", port, other)
	case err != nil:
		return nil, fmt.Errorf("port %d cannot be used on 127.0.0.1: %w", port, err)
	}
	return listener, nil
}
