package main

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/entra-scim-proxy/lab/pki"
)

// settingsLine is in the one line that tells what is in effect.
const settingsLine = `"msg":"settings in effect"`

// summaryOf returns the fields of the summary, in which time does not count.
func summaryOf(t *testing.T, p *process) (line string, fields map[string]any) {
	t.Helper()
	line = p.await(t, settingsLine)
	if err := json.Unmarshal([]byte(line), &fields); err != nil {
		t.Fatal(err)
	}
	delete(fields, "time")
	return line, fields
}

// All settings at once, each with a canary where it holds a name of the inside:
// the line tells all that it may, and nothing else.
func TestSummaryOfAllSettings(t *testing.T) {
	client := newClientPKI(t).issue(t, pki.Leaf{CommonName: "scim-proxy-canary"}).Value
	authority, err := pki.New("Canary Root")
	if err != nil {
		t.Fatal(err)
	}
	environment := startVaultNobody(local(normalizing...))
	maps.Copy(environment, map[string]string{
		"WEBSITE_SITE_NAME": "canary-app", "BACKEND_URL": "https://scim-canary.example.com/canary/scim/v2", "BACKEND_SERVER_NAME": "name-canary.example.com",
		"BACKEND_AUTH": "basic", "BACKEND_USERNAME": "user-canary", "BACKEND_TOKEN": "keyvault:out-canary/0123456789abcdef0123456789abcdef",
		"ENTRA_TOKEN": "keyvault:in-canary", "BACKEND_CLIENT_CERT": "file:" + write(t, "canary.pem", client),
		"BACKEND_CA": "plain:" + base64.StdEncoding.EncodeToString(authority.PEM()), "PUBLIC_URL": "https://public-canary.example.com",
		"SCIM_PATH": "/entra", "GROUPS": "stub", "DROP_ATTRIBUTES": "canaryDropped,title", "BOOLEAN_ATTRIBUTES": "canaryBoolean",
		"MAX_BODY": "2MiB", "MAX_HEADER": "32KiB", "MAX_CONCURRENT": "500", "BACKEND_TIMEOUT": "40s", "SECRET_REFRESH": "1m", "SECRET_STALE": "90m", "CHECK_DETAILS": "true", "LOG_LEVEL": "debug",
		"NORMALIZE": "active,accept-scim",
	})
	p := start(t, environment)
	line, got := summaryOf(t, p)
	want := map[string]any{
		"level": "info", "msg": "settings in effect", "version": version, "backend": "https", "scim_path": "/entra", "public_url": "set",
		"auth": "basic", "client_certificate": true, "ca": "bundle", "server_name": true,
		"entra_token": "keyvault", "backend_token": "keyvault pinned", "backend_client_cert": "file", "backend_ca": "plain", "identity": "user",
		"groups": "stub", "rules": got["rules"], "dropped": 2., "custom_names": 6.,
		"timeout": "40s", "refresh": "1m0s", "stale": "1h30m0s", "max_body": 2097152., "max_header": 32768., "max_concurrent": 500., "log_level": "debug", "check_details": true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if rules, _ := got["rules"].(string); !slices.Contains(strings.Split(rules, ","), "accept-scim") || strings.Contains(rules, "location") {
		t.Errorf("rules %q", rules)
	}
	inside := []string{"canary", "example.com", "acme", "isOnCall", "badge", "title", "0123456789", "9edf3db5", "vault.azure", ".pem", "BEGIN", "127.0.0.1"}
	absent(t, "summary", line, inside)
	output := p.output()
	at := slices.Index(output, line)
	listening := slices.IndexFunc(output, func(line string) bool { return strings.Contains(line, `"msg":"listening"`) })
	if at > listening || strings.Count(strings.Join(output, "\n"), settingsLine) != 1 {
		t.Errorf("line %d and listening at %d:\n%s", at, listening, strings.Join(output, "\n"))
	}
	// No warning names what is inside, either.
	for _, each := range output {
		if strings.Contains(each, `"level":"warn"`) && strings.Contains(each, "CHECK_DETAILS") {
			absent(t, "warning", each, inside)
			return
		}
	}
	t.Errorf("no warning of CHECK_DETAILS:\n%s", strings.Join(output, "\n"))
}

// startVaultNobody adds a vault and an identity where nobody is.
func startVaultNobody(environment map[string]string) map[string]string {
	maps.Copy(environment, map[string]string{
		"KEY_VAULT_URL": "https://canary.vault.azure.net", "AZURE_CLIENT_ID": "9edf3db5-1708-45b7-acbe-a7b4c8fb102a",
		"IDENTITY_ENDPOINT": "http://127.0.0.1:9", "IDENTITY_HEADER": "canary", "HTTPS_PROXY": "http://127.0.0.1:9",
	})
	return environment
}

func TestSummaryOfTheDefaults(t *testing.T) {
	_, got := summaryOf(t, start(t, local()))
	want := map[string]any{
		"level": "info", "msg": "settings in effect", "version": version, "backend": "https", "scim_path": "/scim", "public_url": "none",
		"auth": "bearer", "client_certificate": false, "ca": "system", "server_name": false, "entra_token": "env", "backend_token": "env",
		"groups": "forward", "rules": "none", "dropped": 0., "custom_names": 0.,
		"timeout": "50s", "refresh": "5m0s", "stale": "12h0m0s", "max_body": 1048576., "max_header": 16384., "max_concurrent": 1000., "log_level": "info", "check_details": false,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestSummaryOfOtherSettings(t *testing.T) {
	vault := []string{"ENTRA_TOKEN", "keyvault:e", "KEY_VAULT_URL", "https://contoso.vault.azure.net"}
	azure := []string{"WEBSITE_SITE_NAME", "contoso", "WEBSITE_HOSTNAME", "contoso.azurewebsites.net", "IDENTITY_ENDPOINT", "http://127.0.0.1:9"}
	for _, test := range []struct {
		environment map[string]string
		key         string
		want        any
	}{
		{valid(azure...), "public_url", "default"},
		{valid(append(azure, "PUBLIC_URL", "https://scim.contoso.com")...), "public_url", "set"},
		{valid(vault...), "identity", "chain"},
		{valid(slices.Concat(azure, vault)...), "identity", "system"},
		{valid(slices.Concat(azure, vault, []string{"AZURE_CLIENT_ID", "9edf3db5-1708-45b7-acbe-a7b4c8fb102a"})...), "identity", "user"},
		{valid(azure...), "identity", nil},
		{valid("BACKEND_URL", "http://localhost", "BACKEND_ALLOW_HTTP", "true"), "backend", "http"},
		{valid("BACKEND_AUTH", "header:X-Api-Key"), "auth", "header"},
		{without(valid("BACKEND_AUTH", "none", "BACKEND_CLIENT_CERT", "file:/run/client.pem"), "BACKEND_TOKEN"), "backend_token", nil},
		{valid("SCIM_PATH", "/"), "scim_path", "/"},
		{valid("EXTENSION_SCHEMAS", "urn:a:b", "MULTIVALUED_ATTRIBUTES", "a,b", "INTEGER_ATTRIBUTES", "c"), "custom_names", 4.},
	} {
		s, found := parseSettings(test.environment)
		if len(found.problems) > 0 {
			t.Fatal(found.problems)
		}
		var log strings.Builder
		newLogger(&log, s.LogLevel.Level).Info("", s.summary()...)
		var got map[string]any
		if err := json.Unmarshal([]byte(log.String()), &got); err != nil {
			t.Fatal(err)
		}
		if got[test.key] != test.want {
			t.Errorf("%s is %v, want %v", test.key, got[test.key], test.want)
		}
	}
}
