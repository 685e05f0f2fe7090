//! Where what is closed for good ends, and how it is closed.

use std::collections::HashMap;

use futures_util::future::try_join_all;
use togglebox_core::{Revision, StoreResult};
use togglebox_metering::{Grain, Minute};

use super::super::DynamoDb;
use super::super::action::{Action, Condition};
use super::super::error::{Crowded, Trouble};
use super::super::item::{Attribute, Attributes, Item};
use super::super::key::Key;
use super::super::patience::Patience;
use super::super::store::Range;
use super::key::{self, List, Metered, SHARDS};
use super::{HOURS_FROM, MARKS, MINUTES_FROM, SUM, entry_of};

/// What one shard says. All of them say the same of what is closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Border {
    /// The first minute that cells are kept and taken of.
    pub(super) minutes: Minute,
    /// The first minute whose hour is kept.
    pub(super) hours: Minute,
    /// How often an hour of the shard became stale.
    marks: u64,
    /// The weights of all of its hours that are stale.
    sum: i64,
}

impl Attribute for Minute {
    fn read(value: &aws_sdk_dynamodb::types::AttributeValue) -> Result<Self, super::super::store::BoxError> {
        Ok(Self::from_number(u32::try_from(u64::read(value)?)?))
    }
}

impl Border {
    /// An item that is not there closes nothing.
    pub(super) fn read(item: Option<&Item>, operation: &'static str) -> StoreResult<Self> {
        let Some(item) = item else { return Ok(Self::default()) };
        let attributes = Attributes::new(item, operation);
        Ok(Self {
            minutes: attributes.maybe(MINUTES_FROM)?.unwrap_or_default(),
            hours: attributes.maybe(HOURS_FROM)?.unwrap_or_default(),
            marks: attributes.maybe(MARKS)?.unwrap_or(0),
            sum: attributes.maybe(SUM)?.unwrap_or(0),
        })
    }

    /// What it says among items that were read.
    pub(super) fn among(items: &HashMap<Key, Item>, of: Metered, operation: &'static str) -> StoreResult<Self> {
        Self::read(items.get(&key::border_of(of)), operation)
    }
}

impl DynamoDb {
    /// What is closed, as the shard of a meter says.
    pub(super) async fn border(&self, operation: &'static str, patience: &mut Patience, of: Metered) -> StoreResult<Border> {
        Border::read(self.get(operation, patience, &key::border_of(of)).await?.as_ref(), operation)
    }

    async fn borders(&self, operation: &'static str, patience: &mut Patience) -> StoreResult<Vec<Border>> {
        let items = self.get_all(operation, patience, (0..SHARDS).map(key::border)).await?;
        (0..SHARDS).map(|shard| Border::read(items.get(&key::border(shard)), operation)).collect()
    }

    /// Closes minutes before `before`, as far as no hour is stale; says up to which minute they are closed.
    pub(super) async fn close_minutes(
        &self,
        operation: &'static str,
        patience: &mut Patience,
        before: Minute,
    ) -> StoreResult<Minute> {
        loop {
            let borders = self.borders(operation, patience).await?;
            let closed = borders.iter().map(|border| border.minutes).min().unwrap_or_default();
            let wanted = before.floor(Grain::Hour);
            if wanted <= closed {
                return Ok(closed);
            }
            let stale = try_join_all((0..SHARDS).map(|shard| async move {
                let range = Range::all(List::Stale.partition(shard));
                self.query(operation, &mut self.patience(), range).await
            }));
            let (mut first, mut whole) = (wanted, true);
            for (border, entries) in borders.iter().zip(stale.await?) {
                let (sum, oldest) = listed(&entries, operation)?;
                whole &= sum == border.sum;
                first = first.min(oldest.unwrap_or(wanted));
            }
            if whole && first <= closed {
                return Ok(closed);
            }
            // A list that is not what the border says is of another moment.
            if whole {
                let close = borders.iter().zip(0..).map(|(border, shard)| close(shard, *border, first)).collect();
                if self.commit(operation, patience, close).await? {
                    return Ok(first);
                }
            } else if !patience.pause(Trouble::Contended).await {
                return Err(Trouble::Contended.error(operation, Crowded));
            }
        }
    }

    /// Closes hours of whole days before `before` whose minutes are closed; says up to which minute they are.
    pub(super) async fn close_hours(
        &self,
        operation: &'static str,
        patience: &mut Patience,
        before: Minute,
    ) -> StoreResult<Minute> {
        loop {
            let borders = self.borders(operation, patience).await?;
            let closed = borders.iter().map(|border| border.hours).min().unwrap_or_default();
            let open = borders.iter().map(|border| border.minutes).min().unwrap_or_default();
            let wanted = before.min(open).floor(Grain::Day);
            if wanted <= closed {
                return Ok(closed);
            }
            let number = u64::from(wanted.number());
            let close = |shard| Action::Update {
                key: key::border(shard),
                set: vec![(HOURS_FROM, number.into())],
                remove: Vec::new(),
                when: Condition::below(HOURS_FROM, number),
            };
            if self.commit(operation, patience, (0..SHARDS).map(close).collect()).await? {
                return Ok(wanted);
            }
        }
    }
}

/// What closes the minutes of a shard, unless an hour has become stale since it was read. One that comes late takes nothing back.
fn close(shard: u8, read: Border, before: Minute) -> Action {
    let before = u64::from(before.number());
    let set = vec![(MINUTES_FROM, before.into())];
    let when = Condition::counted(MARKS, Revision::new(read.marks)).and_below(MINUTES_FROM, before);
    Action::Update { key: key::border(shard), set, remove: Vec::new(), when }
}

/// The weights of a shard's entries, and the start of the oldest.
fn listed(entries: &[Item], operation: &'static str) -> StoreResult<(i64, Option<Minute>)> {
    let (mut sum, mut oldest) = (0_i64, None);
    for item in entries {
        let (entry, (hour, _)) = entry_of(item, operation)?;
        sum = sum.saturating_add(key::weight(&entry));
        oldest.get_or_insert(hour.start());
    }
    Ok((sum, oldest))
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::types::AttributeValue;
    use togglebox_core::TenantId;
    use togglebox_metering::Hour;

    use super::*;

    #[test]
    fn a_list_weighs_what_its_entries_weigh() {
        let entry = |n| {
            let tenant = TenantId::DEFAULT;
            List::Stale.entry(Metered { tenant, meter: "m".parse().unwrap() }, Hour::from_number(n).unwrap())
        };
        let items: Vec<Item> = [7, 9].map(|n| entry(n).item()).into();
        let sum = key::weight(&entry(7)) + key::weight(&entry(9));
        assert_eq!(listed(&items, "test").unwrap(), (sum, Some(Minute::from_number(7 * 60))));
        assert_eq!(listed(&[], "test").unwrap(), (0, None));
        assert!(listed(&[Key::new("a", "b").item()], "test").is_err());
    }

    #[test]
    fn closing_holds_on_to_what_was_read_and_never_goes_back() {
        let read = Border { marks: 3, ..Border::default() };
        let update = close(5, read, Minute::from_number(120)).build("table").unwrap().update.unwrap();
        let expected = "#marks = :v1 AND (attribute_not_exists(#minutes_from) OR #minutes_from < :v2)";
        assert_eq!(update.condition_expression.as_deref(), Some(expected));
        assert_eq!(update.expression_attribute_values.unwrap()[":v2"], AttributeValue::N("120".to_owned()));
        let first = close(5, Border::default(), Minute::from_number(120)).build("table").unwrap().update.unwrap();
        assert!(first.condition_expression.unwrap().starts_with("(attribute_not_exists(#marks) OR #marks < :v1)"));
    }
}
