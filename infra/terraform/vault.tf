# The secrets are set by hand, with the commands of the output secret_commands: none passes through here.
resource "azurerm_key_vault" "vault" {
  name                = local.vault_name
  resource_group_name = local.group.name
  location            = local.location
  tags                = var.tags

  tenant_id                  = data.azurerm_client_config.current.tenant_id
  sku_name                   = "standard"
  rbac_authorization_enabled = true
  purge_protection_enabled   = true
  soft_delete_retention_days = 90

  # A private endpoint works with either; the public side is only needed for the ranges of the admins.
  public_network_access_enabled = !var.vault_private_endpoint || length(var.admin_ip_ranges) > 0

  network_acls {
    default_action = var.vault_private_endpoint ? "Deny" : "Allow"
    # The app is not one of the services that a bypass would let in.
    bypass   = "None"
    ip_rules = var.vault_private_endpoint ? var.admin_ip_ranges : []
  }
}

resource "azurerm_private_endpoint" "vault" {
  count = var.vault_private_endpoint ? 1 : 0

  name                = "pe-${local.vault_name}"
  resource_group_name = local.group.name
  location            = local.location
  subnet_id           = local.vault_subnet_id
  tags                = var.tags

  private_service_connection {
    name                           = "pe-${local.vault_name}"
    private_connection_resource_id = azurerm_key_vault.vault.id
    subresource_names              = ["vault"]
    is_manual_connection           = false
  }

  private_dns_zone_group {
    name                 = "default"
    private_dns_zone_ids = [coalesce(var.existing_private_dns_zone_id, one(azurerm_private_dns_zone.vault[*].id))]
  }
}

resource "azurerm_private_dns_zone" "vault" {
  count = var.vault_private_endpoint && var.existing_private_dns_zone_id == null ? 1 : 0

  name                = "privatelink.vaultcore.azure.net"
  resource_group_name = local.group.name
  tags                = var.tags
}

resource "azurerm_private_dns_zone_virtual_network_link" "vault" {
  count = length(azurerm_private_dns_zone.vault)

  name                = "link-${var.name}"
  private_dns_zone_id = azurerm_private_dns_zone.vault[0].id
  virtual_network_id  = local.vnet_id
  tags                = var.tags
}
