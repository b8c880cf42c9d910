# Holds the package, and what the Functions host keeps for itself. The keys that azurerm reads into the state
# open nothing, because shared keys are off.
resource "azurerm_storage_account" "package" {
  name                = "st${local.token}"
  resource_group_name = local.group.name
  location            = local.location
  tags                = var.tags

  account_kind             = "StorageV2"
  account_tier             = "Standard"
  account_replication_type = var.zone_redundant ? "ZRS" : "LRS"

  shared_access_key_enabled       = false
  default_to_oauth_authentication = true
  local_user_enabled              = false
  allow_nested_items_to_be_public = false
  https_traffic_only_enabled      = true
  min_tls_version                 = "TLS1_2"

  # Flex Consumption reaches it from addresses that nobody can list.
  public_network_access_enabled = true
  network_rules {
    default_action = "Allow"
  }
}

resource "azurerm_storage_container" "package" {
  name                  = "package"
  storage_account_id    = azurerm_storage_account.package.id
  container_access_type = "private"
}
