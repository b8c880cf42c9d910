package directory

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
)

// Options says what to generate. The zero value is an empty tenant.
type Options struct {
	// Seed chooses the tenant: the same options make the same one, ids
	// included.
	Seed uint64
	// Users, Groups and Memberships are how many of each there will be. More
	// memberships than users times groups is an error.
	Users, Groups, Memberships int
	// ThroughGroups assigns the groups only, so that users are in scope as
	// members; otherwise every user is assigned, too.
	ThroughGroups bool
}

// Generate makes a tenant of invented people. Managers form a forest; a few
// groups are large and many small; a few accounts are disabled, and a few
// attributes missing or awkward.
func Generate(o Options) (*Directory, error) {
	if o.Users < 0 || o.Groups < 0 || o.Memberships < 0 || o.Memberships > o.Users*o.Groups {
		return nil, errors.New("directory: generate: a number is negative, or there are more memberships than can be")
	}
	d := New(o.Seed)
	rng := rand.New(rand.NewChaCha8(seedOf(o.Seed, "people")))
	users, err := d.generateUsers(o, rng)
	if err != nil {
		return nil, err
	}
	groups, err := d.generateGroups(o, rng)
	if err != nil {
		return nil, err
	}
	for i, size := range sizes(o.Users, o.Groups, o.Memberships) {
		for _, member := range sample(rng, len(users), size) {
			if err := d.AddMember(groups[i], users[member]); err != nil {
				return nil, err
			}
		}
	}
	return d, nil
}

func (d *Directory) generateUsers(o Options, rng *rand.Rand) ([]string, error) {
	// A manager has this many reports, more or less.
	const span = 8
	people := newPeople(rng)
	users := make([]string, 0, o.Users)
	for i := range o.Users {
		user := people.next()
		// Somebody who was there before, so that no circle closes.
		if i > 0 && !people.chance(fewPercent) {
			user.Manager = users[min(i-1, (i-1)/span+rng.IntN(span))]
		}
		id, err := d.CreateUser(user)
		if err != nil {
			return nil, err
		}
		users = append(users, id)
		if o.ThroughGroups {
			continue
		}
		if err := d.Assign(id); err != nil {
			return nil, err
		}
	}
	return users, nil
}

func (d *Directory) generateGroups(o Options, rng *rand.Rand) ([]string, error) {
	groups := make([]string, 0, o.Groups)
	for range o.Groups {
		id, err := d.CreateGroup(d.newGroupName(rng))
		if err != nil {
			return nil, err
		}
		if err := d.Assign(id); err != nil {
			return nil, err
		}
		groups = append(groups, id)
	}
	return groups, nil
}

// newGroupName is a name that no group has.
func (d *Directory) newGroupName(rng *rand.Rand) string {
	first := []string{"Project", "Team", "Contoso", "Licence", "Site", "VPN", "Press (all)", "Café &"}
	second := []string{"Amber", "Basalt", "Cobalt", "Dune", "Ember", "Fjord", "Granite", "Harbour", "Indigo", "Juniper", "Kestrel", "Lagoon"}
	name := pick(rng, first) + " " + pick(rng, second) + " " + pick(rng, departments)
	d.mu.RLock()
	defer d.mu.RUnlock()
	unique := name
	for n := 2; ; n++ {
		if _, taken := d.names[fold(groupName, unique)]; !taken {
			return unique
		}
		unique = fmt.Sprintf("%s %d", name, n)
	}
}

// sizes spreads memberships over groups, the first being the largest, none
// larger than there are users.
func sizes(users, groups, memberships int) []int {
	list := make([]int, groups)
	total := 0.0
	weight := func(i int) float64 { return math.Pow(float64(i+1), -0.8) }
	for i := range groups {
		total += weight(i)
	}
	left := memberships
	for i := range list {
		list[i] = min(users, left, int(weight(i)/total*float64(memberships)))
		left -= list[i]
	}
	// What was rounded off, or did not fit.
	for i := 0; left > 0; i = (i + 1) % groups {
		more := min(users-list[i], (left+groups-1)/groups)
		list[i] += more
		left -= more
	}
	return list
}

// sample draws size different numbers below n, by Floyd's algorithm.
func sample(rng *rand.Rand, n, size int) []int {
	drawn := make(map[int]struct{}, size)
	list := make([]int, 0, size)
	for i := n - size; i < n; i++ {
		number := rng.IntN(i + 1)
		if _, ok := drawn[number]; ok {
			number = i
		}
		drawn[number] = struct{}{}
		list = append(list, number)
	}
	return list
}
