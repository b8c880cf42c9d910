package backend

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEmptyList(t *testing.T) {
	l := newLab(t)
	for _, path := range []string{"/Users", "/Groups", "/Users?startIndex=5"} {
		got := l.must(t, 200, http.MethodGet, path, "")
		delete(got, "startIndex")
		want := map[string]any{"schemas": []any{listURN}, "totalResults": 0.0, "itemsPerPage": 0.0, "Resources": []any{}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

func TestPaging(t *testing.T) {
	l := newLab(t)
	for i := range 7 {
		l.must(t, 201, http.MethodPost, "/Users", user(fmt.Sprintf(`"userName":"u%d@example.com"`, i+1)))
	}
	for _, test := range []struct {
		query      string
		total      int
		start      int
		first, num int
	}{
		{"", 7, 1, 1, 7},
		{"startIndex=1&count=5", 7, 1, 1, 5},
		{"startIndex=6&count=5", 7, 6, 6, 2},
		{"startIndex=8&count=5", 7, 8, 0, 0},
		{"startIndex=3", 7, 3, 3, 5},
		{"startIndex=0&count=2", 7, 1, 1, 2},
		{"startIndex=-3&count=2", 7, 1, 1, 2},
		{"count=0", 7, 1, 0, 0},
		{"count=-1", 7, 1, 0, 0},
		{"startIndex=2&count=2&filter=userName+gt+%22u4%22", 4, 2, 5, 2},
		{"startIndex=9223372036854775807&count=9223372036854775807", 7, 9223372036854775807, 0, 0},
	} {
		t.Run(test.query, func(t *testing.T) {
			got := l.must(t, 200, http.MethodGet, "/Users?"+test.query, "")
			names := []string{}
			for _, resource := range listOf(got["Resources"]) {
				names = append(names, textOf(objectOf(resource)["userName"]))
			}
			want := []string{}
			for i := range test.num {
				want = append(want, fmt.Sprintf("u%d@example.com", test.first+i))
			}
			if diff := cmp.Diff(want, names); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			counts := []any{got["totalResults"], got["startIndex"], got["itemsPerPage"]}
			if diff := cmp.Diff([]any{float64(test.total), float64(test.start), float64(test.num)}, counts); diff != "" {
				t.Errorf("totalResults, startIndex, itemsPerPage (-want +got):\n%s", diff)
			}
		})
	}
	for _, query := range []string{"count=x", "count=", "startIndex=1.5", "startIndex=99999999999999999999"} {
		wantError(t, l.do(t, http.MethodGet, "/Users?"+query, ""), 400, invalidValue)
	}
}

func TestProjection(t *testing.T) {
	l := peopled(t)
	const schemas = `"schemas":["` + userURN + `","` + enterpriseURN + `"],"id":"{jane}"`
	for _, test := range []struct{ path, want string }{
		{"/Users/{jane}?attributes=id", `{` + schemas + `}`},
		{"/Users/{jane}?attributes=USERNAME,title", `{` + schemas + `,"userName":"jane@contoso.com","title":"Engineer"}`},
		{"/Users/{jane}?attributes=name.givenName,%20emails.type", `{` + schemas + `,"name":{"givenName":"Jane"},"emails":[{"type":"work"},{"type":"home"}]}`},
		{"/Users/{jane}?attributes=emails,emails.type,emails.display", `{` + schemas + `,"emails":[
			{"type":"work","value":"jane@contoso.com","primary":true},{"type":"home","value":"jane@example.com"}]}`},
		{"/Users/{jane}?attributes=emails.primary", `{` + schemas + `,"emails":[{"primary":true}]}`},
		{"/Users/{jane}?attributes=" + userURN + ":title", `{` + schemas + `,"title":"Engineer"}`},
		{"/Users/{jane}?attributes=" + enterpriseURN + ":department", `{` + schemas + `,"` + enterpriseURN + `":{"department":"Sales"}}`},
		{"/Users/{jane}?attributes=" + enterpriseURN, `{` + schemas + `,"` + enterpriseURN + `":{"department":"Sales","employeeNumber":"007"}}`},
		{"/Users/{jane}?attributes=shoeSize,department", `{` + schemas + `}`},
		{"/Users/{jane}?excludedAttributes=id,schemas,meta,emails,groups,active,externalId,name.familyName," + enterpriseURN + ":department",
			`{` + schemas + `,"userName":"jane@contoso.com","displayName":"Jane Doe","title":"Engineer","name":{"givenName":"Jane"},
				"` + enterpriseURN + `":{"employeeNumber":"007"}}`},
		{"/Users/{jane}?excludedAttributes=meta,emails.value,emails.primary,name,groups,active,externalId," + enterpriseURN,
			`{` + schemas + `,"userName":"jane@contoso.com","displayName":"Jane Doe","title":"Engineer","emails":[{"type":"work"},{"type":"home"}]}`},
		{"/Groups/{team}?excludedAttributes=members,meta", `{"schemas":["` + groupURN + `"],"id":"{team}","displayName":"Team"}`},
		{"/Groups/{team}?attributes=members.value", `{"schemas":["` + groupURN + `"],"id":"{team}","members":[{"value":"{jane}"}]}`},
	} {
		t.Run(test.path, func(t *testing.T) {
			if diff := cmp.Diff(l.parsed(t, test.want), any(l.must(t, 200, http.MethodGet, test.path, ""))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	t.Run("list", func(t *testing.T) {
		got := l.must(t, 200, http.MethodGet, "/Groups?excludedAttributes=members,meta&filter=displayName+eq+%22team%22", "")
		want := l.parsed(t, `[{"schemas":["`+groupURN+`"],"id":"{team}","displayName":"Team"}]`)
		if diff := cmp.Diff(want, got["Resources"]); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("patch", func(t *testing.T) {
		got := l.must(t, 200, http.MethodPatch, "/Users/{jane}?attributes=title", ops(`{"op":"replace","path":"title","value":"Boss"}`))
		if diff := cmp.Diff(l.parsed(t, `{`+schemas+`,"title":"Boss"}`), any(got)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	for _, query := range []string{"attributes=id&excludedAttributes=members", "attributes=a[b]", "attributes=,", "excludedAttributes=a.b.c"} {
		wantError(t, l.do(t, http.MethodGet, "/Groups?"+query, ""), 400, invalidValue)
	}
}
