package directory

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Change is one thing that Churn did.
type Change struct {
	// Kind is what it was, in a word or two: one of ChurnKinds.
	Kind string
	// Object is the userPrincipalName or displayName of what it was done to, as
	// it was before.
	Object string
	// Detail says more, for people; it may be empty.
	Detail string
}

// String is the change on one line.
func (c Change) String() string {
	return strings.TrimSpace(c.Kind + ": " + c.Object + " " + c.Detail)
}

// churner makes changes. What it returns is empty when nobody is there to
// whom it could be done.
type churner struct {
	d      *Directory
	rng    *rand.Rand
	people *people
}

// kind is a kind of change and how often it comes among others.
type kind struct {
	name   string
	weight int
	apply  func(*churner) (Change, bool)
}

// kinds begins with what undoes earlier changes, so that in a second batch it
// undoes those of the first and not its own.
func kinds() []kind {
	return []kind{
		{"enable", 3, (*churner).enable},
		{"restore", 2, (*churner).restore},
		{"reassign", 2, (*churner).reassign},
		{"purge", 3, (*churner).purge},
		{"joiner", 12, (*churner).join},
		{"attribute change", 30, (*churner).alter},
		{"attribute cleared", 4, (*churner).clear},
		{"rename", 6, (*churner).renameUser},
		{"manager change", 10, (*churner).changeManager},
		{"disable", 5, (*churner).disable},
		{"unassign", 4, (*churner).unassign},
		{"soft delete", 6, (*churner).softDelete},
		{"group created", 2, (*churner).createGroup},
		{"group renamed", 2, (*churner).renameGroup},
		{"group deleted", 1, (*churner).deleteGroup},
		{"member added", 20, (*churner).addMember},
		{"member removed", 15, (*churner).removeMember},
	}
}

// ChurnKinds lists the kinds of change there are.
func ChurnKinds() []string {
	var names []string
	for _, k := range kinds() {
		names = append(names, k.name)
	}
	return names
}

// Churn makes n changes as they happen to a tenant between two cycles, and says
// what it did. The same seed does the same to the same directory. The first
// changes are one of each kind; then chance decides. A directory that is too
// small for a kind goes without it; if it is too small for all, there are fewer
// than n changes.
func (d *Directory) Churn(seed uint64, n int) []Change {
	rng := rand.New(rand.NewChaCha8(seedOf(seed, "churn")))
	c := &churner{d: d, rng: rng, people: newPeople(rng)}
	var lots []kind
	for _, k := range kinds() {
		for range k.weight {
			lots = append(lots, k)
		}
	}
	var done []Change
	take := func(k kind) {
		if change, ok := k.apply(c); ok {
			change.Kind = k.name
			done = append(done, change)
		}
	}
	for _, k := range kinds() {
		if len(done) < n {
			take(k)
		}
	}
	for tries := 0; len(done) < n && tries < 20*n; tries++ {
		take(pick(rng, lots))
	}
	return done
}

// user draws a user, or reports that none was found.
func (c *churner) user(fits func(User) bool) (User, bool) {
	return draw(c.rng, c.d.Users(), c.d.User, fits)
}

func (c *churner) group() (Group, bool) {
	return draw(c.rng, c.d.Groups(), c.d.Group, func(Group) bool { return true })
}

// draw looks at all objects from a random one on, so that it finds one if there
// is one.
func draw[T any](rng *rand.Rand, ids []string, get func(string) (T, bool), fits func(T) bool) (T, bool) {
	if len(ids) > 0 {
		from := rng.IntN(len(ids))
		for i := range ids {
			if object, ok := get(ids[(from+i)%len(ids)]); ok && fits(object) {
				return object, true
			}
		}
	}
	var none T
	return none, false
}

func live(u User) bool   { return u.Active() }
func binned(u User) bool { return u.SoftDeleted }

// update changes a user's attributes.
func (c *churner) update(u User, detail string, change func(*User)) (Change, bool) {
	return Change{Object: u.UserPrincipalName, Detail: detail}, c.d.UpdateUser(u.ObjectID, change) == nil
}

func (c *churner) join() (Change, bool) {
	joiner := c.people.next()
	joiner.AccountEnabled = true
	base := joiner.MailNickname
	for n := 2; ; n++ {
		id, err := c.d.CreateUser(joiner)
		if err == nil {
			return Change{Object: joiner.UserPrincipalName}, c.d.Assign(id) == nil
		}
		joiner.MailNickname = fmt.Sprintf("%s%d", base, n)
		joiner.UserPrincipalName = joiner.MailNickname + domain
		joiner.Mail = joiner.UserPrincipalName
	}
}

func (c *churner) alter() (Change, bool) {
	u, ok := c.user(live)
	if !ok {
		return Change{}, false
	}
	other := c.people.next()
	switch c.rng.IntN(3) {
	case 0:
		return c.update(u, "has another job", func(u *User) {
			u.JobTitle, u.Department = other.JobTitle+" II", pick(c.rng, departments)
		})
	case 1:
		return c.update(u, "has moved", func(u *User) {
			u.StreetAddress, u.City, u.State, u.PostalCode = other.StreetAddress, other.City, other.State, other.PostalCode
			u.PhysicalDeliveryOfficeName = other.PhysicalDeliveryOfficeName
		})
	}
	return c.update(u, "has other numbers", func(u *User) {
		u.TelephoneNumber, u.Mobile, u.FacsimileTelephoneNumber = c.people.phone(), c.people.phone(), c.people.phone()
	})
}

func (c *churner) clear() (Change, bool) {
	u, ok := c.user(func(u User) bool { return u.Active() && u.JobTitle != "" })
	if !ok {
		return Change{}, false
	}
	return c.update(u, "has no job title any more", func(u *User) { u.JobTitle = "" })
}

func (c *churner) renameUser() (Change, bool) {
	u, ok := c.user(live)
	if !ok {
		return Change{}, false
	}
	u.Surname = c.people.fake.LastName()
	u.DisplayName = u.GivenName + " " + u.Surname
	base := ascii.Replace(strings.ToLower(u.GivenName + "." + u.Surname))
	for n := 2; ; n++ {
		u.UserPrincipalName = fmt.Sprintf("%s%d%s", base, n, domain)
		u.Mail = u.UserPrincipalName
		was, _ := c.d.User(u.ObjectID)
		if err := c.d.UpdateUser(u.ObjectID, func(have *User) { *have = u }); err == nil {
			return Change{Object: was.UserPrincipalName, Detail: "is now " + u.UserPrincipalName}, true
		}
	}
}

// changeManager keeps the forest: it takes a manager who was there first.
func (c *churner) changeManager() (Change, bool) {
	ids := c.d.Users()
	if len(ids) < 3 {
		return Change{}, false
	}
	at := 2 + c.rng.IntN(len(ids)-2)
	u, _ := c.d.User(ids[at])
	manager, ok := draw(c.rng, ids[:at], c.d.User, func(m User) bool { return m.Active() && m.ObjectID != u.Manager })
	if !ok || !u.Active() {
		return Change{}, false
	}
	return c.update(u, "reports to "+manager.UserPrincipalName, func(u *User) { u.Manager = manager.ObjectID })
}

func (c *churner) disable() (Change, bool) {
	u, ok := c.user(live)
	if !ok {
		return Change{}, false
	}
	return c.update(u, "", func(u *User) { u.AccountEnabled = false })
}

// enable lets somebody sign in again, or changes its mind about somebody.
func (c *churner) enable() (Change, bool) {
	u, ok := c.user(func(u User) bool { return !u.AccountEnabled && !u.SoftDeleted })
	if !ok {
		if u, ok = c.user(live); !ok || c.d.SetEnabled(u.ObjectID, false) != nil {
			return Change{}, false
		}
	}
	return c.update(u, "", func(u *User) { u.AccountEnabled = true })
}

// unassign takes somebody out of scope: out of the groups, too.
func (c *churner) unassign() (Change, bool) {
	u, ok := c.user(func(u User) bool { return u.Active() && c.d.InScope(u.ObjectID) })
	if !ok {
		return Change{}, false
	}
	groups := c.d.MemberOf(u.ObjectID)
	for _, group := range groups {
		if c.d.RemoveMember(group, u.ObjectID) != nil {
			return Change{}, false
		}
	}
	return Change{Object: u.UserPrincipalName, Detail: fmt.Sprintf("and out of %d groups", len(groups))}, c.d.Unassign(u.ObjectID) == nil
}

func (c *churner) softDelete() (Change, bool) {
	u, ok := c.user(live)
	return Change{Object: u.UserPrincipalName}, ok && c.d.SoftDelete(u.ObjectID) == nil
}

// restore and purge take somebody from the recycle bin, or put them there
// first.
func (c *churner) restore() (Change, bool) { return c.unbin(c.d.Restore) }
func (c *churner) purge() (Change, bool)   { return c.unbin(c.d.Purge) }

func (c *churner) unbin(apply func(string) error) (Change, bool) {
	u, ok := c.user(binned)
	if !ok {
		if u, ok = c.user(live); !ok || c.d.SoftDelete(u.ObjectID) != nil {
			return Change{}, false
		}
	}
	return Change{Object: u.UserPrincipalName}, apply(u.ObjectID) == nil
}

// reassign puts somebody back in scope, or takes them out first.
func (c *churner) reassign() (Change, bool) {
	u, ok := c.user(func(u User) bool { return u.Active() && !c.d.InScope(u.ObjectID) })
	if !ok {
		if u, ok = c.user(live); !ok || c.d.Unassign(u.ObjectID) != nil {
			return Change{}, false
		}
	}
	return Change{Object: u.UserPrincipalName}, c.d.Assign(u.ObjectID) == nil
}

func (c *churner) createGroup() (Change, bool) {
	name := c.d.newGroupName(c.rng)
	id, err := c.d.CreateGroup(name)
	if err != nil || c.d.Assign(id) != nil {
		return Change{}, false
	}
	members := 0
	for range 3 {
		if u, ok := c.user(live); ok && c.d.AddMember(id, u.ObjectID) == nil {
			members++
		}
	}
	return Change{Object: name, Detail: fmt.Sprintf("with up to %d members", members)}, true
}

func (c *churner) renameGroup() (Change, bool) {
	g, ok := c.group()
	if !ok {
		return Change{}, false
	}
	name := c.d.newGroupName(c.rng)
	return Change{Object: g.DisplayName, Detail: "is now " + name}, c.d.RenameGroup(g.ObjectID, name) == nil
}

func (c *churner) deleteGroup() (Change, bool) {
	g, ok := c.group()
	return Change{Object: g.DisplayName}, ok && c.d.DeleteGroup(g.ObjectID) == nil
}

func (c *churner) addMember() (Change, bool) {
	g, ok := c.group()
	if !ok {
		return Change{}, false
	}
	in := map[string]bool{}
	for _, id := range c.d.Members(g.ObjectID) {
		in[id] = true
	}
	u, ok := c.user(func(u User) bool { return u.Active() && !in[u.ObjectID] })
	return Change{Object: g.DisplayName, Detail: "has " + u.UserPrincipalName}, ok && c.d.AddMember(g.ObjectID, u.ObjectID) == nil
}

func (c *churner) removeMember() (Change, bool) {
	g, ok := draw(c.rng, c.d.Groups(), c.d.Group, func(g Group) bool { return len(c.d.Members(g.ObjectID)) > 0 })
	if !ok {
		return Change{}, false
	}
	u, ok := draw(c.rng, c.d.Members(g.ObjectID), c.d.User, live)
	return Change{Object: g.DisplayName, Detail: "has no more " + u.UserPrincipalName}, ok && c.d.RemoveMember(g.ObjectID, u.ObjectID) == nil
}
