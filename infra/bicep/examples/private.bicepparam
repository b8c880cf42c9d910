// A backend in a company's network, with HTTP Basic and a client certificate. Subnets exist; the vault has a private endpoint.
using '../main.bicep'

param name = 'contoso-jira-scim'
param backendUrl = 'https://jira.corp.contoso.com/rest/scim/v2'
param backendCa = loadTextContent('ca.pem')
param backendAuth = 'basic'
param backendClientCertificate = true
param settings = {
  BACKEND_USERNAME: 'entra'
  BACKEND_TIMEOUT: '40s'
}
param existingSubnetId = '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-network/providers/Microsoft.Network/virtualNetworks/vnet-contoso/subnets/snet-scim'
param vaultPrivateEndpoint = true
param existingPrivateEndpointSubnetId = '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-network/providers/Microsoft.Network/virtualNetworks/vnet-contoso/subnets/snet-endpoints'
param existingPrivateDnsZoneId = '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-dns/providers/Microsoft.Network/privateDnsZones/privatelink.vaultcore.azure.net'
param adminIpRanges = [
  '198.51.100.0/28'
]
param alertEmails = [
  'identity@contoso.com'
]
param zoneRedundant = true
param logRetentionDays = 90
param tags = {
  owner: 'identity'
}
