package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/entra-scim-proxy/lab/pki"
	"example.com/entra-scim-proxy/proxy/token"
)

const canary = "canary-5up3r-s3cr3t"

// valid is the least that a process needs, and deserves no warning.
func valid(more ...string) map[string]string {
	environment := map[string]string{
		"BACKEND_URL": "https://scim.corp.example.com/jira/rest/scim/v2", "BACKEND_TOKEN": "env:DEMO_OUT", "ENTRA_TOKEN": "env:DEMO_IN",
		"DEMO_OUT": "b", "DEMO_IN": "e", "PATH": "/usr/bin", "HOME": "/root",
	}
	for i := 0; i < len(more); i += 2 {
		environment[more[i]] = more[i+1]
	}
	return environment
}

func TestDefaults(t *testing.T) {
	s, found := parseSettings(valid())
	if len(found.problems)+len(found.warnings) != 0 || found.azure {
		t.Fatalf("%+v", found)
	}
	got := []any{time.Duration(s.BackendTimeout), s.SCIMPath, s.MaxBody, s.MaxHeader, s.MaxConcurrent, s.LogLevel.String(), bool(s.BackendAllowHTTP), s.port, s.PublicURL, s.KeyVaultURL}
	want := []any{50 * time.Second, scimPath("/scim"), size(1 << 20), headerSize(16 << 10), count(1000), "info", false, uint16(8080), origin(""), vaultURL("")}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAcceptedValues(t *testing.T) {
	authority, err := pki.New("Root")
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range map[string][]string{
		"BACKEND_URL":         {"https://h", "https://h:8443/a%20b/", "https://192.0.2.1/x", "https://[2001:db8::1]:443/x"},
		"BACKEND_TOKEN":       {"file:/run/x", "env:HOME", "plain:a:b c"},
		"BACKEND_CA":          {"file:/x", "plain:" + string(authority.PEM()), "plain:" + base64.StdEncoding.EncodeToString(authority.PEM())},
		"BACKEND_SERVER_NAME": {"a", "scim.corp.example.com", "192.0.2.1", "2001:db8::1", "a_b.example.com"},
		"BACKEND_ALLOW_HTTP":  {"true", "false"},
		"BACKEND_TIMEOUT":     {"1s", "220s", "1m30s", "1500ms"},
		"KEY_VAULT_URL":       {"https://contoso.vault.azure.net", "https://contoso.vault.azure.net/"},
		"AZURE_CLIENT_ID":     {"8adf8e6e-67b2-4cf2-a259-e3dc5476c621"},
		"SCIM_PATH":           {"/", "/scim/", "/a/b.c_d~e-f", "/administrator"},
		"PUBLIC_URL":          {"https://h", "http://127.0.0.1:7071/"},
		"MAX_BODY":            {"1", "65536", "64KiB", "100MiB", "1 MB"},
		"MAX_HEADER":          {"8KiB", "65536", "1MiB"},
		"MAX_CONCURRENT":      {"1", "250", "100000"},
		"LOG_LEVEL":           {"debug", "info", "warn", "error"},
		"SECRET_REFRESH":      {"1s", "5m", "12h"},
		"SECRET_STALE":        {"5m", "12h", "168h"},
		"PORT":                {"0", "1", "65535"},
	} {
		for _, value := range values {
			if _, found := parseSettings(valid(name, value)); len(found.problems) != 0 {
				t.Errorf("%s=%s: %v", name, value, found.problems)
			}
		}
	}
}

func TestRefusedValues(t *testing.T) {
	for name, values := range map[string][]string{
		"BACKEND_URL": {
			"scim.example.com", "http://h", "ftp://h", "https://", "https:///x", "https://h?a=b", "https://h/x?", "https://h#f", "https://u:" + canary + "@h",
			"https://u@h", "/x", "https://h:99999", "https://h:0", "https://%zz" + canary, "https://h:" + canary, "https://h//x", "https://h/x//",
		},
		"BACKEND_TOKEN": {
			canary, "keyvault:" + canary, "keyvault:a_b", "keyvault:a/1", "keyvault:a/" + canary, "keyvault:a/b/c", "env:NOT_SET", "env:" + canary, "plain:" + canary + "\n", "plain:", "file:", "Plain:x",
			"plain:@Microsoft.KeyVault(SecretUri=" + canary + ")",
		},
		"ENTRA_TOKEN":         {canary, "env:EMPTY_VARIABLE", "plain: " + canary},
		"BACKEND_CA":          {"-----BEGIN CERTIFICATE-----", "plain:" + canary, "env:HOME", "plain:-----BEGIN CERTIFICATE-----\n" + canary},
		"BACKEND_SERVER_NAME": {"h:443", "https://h", "a b", ".a", "a..b", "-a", "h/x"},
		"BACKEND_ALLOW_HTTP":  {"1", "yes", "TRUE", "on"},
		"BACKEND_TIMEOUT":     {"50", "0s", "999ms", "221s", "1h", "-5s", "fast"},
		"SECRET_REFRESH":      {"300", "0s", "999ms", "12h0m1s", "200h", "-5m", "often"},
		"SECRET_STALE":        {"12", "0s", "4m59s", "168h0m1s", "-1h", "always"},
		"KEY_VAULT_URL":       {"contoso.vault.azure.net", "http://contoso.vault.azure.net", "https://h/secrets", "https://h?x", "https://u:" + canary + "@h", "https://"},
		"AZURE_CLIENT_ID":     {"x", "{8adf8e6e-67b2-4cf2-a259-e3dc5476c621}", "8adf8e6e67b24cf2a259e3dc5476c621"},
		"SCIM_PATH":           {"scim", "/admin", "/Admin/x", "/runtime", "/runtime/webhooks", "//", "/a//b", "/a/../b", "/.", "/a b", "/%41", "/a?b", "https://h"},
		"PUBLIC_URL":          {"https://h/scim", "ftp://h", "h", "https://u:" + canary + "@h", "https://h?x", "https://h//"},
		"MAX_BODY":            {"0", "-1", "101MiB", "lots", "1XB", "1e99", "9999999999999999999"},
		"MAX_HEADER":          {"0", "-1", "8191", "1048577", "2MiB", "long"},
		"MAX_CONCURRENT":      {"0", "-1", "100001", "1e3", "1.5", "many", "4294967297"},
		"LOG_LEVEL":           {"loud", "fatal", "panic", "dpanic"},
		"PORT":                {"65536", "-1", "http"},
	} {
		for _, value := range append(values, "") {
			if name == "PORT" && value == "" {
				continue
			}
			_, found := parseSettings(valid(name, value, "EMPTY_VARIABLE", ""))
			var names []string
			for _, problem := range found.problems {
				names = append(names, problem.setting)
				if strings.Contains(problem.String(), canary) {
					t.Errorf("%s=%q: the problem shows the value: %v", name, value, problem)
				}
				if problem.found == "" || problem.expected == "" {
					t.Errorf("%s=%q: %+v", name, value, problem)
				}
			}
			want := []string{name}
			if strings.HasPrefix(value, "keyvault:"+canary) {
				want = []string{"KEY_VAULT_URL"} // the name itself is a good one
			}
			if diff := cmp.Diff(want, names); diff != "" {
				t.Errorf("%s=%q: problems %v", name, value, found.problems)
			}
		}
	}
}

func TestAllProblemsAreReportedTogether(t *testing.T) {
	_, found := parseSettings(map[string]string{"ENTRA_TOKEN": "keyvault:entra", "MAX_BODY": "", "BACKEND_TIMEOUT": "soon"})
	var lines strings.Builder
	found.print(&lines)
	const want = `MAX_BODY: found an empty value; expected bytes, or a size such as 1MiB, up to 100MiB
BACKEND_URL: found nothing; expected an absolute URL such as https://scim.corp.example/jira/rest/scim/v2, without user, query or fragment
BACKEND_TIMEOUT: found "soon"; expected a duration from 1s to 220s
KEY_VAULT_URL: found nothing, but a keyvault: reference in ENTRA_TOKEN; expected https and a host, such as https://contoso-scim.vault.azure.net
BACKEND_TOKEN: found nothing; expected a secret reference: keyvault:NAME[/VERSION], env:NAME, file:PATH or plain:VALUE; none with BACKEND_AUTH=none
handler: bad settings: MAX_BODY, BACKEND_URL, BACKEND_TIMEOUT, KEY_VAULT_URL, BACKEND_TOKEN
`
	if diff := cmp.Diff(want, lines.String()); diff != "" {
		t.Error(diff)
	}
}

func TestWindowsAreReportedTogether(t *testing.T) {
	_, found := parseSettings(valid("SECRET_REFRESH", "5m", "SECRET_STALE", "1m"))
	if len(found.problems) != 1 || found.problems[0].found != `"1m0s", with SECRET_REFRESH=5m0s` {
		t.Error(found.problems)
	}
}

func TestAllowHTTP(t *testing.T) {
	if _, found := parseSettings(valid("BACKEND_URL", "http://h:5501", "BACKEND_ALLOW_HTTP", "true")); len(found.problems) != 0 {
		t.Error(found.problems)
	}
	_, found := parseSettings(valid("BACKEND_URL", "http://h:5501"))
	if len(found.problems) != 1 || !strings.Contains(found.problems[0].found, "without BACKEND_ALLOW_HTTP=true") {
		t.Error(found.problems)
	}
}

func TestAzureIsToldFromALocalRun(t *testing.T) {
	for _, name := range azureNames {
		if !inAzure(map[string]string{name: "x"}) {
			t.Errorf("%s alone: not in Azure", name)
		}
		if inAzure(map[string]string{name: "x", "FUNCTIONS_CORETOOLS_ENVIRONMENT": "true"}) {
			t.Errorf("%s under Core Tools: in Azure", name)
		}
	}
	if inAzure(map[string]string{"WEBSITE_HOSTNAME": "localhost:7071", "FUNCTIONS_CUSTOMHANDLER_PORT": "1"}) {
		t.Error("Core Tools' variables alone: in Azure")
	}
}

func TestAzureRefusesPlainSecretsAndKnowsItsOrigin(t *testing.T) {
	authority, err := pki.New("Root")
	if err != nil {
		t.Fatal(err)
	}
	s, found := parseSettings(valid("WEBSITE_SITE_NAME", "contoso", "WEBSITE_HOSTNAME", "contoso.azurewebsites.net",
		"ENTRA_TOKEN", "plain:e", "BACKEND_TOKEN", "plain:b", "BACKEND_CA", "plain:"+string(authority.PEM()), "IDENTITY_ENDPOINT", "http://169.254.255.2/msi/token"))
	var names []string
	for _, problem := range found.problems {
		names = append(names, problem.setting)
	}
	if diff := cmp.Diff([]string{"BACKEND_TOKEN", "ENTRA_TOKEN"}, names); diff != "" {
		t.Errorf("%v", found.problems)
	}
	if s.PublicURL != "https://contoso.azurewebsites.net" || !s.managedIdentity || !found.azure {
		t.Errorf("public URL %q, managed identity %v, azure %v", s.PublicURL, s.managedIdentity, found.azure)
	}
}

func TestPorts(t *testing.T) {
	for want, environment := range map[uint16]map[string]string{
		8080: valid(), 1234: valid("PORT", "1234"), 4321: valid("PORT", "1234", "FUNCTIONS_CUSTOMHANDLER_PORT", "4321"),
	} {
		if s, _ := parseSettings(environment); s.port != want {
			t.Errorf("port %d, want %d", s.port, want)
		}
	}
}

func TestNearMissesAreWarnedOf(t *testing.T) {
	for name, meant := range map[string]string{
		"BACKEND_TOKENS": "BACKEND_TOKEN", "BACKENDURL": "BACKEND_URL", "backend_url": "BACKEND_URL", "ENTRA_TOKN": "ENTRA_TOKEN",
		"KEYVAULT_URI": "KEY_VAULT_URL", "MAXBODY": "MAX_BODY", "BACKEND_SERVERNAME": "BACKEND_SERVER_NAME", "SCIM-PATH": "SCIM_PATH",
		"BACKEND_TIME_OUT": "BACKEND_TIMEOUT",
	} {
		_, found := parseSettings(valid(name, canary))
		want := []string{name + " is set but is not a setting; is " + meant + " meant?"}
		if diff := cmp.Diff(want, found.warnings); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	for _, name := range []string{"PATH", "WEBSITE_HOSTNAME", "AZURE_TENANT_ID", "AZURE_CLIENT_SECRET", "IDENTITY_ENDPOINT", "GOMEMLIMIT", "FUNCTIONS_WORKER_RUNTIME", "PUBLIC_IP", "SCM_URI"} {
		if _, found := parseSettings(valid(name, "x")); len(found.warnings) != 0 {
			t.Errorf("%s: %v", name, found.warnings)
		}
	}
}

func TestParseSettingsIsAFunctionOfItsArgument(t *testing.T) {
	for name, value := range valid("MAX_BODY", "7") {
		t.Setenv(name, value)
	}
	for _, environment := range []map[string]string{nil, {}} {
		if _, found := parseSettings(environment); len(found.problems) != 3 {
			t.Errorf("the process's own environment was read: %v", found.problems)
		}
	}
	environment := valid("MAX_BODY", "")
	before := maps.Clone(environment)
	parseSettings(environment)
	if diff := cmp.Diff(before, environment); diff != "" {
		t.Error("the argument was changed:", diff)
	}
}

func TestLocalSettingsExampleIsValid(t *testing.T) {
	data, err := os.ReadFile("../local.settings.json.example")
	if err != nil {
		t.Fatal(err)
	}
	var example struct{ Values map[string]string }
	if err := json.Unmarshal(data, &example); err != nil {
		t.Fatal(err)
	}
	if _, found := parseSettings(example.Values); len(found.problems)+len(found.warnings) != 0 {
		t.Errorf("%+v", found)
	}
	host := []string{"FUNCTIONS_WORKER_RUNTIME"}
	for name := range example.Values {
		if !slices.Contains(settingNames(), name) && !slices.Contains(host, name) && !strings.HasPrefix(name, "DEMO_") {
			t.Errorf("%s is no setting", name)
		}
	}
}

func TestSettingsDoNotPrintSecrets(t *testing.T) {
	s, _ := parseSettings(valid("BACKEND_TOKEN", "plain:"+canary, "ENTRA_TOKEN", "env:X", "X", canary))
	if s.BackendToken.source.(token.Static).String() == "none" {
		t.Fatal("the canary is not there to be found")
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		if got := fmt.Sprintf(verb, s); strings.Contains(got, canary) || strings.Contains(got, fmt.Sprintf("%x", canary)) {
			t.Errorf("%s: %s", verb, got)
		}
	}
}

func FuzzParseSettings(f *testing.F) {
	for _, name := range settingNames() {
		f.Add(name, "plain:x")
	}
	f.Add("MAX_BODY", "1,5.5KiB")
	f.Add("BACKEND_URL", "https://h/%2e%2e")
	f.Add("NORMALIZE", "all,-location, op-case")
	f.Add("EXTENSION_SCHEMAS", "urn:a:b,")
	f.Add("BOOLEAN_ATTRIBUTES", "a.b,urn:ietf:params:scim:schemas:extension:acme:2.0:User:c")
	f.Fuzz(func(t *testing.T, name, value string) {
		s, found := parseSettings(valid(name, value))
		for _, problem := range found.problems {
			if problem.expected == "" || strings.ContainsAny(problem.String(), "\n\r") {
				t.Errorf("%q=%q: problem %q", name, value, problem)
			}
		}
		if len(found.problems) == 0 && (s.BackendURL.URL == nil || s.BackendToken.source == nil || s.MaxBody < 1 || s.normalizer == nil || s.BackendTimeout < timeout(time.Second)) {
			t.Errorf("%q=%q: no problem, but unusable settings %+v", name, value, s)
		}
	})
}
