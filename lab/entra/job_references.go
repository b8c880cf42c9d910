package entra

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
)

// references writes what refers to other objects, once those exist. What is to
// be done follows from the directory and from what the endpoint took; the
// endpoint is not asked for memberships
// (https://learn.microsoft.com/answers/questions/2278290).
func (r *round) references(ctx context.Context) {
	each(ctx, r.options.Parallel, r.reports(), func(report report) { r.setManager(ctx, report) })
	if r.options.UsersOnly {
		return
	}
	var work []membership
	for _, id := range r.options.Directory.Groups() {
		if m := r.memberships(id); m.work() {
			work = append(work, m)
		}
	}
	each(ctx, r.options.Parallel, work, func(m membership) { r.setMembers(ctx, m) })
}

// report is a user whose manager is to be written.
type report struct{ user, manager *link }

// reports are the users whose manager is not what the endpoint took last.
func (r *round) reports() []report {
	if !r.mapping.manager {
		return nil
	}
	var work []report
	for _, id := range r.options.Directory.Users() {
		if l := r.users[id]; l != nil && !l.references.waiting(r.cycles) {
			if m := r.managerOf(l); m != nil && m.id != l.managerID {
				work = append(work, report{l, m})
			}
		}
	}
	return work
}

// managerOf is the link of a user's manager; nil if there is nothing to write.
func (r *round) managerOf(l *link) *link {
	if l.id == "" || l.wish.presence != present || l.wish.frozen {
		return nil
	}
	u, _ := r.options.Directory.User(l.objectID)
	if m := r.users[u.Manager]; m != nil && m.id != "" {
		return m
	}
	return nil
}

// refer ends a write of references.
func (r *round) refer(ctx context.Context, l *link, step string, err error) bool {
	if err == nil || ctx.Err() != nil {
		return err == nil
	}
	r.record.fail(l.name, step, err)
	r.record.count(func(report *Report) { report.ReferencesFailed++ })
	return false
}

// tryReferences writes references and notes for the link whether that failed. An
// interruption is no failure.
func (r *round) tryReferences(ctx context.Context, l *link, write func() bool) {
	was := l.references
	l.references = pause{}
	if !write() {
		l.references = was
		if ctx.Err() == nil {
			l.references.fail(r.cycles, r.options.BackOff)
		}
	}
}

// setManager reads the user, or asks whether it has the manager, and patches
// the manager if it has not.
func (r *round) setManager(ctx context.Context, work report) {
	l, f := work.user, r.userFamily()
	r.tryReferences(ctx, l, func() bool {
		has, added, err := r.hasManager(ctx, f, l, work.manager.id)
		if err == nil && !has {
			err = r.patch(ctx, f, l, "set manager", r.dialect.update([]change{{
				path: manager, added: added && !r.client.options.ReplaceMissing, value: work.manager.id,
			}}), func(v *verdict, body map[string]any) { v.typed(f.attributes, body) })
		}
		if !r.refer(ctx, l, "set manager", err) {
			return false
		}
		l.managerID = work.manager.id
		if !has {
			r.record.count(func(report *Report) { report.ManagersSet++ })
		}
		return true
	})
}

// hasManager reports whether the user has the manager, and if not, whether it
// has none.
func (r *round) hasManager(ctx context.Context, f *family, l *link, id string) (has, none bool, err error) {
	if r.options.RefCheck {
		has, err = r.ask(ctx, f, l, "ask for manager", "manager", id)
		return has, false, err
	}
	found, err := r.read(ctx, f, l)
	switch {
	case err != nil:
		return false, false, err
	case found == nil: // the next cycle will see to it
		l.object = pause{failures: 1, until: r.cycles + 1}
		return false, false, errors.New("the user is not there any more")
	}
	value := managerRow("value").get(found)
	return value == any(id), value == nil, nil
}

// ask is the query of the older shape: whether a resource refers to another.
func (r *round) ask(ctx context.Context, f *family, l *link, step, attribute, id string) (bool, error) {
	has := false
	_, err := r.do(ctx, outgoing{
		step: step, object: l.name, method: http.MethodGet, path: f.path, manner: lookUpManner,
		query: refers(escape(l.id), attribute, escape(id)),
		judge: func(v *verdict, list map[string]any) {
			if found := v.found(r.base, list); found != nil {
				has = v.identified(found, l.id) != ""
			}
		},
	})
	return has, err
}

// membership is a group whose members are to be written.
type membership struct {
	group        *link
	adds, leaves []*link // users
}

func (m membership) work() bool { return len(m.adds)+len(m.leaves) > 0 }

// memberships holds the directory against what the endpoint took, and what is to
// be repeated. Members who are out of scope, or in the recycle bin, stay what
// they are.
func (r *round) memberships(id string) membership {
	m := membership{group: r.groups[id]}
	if l := m.group; l == nil || l.id == "" || l.wish.presence != present || l.wish.frozen || l.references.waiting(r.cycles) {
		return membership{}
	}
	in := map[string]bool{}
	for _, member := range r.options.Directory.Members(id) {
		in[member] = true
		u := r.users[member]
		if u == nil || u.id == "" || m.group.members[member] == u.id && !m.group.again[member] {
			continue
		}
		if u.wish.presence == present && !u.wish.frozen {
			m.adds = append(m.adds, u)
		}
	}
	for member, took := range m.group.members {
		if u := r.users[member]; took != "" && !in[member] && u != nil && u.id == took && u.wish.presence == present {
			m.leaves = append(m.leaves, u)
		}
	}
	slices.SortFunc(m.leaves, func(a, b *link) int { return cmp.Compare(a.objectID, b.objectID) })
	return m
}

// setMembers reads the group once, and patches its members one after the other.
func (r *round) setMembers(ctx context.Context, m membership) {
	l, f := m.group, r.groupFamily()
	r.tryReferences(ctx, l, func() bool {
		if l.read < r.cycles {
			found, err := r.read(ctx, f, l)
			if err == nil && found == nil {
				if _, _, err = r.missing(ctx, f, l); err == nil && l.id != "" {
					m = r.memberships(l.objectID)
				}
			}
			if !r.refer(ctx, l, "read group", err) {
				return false
			}
		}
		ok := true
		for batch := range slices.Chunk(m.adds, r.options.MembersPerPatch) {
			ok = l.id != "" && ctx.Err() == nil && r.addMembers(ctx, f, l, batch) && ok
		}
		for batch := range slices.Chunk(m.leaves, r.options.MembersPerPatch) {
			ok = l.id != "" && ctx.Err() == nil && r.removeMembers(ctx, f, l, batch) && ok
		}
		return ok
	})
}

// addMembers adds to a group. To one that showed its members Entra sends those
// it has in hand as the whole membership.
func (r *round) addMembers(ctx context.Context, f *family, l *link, users []*link) bool {
	op := r.dialect.add
	if l.leaked && !r.options.IgnoreLeaks {
		op = r.dialect.replace
	}
	return r.patchMembers(ctx, f, l, users, memberPatch{
		step: "add member", present: true,
		operations: func(users []*link) []operation {
			members := make([]any, len(users))
			for i, u := range users {
				members[i] = r.client.member(u.id)
			}
			return []operation{{Op: op, Path: "members", Value: members}}
		},
		done: func(report *Report, n int) { report.MembersAdded += n },
	})
}

func (r *round) removeMembers(ctx context.Context, f *family, l *link, users []*link) bool {
	return r.patchMembers(ctx, f, l, users, memberPatch{
		step: "remove member",
		operations: func(users []*link) []operation {
			operations := make([]operation, len(users))
			for i, u := range users {
				operations[i] = r.dialect.removeMember(u.id, r.client.member(u.id))
			}
			return operations
		},
		done: func(report *Report, n int) { report.MembersRemoved += n },
	})
}

// memberPatch is how members are added or removed.
type memberPatch struct {
	step       string
	present    bool // what the members are afterwards
	operations func([]*link) []operation
	done       func(*Report, int)
}

// patchMembers sends one PATCH for some members; with RefCheck, for those of
// them for whom there is need.
func (r *round) patchMembers(ctx context.Context, f *family, l *link, users []*link, p memberPatch) bool {
	need := users
	if r.options.RefCheck {
		need = nil
		for _, u := range users {
			has, err := r.ask(ctx, f, l, "ask for member", "members", u.id)
			if !r.refer(ctx, l, "ask for member", err) {
				return false
			}
			if has != p.present {
				need = append(need, u)
			}
		}
	}
	if len(need) > 0 {
		if !r.refer(ctx, l, p.step, r.patch(ctx, f, l, p.step, p.operations(need), nil)) {
			return false
		}
		r.record.count(func(report *Report) { p.done(report, len(need)) })
	}
	for _, u := range users {
		if !p.present {
			l.members[u.objectID] = ""
			delete(l.again, u.objectID)
			continue
		}
		l.members[u.objectID] = u.id
		if r.options.RepeatMembers {
			l.again[u.objectID] = !l.again[u.objectID]
		}
	}
	return true
}
