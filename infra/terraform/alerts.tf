locals {
  alerts = { for alert in jsondecode(file("${local.monitor}/alerts.json")) : alert.name => alert }
}

resource "azurerm_monitor_action_group" "proxy" {
  count = length(var.alert_emails) > 0 ? 1 : 0

  name                = "ag-${var.name}"
  resource_group_name = local.group.name
  # What a mail's subject begins with; 12 characters at most.
  short_name = "scim-proxy"
  tags       = var.tags

  dynamic "email_receiver" {
    for_each = var.alert_emails

    content {
      name                    = "mail-${email_receiver.key}"
      email_address           = email_receiver.value
      use_common_alert_schema = true
    }
  }
}

# A rule fires when its query returns a row.
resource "azurerm_monitor_scheduled_query_rules_alert_v2" "proxy" {
  for_each = local.alerts

  name                = "${var.name}-${each.key}"
  display_name        = "${var.name}: ${each.value.title}"
  description         = each.value.description
  resource_group_name = local.group.name
  location            = local.location
  tags                = var.tags

  scopes                  = [azurerm_log_analytics_workspace.proxy.id]
  severity                = each.value.severity
  evaluation_frequency    = each.value.frequency
  window_duration         = each.value.window
  auto_mitigation_enabled = true
  # A fresh workspace has no tables yet, and a query on them would be refused.
  skip_query_validation = true

  criteria {
    query                   = file("${local.monitor}/alerts/${each.key}.kql")
    time_aggregation_method = "Count"
    operator                = "GreaterThan"
    threshold               = 0

    # An alert for each value: one that is on for weeks would hide the next.
    dynamic "dimension" {
      for_each = each.value.dimensions

      content {
        name     = dimension.value
        operator = "Include"
        values   = ["*"]
      }
    }

    failing_periods {
      minimum_failing_periods_to_trigger_alert = 1
      number_of_evaluation_periods             = 1
    }
  }

  dynamic "action" {
    for_each = azurerm_monitor_action_group.proxy

    content {
      action_groups = [action.value.id]
    }
  }
}
