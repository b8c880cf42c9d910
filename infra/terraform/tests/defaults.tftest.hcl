# What is made when nothing but the required variables is set, and ranges, addresses and tags.

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
  admin_ip_ranges     = ["203.0.113.7/32", "198.51.100.0/24"]
  alert_emails        = ["first@contoso.com", "second@contoso.com"]
  tags                = { owner = "identity" }
}

run "system" {
  command = plan

  assert {
    condition     = azurerm_user_assigned_identity.proxy.name == "id-contoso-scim" && azurerm_user_assigned_identity.proxy.location == "westeurope"
    error_message = "The identity is not id-contoso-scim in the group's region."
  }

  assert {
    condition = { for key, role in azurerm_role_assignment.proxy : role.scope => reverse(split("/", role.role_definition_id))[0] } == {
      (azurerm_storage_account.package.id)    = "b7e6dc6d-f1e8-4753-8033-0f276bb0955b"
      (azurerm_key_vault.vault.id)            = "4633458b-17de-408a-b874-0445c86b69e6"
      (azurerm_application_insights.proxy.id) = "3913510d-42f4-4e42-8a64-420c390055eb"
    }
    error_message = "The identity has other roles than Storage Blob Data Owner, Key Vault Secrets User and Monitoring Metrics Publisher, each on its resource."
  }

  assert {
    condition = alltrue([for role in azurerm_role_assignment.proxy :
      role.principal_id == azurerm_user_assigned_identity.proxy.principal_id && role.principal_type == "ServicePrincipal" &&
      startswith(role.role_definition_id, "/subscriptions/00000000-0000-0000-0000-000000000001/providers/Microsoft.Authorization/roleDefinitions/")
    ])
    error_message = "A role is not the identity's, as a service principal, by a definition of the subscription."
  }

  assert {
    condition     = azapi_resource.site.identity[0].type == "UserAssigned" && azapi_resource.site.identity[0].identity_ids == tolist([azurerm_user_assigned_identity.proxy.id])
    error_message = "The app does not run as the identity, and as nothing else."
  }

  assert {
    condition     = can(regex("^st[0-9a-f]{13}$", azurerm_storage_account.package.name))
    error_message = "The storage account's name is not st and the token."
  }

  assert {
    condition = (
      azurerm_storage_account.package.account_kind == "StorageV2" &&
      azurerm_storage_account.package.account_tier == "Standard" &&
      azurerm_storage_account.package.account_replication_type == "LRS"
    )
    error_message = "The storage account is not StorageV2, Standard_LRS."
  }

  assert {
    condition = (
      !azurerm_storage_account.package.shared_access_key_enabled &&
      !azurerm_storage_account.package.local_user_enabled &&
      !azurerm_storage_account.package.allow_nested_items_to_be_public &&
      azurerm_storage_account.package.default_to_oauth_authentication &&
      azurerm_storage_account.package.https_traffic_only_enabled &&
      azurerm_storage_account.package.min_tls_version == "TLS1_2"
    )
    error_message = "The storage account has shared keys, local users, public blobs, plain HTTP or old TLS."
  }

  assert {
    condition     = azurerm_storage_account.package.public_network_access_enabled && azurerm_storage_account.package.network_rules[0].default_action == "Allow"
    error_message = "The storage account is closed to Flex Consumption."
  }

  assert {
    condition = (
      azurerm_storage_container.package.name == "package" &&
      azurerm_storage_container.package.container_access_type == "private" &&
      azurerm_storage_container.package.storage_account_id == azurerm_storage_account.package.id
    )
    error_message = "The container is not package, private, in the storage account."
  }

  assert {
    condition     = can(regex("^kv-[0-9a-f]{13}$", azurerm_key_vault.vault.name)) && output.vault_name == azurerm_key_vault.vault.name
    error_message = "The vault's name is not kv- and the token."
  }

  assert {
    condition = (
      azurerm_key_vault.vault.rbac_authorization_enabled &&
      azurerm_key_vault.vault.purge_protection_enabled &&
      azurerm_key_vault.vault.soft_delete_retention_days == 90 &&
      azurerm_key_vault.vault.sku_name == "standard" &&
      azurerm_key_vault.vault.tenant_id == "00000000-0000-0000-0000-000000000002"
    )
    error_message = "The vault lacks RBAC, purge protection, 90 days of soft delete, or is of another tenant."
  }

  assert {
    condition = (
      azurerm_key_vault.vault.public_network_access_enabled &&
      azurerm_key_vault.vault.network_acls[0].default_action == "Allow" &&
      azurerm_key_vault.vault.network_acls[0].bypass == "None" &&
      length(azurerm_key_vault.vault.network_acls[0].ip_rules) == 0
    )
    error_message = "The vault is not public without exceptions."
  }

  assert {
    condition     = length(azurerm_private_endpoint.vault) + length(azurerm_private_dns_zone.vault) + length(azurerm_private_dns_zone_virtual_network_link.vault) + length(azurerm_subnet.vault) == 0
    error_message = "There is something of a private endpoint, although none was asked for."
  }

  assert {
    condition     = azurerm_virtual_network.proxy[0].name == "vnet-contoso-scim" && azurerm_virtual_network.proxy[0].address_space == toset(["10.80.0.0/24"])
    error_message = "The network is not vnet-contoso-scim with 10.80.0.0/24."
  }

  assert {
    condition = (
      azurerm_subnet.proxy[0].name == "snet-proxy" &&
      azurerm_subnet.proxy[0].address_prefixes == tolist(["10.80.0.0/27"]) &&
      azurerm_subnet.proxy[0].virtual_network_name == "vnet-contoso-scim" &&
      azurerm_subnet.proxy[0].delegation[0].service_delegation[0].name == "Microsoft.App/environments" &&
      azurerm_subnet.proxy[0].delegation[0].service_delegation[0].actions == toset(["Microsoft.Network/virtualNetworks/subnets/join/action"])
    )
    error_message = "The subnet is not snet-proxy, 10.80.0.0/27, delegated to Microsoft.App/environments."
  }

  assert {
    condition = (
      azurerm_service_plan.proxy.name == "plan-contoso-scim" &&
      azurerm_service_plan.proxy.sku_name == "FC1" &&
      azurerm_service_plan.proxy.os_type == "Linux" &&
      !azurerm_service_plan.proxy.zone_balancing_enabled
    )
    error_message = "The plan is not plan-contoso-scim, FC1, Linux, without zones."
  }

  assert {
    condition = (
      azapi_resource.site.type == "Microsoft.Web/sites@2025-03-01" &&
      azapi_resource.site.name == "contoso-scim" && output.app_name == "contoso-scim" &&
      azapi_resource.site.parent_id == data.azurerm_resource_group.this.id &&
      azapi_resource.site.location == "westeurope" &&
      azapi_resource.site.body.kind == "functionapp,linux" &&
      azapi_resource.site.ignore_casing
    )
    error_message = "The app is not a Linux function app contoso-scim in the group and its region."
  }

  assert {
    condition     = azapi_resource.site.tags == tomap({ owner = "identity", azd-service-name = "proxy" })
    error_message = "The app lacks its tags, azd's among them."
  }

  assert {
    condition = { for key, value in azapi_resource.site.body.properties : key => value if !contains(["functionAppConfig", "siteConfig"], key) } == {
      serverFarmId           = azurerm_service_plan.proxy.id
      virtualNetworkSubnetId = azurerm_subnet.proxy[0].id
      publicNetworkAccess    = "Enabled"
      httpsOnly              = true
    }
    error_message = "The app is not on its plan and subnet, public, and HTTPS only."
  }

  assert {
    condition = jsonencode(azapi_resource.site.body.properties.functionAppConfig) == jsonencode({
      deployment = {
        storage = {
          type  = "blobContainer"
          value = "https://stcontoso.blob.core.windows.net/package"
          authentication = {
            type                           = "UserAssignedIdentity"
            userAssignedIdentityResourceId = azurerm_user_assigned_identity.proxy.id
          }
        }
      }
      runtime = { name = "custom", version = "1.0" }
      scaleAndConcurrency = {
        instanceMemoryMB     = 512
        maximumInstanceCount = 10
        alwaysReady          = [{ name = "http", instanceCount = 1 }]
        triggers             = { http = { perInstanceConcurrency = 100 } }
      }
      siteUpdateStrategy = { type = "RollingUpdate" }
    })
    error_message = "The deployment, the runtime, the scale or the update strategy is another."
  }

  assert {
    condition     = !azapi_resource.site.schema_validation_enabled
    error_message = "The schema, which does not know siteUpdateStrategy, would refuse the app."
  }

  assert {
    condition = jsonencode({ for key, value in azapi_resource.site.body.properties.siteConfig : key => value if key != "appSettings" }) == jsonencode({
      minTlsVersion    = "1.2"
      scmMinTlsVersion = "1.2"
      http20Enabled    = true
      ipSecurityRestrictions = [
        { name = "entra", priority = 100, action = "Allow", tag = "ServiceTag", ipAddress = "AzureActiveDirectory" },
        { name = "admin-0", priority = 200, action = "Allow", tag = "Default", ipAddress = "203.0.113.7/32" },
        { name = "admin-1", priority = 201, action = "Allow", tag = "Default", ipAddress = "198.51.100.0/24" },
      ]
      ipSecurityRestrictionsDefaultAction = "Deny"
      scmIpSecurityRestrictionsUseMain    = false
      scmIpSecurityRestrictions = [
        { name = "admin-0", priority = 200, action = "Allow", tag = "Default", ipAddress = "203.0.113.7/32" },
        { name = "admin-1", priority = 201, action = "Allow", tag = "Default", ipAddress = "198.51.100.0/24" },
      ]
      scmIpSecurityRestrictionsDefaultAction = "Deny"
    })
    error_message = "The site or its SCM site has other TLS settings or access restrictions."
  }

  assert {
    condition = (
      keys(azapi_update_resource.basic_publishing) == ["ftp", "scm"] &&
      alltrue([for name, policy in azapi_update_resource.basic_publishing :
        policy.type == "Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01" && policy.name == name &&
        policy.parent_id == azapi_resource.site.id && policy.body == { properties = { allow = false } }
      ])
    )
    error_message = "Basic publishing credentials are not off for both ftp and scm."
  }

  assert {
    condition = { for setting in azapi_resource.site.body.properties.siteConfig.appSettings : setting.name => setting.value } == {
      AzureWebJobsStorage__accountName          = azurerm_storage_account.package.name
      AzureWebJobsStorage__credential           = "managedidentity"
      AzureWebJobsStorage__clientId             = "00000000-0000-0000-0000-000000000003"
      APPLICATIONINSIGHTS_CONNECTION_STRING     = "InstrumentationKey=00000000-0000-0000-0000-000000000005"
      APPLICATIONINSIGHTS_AUTHENTICATION_STRING = "ClientId=00000000-0000-0000-0000-000000000003;Authorization=AAD"
      AZURE_CLIENT_ID                           = "00000000-0000-0000-0000-000000000003"
      KEY_VAULT_URL                             = "https://kv-contoso.vault.azure.net"
      ENTRA_TOKEN                               = "keyvault:entra-token"
      BACKEND_URL                               = "https://scim.contoso.com/scim/v2"
      BACKEND_AUTH                              = "bearer"
      BACKEND_TOKEN                             = "keyvault:backend-token"
      NORMALIZE                                 = "all"
      SCIM_PATH                                 = "/scim"
      GOMEMLIMIT                                = "192MiB"
    }
    error_message = "The app has other settings: ${join(", ", [for setting in azapi_resource.site.body.properties.siteConfig.appSettings : nonsensitive(setting.name)])}."
  }

  assert {
    condition = alltrue([for resource in concat(
      [
        azurerm_user_assigned_identity.proxy, azurerm_storage_account.package, azurerm_key_vault.vault, azurerm_virtual_network.proxy[0],
        azurerm_service_plan.proxy, azurerm_log_analytics_workspace.proxy, azurerm_application_insights.proxy,
        azurerm_application_insights_workbook.proxy, azurerm_monitor_action_group.proxy[0],
      ],
      values(azurerm_monitor_scheduled_query_rules_alert_v2.proxy),
    ) : nonsensitive(resource.tags) == tomap({ owner = "identity" })])
    error_message = "A resource lacks the tags."
  }

  assert {
    condition     = output.tenant_url == "https://contoso-scim.azurewebsites.net/scim?aadOptscim062020"
    error_message = "The Tenant URL is ${output.tenant_url}."
  }

  assert {
    condition     = output.publish_command == "make publish APP=contoso-scim RG=rg-scim"
    error_message = "The command that publishes is ${output.publish_command}."
  }

  assert {
    condition = jsonencode(output.secret_commands) == jsonencode([for line in [
      "az role assignment create --role 'Key Vault Secrets Officer' --assignee-object-id \"$(az ad signed-in-user show --query id --output tsv)\" --assignee-principal-type User --scope ${azurerm_key_vault.vault.id} --output none",
      "openssl rand -hex 32 | tr -d '\\n' | az keyvault secret set --vault-name VAULT --name entra-token --file /dev/stdin --encoding utf-8 --output none",
      "read -rs TOKEN && printf %s \"$TOKEN\" | az keyvault secret set --vault-name VAULT --name backend-token --file /dev/stdin --encoding utf-8 --output none; unset TOKEN",
      "az keyvault secret show --vault-name VAULT --name entra-token --query value --output tsv",
    ] : replace(line, "VAULT", azurerm_key_vault.vault.name)])
    error_message = "The commands that set the secrets are ${join("\n", output.secret_commands)}"
  }
}
