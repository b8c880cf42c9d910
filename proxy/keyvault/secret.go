package keyvault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
	"go.uber.org/zap"

	"example.com/entra-scim-proxy/proxy/token"
)

// Use is what the values of a secret are for.
type Use int

// The uses. The zero Use is the strict one.
const (
	// Accept is to check what a caller presents: the version in force, and the
	// one before it. A newer one that has expired comes second to one in force,
	// so that its end is seen; [token.Credentials.Match] never matches it. If
	// none is in force, the error is [token.ErrWithdrawn].
	Accept Use = iota
	// Present is to present a value to somebody else. One that has expired may
	// still be taken there: it comes second to an older one in force, or alone
	// if there is none.
	Present
	// Newest is for certificates, which have ends of their own: the newest
	// version alone, whether it has expired or not.
	Newest
)

// Secret returns the source of the secret with the name given: of the versions
// that count for its use, or if version is not "" of that one alone. The log
// gets a Warn line if versions cannot be listed, so that only the current one
// counts. The source must not be read twice at once. Its values have their
// [token.Origin]. Its errors are [token.ErrWithdrawn], [token.ErrAway],
// [token.ErrUnusable] for what is no text, or of no category.
func (v *Vault) Secret(name, version string, use Use, log *zap.Logger) token.Source {
	return &secret{client: v.client, name: name, pinned: version, use: use, log: log}
}

type secret struct {
	client       *azsecrets.Client
	name, pinned string
	use          Use
	log          *zap.Logger
	warned       bool
	// second is the value last read for the second place, with the id of its
	// version: values of a version never change.
	second   token.Secret
	secondID string
}

// Read implements [token.Source].
func (s *secret) Read(ctx context.Context) (token.Credentials, error) {
	value, of, err := s.get(ctx, s.pinned)
	if s.pinned != "" {
		if err != nil {
			return nil, s.refused(err)
		}
		return s.only(value, of, false)
	}
	// 404, because not every vault tells a disabled version from an absent one.
	if err != nil && !isDisabled(err) && !isAbsent(err) {
		return nil, explain(err)
	}
	versions, listErr := s.list(ctx)
	switch {
	case err != nil && (listErr == nil && len(versions) == 0 || isAbsent(listErr) || isForbidden(listErr)):
		return nil, s.refused(err)
	case listErr != nil && isForbidden(listErr):
		// An identity may read a secret without being allowed to list its
		// versions.
		s.warnOnce(listErr)
		return s.only(value, of, true)
	case listErr != nil:
		return nil, explain(listErr)
	}
	if err == nil && !slices.ContainsFunc(versions, func(v version) bool { return v.id == of.id }) {
		versions = append(versions, of) // made a moment ago, and not listed yet
	}
	first, second, err := s.choose(versions, of.id)
	if err != nil {
		return nil, err
	}
	if first.id != of.id {
		// Perhaps made a moment ago, too, between the two answers.
		if value, _, err = s.get(ctx, first.id); err != nil {
			return nil, explain(err)
		}
	}
	return s.append(ctx, token.Credentials{value.WithOrigin(first.origin())}, second)
}

// choose returns the versions that count for the secret's use; the second may be
// nil.
func (s *secret) choose(versions []version, unversioned string) (first, second *version, err error) {
	now := time.Now()
	begun := newestBegun(versions, unversioned, now)
	if s.use == Newest {
		first = begun
	} else {
		first, second = choose(versions, unversioned, now)
	}
	switch {
	case first == nil && s.use == Present:
		first = begun
	case second == nil && begun != first:
		second = begun // nil, or newer and expired
	}
	if first == nil {
		last := newest(versions, unversioned, func(*version) bool { return true })
		return nil, nil, s.withdrawn(fmt.Errorf("none of the secret's %d versions is in force; the newest %s", len(versions), last.why(now)))
	}
	return first, second, nil
}

// only returns a value that is the only one to count, if it does; unlisted tells
// that this is for want of a list of the others.
func (s *secret) only(value token.Secret, of version, unlisted bool) (token.Credentials, error) {
	now := time.Now()
	if of.inForce(now) || s.use != Accept && of.enabled && of.begun(now) {
		origin := of.origin()
		origin.Unlisted = unlisted
		return token.Credentials{value.WithOrigin(origin)}, nil
	}
	return nil, s.withdrawn(fmt.Errorf("the version %s", of.why(now)))
}

// refused is the error for a value that was not to be had.
func (s *secret) refused(err error) error {
	if isAbsent(err) || isDisabled(err) {
		return s.withdrawn(explain(err))
	}
	return explain(err)
}

// withdrawn is the error for a secret of which the vault says that nothing of it
// counts. What callers present is not accepted then: to withdraw it is how a
// leak ends.
func (s *secret) withdrawn(err error) error {
	if s.use != Accept {
		return err
	}
	return fmt.Errorf("%w: %w", token.ErrWithdrawn, err)
}

// append reads the value for the second place, if one is to have it. One that
// was withdrawn meanwhile, or never was of use, leaves it empty.
func (s *secret) append(ctx context.Context, credentials token.Credentials, second *version) (token.Credentials, error) {
	if second == nil {
		return credentials, nil
	}
	if s.secondID != second.id {
		value, _, err := s.get(ctx, second.id)
		if isForbidden(err) || isAbsent(err) || errors.Is(err, errNoText) {
			return credentials, nil
		}
		if err != nil {
			return nil, explain(err)
		}
		s.second, s.secondID = value, second.id
	}
	return append(credentials, s.second.WithOrigin(second.origin())), nil
}

func (s *secret) warnOnce(err error) {
	if !s.warned {
		s.log.Warn("the versions of the secret cannot be listed, so that only its current one counts: after a rotation the value before is refused at once", zap.NamedError("cause", explain(err)))
	}
	s.warned = true
}

// get reads one version, or with "" the current one.
func (s *secret) get(ctx context.Context, id string) (token.Secret, version, error) {
	response, err := s.client.GetSecret(ctx, s.name, id, nil)
	if err != nil {
		return token.Secret{}, version{}, err
	}
	if response.Value == nil {
		return token.Secret{}, version{}, fmt.Errorf("%w: key vault answered without a value", errNoText)
	}
	if kind := response.ContentType; kind != nil && strings.EqualFold(*kind, pkcs12) {
		return token.Secret{}, version{}, fmt.Errorf("%w: it is a certificate with its key in PKCS #12; as a client certificate it needs the content type application/x-pem-file", errNoText)
	}
	return token.NewSecret(*response.Value), newVersion(response.ID, response.Attributes), nil
}

// errNoText means that a version holds neither a token nor a PEM bundle.
var errNoText = fmt.Errorf("%w: the secret is no text", token.ErrUnusable)

// pkcs12 is the content type of what backs a Key Vault certificate.
// https://learn.microsoft.com/azure/key-vault/certificates/about-certificates
const pkcs12 = "application/x-pkcs12"

// list returns all versions, in no order.
func (s *secret) list(ctx context.Context) ([]version, error) {
	var versions []version
	for pager := s.client.NewListSecretPropertiesVersionsPager(s.name, nil); pager.More(); {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, properties := range page.Value {
			versions = append(versions, newVersion(properties.ID, properties.Attributes))
		}
	}
	return versions, nil
}

// newVersion takes the SDK's pointers apart. Without attributes there is no
// bound, but for a version that does not say it is enabled: that one is not.
func newVersion(id *azsecrets.ID, attributes *azsecrets.SecretAttributes) version {
	var v version
	if id != nil {
		v.id = id.Version()
	}
	if attributes == nil {
		return v
	}
	v.enabled = attributes.Enabled != nil && *attributes.Enabled
	v.created, v.notBefore, v.expires = orZero(attributes.Created), orZero(attributes.NotBefore), orZero(attributes.Expires)
	return v
}

func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// String names what the source is, not which secret it reads.
func (s *secret) String() string { return "key vault secret" }

// Format keeps fmt from printing the fields.
func (s *secret) Format(state fmt.State, _ rune) { _, _ = state.Write([]byte(s.String())) }
