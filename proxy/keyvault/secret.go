package keyvault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
	"go.uber.org/zap"

	"example.com/entra-scim-proxy/proxy/token"
)

// Use is what the values of a secret are for.
type Use int

// The uses. The zero Use is the strict one.
const (
	// Accept is to check what a caller presents: no version counts beyond its
	// exp.
	Accept Use = iota
	// Present is to present a value to somebody else: where no version is in
	// force, one that has expired is better than none, for the other side may
	// still take it.
	Present
)

// Secret returns the source of the secret with the name given: of its current
// version and the one before ([token.Credentials] in that order), or if version
// is not "" of that one alone. The log gets a Warn line if versions cannot be
// listed, so that only the current one counts. The source must not be read
// twice at once.
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
			return nil, explain(err)
		}
		return s.only(value, of)
	}
	// 404, because not every vault tells a disabled version from an absent one.
	if err != nil && !isDisabled(err) && !isAbsent(err) {
		return nil, explain(err)
	}
	versions, listErr := s.list(ctx)
	switch {
	case err != nil && (listErr != nil || len(versions) == 0):
		return nil, explain(err)
	case listErr != nil && err == nil && isForbidden(listErr):
		// An identity may read a secret without being allowed to list its
		// versions.
		s.warnOnce(listErr)
		return s.only(value, of)
	case listErr != nil:
		return nil, explain(listErr)
	}
	if err == nil && !slices.ContainsFunc(versions, func(v version) bool { return v.id == of.id }) {
		versions = append(versions, of) // made a moment ago, and not listed yet
	}
	now := time.Now()
	first, second := choose(versions, of.id, now)
	if first == nil && s.use == Present {
		first = lastResort(versions, of.id, now)
	}
	if first == nil {
		return nil, noneInForce(versions, of.id, now)
	}
	if first.id != of.id {
		if value, _, err = s.get(ctx, first.id); err != nil {
			return nil, explain(err)
		}
	}
	credentials := token.Credentials{value.WithExpiry(first.expires)}
	if second != nil {
		credentials, err = s.append(ctx, credentials, second)
	}
	return credentials, err
}

// only returns a value that is the only one to count, if it does.
func (s *secret) only(value token.Secret, of version) (token.Credentials, error) {
	now := time.Now()
	if of.inForce(now) || s.use == Present && of.enabled && of.begun(now) {
		return token.Credentials{value.WithExpiry(of.expires)}, nil
	}
	return nil, fmt.Errorf("the version %s", of.why(now))
}

// append reads the value for the second place. One that was withdrawn
// meanwhile leaves it empty.
func (s *secret) append(ctx context.Context, credentials token.Credentials, second *version) (token.Credentials, error) {
	if s.secondID != second.id {
		value, _, err := s.get(ctx, second.id)
		if isForbidden(err) || isAbsent(err) {
			return credentials, nil
		}
		if err != nil {
			return nil, explain(err)
		}
		s.second, s.secondID = value, second.id
	}
	return append(credentials, s.second.WithExpiry(second.expires)), nil
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
		return token.Secret{}, version{}, errNoValue
	}
	if err := checkContentType(response.ContentType); err != nil {
		return token.Secret{}, version{}, err
	}
	return token.NewSecret(*response.Value), newVersion(response.ID, response.Attributes), nil
}

var errNoValue = errors.New("key vault answered without a value")

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

// noneInForce says what is wrong with the version that should count.
func noneInForce(versions []version, unversioned string, now time.Time) error {
	var newest *version
	for i := range versions {
		if newest == nil || newer(&versions[i], newest, unversioned) {
			newest = &versions[i]
		}
	}
	if newest == nil {
		return errors.New("the secret has no version")
	}
	return fmt.Errorf("none of the secret's %d versions is in force; the newest %s", len(versions), newest.why(now))
}

// String names what the source is, not which secret it reads.
func (s *secret) String() string { return "key vault secret" }

// Format keeps fmt from printing the fields.
func (s *secret) Format(state fmt.State, _ rune) { _, _ = state.Write([]byte(s.String())) }
