variable "existing_subnet_id" {
  description = "ID of a subnet, delegated to Microsoft.App/environments, for the app's outbound calls. Null makes a virtual network with one."
  type        = string
  default     = null

  validation {
    condition     = var.existing_subnet_id == null || can(regex("^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft[.]Network/virtualNetworks/[^/]+/subnets/[^/]+$", var.existing_subnet_id))
    error_message = "existing_subnet_id is \"${coalesce(var.existing_subnet_id, " ")}\"; expected /subscriptions/ID/resourceGroups/NAME/providers/Microsoft.Network/virtualNetworks/NAME/subnets/NAME, or null."
  }

  validation {
    # Flex Consumption refuses such a subnet, and says so late.
    condition     = !can(regex("_[^/]*$", coalesce(var.existing_subnet_id, " ")))
    error_message = "existing_subnet_id is \"${coalesce(var.existing_subnet_id, " ")}\"; expected a subnet without an underscore in its name."
  }
}

variable "subnet_name" {
  description = "Name of the subnet that is made for the app."
  type        = string
  nullable    = false
  default     = "snet-proxy"

  validation {
    condition     = can(regex("^[0-9A-Za-z][0-9A-Za-z.-]{0,79}$", var.subnet_name))
    error_message = "subnet_name is \"${var.subnet_name}\"; expected 1 to 80 letters, digits, . and -, and no underscore, which Flex Consumption refuses."
  }
}

variable "vnet_address_prefix" {
  description = "Address range of the virtual network that is made."
  type        = string
  nullable    = false
  default     = "10.80.0.0/24"

  validation {
    condition     = can(cidrnetmask(var.vnet_address_prefix))
    error_message = "vnet_address_prefix is \"${var.vnet_address_prefix}\"; expected an IPv4 range such as 10.80.0.0/24."
  }
}

variable "subnet_address_prefix" {
  description = "Address range of the subnet that is made for the app, /27 or larger."
  type        = string
  nullable    = false
  default     = "10.80.0.0/27"

  validation {
    condition     = can(cidrnetmask(var.subnet_address_prefix)) && try(tonumber(split("/", var.subnet_address_prefix)[1]) <= 27, false)
    error_message = "subnet_address_prefix is \"${var.subnet_address_prefix}\"; expected an IPv4 range of /27 or larger, such as 10.80.0.0/27: Flex Consumption takes no smaller one."
  }
}

variable "vault_private_endpoint" {
  description = "Whether the vault is reached through a private endpoint, and from admin_ip_ranges, only."
  type        = bool
  nullable    = false
  default     = false
}

variable "private_endpoint_subnet_address_prefix" {
  description = "Address range of the subnet that is made for the private endpoint, /29 or larger."
  type        = string
  nullable    = false
  default     = "10.80.0.32/28"

  validation {
    condition     = can(cidrnetmask(var.private_endpoint_subnet_address_prefix)) && try(tonumber(split("/", var.private_endpoint_subnet_address_prefix)[1]) <= 29, false)
    error_message = "private_endpoint_subnet_address_prefix is \"${var.private_endpoint_subnet_address_prefix}\"; expected an IPv4 range of /29 or larger, such as 10.80.0.32/28."
  }
}

variable "existing_private_endpoint_subnet_id" {
  description = "ID of a subnet for the vault's private endpoint. Null makes one in the virtual network that is made."
  type        = string
  default     = null

  validation {
    condition     = var.existing_private_endpoint_subnet_id == null || can(regex("^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft[.]Network/virtualNetworks/[^/]+/subnets/[^/]+$", var.existing_private_endpoint_subnet_id))
    error_message = "existing_private_endpoint_subnet_id is \"${coalesce(var.existing_private_endpoint_subnet_id, " ")}\"; expected /subscriptions/ID/resourceGroups/NAME/providers/Microsoft.Network/virtualNetworks/NAME/subnets/NAME, or null."
  }

  validation {
    condition     = !(var.vault_private_endpoint && var.existing_subnet_id != null && var.existing_private_endpoint_subnet_id == null)
    error_message = "existing_private_endpoint_subnet_id is null; expected the ID of a subnet, because vault_private_endpoint is on and existing_subnet_id names a network of yours, in which no subnet is made."
  }
}

variable "existing_private_dns_zone_id" {
  description = "ID of a private DNS zone privatelink.vaultcore.azure.net that the network resolves already. Null makes one and links it."
  type        = string
  default     = null

  validation {
    condition     = var.existing_private_dns_zone_id == null || can(regex("^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft[.]Network/privateDnsZones/privatelink[.]vaultcore[.]azure[.]net$", var.existing_private_dns_zone_id))
    error_message = "existing_private_dns_zone_id is \"${coalesce(var.existing_private_dns_zone_id, " ")}\"; expected /subscriptions/ID/resourceGroups/NAME/providers/Microsoft.Network/privateDnsZones/privatelink.vaultcore.azure.net, or null."
  }
}
