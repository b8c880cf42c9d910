package backend

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAddUser(t *testing.T) {
	l := peopled(t)
	mail := map[string]any{"type": "work", "value": "lee@contoso.com"}
	resource := map[string]any{"USERNAME": "Lee@contoso.com", "emails": []any{mail}, "id": "ignored"}
	id, err := l.backend.AddUser(resource)
	if err != nil {
		t.Fatal(err)
	}
	mail["value"] = "changed by the caller"
	got := l.must(t, 200, http.MethodGet, "/Users/"+id, "")
	delete(got, "meta")
	want := map[string]any{"schemas": []any{userURN}, "id": id, "userName": "Lee@contoso.com",
		"emails": []any{map[string]any{"type": "work", "value": "lee@contoso.com"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for name, refused := range map[string]map[string]any{
		"taken":   {"userName": "LEE@contoso.com"},
		"empty":   nil,
		"unknown": {"userName": "x", "shoeSize": "40"},
	} {
		if id, err := l.backend.AddUser(refused); err == nil || id != "" {
			t.Errorf("%s: got id %q and error %v", name, id, err)
		}
	}
	if l.backend.Users() != 3 {
		t.Errorf("%d users, want 3", l.backend.Users())
	}
}

func TestDeleteUser(t *testing.T) {
	l := peopled(t)
	if l.backend.DeleteUser("team") || l.backend.DeleteUser("") || l.backend.DeleteUser("nobody@contoso.com") {
		t.Error("deleted who is not there")
	}
	modified := func() any {
		return objectOf(l.must(t, 200, http.MethodGet, "/Groups/{team}", "")["meta"])["lastModified"]
	}
	before := modified()
	if !l.backend.DeleteUser("JANE@contoso.com") || l.backend.DeleteUser("jane@contoso.com") {
		t.Error("did not delete jane once")
	}
	wantError(t, l.do(t, http.MethodGet, "/Users/{jane}", ""), 404, "")
	if modified() == before {
		t.Error("the group that jane was in has not been modified")
	}
	if members := l.must(t, 200, http.MethodGet, "/Groups/{team}", "")["members"]; members != nil {
		t.Errorf("the group has members %v", members)
	}
	if l.backend.Users() != 1 || l.backend.Groups() != 1 {
		t.Errorf("%d users and %d groups, want 1 and 1", l.backend.Users(), l.backend.Groups())
	}
}

func TestEqual(t *testing.T) {
	values := []any{nil, true, "a", "b", map[string]any{}, map[string]any{"a": nil}, map[string]any{"a": "b"}, map[string]any{"a": "b", "c": true},
		[]any{}, []any{"a"}, []any{"a", "b"}, []any{map[string]any{"a": "b"}}}
	for i, a := range values {
		for k, b := range values {
			if equal(a, clone(b)) != (i == k) {
				t.Errorf("equal(%v, %v) is %t", a, b, i != k)
			}
		}
	}
}
