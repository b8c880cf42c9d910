//go:build cgo

package infra_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// pairs are names and constants: kind and place in Bicep, in Terraform, and what
// is there in both, written as Terraform does.
var pairs = []struct{ bicep, place, terraform, there, value string }{
	{"Microsoft.Web/serverfarms", "name", "azurerm_service_plan", "name", "plan-${var.name}"},
	{"Microsoft.ManagedIdentity/userAssignedIdentities", "name", "azurerm_user_assigned_identity", "name", "id-${var.name}"},
	{"Microsoft.OperationalInsights/workspaces", "name", "azurerm_log_analytics_workspace", "name", "log-${var.name}"},
	{"Microsoft.OperationalInsights/workspaces", "properties.sku.name", "azurerm_log_analytics_workspace", "sku", "PerGB2018"},
	{"Microsoft.Insights/components", "name", "azurerm_application_insights", "name", "appi-${var.name}"},
	{"Microsoft.Insights/components", "properties.Application_Type", "azurerm_application_insights", "application_type", "web"},
	{"Microsoft.Insights/diagnosticSettings", "name", "azurerm_monitor_diagnostic_setting", "name", "workspace"},
	{"Microsoft.Insights/actionGroups", "name", "azurerm_monitor_action_group", "name", "ag-${var.name}"},
	{"Microsoft.Insights/actionGroups", "properties.groupShortName", "azurerm_monitor_action_group", "short_name", "scim-proxy"},
	{"Microsoft.Insights/actionGroups", "properties.emailReceivers.useCommonAlertSchema", "azurerm_monitor_action_group", "email_receiver.content.use_common_alert_schema", "true"},
	{"Microsoft.Insights/scheduledQueryRules", "name", "azurerm_monitor_scheduled_query_rules_alert_v2", "name", "${var.name}-${each.key}"},
	{"Microsoft.Insights/scheduledQueryRules", "properties.criteria.allOf.0.failingPeriods.numberOfEvaluationPeriods", "azurerm_monitor_scheduled_query_rules_alert_v2", "criteria.failing_periods.number_of_evaluation_periods", "1"},
	{"Microsoft.Insights/scheduledQueryRules", "properties.criteria.allOf.0.failingPeriods.minFailingPeriodsToAlert", "azurerm_monitor_scheduled_query_rules_alert_v2", "criteria.failing_periods.minimum_failing_periods_to_trigger_alert", "1"},
	{"Microsoft.Insights/workbooks", "properties.category", "azurerm_application_insights_workbook", "category", "workbook"},
	{"Microsoft.Network/virtualNetworks", "name", "azurerm_virtual_network", "name", "vnet-${var.name}"},
	{"Microsoft.Network/privateEndpoints", "name", "azurerm_private_endpoint", "name", "pe-${local.vault_name}"},
	{"Microsoft.Network/privateEndpoints", "properties.privateLinkServiceConnections.0.name", "azurerm_private_endpoint", "private_service_connection.name", "pe-${local.vault_name}"},
	{"Microsoft.Network/privateEndpoints/privateDnsZoneGroups", "name", "azurerm_private_endpoint", "private_dns_zone_group.name", "default"},
	{"Microsoft.Storage/storageAccounts", "properties.publicNetworkAccess", "azurerm_storage_account", "public_network_access_enabled", "true"},
	{"Microsoft.KeyVault/vaults", "properties.sku.name", "azurerm_key_vault", "sku_name", "standard"},
}

// asTerraform writes a value of Bicep as Terraform does.
var asTerraform = strings.NewReplacer("'Enabled'", "true", "'", `"`, "${name}", "${var.name}", "${vaultName}", "${local.vault_name}", "${alert.name}", "${each.key}")

func TestSameNames(t *testing.T) {
	bicep, terraform := both(t)
	for _, p := range pairs {
		for _, r := range bicep.find(t, p.bicep) {
			if value := asTerraform.Replace(r.values[p.place]); unquoteHCL(value) != p.value {
				t.Errorf("%s %s has %s = %s, expected %s", r.kind, r.name, p.place, value, p.value)
			}
		}
		atAll(t, "as in Bicep", terraform.find(t, p.terraform), p.there, quoteHCL(p.value))
	}
}

// quoteHCL puts quotes around what is no number and no boolean.
func quoteHCL(value string) string {
	if value == "true" || value == "1" {
		return value
	}
	return `"` + value + `"`
}

// What a resource has in Bicep alone, because Terraform's provider says it itself.
func TestBicepSaysWhatTheProviderDoes(t *testing.T) {
	bicep, _ := both(t)
	for _, row := range []struct{ kind, place, value string }{
		{"Microsoft.Insights/components", "kind", "'web'"},
		{"Microsoft.Insights/components", "properties.IngestionMode", "'LogAnalytics'"},
		{"Microsoft.KeyVault/vaults", "properties.sku.family", "'A'"},
		{"Microsoft.KeyVault/vaults", "properties.enableSoftDelete", "true"},
		{"Microsoft.Web/serverfarms", "kind", "'functionapp'"},
		{"Microsoft.Insights/actionGroups", "location", "'global'"},
		{"Microsoft.Insights/actionGroups", "properties.enabled", "true"},
		{"Microsoft.Insights/scheduledQueryRules", "kind", "'LogAlert'"},
		{"Microsoft.Insights/scheduledQueryRules", "properties.enabled", "true"},
		{"Microsoft.Insights/workbooks", "kind", "'shared'"},
		{"Microsoft.Network/privateDnsZones", "location", "'global'"},
		{"Microsoft.Network/privateDnsZones/virtualNetworkLinks", "location", "'global'"},
		{"Microsoft.Network/privateDnsZones/virtualNetworkLinks", "properties.registrationEnabled", "false"},
	} {
		atAll(t, "in Bicep", bicep.find(t, row.kind), row.place, row.value)
	}
	var policies []string
	for _, policy := range bicep.find(t, "Microsoft.Web/sites/basicPublishingCredentialsPolicies") {
		policies = append(policies, policy.values["name"])
	}
	if diff := cmp.Diff([]string{"'scm'", "'ftp'"}, policies); diff != "" {
		t.Errorf("policies of basic publishing:\n%s", diff)
	}
}
