// Package token holds credentials as values: a type that never prints itself,
// the references that name one, the sources that read one, the cache in front
// of a source, and the check of a presented token.
package token

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Secret is one value of one secret. Every way of formatting or encoding it
// yields its identity instead, never the value. The zero Secret holds nothing
// and matches nothing.
type Secret struct {
	// fmt prints the unexported fields of a struct that holds a Secret
	// without asking the Secret's own methods. It follows one pointer when the
	// verb does not fit (%s), but never two.
	content **content
}

type content struct {
	value  string
	digest [sha256.Size]byte
	id     string // what String returns, of use in each log line
	origin Origin
}

// Origin is what a [Source] knows of a value beside the value itself.
type Origin struct {
	// Version is the id of the value's version; "" if its source has none.
	Version string
	// Created is when the value was put there; zero if nobody knows.
	Created time.Time
	// Expires is the time from which on the value does not count; zero means it
	// always does.
	Expires time.Time
	// Unlisted tells that the versions of the secret may not be listed, so that
	// this one alone counts.
	Unlisted bool
}

// NewSecret wraps a value.
func NewSecret(value string) Secret {
	digest := sha256.Sum256([]byte(value))
	hidden := &content{value: value, digest: digest, id: "sha256:" + hex.EncodeToString(digest[:4])}
	return Secret{&hidden}
}

// WithOrigin returns the same secret with another origin. The zero Secret stays
// as it is.
func (s Secret) WithOrigin(origin Origin) Secret {
	if s.content == nil {
		return s
	}
	known := **s.content
	known.origin = origin
	hidden := &known
	return Secret{&hidden}
}

// Origin returns what is known of where the secret is from. It is for the
// operator: no way of formatting or encoding the secret shows it.
func (s Secret) Origin() Origin {
	if s.content == nil {
		return Origin{}
	}
	return (*s.content).origin
}

// Expires returns when the secret ceases to count; zero if it does not.
func (s Secret) Expires() time.Time { return s.Origin().Expires }

// Expired reports whether the secret has ceased to count.
func (s Secret) Expired() bool { return s.expired(time.Now()) }

func (s Secret) expired(now time.Time) bool {
	at := s.Expires()
	return !at.IsZero() && !now.Before(at)
}

// Reveal returns the value itself, "" for the zero Secret. Call it only where
// the value leaves for the place it is meant for.
func (s Secret) Reveal() string {
	if s.content == nil {
		return ""
	}
	return (*s.content).value
}

// String returns the secret's identity: "sha256:" and the first 8 hex digits
// of the value's digest, enough to see in a log that a rotation took place.
// The zero Secret is "none".
func (s Secret) String() string {
	if s.content == nil {
		return "none"
	}
	return (*s.content).id
}

// Format writes String's result for every verb and flag.
func (s Secret) Format(state fmt.State, _ rune) {
	// A formatter cannot report a failed write; fmt ignores it too.
	_, _ = io.WriteString(state, s.String())
}

// MarshalText encodes String's result, for JSON and every other encoder that
// takes an [encoding.TextMarshaler]. It never fails.
func (s Secret) MarshalText() ([]byte, error) {
	return []byte(s.String()), nil
}

// Equal reports whether two secrets hold the same value. It takes the same
// time whatever they hold. Two zero Secrets are not equal: nothing equals
// nothing.
func (s Secret) Equal(other Secret) bool {
	return s.content != nil && other.content != nil &&
		subtle.ConstantTimeCompare((*s.content).digest[:], (*other.content).digest[:]) == 1
}

// Credentials are the values of one credential that count at the moment: the
// current one, and after it the one before, if that counts, too.
type Credentials []Secret

// Current returns the first value; the zero Secret if there is none.
func (c Credentials) Current() Secret {
	if len(c) == 0 {
		return Secret{}
	}
	return c[0]
}

// Match compares a presented token with every candidate, in constant time over
// SHA-256 digests, and returns the one it equals. One that has expired since it
// was read matches nothing. The empty token matches nothing either but costs
// the same, so that an absent credential cannot be told from a wrong one by its
// timing.
func (c Credentials) Match(presented string) (Secret, bool) {
	// Room for the usual token: a conversion to bytes would allocate.
	var buffer [128]byte
	digest := sha256.Sum256(append(buffer[:0], presented...))
	now := time.Now()
	var match Secret
	for _, candidate := range c {
		if candidate.content == nil || candidate.expired(now) {
			continue
		}
		if subtle.ConstantTimeCompare(digest[:], (*candidate.content).digest[:]) == 1 {
			match = candidate
		}
	}
	return match, match.content != nil && presented != ""
}

// String lists the identities of the values.
func (c Credentials) String() string {
	ids := make([]string, len(c))
	for i, s := range c {
		ids[i] = s.String()
	}
	return strings.Join(ids, " ")
}

// unresolvedReference begins the literal text that Azure leaves in a variable
// whose Key Vault reference it could not resolve.
// https://learn.microsoft.com/azure/app-service/app-service-key-vault-references
const unresolvedReference = "@Microsoft.KeyVault("

// Validate reports why the value cannot be a bearer token: empty, an
// unresolved Azure Key Vault reference, a certificate or key in PEM, or a
// character that a header cannot carry (RFC 9110 section 5.5). The error tells the place, never the value.
func (s Secret) Validate() error {
	value := s.Reveal()
	if err := s.validateKind("token"); err != nil {
		return err
	}
	if value[0] == ' ' || value[len(value)-1] == ' ' {
		return errors.New("the value begins or ends with a space")
	}
	for i := range len(value) {
		if b := value[i]; b < ' ' || b > '~' {
			return fmt.Errorf("byte %d of %d is 0x%02x, which a header cannot carry", i+1, len(value), b)
		}
	}
	return nil
}

// ValidatePassword reports why the value cannot be a password of HTTP Basic:
// empty, an unresolved Azure Key Vault reference, a certificate or key in PEM,
// not UTF-8, or with a control character (RFC 7617 section 2). The error tells
// the place, never the value.
func (s Secret) ValidatePassword() error {
	if err := s.validateKind("password"); err != nil {
		return err
	}
	value := s.Reveal()
	if !utf8.ValidString(value) {
		return errors.New("the value is not UTF-8")
	}
	if at := strings.IndexFunc(value, unicode.IsControl); at >= 0 {
		return fmt.Errorf("byte %d of %d begins a control character, which HTTP Basic cannot carry", at+1, len(value))
	}
	return nil
}

// validateKind finds what is plainly something else than what belongs there.
func (s Secret) validateKind(belongs string) error {
	switch value := s.Reveal(); {
	case value == "":
		return errors.New("the value is empty")
	case strings.HasPrefix(value, unresolvedReference):
		return errors.New("the value is a Key Vault reference that Azure did not resolve; use keyvault:NAME instead")
	case strings.Contains(value, "-----BEGIN "):
		return fmt.Errorf("the value is a certificate or key in PEM, where a %s belongs", belongs)
	}
	return nil
}
