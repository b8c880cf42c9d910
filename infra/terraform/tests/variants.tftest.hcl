# What the variables change.

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

run "no_admins" {
  command = plan

  assert {
    condition     = jsonencode(azapi_resource.site.body.properties.siteConfig.scmIpSecurityRestrictions) == "[]" && azapi_resource.site.body.properties.siteConfig.scmIpSecurityRestrictionsDefaultAction == "Deny"
    error_message = "Without admin_ip_ranges the SCM site is open to somebody."
  }

  assert {
    condition     = azapi_resource.site.body.properties.siteConfig.ipSecurityRestrictions[*].name == ["entra"] && azapi_resource.site.body.properties.siteConfig.ipSecurityRestrictionsDefaultAction == "Deny"
    error_message = "Without admin_ip_ranges the site is open to others than Entra."
  }

  assert {
    condition     = length(azurerm_monitor_action_group.proxy) == 0 && alltrue([for rule in azurerm_monitor_scheduled_query_rules_alert_v2.proxy : length(rule.action) == 0])
    error_message = "Without alert_emails there is an action group, or a rule that wants one."
  }
}

run "token" {
  command = plan

  variables {
    name     = "contoso-scim2"
    location = "northeurope"
  }

  assert {
    condition     = azurerm_storage_account.package.name == "st${substr(sha1("/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-scim/contoso-scim2"), 0, 13)}"
    error_message = "The token is not made of the group's ID and the name."
  }

  assert {
    condition     = azapi_resource.site.location == "northeurope" && azurerm_virtual_network.proxy[0].location == "northeurope" && azurerm_key_vault.vault.location == "northeurope"
    error_message = "location is not where things are."
  }
}

run "test_environment" {
  command = plan

  variables {
    environment = "test"
  }

  assert {
    condition     = jsonencode(azapi_resource.site.body.properties.functionAppConfig.scaleAndConcurrency.alwaysReady) == "[]"
    error_message = "The test environment keeps instances ready."
  }
}

run "scale" {
  command = plan

  variables {
    environment              = "test"
    always_ready_instances   = 3
    maximum_instance_count   = 40
    instance_memory_mb       = 2048
    per_instance_concurrency = 250
    zone_redundant           = true
    runtime_version          = "2.0"
  }

  assert {
    condition = jsonencode(azapi_resource.site.body.properties.functionAppConfig.scaleAndConcurrency) == jsonencode({
      instanceMemoryMB     = 2048
      maximumInstanceCount = 40
      alwaysReady          = [{ name = "http", instanceCount = 3 }]
      triggers             = { http = { perInstanceConcurrency = 250 } }
    })
    error_message = "The scale is another than the variables say."
  }

  assert {
    condition     = contains(azapi_resource.site.body.properties.siteConfig.appSettings, { name = "GOMEMLIMIT", value = "768MiB" })
    error_message = "The limit of memory does not follow the size of the instance."
  }

  assert {
    condition     = azapi_resource.site.body.properties.functionAppConfig.runtime.version == "2.0"
    error_message = "The runtime's version is not runtime_version."
  }

  assert {
    condition     = azurerm_service_plan.proxy.zone_balancing_enabled && azurerm_storage_account.package.account_replication_type == "ZRS"
    error_message = "zone_redundant does not spread the plan and the storage."
  }
}

run "never_ready_in_production" {
  command = plan

  variables {
    always_ready_instances = 0
  }

  assert {
    condition     = jsonencode(azapi_resource.site.body.properties.functionAppConfig.scaleAndConcurrency.alwaysReady) == "[]"
    error_message = "always_ready_instances = 0 keeps instances ready."
  }
}

run "recreate" {
  command = plan

  variables {
    update_strategy = "Recreate"
  }

  assert {
    condition     = !can(azapi_resource.site.body.properties.functionAppConfig.siteUpdateStrategy)
    error_message = "With Recreate there is a siteUpdateStrategy, which a region without it refuses."
  }

  assert {
    condition     = azapi_resource.site.schema_validation_enabled
    error_message = "With Recreate the body is not checked against the schema."
  }
}

run "no_credential" {
  command = plan

  variables {
    backend_auth = "none"
  }

  assert {
    condition     = local.app_settings.BACKEND_AUTH == "none" && !contains(keys(local.app_settings), "BACKEND_TOKEN")
    error_message = "There is a BACKEND_TOKEN although the backend expects none."
  }

  assert {
    condition     = length(output.secret_commands) == 3 && !strcontains(join("", output.secret_commands), "backend-token")
    error_message = "The commands ask for a secret that nothing reads."
  }
}

run "header" {
  command = plan

  variables {
    backend_auth = "header:X-Api-Key"
  }

  assert {
    condition     = local.app_settings.BACKEND_AUTH == "header:X-Api-Key" && local.app_settings.BACKEND_TOKEN == "keyvault:backend-token"
    error_message = "The header is not a setting, or its secret is not."
  }
}

run "all_settings" {
  command = plan

  variables {
    backend_auth               = "basic"
    backend_client_certificate = true
    backend_ca                 = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"
    normalize                  = "all,-roles-drop-id"
    scim_path                  = "/"
    public_url                 = "https://scim.contoso.com"
    settings = {
      BACKEND_USERNAME       = "svc-scim"
      BACKEND_SERVER_NAME    = "scim.contoso.com"
      GROUPS                 = "forward"
      DROP_ATTRIBUTES        = "title"
      BACKEND_ALLOW_HTTP     = "false"
      BACKEND_TIMEOUT        = "30s"
      SECRET_REFRESH         = "10m"
      SECRET_STALE           = "24h"
      BOOLEAN_ATTRIBUTES     = "a"
      INTEGER_ATTRIBUTES     = "b"
      MULTIVALUED_ATTRIBUTES = "c"
      EXTENSION_SCHEMAS      = "urn:example:Employee"
      MAX_BODY               = "2MiB"
      MAX_HEADER             = "32KiB"
      MAX_CONCURRENT         = "500"
      CHECK_DETAILS          = "false"
      LOG_LEVEL              = "debug"
    }
  }

  assert {
    condition = { for setting in azapi_resource.site.body.properties.siteConfig.appSettings : setting.name => setting.value if !can(regex("^(AzureWebJobsStorage__|APPLICATIONINSIGHTS_|AZURE_CLIENT_ID$|KEY_VAULT_URL$)", setting.name)) } == {
      ENTRA_TOKEN            = "keyvault:entra-token"
      BACKEND_URL            = "https://scim.contoso.com/scim/v2"
      BACKEND_AUTH           = "basic"
      BACKEND_TOKEN          = "keyvault:backend-token"
      BACKEND_CA             = "plain:LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1BPT0KLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo="
      BACKEND_CLIENT_CERT    = "keyvault:backend-client-certificate"
      NORMALIZE              = "all,-roles-drop-id"
      SCIM_PATH              = "/"
      GOMEMLIMIT             = "192MiB"
      PUBLIC_URL             = "https://scim.contoso.com"
      BACKEND_USERNAME       = "svc-scim"
      BACKEND_SERVER_NAME    = "scim.contoso.com"
      GROUPS                 = "forward"
      DROP_ATTRIBUTES        = "title"
      BACKEND_ALLOW_HTTP     = "false"
      BACKEND_TIMEOUT        = "30s"
      SECRET_REFRESH         = "10m"
      SECRET_STALE           = "24h"
      BOOLEAN_ATTRIBUTES     = "a"
      INTEGER_ATTRIBUTES     = "b"
      MULTIVALUED_ATTRIBUTES = "c"
      EXTENSION_SCHEMAS      = "urn:example:Employee"
      MAX_BODY               = "2MiB"
      MAX_HEADER             = "32KiB"
      MAX_CONCURRENT         = "500"
      CHECK_DETAILS          = "false"
      LOG_LEVEL              = "debug"
    }
    error_message = "The app has other settings: ${join(", ", [for setting in azapi_resource.site.body.properties.siteConfig.appSettings : nonsensitive(setting.name)])}."
  }

  assert {
    condition     = output.tenant_url == "https://scim.contoso.com/?aadOptscim062020"
    error_message = "The Tenant URL is ${output.tenant_url}."
  }

  assert {
    condition     = length(output.secret_commands) == 5 && output.secret_commands[3] == "az keyvault secret set --vault-name ${output.vault_name} --name backend-client-certificate --file client.pem --encoding utf-8 --output none"
    error_message = "The command that sets the client certificate is ${output.secret_commands[3]}."
  }
}

run "http_with_the_switch" {
  command = plan

  variables {
    backend_url = "http://10.1.2.3:8080/scim"
    settings    = { BACKEND_ALLOW_HTTP = "true" }
  }

  assert {
    condition     = local.app_settings.BACKEND_URL == "http://10.1.2.3:8080/scim" && local.app_settings.BACKEND_ALLOW_HTTP == "true"
    error_message = "A backend without TLS is not what the settings say."
  }
}
