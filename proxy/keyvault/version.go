package keyvault

import (
	"fmt"
	"strings"
	"time"

	"example.com/entra-scim-proxy/proxy/token"
)

// version is what the vault tells of one version of a secret.
type version struct {
	id      string
	enabled bool
	// created has whole seconds. The others are zero where there is no bound.
	created, notBefore, expires time.Time
}

func (v version) origin() token.Origin {
	return token.Origin{Version: v.id, Created: v.created, Expires: v.expires}
}

func (v version) begun(now time.Time) bool { return !now.Before(v.notBefore) }

func (v version) over(now time.Time) bool { return !v.expires.IsZero() && !now.Before(v.expires) }

// inForce enforces the dates, which for Key Vault itself are informational.
// https://learn.microsoft.com/azure/key-vault/secrets/about-secrets
func (v version) inForce(now time.Time) bool { return v.enabled && v.begun(now) && !v.over(now) }

// choose returns the version of a secret that counts, and the one before it if
// that counts, too; nil for none. unversioned is the id that the vault gave for
// the secret as such, "" if it gave none.
//
// The first is the newest one in force. Beside it there is at most the version
// created immediately before, if in force, never an older one, whose withdrawal
// would be undone. So there is none where the first only counts because a newer
// one was withdrawn or has expired: it is itself the one before. A newer one
// whose time has yet to come takes nothing from the others.
func choose(versions []version, unversioned string, now time.Time) (first, second *version) {
	first = newest(versions, unversioned, func(v *version) bool { return v.inForce(now) })
	if first == nil {
		return nil, nil
	}
	var before *version
	tied := false
	for i := range versions {
		v := &versions[i]
		switch {
		case v == first:
		case v.created.After(first.created) || v.created.Equal(first.created) && first.id != unversioned:
			if v.begun(now) {
				return first, nil
			}
		case before == nil || v.created.After(before.created):
			before, tied = v, false
		case v.created.Equal(before.created):
			tied = true // which of them came later, nobody can tell
		}
	}
	if before == nil || tied || !before.inForce(now) {
		return first, nil
	}
	return first, before
}

// newest returns the version created last of those that serve; nil if none does.
// Within one second the unversioned one counts as the last, and otherwise
// nobody can tell, but it is always the same one.
func newest(versions []version, unversioned string, serves func(*version) bool) (last *version) {
	for i := range versions {
		if v := &versions[i]; serves(v) && (last == nil || compare(v, last, unversioned) > 0) {
			last = v
		}
	}
	return last
}

func compare(a, b *version, unversioned string) int {
	if order := a.created.Compare(b.created); order != 0 {
		return order
	}
	switch unversioned {
	case a.id:
		return 1
	case b.id:
		return -1
	}
	return strings.Compare(a.id, b.id)
}

// newestBegun returns the newest version that is enabled and has begun, though it
// may be over.
func newestBegun(versions []version, unversioned string, now time.Time) *version {
	return newest(versions, unversioned, func(v *version) bool { return v.enabled && v.begun(now) })
}

// why says what keeps a version out of force.
func (v version) why(now time.Time) string {
	switch {
	case !v.enabled:
		return "is disabled"
	case !v.begun(now):
		return fmt.Sprintf("is not valid before %s", v.notBefore.UTC().Format(time.RFC3339))
	default:
		return fmt.Sprintf("expired on %s", v.expires.UTC().Format(time.RFC3339))
	}
}
