package backend

import (
	"fmt"
	"maps"
	"slices"
	"sync"
)

// Habit is something that systems in the field do otherwise than RFC 7643 and
// RFC 7644 have it, on purpose. Unlike a [Fault] it shows in what they keep.
type Habit string

// The habits.
const (
	// NoGroupRename answers 400 to another displayName for a group, and
	// changes nothing of it. Atlassian's User Provisioning API does not rename
	// (MicrosoftDocs/entra-docs, atlassian-cloud-provisioning-tutorial.md); its
	// documentation does not say with which status: UNVERIFIED.
	NoGroupRename Habit = "no group rename"
	// NoEmailFilter answers 400 to a filter on emails, as Atlassian does:
	// https://jira.atlassian.com/browse/ACCESS-1424.
	NoEmailFilter Habit = "no e-mail filter"
	// AdoptByEmail answers the POST of a user with 201 and the id of an account
	// that has one of the addresses ([Backend.AddAccount]). The account takes
	// on what the POST says and is in the directory from then on. Atlassian
	// links so those who signed in before they were provisioned. That the id
	// is the account's is UNVERIFIED.
	AdoptByEmail Habit = "adopt by e-mail"
	// AdoptByName is the same for an account with the userName of the POST, the
	// "user linking on creation" of Kantega SSO Enterprise (page 1633648642).
	// Without it such a POST gets 409.
	AdoptByName Habit = "adopt by name"
	// ConflictByEmail answers the POST that AdoptByEmail is about with 409 and uniqueness.
	ConflictByEmail Habit = "conflict by e-mail"
	// NoGroups has no endpoint for groups: /Groups and what is below it answer
	// as any other path that there is not, and discovery does not know Group.
	// Entra provisions nobody then whose scope is a group.
	NoGroups Habit = "no groups"
	// BooleanActive refuses an active that is sent as a string in a lenient
	// backend; a strict one does without. It is why users of ODJ add the flag
	// aadOptscim062020 to the tenant URL.
	BooleanActive Habit = "boolean active"
	// DisableOnDelete lets a DELETE of a user set active to false, which is how
	// User Sync of resolution cleans up, and LuxPlugins if so configured. GET
	// and filters still find the user, as Entra wants of a soft deletion
	// (MicrosoftDocs/entra-docs, use-scim-to-provision-users-and-groups.md).
	DisableOnDelete Habit = "disable on delete"
	// ReserveNames keeps the userName of a deleted user taken: a POST of it
	// gets 409 although no filter finds it
	// (https://github.com/better-auth/better-auth/issues/11111).
	ReserveNames Habit = "reserve names"
)

// habit stands in front of what the RFCs say, by endpoint: a method, a space
// and "/Users" or "/Users/{id}".
type habit map[string]func(b *Backend, c call, next serving) (answer, error)

// habits are in front of nothing where they are a part of something else.
var habits = map[Habit]habit{
	NoGroupRename:   {"PATCH /Groups/{id}": refuseRename, "PUT /Groups/{id}": refuseRename},
	NoEmailFilter:   {"GET /Users": refuseEmailFilter},
	AdoptByEmail:    {"POST /Users": adopt(addresses)},
	AdoptByName:     {"POST /Users": adopt(userNames)},
	ConflictByEmail: {"POST /Users": refuseEmail},
	NoGroups:        {},
	BooleanActive:   {},
	DisableOnDelete: {"DELETE /Users/{id}": disable},
	ReserveNames: {
		"DELETE /Users/{id}": reserve,
		"POST /Users":        refuseReserved,
		"PUT /Users/{id}":    refuseReserved,
		"PATCH /Users/{id}":  refuseReserved,
	},
}

// habitsOf returns what the options ask for, the outermost first.
func habitsOf(o Options) ([]habit, error) {
	var list []habit
	for _, name := range o.Habits {
		found, ok := habits[name]
		if !ok {
			return nil, fmt.Errorf("backend: Habits holds %q, which is none", name)
		}
		list = append(list, found)
	}
	unsupported, err := unsupportedAttributes(o.Unsupported)
	if err != nil {
		return nil, err
	}
	lists, err := o.GroupLists.habit()
	if err != nil {
		return nil, err
	}
	for _, found := range []habit{unsupported, lists} {
		if found != nil {
			list = append(list, found)
		}
	}
	return append(list, hiding), nil
}

// withHabits puts the habits in front of serve.
func (b *Backend) withHabits(method string, c call, serve serving) serving {
	if c.kind == nil {
		return serve
	}
	endpoint := method + " /" + c.kind.endpoint
	if c.id != "" {
		endpoint += "/{id}"
	}
	for _, found := range slices.Backward(b.habits) {
		if act := found[endpoint]; act != nil {
			next := serve
			serve = func(b *Backend, c call) (answer, error) { return act(b, c, next) }
		}
	}
	return serve
}

// memory is what habits keep beside the store.
type memory struct {
	// groups is held while a group changes that GroupLists are about.
	groups sync.Mutex

	mu       sync.Mutex
	hidden   map[string]map[string]any // accounts that no POST has linked yet, by id
	reserved map[string]bool           // folded userNames
}

func newMemory() *memory {
	return &memory{hidden: map[string]map[string]any{}, reserved: map[string]bool{}}
}

// AllHabits lists the habits, in the order of their names.
func AllHabits() []Habit { return slices.Sorted(maps.Keys(habits)) }
