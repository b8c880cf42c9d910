package window

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"example.com/entra-scim-proxy/lab/profile"
)

// What one part reveals as a credential is none of the others' to show, in
// whatever order they arrive.
func TestSecretsInAnyOrder(t *testing.T) {
	const entra, backend = "canary-of-entra", "canary-of-the-backend"
	both := "not " + entra + " nor " + backend
	orders := permutations([]int{0, 1, 2, 3, 4}, map[int]int{2: 1, 3: 0})
	for _, order := range orders {
		var r Recorder
		var e *entry
		c := &call{Pair: Pair{Got: Message{Header: http.Header{"A": {both}}}}, secrets: []string{backend}}
		steps := []func(){
			func() {
				e = r.begin(Exchange{ID: "id", Entra: Message{Header: http.Header{"A": {both}}}}, "trace", []string{entra})
			},
			func() { r.reach("trace", c) },
			func() { r.leave(c, Message{Body: []byte(both)}, Message{StartLine: both, Body: []byte(both)}) },
			func() { r.end(e, Message{Body: []byte(both)}, Message{Header: http.Header{"A": {both}}}, 0) },
			func() { fmt.Fprintln(&r, `{"msg":"exchange","request_id":"id","cause":"`+both+`"}`) },
		}
		for _, i := range order {
			steps[i]()
		}
		d, _ := r.detail("id")
		encoded, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(encoded), "canary") {
			t.Errorf("order %v: %s", order, encoded)
		}
	}
}

// A snapshot stays what it is when a credential is found in what it shares.
func TestSnapshotKeepsItsHeader(t *testing.T) {
	var r Recorder
	r.begin(Exchange{Entra: Message{Header: http.Header{"A": {"word-of-eight"}}}}, "trace", nil)
	before := r.Exchanges()[0]
	r.reach("trace", &call{secrets: []string{"word-of-eight"}})
	if got := before.Entra.Header.Get("A"); got != "word-of-eight" {
		t.Errorf("it became %q", got)
	}
	if got := r.Exchanges()[0].Entra.Header.Get("A"); got == "word-of-eight" {
		t.Error("the credential is still there")
	}
}

// Whatever a system knows its callers by is not shown, and what stands in its
// place are the digits that the proxy logs.
func TestCredentialOfEverySystem(t *testing.T) {
	const canary = "canary-of-the-system"
	for _, p := range profile.All() {
		r := &http.Request{Header: http.Header{}}
		p.Auth.Present(r, canary)
		header, secrets := redactHeader(r.Header)
		m := Message{Header: header, Body: []byte("not " + canary)}
		m.scrub(secrets)
		for name, values := range r.Header {
			if strings.Contains(header.Get(name), values[0]) || !strings.HasSuffix(header.Get(name), mask(canary)) {
				t.Errorf("%s: %s is shown as %s", p.Name, name, header.Get(name))
			}
		}
		if len(r.Header) > 0 && strings.Contains(string(m.Body), canary) {
			t.Errorf("%s: %s", p.Name, m.Body)
		}
	}
}

func TestCredentialsInHeaderAndQuery(t *testing.T) {
	basic := base64.StdEncoding.EncodeToString([]byte("scim:canary-password"))
	for _, test := range []struct {
		name, authorization, target, echo string
	}{
		{"Basic's password (RFC 7617 section 2)", "Basic " + basic, "/", "wrong password canary-password"},
		{"behind a tab", "Bearer\tcanary-token", "/", "canary-token"},
		{"behind blanks", "Bearer   canary-token", "/", "canary-token"},
		{"access_token (RFC 6750 section 2.3)", "", "/?access_token=canary-token", "canary-token"},
		{"a name that is encoded", "", "/?%63ode=canary-token", "canary-token"},
		{"a value that is encoded", "", "/?code=canary-key%3D%3D", "canary-key=="},
	} {
		header, secrets := redactHeader(http.Header{"Authorization": {test.authorization}})
		target, more := redactTarget(test.target)
		m := Message{StartLine: target, Header: header, Body: []byte(test.echo)}
		m.scrub(append(secrets, more...))
		if shown := fmt.Sprint(m.StartLine, m.Header, string(m.Body)); strings.Contains(shown, "canary") || strings.Contains(shown, basic) {
			t.Errorf("%s: %s", test.name, shown)
		}
	}
}
