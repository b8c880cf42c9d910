package main

import (
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/entra-scim-proxy/proxy/scim"
)

const acme = "urn:ietf:params:scim:schemas:extension:acme:2.0:User"

// normalizing are the settings of normalization, all in use.
var normalizing = []string{
	"NORMALIZE", "all, -roles-drop-id", "PUBLIC_URL", "https://contoso-scim.azurewebsites.net",
	"BOOLEAN_ATTRIBUTES", acme + ":isContractor, isOnCall", "INTEGER_ATTRIBUTES", acme + ":badgeNumber",
	"MULTIVALUED_ATTRIBUTES", acme + ":sites,tags", "EXTENSION_SCHEMAS", "urn:acme:scim:schemas:1.0:Employee , " + acme,
}

func TestNormalizationIsOffByDefault(t *testing.T) {
	s, found := parseSettings(valid())
	if len(found.problems)+len(found.warnings) != 0 || s.Normalize.Set != 0 || s.normalizer == nil || s.normalizer.Rules() != 0 {
		t.Errorf("%+v, rules %q", found, s.Normalize)
	}
	for _, list := range []nameList{s.BooleanAttributes, s.IntegerAttributes, s.MultivaluedAttributes, s.ExtensionSchemas} {
		if len(list) != 0 {
			t.Errorf("%q", list)
		}
	}
}

func TestSettingsOfNormalization(t *testing.T) {
	s, found := parseSettings(valid(normalizing...))
	if len(found.problems)+len(found.warnings) != 0 {
		t.Fatalf("%+v", found)
	}
	want, err := scim.ParseRules("all,-roles-drop-id")
	if err != nil {
		t.Fatal(err)
	}
	if got := s.normalizer.Rules(); got != want {
		t.Errorf("rules %q, want %q", got, want)
	}
	lists := []nameList{s.BooleanAttributes, s.IntegerAttributes, s.MultivaluedAttributes, s.ExtensionSchemas}
	wantLists := []nameList{
		{acme + ":isContractor", "isOnCall"}, {acme + ":badgeNumber"}, {acme + ":sites", "tags"},
		{"urn:acme:scim:schemas:1.0:Employee", acme},
	}
	if diff := cmp.Diff(wantLists, lists); diff != "" {
		t.Error(diff)
	}
}

func TestAcceptedNames(t *testing.T) {
	for name, values := range map[string][]string{
		"NORMALIZE": {"none", " none ", "all", "active", "patch,create", "all , -response", "missing-target,content-type-json"},
		"BOOLEAN_ATTRIBUTES": {
			"isContractor", "settings.beta", acme + ":isContractor", acme + ":flags.beta", "urn:ietf:params:scim:schemas:core:2.0:User:x",
			"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:x", " a , b ",
		},
		"INTEGER_ATTRIBUTES":     {"badgeNumber", acme + ":badge_number", acme + ":badge-number"},
		"MULTIVALUED_ATTRIBUTES": {"tags", acme + ":sites"},
		"EXTENSION_SCHEMAS":      {acme, "urn:acme:scim:schemas:1.0:Employee", "urn:ietf:params:scim:schemas:extension:acme:1.0:User,urn:a:b"},
	} {
		for _, value := range values {
			environment := valid("NORMALIZE", "all", "PUBLIC_URL", "https://h")
			environment[name] = value
			if _, found := parseSettings(environment); len(found.problems)+len(found.warnings) != 0 {
				t.Errorf("%s=%q: %+v", name, value, found)
			}
		}
	}
	// A path can begin with a schema of the operator's.
	environment := valid("NORMALIZE", "all", "PUBLIC_URL", "https://h",
		"EXTENSION_SCHEMAS", "urn:acme:1.0:Employee", "BOOLEAN_ATTRIBUTES", "urn:acme:1.0:Employee:isContractor")
	if _, found := parseSettings(environment); len(found.problems)+len(found.warnings) != 0 {
		t.Errorf("%+v", found)
	}
}

func TestRefusedNames(t *testing.T) {
	known := ", not among none, all, " + strings.Join(scim.Names(), ", ")
	for _, test := range []struct{ setting, value, found string }{
		{"NORMALIZE", "", "an empty value"},
		{"NORMALIZE", "nonsense", `"nonsense"` + known},
		{"NORMALIZE", "ALL,op_case", `"ALL" and "op_case"` + known},
		{"NORMALIZE", "all,", `"all,", with an empty name`},
		{"NORMALIZE", "all,none", `"all,none", with none beside others`},
		{"NORMALIZE", "-op-case", `"-op-case", which takes out of nothing; name what is on as well, such as all`},
		{"BOOLEAN_ATTRIBUTES", "", "an empty value"},
		{"BOOLEAN_ATTRIBUTES", " ", `" ", with an empty name`},
		{"BOOLEAN_ATTRIBUTES", "a,,b", `"a,,b", with an empty name`},
		{"BOOLEAN_ATTRIBUTES", ",a", `",a", with an empty name`},
		{"BOOLEAN_ATTRIBUTES", "a b,c,d[e]", `"a b" and "d[e]"`},
		{"BOOLEAN_ATTRIBUTES", `emails[type eq "work"].primary`, `"emails[type eq \"work\"].primary"`},
		{"BOOLEAN_ATTRIBUTES", "a;b", `"a;b"`},
		{"BOOLEAN_ATTRIBUTES", "1a", `"1a"`},
		{"BOOLEAN_ATTRIBUTES", "a.", `"a."`},
		{"BOOLEAN_ATTRIBUTES", ".a", `".a"`},
		{"BOOLEAN_ATTRIBUTES", acme + ":", `"` + acme + `:"`},
		{"BOOLEAN_ATTRIBUTES", acme, `"` + acme + `"`},
		{"INTEGER_ATTRIBUTES", "a/b", `"a/b"`},
		{"INTEGER_ATTRIBUTES", "a,b,", `"a,b,", with an empty name`},
		{"MULTIVALUED_ATTRIBUTES", "a..b", `"a..b"`},
		{"MULTIVALUED_ATTRIBUTES", "\u00e4", `"ä"`},
		{"EXTENSION_SCHEMAS", "acme", `"acme"`},
		{"EXTENSION_SCHEMAS", "urn:", `"urn:"`},
		{"EXTENSION_SCHEMAS", acme + ",urn:a b:c", `"urn:a b:c"`},
		{"EXTENSION_SCHEMAS", acme + ",", `"` + acme + `,", with an empty name`},
	} {
		s, found := parseSettings(valid(test.setting, test.value))
		if len(found.problems) != 1 {
			t.Errorf("%s=%q: problems %v", test.setting, test.value, found.problems)
			continue
		}
		got := found.problems[0]
		if diff := cmp.Diff([]string{test.setting, test.found}, []string{got.setting, got.found}); diff != "" || got.expected == "" {
			t.Errorf("%s=%q: %+v %s", test.setting, test.value, got, diff)
		}
		if s.normalizer != nil && s.normalizer.Rules() != 0 {
			t.Errorf("%s=%q: rules %q are on", test.setting, test.value, s.normalizer.Rules())
		}
	}
}

func TestOneAttributeHasOneType(t *testing.T) {
	for _, test := range []struct{ booleans, integers, twice string }{
		{"a", "a", "a"},
		{"x,isContractor", "y,IsContractor", "IsContractor"},
		{"x", "urn:ietf:params:scim:schemas:core:2.0:User:X", "urn:ietf:params:scim:schemas:core:2.0:User:X"},
		{acme + ":x", strings.ToUpper(acme) + ":x", strings.ToUpper(acme) + ":x"},
		{acme + ":x", "x", ""},
		{"x", "x.y", ""},
	} {
		_, found := parseSettings(valid("NORMALIZE", "active,patch", "BOOLEAN_ATTRIBUTES", test.booleans, "INTEGER_ATTRIBUTES", test.integers))
		var got []string
		for _, problem := range found.problems {
			got = append(got, problem.setting+": "+problem.found)
		}
		var want []string
		if test.twice != "" {
			want = []string{`INTEGER_ATTRIBUTES: "` + test.twice + `", which BOOLEAN_ATTRIBUTES names, too`}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q and %q: %s", test.booleans, test.integers, diff)
		}
	}
}

func TestLocationNeedsAPublicURL(t *testing.T) {
	azure := []string{"WEBSITE_SITE_NAME", "contoso", "BACKEND_TOKEN", "file:/b", "ENTRA_TOKEN", "file:/e"}
	hostname := []string{"WEBSITE_HOSTNAME", "contoso.azurewebsites.net"}
	for _, test := range []struct {
		name        string
		environment map[string]string
		refused     bool
	}{
		{"all", valid("NORMALIZE", "all"), true},
		{"response", valid("NORMALIZE", "response"), true},
		{"location", valid("NORMALIZE", "location"), true},
		{"all but location", valid("NORMALIZE", "all,-location"), false},
		{"none", valid("NORMALIZE", "none"), false},
		{"with a public URL", valid("NORMALIZE", "all", "PUBLIC_URL", "https://h"), false},
		{"Core Tools", valid(append(hostname, "NORMALIZE", "all")...), true},
		{"Azure", valid(slices.Concat(azure, hostname, []string{"NORMALIZE", "all"})...), false},
		{"Azure without a name", valid(append(azure, "NORMALIZE", "all")...), true},
	} {
		_, found := parseSettings(test.environment)
		if !test.refused {
			if len(found.problems) != 0 {
				t.Errorf("%s: %v", test.name, found.problems)
			}
			continue
		}
		const want = "PUBLIC_URL: found nothing, but the rule location in NORMALIZE; expected an origin such as https://contoso-scim.azurewebsites.net, without path"
		if len(found.problems) != 1 || found.problems[0].String() != want {
			t.Errorf("%s: %v", test.name, found.problems)
		}
	}
}

func TestProblemsOfNormalizationComeTogether(t *testing.T) {
	_, found := parseSettings(valid("NORMALIZE", "al", "PUBLIC_URL", "h", "BOOLEAN_ATTRIBUTES", "a b", "INTEGER_ATTRIBUTES", "a,", "MAX_BODY", "0",
		"MULTIVALUED_ATTRIBUTES", "", "EXTENSION_SCHEMAS", "acme"))
	var got []string
	for _, problem := range found.problems {
		got = append(got, problem.setting)
	}
	want := []string{"MULTIVALUED_ATTRIBUTES", "PUBLIC_URL", "NORMALIZE", "INTEGER_ATTRIBUTES", "MAX_BODY", "EXTENSION_SCHEMAS", "BOOLEAN_ATTRIBUTES"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%v: %s", found.problems, diff)
	}
	if len(found.warnings) != 0 {
		t.Errorf("%q, though nobody knows what is on", found.warnings)
	}
}

func TestNamesThatNoRuleUsesAreWarnedOf(t *testing.T) {
	boolean := "BOOLEAN_ATTRIBUTES is set, but NORMALIZE does not turn the rule custom-boolean on"
	integer := "INTEGER_ATTRIBUTES is set, but NORMALIZE does not turn the rule custom-integer on"
	multivalued := "MULTIVALUED_ATTRIBUTES is set, but NORMALIZE turns neither the rule custom-multivalued nor remove-value on"
	armed := `NORMALIZE turns op-case on, but not remove-value: a backend that refused "Remove" may take "remove" with a value for a removal of everybody`
	schemas := "EXTENSION_SCHEMAS is set, but NORMALIZE turns no rule for request bodies on"
	for rules, want := range map[string][]string{
		"none":                                  {schemas, boolean, integer, multivalued},
		"request,response":                      {schemas, boolean, integer, multivalued},
		"active":                                {integer, multivalued},
		"patch":                                 {boolean},
		"create":                                {boolean, integer, multivalued},
		"all,-custom-boolean":                   {boolean},
		"all,-custom-integer":                   {integer},
		"custom-multivalued":                    {boolean, integer},
		"remove-value":                          {boolean, integer},
		"all,-custom-multivalued":               nil,
		"all,-custom-multivalued,-remove-value": {armed, multivalued},
		"op-case":                               {armed, boolean, integer, multivalued},
		"missing-target":                        {boolean, integer, multivalued},
		"content-type-json":                     {schemas, boolean, integer, multivalued},
		"all":                                   nil,
		"custom-boolean,custom-integer":         {multivalued},
		"all,-patch,-active,custom-boolean":     {boolean, integer, multivalued},
	} {
		environment := valid(normalizing...)
		environment["NORMALIZE"] = rules
		_, found := parseSettings(environment)
		if diff := cmp.Diff(want, found.warnings); diff != "" || len(found.problems) != 0 {
			t.Errorf("%s: %+v %s", rules, found, diff)
		}
	}
}

func TestNearMissesOfNormalization(t *testing.T) {
	for name, meant := range map[string]string{
		"NORMALISE": "NORMALIZE", "NORMALIZER": "NORMALIZE", "Normalize": "NORMALIZE", "BOOLEAN_ATTRIBUTE": "BOOLEAN_ATTRIBUTES",
		"INTEGERATTRIBUTES": "INTEGER_ATTRIBUTES", "MULTI_VALUED_ATTRIBUTES": "MULTIVALUED_ATTRIBUTES", "EXTENSIONS_SCHEMAS": "EXTENSION_SCHEMAS",
	} {
		_, found := parseSettings(valid(name, "x"))
		want := []string{name + " is set but is not a setting; is " + meant + " meant?"}
		if diff := cmp.Diff(want, found.warnings); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	for _, name := range []string{
		"FUNCTIONS_EXTENSION_VERSION", "FUNCTIONS_WORKER_RUNTIME", "FUNCTIONS_WORKER_PROCESS_COUNT", "WEBSITE_SITE_NAME", "WEBSITE_INSTANCE_ID",
		"WEBSITE_SKU", "WEBSITE_POD_NAME", "WEBSITE_OWNER_NAME", "WEBSITE_RESOURCE_GROUP", "WEBSITE_DEPLOYMENT_ID", "WEBSITE_RUN_FROM_PACKAGE",
		"WEBSITE_CONTENTSHARE", "WEBSITE_TIME_ZONE", "WEBSITE_AUTH_ENABLED", "WEBSITE_PRIVATE_EXTENSIONS", "AzureWebJobsStorage",
		"AzureWebJobsScriptRoot", "AzureWebJobs_ExtensionsPath", "APPLICATIONINSIGHTS_CONNECTION_STRING", "APPINSIGHTS_INSTRUMENTATIONKEY",
		"IDENTITY_HEADER", "MSI_ENDPOINT", "MSI_SECRET", "SCM_DO_BUILD_DURING_DEPLOYMENT", "CONTAINER_NAME", "HOST_VERSION", "ASPNETCORE_URLS",
		"NORMAL", "EXTENSION_BUNDLE", "ATTRIBUTES", "SCHEMAS", "INTEGER", "BOOLEAN",
	} {
		if warnings := nearMisses(valid(name, "x")); len(warnings) != 0 {
			t.Errorf("%s: %v", name, warnings)
		}
	}
	ours := settingNames()
	for i, name := range ours {
		for _, other := range ours[i+1:] {
			if isNear(name, other) {
				t.Errorf("%s and %s are near each other", name, other)
			}
		}
	}
}

func TestBadNormalizationEndsTheProcess(t *testing.T) {
	for rules, want := range map[string][]string{
		"nonsense": append(scim.Names(), `NORMALIZE: found "nonsense", not among none, all, `, "handler: bad settings: NORMALIZE\n"),
		"all":      {"PUBLIC_URL: found nothing, but the rule location in NORMALIZE; expected ", "handler: bad settings: PUBLIC_URL\n"},
	} {
		p := launch(t, local("NORMALIZE", rules))
		if status := p.exit(t); status != 78 || len(p.output()) != 0 {
			t.Errorf("%s: exit status %d, stdout %q", rules, status, p.output())
		}
		for _, text := range want {
			if !strings.Contains(p.errors(), text) {
				t.Errorf("%s: %q does not hold %q", rules, p.errors(), text)
			}
		}
	}
}

func TestBadNormalizationInAzureStaysUp(t *testing.T) {
	for rules, setting := range map[string]string{"nonsense": "NORMALIZE", "all": "PUBLIC_URL"} {
		p := start(t, map[string]string{
			"WEBSITE_SITE_NAME": "contoso", "FUNCTIONS_CUSTOMHANDLER_PORT": "0", "NORMALIZE": rules,
			"BACKEND_URL": "https://127.0.0.1:9/", "BACKEND_TOKEN": "file:/b", "ENTRA_TOKEN": "file:/e",
		})
		if response, _ := p.exchange(t, ping); response.StatusCode != 200 {
			t.Errorf("%s: ping: %d", rules, response.StatusCode)
		}
		if response, body := p.exchange(t, "GET /scim/Users HTTP/1.1\r\nHost: x\r\n\r\n"); response.StatusCode != 503 {
			t.Errorf("%s: %d %s", rules, response.StatusCode, body)
		}
		if line := p.await(t, `"msg":"bad setting"`); !strings.Contains(line, `"setting":"`+setting+`"`) || !strings.Contains(line, `"level":"error"`) {
			t.Errorf("%s: line %s", rules, line)
		}
	}
}

func TestSettingsOfNormalizationReachTheProxy(t *testing.T) {
	got := make(chan string, 1)
	var base string
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got <- string(body)
		w.Header().Set("Location", base+"/Users/1")
		w.Header().Set("Content-Type", "application/scim+json")
		w.WriteHeader(http.StatusCreated)
	})
	environment := b.environment(t)
	base = environment["BACKEND_URL"]
	maps.Copy(environment, map[string]string{
		"NORMALIZE": "all", "PUBLIC_URL": "https://contoso-scim.azurewebsites.net", "EXTENSION_SCHEMAS": "urn:acme:1.0:Employee",
		"BOOLEAN_ATTRIBUTES": "urn:acme:1.0:Employee:isContractor", "INTEGER_ATTRIBUTES": acme + ":badge", "MULTIVALUED_ATTRIBUTES": "tags",
	})
	p := start(t, environment)
	const body = `{"schemas":["urn:acme:1.0:Employee"],"urn:acme:1.0:Employee":{"isContractor":"True"},"` + acme + `":{"badge":"7"},"tags":[{"value":"a"}]}`
	const want = `{"schemas":["urn:acme:1.0:Employee","` + acme + `"],"urn:acme:1.0:Employee":{"isContractor":true},"` + acme + `":{"badge":7},"tags":["a"]}`
	response, answer := p.exchange(t, "POST /scim/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+b.entra+
		"\r\nContent-Type: application/scim+json; charset=utf-8\r\nContent-Length: "+strconv.Itoa(len(body))+"\r\n\r\n"+body)
	if response.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s", response.StatusCode, answer)
	}
	if diff := cmp.Diff(want, <-got); diff != "" {
		t.Error(diff)
	}
	if location := response.Header.Get("Location"); location != "https://contoso-scim.azurewebsites.net/scim/Users/1" {
		t.Errorf("Location %s", location)
	}
	line := p.await(t, `"msg":"exchange"`)
	for _, rule := range []string{"custom-boolean", "custom-integer", "custom-multivalued", "extension-schemas", "accept-scim", "location"} {
		if !strings.Contains(line, rule) {
			t.Errorf("line %s lacks %s", line, rule)
		}
	}
}
