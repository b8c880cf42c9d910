// A backend on the Internet whose certificate a private CA signed; the vault is public.
using '../main.bicep'

param name = 'contoso-scim'
param backendUrl = 'https://scim.contoso.com/scim/v2'
param backendCa = loadTextContent('ca.pem')
param adminIpRanges = [
  '203.0.113.7/32'
]
param alertEmails = [
  'identity@contoso.com'
]
