package infra_test

import (
	"strings"
	"testing"
)

// What Bicep computes is computed in Azure only, and wrong values there show
// after the deployment, if at all: a wrong rule, a setting, a command that fails.
// Terraform's tests assert the values of their plan; here it is the source.
var computed = map[string][]string{
	"main.bicep": {
		"alwaysReadyInstances ?? (environment == 'production' ? 1 : 0)",
		"vnetId: join(take(split(subnetId, '/'), 9), '/')",
		"dependsOn: [endpoint]",
		"empty(publicUrl) ? 'https://${site.outputs.hostName}' : publicUrl",
		"output tenantUrl string = '${origin}${scimPath}?aadOptscim062020'",
		`az role assignment create --role \'Key Vault Secrets Officer\' --assignee-object-id "$(az ad signed-in-user show --query id --output tsv)" --assignee-principal-type User --scope ${vault.outputs.id} --output none`,
		`openssl rand -hex 32 | tr -d \'\\n\' | ${setSecret} --name entra-token --file /dev/stdin --encoding utf-8 --output none`,
		`read -rs TOKEN && printf %s "$TOKEN" | ${setSecret} --name backend-token --file /dev/stdin --encoding utf-8 --output none; unset TOKEN`,
		"backendAuth == 'none' ? [] : [backendTokenCommand]",
		"backendClientCertificate ? [certificateCommand] : []",
	},
	"main.bicepparam": {
		"param name = readEnvironmentVariable('AZURE_ENV_NAME', '')", "param backendUrl = readEnvironmentVariable('BACKEND_URL', '')",
		"param backendCa = readEnvironmentVariable('BACKEND_CA', '')", "readEnvironmentVariable('ADMIN_IP_RANGES', '')",
		"param adminIpRanges = empty(ranges) ? [] : split(ranges, ',')",
	},
	"modules/vault.bicep": {
		"ipRules: map(privateEndpoint ? adminIpRanges : [], cidr => { value: cidr })",
		"scope: vault\n  name: guid(vault.id, principalId, userRole)", "category: 'AuditEvent'", "logAnalyticsDestinationType: 'Dedicated'",
		"output url string = 'https://${vault.name}${environment().suffixes.keyvaultDns}'",
	},
	"modules/storage.bicep":  {"scope: storage\n  name: guid(storage.id, principalId, ownerRole)", "'${storage.properties.primaryEndpoints.blob}${containerName}'"},
	"modules/monitor.bicep":  {"scope: insights\n  name: guid(insights.id, principalId, publisherRole)"},
	"modules/endpoint.bicep": {"registrationEnabled: false", "name: 'link-${uniqueString(toLower(vnetId))}'", "empty(existingZoneId) ? zone.id : existingZoneId"},
	"modules/site.bicep": {
		"value: 'ClientId=${clientId};Authorization=AAD'", "value: 'plain:${base64(backendCa)}'",
		"backendAuth == 'none' ? [] : [tokenSetting]", "empty(backendCa) ? [] : [caSetting]", "backendClientCertificate ? [certificateSetting] : []",
		"empty(publicUrl) ? [] : [urlSetting]", "map(items(settings), setting => { name: setting.key, value: setting.value })",
		"ipSecurityRestrictions: concat([entraRule], adminRules)", "appSettings: concat(platformSettings, proxySettings, optionalSettings)",
		"alwaysReadyInstances == 0 ? [] : [", "instanceCount: alwaysReadyInstances", "category: 'FunctionAppLogs'",
	},
	"modules/alerts.bicep": {
		"empty(alertEmails) ? [] : [", "query: alertQueries[alert.name]", "query: chartQueries[chart.name]",
		"evaluationFrequency: alert.frequency", "windowSize: alert.window", "severity: alert.severity",
	},
	"../../azure.yaml": {"dist: dist.zip", "host: function", "language: custom", "interactive: true", "path: infra/bicep"},
}

func TestWhatAzureComputes(t *testing.T) {
	for file, parts := range computed {
		text := source(t, "bicep/"+file)
		for _, part := range parts {
			if !strings.Contains(text, part) {
				t.Errorf("%s has no %s", file, part)
			}
		}
	}
}
