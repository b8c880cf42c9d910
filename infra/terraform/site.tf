resource "azurerm_service_plan" "proxy" {
  name                = "plan-${var.name}"
  resource_group_name = local.group.name
  location            = local.location
  tags                = var.tags

  os_type                = "Linux"
  sku_name               = "FC1"
  zone_balancing_enabled = var.zone_redundant
}

locals {
  admin_rules = [for index, range in var.admin_ip_ranges : {
    name      = "admin-${index}"
    priority  = 200 + index
    action    = "Allow"
    tag       = "Default"
    ipAddress = range
  }]

  # Entra's provisioning service calls from addresses of this tag. All tenants share them.
  site_rules = concat([{
    name      = "entra"
    priority  = 100
    action    = "Allow"
    tag       = "ServiceTag"
    ipAddress = "AzureActiveDirectory"
  }], local.admin_rules)
}

# Not azurerm_function_app_flex_consumption: that one always writes an AzureWebJobsStorage with an empty key,
# which the host then uses instead of the identity (terraform-provider-azurerm issue 29693).
resource "azapi_resource" "site" {
  type      = "Microsoft.Web/sites@2025-03-01"
  name      = var.name
  parent_id = local.group.id
  location  = local.location
  tags      = merge(var.tags, { azd-service-name = "proxy" })

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.proxy.id]
  }

  body = {
    kind = "functionapp,linux"
    properties = {
      serverFarmId           = azurerm_service_plan.proxy.id
      virtualNetworkSubnetId = local.subnet_id
      publicNetworkAccess    = "Enabled"
      httpsOnly              = true

      functionAppConfig = merge(
        {
          deployment = {
            storage = {
              type  = "blobContainer"
              value = "${azurerm_storage_account.package.primary_blob_endpoint}${azurerm_storage_container.package.name}"
              authentication = {
                type                           = "UserAssignedIdentity"
                userAssignedIdentityResourceId = azurerm_user_assigned_identity.proxy.id
              }
            }
          }
          runtime = {
            name    = "custom"
            version = var.runtime_version
          }
          scaleAndConcurrency = {
            instanceMemoryMB     = var.instance_memory_mb
            maximumInstanceCount = var.maximum_instance_count
            alwaysReady          = local.always_ready == 0 ? [] : [{ name = "http", instanceCount = local.always_ready }]
            triggers = {
              http = {
                perInstanceConcurrency = var.per_instance_concurrency
              }
            }
          }
        },
        var.update_strategy == "RollingUpdate" ? { siteUpdateStrategy = { type = "RollingUpdate" } } : {},
      )

      siteConfig = {
        # Entra speaks TLS 1.2 only, so 1.3 as the minimum would shut it out.
        minTlsVersion    = "1.2"
        scmMinTlsVersion = "1.2"
        http20Enabled    = true

        ipSecurityRestrictions              = local.site_rules
        ipSecurityRestrictionsDefaultAction = "Deny"

        scmIpSecurityRestrictionsUseMain       = false
        scmIpSecurityRestrictions              = local.admin_rules
        scmIpSecurityRestrictionsDefaultAction = "Deny"

        appSettings = [for name, value in local.app_settings : { name = name, value = value }]
      }
    }
  }

  # Azure takes siteUpdateStrategy, but its published types, which the validation goes by, lack it.
  schema_validation_enabled = var.update_strategy == "Recreate"
  # Azure writes serverfarms where azurerm writes serverFarms.
  ignore_casing          = true
  response_export_values = ["properties.defaultHostName"]

  # An app that starts before it has its roles fails its first deployment with 403; before the vault's private name
  # is known, its first instances would be refused by the vault's public side.
  depends_on = [azurerm_role_assignment.proxy, azurerm_private_endpoint.vault, azurerm_private_dns_zone_virtual_network_link.vault]

  lifecycle {
    # azurerm replaces a plan whose zones change, and a plan with an app cannot be removed.
    replace_triggered_by = [azurerm_service_plan.proxy.id]
  }
}

# An update, because every site has both from its start, and azapi_resource refuses what exists.
resource "azapi_update_resource" "basic_publishing" {
  for_each = toset(["ftp", "scm"])

  type      = "Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01"
  name      = each.key
  parent_id = azapi_resource.site.id
  body = {
    properties = {
      allow = false
    }
  }
}
