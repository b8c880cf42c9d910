#!/usr/bin/env bash
# Builds the providers for check.sh, through the Go module proxy: for machines that reach no Terraform registry.
# azurerm takes about 12 minutes and 5 GB of Go's build cache.
set -euo pipefail

target=${TF_PROVIDERS:-${XDG_CACHE_HOME:-$HOME/.cache}/entra-scim-proxy/providers}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# build MODULE VERSION, in a module of its own, because the two want different versions of what they share.
build() {
  local module=$1 version=$2 name=${1##*/}
  if go version -m "$target/$name" 2>/dev/null | grep -qF "$module"$'\t'"$version"; then
    echo "$name $version is built."
    return
  fi
  echo "Building $name $version ..."
  mkdir "$scratch/$name"
  cd "$scratch/$name"
  go mod init example.com/providers
  go get -tool "$module@$version"
  go build -trimpath -ldflags '-s -w' -o "$scratch/bin/$name" "$module"
  mv "$scratch/bin/$name" "$target/$name"
}

mkdir -p "$target"
build github.com/Azure/terraform-provider-azapi v1.15.0
# 5.2.0 of August 2026; its major version is not in its module's path, so that it has no version but this one.
build github.com/hashicorp/terraform-provider-azurerm v1.44.1-0.20260824201233-fae580791926
echo "Both are in $target."
