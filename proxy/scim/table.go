package scim

// Rule is one repair.
type Rule struct {
	// Name is stable, in kebab case.
	Name string
	// Group chooses it together with others.
	Group string
	// Before and After are an example, each on one line.
	Before, After string
	// Source says where the shape was seen, or is specified.
	Source string

	action
}

// action is what a rule does to a request body: to an operation of a PATCH, to
// the name of an attribute, to its value, to the resource in a POST. Each
// reports whether it changed something. The rules for headers and answers have
// none of them.
type action struct {
	operation func(*run, *operation) (bool, error)
	path      func(*run, *site) bool
	value     func(*run, *site) bool
	create    func(*run, *value) bool
	// about is the attribute without which a body has nothing for the rule; nil
	// means that it may.
	about *attribute
}

const (
	compat    = "https://learn.microsoft.com/entra/identity/app-provisioning/application-provisioning-config-problem-scim-compatibility"
	useSCIM   = "https://learn.microsoft.com/entra/identity/app-provisioning/use-scim-to-provision-users-and-groups"
	customize = "https://learn.microsoft.com/entra/identity/app-provisioning/customize-application-attributes"
)

// table lists the rules by their ID.
var table = [count]Rule{
	SchemaURI: {
		Name: "schema-uri", Group: "create",
		Before: `"schemas":["urn:ietf:params:scim:schemas:extension:enterprise:2.0User"]`,
		After:  `"schemas":["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"]`,
		Source: "RFC 7643 section 8.7; " + useSCIM,
		action: action{create: repairSchemas},
	},
	OpCase: {
		Name: "op-case", Group: "patch",
		Before: `{"op":"Replace","path":"title","value":"x"}`,
		After:  `{"op":"replace","path":"title","value":"x"}`,
		Source: "RFC 7644 section 3.5.2; " + compat,
		action: action{operation: opCase},
	},
	RolesJSON: {
		Name: "roles-json", Group: "patch",
		Before: `"roles":[{"value":"{\"value\":\"Admin\",\"display\":\"Admin\"}"}]`,
		After:  `"roles":[{"value":"Admin","display":"Admin"}]`,
		Source: customize,
		action: action{value: rolesJSON, about: rolesAttribute},
	},
	AttributeCase: {
		Name: "attribute-case", Group: "patch",
		Before: `{"op":"replace","path":"emails[type eq \"work\"].Value","value":"a@contoso.com"}`,
		After:  `{"op":"replace","path":"emails[type eq \"work\"].value","value":"a@contoso.com"}`,
		Source: "RFC 7643 section 2.1 (legal, but strict backends refuse it)",
		action: action{path: attributeCase, value: subAttributeCase},
	},
	PathlessSplit: {
		Name: "pathless-split", Group: "patch",
		Before: `{"op":"add","value":{"title":"x","name.givenName":"Ada"}}`,
		After:  `{"op":"add","value":{"title":"x"}},{"op":"add","path":"name.givenName","value":"Ada"}`,
		Source: compat,
		action: action{operation: pathlessSplit},
	},
	ArrayWrapped: {
		Name: "array-wrapped", Group: "patch",
		Before: `{"op":"replace","path":"title","value":[{"$ref":null,"value":"x"}]}`,
		After:  `{"op":"replace","path":"title","value":"x"}`,
		Source: "https://github.com/MicrosoftDocs/azure-docs/issues/42220",
		action: action{value: arrayWrapped},
	},
	ManagerObject: {
		Name: "manager-object", Group: "patch",
		Before: `{"op":"add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager","value":"271"}`,
		After:  `{"op":"add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager","value":{"value":"271"}}`,
		Source: "RFC 7643 section 4.3; https://github.com/MicrosoftDocs/azure-docs/issues/73842",
		action: action{operation: managerPath, value: managerObject, about: managerAttribute},
	},
	ActiveBoolean: {
		Name: "active-boolean", Group: "active",
		Before: `{"op":"replace","path":"active","value":"False"}`,
		After:  `{"op":"replace","path":"active","value":false}`,
		Source: "RFC 7643 section 4.1.1; " + compat,
		action: action{value: activeBoolean, about: activeAttribute},
	},
	PrimaryBoolean: {
		Name: "primary-boolean", Group: "active",
		Before: `"emails":[{"value":"a@contoso.com","primary":"True"}]`,
		After:  `"emails":[{"value":"a@contoso.com","primary":true}]`,
		Source: "RFC 7643 section 2.4; " + compat,
		action: action{value: primaryBoolean},
	},
	CustomBoolean: {
		Name: "custom-boolean", Group: "active",
		Before: `"isContractor":"True" (BOOLEAN_ATTRIBUTES names it)`,
		After:  `"isContractor":true`,
		Source: "RFC 7643 section 2.3.2; " + compat,
		action: action{value: customBoolean},
	},
	CustomInteger: {
		Name: "custom-integer", Group: "patch",
		Before: `"favouriteNumber":"123" (INTEGER_ATTRIBUTES names it)`,
		After:  `"favouriteNumber":123`,
		Source: "RFC 7643 section 2.3.4; https://github.com/scimmyjs/scimmy/issues/51",
		action: action{value: customInteger},
	},
	CustomMultivalued: {
		Name: "custom-multivalued", Group: "patch",
		Before: `"tags":[{"value":"1"}] (MULTIVALUED_ATTRIBUTES names it)`,
		After:  `"tags":["1"]`,
		Source: "RFC 7643 section 2.4; https://learn.microsoft.com/answers/questions/1693075",
		action: action{value: customMultivalued},
	},
	MemberString: {
		Name: "member-string", Group: "patch",
		Before: `{"op":"add","path":"members","value":["u1"]}`,
		After:  `{"op":"add","path":"members","value":[{"value":"u1"}]}`,
		Source: "RFC 7643 section 4.2",
		action: action{value: memberString, about: membersAttribute},
	},
	RemoveValue: {
		Name: "remove-value", Group: "patch",
		Before: `{"op":"remove","path":"members","value":[{"value":"u1"}]}`,
		After:  `{"op":"remove","path":"members[value eq \"u1\"]"}`,
		Source: "RFC 7644 section 3.5.2.2; " + compat,
		action: action{operation: removeValue},
	},
	NullRemove: {
		Name: "null-remove", Group: "patch",
		Before: `{"op":"replace","path":"nickName","value":null}`,
		After:  `{"op":"remove","path":"nickName"}`,
		Source: "RFC 7643 section 2.5",
		action: action{operation: nullRemove},
	},
	PrimaryFilter: {
		Name: "primary-filter", Group: "patch",
		Before: `{"op":"replace","path":"roles[primary eq \"True\"].value","value":"Admin"}`,
		After:  `{"op":"replace","path":"roles[primary eq true].value","value":"Admin"}`,
		Source: customize,
		action: action{path: primaryFilter},
	},
	RolesDisplay: {
		Name: "roles-display", Group: "patch",
		Before: `"roles":[{"value":"Admin","displayName":"Admin"}]`,
		After:  `"roles":[{"value":"Admin","display":"Admin"}]`,
		Source: "RFC 7643 section 4.1.2; " + customize,
		action: action{value: rolesDisplay, about: rolesAttribute},
	},
	RolesDropID: {
		Name: "roles-drop-id", Group: "patch",
		Before: `"roles":[{"id":"06b07648","value":"Admin"}]`,
		After:  `"roles":[{"value":"Admin"}]`,
		Source: customize,
		action: action{value: rolesDropID, about: rolesAttribute},
	},
	ExtensionDot: {
		Name: "extension-dot", Group: "patch",
		Before: `{"op":"replace","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User.department","value":"Sales"}`,
		After:  `{"op":"replace","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department","value":"Sales"}`,
		Source: "RFC 7644 section 3.10; " + compat,
		action: action{path: extensionDot},
	},
	MemberRefNull: {
		Name: "member-ref-null", Group: "patch",
		Before: `{"op":"add","path":"members","value":[{"$ref":null,"value":"u1"}]}`,
		After:  `{"op":"add","path":"members","value":[{"value":"u1"}]}`,
		Source: useSCIM,
		action: action{value: memberRefNull, about: membersAttribute},
	},
	CreateIDNull: {
		Name: "create-id-null", Group: "create",
		Before: `{"id":null,"userName":"ada@contoso.com"}`,
		After:  `{"userName":"ada@contoso.com"}`,
		Source: "RFC 7643 section 3.1",
		action: action{create: createIDNull},
	},
	CreateRefNull: {
		Name: "create-ref-null", Group: "create",
		Before: `{"displayName":"Staff","members":[{"$ref":null,"value":"u1"}]}`,
		After:  `{"displayName":"Staff","members":[{"value":"u1"}]}`,
		Source: useSCIM,
		action: action{value: createRefNull},
	},
	CreateNull: {
		Name: "create-null", Group: "create",
		Before: `{"userName":"ada@contoso.com","title":null}`,
		After:  `{"userName":"ada@contoso.com"}`,
		Source: "RFC 7643 section 2.5; " + useSCIM,
		action: action{create: createNull},
	},
	ExtensionSchemas: {
		Name: "extension-schemas", Group: "create",
		Before: `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"urn:ietf:params:scim:schemas:extension:acme:2.0:User":{"site":"1"}}`,
		After:  `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:acme:2.0:User"],"urn:ietf:params:scim:schemas:extension:acme:2.0:User":{"site":"1"}}`,
		Source: "RFC 7643 section 3; " + customize,
		action: action{create: extensionSchemas},
	},
	AcceptSCIM: {
		Name: "accept-scim", Group: "request",
		Before: `no Accept header, or none that SCIM can satisfy`,
		After:  `Accept: application/scim+json`,
		Source: "RFC 7644 section 3.1; https://github.com/MicrosoftDocs/azure-docs/issues/94189",
	},
	ExcludedMembers: {
		Name: "excluded-members", Group: "response",
		Before: `GET /Groups/1?excludedAttributes=members answered with {"id":"1","members":[{"value":"u1"}]}`,
		After:  `{"id":"1"}`,
		Source: "RFC 7644 section 3.9; https://github.com/Infisical/infisical/pull/6525",
	},
	FilterNotFound: {
		Name: "filter-not-found", Group: "response",
		Before: `GET /Users?filter=… answered with 404 and a SCIM Error`,
		After:  `200 and a ListResponse with no resources`,
		Source: "RFC 7644 section 3.4.2; " + useSCIM,
	},
	ResourcesArray: {
		Name: "resources-array", Group: "response",
		Before: `a ListResponse with "Resources":null, or without`,
		After:  `"Resources":[]`,
		Source: "RFC 7644 section 3.4.2; " + useSCIM,
	},
	ResponseType: {
		Name: "response-type", Group: "response",
		Before: `Content-Type: application/json, or none`,
		After:  `Content-Type: application/scim+json`,
		Source: "RFC 7644 section 3.1; " + useSCIM,
	},
	ResponseManager: {
		Name: "response-manager", Group: "response",
		Before: `"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":"271"}`,
		After:  `"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":{"value":"271"}}`,
		Source: "RFC 7643 section 4.3; https://github.com/grokability/snipe-it/issues/14138",
	},
	ResponseActive: {
		Name: "response-active", Group: "response",
		Before: `{"id":"1","active":"False"}`,
		After:  `{"id":"1","active":false}`,
		Source: "RFC 7643 section 4.1.1",
	},
	HTMLError: {
		Name: "html-error", Group: "response",
		Before: `an error status with an HTML page`,
		After:  `the same status with a SCIM Error`,
		Source: "RFC 7644 section 3.12; https://github.com/grokability/snipe-it/issues/11094",
	},
	Location: {
		Name: "location", Group: "response",
		Before: `Location: https://scim.corp.example/v2/Users/1`,
		After:  `Location: https://contoso-scim.azurewebsites.net/scim/Users/1 (PUBLIC_URL and SCIM_PATH)`,
		Source: "RFC 7644 section 3.3, RFC 7643 section 3.1",
	},
	ContentTypeJSON: {
		Name: "content-type-json", Group: byName,
		Before: `Content-Type: application/scim+json; charset=utf-8`,
		After:  `Content-Type: application/json; charset=utf-8`,
		Source: "RFC 7644 section 3.1 (for backends that answer 415)",
	},
	MissingTarget: {
		Name: "missing-target", Group: byName,
		Before: `{"op":"replace","path":"emails[type eq \"work\"].value","value":"a@contoso.com"}, and no such element`,
		After:  `{"op":"add","path":"emails","value":[{"type":"work","value":"a@contoso.com"}]}`,
		Source: "RFC 7644 section 3.5.2.3; https://github.com/Captain-P-Goldfish/SCIM-SDK/issues/416",
	},
}
