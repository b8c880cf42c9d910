package backend

import (
	"fmt"
	"regexp"
	"slices"
)

// GroupLists are the lists of User Sync by resolution: regular expressions
// (RE2) that must match a group's whole displayName. Groups of either kind are
// kept; the lists are about who is in them. What the product's own SCIM
// endpoint answers for such groups is UNVERIFIED; here it is success.
type GroupLists struct {
	// OnlyAssign names the groups that users are added to; empty means all.
	OnlyAssign string
	// NeverAssign names those of them that users are not added to after all;
	// empty means none.
	NeverAssign string
	// NeverRemove names the groups that users are not removed from; empty
	// means none. With ".*" here and in NeverAssign only users are
	// synchronized.
	NeverRemove string
}

// lists are compiled GroupLists; nil stands for an empty one.
type lists struct{ only, never, keep *regexp.Regexp }

// habit makes one of l; nil if l is empty.
func (l GroupLists) habit() (habit, error) {
	if l == (GroupLists{}) {
		return nil, nil
	}
	var compiled lists
	for _, list := range []struct {
		name, text string
		to         **regexp.Regexp
	}{
		{"OnlyAssign", l.OnlyAssign, &compiled.only},
		{"NeverAssign", l.NeverAssign, &compiled.never},
		{"NeverRemove", l.NeverRemove, &compiled.keep},
	} {
		if list.text == "" {
			continue
		}
		var err error
		if *list.to, err = regexp.Compile(`(?s)\A(?:` + list.text + `)\z`); err != nil {
			return nil, fmt.Errorf("backend: GroupLists.%s: %w", list.name, err)
		}
	}
	return habit{"POST /Groups": compiled.apply, "PUT /Groups/{id}": compiled.apply, "PATCH /Groups/{id}": compiled.apply}, nil
}

// assigns reports whether users are added to a group: the list of those that
// are comes first.
func (l lists) assigns(name string) bool {
	return (l.only == nil || l.only.MatchString(name)) && (l.never == nil || !l.never.MatchString(name))
}

// removes reports whether users are removed from a group.
func (l lists) removes(name string) bool { return l.keep == nil || !l.keep.MatchString(name) }

// apply lets a call change a group and then takes back what the lists do not
// allow.
func (l lists) apply(b *Backend, c call, next serving) (answer, error) {
	b.memory.groups.Lock()
	defer b.memory.groups.Unlock()
	if l.isFree(b, c) {
		return next(b, c)
	}
	before, _ := b.resource(c.kind, c.id) // nothing, if c creates it
	got, err := next(b, c)
	if err != nil {
		return answer{}, err
	}
	if c.id == "" {
		c.id = textOf(objectOf(got.body)["id"])
	}
	after, err := b.resource(c.kind, c.id)
	if err != nil {
		return got, nil // deleted in the meantime
	}
	members, changed := l.settled(before, after)
	if !changed {
		return got, nil
	}
	if _, err := b.patch(call{kind: c.kind, id: c.id, body: patchMessage(
		map[string]any{"op": "replace", "path": "members", "value": members})}); err != nil {
		return answer{}, err
	}
	if got.body == nil {
		return got, nil
	}
	shown, err := b.get(c)
	got.body = shown.body
	return got, err
}

// isFree reports whether c changes a group that no list is about, in which case
// there is no need to look at the members, of whom there may be thousands.
func (l lists) isFree(b *Backend, c call) bool {
	group, err := b.resource(c.kind, c.id, "displayName")
	name := textOf(group["displayName"])
	if err != nil || !l.assigns(name) || !l.removes(name) {
		return false
	}
	return !slices.ContainsFunc(c.touches(), func(t touched) bool { return t.path == "displayName" && t.value != name })
}

// settled returns the members that a group is to have, in the form of a
// request, and whether that is not what it has.
func (l lists) settled(before, after map[string]any) (members []any, changed bool) {
	name := textOf(after["displayName"])
	had, has := memberIDs(before), memberIDs(after)
	members = []any{}
	for _, member := range listOf(after["members"]) {
		id := objectOf(member)["value"]
		if had[id] || l.assigns(name) {
			members = append(members, map[string]any{"value": id})
		} else {
			changed = true
		}
	}
	if l.removes(name) {
		return members, changed
	}
	for _, member := range listOf(before["members"]) {
		if id := objectOf(member)["value"]; !has[id] {
			members, changed = append(members, map[string]any{"value": id}), true
		}
	}
	return members, changed
}

func memberIDs(group map[string]any) map[any]bool {
	ids := map[any]bool{}
	for _, member := range listOf(group["members"]) {
		ids[objectOf(member)["value"]] = true
	}
	return ids
}

// refuseRename is NoGroupRename.
func refuseRename(b *Backend, c call, next serving) (answer, error) {
	group, err := b.resource(c.kind, c.id, "displayName")
	if err != nil {
		return answer{}, err
	}
	for _, t := range c.touches() {
		if t.path == "displayName" && t.value != group["displayName"] {
			return answer{}, refuse(mutability, "a group cannot be renamed")
		}
	}
	return next(b, c)
}
