package infra_test

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"strings"
	"testing"
)

var (
	functionHead = regexp.MustCompile(`(?m)^func (\w+)\(([^)]*)\) \S+ => `)
	defaultHead  = regexp.MustCompile(`(?m)^param (\w+) [\w[\]]+ = `)
	variableHead = regexp.MustCompile(`(?m)^var (\w+) = `)
)

// problems are what main.bicep says about parameters: a sentence for each wrong
// one. Its appName, which everything is named after, fails on any.
func problems(t *testing.T, given scope) (found []string) {
	t.Helper()
	defer func() {
		if problem := recover(); problem != nil {
			t.Errorf("%v: the checks end with %v", given, problem)
		}
	}()
	main, checks := source(t, "bicep/main.bicep"), scope{}
	text := source(t, "bicep/modules/checks.bicep")
	for _, at := range functionHead.FindAllStringSubmatchIndex(text, -1) {
		var names []string
		for parameter := range strings.SplitSeq(text[at[4]:at[5]], ", ") {
			if name, _, typed := strings.Cut(parameter, " "); typed {
				names = append(names, name)
			}
		}
		checks[text[at[2]:at[3]]] = lambda{names, expressionAt(t, text[at[1]:]), checks}
	}
	values := scope{"check": checks, "alwaysReadyInstances": nil}
	for _, at := range defaultHead.FindAllStringSubmatchIndex(main, -1) {
		if name := main[at[2]:at[3]]; name != "location" { // the group's
			values[name] = expressionAt(t, main[at[1]:])(values)
		}
	}
	maps.Copy(values, scope{"name": "contoso-scim", "backendUrl": "https://scim.contoso.com/scim/v2"})
	maps.Copy(values, given)
	for _, at := range variableHead.FindAllStringSubmatchIndex(main, -1) {
		name := main[at[2]:at[3]]
		values[name] = expressionAt(t, main[at[1]:])(values)
		if name == "problems" {
			break
		}
	}
	for _, problem := range values["problems"].([]any) {
		found = append(found, problem.(string))
	}
	return found
}

func source(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func expressionAt(t *testing.T, text string) expression {
	t.Helper()
	parsed, err := parseExpression(text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

const (
	subnet = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg_net/providers/Microsoft.Network/virtualNetworks/vnet_hub/subnets/"
	zone   = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-dns/providers/Microsoft.Network/privateDnsZones/"
)

func TestGoodParameters(t *testing.T) {
	for _, given := range []scope{
		{},
		{"name": "abc"},
		{"name": "a" + strings.Repeat("1", 31)},
		{"backendUrl": "https://[2001:db8::1]:8443/scim"},
		{"backendUrl": "https://10.1.2.3:65535"},
		{"backendUrl": "http://scim.contoso.com", "settings": scope{"BACKEND_ALLOW_HTTP": "true"}},
		{"backendCa": "-----BEGIN CERTIFICATE-----\nMII"},
		{"backendAuth": "header:X-Api-Key"},
		{"backendAuth": "none"},
		{"backendAuth": "basic", "settings": scope{"BACKEND_USERNAME": "entra"}},
		{"scimPath": "/"},
		{"scimPath": "/administration/v2.0"},
		{"publicUrl": "https://scim.contoso.com"},
		{"alwaysReadyInstances": 10},
		{"alwaysReadyInstances": 0, "maximumInstanceCount": 1},
		{"existingSubnetId": subnet + "snet-scim"},
		{"existingSubnetId": subnet + "snet", "vaultPrivateEndpoint": true, "existingPrivateEndpointSubnetId": subnet + "snet_endpoints"},
		{"existingPrivateDnsZoneId": zone + "privatelink.vaultcore.azure.net"},
		{"subnetAddressPrefix": "10.80.0.0/27"},
		{"subnetAddressPrefix": "10.80.0.0/8"},
		{"privateEndpointSubnetAddressPrefix": "10.80.0.32/29"},
		{"vaultName": "Kv-1"},
		{"vaultName": "k" + strings.Repeat("v", 23)},
		{"adminIpRanges": []any{"203.0.113.7/32", "198.51.100.0/24", "172.32.0.0/16", "9.255.255.255/32"}},
		{"alertEmails": []any{"identity@contoso.com"}},
	} {
		if found := problems(t, given); len(found) > 0 {
			t.Errorf("%v is refused: %q", given, found)
		}
	}
}

// A wrong parameter is named, and what it holds is said, unless it may be a
// password.
func TestBadParameters(t *testing.T) {
	for _, bad := range []struct {
		parameter string
		given     any
		beside    scope
		hidden    bool
	}{
		{parameter: "name", given: ""},
		{parameter: "name", given: "ab"},
		{parameter: "name", given: "a" + strings.Repeat("1", 32)},
		{parameter: "name", given: "1abc"},
		{parameter: "name", given: "abc-"},
		{parameter: "name", given: "Contoso"},
		{parameter: "name", given: "con_toso"},
		{parameter: "backendUrl", given: ""},
		{parameter: "backendUrl", given: "scim.contoso.com"},
		{parameter: "backendUrl", given: "http://scim.contoso.com"},
		{parameter: "backendUrl", given: "http://scim.contoso.com", beside: scope{"settings": scope{"BACKEND_ALLOW_HTTP": "false"}}},
		{parameter: "backendUrl", given: "https://"},
		{parameter: "backendUrl", given: "https://a:0"},
		{parameter: "backendUrl", given: "https://a:65536"},
		{parameter: "backendUrl", given: "https://a:"},
		{parameter: "backendUrl", given: "https://[2001:db8::1"},
		{parameter: "backendUrl", given: "https://a b"},
		{parameter: "backendUrl", given: "https://a/#b"},
		{parameter: "backendUrl", given: "https://user:hunter2@a", hidden: true},
		{parameter: "backendUrl", given: "https://a/scim?key=hunter2", hidden: true},
		{parameter: "backendCa", given: "ca.pem hunter2", hidden: true},
		{parameter: "backendCa", given: "-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\nhunter2", hidden: true},
		{parameter: "backendAuth", given: ""},
		{parameter: "backendAuth", given: "Bearer"},
		{parameter: "backendAuth", given: "header:"},
		{parameter: "backendAuth", given: "Bearer hunter2", hidden: true},
		{parameter: "backendAuth", given: "header:X-Api-Key: hunter2", hidden: true},
		{parameter: "backendAuth", given: "basic"},
		{parameter: "settings.BACKEND_USERNAME", given: "entra:hunter2", beside: scope{"backendAuth": "basic", "settings": scope{"BACKEND_USERNAME": "entra:hunter2"}}, hidden: true},
		{parameter: "backendAuth", given: "bearer", beside: scope{"settings": scope{"BACKEND_USERNAME": "entra"}}},
		{parameter: "settings.LOG_LEVEL", given: "", beside: scope{"settings": scope{"LOG_LEVEL": ""}}, hidden: true},
		{parameter: "settings.LOG_LEVEL", given: "", beside: scope{"settings": scope{"LOG_LEVEL": nil}}, hidden: true},
		{parameter: "scimPath", given: ""},
		{parameter: "scimPath", given: "scim"},
		{parameter: "scimPath", given: "/scim/"},
		{parameter: "scimPath", given: "//scim"},
		{parameter: "scimPath", given: "/admin"},
		{parameter: "scimPath", given: "/Admin/scim"},
		{parameter: "scimPath", given: "/runtime"},
		{parameter: "scimPath", given: "/a/../b"},
		{parameter: "scimPath", given: "/./b"},
		{parameter: "scimPath", given: "/scim?x"},
		{parameter: "publicUrl", given: "http://scim.contoso.com"},
		{parameter: "publicUrl", given: "https://scim.contoso.com/"},
		{parameter: "alwaysReadyInstances", given: 11},
		{parameter: "alwaysReadyInstances", given: 2, beside: scope{"maximumInstanceCount": 1}},
		{parameter: "existingSubnetId", given: "snet-scim"},
		{parameter: "existingSubnetId", given: subnet + "snet_scim"},
		{parameter: "existingSubnetId", given: subnet},
		{parameter: "existingSubnetId", given: zone + "a/subnets/b"},
		{parameter: "subnetName", given: "snet_proxy"},
		{parameter: "vnetAddressPrefix", given: "10.80.0.0/28"},
		{parameter: "vnetAddressPrefix", given: ""},
		{parameter: "subnetAddressPrefix", given: "10.80.0.0/28"},
		{parameter: "subnetAddressPrefix", given: "10.80.0/27"},
		{parameter: "subnetAddressPrefix", given: "10.80.0.256/27"},
		{parameter: "subnetAddressPrefix", given: "10.80.256.0/27"},
		{parameter: "subnetAddressPrefix", given: "10.80.0.0/x"},
		{parameter: "privateEndpointSubnetAddressPrefix", given: "10.80.0.32/30"},
		{parameter: "existingPrivateEndpointSubnetId", given: "snet"},
		{parameter: "existingPrivateEndpointSubnetId", given: "", beside: scope{"vaultPrivateEndpoint": true, "existingSubnetId": subnet + "snet"}},
		{parameter: "existingPrivateDnsZoneId", given: zone + "privatelink.blob.core.windows.net"},
		{parameter: "vaultName", given: "kv"},
		{parameter: "vaultName", given: "k" + strings.Repeat("v", 24)},
		{parameter: "vaultName", given: "1kv"},
		{parameter: "vaultName", given: "kv-"},
		{parameter: "vaultName", given: "k--v"},
		{parameter: "vaultName", given: "k_v"},
		{parameter: "adminIpRanges", given: "203.0.113.7"},
		{parameter: "adminIpRanges", given: "0.0.0.0/0"},
		{parameter: "adminIpRanges", given: "203.0.113.7/33"},
		{parameter: "adminIpRanges", given: " 203.0.113.7/32"},
		{parameter: "adminIpRanges", given: "2001:db8::/32"},
		{parameter: "adminIpRanges", given: "10.1.2.3/32"},
		{parameter: "adminIpRanges", given: "172.16.0.0/16"},
		{parameter: "adminIpRanges", given: "172.31.0.0/16"},
		{parameter: "adminIpRanges", given: "192.168.1.0/24"},
		{parameter: "alertEmails", given: "identity"},
	} {
		given := scope{}
		switch bad.parameter {
		case "adminIpRanges", "alertEmails":
			given[bad.parameter] = []any{"203.0.113.7/32", bad.given}
			if bad.parameter == "alertEmails" {
				given[bad.parameter] = []any{"a@contoso.com", bad.given}
			}
		default:
			given[bad.parameter] = bad.given
		}
		maps.Copy(given, bad.beside)
		found := problems(t, given)
		if len(found) != 1 {
			t.Errorf("%s = %q: %q, expected one sentence", bad.parameter, bad.given, found)
			continue
		}
		sentence := found[0]
		if !strings.HasPrefix(sentence, bad.parameter+" ") || !strings.Contains(sentence, ", expected ") || !strings.HasSuffix(sentence, ".") {
			t.Errorf("%s = %q: %s", bad.parameter, bad.given, sentence)
		}
		if shown := fmt.Sprint(bad.given); bad.hidden && strings.Contains(sentence, "hunter2") || !bad.hidden && !strings.Contains(sentence, shown) {
			t.Errorf("%s = %q: %s", bad.parameter, bad.given, sentence)
		}
	}
}

// Nothing is made of a parameter set with a problem in it: all modules wait for
// one that gets its name from the checks.
func TestNothingIsMadeOfWrongParameters(t *testing.T) {
	main := source(t, "bicep/main.bicep")
	if !strings.Contains(main, "var appName = empty(problems) ? name : fail(join(problems, '\\n'))") {
		t.Error("appName does not fail on problems")
	}
	for _, module := range regexp.MustCompile(`(?ms)^module (\w+) .*?^}`).FindAllStringSubmatch(main, -1) {
		if !strings.Contains(module[0], ": appName\n") && !strings.Contains(module[0], ": identity.outputs.") && !strings.Contains(module[0], ": vault.outputs.") {
			t.Errorf("the module %s does not wait for the checks", module[1])
		}
	}
}
