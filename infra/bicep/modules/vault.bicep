metadata description = 'The Key Vault with the tokens. Their values are set by hand, and pass no template.'

@description('Name of the Key Vault.')
param vaultName string

@description('Azure region.')
param location string

@description('Tags of each resource.')
param tags object

@description('Reach the vault by private endpoint, and from adminIpRanges.')
param privateEndpoint bool

@description('IPv4 ranges that may reach the vault beside the private endpoint.')
param adminIpRanges string[]

@description('Object id of the identity of the app.')
param principalId string

@description('ARM id of the Log Analytics workspace.')
param workspaceId string

// Key Vault Secrets User
var userRole = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '4633458b-17de-408a-b874-0445c86b69e6')

resource vault 'Microsoft.KeyVault/vaults@2026-02-01' = {
  name: vaultName
  location: location
  tags: tags
  properties: {
    tenantId: subscription().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 90
    enablePurgeProtection: true
    publicNetworkAccess: privateEndpoint && empty(adminIpRanges) ? 'Disabled' : 'Enabled'
    networkAcls: {
      defaultAction: privateEndpoint ? 'Deny' : 'Allow'
      bypass: 'None'
      ipRules: map(privateEndpoint ? adminIpRanges : [], cidr => { value: cidr })
    }
  }
}

resource user 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: vault
  name: guid(vault.id, principalId, userRole)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: userRole
  }
}

resource logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: vault
  name: 'workspace'
  properties: {
    workspaceId: workspaceId
    logAnalyticsDestinationType: 'Dedicated'
    logs: [
      {
        category: 'AuditEvent'
        enabled: true
      }
      {
        category: 'AzurePolicyEvaluationDetails'
        enabled: true
      }
    ]
    metrics: [
      {
        category: 'AllMetrics'
        enabled: true
      }
    ]
  }
}

@description('ARM id of the vault.')
output id string = vault.id

@description('Name of the vault.')
output name string = vault.name

@description('URL of the vault, without a slash at its end.')
output url string = 'https://${vault.name}${environment().suffixes.keyvaultDns}'
