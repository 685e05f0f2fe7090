//! How far writers are, which hours are to be rolled up, and what is added up of many tenants.

use aws_sdk_dynamodb::types::ReturnValue;
use futures_util::future::try_join_all;
use togglebox_core::{StoreResult, Timestamp};
use togglebox_metering::store::StaleHour;
use togglebox_metering::{Day, Hour, Minute, Totals, Watermark, WriterId};

use super::super::DynamoDb;
use super::super::action::{Action, Condition};
use super::super::item::{Attributes, Item};
use super::super::key::{Key, SK};
use super::super::store::{Range, Wanted};
use super::change::Changed;
use super::entry_of;
use super::hour::DayItem;
use super::key::{self, List, Metered, SHARDS};

const UPTO: &str = "upto";
const SEEN_AT: &str = "seen_at";
/// Present once the writer has ended.
const ENDED: &str = "ended";

/// The most that one call lists.
const MOST: usize = 1000;

fn read(item: &Item, operation: &'static str) -> StoreResult<Watermark> {
    let attributes = Attributes::new(item, operation);
    let unreadable = || attributes.unreadable(SK, "it is not that of a writer");
    let writer = Key::of(item).and_then(|key| u128::from_str_radix(&key.sk, 16).ok()).ok_or_else(unreadable)?;
    Ok(Watermark {
        writer: WriterId::from_u128(writer),
        upto: attributes.get::<Minute>(UPTO)?,
        seen_at: attributes.get(SEEN_AT)?,
        ended: attributes.maybe::<u64>(ENDED)?.is_some(),
    })
}

/// What writes a watermark down.
fn write(watermark: &Watermark, when: Condition) -> Action {
    let mut set = vec![(UPTO, u64::from(watermark.upto.number()).into()), (SEEN_AT, watermark.seen_at.into())];
    set.extend(watermark.ended.then(|| (ENDED, 1_u64.into())));
    Action::Update { key: key::watermark(watermark.writer), set, remove: Vec::new(), when }
}

/// That nothing of what stands is beyond it.
fn is_further(watermark: &Watermark) -> Condition {
    let seen_ms = watermark.seen_at.as_ms().saturating_add(1);
    let upto = u64::from(watermark.upto.number()).saturating_add(1);
    // One that has ended stays so, since nothing is taken back.
    Condition::below(UPTO, upto).and_below(SEEN_AT, Timestamp::from_ms(seen_ms))
}

/// That it is as it was read.
fn as_read(read: &Watermark) -> Condition {
    Condition::is(UPTO, u64::from(read.upto.number())).and(SEEN_AT, read.seen_at)
}

impl DynamoDb {
    pub(super) async fn raise_watermark(&self, watermark: &Watermark) -> StoreResult<()> {
        const OPERATION: &str = "usage_sink.advance_watermark";
        let mut patience = self.patience();
        let mut change = write(watermark, is_further(watermark));
        loop {
            let stands = match self.change(OPERATION, &mut patience, change, ReturnValue::None).await? {
                Changed::Made(_) => return Ok(()),
                Changed::Not(stands) => stands,
            };
            // Pruned meanwhile: it is new again.
            let Some(stands) = stands.map(|item| read(&item, OPERATION)).transpose()? else {
                change = write(watermark, is_further(watermark));
                continue;
            };
            let joined = stands.joined(*watermark);
            if joined == stands {
                return Ok(());
            }
            change = write(&joined, as_read(&stands));
        }
    }

    pub(super) async fn living_watermarks(&self) -> StoreResult<Vec<Watermark>> {
        let mut watermarks = self.all_watermarks("usage_ledger.watermarks").await?;
        watermarks.retain(|watermark| !watermark.ended);
        Ok(watermarks)
    }

    async fn all_watermarks(&self, operation: &'static str) -> StoreResult<Vec<Watermark>> {
        let items = self.query(operation, &mut self.patience(), Range::all(key::watermarks())).await?;
        items.iter().map(|item| read(item, operation)).collect()
    }

    /// Removes at most `limit` watermarks that were seen last before `before`, unless they are seen again meanwhile.
    pub(super) async fn prune_watermarks(&self, operation: &'static str, before: Timestamp, limit: usize) -> StoreResult<usize> {
        let mut patience = self.long_patience();
        let mut removed = 0;
        let old = self.all_watermarks(operation).await?.into_iter().filter(|watermark| watermark.seen_at < before);
        for watermark in old.take(limit) {
            let (key, when) = (key::watermark(watermark.writer), Condition::is(SEEN_AT, watermark.seen_at));
            removed += usize::from(self.remove_when(operation, &mut patience, key, when).await?);
        }
        Ok(removed)
    }

    pub(super) async fn hours_to_roll_up(&self, until: Hour, limit: usize) -> StoreResult<Vec<StaleHour>> {
        let hours = self.listed("usage_ledger.stale_hours", List::Stale, until, limit.clamp(1, MOST)).await?;
        Ok(hours.into_iter().map(|(hour, of)| StaleHour { hour, tenant: of.tenant, meter: of.meter }).collect())
    }

    /// What the days of a meter are according to their last roll-ups.
    pub(super) async fn added_up_days(&self, of: Metered, from: Day, until: Day) -> StoreResult<u64> {
        const OPERATION: &str = "usage_ledger.added_up";
        let Some(last) = until.number().checked_sub(1).and_then(Day::from_number).filter(|last| from <= *last) else {
            return Ok(0);
        };
        let wanted = Wanted::Between(key::day(of, from).sk, key::day(of, last).sk);
        let range = Range { wanted, ..Range::all(key::sums(of)) };
        let mut sum = Totals::default();
        for item in self.query(OPERATION, &mut self.patience(), range).await? {
            sum.join(&DayItem::read(&item, OPERATION)?.totals);
        }
        Ok(sum.sum())
    }

    /// The oldest hours before `until` of a list, at most `limit`.
    pub(super) async fn listed(
        &self,
        operation: &'static str,
        list: List,
        until: Hour,
        limit: usize,
    ) -> StoreResult<Vec<(Hour, Metered)>> {
        let shards = (0..SHARDS).map(|shard| async move {
            let wanted = Wanted::Below(key::number(until.number()).into());
            let range = Range { wanted, limit: Some(limit), ..Range::all(list.partition(shard)) };
            self.query(operation, &mut self.patience(), range).await
        });
        let mut hours = Vec::new();
        for item in try_join_all(shards).await?.concat() {
            hours.push(entry_of(&item, operation)?.1);
        }
        hours.sort_unstable();
        hours.truncate(limit);
        Ok(hours)
    }
}
