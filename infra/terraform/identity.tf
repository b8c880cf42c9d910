resource "azurerm_user_assigned_identity" "proxy" {
  name                = "id-${var.name}"
  resource_group_name = local.group.name
  location            = local.location
  tags                = var.tags
}

locals {
  # What the app may do, and no more. By GUID, because a role can be renamed.
  roles = {
    # Storage Blob Data Owner: the package, and the host's own blobs.
    storage = {
      scope = azurerm_storage_account.package.id
      role  = "b7e6dc6d-f1e8-4753-8033-0f276bb0955b"
    }
    # Key Vault Secrets User: reads secrets and their versions.
    vault = {
      scope = azurerm_key_vault.vault.id
      role  = "4633458b-17de-408a-b874-0445c86b69e6"
    }
    # Monitoring Metrics Publisher: sends telemetry without a key.
    telemetry = {
      scope = azurerm_application_insights.proxy.id
      role  = "3913510d-42f4-4e42-8a64-420c390055eb"
    }
  }
}

resource "azurerm_role_assignment" "proxy" {
  for_each = local.roles

  scope              = each.value.scope
  role_definition_id = "/subscriptions/${data.azurerm_client_config.current.subscription_id}/providers/Microsoft.Authorization/roleDefinitions/${each.value.role}"
  principal_id       = azurerm_user_assigned_identity.proxy.principal_id
  # Without it the assignment fails while the new identity is not known everywhere yet.
  principal_type = "ServicePrincipal"
}
