package backend

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// labOf is a lab with options of its own, of which it sets token and paths.
func labOf(t testing.TB, o Options) *lab {
	t.Helper()
	o.Token, o.BasePath, o.PublicURL = testToken, basePath, publicURL
	b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{backend: b, server: httptest.NewServer(b), ids: map[string]string{}}
	t.Cleanup(l.server.Close)
	return l
}

// settle creates omar, jane and the group team with both of them.
func (l *lab) settle(t testing.TB) *lab {
	t.Helper()
	l.create(t, "omar", "/Users", user(`"userName":"omar@contoso.com","displayName":"Omar Said"`))
	l.create(t, "jane", "/Users", user(`"userName":"jane@contoso.com","active":true,"title":"Engineer",
		"name":{"givenName":"Jane"},"emails":[{"type":"home","value":"jane@example.com"}],"roles":[{"value":"reader","primary":true}]`))
	l.create(t, "team", "/Groups", group(`"displayName":"Team"`))
	l.must(t, 204, http.MethodPatch, "/Groups/{team}", ops(`{"op":"add","path":"members","value":[{"value":"{jane}"},{"value":"{omar}"}]}`))
	return l
}

// part picks the named attributes out of a resource; nil for those that it does
// not have.
func part(resource, names map[string]any) map[string]any {
	out := map[string]any{}
	for name := range names {
		out[name] = resource[name]
	}
	return out
}

// TestLenientPatch holds the shapes of Entra's PATCH requests that servers in the
// field take, and what they do. Which of them a strict backend refuses is in
// TestEntraDefaultDialectIsRefused.
func TestLenientPatch(t *testing.T) {
	const enterprise = `"` + enterpriseURN + `"`
	for _, test := range []struct{ name, path, operations, want string }{
		{"verb", "/Users/{jane}", `{"op":"Replace","path":"title","value":"Boss"}`, `{"title":"Boss"}`},
		{"active as a string", "/Users/{jane}", `{"op":"Replace","path":"active","value":"False"}`, `{"active":false}`},
		{"active in lower case", "/Users/{jane}", `{"op":"replace","path":"active","value":"false"}`, `{"active":false}`},
		{"active without a path", "/Users/{jane}", `{"op":"replace","value":{"active":"FALSE"}}`, `{"active":false}`},
		{"primary as a string", "/Users/{jane}", `{"op":"add","path":"emails","value":[{"type":"work","value":"j@contoso.com","primary":"True"}]}`,
			`{"emails":[{"type":"home","value":"jane@example.com"},{"type":"work","value":"j@contoso.com","primary":true}]}`},
		{"boolean in a filter", "/Users/{jane}", `{"op":"replace","path":"roles[primary eq \"True\"].value","value":"writer"}`,
			`{"roles":[{"value":"writer","primary":true}]}`},
		{"negated boolean in a filter", "/Users/{jane}",
			`{"op":"replace","path":"roles[not (primary eq \"False\") and value eq \"reader\"].display","value":"R"}`,
			`{"roles":[{"value":"reader","primary":true,"display":"R"}]}`},
		{"manager as a string", "/Users/{jane}", `{"op":"Add","path":"` + enterpriseURN + `:manager","value":"{omar}"}`,
			`{` + enterprise + `:{"manager":{"value":"{omar}","displayName":"Omar Said"}}}`},
		{"manager in an array", "/Users/{jane}", `{"op":"add","path":"` + enterpriseURN + `:manager","value":[{"$ref":null,"value":"{omar}"}]}`,
			`{` + enterprise + `:{"manager":{"value":"{omar}","displayName":"Omar Said"}}}`},
		{"manager without its schema", "/Users/{jane}", `{"op":"Add","path":"manager","value":"{omar}"}`,
			`{` + enterprise + `:{"manager":{"value":"{omar}","displayName":"Omar Said"}}}`},
		{"manager cleared", "/Users/{jane}", `{"op":"add","path":"` + enterpriseURN + `:manager","value":"{omar}"},
			{"op":"Replace","path":"` + enterpriseURN + `:manager","value":""}`, `{` + enterprise + `:null}`},
		{"manager cleared by an add", "/Users/{jane}", `{"op":"add","path":"` + enterpriseURN + `:manager","value":"{omar}"},
			{"op":"Add","path":"` + enterpriseURN + `:manager","value":""}`, `{` + enterprise + `:null}`},
		{"scalar in an array", "/Users/{jane}", `{"op":"replace","path":"title","value":[{"$ref":null,"value":"Boss"}]}`, `{"title":"Boss"}`},
		{"paths as names", "/Users/{jane}", `{"op":"add","value":{"title":"Boss","name.familyName":"Doe","` + enterpriseURN + `:department":"Sales",
			"emails[type eq \"work\"].value":"j@contoso.com"}}`,
			`{"title":"Boss","name":{"givenName":"Jane","familyName":"Doe"},` + enterprise + `:{"department":"Sales"},
			"emails":[{"type":"home","value":"jane@example.com"},{"type":"work","value":"j@contoso.com"}]}`},
		{"extension without a path", "/Users/{jane}", `{"op":"Add","value":{` + enterprise + `:{"manager":"{omar}","badge":1}}}`,
			`{` + enterprise + `:{"manager":{"value":"{omar}","displayName":"Omar Said"}}}`},
		{"element that is missing", "/Users/{jane}", `{"op":"Replace","path":"emails[type eq \"work\"].value","value":"j@contoso.com"}`,
			`{"emails":[{"type":"home","value":"jane@example.com"},{"type":"work","value":"j@contoso.com"}]}`},
		{"element that is there", "/Users/{jane}", `{"op":"Replace","path":"emails[type eq \"home\"].value","value":"j@contoso.com"}`,
			`{"emails":[{"type":"home","value":"j@contoso.com"}]}`},
		{"element that is missing, cleared", "/Users/{jane}", `{"op":"replace","path":"emails[type eq \"work\"].value","value":null}`,
			`{"emails":[{"type":"home","value":"jane@example.com"}]}`},
		{"null", "/Users/{jane}", `{"op":"Replace","path":"title","value":null}`, `{"title":null}`},
		{"null added", "/Users/{jane}", `{"op":"Add","path":"title","value":null}`, `{"title":"Engineer"}`},
		{"unknown attribute", "/Users/{jane}", `{"op":"Add","path":"urn:acme:2.0:User:badge","value":"1"}`, `{"title":"Engineer"}`},
		{"unknown and known attributes", "/Users/{jane}", `{"op":"Add","path":"badge","value":"1"},{"op":"add","value":{"shoe":1,"title":"Boss","id":"x"}}`,
			`{"title":"Boss"}`},
		{"unknown sub-attribute", "/Users/{jane}", `{"op":"Add","path":"roles","value":[{"value":"writer","displayName":"W"},{"displayName":"X"}]}`,
			`{"roles":[{"value":"reader","primary":true},{"value":"writer"}]}`},
		{"old value of a remove", "/Users/{jane}", `{"op":"Remove","path":"title","value":"Engineer"}`, `{"title":null}`},
		{"member removed by value", "/Groups/{team}", `{"op":"Remove","path":"members","value":[{"$ref":null,"value":"{jane}"}]}`,
			`{"members":[{"value":"{omar}","$ref":"` + publicURL + `/Users/{omar}","type":"User","display":"Omar Said"}]}`},
		{"nobody removed", "/Groups/{team}", `{"op":"Remove","path":"members","value":[{"display":"Jane"}]},
			{"op":"remove","path":"members[value eq \"{jane}\"]"}`,
			`{"members":[{"value":"{omar}","$ref":"` + publicURL + `/Users/{omar}","type":"User","display":"Omar Said"}]}`},
		{"all removed", "/Groups/{team}", `{"op":"Remove","path":"members"}`, `{"members":null}`},
		{"member as a string", "/Groups/{team}", `{"op":"Remove","path":"members","value":["{jane}","{omar}"]},{"op":"Add","path":"members","value":["{omar}"]}`,
			`{"members":[{"value":"{omar}","$ref":"` + publicURL + `/Users/{omar}","type":"User","display":"Omar Said"}]}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := labOf(t, Options{Lenient: true}).settle(t)
			if got := l.do(t, http.MethodPatch, test.path, ops(test.operations)); got.status/100 != 2 {
				t.Fatalf("got %d %s", got.status, got.raw)
			}
			got := l.must(t, 200, http.MethodGet, test.path, "")
			want := l.parsed(t, test.want).(map[string]any)
			if diff := cmp.Diff(want, part(got, want)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// What even a lenient backend does not make sense of it refuses, and it
// changes nothing.
func TestLenientRefuses(t *testing.T) {
	l := labOf(t, Options{Lenient: true}).settle(t)
	for _, test := range []struct{ name, body, scimType string }{
		{"verb", ops(`{"op":"Upsert","path":"title","value":"x"}`), invalidSyntax},
		{"path", ops(`{"op":"add","path":"emails..x","value":"x"}`), invalidPath},
		{"path that is no string", ops(`{"op":"add","path":1,"value":"x"}`), invalidPath},
		{"filter", ops(`{"op":"add","path":"emails[shoe eq 1].value","value":"x"}`), invalidFilter},
		{"remove without a path", ops(`{"op":"Remove","value":{"title":"x"}}`), noTarget},
		{"id", ops(`{"op":"Replace","path":"id","value":"x"}`), mutability},
		{"active", ops(`{"op":"Replace","path":"active","value":"no"}`), invalidValue},
		{"manager", ops(`{"op":"add","path":"` + enterpriseURN + `:manager","value":7}`), invalidValue},
		{"no value", ops(`{"op":"Add","path":"title"}`), invalidValue},
		{"member twice", ops(`{"op":"add","OP":"add","path":"title","value":"x"}`), invalidSyntax},
		{"operation that is none", ops(`1`), invalidSyntax},
		{"no operations", ops(``), invalidSyntax},
		{"no message", `{"title":"x"}`, invalidSyntax},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := l.do(t, http.MethodGet, "/Users/{jane}", "").raw
			wantError(t, l.do(t, http.MethodPatch, "/Users/{jane}", test.body), 400, test.scimType)
			if diff := cmp.Diff(before, l.do(t, http.MethodGet, "/Users/{jane}", "").raw); diff != "" {
				t.Errorf("(-before +after):\n%s", diff)
			}
		})
	}
}

// TestLenientCreate holds what a POST and a PUT may carry.
func TestLenientCreate(t *testing.T) {
	for _, test := range []struct{ name, path, body, want string }{
		{"active and nulls", "/Users", `{"schemas":["` + userURN + `","` + enterpriseURN + `"],"userName":"a@contoso.com","active":"True",
			"addresses":null,"title":null,"roles":[],"meta":{"resourceType":"User"},"emails":[{"primary":"True","type":"work","value":"a@contoso.com"}]}`,
			`{"schemas":["` + userURN + `"],"active":true,"emails":[{"primary":true,"type":"work","value":"a@contoso.com"}]}`},
		{"schemas misspelt", "/Users", `{"schemas":["` + userURN + `","urn:ietf:params:scim:schemas:extension:enterprise:2.0User"],"userName":"a@contoso.com"}`,
			`{"schemas":["` + userURN + `"]}`},
		{"extensions not listed", "/Users", `{"schemas":["` + userURN + `"],"userName":"a@contoso.com","` + enterpriseURN + `":{"department":"Sales","manager":""},
			"urn:ietf:params:scim:schemas:extension:acme:2.0:User":{"badge":1},"shoe":"x"}`,
			`{"schemas":["` + userURN + `","` + enterpriseURN + `"],"` + enterpriseURN + `":{"department":"Sales"}}`},
		{"no schemas", "/Users", `{"userName":"a@contoso.com","title":null,"shoe":1}`,
			`{"schemas":["` + userURN + `"],"title":null,"shoe":null}`},
		{"one value without an array", "/Users", `{"userName":"a@contoso.com","emails":{"value":"a@contoso.com"}}`, `{"emails":[{"value":"a@contoso.com"}]}`},
		{"legacy schema of a group", "/Groups", `{"schemas":["` + groupURN + `","http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
			"displayName":"Crew","members":[]}`, `{"schemas":["` + groupURN + `"],"displayName":"Crew"}`},
		{"member as a string", "/Groups", `{"displayName":"Crew","members":["{jane}"]}`,
			`{"members":[{"value":"{jane}","$ref":"` + publicURL + `/Users/{jane}","type":"User"}]}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := labOf(t, Options{Lenient: true}).settle(t)
			want := l.parsed(t, test.want).(map[string]any)
			l.create(t, "new", test.path, test.body)
			got := l.must(t, 200, http.MethodGet, test.path+"/{new}", "")
			if diff := cmp.Diff(want, part(got, want)); diff != "" {
				t.Errorf("POST (-want +got):\n%s", diff)
			}
			got = l.must(t, 200, http.MethodPut, test.path+"/{new}", test.body)
			if diff := cmp.Diff(want, part(got, want)); diff != "" {
				t.Errorf("PUT (-want +got):\n%s", diff)
			}
		})
	}
}

// Strict looks at a lenient backend strictly.
func TestStrictViewOfLenient(t *testing.T) {
	l := labOf(t, Options{Lenient: true}).settle(t)
	strict := &lab{backend: l.backend.Strict(), server: httptest.NewServer(l.backend.Strict()), ids: l.ids}
	t.Cleanup(strict.server.Close)
	wantError(t, strict.do(t, http.MethodPatch, "/Users/{jane}", ops(`{"op":"Replace","path":"title","value":"x"}`)), 400, invalidSyntax)
}
