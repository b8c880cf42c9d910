package scim

// GroupIdentity is what the body of a group says of its identity. The zero value says
// nothing.
type GroupIdentity struct {
	// ExternalID is the client's own identifier (RFC 7643 section 3.1).
	ExternalID string
	// DisplayName is the name for people (RFC 7643 section 4.2).
	DisplayName string
}

// groupIdentity are the attributes that [ReadGroup] reads.
var groupIdentity = attribute{name: "externalId or displayName", subs: []string{"externalId", "displayName"}}

// ReadGroup reads a group's identity out of a request body. Names count whatever
// their case; what is no string counts as absent, and so does all of a body that
// is no object. It fails with [ErrSyntax] for what [Normalizer.Request] refuses.
func ReadGroup(body []byte) (GroupIdentity, error) {
	root, _, err := newParser().parse(body)
	if err != nil {
		return GroupIdentity{}, err
	}
	if root.kind != object {
		return GroupIdentity{}, nil
	}
	if !uniqueSubs(&groupIdentity, root) {
		return GroupIdentity{}, new(run).twice(&path{known: &groupIdentity})
	}
	return GroupIdentity{ExternalID: textMember(root, "externalId"), DisplayName: textMember(root, "displayName")}, nil
}

// textMember returns an object's member if it is a string.
func textMember(object *value, name string) string {
	if c := object.member(name); c != nil {
		return string(c.value.unquoted())
	}
	return ""
}
