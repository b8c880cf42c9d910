package proxy

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"example.com/entra-scim-proxy/proxy/scim"
)

// The group stub answers for a backend without /Groups: Entra provisions nobody
// while groups are in scope and /Groups fails. It keeps nothing. A group's id is
// made of what Entra sent, so that a GET can be answered from the id alone; a
// filter finds no group, so that Entra creates it again, and gets the same id.

// groupSchema is that of RFC 7643 section 4.2.
const groupSchema = "urn:ietf:params:scim:schemas:core:2.0:Group"

// stubGroup is a group of the stub's.
type stubGroup struct {
	Schemas     []string `json:"schemas"`
	ID          string   `json:"id"`
	ExternalID  string   `json:"externalId,omitempty"`
	DisplayName string   `json:"displayName"`
	Meta        stubMeta `json:"meta"`
}

type stubMeta struct {
	ResourceType string `json:"resourceType"`
	Location     string `json:"location"`
}

// stub answers a call about groups. Its answers say no more than that the call
// was understood: there is no group.
func (p *Proxy) stub(ctx context.Context, x *exchange, header http.Header) (*answer, error) {
	switch x.endpoint {
	case "/Groups":
		return p.stubCollection(ctx, x, header)
	case "/Groups/{id}":
		return p.stubResource(ctx, x, header)
	}
	return nil, errNoGroup
}

// stubCollection answers for all groups, of which there are none.
func (p *Proxy) stubCollection(ctx context.Context, x *exchange, header http.Header) (*answer, error) {
	switch {
	case isSafe(x.method):
		return noGroups(), nil
	case x.method == http.MethodPost:
		return p.stubCreate(ctx, x, header)
	}
	x.Header().Set("Allow", "GET, HEAD, POST")
	return nil, errGroupMethod
}

func noGroups() *answer {
	return &answer{by: byGroupStub, status: http.StatusOK, body: []byte(emptyList)}
}

// stubResource answers for the group that an id stands for.
func (p *Proxy) stubResource(ctx context.Context, x *exchange, header http.Header) (*answer, error) {
	id := p.lastSegment(x)
	if id == ".search" && x.method == http.MethodPost {
		return noGroups(), nil // RFC 7644 section 3.4.3
	}
	group, ok := groupOf(id)
	switch {
	case !ok:
		return nil, errNoGroup
	case isSafe(x.method):
		return p.stubAnswer(x, http.StatusOK, group, ""), nil
	case x.method == http.MethodPatch:
		// What nobody can read was not accepted.
		if _, err := p.readGroup(ctx, x, header); err != nil {
			return nil, err
		}
		return &answer{by: byGroupStub, status: http.StatusNoContent}, nil
	case x.method == http.MethodDelete:
		return &answer{by: byGroupStub, status: http.StatusNoContent}, nil
	}
	x.Header().Set("Allow", "GET, HEAD, PATCH, DELETE")
	return nil, errGroupMethod
}

// stubCreate answers a POST.
func (p *Proxy) stubCreate(ctx context.Context, x *exchange, header http.Header) (*answer, error) {
	sent, err := p.readGroup(ctx, x, header)
	if err != nil {
		return nil, err
	}
	if len(sent.ExternalID) > maxGroupText || len(sent.DisplayName) > maxGroupText {
		return nil, errGroupName // before several times as much is made of it
	}
	id := groupID(sent)
	group, ok := groupOf(id)
	if !ok {
		return nil, errGroupName
	}
	if sent.DisplayName != "" {
		group.DisplayName = sent.DisplayName
	}
	return p.stubAnswer(x, http.StatusCreated, group, "/"+id), nil
}

// readGroup reads what a body says of a group's identity.
func (p *Proxy) readGroup(ctx context.Context, x *exchange, header http.Header) (group scim.GroupIdentity, err error) {
	if isEncoded(header["Content-Encoding"]) {
		return group, errContentEncoding
	}
	if err := x.holdBody(p.options.MaxBody, true, p.load); err != nil {
		return group, err
	}
	var refused error
	err = p.load.parse(ctx, len(x.body.held), func() { group, refused = scim.ReadGroup(x.body.held) })
	return group, cmp.Or(err, refused)
}

// stubAnswer answers with a group, at the call's own URL or, for a POST, below.
func (p *Proxy) stubAnswer(x *exchange, status int, group stubGroup, below string) *answer {
	group.Meta.Location = p.options.publicBase() + "/" + p.resource(x) + below
	body, err := json.Marshal(group)
	if err != nil {
		panic(err) // it is made of strings
	}
	a := &answer{by: byGroupStub, status: status, body: body}
	if status == http.StatusCreated {
		a.location = group.Meta.Location
	}
	return a
}

// lastSegment is the last segment of the path, decoded.
func (p *Proxy) lastSegment(x *exchange) string {
	resource := p.resource(x)
	decoded, err := url.PathUnescape(resource[strings.LastIndex(resource, "/")+1:])
	if err != nil {
		panic("proxy: " + err.Error()) // resourcePath has let it pass
	}
	return decoded
}

// What an id is made of: a mark of the attribute, and its value in base64url,
// which needs no escapes in a URL.
const (
	idOfExternalID = "x-"
	idOfName       = "n-"
	// maxGroupText bounds each attribute, in bytes, so that the id fits into
	// every URL, and an answer stays small. Entra's names have 256 characters.
	maxGroupText = 1024
)

// groupID derives a group's id.
func groupID(group scim.GroupIdentity) string {
	if group.ExternalID != "" {
		return idOfExternalID + base64.RawURLEncoding.EncodeToString([]byte(group.ExternalID))
	}
	return idOfName + base64.RawURLEncoding.EncodeToString([]byte(group.DisplayName))
}

// groupOf returns the group that an id stands for, and whether it does: only
// what groupID makes of a text does. A group has to have a name (RFC 7643
// section 4.2); if the id does not tell it, the externalId stands for it.
func groupOf(id string) (stubGroup, bool) {
	var sent scim.GroupIdentity
	text := &sent.ExternalID
	encoded, ok := strings.CutPrefix(id, idOfExternalID)
	if !ok {
		text = &sent.DisplayName
		if encoded, ok = strings.CutPrefix(id, idOfName); !ok {
			return stubGroup{}, false
		}
	}
	decoded, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil || len(decoded) == 0 || len(decoded) > maxGroupText || !utf8.Valid(decoded) {
		return stubGroup{}, false
	}
	*text = string(decoded)
	if groupID(sent) != id {
		return stubGroup{}, false // base64 with bits to spare, or line breaks
	}
	return stubGroup{
		Schemas: []string{groupSchema}, ID: id, ExternalID: sent.ExternalID, DisplayName: *text,
		Meta: stubMeta{ResourceType: "Group"},
	}, true
}
