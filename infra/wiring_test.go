//go:build cgo

package infra_test

import (
	"os"
	"strings"
	"testing"
)

// wiring is what no plan checks in Bicep; for Terraform, those in terraform/tests
// do. Kind and symbolic name of the resource, then places and values.
var wiring = []struct {
	resource string
	values   map[string]string
}{
	{"Microsoft.Authorization/roleAssignments owner", map[string]string{"scope": "storage", "properties.principalId": "principalId", "properties.roleDefinitionId": "ownerRole"}},
	{"Microsoft.Authorization/roleAssignments user", map[string]string{"scope": "vault", "properties.principalId": "principalId", "properties.roleDefinitionId": "userRole"}},
	{"Microsoft.Authorization/roleAssignments publisher", map[string]string{"scope": "insights", "properties.principalId": "principalId", "properties.roleDefinitionId": "publisherRole"}},
	{"Microsoft.Storage/storageAccounts storage", map[string]string{"name": "storageName"}},
	{"Microsoft.Storage/storageAccounts/blobServices/containers container", map[string]string{"name": "containerName", "parent": "blobs"}},
	{"Microsoft.KeyVault/vaults vault", map[string]string{
		"name": "vaultName", "properties.tenantId": "subscription().tenantId",
		"properties.networkAcls.ipRules": "map(privateEndpoint ? adminIpRanges : [], cidr => { value: cidr })",
	}},
	{"Microsoft.Insights/diagnosticSettings logs", map[string]string{
		"scope": "vault", "properties.workspaceId": "workspaceId", "properties.logAnalyticsDestinationType": "'Dedicated'", "properties.logs.0.category": "'AuditEvent'",
		"properties.logs.1.category": "'AzurePolicyEvaluationDetails'", "properties.metrics.0.category": "'AllMetrics'",
		"properties.logs.0.enabled": "true", "properties.logs.1.enabled": "true", "properties.metrics.0.enabled": "true",
	}},
	{"Microsoft.Insights/diagnosticSettings logs", map[string]string{
		"scope": "app", "properties.workspaceId": "workspaceId", "properties.logs.0.category": "'FunctionAppLogs'", "properties.metrics.0.category": "'AllMetrics'",
		"properties.logs.0.enabled": "true", "properties.metrics.0.enabled": "true",
	}},
	{"Microsoft.Web/sites app", map[string]string{
		"name": "name", "tags": "tags", "properties.serverFarmId": "plan.id",
		"properties.functionAppConfig.deployment.storage.value":                                         "containerUrl",
		"properties.functionAppConfig.deployment.storage.authentication.userAssignedIdentityResourceId": "identityId",
		"properties.functionAppConfig.scaleAndConcurrency.alwaysReady.0.instanceCount":                  "alwaysReadyInstances",
		"properties.siteConfig.ipSecurityRestrictions.0":                                                "entraRule",
		"properties.siteConfig.ipSecurityRestrictions":                                                  "adminRules",
		"properties.siteConfig.appSettings":                                                             "concat(platformSettings, proxySettings, optionalSettings)",
	}},
	{"Microsoft.Web/sites/basicPublishingCredentialsPolicies scmPublishing", map[string]string{"name": "'scm'", "parent": "app"}},
	{"Microsoft.Web/sites/basicPublishingCredentialsPolicies ftpPublishing", map[string]string{"name": "'ftp'", "parent": "app"}},
	{"Microsoft.Network/virtualNetworks vnet", map[string]string{
		"properties.addressSpace.addressPrefixes.0": "vnetAddressPrefix", "properties.subnets": "concat(appSubnets, endpointSubnet ? endpointSubnets : [])",
	}},
	{"Microsoft.Network/privateEndpoints endpoint", map[string]string{
		"properties.subnet.id": "subnetId", "properties.privateLinkServiceConnections.0.properties.privateLinkServiceId": "vaultId",
	}},
	{"Microsoft.Network/privateEndpoints/privateDnsZoneGroups records", map[string]string{
		"parent": "endpoint", "properties.privateDnsZoneConfigs.0.properties.privateDnsZoneId": "empty(existingZoneId) ? zone.id : existingZoneId",
	}},
	{"Microsoft.Network/privateDnsZones/virtualNetworkLinks link", map[string]string{"name": "'link-${uniqueString(toLower(vnetId))}'", "parent": "zone", "properties.virtualNetwork.id": "vnetId"}},
	{"Microsoft.Insights/actionGroups mail", map[string]string{"properties.emailReceivers.emailAddress": "address"}},
	{"Microsoft.Insights/scheduledQueryRules rules", map[string]string{
		"properties.scopes.0": "workspaceId", "properties.severity": "alert.severity",
		"properties.description": "alert.description", "properties.evaluationFrequency": "alert.frequency", "properties.windowSize": "alert.window",
		"properties.criteria.allOf.0.query":      "alertQueries[alert.name]",
		"properties.criteria.allOf.0.dimensions": "map(alert.dimensions, column => { name: column operator: 'Include' values: ['*'] })",
		"properties.actions.actionGroups.0":      "mail.id",
	}},
	{"Microsoft.Insights/workbooks workbook", map[string]string{
		"properties.sourceId": "workspaceId", "properties.serializedData": "string(workbookContent)",
	}},
}

func TestBicepIsWiredUp(t *testing.T) {
	bicep, _ := both(t)
	for _, w := range wiring {
		found := 0
		for _, r := range bicep.resources {
			if r.kind+" "+r.name != w.resource || w.values["scope"] != "" && r.values["scope"] != w.values["scope"] {
				continue
			}
			found++
			for place, value := range w.values {
				atAll(t, "wiring", []resource{r}, place, value)
			}
		}
		if found != 1 {
			t.Errorf("there are %d %s in scope %q, expected one", found, w.resource, w.values["scope"])
		}
	}
	for variable, value := range map[string]string{"containerName": "'package'", "endpointSubnetName": "'snet-vault'", "token": "uniqueString(resourceGroup().id, name)"} {
		if have := bicep.variables[variable][""]; have != value {
			t.Errorf("%s is %s in Bicep, expected %s", variable, have, value)
		}
	}
	workbook := bicep.variables["workbookContent"]
	if plan := source(t, "terraform/monitor.tf"); !strings.Contains(plan, unquote(workbook["$schema"])) || !strings.Contains(plan, `"`+unquote(workbook["version"])+`"`) {
		t.Errorf("the workbook is %s of %s in Bicep, and not in Terraform", workbook["version"], workbook["$schema"])
	}
	const items = "map(charts, chart => { type: 3 name: chart.name content: { version: 'KqlItem/1.0' title: chart.title query: chartQueries[chart.name] size: 0 " +
		"timeContext: { durationMs: 86400000 } queryType: 0 resourceType: 'microsoft.operationalinsights/workspaces' visualization: chart.visualization } })"
	if have := workbook["items"]; have != items {
		t.Errorf("the workbook's items in Bicep are %s, expected %s", have, items)
	}
}

// What a module takes has the name that main.bicep knows it by, or is here.
func TestModulesGetTheirParameters(t *testing.T) {
	renamed := map[string]string{
		"name": "appName", "storageName": "'st${token}'", "retentionDays": "logRetentionDays", "privateEndpoint": "vaultPrivateEndpoint", "alwaysReadyInstances": "alwaysReady",
		"vault.vaultName": "empty(vaultName) ? 'kv-${token}' : vaultName", "endpoint.vnetId": "join(take(split(subnetId, '/'), 9), '/')",
		"endpoint.subnetId":           "newEndpointSubnet ? network!.outputs.endpointSubnetId : existingPrivateEndpointSubnetId",
		"site.subnetId":               "subnetId",
		"endpoint.vaultName":          "vault.outputs.name",
		"endpointSubnet":              "newEndpointSubnet",
		"existingZoneId":              "existingPrivateDnsZoneId",
		"site.storageName":            "storage.outputs.name",
		"principalId":                 "identity.outputs.principalId",
		"identityId":                  "identity.outputs.id",
		"clientId":                    "identity.outputs.clientId",
		"workspaceId":                 "monitor.outputs.workspaceId",
		"insightsName":                "monitor.outputs.insightsName",
		"containerUrl":                "storage.outputs.containerUrl",
		"vaultId":                     "vault.outputs.id",
		"vaultUrl":                    "vault.outputs.url",
		"endpointSubnetAddressPrefix": "privateEndpointSubnetAddressPrefix",
	}
	bicep, _ := both(t)
	for _, module := range bicep.find(t, "module") {
		for place, value := range module.values {
			name, isParameter := strings.CutPrefix(place, "params.")
			want := name
			if other, known := renamed[name]; known {
				want = other
			}
			if other, known := renamed[module.name+"."+name]; known {
				want = other
			}
			if isParameter && value != want {
				t.Errorf("the module %s gets %s = %s, expected %s", module.name, name, value, want)
			}
		}
	}
}

// What the app gets beside literal values, which TestSameAppSettings compares.
func TestComputedSettingsInBicep(t *testing.T) {
	bicep, _ := both(t)
	settings := bicepSettings(t, bicep)
	for name, value := range map[string]string{
		"AzureWebJobsStorage__accountName": "storageName", "AzureWebJobsStorage__clientId": "clientId",
		"APPLICATIONINSIGHTS_CONNECTION_STRING":     "insights.properties.ConnectionString",
		"APPLICATIONINSIGHTS_AUTHENTICATION_STRING": "'ClientId=${clientId};Authorization=AAD'",
		"AZURE_CLIENT_ID":                           "clientId", "KEY_VAULT_URL": "vaultUrl", "BACKEND_URL": "backendUrl", "BACKEND_AUTH": "backendAuth",
		"BACKEND_CA": "'plain:${base64(backendCa)}'", "NORMALIZE": "normalize", "SCIM_PATH": "scimPath", "GOMEMLIMIT": "'${instanceMemoryMB * 3 / 8}MiB'", "PUBLIC_URL": "publicUrl",
	} {
		if settings[name] != value {
			t.Errorf("%s is %s in Bicep, expected %s", name, settings[name], value)
		}
	}
}

// Neither a condition nor a module's output is a value of a resource, so each is
// looked for as it is written.
func TestConditionsAndOutputsInBicep(t *testing.T) {
	for file, conditions := range map[string][]string{
		"main.bicep": {
			"var newNetwork = empty(existingSubnetId)", "var newEndpointSubnet = vaultPrivateEndpoint && newNetwork && empty(existingPrivateEndpointSubnetId)",
			"module network 'modules/network.bicep' = if (newNetwork) {", "module endpoint 'modules/endpoint.bicep' = if (vaultPrivateEndpoint) {",
			"var alwaysReady = alwaysReadyInstances ?? (environment == 'production' ? 1 : 0)", "var subnetId = newNetwork ? network!.outputs.subnetId : existingSubnetId",
			"var origin = empty(publicUrl) ? 'https://${site.outputs.hostName}' : publicUrl",
		},
		"modules/identity.bicep": {
			"output id string = identity.id\n", "output principalId string = identity.properties.principalId\n", "output clientId string = identity.properties.clientId\n",
		},
		"modules/network.bicep": {
			"addressPrefix: endpointSubnetAddressPrefix\n", "output vnetId string = vnet.id\n", "output subnetId string = '${vnet.id}/subnets/${subnetName}'\n",
			"output endpointSubnetId string = endpointSubnet ? '${vnet.id}/subnets/${endpointSubnetName}' : ''\n",
		},
		"modules/storage.bicep": {"output name string = storage.name\n", "output containerUrl string = '${storage.properties.primaryEndpoints.blob}${containerName}'\n"},
		"modules/vault.bicep": {
			"output id string = vault.id\n", "output name string = vault.name\n", "output url string = 'https://${vault.name}${environment().suffixes.keyvaultDns}'\n",
		},
		"modules/monitor.bicep": {"output workspaceId string = workspace.id\n", "output insightsName string = insights.name\n"},
		"modules/alerts.bicep":  {"= if (!empty(alertEmails)) {", "actionGroups: empty(alertEmails) ? [] : ["},
		"modules/endpoint.bicep": {
			"resource zone 'Microsoft.Network/privateDnsZones@2024-06-01' = if (empty(existingZoneId)) {",
			"resource link 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = if (empty(existingZoneId)) {",
		},
		"modules/site.bicep": {
			"alwaysReady: alwaysReadyInstances == 0 ? [] : [", "siteUpdateStrategy: updateStrategy == 'RollingUpdate' ? { type: 'RollingUpdate' } : null",
			"backendAuth == 'none' ? [] : [tokenSetting]", "empty(backendCa) ? [] : [caSetting]", "backendClientCertificate ? [certificateSetting] : []",
			"empty(publicUrl) ? [] : [urlSetting]", "ipSecurityRestrictions: concat([entraRule], adminRules)",
			"'${identityId}': {}", "union(tags, { 'azd-service-name': 'proxy' })",
			"output hostName string = app.properties.defaultHostName\n",
		},
	} {
		text, err := os.ReadFile("bicep/" + file)
		if err != nil {
			t.Fatal(err)
		}
		for _, condition := range conditions {
			if strings.Count(string(text), condition) != 1 {
				t.Errorf("%s does not say %s, once", file, condition)
			}
		}
	}
}
