#!/usr/bin/env bash
# infra/publish.sh APP GROUP: what `make publish` runs once the package is there.
# Uploads it with Azure Functions Core Tools, or with az where they are not.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

app=${1:-} group=${2:-}

fail() {
  printf '%s\n' "$@" >&2
  exit 1
}

[[ -n $app && -n $group ]] || fail "make publish needs APP and RG, the names of the function app and of its resource group: make publish APP=contoso-scim RG=rg-scim"
[[ -f dist.zip && -f dist/host.json ]] || fail "There is no package; run: make package"
# Core Tools take their token from az, too.
command -v az >/dev/null || fail "make publish needs the Azure CLI (az): https://learn.microsoft.com/cli/azure/install-azure-cli"
az account show --output none 2>/dev/null || fail "az has no subscription to work with; run: az login"

scm=$(az resource show --resource-group "$group" --name "$app" --resource-type Microsoft.Web/sites \
  --query "properties.hostNameSslStates[?hostType=='Repository'].name | [0]" --output tsv) ||
  fail "There is no function app $app in resource group $group that you can see."

# Asked beforehand: az and Core Tools report a refused upload without saying who
# was refused. Who is let in gets another answer, without this header.
address=$(curl --silent --max-time 30 --output /dev/null --dump-header - "https://$scm/" 2>/dev/null |
  tr -d '\r' | awk -F ': *' 'tolower($1) == "x-ms-forbidden-ip" { print $2; exit }') || true
if [[ -n $address ]]; then
  fail "The SCM site of $app, which takes the package, does not let in your address $address." \
    "Add $address/32 to adminIpRanges (admin_ip_ranges in Terraform), deploy again, and repeat this."
fi

if command -v func >/dev/null; then
  # Without the variable, func asks which runtime this is.
  (cd dist && FUNCTIONS_WORKER_RUNTIME=custom func azure functionapp publish "$app")
else
  az functionapp deployment source config-zip --resource-group "$group" --name "$app" --src dist.zip --output none
fi
echo "published dist.zip to $app"
