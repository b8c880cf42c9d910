package token

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Kind is where a [Reference] points.
type Kind string

// The kinds of reference. The zero Kind is no reference.
const (
	// KeyVault names a secret in the Azure Key Vault of KEY_VAULT_URL.
	KeyVault Kind = "keyvault"
	// Env names an environment variable.
	Env Kind = "env"
	// Path names a file.
	Path Kind = "file"
	// Plain holds the value itself.
	Plain Kind = "plain"
)

// Reference is a parsed secret reference, "kind:target". It prints only its
// kind, because the target of a plain reference is the secret, and any other
// target may be one by mistake. The zero Reference refers to nothing.
type Reference struct {
	kind   Kind
	target **string // for the reason given at Secret
}

// Names of secrets, and identifiers of their versions. How long they are is not
// in the expressions, which that would make a hundred times as large.
// https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates#object-identifiers
var (
	keyVaultName    = regexp.MustCompile(`^[0-9A-Za-z-]+$`)
	keyVaultVersion = regexp.MustCompile(`^[0-9A-Za-z]+$`)
)

const (
	longestKeyVaultName = 127
	keyVaultVersionSize = 32
)

// ParseReference parses "keyvault:NAME", "keyvault:NAME/VERSION", "env:NAME",
// "file:PATH" or "plain:VALUE". The prefix is mandatory, so that a mistyped reference is an
// error and not a token. Its errors never hold the text.
func ParseReference(text string) (Reference, error) {
	prefix, target, ok := strings.Cut(text, ":")
	kind := Kind(prefix)
	switch kind {
	case KeyVault, Env, Path, Plain:
	default:
		ok = false
	}
	switch {
	case !ok:
		return Reference{}, errors.New("a value without one of these prefixes (not shown, it may be a secret)")
	case target == "":
		return Reference{}, fmt.Errorf("%s: with nothing after it", kind)
	case kind == KeyVault:
		if err := checkKeyVault(target); err != nil {
			return Reference{}, err
		}
	case (kind == Env || kind == Path) && strings.ContainsRune(target, 0):
		return Reference{}, fmt.Errorf("%s: with a NUL byte in its name", kind)
	}
	return Reference{kind: kind, target: new(&target)}, nil
}

func checkKeyVault(target string) error {
	name, version, pinned := strings.Cut(target, "/")
	switch {
	case len(name) > longestKeyVaultName, !keyVaultName.MatchString(name):
		return errors.New("keyvault: with a name outside the alphabet of Key Vault (1 to 127 letters, digits and hyphens)")
	case pinned && (len(version) != keyVaultVersionSize || !keyVaultVersion.MatchString(version)):
		return errors.New("keyvault: with a version that is none of Key Vault (32 letters and digits)")
	}
	return nil
}

// Kind returns where the reference points, "" for the zero Reference.
func (r Reference) Kind() Kind { return r.kind }

// Target returns what follows the prefix: the name, for KeyVault perhaps with a
// slash and a version, the path, or for Plain the value itself.
func (r Reference) Target() string {
	if r.target == nil {
		return ""
	}
	return **r.target
}

// String returns the kind and hides the target.
func (r Reference) String() string {
	if r.kind == "" {
		return "none"
	}
	return string(r.kind) + ":…"
}

// Format writes String's result for every verb and flag.
func (r Reference) Format(state fmt.State, _ rune) {
	// As in Secret.Format.
	_, _ = state.Write([]byte(r.String()))
}

// MarshalText encodes String's result. It never fails.
func (r Reference) MarshalText() ([]byte, error) { return []byte(r.String()), nil }
