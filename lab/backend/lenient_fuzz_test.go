package backend

import (
	"encoding/json"
	"net/http"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// removesByValue reports whether a PATCH has a remove with a value, which
// leniency reads and RFC 7644 does not.
func removesByValue(body map[string]any) bool {
	operations, _, _ := messageMember(body, "Operations")
	return slices.ContainsFunc(listOf(operations), func(item any) bool {
		op, _, _ := messageMember(objectOf(item), "op")
		_, hasValue, _ := messageMember(objectOf(item), "value")
		return op == "remove" && hasValue
	})
}

// FuzzLenient holds of the translation that it leaves its input alone, that to
// translate once is enough, and that what a strict backend takes means the same
// to a lenient one.
func FuzzLenient(f *testing.F) {
	for _, test := range patchedUsers {
		f.Add(false, false, ops(test.operations))
	}
	for _, operations := range []string{
		`{"op":"Replace","path":"active","value":"False"}`,
		`{"op":"Add","path":"manager","value":"{omar}"}`,
		`{"op":"Replace","path":"roles[primary eq \"True\"].value","value":"x"}`,
		`{"op":"add","value":{"name.givenName":"J","` + enterpriseURN + `:department":"x","shoe":1,"id":"x"}}`,
		`{"op":"replace","path":"name","value":{"shoe":1}}`,
		`{"op":"replace","path":"emails[type eq \"work\"].value","value":null}`,
		`{"op":"replace","path":"emails[type eq \"work\"]","value":{"value":"x"}}`,
		`{"op":"add","path":"emails","value":[{"type":"work","primary":"True"},{},null]}`,
		`{"op":"add","value":{}}`, `{"op":"add","value":{"":1}}`, `{"op":"replace","path":"shoe","value":null}`,
	} {
		f.Add(false, false, ops(operations))
	}
	for _, operations := range []string{
		`{"op":"Remove","path":"members","value":[{"$ref":null,"value":"{jane}"}]}`,
		`{"op":"remove","path":"members","value":["{jane}",{"value":"\"]"},7]}`,
		`{"op":"replace","path":"members","value":[{"value":"{omar}"}]}`,
	} {
		f.Add(false, true, ops(operations))
	}
	f.Add(true, false, `{"schemas":["`+userURN+`"],"userName":"jane@contoso.com","active":"True","manager":"x","emails":{"value":"x"}}`)
	f.Add(true, true, `{"displayName":"Team","members":["{jane}"],"shoe":1}`)
	l := peopled(f)
	lenient := labOf(f, Options{Lenient: true}).backend
	lenient.store = l.backend.store
	start := map[bool]string{}
	paths := map[bool]string{false: "/Users/" + l.ids["jane"], true: "/Groups/" + l.ids["team"]}
	for onGroup, path := range paths {
		_, start[onGroup] = handle(l.backend, http.MethodGet, path, "")
	}
	// after returns what b makes of a body, from the same start each time.
	after := func(t *testing.T, b *Backend, method, path, begin, body string) (int, map[string]any) {
		if status, text := handle(l.backend, http.MethodPut, path, begin); status != 200 {
			t.Fatalf("restoring: %d %s", status, text)
		}
		status, text := handle(b, method, path, body)
		if status >= 500 {
			t.Fatalf("got %d %s", status, text)
		}
		_, text = handle(l.backend, http.MethodGet, path, "")
		var resource map[string]any
		if err := json.Unmarshal([]byte(text), &resource); err != nil {
			t.Fatal(err)
		}
		delete(resource, "meta")
		return status, resource
	}
	f.Fuzz(func(t *testing.T, put, onGroup bool, text string) {
		text = l.named(text)
		method, kind := http.MethodPatch, userType
		if put {
			method = http.MethodPut
		}
		if onGroup {
			kind = groupType
		}
		body, err := parseObject([]byte(text))
		if err != nil {
			return
		}
		before := clone(body)
		once := leniency{}.translated(kind, method, body)
		if diff := cmp.Diff(before, any(body)); diff != "" {
			t.Fatalf("the body was changed (-before +after):\n%s", diff)
		}
		if diff := cmp.Diff(once, leniency{}.translated(kind, method, once)); diff != "" {
			t.Fatalf("once is not enough (-once +twice):\n%s", diff)
		}
		strictStatus, want := after(t, l.backend, method, paths[onGroup], start[onGroup], text)
		status, got := after(t, lenient, method, paths[onGroup], start[onGroup], text)
		if strictStatus >= 400 || removesByValue(body) {
			return
		}
		if diff := cmp.Diff(want, got); diff != "" || status != strictStatus {
			t.Fatalf("%d became %d (-strict +lenient):\n%s", strictStatus, status, diff)
		}
	})
}
