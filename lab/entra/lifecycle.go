package entra

import (
	"context"
	"net/http"
	"slices"
)

// The names of the steps that others depend on.
const (
	probeUsers     = "test connection: users"
	probeGroups    = "test connection: groups"
	createManager  = "create manager"
	createPeer     = "create colleague"
	lookUpUser     = "look up user"
	createUser     = "create user"
	findUser       = "look up user again"
	readUser       = "read user"
	updateUser     = "update user"
	completeUser   = "change phone, add others"
	setManager     = "set manager"
	changeManager  = "promote, change manager"
	assignRole     = "assign app role"
	disableUser    = "disable user"
	restoreUser    = "restore user"
	lookUpGroup    = "look up group"
	createGroup    = "create group"
	addMembers     = "add two members"
	renameGroup    = "rename group"
	addMember      = "add third member"
	removeMember   = "remove one member"
	deleteUser     = "delete user"
	forgetUser     = "look up deleted user"
	createUserAnew = "create user again"
)

// The statuses that are right.
var (
	wantOK       = []int{http.StatusOK}
	wantCreated  = []int{http.StatusCreated}
	wantDeleted  = []int{http.StatusNoContent}
	wantNotFound = []int{http.StatusNotFound}
	// A PATCH of a user may be answered either way, one of a group with 204.
	wantUserPatched  = []int{http.StatusOK, http.StatusNoContent}
	wantGroupPatched = []int{http.StatusNoContent}
)

// TestConnection sends what the portal's "Test Connection" sends: a look-up of
// a random GUID among users and one among groups, two calls in all.
func (c *Client) TestConnection(ctx context.Context) []Call {
	return c.play(ctx, probes())
}

// Lifecycle sends the probes of TestConnection and then the life of an invented
// user, with a manager and a colleague, and of an invented group: created,
// read, updated, promoted, disabled, restored, joined, renamed, parted,
// deleted, missed and created again. It leaves nothing behind when all calls
// end as they should. A call whose prerequisite failed is skipped, so every
// life with the same options has the same rows, in either dialect.
func (c *Client) Lifecycle(ctx context.Context) []Call {
	return c.play(ctx, c.lifecycle())
}

// Visit sends the look-up of an invented user, its creation and its deletion:
// three calls, which leave nothing behind when all end as they should. Visits
// at the same time do not meet.
func (c *Client) Visit(ctx context.Context) []Call {
	guest := newUser("Guest-"+newGUID(), "Guest", "Reception")
	return c.play(ctx, []step{
		{
			name: lookUpUser, method: http.MethodGet, path: "/Users", query: equals("", "userName", guest.UserName),
			want: wantOK, judge: matches("", nil),
		},
		create(createUser, lookUpUser, "/Users", "user", guest),
		{name: deleteUser, after: []string{createUser}, method: http.MethodDelete, path: "/Users/{user}", want: wantDeleted},
	})
}

func (c *Client) lifecycle() []step {
	ada := newUser("Ada", "Analyst", "Engines")
	return slices.Concat(
		probes(),
		bystander("manager", createManager, newUser("Grace", "Director", "Engines")),
		bystander("colleague", createPeer, newUser("Noor", "Head of Analysis", "Engines")),
		c.userSteps(ada), c.groupSteps(newGroup()), deletionSteps(ada))
}

func probes() []step {
	return []step{
		{
			name: probeUsers, method: http.MethodGet, path: "/Users",
			query: equals("", "userName", newGUID()), want: wantOK, judge: matches("", nil),
		},
		{
			name: probeGroups, method: http.MethodGet, path: "/Groups",
			query: equals("members", "displayName", newGUID()), want: wantOK, judge: matches("", nil),
		},
	}
}

// bystander is a user who is referred to, kept under the key.
func bystander(key, name string, person user) []step {
	lookUp := "look up " + key
	return []step{
		{
			name: lookUp, after: []string{probeUsers}, method: http.MethodGet, path: "/Users",
			query: equals("", "userName", person.UserName), want: wantOK, judge: matches("", nil),
		},
		create(name, lookUp, "/Users", key, person),
	}
}

func create(name, after, path, key string, body any) step {
	return step{
		name: name, after: []string{after}, method: http.MethodPost, path: path,
		body: body, want: wantCreated, keep: key, judge: isResource(key, body),
	}
}

// patchWith turns changed attributes into a PATCH in the client's dialect.
func (c *Client) patchWith(changes ...change) patch {
	return c.patchIn(c.tenant.dialect, changes...)
}

// patchIn is patchWith in another dialect.
func (c *Client) patchIn(d dialect, changes ...change) patch {
	if c.options.ReplaceMissing {
		for i := range changes {
			changes[i].added = false
		}
	}
	return newPatch(d.update(changes)...)
}

// deletionSteps is how Entra notices that a user is gone, and makes it anew.
func deletionSteps(ada user) []step {
	steps := []step{
		{name: deleteUser, after: []string{createUser}, method: http.MethodDelete, path: "/Users/{user}", want: wantDeleted},
		{
			name: "read deleted user", after: []string{deleteUser}, method: http.MethodGet, path: "/Users/{user}",
			want: wantNotFound, judge: isError(http.StatusNotFound),
		},
		{
			name: forgetUser, after: []string{deleteUser}, method: http.MethodGet, path: "/Users",
			query: equals("", "userName", ada.UserName), want: wantOK, judge: matches("", nil),
		},
		{
			name: createUserAnew, after: []string{forgetUser}, method: http.MethodPost, path: "/Users",
			body: ada, want: wantCreated, keep: "user again",
			judge: differs("user again", "user", isResource("user again", ada)),
		},
		{
			name: "read deleted user by old id", after: []string{createUserAnew}, method: http.MethodGet, path: "/Users/{user}",
			want: wantNotFound, judge: isError(http.StatusNotFound),
		},
	}
	for _, left := range [][2]string{
		{"user", "/Users/{user again}"}, {"colleague", "/Users/{colleague}"}, {"manager", "/Users/{manager}"}, {"group", "/Groups/{group}"},
	} {
		steps = append(steps, step{name: "clean up " + left[0], method: http.MethodDelete, path: left[1], want: wantDeleted})
	}
	return steps
}
