package stand

import (
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"example.com/entra-scim-proxy/lab/profile"
	"example.com/entra-scim-proxy/lab/vault"
)

// VaultName is in no DNS: the vault stands in this process.
const VaultName = "contoso-lab.vault.azure.net"

// The names of the secrets, as files or in the vault: those of their settings, in
// letters that Key Vault takes.
const (
	EntraTokenName        = "entra-token"
	BackendTokenName      = "backend-token"
	BackendClientCertName = "backend-client-cert"
	BackendCAName         = "backend-ca"
)

// References are the proxy's settings of secrets, all of one kind, such as
// "keyvault:", for a backend that takes a token and has a private authority.
func References(kind string) []string {
	var list []string
	for _, name := range []string{EntraTokenName, BackendTokenName, BackendCAName} {
		list = append(list, reference(kind, name))
	}
	return list
}

func reference(kind, name string) string {
	return strings.ToUpper(strings.ReplaceAll(name, "-", "_")) + "=" + kind + name
}

// keepSecrets puts the secrets where the proxy reads them. The authority is
// among them unless it passes for a public one.
func (s *Stand) keepSecrets() (err error) {
	kind := "file:" + s.dir + string(filepath.Separator)
	if s.options.Vault {
		if s.Vault, err = vault.Serve(&vault.Vault{}, VaultName, s.dir); err != nil {
			return err
		}
		kind = "keyvault:"
	}
	secrets := map[string]string{EntraTokenName: s.entraToken, BackendTokenName: s.backendToken}
	if s.options.Profile.Auth.ClientCertificate() {
		delete(secrets, BackendTokenName)
		secrets[BackendClientCertName] = s.clientCertificate
	}
	if s.options.Profile.Certificate == profile.PrivateCA {
		secrets[BackendCAName] = string(s.Authority.PEM())
	}
	for name, value := range secrets {
		if err := s.store(name, value); err != nil {
			return err
		}
		s.references = append(s.references, reference(kind, name))
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
	return nil
}

// store puts a secret, or a new version of it, where the proxy reads it.
func (s *Stand) store(name, value string) error {
	if s.Vault == nil {
		return s.writeFile(name, value)
	}
	secret := vault.Secret{Value: value}
	if name == BackendClientCertName {
		// What a certificate of Key Vault's is, read as a secret:
		// https://learn.microsoft.com/azure/key-vault/certificates/about-certificates
		secret.ContentType = "application/x-pem-file"
	}
	s.Vault.Set(name, secret)
	return nil
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

// writeFile replaces a file in one step, since the proxy may be reading it.
func (s *Stand) writeFile(name, content string) error {
	draft := s.path(name + ".new")
	if err := os.WriteFile(draft, []byte(content), 0o600); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return os.Rename(draft, s.path(name))
}

// Rotate replaces Entra's token and the secret that the backend expects: first
// where the proxy reads them, then at the backend, which drops its old one at
// once. Entra presents the new one when [Stand.Token] is asked again. It returns
// what the backend dropped; empty where it takes a client certificate, which
// [Stand.RotateCertificate] replaces.
func (s *Stand) Rotate() (dropped string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	entraToken, backendToken := NewToken(), ""
	// A proxy that is refused reads its token again right away.
	err = s.store(EntraTokenName, entraToken)
	if s.backendToken != "" {
		backendToken = NewToken()
		err = errors.Join(err, s.store(BackendTokenName, backendToken))
	}
	if err != nil {
		return "", err
	}
	dropped = s.backendToken
	s.entraToken, s.backendToken = entraToken, backendToken
	s.backend = s.backend.WithToken(backendToken)
	return dropped, nil
}

// Secrets are the secrets as they are now, in each form in which they could
// show: nobody may print one.
func (s *Stand) Secrets() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []string{s.entraToken}
	if s.backendToken != "" {
		list = append(list, s.backendToken)
	}
	if user := s.options.Profile.Auth.User; user != "" {
		list = append(list, base64.StdEncoding.EncodeToString([]byte(user+":"+s.backendToken)))
	}
	if key, _ := pem.Decode([]byte(s.clientCertificate)); key != nil {
		for line := range strings.Lines(string(pem.EncodeToMemory(key))) {
			// Long enough to stand for nothing else.
			if line = strings.TrimSpace(line); len(line) > 30 && !strings.HasPrefix(line, "-----") {
				list = append(list, line)
			}
		}
	}
	return list
}
