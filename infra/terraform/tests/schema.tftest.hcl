# The app's body, by the schema of the real azapi. Planning something new asks Azure nothing, so the account is made up.

mock_provider "azurerm" {
  source          = "./tests/mocks/azurerm"
  override_during = plan
}

provider "azapi" {
  subscription_id            = "00000000-0000-0000-0000-000000000001"
  tenant_id                  = "00000000-0000-0000-0000-000000000002"
  skip_provider_registration = true
}

variables {
  resource_group_name = "rg-scim"
  name                = "contoso-scim"
  backend_url         = "https://scim.contoso.com/scim/v2"
  admin_ip_ranges     = ["203.0.113.7/32"]
  # The schema does not know siteUpdateStrategy; without it, the validation is on.
  update_strategy = "Recreate"
}

run "schema" {
  command = plan

  assert {
    condition     = azapi_resource.site.schema_validation_enabled
    error_message = "Nothing was checked."
  }
}
