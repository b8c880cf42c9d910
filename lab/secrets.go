package main

import (
	"fmt"
	"os"
	"path/filepath"

	"example.com/entra-scim-proxy/lab/vault"
)

// vaultName is not in any DNS: the vault stands in this process.
const vaultName = "contoso-lab.vault.azure.net"

// The names of the secrets, as files or in the vault.
const (
	entraTokenName   = "entra-token"
	backendTokenName = "backend-token"
	backendCAName    = "backend-ca"
)

// references are the proxy's settings of secrets, all of one kind.
func references(kind string) []string {
	return []string{
		"ENTRA_TOKEN=" + kind + entraTokenName,
		"BACKEND_TOKEN=" + kind + backendTokenName,
		"BACKEND_CA=" + kind + backendCAName,
	}
}

// writeSecrets puts the secrets into files.
func (s *stand) writeSecrets() error {
	for name, content := range map[string][]byte{
		entraTokenName:   []byte(s.entraToken),
		backendTokenName: []byte(s.backendToken),
		backendCAName:    s.authority.PEM(),
	} {
		if err := os.WriteFile(s.path(name), content, 0o600); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	s.secrets = references("file:" + s.dir + string(filepath.Separator))
	return nil
}

// openVault puts the secrets into a vault, which the proxy reads with the SDK
// and a managed identity, as in Azure.
func (s *stand) openVault() (err error) {
	v := &vault.Vault{}
	v.Set(entraTokenName, vault.Secret{Value: s.entraToken})
	v.Set(backendTokenName, vault.Secret{Value: s.backendToken})
	v.Set(backendCAName, vault.Secret{Value: string(s.authority.PEM())})
	if s.vault, err = vault.Serve(v, vaultName, s.dir); err != nil {
		return err
	}
	s.secrets = references("keyvault:")
	for name, value := range s.vault.Environment() {
		s.secrets = append(s.secrets, name+"="+value)
	}
	return nil
}
