//! What the CloudFormation template says of the table, and what the plain IAM policies allow.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::facts::{Facts, list, part, text, text_at};

/// What the template describes.
pub(super) fn facts(template: &Value) -> Result<Facts> {
    let mut facts = Facts::default();
    for (name, parameter) in part(template, "/Parameters")?.as_object().context("/Parameters is not an object")? {
        facts.say(format!("parameter {}", snake(name)), text_at(parameter, "/Default").context(name.clone())?)?;
    }
    table(&mut facts, part(template, "/Resources/Table")?)?;
    scaling(&mut facts, template)?;
    let statements = list(template, "/Resources/NodePolicy/Properties/PolicyDocument/Statement")?;
    let statements: Vec<Value> = statements.iter().map(|statement| chosen(statement).clone()).collect();
    facts.say_allowed(&statements, place)?;
    Ok(facts)
}

/// What a plain policy allows.
pub(super) fn policy(document: &Value) -> Result<Facts> {
    let mut facts = Facts::default();
    facts.say_allowed(list(document, "/Statement")?, place)?;
    Ok(facts)
}

fn table(facts: &mut Facts, resource: &Value) -> Result<()> {
    // Without these an update or the end of the stack could take the table along.
    for policy in ["DeletionPolicy", "UpdateReplacePolicy"] {
        let kept = resource.get(policy).is_some_and(|kept| kept == "Retain");
        anyhow::ensure!(kept, "the table's {policy} is not Retain");
    }
    let table = part(resource, "/Properties")?;
    for attribute in list(table, "/AttributeDefinitions")? {
        let (name, kind) = (text_at(attribute, "/AttributeName")?, text_at(attribute, "/AttributeType")?);
        facts.say(format!("attribute {name}"), kind)?;
    }
    facts.say("keys", keys(table)?)?;
    for index in list(table, "/GlobalSecondaryIndexes")? {
        let (name, projection) = (text_at(index, "/IndexName")?, text_at(index, "/Projection/ProjectionType")?);
        facts.say(format!("index {name}"), format!("{}, {projection}", keys(index)?))?;
    }
    for (of, pointer) in [
        ("name", "/TableName"),
        ("billing", "/BillingMode"),
        ("expiry", "/TimeToLiveSpecification/AttributeName"),
        ("expiry is on", "/TimeToLiveSpecification/Enabled"),
        ("recovery", "/PointInTimeRecoverySpecification/PointInTimeRecoveryEnabled"),
        ("encryption", "/SSESpecification/SSEEnabled"),
        ("key", "/SSESpecification/KMSMasterKeyId"),
        ("protection", "/DeletionProtectionEnabled"),
    ] {
        facts.say(of, meaning(part(table, pointer)?)?)?;
    }
    Ok(())
}

fn keys(of: &Value) -> Result<String> {
    let (mut partition, mut sort) = (None, None);
    for key in list(of, "/KeySchema")? {
        let name = text_at(key, "/AttributeName")?;
        match text_at(key, "/KeyType")?.as_str() {
            "HASH" => partition = Some(name),
            "RANGE" => sort = Some(name),
            other => bail!("{other} is no kind of key"),
        }
    }
    Ok(format!("{} and {}", partition.context("no partition key")?, sort.context("no sort key")?))
}

/// Each policy of scaling, with what it scales.
fn scaling(facts: &mut Facts, template: &Value) -> Result<()> {
    let resources = part(template, "/Resources")?.as_object().context("/Resources is not an object")?;
    for (name, policy) in resources {
        if policy.get("Type").is_none_or(|kind| kind != "AWS::ApplicationAutoScaling::ScalingPolicy") {
            continue;
        }
        let policy = part(policy, "/Properties").context(name.clone())?;
        let target = text_at(policy, "/ScalingTargetId/Ref").context(name.clone())?;
        let target = part(template, &format!("/Resources/{target}/Properties"))?;
        let place = place(part(target, "/ResourceId")?).with_context(|| format!("{name} scales another resource"))?;
        let configuration = "/TargetTrackingScalingPolicyConfiguration";
        facts.say(
            format!("scaling of {place} by {}", text_at(target, "/ScalableDimension")?),
            format!(
                "{} at {}, {} to {}",
                text_at(policy, &format!("{configuration}/PredefinedMetricSpecification/PredefinedMetricType"))?,
                meaning(part(policy, &format!("{configuration}/TargetValue"))?)?,
                meaning(part(target, "/MinCapacity")?)?,
                meaning(part(target, "/MaxCapacity")?)?
            ),
        )?;
    }
    Ok(())
}

/// A value, or the parameter that it comes from.
fn meaning(value: &Value) -> Result<String> {
    match chosen(value).pointer("/Ref").and_then(Value::as_str) {
        Some(name) => Ok(format!("parameter {}", snake(name))),
        None => text(chosen(value)),
    }
}

/// What stands where a condition is met, if there is one and otherwise nothing stands.
fn chosen(value: &Value) -> &Value {
    let otherwise = value.pointer("/Fn::If/2/Ref").is_some_and(|otherwise| otherwise == "AWS::NoValue");
    value.pointer("/Fn::If/1").filter(|_| otherwise).unwrap_or(value)
}

/// The table or its index, in any of the ways to name them; or the key.
fn place(resource: &Value) -> Option<String> {
    if let Some(name) = resource.pointer("/Ref").and_then(Value::as_str) {
        return Some(format!("parameter {}", snake(name)));
    }
    if resource.pointer("/Fn::GetAtt").is_some_and(|whose| *whose == Value::from(vec!["Table", "Arn"])) {
        return Some("table".to_owned());
    }
    let text = resource.pointer("/Fn::Sub").unwrap_or(resource).as_str()?;
    let rest = ["${Table.Arn}", "table/${Table}", "arn:aws:dynamodb:REGION:ACCOUNT:table/togglebox"]
        .iter()
        .find_map(|table| text.strip_prefix(table))?;
    match rest {
        "" => Some("table".to_owned()),
        index => index.strip_prefix("/index/").map(|name| format!("index {name}")),
    }
}

/// `TableName` as Terraform writes it: `table_name`.
fn snake(name: &str) -> String {
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !words.is_empty() {
            words.push('_');
        }
        words.push(letter.to_ascii_lowercase());
    }
    words
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn resources_are_known_by_every_way_to_name_them() {
        for table in [json!({"Fn::GetAtt": ["Table", "Arn"]}), json!({"Fn::Sub": "table/${Table}"})] {
            assert_eq!(place(&table).as_deref(), Some("table"));
        }
        assert_eq!(place(&json!({"Fn::Sub": "${Table.Arn}/index/gone"})).as_deref(), Some("index gone"));
        assert_eq!(place(&json!({"Ref": "KmsKeyArn"})).as_deref(), Some("parameter kms_key_arn"));
        for other in [json!("*"), json!({"Fn::Sub": "${Table.Arn}/*"}), json!({"Fn::GetAtt": ["Other", "Arn"]})] {
            assert_eq!(place(&other), None, "{other}");
        }
    }

    #[test]
    fn a_value_is_seen_through_its_condition() {
        let key = json!({"Fn::If": ["OwnKey", {"Ref": "KmsKeyArn"}, {"Ref": "AWS::NoValue"}]});
        assert_eq!(meaning(&key).unwrap(), "parameter kms_key_arn");
        assert_eq!(meaning(&json!(true)).unwrap(), "true");
        assert!(meaning(&json!({"Fn::If": ["OwnKey", "a", "b"]})).is_err());
    }
}
