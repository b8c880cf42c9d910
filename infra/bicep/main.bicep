metadata name = 'SCIM proxy'
metadata description = 'The proxy for one backend, in one resource group.'

targetScope = 'resourceGroup'

import * as check from 'modules/checks.bicep'
import { proxySettings } from 'modules/settings.bicep'

@description('Name of the function app: 3 to 32 of a-z, 0-9 and -. It becomes https://NAME.azurewebsites.net, so it must be free in all of Azure.')
@maxLength(32)
param name string

@description('Azure region of all resources.')
param location string = resourceGroup().location

@description('In production one instance is always ready.')
@allowed([
  'production'
  'test'
])
param environment string = 'production'

@description('Base URL of the SCIM service of the backend: https://HOST[:PORT][/PATH]. http:// only if settings.BACKEND_ALLOW_HTTP is \'true\'.')
param backendUrl string

@description('Content of a PEM file with the CA of the backend; public material, no key. Empty for the system roots.')
param backendCa string = ''

@description('How the backend is shown its secret: bearer, basic, none or header:NAME.')
param backendAuth string = 'bearer'

@description('Present the client certificate in the secret backend-client-certificate to the backend.')
param backendClientCertificate bool = false

@description('Rules that are on: none, all, or names of rules and groups, with commas between, -name to take one out.')
@minLength(1)
param normalize string = 'all'

@description('Path that Entra calls.')
param scimPath string = '/scim'

@description('Origin that Entra calls, https://HOST, if it is not https://NAME.azurewebsites.net.')
param publicUrl string = ''

@description('Further settings of the proxy, as its README explains them. All values are strings.')
param settings proxySettings = {}

@description('Memory of an instance in MB.')
@allowed([
  512
  2048
  4096
])
param instanceMemoryMB int = 512

@description('Calls that an instance takes at a time. The 4 of the platform would start seven instances for one burst of Entra.')
@minValue(1)
@maxValue(1000)
param perInstanceConcurrency int = 100

@description('Most instances.')
@minValue(1)
@maxValue(1000)
param maximumInstanceCount int = 10

@description('Instances that always run, and are billed. Without a value 1 in production and 0 in test.')
@minValue(0)
@maxValue(20)
param alwaysReadyInstances int?

@description('Run in several zones, with storage in three. Azure then bills at least two instances that always run.')
param zoneRedundant bool = false

@description('Version of the runtime custom. If a region refuses this one, az functionapp list-flexconsumption-runtimes --runtime custom shows its own.')
param runtimeVersion string = '1.0'

@description('How instances are replaced by a deployment or a changed setting: RollingUpdate lets calls end, Recreate does not.')
@allowed([
  'RollingUpdate'
  'Recreate'
])
param updateStrategy string = 'RollingUpdate'

@description('ARM id of a subnet of at least /27 that is delegated to Microsoft.App/environments and used by nothing else. Empty makes a VNet.')
param existingSubnetId string = ''

@description('Name of the new subnet for the app, without underscore.')
@minLength(1)
@maxLength(80)
param subnetName string = 'snet-proxy'

@description('Address range of the new VNet.')
param vnetAddressPrefix string = '10.80.0.0/24'

@description('Address range of the new subnet for the app, /27 or larger.')
param subnetAddressPrefix string = '10.80.0.0/27'

@description('Reach the vault by private endpoint. Of the Internet only adminIpRanges can reach it then.')
param vaultPrivateEndpoint bool = false

@description('Address range of the new subnet for the private endpoint, /29 or larger.')
param privateEndpointSubnetAddressPrefix string = '10.80.0.32/28'

@description('ARM id of the subnet for the private endpoint; required with vaultPrivateEndpoint and existingSubnetId.')
param existingPrivateEndpointSubnetId string = ''

@description('ARM id of a private DNS zone privatelink.vaultcore.azure.net that the VNet of the app resolves. Empty makes one and links it.')
param existingPrivateDnsZoneId string = ''

@description('Name of the Key Vault: 3 to 24 letters, digits and -. Empty makes one up.')
param vaultName string = ''

@description('IPv4 ranges such as 203.0.113.7/32 from which admins test the app, deploy packages and, with vaultPrivateEndpoint, set the secrets.')
@maxLength(50)
param adminIpRanges string[] = []

@description('Who gets a mail when an alert fires.')
param alertEmails string[] = []

@description('Days that log lines are kept.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

@description('Tags of each resource.')
param tags object = {}

var alwaysReady = alwaysReadyInstances ?? (environment == 'production' ? 1 : 0)

var rangeProblems = [for cidr in adminIpRanges: check.adminIpRange(cidr)]

var emailProblems = [for address in alertEmails: check.alertEmail(address)]

var settingProblems = [for setting in items(settings): check.setting(setting.key, setting.?value ?? '')]

var problems = filter(concat([
  check.name(name)
  check.backendUrl(backendUrl, settings.?BACKEND_ALLOW_HTTP ?? 'false')
  check.backendCa(backendCa)
  check.backendAuth(backendAuth)
  check.backendUsername(backendAuth, contains(settings, 'BACKEND_USERNAME'))
  check.scimPath(scimPath)
  check.publicUrl(publicUrl)
  check.alwaysReadyInstances(alwaysReady, maximumInstanceCount)
  check.existingSubnetId(existingSubnetId)
  check.subnetName(subnetName)
  check.addressPrefix('vnetAddressPrefix', vnetAddressPrefix, 27)
  check.addressPrefix('subnetAddressPrefix', subnetAddressPrefix, 27)
  check.addressPrefix('privateEndpointSubnetAddressPrefix', privateEndpointSubnetAddressPrefix, 29)
  check.existingPrivateEndpointSubnetId(existingPrivateEndpointSubnetId, vaultPrivateEndpoint && !empty(existingSubnetId))
  check.existingPrivateDnsZoneId(existingPrivateDnsZoneId)
  check.vaultName(vaultName)
], settingProblems, rangeProblems, emailProblems), problem => !empty(problem))

// What is deployed first takes its name from here: no check is passed by.
var appName = empty(problems) ? name : fail(join(problems, '\n'))

var token = uniqueString(resourceGroup().id, name)

var newNetwork = empty(existingSubnetId)

var newEndpointSubnet = vaultPrivateEndpoint && newNetwork && empty(existingPrivateEndpointSubnetId)

module identity 'modules/identity.bicep' = {
  params: {
    name: appName
    location: location
    tags: tags
  }
}

module network 'modules/network.bicep' = if (newNetwork) {
  params: {
    name: appName
    location: location
    tags: tags
    vnetAddressPrefix: vnetAddressPrefix
    subnetName: subnetName
    subnetAddressPrefix: subnetAddressPrefix
    endpointSubnet: newEndpointSubnet
    endpointSubnetAddressPrefix: privateEndpointSubnetAddressPrefix
  }
}

module storage 'modules/storage.bicep' = {
  params: {
    storageName: 'st${token}'
    location: location
    tags: tags
    zoneRedundant: zoneRedundant
    principalId: identity.outputs.principalId
  }
}

module monitor 'modules/monitor.bicep' = {
  params: {
    name: appName
    location: location
    tags: tags
    retentionDays: logRetentionDays
    principalId: identity.outputs.principalId
  }
}

module vault 'modules/vault.bicep' = {
  params: {
    vaultName: empty(vaultName) ? 'kv-${token}' : vaultName
    location: location
    tags: tags
    privateEndpoint: vaultPrivateEndpoint
    adminIpRanges: adminIpRanges
    principalId: identity.outputs.principalId
    workspaceId: monitor.outputs.workspaceId
  }
}

var subnetId = newNetwork ? network!.outputs.subnetId : existingSubnetId

module endpoint 'modules/endpoint.bicep' = if (vaultPrivateEndpoint) {
  params: {
    vaultName: vault.outputs.name
    vaultId: vault.outputs.id
    location: location
    tags: tags
    subnetId: newEndpointSubnet ? network!.outputs.endpointSubnetId : existingPrivateEndpointSubnetId
    // A VNet's id is what comes before /subnets/NAME.
    vnetId: join(take(split(subnetId, '/'), 9), '/')
    existingZoneId: existingPrivateDnsZoneId
  }
}

// The outputs that it takes make it wait for the modules with the roles.
module site 'modules/site.bicep' = {
  params: {
    name: appName
    location: location
    tags: tags
    zoneRedundant: zoneRedundant
    identityId: identity.outputs.id
    clientId: identity.outputs.clientId
    storageName: storage.outputs.name
    containerUrl: storage.outputs.containerUrl
    insightsName: monitor.outputs.insightsName
    workspaceId: monitor.outputs.workspaceId
    subnetId: subnetId
    adminIpRanges: adminIpRanges
    runtimeVersion: runtimeVersion
    instanceMemoryMB: instanceMemoryMB
    perInstanceConcurrency: perInstanceConcurrency
    maximumInstanceCount: maximumInstanceCount
    alwaysReadyInstances: alwaysReady
    updateStrategy: updateStrategy
    vaultUrl: vault.outputs.url
    backendUrl: backendUrl
    backendCa: backendCa
    backendAuth: backendAuth
    backendClientCertificate: backendClientCertificate
    normalize: normalize
    scimPath: scimPath
    publicUrl: publicUrl
    settings: settings
  }
  // Before the vault's private name is known, the first instances would be refused by its public side.
  dependsOn: [endpoint]
}

module alerts 'modules/alerts.bicep' = {
  params: {
    name: appName
    location: location
    tags: tags
    workspaceId: monitor.outputs.workspaceId
    alertEmails: alertEmails
  }
}

var origin = empty(publicUrl) ? 'https://${site.outputs.hostName}' : publicUrl

var setSecret = 'az keyvault secret set --vault-name ${vault.outputs.name}'

var grantCommand = 'az role assignment create --role \'Key Vault Secrets Officer\' --assignee-object-id "$(az ad signed-in-user show --query id --output tsv)" --assignee-principal-type User --scope ${vault.outputs.id} --output none'

var entraTokenCommand = 'openssl rand -hex 32 | tr -d \'\\n\' | ${setSecret} --name entra-token --file /dev/stdin --encoding utf-8 --output none'

var backendTokenCommand = 'read -rs TOKEN && printf %s "$TOKEN" | ${setSecret} --name backend-token --file /dev/stdin --encoding utf-8 --output none; unset TOKEN'

var certificateCommand = '${setSecret} --name backend-client-certificate --file client.pem --encoding utf-8 --output none'

var showCommand = 'az keyvault secret show --vault-name ${vault.outputs.name} --name entra-token --query value --output tsv'

@description('Tenant URL, to paste into Entra.')
output tenantUrl string = '${origin}${scimPath}?aadOptscim062020'

@description('Name of the function app.')
output appName string = appName

@description('Name of the Key Vault.')
output vaultName string = vault.outputs.name

@description('Shell lines that set the secrets, in order; the last prints the Secret Token, to paste into Entra.')
output secretCommands string[] = concat(
  [grantCommand, entraTokenCommand],
  backendAuth == 'none' ? [] : [backendTokenCommand],
  backendClientCertificate ? [certificateCommand] : [],
  [showCommand]
)

@description('Deploys the package, in a clone of the repository.')
output publishCommand string = 'make publish APP=${appName} RG=${resourceGroup().name}'
