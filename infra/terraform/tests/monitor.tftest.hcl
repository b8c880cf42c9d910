# What watches the app, with two addresses that alerts go to.

mock_provider "azurerm" {
  source          = "./tests/mocks/azurerm"
  override_during = plan
}

mock_provider "azapi" {
  source          = "./tests/mocks/azapi"
  override_during = plan
}

variables {
  resource_group_name = "rg-scim"
  name                = "contoso-scim"
  backend_url         = "https://scim.contoso.com/scim/v2"
  alert_emails        = ["first@contoso.com", "second@contoso.com"]
}

run "monitoring" {
  command = plan

  assert {
    condition = (
      azurerm_log_analytics_workspace.proxy.name == "log-contoso-scim" &&
      azurerm_log_analytics_workspace.proxy.sku == "PerGB2018" &&
      azurerm_log_analytics_workspace.proxy.retention_in_days == 30 &&
      !azurerm_log_analytics_workspace.proxy.local_authentication_enabled
    )
    error_message = "The workspace is not log-contoso-scim, PerGB2018, 30 days, without local authentication."
  }

  assert {
    condition = (
      azurerm_application_insights.proxy.name == "appi-contoso-scim" &&
      azurerm_application_insights.proxy.application_type == "web" &&
      azurerm_application_insights.proxy.workspace_id == azurerm_log_analytics_workspace.proxy.id &&
      !azurerm_application_insights.proxy.local_authentication_enabled
    )
    error_message = "Application Insights is not appi-contoso-scim, in the workspace, without local authentication."
  }

  assert {
    condition = (
      azurerm_monitor_diagnostic_setting.vault.target_resource_id == azurerm_key_vault.vault.id &&
      azurerm_monitor_diagnostic_setting.vault.log_analytics_workspace_id == azurerm_log_analytics_workspace.proxy.id &&
      azurerm_monitor_diagnostic_setting.vault.log_analytics_destination_type == "Dedicated" &&
      toset(azurerm_monitor_diagnostic_setting.vault.enabled_log[*].category) == toset(["AuditEvent", "AzurePolicyEvaluationDetails"]) &&
      toset(azurerm_monitor_diagnostic_setting.vault.enabled_metric[*].category) == toset(["AllMetrics"])
    )
    error_message = "The vault does not send its audit, policy details and metrics to the workspace's own tables."
  }

  assert {
    condition = (
      azurerm_monitor_diagnostic_setting.site.target_resource_id == azapi_resource.site.id &&
      azurerm_monitor_diagnostic_setting.site.log_analytics_workspace_id == azurerm_log_analytics_workspace.proxy.id &&
      toset(azurerm_monitor_diagnostic_setting.site.enabled_log[*].category) == toset(["FunctionAppLogs"]) &&
      toset(azurerm_monitor_diagnostic_setting.site.enabled_metric[*].category) == toset(["AllMetrics"])
    )
    error_message = "The app does not send its logs and metrics to the workspace."
  }

  assert {
    condition = (
      can(regex("^[0-9a-f-]{36}$", azurerm_application_insights_workbook.proxy.name)) &&
      azurerm_application_insights_workbook.proxy.display_name == "SCIM proxy contoso-scim" &&
      azurerm_application_insights_workbook.proxy.category == "workbook" &&
      azurerm_application_insights_workbook.proxy.source_id == lower(azurerm_log_analytics_workspace.proxy.id)
    )
    error_message = "The workbook is not the workspace's SCIM proxy contoso-scim."
  }

  assert {
    condition = jsondecode(azurerm_application_insights_workbook.proxy.data_json) == {
      version = "Notebook/1.0"
      items = [for item in jsondecode(file("../monitor/workbook.json")) : {
        type = 3
        name = item.name
        content = {
          version       = "KqlItem/1.0"
          title         = item.title
          query         = file("../monitor/workbook/${item.name}.kql")
          size          = 0
          timeContext   = { durationMs = 86400000 }
          queryType     = 0
          resourceType  = "microsoft.operationalinsights/workspaces"
          visualization = item.visualization
        }
      }]
      fallbackResourceIds = [azurerm_log_analytics_workspace.proxy.id]
      "$schema"           = "https://github.com/Microsoft/Application-Insights-Workbooks/blob/master/schema/workbook.json"
    }
    error_message = "The workbook does not show each of the queries of workbook.json."
  }

  assert {
    condition = toset(keys(azurerm_monitor_scheduled_query_rules_alert_v2.proxy)) == toset([
      "calls-failing", "entra-token-refused", "backend-credential-refused", "backend-tls", "expiring", "slow-calls", "vault-unavailable",
    ])
    error_message = "The alerts are ${join(", ", keys(azurerm_monitor_scheduled_query_rules_alert_v2.proxy))}."
  }

  assert {
    condition = alltrue([for alert in jsondecode(file("../monitor/alerts.json")) : alltrue([
      for rule in [azurerm_monitor_scheduled_query_rules_alert_v2.proxy[alert.name]] :
      rule.name == "contoso-scim-${alert.name}" &&
      rule.display_name == "contoso-scim: ${alert.title}" &&
      rule.description == alert.description &&
      rule.severity == alert.severity &&
      rule.evaluation_frequency == alert.frequency &&
      rule.window_duration == alert.window &&
      rule.criteria[0].query == file("../monitor/alerts/${alert.name}.kql") &&
      [for by in rule.criteria[0].dimension : "${by.name} ${by.operator} ${join(",", by.values)}"] == [for column in alert.dimensions : "${column} Include *"]
    ])])
    error_message = "A rule is not what alerts.json says."
  }

  assert {
    condition = alltrue([for rule in azurerm_monitor_scheduled_query_rules_alert_v2.proxy :
      rule.scopes == tolist([azurerm_log_analytics_workspace.proxy.id]) &&
      rule.enabled != false && rule.auto_mitigation_enabled && rule.skip_query_validation &&
      rule.criteria[0].time_aggregation_method == "Count" &&
      rule.criteria[0].operator == "GreaterThan" &&
      rule.criteria[0].threshold == 0 &&
      rule.criteria[0].failing_periods[0].minimum_failing_periods_to_trigger_alert == 1 &&
      rule.criteria[0].failing_periods[0].number_of_evaluation_periods == 1 &&
      rule.action[0].action_groups == tolist([azurerm_monitor_action_group.proxy[0].id])
    ])
    error_message = "A rule does not fire for every row of the workspace, mend itself, and tell the action group."
  }

  assert {
    condition = (
      azurerm_monitor_action_group.proxy[0].name == "ag-contoso-scim" &&
      azurerm_monitor_action_group.proxy[0].short_name == "scim-proxy" &&
      azurerm_monitor_action_group.proxy[0].email_receiver[*].email_address == tolist(["first@contoso.com", "second@contoso.com"]) &&
      length(distinct(azurerm_monitor_action_group.proxy[0].email_receiver[*].name)) == 2
    )
    error_message = "The action group does not mail to both addresses."
  }
}
