#!/usr/bin/env bash
# What `make infra` runs: both templates, the queries, the workflows. A check
# whose tool is missing says so, and how to get it; the others still count.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

echo "== templates, queries and scripts"
go test -count=1 ./infra/...

echo "== Terraform"
bash infra/terraform/check.sh

echo "== checkov"
checkov=${CHECKOV:-$(command -v checkov || true)}
if [[ -n $checkov ]]; then
  "$checkov" --config-file infra/checkov.yaml --directory infra/terraform --framework terraform
  "$checkov" --config-file infra/checkov.yaml --directory .github/workflows --framework github_actions
else
  echo "skipped: checkov is not installed (pip install checkov)"
fi
