package backend

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const bothSchemas = `"schemas":["` + userURN + `","` + enterpriseURN + `"]`

// refusedUsers are bodies that are refused with POST and with PUT alike.
var refusedUsers = []struct{ name, body, scimType string }{
	{"no JSON", `{"schemas"`, invalidSyntax},
	{"two values", `{} {}`, invalidSyntax},
	{"array", `[]`, invalidSyntax},
	{"string", `"x"`, invalidSyntax},
	{"null", `null`, invalidSyntax},
	{"invalid UTF-8", user("\"userName\":\"\xff\""), invalidSyntax},
	{"repeated member", user(`"userName":"a","userName":"b"`), invalidSyntax},
	{"repeated member in another case", user(`"userName":"a","USERNAME":"b"`), invalidSyntax},
	{"repeated member inside", user(`"userName":"a","name":{"givenName":"x","givenname":"y"}`), invalidSyntax},
	{"too deep", user(`"userName":` + strings.Repeat("[", 40) + strings.Repeat("]", 40)), invalidSyntax},
	{"no schemas", `{"userName":"a"}`, invalidSyntax},
	{"null schemas", `{"schemas":null,"userName":"a"}`, invalidSyntax},
	{"empty schemas", `{"schemas":[],"userName":"a"}`, invalidSyntax},
	{"schemas as string", `{"schemas":"` + userURN + `","userName":"a"}`, invalidSyntax},
	{"number in schemas", `{"schemas":["` + userURN + `",1],"userName":"a"}`, invalidValue},
	{"schemas of a group", group(`"userName":"a"`), invalidValue},
	{"extension only", `{"schemas":["` + enterpriseURN + `"],"userName":"a"}`, invalidValue},
	{"unknown schema", `{"schemas":["` + userURN + `","urn:example:custom:2.0:User"],"userName":"a"}`, invalidValue},
	{"schema twice", `{"schemas":["` + userURN + `","` + userURN + `"],"userName":"a"}`, invalidValue},
	{"extension not listed", user(`"userName":"a","` + enterpriseURN + `":{"department":"x"}`), invalidValue},
	{"extension as string", `{` + bothSchemas + `,"userName":"a","` + enterpriseURN + `":"x"}`, invalidValue},
	{"extension twice", `{` + bothSchemas + `,"userName":"a","` + enterpriseURN + `":{},"` +
		strings.ToUpper(enterpriseURN) + `":{}}`, invalidSyntax},
	{"no userName", user(`"displayName":"a"`), invalidValue},
	{"null userName", user(`"userName":null`), invalidValue},
	{"empty userName", user(`"userName":""`), invalidValue},
	{"number as string", user(`"userName":1`), invalidValue},
	{"active as string", user(`"userName":"a","active":"True"`), invalidValue},
	{"active as number", user(`"userName":"a","active":1`), invalidValue},
	{"name as string", user(`"userName":"a","name":"Jane"`), invalidValue},
	{"name as array", user(`"userName":"a","name":[{"givenName":"x"}]`), invalidValue},
	{"title as array", user(`"userName":"a","title":["x"]`), invalidValue},
	{"emails as object", user(`"userName":"a","emails":{"value":"x"}`), invalidValue},
	{"emails of strings", user(`"userName":"a","emails":["x"]`), invalidValue},
	{"null in emails", user(`"userName":"a","emails":[null]`), invalidValue},
	{"empty object in emails", user(`"userName":"a","emails":[{}]`), invalidValue},
	{"primary as string", user(`"userName":"a","emails":[{"value":"x","primary":"true"}]`), invalidValue},
	{"two primary values", user(`"userName":"a","emails":[{"value":"x","primary":true},{"value":"y","primary":true}]`), invalidValue},
	{"role as text", user(`"userName":"a","roles":["{\"value\":\"Admin\"}"]`), invalidValue},
	{"role with displayName", user(`"userName":"a","roles":[{"displayName":"Admin"}]`), invalidSyntax},
	{"manager as string", `{` + bothSchemas + `,"userName":"a","` + enterpriseURN + `":{"manager":"x"}}`, invalidValue},
	{"unknown attribute", user(`"userName":"a","shoeSize":"40"`), invalidSyntax},
	{"unknown sub-attribute", user(`"userName":"a","name":{"given":"x"}`), invalidSyntax},
	{"unknown extension attribute", `{` + bothSchemas + `,"userName":"a","` + enterpriseURN + `":{"title":"x"}}`, invalidSyntax},
	{"dotted name", user(`"userName":"a","name.givenName":"x"`), invalidSyntax},
	{"qualified name", user(`"userName":"a","` + userURN + `:title":"x"`), invalidSyntax},
	{"name that folds beyond ASCII", user(`"uſerName":"a"`), invalidSyntax},
}

func TestRefusedRepresentations(t *testing.T) {
	l := peopled(t)
	before := l.do(t, http.MethodGet, "/Users", "").raw
	for _, test := range refusedUsers {
		t.Run(test.name, func(t *testing.T) {
			wantError(t, l.do(t, http.MethodPost, "/Users", test.body), 400, test.scimType)
			wantError(t, l.do(t, http.MethodPut, "/Users/{jane}", test.body), 400, test.scimType)
		})
	}
	if diff := cmp.Diff(before, l.do(t, http.MethodGet, "/Users", "").raw); diff != "" {
		t.Errorf("a refused body had an effect (-before +after):\n%s", diff)
	}
}

func TestRefusedGroups(t *testing.T) {
	l := peopled(t)
	for _, test := range []struct {
		name, body string
		status     int
		scimType   string
	}{
		{"no displayName", group(`"members":[]`), 400, invalidValue},
		{"member that does not exist", group(`"displayName":"a","members":[{"value":"none"}]`), 400, invalidValue},
		{"member without value", group(`"displayName":"a","members":[{"type":"User"}]`), 400, invalidValue},
		{"member with null value", group(`"displayName":"a","members":[{"value":null,"type":"User"}]`), 400, invalidValue},
		{"member as string", group(`"displayName":"a","members":["{jane}"]`), 400, invalidValue},
		{"member of the wrong type", group(`"displayName":"a","members":[{"value":"{jane}","type":"Group"}]`), 400, invalidValue},
		{"extension of users", `{"schemas":["` + groupURN + `","` + enterpriseURN + `"],"displayName":"a"}`, 400, invalidValue},
		{"legacy schema", `{"schemas":["` + groupURN + `","http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],"displayName":"a"}`, 400, invalidValue},
		{"name taken", group(`"displayName":"TEAM"`), 409, uniqueness},
	} {
		t.Run(test.name, func(t *testing.T) {
			wantError(t, l.do(t, http.MethodPost, "/Groups", test.body), test.status, test.scimType)
		})
	}
	if l.backend.Groups() != 1 {
		t.Errorf("%d groups, want 1", l.backend.Groups())
	}
}

func TestUniqueness(t *testing.T) {
	l := peopled(t)
	taken := user(`"userName":"JANE@contoso.com"`)
	wantError(t, l.do(t, http.MethodPost, "/Users", taken), 409, uniqueness)
	wantError(t, l.do(t, http.MethodPut, "/Users/{omar}", taken), 409, uniqueness)
	wantError(t, l.do(t, http.MethodPatch, "/Users/{omar}", ops(`{"op":"replace","path":"userName","value":"Jane@Contoso.com"}`)), 409, uniqueness)
	l.must(t, 200, http.MethodPut, "/Users/{jane}", taken)
	l.must(t, 200, http.MethodPatch, "/Users/{jane}", ops(`{"op":"replace","path":"userName","value":"other@contoso.com"}`))
	l.must(t, 201, http.MethodPost, "/Users", taken) // the name is free again
	l.must(t, 204, http.MethodDelete, "/Users/{omar}", "")
	l.must(t, 201, http.MethodPost, "/Users", user(`"userName":"omar@contoso.com"`))
}

// TestWhatPostIgnores holds RFC 7643 sections 2.1 (case) and 2.5 (null), and
// RFC 7644 section 3.3 (read-only attributes).
func TestWhatPostIgnores(t *testing.T) {
	l := peopled(t)
	got := l.must(t, 201, http.MethodPost, "/Users", `{"SCHEMAS":["`+userURN+`","`+enterpriseURN+`"],
		"id":"mine","meta":{"resourceType":"User","location":"x"},"groups":[{"value":"{team}"}],
		"USERNAME":"new@contoso.com","Name":{"GivenName":"New","familyName":null},"title":null,"roles":[],"emails":null,
		"addresses":[{"Type":"work","Formatted":"1 Harbour St","primary":null}],
		"`+strings.ToUpper(enterpriseURN)+`":{"Manager":{"Value":"{jane}","$ref":null,"displayName":"Someone"}}}`)
	if got["id"] == "mine" {
		t.Error("the client's id was taken")
	}
	delete(got, "id")
	delete(got, "meta")
	want := l.parsed(t, `{`+bothSchemas+`,"userName":"new@contoso.com","name":{"givenName":"New"},
		"addresses":[{"type":"work","formatted":"1 Harbour St"}],
		"`+enterpriseURN+`":{"manager":{"value":"{jane}","displayName":"Jane Doe"}}}`)
	if diff := cmp.Diff(want, any(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPutReplaces(t *testing.T) {
	l := peopled(t)
	before := l.must(t, 200, http.MethodGet, "/Users/{jane}", "")
	got := l.must(t, 200, http.MethodPut, "/Users/{jane}", user(`"id":"other","meta":{"created":"x"},
		"userName":"jane@contoso.com","displayName":null,"nickName":"JJ"`))
	meta := objectOf(got["meta"])
	if meta["created"] != objectOf(before["meta"])["created"] || meta["lastModified"] == objectOf(before["meta"])["lastModified"] {
		t.Errorf("meta is %v", meta)
	}
	delete(got, "meta")
	want := l.parsed(t, `{"schemas":["`+userURN+`"],"id":"{jane}","userName":"jane@contoso.com","nickName":"JJ",
		"groups":[{"value":"{team}","$ref":"`+publicURL+`/Groups/{team}","display":"Team","type":"direct"}]}`)
	if diff := cmp.Diff(want, any(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	wantError(t, l.do(t, http.MethodPut, "/Users/none", user(`"userName":"x"`)), 404, "")
	// The representation that a GET answers can be put back as it is.
	whole := l.do(t, http.MethodGet, "/Users/{jane}", "").raw
	if again := l.do(t, http.MethodPut, "/Users/{jane}", whole); again.status != 200 || again.raw != whole {
		t.Errorf("(-before +after):\n%s", cmp.Diff(whole, again.raw))
	}
}

func TestGroupRepresentation(t *testing.T) {
	l := peopled(t)
	l.create(t, "all", "/Groups", group(`"displayName":"All","externalId":"a-1","members":[{"value":"{team}","type":"group"},
		{"value":"{omar}","$ref":"x","display":"Somebody"},{"value":"{omar}"}]`))
	got := l.must(t, 200, http.MethodGet, "/Groups/{all}", "")
	delete(got, "meta")
	want := l.parsed(t, `{"schemas":["`+groupURN+`"],"id":"{all}","displayName":"All","externalId":"a-1","members":[
		{"value":"{team}","type":"Group","$ref":"`+publicURL+`/Groups/{team}","display":"Team"},
		{"value":"{omar}","type":"User","$ref":"`+publicURL+`/Users/{omar}","display":"Omar Said"}]}`)
	if diff := cmp.Diff(want, any(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDeletedResourcesLeaveTheirGroups(t *testing.T) {
	l := peopled(t)
	l.create(t, "all", "/Groups", group(`"displayName":"All","members":[{"value":"{team}"},{"value":"{jane}"},{"value":"{omar}"}]`))
	for _, test := range []struct{ path, team, all string }{
		{"/Users/{jane}", "", "{team},{omar}"},
		{"/Groups/{team}", "404", "{omar}"},
		{"/Users/{omar}", "404", ""},
	} {
		l.must(t, 204, http.MethodDelete, test.path, "")
		for group, want := range map[string]string{"team": test.team, "all": test.all} {
			got := l.do(t, http.MethodGet, "/Groups/{"+group+"}", "")
			if want == "404" {
				wantError(t, got, 404, "")
				continue
			}
			if members, ok := got.body["members"]; ok && len(listOf(members)) == 0 {
				t.Errorf("%s has members %v, want none at all", group, members)
			}
			var ids []string
			for _, member := range listOf(got.body["members"]) {
				ids = append(ids, textOf(objectOf(member)["value"]))
			}
			if diff := cmp.Diff(l.named(want), strings.Join(ids, ",")); diff != "" {
				t.Errorf("%s after deletion of %s (-want +got):\n%s", group, test.path, diff)
			}
		}
		wantError(t, l.do(t, http.MethodDelete, test.path, ""), 404, "")
	}
	// The name of a group that is gone is free.
	l.must(t, 201, http.MethodPost, "/Groups", group(`"displayName":"Team"`))
}
