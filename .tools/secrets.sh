#!/usr/bin/env bash
# bash .tools/secrets.sh, in the clone to look at: gitleaks over what git would
# commit, and over what led to the commit that is checked out. .gitleaks.toml
# beside this folder says what only looks like a secret.
set -euo pipefail
tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# Git as it is everywhere, whoever owns the clone: in a container or CI that is
# often someone else, and nobody's own diff settings shall hide a line.
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'
if ! git rev-parse --show-toplevel >/dev/null 2>&1; then
  echo "skipped: gitleaks: there is no git here, or this is no clone"
  exit 0
fi

gitleaks=$(go tool -C "$tools/gitleaks" -n gitleaks)
look() {
  "$gitleaks" "$@" --config "$tools/../.gitleaks.toml" --no-banner --no-color --log-level warn --redact --verbose
}

# A copy, because gitleaks would look at what git ignores, too: what was built
# here, and local settings with a developer's own tokens.
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
  if [[ -f $file && ! -L $file ]]; then printf '%s\0' "$file"; fi
done | tar --null -T - -cf - | tar -xf - -C "$copy"

(cd "$copy" && look dir .)
if git rev-parse --verify --quiet HEAD >/dev/null; then
  look git . --log-opts='--full-history HEAD'
  commits=$(git rev-list --count HEAD)
fi
echo "gitleaks: nothing in $(find "$copy" -type f | wc -l | tr -d ' ') files and ${commits:-0} commits"
