package main

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/entra-scim-proxy/lab/pki"
	"example.com/entra-scim-proxy/proxy/token"
)

// clientPEM is a client certificate with its key.
func clientPEM(t *testing.T) string {
	t.Helper()
	return newClientPKI(t).issue(t, pki.Leaf{CommonName: "scim-proxy"}).Value
}

// without is an environment without some of its variables.
func without(environment map[string]string, names ...string) map[string]string {
	for _, name := range names {
		delete(environment, name)
	}
	return environment
}

func TestKindsOfBackendAuth(t *testing.T) {
	identity := clientPEM(t)
	for _, environment := range []map[string]string{
		valid("BACKEND_AUTH", "bearer"),
		valid("BACKEND_AUTH", "basic", "BACKEND_USERNAME", "svc-scim", "DEMO_OUT", "pässword: 1 "),
		valid("BACKEND_AUTH", "basic", "BACKEND_USERNAME", "Übersetzer mit Platz"),
		valid("BACKEND_AUTH", "header:X-Api-Key"), valid("BACKEND_AUTH", "header:Authorization"),
		valid("BACKEND_CLIENT_CERT", "env:CLIENT_PEM", "CLIENT_PEM", identity),
		valid("BACKEND_CLIENT_CERT", "env:CLIENT_PEM", "CLIENT_PEM", base64.StdEncoding.EncodeToString([]byte(identity))),
		valid("BACKEND_CLIENT_CERT", "keyvault:client", "KEY_VAULT_URL", "https://contoso.vault.azure.net"),
		without(valid("BACKEND_AUTH", "none", "BACKEND_CLIENT_CERT", "file:/run/client.pem"), "BACKEND_TOKEN"),
	} {
		if _, found := parseSettings(environment); len(found.problems)+len(found.warnings) != 0 {
			t.Errorf("%v: %+v", environment, found)
		}
	}
}

// Each combination that makes no sense is told in words.
func TestBadCombinationsOfBackendAuth(t *testing.T) {
	for _, test := range []struct {
		environment map[string]string
		want        string // setting and what was found
	}{
		{valid("BACKEND_AUTH", "basic"), "BACKEND_USERNAME: found nothing, but BACKEND_AUTH=basic"},
		{valid("BACKEND_USERNAME", "svc-scim"), "BACKEND_USERNAME: found a user name, but not BACKEND_AUTH=basic"},
		{valid("BACKEND_AUTH", "header:X-Api-Key", "BACKEND_USERNAME", "svc-scim"), "BACKEND_USERNAME: found a user name, but not BACKEND_AUTH=basic"},
		{without(valid("BACKEND_AUTH", "none"), "BACKEND_TOKEN"), "BACKEND_CLIENT_CERT: found nothing, but BACKEND_AUTH=none: only a certificate can tell the backend who calls"},
		{valid("BACKEND_AUTH", "none", "BACKEND_CLIENT_CERT", "file:/run/client.pem"), "BACKEND_TOKEN: found a reference, but BACKEND_AUTH=none"},
		{without(valid("BACKEND_AUTH", "basic", "BACKEND_USERNAME", "svc-scim"), "BACKEND_TOKEN"), "BACKEND_TOKEN: found nothing"},
		{valid("BACKEND_CLIENT_CERT", "file:/run/client.pem", "BACKEND_URL", "http://h", "BACKEND_ALLOW_HTTP", "true"), "BACKEND_CLIENT_CERT: found a reference, but an http:// backend"},
		{valid("BACKEND_CLIENT_CERT", "keyvault:client"), "KEY_VAULT_URL: found nothing, but a keyvault: reference in BACKEND_CLIENT_CERT"},
		{valid("BACKEND_AUTH", "basic", "BACKEND_USERNAME", "svc-scim", "BACKEND_TOKEN", "plain:a\tb"), "BACKEND_TOKEN: found plain: with an unusable value: byte 2 of 3 begins a control character, which HTTP Basic cannot carry"},
		{valid("BACKEND_TOKEN", "plain:pässword"), "BACKEND_TOKEN: found plain: with an unusable value: byte 2 of 9 is 0xc3, which a header cannot carry"},
		{valid("WEBSITE_SITE_NAME", "contoso", "BACKEND_TOKEN", "keyvault:b", "ENTRA_TOKEN", "keyvault:e", "KEY_VAULT_URL", "https://contoso.vault.azure.net", "BACKEND_CLIENT_CERT", "plain:"+clientPEM(t)), "BACKEND_CLIENT_CERT: found a plain: reference, which is refused in Azure"},
	} {
		_, found := parseSettings(test.environment)
		if len(found.problems) != 1 {
			t.Errorf("want %s, got %+v", test.want, found)
			continue
		}
		if got, _, _ := strings.Cut(found.problems[0].String(), "; expected "); got != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
	}
}

// A secret can end up in a wrong setting.
func TestRefusedAuthShowsNothing(t *testing.T) {
	for name, values := range map[string][]string{
		"BACKEND_AUTH":        {"Bearer", "token", "basic:" + canary, canary, "header:", "header:" + canary + " x", "header:Host", "header:Accept", "header", "none:x"},
		"BACKEND_USERNAME":    {"svc:" + canary, canary + "\n", canary + "\xff", canary + "\u0085", " " + canary, canary + " "},
		"BACKEND_CLIENT_CERT": {canary, "plain:" + canary, "env:NOT_SET", "plain:-----BEGIN PRIVATE KEY-----\n" + canary},
		"GROUPS":              {"Stub", "off", "none", "true"},
		"DROP_ATTRIBUTES":     {"emails[type eq \"work\"]", "a b", "schemas", "a,,b", "urn:x:y", "urn:ietf:params:scim:schemas:core:2.0:User"},
	} {
		for _, value := range append(values, "") {
			_, found := parseSettings(valid(name, value, "BACKEND_AUTH", map[string]string{"BACKEND_AUTH": value, "BACKEND_USERNAME": "basic"}[name]))
			if name != "BACKEND_AUTH" && name != "BACKEND_USERNAME" {
				_, found = parseSettings(valid(name, value))
			}
			var names []string
			for _, problem := range found.problems {
				names = append(names, problem.setting)
				if strings.Contains(problem.String(), canary) {
					t.Errorf("%s=%q: the problem shows the value: %v", name, value, problem)
				}
			}
			if diff := cmp.Diff([]string{name}, names); diff != "" {
				t.Errorf("%s=%q: problems %v", name, value, found.problems)
			}
		}
	}
}

// Whoever corrects what is reported has corrected all of it, and is not sent
// after what is no fault.
func TestProblemsOfBackendsAreReportedTogether(t *testing.T) {
	for _, test := range []struct {
		environment map[string]string
		want        []string
	}{
		{valid("BACKEND_AUTH", "none"), []string{"BACKEND_TOKEN", "BACKEND_CLIENT_CERT"}},
		{valid("BACKEND_AUTH", "Basic", "BACKEND_USERNAME", "svc-scim", "BACKEND_TOKEN", "plain:pässword"), []string{"BACKEND_AUTH"}},
		{valid("BACKEND_AUTH", "Basic", "BACKEND_TOKEN", "env:NOT_SET"), []string{"BACKEND_TOKEN", "BACKEND_AUTH"}},
		{valid("DROP_ATTRIBUTES", "schemas"), []string{"DROP_ATTRIBUTES"}},
	} {
		_, found := parseSettings(test.environment)
		var names []string
		for _, problem := range found.problems {
			names = append(names, problem.setting)
		}
		slices.Sort(names)
		slices.Sort(test.want)
		if diff := cmp.Diff(test.want, names); diff != "" || len(found.warnings) > 0 {
			t.Errorf("problems %v, warnings %q, want %v", found.problems, found.warnings, test.want)
		}
	}
}

func TestGroupsAndDroppedAttributes(t *testing.T) {
	const manager = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager"
	s, found := parseSettings(valid("GROUPS", "stub", "DROP_ATTRIBUTES", "title, name.formatted,"+manager))
	if len(found.problems)+len(found.warnings) != 0 || s.Groups != stubbed || !s.normalizer.Drops() {
		t.Errorf("%+v, groups %q", found, s.Groups)
	}
	if diff := cmp.Diff(nameList{"title", "name.formatted", manager}, s.DropAttributes); diff != "" {
		t.Error(diff)
	}
	s, found = parseSettings(valid("GROUPS", "forward"))
	if len(found.problems) != 0 || s.Groups == stubbed || s.normalizer.Drops() {
		t.Errorf("%+v, groups %q", found, s.Groups)
	}
	// An extension of the operator's can be named.
	_, found = parseSettings(valid("DROP_ATTRIBUTES", "urn:acme:1.0:Employee:badge", "EXTENSION_SCHEMAS", "urn:acme:1.0:Employee"))
	if len(found.problems)+len(found.warnings) != 0 {
		t.Errorf("%+v", found)
	}
}

// HTTP Basic carries what no other header can, wherever the password comes from.
func TestPasswordsAreReadAsPasswords(t *testing.T) {
	source := token.Static(token.NewSecret("pässword: 1"))
	if _, err := (auth{kind: authBasic}).read(source)(t.Context()); err != nil {
		t.Error(err)
	}
	for _, kind := range []string{authBearer, authHeader} {
		if _, err := (auth{kind: kind}).read(source)(t.Context()); err == nil {
			t.Errorf("%s: a header took %q", kind, "ä")
		}
	}
}

// With a bad NORMALIZE nobody knows which names are of use.
func TestBadNormalizeMakesNoWarnings(t *testing.T) {
	_, found := parseSettings(valid("NORMALIZE", "everything", "BOOLEAN_ATTRIBUTES", "isContractor", "DROP_ATTRIBUTES", "title"))
	if len(found.problems) != 1 || len(found.warnings) != 0 {
		t.Errorf("%+v", found)
	}
}

// What leavers and joiners hang on can be dropped, but not in silence.
func TestRiskyDropsAreWarnedOf(t *testing.T) {
	for _, name := range []string{"active", "userName", "externalId", "members", "urn:ietf:params:scim:schemas:core:2.0:User:Active",
		"displayName", "urn:ietf:params:scim:schemas:core:2.0:Group:displayname"} {
		_, found := parseSettings(valid("DROP_ATTRIBUTES", "title,"+name))
		if len(found.problems) != 0 || len(found.warnings) != 1 || !strings.HasPrefix(found.warnings[0], "DROP_ATTRIBUTES has ") {
			t.Errorf("%s: %+v", name, found)
		}
	}
}

// What groups cannot do without users can, and the proxy's own groups never
// reach the backend.
func TestHarmlessDropsAreNotWarnedOf(t *testing.T) {
	for _, environment := range []map[string]string{
		valid("DROP_ATTRIBUTES", "urn:ietf:params:scim:schemas:core:2.0:User:displayName"),
		valid("DROP_ATTRIBUTES", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager"),
		valid("DROP_ATTRIBUTES", "displayName", "GROUPS", "stub"),
		valid("DROP_ATTRIBUTES", "members", "GROUPS", "stub"),
	} {
		if _, found := parseSettings(environment); len(found.problems)+len(found.warnings) != 0 {
			t.Errorf("%v: %+v", environment, found)
		}
	}
}

// Names of the enterprise extension are often written without its URI.
func TestDropsWithoutTheirURIAreWarnedOf(t *testing.T) {
	for _, name := range []string{"manager", "Department", "manager.displayName"} {
		_, found := parseSettings(valid("DROP_ATTRIBUTES", name))
		if len(found.problems) != 0 || len(found.warnings) != 1 || !strings.Contains(found.warnings[0], "enterprise:2.0:User:") {
			t.Errorf("%s: %+v", name, found)
		}
	}
}

func TestBundleForPlainHTTPIsWarnedOf(t *testing.T) {
	_, found := parseSettings(valid("BACKEND_URL", "http://localhost", "BACKEND_ALLOW_HTTP", "true", "BACKEND_CA", "file:/run/ca.pem"))
	if len(found.problems) != 0 || len(found.warnings) != 1 || !strings.HasPrefix(found.warnings[0], "BACKEND_CA ") {
		t.Errorf("%+v", found)
	}
}

func TestForbiddenBackends(t *testing.T) {
	for _, host := range []string{"169.254.169.254", "169.254.1.1:8080", "[fe80::1]", "[::ffff:169.254.169.254]", "168.63.129.16", "[fd00:ec2::254]",
		"[::ffff:a9fe:a9fe]", "[::169.254.169.254]", "[64:ff9b::a9fe:a9fe]", "[2002:a9fe:a9fe::1]", "[fe80::1%25eth0]", "[fd20:ce::254]", "100.100.100.200", "192.0.0.192",
		// 169.254.169.254 as some resolvers read it.
		"2852039166", "0xA9FEA9FE", "0251.0376.0251.0376", "0xa9.0xfe.0xa9.0xfe", "169.254.43518", "169.16689662", "169.254.169.254.", "0x",
	} {
		_, found := parseSettings(valid("BACKEND_URL", "https://"+host+"/scim"))
		if len(found.problems) != 1 || found.problems[0].setting != "BACKEND_URL" || !strings.Contains(found.problems[0].found, ", which is ") {
			t.Errorf("%s: %+v", host, found.problems)
		}
	}
	for _, host := range []string{"127.0.0.1", "10.0.0.4", "[::1]", "192.168.1.1", "[fd12::1]", "1.example.com", "0x.example.com", "host1", "scim.corp.example"} {
		if _, found := parseSettings(valid("BACKEND_URL", "https://"+host+"/scim")); len(found.problems) != 0 {
			t.Errorf("%s: %+v", host, found.problems)
		}
	}
}

func TestSettingsDoNotPrintTheClientKey(t *testing.T) {
	identity := clientPEM(t)
	line := strings.Split(identity[strings.Index(identity, "PRIVATE KEY"):], "\n")[1]
	s, found := parseSettings(valid("BACKEND_CLIENT_CERT", "plain:"+identity))
	if len(found.problems) != 0 {
		t.Fatal(found.problems)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		if got := fmt.Sprintf(verb, s); strings.Contains(got, line) || strings.Contains(got, fmt.Sprintf("%x", line)) {
			t.Errorf("%s prints the key", verb)
		}
	}
}
