package entra

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
)

// The schemas that requests name and answers are judged by, RFC 7643 section
// 8.7 and RFC 7644 section 8.2.
const (
	userSchema       = "urn:ietf:params:scim:schemas:core:2.0:User"
	enterpriseSchema = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	groupSchema      = "urn:ietf:params:scim:schemas:core:2.0:Group"
	patchSchema      = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
	listSchema       = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
	errorSchema      = "urn:ietf:params:scim:api:messages:2.0:Error"
	// legacyGroupSchema is no SCIM schema; Microsoft's sample of a POST names it.
	legacyGroupSchema = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"
)

// user is the body of Entra's POST /Users, in the member order of Microsoft's
// sample. The enterprise extension is named whether or not an attribute of it
// is sent, and roles is empty: that is what Entra does. A manager is never in a
// POST; references are written by PATCH, once all users exist.
type user struct {
	Schemas           []string    `json:"schemas"`
	ExternalID        string      `json:"externalId"`
	UserName          string      `json:"userName"`
	Active            bool        `json:"active"`
	DisplayName       string      `json:"displayName"`
	Emails            []value     `json:"emails"`
	PhoneNumbers      []value     `json:"phoneNumbers"`
	Meta              meta        `json:"meta"`
	Name              name        `json:"name"`
	PreferredLanguage string      `json:"preferredLanguage,omitempty"`
	Roles             []appRole   `json:"roles"`
	Title             string      `json:"title"`
	Enterprise        *enterprise `json:"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User,omitempty"`
}

// value is an element of emails and phoneNumbers.
type value struct {
	Primary bool   `json:"primary,omitempty"`
	Type    string `json:"type"`
	Value   string `json:"value"`
}

type name struct {
	Formatted  string `json:"formatted"`
	FamilyName string `json:"familyName"`
	GivenName  string `json:"givenName"`
}

type meta struct {
	ResourceType string `json:"resourceType"`
}

type enterprise struct {
	Department     string     `json:"department,omitempty"`
	EmployeeNumber string     `json:"employeeNumber,omitempty"`
	Manager        *reference `json:"manager,omitempty"`
}

type reference struct {
	Value string `json:"value"`
}

// appRole is an app role's assignment. Entra sends the member displayName;
// Display is what RFC 7643 section 4.1.2 calls it, and what comes back.
type appRole struct {
	ID          string `json:"id,omitempty"`
	Value       string `json:"value"`
	DisplayName string `json:"displayName,omitempty"`
	Display     string `json:"display,omitempty"`
}

// text is the role as the default dialect puts it into a string.
func (r appRole) text() string {
	encoded, _ := json.Marshal(r) // strings only
	return string(encoded)
}

type roleText struct {
	Value string `json:"value"`
}

// group is the body of Entra's POST /Groups: always without members, which
// follow by PATCH.
type group struct {
	Schemas     []string `json:"schemas"`
	ExternalID  string   `json:"externalId"`
	DisplayName string   `json:"displayName"`
	Members     []string `json:"members,omitzero"`
	Meta        meta     `json:"meta"`
}

type member struct {
	Value string `json:"value"`
}

type memberRefNull struct {
	Ref   *string `json:"$ref"`
	Value string  `json:"value"`
}

type patch struct {
	Schemas    []string    `json:"schemas"`
	Operations []operation `json:"Operations"`
}

func newPatch(operations ...operation) patch {
	return patch{Schemas: []string{patchSchema}, Operations: operations}
}

// newUser is an invented person of the family Example.
func newUser(given, title, department string) user {
	display := given + " Example"
	address := strings.ToLower(given) + ".example@contoso.com"
	return user{
		Schemas:      []string{userSchema, enterpriseSchema},
		ExternalID:   newGUID(),
		UserName:     address,
		Active:       true,
		DisplayName:  display,
		Emails:       []value{{Primary: true, Type: "work", Value: address}},
		PhoneNumbers: []value{{Type: "work", Value: "+1 555 0100"}},
		Meta:         meta{ResourceType: "User"},
		Name:         name{Formatted: display, FamilyName: "Example", GivenName: given},
		Roles:        []appRole{},
		Title:        title,
		Enterprise:   &enterprise{Department: department},
	}
}

func newGroup() group {
	return group{
		Schemas:     []string{groupSchema},
		ExternalID:  newGUID(),
		DisplayName: "Contoso Engineering",
		Members:     []string{},
		Meta:        meta{ResourceType: "Group"},
	}
}

// newGUID is a random UUID, RFC 9562 section 5.4, in lower case as Entra's
// probes carry it.
func newGUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
