package entra

import (
	"crypto/rand"
	"fmt"
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
)

// user is the body of Entra's POST /Users, in the member order of Microsoft's
// sample. The enterprise extension is named although no attribute of it is
// sent, and roles is empty: that is what Entra does.
type user struct {
	Schemas     []string `json:"schemas"`
	ExternalID  string   `json:"externalId"`
	UserName    string   `json:"userName"`
	Active      bool     `json:"active"`
	DisplayName string   `json:"displayName"`
	Emails      []email  `json:"emails"`
	Meta        meta     `json:"meta"`
	Name        name     `json:"name"`
	Roles       []string `json:"roles"`
}

type email struct {
	Primary bool   `json:"primary"`
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

// group is the body of Entra's POST /Groups: always without members, which
// follow by PATCH.
type group struct {
	Schemas     []string `json:"schemas"`
	ExternalID  string   `json:"externalId"`
	DisplayName string   `json:"displayName"`
	Members     []string `json:"members"`
	Meta        meta     `json:"meta"`
}

type member struct {
	Value string `json:"value"`
}

type patch struct {
	Schemas    []string    `json:"schemas"`
	Operations []operation `json:"Operations"`
}

func newPatch(operations ...operation) patch {
	return patch{Schemas: []string{patchSchema}, Operations: operations}
}

func newUser() user {
	return user{
		Schemas:     []string{userSchema, enterpriseSchema},
		ExternalID:  newGUID(),
		UserName:    "ada.example@contoso.com",
		Active:      true,
		DisplayName: "Ada Example",
		Emails:      []email{{Primary: true, Type: "work", Value: "ada.example@contoso.com"}},
		Meta:        meta{ResourceType: "User"},
		Name:        name{Formatted: "Ada Example", FamilyName: "Example", GivenName: "Ada"},
		Roles:       []string{},
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
