package scim

import "strings"

// The URIs of the schemas of RFC 7643 section 8.7, and the prefix of URIs for
// others.
const (
	coreUser        = "urn:ietf:params:scim:schemas:core:2.0:User"
	coreGroup       = "urn:ietf:params:scim:schemas:core:2.0:Group"
	enterpriseUser  = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	extensionPrefix = "urn:ietf:params:scim:schemas:extension:"
)

// attribute is what is known of a standard attribute.
type attribute struct {
	name  string
	multi bool
	// subs are the names of a complex attribute's sub-attributes.
	subs []string
	// bit is the attribute's own.
	bit uint64
}

// complex reports whether the attribute has sub-attributes (RFC 7643 section
// 2.3.8).
func (a *attribute) complex() bool { return a.subs != nil }

// sub returns the standard spelling of a sub-attribute's name, "" if there is
// no such sub-attribute.
func (a *attribute) sub(name []byte) string {
	for _, sub := range a.subs {
		if equalFold(name, sub) {
			return sub
		}
	}
	return ""
}

var (
	plainSubs     = []string{"value", "display", "type", "primary"}         // RFC 7643 section 2.4
	referenceSubs = []string{"value", "$ref", "display", "type", "primary"} // sections 4.1.2 and 4.2
	nameSubs      = strings.Fields("formatted familyName givenName middleName honorificPrefix honorificSuffix")
	addressSubs   = strings.Fields("formatted streetAddress locality region postalCode country type primary display value")
	metaSubs      = strings.Fields("resourceType created lastModified location version")
	managerSubs   = strings.Fields("value $ref displayName")
)

// coreAttributes are those of RFC 7643 sections 3.1, 4.1 and 4.2, by their name
// in lower case.
var coreAttributes = byLowerName(0, []attribute{
	{name: "schemas", multi: true},
	{name: "id"}, {name: "externalId"}, {name: "meta", subs: metaSubs},
	{name: "userName"}, {name: "name", subs: nameSubs}, {name: "displayName"}, {name: "nickName"},
	{name: "profileUrl"}, {name: "title"}, {name: "userType"}, {name: "preferredLanguage"},
	{name: "locale"}, {name: "timezone"}, {name: "active"}, {name: "password"},
	{name: "emails", multi: true, subs: plainSubs}, {name: "phoneNumbers", multi: true, subs: plainSubs},
	{name: "ims", multi: true, subs: plainSubs}, {name: "photos", multi: true, subs: plainSubs},
	{name: "addresses", multi: true, subs: addressSubs}, {name: "groups", multi: true, subs: referenceSubs},
	{name: "entitlements", multi: true, subs: plainSubs}, {name: "roles", multi: true, subs: plainSubs},
	{name: "x509Certificates", multi: true, subs: plainSubs},
	{name: "members", multi: true, subs: referenceSubs},
})

// enterpriseAttributes are those of RFC 7643 section 4.3.
var enterpriseAttributes = byLowerName(32, []attribute{
	{name: "employeeNumber"}, {name: "costCenter"}, {name: "organization"}, {name: "division"},
	{name: "department"}, {name: "manager", subs: managerSubs},
})

// byLowerName indexes attributes, whose bits begin with the first.
func byLowerName(first int, attributes []attribute) map[string]*attribute {
	index := make(map[string]*attribute, len(attributes))
	for i := range attributes {
		attributes[i].bit = 1 << (first + i)
		index[strings.ToLower(attributes[i].name)] = &attributes[i]
	}
	return index
}

// attributeOf returns what is known of an attribute of a schema, nil standing
// for the core ones; nil if nothing is.
func attributeOf(schema, name []byte) *attribute {
	attributes := coreAttributes
	switch {
	case schema == nil, isCore(schema):
	case equalFold(schema, enterpriseUser):
		attributes = enterpriseAttributes
	default:
		return nil
	}
	var folded [32]byte
	if len(name) > len(folded) {
		return nil
	}
	return attributes[string(appendLower(folded[:0], name))]
}

// simpleValues is a custom attribute of which a setting says that it holds
// several simple values, as Entra sends it.
var simpleValues = attribute{multi: true, subs: plainSubs}

// The attributes that rules name.
var (
	schemasAttribute   = coreAttributes["schemas"]
	idAttribute        = coreAttributes["id"]
	activeAttribute    = coreAttributes["active"]
	groupsAttribute    = coreAttributes["groups"]
	addressesAttribute = coreAttributes["addresses"]
	membersAttribute   = coreAttributes["members"]
	rolesAttribute     = coreAttributes["roles"]
	managerAttribute   = enterpriseAttributes["manager"]
)

func isCore(schema []byte) bool {
	return equalFold(schema, coreUser) || equalFold(schema, coreGroup)
}
