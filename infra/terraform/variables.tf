variable "resource_group_name" {
  description = "The resource group, which exists already. Everything goes into it."
  type        = string
  nullable    = false
}

variable "name" {
  description = "Name of the function app. It becomes https://NAME.azurewebsites.net, so it must be free in all of Azure."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}[a-z0-9]$", var.name))
    error_message = "name is \"${var.name}\"; expected 3 to 32 of a-z, 0-9 and -, with a letter first and a letter or digit last."
  }
}

variable "location" {
  description = "Azure region. Null is that of the resource group."
  type        = string
  default     = null
}

variable "environment" {
  description = "production keeps an instance ready, test does not, unless always_ready_instances says otherwise."
  type        = string
  nullable    = false
  default     = "production"

  validation {
    condition     = contains(["production", "test"], var.environment)
    error_message = "environment is \"${var.environment}\"; expected production or test."
  }
}

variable "backend_url" {
  description = "Base URL of the backend's SCIM service, such as https://scim.contoso.com/scim/v2."
  type        = string
  nullable    = false

  # What may be a password is not repeated.
  validation {
    condition     = can(regex("^https?://([0-9A-Za-z._-]+|\\[[0-9A-Fa-f:.]+\\])(:[0-9]{1,5})?(/[^?#\\s]*)?$", var.backend_url))
    error_message = "backend_url is \"${replace(replace(var.backend_url, "/[^/]*@/", "...@"), "/[?].*/", "?...")}\"; expected https://HOST[:PORT][/PATH], without user, query or fragment."
  }

  validation {
    condition     = !startswith(var.backend_url, "http://") || lookup(var.settings, "BACKEND_ALLOW_HTTP", "") == "true"
    error_message = "backend_url is \"${replace(var.backend_url, "/[^/]*@/", "...@")}\"; expected https://, or BACKEND_ALLOW_HTTP = \"true\" in settings for a backend without TLS."
  }
}

variable "backend_ca" {
  description = "The PEM of the authority that signed the backend's certificate; it replaces the system's roots. Public material. Null is the system's roots."
  type        = string
  default     = null

  validation {
    condition     = var.backend_ca == null || strcontains(coalesce(var.backend_ca, " "), "-----BEGIN CERTIFICATE-----")
    error_message = "backend_ca has no -----BEGIN CERTIFICATE-----; expected the content of a PEM file, or null."
  }

  validation {
    condition     = !strcontains(coalesce(var.backend_ca, " "), "PRIVATE KEY")
    error_message = "backend_ca holds a PRIVATE KEY; expected certificates only: what is put here is not kept secret."
  }
}

variable "backend_auth" {
  description = "How the backend is shown its secret: bearer, basic, header:NAME or none."
  type        = string
  nullable    = false
  default     = "bearer"

  validation {
    condition     = can(regex("^(bearer|basic|none|header:[0-9A-Za-z!#$%&'*+.^_`|~-]+)$", var.backend_auth))
    error_message = "backend_auth is \"${replace(var.backend_auth, "/ .*/", " ...")}\"; expected bearer, basic, none or header:NAME, such as header:X-Api-Key."
  }

  validation {
    condition     = (var.backend_auth == "basic") == contains(keys(var.settings), "BACKEND_USERNAME")
    error_message = "backend_auth is \"${var.backend_auth}\", and settings ${contains(keys(var.settings), "BACKEND_USERNAME") ? "has" : "lacks"} BACKEND_USERNAME; expected both basic and a user name, or neither."
  }
}

variable "backend_client_certificate" {
  description = "Whether the backend asks for a client certificate. It is the vault's secret backend-client-certificate: PEM with certificate and key."
  type        = bool
  nullable    = false
  default     = false
}

variable "normalize" {
  description = "The setting NORMALIZE: all, none, or names of rules and groups with commas between."
  type        = string
  nullable    = false
  default     = "all"

  validation {
    condition     = trimspace(var.normalize) != ""
    error_message = "normalize is empty; expected all, none, or names of rules and groups with commas between."
  }
}

variable "scim_path" {
  description = "The public path prefix of the SCIM service."
  type        = string
  nullable    = false
  default     = "/scim"

  validation {
    condition     = can(regex("^(/|(/[0-9A-Za-z._~-]+)+)$", var.scim_path)) && !can(regex("/[.][.]?(/|$)", var.scim_path))
    error_message = "scim_path is \"${var.scim_path}\"; expected /, or a path such as /scim of letters, digits and -._~, without / at its end."
  }

  validation {
    condition     = !can(regex("(?i)^/(admin|runtime)(/|$)", var.scim_path))
    error_message = "scim_path is \"${var.scim_path}\"; expected a path other than /admin and /runtime and those below, which the Functions host keeps for itself."
  }
}

variable "public_url" {
  description = "The origin that Entra calls, such as https://scim.contoso.com, if it is not the app's own. Null is the app's own."
  type        = string
  default     = null

  validation {
    condition     = var.public_url == null || can(regex("^https://([0-9A-Za-z._-]+|\\[[0-9A-Fa-f:.]+\\])(:[0-9]{1,5})?$", var.public_url))
    error_message = "public_url is \"${replace(coalesce(var.public_url, " "), "/[^/]*@/", "...@")}\"; expected https://HOST without a path, or null."
  }
}

variable "settings" {
  description = "More settings of the proxy, by their names in the README; those that have a variable of their own are not among them."
  type        = map(string)
  nullable    = false
  default     = {}

  validation {
    condition     = length(setsubtract(keys(var.settings), local.allowed_settings)) == 0
    error_message = "settings has ${join(", ", setsubtract(keys(var.settings), local.allowed_settings))}; expected none but ${join(", ", local.allowed_settings)}."
  }

  validation {
    condition     = alltrue([for value in values(var.settings) : try(trimspace(value), "") != ""])
    error_message = "settings has an empty value for ${join(", ", [for key, value in var.settings : key if try(trimspace(value), "") == ""])}; expected a value, or the key left out."
  }

  validation {
    # Most likely it is user:password.
    condition     = !strcontains(lookup(var.settings, "BACKEND_USERNAME", ""), ":")
    error_message = "settings has a BACKEND_USERNAME with a colon; expected the user only: the password is the secret backend-token."
  }
}

variable "vault_name" {
  description = "Name of the Key Vault, which must be free in all of Azure. Null makes one up."
  type        = string
  default     = null

  validation {
    condition     = var.vault_name == null || can(regex("^[A-Za-z](-?[A-Za-z0-9])+$", var.vault_name)) && try(length(var.vault_name) >= 3 && length(var.vault_name) <= 24, false)
    error_message = "vault_name is \"${coalesce(var.vault_name, " ")}\"; expected 3 to 24 letters, digits and single -, with a letter first and a letter or digit last, or null."
  }
}

variable "admin_ip_ranges" {
  description = "IPv4 ranges from which admins reach the site, its deployment endpoint, and the vault if it has a private endpoint."
  type        = list(string)
  nullable    = false
  default     = []

  validation {
    condition     = length(var.admin_ip_ranges) <= 50
    error_message = "admin_ip_ranges has ${length(var.admin_ip_ranges)} ranges; expected at most 50."
  }

  validation {
    condition     = alltrue([for range in var.admin_ip_ranges : can(regex("^[0-9.]+/[0-9]+$", range)) && can(cidrnetmask(range))])
    error_message = "admin_ip_ranges has ${join(", ", [for range in var.admin_ip_ranges : "\"${range}\"" if !(can(regex("^[0-9.]+/[0-9]+$", range)) && can(cidrnetmask(range)))])}; expected IPv4 ranges such as 203.0.113.0/24. Add /32 to a single address: 203.0.113.7/32."
  }

  validation {
    condition     = alltrue([for range in var.admin_ip_ranges : !can(regex("/0+$", range))])
    error_message = "admin_ip_ranges has ${join(", ", [for range in var.admin_ip_ranges : "\"${range}\"" if can(regex("/0+$", range))])}, which is all of the internet; expected the ranges of your admins."
  }

  validation {
    condition     = alltrue([for range in var.admin_ip_ranges : !can(regex("^(10|172[.](1[6-9]|2[0-9]|3[01])|192[.]168)[.]", range))])
    error_message = "admin_ip_ranges has ${join(", ", [for range in var.admin_ip_ranges : "\"${range}\"" if can(regex("^(10|172[.](1[6-9]|2[0-9]|3[01])|192[.]168)[.]", range))])}; expected addresses of the internet: site and vault see no private one, and the vault refuses it."
  }
}

variable "alert_emails" {
  description = "Addresses that alerts are mailed to. Without one, alerts are only shown in the portal."
  type        = list(string)
  nullable    = false
  default     = []

  validation {
    condition     = alltrue([for email in var.alert_emails : strcontains(email, "@")])
    error_message = "alert_emails has ${join(", ", [for email in var.alert_emails : "\"${email}\"" if !strcontains(email, "@")])}; expected addresses such as scim-admins@contoso.com."
  }
}

variable "log_retention_days" {
  description = "Days that logs are kept."
  type        = number
  nullable    = false
  default     = 30

  validation {
    condition     = var.log_retention_days >= 30 && var.log_retention_days <= 730 && floor(var.log_retention_days) == var.log_retention_days
    error_message = "log_retention_days is ${var.log_retention_days}; expected a whole number from 30 to 730."
  }
}

variable "tags" {
  description = "Tags of all resources."
  type        = map(string)
  nullable    = false
  default     = {}
}
