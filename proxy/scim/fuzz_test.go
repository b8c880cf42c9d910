package scim_test

import (
	"bytes"
	"encoding/json"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"example.com/entra-scim-proxy/proxy/scim"
)

// seeds adds the bodies of all vectors and cases.
func seeds(f *testing.F, add func(kind scim.Body, body string)) {
	f.Helper()
	for _, v := range vectors(f) {
		if kind, ok := bodies[v.Kind]; ok {
			add(kind, string(v.Input))
		}
	}
	for _, c := range ruleCases(f) {
		add(c.kind, c.input)
	}
}

// everyRule includes those by name only.
const everyRule = ^uint64(0)

func FuzzRequest(f *testing.F) {
	seeds(f, func(kind scim.Body, body string) { f.Add(int(kind), everyRule, body) })
	f.Fuzz(func(t *testing.T, kind int, rules uint64, body string) {
		checkRequest(t, scim.Body(uint(kind)%3), scim.Set(rules), body)
	})
}

// The parts that FuzzShapes makes bodies of.
var (
	shapeNames = []string{
		"active", "Active", "name", "name.givenName", "Name.GivenName", "title", "Title", "emails", "Emails", "roles", "Roles",
		"members", "Members", "manager", "Manager", "manager.value", "value", "Value", "$ref", "$REF", "primary", "Primary",
		"type", "display", "displayName", "DisplayName", "id", "schemas", "Schemas", "custom", "a.b", "addresses", "meta",
		`emails[type eq \"work\"].value`, `Emails[Type eq \"work\"].Value`, `roles[primary eq \"True\"].value`, `members[value eq \"u1\"]`,
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User", "urn:ietf:params:scim:schemas:extension:enterprise:2.0User",
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User.Manager",
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:Department", "urn:ietf:params:scim:schemas:core:2.0:User:Active",
		"urn:ietf:params:scim:schemas:core:2.0:Group", "urn:example:site:1.0:User", "urn:example:site:1.0:User:x.y", "urn:x:unknown:1.0:User.a",
		"urn:ietf:params:scim:schemas:extension:custom:2.0:User", customSchema + "isContractor", customSchema + "badges.isNew",
		customSchema + "number", customSchema + "tags", "isContractor", "number", "tags", "badges", "",
	}
	shapeScalars = []string{
		"null", "true", "1", "-0", "12345678901234567890", `"True"`, `"false"`, `""`, `"271"`, `"x"`, `"\u0054rue"`, "{}", "[]",
		`"{\"value\":\"A\"}"`, `"{\"Value\":\"{}\",\"id\":null}"`, `"urn:ietf:params:scim:schemas:core:2.0User"`,
		`"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"`,
		`"http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"`,
	}
	shapeVerbs = []string{"add", "Add", "replace", "Replace", "remove", "Remove", "REMOVE", "move"}
)

// shape reads choices and makes a body of them.
type shape struct{ choices []byte }

func (s *shape) choose(n int) int {
	if len(s.choices) == 0 {
		return 0
	}
	c := s.choices[0]
	s.choices = s.choices[1:]
	return int(c) % n
}

func (s *shape) value(depth int) string {
	kind := s.choose(4)
	if depth == 0 || kind < 2 {
		return shapeScalars[s.choose(len(shapeScalars))]
	}
	var parts []string
	for range s.choose(4) {
		part := s.value(depth - 1)
		if kind == 2 {
			part = `"` + shapeNames[s.choose(len(shapeNames))] + `" : ` + part
		}
		parts = append(parts, part)
	}
	if kind == 2 {
		return "{ " + strings.Join(parts, " , ") + " }"
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

func (s *shape) body(kind scim.Body) string {
	if kind != scim.Patch {
		return s.value(5)
	}
	var operations []string
	for range 1 + s.choose(3) {
		operation := `{"op":"` + shapeVerbs[s.choose(len(shapeVerbs))] + `"`
		if s.choose(3) > 0 {
			operation += `,"path":"` + shapeNames[s.choose(len(shapeNames))] + `"`
		}
		if s.choose(4) > 0 {
			operation += `, "value": ` + s.value(4)
		}
		operations = append(operations, operation+"}")
	}
	return `{"Operations":[` + strings.Join(operations, " ,") + "]} "
}

// addChoices adds n lists of choices, with every rule, to the seeds.
func addChoices(f *testing.F, n int) {
	random := rand.New(rand.NewPCG(1, 2))
	for range n {
		choices := make([]byte, 64)
		for i := range choices {
			choices[i] = byte(random.Uint32())
		}
		f.Add(everyRule, choices)
	}
}

// FuzzShapes makes bodies of parts that mean something, more of which reach the
// rules than of bytes that were changed at random.
func FuzzShapes(f *testing.F) {
	addChoices(f, 64)
	f.Fuzz(func(t *testing.T, rules uint64, choices []byte) {
		s := shape{choices}
		kind := scim.Body(s.choose(3))
		checkRequest(t, kind, scim.Set(rules), s.body(kind))
	})
}

// checkRequest holds a normalization to the contract.
func checkRequest(t *testing.T, kind scim.Body, rules scim.Set, body string) {
	t.Helper()
	n := known(t, rules)
	input := []byte(body)
	output, fired, err := request(n, kind, input)
	switch {
	case string(input) != body:
		t.Fatal("the input was overwritten")
	case err != nil:
		if output != nil || fired != 0 {
			t.Fatalf("an error and output: %s", output)
		}
		return
	case fired == 0:
		if len(output) != len(input) || len(output) > 0 && &output[0] != &input[0] {
			t.Fatal("no rule fired, but the result is another slice")
		}
		return
	case fired&^rules != 0:
		t.Fatalf("%s fired, which is off", fired&^rules)
	}
	if !json.Valid(output) {
		t.Fatalf("not valid: %q", output)
	}
	for _, number := range numbers(t, output) {
		if !bytes.Contains(unescaped(input), []byte(number)) {
			t.Fatalf("number %s is new", number)
		}
	}
	again, fired, err := request(n, kind, output)
	if err != nil || fired != 0 {
		t.Fatalf("a second time, by %s, %v:\n%s\n%s\n%s", fired, err, input, output, again)
	}
}

// known returns a normalizer that knows the custom attributes of the cases.
func known(t testing.TB, rules scim.Set, drop ...string) *scim.Normalizer {
	t.Helper()
	n, err := scim.New(scim.Options{
		Rules: rules, Drop: drop, Extensions: []string{"urn:example:site:1.0:User"},
		Booleans: []string{customSchema + "isContractor", customSchema + "badges.isNew", "urn:ietf:params:scim:schemas:core:2.0:User:vip"},
		Integers: []string{customSchema + "number"}, Multivalued: []string{customSchema + "tags"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// request normalizes a user's body.
func request(n *scim.Normalizer, kind scim.Body, body []byte) ([]byte, scim.Set, error) {
	outcome, err := n.Request(kind, scim.User, body)
	return outcome.Body, outcome.Fired, err
}

func numbers(t *testing.T, text []byte) (all []string) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	for {
		token, err := decoder.Token()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if number, ok := token.(json.Number); ok {
			all = append(all, number.String())
		}
	}
}

// unescaped drops backslashes, so that numbers in strings in strings are found.
func unescaped(text []byte) []byte {
	return slices.DeleteFunc(bytes.Clone(text), func(b byte) bool { return b == '\\' })
}

// cleanOperations are operations as RFC 7644 writes them, to be filled with a
// string.
var cleanOperations = []string{
	`{"op":"add","path":"nickName","value":%q}`,
	`{"op":"replace","path":"name.givenName","value":%q}`,
	`{"op":"replace","value":{"displayName":%[1]q,"name":{"familyName":%[1]q},"emails":[{"value":%[1]q,"type":"work","primary":true}]}}`,
	`{"op":"add","path":"members","value":[{"value":%[1]q,"display":%[1]q},{"value":%[1]q}]}`,
	`{"op":"remove","path":"members"}`,
	`{"op":"remove","path":"emails[type eq \"work\"]"}`,
	`{"op":"replace","path":"emails[type eq \"work\"].value","value":%q}`,
	`{"op":"replace","path":"active","value":false}`,
	`{"op":"add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager","value":{"value":%q}}`,
	`{"op":"replace","path":"urn:ietf:params:scim:schemas:extension:acme:2.0:User:site","value":[%q,12345678901234567890,1.0e+2]}`,
	`{"op":"add","path":"roles","value":[{"value":%[1]q,"display":%[1]q,"type":"x","primary":false}]}`,
	`{"op":"add","value":{"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":%q}}}`,
}

// FuzzClean fills clean operations with any string: none is changed, whatever
// it looks like, but a JSON object as the only member of a role.
func FuzzClean(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, "True")
	f.Add([]byte{3, 3, 0}, `{"value":"x"}`)
	f.Add([]byte{8, 2}, "null")
	f.Add([]byte{9}, "urn:ietf:params:scim:schemas:core:2.0:User")
	f.Fuzz(func(t *testing.T, picked []byte, text string) {
		quoted, err := json.Marshal(text)
		if err != nil || len(text) == 0 {
			return
		}
		body := []byte(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[`)
		for i, b := range picked {
			if i > 0 {
				body = append(body, ',', ' ')
			}
			operation := cleanOperations[int(b)%len(cleanOperations)]
			operation = string(bytes.ReplaceAll(bytes.ReplaceAll([]byte(operation), []byte("%[1]q"), quoted), []byte("%q"), quoted))
			body = append(body, operation...)
		}
		body = append(body, "]}\n"...)
		output, fired, err := request(known(t, all(t)), scim.Patch, body)
		if err != nil || fired != 0 || &output[0] != &body[0] {
			t.Fatalf("by %s, %v: %s", fired, err, output)
		}
	})
}

func FuzzComplete(f *testing.F) {
	for _, v := range vectors(f) {
		if v.Kind == "patch-user-with-state" {
			var input struct{ Resource, Patch json.RawMessage }
			if err := json.Unmarshal(v.Input, &input); err != nil {
				f.Fatal(err)
			}
			f.Add(string(input.Patch), string(input.Resource))
		}
	}
	seeds(f, func(_ scim.Body, body string) { f.Add(body, `{"id":"1","emails":[{"type":"WORK"}]}`) })
	n := known(f, scim.Set(everyRule))
	f.Fuzz(func(t *testing.T, patch, resource string) {
		before := []byte(patch)
		output, fired := n.Complete(before, []byte(resource))
		if fired == 0 {
			if len(output) != len(before) || len(output) > 0 && &output[0] != &before[0] {
				t.Fatal("unchanged, but another slice")
			}
			return
		}
		if !n.NeedsResource(before) {
			t.Fatal("a target, but no resource was needed")
		}
		if !json.Valid(output) {
			t.Fatalf("not valid: %q", output)
		}
		if again, fired := n.Complete(output, []byte(resource)); fired != 0 {
			t.Fatalf("a second time:\n%s\n%s", output, again)
		}
	})
}
