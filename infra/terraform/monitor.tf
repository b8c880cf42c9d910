# The keys of the two that azurerm reads into the state open nothing, because local authentication is off.
resource "azurerm_log_analytics_workspace" "proxy" {
  name                = "log-${var.name}"
  resource_group_name = local.group.name
  location            = local.location
  tags                = var.tags

  sku                          = "PerGB2018"
  retention_in_days            = var.log_retention_days
  local_authentication_enabled = false
}

resource "azurerm_application_insights" "proxy" {
  name                = "appi-${var.name}"
  resource_group_name = local.group.name
  location            = local.location
  tags                = var.tags

  application_type             = "web"
  workspace_id                 = azurerm_log_analytics_workspace.proxy.id
  local_authentication_enabled = false
}

resource "azurerm_monitor_diagnostic_setting" "vault" {
  name                           = "workspace"
  target_resource_id             = azurerm_key_vault.vault.id
  log_analytics_workspace_id     = azurerm_log_analytics_workspace.proxy.id
  log_analytics_destination_type = "Dedicated"

  enabled_log {
    category = "AuditEvent"
  }

  enabled_log {
    category = "AzurePolicyEvaluationDetails"
  }

  enabled_metric {
    category = "AllMetrics"
  }

  lifecycle {
    # Key Vault takes it and does not give it back, so that every plan would show a change.
    ignore_changes = [log_analytics_destination_type]
  }
}

resource "azurerm_monitor_diagnostic_setting" "site" {
  name                       = "workspace"
  target_resource_id         = azapi_resource.site.id
  log_analytics_workspace_id = azurerm_log_analytics_workspace.proxy.id

  enabled_log {
    category = "FunctionAppLogs"
  }

  enabled_metric {
    category = "AllMetrics"
  }
}

locals {
  monitor  = "${path.module}/../monitor"
  workbook = jsondecode(file("${local.monitor}/workbook.json"))
}

resource "azurerm_application_insights_workbook" "proxy" {
  # A workbook's name is a GUID; the same group and name give the same.
  name                = uuidv5("url", "${local.group.id}/${var.name}")
  display_name        = "SCIM proxy ${var.name}"
  resource_group_name = local.group.name
  location            = local.location
  category            = "workbook"
  # Azure stores it in lower case, and azurerm refuses anything else.
  source_id = lower(azurerm_log_analytics_workspace.proxy.id)
  tags      = var.tags

  data_json = jsonencode({
    version = "Notebook/1.0"
    items = [for item in local.workbook : {
      type = 3
      name = item.name
      content = {
        version       = "KqlItem/1.0"
        title         = item.title
        query         = file("${local.monitor}/workbook/${item.name}.kql")
        size          = 0
        timeContext   = { durationMs = 86400000 }
        queryType     = 0
        resourceType  = "microsoft.operationalinsights/workspaces"
        visualization = item.visualization
      }
    }]
    fallbackResourceIds = [azurerm_log_analytics_workspace.proxy.id]
    "$schema"           = "https://github.com/Microsoft/Application-Insights-Workbooks/blob/master/schema/workbook.json"
  })
}
