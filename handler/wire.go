package main

import (
	"context"
	_ "embed"
	"maps"
	"net"
	"net/http"
	"strings"
	"time"

	"go.uber.org/zap"

	"example.com/entra-scim-proxy/proxy"
	"example.com/entra-scim-proxy/proxy/keyvault"
	"example.com/entra-scim-proxy/proxy/token"
	"example.com/entra-scim-proxy/proxy/upstream"
)

//go:embed VERSION
var versionFile string

// version is the release that this binary is built from.
var version = strings.TrimSpace(versionFile)

// newProxy wires the proxy up. It reads no secret; it returns the functions
// that do so for the first time.
func newProxy(s settings, logger *zap.Logger) (http.Handler, []func(context.Context)) {
	watch := newExpiryWatch(logger)
	windows := token.Windows{Refresh: time.Duration(s.SecretRefresh), Stale: time.Duration(s.SecretStale)}
	credentials := func(setting string, source token.Source) *token.Cache[token.Credentials] {
		load := watched(token.ReadCredentials(source), func(values token.Credentials) { watch.credentials(setting, values) })
		return token.NewCache(load, windows, logger.With(zap.String("setting", setting)))
	}
	inbound, outbound := credentials("ENTRA_TOKEN", s.EntraToken.source), credentials("BACKEND_TOKEN", s.BackendToken.source)
	reads := []func(context.Context){first(inbound), first(outbound)}

	edge := upstream.Options{ServerName: s.BackendURL.Hostname(), Timeout: time.Duration(s.BackendTimeout), Verified: watch.chain}
	var host string
	if name := string(s.BackendServerName); name != "" {
		edge.ServerName, host = name, name
		if net.ParseIP(name) != nil && strings.Contains(name, ":") {
			host = "[" + name + "]" // RFC 3986 section 3.2.2
		}
	}
	if s.BackendCA.source != nil {
		roots := token.NewCache(watched(loadBundle(s.BackendCA.source, logger), watch.bundle), windows, logger.With(zap.String("setting", "BACKEND_CA")))
		edge.Roots = roots.Get
		edge.RenewRoots = func(ctx context.Context, refused *upstream.Roots) *upstream.Roots {
			return roots.Renew(ctx, func(have *upstream.Roots) bool { return have.String() != refused.String() })
		}
		reads = append(reads, first(roots))
	}

	handler, err := proxy.New(proxy.Options{
		Backend: s.BackendURL.URL, Host: host, Path: string(s.SCIMPath),
		Timeout: time.Duration(s.BackendTimeout), MaxBody: int64(s.MaxBody),
		UserAgent: "entra-scim-proxy/" + version,
		Inbound:   inbound, Outbound: outbound, OutboundFixed: s.BackendToken.isFixed(),
		Transport: upstream.NewTransport(edge), Explain: explain, Log: logger,
		Normalizer: s.normalizer, PublicURL: string(s.PublicURL),
	})
	if err != nil {
		// What New checks, the settings' own checks guarantee.
		panic(err)
	}
	return handler, reads
}

// openVault gives the keyvault references, if there are any, their sources.
func (s *settings) openVault(logger *zap.Logger) error {
	references := map[string]*secret{"ENTRA_TOKEN": &s.EntraToken, "BACKEND_TOKEN": &s.BackendToken, "BACKEND_CA": &s.BackendCA}
	maps.DeleteFunc(references, func(_ string, reference *secret) bool { return reference.Kind() != token.KeyVault })
	if len(references) == 0 {
		return nil
	}
	vault, err := keyvault.New(keyvault.Options{
		URL: string(s.KeyVaultURL), ManagedIdentity: s.managedIdentity, ClientID: string(s.ClientID),
	})
	if err != nil {
		return err
	}
	uses := map[string]keyvault.Use{"ENTRA_TOKEN": keyvault.Accept, "BACKEND_TOKEN": keyvault.Present, "BACKEND_CA": keyvault.Trust}
	for setting, reference := range references {
		name, version, _ := strings.Cut(reference.Target(), "/")
		reference.source = vault.Secret(name, version, uses[setting], logger.With(zap.String("setting", setting)))
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
func first[T interface{ String() string }](cache *token.Cache[T]) func(context.Context) {
	return func(ctx context.Context) { _, _ = cache.Get(ctx) }
}

// loadBundle returns a loader for a cache of roots, which warns of what it
// finds in each new bundle.
func loadBundle(source token.Source, logger *zap.Logger) func(context.Context) (*upstream.Roots, error) {
	var last string // the cache never loads twice at once
	return func(ctx context.Context) (*upstream.Roots, error) {
		values, err := source.Read(ctx)
		if err != nil {
			return nil, err
		}
		roots, err := upstream.ParseBundle([]byte(values.Current().Reveal()))
		if err != nil {
			return nil, err
		}
		if roots.String() != last {
			for _, warning := range roots.Warnings {
				logger.Warn("BACKEND_CA: " + warning)
			}
		}
		last = roots.String()
		return roots, nil
	}
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
