//go:build cgo

package infra_test

import (
	"slices"
	"strings"
	"testing"
)

// properties are what the deployment must have, and where each language says so:
// kind of resource, place, value.
// https://learn.microsoft.com/azure/templates
var properties = []struct {
	why                      string
	bicep, place, value      string
	terraform, there, second string
}{
	{"no shared keys", "Microsoft.Storage/storageAccounts", "properties.allowSharedKeyAccess", "false", "azurerm_storage_account", "shared_access_key_enabled", "false"},
	{"Entra ID in the portal", "Microsoft.Storage/storageAccounts", "properties.defaultToOAuthAuthentication", "true", "azurerm_storage_account", "default_to_oauth_authentication", "true"},
	{"no local users", "Microsoft.Storage/storageAccounts", "properties.isLocalUserEnabled", "false", "azurerm_storage_account", "local_user_enabled", "false"},
	{"no anonymous reads", "Microsoft.Storage/storageAccounts", "properties.allowBlobPublicAccess", "false", "azurerm_storage_account", "allow_nested_items_to_be_public", "false"},
	{"TLS 1.2 to storage", "Microsoft.Storage/storageAccounts", "properties.minimumTlsVersion", "'TLS1_2'", "azurerm_storage_account", "min_tls_version", `"TLS1_2"`},
	{"HTTPS to storage", "Microsoft.Storage/storageAccounts", "properties.supportsHttpsTrafficOnly", "true", "azurerm_storage_account", "https_traffic_only_enabled", "true"},
	{"kind of storage", "Microsoft.Storage/storageAccounts", "kind", "'StorageV2'", "azurerm_storage_account", "account_kind", `"StorageV2"`},
	{"Flex reaches storage from anywhere", "Microsoft.Storage/storageAccounts", "properties.networkAcls.defaultAction", "'Allow'", "azurerm_storage_account", "network_rules.default_action", `"Allow"`},
	{"zones of storage", "Microsoft.Storage/storageAccounts", "sku.name", "zoneRedundant ? 'Standard_ZRS' : 'Standard_LRS'", "azurerm_storage_account", "account_replication_type", `var.zone_redundant ? "ZRS" : "LRS"`},
	{"private container", "Microsoft.Storage/storageAccounts/blobServices/containers", "properties.publicAccess", "'None'", "azurerm_storage_container", "container_access_type", `"private"`},
	{"roles of the vault", "Microsoft.KeyVault/vaults", "properties.enableRbacAuthorization", "true", "azurerm_key_vault", "rbac_authorization_enabled", "true"},
	{"purge protection", "Microsoft.KeyVault/vaults", "properties.enablePurgeProtection", "true", "azurerm_key_vault", "purge_protection_enabled", "true"},
	{"soft delete", "Microsoft.KeyVault/vaults", "properties.softDeleteRetentionInDays", "90", "azurerm_key_vault", "soft_delete_retention_days", "90"},
	{"vault: public side", "Microsoft.KeyVault/vaults", "properties.publicNetworkAccess", "privateEndpoint && empty(adminIpRanges) ? 'Disabled' : 'Enabled'", "azurerm_key_vault", "public_network_access_enabled", "!var.vault_private_endpoint || length(var.admin_ip_ranges) > 0"},
	{"vault: default", "Microsoft.KeyVault/vaults", "properties.networkAcls.defaultAction", "privateEndpoint ? 'Deny' : 'Allow'", "azurerm_key_vault", "network_acls.default_action", `var.vault_private_endpoint ? "Deny" : "Allow"`},
	{"vault: no bypass", "Microsoft.KeyVault/vaults", "properties.networkAcls.bypass", "'None'", "azurerm_key_vault", "network_acls.bypass", `"None"`},
	{"Flex Consumption", "Microsoft.Web/serverfarms", "sku.name", "'FC1'", "azurerm_service_plan", "sku_name", `"FC1"`},
	{"tier", "Microsoft.Web/serverfarms", "sku.tier", "'FlexConsumption'", "azurerm_service_plan", "sku_name", `"FC1"`},
	{"Linux", "Microsoft.Web/serverfarms", "properties.reserved", "true", "azurerm_service_plan", "os_type", `"Linux"`},
	{"zones of the plan", "Microsoft.Web/serverfarms", "properties.zoneRedundant", "zoneRedundant", "azurerm_service_plan", "zone_balancing_enabled", "var.zone_redundant"},
	{"kind of app", "Microsoft.Web/sites", "kind", "'functionapp,linux'", "azapi_resource", "body.kind", `"functionapp,linux"`},
	{"azd finds the app", "Microsoft.Web/sites", "tags.azd-service-name", "'proxy'", "azapi_resource", "tags.azd-service-name", `"proxy"`},
	{"identity", "Microsoft.Web/sites", "identity.type", "'UserAssigned'", "azapi_resource", "identity.type", `"UserAssigned"`},
	{"HTTPS only", "Microsoft.Web/sites", "properties.httpsOnly", "true", "azapi_resource", "body.properties.httpsOnly", "true"},
	{"public side of the app", "Microsoft.Web/sites", "properties.publicNetworkAccess", "'Enabled'", "azapi_resource", "body.properties.publicNetworkAccess", `"Enabled"`},
	{"in a subnet", "Microsoft.Web/sites", "properties.virtualNetworkSubnetId", "subnetId", "azapi_resource", "body.properties.virtualNetworkSubnetId", "local.subnet_id"},
	{"no plan is taken from under its app", "Microsoft.Web/sites", "", "", "azapi_resource", "lifecycle.replace_triggered_by.0", "azurerm_service_plan.proxy.id"},
	{"runtime", "Microsoft.Web/sites", "properties.functionAppConfig.runtime.name", "'custom'", "azapi_resource", "body.properties.functionAppConfig.runtime.name", `"custom"`},
	{"version of the runtime", "Microsoft.Web/sites", "properties.functionAppConfig.runtime.version", "runtimeVersion", "azapi_resource", "body.properties.functionAppConfig.runtime.version", "var.runtime_version"},
	{"package from blobs", "Microsoft.Web/sites", "properties.functionAppConfig.deployment.storage.type", "'blobContainer'", "azapi_resource", "body.properties.functionAppConfig.deployment.storage.type", `"blobContainer"`},
	{"package by identity", "Microsoft.Web/sites", "properties.functionAppConfig.deployment.storage.authentication.type", "'UserAssignedIdentity'", "azapi_resource", "body.properties.functionAppConfig.deployment.storage.authentication.type", `"UserAssignedIdentity"`},
	{"memory", "Microsoft.Web/sites", "properties.functionAppConfig.scaleAndConcurrency.instanceMemoryMB", "instanceMemoryMB", "azapi_resource", "body.properties.functionAppConfig.scaleAndConcurrency.instanceMemoryMB", "var.instance_memory_mb"},
	{"instances", "Microsoft.Web/sites", "properties.functionAppConfig.scaleAndConcurrency.maximumInstanceCount", "maximumInstanceCount", "azapi_resource", "body.properties.functionAppConfig.scaleAndConcurrency.maximumInstanceCount", "var.maximum_instance_count"},
	{"concurrency", "Microsoft.Web/sites", "properties.functionAppConfig.scaleAndConcurrency.triggers.http.perInstanceConcurrency", "perInstanceConcurrency", "azapi_resource", "body.properties.functionAppConfig.scaleAndConcurrency.triggers.http.perInstanceConcurrency", "var.per_instance_concurrency"},
	{"always ready", "Microsoft.Web/sites", "properties.functionAppConfig.scaleAndConcurrency.alwaysReady.0.name", "'http'", "azapi_resource", "body.properties.functionAppConfig.scaleAndConcurrency.alwaysReady.0.name", `"http"`},
	{"rolling updates", "Microsoft.Web/sites", "properties.functionAppConfig.siteUpdateStrategy.type", "'RollingUpdate'", "azapi_resource", "body.properties.functionAppConfig.siteUpdateStrategy.type", `"RollingUpdate"`},
	{"Entra speaks TLS 1.2", "Microsoft.Web/sites", "properties.siteConfig.minTlsVersion", "'1.2'", "azapi_resource", "body.properties.siteConfig.minTlsVersion", `"1.2"`},
	{"TLS of the SCM site", "Microsoft.Web/sites", "properties.siteConfig.scmMinTlsVersion", "'1.2'", "azapi_resource", "body.properties.siteConfig.scmMinTlsVersion", `"1.2"`},
	{"HTTP/2", "Microsoft.Web/sites", "properties.siteConfig.http20Enabled", "true", "azapi_resource", "body.properties.siteConfig.http20Enabled", "true"},
	{"default deny", "Microsoft.Web/sites", "properties.siteConfig.ipSecurityRestrictionsDefaultAction", "'Deny'", "azapi_resource", "body.properties.siteConfig.ipSecurityRestrictionsDefaultAction", `"Deny"`},
	{"default deny of the SCM site", "Microsoft.Web/sites", "properties.siteConfig.scmIpSecurityRestrictionsDefaultAction", "'Deny'", "azapi_resource", "body.properties.siteConfig.scmIpSecurityRestrictionsDefaultAction", `"Deny"`},
	{"the SCM site has rules of its own", "Microsoft.Web/sites", "properties.siteConfig.scmIpSecurityRestrictionsUseMain", "false", "azapi_resource", "body.properties.siteConfig.scmIpSecurityRestrictionsUseMain", "false"},
	{"those for admins", "Microsoft.Web/sites", "properties.siteConfig.scmIpSecurityRestrictions", "adminRules", "azapi_resource", "body.properties.siteConfig.scmIpSecurityRestrictions", "local.admin_rules"},
	{"no basic publishing", "Microsoft.Web/sites/basicPublishingCredentialsPolicies", "properties.allow", "false", "azapi_update_resource", "body.properties.allow", "false"},
	{"endpoint of the vault", "Microsoft.Network/privateEndpoints", "properties.privateLinkServiceConnections.0.properties.groupIds.0", "'vault'", "azurerm_private_endpoint", "private_service_connection.subresource_names.0", `"vault"`},
	{"zone of the vault", "Microsoft.Network/privateDnsZones", "name", "'privatelink.vaultcore.azure.net'", "azurerm_private_dns_zone", "name", `"privatelink.vaultcore.azure.net"`},
	{"no keys to the workspace", "Microsoft.OperationalInsights/workspaces", "properties.features.disableLocalAuth", "true", "azurerm_log_analytics_workspace", "local_authentication_enabled", "false"},
	{"retention", "Microsoft.OperationalInsights/workspaces", "properties.retentionInDays", "retentionDays", "azurerm_log_analytics_workspace", "retention_in_days", "var.log_retention_days"},
	{"no keys to telemetry", "Microsoft.Insights/components", "properties.DisableLocalAuth", "true", "azurerm_application_insights", "local_authentication_enabled", "false"},
	{"telemetry in the workspace", "Microsoft.Insights/components", "properties.WorkspaceResourceId", "workspace.id", "azurerm_application_insights", "workspace_id", "azurerm_log_analytics_workspace.proxy.id"},
	{"whose role", "Microsoft.Authorization/roleAssignments", "properties.principalType", "'ServicePrincipal'", "azurerm_role_assignment", "principal_type", `"ServicePrincipal"`},
	{"an alert counts rows", "Microsoft.Insights/scheduledQueryRules", "properties.criteria.allOf.0.timeAggregation", "'Count'", "azurerm_monitor_scheduled_query_rules_alert_v2", "criteria.time_aggregation_method", `"Count"`},
	{"one row is one too many", "Microsoft.Insights/scheduledQueryRules", "properties.criteria.allOf.0.operator", "'GreaterThan'", "azurerm_monitor_scheduled_query_rules_alert_v2", "criteria.operator", `"GreaterThan"`},
	{"of none", "Microsoft.Insights/scheduledQueryRules", "properties.criteria.allOf.0.threshold", "0", "azurerm_monitor_scheduled_query_rules_alert_v2", "criteria.threshold", "0"},
	{"an alert ends by itself", "Microsoft.Insights/scheduledQueryRules", "properties.autoMitigate", "true", "azurerm_monitor_scheduled_query_rules_alert_v2", "auto_mitigation_enabled", "true"},
	{"a fresh workspace has no tables", "Microsoft.Insights/scheduledQueryRules", "properties.skipQueryValidation", "true", "azurerm_monitor_scheduled_query_rules_alert_v2", "skip_query_validation", "true"},
	{"name of an alert", "Microsoft.Insights/scheduledQueryRules", "properties.displayName", "'${name}: ${alert.title}'", "azurerm_monitor_scheduled_query_rules_alert_v2", "display_name", `"${var.name}: ${each.value.title}"`},
	{"workbook", "Microsoft.Insights/workbooks", "properties.displayName", "'SCIM proxy ${name}'", "azurerm_application_insights_workbook", "display_name", `"SCIM proxy ${var.name}"`},
}

func TestProperties(t *testing.T) {
	bicep, terraform := both(t)
	for _, p := range properties {
		atAll(t, p.why, bicep.find(t, p.bicep), p.place, p.value)
		atAll(t, p.why, terraform.find(t, p.terraform), p.there, p.second)
	}
	// There is a second subnet, for the vault, which has none.
	for _, subnet := range terraform.find(t, "azurerm_subnet") {
		if subnet.name == "proxy" {
			atAll(t, "delegation", []resource{subnet}, "delegation.service_delegation.name", `"Microsoft.App/environments"`)
		}
	}
	for key, value := range map[string]string{
		"0.properties.delegations.0.properties.serviceName": "'Microsoft.App/environments'",
		"0.properties.addressPrefix":                        "subnetAddressPrefix",
		"0.properties.defaultOutboundAccess":                "true", // azurerm's default, and no longer that of the API
	} {
		if found := bicep.variables["appSubnets"][key]; found != value {
			t.Errorf("the app's subnet in Bicep has %s = %q, expected %q", key, found, value)
		}
	}
}

// refusedByFlex are settings of a site that Flex Consumption answers with 400,
// whatever their value ("... for Flex Consumption sites is invalid"):
// https://github.com/Azure/azure-cli/issues/31414
// https://learn.microsoft.com/azure/azure-functions/functions-app-settings#flex-consumption-plan-deprecations
var refusedByFlex = []string{
	"alwaysOn", "ftpsState", "functionAppScaleLimit", "functionsRuntimeScaleMonitoringEnabled", "javaVersion", "linuxFxVersion",
	"minimumElasticInstanceCount", "netFrameworkVersion", "powerShellVersion", "preWarmedInstanceCount", "use32BitWorkerProcess",
	"vnetPrivatePortsCount", "windowsFxVersion",
}

func TestNoSettingOfTheSiteThatFlexRefuses(t *testing.T) {
	bicep, terraform := both(t)
	for _, name := range refusedByFlex {
		atAll(t, "Flex Consumption refuses it", bicep.find(t, "Microsoft.Web/sites"), "properties.siteConfig."+name, "")
		atAll(t, "Flex Consumption refuses it", terraform.find(t, "azapi_resource"), "body.properties.siteConfig."+name, "")
	}
}

// atAll tells of resources that have another value at a place than they should.
func atAll(t *testing.T, why string, resources []resource, place, value string) {
	t.Helper()
	for _, r := range resources {
		if r.values[place] != value {
			t.Errorf("%s: %s %s has %s = %q, expected %q", why, r.kind, r.name, place, r.values[place], value)
		}
	}
}

// versions are the control-plane APIs; before 2026-02-01, those of Key Vault end
// on 2027-02-27.
var versions = map[string]string{
	"Microsoft.Web/serverfarms": "2025-03-01", "Microsoft.Web/sites": "2025-03-01", "Microsoft.Web/sites/basicPublishingCredentialsPolicies": "2025-03-01",
	"Microsoft.KeyVault/vaults": "2026-02-01", "Microsoft.Storage/storageAccounts": "2025-08-01",
	"Microsoft.Storage/storageAccounts/blobServices/containers": "2025-08-01", "Microsoft.Authorization/roleAssignments": "2022-04-01",
	"Microsoft.ManagedIdentity/userAssignedIdentities": "2024-11-30", "Microsoft.OperationalInsights/workspaces": "2025-07-01",
	"Microsoft.Network/virtualNetworks": "2025-07-01", "Microsoft.Network/privateEndpoints": "2025-07-01",
	"Microsoft.Network/privateEndpoints/privateDnsZoneGroups": "2025-07-01", "Microsoft.Network/privateDnsZones": "2024-06-01",
	"Microsoft.Network/privateDnsZones/virtualNetworkLinks": "2024-06-01", "Microsoft.Insights/components": "2020-02-02",
	"Microsoft.Insights/diagnosticSettings": "2021-05-01-preview", "Microsoft.Insights/scheduledQueryRules": "2023-12-01",
	"Microsoft.Insights/actionGroups": "2023-01-01", "Microsoft.Insights/workbooks": "2023-06-01",
}

func TestVersionsOfTheAPIs(t *testing.T) {
	bicep, terraform := both(t)
	for _, r := range bicep.resources {
		if r.kind != "module" && versions[r.kind] != r.api {
			t.Errorf("%s is made with the API %q, expected %q", r.kind, r.api, versions[r.kind])
		}
	}
	for _, r := range slices.Concat(terraform.find(t, "azapi_resource"), terraform.find(t, "azapi_update_resource")) {
		if kind, api, _ := strings.Cut(unquoteHCL(r.values["type"]), "@"); versions[kind] != api {
			t.Errorf("%s is made with the API %q in Terraform, expected %q", kind, api, versions[kind])
		}
	}
}
