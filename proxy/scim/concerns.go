package scim

// Rules by the bodies that they may change.
const (
	// patchRules are in a PATCH: all that are about operations and values.
	patchRules Set = 1<<(MemberRefNull+1) - 1 - 1<<SchemaURI | 1<<MissingTarget
	// valueRules are about the values of a resource, and so in a PUT: null there
	// is how a client clears an attribute.
	valueRules Set = 1<<RolesJSON | 1<<AttributeCase | 1<<ArrayWrapped | 1<<ManagerObject |
		1<<ActiveBoolean | 1<<PrimaryBoolean | 1<<CustomBoolean | 1<<CustomInteger | 1<<CustomMultivalued |
		1<<MemberString | 1<<RolesDisplay | 1<<RolesDropID
	// createRules are in a POST of a resource.
	createRules = valueRules | 1<<CreateIDNull | 1<<CreateRefNull | 1<<CreateNull | 1<<SchemaURI | 1<<ExtensionSchemas
)

// bodyRules are the rules that may change a body of a kind.
var bodyRules = [...]Set{Patch: patchRules, Create: createRules, Replace: valueRules}

// Concerns reports whether a rule that is on, or [Options].Drop, may change a
// body of the kind. If none may, the body need not be read: [Normalizer.Request]
// would do no more than refuse it.
func (n *Normalizer) Concerns(kind Body) bool { return n.Drops() || n.rules&bodyRules[kind] != 0 }
