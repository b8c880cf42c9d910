package directory

import "slices"

// Watermark is a moment in the life of a directory; zero is before everything.
type Watermark uint64

// Gone is an object that is no more.
type Gone struct {
	ObjectID string
	// InScope tells whether it was to be provisioned when it went. Who was
	// unassigned first is none of provisioning's business any more.
	InScope bool
}

// Changes is what happened after a watermark, in the order of creation, and of
// disappearance.
type Changes struct {
	// Users and Groups are the ids of those that are new, or that have other
	// attributes or another scope. Memberships are not attributes of either.
	Users, Groups []string
	// PurgedUsers and DeletedGroups are those that are gone for good.
	PurgedUsers, DeletedGroups []Gone
}

// Changes returns what happened after the watermark, and the watermark to ask
// with the next time. With zero it is everything, as in Graph's delta query.
// https://learn.microsoft.com/graph/delta-query-overview
func (d *Directory) Changes(since Watermark) (Changes, Watermark) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	var users []*userEntry
	for _, u := range d.users {
		if u.changed > since {
			users = append(users, u)
		}
	}
	var groups []*groupEntry
	for _, g := range d.groups {
		if g.changed > since {
			groups = append(groups, g)
		}
	}
	return Changes{
		Users: idsOf(users), Groups: idsOf(groups),
		PurgedUsers: after(d.purgedUsers, since), DeletedGroups: after(d.deletedGroups, since),
	}, d.clock
}

// after returns those who went after the watermark. Graves are in the order of
// time.
func after(graves []grave, since Watermark) []Gone {
	first, _ := slices.BinarySearchFunc(graves, since+1, func(g grave, at Watermark) int {
		if g.changed < at {
			return -1
		}
		return 1
	})
	var gone []Gone
	for _, g := range graves[first:] {
		gone = append(gone, g.Gone)
	}
	return gone
}

// tick is the time of a change that is being made.
func (d *Directory) tick() Watermark {
	d.clock++
	return d.clock
}
