output "table_name" {
  description = "What DYNAMODB_TABLE is set to."
  value       = aws_dynamodb_table.this.name
}

output "table_arn" {
  description = "ARN of the table."
  value       = aws_dynamodb_table.this.arn
}

output "node_policy_arn" {
  description = "To be attached to the role of the nodes."
  value       = aws_iam_policy.node.arn
}

output "node_policy_json" {
  description = "The same policy as text, for a role's inline policy."
  value       = local.policy
}
