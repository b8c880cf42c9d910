package entra

import (
	"slices"
	"strings"

	"example.com/entra-scim-proxy/lab/directory"
)

// presence says whether an object should exist at the endpoint.
type presence int

const (
	// unknown: provisioning has nothing to do with the object.
	unknown presence = iota
	// present: it exists.
	present
	// removed: it was deleted.
	removed
	// left: it exists, and provisioning has nothing to do with it any more.
	left
)

// wish is the state that Entra wants an object to be in. Wishes are computed
// from the directory only, never from answers: a job works towards them, and
// Compare holds the backend against them.
type wish struct {
	presence presence
	// active is meaningless for groups.
	active bool
	// frozen says that only active may change: the object is out of scope, or
	// in the recycle bin.
	frozen bool
	// renamed says that, although it is frozen, the userName may change, too.
	renamed bool
	// values are in the order of the mapping. What was cleared in the directory
	// stays as it was: Entra does not send what it holds as null
	// (https://learn.microsoft.com/entra/identity/app-provisioning/known-issues).
	values []string
}

// policy is what an administrator chose about leaving the scope.
type policy struct {
	// skipOut leaves those alone who leave the scope:
	// https://learn.microsoft.com/entra/identity/app-provisioning/skip-out-of-scope-deletions
	skipOut bool
	// deletes says that active is not mapped, so that DELETE takes the place of
	// disabling.
	deletes bool
	// prefixes says that who is in the recycle bin has another userName.
	prefixes bool
}

// user is the wish for a user who is in the directory; known says that the
// endpoint's id of it is.
// https://learn.microsoft.com/entra/identity/app-provisioning/how-provisioning-works
func (p policy) user(before wish, u directory.User, values []string, inScope, known bool) wish {
	switch {
	case !known && !(inScope && u.Active()):
		return wish{presence: unknown} // somebody who is disabled is not created
	case inScope && u.Active():
		return wish{presence: present, active: true, values: merge(before.values, values)}
	case !inScope && p.skipOut:
		before.presence, before.frozen = present, true
		return before
	case p.deletes:
		return wish{presence: removed}
	case !inScope, u.SoftDeleted:
		is := wish{presence: present, frozen: true, values: before.values}
		if p.prefixes && inScope {
			is.renamed, is.values = true, slices.Clone(before.values)
			is.values[0] = strings.ReplaceAll(u.ObjectID, "-", "") + u.UserPrincipalName
		}
		return is
	}
	return wish{presence: present, values: merge(before.values, values)}
}

// purged is the wish for a user who was hard deleted. Somebody who had been
// unassigned is not deleted, only disabled, if that has not happened yet.
func (p policy) purged(before wish, gone directory.Gone, known bool) wish {
	switch {
	case !known:
		return wish{presence: unknown}
	case gone.InScope, p.deletes && !p.skipOut:
		return wish{presence: removed}
	}
	before.presence, before.frozen = left, true
	before.active = before.active && p.skipOut
	return before
}

// group is the wish for a group that is in the directory. A group cannot be
// disabled; so it is deleted when it leaves the scope.
func (p policy) group(before wish, values []string, inScope, known bool) wish {
	switch {
	case inScope:
		return wish{presence: present, values: merge(before.values, values)}
	case !known:
		return wish{presence: unknown}
	case p.skipOut:
		before.frozen = true
		return before
	}
	return wish{presence: removed}
}

// deletedGroup is the wish for a group that was deleted.
func (p policy) deletedGroup(before wish, gone directory.Gone, known bool) wish {
	switch {
	case !known:
		return wish{presence: unknown}
	case gone.InScope || !p.skipOut:
		return wish{presence: removed}
	}
	before.presence, before.frozen = left, true
	return before
}

// merge puts new values over old ones where there are any.
func merge(old, new []string) []string {
	if old == nil {
		return new
	}
	for i, value := range new {
		if value == "" && old[i] != "" {
			merged := slices.Clone(new)
			for i := range merged {
				if merged[i] == "" {
					merged[i] = old[i]
				}
			}
			return merged
		}
	}
	return new
}
