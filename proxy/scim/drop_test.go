package scim_test

import (
	"bytes"
	"cmp"
	"errors"
	"os"
	"strings"
	"testing"

	"example.com/entra-scim-proxy/proxy/scim"
)

const (
	coreSchema = "urn:ietf:params:scim:schemas:core:2.0:"
	enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
)

// dropCase is a case of testdata/drop.txt.
type dropCase struct {
	name, rules string
	kind        scim.Body
	of          scim.Resource
	drop        []string
	input, want string
}

func dropCases(t testing.TB) (cases []dropCase) {
	t.Helper()
	data, err := os.ReadFile("testdata/drop.txt")
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]scim.Body{"patch": scim.Patch, "create": scim.Create, "replace": scim.Replace}
	types := map[string]scim.Resource{"user": scim.User, "group": scim.Group}
	lines := strings.Split(string(data), "\n")
	for i := 0; i < len(lines); i++ {
		if lines[i] == "" || strings.HasPrefix(lines[i], "#") {
			continue
		}
		name, rest, _ := strings.Cut(lines[i], ": ")
		words := strings.Fields(rest)
		c := dropCase{
			name: name, kind: kinds[words[0]], of: types[words[1]], drop: strings.Split(words[3], ","),
			input: lines[i+1], want: lines[i+2],
		}
		if c.want == unchanged {
			c.want = c.input
		}
		for _, c.rules = range map[string][]string{"any": {"none", "all"}, "none": {"none"}, "all": {"all"}}[words[2]] {
			cases = append(cases, c)
		}
		i += 2
	}
	if len(cases) < 110 {
		t.Fatalf("only %d cases were read", len(cases))
	}
	return cases
}

func dropping(t testing.TB, rules string, drop ...string) *scim.Normalizer {
	t.Helper()
	set, err := scim.ParseRules(rules)
	if err != nil {
		t.Fatal(err)
	}
	n, err := scim.New(scim.Options{Rules: set, Drop: drop, Extensions: []string{"urn:example:site:1.0:User"}})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestDrop(t *testing.T) {
	for _, c := range dropCases(t) {
		t.Run(c.name+", "+c.rules, func(t *testing.T) {
			n, input := dropping(t, c.rules, c.drop...), []byte(c.input)
			got, err := n.Request(c.kind, c.of, input)
			if string(input) != c.input {
				t.Errorf("the input was overwritten: %s", input)
			}
			if refuse, ok := strings.CutPrefix(c.want, "error "); ok {
				if err == nil || err.Error() != refuse || got.Body != nil {
					t.Fatalf("got %s and error %v\nwant error %s", got.Body, err, refuse)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if c.want == "empty" {
				if !got.Empty || got.Dropped == 0 || got.Body != nil {
					t.Errorf("%d dropped, empty: %t, %s", got.Dropped, got.Empty, got.Body)
				}
				return
			}
			if string(got.Body) != c.want || got.Empty {
				t.Fatalf("empty: %t\ngot  %s\nwant %s", got.Empty, got.Body, c.want)
			}
			if changed := c.want != c.input; changed != (got.Dropped > 0 || got.Fired != 0) || !changed && &got.Body[0] != &input[0] {
				t.Errorf("changed: %t, but %d were dropped and %q fired", changed, got.Dropped, got.Fired)
			}
			again, err := n.Request(c.kind, c.of, got.Body)
			if err != nil || again.Dropped != 0 || again.Fired != 0 || again.Empty || !bytes.Equal(again.Body, got.Body) {
				t.Errorf("a second time: %d and %q, %v: %s", again.Dropped, again.Fired, err, again.Body)
			}
		})
	}
}

func TestDroppedAreCounted(t *testing.T) {
	n := dropping(t, "none", "title", "emails.display", enterprise)
	for body, want := range map[string]int{
		`{"Operations":[{"op":"add","path":"title","value":"x"},{"op":"add","value":{"title":"x","emails":[{"display":"x"},{"display":"y"}]}}]}`: 4,
		`{"Operations":[{"op":"add","value":{"schemas":["` + enterprise + `"],"` + enterprise + `":{"manager":"1","division":"x"}}}]}`:           2,
		`{"Operations":[{"op":"add","path":"nickName","value":"x"}]}`:                                                                            0,
	} {
		got, err := n.Request(scim.Patch, scim.User, []byte(body))
		if err != nil || got.Dropped != want {
			t.Errorf("%d, %v; want %d: %s", got.Dropped, err, want, body)
		}
	}
}

// No rule fires on what is dropped, unless a rule had to bring it to light.
func TestRulesDoNotFireOnWhatIsDropped(t *testing.T) {
	for _, test := range []struct {
		kind             scim.Body
		drop, body, want string
	}{
		{scim.Patch, "Active", `{"op":"Replace","path":"Active","value":"False"},{"op":"add","path":"title","value":"x"}`, ""},
		{scim.Patch, "name", `{"op":"add","value":{"title":"x","name.givenName":"y"}}`, ""},
		{scim.Patch, "x", `{"op":"Add","path":"title","value":"y"},{"op":"Remove","path":"x","value":"y"}`, "op-case"},
		{scim.Patch, "roles.display", `{"op":"Add","path":"roles","value":[{"value":"{\"value\":\"{}\"}"}]}`, "op-case,roles-json"},
		{scim.Create, "title", `{"title":null,"nickName":"x"}`, ""},
		{scim.Create, enterprise, `{"schemas":["urn:ietf:params:scim:schemas:extension:enterprise:2.0User"],"` + enterprise + `":{"manager":"271"},"nickName":"x"}`, ""},
	} {
		body := test.body
		if test.kind == scim.Patch {
			body = `{"Operations":[` + body + `]}`
		}
		got, err := dropping(t, "all", test.drop).Request(test.kind, scim.User, []byte(body))
		if err != nil || got.Fired.String() != test.want {
			t.Errorf("%s, %v; want %s: %s", got.Fired, err, test.want, body)
		}
	}
}

// Without its sub-attribute an element is not looked for, so that none with it
// is added.
func TestMissingTargetRestoresNothing(t *testing.T) {
	set := scim.Set(0).With(scim.MissingTarget)
	for drop, of := range map[string]scim.Resource{
		"emails.display": scim.User, coreSchema + "User:emails.Display": scim.User, coreSchema + "Group:emails.display": scim.Group,
	} {
		n, err := scim.New(scim.Options{Rules: set, Drop: []string{drop}})
		if err != nil {
			t.Fatal(err)
		}
		for body, needs := range map[string]bool{
			`{"Operations":[{"op":"replace","path":"emails[display eq \"x\"].value","value":"a"}]}`:                                                                        false,
			`{"Operations":[{"op":"replace","path":"emails[Display eq \"x\"].value","value":"a"}]}`:                                                                        false,
			`{"Operations":[{"op":"replace","path":"emails[type eq \"work\"].value","value":"a"},{"op":"replace","path":"emails[type eq \"work\"].display","value":"x"}]}`: true,
		} {
			got, err := n.Request(scim.Patch, of, []byte(body))
			if err != nil || n.NeedsResource(got.Body) != needs {
				t.Fatalf("%s: needs %t, %v", body, !needs, err)
			}
			completed, fired := n.Complete(got.Body, []byte(`{"id":"1","emails":[]}`))
			if fired.Has(scim.MissingTarget) != needs || bytes.Contains(completed, []byte(`"display":`)) || bytes.Contains(completed, []byte(`"Display":`)) {
				t.Errorf("by %q: %s", fired, completed)
			}
		}
	}
}

func TestDropNeedsNoRule(t *testing.T) {
	for _, drop := range [][]string{nil, {"title"}, {"urn:ietf:params:scim:schemas:core:2.0:User:title"}, {"urn:ietf:params:scim:schemas:core:2.0:Group:displayName"}} {
		n := dropping(t, "none", drop...)
		for _, kind := range []scim.Body{scim.Patch, scim.Create, scim.Replace} {
			if n.Concerns(kind) != (drop != nil) || n.Drops() != (drop != nil) {
				t.Errorf("%q: concerns %d: %t, drops: %t", drop, kind, n.Concerns(kind), n.Drops())
			}
		}
	}
}

// badDrops are paths that cannot be used, and why.
var badDrops = map[string]string{
	"":                               "no path",
	" title":                         "a blank",
	"a.b.c":                          "two sub-attributes",
	"title.":                         "a dot at the end",
	"name/givenName":                 "no path",
	`emails[type eq "work"]`:         "a filter",
	`emails[type eq "work"].display`: "a filter",
	enterprise + ".department":       "a dot in place of the colon",
	enterprise + ":":                 "no attribute behind the colon",
	enterprise + ".":                 "no attribute behind the dot",
	enterprise + ":a:b":              "no attribute",
	"urn:x:unknown:1.0:User":         "a URI that is not known",
	"urn:x:unknown:1.0:User:title":   "a URI that is not known",
	"urn:ietf:params:scim:schemas:core:2.0:User":                "all there is of a user",
	"URN:ietf:params:scim:schemas:core:2.0:group":               "all there is of a group",
	"urn:ietf:params:scim:schemas:core:2.0:User:":               "all there is of a user",
	"urn:ietf:params:scim:schemas:extension:enterprise:2.0User": "a legacy URI",
	"schemas":                     "no message is valid without",
	"Schemas":                     "no message is valid without",
	"schemas.x":                   "no message is valid without",
	"members.value":               "members would have no identity",
	"emails.Value":                "elements would say nothing",
	enterprise + ":manager.value": "the manager would have no identity",
	"urn:ietf:params:scim:schemas:core:2.0:User:schemas":  "no message is valid without",
	"urn:ietf:params:scim:schemas:core:2.0:group:Schemas": "no message is valid without",
}

func TestBadDrops(t *testing.T) {
	for name, why := range badDrops {
		_, err := scim.New(scim.Options{Drop: []string{"title", name}})
		bad, ok := errors.AsType[*scim.OptionError](err)
		if !ok || bad.Option != "Drop" || bad.Value != name {
			t.Errorf("%q (%s): %v", name, why, err)
		}
	}
}

// A name that no body has changes nothing.
func TestVectorsWithoutWhatIsDropped(t *testing.T) {
	for _, v := range vectors(t) {
		kind, ok := bodies[v.Kind]
		if !ok {
			continue
		}
		for _, of := range []scim.Resource{scim.User, scim.Group} {
			for _, rules := range []scim.Set{0, all(t)} {
				input := []byte(cmp.Or(v.InputRaw, string(v.Input)))
				want, wantErr := v.normalizer(t, rules).Request(kind, of, input)
				got, err := v.normalizer(t, rules, "absent", "name.absent", "emails.absent", "roles.absent", enterprise+":absent.too").Request(kind, of, input)
				if err != nil && wantErr != nil && err.Error() == wantErr.Error() {
					continue
				}
				if err != nil || wantErr != nil || got.Dropped != 0 || got.Empty || got.Fired != want.Fired || !bytes.Equal(got.Body, want.Body) {
					t.Errorf("%s, rules %q: %q, %v and %v\ngot  %s\nwant %s", v.Name, rules, got.Fired, err, wantErr, got.Body, want.Body)
				}
			}
		}
	}
}
