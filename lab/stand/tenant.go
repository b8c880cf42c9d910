package stand

import (
	"fmt"
	"strings"

	"example.com/entra-scim-proxy/lab/directory"
	"example.com/entra-scim-proxy/lab/entra"
	"example.com/entra-scim-proxy/lab/profile"
)

// NewDirectory makes the tenant whose application provisions a system: invented
// people, of whom those are assigned that the profile has in scope.
func NewDirectory(p profile.Profile, options directory.Options) (*directory.Directory, error) {
	options.ThroughGroups = p.Entra.Scope == profile.OneGroup
	d, err := directory.Generate(options)
	if err != nil {
		return nil, err
	}
	for i, id := range d.Groups() {
		if p.Backend.GroupLists.OnlyAssign != "" {
			if err := listed(d, id, i); err != nil {
				return nil, err
			}
		}
		if options.ThroughGroups && i > 0 {
			if err := d.Unassign(id); err != nil {
				return nil, fmt.Errorf("unassign group: %w", err)
			}
		}
	}
	return d, nil
}

// listed gives the group a name that the lists of User Sync are about: two may
// be assigned, one of which is never left again, and two may not.
func listed(d *directory.Directory, id string, i int) error {
	group, _ := d.Group(id)
	slug := strings.ReplaceAll(strings.ToLower(group.DisplayName), " ", "-")
	names := []string{"jira-" + slug, "jira-core-" + slug, "elsewhere-" + slug, "confluence-" + slug + "-administrators"}
	if err := d.RenameGroup(id, names[i%len(names)]); err != nil {
		return fmt.Errorf("rename group %q: %w", group.DisplayName, err)
	}
	return nil
}

// JobOptions is how the administrator of the enterprise application sets up
// what a profile needs.
func JobOptions(p profile.Profile, d *directory.Directory) entra.JobOptions {
	return entra.JobOptions{
		Directory: d,
		Unmapped:  p.Entra.Dropped,
		UsersOnly: p.Entra.Scope == profile.UsersOnly,
	}
}
