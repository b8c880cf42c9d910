package backend

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestEntraSequence plays the life of a user and a group as Entra does in its
// compliant dialect, byte for byte in the query.
func TestEntraSequence(t *testing.T) {
	l := newLab(t)
	found := func(path string, want int) {
		t.Helper()
		got := l.must(t, 200, http.MethodGet, path, "")
		if n := len(listOf(got["Resources"])); n != want || got["totalResults"] != float64(want) || got["Resources"] == nil {
			t.Fatalf("%s: got %v, want %d", path, got, want)
		}
	}
	found("/Users?filter=userName+eq+%227d420df3-9995-4831-a406-ecf8166f5f6a%22", 0)
	found("/Groups?excludedAttributes=members&filter=displayName+eq+%227d420df3-9995-4831-a406-ecf8166f5f6a%22", 0)

	found("/Users?filter=userName+eq+%22jane%40contoso.com%22", 0)
	l.create(t, "jane", "/Users", `{"schemas":["`+userURN+`","`+enterpriseURN+`"],"externalId":"0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef",
		"userName":"jane@contoso.com","active":true,"emails":[{"primary":true,"type":"work","value":"jane@contoso.com"}],
		"meta":{"resourceType":"User"},"name":{"formatted":"Jane Doe","familyName":"Doe","givenName":"Jane"},"roles":[]}`)
	found("/Users?filter=userName+eq+%22JANE%40contoso.com%22", 1)
	found("/Users?filter=externalId+eq+%220a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef%22", 1)
	found("/Users?filter=emails%5btype+eq+%22work%22%5d.value+eq+%22jane%40contoso.com%22", 1)
	l.must(t, 200, http.MethodGet, "/Users/{jane}", "")
	got := l.must(t, 200, http.MethodPatch, "/Users/{jane}", ops(`{"op":"replace","path":"displayName","value":"Jane D."}`))
	if got["displayName"] != "Jane D." {
		t.Errorf("after PATCH: %v", got)
	}

	found("/Groups?excludedAttributes=members&filter=displayName+eq+%22Org+Admin%22", 0)
	l.create(t, "team", "/Groups", `{"schemas":["`+groupURN+`"],"externalId":"8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159",
		"displayName":"Org Admin","members":[],"meta":{"resourceType":"Group"}}`)
	add := ops(`{"op":"add","path":"members","value":[{"value":"{jane}"}]}`)
	l.must(t, 204, http.MethodPatch, "/Groups/{team}", add)
	l.must(t, 204, http.MethodPatch, "/Groups/{team}", add)
	if got := l.must(t, 200, http.MethodGet, "/Groups/{team}?excludedAttributes=members", ""); got["members"] != nil {
		t.Errorf("members leaked: %v", got)
	}
	reference := "/Groups?attributes=id&filter=id+eq+%22{team}%22+and+members+eq+%22{jane}%22"
	found(reference, 1)
	remove := ops(`{"op":"remove","path":"members[value eq \"{jane}\"]"}`)
	l.must(t, 204, http.MethodPatch, "/Groups/{team}", remove)
	found(reference, 0)
	l.must(t, 204, http.MethodPatch, "/Groups/{team}", remove)

	// Disabled, not gone: Entra must still find the user.
	l.must(t, 200, http.MethodPatch, "/Users/{jane}", ops(`{"op":"replace","path":"active","value":false}`))
	found("/Users?filter=userName+eq+%22jane%40contoso.com%22", 1)
	if got := l.must(t, 200, http.MethodGet, "/Users/{jane}", ""); got["active"] != false {
		t.Errorf("after disabling: %v", got)
	}
	l.must(t, 204, http.MethodDelete, "/Users/{jane}", "")
	wantError(t, l.do(t, http.MethodGet, "/Users/{jane}", ""), 404, "")
	wantError(t, l.do(t, http.MethodDelete, "/Users/{jane}", ""), 404, "")
	found("/Users?filter=userName+eq+%22jane%40contoso.com%22", 0)
	l.must(t, 204, http.MethodDelete, "/Groups/{team}", "")
}

// TestEntraDefaultDialectIsRefused holds what makes this backend strict: the
// shapes of a tenant URL without the flag, and what compliant mode leaves.
func TestEntraDefaultDialectIsRefused(t *testing.T) {
	l := peopled(t)
	for _, test := range []struct{ name, path, operation, scimType string }{
		{"disable", "/Users/{jane}", `{"op":"Replace","path":"active","value":"False"}`, invalidSyntax},
		{"disable, op repaired only", "/Users/{jane}", `{"op":"replace","path":"active","value":"False"}`, invalidValue},
		{"add email", "/Users/{jane}", `{"op":"Add","path":"emails[type eq \"work\"].value","value":"x@contoso.com"}`, invalidSyntax},
		{"manager", "/Users/{jane}", `{"op":"add","path":"` + enterpriseURN + `:manager","value":"{omar}"}`, invalidValue},
		{"manager with null $ref", "/Users/{jane}", `{"op":"add","path":"` + enterpriseURN + `:manager","value":[{"$ref":null,"value":"{omar}"}]}`, invalidValue},
		{"scalar in an array", "/Users/{jane}", `{"op":"replace","path":"title","value":[{"$ref":null,"value":"Boss"}]}`, invalidValue},
		{"dotted keys", "/Users/{jane}", `{"op":"add","value":{"name.givenName":"J","displayName":"J"}}`, invalidPath},
		{"qualified keys", "/Users/{jane}", `{"op":"add","value":{"` + enterpriseURN + `:department":"x"}}`, invalidPath},
		{"roles as text", "/Users/{jane}", `{"op":"add","path":"roles","value":[{"value":{"id":"1"}}]}`, invalidValue},
		{"primary as text", "/Users/{jane}", `{"op":"replace","path":"roles[primary eq \"True\"].value","value":"x"}`, invalidFilter},
		{"email that is missing", "/Users/{omar}", `{"op":"replace","path":"emails[type eq \"work\"].value","value":"x@contoso.com"}`, noTarget},
		{"add member", "/Groups/{team}", `{"op":"Add","path":"members","value":[{"$ref":null,"value":"{omar}"}]}`, invalidSyntax},
		{"remove member", "/Groups/{team}", `{"op":"Remove","path":"members","value":[{"$ref":null,"value":"{jane}"}]}`, invalidSyntax},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := l.do(t, http.MethodGet, test.path, "").raw
			wantError(t, l.do(t, http.MethodPatch, test.path, ops(test.operation)), 400, test.scimType)
			if diff := cmp.Diff(before, l.do(t, http.MethodGet, test.path, "").raw); diff != "" {
				t.Errorf("(-before +after):\n%s", diff)
			}
		})
	}
}
