package proxy_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/entra-scim-proxy/proxy"
	"example.com/entra-scim-proxy/proxy/scim"
)

// RFC 9110 section 12.5.1: the most specific range decides, 0 is never.
func TestAcceptThatLeavesNothingBecomesSCIM(t *testing.T) {
	const scimJSON = "application/scim+json"
	for _, test := range []struct {
		lines  []string
		usable bool
	}{
		{nil, false},
		{[]string{""}, false},
		{[]string{" , ;q=1"}, false},
		{[]string{"text/html"}, false},
		{[]string{"text/html, application/xml;q=0.9"}, false},
		{[]string{"text/*"}, false},
		{[]string{"application/problem+json"}, false},
		{[]string{"json"}, false},
		{[]string{"application/scim+json;q=0"}, false},
		{[]string{"application/scim+json;q=0.000, application/json; Q=0"}, false},
		{[]string{"*/*;q=0"}, false},
		{[]string{"application/*;q=0, */*"}, false},
		{[]string{"*/*, application/scim+json;q=0, application/json;q=0"}, false},

		{[]string{"application/scim+json"}, true},
		{[]string{"Application/SCIM+JSON; charset=utf-8"}, true},
		{[]string{"application/json"}, true},
		{[]string{"*/*"}, true},
		{[]string{"application/*"}, true},
		{[]string{"text/html, */*;q=0.1"}, true},
		{[]string{"text/html", "application/json;q=0.001"}, true},
		{[]string{"text/html;level=1,application/json ; q=0.5"}, true},
		{[]string{"application/json, */*;q=0"}, true},
		{[]string{"application/json;v=2, application/json;v=1;q=0"}, true},
		{[]string{"*/*, application/scim+json;q=0"}, true}, // JSON is left
		{[]string{"application/json;q=x"}, true},
		{[]string{`application/json;profile="a,b"`}, true},
	} {
		t.Run(fmt.Sprintf("%q", test.lines), func(t *testing.T) {
			var headers []string
			for _, line := range test.lines {
				headers = append(headers, "Accept: "+line)
			}
			w := newWorld(t, setup{options: normalizing(t, "request")})
			w.call(t, "GET", "/scim/Users", "", headers...)
			want, rules := test.lines, any(nil)
			if !test.usable {
				want, rules = []string{scimJSON}, "accept-scim"
			}
			if diff := cmp.Diff(want, w.one(t).Header["Accept"]); diff != "" {
				t.Error(diff)
			}
			if line := w.line(t); line["rules"] != rules {
				t.Errorf("log line %v", line)
			}
		})
	}
}

// The rule is about every call, also one that no body rule knows.
func TestAcceptIsAddedToEveryCall(t *testing.T) {
	for _, line := range []string{"GET /scim/ServiceProviderConfig", "DELETE /scim/Users/1", "HEAD /scim/Users/1", "POST /scim/Bulk"} {
		for rules, want := range map[string]string{"all": "application/scim+json", "all,-accept-scim": "", "none": ""} {
			w := newWorld(t, setup{options: normalizing(t, rules)})
			w.message(t, line, "")
			if got := w.one(t).Header.Get("Accept"); got != want {
				t.Errorf("%s with %s: Accept: %s", line, rules, got)
			}
		}
	}
}

func TestContentTypeBecomesJSONByNameOnly(t *testing.T) {
	for _, test := range []struct{ rules, line, contentType, want string }{
		{"content-type-json", "POST /scim/Users", "application/scim+json", "application/json"},
		{"content-type-json", "PATCH /scim/Users/1", "application/scim+json; charset=utf-8", "application/json; charset=utf-8"},
		{"content-type-json", "POST /scim/Bulk", "Application/Scim+JSON ;charset=\"x;y\";", "application/json;charset=\"x;y\";"},
		{"content-type-json", "POST /scim/Users", "application/json; a=b", "application/json; a=b"},
		{"content-type-json", "POST /scim/Users", "text/plain", "text/plain"},
		{"all", "POST /scim/Users", "application/scim+json", "application/scim+json"},
		{"none", "POST /scim/Users", "application/scim+json", "application/scim+json"},
	} {
		w := newWorld(t, setup{options: normalizing(t, test.rules)})
		w.message(t, test.line, "{}", "Content-Type: "+test.contentType, "Content-Length: 2", "Accept: */*")
		if got := w.one(t).Header.Values("Content-Type"); !slices.Equal(got, []string{test.want}) {
			t.Errorf("%+v: %q", test, got)
		}
		if rules := w.line(t)["rules"]; (rules == "content-type-json") != (test.contentType != test.want) {
			t.Errorf("%+v: rules %v", test, rules)
		}
	}
	w := newWorld(t, setup{options: normalizing(t, "content-type-json")})
	w.message(t, "DELETE /scim/Users/1", "", "Content-Type: application/scim+json")
	if got := w.one(t).Header.Get("Content-Type"); got != "application/scim+json" || w.line(t)["rules"] != nil {
		t.Errorf("without a body it became %q", got)
	}
}

// The vectors about queries hold whatever rules are on.
func TestRulesLeaveTheQueryAlone(t *testing.T) {
	w := newWorld(t, setup{base: "/scim", options: normalizing(t, "all,content-type-json,missing-target")})
	var want, got []queryCall
	eachQuery(t, func(_ string, input, expected queryCall) {
		w.call(t, input.Method, input.URL, "")
		want = append(want, expected)
	})
	for _, one := range w.requests() {
		got = append(got, queryCall{one.Method, one.URI})
	}
	if diff := cmp.Diff(want, got); diff != "" || len(want) == 0 {
		t.Error(diff)
	}
}

// Each exchange counts once for each rule that changed something of it.
func TestRulesThatFiredAreCounted(t *testing.T) {
	var options proxy.Options
	w := newWorld(t, setup{options: func(o *proxy.Options) {
		o.Normalizer = normalizer(t, "all")
		options = *o
	}})
	handler, err := proxy.New(options)
	if err != nil {
		t.Fatal(err)
	}
	w.address = newServer(t, handler)

	want := make(map[string]uint64)
	for _, rule := range scim.Rules() {
		want[rule.Name] = 0
	}
	if diff := cmp.Diff(want, handler.RulesFired()); diff != "" {
		t.Error(diff)
	}
	for _, send := range []func(){
		func() { w.call(t, "PATCH", "/scim/Users/1", patch(disabling+","+disabling)) },
		func() { w.call(t, "PATCH", "/scim/Users/1", patch(disabled)) },
		func() { w.call(t, "PATCH", "/scim/Users/1", patch(disabling), "Accept: */*") },
		func() { w.call(t, "PATCH", "/scim/Users/1", `{"a":1,"a":2}`) },
		func() { w.call(t, "GET", "/elsewhere", "") },
	} {
		send()
		<-w.lines // the counters come before it
	}
	maps.Copy(want, map[string]uint64{"op-case": 2, "active-boolean": 2, "accept-scim": 2})
	if diff := cmp.Diff(want, handler.RulesFired()); diff != "" {
		t.Error(diff)
	}
}
