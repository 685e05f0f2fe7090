//! What a description of the table comes down to: sentences that can be compared, whichever language they were said in.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// What is said, by what it is said of.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts(BTreeMap<String, String>);

impl Facts {
    /// Notes one; to say two things of the same is an error.
    pub(super) fn say(&mut self, of: impl Into<String>, what: impl Into<String>) -> Result<()> {
        let (of, what) = (of.into(), what.into());
        if let Some(earlier) = self.0.insert(of.clone(), what) {
            bail!("{of} is described twice, first as {earlier}");
        }
        Ok(())
    }

    /// Notes what statements of an IAM policy allow. `place` knows the resources that they may name.
    pub(super) fn say_allowed(&mut self, statements: &[Value], place: impl Fn(&Value) -> Option<String>) -> Result<()> {
        for statement in statements {
            let resource = part(statement, "/Resource")?;
            let place = place(resource).with_context(|| format!("a policy names another resource: {resource}"))?;
            let mut actions = texts(part(statement, "/Action")?)?;
            let wildcard = actions.iter().find(|action| action.contains('*'));
            ensure!(wildcard.is_none(), "a policy allows more than one action by one word: {wildcard:?}");
            actions.sort_unstable();
            let effect = text(part(statement, "/Effect")?)?;
            let condition = statement.get("Condition").map_or_else(String::new, |condition| format!(" if {condition}"));
            self.say(format!("policy on {place}"), format!("{effect} {}{condition}", actions.join(", ")))?;
        }
        Ok(())
    }

    /// Those that are said of what begins with `prefix`.
    pub(super) fn about(self, prefix: &str) -> Self {
        Self(self.0.into_iter().filter(|(of, _)| of.starts_with(prefix)).collect())
    }

    /// Where two descriptions differ: a line each.
    pub(super) fn differences(&self, name: &str, other: &Self, other_name: &str) -> Vec<String> {
        let nothing = "(nothing)".to_owned();
        let mut all: Vec<_> = self.0.keys().chain(other.0.keys()).collect();
        all.sort_unstable();
        all.dedup();
        all.into_iter()
            .map(|of| (of, self.0.get(of).unwrap_or(&nothing), other.0.get(of).unwrap_or(&nothing)))
            .filter(|(_, one, two)| one != two)
            .map(|(of, one, two)| format!("{of}: {one} in {name}, but {two} in {other_name}"))
            .collect()
    }
}

/// The part of `value` at a JSON pointer.
pub(super) fn part<'v>(value: &'v Value, pointer: &str) -> Result<&'v Value> {
    value.pointer(pointer).with_context(|| format!("there is no {pointer}"))
}

pub(super) fn list<'v>(value: &'v Value, pointer: &str) -> Result<&'v [Value]> {
    let found = part(value, pointer)?;
    found.as_array().map(Vec::as_slice).with_context(|| format!("{pointer} is not a list"))
}

/// A single value as text; one that is left open is empty.
pub(super) fn text(value: &Value) -> Result<String> {
    Ok(match value {
        Value::Null => String::new(),
        Value::Bool(on) => on.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(_) | Value::Object(_) => bail!("not a single value: {value}"),
    })
}

pub(super) fn text_at(value: &Value, pointer: &str) -> Result<String> {
    text(part(value, pointer)?).with_context(|| pointer.to_owned())
}

fn texts(value: &Value) -> Result<Vec<String>> {
    value.as_array().context("not a list")?.iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn place(resource: &Value) -> Option<String> {
        (resource == "here").then(|| "table".to_owned())
    }

    #[test]
    fn what_only_one_says_is_a_difference_and_what_both_say_is_none() {
        let (mut one, mut two) = (Facts::default(), Facts::default());
        one.say("same", "1").unwrap();
        two.say("same", "1").unwrap();
        one.say("other", "1").unwrap();
        two.say("other", "2").unwrap();
        two.say("more", "3").unwrap();
        let expected = ["more: (nothing) in a, but 3 in b", "other: 1 in a, but 2 in b"];
        assert_eq!(one.differences("a", &two, "b"), expected);
    }

    #[test]
    fn nothing_is_described_twice() {
        let mut facts = Facts::default();
        facts.say("name", "1").unwrap();
        assert_eq!(facts.say("name", "1").unwrap_err().to_string(), "name is described twice, first as 1");
    }

    #[test]
    fn the_order_of_actions_does_not_matter() {
        let policy = |actions| {
            let mut facts = Facts::default();
            facts.say_allowed(&[json!({"Effect": "Allow", "Action": actions, "Resource": "here"})], place).unwrap();
            facts
        };
        assert!(policy(json!(["d:B", "d:A"])).differences("a", &policy(json!(["d:A", "d:B"])), "b").is_empty());
        assert_eq!(policy(json!(["d:A"])).differences("a", &policy(json!(["d:A", "d:B"])), "b").len(), 1);
    }

    #[test]
    fn a_policy_that_allows_too_much_is_refused() {
        let refused = |statement: Value| Facts::default().say_allowed(&[statement], place).unwrap_err().to_string();
        let error = refused(json!({"Effect": "Allow", "Action": ["d:*"], "Resource": "here"}));
        assert!(error.contains("d:*"), "{error}");
        let error = refused(json!({"Effect": "Allow", "Action": ["d:A"], "Resource": "*"}));
        assert!(error.contains("another resource"), "{error}");
    }
}
