#!/usr/bin/env bash
# Checks the Terraform: its format, and with the providers of providers.sh its types, the order of its resources and
# its tests. It asks Azure nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

providers=${TF_PROVIDERS:-${XDG_CACHE_HOME:-$HOME/.cache}/entra-scim-proxy/providers}
how="run infra/terraform/providers.sh, which builds them (azurerm: about 12 minutes, 5 GB of cache)"

if ! command -v terraform >/dev/null; then
  echo "Skipped the Terraform checks: there is no terraform on the PATH. Install version 1.11 or newer, and for the providers $how."
  exit 0
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export CHECKPOINT_DISABLE=1 TF_CLI_CONFIG_FILE="$scratch/terraform.rc"
# With both providers overridden nothing is installed, so there is no terraform init.
cat >"$TF_CLI_CONFIG_FILE" <<RC
provider_installation {
  dev_overrides {
    "hashicorp/azurerm" = "$providers"
    "azure/azapi"       = "$providers"
  }
  direct {}
}
RC

terraform fmt -check -diff -recursive

for name in azurerm azapi; do
  if [[ ! -x $providers/terraform-provider-$name ]]; then
    echo "Skipped terraform validate and terraform test: there is no terraform-provider-$name in $providers. To get the providers, $how."
    exit 0
  fi
done

# A copy, because azapi 1.15, the newest that builds from the module proxy, knows Microsoft.Web up to 2023-12-01;
# and without terraform.tfvars, which the tests would read.
mkdir "$scratch/terraform" "$scratch/monitor"
cp -R ./*.tf tests "$scratch/terraform"
cp -R ../monitor/{alerts,workbook}{,.json} "$scratch/monitor"
cd "$scratch/terraform"
for file in site.tf tests/defaults.tftest.hcl; do
  sed 's|\(Microsoft\.Web/.*\)@2025-03-01"|\1@2023-12-01"|' "$file" >"$scratch/derived"
  if cmp -s "$file" "$scratch/derived"; then
    echo "infra/terraform/$file has no Microsoft.Web at 2025-03-01 any more; change check.sh along with it." >&2
    exit 1
  fi
  mv "$scratch/derived" "$file"
done

if [[ ! -t 1 ]]; then
  export TF_CLI_ARGS_validate=-no-color TF_CLI_ARGS_test=-no-color
fi
terraform validate
# What tests cannot see of a plan: the order.
graph=$(terraform graph)
for before in role_assignment.proxy private_endpoint.vault private_dns_zone_virtual_network_link.vault; do
  if [[ $graph != *"\"azapi_resource.site\" -> \"azurerm_$before\""* ]]; then
    echo "The app does not wait for azurerm_$before: what it does first would be refused with 403." >&2
    exit 1
  fi
done
terraform test
