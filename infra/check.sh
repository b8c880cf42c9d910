#!/usr/bin/env bash
# What `make infra` runs: both templates, the queries, the workflows. A check
# whose tool is missing says so, and how to get it; the others still count.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

echo "== templates, queries and scripts"
if ! output=$(go test -count=1 -v ./infra/... 2>&1); then
  printf '%s\n' "$output"
  exit 1
fi
grep -E '^(ok|\?) |SKIP|: skip|install' <<<"$output"

echo "== Terraform"
bash infra/terraform/check.sh

echo "== checkov"
# Terraform and the workflows: its Bicep parser fails on most of our files.
checkov=$(command -v checkov || echo "${XDG_CACHE_HOME:-$HOME/.cache}/entra-scim-proxy/checkov/bin/checkov")
if [[ -x $checkov ]]; then
  "$checkov" --config-file infra/checkov.yaml --directory infra/terraform --framework terraform
  "$checkov" --config-file infra/checkov.yaml --directory . --framework github_actions
else
  echo "skipped: checkov is not installed (pip install checkov)"
fi
