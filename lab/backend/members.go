package backend

import (
	"cmp"
	"slices"
	"strings"
)

// membership is that a resource is a member of a group. Both hold it, so that
// neither has to be searched for the other.
type membership struct {
	group, member *record
	joined        uint64 // counts up
}

func byJoining(a, b *membership) int { return cmp.Compare(a.joined, b.joined) }
func byGroup(a, b *membership) int   { return byCreation(a.group, b.group) }

// in returns the membership of r in group; nil if there is none.
func (r *record) in(group *record) *membership {
	at, ok := slices.BinarySearchFunc(r.groups, group,
		func(m *membership, group *record) int { return byCreation(m.group, group) })
	if !ok {
		return nil
	}
	return r.groups[at]
}

// join makes member the last member of group, of which it must not be one.
func (s *store) join(group, member *record) {
	m := &membership{group: group, member: member, joined: s.next()}
	group.members = append(group.members, m)
	member.groups = inserted(member.groups, m, byGroup)
}

// end takes the member out of the group.
func (m *membership) end() {
	m.group.members = deleted(m.group.members, m, byJoining)
	m.member.groups = deleted(m.member.groups, m, byGroup)
}

// inserted is an ordered list with x in it, once.
func inserted[T any](list []T, x T, compare func(a, b T) int) []T {
	at, found := slices.BinarySearchFunc(list, x, compare)
	if found {
		return list
	}
	return slices.Insert(list, at, x)
}

// deleted is an ordered list without x.
func deleted[T any](list []T, x T, compare func(a, b T) int) []T {
	at, found := slices.BinarySearchFunc(list, x, compare)
	if !found {
		return list
	}
	return slices.Delete(list, at, at+1)
}

// roll stands for the members of a group in a document that is being patched.
// It notes who joins and leaves, so that neither the group nor its other
// members are copied, and a PATCH that fails has changed nothing.
type roll struct {
	store   *store
	group   *record
	changes map[string]bool // by id: true has joined, false has left
	joining []any           // values of members, as the client wrote them
}

// apply applies an operation on members and reports true; or false, without
// an effect, if it is not plain who joins or leaves.
func (l *roll) apply(o patchOperation, loc location) (bool, error) {
	if loc.filter == nil && o.verb == "add" {
		elements, err := loc.attr.added(o.value)
		if err != nil {
			return false, err
		}
		return l.add(elements), nil
	}
	test, ok := loc.filter.(comparison)
	id, text := test.value.(string)
	if !ok || !text || o.verb != "remove" || test.operator != "eq" || !sameName(test.attr.name, "value") {
		return false, nil
	}
	l.remove(id)
	return true, nil
}

// add lets elements join that are not members. It does nothing and reports
// false if one of them has left: that one's place is another one now.
func (l *roll) add(elements []any) bool {
	for _, element := range elements {
		if joined, changed := l.changes[textOf(objectOf(element)["value"])]; changed && !joined {
			return false
		}
	}
	for _, element := range elements {
		if id := textOf(objectOf(element)["value"]); !l.changes[id] && !l.had(id) {
			l.changes[id] = true
			l.joining = append(l.joining, element)
		}
	}
	return true
}

// remove lets a member leave, if it is one.
func (l *roll) remove(id string) {
	if l.changes[id] {
		delete(l.changes, id)
		l.joining = slices.DeleteFunc(l.joining, func(element any) bool { return objectOf(element)["value"] == id })
	} else if l.had(id) {
		l.changes[id] = false
	}
}

// had reports whether the group had the member before.
func (l *roll) had(id string) bool {
	r := l.store.byID[id]
	return r != nil && r.in(l.group) != nil
}

// list returns the members one by one, as a document has them otherwise.
func (l *roll) list() []any {
	stayed := slices.DeleteFunc(slices.Clone(l.group.members), func(m *membership) bool {
		_, left := l.changes[m.member.id]
		return left
	})
	return append(l.store.shown(stayed), l.joining...)
}

// turnover is what a write does to the members of a group.
type turnover struct {
	leave []*membership
	join  []*record
}

// turnover returns what it takes to give group the members, a list or a roll.
// Members must exist (RFC 7643 section 4.2).
func (s *store) turnover(group *record, members any) (t turnover, err error) {
	if plain, ok := members.(*roll); ok {
		for id, joined := range plain.changes {
			if !joined {
				t.leave = append(t.leave, s.byID[id].in(group))
			}
		}
		t.join, err = s.resolved(plain.joining)
		return t, err
	}
	all, err := s.resolved(listOf(members))
	if err != nil || slices.EqualFunc(group.members, all, func(m *membership, r *record) bool { return m.member == r }) {
		return t, err
	}
	return turnover{leave: slices.Clone(group.members), join: all}, nil
}

// resolved finds the members that a list names.
func (s *store) resolved(list []any) ([]*record, error) {
	records := make([]*record, 0, len(list))
	for _, item := range list {
		member := objectOf(item)
		id := textOf(member["value"])
		r, ok := s.byID[id]
		if !ok {
			return nil, refuse(invalidValue, "members: there is no user or group %q", id)
		}
		if given, ok := member["type"]; ok && !strings.EqualFold(textOf(given), r.kind.name) {
			return nil, refuse(invalidValue, "members: %q is a %s", id, r.kind.name)
		}
		records = append(records, r)
	}
	return records, nil
}

// turnOver makes a turnover come true.
func (s *store) turnOver(group *record, t turnover) {
	for _, m := range slices.Backward(t.leave) { // from the end, nothing has to move up
		m.end()
	}
	for _, member := range t.join {
		s.join(group, member)
	}
}
