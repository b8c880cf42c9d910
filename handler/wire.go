package main

import (
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"maps"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"go.uber.org/zap"

	"example.com/entra-scim-proxy/proxy"
	"example.com/entra-scim-proxy/proxy/check"
	"example.com/entra-scim-proxy/proxy/keyvault"
	"example.com/entra-scim-proxy/proxy/token"
	"example.com/entra-scim-proxy/proxy/upstream"
)

//go:embed VERSION
var versionFile string

// version is the release that this binary is built from.
var version = strings.TrimSpace(versionFile)

// userAgent is sent to the backend.
var userAgent = "entra-scim-proxy/" + version

// credentialLoader reads the values of a credential for a cache.
type credentialLoader = func(context.Context) (token.Credentials, error)

// wiring is what the parts of the proxy are made of.
type wiring struct {
	settings
	logger  *zap.Logger
	watch   *expiryWatch
	windows token.Windows
	// reads are the first reads of the secrets.
	reads []func(context.Context)
}

// newProxy wires the proxy up. It reads no secret; it returns the functions
// that do so for the first time.
func newProxy(s settings, logger *zap.Logger) (http.Handler, []func(context.Context)) {
	w := &wiring{
		settings: s, logger: logger, watch: newExpiryWatch(logger),
		windows: token.Windows{Refresh: time.Duration(s.SecretRefresh), Stale: time.Duration(s.SecretStale)},
	}
	options := proxy.Options{
		Backend: s.BackendURL.URL, Host: s.host(), Path: string(s.SCIMPath),
		Timeout: time.Duration(s.BackendTimeout), MaxBody: int64(s.MaxBody),
		MaxConcurrent: int(s.MaxConcurrent), Memory: debug.SetMemoryLimit(-1),
		UserAgent: userAgent,
		Inbound:   w.credentials(check.Inbound, token.ReadCredentials(s.EntraToken.source)),
		Scheme:    s.scheme(),
		Check:     s.checkReport(logger), Explain: explain, Log: logger,
		StubGroups: s.Groups == stubbed, Normalizer: s.normalizer, PublicURL: string(s.PublicURL),
	}
	if s.BackendAuth.kind != authNone {
		options.Outbound = w.credentials(check.Outbound, s.BackendAuth.read(s.BackendToken.source))
		options.OutboundFixed = s.BackendToken.isFixed()
	}
	options.Transport = upstream.NewTransport(w.edge())
	handler, err := proxy.New(options)
	if err != nil {
		// What New checks, the settings' own checks guarantee.
		panic(err)
	}
	return handler, w.reads
}

// scheme is how the backend is shown its secret.
func (s *settings) scheme() proxy.Scheme {
	return proxy.Scheme{User: string(s.BackendUsername), Header: s.BackendAuth.header}
}

// verifiedName is the name that the backend's certificate must carry.
func (s *settings) verifiedName() string {
	return cmp.Or(string(s.BackendServerName), s.BackendURL.Hostname())
}

// host is the Host header sent; "" means that of BACKEND_URL.
func (s *settings) host() string {
	name := string(s.BackendServerName)
	if net.ParseIP(name) != nil && strings.Contains(name, ":") {
		return "[" + name + "]" // RFC 3986 section 3.2.2
	}
	return name
}

// credentials makes the cache of a credential.
func (w *wiring) credentials(setting string, load credentialLoader) *token.Cache[token.Credentials] {
	return newCache(w, setting, load, func(values token.Credentials) { w.watch.credentials(setting, values) })
}

// newCache makes the cache of a setting's value, of which see is shown each that
// is read.
func newCache[T fmt.Stringer](w *wiring, setting string, load func(context.Context) (T, error), see func(T)) *token.Cache[T] {
	cache := token.NewCache(watched(load, see), w.windows, w.logger.With(zap.String("setting", setting)))
	w.reads = append(w.reads, first(cache))
	return cache
}

// edge describes the connections to the backend.
func (w *wiring) edge() upstream.Options {
	edge := upstream.Options{ServerName: w.verifiedName(), Timeout: time.Duration(w.BackendTimeout), Verified: w.watch.chain}
	if w.BackendCA.source != nil {
		roots := newCache(w, check.BackendCA, loadBundle(w.BackendCA.source, w.logger), w.watch.bundle)
		edge.Roots = roots.Get
		edge.RenewRoots = renew(roots)
	}
	if w.BackendClientCert.source != nil {
		identity := newCache(w, check.BackendCert, loadIdentity(w.BackendClientCert.source, w.logger), w.watch.identity)
		edge.Identity = identity.Get
		edge.RenewIdentity = renew(identity)
		if w.BackendAuth.kind == authNone {
			edge.Unasked = w.watch.unasked
		}
	}
	return edge
}

// renew returns a function that reads a value again which did not serve.
func renew[T fmt.Stringer](cache *token.Cache[T]) func(context.Context, T) T {
	return func(ctx context.Context, refused T) T {
		return cache.Renew(ctx, func(have T) bool { return have.String() != refused.String() })
	}
}

// references are the settings that refer to a secret, by name.
func (s *settings) references() map[string]*secret {
	return map[string]*secret{
		check.Inbound: &s.EntraToken, check.Outbound: &s.BackendToken,
		check.BackendCert: &s.BackendClientCert, check.BackendCA: &s.BackendCA,
	}
}

// openVault gives the keyvault references, if there are any, their sources.
func (s *settings) openVault(logger *zap.Logger) (err error) {
	references := s.references()
	maps.DeleteFunc(references, func(_ string, reference *secret) bool { return reference.Kind() != token.KeyVault })
	if len(references) == 0 {
		return nil
	}
	s.vault, err = keyvault.New(keyvault.Options{
		URL: string(s.KeyVaultURL), ManagedIdentity: s.managedIdentity, ClientID: string(s.ClientID),
	})
	if err != nil {
		return err
	}
	uses := map[string]keyvault.Use{
		check.Inbound: keyvault.Accept, check.Outbound: keyvault.Present, check.BackendCA: keyvault.Newest, check.BackendCert: keyvault.Newest,
	}
	for setting, reference := range references {
		name, version, _ := strings.Cut(reference.Target(), "/")
		reference.source = s.vault.Secret(name, version, uses[setting], logger.With(zap.String("setting", setting)))
	}
	return nil
}

// watched returns a loader that shows each value that load yields to see.
func watched[T any](load func(context.Context) (T, error), see func(T)) func(context.Context) (T, error) {
	return func(ctx context.Context) (T, error) {
		value, err := load(ctx)
		if err == nil {
			see(value)
		}
		return value, err
	}
}

// first returns the first read of a cache, which logs its own failure.
func first[T fmt.Stringer](cache *token.Cache[T]) func(context.Context) {
	return func(ctx context.Context) { _, _ = cache.Get(ctx) }
}

// loadBundle returns a loader for a cache of roots, which warns of what it
// finds in each new bundle.
func loadBundle(source token.Source, logger *zap.Logger) func(context.Context) (*upstream.Roots, error) {
	return warned("BACKEND_CA", parsed(source, upstream.ParseBundle), func(roots *upstream.Roots) []string { return roots.Warnings }, logger)
}

// loadIdentity is loadBundle for the client certificate.
func loadIdentity(source token.Source, logger *zap.Logger) func(context.Context) (*upstream.Identity, error) {
	return warned("BACKEND_CLIENT_CERT", parsed(source, upstream.ParseIdentity), func(identity *upstream.Identity) []string { return identity.Warnings }, logger)
}

// parsed returns a loader of what a source's value parses as.
func parsed[T any](source token.Source, parse func([]byte) (T, error)) func(context.Context) (T, error) {
	return func(ctx context.Context) (T, error) {
		values, err := source.Read(ctx)
		if err != nil {
			var none T
			return none, err
		}
		return parse([]byte(values.Current().Reveal()))
	}
}

// warned returns a loader that logs the warnings about each new value.
func warned[T fmt.Stringer](setting string, load func(context.Context) (T, error), warnings func(T) []string, logger *zap.Logger) func(context.Context) (T, error) {
	var last string // the cache never loads twice at once
	return watched(load, func(value T) {
		if value.String() != last {
			for _, warning := range warnings(value) {
				logger.Warn(setting + ": " + warning)
			}
		}
		last = value.String()
	})
}

// problems sorts the stages of a failed round trip for the client.
var problems = map[upstream.Stage]error{
	upstream.Connect:   proxy.ErrUnreachable,
	upstream.Handshake: proxy.ErrTLS,
	upstream.Answer:    proxy.ErrBadAnswer,
}

// explain translates between two packages that do not know each other.
func explain(err error) proxy.Fault {
	fault := upstream.Explain(err)
	return proxy.Fault{Problem: problems[fault.Stage], Class: fault.Class, Cause: fault.Cause, Remedy: fault.Remedy}
}
