package backend

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestFaults reads the same thing from a strict backend and from one with a
// fault.
func TestFaults(t *testing.T) {
	const (
		nobody = "/Users?filter=userName+eq+%22nobody%22"
		hidden = "?excludedAttributes=members"
	)
	for _, test := range []struct {
		fault        Fault
		path         string
		right, wrong string // are in status, media type and body, together
	}{
		{MembersLeaked, "/Groups/{team}" + hidden, `"displayName":"Team"`, `"members":[{`},
		{MembersLeaked, "/Groups" + hidden, `"displayName":"Team"`, `"members":[{`},
		{FilterNotFound, nobody, "200 " + mediaType, "404 " + mediaType + ` {"detail"`},
		{ResourcesNull, nobody, `"Resources":[]`, `"Resources":null`},
		{PlainJSON, "/Users/{jane}", "200 " + mediaType, "200 application/json"},
		{PlainJSON, "/Users/none", "404 " + mediaType, "404 application/json"},
		{ManagerString, "/Users/{jane}", `"manager":{`, `"manager":"`},
		{ManagerString, "/Users", `"manager":{`, `"manager":"`},
		{ActiveString, "/Users/{jane}", `"active":true`, `"active":"True"`},
		{ActiveString, "/Users", `"active":true`, `"active":"True"`},
		{ErrorPages, "/Users/none", "404 " + mediaType, "404 text/html; charset=utf-8 <!doctype html>"},
		{NoLocation, "/Users/{jane}", `"location":`, `"meta":{"created"`},
	} {
		t.Run(string(test.fault)+" "+test.path, func(t *testing.T) {
			l := peopled(t)
			l.must(t, 200, http.MethodPatch, "/Users/{jane}", ops(`{"op":"add","path":"`+enterpriseURN+`:manager","value":{"value":"{omar}"}}`))
			read := func() string {
				got := l.do(t, http.MethodGet, test.path, "")
				return fmt.Sprint(got.status, " ", got.header.Get("Content-Type"), " ", got.raw)
			}
			right := read()
			l.backend.faults = []mistake{faults[test.fault]}
			wrong := read()
			if right == wrong || !strings.Contains(right, test.right) || !strings.Contains(wrong, test.wrong) {
				t.Errorf("strict:\n%s\nwith the fault:\n%s", right, wrong)
			}
			l.backend.faults = nil
			if again := read(); again != right {
				t.Errorf("the fault changed the store:\n%s\nbecame\n%s", right, again)
			}
		})
	}
}

// Faults keep away from what they are not about.
func TestFaultsLeaveTheRestAlone(t *testing.T) {
	for fault, path := range map[Fault]string{
		FilterNotFound: "/Users?filter=userName+pr",
		ResourcesNull:  "/Users",
		ManagerString:  "/Groups/{team}",
		ActiveString:   "/Users/none",
		ErrorPages:     "/Users/{jane}",
		NoLocation:     "/ServiceProviderConfig",
	} {
		l := peopled(t)
		right := l.do(t, http.MethodGet, path, "").raw
		l.backend.faults = []mistake{faults[fault]}
		if wrong := l.do(t, http.MethodGet, path, "").raw; wrong != right {
			t.Errorf("%s: %s\nbecame\n%s", fault, right, wrong)
		}
	}
}

func TestUnknownFaultIsRefused(t *testing.T) {
	if _, err := New(Options{Token: "x", Faults: []Fault{PlainJSON, "tired"}}); err == nil || !strings.Contains(err.Error(), `"tired"`) {
		t.Errorf("got %v", err)
	}
}
