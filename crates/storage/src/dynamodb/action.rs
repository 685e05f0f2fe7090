//! What a transaction does to single items, and on which conditions: values, so that tests can look at them.

use std::collections::HashMap;

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Delete, Put, TransactWriteItem, Update};

use togglebox_core::Revision;

use super::item::{Item, Value, size_of};
use super::key::{Key, PK};

/// One action of a transaction.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Action {
    /// Writes a whole item.
    Put { item: Item, when: Condition },
    /// Changes attributes of an item.
    Update { key: Key, set: Vec<(&'static str, Value)>, remove: Vec<&'static str>, when: Condition },
    /// Adds to numbers of an item, which need not be there, and changes other attributes.
    Add { key: Key, add: Vec<(String, Value)>, set: Vec<(&'static str, Value)>, when: Condition },
    /// Removes an item.
    Delete { key: Key, when: Condition },
    /// Changes nothing, but holds the rest to a condition.
    Check { key: Key, when: Condition },
}

/// What an item has to be like, or nothing of the transaction is done.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Condition {
    absent: bool,
    equal: Vec<(&'static str, Value)>,
    below: Vec<(&'static str, Value)>,
    lacks: Vec<&'static str>,
}

impl Condition {
    /// Whatever is there.
    pub(super) fn none() -> Self {
        Self::default()
    }

    /// There is no such item.
    pub(super) fn absent() -> Self {
        Self { absent: true, ..Self::default() }
    }

    /// The item is there, and an attribute has this value.
    pub(super) fn is(name: &'static str, value: impl Into<Value>) -> Self {
        Self::default().and(name, value)
    }

    /// An attribute is less than this, or is not there.
    pub(super) fn below(name: &'static str, value: impl Into<Value>) -> Self {
        Self::default().and_below(name, value)
    }

    /// Something has counted up to `revision`. It need not be there before it has counted anything.
    pub(super) fn counted(name: &'static str, revision: Revision) -> Self {
        if revision == Revision::ZERO { Self::below(name, Revision::ZERO.next()) } else { Self::is(name, revision) }
    }

    /// And another attribute has that value.
    pub(super) fn and(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.equal.push((name, value.into()));
        self
    }

    /// And another attribute is less than this, or is not there.
    pub(super) fn and_below(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.below.push((name, value.into()));
        self
    }

    /// And another attribute is not there, or nor is the item.
    #[cfg(feature = "metering")]
    pub(super) fn and_lacking(mut self, name: &'static str) -> Self {
        self.lacks.push(name);
        self
    }

    /// Writes the condition down; `None` when there is none.
    fn express(self, words: &mut Words) -> Option<String> {
        let mut parts = Vec::new();
        if self.absent {
            parts.push(format!("attribute_not_exists({})", words.name(PK)));
        }
        for (name, value) in self.equal {
            parts.push(format!("{} = {}", words.name(name), words.value(value)));
        }
        for (name, value) in self.below {
            let name = words.name(name);
            parts.push(format!("(attribute_not_exists({name}) OR {name} < {})", words.value(value)));
        }
        for name in self.lacks {
            parts.push(format!("attribute_not_exists({})", words.name(name)));
        }
        (!parts.is_empty()).then(|| parts.join(" AND "))
    }
}

/// The names and values that an expression refers to. Every name gets a placeholder, so that none can be a reserved word.
#[derive(Debug, Default)]
struct Words {
    names: Names,
    values: Values,
}

type Names = HashMap<String, String>;
type Values = HashMap<String, AttributeValue>;

impl Words {
    fn name(&mut self, name: &str) -> String {
        // A placeholder is made of letters, digits and underscores.
        let placeholder = format!("#{}", name.replace('-', "_"));
        self.names.insert(placeholder.clone(), name.to_owned());
        placeholder
    }

    fn value(&mut self, value: Value) -> String {
        let placeholder = format!(":v{}", self.values.len());
        self.values.insert(placeholder.clone(), value.0);
        placeholder
    }

    /// DynamoDB wants no empty maps.
    fn finish(self) -> (Option<Names>, Option<Values>) {
        ((!self.names.is_empty()).then_some(self.names), (!self.values.is_empty()).then_some(self.values))
    }
}

impl Action {
    /// Bytes that it writes, roughly: what counts towards the size of a transaction.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Put { item, .. } => size_of(item),
            Self::Update { set, .. } => set.iter().map(|(name, value)| name.len() + super::item::value_size(&value.0)).sum(),
            Self::Add { add, set, .. } => {
                let values =
                    set.iter().map(|(name, value)| (*name, value)).chain(add.iter().map(|(name, value)| (name.as_str(), value)));
                values.map(|(name, value)| name.len() + super::item::value_size(&value.0)).sum()
            }
            Self::Delete { .. } | Self::Check { .. } => 0,
        }
    }

    /// As the driver wants it.
    pub(super) fn build(self, table: &str) -> Result<TransactWriteItem, BuildError> {
        let mut words = Words::default();
        let action = TransactWriteItem::builder();
        Ok(match self {
            Self::Put { item, when } => {
                let when = when.express(&mut words);
                let (names, values) = words.finish();
                let put = Put::builder().table_name(table).set_item(Some(item)).set_condition_expression(when);
                action.put(put.set_expression_attribute_names(names).set_expression_attribute_values(values).build()?)
            }
            Self::Update { key, set, remove, when } => {
                let change = change(set, &remove, &mut words);
                let when = when.express(&mut words);
                let (names, values) = words.finish();
                let update = Update::builder().table_name(table).set_key(Some(key.item())).update_expression(change);
                let update = update.set_condition_expression(when).set_expression_attribute_names(names);
                action.update(update.set_expression_attribute_values(values).build()?)
            }
            Self::Add { key, add, set, when } => {
                let mut clauses = Vec::new();
                if !set.is_empty() {
                    clauses.push(change(set, &[], &mut words));
                }
                if !add.is_empty() {
                    let add: Vec<_> =
                        add.into_iter().map(|(name, value)| format!("{} {}", words.name(&name), words.value(value))).collect();
                    clauses.push(format!("ADD {}", add.join(", ")));
                }
                let when = when.express(&mut words);
                let (names, values) = words.finish();
                let update = Update::builder().table_name(table).set_key(Some(key.item())).update_expression(clauses.join(" "));
                let update = update.set_condition_expression(when).set_expression_attribute_names(names);
                action.update(update.set_expression_attribute_values(values).build()?)
            }
            Self::Delete { key, when } => {
                let when = when.express(&mut words);
                let (names, values) = words.finish();
                let delete = Delete::builder().table_name(table).set_key(Some(key.item())).set_condition_expression(when);
                action.delete(delete.set_expression_attribute_names(names).set_expression_attribute_values(values).build()?)
            }
            Self::Check { key, when } => {
                let when = when.express(&mut words);
                let (names, values) = words.finish();
                let check = ConditionCheck::builder().table_name(table).set_key(Some(key.item())).set_condition_expression(when);
                let check = check.set_expression_attribute_names(names).set_expression_attribute_values(values);
                action.condition_check(check.build()?)
            }
        }
        .build())
    }
}

fn change(set: Vec<(&'static str, Value)>, remove: &[&'static str], words: &mut Words) -> String {
    let mut clauses = Vec::new();
    if !set.is_empty() {
        let set: Vec<_> = set.into_iter().map(|(name, value)| format!("{} = {}", words.name(name), words.value(value))).collect();
        clauses.push(format!("SET {}", set.join(", ")));
    }
    if !remove.is_empty() {
        let remove: Vec<_> = remove.iter().map(|name| words.name(name)).collect();
        clauses.push(format!("REMOVE {}", remove.join(", ")));
    }
    clauses.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dynamodb::item::Draft;

    fn key() -> Key {
        Key::new("T#1#DIR", "META")
    }

    fn number(text: &str) -> AttributeValue {
        AttributeValue::N(text.to_owned())
    }

    #[test]
    fn what_is_new_must_not_be_there() {
        let item = Draft::new(&key()).with("rev", 1_u64).finish("test").unwrap();
        let built = Action::Put { item: item.clone(), when: Condition::absent() }.build("table").unwrap();
        let put = built.put.unwrap();
        assert_eq!(put.item, item);
        assert_eq!(put.condition_expression.as_deref(), Some("attribute_not_exists(#PK)"));
        assert_eq!(put.expression_attribute_names.unwrap(), HashMap::from([("#PK".to_owned(), "PK".to_owned())]));
        assert_eq!(put.expression_attribute_values, None);
    }

    #[test]
    fn a_change_names_what_it_expects() {
        let set = vec![("rev", Value::from(8_u64)), ("name", Value::from("web"))];
        let when = Condition::is("rev", 7_u64).and("id", "x");
        let update =
            Action::Update { key: key(), set, remove: vec!["description"], when }.build("table").unwrap().update.unwrap();
        assert_eq!(update.update_expression, "SET #rev = :v0, #name = :v1 REMOVE #description");
        assert_eq!(update.condition_expression.as_deref(), Some("#rev = :v2 AND #id = :v3"));
        let values = update.expression_attribute_values.unwrap();
        assert_eq!((&values[":v0"], &values[":v2"]), (&number("8"), &number("7")));
        assert_eq!(update.key, key().item());
    }

    #[test]
    fn an_addition_may_also_move_an_attribute_forward() {
        let (add, set) =
            (vec![("fetches".to_owned(), 3_u64.into()), ("sum-1".to_owned(), 5_i64.into())], vec![("last_at", 9_i64.into())]);
        let update = Action::Add { key: key(), add, set, when: Condition::below("last_at", 9_i64) };
        let update = update.build("table").unwrap().update.unwrap();
        assert_eq!(update.update_expression, "SET #last_at = :v0 ADD #fetches :v1, #sum_1 :v2");
        assert_eq!(update.condition_expression.as_deref(), Some("(attribute_not_exists(#last_at) OR #last_at < :v3)"));
        assert_eq!(update.expression_attribute_names.unwrap()["#sum_1"], "sum-1");
        assert_eq!(update.expression_attribute_values.unwrap()[":v2"], number("5"));
    }

    #[test]
    fn a_condition_may_be_left_out() {
        let delete = Action::Delete { key: key(), when: Condition::none() }.build("table").unwrap().delete.unwrap();
        assert_eq!((delete.condition_expression, delete.expression_attribute_names), (None, None));
    }
}
