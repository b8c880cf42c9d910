# Networks and vaults: made or existing, public or private.

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
}

run "existing_subnet" {
  command = plan

  variables {
    existing_subnet_id = "/subscriptions/00000000-0000-0000-0000-000000000009/resourceGroups/rg_net/providers/Microsoft.Network/virtualNetworks/vnet_hub/subnets/snet-scim"
  }

  assert {
    condition     = azapi_resource.site.body.properties.virtualNetworkSubnetId == var.existing_subnet_id
    error_message = "The app is not in the existing subnet."
  }

  assert {
    condition     = length(azurerm_virtual_network.proxy) + length(azurerm_subnet.proxy) + length(azurerm_subnet.vault) == 0
    error_message = "A network is made although there is one."
  }
}

run "own_network" {
  command = plan

  variables {
    vnet_address_prefix                    = "10.9.0.0/16"
    subnet_name                            = "apps"
    subnet_address_prefix                  = "10.9.1.0/26"
    private_endpoint_subnet_address_prefix = "10.9.2.0/29"
    vault_private_endpoint                 = true
  }

  assert {
    condition = (
      azurerm_virtual_network.proxy[0].address_space == toset(["10.9.0.0/16"]) &&
      azurerm_subnet.proxy[0].name == "apps" &&
      azurerm_subnet.proxy[0].address_prefixes == tolist(["10.9.1.0/26"]) &&
      azurerm_subnet.vault[0].address_prefixes == tolist(["10.9.2.0/29"])
    )
    error_message = "The network is another than the variables say."
  }
}

run "private_vault" {
  command = plan

  variables {
    vault_private_endpoint = true
    vault_name             = "contoso-kv"
  }

  assert {
    condition     = azurerm_key_vault.vault.name == "contoso-kv" && output.vault_name == "contoso-kv"
    error_message = "The vault's name is not vault_name."
  }

  assert {
    condition = (
      !azurerm_key_vault.vault.public_network_access_enabled &&
      azurerm_key_vault.vault.network_acls[0].default_action == "Deny" &&
      azurerm_key_vault.vault.network_acls[0].bypass == "None" &&
      length(azurerm_key_vault.vault.network_acls[0].ip_rules) == 0
    )
    error_message = "The private vault is public."
  }

  assert {
    condition = (
      azurerm_subnet.vault[0].name == "snet-vault" &&
      azurerm_subnet.vault[0].virtual_network_name == "vnet-contoso-scim" &&
      azurerm_subnet.vault[0].address_prefixes == tolist(["10.80.0.32/28"]) &&
      length(azurerm_subnet.vault[0].delegation) == 0
    )
    error_message = "The private endpoint's subnet is not snet-vault, 10.80.0.32/28, without delegation."
  }

  assert {
    condition = (
      azurerm_private_endpoint.vault[0].name == "pe-contoso-kv" &&
      azurerm_private_endpoint.vault[0].subnet_id == azurerm_subnet.vault[0].id &&
      azurerm_private_endpoint.vault[0].subnet_id != azurerm_subnet.proxy[0].id &&
      azurerm_private_endpoint.vault[0].private_service_connection[0].private_connection_resource_id == azurerm_key_vault.vault.id &&
      azurerm_private_endpoint.vault[0].private_service_connection[0].subresource_names == tolist(["vault"]) &&
      !azurerm_private_endpoint.vault[0].private_service_connection[0].is_manual_connection &&
      azurerm_private_endpoint.vault[0].private_dns_zone_group[0].private_dns_zone_ids == tolist([azurerm_private_dns_zone.vault[0].id])
    )
    error_message = "The private endpoint is not the vault's, in its subnet, with the DNS zone."
  }

  assert {
    condition = (
      azurerm_private_dns_zone.vault[0].name == "privatelink.vaultcore.azure.net" &&
      azurerm_private_dns_zone_virtual_network_link.vault[0].private_dns_zone_id == azurerm_private_dns_zone.vault[0].id &&
      azurerm_private_dns_zone_virtual_network_link.vault[0].virtual_network_id == azurerm_virtual_network.proxy[0].id
    )
    error_message = "The DNS zone is not linked to the network."
  }
}

run "private_vault_with_admins" {
  command = plan

  variables {
    vault_private_endpoint = true
    admin_ip_ranges        = ["203.0.113.7/32", "198.51.100.0/24"]
  }

  assert {
    condition = (
      azurerm_key_vault.vault.public_network_access_enabled &&
      azurerm_key_vault.vault.network_acls[0].default_action == "Deny" &&
      azurerm_key_vault.vault.network_acls[0].bypass == "None" &&
      azurerm_key_vault.vault.network_acls[0].ip_rules == toset(["203.0.113.7/32", "198.51.100.0/24"])
    )
    error_message = "The private vault is open to more or less than the ranges of the admins."
  }
}

run "private_vault_in_existing_network" {
  command = plan

  variables {
    vault_private_endpoint              = true
    existing_subnet_id                  = "/subscriptions/00000000-0000-0000-0000-000000000009/resourceGroups/rg-net/providers/Microsoft.Network/virtualNetworks/vnet-hub/subnets/snet-scim"
    existing_private_endpoint_subnet_id = "/subscriptions/00000000-0000-0000-0000-000000000009/resourceGroups/rg-net/providers/Microsoft.Network/virtualNetworks/vnet-hub/subnets/endpoints"
  }

  assert {
    condition     = azurerm_private_endpoint.vault[0].subnet_id == var.existing_private_endpoint_subnet_id && length(azurerm_subnet.vault) == 0
    error_message = "The private endpoint is not in the existing subnet."
  }

  assert {
    condition     = azurerm_private_dns_zone_virtual_network_link.vault[0].virtual_network_id == "/subscriptions/00000000-0000-0000-0000-000000000009/resourceGroups/rg-net/providers/Microsoft.Network/virtualNetworks/vnet-hub"
    error_message = "The DNS zone is not linked to the existing network."
  }
}

run "existing_dns_zone" {
  command = plan

  variables {
    vault_private_endpoint       = true
    existing_private_dns_zone_id = "/subscriptions/00000000-0000-0000-0000-000000000009/resourceGroups/rg-dns/providers/Microsoft.Network/privateDnsZones/privatelink.vaultcore.azure.net"
  }

  assert {
    condition     = azurerm_private_endpoint.vault[0].private_dns_zone_group[0].private_dns_zone_ids == tolist([var.existing_private_dns_zone_id])
    error_message = "The private endpoint is not in the existing DNS zone."
  }

  assert {
    condition     = length(azurerm_private_dns_zone.vault) + length(azurerm_private_dns_zone_virtual_network_link.vault) == 0
    error_message = "A DNS zone is made or linked although there is one."
  }
}
