# Well-formed IDs, because azurerm takes no others even while planning.

mock_data "azurerm_client_config" {
  defaults = {
    subscription_id = "00000000-0000-0000-0000-000000000001"
    tenant_id       = "00000000-0000-0000-0000-000000000002"
  }
}

mock_data "azurerm_resource_group" {
  defaults = {
    id       = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-scim"
    location = "westeurope"
  }
}

mock_resource "azurerm_user_assigned_identity" {
  defaults = {
    id           = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-scim/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-contoso-scim"
    client_id    = "00000000-0000-0000-0000-000000000003"
    principal_id = "00000000-0000-0000-0000-000000000004"
  }
}

mock_resource "azurerm_storage_account" {
  defaults = {
    id                    = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-scim/providers/Microsoft.Storage/storageAccounts/stcontoso"
    primary_blob_endpoint = "https://stcontoso.blob.core.windows.net/"
  }
}

mock_resource "azurerm_key_vault" {
  defaults = {
    id        = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-scim/providers/Microsoft.KeyVault/vaults/kv-contoso"
    vault_uri = "https://kv-contoso.vault.azure.net/"
  }
}

mock_resource "azurerm_virtual_network" {
  defaults = {
    id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-scim/providers/Microsoft.Network/virtualNetworks/vnet-contoso-scim"
  }
}

override_resource {
  target = azurerm_subnet.proxy
  values = {
    id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-scim/providers/Microsoft.Network/virtualNetworks/vnet-contoso-scim/subnets/snet-proxy"
  }
}

override_resource {
  target = azurerm_subnet.vault
  values = {
    id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-scim/providers/Microsoft.Network/virtualNetworks/vnet-contoso-scim/subnets/snet-vault"
  }
}

mock_resource "azurerm_private_dns_zone" {
  defaults = {
    id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-scim/providers/Microsoft.Network/privateDnsZones/privatelink.vaultcore.azure.net"
  }
}

mock_resource "azurerm_service_plan" {
  defaults = {
    id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-scim/providers/Microsoft.Web/serverFarms/plan-contoso-scim"
  }
}

mock_resource "azurerm_log_analytics_workspace" {
  defaults = {
    id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-scim/providers/Microsoft.OperationalInsights/workspaces/log-contoso-scim"
  }
}

mock_resource "azurerm_application_insights" {
  defaults = {
    id                = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-scim/providers/Microsoft.Insights/components/appi-contoso-scim"
    connection_string = "InstrumentationKey=00000000-0000-0000-0000-000000000005"
  }
}

mock_resource "azurerm_monitor_action_group" {
  defaults = {
    id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-scim/providers/Microsoft.Insights/actionGroups/ag-contoso-scim"
  }
}
