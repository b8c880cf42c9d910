package main

import (
	"cmp"
	"time"

	"go.uber.org/zap"

	"example.com/entra-scim-proxy/proxy/check"
)

// summary is what is in effect, for the log: no secret, and no name of what is
// inside, such as a host, a path of the backend's or a custom attribute.
func (s *settings) summary() []zap.Field {
	fields := []zap.Field{
		zap.String("version", version),
		zap.String("backend", s.BackendURL.Scheme),
		zap.String("scim_path", cmp.Or(string(s.SCIMPath), "/")),
		zap.String("public_url", s.publicURLFrom()),
		zap.String("auth", s.BackendAuth.kind),
		zap.Bool("client_certificate", s.BackendClientCert.Kind() != ""),
		zap.String("ca", map[bool]string{true: "bundle", false: "system"}[s.BackendCA.Kind() != ""]),
		zap.Bool("server_name", s.BackendServerName != ""),
	}
	fields = append(fields, s.sources()...)
	return append(fields,
		zap.String("groups", string(s.Groups)),
		zap.String("rules", cmp.Or(s.normalizer.Rules().String(), "none")),
		zap.Int("dropped", len(s.DropAttributes)),
		zap.Int("custom_names", len(s.BooleanAttributes)+len(s.IntegerAttributes)+len(s.MultivaluedAttributes)+len(s.ExtensionSchemas)),
		zap.Stringer("timeout", time.Duration(s.BackendTimeout)),
		zap.Stringer("refresh", time.Duration(s.SecretRefresh)),
		zap.Stringer("stale", time.Duration(s.SecretStale)),
		zap.Int64("max_body", int64(s.MaxBody)),
		zap.Int("max_header", int(s.MaxHeader)),
		zap.Int("max_concurrent", int(s.MaxConcurrent)),
		zap.Stringer("log_level", s.LogLevel.Level),
		zap.Bool("check_details", bool(s.CheckDetails)),
	)
}

// publicURLFrom is where the public origin comes from.
func (s *settings) publicURLFrom() string {
	switch {
	case s.PublicURL == "":
		return "none"
	case s.hostsPublicURL:
		return "default"
	default:
		return "set"
	}
}

// sources are the kinds of the references to secrets, and of the identity that
// reads the vault.
func (s *settings) sources() (fields []zap.Field) {
	references := s.references()
	for _, each := range []struct{ key, setting string }{
		{"entra_token", check.Inbound}, {"backend_token", check.Outbound},
		{"backend_client_cert", check.BackendCert}, {"backend_ca", check.BackendCA},
	} {
		if reference := references[each.setting]; reference.Kind() != "" {
			fields = append(fields, zap.String(each.key, reference.sourceKind()))
		}
	}
	if s.usesVault() {
		fields = append(fields, zap.String("identity", s.identityKind()))
	}
	return fields
}

// sourceKind is where the secret is kept, without its name.
func (s *secret) sourceKind() string {
	if s.isPinned() {
		return "keyvault pinned"
	}
	return string(s.Kind())
}

// identityKind is who reads the vault, as keyvault.New chooses.
func (s *settings) identityKind() string {
	switch {
	case !s.managedIdentity:
		return "chain"
	case s.ClientID != "":
		return "user"
	default:
		return "system"
	}
}
