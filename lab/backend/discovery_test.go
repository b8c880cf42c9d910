package backend

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// definitionsBehind gets a list of discovery and every definition in it again
// by its location, which must be the same.
func definitionsBehind(t *testing.T, l *lab, endpoint string) map[string]map[string]any {
	t.Helper()
	got := l.must(t, 200, http.MethodGet, "/"+endpoint, "")
	list := listOf(got["Resources"])
	counts := []any{got["schemas"], got["totalResults"], got["startIndex"], got["itemsPerPage"]}
	n := float64(len(list))
	if diff := cmp.Diff([]any{[]any{listURN}, n, 1.0, n}, counts); diff != "" {
		t.Errorf("%s (-want +got):\n%s", endpoint, diff)
	}
	byID := map[string]map[string]any{}
	for _, one := range list {
		id := textOf(objectOf(one)["id"])
		byID[id] = objectOf(one)
		location := textOf(objectOf(objectOf(one)["meta"])["location"])
		path, ok := strings.CutPrefix(location, publicURL)
		if !ok {
			t.Fatalf("%s: location %q", id, location)
		}
		for _, path := range []string{path, "/" + endpoint + "/" + url.QueryEscape(strings.ToUpper(id))} {
			if diff := cmp.Diff(one, any(l.must(t, 200, http.MethodGet, path, ""))); diff != "" {
				t.Errorf("%s (-listed +got):\n%s", path, diff)
			}
		}
	}
	return byID
}

func TestResourceTypes(t *testing.T) {
	l := newLab(t)
	want := l.parsed(t, `{
		"User": {"schemas":["`+resourceTypeURN+`"],"id":"User","name":"User","description":"User Account","endpoint":"/Users",
			"schema":"`+userURN+`","schemaExtensions":[{"schema":"`+enterpriseURN+`","required":false}],
			"meta":{"resourceType":"ResourceType","location":"`+publicURL+`/ResourceTypes/User"}},
		"Group": {"schemas":["`+resourceTypeURN+`"],"id":"Group","name":"Group","description":"Group","endpoint":"/Groups",
			"schema":"`+groupURN+`","meta":{"resourceType":"ResourceType","location":"`+publicURL+`/ResourceTypes/Group"}}}`)
	got := map[string]any{}
	for id, one := range definitionsBehind(t, l, "ResourceTypes") {
		got[id] = one
	}
	if diff := cmp.Diff(want, any(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSchemas(t *testing.T) {
	l := newLab(t)
	schemas := definitionsBehind(t, l, "Schemas")
	if len(schemas) != 3 {
		t.Errorf("%d schemas, want 3", len(schemas))
	}
	attributes := map[string]any{}
	for id, one := range schemas {
		if diff := cmp.Diff([]any{schemaURN}, one["schemas"]); diff != "" || one["name"] == "" || one["description"] == "" {
			t.Errorf("%s is %v", id, one)
		}
		for _, a := range listOf(one["attributes"]) {
			attributes[strings.TrimPrefix(id, "urn:ietf:params:scim:schemas:")+":"+textOf(objectOf(a)["name"])] = a
		}
	}
	const text = `"type":"string","multiValued":false,"required":false,"caseExact":false,"mutability":"readWrite","returned":"default","uniqueness":"none"`
	for name, want := range map[string]string{
		"core:2.0:User:userName": `{"name":"userName","type":"string","multiValued":false,"required":true,"caseExact":false,
			"mutability":"readWrite","returned":"default","uniqueness":"server"}`,
		"core:2.0:User:displayName": `{"name":"displayName",` + text + `}`,
		"core:2.0:User:active": `{"name":"active","type":"boolean","multiValued":false,"required":false,
			"mutability":"readWrite","returned":"default"}`,
		"core:2.0:User:emails": `{"name":"emails","type":"complex","multiValued":true,"required":false,"mutability":"readWrite",
			"returned":"default","subAttributes":[{"name":"value",` + text + `},{"name":"display",` + text + `},{"name":"type",` + text + `},
			{"name":"primary","type":"boolean","multiValued":false,"required":false,"mutability":"readWrite","returned":"default"}]}`,
		"core:2.0:Group:displayName": `{"name":"displayName","type":"string","multiValued":false,"required":true,"caseExact":false,
			"mutability":"readWrite","returned":"default","uniqueness":"server"}`,
		"core:2.0:Group:members": `{"name":"members","type":"complex","multiValued":true,"required":false,"mutability":"readWrite",
			"returned":"default","subAttributes":[
			{"name":"value","type":"string","multiValued":false,"required":true,"caseExact":true,"mutability":"immutable","returned":"default","uniqueness":"none"},
			{"name":"$ref","type":"reference","referenceTypes":["User","Group"],"multiValued":false,"required":false,"caseExact":true,
				"mutability":"immutable","returned":"default","uniqueness":"none"},
			{"name":"type","type":"string","multiValued":false,"required":false,"caseExact":false,"mutability":"immutable","returned":"default","uniqueness":"none"},
			{"name":"display","type":"string","multiValued":false,"required":false,"caseExact":false,"mutability":"readOnly","returned":"default","uniqueness":"none"}]}`,
		"extension:enterprise:2.0:User:department": `{"name":"department",` + text + `}`,
		// Common attributes are in no schema (RFC 7643 section 3).
		"core:2.0:User:id": `null`, "core:2.0:Group:externalId": `null`, "core:2.0:User:meta": `null`, "core:2.0:User:schemas": `null`,
	} {
		if diff := cmp.Diff(l.parsed(t, want), attributes[name]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestSchemasSayWhatResourcesHold holds that nothing is in a resource that its
// schemas do not name.
func TestSchemasSayWhatResourcesHold(t *testing.T) {
	l := peopled(t)
	named := map[string]bool{"id": true, "meta": true, "schemas": true, "externalId": true}
	for urn, one := range definitionsBehind(t, l, "Schemas") {
		named[urn] = true
		for _, a := range listOf(one["attributes"]) {
			named[textOf(objectOf(a)["name"])] = true
		}
	}
	for _, path := range []string{"/Users/{jane}", "/Groups/{team}"} {
		for name := range l.must(t, 200, http.MethodGet, path, "") {
			if !named[name] {
				t.Errorf("%s holds %s, which no schema names", path, name)
			}
		}
	}
}

func TestDiscoveryRefusals(t *testing.T) {
	l := newLab(t)
	for _, path := range []string{"/ServiceProviderConfig", "/Schemas", "/ResourceTypes", "/Schemas/" + userURN, "/ResourceTypes/User"} {
		wantError(t, l.do(t, http.MethodGet, path+"?filter=id+pr", ""), 403, "")
		wantError(t, l.do(t, http.MethodPost, path, "{}"), 405, "")
		// RFC 7644 section 4: other parameters are ignored.
		if diff := cmp.Diff(l.do(t, http.MethodGet, path, "").raw, l.do(t, http.MethodGet, path+"?count=0&startIndex=2", "").raw); diff != "" {
			t.Errorf("%s with paging (-without +with):\n%s", path, diff)
		}
	}
	for _, path := range []string{"/schemas", "/Schemas/", "/Schemas/urn:x", "/Schemas/User", "/ResourceTypes/Users", "/ResourceTypes/User/x", "/ServiceProviderConfig/x"} {
		wantError(t, l.do(t, http.MethodGet, path, ""), 404, "")
	}
}
