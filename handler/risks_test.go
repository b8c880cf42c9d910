package main

import (
	"encoding/base64"
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// inTheCloud is an app as the templates deploy it, with all that they can set.
// It deserves no warning.
func inTheCloud(t *testing.T, more ...string) map[string]string {
	t.Helper()
	ca, err := os.ReadFile("../infra/bicep/examples/ca.pem")
	if err != nil {
		t.Fatal(err)
	}
	environment := valid(normalizing...)
	maps.Copy(environment, map[string]string{
		"WEBSITE_SITE_NAME": "contoso-scim", "WEBSITE_HOSTNAME": "contoso-scim.azurewebsites.net", "IDENTITY_ENDPOINT": "http://169.254.255.2/msi/token",
		"AZURE_CLIENT_ID": "22222222-2222-2222-2222-222222222222", "KEY_VAULT_URL": "https://contoso-scim.vault.azure.net",
		"ENTRA_TOKEN": "keyvault:entra-token", "BACKEND_TOKEN": "keyvault:backend-token", "BACKEND_CLIENT_CERT": "keyvault:backend-client",
		"BACKEND_URL": "https://scim.corp.example.com/scim/v2", "BACKEND_CA": "plain:" + base64.StdEncoding.EncodeToString(ca),
		"BACKEND_AUTH": "basic", "BACKEND_USERNAME": "entra", "BACKEND_SERVER_NAME": "scim.corp.example.com", "BACKEND_ALLOW_HTTP": "false",
		"BACKEND_TIMEOUT": "40s", "SECRET_REFRESH": "1m", "SECRET_STALE": "1h", "NORMALIZE": "all", "GROUPS": "stub", "DROP_ATTRIBUTES": "title",
		"PUBLIC_URL": "https://scim.contoso.com", "MAX_BODY": "2MiB", "CHECK_DETAILS": "false", "LOG_LEVEL": "info",
	})
	for i := 0; i < len(more); i += 2 {
		if environment[more[i]] = more[i+1]; more[i+1] == "" {
			delete(environment, more[i])
		}
	}
	return environment
}

const pinned = "/0123456789abcdef0123456789abcdef"

// Each risk is warned of, once and alone.
func TestRisksAreWarnedOf(t *testing.T) {
	onVault := []string{"KEY_VAULT_URL", "https://contoso-scim.vault.azure.net"}
	vaulted := func(more ...string) map[string]string { return valid(append(more, onVault...)...) }
	for _, test := range []struct {
		want        string
		environment map[string]string
	}{
		{"BACKEND_URL is http://", valid("BACKEND_URL", "http://scim.corp.example.com:5501", "BACKEND_ALLOW_HTTP", "true")},
		{"BACKEND_URL is http://", valid("BACKEND_URL", "http://10.0.0.4/scim", "BACKEND_ALLOW_HTTP", "true")},
		{"BACKEND_URL is http://", withoutCA(t, "http://jira.corp/scim", "BACKEND_ALLOW_HTTP", "true", "BACKEND_CLIENT_CERT", "")},
		{"ENTRA_TOKEN holds the secret itself", valid("ENTRA_TOKEN", "plain:x")},
		{"BACKEND_TOKEN holds the secret itself", valid("BACKEND_TOKEN", "plain:x")},
		{"BACKEND_CLIENT_CERT holds the secret itself", valid("BACKEND_CLIENT_CERT", "plain:"+clientPEM(t))},
		{"ENTRA_TOKEN is an env: reference", inTheCloud(t, "ENTRA_TOKEN", "env:DEMO_IN")},
		{"BACKEND_TOKEN is an env: reference", inTheCloud(t, "BACKEND_TOKEN", "env:DEMO_OUT")},
		{"BACKEND_CLIENT_CERT is an env: reference", inTheCloud(t, "BACKEND_CLIENT_CERT", "env:DEMO_PEM", "DEMO_PEM", clientPEM(t))},
		{"ENTRA_TOKEN names one version", inTheCloud(t, "ENTRA_TOKEN", "keyvault:entra-token"+pinned)},
		{"BACKEND_TOKEN names one version", inTheCloud(t, "BACKEND_TOKEN", "keyvault:backend-token"+pinned)},
		{"BACKEND_CLIENT_CERT names one version", inTheCloud(t, "BACKEND_CLIENT_CERT", "keyvault:backend-client"+pinned)},
		{"are the same secret", inTheCloud(t, "BACKEND_TOKEN", "keyvault:Entra-Token")},
		{"are the same secret", valid("ENTRA_TOKEN", "file:/run/x", "BACKEND_TOKEN", "file:/run/x")},
		{"are the same secret", valid("ENTRA_TOKEN", "env:DEMO_OUT")},
		{"are the same secret", valid("DEMO_IN", "b")}, // two names of one value
		{"BACKEND_TIMEOUT is over 55s", valid("BACKEND_TIMEOUT", "56s")},
		{"BACKEND_TIMEOUT is under 5s", valid("BACKEND_TIMEOUT", "4999ms")},
		{"SECRET_REFRESH is under 30s", inTheCloud(t, "SECRET_REFRESH", "29s")},
		{"SECRET_REFRESH is under 30s", vaulted("BACKEND_CA", "keyvault:ca", "SECRET_REFRESH", "1s")},
		{"SECRET_STALE is over 24h", inTheCloud(t, "SECRET_STALE", "25h")},
		{"SECRET_STALE is over 24h", valid("ENTRA_TOKEN", "file:/run/x", "SECRET_STALE", "168h")},
		{"MAX_BODY is over 10MiB", inTheCloud(t, "MAX_BODY", "11MiB")},
		{"MAX_BODY is over 10MiB", valid("DROP_ATTRIBUTES", "title", "MAX_BODY", "100MiB")},
		{"PUBLIC_URL is http://", valid("PUBLIC_URL", "http://scim.contoso.com")},
		{"LOG_LEVEL leaves out", valid("LOG_LEVEL", "warn")},
		{"LOG_LEVEL leaves out", inTheCloud(t, "LOG_LEVEL", "error")},
		{"CHECK_DETAILS=true", inTheCloud(t, "CHECK_DETAILS", "true")},
		{"BACKEND_CA is not set", withoutCA(t, "https://10.0.0.4/scim")},
		{"BACKEND_CA is not set", withoutCA(t, "https://100.64.0.4/scim")},
		{"BACKEND_CA is not set", withoutCA(t, "https://[fd12::1]:8443/scim")},
		{"BACKEND_CA is not set", withoutCA(t, "https://jira/scim")},
		{"BACKEND_CA is not set", withoutCA(t, "https://jira.Contoso.LOCAL./scim")},
		{"BACKEND_CA is not set", withoutCA(t, "https://jira.home.arpa/scim")},
		{"BACKEND_CA is not set", withoutCA(t, "https://scim.contoso.com", "BACKEND_SERVER_NAME", "jira.corp")},
	} {
		_, found := parseSettings(test.environment)
		if len(found.problems) != 0 || len(found.warnings) != 1 || !strings.Contains(found.warnings[0], test.want) {
			t.Errorf("%s: %v %q", test.want, found.problems, found.warnings)
		}
	}
}

// withoutCA is an app that knows the system's roots alone.
func withoutCA(t *testing.T, backend string, more ...string) map[string]string {
	t.Helper()
	return inTheCloud(t, append([]string{"BACKEND_CA", "", "BACKEND_SERVER_NAME", "", "BACKEND_URL", backend}, more...)...)
}

// What is near to a risk and none is not warned of.
func TestWhatIsNoRiskIsNotWarnedOf(t *testing.T) {
	for name, environment := range map[string]map[string]string{
		"the defaults":                   valid(),
		"the templates":                  inTheCloud(t),
		"the vault's default":            inTheCloud(t, "SECRET_REFRESH", "30s", "SECRET_STALE", "24h", "BACKEND_TIMEOUT", "55s", "MAX_BODY", "10MiB", "CHECK_DETAILS", ""),
		"a shortest timeout":             valid("BACKEND_TIMEOUT", "5s"),
		"HTTP on this machine":           valid("BACKEND_URL", "http://localhost:5501", "BACKEND_ALLOW_HTTP", "true"),
		"HTTP on this machine, absolute": valid("BACKEND_URL", "http://localhost.:5501", "BACKEND_ALLOW_HTTP", "true"),
		"HTTP on this machine, IPv4":     valid("BACKEND_URL", "http://127.0.0.2:5501", "BACKEND_ALLOW_HTTP", "true"),
		"HTTP on this machine, IPv6":     valid("BACKEND_URL", "http://[::1]:5501", "BACKEND_ALLOW_HTTP", "true"),
		"HTTP allowed and not used":      valid("BACKEND_ALLOW_HTTP", "true"),
		"an env: reference, locally":     valid("ENTRA_TOKEN", "env:DEMO_IN"),
		"files in the cloud":             inTheCloud(t, "ENTRA_TOKEN", "file:/run/a", "BACKEND_TOKEN", "file:/run/b"),
		"a public bundle in plain":       inTheCloud(t, "BACKEND_CLIENT_CERT", ""),
		"a pinned bundle":                inTheCloud(t, "BACKEND_CA", "keyvault:backend-ca"+pinned),
		"one name, two kinds":            valid("ENTRA_TOKEN", "file:x", "BACKEND_TOKEN", "keyvault:x", "KEY_VAULT_URL", "https://contoso-scim.vault.azure.net"),
		"a certificate alone":            without(inTheCloud(t, "BACKEND_AUTH", "none", "BACKEND_USERNAME", ""), "BACKEND_TOKEN"),
		"a short refresh of a file":      valid("ENTRA_TOKEN", "file:/run/x", "SECRET_REFRESH", "1s"),
		"what cannot get stale":          valid("SECRET_STALE", "168h"),
		"a large body that passes":       valid("MAX_BODY", "100MiB", "NORMALIZE", "content-type-json,accept-scim"),
		"a public URL on this machine":   valid("PUBLIC_URL", "http://localhost:7071"),
		"a public URL, IPv6":             valid("PUBLIC_URL", "http://[::1]:7071"),
		"debug":                          valid("LOG_LEVEL", "debug"),
		"details on this machine":        valid("CHECK_DETAILS", "true"),
		"a private CA in the system":     valid("BACKEND_URL", "https://jira.corp/scim"),
		"a public name":                  withoutCA(t, "https://api.example.com/scim"),
		"a public address":               withoutCA(t, "https://192.0.2.1/scim"),
		"a public name at a private one": withoutCA(t, "https://10.0.0.4/scim", "BACKEND_SERVER_NAME", "scim.contoso.com"),
		"a public name of a private one": withoutCA(t, "https://jira.corp/scim", "BACKEND_SERVER_NAME", "scim.contoso.com"),
		"a name that only looks private": withoutCA(t, "https://corp.contoso.com/scim"),
		"the system's roots replaced":    withoutCA(t, "https://jira.corp/scim", "SSL_CERT_FILE", "/etc/corp.pem"),
		"their folder replaced":          withoutCA(t, "https://jira.corp/scim", "SSL_CERT_DIR", "/etc/corp"),
		"a backend on this machine":      withoutCA(t, "https://localhost:8443/scim"),
		"a private name and its CA":      inTheCloud(t, "BACKEND_URL", "https://jira.corp/scim", "BACKEND_SERVER_NAME", ""),
	} {
		if _, found := parseSettings(environment); len(found.problems)+len(found.warnings) != 0 {
			t.Errorf("%s: %v %q", name, found.problems, found.warnings)
		}
	}
}

// Two versions of one secret are two secrets.
func TestVersionsAreSecretsOfTheirOwn(t *testing.T) {
	other := strings.ToUpper(strings.Replace(pinned, "0", "f", 1))
	for version, shared := range map[string]bool{pinned: true, strings.ToUpper(pinned): true, other: false, "": true} {
		_, found := parseSettings(inTheCloud(t, "ENTRA_TOKEN", "keyvault:a"+pinned, "BACKEND_TOKEN", "keyvault:a"+version))
		if got := strings.Contains(fmt.Sprint(found.warnings), "are the same secret"); got != shared {
			t.Errorf("%q: shared %v, want %v: %q", version, got, shared, found.warnings)
		}
	}
}

// Risks of settings that cannot be used are nobody's concern yet: a value that
// could not be parsed is zero.
func TestBadSettingsHaveNoRisks(t *testing.T) {
	_, found := parseSettings(valid("BACKEND_TIMEOUT", "soon", "PUBLIC_URL", "http://scim.contoso.com"))
	if len(found.problems) != 1 || len(found.warnings) != 0 {
		t.Errorf("%v %q", found.problems, found.warnings)
	}
}

// Warnings are for whoever holds Entra's token, and say what to do in one
// sentence.
func TestWarningsAreOneSentence(t *testing.T) {
	var all []string
	for _, risk := range risks {
		all = append(all, risk.warning)
	}
	for _, risk := range secretRisks {
		all = append(all, "ENTRA_TOKEN"+risk.warning)
	}
	for _, warning := range all {
		setting, _, _ := strings.Cut(strings.NewReplacer(" ", "=").Replace(warning), "=")
		if diff := cmp.Diff(1, strings.Count(strings.Join(settingNames(), " ")+" ", setting+" ")); diff != "" {
			t.Errorf("%q begins with no setting", warning)
		}
		if strings.HasSuffix(warning, ".") || strings.Contains(warning, ". ") || strings.Contains(warning, "\n") {
			t.Errorf("%q is not one sentence", warning)
		}
	}
}
