package check

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"example.com/entra-scim-proxy/proxy/scim"
)

func TestPartsPanicInTheirStep(t *testing.T) {
	defer func() {
		if stack, ok := recover().(carried); !ok || !strings.Contains(string(stack), "TestPartsPanicInTheirStep") {
			t.Errorf("the panic is lost: %s", stack)
		}
	}()
	together(func() []Finding { return nil }, func() []Finding { panic("at fault") })
}

func TestMerged(t *testing.T) {
	pass, repaired := Finding{Status: Pass, Found: "fine"}, Finding{Status: Pass, Found: "c", Rules: "location"}
	warn, fail := Finding{Status: Warn, Found: "b", Remedy: "w", Rules: "response-type"}, Finding{Status: Fail, Found: "a", Remedy: "f", Class: "timeout"}
	for _, test := range []struct {
		name string
		of   []Finding
		want Finding
	}{
		{"none", nil, Finding{Status: Pass}},
		{"nothing to say", []Finding{pass, pass}, Finding{Status: Pass}},
		{"repaired", []Finding{pass, repaired, repaired}, repaired},
		{"the worst first", []Finding{repaired, warn, pass, fail, warn},
			Finding{Status: Fail, Class: "timeout", Found: "a; b", Remedy: "f; w", Rules: "response-type"}},
	} {
		if got := merged(test.of); got.Status != test.want.Status || got.Class != test.want.Class || got.Found != test.want.Found ||
			got.Remedy != test.want.Remedy || got.Rules != test.want.Rules {
			t.Errorf("%s: %+v", test.name, got)
		}
	}
}

func TestEqualsIsWrittenAsEntraDoes(t *testing.T) {
	if got := equals("displayName", `A "B" & C\D`); got != "filter=displayName+eq+%22A+%5C%22B%5C%22+%26+C%5C%5CD%22" {
		t.Error(got)
	}
}

func TestResourcesOfAListThatBreaksOff(t *testing.T) {
	list := readResources([]byte(`{"schemas":["x"],"RESOURCES":[{"id":"1"},{"ID":2},{"id":"3`))
	if len(list) != 2 || list[0].id() != "1" || list[1].id() != "2" {
		t.Errorf("%v", list)
	}
}

// Whatever a backend sends, judging it neither panics nor repeats what it says.
func FuzzAnswersAreJudged(f *testing.F) {
	const canary = "canary7"
	for _, seed := range []string{
		``, `[]`, `null`, `{}`, `<html>`, "\ufeff{}", `{"Resources":[null,1,{"id":[]}],"totalResults":1e400}`,
		`{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":1,"Resources":[{"id":"canary7","userName":"canary7","active":"canary7"}]}`,
		`{"id":"canary7","meta":{"location":"/canary7"},"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":"canary7"},"emails":"canary7"}`,
		`{"patch":{"supported":false},"filter":[],"name":"User","endpoint":"/canary7"}`, `{"Resources":{"a":"` + canary, `{"ID":1,"id":{}}`,
	} {
		f.Add(200, "application/scim+json; x="+canary, []byte(seed))
	}
	f.Fuzz(func(t *testing.T, status int, media string, body []byte) {
		c := &check{Options: Options{Backend: &url.URL{Scheme: "https", Host: "backend.example.com", Path: "/scim"}, Host: "backend.example.com"}}
		got := answer{status: status, header: http.Header{"Content-Type": {media}}, body: body}
		m := matching{"userName", "user", "/Users?", "1", "a@example.com"}
		traits := append(c.resourceTraits("a user", userSchema, "userName"), userTraits...)
		traits = append(traits, listTraits(usersList)...)
		traits = append(traits, errorTraits...)
		traits = append(traits, mediaTypes...)
		traits = append(traits, membersTrait, pageTrait, m.once(), m.whole(), m.anyCase(), answered(Fail, "it", http.StatusOK))
		var said []string
		for _, trait := range traits {
			said = append(said, trait.wrong(got))
		}
		resource, _ := readMessage(body)
		for _, finding := range []Finding{serviceProviderConfig(resource), c.resourceTypes(resource), schemas(resource)} {
			said = append(said, finding.Found, finding.Remedy, finding.Cause)
		}
		if strings.Contains(strings.Join(said, " "), canary) {
			t.Errorf("%q", said)
		}
		var s sample
		s.takeUser(readResources(body))
		s.takeGroup(readResources(body))
	})
}

func TestExpress(t *testing.T) {
	all := rulesOf("all")
	for _, test := range []struct {
		rules scim.Set
		want  string
	}{
		{0, "none"},
		{all, "all"},
		{rulesOf("active"), "active"},
		{rulesOf("content-type-json"), "content-type-json"},
		{all &^ rulesOf("location"), "all,-location"},
		{all | rulesOf("missing-target"), "all,missing-target"},
		{rulesOf("active") | rulesOf("op-case"), "active,op-case"},
		{all&^rulesOf("response") | rulesOf("content-type-json"), "all,-response,content-type-json"},
	} {
		if got := express(test.rules); got != test.want {
			t.Errorf("%s, want %s", got, test.want)
		}
		if back, err := scim.ParseRules(express(test.rules)); err != nil || back != test.rules {
			t.Errorf("%s is %s: %v", express(test.rules), back, err)
		}
	}
}

func FuzzExpress(f *testing.F) {
	for _, seed := range []uint64{0, 1, 1 << 33, 1 << 34, 0xffff, 1<<35 - 1} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, bits uint64) {
		rules := scim.Set(bits % (1 << len(scim.Rules())))
		if back, err := scim.ParseRules(express(rules)); err != nil || back != rules {
			t.Errorf("%s: %v", express(rules), err)
		}
	})
}

func TestRecommended(t *testing.T) {
	for _, test := range []struct {
		name      string
		on        string
		needed    string            // "" for nothing
		set       map[string]string // other settings that findings speak for
		statuses  map[string]Status
		noURL     bool
		status    Status
		found     string
		normalize string // "" if nothing is recommended
		publicURL bool
	}{
		{name: "no backend", on: "none", statuses: map[string]Status{"users": Fail}, status: Skip, found: "nothing is known"},
		{name: "not tried, none on", on: "none", status: Warn, found: "--write only", normalize: "all"},
		{name: "not tried, all on", on: "all", status: Pass, found: "as it is; the shapes", normalize: "all"},
		{name: "not tried, some on", on: "all,-roles-drop-id", status: Pass, found: "left out on purpose", normalize: "all"},
		{name: "by name, too", on: "all,missing-target", status: Pass, found: "as it is", normalize: "all,missing-target"},
		{name: "lacking", on: "active", needed: "op-case", status: Warn, found: "NORMALIZE=all", normalize: "all"},
		{name: "lacking by name", on: "all", needed: "content-type-json", status: Warn, found: "content-type-json", normalize: "all,content-type-json"},
		{name: "lacking, though the look-up fails", on: "none", needed: "filter-not-found", statuses: map[string]Status{"users": Fail}, status: Warn, found: "all", normalize: "all"},
		{name: "tried, and enough", on: "active", statuses: map[string]Status{"shape a": Pass, "shape b": Skip}, status: Pass, found: "NORMALIZE=active, as it is", normalize: "active"},
		{name: "tried, and needs nothing", on: "none", statuses: map[string]Status{"shape a": Pass, "shape b": Pass}, status: Pass, found: "NORMALIZE=none, as it is", normalize: "none"},
		{name: "tried in part", on: "active", statuses: map[string]Status{"shape a": Pass}, status: Pass, found: "on purpose; not all shapes", normalize: "all"},
		{name: "tried in vain", on: "none", statuses: map[string]Status{"shape a": Fail, "shape b": Pass}, status: Warn, found: "NORMALIZE=all", normalize: "all"},
		{name: "all beside the point", on: "none", statuses: map[string]Status{"shape a": Skip, "shape b": Skip}, status: Warn, found: "NORMALIZE=all", normalize: "all"},
		{name: "groups", on: "all", set: map[string]string{"GROUPS": "stub"}, status: Warn, found: "GROUPS=stub, NORMALIZE=all", normalize: "all"},
		{name: "no public URL", on: "none", noURL: true, status: Warn, found: "all,-location", normalize: "all,-location"},
		{name: "no public URL, as it is", on: "all,-location", noURL: true, status: Pass, found: "as it is", normalize: "all,-location"},
		{name: "no public URL, and needed", on: "none", needed: "location", noURL: true, status: Warn, found: "PUBLIC_URL=", normalize: "all", publicURL: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := &check{Options: Options{Rules: rulesOf(test.on), HasPublicURL: !test.noURL}}
			c.advice.note("users", Pass)
			_, c.Write = test.statuses["shape a"]
			for name, status := range test.statuses {
				c.advice.note(name, status)
			}
			if test.needed != "" {
				c.advice.need(rulesOf(test.needed))
			}
			for name, value := range test.set {
				c.advice.set(name, value)
			}
			got := c.recommend([]string{"shape a", "shape b"})
			if got.Status != test.status || !strings.Contains(got.Found, test.found) || (got.Status == Warn) != (got.Remedy != "") {
				t.Errorf("%+v", got)
			}
			if strings.Contains(got.Found, "--write") != (!c.Write && test.normalize != "") {
				t.Errorf("%+v", got)
			}
			settings := c.advice.settings()
			if _, has := settings["PUBLIC_URL"]; settings["NORMALIZE"] != test.normalize || has != test.publicURL || settings["GROUPS"] != test.set["GROUPS"] {
				t.Errorf("%v", settings)
			}
			if test.normalize == "" && settings != nil {
				t.Errorf("%v", settings)
			}
		})
	}
}
