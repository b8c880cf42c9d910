locals {
  vault_secret = "--vault-name ${azurerm_key_vault.vault.name} --name"
}

output "tenant_url" {
  description = "The Tenant URL to paste into Entra."
  value       = "${coalesce(var.public_url, "https://${azapi_resource.site.output.properties.defaultHostName}")}${var.scim_path}?aadOptscim062020"
}

output "app_name" {
  description = "Name of the function app."
  value       = azapi_resource.site.name
}

output "vault_name" {
  description = "Name of the Key Vault."
  value       = azurerm_key_vault.vault.name
}

output "secret_commands" {
  description = "Shell lines that set the secrets, to run in order. The last one shows the Secret Token to paste into Entra."
  value = concat(
    ["az role assignment create --role 'Key Vault Secrets Officer' --assignee-object-id \"$(az ad signed-in-user show --query id --output tsv)\" --assignee-principal-type User --scope ${azurerm_key_vault.vault.id} --output none"],
    ["openssl rand -hex 32 | tr -d '\\n' | az keyvault secret set ${local.vault_secret} entra-token --file /dev/stdin --encoding utf-8 --output none"],
    var.backend_auth == "none" ? [] : ["read -rs TOKEN && printf %s \"$TOKEN\" | az keyvault secret set ${local.vault_secret} backend-token --file /dev/stdin --encoding utf-8 --output none; unset TOKEN"],
    var.backend_client_certificate ? ["az keyvault secret set ${local.vault_secret} backend-client-certificate --file client.pem --encoding utf-8 --output none"] : [],
    ["az keyvault secret show ${local.vault_secret} entra-token --query value --output tsv"],
  )
}

output "publish_command" {
  description = "The shell line that puts the package into the app."
  value       = "make publish APP=${azapi_resource.site.name} RG=${local.group.name}"
}
