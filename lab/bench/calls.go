package bench

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
)

// basePath is public and the backend's at once: the plainest proxy replaces no
// path.
const basePath = "/scim"

// The targets that are no SCIM resources: what protocol the backend was spoken
// to, and an answer of streamSize with a Content-Length and without.
const (
	protocolPath = basePath + "/protocol"
	knownPath    = basePath + "/stream/known"
	unknownPath  = basePath + "/stream/unknown"
)

// call is one request and the answer that it must get.
type call struct {
	name, method, target string
	body                 string
	received             string // the body as it reaches the backend; empty if it is the same
	status               int
	answer               string

	wire    []byte        // the request as it is sent
	request *http.Request // what http.ReadResponse has to know
}

// mediaType is Entra's and the backend's.
const mediaType = "application/scim+json; charset=utf-8"

// newDeck is a round of provisioning in Entra's proportions: most calls look
// somebody up and find nobody, or read one object; the writes are fewer. All
// carry the flag of the Tenant URL.
func newDeck(entraToken string) []call {
	const flag = "aadOptscim062020"
	user := newUser()
	lookUp := call{
		name: "look-up", method: http.MethodGet, status: http.StatusOK, answer: emptyList,
		target: basePath + "/Users?" + flag + "&filter=userName+eq+%22ada.lovelace%40example.com%22",
	}
	read := call{name: "read", method: http.MethodGet, status: http.StatusOK, answer: user, target: basePath + "/Users/" + userID + "?" + flag}
	create := call{name: "create", method: http.MethodPost, status: http.StatusCreated, answer: user, target: basePath + "/Users?" + flag, body: user}
	update := call{name: "update", method: http.MethodPatch, status: http.StatusOK, answer: user, target: basePath + "/Users/" + userID + "?" + flag, body: patch}
	deck := []call{lookUp, create, read, lookUp, update, read, lookUp, read, update, lookUp}
	for i := range deck {
		deck[i].complete(entraToken)
	}
	return deck
}

// newNormalizedDeck is a PATCH in Entra's default dialect that is to reach the
// backend as RFC 7644 has it.
func newNormalizedDeck(entraToken string) []call {
	c := newDialectPatch("902c246b-6245-4190-8e05-00816be7344a")
	c.received = compliantPatch
	c.complete(entraToken)
	return []call{c}
}

// newUntouchedDeck is the same PATCH, to reach the backend as it is.
func newUntouchedDeck(entraToken string) []call {
	c := newDialectPatch(userID)
	c.complete(entraToken)
	return []call{c}
}

func newDialectPatch(id string) call {
	return call{
		name: "PATCH in the default dialect", method: http.MethodPatch, target: basePath + "/Users/" + id,
		body: dialectPatch, status: http.StatusOK, answer: newUser(),
	}
}

// complete writes the request in wire form, with the header that the Functions
// host sends.
func (c *call) complete(entraToken string) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\n", c.method, c.target, entraToken)
	b.WriteString("X-Azure-Functions-Invocationid: 3f6d5f0e-9c1b-4c62-a3d2-6f4a0c9b7e15\r\n" +
		"X-Azure-Functions-Hostversion: 4.1045.200.25556\r\n" +
		"X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Host: contoso-scim.example.com\r\nX-Forwarded-Proto: https\r\n" +
		"Adscimversion: 2\r\n")
	if c.body != "" {
		fmt.Fprintf(&b, "Content-Type: %s\r\nContent-Length: %d\r\n", mediaType, len(c.body))
	}
	b.WriteString("\r\n" + c.body)
	c.wire = b.Bytes()
	c.request = &http.Request{Method: c.method}
}

// newGet is a call without a body whose answer is not known in advance.
func newGet(target, entraToken string) call {
	get := call{name: "GET " + target, method: http.MethodGet, target: target}
	get.complete(entraToken)
	return get
}

// newPing is the Functions host's question whether the handler is up.
func newPing() call {
	ping := call{name: "ping", method: http.MethodGet, target: "/"}
	ping.wire = []byte("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
	ping.request = &http.Request{Method: ping.method}
	return ping
}

// publicURL is the proxy's origin, as the answers have it.
const publicURL = "https://contoso-scim.example.com"

const userID = "2819c223-7f76-453a-919d-413861904646"

const emptyList = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":0,"startIndex":1,"itemsPerPage":0,"Resources":[]}`

// newUser is an enterprise user of about 1 KiB.
func newUser() string {
	return `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],` +
		`"id":"` + userID + `","externalId":"ada.lovelace","userName":"ada.lovelace@example.com","active":true,"displayName":"Ada Lovelace",` +
		`"name":{"formatted":"Ada Lovelace","familyName":"Lovelace","givenName":"Ada"},"title":"Analyst","preferredLanguage":"en-GB",` +
		`"emails":[{"type":"work","primary":true,"value":"ada.lovelace@example.com"}],` +
		`"phoneNumbers":[{"type":"work","value":"+44 20 7946 0000"},{"type":"mobile","value":"+44 7700 900000"}],` +
		`"addresses":[{"type":"work","formatted":"12 St James's Square","streetAddress":"12 St James's Square","locality":"London","postalCode":"SW1Y 4JH","country":"GB"}],` +
		`"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"employeeNumber":"1815","department":"` + strings.Repeat("Analytical Engines, ", 5) + `","manager":{"value":"26118915-6090-4610-87e4-49d8ca9f808d"}},` +
		`"meta":{"resourceType":"User","created":"2026-01-01T00:00:00Z","lastModified":"2026-01-01T00:00:00Z","location":"` + publicURL + `/scim/Users/` + userID + `"}}`
}

// patch is a PATCH of about 0.5 KiB, in Entra's dialect.
const patch = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[` +
	`{"op":"Replace","path":"displayName","value":"Ada King"},` +
	`{"op":"Replace","path":"name.familyName","value":"King"},` +
	`{"op":"Replace","path":"emails[type eq \"work\"].value","value":"ada.king@example.com"},` +
	`{"op":"Replace","path":"active","value":"True"},` +
	`{"op":"Add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department","value":"Analytical Engines"},` +
	`{"op":"Add","path":"preferredLanguage","value":"en-GB"},` +
	`{"op":"Remove","path":"title"}]}`

// dialectPatch is one of Entra's most usual PATCHes, as it sends it by default,
// and compliantPatch what RFC 7644 has for it.
const (
	dialectPatch = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[` +
		`{"op":"Replace","path":"emails[type eq \"work\"].value","value":"ada.king@example.com"},` +
		`{"op":"Replace","path":"active","value":"False"},` +
		`{"op":"Add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department","value":"Analytical Engines"},` +
		`{"op":"Add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager","value":"26118915-6090-4610-87e4-49d8ca9f808d"}]}`
	compliantPatch = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[` +
		`{"op":"replace","path":"emails[type eq \"work\"].value","value":"ada.king@example.com"},` +
		`{"op":"replace","path":"active","value":false},` +
		`{"op":"add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department","value":"Analytical Engines"},` +
		`{"op":"add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager","value":{"value":"26118915-6090-4610-87e4-49d8ca9f808d"}}]}`
)
