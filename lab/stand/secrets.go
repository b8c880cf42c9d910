package stand

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"example.com/entra-scim-proxy/lab/profile"
	"example.com/entra-scim-proxy/lab/vault"
)

// VaultName is in no DNS: the vault stands in this process.
const VaultName = "contoso-lab.vault.azure.net"

// The names of the secrets, as files or in the vault.
const (
	EntraTokenName   = "entra-token"
	BackendTokenName = "backend-token"
	BackendCAName    = "backend-ca"
)

// References are the proxy's settings of secrets, all of one kind, such as
// "keyvault:".
func References(kind string) []string {
	return []string{
		"ENTRA_TOKEN=" + kind + EntraTokenName,
		"BACKEND_TOKEN=" + kind + BackendTokenName,
		"BACKEND_CA=" + kind + BackendCAName,
	}
}

// keepSecrets puts the secrets where the proxy reads them. The authority is
// among them unless it passes for a public one.
func (s *Stand) keepSecrets() (err error) {
	store, kind := s.writeFile, "file:"+s.dir+string(filepath.Separator)
	if s.options.Vault {
		if s.Vault, err = vault.Serve(&vault.Vault{}, VaultName, s.dir); err != nil {
			return err
		}
		store, kind = s.setInVault, "keyvault:"
	}
	s.references = References(kind)
	if s.options.Profile.Certificate != profile.PrivateCA {
		s.references = s.references[:2]
	}
	environment := map[string]string{}
	if s.Vault != nil {
		environment = s.Vault.Environment()
	}
	if s.options.Profile.Certificate == profile.PublicCA {
		if environment["SSL_CERT_FILE"], err = s.passForPublic(environment["SSL_CERT_FILE"]); err != nil {
			return err
		}
	}
	for name, value := range environment {
		s.references = append(s.references, name+"="+value)
	}
	return errors.Join(
		store(EntraTokenName, s.entraToken), store(BackendTokenName, s.backendToken), store(BackendCAName, string(s.Authority.PEM())))
}

// passForPublic puts the authority among the system's roots of the proxy, which
// are those in the file named, if any.
func (s *Stand) passForPublic(roots string) (string, error) {
	var others []byte
	if roots != "" {
		var err error
		if others, err = os.ReadFile(roots); err != nil {
			return "", fmt.Errorf("read the public roots: %w", err)
		}
	}
	return s.path("roots.pem"), s.writeFile("roots.pem", string(others)+string(s.Authority.PEM()))
}

func (s *Stand) setInVault(name, value string) error {
	s.Vault.Set(name, vault.Secret{Value: value})
	return nil
}

// writeFile replaces a file in one step, since the proxy may be reading it.
func (s *Stand) writeFile(name, content string) error {
	draft := s.path(name + ".new")
	if err := os.WriteFile(draft, []byte(content), 0o600); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return os.Rename(draft, s.path(name))
}

// Rotate replaces both tokens: first where the proxy reads them, then at the
// backend, which drops its old one at once. Entra presents the new one when
// [Stand.Token] is asked again. It returns the backend's old token.
func (s *Stand) Rotate() (dropped string, err error) {
	store := s.writeFile
	if s.Vault != nil {
		store = s.setInVault
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	dropped = s.backendToken
	entraToken, backendToken := NewToken(), NewToken()
	// A proxy that is refused reads its token again right away.
	if err := errors.Join(store(EntraTokenName, entraToken), store(BackendTokenName, backendToken)); err != nil {
		return "", err
	}
	s.entraToken, s.backendToken = entraToken, backendToken
	s.backend = s.backend.WithToken(backendToken)
	return dropped, nil
}
