//! An item of the original, as the JSON that its language saw.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use togglebox_toggles::{ValueType, value};

use super::super::item::Item;
use super::super::key::{PK, SK};

/// An item: its key, and all its attributes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) pk: String,
    /// Empty where a table has none.
    pub(super) sk: String,
    pub(super) attributes: Map<String, Value>,
}

impl Row {
    pub(super) fn of(item: Item) -> Self {
        let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default();
        Self { pk: text(PK), sk: text(SK), attributes: sorted(item) }
    }

    /// Its key, for people.
    pub(super) fn key(&self) -> String {
        if self.sk.is_empty() { self.pk.clone() } else { format!("{} {}", self.pk, self.sk) }
    }
}

/// Tells whether rows are the same as before, in whatever order they come. Tells accidents, not malice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fingerprint([u64; 4]);

impl Fingerprint {
    pub(super) fn add(&mut self, row: &Row) {
        let mut hash = Sha256::new();
        hash.update(Value::from(row.key()).to_string());
        hash.update(Value::Object(row.attributes.clone()).to_string());
        let digest: [u8; 32] = hash.finalize().into();
        for (lane, bytes) in self.0.iter_mut().zip(digest.as_chunks::<8>().0) {
            *lane = lane.wrapping_add(u64::from_be_bytes(*bytes));
        }
    }

    pub(super) fn bytes(self) -> Vec<u8> {
        self.0.into_iter().flat_map(u64::to_be_bytes).collect()
    }
}

/// Members in the order of their names, so that equal items have equal texts.
fn sorted(members: impl IntoIterator<Item = (String, AttributeValue)>) -> Map<String, Value> {
    let members: BTreeMap<String, AttributeValue> = members.into_iter().collect();
    members.into_iter().map(|(name, value)| (name, json(value))).collect()
}

/// The value that the original's language saw: every number is a binary64, a set is a list. Bytes, which the original never wrote, are a
/// text that no field takes.
fn json(value: AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => Value::String(text),
        AttributeValue::N(number) => value::read(ValueType::Number, &number),
        AttributeValue::Bool(flag) => Value::Bool(flag),
        AttributeValue::Null(_) => Value::Null,
        AttributeValue::L(values) => Value::Array(values.into_iter().map(json).collect()),
        AttributeValue::M(members) => Value::Object(sorted(members)),
        AttributeValue::Ss(mut texts) => {
            texts.sort_unstable();
            Value::Array(texts.into_iter().map(Value::String).collect())
        }
        AttributeValue::Ns(numbers) => {
            Value::Array(numbers.iter().map(|number| value::read(ValueType::Number, number)).collect())
        }
        _ => Value::String("\u{fffd}".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde_json::json;

    use super::*;

    fn text(text: &str) -> AttributeValue {
        AttributeValue::S(text.to_owned())
    }

    fn number(text: &str) -> AttributeValue {
        AttributeValue::N(text.to_owned())
    }

    #[test]
    fn numbers_are_those_of_javascript() {
        for (given, expected) in [
            ("5", json!(5)),
            ("1E+2", json!(100)),
            ("0.1", json!(0.1)),
            ("-0", json!(0)),
            ("9007199254740993", json!(9_007_199_254_740_992_u64)),
            ("1E-130", json!(1e-130)),
        ] {
            assert_eq!(json(number(given)), expected, "{given}");
        }
    }

    #[test]
    fn an_item_is_json_in_order() {
        let item = HashMap::from([
            (PK.to_owned(), text("A#1")),
            (SK.to_owned(), text("B")),
            ("z".to_owned(), AttributeValue::Ss(vec!["b".to_owned(), "a".to_owned()])),
            (
                "m".to_owned(),
                AttributeValue::M(HashMap::from([("b".to_owned(), number("1")), ("a".to_owned(), AttributeValue::Null(true))])),
            ),
        ]);
        let row = Row::of(item.clone());
        assert_eq!(row.key(), "A#1 B");
        assert_eq!(
            serde_json::to_string(&row.attributes).unwrap(),
            r#"{"PK":"A#1","SK":"B","m":{"a":null,"b":1},"z":["a","b"]}"#
        );
        let (mut one, mut other) = (Fingerprint::default(), Fingerprint::default());
        let second = Row { pk: "C".to_owned(), ..row.clone() };
        one.add(&row);
        one.add(&second);
        other.add(&second);
        assert_ne!(one, other);
        other.add(&Row::of(item));
        assert_eq!(one, other);
    }
}
