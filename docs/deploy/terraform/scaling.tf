# Units that follow the load, where the table pays by the hour.

locals {
  scaling = {
    table_reads = {
      resource  = "table/${aws_dynamodb_table.this.name}"
      dimension = "dynamodb:table:ReadCapacityUnits"
      metric    = "DynamoDBReadCapacityUtilization"
      min       = var.read_capacity_min
      max       = var.read_capacity_max
    }
    table_writes = {
      resource  = "table/${aws_dynamodb_table.this.name}"
      dimension = "dynamodb:table:WriteCapacityUnits"
      metric    = "DynamoDBWriteCapacityUtilization"
      min       = var.write_capacity_min
      max       = var.write_capacity_max
    }
    gone_reads = {
      resource  = "table/${aws_dynamodb_table.this.name}/index/gone"
      dimension = "dynamodb:index:ReadCapacityUnits"
      metric    = "DynamoDBReadCapacityUtilization"
      min       = var.read_capacity_min
      max       = var.read_capacity_max
    }
    gone_writes = {
      resource  = "table/${aws_dynamodb_table.this.name}/index/gone"
      dimension = "dynamodb:index:WriteCapacityUnits"
      metric    = "DynamoDBWriteCapacityUtilization"
      min       = var.write_capacity_min
      max       = var.write_capacity_max
    }
  }
}

resource "aws_appautoscaling_target" "this" {
  for_each = { for name, scaled in local.scaling : name => scaled if local.provisioned }

  service_namespace  = "dynamodb"
  resource_id        = each.value.resource
  scalable_dimension = each.value.dimension
  min_capacity       = each.value.min
  max_capacity       = each.value.max
}

resource "aws_appautoscaling_policy" "this" {
  for_each = { for name, scaled in local.scaling : name => scaled if local.provisioned }

  name               = "togglebox-${replace(each.key, "_", "-")}"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.this[each.key].service_namespace
  resource_id        = aws_appautoscaling_target.this[each.key].resource_id
  scalable_dimension = aws_appautoscaling_target.this[each.key].scalable_dimension

  target_tracking_scaling_policy_configuration {
    target_value = var.target_utilization

    predefined_metric_specification {
      predefined_metric_type = each.value.metric
    }
  }
}
