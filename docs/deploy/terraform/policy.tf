# What a node may do with the table.

locals {
  statements = [
    {
      Sid    = "Table"
      Effect = "Allow"
      Action = [
        "dynamodb:BatchGetItem",
        "dynamodb:BatchWriteItem",
        "dynamodb:ConditionCheckItem",
        "dynamodb:DeleteItem",
        "dynamodb:DescribeTable",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "dynamodb:UpdateItem",
      ]
      Resource = aws_dynamodb_table.this.arn
    },
    {
      Sid      = "IndexGone"
      Effect   = "Allow"
      Action   = ["dynamodb:Query"]
      Resource = "${aws_dynamodb_table.this.arn}/index/gone"
    },
  ]

  key_statements = [
    {
      Sid       = "Key"
      Effect    = "Allow"
      Action    = ["kms:Decrypt", "kms:DescribeKey"]
      Resource  = var.kms_key_arn
      Condition = { StringLike = { "kms:ViaService" = "dynamodb.*" } }
    },
  ]

  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = concat(local.statements, [for statement in local.key_statements : statement if var.kms_key_arn != null])
  })
}

resource "aws_iam_policy" "node" {
  # A table may have a longer name than a policy.
  name_prefix = "${substr(aws_dynamodb_table.this.name, 0, 90)}-node-"
  description = "What a node of ToggleBox may do with its table"
  policy      = local.policy
  tags        = var.tags
}
