# Plans without an account: the provider's answers are made up.

mock_provider "aws" {}

run "on_demand_unless_told_otherwise" {
  command = plan

  assert {
    condition = (
      aws_dynamodb_table.this.name == "togglebox" && aws_dynamodb_table.this.billing_mode == "PAY_PER_REQUEST" &&
      aws_dynamodb_table.this.deletion_protection_enabled && aws_dynamodb_table.this.point_in_time_recovery[0].enabled
    )
    error_message = "The defaults are not those of the description."
  }

  assert {
    condition     = length(aws_appautoscaling_target.this) == 0 && length(aws_appautoscaling_policy.this) == 0
    error_message = "A table on demand has nothing to scale."
  }
}

run "units_follow_the_load_of_table_and_index" {
  command = plan

  variables {
    table_name         = "prod-togglebox"
    billing_mode       = "PROVISIONED"
    read_capacity_min  = 7
    write_capacity_min = 3
    write_capacity_max = 30
  }

  assert {
    condition     = aws_dynamodb_table.this.read_capacity == 7 && aws_dynamodb_table.this.write_capacity == 3
    error_message = "The table does not begin with the least units."
  }

  assert {
    condition     = [for index in aws_dynamodb_table.this.global_secondary_index : [index.name, index.read_capacity, index.write_capacity]] == [["gone", 7, 3]]
    error_message = "The index does not begin with the least units."
  }

  assert {
    condition = { for name, target in aws_appautoscaling_target.this : name => join(" ", [target.resource_id, target.min_capacity, target.max_capacity]) } == {
      table_reads  = "table/prod-togglebox 7 1000"
      table_writes = "table/prod-togglebox 3 30"
      gone_reads   = "table/prod-togglebox/index/gone 7 1000"
      gone_writes  = "table/prod-togglebox/index/gone 3 30"
    }
    error_message = "What is scaled, or its limits, are others."
  }
}

run "a_node_may_use_the_table_and_query_its_index" {
  override_resource {
    target = aws_dynamodb_table.this
    values = { arn = "arn:aws:dynamodb:eu-central-1:123456789012:table/togglebox" }
  }

  assert {
    condition = [for statement in jsondecode(output.node_policy_json).Statement : statement.Resource] == [
      "arn:aws:dynamodb:eu-central-1:123456789012:table/togglebox",
      "arn:aws:dynamodb:eu-central-1:123456789012:table/togglebox/index/gone",
    ]
    error_message = "The policy names other resources."
  }
}

run "a_key_of_ones_own_is_used_and_allowed" {
  variables {
    kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  }

  assert {
    condition     = aws_dynamodb_table.this.server_side_encryption[0].kms_key_arn == var.kms_key_arn
    error_message = "The table is encrypted with another key."
  }

  assert {
    condition     = jsondecode(output.node_policy_json).Statement[2].Resource == var.kms_key_arn
    error_message = "A node may not use the key."
  }
}

run "limits_the_wrong_way_round_are_refused" {
  command = plan

  variables {
    billing_mode      = "PROVISIONED"
    read_capacity_min = 8
    read_capacity_max = 4
  }

  expect_failures = [aws_dynamodb_table.this]
}

run "bad_input_is_refused_by_name" {
  command = plan

  variables {
    table_name         = "a table"
    billing_mode       = "FREE"
    write_capacity_min = 0
    target_utilization = 95
    kms_key_arn        = "alias/mine"
  }

  expect_failures = [
    var.table_name,
    var.billing_mode,
    var.write_capacity_min,
    var.target_utilization,
    var.kms_key_arn,
  ]
}
