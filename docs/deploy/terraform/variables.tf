variable "table_name" {
  description = "Name of the table. What a node calls TABLE_PREFIX and DYNAMODB_TABLE, one after the other."
  type        = string
  default     = "togglebox"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_.-]{3,255}$", var.table_name))
    error_message = "table_name must be 3 to 255 letters, digits and _ - ."
  }
}

variable "point_in_time_recovery" {
  description = "Whether the table can be restored to any second of the last 35 days."
  type        = bool
  default     = true
  nullable    = false
}

variable "deletion_protection" {
  description = "Whether DynamoDB refuses to delete the table."
  type        = bool
  default     = true
  nullable    = false
}

variable "kms_key_arn" {
  description = "ARN of a KMS key of your own that encrypts the table. None: the key aws/dynamodb of the account."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a key (not of an alias), or null."
  }
}

variable "billing_mode" {
  description = "PAY_PER_REQUEST (on demand), or PROVISIONED: by the hour, within the limits below."
  type        = string
  default     = "PAY_PER_REQUEST"
  nullable    = false

  validation {
    condition     = contains(["PAY_PER_REQUEST", "PROVISIONED"], var.billing_mode)
    error_message = "billing_mode must be PAY_PER_REQUEST or PROVISIONED."
  }
}

variable "read_capacity_min" {
  description = "Provisioned only: the least read units a second, of the table and of its index each."
  type        = number
  default     = 5
  nullable    = false

  validation {
    condition     = var.read_capacity_min >= 1 && floor(var.read_capacity_min) == var.read_capacity_min
    error_message = "read_capacity_min must be a whole number from 1."
  }
}

variable "read_capacity_max" {
  description = "Provisioned only: the most read units a second, of the table and of its index each."
  type        = number
  default     = 1000
  nullable    = false

  validation {
    condition     = var.read_capacity_max >= 1 && floor(var.read_capacity_max) == var.read_capacity_max
    error_message = "read_capacity_max must be a whole number from 1."
  }
}

variable "write_capacity_min" {
  description = "Provisioned only: the least write units a second, of the table and of its index each."
  type        = number
  default     = 5
  nullable    = false

  validation {
    condition     = var.write_capacity_min >= 1 && floor(var.write_capacity_min) == var.write_capacity_min
    error_message = "write_capacity_min must be a whole number from 1."
  }
}

variable "write_capacity_max" {
  description = "Provisioned only: the most write units a second, of the table and of its index each."
  type        = number
  default     = 1000
  nullable    = false

  validation {
    condition     = var.write_capacity_max >= 1 && floor(var.write_capacity_max) == var.write_capacity_max
    error_message = "write_capacity_max must be a whole number from 1."
  }
}

variable "target_utilization" {
  description = "Provisioned only: the share of the units in use, in percent, that scaling aims at."
  type        = number
  default     = 70
  nullable    = false

  validation {
    condition     = var.target_utilization >= 20 && var.target_utilization <= 90
    error_message = "target_utilization must be 20 to 90."
  }
}

variable "tags" {
  description = "Tags of the table and of the policy."
  type        = map(string)
  default     = {}
  nullable    = false
}
