#!/usr/bin/env bash
# bash .tools/fuzz.sh [TIME [NAME]], in the module: every fuzz target for TIME
# (30s), one after the other, because -fuzz takes one at a time; or target NAME
# alone. It stops at the first failure and says what failed with which input.
set -euo pipefail
time=${1:-30s}
name=${2:-Fuzz[A-Za-z0-9_]*}

log=$(mktemp)
trap 'rm -f "$log"' EXIT

fuzz() { # FOLDER TARGET
  local input seconds=$SECONDS
  # No other test runs, but the target with its seeds.
  if go test -run '^$' -fuzz "^$2\$" -fuzztime "$time" "$1" >"$log" 2>&1 </dev/null; then
    printf '%s %s: %ds, %s\n' "$1" "$2" $((SECONDS - seconds)) "$(awk -F ', ' '/^fuzz: elapsed/ { last = $2 ", " $3 } END { print last }' "$log")"
    return
  fi
  cat "$log" >&2
  input=$(awk '/Failing input written to / { print $NF; exit }' "$log")
  echo "failed: $1 $2, input: ${input:+$1/}${input:-see above}" >&2
  return 1
}

# Only packages with such a target are compiled. .tools is another module.
folders=$(grep -rl --include='*_test.go' "^func $name(" . | grep -v -e '^\./\.' -e '^\./build/' | sed 's|/[^/]*$||' | sort -u) || true
count=0
for folder in $folders; do
  targets=$(go test -list "^$name\$" "$folder")
  while read -r target; do
    [[ $target == Fuzz* ]] || continue # the last line is the package's
    fuzz "$folder" "$target"
    count=$((count + 1))
  done <<<"$targets"
done
if ((count == 0)); then
  echo "no fuzz target is called ${2:-Fuzz...}" >&2
  exit 1
fi
echo "fuzz targets: $count, failures: 0"
