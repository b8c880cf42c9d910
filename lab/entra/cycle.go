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
	lookUpUser     = "look up user"
	createUser     = "create user"
	findUser       = "look up user again"
	readUser       = "read user"
	updateUser     = "update user"
	disableUser    = "disable user"
	restoreUser    = "restore user"
	lookUpGroup    = "look up group"
	createGroup    = "create group"
	addMember      = "add member"
	deleteUser     = "delete user"
	forgetUser     = "look up deleted user"
	createUserAnew = "create user again"
)

// TestConnection sends what the portal's "Test Connection" sends: a look-up of
// a random GUID among users and one among groups, two calls in all.
func (c *Client) TestConnection(ctx context.Context) []Call {
	return c.play(ctx, probes())
}

// Cycle sends the probes of TestConnection and then the life of one invented
// user and one invented group: created, read, updated, disabled, restored,
// joined, parted, deleted, missed and created again. It leaves nothing behind
// when all calls end as they should. A call whose prerequisite failed is
// skipped, so every cycle has the same rows.
func (c *Client) Cycle(ctx context.Context) []Call {
	return c.play(ctx, c.cycle())
}

func (c *Client) cycle() []step {
	ada := newUser()
	return slices.Concat(probes(), c.userSteps(ada), c.groupSteps(newGroup()), deletionSteps(ada))
}

func probes() []step {
	return []step{
		{
			name: probeUsers, method: http.MethodGet, path: "/Users",
			query: equals("", "userName", newGUID()),
			want:  []int{http.StatusOK}, judge: matches(""),
		},
		{
			name: probeGroups, method: http.MethodGet, path: "/Groups",
			query: equals("members", "displayName", newGUID()),
			want:  []int{http.StatusOK}, judge: matches(""),
		},
	}
}

// userSteps ends with the user created, updated and active. Entra reads before
// it writes, so each change is followed by a read that shows whether the one
// before it took: a PATCH may be answered by 204.
func (c *Client) userSteps(created user) []step {
	byName := equals("", "userName", created.UserName)
	updated := created
	updated.DisplayName = "Ada Example-Contoso"
	updated.Emails = []email{{Primary: true, Type: "work", Value: "ada@contoso.com"}}
	disabled := updated
	disabled.Active = false
	changes := c.tenant.dialect.update([]change{
		{path: `emails[type eq "work"].value`, filtered: true, value: updated.Emails[0].Value},
		{path: "displayName", value: updated.DisplayName},
	})

	read := func(name, after string, now user) step {
		return step{
			name: name, after: []string{after}, method: http.MethodGet, path: "/Users/{user}",
			want: []int{http.StatusOK}, judge: isResource("user", now),
		}
	}
	change := func(name, after string, now user, operations ...operation) step {
		return step{
			name: name, after: []string{after}, method: http.MethodPatch, path: "/Users/{user}",
			body: func(*memory) any { return newPatch(operations...) },
			want: []int{http.StatusOK, http.StatusNoContent}, judge: isResource("user", now),
		}
	}
	active := func(active bool) operation {
		return operation{Op: c.tenant.dialect.replace, Path: "active", Value: c.tenant.dialect.active(active)}
	}
	return []step{
		{
			name: lookUpUser, after: []string{probeUsers}, method: http.MethodGet, path: "/Users", query: byName,
			want: []int{http.StatusOK}, judge: matches(""),
		},
		create(createUser, lookUpUser, "/Users", "user", created),
		{
			name: findUser, after: []string{createUser}, method: http.MethodGet, path: "/Users", query: byName,
			want: []int{http.StatusOK}, judge: matches("user"),
		},
		read(readUser, createUser, created),
		change(updateUser, readUser, updated, changes...),
		read("read updated user", updateUser, updated),
		change(disableUser, updateUser, disabled, active(false)),
		read("read disabled user", disableUser, disabled),
		change(restoreUser, disableUser, updated, active(true)),
		read("read restored user", restoreUser, updated),
	}
}

func create(name, after, path, key string, body any) step {
	return step{
		name: name, after: []string{after}, method: http.MethodPost, path: path,
		body: func(*memory) any { return body },
		want: []int{http.StatusCreated}, keep: key, judge: isResource(key, body),
	}
}

// groupSteps ends with an empty group. Entra never reads a membership back.
func (c *Client) groupSteps(created group) []step {
	dialect := c.tenant.dialect
	return []step{
		{
			name: lookUpGroup, after: []string{probeGroups}, method: http.MethodGet, path: "/Groups",
			query: equals("members", "displayName", created.DisplayName),
			want:  []int{http.StatusOK}, judge: matches(""),
		},
		create(createGroup, lookUpGroup, "/Groups", "group", created),
		{
			name: addMember, after: []string{createUser, createGroup}, method: http.MethodPatch, path: "/Groups/{group}",
			body: func(m *memory) any {
				return newPatch(operation{Op: dialect.add, Path: "members", Value: []member{{Value: m.ids["user"]}}})
			},
			want: []int{http.StatusNoContent},
		},
		{
			name: "read group", after: []string{addMember}, method: http.MethodGet, path: "/Groups/{group}",
			query: excludes("members"), want: []int{http.StatusOK},
			judge: without("members", isResource("group", created)),
		},
		{
			name: "remove member", after: []string{addMember}, method: http.MethodPatch, path: "/Groups/{group}",
			body: func(m *memory) any { return newPatch(dialect.removeMember(m.ids["user"])) },
			want: []int{http.StatusNoContent},
		},
	}
}

// deletionSteps is how Entra notices that a user is gone, and makes it anew.
func deletionSteps(created user) []step {
	noContent, notFound := []int{http.StatusNoContent}, []int{http.StatusNotFound}
	return []step{
		{name: deleteUser, after: []string{createUser}, method: http.MethodDelete, path: "/Users/{user}", want: noContent},
		{
			name: "read deleted user", after: []string{deleteUser}, method: http.MethodGet, path: "/Users/{user}",
			want: notFound, judge: isError(http.StatusNotFound),
		},
		{
			name: forgetUser, after: []string{deleteUser}, method: http.MethodGet, path: "/Users",
			query: equals("", "userName", created.UserName),
			want:  []int{http.StatusOK}, judge: matches(""),
		},
		{
			name: createUserAnew, after: []string{forgetUser}, method: http.MethodPost, path: "/Users",
			body: func(*memory) any { return created },
			want: []int{http.StatusCreated}, keep: "user again",
			judge: differs("user again", "user", isResource("user again", created)),
		},
		{
			name: "read deleted user by old id", after: []string{createUserAnew}, method: http.MethodGet, path: "/Users/{user}",
			want: notFound, judge: isError(http.StatusNotFound),
		},
		{name: "clean up user", method: http.MethodDelete, path: "/Users/{user again}", want: noContent},
		{name: "clean up group", method: http.MethodDelete, path: "/Groups/{group}", want: noContent},
	}
}
