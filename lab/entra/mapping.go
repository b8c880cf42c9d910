package entra

import (
	"fmt"
	"slices"
	"strings"

	"example.com/entra-scim-proxy/lab/directory"
)

// attribute is one row of an attribute mapping: where a value of the directory
// goes at the endpoint.
type attribute struct {
	schema string // of an extension; empty is the core schema
	name   string
	kind   string // the type of an element, such as "work", of a multi-valued attribute
	sub    string // the sub-attribute, if name has any
}

// path is the attribute as Entra spells it in filters and PATCHes.
func (a attribute) path() string {
	switch {
	case a.schema != "":
		return a.schema + ":" + a.name
	case a.kind != "":
		return a.name + `[type eq "` + a.kind + `"].` + a.sub
	case a.sub != "":
		return a.name + "." + a.sub
	}
	return a.name
}

// put sets the attribute in the body of a POST. Only an e-mail address is
// marked as primary, as in Microsoft's sample.
func (a attribute) put(resource map[string]any, value string) {
	into := resource
	if a.schema != "" {
		into = object(resource, a.schema)
	}
	switch {
	case a.kind != "":
		elements, _ := into[a.name].([]any)
		for _, element := range elements {
			if element := element.(map[string]any); element["type"] == a.kind {
				element[a.sub] = value
				return
			}
		}
		element := map[string]any{"type": a.kind, a.sub: value}
		if a.name == "emails" {
			element["primary"] = true
		}
		into[a.name] = append(elements, element)
	case a.sub != "":
		object(into, a.name)[a.sub] = value
	default:
		into[a.name] = value
	}
}

// object returns the object that is a member of another, made if need be.
func object(of map[string]any, name string) map[string]any {
	inner, ok := of[name].(map[string]any)
	if !ok {
		inner = map[string]any{}
		of[name] = inner
	}
	return inner
}

// get reads the attribute from a resource; nil if it is not there.
func (a attribute) get(resource map[string]any) any {
	from := resource
	if a.schema != "" {
		from, _ = lookUp(resource, a.schema).(map[string]any)
	}
	value := lookUp(from, a.name)
	if a.kind != "" {
		same := a.ofKind(value)
		if len(same) == 0 {
			return nil
		}
		value = same[0]
	}
	if a.sub != "" {
		object, _ := value.(map[string]any)
		value = lookUp(object, a.sub)
	}
	return value
}

// managerRow is the manager, or a sub-attribute of it, in a resource.
func managerRow(sub string) attribute {
	return attribute{schema: enterpriseSchema, name: "manager", sub: sub}
}

// ofKind are the elements of a multi-valued attribute that have the type.
func (a attribute) ofKind(value any) []any {
	elements, _ := value.([]any)
	var same []any
	for _, element := range elements {
		object, _ := element.(map[string]any)
		if kind, _ := lookUp(object, "type").(string); strings.EqualFold(kind, a.kind) {
			same = append(same, element)
		}
	}
	return same
}

// lookUp finds a member by its name in any case (RFC 7643 section 2.1).
func lookUp(object map[string]any, name string) any {
	if value, ok := object[name]; ok {
		return value
	}
	for key, value := range object {
		if strings.EqualFold(key, name) {
			return value
		}
	}
	return nil
}

// userAttribute is a row of the mapping of users.
type userAttribute struct {
	attribute
	source func(directory.User) string
}

// userMapping is the mapping that a new application comes with, without active
// and manager, which are no plain values.
// https://learn.microsoft.com/entra/identity/app-provisioning/use-scim-to-provision-users-and-groups
func userMapping() []userAttribute {
	core := func(name string, source func(directory.User) string) userAttribute {
		return userAttribute{attribute{name: name}, source}
	}
	of := func(name, sub string, source func(directory.User) string) userAttribute {
		return userAttribute{attribute{name: name, sub: sub}, source}
	}
	address := func(sub string, source func(directory.User) string) userAttribute {
		return userAttribute{attribute{name: "addresses", kind: "work", sub: sub}, source}
	}
	phone := func(kind string, source func(directory.User) string) userAttribute {
		return userAttribute{attribute{name: "phoneNumbers", kind: kind, sub: "value"}, source}
	}
	extension := func(name string, source func(directory.User) string) userAttribute {
		return userAttribute{attribute{schema: enterpriseSchema, name: name}, source}
	}
	return []userAttribute{
		core("userName", func(u directory.User) string { return u.UserPrincipalName }),
		core("displayName", func(u directory.User) string { return u.DisplayName }),
		core("title", func(u directory.User) string { return u.JobTitle }),
		{attribute{name: "emails", kind: "work", sub: "value"}, func(u directory.User) string { return u.Mail }},
		core("preferredLanguage", func(u directory.User) string { return u.PreferredLanguage }),
		of("name", "givenName", func(u directory.User) string { return u.GivenName }),
		of("name", "familyName", func(u directory.User) string { return u.Surname }),
		of("name", "formatted", func(u directory.User) string { return strings.TrimSpace(u.GivenName + " " + u.Surname) }),
		address("formatted", func(u directory.User) string { return u.PhysicalDeliveryOfficeName }),
		address("streetAddress", func(u directory.User) string { return u.StreetAddress }),
		address("locality", func(u directory.User) string { return u.City }),
		address("region", func(u directory.User) string { return u.State }),
		address("postalCode", func(u directory.User) string { return u.PostalCode }),
		address("country", func(u directory.User) string { return u.Country }),
		phone("work", func(u directory.User) string { return u.TelephoneNumber }),
		phone("mobile", func(u directory.User) string { return u.Mobile }),
		phone("fax", func(u directory.User) string { return u.FacsimileTelephoneNumber }),
		core("externalId", func(u directory.User) string { return u.MailNickname }),
		extension("employeeNumber", func(u directory.User) string { return u.EmployeeID }),
		extension("department", func(u directory.User) string { return u.Department }),
	}
}

// mapping is the attribute mapping of a job.
type mapping struct {
	users, groups   []attribute
	sources         []func(directory.User) string // of users
	matching        []int                         // rows of users
	active, manager bool                          // whether they are mapped
}

// newMapping takes rows out of the default mapping and chooses those to match
// by. Its errors name the attribute.
func newMapping(o JobOptions) (*mapping, error) {
	m := &mapping{
		groups: []attribute{{name: "displayName"}, {name: "externalId"}},
		active: !slices.Contains(o.Unmapped, "active"), manager: !slices.Contains(o.Unmapped, manager),
	}
	known := map[string]bool{"active": true, manager: true}
	for _, row := range userMapping() {
		path := row.path()
		known[path] = true
		if slices.Contains(o.Unmapped, path) {
			continue
		}
		if path == "externalId" && o.ExternalIDFromObjectID {
			row.source = func(u directory.User) string { return u.ObjectID }
		}
		m.users, m.sources = append(m.users, row.attribute), append(m.sources, row.source)
	}
	for _, path := range o.Unmapped {
		if !known[path] || path == "userName" {
			return nil, fmt.Errorf("entra: the attribute %q cannot be taken out of the mapping", path)
		}
	}
	matching := o.Matching
	if len(matching) == 0 {
		matching = []string{"userName"}
	}
	for _, path := range matching {
		row := m.user(path)
		if row < 0 {
			return nil, fmt.Errorf("entra: the attribute %q cannot be matched by: it is not mapped", path)
		}
		m.matching = append(m.matching, row)
	}
	return m, nil
}

// user is the row of an attribute of users, or -1.
func (m *mapping) user(path string) int {
	return slices.IndexFunc(m.users, func(a attribute) bool { return a.path() == path })
}

// userValues are the values of a user in the order of the mapping.
func (m *mapping) userValues(u directory.User) []string {
	values := make([]string, len(m.sources))
	for i, source := range m.sources {
		values[i] = source(u)
	}
	return values
}

// groupValues are the values of a group in the order of the mapping.
func groupValues(g directory.Group) []string { return []string{g.DisplayName, g.ObjectID} }
