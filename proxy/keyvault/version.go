package keyvault

import (
	"fmt"
	"time"
)

// version is what the vault tells of one version of a secret.
type version struct {
	id      string
	enabled bool
	// created has whole seconds. The others are zero where there is no bound.
	created, notBefore, expires time.Time
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
// The first is the unversioned one if in force, else the newest that is. Beside
// it there is at most the version created immediately before, if in force,
// never an older one, whose withdrawal would be undone. So there is none where
// the first only counts because a newer one was withdrawn or has expired: it is
// itself the one before. A newer one whose time has yet to come takes nothing
// from the others.
func choose(versions []version, unversioned string, now time.Time) (first, second *version) {
	for i := range versions {
		v := &versions[i]
		if v.inForce(now) && (first == nil || newer(v, first, unversioned)) {
			first = v
		}
	}
	if first == nil {
		return nil, nil
	}
	var before *version
	tied := false
	for i := range versions {
		v := &versions[i]
		switch {
		case v == first:
		case newer(v, first, unversioned) || v.created.After(first.created):
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

// newer reports whether a was created after b. Within one second only the
// unversioned one is known to be; of two others each counts as the newer.
func newer(a, b *version, unversioned string) bool {
	switch unversioned {
	case a.id:
		return true
	case b.id:
		return false
	}
	return !a.created.Before(b.created)
}

// lastResort returns the version to present when none is in force: the
// unversioned one, else the newest, of those whose time has only run out.
func lastResort(versions []version, unversioned string, now time.Time) (last *version) {
	for i := range versions {
		v := &versions[i]
		if v.enabled && v.begun(now) && (last == nil || newer(v, last, unversioned)) {
			last = v
		}
	}
	return last
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
