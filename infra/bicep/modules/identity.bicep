metadata description = 'The identity of the app, for storage, vault and telemetry.'

@description('Name of the function app.')
param name string

@description('Azure region.')
param location string

@description('Tags of each resource.')
param tags object

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-${name}'
  location: location
  tags: tags
}

@description('ARM id of the identity.')
output id string = identity.id

@description('Object id, which roles are assigned to.')
output principalId string = identity.properties.principalId

@description('Client id, which the app asks for tokens with.')
output clientId string = identity.properties.clientId
