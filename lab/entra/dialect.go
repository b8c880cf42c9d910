package entra

import "strings"

// dialect is the part of Entra's requests that a flag on the tenant URL
// changes.
type dialect struct {
	// name is for people.
	name string
	// flags are the query keys that choose the dialect.
	flags []string
	// operations as they are spelled.
	add, replace, remove string
	// active is the value of a user's active attribute in a PATCH.
	active func(bool) any
	// roles is the value that adds one app role.
	roles func(appRole) any
	// removeMember is the operation that takes one user out of a group; the
	// member is what an operation that adds it holds.
	removeMember func(id string, member any) operation
	// update turns changed attributes into operations.
	update func([]change) []operation
}

// change is one attribute with its new value; path may hold a value filter.
type change struct {
	path  string
	added bool // the attribute had no value before
	value any
}

// filtered reports whether the path is one into a multi-valued attribute.
func (c change) filtered() bool { return strings.Contains(c.path, "[") }

// operation is one element of a PATCH body, RFC 7644 section 3.5.2.
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path,omitempty"`
	Value any    `json:"value,omitempty"`
}

// dialects lists what can be spoken; the first is what Entra speaks without a
// flag.
func dialects() []dialect {
	return []dialect{unflagged(), compliant()}
}

// unflagged is Entra's default dialect: operations in Pascal case, one for each
// attribute and always with a path, booleans as strings, and members removed by
// a value, which RFC 7644 section 3.5.2.2 does not know.
// https://learn.microsoft.com/entra/identity/app-provisioning/application-provisioning-config-problem-scim-compatibility
func unflagged() dialect {
	d := dialect{
		name: "default",
		// Asks for this dialect once the other is what Entra speaks by itself.
		flags:   []string{"AzureAdScimPatch2017"},
		add:     "Add",
		replace: "Replace",
		remove:  "Remove",
		// What Switch([IsSoftDeleted], , "False", "True", "True", "False") gives,
		// the mapping that new applications come with.
		active: func(active bool) any {
			if active {
				return "True"
			}
			return "False"
		},
		// The sample for AppRoleAssignmentsComplex:
		// https://learn.microsoft.com/entra/identity/app-provisioning/customize-application-attributes
		roles: func(role appRole) any { return []roleText{{Value: role.text()}} },
		removeMember: func(_ string, member any) operation {
			return operation{Op: "Remove", Path: "members", Value: []any{member}}
		},
	}
	d.update = func(changes []change) []operation {
		operations := make([]operation, len(changes))
		for i, c := range changes {
			operations[i] = operation{Op: d.verb(c), Path: c.path, Value: c.value}
		}
		return operations
	}
	return d
}

// compliant is the dialect of the flag aadOptscim062020: lower-case operations,
// JSON booleans, member removal by a value filter. It is not RFC 7644 yet: see
// merge, and a manager is a bare string here, too
// (github.com/Captain-P-Goldfish/SCIM-SDK#686).
// https://learn.microsoft.com/entra/identity/app-provisioning/application-provisioning-config-problem-scim-compatibility
func compliant() dialect {
	d := dialect{
		name:    "compliant",
		flags:   []string{"aadOptscim062020", "AzureAdScimPatch062020"},
		add:     "add",
		replace: "replace",
		remove:  "remove",
		active:  func(active bool) any { return active },
		roles:   func(role appRole) any { return []appRole{{Value: role.Value, DisplayName: role.DisplayName}} },
		removeMember: func(id string, _ any) operation {
			return operation{Op: "remove", Path: `members[value eq "` + id + `"]`}
		},
	}
	d.update = d.merge
	return d
}

// merge keeps filtered paths in operations of their own and puts all else that
// is added, or replaced, into one operation without a path. Its keys are
// attribute paths, dotted (github.com/thomaspoignant/scim-patch#132) and
// qualified by a schema, where RFC 7644 section 3.5.2 has a part of a resource.
// An attribute that is alone keeps its path.
func (d dialect) merge(changes []change) []operation {
	var operations []operation
	plain := map[string][]change{}
	for _, c := range changes {
		if c.filtered() {
			operations = append(operations, operation{Op: d.verb(c), Path: c.path, Value: c.value})
		} else {
			plain[d.verb(c)] = append(plain[d.verb(c)], c)
		}
	}
	for _, verb := range []string{d.replace, d.add} {
		switch together := plain[verb]; len(together) {
		case 0:
		case 1:
			operations = append(operations, operation{Op: verb, Path: together[0].path, Value: together[0].value})
		default:
			values := map[string]any{}
			for _, c := range together {
				values[c.path] = c.value
			}
			operations = append(operations, operation{Op: verb, Value: values})
		}
	}
	return operations
}

func (d dialect) verb(c change) string {
	if c.added {
		return d.add
	}
	return d.replace
}
