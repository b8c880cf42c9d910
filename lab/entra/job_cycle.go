package entra

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"example.com/entra-scim-proxy/lab/directory"
)

// Cycle makes one cycle: the probes, users, groups, and then references, which
// are managers and memberships. The first is the initial one, which looks at
// everybody; later ones look at what changed in the directory and at what
// failed before. The error says why the cycle did not come to its end: the
// context did, the probe failed, which means quarantine, or the job is disabled
// (ErrDisabled). An object that fails is a row of the report, no error.
func (j *Job) Cycle(ctx context.Context) (Report, error) {
	release, err := j.take(ctx)
	if err != nil {
		return Report{}, err
	}
	defer release()
	if held, ok := j.Quarantine(); ok && held.Disabled {
		return Report{}, ErrDisabled
	}
	j.cycles++
	r := j.round(j.client.tenant.dialect)
	r.record.r.Initial = j.initial
	started := time.Now()
	if err := r.probe(ctx); err != nil {
		if ctx.Err() == nil {
			j.hold(started, err.Error())
		}
		return r.record.report(), err
	}
	changes, mark := j.options.Directory.Changes(j.mark)
	r.cycle(ctx, changes)
	report := r.record.report()
	if err := ctx.Err(); err != nil {
		return report, fmt.Errorf("entra: the cycle was interrupted: %w", err)
	}
	j.mark, j.initial = mark, false
	if reason := tooManyFailures(report); reason != "" {
		j.hold(started, reason)
	} else {
		j.unhold()
	}
	return report, nil
}

// cycle does the work of one. Deletions come first, so that names are free.
func (r *round) cycle(ctx context.Context, changes directory.Changes) {
	users := r.userFamily()
	each(ctx, r.options.Parallel, r.purgedUsers(changes), func(l *link) { r.settle(ctx, users, l) })
	each(ctx, r.options.Parallel, r.changedUsers(changes), func(l *link) { r.settle(ctx, users, l) })
	if !r.options.UsersOnly {
		groups := r.groupFamily()
		each(ctx, r.options.Parallel, r.deletedGroups(changes), func(l *link) { r.settle(ctx, groups, l) })
		each(ctx, r.options.Parallel, r.changedGroups(changes), func(l *link) { r.settle(ctx, groups, l) })
	}
	r.references(ctx)
	if ctx.Err() == nil {
		sweep(r.users)
		sweep(r.groups)
	}
}

// each calls do for every item, on at most n goroutines, which end with it. It
// begins with no further item once the context has ended.
func each[T any](ctx context.Context, n int, items []T, do func(T)) {
	var next atomic.Int64
	var working sync.WaitGroup
	for range min(n, len(items)) {
		working.Go(func() {
			for ctx.Err() == nil {
				at := int(next.Add(1)) - 1
				if at >= len(items) {
					return
				}
				do(items[at])
			}
		})
	}
	working.Wait()
}

// sweep drops what there is nothing to know about: those who are gone, and those
// who were left alone and are matched by somebody else now.
func sweep(links map[string]*link) {
	managed := map[string]bool{}
	for _, l := range links {
		if l.wish.presence != left {
			managed[l.id] = true
		}
	}
	maps.DeleteFunc(links, func(_ string, l *link) bool {
		if l.id != "" {
			return l.wish.presence == left && managed[l.id]
		}
		return !l.posted && l.object.failures == 0 && (l.wish.presence == unknown || l.wish.presence == removed)
	})
}

// purgedUsers are the links of users who were hard deleted.
func (r *round) purgedUsers(changes directory.Changes) []*link {
	var work []*link
	for _, gone := range changes.PurgedUsers {
		l := r.users[gone.ObjectID]
		if l == nil || l.wish.presence == left {
			continue
		}
		l.wish = r.policy.purged(l.wish, gone, l.id != "")
		if l.wish.presence == removed || l.wish.presence == left && !r.policy.skipOut {
			work = append(work, l)
		}
	}
	return work
}

// changedUsers are the links of users whose turn it is: those who changed, and
// those who failed before.
func (r *round) changedUsers(changes directory.Changes) []*link {
	var work []*link
	for _, id := range changes.Users {
		u, ok := r.options.Directory.User(id)
		if !ok {
			continue // since it changed, it was purged
		}
		if l := r.wishUser(u); l != nil {
			work = append(work, l)
		}
	}
	return r.due(r.users, work, r.options.PeriodicActive && !r.initial)
}

// wishUser computes the wish for a user. It returns the link if there is
// something to do.
func (r *round) wishUser(u directory.User) *link {
	l, inScope := r.users[u.ObjectID], r.options.Directory.InScope(u.ObjectID)
	if l == nil {
		l = &link{objectID: u.ObjectID}
	}
	l.wish = r.policy.user(l.wish, u, r.mapping.userValues(u), inScope, l.id != "")
	l.name = u.UserPrincipalName
	if l.wish.presence == unknown {
		if inScope {
			r.record.count(func(report *Report) { report.Users.Skipped++ })
		}
		return nil
	}
	r.users[u.ObjectID] = l
	if l.wish.frozen && !inScope && r.policy.skipOut {
		return nil
	}
	return l
}

// deletedGroups are the links of groups that were deleted.
func (r *round) deletedGroups(changes directory.Changes) []*link {
	var work []*link
	for _, gone := range changes.DeletedGroups {
		l := r.groups[gone.ObjectID]
		if l == nil || l.wish.presence == left {
			continue
		}
		if l.wish = r.policy.deletedGroup(l.wish, gone, l.id != ""); l.wish.presence == removed {
			work = append(work, l)
		}
	}
	return work
}

// changedGroups are the links of groups whose turn it is.
func (r *round) changedGroups(changes directory.Changes) []*link {
	var work []*link
	for _, id := range changes.Groups {
		g, ok := r.options.Directory.Group(id)
		if !ok {
			continue
		}
		if l := r.wishGroup(g); l != nil {
			work = append(work, l)
		}
	}
	return r.due(r.groups, work, false)
}

// wishGroup is wishUser for groups.
func (r *round) wishGroup(g directory.Group) *link {
	l, inScope := r.groups[g.ObjectID], r.options.Directory.InScope(g.ObjectID)
	if l == nil {
		l = &link{objectID: g.ObjectID, members: map[string]string{}, again: map[string]bool{}}
	}
	l.wish = r.policy.group(l.wish, groupValues(g), inScope, l.id != "")
	l.name = g.DisplayName
	if l.wish.presence == unknown {
		return nil
	}
	r.groups[g.ObjectID] = l
	if l.wish.frozen {
		return nil
	}
	return l
}

// due adds those who failed before to the work, if it is time, and takes those
// out of it for whom it is not. With all, everybody who is well is added.
func (r *round) due(links map[string]*link, work []*link, all bool) []*link {
	in := make(map[*link]bool, len(work))
	for _, l := range work {
		in[l] = true
	}
	var more []*link
	for _, l := range links {
		well := all && l.id != "" && l.wish.presence == present && l.wish.active
		if !in[l] && (l.object.due(r.cycles) || well) {
			more = append(more, l)
		}
	}
	slices.SortFunc(more, func(a, b *link) int { return cmp.Compare(a.objectID, b.objectID) })
	return slices.DeleteFunc(append(work, more...), func(l *link) bool { return l.object.waiting(r.cycles) })
}
