package backend

import "strings"

const (
	userURN       = "urn:ietf:params:scim:schemas:core:2.0:User"
	groupURN      = "urn:ietf:params:scim:schemas:core:2.0:Group"
	enterpriseURN = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
)

// dataType is the type of an attribute's value (RFC 7643 section 2.3).
// References are strings here: nothing is done with their URIs.
type dataType int

const (
	typeString dataType = iota
	typeBoolean
	typeDateTime
	typeComplex
)

// access is the mutability of an attribute (RFC 7643 section 7).
type access int

const (
	readWrite access = iota
	readOnly
	immutable
)

// attribute is one row of a schema (RFC 7643 section 7).
type attribute struct {
	name      string
	dataType  dataType
	multi     bool
	access    access
	required  bool
	caseExact bool
	// byValue says that two values of a multi-valued attribute are the same
	// when their value sub-attributes are, whatever else they hold.
	byValue bool
	// refers are the resource types that a URI in a "$ref" leads to; none for
	// what is no reference.
	refers []string
	sub    []*attribute
}

// schema is a named set of attributes.
type schema struct {
	urn, name, description string
	attributes             []*attribute
}

// resourceType is a kind of resource (RFC 7643 section 6).
type resourceType struct {
	name       string
	endpoint   string
	core       *schema
	extensions []*schema
	unique     string // the attribute that no two resources may share
	// indexes are the attributes by which clients find resources: unique,
	// and others that hold text.
	indexes   []string
	echoPatch bool // PATCH answers with the resource
}

// commonAttributes are those that every resource has (RFC 7643 section 3.1).
func commonAttributes() []*attribute {
	return []*attribute{
		{name: "schemas", multi: true, access: readOnly},
		{name: "id", access: readOnly, caseExact: true},
		{name: "externalId", caseExact: true},
		{name: "meta", dataType: typeComplex, access: readOnly, sub: []*attribute{
			{name: "resourceType", caseExact: true},
			{name: "created", dataType: typeDateTime},
			{name: "lastModified", dataType: typeDateTime},
			{name: "location", caseExact: true},
		}},
	}
}

// attributesOf is attributes plus the common ones.
func attributesOf(attributes ...*attribute) []*attribute {
	return append(commonAttributes(), attributes...)
}

// texts makes single-valued string attributes that compare without regard to
// case.
func texts(names ...string) []*attribute {
	var list []*attribute
	for _, name := range names {
		list = append(list, &attribute{name: name})
	}
	return list
}

// valuesOf makes a multi-valued attribute with the sub-attributes of RFC 7643
// section 2.4.
func valuesOf(name string) *attribute {
	return &attribute{name: name, dataType: typeComplex, multi: true,
		sub: append(texts("value", "display", "type"), &attribute{name: "primary", dataType: typeBoolean})}
}

var userType = &resourceType{
	name:      "User",
	endpoint:  "Users",
	unique:    "userName",
	indexes:   []string{"userName", "externalId", "displayName", "emails.value"},
	echoPatch: true,
	core: &schema{urn: userURN, name: "User", description: "User Account", attributes: attributesOf(append(
		texts("displayName", "nickName", "title", "userType", "preferredLanguage", "locale", "timezone"),
		&attribute{name: "userName", required: true},
		&attribute{name: "name", dataType: typeComplex, sub: texts("formatted", "familyName", "givenName",
			"middleName", "honorificPrefix", "honorificSuffix")},
		&attribute{name: "active", dataType: typeBoolean},
		valuesOf("emails"),
		valuesOf("phoneNumbers"),
		valuesOf("roles"),
		&attribute{name: "addresses", dataType: typeComplex, multi: true, sub: append(
			texts("formatted", "streetAddress", "locality", "region", "postalCode", "country", "type"),
			&attribute{name: "primary", dataType: typeBoolean})},
		&attribute{name: "groups", dataType: typeComplex, multi: true, access: readOnly, sub: []*attribute{
			{name: "value", caseExact: true}, {name: "$ref", caseExact: true, refers: []string{"Group"}},
			{name: "display"}, {name: "type"}}},
	)...)},
	extensions: []*schema{{urn: enterpriseURN, name: "EnterpriseUser", description: "Enterprise User", attributes: append(
		texts("employeeNumber", "costCenter", "organization", "division", "department"),
		&attribute{name: "manager", dataType: typeComplex, sub: []*attribute{
			{name: "value", caseExact: true}, {name: "$ref", caseExact: true, refers: []string{"User"}},
			{name: "displayName", access: readOnly}}},
	)}},
}

var groupType = &resourceType{
	name:     "Group",
	endpoint: "Groups",
	unique:   "displayName",
	indexes:  []string{"displayName", "externalId"},
	core: &schema{urn: groupURN, name: "Group", description: "Group", attributes: attributesOf(
		// Required by the text of RFC 7643 section 4.2, though not by the
		// schema in section 8.7.1.
		&attribute{name: "displayName", required: true},
		&attribute{name: "members", dataType: typeComplex, multi: true, byValue: true, sub: []*attribute{
			{name: "value", caseExact: true, required: true, access: immutable},
			{name: "$ref", caseExact: true, access: immutable, refers: []string{"User", "Group"}},
			{name: "type", access: immutable},
			{name: "display", access: readOnly}}},
	)},
}

var resourceTypes = []*resourceType{userType, groupType}

// sameName compares names of attributes and schemas, which are ASCII and case
// insensitive (RFC 7643 section 2.1). Equal lengths keep out the letters
// beyond ASCII that fold to ASCII ones, such as U+017F.
func sameName(a, b string) bool {
	return len(a) == len(b) && strings.EqualFold(a, b)
}

// find returns the attribute called name, or nil.
func find(attributes []*attribute, name string) *attribute {
	for _, a := range attributes {
		if sameName(a.name, name) {
			return a
		}
	}
	return nil
}

// extension returns the extension called urn, or nil.
func (k *resourceType) extension(urn string) *schema {
	for _, s := range k.extensions {
		if sameName(s.urn, urn) {
			return s
		}
	}
	return nil
}

// resolve finds what p names: the extension, if it is in one, the attribute
// and the sub-attribute, if it names one. It reports whether all exist.
func (k *resourceType) resolve(p attrPath) (extension *schema, attr, sub *attribute, ok bool) {
	from := k.core
	if p.urn != "" && !sameName(p.urn, k.core.urn) {
		if extension = k.extension(p.urn); extension == nil {
			return nil, nil, nil, false
		}
		from = extension
	}
	if attr = find(from.attributes, p.name); attr == nil {
		return nil, nil, nil, false
	}
	if p.sub != "" {
		if sub = find(attr.sub, p.sub); sub == nil {
			return nil, nil, nil, false
		}
	}
	return extension, attr, sub, true
}
