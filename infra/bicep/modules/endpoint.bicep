metadata description = 'A private endpoint for the vault, and the DNS zone that leads to it.'

@description('Name of the Key Vault.')
param vaultName string

@description('ARM id of the Key Vault.')
param vaultId string

@description('Azure region.')
param location string

@description('Tags of each resource.')
param tags object

@description('ARM id of the subnet of the private endpoint.')
param subnetId string

@description('ARM id of the VNet that a new DNS zone is linked to.')
param vnetId string

@description('ARM id of an existing DNS zone; empty makes one.')
param existingZoneId string

resource endpoint 'Microsoft.Network/privateEndpoints@2025-07-01' = {
  name: 'pe-${vaultName}'
  location: location
  tags: tags
  properties: {
    subnet: {
      id: subnetId
    }
    privateLinkServiceConnections: [
      {
        name: 'pe-${vaultName}'
        properties: {
          privateLinkServiceId: vaultId
          groupIds: [
            'vault'
          ]
        }
      }
    ]
  }
}

resource zone 'Microsoft.Network/privateDnsZones@2024-06-01' = if (empty(existingZoneId)) {
  name: 'privatelink.vaultcore.azure.net'
  location: 'global'
  tags: tags
}

resource link 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = if (empty(existingZoneId)) {
  parent: zone
  // Apps of one resource group share the zone. Azure takes one link for each VNet: apps in one VNet share it, too.
  name: 'link-${uniqueString(toLower(vnetId))}'
  location: 'global'
  tags: tags
  properties: {
    registrationEnabled: false
    virtualNetwork: {
      id: vnetId
    }
  }
}

resource records 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2025-07-01' = {
  parent: endpoint
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [
      {
        name: 'vault'
        properties: {
          privateDnsZoneId: empty(existingZoneId) ? zone.id : existingZoneId
        }
      }
    ]
  }
}
