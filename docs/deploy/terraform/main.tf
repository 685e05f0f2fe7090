# The one table of ToggleBox.

locals {
  provisioned = var.billing_mode == "PROVISIONED"
}

resource "aws_dynamodb_table" "this" {
  name      = var.table_name
  hash_key  = "PK"
  range_key = "SK"

  billing_mode   = var.billing_mode
  read_capacity  = local.provisioned ? var.read_capacity_min : null
  write_capacity = local.provisioned ? var.write_capacity_min : null

  # Against a destroy, and against a change of name, which would replace the table. `prevent_destroy` could not be switched off by who
  # uses the module.
  deletion_protection_enabled = var.deletion_protection

  attribute {
    name = "PK"
    type = "S"
  }

  attribute {
    name = "SK"
    type = "S"
  }

  attribute {
    name = "gone"
    type = "S"
  }

  attribute {
    name = "gone_at"
    type = "N"
  }

  global_secondary_index {
    name            = "gone"
    hash_key        = "gone"
    range_key       = "gone_at"
    projection_type = "ALL"
    read_capacity   = local.provisioned ? var.read_capacity_min : null
    write_capacity  = local.provisioned ? var.write_capacity_min : null
  }

  ttl {
    attribute_name = "expires_at"
    enabled        = true
  }

  point_in_time_recovery {
    enabled = var.point_in_time_recovery
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = var.kms_key_arn
  }

  tags = var.tags

  lifecycle {
    # Scaling moves them. The index's cannot be left out alone, and to leave out the index would hide one that a later version needs.
    ignore_changes = [read_capacity, write_capacity]

    precondition {
      condition     = var.read_capacity_min <= var.read_capacity_max
      error_message = "read_capacity_min must not be more than read_capacity_max."
    }

    precondition {
      condition     = var.write_capacity_min <= var.write_capacity_max
      error_message = "write_capacity_min must not be more than write_capacity_max."
    }
  }
}
