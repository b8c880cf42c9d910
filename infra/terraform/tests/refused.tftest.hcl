# What is refused while planning: every variable of a run. A variable whose rule looks at another one is tried
# beside a good one, because Terraform judges no rule that looks at a bad one.

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

run "empty" {
  command = plan

  variables {
    name                                   = ""
    environment                            = ""
    backend_ca                             = ""
    normalize                              = " "
    scim_path                              = ""
    public_url                             = ""
    settings                               = { LOG_LEVEL = "" }
    vault_name                             = ""
    admin_ip_ranges                        = [""]
    alert_emails                           = [""]
    runtime_version                        = ""
    update_strategy                        = ""
    existing_subnet_id                     = ""
    subnet_name                            = ""
    vnet_address_prefix                    = ""
    subnet_address_prefix                  = ""
    private_endpoint_subnet_address_prefix = ""
    existing_private_dns_zone_id           = ""
  }

  expect_failures = [
    var.name,
    var.environment,
    var.backend_ca,
    var.normalize,
    var.scim_path,
    var.public_url,
    var.settings,
    var.vault_name,
    var.admin_ip_ranges,
    var.alert_emails,
    var.runtime_version,
    var.update_strategy,
    var.existing_subnet_id,
    var.subnet_name,
    var.vnet_address_prefix,
    var.subnet_address_prefix,
    var.private_endpoint_subnet_address_prefix,
    var.existing_private_dns_zone_id,
  ]
}

run "empty_beside_a_good_one" {
  command = plan

  variables {
    backend_auth                        = ""
    backend_url                         = ""
    existing_private_endpoint_subnet_id = ""
  }

  expect_failures = [var.backend_auth, var.backend_url, var.existing_private_endpoint_subnet_id]
}

run "wrong_first_character" {
  command = plan

  variables {
    name                         = "1contoso"
    vault_name                   = "1contoso"
    backend_url                  = "scim.contoso.com"
    scim_path                    = "scim"
    subnet_name                  = "-proxy"
    public_url                   = "contoso.com"
    existing_subnet_id           = "subnets/snet-scim"
    existing_private_dns_zone_id = "privatelink.vaultcore.azure.net"
  }

  expect_failures = [
    var.name,
    var.vault_name,
    var.backend_url,
    var.scim_path,
    var.subnet_name,
    var.public_url,
    var.existing_subnet_id,
    var.existing_private_dns_zone_id,
  ]
}

run "wrong_first_character_beside_a_good_one" {
  command = plan

  variables {
    existing_private_endpoint_subnet_id = "snet-vault"
  }

  expect_failures = [var.existing_private_endpoint_subnet_id]
}

run "wrong_last_character" {
  command = plan

  variables {
    name                         = "contoso-"
    vault_name                   = "contoso-"
    backend_url                  = "https://scim.contoso.com/scim?a=b"
    scim_path                    = "/scim/"
    public_url                   = "https://scim.contoso.com/"
    backend_auth                 = "header:"
    existing_subnet_id           = "/subscriptions/00000000-0000-0000-0000-000000000009/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/vnet/subnets/"
    existing_private_dns_zone_id = "/subscriptions/00000000-0000-0000-0000-000000000009/resourceGroups/rg/providers/Microsoft.Network/privateDnsZones/privatelink.vaultcore.azure.net/"
  }

  expect_failures = [
    var.name,
    var.vault_name,
    var.backend_url,
    var.scim_path,
    var.public_url,
    var.backend_auth,
    var.existing_subnet_id,
    var.existing_private_dns_zone_id,
  ]
}

run "wrong_character" {
  command = plan

  variables {
    name                                   = "contoso_scim"
    vault_name                             = "contoso_kv"
    backend_url                            = "https://user@scim.contoso.com"
    scim_path                              = "/sc im"
    subnet_name                            = "snet_proxy"
    public_url                             = "https://user@contoso.com"
    backend_auth                           = "header:X Api Key"
    admin_ip_ranges                        = ["2001:db8::/32"]
    alert_emails                           = ["first@contoso.com", "second"]
    vnet_address_prefix                    = "2001:db8::/48"
    subnet_address_prefix                  = "2001:db8::/27"
    private_endpoint_subnet_address_prefix = "2001:db8::/28"
    existing_subnet_id                     = "/subscriptions/00000000-0000-0000-0000-000000000009/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/vnet/subnets/snet_scim"
  }

  expect_failures = [
    var.name,
    var.vault_name,
    var.backend_url,
    var.scim_path,
    var.subnet_name,
    var.public_url,
    var.backend_auth,
    var.admin_ip_ranges,
    var.alert_emails,
    var.vnet_address_prefix,
    var.subnet_address_prefix,
    var.private_endpoint_subnet_address_prefix,
    var.existing_subnet_id,
  ]
}

run "capitals" {
  command = plan

  variables {
    name            = "Contoso"
    environment     = "Production"
    update_strategy = "rollingUpdate"
    settings        = { log_level = "debug" }
    scim_path       = "/Admin/scim"
  }

  expect_failures = [
    var.name,
    var.environment,
    var.update_strategy,
    var.settings,
    var.scim_path,
  ]
}

run "capitals_beside_a_good_one" {
  command = plan

  variables {
    backend_auth = "Bearer"
    backend_url  = "HTTPS://scim.contoso.com"
  }

  expect_failures = [var.backend_auth, var.backend_url]
}

run "reserved_path_query_and_fragment" {
  command = plan

  variables {
    scim_path   = "/runtime"
    backend_url = "https://scim.contoso.com/#a"
    vault_name  = "contoso--kv"
    public_url  = "https://contoso.com?a"
  }

  expect_failures = [
    var.scim_path,
    var.backend_url,
    var.vault_name,
    var.public_url,
  ]
}

run "reserved_path_below_and_other_schemes" {
  command = plan

  variables {
    scim_path   = "/runtime/webhooks"
    backend_url = "ftp://scim.contoso.com"
    public_url  = "http://contoso.com"
  }

  expect_failures = [var.scim_path, var.backend_url, var.public_url]
}

run "dot_segment_and_no_host" {
  command = plan

  variables {
    scim_path   = "/scim/../admin"
    backend_url = "https://"
  }

  expect_failures = [var.scim_path, var.backend_url]
}

run "of_another_kind" {
  command = plan

  variables {
    existing_subnet_id                     = "/subscriptions/00000000-0000-0000-0000-000000000009/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/vnet"
    existing_private_dns_zone_id           = "/subscriptions/00000000-0000-0000-0000-000000000009/resourceGroups/rg/providers/Microsoft.Network/privateDnsZones/contoso.com"
    backend_ca                             = "MIIB"
    vnet_address_prefix                    = "10.80.0.0"
    subnet_address_prefix                  = "10.80.0.0"
    private_endpoint_subnet_address_prefix = "10.80.0.0"
  }

  expect_failures = [
    var.existing_subnet_id,
    var.existing_private_dns_zone_id,
    var.backend_ca,
    var.vnet_address_prefix,
    var.subnet_address_prefix,
    var.private_endpoint_subnet_address_prefix,
  ]
}

run "of_another_kind_beside_a_good_one" {
  command = plan

  variables {
    existing_private_endpoint_subnet_id = "/subscriptions/00000000-0000-0000-0000-000000000009/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/vnet"
  }

  expect_failures = [var.existing_private_endpoint_subnet_id]
}

run "private_key" {
  command = plan

  variables {
    backend_ca = "-----BEGIN CERTIFICATE-----\n-----BEGIN EC PRIVATE KEY-----"
  }

  expect_failures = [var.backend_ca]
}

run "address_without_length" {
  command = plan

  variables {
    admin_ip_ranges = ["198.51.100.0/24", "203.0.113.7"]
  }

  expect_failures = [var.admin_ip_ranges]
}

run "whole_internet" {
  command = plan

  variables {
    admin_ip_ranges = ["0.0.0.0/0"]
  }

  expect_failures = [var.admin_ip_ranges]
}

run "no_address" {
  command = plan

  variables {
    admin_ip_ranges = ["203.0.113.256/32"]
  }

  expect_failures = [var.admin_ip_ranges]
}

run "length_over_32" {
  command = plan

  variables {
    admin_ip_ranges = ["203.0.113.7/33"]
  }

  expect_failures = [var.admin_ip_ranges]
}

run "setting_with_a_variable_of_its_own" {
  command = plan

  variables {
    settings = { BACKEND_URL = "https://other.contoso.com" }
  }

  expect_failures = [var.settings]
}

run "setting_of_the_platform" {
  command = plan

  variables {
    settings = { AzureWebJobsStorage = "x" }
  }

  expect_failures = [var.settings]
}

run "http_without_the_switch" {
  command = plan

  variables {
    backend_url = "http://scim.contoso.com"
  }

  expect_failures = [var.backend_url]
}

run "http_with_the_switch_off" {
  command = plan

  variables {
    backend_url = "http://scim.contoso.com"
    settings    = { BACKEND_ALLOW_HTTP = "false" }
  }

  expect_failures = [var.backend_url]
}

run "more_ready_than_allowed" {
  command = plan

  variables {
    always_ready_instances = 3
    maximum_instance_count = 2
  }

  expect_failures = [var.always_ready_instances]
}

run "private_vault_without_a_subnet" {
  command = plan

  variables {
    vault_private_endpoint = true
    existing_subnet_id     = "/subscriptions/00000000-0000-0000-0000-000000000009/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/vnet/subnets/snet-scim"
  }

  expect_failures = [var.existing_private_endpoint_subnet_id]
}
