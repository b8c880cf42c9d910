# The subscription comes from ARM_SUBSCRIPTION_ID, the credentials from `az login` or the other ARM_ variables.
provider "azurerm" {
  # Shared keys are off, so what is asked of blob storage is asked with Entra ID.
  storage_use_azuread = true

  resource_provider_registrations = "none"
  resource_providers_to_register = [
    "Microsoft.AlertsManagement",
    # A subnet can only be delegated to Microsoft.App/environments once this one is registered.
    "Microsoft.App",
    "Microsoft.Insights",
    "Microsoft.KeyVault",
    "Microsoft.ManagedIdentity",
    "Microsoft.Network",
    "Microsoft.OperationalInsights",
    "Microsoft.Storage",
    "Microsoft.Web",
  ]

  features {
    key_vault {
      # Purge protection forbids it; a vault that was removed comes back with the next apply.
      purge_soft_delete_on_destroy    = false
      recover_soft_deleted_key_vaults = true
    }
  }
}

provider "azapi" {}
