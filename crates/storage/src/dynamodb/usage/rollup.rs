//! Rolling an hour up, and its day with it.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::ReturnValue;
use futures_util::future::try_join_all;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use togglebox_core::StoreResult;
use togglebox_metering::store::RollUp;
use togglebox_metering::{Hour, Totals};

use super::super::DynamoDb;
use super::super::action::{Action, Condition};
use super::super::error::{Crowded, Trouble};
use super::super::item::Draft;
use super::super::key::{Key, PK};
use super::super::patience::Patience;
use super::super::store::{Range, Wanted};
use super::change::Changed;
use super::hour::{DayItem, HourItem, bit, text_of};
use super::key::{self, List, Metered, WRITERS};
use super::row::Row;
use super::{GEN, MARKS, STALE, SUM, TOTALS};

const OPERATION: &str = "usage.rollup";
/// How many rows are made ready at once.
const AT_ONCE: usize = 16;

impl DynamoDb {
    pub(super) async fn rolled_up_hour(&self, of: Metered, hour: Hour) -> StoreResult<Option<RollUp>> {
        const OPERATION: &str = "usage.rolled_up";
        let item = self.get(OPERATION, &mut self.patience(), &key::hour(of, hour)).await?;
        Ok(item.map(|item| HourItem::read(&item, OPERATION)).transpose()?.and_then(|hour| hour.rolled_up()))
    }

    pub(super) async fn roll_up(&self, of: Metered, hour: Hour) -> StoreResult<Option<RollUp>> {
        let mut patience = self.patience();
        let (hour_key, day_key) = (key::hour(of, hour), key::day(of, hour.day()));
        let _turn = self.queue(OPERATION, &day_key, &patience).await?;
        loop {
            let items = self.get_all(OPERATION, &mut patience, [hour_key.clone(), day_key.clone()]).await?;
            let stands = items.get(&hour_key).map(|item| HourItem::read(item, OPERATION)).transpose()?;
            let Some(stands) = stands else {
                if self.strike(OPERATION, &mut patience, of, hour).await? {
                    return Ok(None);
                }
                // It is there by now.
                continue;
            };
            if !stands.stale {
                // Its rows can have nothing that it has not, or are pruned.
                return Ok(stands.rolled_up());
            }
            let day = items.get(&day_key).map(|item| DayItem::read(item, OPERATION)).transpose()?.unwrap_or_default();
            let rows = self.still(of, hour).await?;
            let hours = self.hours_of_day(OPERATION, &mut patience, of, hour).await?;
            let marks: u64 = rows.iter().map(|row| row.marks).sum();
            let stale = hours.iter().filter(|(_, item)| item.stale).fold(0, |bits, (hour, _)| bits | bit(*hour));
            // Else a transaction is seen in part.
            if marks == stands.marks && stale.unsigned_abs() == day.stale {
                let mut totals = Totals::default();
                for row in &rows {
                    row.add_to(&mut totals);
                }
                let is_other = stands.revision == 0 || totals != stands.totals;
                let revision = if is_other { stands.revision.saturating_add(1) } else { stands.revision };
                let found = Found { of, hour, stands: &stands, day: &day, hours: &hours };
                if self.commit(OPERATION, &mut patience, found.keep(&totals, revision)?).await? {
                    return Ok(Some(RollUp { total: totals.sum(), revision, stale: false }));
                }
            } else if !patience.pause(Trouble::Contended).await {
                return Err(Trouble::Contended.error(OPERATION, Crowded));
            }
        }
    }

    /// The rows of an hour, of which none can be raised any more but by a transaction that marks the hour.
    async fn still(&self, of: Metered, hour: Hour) -> StoreResult<Vec<Row>> {
        let rows = self.rows(OPERATION, of, Wanted::Prefix(key::of_hour(hour))).await?;
        let still = stream::iter(rows).map(|row| async move {
            if !row.stale {
                return Ok(row);
            }
            let (set, remove, when) = (Vec::new(), vec![STALE], Condition::is(STALE, 1_u64));
            let action = Action::Update { key: row.key.clone(), set, remove, when };
            match self.change(OPERATION, &mut self.patience(), action, ReturnValue::AllNew).await? {
                // Of another roll-up that was faster, it is as it was left.
                Changed::Made(Some(item)) | Changed::Not(Some(item)) => Row::read(&item, OPERATION),
                Changed::Made(None) | Changed::Not(None) => Ok(row),
            }
        });
        still.buffer_unordered(AT_ONCE).try_collect().await
    }

    /// Rows of all writers.
    pub(super) async fn rows(&self, operation: &'static str, of: Metered, wanted: Wanted) -> StoreResult<Vec<Row>> {
        let shards = (0..WRITERS).map(|shard| {
            let range = Range { wanted: wanted.clone(), ..Range::all(key::rows(of, shard)) };
            async move { self.query(operation, &mut self.patience(), range).await }
        });
        let items = try_join_all(shards).await?.concat();
        items.iter().map(|item| Row::read(item, operation)).collect()
    }

    async fn hours_of_day(
        &self,
        operation: &'static str,
        patience: &mut Patience,
        of: Metered,
        hour: Hour,
    ) -> StoreResult<BTreeMap<Hour, HourItem>> {
        let first = hour.day().start().hour();
        let last = hour.day().hours().last().unwrap_or(first);
        self.hour_items(operation, patience, of, first, last).await
    }

    /// Hours from `first` to `last` that there are.
    pub(super) async fn hour_items(
        &self,
        operation: &'static str,
        patience: &mut Patience,
        of: Metered,
        first: Hour,
        last: Hour,
    ) -> StoreResult<BTreeMap<Hour, HourItem>> {
        let wanted = Wanted::Between(key::hour(of, first).sk, key::hour(of, last).sk);
        let items = self.query(operation, patience, Range { wanted, ..Range::all(key::sums(of)) }).await?;
        let mut hours = BTreeMap::new();
        for item in &items {
            if let Some(hour) = Hour::from_number(super::number_of(item, operation)?) {
                hours.insert(hour, HourItem::read(item, operation)?);
            }
        }
        Ok(hours)
    }

    /// Takes an hour that is not there from the list of stale ones: what is left of a tenant that was removed. Whether it is not there
    /// indeed.
    async fn strike(&self, operation: &'static str, patience: &mut Patience, of: Metered, hour: Hour) -> StoreResult<bool> {
        let (entry, hour) = (List::Stale.entry(of, hour), key::hour(of, hour));
        let items = self.get_all(operation, patience, [entry.clone(), hour.clone()]).await?;
        if items.contains_key(&hour) {
            return Ok(false);
        }
        if !items.contains_key(&entry) {
            return Ok(true);
        }
        let absent = Action::Check { key: hour, when: Condition::absent() };
        self.commit(operation, patience, strike(of, &entry).into_iter().chain([absent]).collect()).await
    }

    /// Takes those of `keys` that are entries of the list of stale hours from it; hands the others back. For a tenant that is removed.
    #[cfg(feature = "tenancy")]
    pub(in super::super) async fn strike_stale(&self, operation: &'static str, keys: Vec<Key>) -> StoreResult<Vec<Key>> {
        let mut patience = self.long_patience();
        let mut others = Vec::with_capacity(keys.len());
        for key in keys {
            let listed = key::listed(&key.sk).filter(|(hour, of)| List::Stale.entry(*of, *hour) == key);
            let Some((_, of)) = listed else {
                others.push(key);
                continue;
            };
            while self.get(operation, &mut patience, &key).await?.is_some() {
                if self.commit(operation, &mut patience, strike(of, &key).into()).await? {
                    break;
                }
            }
        }
        Ok(others)
    }
}

/// What takes an hour from the list of stale ones, if it is there.
fn strike(of: Metered, entry: &Key) -> [Action; 2] {
    let add = vec![(SUM.to_owned(), (-key::weight(entry)).into())];
    [
        Action::Delete { key: entry.clone(), when: Condition::is(PK, entry.pk.as_str()) },
        Action::Add { key: key::border_of(of), add, set: Vec::new(), when: Condition::none() },
    ]
}

/// What a roll-up has found.
struct Found<'f> {
    of: Metered,
    hour: Hour,
    stands: &'f HourItem,
    day: &'f DayItem,
    /// All of the day.
    hours: &'f BTreeMap<Hour, HourItem>,
}

impl Found<'_> {
    /// What keeps the sums, as long as everything is as it was found.
    fn keep(&self, totals: &Totals, revision: u32) -> StoreResult<Vec<Action>> {
        let Self { of, hour, stands, day, .. } = *self;
        let mut set = vec![("rev", u64::from(revision).into())];
        if revision > stands.revision {
            set.push((TOTALS, text_of(OPERATION, totals)?.into()));
        }
        let when = Condition::is(STALE, 1_u64).and(MARKS, stands.marks);
        let mut actions = vec![Action::Update { key: key::hour(of, hour), set, remove: vec![STALE], when }];

        let mut set = Vec::new();
        if day.stale == bit(hour).unsigned_abs() {
            let mut whole = totals.clone();
            self.hours.iter().filter(|(other, _)| **other != hour).for_each(|(_, other)| whole.join(&other.totals));
            set.push((TOTALS, text_of(OPERATION, &whole)?.into()));
        }
        let add = vec![(STALE.to_owned(), (-bit(hour)).into()), (GEN.to_owned(), 1_u64.into())];
        let when = Condition::is(GEN, day.generation);
        actions.push(Action::Add { key: key::day(of, hour.day()), add, set, when });

        actions.extend(strike(of, &List::Stale.entry(of, hour)));
        let kept = Draft::new(&List::Cells.entry(of, hour)).finish(OPERATION)?;
        actions.push(Action::Put { item: kept, when: Condition::none() });
        Ok(actions)
    }
}
