metadata description = 'The storage account of the Functions host, with the container that packages are deployed to.'

@description('Name of the storage account.')
param storageName string

@description('Azure region.')
param location string

@description('Tags of each resource.')
param tags object

@description('Keep the data in three zones.')
param zoneRedundant bool

@description('Object id of the identity of the app.')
param principalId string

var containerName = 'package'

// Storage Blob Data Owner: the host keeps locks and keys in blobs.
var ownerRole = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b')

resource storage 'Microsoft.Storage/storageAccounts@2025-08-01' = {
  name: storageName
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: zoneRedundant ? 'Standard_ZRS' : 'Standard_LRS'
  }
  properties: {
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    isLocalUserEnabled: false
    allowBlobPublicAccess: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: 'Enabled'
    // Flex Consumption reaches it from addresses that nobody can list; without keys, the roles decide.
    networkAcls: {
      defaultAction: 'Allow'
    }
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-08-01' existing = {
  parent: storage
  name: 'default'
}

resource container 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-08-01' = {
  parent: blobs
  name: containerName
  properties: {
    publicAccess: 'None'
  }
}

resource owner 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: storage
  name: guid(storage.id, principalId, ownerRole)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: ownerRole
  }
}

@description('Name of the storage account.')
output name string = storage.name

@description('URL of the container for packages.')
output containerUrl string = '${storage.properties.primaryEndpoints.blob}${containerName}'
