mock_resource "azapi_resource" {
  defaults = {
    id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-scim/providers/Microsoft.Web/sites/contoso-scim"
    output = {
      properties = {
        defaultHostName = "contoso-scim.azurewebsites.net"
      }
    }
  }
}
