package proxy_test

import (
	"encoding/json"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/entra-scim-proxy/proxy"
)

func stubbing(o *proxy.Options) { o.StubGroups, o.PublicURL = true, "https://scim.example.com" }

const (
	staff      = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"externalId":"8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159","displayName":"Staff","members":[],"meta":{"resourceType":"Group"}}`
	staffID    = "x-OGFhMWEwYzAtYzRjMy00YmMwLWI0YTUtMmVmNjc2OTAwMTU5"
	namelessID = "n-U3RhZmYgJiBNb3Jl" // "Staff & More", of no externalId
)

func object(t *testing.T, text string) (object map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &object); err != nil {
		t.Fatalf("%v: %q", err, text)
	}
	return object
}

// group is what the stub says a group is.
func group(id, externalID, name, location string) map[string]any {
	g := map[string]any{
		"schemas": []any{"urn:ietf:params:scim:schemas:core:2.0:Group"}, "id": id, "displayName": name,
		"meta": map[string]any{"resourceType": "Group", "location": location},
	}
	if externalID != "" {
		g["externalId"] = externalID
	}
	return g
}

// What Entra does with a group, and never a call to the backend.
func TestStubbedGroupLives(t *testing.T) {
	w := newWorld(t, setup{options: stubbing})
	const location = "https://scim.example.com/scim/Groups/" + staffID
	for range 2 { // to create it again is to get the same id
		got := w.call(t, "POST", "/scim/Groups", staff)
		if got.StatusCode != 201 || got.Header.Get("Location") != location || got.Header.Get("Content-Type") != "application/scim+json" {
			t.Fatalf("%d %v", got.StatusCode, got.Header)
		}
		if diff := cmp.Diff(group(staffID, "8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159", "Staff", location), object(t, got.body)); diff != "" {
			t.Error(diff)
		}
	}
	for range 2 { // a rename is accepted, and forgotten
		got := w.call(t, "GET", "/scim/Groups/"+staffID+"?excludedAttributes=members", "")
		want := group(staffID, "8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159", "8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159", location)
		if diff := cmp.Diff(want, object(t, got.body)); got.StatusCode != 200 || diff != "" {
			t.Errorf("%d %s", got.StatusCode, diff)
		}
		got = w.call(t, "PATCH", "/scim/Groups/"+staffID, patch(`{"op":"Replace","path":"displayName","value":"Crew"}`))
		if got.StatusCode != 204 || got.body != "" {
			t.Errorf("%d %q", got.StatusCode, got.body)
		}
	}
	for _, query := range []string{"", "?filter=displayName+eq+%22Staff%22", "?excludedAttributes=members&filter=externalId+eq+%22x%22"} {
		got := w.call(t, "GET", "/scim/Groups"+query, "")
		if got.StatusCode != 200 || object(t, got.body)["totalResults"] != 0.0 || len(object(t, got.body)["Resources"].([]any)) != 0 {
			t.Errorf("%q: %d %s", query, got.StatusCode, got.body)
		}
	}
	if got := w.call(t, "DELETE", "/scim/Groups/"+staffID, ""); got.StatusCode != 204 {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	if n := len(w.requests()); n != 0 {
		t.Errorf("the backend saw %d calls", n)
	}
}

func TestStubOfAGroupWithoutExternalID(t *testing.T) {
	w := newWorld(t, setup{path: "/", options: func(o *proxy.Options) { o.StubGroups = true }})
	got := w.call(t, "POST", "/v2/groups/", `{"DisplayName":"Staff & More","externalId":null}`)
	want := group(namelessID, "", "Staff & More", "/v2/groups/"+namelessID) // without a PUBLIC_URL
	if diff := cmp.Diff(want, object(t, got.body)); got.StatusCode != 201 || diff != "" || got.Header.Get("Location") != "/v2/groups/"+namelessID {
		t.Errorf("%d %v %s", got.StatusCode, got.Header, diff)
	}
	got = w.call(t, "GET", "/v2/groups/"+namelessID, "")
	if diff := cmp.Diff(want, object(t, got.body)); got.StatusCode != 200 || diff != "" || got.Header.Get("Location") != "" {
		t.Errorf("%d %v %s", got.StatusCode, got.Header, diff)
	}
}

// A group has to have a name (RFC 7643 section 4.2).
func TestStubOfAGroupWithoutName(t *testing.T) {
	w := newWorld(t, setup{options: stubbing})
	got := w.call(t, "POST", "/scim/Groups", `{"externalId":"1"}`)
	want := group("x-MQ", "1", "1", "https://scim.example.com/scim/Groups/x-MQ")
	if diff := cmp.Diff(want, object(t, got.body)); got.StatusCode != 201 || diff != "" {
		t.Errorf("%d %s", got.StatusCode, diff)
	}
}

func TestStubAnswers(t *testing.T) {
	long := strings.Repeat("é", 512)
	for _, test := range []struct {
		line, body string
		status     int
		scimType   string
	}{
		{"POST /scim/Groups", `{"externalId":"` + long + `"}`, 201, ""},
		{"POST /scim/Groups", `{"externalId":"` + long + `x"}`, 400, "invalidValue"},
		{"POST /scim/Groups", `{"externalId":"1","displayName":"` + long + `x"}`, 400, "invalidValue"},
		{"POST /scim/Groups", `{"displayName":""}`, 400, "invalidValue"},
		{"POST /scim/Groups", `{"displayName":7,"externalId":["x"]}`, 400, "invalidValue"},
		{"POST /scim/Groups", `[]`, 400, "invalidValue"},
		{"POST /scim/Groups", `{"displayName":"a","displayname":"b"}`, 400, "invalidSyntax"},
		{"POST /scim/Groups", `{"displayName":"a"`, 400, "invalidSyntax"},
		{"POST /scim/Groups", "", 400, "invalidSyntax"},
		{"PATCH /scim/Groups/" + staffID, `{"Operations":`, 400, "invalidSyntax"},
		{"PATCH /scim/Groups/" + staffID, "", 400, "invalidSyntax"},
		{"POST /scim/Groups/.search", `{"filter":"displayName pr"}`, 200, ""},
		{"GET /scim/Groups/.search", "", 404, ""},
		{"HEAD /scim/Groups", "", 200, ""},
		{"HEAD /scim/Groups/" + staffID, "", 200, ""},
		{"PUT /scim/Groups/" + staffID, staff, 405, ""},
		{"POST /scim/Groups/" + staffID, staff, 405, ""},
		{"DELETE /scim/Groups", "", 405, ""},
		{"PATCH /scim/Groups", staff, 405, ""},
		{"GET /scim/Groups/" + staffID + "/members", "", 404, ""},
		{"DELETE /scim/v2/GROUPS/" + staffID + "/", "", 204, ""},
		{"GET /scim/Groups?filter=%zz", "", 400, "invalidFilter"},
	} {
		w := newWorld(t, setup{options: stubbing})
		method, target, _ := strings.Cut(test.line, " ")
		got := w.call(t, method, target, test.body)
		if got.StatusCode != test.status || test.scimType != "" && object(t, got.body)["scimType"] != test.scimType {
			t.Errorf("%s %.40s: %d %s", test.line, test.body, got.StatusCode, got.body)
		}
		line := w.line(t)
		own := test.status < 300
		if method == "HEAD" && line["bytes_out"] != int64(0) {
			t.Errorf("%s: %v bytes out", test.line, line["bytes_out"])
		}
		if (line["answer"] == "group_stub") != own || (line["class"] == nil) != own {
			t.Errorf("%s: log line %v", test.line, line)
		}
		if len(w.requests()) > 0 {
			t.Errorf("%s reached the backend", test.line)
		}
	}
}

func TestStubTellsWhatItAllows(t *testing.T) {
	w := newWorld(t, setup{options: stubbing})
	for target, want := range map[string]string{
		"/scim/Groups": "GET, HEAD, POST", "/scim/Groups/" + staffID: "GET, HEAD, PATCH, DELETE",
	} {
		if got := w.call(t, "PUT", target, staff); got.Header.Get("Allow") != want {
			t.Errorf("%s: Allow %q, want %q", target, got.Header.Get("Allow"), want)
		}
	}
}

// The body is all that a large group may cost: neither is an id made of it, nor
// is it written back, six times as long in escapes.
func TestStubOfALargeGroup(t *testing.T) {
	const size = 16 << 20
	w := newWorld(t, setup{options: stubbing, maxBody: 2 * size})
	for _, attributes := range []string{`"externalId":"`, `"externalId":"1","displayName":"`} {
		body := "{" + attributes + strings.Repeat("<", size) + `"}`
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		got := w.call(t, "POST", "/scim/Groups", body)
		runtime.ReadMemStats(&after)
		// The message that is sent, what io.ReadAll grows through, and a copy.
		if spent := int(after.TotalAlloc-before.TotalAlloc) / size; got.StatusCode != 400 || spent > 7 {
			t.Errorf("%s: %d, at the cost of %d times the body", attributes, got.StatusCode, spent)
		}
	}
}

// What is no id of the stub's is a group that does not exist, whatever is done
// to it.
func TestHostileGroupIDs(t *testing.T) {
	w := newWorld(t, setup{options: stubbing})
	for _, id := range []string{
		"1", "x", "x-", "n-", "y-U3RhZmY", "U3RhZmY", "X-U3RhZmY", "x-U3RhZmY=", "x-U3RhZmZ", "x-U3Rh.mY", "x-U3Rh%20mY", "x-%0AU3RhZmY",
		"x-_w", "x-gICA", "n-" + strings.Repeat("QUFB", 342), "x-x-U3RhZmY", "%78%2DU3RhZm", "{id}", "2819c223-7f76-453a-919d-413861904646",
	} {
		for _, method := range []string{"GET", "HEAD", "PATCH", "DELETE"} {
			got := w.call(t, method, "/scim/Groups/"+id, "")
			if got.StatusCode != 404 && got.StatusCode != 400 || strings.Contains(id, "%0A") != (got.StatusCode == 400) {
				t.Errorf("%s %s: %d", method, id, got.StatusCode)
			}
		}
	}
	// Encoded otherwise, it is the same id.
	if got := w.call(t, "GET", "/scim/Groups/%78%2DU3RhZmY", ""); got.StatusCode != 200 || object(t, got.body)["externalId"] != "Staff" {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	if len(w.requests()) > 0 {
		t.Error("a call reached the backend")
	}
}

// The stub is for Entra, and for nobody else; and it is for groups.
func TestStubMindsItsBusiness(t *testing.T) {
	w := newWorld(t, setup{options: stubbing})
	got := w.raw(t, "GET", "GET /scim/Groups HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer wrong\r\n\r\n")
	if got.StatusCode != 401 {
		t.Errorf("a wrong token gets %d", got.StatusCode)
	}
	for _, target := range []string{"/scim/Users", "/scim/Users/1", "/scim/Users/1/Groups", "/scim/ResourceTypes/Group", "/scim/Groupsx", "/scim/"} {
		if got := w.call(t, "GET", target, ""); got.StatusCode != 200 {
			t.Errorf("%s: %d", target, got.StatusCode)
		}
	}
	if n := len(w.requests()); n != 6 {
		t.Errorf("the backend saw %d calls, want 6", n)
	}
	off := newWorld(t, setup{})
	if off.call(t, "GET", "/scim/Groups", ""); len(off.requests()) != 1 {
		t.Error("without the option, groups are not the backend's")
	}
}

func TestStubRefusesWhatItCannotRead(t *testing.T) {
	w := newWorld(t, setup{options: stubbing, maxBody: 100})
	if got := w.call(t, "POST", "/scim/Groups", staff); got.StatusCode != 413 {
		t.Errorf("over MAX_BODY: %d", got.StatusCode)
	}
	if got := w.call(t, "POST", "/scim/Groups", "{}", "Content-Encoding: gzip"); got.StatusCode != 415 {
		t.Errorf("encoded: %d", got.StatusCode)
	}
	got := w.message(t, "PATCH /scim/Groups/"+staffID, chunked(`{"Operations":[]}`), "Transfer-Encoding: chunked")
	if got.StatusCode != 204 {
		t.Errorf("in chunks: %d %s", got.StatusCode, got.body)
	}
	// What was not read must not be taken for the next call, nor waited for.
	sent := time.Now()
	got = w.message(t, "DELETE /scim/Groups/"+staffID, "", "Content-Length: 50")
	if took := time.Since(sent); got.StatusCode != http.StatusNoContent || !got.Close || took > 5*time.Second {
		t.Errorf("DELETE with a body to come: %d, close %v, after %v", got.StatusCode, got.Close, took)
	}
}

// Nothing of the stub's needs the backend's credential.
func TestStubNeedsNoBackend(t *testing.T) {
	w := newWorld(t, setup{options: stubbing})
	w.secret.set("", http.ErrServerClosed)
	if got := w.call(t, "POST", "/scim/Groups", staff); got.StatusCode != 201 {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
}
