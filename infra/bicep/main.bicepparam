// For azd, which hands its environment over, and for az with these variables exported.
using './main.bicep'

// One azd environment is one backend, so the environment's name is the app's.
param name = readEnvironmentVariable('AZURE_ENV_NAME', '')

// azd env set BACKEND_URL https://scim.contoso.com/scim/v2
param backendUrl = readEnvironmentVariable('BACKEND_URL', '')

// azd env set "BACKEND_CA=$(cat ca.pem)": as a word of its own, azd would take the PEM for a flag.
param backendCa = readEnvironmentVariable('BACKEND_CA', '')

// azd env set ADMIN_IP_RANGES 203.0.113.7/32,198.51.100.0/28
var ranges = readEnvironmentVariable('ADMIN_IP_RANGES', '')
param adminIpRanges = empty(ranges) ? [] : split(ranges, ',')

// location is that of the resource group, which azd creates in AZURE_LOCATION.
