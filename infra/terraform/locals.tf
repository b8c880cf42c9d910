data "azurerm_client_config" "current" {}

data "azurerm_resource_group" "this" {
  name = var.resource_group_name
}

locals {
  group    = data.azurerm_resource_group.this
  location = coalesce(var.location, local.group.location)

  # For names that must be free in all of Azure. The same group and name give the same token.
  token      = substr(sha1("${local.group.id}/${var.name}"), 0, 13)
  vault_name = coalesce(var.vault_name, "kv-${local.token}")

  always_ready = coalesce(var.always_ready_instances, var.environment == "production" ? 1 : 0)

  # What var.settings may hold: the settings of the proxy that no variable of their own stands for.
  allowed_settings = [
    "BACKEND_ALLOW_HTTP",
    "BACKEND_SERVER_NAME",
    "BACKEND_TIMEOUT",
    "BACKEND_USERNAME",
    "BOOLEAN_ATTRIBUTES",
    "CHECK_DETAILS",
    "DROP_ATTRIBUTES",
    "EXTENSION_SCHEMAS",
    "GROUPS",
    "INTEGER_ATTRIBUTES",
    "LOG_LEVEL",
    "MAX_BODY",
    "MAX_CONCURRENT",
    "MAX_HEADER",
    "MULTIVALUED_ATTRIBUTES",
    "SECRET_REFRESH",
    "SECRET_STALE",
  ]

  # All of the app's settings. AzureWebJobsStorage itself is not among them: with it, empty or not, the host
  # does not use the identity (azure-functions-host issue 11782).
  app_settings = merge(
    {
      AzureWebJobsStorage__accountName          = azurerm_storage_account.package.name
      AzureWebJobsStorage__credential           = "managedidentity"
      AzureWebJobsStorage__clientId             = azurerm_user_assigned_identity.proxy.client_id
      APPLICATIONINSIGHTS_CONNECTION_STRING     = azurerm_application_insights.proxy.connection_string
      APPLICATIONINSIGHTS_AUTHENTICATION_STRING = "ClientId=${azurerm_user_assigned_identity.proxy.client_id};Authorization=AAD"

      AZURE_CLIENT_ID = azurerm_user_assigned_identity.proxy.client_id
      KEY_VAULT_URL   = trimsuffix(azurerm_key_vault.vault.vault_uri, "/")
      ENTRA_TOKEN     = "keyvault:entra-token"
      BACKEND_URL     = var.backend_url
      BACKEND_AUTH    = var.backend_auth
      NORMALIZE       = var.normalize
      SCIM_PATH       = var.scim_path

      # For Go's collector, and for the bodies that the proxy holds at a time. The rest of the instance is for
      # the Functions host and the system.
      GOMEMLIMIT = "${var.instance_memory_mb * 3 / 8}MiB"
    },
    var.backend_auth == "none" ? {} : { BACKEND_TOKEN = "keyvault:backend-token" },
    var.backend_ca == null ? {} : { BACKEND_CA = "plain:${base64encode(var.backend_ca)}" },
    var.backend_client_certificate ? { BACKEND_CLIENT_CERT = "keyvault:backend-client-certificate" } : {},
    var.public_url == null ? {} : { PUBLIC_URL = var.public_url },
    var.settings,
  )
}
