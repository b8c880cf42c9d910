#!/bin/sh
# Prints the outputs that an admin needs next, ready to paste; Terraform's own
# listing is not. azd hands them over as environment variables under the names
# that the template gives them, and an array as one line of JSON, as
# terraform output -json does.
set -eu
: "${tenantUrl:?is missing: this runs after azd provision or terraform apply}" "${secretCommands:?is missing: this runs after azd provision or terraform apply}"
printf '\nTenant URL, for Entra:\n  %s\n' "$tenantUrl"
printf '\nThe secrets, one line after the other:\n'
# What Go's encoder escapes and a command may hold: " \ & < >.
printf '%s\n' "$secretCommands" | awk '{
  sub(/^\["/, ""); sub(/"\]$/, "")
  count = split($0, command, /","/)
  for (i = 1; i <= count; i++) {
    gsub(/\\u0026/, "\\&", command[i])
    gsub(/\\u003c/, "<", command[i])
    gsub(/\\u003e/, ">", command[i])
    gsub(/\\"/, "\"", command[i])
    gsub(/\\\\/, "\\", command[i])
    print "  " command[i]
  }
}'
