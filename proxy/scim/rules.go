package scim

import (
	"fmt"
	"iter"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// Set is a set of rules. The zero value is empty.
type Set uint64

// ID is a rule's place in the table.
type ID uint

// The rules, in the order in which they are applied.
const (
	SchemaURI ID = iota
	OpCase
	RolesJSON
	AttributeCase
	PathlessSplit
	ArrayWrapped
	ManagerObject
	ActiveBoolean
	PrimaryBoolean
	CustomBoolean
	CustomInteger
	CustomMultivalued
	MemberString
	RemoveValue
	NullRemove
	PrimaryFilter
	RolesDisplay
	RolesDropID
	ExtensionDot
	MemberRefNull
	CreateIDNull
	CreateRefNull
	CreateNull
	ExtensionSchemas
	AcceptSCIM
	ExcludedMembers
	FilterNotFound
	ResourcesArray
	ResponseType
	ResponseManager
	ResponseActive
	HTMLError
	Location
	ContentTypeJSON
	MissingTarget
	count
)

// Has reports whether the set holds a rule.
func (s Set) Has(id ID) bool { return s&(1<<id) != 0 }

// With returns the set with a rule.
func (s Set) With(id ID) Set { return s | 1<<id }

// All iterates over the rules of the set, in the order of the table.
func (s Set) All() iter.Seq[ID] {
	return func(yield func(ID) bool) {
		for ; s != 0; s &= s - 1 {
			if !yield(ID(bits.TrailingZeros64(uint64(s)))) {
				return
			}
		}
	}
}

// String returns the rules' names, with a comma between two; "" for none.
func (s Set) String() string {
	var names []string
	for id := range s.All() {
		names = append(names, id.String())
	}
	return strings.Join(names, ",")
}

// String returns the rule's name.
func (id ID) String() string { return table[id].Name }

// Rules returns a copy of the table, in the order of application.
func Rules() []Rule { return slices.Clone(table[:]) }

// byName is the group of the rules that neither a group name nor "all" chooses.
const byName = "by name only"

// ParseRules reads the text of a NORMALIZE setting: "none", or names of rules
// and groups or "all" with commas between, of which -name takes some out. The
// order does not count, nor do blanks around a name. The result is empty for
// "none" only: a text that turns nothing on otherwise is an error. An error says
// what is wrong with the text, and for a name that is unknown, what is known.
func ParseRules(text string) (Set, error) {
	if strings.TrimSpace(text) == "none" {
		return 0, nil
	}
	var chosen, removed Set
	var unknown []string
	for item := range strings.SplitSeq(text, ",") {
		item = strings.TrimSpace(item)
		name, remove := strings.CutPrefix(item, "-")
		found := named(name)
		switch {
		case item == "":
			return 0, fmt.Errorf("%q, with an empty name", text)
		case item == "none":
			return 0, fmt.Errorf("%q, with none beside others", text)
		case found == 0:
			unknown = append(unknown, strconv.Quote(item))
		case remove:
			removed |= found
		default:
			chosen |= found
		}
	}
	switch {
	case len(unknown) > 0:
		return 0, fmt.Errorf("%s, not among none, all, %s", strings.Join(unknown, " and "), strings.Join(Names(), ", "))
	case chosen == 0:
		return 0, fmt.Errorf("%q, which takes out of nothing; name what is on as well, such as all", text)
	case chosen&^removed == 0:
		return 0, fmt.Errorf("%q, which takes out all that it names; none says so", text)
	}
	return chosen &^ removed, nil
}

// named returns the rules that a name stands for; the empty set if it is
// unknown.
func named(name string) (s Set) {
	for i, rule := range table {
		if rule.Name == name || rule.Group == name && name != byName || name == "all" && rule.Group != byName {
			s = s.With(ID(i))
		}
	}
	return s
}

// Names lists the names of all groups, then those of all rules, each in the
// order of the table.
func Names() []string {
	var groups, rules []string
	for _, rule := range table {
		if rule.Group != byName && !slices.Contains(groups, rule.Group) {
			groups = append(groups, rule.Group)
		}
		rules = append(rules, rule.Name)
	}
	return append(groups, rules...)
}
