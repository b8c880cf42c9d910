locals {
  subnet_id       = coalesce(var.existing_subnet_id, one(azurerm_subnet.proxy[*].id))
  vnet_id         = split("/subnets/", local.subnet_id)[0]
  vault_subnet_id = try(coalesce(var.existing_private_endpoint_subnet_id, one(azurerm_subnet.vault[*].id)), null)
}

resource "azurerm_virtual_network" "proxy" {
  count = var.existing_subnet_id == null ? 1 : 0

  name                = "vnet-${var.name}"
  resource_group_name = local.group.name
  location            = local.location
  address_space       = [var.vnet_address_prefix]
  tags                = var.tags
}

resource "azurerm_subnet" "proxy" {
  count = length(azurerm_virtual_network.proxy)

  name                 = var.subnet_name
  resource_group_name  = local.group.name
  virtual_network_name = azurerm_virtual_network.proxy[0].name
  address_prefixes     = [var.subnet_address_prefix]

  delegation {
    name = "flex-consumption"

    service_delegation {
      name = "Microsoft.App/environments"
      # Azure adds it; left out, every plan would want to take it away.
      actions = ["Microsoft.Network/virtualNetworks/subnets/join/action"]
    }
  }
}

resource "azurerm_subnet" "vault" {
  count = var.vault_private_endpoint && var.existing_private_endpoint_subnet_id == null ? length(azurerm_virtual_network.proxy) : 0

  name                 = "snet-vault"
  resource_group_name  = local.group.name
  virtual_network_name = azurerm_virtual_network.proxy[0].name
  address_prefixes     = [var.private_endpoint_subnet_address_prefix]
}
