package directory

import (
	"fmt"
	"maps"
	"slices"
)

// The prefixes under which names are kept.
const (
	principal = "user principal name"
	nickname  = "mail nickname"
	groupName = "group"
)

// CreateUser adds a user, who is not assigned, and returns the object id. An
// ObjectID that is given is kept if it is free; SoftDeleted counts for nothing.
// The errors are ErrInvalid without a UserPrincipalName or with a manager who
// does not exist, and ErrTaken.
func (d *Directory) CreateUser(user User) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	user.SoftDeleted = false
	if user.ObjectID == "" {
		user.ObjectID = d.newID()
	}
	if d.users[user.ObjectID] != nil || d.groups[user.ObjectID] != nil {
		return "", fmt.Errorf("directory: create user: object id: %w", ErrTaken)
	}
	if err := d.rename(User{}, user); err != nil {
		return "", fmt.Errorf("directory: create user %q: %w", user.UserPrincipalName, err)
	}
	d.born++
	d.users[user.ObjectID] = &userEntry{User: user, order: d.born, changed: d.tick()}
	return user.ObjectID, nil
}

// rename checks what must hold for a user, and moves the names that are taken
// by it.
func (d *Directory) rename(was, is User) error {
	if is.UserPrincipalName == "" {
		return fmt.Errorf("it has no userPrincipalName: %w", ErrInvalid)
	}
	if is.Manager != "" && (d.users[is.Manager] == nil || is.Manager == is.ObjectID) {
		return fmt.Errorf("manager: %w", ErrInvalid)
	}
	old, new := userNames(was), userNames(is)
	for _, name := range new {
		if _, taken := d.names[name]; taken && !slices.Contains(old, name) {
			return ErrTaken
		}
	}
	d.retake(old, new)
	return nil
}

func (d *Directory) retake(old, new []string) {
	for _, name := range old {
		delete(d.names, name)
	}
	for _, name := range new {
		d.names[name] = struct{}{}
	}
}

func userNames(u User) []string {
	var names []string
	if u.UserPrincipalName != "" {
		names = append(names, fold(principal, u.UserPrincipalName))
	}
	if u.MailNickname != "" {
		names = append(names, fold(nickname, u.MailNickname))
	}
	return names
}

// UpdateUser changes attributes of a user who is not in the recycle bin.
// ObjectID and SoftDeleted stay as they are. A change that changes nothing
// leaves no trace. The errors are those of CreateUser, and ErrNotFound.
func (d *Directory) UpdateUser(id string, change func(*User)) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	u, err := d.live(id)
	if err != nil {
		return fmt.Errorf("directory: update user: %w", err)
	}
	user := u.User
	change(&user)
	user.ObjectID, user.SoftDeleted = id, false
	if user == u.User {
		return nil
	}
	if err := d.rename(u.User, user); err != nil {
		return fmt.Errorf("directory: update user %q: %w", u.UserPrincipalName, err)
	}
	u.User, u.changed = user, d.tick()
	return nil
}

// live returns a user who is not in the recycle bin.
func (d *Directory) live(id string) (*userEntry, error) {
	u, ok := d.users[id]
	if !ok || u.SoftDeleted {
		return nil, fmt.Errorf("user %q: %w", id, ErrNotFound)
	}
	return u, nil
}

// SetEnabled blocks somebody from signing in, or lets them again.
func (d *Directory) SetEnabled(id string, enabled bool) error {
	return d.UpdateUser(id, func(u *User) { u.AccountEnabled = enabled })
}

// SetManager makes another user the manager; empty clears it.
func (d *Directory) SetManager(id, manager string) error {
	return d.UpdateUser(id, func(u *User) { u.Manager = manager })
}

// SoftDelete moves a user to the recycle bin. Assignment, memberships and names
// are kept for a restore; Entra frees the names, with a prefix to the user
// principal name.
func (d *Directory) SoftDelete(id string) error {
	return d.bin(id, false, true)
}

// Restore takes a user out of the recycle bin.
func (d *Directory) Restore(id string) error {
	return d.bin(id, true, false)
}

func (d *Directory) bin(id string, from, to bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	u, ok := d.users[id]
	if !ok || u.SoftDeleted != from {
		return fmt.Errorf("directory: move user %q: %w", id, ErrNotFound)
	}
	u.SoftDeleted, u.changed = to, d.tick()
	return nil
}

// Purge removes a user in the recycle bin for good, from groups and as a
// manager, too: a hard delete, which otherwise comes 30 days after the soft one.
func (d *Directory) Purge(id string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	u, ok := d.users[id]
	if !ok || !u.SoftDeleted {
		return fmt.Errorf("directory: purge user %q: %w", id, ErrNotFound)
	}
	at := d.tick()
	d.purgedUsers = append(d.purgedUsers, grave{Gone{id, u.inScope()}, at})
	for _, g := range u.groups {
		delete(g.members, u)
	}
	for _, report := range d.users {
		if report.Manager == id {
			report.Manager, report.changed = "", at
		}
	}
	d.retake(userNames(u.User), nil)
	delete(d.users, id)
	return nil
}

// CreateGroup adds a group without members, which is not assigned, and returns
// its object id. The errors are ErrInvalid without a name, and ErrTaken.
func (d *Directory) CreateGroup(name string) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.nameGroup("", name); err != nil {
		return "", fmt.Errorf("directory: create group %q: %w", name, err)
	}
	d.born++
	g := &groupEntry{
		Group: Group{ObjectID: d.newID(), DisplayName: name},
		order: d.born, changed: d.tick(), members: map[*userEntry]struct{}{},
	}
	d.groups[g.ObjectID] = g
	return g.ObjectID, nil
}

func (d *Directory) nameGroup(was, is string) error {
	if is == "" {
		return ErrInvalid
	}
	if _, taken := d.names[fold(groupName, is)]; taken && fold(groupName, was) != fold(groupName, is) {
		return ErrTaken
	}
	d.retake([]string{fold(groupName, was)}, []string{fold(groupName, is)})
	return nil
}

// RenameGroup changes a group's displayName. The errors are those of
// CreateGroup, and ErrNotFound.
func (d *Directory) RenameGroup(id, name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	g, ok := d.groups[id]
	if !ok {
		return fmt.Errorf("directory: rename group %q: %w", id, ErrNotFound)
	}
	if err := d.nameGroup(g.DisplayName, name); err != nil {
		return fmt.Errorf("directory: rename group %q: %w", g.DisplayName, err)
	}
	if g.DisplayName != name {
		g.DisplayName, g.changed = name, d.tick()
	}
	return nil
}

// DeleteGroup removes a group for good. Users who were in scope through it only
// are so no more.
func (d *Directory) DeleteGroup(id string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	g, ok := d.groups[id]
	if !ok {
		return fmt.Errorf("directory: delete group %q: %w", id, ErrNotFound)
	}
	at := d.tick()
	d.deletedGroups = append(d.deletedGroups, grave{Gone{id, g.assigned}, at})
	for u := range maps.Clone(g.members) {
		d.part(g, u, at)
	}
	d.retake([]string{fold(groupName, g.DisplayName)}, nil)
	delete(d.groups, id)
	return nil
}

// Assign puts a user or a group in scope; the group's members with it.
func (d *Directory) Assign(id string) error { return d.assign(id, true) }

// Unassign takes back what Assign did.
func (d *Directory) Unassign(id string) error { return d.assign(id, false) }

func (d *Directory) assign(id string, assigned bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if u, ok := d.users[id]; ok {
		d.rescope(u, d.tick(), func() { u.assigned = assigned })
		return nil
	}
	g, ok := d.groups[id]
	if !ok {
		return fmt.Errorf("directory: assign %q: %w", id, ErrNotFound)
	}
	if g.assigned == assigned {
		return nil
	}
	g.assigned, g.changed = assigned, d.tick()
	by := 1
	if !assigned {
		by = -1
	}
	for u := range g.members {
		d.rescope(u, g.changed, func() { u.through += by })
	}
	return nil
}

// rescope makes a change that may put a user in or out of scope.
func (d *Directory) rescope(u *userEntry, at Watermark, change func()) {
	was := u.inScope()
	change()
	if u.inScope() != was {
		u.changed = at
	}
}

// AddMember puts a user who is not in the recycle bin into a group; that they
// are in it already is no error. ErrNotFound is the only one.
func (d *Directory) AddMember(group, user string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	g, u, err := d.pair(group, user)
	if err != nil {
		return fmt.Errorf("directory: add member: %w", err)
	}
	if _, ok := g.members[u]; ok {
		return nil
	}
	g.members[u] = struct{}{}
	u.groups = append(u.groups, g)
	if at := d.tick(); g.assigned {
		d.rescope(u, at, func() { u.through++ })
	}
	return nil
}

// RemoveMember takes a user who is not in the recycle bin out of a group; that
// they are not in it is no error. ErrNotFound is the only one.
func (d *Directory) RemoveMember(group, user string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	g, u, err := d.pair(group, user)
	if err != nil {
		return fmt.Errorf("directory: remove member: %w", err)
	}
	if _, ok := g.members[u]; ok {
		d.part(g, u, d.tick())
	}
	return nil
}

func (d *Directory) pair(group, user string) (*groupEntry, *userEntry, error) {
	g, ok := d.groups[group]
	if !ok {
		return nil, nil, fmt.Errorf("group %q: %w", group, ErrNotFound)
	}
	u, err := d.live(user)
	return g, u, err
}

// part ends a membership.
func (d *Directory) part(g *groupEntry, u *userEntry, at Watermark) {
	delete(g.members, u)
	u.groups = slices.DeleteFunc(u.groups, func(have *groupEntry) bool { return have == g })
	if g.assigned {
		d.rescope(u, at, func() { u.through-- })
	}
}
