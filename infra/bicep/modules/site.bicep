metadata description = 'The plan and the function app.'

@description('Name of the function app.')
param name string

@description('Azure region.')
param location string

@description('Tags of each resource.')
param tags object

@description('Run the app in several zones.')
param zoneRedundant bool

@description('ARM id of the identity of the app.')
param identityId string

@description('Client id of the identity of the app.')
param clientId string

@description('Name of the storage account of the Functions host.')
param storageName string

@description('URL of the container for packages.')
param containerUrl string

@description('Name of Application Insights.')
param insightsName string

@description('ARM id of the Log Analytics workspace.')
param workspaceId string

@description('ARM id of the subnet for outbound calls.')
param subnetId string

@description('IPv4 ranges that may reach the app and its deployment site.')
param adminIpRanges string[]

@description('Version of the runtime.')
param runtimeVersion string

@description('Memory of an instance.')
param instanceMemoryMB int

@description('Calls that an instance takes at a time.')
param perInstanceConcurrency int

@description('Most instances.')
param maximumInstanceCount int

@description('Instances that always run.')
param alwaysReadyInstances int

@description('How instances are replaced.')
param updateStrategy string

@description('URL of the vault.')
param vaultUrl string

@description('URL of the backend.')
param backendUrl string

@description('CA of the backend in PEM.')
param backendCa string

@description('How the backend is shown its secret.')
param backendAuth string

@description('Present a client certificate to the backend.')
param backendClientCertificate bool

@description('Rules that are on.')
param normalize string

@description('Path that Entra calls.')
param scimPath string

@description('Origin that Entra calls, if it is not the default host name.')
param publicUrl string

@description('Further settings of the proxy.')
param settings object

// Not AzureWebJobsStorage, not even empty: the host would take it for a connection string.
var platformSettings = [
  {
    name: 'AzureWebJobsStorage__accountName'
    value: storageName
  }
  {
    name: 'AzureWebJobsStorage__credential'
    value: 'managedidentity'
  }
  {
    name: 'AzureWebJobsStorage__clientId'
    value: clientId
  }
  {
    name: 'APPLICATIONINSIGHTS_CONNECTION_STRING'
    value: insights.properties.ConnectionString
  }
  {
    name: 'APPLICATIONINSIGHTS_AUTHENTICATION_STRING'
    value: 'ClientId=${clientId};Authorization=AAD'
  }
]

var proxySettings = [
  {
    name: 'AZURE_CLIENT_ID'
    value: clientId
  }
  {
    name: 'KEY_VAULT_URL'
    value: vaultUrl
  }
  {
    name: 'ENTRA_TOKEN'
    value: 'keyvault:entra-token'
  }
  {
    name: 'BACKEND_URL'
    value: backendUrl
  }
  {
    name: 'BACKEND_AUTH'
    value: backendAuth
  }
  {
    name: 'NORMALIZE'
    value: normalize
  }
  {
    name: 'SCIM_PATH'
    value: scimPath
  }
  {
    // For Go's collector, and for the bodies that the proxy holds at a time. The rest of the instance is for the
    // Functions host and the system.
    name: 'GOMEMLIMIT'
    value: '${instanceMemoryMB * 3 / 8}MiB'
  }
]

var tokenSetting = {
  name: 'BACKEND_TOKEN'
  value: 'keyvault:backend-token'
}

var caSetting = {
  name: 'BACKEND_CA'
  value: 'plain:${base64(backendCa)}'
}

var certificateSetting = {
  name: 'BACKEND_CLIENT_CERT'
  value: 'keyvault:backend-client-certificate'
}

var urlSetting = {
  name: 'PUBLIC_URL'
  value: publicUrl
}

var optionalSettings = concat(
  backendAuth == 'none' ? [] : [tokenSetting],
  empty(backendCa) ? [] : [caSetting],
  backendClientCertificate ? [certificateSetting] : [],
  empty(publicUrl) ? [] : [urlSetting],
  map(items(settings), setting => { name: setting.key, value: setting.value })
)

// All tenants share the tag: it keeps the Internet out, and the token tells who calls.
var entraRule = {
  name: 'entra'
  priority: 100
  action: 'Allow'
  tag: 'ServiceTag'
  ipAddress: 'AzureActiveDirectory'
}

var adminRules = [for (cidr, i) in adminIpRanges: {
  name: 'admin-${i}'
  priority: 200 + i
  action: 'Allow'
  tag: 'Default'
  ipAddress: cidr
}]

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: insightsName
}

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: 'plan-${name}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true
    zoneRedundant: zoneRedundant
  }
}

resource app 'Microsoft.Web/sites@2025-03-01' = {
  name: name
  location: location
  // The tag tells azd where to deploy.
  tags: union(tags, { 'azd-service-name': 'proxy' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    publicNetworkAccess: 'Enabled'
    virtualNetworkSubnetId: subnetId
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: containerUrl
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      runtime: {
        name: 'custom'
        version: runtimeVersion
      }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
        alwaysReady: alwaysReadyInstances == 0 ? [] : [
          {
            name: 'http'
            instanceCount: alwaysReadyInstances
          }
        ]
        triggers: {
          http: {
            perInstanceConcurrency: perInstanceConcurrency
          }
        }
      }
      // The API takes it; the published type of 2025-03-01 lacks it.
      #disable-next-line BCP037
      siteUpdateStrategy: updateStrategy == 'RollingUpdate' ? { type: 'RollingUpdate' } : null
    }
    siteConfig: {
      // Entra speaks TLS 1.2 only: 1.3 would shut it out.
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      http20Enabled: true
      ipSecurityRestrictions: concat([entraRule], adminRules)
      ipSecurityRestrictionsDefaultAction: 'Deny'
      scmIpSecurityRestrictionsUseMain: false
      scmIpSecurityRestrictions: adminRules
      scmIpSecurityRestrictionsDefaultAction: 'Deny'
      appSettings: concat(platformSettings, proxySettings, optionalSettings)
    }
  }
}

resource scmPublishing 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: app
  name: 'scm'
  properties: {
    allow: false
  }
}

resource ftpPublishing 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: app
  name: 'ftp'
  properties: {
    allow: false
  }
}

resource logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: app
  name: 'workspace'
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        category: 'FunctionAppLogs'
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

@description('Default host name of the app.')
output hostName string = app.properties.defaultHostName
