package scim_test

import (
	"encoding/json"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"example.com/entra-scim-proxy/proxy/scim"
)

func TestCompleteVectors(t *testing.T) {
	seen := 0
	for _, v := range vectors(t) {
		if v.Kind != "patch-user-with-state" {
			continue
		}
		seen++
		var input struct{ Resource, Patch json.RawMessage }
		if err := json.Unmarshal(v.Input, &input); err != nil {
			t.Fatal(err)
		}
		n := v.normalizer(t, all(t).With(scim.MissingTarget))
		patch, _, err := request(n, scim.Patch, input.Patch)
		if err != nil || !n.NeedsResource(patch) {
			t.Fatalf("%s: needs no resource, %v", v.Name, err)
		}
		output, fired := n.Complete(patch, input.Resource)
		if diff := gocmp.Diff(decoded(t, v.Expected), decoded(t, output)); diff != "" || !fired.Has(scim.MissingTarget) {
			t.Errorf("%s: -want +got, by %q:\n%s", v.Name, fired, diff)
		}
	}
	if seen != 2 {
		t.Errorf("%d vectors were seen", seen)
	}
}

const unchanged = "unchanged"

// targetCases are operations, the resource, and what becomes of them.
var targetCases = map[string]struct{ operations, resource, want string }{
	"the element is there": {
		`{"op":"replace","path":"emails[type eq \"work\"].value","value":"x"}`,
		`{"id":"1","emails":[{"type":"home"},{"type":"WORK"}]}`, unchanged,
	},
	"names in other case": {
		`{"op":"replace","path":"emails[type eq \"work\"].value","value":"x"}`,
		`{"ID":"1","Emails":[{"TYPE":"Work"}]}`, unchanged,
	},
	"two elements, and white space": {
		`{"op":"add" , "path":"phoneNumbers[type eq \"mobile\"].value","value":"1"}, {"op":"add","path":"phoneNumbers[type eq \"fax\"].value","value":"2"}`,
		`{"id":"1","phoneNumbers":null}`,
		`{"op":"add" , "path":"phoneNumbers","value":[{"type":"mobile","value":"1"}]}, {"op":"add","path":"phoneNumbers","value":[{"type":"fax","value":"2"}]}`,
	},
	"only one of two is missing": {
		`{"op":"replace","path":"phoneNumbers[type eq \"mobile\"].value","value":"1"},{"op":"replace","path":"phoneNumbers[type eq \"fax\"].value","value":"2"}`,
		`{"id":"1","phoneNumbers":[{"type":"mobile"}]}`,
		`{"op":"replace","path":"phoneNumbers[type eq \"mobile\"].value","value":"1"},{"op":"add","path":"phoneNumbers","value":[{"type":"fax","value":"2"}]}`,
	},
	"types that differ in case are one": {
		`{"op":"add","path":"addresses[type eq \"work\"].locality","value":"Oslo"},{"op":"add","path":"title","value":"x"},{"op":"add","path":"addresses[type eq \"Work\"].country","value":"NO"}`,
		`{"id":"1"}`,
		`{"op":"add","path":"addresses","value":[{"type":"work","locality":"Oslo","country":"NO"}]},{"op":"add","path":"title","value":"x"}`,
	},
	"the last of two values counts": {
		`{"op":"add","path":"emails[type eq \"work\"].value","value":"x"},{"op":"replace","path":"emails[type eq \"work\"].value","value":"y"}`,
		`{"id":"1"}`,
		`{"op":"add","path":"emails","value":[{"type":"work","value":"y"}]}`,
	},
	"primary": {
		`{"op":"replace","path":"roles[primary eq true].value","value":"x"}`,
		`{"id":"1","roles":[{"primary":false},{"value":"y"}]}`,
		`{"op":"add","path":"roles","value":[{"primary":true,"value":"x"}]}`,
	},
	"primary as a string": {
		`{"op":"replace","path":"roles[primary eq true].value","value":"x"}`, `{"id":"1","roles":[{"primary":"True"}]}`, unchanged,
	},
	"primary compared with a string": {
		`{"op":"replace","path":"roles[primary eq \"True\"].value","value":"x"}`, `{"id":"1","roles":[{"primary":false,"value":"y"}]}`,
		`{"op":"add","path":"roles","value":[{"primary":true,"value":"x"}]}`,
	},
	"primary compared with a string, and there": {
		`{"op":"replace","path":"roles[primary eq \"True\"].value","value":"x"}`, `{"id":"1","roles":[{"primary":true,"value":"y"}]}`, unchanged,
	},
	"primary compared with the string false": {
		`{"op":"replace","path":"roles[primary eq \"False\"].value","value":"x"}`, `{"id":"1"}`, unchanged,
	},
	"another operation makes it match": {
		`{"op":"add","path":"emails[value eq \"x\"].type","value":"work"},{"op":"add","path":"emails[type eq \"work\"].value","value":"w"}`,
		`{"id":"1","emails":[{"value":"x"}]}`, unchanged,
	},
	"an element without a value": {
		`{"op":"add","path":"emails[type eq \"work\"].primary","value":true}`, `{"id":"1"}`, unchanged,
	},
	"an element with an empty value": {
		`{"op":"add","path":"emails[type eq \"work\"].value","value":""}`, `{"id":"1"}`, unchanged,
	},
	"another operation removes a schema": {
		`{"op":"remove","path":"urn:ietf:params:scim:schemas:core:2.0:User"},{"op":"add","path":"emails[type eq \"work\"].value","value":"w"}`, `{"id":"1"}`, unchanged,
	},
	"a list instead of a resource": {
		`{"op":"add","path":"emails[type eq \"work\"].value","value":"w"}`, `{"id":"1","Resources":[]}`, unchanged,
	},
	"an empty id": {
		`{"op":"add","path":"emails[type eq \"work\"].value","value":"w"}`, `{"id":""}`, unchanged,
	},
	"a qualified path": {
		`{"op":"replace","path":"urn:ietf:params:scim:schemas:core:2.0:User:emails[type eq \"work\"].value","value":"x"}`, `{"id":"1"}`,
		`{"op":"add","path":"urn:ietf:params:scim:schemas:core:2.0:User:emails","value":[{"type":"work","value":"x"}]}`,
	},
	"a type that needs escapes": {
		`{"op":"replace","path":"emails[type eq \"a\\\"b\"].value","value":"x"}`, `{"id":"1","emails":[{"type":"b"}]}`,
		`{"op":"add","path":"emails","value":[{"type":"a\"b","value":"x"}]}`,
	},
	"not primary may mean anything": {
		`{"op":"replace","path":"roles[primary eq false].value","value":"x"}`, `{"id":"1"}`, unchanged,
	},
	"a filter of two": {
		`{"op":"replace","path":"emails[type eq \"work\" and primary eq true].value","value":"x"}`, `{"id":"1"}`, unchanged,
	},
	"another operator": {
		`{"op":"replace","path":"emails[type sw \"work\"].value","value":"x"}`, `{"id":"1"}`, unchanged,
	},
	"members": {
		`{"op":"replace","path":"members[value eq \"u1\"].display","value":"x"}`, `{"id":"1"}`, unchanged,
	},
	"a custom attribute": {
		`{"op":"replace","path":"badges[type eq \"u1\"].display","value":"x"}`, `{"id":"1"}`, unchanged,
	},
	"the sub-attribute that is compared": {
		`{"op":"replace","path":"emails[type eq \"work\"].type","value":"home"}`, `{"id":"1"}`, unchanged,
	},
	"a remove with a value": {
		`{"op":"remove","path":"emails[type eq \"work\"].value","value":"x"}`, `{"id":"1"}`, unchanged,
	},
	"groups": {
		`{"op":"add","path":"groups[value eq \"g1\"].display","value":"x"},{"op":"add","path":"groups[display eq \"g1\"].value","value":"x"}`, `{"id":"1"}`, unchanged,
	},
	"members by another name": {
		`{"op":"add","path":"members[display eq \"u1\"].value","value":"x"}`, `{"id":"1"}`, unchanged,
	},
	"a filter on what nobody knows": {
		`{"op":"add","path":"emails[foo eq \"work\"].value","value":"x"}`, `{"id":"1"}`, unchanged,
	},
	"null": {
		`{"op":"add","path":"emails[type eq \"work\"].value","value":null}`, `{"id":"1"}`, unchanged,
	},
	"a remove": {
		`{"op":"remove","path":"emails[type eq \"work\"].value"}`, `{"id":"1"}`, unchanged,
	},
	"another operation adds elements": {
		`{"op":"add","path":"emails","value":[{"type":"work"}]},{"op":"replace","path":"emails[type eq \"work\"].value","value":"x"}`, `{"id":"1"}`, unchanged,
	},
	"another operation adds elements without a path": {
		`{"op":"add","value":{"emails":[{"type":"work"}]}},{"op":"replace","path":"emails[type eq \"work\"].value","value":"x"}`, `{"id":"1"}`, unchanged,
	},
	"another operation removes elements": {
		`{"op":"remove","path":"emails[type eq \"home\"]"},{"op":"replace","path":"emails[type eq \"work\"].value","value":"x"}`, `{"id":"1"}`, unchanged,
	},
	"an attribute that is no list": {
		`{"op":"replace","path":"emails[type eq \"work\"].value","value":"x"}`, `{"id":"1","emails":{"type":"home"}}`, unchanged,
	},
	"a resource that cannot be read": {
		`{"op":"replace","path":"emails[type eq \"work\"].value","value":"x"}`, `{"id":"1","emails":[`, unchanged,
	},
	"an error instead of a resource": {
		`{"op":"replace","path":"emails[type eq \"work\"].value","value":"x"}`, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"404"}`, unchanged,
	},
	"a resource that is none": {
		`{"op":"replace","path":"emails[type eq \"work\"].value","value":"x"}`, `[]`, unchanged,
	},
}

func TestComplete(t *testing.T) {
	n := known(t, all(t).With(scim.MissingTarget))
	for name, test := range targetCases {
		patch := []byte(` {"Operations":[` + test.operations + `],"x":1.0} `)
		output, fired := n.Complete(patch, []byte(test.resource))
		if test.want == unchanged {
			if fired != 0 || &output[0] != &patch[0] {
				t.Errorf("%s: by %q: %s", name, fired, output)
			}
			continue
		}
		if want := ` {"Operations":[` + test.want + `],"x":1.0} `; string(output) != want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, output, want)
		}
	}
}

func TestNeedsResource(t *testing.T) {
	aimed := []byte(`{"Operations":[{"op":"replace","path":"emails[type eq \"work\"].value","value":"x"}]}`)
	if known(t, all(t)).NeedsResource(aimed) {
		t.Error("without the rule")
	}
	n := known(t, all(t).With(scim.MissingTarget))
	if !n.NeedsResource(aimed) {
		t.Error("not for a filter")
	}
	for _, patch := range []string{``, `{`, `{}`, `[]`, `{"Operations":[{"op":"replace","path":"title","value":"x"}]}`} {
		if n.NeedsResource([]byte(patch)) {
			t.Errorf("for %s", patch)
		}
	}
}
