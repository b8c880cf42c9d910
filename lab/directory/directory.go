// Package directory is the lab's stand-in for Entra's own directory: the users
// and groups of one tenant, who of them is assigned to the application, and
// what changed since somebody last asked. It knows nothing of SCIM or HTTP.
package directory

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	"github.com/google/uuid"
)

// The errors of a [Directory], as categories.
var (
	// ErrNotFound says that there is no object with that id, or not one that
	// the operation is for: a user who was soft deleted can only be restored or
	// purged.
	ErrNotFound = errors.New("there is no such object")
	// ErrTaken says that another object has the name already.
	ErrTaken = errors.New("the name is taken")
	// ErrInvalid says that a name is missing or a reference leads nowhere.
	ErrInvalid = errors.New("the object is not valid")
)

// User is a person, with the attributes that the default attribute mapping
// reads. An empty string is an attribute without a value.
// https://learn.microsoft.com/entra/identity/app-provisioning/use-scim-to-provision-users-and-groups
type User struct {
	// ObjectID is a UUID in lower case; it never changes.
	ObjectID string
	// UserPrincipalName is required, and unique without regard to case.
	UserPrincipalName string
	// MailNickname is unique in the same way, if there is one.
	MailNickname string
	// AccountEnabled is false for somebody who is blocked from signing in.
	AccountEnabled bool
	// SoftDeleted is true for somebody in the recycle bin.
	SoftDeleted bool

	DisplayName, GivenName, Surname                   string
	JobTitle, Department, EmployeeID                  string
	Mail, PreferredLanguage                           string
	PhysicalDeliveryOfficeName                        string
	StreetAddress, City, State, PostalCode, Country   string
	TelephoneNumber, Mobile, FacsimileTelephoneNumber string
	// Manager is the ObjectID of another user; empty means none.
	Manager string
}

// Active reports whether the account can be used: what the default mapping
// makes active of.
func (u User) Active() bool { return u.AccountEnabled && !u.SoftDeleted }

// Group is a group without its members.
type Group struct {
	// ObjectID is a UUID in lower case; it never changes.
	ObjectID string
	// DisplayName is required, and unique without regard to case: provisioning
	// matches groups by it.
	DisplayName string
}

// Directory is one tenant. It is safe for concurrent use. Its zero value is not
// usable: New makes one.
type Directory struct {
	mu  sync.RWMutex
	ids *rand.ChaCha8
	// clock counts changes; an object keeps the time of its last one.
	clock  Watermark
	born   int // objects ever made, for their order
	users  map[string]*userEntry
	groups map[string]*groupEntry
	names  map[string]struct{} // folded, with a prefix for what they are names of
	// Those who are gone for good.
	purgedUsers, deletedGroups []grave
}

// userEntry is a user with what the directory knows about it.
type userEntry struct {
	User
	order    int
	changed  Watermark
	assigned bool
	// through counts the assigned groups that the user is a member of.
	through int
	groups  []*groupEntry
}

func (u *userEntry) inScope() bool { return u.assigned || u.through > 0 }

type groupEntry struct {
	Group
	order    int
	changed  Watermark
	assigned bool
	members  map[*userEntry]struct{}
}

// grave is an object that is no more.
type grave struct {
	Gone
	changed Watermark
}

// New returns an empty directory whose object ids follow from the seed.
func New(seed uint64) *Directory {
	return &Directory{
		ids:    rand.NewChaCha8(seedOf(seed, "object ids")),
		users:  map[string]*userEntry{},
		groups: map[string]*groupEntry{},
		names:  map[string]struct{}{},
	}
}

// seedOf is the seed of one stream of random numbers among several.
func seedOf(seed uint64, purpose string) [32]byte {
	var key [32]byte
	copy(key[:], fmt.Sprintf("%016x%s", seed, purpose))
	return key
}

func (d *Directory) newID() string {
	id, err := uuid.NewRandomFromReader(d.ids)
	if err != nil {
		panic(err) // ChaCha8 never fails, by its documentation
	}
	return id.String()
}

// fold is the form in which names are compared.
func fold(kind, name string) string { return kind + "\x00" + strings.ToLower(name) }

// User returns a user, those in the recycle bin too.
func (d *Directory) User(id string) (User, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	u, ok := d.users[id]
	if !ok {
		return User{}, false
	}
	return u.User, true
}

// Group returns a group.
func (d *Directory) Group(id string) (Group, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	g, ok := d.groups[id]
	if !ok {
		return Group{}, false
	}
	return g.Group, true
}

// InScope reports whether a user or a group is to be provisioned: a group that
// is assigned, and a user who is assigned or a member of a group that is.
// Groups in groups do not exist here, as provisioning does not follow them.
// https://learn.microsoft.com/entra/identity/app-provisioning/how-provisioning-works
func (d *Directory) InScope(id string) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if u, ok := d.users[id]; ok {
		return u.inScope()
	}
	g, ok := d.groups[id]
	return ok && g.assigned
}

// Users returns the ids of all users, in the order of their creation.
func (d *Directory) Users() []string {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return idsOf(slices.Collect(maps.Values(d.users)))
}

// Groups returns the ids of all groups, in the order of their creation.
func (d *Directory) Groups() []string {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return idsOf(slices.Collect(maps.Values(d.groups)))
}

// Members returns the ids of a group's members, in the order of their creation;
// those in the recycle bin too, who come back with their memberships. It is nil
// for a group that does not exist.
func (d *Directory) Members(group string) []string {
	d.mu.RLock()
	defer d.mu.RUnlock()
	g, ok := d.groups[group]
	if !ok {
		return nil
	}
	return idsOf(slices.Collect(maps.Keys(g.members)))
}

// MemberOf returns the ids of the groups that a user is in, in the order of
// their creation.
func (d *Directory) MemberOf(user string) []string {
	d.mu.RLock()
	defer d.mu.RUnlock()
	u, ok := d.users[user]
	if !ok {
		return nil
	}
	return idsOf(slices.Clone(u.groups))
}

// Memberships returns how many there are in all.
func (d *Directory) Memberships() int {
	d.mu.RLock()
	defer d.mu.RUnlock()
	total := 0
	for _, g := range d.groups {
		total += len(g.members)
	}
	return total
}

// entry is a user or a group in the order of creation.
type entry interface {
	id() string
	rank() int
}

func (u *userEntry) id() string  { return u.ObjectID }
func (u *userEntry) rank() int   { return u.order }
func (g *groupEntry) id() string { return g.ObjectID }
func (g *groupEntry) rank() int  { return g.order }

// idsOf sorts the entries, which it may keep, and returns their ids.
func idsOf[E entry](entries []E) []string {
	slices.SortFunc(entries, func(a, b E) int { return cmp.Compare(a.rank(), b.rank()) })
	ids := make([]string, len(entries))
	for i, e := range entries {
		ids[i] = e.id()
	}
	return ids
}
