package entra

// dialect is the part of Entra's requests that a flag on the tenant URL
// changes.
type dialect struct {
	// flags are the query keys that choose the dialect.
	flags []string
	// operations as they are spelled.
	add, replace string
	// active is the value of a user's active attribute in a PATCH.
	active func(bool) any
	// removeMember is the operation that takes one user out of a group.
	removeMember func(id string) operation
	// update turns changed attributes into operations.
	update func([]change) []operation
}

// change is one attribute with its new value; path may hold a value filter.
type change struct {
	path     string
	filtered bool
	value    any
}

// operation is one element of a PATCH body, RFC 7644 section 3.5.2.
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path,omitempty"`
	Value any    `json:"value,omitempty"`
}

// dialects lists what can be spoken.
func dialects() []dialect {
	return []dialect{compliant()}
}

// compliant is the dialect of the flag aadOptscim062020: lower-case operations,
// JSON booleans, member removal by a value filter, and all unfiltered changes
// in one operation without a path.
// https://learn.microsoft.com/entra/identity/app-provisioning/application-provisioning-config-problem-scim-compatibility
func compliant() dialect {
	return dialect{
		flags:   []string{"aadOptscim062020", "AzureAdScimPatch062020"},
		add:     "add",
		replace: "replace",
		active:  func(active bool) any { return active },
		removeMember: func(id string) operation {
			return operation{Op: "remove", Path: `members[value eq "` + id + `"]`}
		},
		update: func(changes []change) []operation {
			var filtered []operation
			plain := map[string]any{}
			for _, c := range changes {
				if c.filtered {
					filtered = append(filtered, operation{Op: "replace", Path: c.path, Value: c.value})
				} else {
					plain[c.path] = c.value
				}
			}
			if len(plain) == 0 {
				return filtered
			}
			return append(filtered, operation{Op: "replace", Value: plain})
		},
	}
}
