variable "instance_memory_mb" {
  description = "Memory of an instance in MB: 512 is a quarter of a core, 2048 is one, 4096 two."
  type        = number
  nullable    = false
  default     = 512

  validation {
    condition     = contains([512, 2048, 4096], var.instance_memory_mb)
    error_message = "instance_memory_mb is ${var.instance_memory_mb}; expected 512, 2048 or 4096."
  }
}

variable "per_instance_concurrency" {
  description = "Calls that an instance takes at a time before another one is started. The platform's own 4 for 512 MB would start seven for one burst of Entra's."
  type        = number
  nullable    = false
  default     = 100

  validation {
    condition     = var.per_instance_concurrency >= 1 && var.per_instance_concurrency <= 1000 && floor(var.per_instance_concurrency) == var.per_instance_concurrency
    error_message = "per_instance_concurrency is ${var.per_instance_concurrency}; expected a whole number from 1 to 1000."
  }
}

variable "maximum_instance_count" {
  description = "The most instances that are started."
  type        = number
  nullable    = false
  default     = 10

  validation {
    condition     = var.maximum_instance_count >= 1 && var.maximum_instance_count <= 1000 && floor(var.maximum_instance_count) == var.maximum_instance_count
    error_message = "maximum_instance_count is ${var.maximum_instance_count}; expected a whole number from 1 to 1000."
  }
}

variable "always_ready_instances" {
  description = "Instances that are kept ready, and billed. Null is 1 in production and 0 in test."
  type        = number
  default     = null

  validation {
    condition     = var.always_ready_instances == null || try(var.always_ready_instances >= 0 && var.always_ready_instances <= 20 && floor(var.always_ready_instances) == var.always_ready_instances, false)
    error_message = "always_ready_instances is ${coalesce(var.always_ready_instances, 0)}; expected a whole number from 0 to 20, or null."
  }

  validation {
    condition     = coalesce(var.always_ready_instances, 0) <= var.maximum_instance_count
    error_message = "always_ready_instances is ${coalesce(var.always_ready_instances, 0)}; expected no more than maximum_instance_count, which is ${var.maximum_instance_count}."
  }
}

variable "zone_redundant" {
  description = "Whether instances and storage are spread over availability zones. The platform then keeps, and bills, at least two instances."
  type        = bool
  nullable    = false
  default     = false
}

variable "runtime_version" {
  description = "Version of the runtime custom, which the region names: az functionapp list-flexconsumption-runtimes --runtime custom."
  type        = string
  nullable    = false
  default     = "1.0"

  validation {
    condition     = var.runtime_version != ""
    error_message = "runtime_version is empty; expected a version such as 1.0."
  }
}

variable "update_strategy" {
  description = "RollingUpdate lets calls in flight end when code or settings change; Recreate cuts them off, and is for regions without rolling updates."
  type        = string
  nullable    = false
  default     = "RollingUpdate"

  validation {
    condition     = contains(["RollingUpdate", "Recreate"], var.update_strategy)
    error_message = "update_strategy is \"${var.update_strategy}\"; expected RollingUpdate or Recreate."
  }
}
