package scim

// listResponse is the URI of RFC 7644 section 3.4.2.
const listResponse = "urn:ietf:params:scim:api:messages:2.0:ListResponse"

// place is what an object or array of an answer is.
type place uint8

const (
	elsewhere    place = iota
	inAnswer           // the root object: a resource or a ListResponse
	inSchemas          // its array schemas
	inResources        // its array Resources
	inResource         // an element of that
	inMeta             // the attribute meta of a resource
	inEnterprise       // the extension for enterprise users
)

// opening is how a place begins.
var opening = [...]byte{
	inAnswer: '{', inSchemas: '[', inResources: '[', inResource: '{', inMeta: '{', inEnterprise: '{',
}

// subject is a value that a rule is about.
type subject uint8

const (
	nothing subject = iota
	subjectID
	subjectMembers
	subjectActive
	subjectManager
	subjectLocation
)

// member says what a name means in an object.
type member struct {
	name    string
	rules   Set // one of which is on, or the name means nothing; 0: always
	subject subject
	inside  place // what the member's value is, if it begins as opening says
}

// members are those of a place.
type members struct {
	list    []member
	lengths uint64 // of their names, a bit for each
}

func newMembers(list ...member) members {
	m := members{list: list}
	for _, member := range list {
		m.lengths |= 1 << min(len(member.name), longName)
	}
	return m
}

var (
	anyMember = member{}

	resourceMembers = []member{
		{name: "members", rules: 1 << ExcludedMembers, subject: subjectMembers},
		{name: coreGroup + ":members", rules: 1 << ExcludedMembers, subject: subjectMembers},
		{name: "active", rules: 1 << ResponseActive, subject: subjectActive},
		{name: "meta", rules: 1 << Location, inside: inMeta},
		{name: enterpriseUser, rules: 1 << ResponseManager, inside: inEnterprise},
	}

	membersOf = [...]members{
		inAnswer: newMembers(append([]member{
			{name: "schemas", rules: 1 << ResourcesArray, inside: inSchemas},
			{name: "Resources", inside: inResources},
			{name: "id", rules: 1 << Location, subject: subjectID},
		}, resourceMembers...)...),
		inResource:   newMembers(resourceMembers...),
		inMeta:       newMembers(member{name: "location", subject: subjectLocation}),
		inEnterprise: newMembers(member{name: "manager", subject: subjectManager}),
	}
)
