package entra

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// parsed is a JSON object in a test.
func parsed(t testing.TB, text string) map[string]any {
	t.Helper()
	var body map[string]any
	if err := json.Unmarshal([]byte(text), &body); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return body
}

// listOf is a ListResponse.
func listOf(total, more, resources string) string {
	return `{"schemas":["` + listSchema + `"],"totalResults":` + total + more + `,"Resources":[` + resources + `]}`
}

const (
	goodAttribute = `{"name":"userName","type":"string","multiValued":false,"mutability":"readWrite","returned":"default","uniqueness":"server"}`
	goodUser      = `{"id":"` + userSchema + `","name":"User Account","attributes":[` + goodAttribute + `],"meta":{"resourceType":"Schema"}}`
	goodGroup     = `{"id":"` + groupSchema + `","name":"Group","attributes":[{"name":"members","type":"complex","subAttributes":[{"name":"$ref","type":"reference"}]}]}`
)

func TestJudgesOfChecks(t *testing.T) {
	edited := func(text, old, new string) string {
		t.Helper()
		if !strings.Contains(text, old) {
			t.Fatalf("no %s in %s", old, text)
		}
		return strings.Replace(text, old, new, 1)
	}
	const six, page = `"startIndex":6,"itemsPerPage":`, `{"id":"a"},{"id":"b"}`
	schemas := listOf("2", "", goodUser+","+goodGroup)
	wholeTeam := hasMembers([]string{"user", "manager"})
	for _, test := range []struct {
		name, body string
		judge      judge
		want       string // start of the reason; empty for none
	}{
		{"duplicate", conflictBody, isDuplicate, ""},
		{"duplicate without scimType", edited(conflictBody, "uniqueness", ""), isDuplicate, `want scimType "uniqueness" in the SCIM Error, got ""`},
		{"duplicate that is no SCIM Error", `{"scimType":"uniqueness"}`, isDuplicate, "schemas does not name"},

		{"members", `{"id":"g","members":[{"value":"m"},{"value":"u"}]}`, wholeTeam, ""},
		{"members of another", `{"id":"x","members":[{"value":"m"},{"value":"u"}]}`, wholeTeam, "the id is that of another resource"},
		{"member missing", `{"id":"g","members":[{"value":"u"},{"value":"x"}]}`, wholeTeam, `"manager" is not among the 2 members`},
		{"member too many", `{"id":"g","members":[{"value":"u"},{"value":"m"},{"value":"x"}]}`, wholeTeam, "want 2 members, got 3"},
		{"member twice", `{"id":"g","members":[{"value":"u"},{"value":"m"},{"value":"u"}]}`, wholeTeam, "want 2 members, got 3"},
		{"members an object", `{"id":"g","members":{"value":"u"}}`, wholeTeam, "members is no array"},
		{"no members, as wanted", `{"id":"g"}`, hasMembers(nil), ""},
		{"an empty array, as wanted", `{"id":"g","members":[]}`, hasMembers(nil), ""},

		{"page", listOf("7", ","+six+"2", page), isPage(6, map[string]bool{"z": true}), ""},
		{"page without schema", edited(listOf("7", ","+six+"2", page), listSchema, ""), isPage(6, map[string]bool{}), "schemas does not name"},
		{"page of a short list", listOf("5", ","+six+"2", page), isPage(6, map[string]bool{}), "want totalResults above 5, got 5"},
		{"page without a total", listOf("null", ","+six+"2", page), isPage(6, map[string]bool{}), "totalResults is null"},
		{"empty page", listOf("7", ","+six+"0", ""), isPage(6, map[string]bool{}), "the page is empty"},
		{"long page", listOf("7", ","+six+"6", page+","+page+","+page), isPage(6, map[string]bool{}), "want 5 resources at most, got 6"},
		{"page that starts elsewhere", listOf("7", ","+six+"2", page), isPage(1, map[string]bool{}), "want startIndex 1, got 6"},
		{"page without startIndex", listOf("7", `,"itemsPerPage":2`, page), isPage(6, map[string]bool{}), "want startIndex 6, got null"},
		{"page counted wrongly", listOf("7", ","+six+"5", page), isPage(6, map[string]bool{}), "itemsPerPage is 5 for 2 resources"},
		{"page with somebody shown", listOf("7", ","+six+"2", page), isPage(6, map[string]bool{"b": true}), "a resource is shown twice"},
		{"page with one twice", listOf("7", ","+six+"2", `{"id":"a"},{"id":"a"}`), isPage(6, map[string]bool{}), "a resource is shown twice"},
		{"page without ids", listOf("7", ","+six+"1", `{}`), isPage(6, map[string]bool{}), "a resource has no id"},
		{"past the end", listOf("7", "", ""), isPastEnd, ""},
		{"past the end, somebody", listOf("7", "", page), isPastEnd, "want no resources beyond the last, got 2"},
		{"past the end, null", edited(listOf("7", "", ""), "[]", "null"), isPastEnd, "the list has no array Resources"},

		{"schemas", schemas, isSchemas, ""},
		{"schemas counted wrongly", edited(schemas, `"totalResults":2`, `"totalResults":3`), isSchemas, "want totalResults 2, got 3"},
		{"no group", listOf("1", "", goodUser), isSchemas, "there is no schema " + groupSchema},
		{"no user", listOf("1", "", goodGroup), isSchemas, "there is no schema " + userSchema},
		{"no schema", listOf("0", "", ""), isSchemas, "there is no schema " + userSchema + ", nor " + groupSchema},
		{"schema without id", edited(schemas, `"id"`, `"urn"`), isSchemas, "a schema has no id"},
		{"schema without attributes", edited(schemas, goodAttribute, ""), isSchemas, `the schema "` + userSchema + `" has no attributes`},
		{"a null", edited(schemas, `"returned":"default"`, `"returned":null`), isSchemas, userSchema + ".attributes: userName.returned is null"},
		{"a null among attributes", edited(schemas, goodAttribute, goodAttribute+",null"), isSchemas, userSchema + ".attributes[1] is null"},
		{"a null in a sub-attribute", edited(schemas, `"reference"`, `"reference","description":null`), isSchemas,
			groupSchema + ".attributes: members.subAttributes: $ref.description is null"},
		{"a key in Pascal case", edited(schemas, `"multiValued"`, `"MultiValued"`), isSchemas,
			userSchema + `.attributes: userName: "MultiValued" is not in camel case`},
		{"a name in Pascal case", edited(schemas, `"userName"`, `"UserName"`), isSchemas,
			userSchema + `.attributes: UserName: name "UserName" is not in camel case`},
		{"a word in Pascal case", edited(schemas, `"readWrite"`, `"ReadWrite"`), isSchemas,
			userSchema + `.attributes: userName: mutability "ReadWrite" is not in camel case`},
		{"a word with an underscore", edited(schemas, `"readWrite"`, `"read_write"`), isSchemas,
			userSchema + `.attributes: userName: mutability "read_write" is not in camel case`},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := &memory{ids: map[string]string{"group": "g", "user": "u", "manager": "m"}}
			got := ""
			if err := test.judge(m, parsed(t, test.body)); err != nil {
				got = err.Error()
			}
			if !strings.HasPrefix(got, test.want) || (test.want == "") != (got == "") {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// A start index that lies beyond the last page whoever comes in between.
func TestAPageTellsWhereTheEndIs(t *testing.T) {
	m := &memory{ids: map[string]string{}}
	if err := isPage(1, map[string]bool{})(m, parsed(t, listOf("12", `,"startIndex":1,"itemsPerPage":1`, `{"id":"a"}`))); err != nil {
		t.Fatal(err)
	}
	if got := m.ids[beyondLast]; got != "1012" {
		t.Errorf("got %q", got)
	}
}

func TestAssign(t *testing.T) {
	const start = `{"title":"A","name":{"givenName":"B"},"emails":[{"type":"home","value":"h"},{"type":"work","value":"w","primary":true}]}`
	for path, want := range map[string]string{
		"title":                            `{"title":"X"}`,
		"name.givenName":                   `{"name":{"givenName":"X"}}`,
		"name.familyName":                  `{"name":{"givenName":"B","familyName":"X"}}`,
		workEmail:                          `{"emails":[{"type":"home","value":"h"},{"type":"work","value":"X","primary":true}]}`,
		mobilePhone:                        `{"phoneNumbers":[{"type":"mobile","value":"X"}]}`,
		`addresses[type eq "work"].region`: `{"addresses":[{"type":"work","region":"X"}]}`,
		department:                         `{"` + enterpriseSchema + `":{"department":"X"}}`,
		manager + ".value":                 `{"` + enterpriseSchema + `":{"manager":{"value":"X"}}}`,
	} {
		got, expected := parsed(t, start), parsed(t, start)
		maps.Copy(expected, parsed(t, want))
		assign(got, path, "X")
		if diff := cmp.Diff(expected, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

// No answer, however odd, ends a run.
func FuzzJudgesOfChecks(f *testing.F) {
	for _, seed := range []string{
		conflictBody, twoMatches, emptyList, listOf("2", "", goodUser+","+goodGroup), listOf("7", `,"startIndex":6,"itemsPerPage":1`, `{"id":"a"}`),
		`{"id":"g","members":[{"value":"u"},null,1]}`, `{"Resources":[{"attributes":[[null]]}]}`, `null`, `{"totalResults":1e400}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var body map[string]any
		known := json.Unmarshal(data, &body) == nil
		for name, judge := range map[string]judge{
			"duplicate": isDuplicate, "members": hasMembers([]string{"user"}), "page": isPage(6, map[string]bool{}),
			"past the end": isPastEnd, "schemas": isSchemas,
		} {
			m := &memory{ids: map[string]string{"group": "g", "user": "u"}}
			if known {
				_ = judge(m, body) // must not panic
			}
			s := step{keep: "user", want: wantPrepared, given: true, judge: judge}
			if err := examine(m, s, answer{status: 200, body: data}); err == nil && !known {
				t.Errorf("%s took %q", name, data)
			}
		}
	})
}
