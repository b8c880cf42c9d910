# The limits: what is just refused, every variable of a run, and what is just taken.

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

run "too_low" {
  command = plan

  variables {
    name                                   = "ab"
    vault_name                             = "kv"
    instance_memory_mb                     = 256
    per_instance_concurrency               = 0
    maximum_instance_count                 = 0
    log_retention_days                     = 29
    subnet_address_prefix                  = "10.80.0.0/28"
    private_endpoint_subnet_address_prefix = "10.80.0.32/30"
  }

  expect_failures = [
    var.name,
    var.vault_name,
    var.instance_memory_mb,
    var.per_instance_concurrency,
    var.maximum_instance_count,
    var.log_retention_days,
    var.subnet_address_prefix,
    var.private_endpoint_subnet_address_prefix,
  ]
}

run "too_low_beside_a_good_one" {
  command = plan

  variables {
    always_ready_instances = -1
  }

  expect_failures = [var.always_ready_instances]
}

run "too_high" {
  command = plan

  variables {
    name                     = "a23456789012345678901234567890123"
    vault_name               = "a234567890123456789012345"
    instance_memory_mb       = 8192
    per_instance_concurrency = 1001
    maximum_instance_count   = 1001
    log_retention_days       = 731
    subnet_name              = "a2345678901234567890123456789012345678901234567890123456789012345678901234567890x"
    admin_ip_ranges          = [for i in range(51) : "203.0.113.${i}/32"]
  }

  expect_failures = [
    var.name,
    var.vault_name,
    var.instance_memory_mb,
    var.per_instance_concurrency,
    var.maximum_instance_count,
    var.log_retention_days,
    var.subnet_name,
    var.admin_ip_ranges,
  ]
}

run "too_high_beside_a_good_one" {
  command = plan

  variables {
    always_ready_instances = 21
    maximum_instance_count = 100
  }

  expect_failures = [var.always_ready_instances]
}

run "halves" {
  command = plan

  variables {
    per_instance_concurrency = 1.5
    maximum_instance_count   = 1.5
    log_retention_days       = 30.5
  }

  expect_failures = [var.per_instance_concurrency, var.maximum_instance_count, var.log_retention_days]
}

run "halves_beside_a_good_one" {
  command = plan

  variables {
    always_ready_instances = 0.5
  }

  expect_failures = [var.always_ready_instances]
}

run "least" {
  command = plan

  variables {
    name                                   = "abc"
    vault_name                             = "a-1"
    instance_memory_mb                     = 512
    per_instance_concurrency               = 1
    maximum_instance_count                 = 1
    always_ready_instances                 = 1
    log_retention_days                     = 30
    subnet_name                            = "s"
    subnet_address_prefix                  = "10.80.0.0/27"
    private_endpoint_subnet_address_prefix = "10.80.0.32/29"
    backend_url                            = "https://backend"
    scim_path                              = "/a"
    admin_ip_ranges                        = ["203.0.113.7/32"]
  }
}

run "most" {
  command = plan

  variables {
    name                     = "a2345678901234567890123456789012"
    vault_name               = "a23456789012345678901234"
    instance_memory_mb       = 4096
    per_instance_concurrency = 1000
    maximum_instance_count   = 1000
    always_ready_instances   = 20
    log_retention_days       = 730
    subnet_name              = "a2345678901234567890123456789012345678901234567890123456789012345678901234567890"
    subnet_address_prefix    = "10.0.0.0/8"
    backend_url              = "https://[2001:db8::1]:8443/a/b"
    backend_auth             = "header:X-Api-Key"
    scim_path                = "/jira/scim.v2/administrators"
    public_url               = "https://contoso.com:8443"
    admin_ip_ranges          = [for i in range(50) : "203.0.113.${i}/32"]
  }
}

run "basic_without_a_user" {
  command = plan

  variables {
    backend_auth = "basic"
  }

  expect_failures = [var.backend_auth]
}

run "a_user_without_basic" {
  command = plan

  variables {
    settings = { BACKEND_USERNAME = "entra" }
  }

  expect_failures = [var.backend_auth]
}

run "a_port_that_is_none" {
  command = plan

  variables {
    backend_url = "https://scim.contoso.com:scim"
    public_url  = "https://scim contoso.com"
  }

  expect_failures = [var.backend_url, var.public_url]
}

run "private_admin_range" {
  command = plan

  variables {
    admin_ip_ranges = ["172.31.0.0/16"]
  }

  expect_failures = [var.admin_ip_ranges]
}

run "beside_private_admin_ranges" {
  command = plan

  variables {
    admin_ip_ranges = ["172.32.0.0/16", "9.10.192.168/32", "100.0.0.0/8"]
  }
}

run "user_with_password" {
  command = plan

  variables {
    backend_auth = "basic"
    settings     = { BACKEND_USERNAME = "entra:password" }
  }

  expect_failures = [var.settings]
}
