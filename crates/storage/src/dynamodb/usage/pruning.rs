//! What is removed, a part at a time: closed first, so that nobody sees a part.

use aws_sdk_dynamodb::types::ReturnValue;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use togglebox_core::StoreResult;
use togglebox_metering::store::Prune;
use togglebox_metering::{Hour, Minute};

use super::super::DynamoDb;
use super::super::action::{Action, Condition};
use super::super::item::{Attributes, Draft, Item};
use super::super::key::{Key, SK};
use super::super::patience::Patience;
use super::super::store::{Range, Wanted};
use super::key::{self, List, Metered, SHARDS};
use super::row::{Row, attribute};
use super::{IDS, MINUTE};

const OPERATION: &str = "usage_ledger.prune";
/// How many requests are under way at once.
const AT_ONCE: usize = 16;
/// Bytes of what an event is known by.
const KNOWN_BY: usize = 32;

impl DynamoDb {
    pub(super) async fn prune_usage(&self, what: Prune, before: Minute, limit: usize) -> StoreResult<usize> {
        let limit = limit.clamp(1, 1000);
        let mut patience = self.long_patience();
        match what {
            Prune::Minutes => {
                let closed = self.close_minutes(OPERATION, &mut patience, before).await?;
                self.prune_cells(closed.hour(), limit).await
            }
            Prune::Hours => {
                let closed = self.close_hours(OPERATION, &mut patience, before).await?;
                self.prune_hours(closed.hour(), limit).await
            }
            Prune::Claims => {
                // No minute is before the first: nothing is closed by that.
                let closed = self.close_minutes(OPERATION, &mut patience, Minute::EPOCH).await?;
                self.prune_claims(before.min(closed), limit).await
            }
            Prune::Watermarks => self.prune_watermarks(OPERATION, before.start(), limit).await,
        }
    }

    /// Removes cells of hours before `closed`.
    async fn prune_cells(&self, closed: Hour, limit: usize) -> StoreResult<usize> {
        let mut removed = 0;
        loop {
            let hours = self.listed(OPERATION, List::Cells, closed, limit).await?;
            if hours.is_empty() {
                return Ok(removed);
            }
            for (hour, of) in hours {
                if removed == limit {
                    return Ok(removed);
                }
                let (part, emptied) = self.prune_rows(of, hour, limit - removed).await?;
                removed += part;
                if emptied {
                    let mut patience = self.long_patience();
                    let next = Draft::new(&List::Hours.entry(of, hour)).finish(OPERATION)?;
                    self.put(OPERATION, &mut patience, [next]).await?;
                    self.remove(OPERATION, &mut patience, [List::Cells.entry(of, hour)]).await?;
                }
            }
        }
    }

    /// Removes at most `limit` cells of an hour; says how many, and whether none are left.
    async fn prune_rows(&self, of: Metered, hour: Hour, limit: usize) -> StoreResult<(usize, bool)> {
        let (mut removed, mut whole, mut part) = (0, Vec::new(), None);
        for row in self.rows(OPERATION, of, Wanted::Prefix(key::of_hour(hour))).await? {
            if removed + row.minutes.len() <= limit {
                removed += row.minutes.len();
                whole.push(row.key);
            } else {
                part = part.or(Some(row));
            }
        }
        let mut patience = self.long_patience();
        self.remove(OPERATION, &mut patience, whole).await?;
        let Some(row) = part else { return Ok((removed, true)) };
        let some = limit - removed;
        if some > 0 {
            self.prune_part(&mut patience, &row, some).await?;
        }
        Ok((removed + some, false))
    }

    /// Removes the first minutes of a row, of which it has more.
    async fn prune_part(&self, patience: &mut Patience, row: &Row, limit: usize) -> StoreResult<()> {
        let remove = row.minutes.keys().take(limit).map(|minute| attribute(*minute)).collect();
        // Somebody else may be at it: then it must not come back.
        let when = Condition::is(SK, row.key.sk.as_str());
        let action = Action::Update { key: row.key.clone(), set: Vec::new(), remove, when };
        self.change(OPERATION, patience, action, ReturnValue::None).await.map(drop)
    }

    /// Removes hours before `closed` whose cells are pruned.
    async fn prune_hours(&self, closed: Hour, limit: usize) -> StoreResult<usize> {
        let hours = self.listed(OPERATION, List::Hours, closed, limit).await?;
        let mut patience = self.long_patience();
        let (sums, entries): (Vec<Key>, Vec<Key>) =
            hours.iter().map(|(hour, of)| (key::hour(*of, *hour), List::Hours.entry(*of, *hour))).unzip();
        self.remove(OPERATION, &mut patience, sums).await?;
        self.remove(OPERATION, &mut patience, entries).await?;
        Ok(hours.len())
    }

    /// Removes claims of minutes before `closed`.
    async fn prune_claims(&self, closed: Minute, limit: usize) -> StoreResult<usize> {
        let mut removed = 0;
        for shard in 0..SHARDS {
            while removed < limit {
                let wanted = Wanted::Below(key::number(closed.number()).into());
                let most = limit - removed;
                let range = Range { wanted, limit: Some(most.min(100)), ..Range::all(key::claims(shard)) };
                let lists = self.query(OPERATION, &mut self.long_patience(), range).await?;
                if lists.is_empty() {
                    break;
                }
                for list in &lists {
                    if removed < limit {
                        removed += self.prune_list(list, limit - removed).await?;
                    }
                }
            }
        }
        Ok(removed)
    }

    /// Removes at most `limit` of the claims of a list, and the list when that were all; says how many.
    async fn prune_list(&self, list: &Item, limit: usize) -> StoreResult<usize> {
        let attributes = Attributes::new(list, OPERATION);
        let unreadable = || attributes.unreadable(SK, "it is not that of a list of claims");
        let key = Key::of(list).ok_or_else(unreadable)?;
        let (minute, tenant) = key::claimed_of(&key.sk).ok_or_else(unreadable)?;
        let ids: Vec<u8> = attributes.get(IDS)?;
        let (now, later) = ids.split_at(ids.len().min(limit.saturating_mul(KNOWN_BY)));
        // An id that was sent anew, for a later minute, is another claim.
        let claim = || Condition::is(MINUTE, u64::from(minute.number()));
        let claims: Vec<Key> = now.chunks(KNOWN_BY).map(|id| key::claim(tenant, id)).collect();
        let gone =
            stream::iter(claims).map(|key| async { self.remove_when(OPERATION, &mut self.long_patience(), key, claim()).await });
        let gone: Vec<bool> = gone.buffer_unordered(AT_ONCE).try_collect().await?;
        let mut patience = self.long_patience();
        if later.is_empty() {
            self.remove(OPERATION, &mut patience, [key]).await?;
        } else {
            let (set, when) = (vec![(IDS, later.to_vec().into())], Condition::is(IDS, ids.clone()));
            let action = Action::Update { key, set, remove: Vec::new(), when };
            self.change(OPERATION, &mut patience, action, ReturnValue::None).await?;
        }
        Ok(gone.len())
    }
}
