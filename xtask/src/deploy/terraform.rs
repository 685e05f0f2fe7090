//! What the Terraform module says of the table, as `hcl2tojson` reads its files.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::facts::{Facts, list, part, text, text_at};

const TABLE: &str = "aws_dynamodb_table";

/// What the template has no parameter for: a stack has tags of its own, which go to all that is in it.
const NOT_IN_THE_TEMPLATE: &str = "tags";

/// What the module with these files describes.
pub(super) fn facts(files: &[Value]) -> Result<Facts> {
    let mut facts = Facts::default();
    for variable in blocks(files, "variable") {
        for (name, variable) in variable.as_object().context("a variable is not an object")? {
            if name != NOT_IN_THE_TEMPLATE {
                facts.say(format!("parameter {name}"), text_at(variable, "/default").context(name.clone())?)?;
            }
        }
    }
    table(&mut facts, resource(files, TABLE)?)?;
    scaling(&mut facts, files)?;
    for name in ["/statements", "/key_statements"] {
        facts.say_allowed(list(local(files, name)?, name)?, place)?;
    }
    Ok(facts)
}

fn table(facts: &mut Facts, table: &Value) -> Result<()> {
    for attribute in list(table, "/attribute")? {
        facts.say(format!("attribute {}", text_at(attribute, "/name")?), text_at(attribute, "/type")?)?;
    }
    facts.say("keys", keys(table)?)?;
    for index in list(table, "/global_secondary_index")? {
        let (name, projection) = (text_at(index, "/name")?, text_at(index, "/projection_type")?);
        facts.say(format!("index {name}"), format!("{}, {projection}", keys(index)?))?;
    }
    for (of, pointer) in [
        ("name", "/name"),
        ("billing", "/billing_mode"),
        ("expiry", "/ttl/0/attribute_name"),
        ("expiry is on", "/ttl/0/enabled"),
        ("recovery", "/point_in_time_recovery/0/enabled"),
        ("encryption", "/server_side_encryption/0/enabled"),
        ("key", "/server_side_encryption/0/kms_key_arn"),
        ("protection", "/deletion_protection_enabled"),
    ] {
        facts.say(of, meaning(part(table, pointer)?)?)?;
    }
    Ok(())
}

fn keys(of: &Value) -> Result<String> {
    Ok(format!("{} and {}", text_at(of, "/hash_key")?, text_at(of, "/range_key")?))
}

/// Each entry of the map that targets and policies of scaling are made from.
fn scaling(facts: &mut Facts, files: &[Value]) -> Result<()> {
    let policy = resource(files, "aws_appautoscaling_policy")?;
    let target_value = meaning(part(policy, "/target_tracking_scaling_policy_configuration/0/target_value")?)?;
    let scaling = local(files, "/scaling")?;
    for (name, scaled) in part(scaling, "/scaling")?.as_object().context("local.scaling is not an object")? {
        let place = place(part(scaled, "/resource")?).with_context(|| format!("{name} scales another resource"))?;
        facts.say(
            format!("scaling of {place} by {}", text_at(scaled, "/dimension")?),
            format!(
                "{} at {target_value}, {} to {}",
                text_at(scaled, "/metric")?,
                meaning(part(scaled, "/min")?)?,
                meaning(part(scaled, "/max")?)?
            ),
        )?;
    }
    Ok(())
}

/// All blocks of a kind in all files.
fn blocks<'f>(files: &'f [Value], kind: &'static str) -> impl Iterator<Item = &'f Value> {
    files.iter().filter_map(move |file| file.get(kind)?.as_array()).flatten()
}

/// The one resource of a type.
fn resource<'f>(files: &'f [Value], kind: &str) -> Result<&'f Value> {
    let found: Vec<_> =
        blocks(files, "resource").filter_map(|block| block.get(kind)?.as_object()).flat_map(|named| named.values()).collect();
    ensure!(found.len() == 1, "{} resources {kind} instead of one", found.len());
    Ok(found[0])
}

/// The block of locals that has `pointer`.
fn local<'f>(files: &'f [Value], pointer: &str) -> Result<&'f Value> {
    let found = blocks(files, "locals").find(|block| block.pointer(pointer).is_some());
    found.with_context(|| format!("no local {pointer}"))
}

/// A value, or the parameter that it comes from.
fn meaning(value: &Value) -> Result<String> {
    let text = text(value)?;
    let variable = text.strip_prefix("${var.").and_then(|rest| rest.strip_suffix('}'));
    Ok(variable.map(|name| format!("parameter {name}")).unwrap_or(text))
}

/// The table or its index, in any of the ways to name them; or the key.
fn place(resource: &Value) -> Option<String> {
    let text = resource.as_str()?;
    if text.starts_with("${var.") {
        return meaning(resource).ok();
    }
    let rest = ["${aws_dynamodb_table.this.arn}", "table/${aws_dynamodb_table.this.name}"]
        .iter()
        .find_map(|table| text.strip_prefix(table))?;
    match rest {
        "" => Some("table".to_owned()),
        index => index.strip_prefix("/index/").map(|name| format!("index {name}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn resources_are_known_by_every_way_to_name_them() {
        for (text, expected) in [
            ("${aws_dynamodb_table.this.arn}", Some("table")),
            ("${aws_dynamodb_table.this.arn}/index/gone", Some("index gone")),
            ("table/${aws_dynamodb_table.this.name}/index/gone", Some("index gone")),
            ("${var.kms_key_arn}", Some("parameter kms_key_arn")),
            ("${aws_dynamodb_table.this.arn}/*", None),
            ("*", None),
        ] {
            assert_eq!(place(&json!(text)).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_second_table_is_not_overlooked() {
        let one = json!({"resource": [{"aws_dynamodb_table": {"this": {}}}]});
        assert!(resource(std::slice::from_ref(&one), TABLE).is_ok());
        let error = resource(&[one.clone(), one], TABLE).unwrap_err().to_string();
        assert_eq!(error, "2 resources aws_dynamodb_table instead of one");
    }
}
