#!/usr/bin/env bash
# infra/deploy.sh GROUP LOCATION PARAMS: what `make deploy` runs. Deploys the
# Bicep template and prints what an admin needs next. LOCATION may be empty;
# otherwise the resource group is made there if it is not.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

group=${1:-} location=${2:-} params=${3:-infra/bicep/main.bicepparam}

fail() {
  printf '%s\n' "$@" >&2
  exit 1
}

[[ -n $group ]] || fail "make deploy needs RG, the name of a resource group: make deploy RG=rg-scim LOCATION=westeurope"
[[ -f $params && $params == *.bicepparam ]] || fail "make deploy found no parameter file $params; PARAMS names a .bicepparam file, such as a copy of infra/bicep/examples/public.bicepparam"
command -v az >/dev/null || fail "make deploy needs the Azure CLI (az): https://learn.microsoft.com/cli/azure/install-azure-cli"
az account show --output none 2>/dev/null || fail "az has no subscription to work with; run: az login"

# The providers of everything in the template. A subscription that never used
# one refuses its resources. Who has rights on the group only may neither look
# nor register; somebody else has registered them then, or the deployment says so.
for provider in Microsoft.Web Microsoft.App Microsoft.KeyVault Microsoft.Network Microsoft.Insights \
  Microsoft.OperationalInsights Microsoft.ManagedIdentity Microsoft.Storage Microsoft.AlertsManagement; do
  state=$(az provider show --namespace "$provider" --query registrationState --output tsv 2>/dev/null) || state=unknown
  if [[ $state != Registered ]]; then
    echo "registering $provider (was: $state)"
    az provider register --namespace "$provider" --wait ||
      echo "$provider could not be registered; if the deployment asks for it, somebody with rights on the subscription runs: az provider register --namespace $provider" >&2
  fi
done

if [[ $(az group exists --name "$group" --output tsv) != true ]]; then
  [[ -n $location ]] || fail "There is no resource group $group. With LOCATION, make deploy makes it: make deploy RG=$group LOCATION=westeurope"
  az group create --name "$group" --location "$location" --output none
fi

deployment=entra-scim-proxy
echo "deploying $params to $group; this takes some minutes"
az deployment group create --resource-group "$group" --name "$deployment" --parameters "$params" --output none

output() {
  az deployment group show --resource-group "$group" --name "$deployment" \
    --query "properties.outputs.$1.value$2" --output tsv
}
tenant_url=$(output tenantUrl '')
secrets=$(output secretCommands '[]' | sed 's/^/  /')
publish=$(output publishCommand '')
printf '\nThe package:\n  %s\n' "$publish"
printf '\nThe secrets, one line after the other:\n%s\n' "$secrets"
printf '\nTenant URL, for Entra:\n  %s\n' "$tenant_url"
