package backend

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// scale is a backend as after a first cycle.
type scale struct {
	backend       *Backend
	users, groups []string // ids
}

// newScale makes users u0 and on, and groups g0 and on of so many members each;
// those of the first group are the first users.
func newScale(t testing.TB, users, groups, members int) *scale {
	t.Helper()
	b, err := New(Options{Token: testToken, BasePath: basePath, PublicURL: publicURL})
	if err != nil {
		t.Fatal(err)
	}
	s := &scale{backend: b}
	for i := range users {
		id, err := b.AddUser(scaleUser(i))
		if err != nil {
			t.Fatal(err)
		}
		s.users = append(s.users, id)
	}
	for i := range groups {
		own := map[string]any{"displayName": fmt.Sprintf("g%d", i), "externalId": fmt.Sprintf("ext-g%d", i)}
		var list []any
		for k := range members {
			list = append(list, map[string]any{"value": s.users[(i*members+k)%users]})
		}
		own["members"] = list
		doc, err := b.store.create(groupType, own, nothing)
		if err != nil {
			t.Fatal(err)
		}
		s.groups = append(s.groups, textOf(doc["id"]))
	}
	return s
}

// scaleUser is a user with what Entra's default mappings send.
func scaleUser(i int) map[string]any {
	mail := fmt.Sprintf("u%d@contoso.com", i)
	return map[string]any{"userName": mail, "externalId": fmt.Sprintf("ext-%d", i), "active": true,
		"displayName": fmt.Sprintf("User %d", i), "title": "Engineer", "preferredLanguage": "en",
		"name":        map[string]any{"givenName": "User", "familyName": fmt.Sprint(i), "formatted": fmt.Sprintf("User %d", i)},
		"emails":      []any{map[string]any{"type": "work", "value": mail, "primary": true}},
		"addresses":   []any{map[string]any{"type": "work", "formatted": "1 Harbour St", "locality": "Oslo", "country": "NO"}},
		enterpriseURN: map[string]any{"department": "Sales", "employeeNumber": fmt.Sprint(i)},
	}
}

// call is one request without a network; it ends the benchmark unless the
// status is as wanted.
func (s *scale) call(t testing.TB, want int, method, target, body string) {
	t.Helper()
	r := httptest.NewRequest(method, basePath+target, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+testToken)
	r.Header.Set("Content-Type", mediaType)
	w := httptest.NewRecorder()
	s.backend.ServeHTTP(w, r)
	if w.Code != want {
		t.Fatalf("%s %s: %d %s", method, target, w.Code, w.Body)
	}
}

// BenchmarkFilter asks among 10,000 users and 50 groups of 1,000 members each
// what Entra asks.
func BenchmarkFilter(b *testing.B) {
	s := newScale(b, 10_000, 50, 1_000)
	for _, test := range []struct{ name, path, filter string }{
		{"userName/hit", "/Users?", `userName eq "u7000@contoso.com"`},
		{"userName/miss", "/Users?", `userName eq "nobody@contoso.com"`},
		{"externalId/hit", "/Users?", `externalId eq "ext-7000"`},
		{"email/hit", "/Users?", `emails[type eq "work"].value eq "u7000@contoso.com"`},
		{"displayName/hit", "/Groups?excludedAttributes=members&", `displayName eq "g40"`},
		{"reference/hit", "/Groups?attributes=id&", `id eq "` + s.groups[7] + `" and members eq "` + s.users[7_400] + `"`},
		{"reference/miss", "/Groups?attributes=id&", `id eq "` + s.groups[7] + `" and members eq "` + s.users[9_400] + `"`},
		{"manager/miss", "/Users?attributes=id&", `id eq "` + s.users[7] + `" and ` + enterpriseURN + `:manager eq "x"`},
	} {
		b.Run(test.name, func(b *testing.B) {
			target := test.path + "filter=" + url.QueryEscape(test.filter)
			b.ReportAllocs()
			for b.Loop() {
				s.call(b, http.StatusOK, http.MethodGet, target, "")
			}
		})
	}
}

// BenchmarkPost creates users next to 10,000 others and deletes them again.
func BenchmarkPost(b *testing.B) {
	s := newScale(b, 10_000, 0, 0)
	body := user(`"userName":"new@contoso.com","externalId":"new","active":true,"displayName":"New User",
		"emails":[{"type":"work","value":"new@contoso.com","primary":true}],"name":{"givenName":"New","familyName":"User"}`)
	b.ReportAllocs()
	for b.Loop() {
		s.call(b, http.StatusCreated, http.MethodPost, "/Users", body)
		s.backend.DeleteUser("new@contoso.com")
	}
}

// BenchmarkMember adds one member to a group of 5,000, and removes it.
func BenchmarkMember(b *testing.B) {
	s := newScale(b, 10_000, 1, 5_000)
	add := ops(`{"op":"add","path":"members","value":[{"value":"` + s.users[7_000] + `"}]}`)
	remove := ops(`{"op":"remove","path":"members[value eq \"` + s.users[7_000] + `\"]"}`)
	b.ReportAllocs()
	for b.Loop() {
		s.call(b, http.StatusNoContent, http.MethodPatch, "/Groups/"+s.groups[0], add)
		s.call(b, http.StatusNoContent, http.MethodPatch, "/Groups/"+s.groups[0], remove)
	}
}

// BenchmarkGet reads a group of 5,000 without its members, and a user.
func BenchmarkGet(b *testing.B) {
	s := newScale(b, 10_000, 1, 5_000)
	for name, target := range map[string]string{
		"group": "/Groups/" + s.groups[0] + "?excludedAttributes=members",
		"user":  "/Users/" + s.users[4_000],
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.call(b, http.StatusOK, http.MethodGet, target, "")
			}
		})
	}
}

// BenchmarkPatchUser changes one attribute of a user.
func BenchmarkPatchUser(b *testing.B) {
	s := newScale(b, 10_000, 1, 5_000)
	bodies := []string{
		ops(`{"op":"replace","path":"` + enterpriseURN + `:manager","value":{"value":"` + s.users[1] + `"}}`),
		ops(`{"op":"replace","path":"` + enterpriseURN + `:manager","value":{"value":"` + s.users[2] + `"}}`),
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s.call(b, http.StatusOK, http.MethodPatch, "/Users/"+s.users[4_000], bodies[i%2])
	}
}
