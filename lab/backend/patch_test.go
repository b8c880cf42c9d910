package backend

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// patchedUsers show the effect of operations on jane. want holds attributes
// after the PATCH; null stands for unassigned.
var patchedUsers = []struct{ name, operations, want string }{
	{"add a new attribute", `{"op":"add","path":"nickName","value":"JJ"}`, `{"nickName":"JJ"}`},
	{"add over an old one", `{"op":"add","path":"title","value":"Boss"}`, `{"title":"Boss"}`},
	{"replace", `{"op":"replace","path":"title","value":"Boss"}`, `{"title":"Boss"}`},
	{"replace what is not there", `{"op":"replace","path":"nickName","value":"JJ"}`, `{"nickName":"JJ"}`},
	{"replace by empty string", `{"op":"replace","path":"title","value":""}`, `{"title":""}`},
	{"replace by null", `{"op":"replace","path":"title","value":null}`, `{"title":null}`},
	{"remove", `{"op":"remove","path":"title"}`, `{"title":null}`},
	{"remove what is not there", `{"op":"remove","path":"nickName"}`, `{"nickName":null}`},
	{"remove with a value", `{"op":"remove","path":"title","value":"Other"}`, `{"title":null}`},
	{"attribute in another case", `{"op":"replace","path":"TITLE","value":"Boss"}`, `{"title":"Boss"}`},
	{"message in another case", `{"OP":"replace","Path":"title","VALUE":"Boss"}`, `{"title":"Boss"}`},
	{"unknown member of an operation", `{"op":"replace","path":"title","value":"Boss","name":"x"}`, `{"title":"Boss"}`},
	{"qualified path", `{"op":"replace","path":"` + userURN + `:name.familyName","value":"Roe"}`,
		`{"name":{"givenName":"Jane","familyName":"Roe"}}`},
	{"sub-attribute", `{"op":"replace","path":"name.familyName","value":"Roe"}`, `{"name":{"givenName":"Jane","familyName":"Roe"}}`},
	{"remove sub-attribute", `{"op":"remove","path":"name.familyName"}`, `{"name":{"givenName":"Jane"}}`},
	{"remove all sub-attributes", `{"op":"remove","path":"name.familyName"},{"op":"remove","path":"name.givenName"}`, `{"name":null}`},
	{"replace merges a complex value", `{"op":"replace","path":"name","value":{"familyName":"Roe"}}`, `{"name":{"givenName":"Jane","familyName":"Roe"}}`},
	{"null in a merged value", `{"op":"replace","path":"name","value":{"familyName":null}}`, `{"name":{"givenName":"Jane"}}`},
	{"null in an added value", `{"op":"add","path":"name","value":{"familyName":null}}`, `{"name":{"givenName":"Jane","familyName":"Doe"}}`},
	{"replace complex by null", `{"op":"replace","path":"name","value":null}`, `{"name":null}`},
	{"extension attribute", `{"op":"add","path":"` + enterpriseURN + `:department","value":"Retail"}`,
		`{"` + enterpriseURN + `":{"department":"Retail","employeeNumber":"007"}}`},
	{"extension sub-attribute", `{"op":"replace","path":"` + enterpriseURN + `:manager.value","value":"m"}`,
		`{"` + enterpriseURN + `":{"department":"Sales","employeeNumber":"007","manager":{"value":"m"}}}`},
	{"last extension attribute", `{"op":"remove","path":"` + enterpriseURN + `:department"},
		{"op":"remove","path":"` + enterpriseURN + `:employeeNumber"}`, `{"` + enterpriseURN + `":null,"schemas":["` + userURN + `"]}`},
	{"manager", `{"op":"replace","path":"` + enterpriseURN + `:manager","value":{"value":"{omar}"}}`,
		`{"` + enterpriseURN + `":{"department":"Sales","employeeNumber":"007","manager":{"value":"{omar}","displayName":"Omar Said"}}}`},
	{"read-only sub-attribute in a value", `{"op":"replace","path":"` + enterpriseURN + `:manager","value":{"value":"{omar}","displayName":5}}`,
		`{"` + enterpriseURN + `":{"department":"Sales","employeeNumber":"007","manager":{"value":"{omar}","displayName":"Omar Said"}}}`},
	{"without path", `{"op":"replace","value":{"title":"Boss","name":{"givenName":"J"},"` + enterpriseURN + `":{"department":"Retail"}}}`,
		`{"title":"Boss","name":{"givenName":"J","familyName":"Doe"},"` + enterpriseURN + `":{"department":"Retail","employeeNumber":"007"}}`},
	{"without path, null", `{"op":"replace","value":{"title":null,"` + enterpriseURN + `":null}}`, `{"title":null,"` + enterpriseURN + `":null,"schemas":["` + userURN + `"]}`},
	{"null path", `{"op":"replace","path":null,"value":{"title":"Boss"}}`, `{"title":"Boss"}`},
	{"without path, add null", `{"op":"add","value":{"title":null}}`, `{"title":"Engineer"}`},
	{"without path, add values", `{"op":"add","value":{"emails":[{"value":"x"}]}}`,
		`{"emails":[{"type":"work","value":"jane@contoso.com","primary":true},{"type":"home","value":"jane@example.com"},{"value":"x"}]}`},
	{"add one value without array", `{"op":"add","path":"roles","value":{"value":"Admin"}}`, `{"roles":[{"value":"Admin"}]}`},
	{"add equal value", `{"op":"add","path":"emails","value":[{"value":"jane@example.com","type":"home"}]}`,
		`{"emails":[{"type":"work","value":"jane@contoso.com","primary":true},{"type":"home","value":"jane@example.com"}]}`},
	{"add takes over primary", `{"op":"add","path":"emails","value":[{"value":"x","primary":true}]}`,
		`{"emails":[{"type":"work","value":"jane@contoso.com","primary":false},{"type":"home","value":"jane@example.com"},{"value":"x","primary":true}]}`},
	{"sub-attribute takes over primary", `{"op":"replace","path":"emails[type eq \"home\"].primary","value":true}`,
		`{"emails":[{"type":"work","value":"jane@contoso.com","primary":false},{"type":"home","value":"jane@example.com","primary":true}]}`},
	{"replace all values", `{"op":"replace","path":"emails","value":[{"value":"x"}]}`, `{"emails":[{"value":"x"}]}`},
	{"replace all values by none", `{"op":"replace","path":"emails","value":[]}`, `{"emails":null}`},
	{"remove all values", `{"op":"remove","path":"emails"}`, `{"emails":null}`},
	{"remove all values despite a value", `{"op":"remove","path":"emails","value":[{"value":"jane@example.com"}]}`, `{"emails":null}`},
	{"replace a sub-attribute of a value", `{"op":"replace","path":"emails[type eq \"WORK\"].value","value":"x"}`,
		`{"emails":[{"type":"work","value":"x","primary":true},{"type":"home","value":"jane@example.com"}]}`},
	{"replace a value", `{"op":"replace","path":"emails[type eq \"work\"]","value":{"value":"x"}}`,
		`{"emails":[{"value":"x"},{"type":"home","value":"jane@example.com"}]}`},
	{"add to a value", `{"op":"add","path":"emails[type eq \"work\"]","value":{"display":"x"}}`,
		`{"emails":[{"type":"work","value":"jane@contoso.com","primary":true,"display":"x"},{"type":"home","value":"jane@example.com"}]}`},
	{"primary filter", `{"op":"replace","path":"emails[primary eq true].value","value":"x"}`,
		`{"emails":[{"type":"work","value":"x","primary":true},{"type":"home","value":"jane@example.com"}]}`},
	{"remove a value", `{"op":"remove","path":"emails[type eq \"work\" and value sw \"jane\"]"}`, `{"emails":[{"type":"home","value":"jane@example.com"}]}`},
	{"remove two values", `{"op":"remove","path":"emails[value pr]"}`, `{"emails":null}`},
	{"remove a value that is not there", `{"op":"remove","path":"emails[type eq \"other\"]"}`,
		`{"emails":[{"type":"work","value":"jane@contoso.com","primary":true},{"type":"home","value":"jane@example.com"}]}`},
	{"remove a sub-attribute of a value", `{"op":"remove","path":"emails[type eq \"work\"].primary"}`,
		`{"emails":[{"type":"work","value":"jane@contoso.com"},{"type":"home","value":"jane@example.com"}]}`},
	{"remove the last sub-attribute of a value", `{"op":"add","path":"roles","value":[{"value":"x"}]},{"op":"remove","path":"roles[value eq \"x\"].value"}`,
		`{"roles":null}`},
	{"null for the last sub-attribute of a value", `{"op":"add","path":"roles","value":[{"value":"x"},{"value":"y"}]},{"op":"replace","path":"roles[value eq \"x\"].value","value":null}`,
		`{"roles":[{"value":"y"}]}`},
	{"add below a filter that matches nothing", `{"op":"add","path":"addresses[type eq \"work\" and country eq \"NO\"].locality","value":"Oslo"}`,
		`{"addresses":[{"type":"work","country":"NO","locality":"Oslo"}]}`},
	{"in order", `{"op":"add","path":"nickName","value":"a"},{"op":"replace","path":"nickName","value":"b"},{"op":"remove","path":"title"},
		{"op":"add","path":"title","value":"c"}`, `{"nickName":"b","title":"c"}`},
}

func TestPatchUser(t *testing.T) {
	for _, test := range patchedUsers {
		t.Run(test.name, func(t *testing.T) {
			l := peopled(t)
			want := l.must(t, 200, http.MethodGet, "/Users/{jane}", "")
			for name, value := range objectOf(l.parsed(t, test.want)) {
				if want[name] = value; value == nil {
					delete(want, name)
				}
			}
			got := l.must(t, 200, http.MethodPatch, "/Users/{jane}", ops(test.operations))
			if diff := cmp.Diff(got, l.must(t, 200, http.MethodGet, "/Users/{jane}", "")); diff != "" {
				t.Errorf("the answer is not what was stored (-answer +stored):\n%s", diff)
			}
			delete(got, "meta")
			delete(want, "meta")
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// refusedPatches leave jane as she was. Each is also tried behind an
// operation that succeeds, which then must have no effect.
var refusedPatches = []struct{ name, operation, scimType string }{
	{"Add", `{"op":"Add","path":"title","value":"x"}`, invalidSyntax},
	{"Replace", `{"op":"Replace","path":"title","value":"x"}`, invalidSyntax},
	{"Remove", `{"op":"Remove","path":"title"}`, invalidSyntax},
	{"unknown op", `{"op":"move","path":"title","value":"x"}`, invalidSyntax},
	{"op missing", `{"path":"title","value":"x"}`, invalidSyntax},
	{"op as number", `{"op":1,"path":"title","value":"x"}`, invalidSyntax},
	{"op twice", `{"op":"add","OP":"add","path":"title","value":"x"}`, invalidSyntax},
	{"operation as string", `"x"`, invalidSyntax},
	{"path as array", `{"op":"add","path":["title"],"value":"x"}`, invalidPath},
	{"value missing", `{"op":"replace","path":"title"}`, invalidValue},
	{"null added", `{"op":"add","path":"title","value":null}`, invalidValue},
	{"active as string", `{"op":"replace","path":"active","value":"False"}`, invalidValue},
	{"active as string without path", `{"op":"replace","value":{"active":"False"}}`, invalidValue},
	{"manager as string", `{"op":"add","path":"` + enterpriseURN + `:manager","value":"{omar}"}`, invalidValue},
	{"manager as array", `{"op":"add","path":"` + enterpriseURN + `:manager","value":[{"value":"{omar}"}]}`, invalidValue},
	{"manager without schema", `{"op":"add","path":"manager","value":{"value":"{omar}"}}`, invalidPath},
	{"title as array", `{"op":"replace","path":"title","value":["x"]}`, invalidValue},
	{"emails as object", `{"op":"replace","path":"emails","value":{"value":"x"}}`, invalidValue},
	{"emails as string", `{"op":"add","path":"emails","value":"x"}`, invalidValue},
	{"value of emails as string", `{"op":"replace","path":"emails[type eq \"work\"]","value":"x"}`, invalidValue},
	{"two primary values", `{"op":"add","path":"emails","value":[{"value":"x","primary":true},{"value":"y","primary":true}]}`, invalidValue},
	{"many primary values", `{"op":"replace","path":"emails[value pr].primary","value":true}`, invalidValue},
	{"userName as null", `{"op":"replace","path":"userName","value":null}`, invalidValue},
	{"userName empty", `{"op":"replace","path":"userName","value":""}`, invalidValue},
	{"userName removed", `{"op":"remove","path":"userName"}`, mutability},
	{"id", `{"op":"replace","path":"id","value":"x"}`, mutability},
	{"id without path", `{"op":"replace","value":{"id":"x"}}`, mutability},
	{"meta", `{"op":"replace","path":"meta.location","value":"x"}`, mutability},
	{"schemas", `{"op":"add","value":{"schemas":["` + userURN + `"]}}`, mutability},
	{"groups", `{"op":"add","path":"groups","value":[{"value":"{team}"}]}`, mutability},
	{"groups by filter", `{"op":"remove","path":"groups[value eq \"{team}\"]"}`, mutability},
	{"manager's name", `{"op":"add","path":"` + enterpriseURN + `:manager.displayName","value":"x"}`, mutability},
	{"remove without path", `{"op":"remove"}`, noTarget},
	{"remove without path but value", `{"op":"remove","value":{"title":"x"}}`, noTarget},
	{"replace below a filter without match", `{"op":"replace","path":"emails[type eq \"other\"].value","value":"x"}`, noTarget},
	{"replace a value without match", `{"op":"replace","path":"emails[type eq \"other\"]","value":{"value":"x"}}`, noTarget},
	{"add below a vague filter without match", `{"op":"add","path":"emails[type eq \"a\" or type eq \"b\"].value","value":"x"}`, noTarget},
	{"add below a vague filter inside", `{"op":"add","path":"emails[type eq \"a\" and (not (type eq \"b\"))].value","value":"x"}`, noTarget},
	{"add below a negative filter", `{"op":"add","path":"emails[not (value pr)].value","value":"x"}`, noTarget},
	{"add below a contradiction", `{"op":"add","path":"emails[type eq \"a\" and type eq \"b\"].value","value":"x"}`, noTarget},
	{"unknown attribute", `{"op":"add","path":"shoeSize","value":"40"}`, invalidPath},
	{"unknown sub-attribute", `{"op":"add","path":"name.given","value":"x"}`, invalidPath},
	{"unknown sub-attribute in value", `{"op":"add","path":"name","value":{"given":"x"}}`, invalidSyntax},
	{"unknown schema", `{"op":"add","path":"urn:example:custom:2.0:User:x","value":"x"}`, invalidPath},
	{"schema alone", `{"op":"add","path":"` + enterpriseURN + `","value":{"department":"x"}}`, invalidPath},
	{"extension behind a dot", `{"op":"add","path":"` + enterpriseURN + `.department","value":"x"}`, invalidPath},
	{"empty path", `{"op":"add","path":"","value":{"title":"x"}}`, invalidPath},
	{"space in path", `{"op":"add","path":" title","value":"x"}`, invalidPath},
	{"two paths", `{"op":"add","path":"title nickName","value":"x"}`, invalidPath},
	{"slashed path", `{"op":"add","path":"name/givenName","value":"x"}`, invalidPath},
	{"path three deep", `{"op":"add","path":"name.givenName.x","value":"x"}`, invalidPath},
	{"path with index", `{"op":"add","path":"emails[0].value","value":"x"}`, invalidFilter},
	{"sub-attribute without filter", `{"op":"replace","path":"emails.value","value":"x"}`, invalidPath},
	{"filter on a single value", `{"op":"replace","path":"name[givenName pr].familyName","value":"x"}`, invalidPath},
	{"filter behind a sub-attribute", `{"op":"replace","path":"emails.value[type pr]","value":"x"}`, invalidPath},
	{"filter not closed", `{"op":"replace","path":"emails[type pr","value":"x"}`, invalidFilter},
	{"empty filter", `{"op":"replace","path":"emails[].value","value":"x"}`, invalidFilter},
	{"filter on unknown sub-attribute", `{"op":"replace","path":"emails[kind eq \"work\"].value","value":"x"}`, invalidFilter},
	{"filter on a boolean as string", `{"op":"replace","path":"emails[primary eq \"True\"].value","value":"x"}`, invalidFilter},
	{"filter in a filter", `{"op":"replace","path":"emails[type[value pr]].value","value":"x"}`, invalidFilter},
	{"dotted key", `{"op":"replace","value":{"name.givenName":"x"}}`, invalidPath},
	{"filtered key", `{"op":"replace","value":{"emails[type eq \"work\"].value":"x"}}`, invalidPath},
	{"qualified key", `{"op":"replace","value":{"` + enterpriseURN + `:department":"x"}}`, invalidPath},
	{"dotted key in an extension", `{"op":"replace","value":{"` + enterpriseURN + `":{"manager.value":"x"}}}`, invalidPath},
	{"extension as string", `{"op":"replace","value":{"` + enterpriseURN + `":"x"}}`, invalidValue},
	{"core schema as key", `{"op":"replace","value":{"` + userURN + `":{"title":"x"}}}`, invalidPath},
	{"value without path as string", `{"op":"replace","value":"x"}`, invalidValue},
	{"value without path as array", `{"op":"add","value":[{"title":"x"}]}`, invalidValue},
	{"keys that differ in case", `{"op":"replace","value":{"title":"x","TITLE":"y"}}`, invalidSyntax},
}

func TestRefusedPatches(t *testing.T) {
	l := peopled(t)
	before := l.do(t, http.MethodGet, "/Users/{jane}", "").raw
	for _, test := range refusedPatches {
		t.Run(test.name, func(t *testing.T) {
			for _, operations := range []string{
				test.operation,
				`{"op":"replace","path":"displayName","value":"Changed"},{"op":"replace","path":"emails[type eq \"work\"].display","value":"Changed"},` +
					`{"op":"replace","path":"name.givenName","value":"Changed"},` + test.operation,
			} {
				wantError(t, l.do(t, http.MethodPatch, "/Users/{jane}", ops(operations)), 400, test.scimType)
				if diff := cmp.Diff(before, l.do(t, http.MethodGet, "/Users/{jane}", "").raw); diff != "" {
					t.Fatalf("a refused PATCH had an effect (-before +after):\n%s", diff)
				}
			}
		})
	}
}

func TestRefusedPatchMessages(t *testing.T) {
	l := peopled(t)
	const operation = `{"op":"replace","path":"title","value":"x"}`
	for name, body := range map[string]string{
		"no schemas":            `{"Operations":[` + operation + `]}`,
		"schemas of a user":     `{"schemas":["` + userURN + `"],"Operations":[` + operation + `]}`,
		"two schemas":           `{"schemas":["` + patchOpURN + `","` + userURN + `"],"Operations":[` + operation + `]}`,
		"schemas twice":         `{"schemas":["` + patchOpURN + `"],"Schemas":["` + patchOpURN + `"],"Operations":[` + operation + `]}`,
		"no operations":         `{"schemas":["` + patchOpURN + `"]}`,
		"empty operations":      ops(``),
		"operations as object":  `{"schemas":["` + patchOpURN + `"],"Operations":` + operation + `}`,
		"a resource":            user(`"userName":"x"`),
		"JSON Patch (RFC 6902)": `[` + operation + `]`,
	} {
		t.Run(name, func(t *testing.T) {
			wantError(t, l.do(t, http.MethodPatch, "/Users/{jane}", body), 400, invalidSyntax)
		})
	}
	wantError(t, l.do(t, http.MethodPatch, "/Users/none", ops(operation)), 404, "")
}

func TestPatchGroupMembers(t *testing.T) {
	for _, test := range []struct {
		name, operations string
		want             []string
		scimType         string
	}{
		{"add", `{"op":"add","path":"members","value":[{"value":"{omar}"}]}`, []string{"jane", "omar"}, ""},
		{"add one there already", `{"op":"add","path":"members","value":[{"value":"{jane}"}]}`, []string{"jane"}, ""},
		{"add one twice", `{"op":"add","path":"members","value":[{"value":"{omar}"},{"value":"{omar}","type":"User"}]}`, []string{"jane", "omar"}, ""},
		{"add without array", `{"op":"add","path":"members","value":{"value":"{omar}","$ref":null}}`, []string{"jane", "omar"}, ""},
		{"add without path", `{"op":"add","value":{"members":[{"value":"{omar}"}]}}`, []string{"jane", "omar"}, ""},
		{"replace", `{"op":"replace","path":"members","value":[{"value":"{omar}"}]}`, []string{"omar"}, ""},
		{"replace by none", `{"op":"replace","path":"members","value":[]}`, nil, ""},
		{"remove", `{"op":"remove","path":"members[value eq \"{jane}\"]"}`, nil, ""},
		{"remove by type", `{"op":"remove","path":"members[type eq \"group\"]"}`, []string{"jane"}, ""},
		{"remove one that is not there", `{"op":"remove","path":"members[value eq \"{omar}\"]"}`, []string{"jane"}, ""},
		{"remove compares ids exactly", `{"op":"remove","path":"members[value eq \"{JANE}\"]"}`, []string{"jane"}, ""},
		{"remove all", `{"op":"remove","path":"members"}`, nil, ""},
		// The reading that empties a group when Entra removes one person.
		{"remove with a value", `{"op":"remove","path":"members","value":[{"value":"{omar}"}]}`, nil, ""},
		{"add below a filter", `{"op":"add","path":"members[value eq \"{omar}\"]","value":{"type":"User"}}`, []string{"jane", "omar"}, ""},
		{"member that does not exist", `{"op":"add","path":"members","value":[{"value":"{omar}"},{"value":"none"}]}`, []string{"jane"}, invalidValue},
		{"member as string", `{"op":"add","path":"members","value":["{omar}"]}`, []string{"jane"}, invalidValue},
		{"member as bare string", `{"op":"add","path":"members","value":"{omar}"}`, []string{"jane"}, invalidValue},
		{"member with displayName", `{"op":"add","path":"members","value":[{"value":"{omar}","displayName":"x"}]}`, []string{"jane"}, invalidSyntax},
		{"change of a member", `{"op":"replace","path":"members[value eq \"{jane}\"].value","value":"{omar}"}`, []string{"jane"}, mutability},
		{"change of a member by merging", `{"op":"add","path":"members[value eq \"{jane}\"]","value":{"value":"{omar}"}}`, []string{"jane"}, mutability},
		{"change of a member's name", `{"op":"replace","path":"members[value eq \"{jane}\"].display","value":"x"}`, []string{"jane"}, mutability},
		{"displayName removed", `{"op":"remove","path":"displayName"}`, []string{"jane"}, mutability},
		{"unknown attribute", `{"op":"add","path":"userName","value":"x"}`, []string{"jane"}, invalidPath},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := peopled(t)
			l.ids["JANE"] = strings.ToUpper(l.ids["jane"])
			got := l.do(t, http.MethodPatch, "/Groups/{team}", ops(test.operations))
			delete(l.ids, "JANE")
			if test.scimType != "" {
				wantError(t, got, 400, test.scimType)
			} else if got.status != 204 || got.raw != "" {
				t.Fatalf("got %d %q, want 204 without a body", got.status, got.raw)
			}
			var names []string
			for _, member := range listOf(l.must(t, 200, http.MethodGet, "/Groups/{team}", "")["members"]) {
				for name, id := range l.ids {
					if objectOf(member)["value"] == id {
						names = append(names, name)
					}
				}
			}
			if diff := cmp.Diff(test.want, names); diff != "" {
				t.Errorf("members (-want +got):\n%s", diff)
			}
		})
	}
}

// TestPatchWithoutEffectKeepsLastModified holds RFC 7644 section 3.5.2.1.
func TestPatchWithoutEffectKeepsLastModified(t *testing.T) {
	l := peopled(t)
	modified := func(path string) any {
		return objectOf(l.must(t, 200, http.MethodGet, path, "")["meta"])["lastModified"]
	}
	for _, test := range []struct {
		path, operation string
		changes         bool
	}{
		{"/Groups/{team}", `{"op":"add","path":"members","value":[{"value":"{jane}"}]}`, false},
		{"/Groups/{team}", `{"op":"add","path":"members","value":[{"value":"{omar}"}]}`, true},
		{"/Users/{jane}", `{"op":"replace","path":"active","value":true}`, false},
		{"/Users/{jane}", `{"op":"replace","path":"active","value":false}`, true},
	} {
		before := modified(test.path)
		l.do(t, http.MethodPatch, test.path, ops(test.operation))
		if changed := modified(test.path) != before; changed != test.changes {
			t.Errorf("%s: lastModified changed: %t, want %t", test.operation, changed, test.changes)
		}
	}
}
