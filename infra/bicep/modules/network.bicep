metadata description = 'A VNet with a subnet for the app, and one for the private endpoint of the vault.'

@description('Name of the function app.')
param name string

@description('Azure region.')
param location string

@description('Tags of each resource.')
param tags object

@description('Address range of the VNet.')
param vnetAddressPrefix string

@description('Name of the subnet for the app.')
param subnetName string

@description('Address range of the subnet for the app.')
param subnetAddressPrefix string

@description('Make a subnet for private endpoints.')
param endpointSubnet bool

@description('Address range of the subnet for private endpoints.')
param endpointSubnetAddressPrefix string

var endpointSubnetName = 'snet-vault'

var appSubnets = [
  {
    name: subnetName
    properties: {
      addressPrefix: subnetAddressPrefix
      // The API of 2025-07-01 makes subnets private if nothing is said. Delegated ones are meant to be exempt; the way
      // to the vault, the storage and a public backend should not hang on that.
      defaultOutboundAccess: true
      delegations: [
        {
          name: 'flex-consumption'
          properties: {
            serviceName: 'Microsoft.App/environments'
          }
        }
      ]
    }
  }
]

var endpointSubnets = [
  {
    name: endpointSubnetName
    properties: {
      addressPrefix: endpointSubnetAddressPrefix
    }
  }
]

resource vnet 'Microsoft.Network/virtualNetworks@2025-07-01' = {
  name: 'vnet-${name}'
  location: location
  tags: tags
  properties: {
    addressSpace: {
      addressPrefixes: [
        vnetAddressPrefix
      ]
    }
    // Part of the VNet: as resources of their own they would be taken away and added again with each deployment.
    subnets: concat(appSubnets, endpointSubnet ? endpointSubnets : [])
  }
}

@description('ARM id of the VNet.')
output vnetId string = vnet.id

@description('ARM id of the subnet for the app.')
output subnetId string = '${vnet.id}/subnets/${subnetName}'

@description('ARM id of the subnet for private endpoints, if there is one.')
output endpointSubnetId string = endpointSubnet ? '${vnet.id}/subnets/${endpointSubnetName}' : ''
