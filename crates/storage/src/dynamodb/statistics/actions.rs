//! From changes to the actions of a transaction, given what stands. Pure.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use togglebox_core::{StoreResult, Timestamp};
use togglebox_toggles::statistics::Sketch;

use super::super::action::{Action, Condition};
use super::super::item::{Attributes, Draft, Item, Value};
use super::super::key::Key;
use super::super::table::EXPIRES_AT;
use super::OPERATION;
use super::change::{About, Change, Counter, Counts};

/// Counts how often a sketch was written: what its next change is conditional on.
pub(super) const WRITES: &str = "writes";
pub(super) const SKETCH: &str = "sketch";
pub(super) const LAST_AT: &str = "last_at";
/// What the names of a sum's digits begin with.
pub(super) const SUM: &str = "sum";

/// What makes `changes`, provided that the items among them that were read still stand as in `standing`.
pub(super) fn actions<'c>(
    changes: impl IntoIterator<Item = &'c (Key, Change)>,
    standing: &HashMap<Key, Item>,
) -> StoreResult<Vec<Action>> {
    let mut actions = Vec::new();
    let mut counts: BTreeMap<&Key, Counts> = BTreeMap::new();
    for (key, change) in changes {
        let stands = standing.get(key);
        match change {
            Change::Count(own) => {
                // New users may have been counted at this item before.
                let all = counts.entry(key).or_default();
                let new_users = all.added.remove(&Counter::NewUsers).unwrap_or(0);
                *all = own.clone();
                all.add(Counter::NewUsers, new_users);
            }
            Change::Merge { sketch, expires_at } => actions.extend(merged(key, sketch, *expires_at, stands)),
            // Who has seen it is no new user, and never will be again.
            Change::Expose { .. } if stands.is_some() => {}
            Change::Expose { variation, day, tally } => {
                let item = Draft::new(key).with("variation", variation.as_str()).with("day", day.as_str()).finish(OPERATION)?;
                actions.push(Action::Put { item, when: Condition::absent() });
                let about = About { day: Some(day.clone()), variation: Some(variation.clone()), ..About::default() };
                counts.entry(tally).or_insert_with(|| Counts::about(about)).add(Counter::NewUsers, 1);
            }
        }
    }
    for (key, counts) in counts {
        actions.extend(counted(key, counts, standing.get(key))?);
    }
    Ok(actions)
}

/// Adds to an item's counters; `None` when there is nothing to add. The last moment is conditional only where it moves.
fn counted(key: &Key, counts: Counts, stands: Option<&Item>) -> StoreResult<Option<Action>> {
    let stood = stands.map(|item| Attributes::new(item, OPERATION).maybe::<Timestamp>(LAST_AT)).transpose()?.flatten();
    let moves = counts.last_at.filter(|last_at| stood.is_none_or(|stood| stood < *last_at));
    let About { day, country, variation, metric } = counts.about;
    let texts =
        [("day", day), ("country", country), ("variation", variation.map(|key| key.as_str().to_owned())), ("metric", metric)];
    let texts = texts.into_iter().filter_map(|(name, text)| Some((name, Value::from(text?))));
    let set: Vec<_> = texts.chain(moves.map(|at| (LAST_AT, at.into()))).collect();
    let counters = counts.added.into_iter().map(|(counter, count)| (counter.attribute().to_owned(), count.into()));
    let digits = counts.sum.digits().map(|(place, digit)| (format!("{SUM}{place}"), number(digit)));
    let add: Vec<_> = counters.chain(digits).collect();
    let when = moves.map_or_else(Condition::none, |at| Condition::below(LAST_AT, at));
    let changes = !set.is_empty() || !add.is_empty();
    Ok(changes.then(|| Action::Add { key: key.clone(), add, set, when }))
}

pub(super) fn number(digit: i128) -> Value {
    Value(AttributeValue::N(digit.to_string()))
}

/// Replaces a sketch by one that has also seen what is `added`; `None` when it has.
fn merged(key: &Key, added: &[u8], expires_at: i64, stands: Option<&Item>) -> Option<Action> {
    let mut all = Sketch::from_bytes(added)?;
    let mut when = Condition::absent();
    let mut writes = 0_u64;
    if let Some(item) = stands {
        let attributes = Attributes::new(item, OPERATION);
        let stored = attributes.get::<Vec<u8>>(SKETCH).ok().and_then(|bytes| Sketch::from_bytes(&bytes));
        if let (Some(stored), Ok(known)) = (stored, attributes.get::<u64>(WRITES)) {
            all.merge(&stored);
            if all == stored {
                return None;
            }
            writes = known;
            when = Condition::is(WRITES, known);
        } else {
            // Replaced rather than reported: otherwise no batch of this thing could ever be counted again.
            tracing::error!(item = %key, "Replaced a stored distinct-count sketch that cannot be read");
            when = Condition::none();
        }
    }
    let set = vec![(SKETCH, all.to_bytes().into()), (WRITES, (writes + 1).into()), (EXPIRES_AT, expires_at.into())];
    Some(Action::Update { key: key.clone(), set, remove: Vec::new(), when })
}
