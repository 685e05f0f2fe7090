//! Usage: what nodes have counted, what other services report, and their sums.
//!
//! | item | partition | sort key | attributes |
//! | --- | --- | --- | --- |
//! | a row: cells of one writer, series and hour | `T#<t>#USAGE#<meter>#<shard>` | `<hour>#<writer>#<labels>` | `m00` … `m59` (totals); `stale`, `marks` |
//! | an hour | `T#<t>#USAGE#<meter>` | `H#<hour>` | `totals`, `rev` of its roll-up; `stale`, `marks` |
//! | a day | the same | `D#<day>` | `totals`; `stale` (a bit for each hour), `generation` |
//! | the units of a quota in a period | the same | `P#<first minute>` | `granted`, `holders`; `version` |
//! | that an event counts | `T#<t>#EVENT#<hash of source and id>` | `META` | `minute`, `by` |
//! | claims of one minute, by transaction | `REG#USAGE#CLAIMS#<shard>` | `<minute>#<t>#<random>` | `ids` |
//! | a stale hour | `REG#USAGE#STALE#<shard>` | `<hour>#<t>#<meter>` | |
//! | an hour whose cells are kept, are pruned | `REG#USAGE#CELLS#<shard>`, `REG#USAGE#HOURS#<shard>` | the same | |
//! | a border | `REG#USAGE#BORDER#<shard>` | `META` | `minutes_from`, `hours_from`; `marks`, `sum` |
//! | how far a writer is | `REG#USAGE#WRITERS` | `<writer>` | `upto`, `seen_at`, `ended` |
//!
//! Minutes, hours and days are counted from 1970, in ten digits. Rows are spread over [`key::WRITERS`] partitions by writer, lists and borders
//! over [`key::SHARDS`] by tenant and meter. Nothing expires by itself: what goes is [pruned](togglebox_metering::store::Prune).
//!
//! # Cells
//!
//! A total is raised on the condition that it is a raise. A total whose condition fails is contained already; so a repeated write changes
//! nothing. The sixty minutes of an hour stand in one item: a node sends the current minute and the last one with one write.
//!
//! A row that is raised must leave its hour stale, or the roll-up lacks it. To mark the hour before would not do: a roll-up may come in
//! between, read the row as it is not yet, and take the mark away; to mark it after would leave a cell that nobody knows of where the writer
//! dies between the two. In one transaction both would cost four times as much as the raise alone. So a row itself says that its hour is
//! marked: *a row that is `stale` has an hour that is `stale`*. Only such a row is raised alone (1 WRU). A row that is not, or that is not
//! there, is raised and marked in one transaction with its hour. That happens once for each row, and after each roll-up that it missed.
//!
//! The roll-up takes `stale` from each row before it reads it, with one write that gives back what stood there. From then on the row can be
//! raised by a transaction only, and that changes the hour's `marks`; the roll-up is kept on the condition that they are as they were. So it
//! has everything, or is done again; and a process that dies half-way leaves an hour that is stale.
//!
//! An hour that becomes stale gets its bit in its day, its entry in the list of stale hours and a mark in its border in the same transaction;
//! a roll-up takes all of them away in one. So a day without bits is the sum of its hours, and the list has every stale hour and no other.
//!
//! # What is seen in part
//!
//! Reads are no transactions: one may see an item before and another after the same write. Each reader that must not be deceived checks that
//! what it saw is of one moment, and reads again where it is not: an hour's `marks` are the sum of those of its rows; a day's `stale` has the
//! bits of the hours that are; a border's `sum` is that of the weights (40 bits of a hash) of its entries.
//! Where a later transaction makes up for what is missing of an earlier one, the number that it has raised (`marks`, `generation`) is not as
//! it was read, and nothing is kept.
//!
//! # Closing minutes
//!
//! Minutes are closed for good before their cells are removed. A row of a closed hour must not be raised any more, or it would count in no
//! sum; and one whose merge was answered must be in a roll-up. Both follow from this: only hours that are not stale are closed, such hours
//! have no row that can be raised alone, and the transaction that would mark one holds its border to not being beyond the hour. The closer
//! reads all borders and the whole lists of stale hours, and moves all borders in one transaction, up to the first stale hour, on the
//! condition that no hour was marked since. A cell that comes later is told as late. Markers of one shard meet at its border, once for each
//! hour of a meter; a closer that meets one begins anew.
//!
//! # Events
//!
//! A claim for each event, the list that leads to the claims, and the rows, in one transaction of at most a hundred actions. What is claimed
//! already is read before: duplicates are common, and a cancelled transaction costs as much as a made one, ten times a read. After any
//! trouble it begins anew with reading; a claim that carries the call's own number was made by an attempt whose answer got lost. Each process
//! counts under one of [`EVENT_WRITERS`] writers.
//!
//! # What is not promised
//!
//! The sums of an hour, and of a day, stand in one item: some 1,700 series with the longest labels, and five times as many with usual ones.
//! A roll-up with more is refused as too large.

mod borders;
mod change;
mod events;
mod hour;
pub(super) mod key;
mod ledger;
mod merge;
mod pools;
mod pruning;
mod rollup;
mod row;
mod series;

use async_trait::async_trait;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use togglebox_core::{StoreResult, TenantId, Timestamp};
use togglebox_metering::store::{Bucket, MergeReport, Prune, RollUp, StaleHour, UsageLedger, UsageQuery, UsageSink, UsageStore};
use togglebox_metering::{Cell, Day, Hour, Ingested, Leased, MeterId, Minute, Step, UsageEvent, Watermark};

use self::key::Metered;
use super::DynamoDb;
use super::item::{Attributes, Item};
use super::key::{Key, SK};
use super::transfer::AT_ONCE;

/// How many writers events are counted under.
pub(super) const EVENT_WRITERS: u8 = 16;

/// Of a row and an hour: present while it may have what the roll-up has not. Of a day: a bit for each of its hours that is so.
const STALE: &str = "stale";
/// How often rows were marked.
const MARKS: &str = "marks";
/// How often a day's hours became stale, or were rolled up.
const GEN: &str = "generation";
const TOTALS: &str = "totals";
const SUM: &str = "sum";
const MINUTES_FROM: &str = "minutes_from";
const HOURS_FROM: &str = "hours_from";
/// Of a claim: the call that made it.
const BY: &str = "by";
const MINUTE: &str = "minute";
const IDS: &str = "ids";

/// The number in the sort key of an hour or day.
fn number_of(item: &Item, operation: &'static str) -> StoreResult<u32> {
    let number = Key::of(item).and_then(|key| key::numbered(&key.sk));
    number.ok_or_else(|| Attributes::new(item, operation).unreadable(SK, "it has no number"))
}

/// The key of an entry of a list of hours, and what it is about.
fn entry_of(item: &Item, operation: &'static str) -> StoreResult<(Key, (Hour, Metered))> {
    let entry = Key::of(item).and_then(|key| key::listed(&key.sk).map(|about| (key, about)));
    entry.ok_or_else(|| Attributes::new(item, operation).unreadable(SK, "it is not that of an hour"))
}

#[async_trait]
impl UsageStore for DynamoDb {
    async fn ingest(&self, tenant: TenantId, events: &[UsageEvent], now: Timestamp) -> StoreResult<Vec<Ingested>> {
        self.ingest_events(tenant, events, now).await
    }

    async fn series(&self, tenant: TenantId, query: &UsageQuery) -> StoreResult<Vec<Bucket>> {
        self.usage_series(Metered { tenant, meter: query.meter() }, query).await
    }

    async fn rollup(&self, tenant: TenantId, meter: MeterId, hour: Hour) -> StoreResult<Option<RollUp>> {
        self.roll_up(Metered { tenant, meter }, hour).await
    }

    async fn rolled_up(&self, tenant: TenantId, meter: MeterId, hour: Hour) -> StoreResult<Option<RollUp>> {
        self.rolled_up_hour(Metered { tenant, meter }, hour).await
    }

    async fn lease(&self, tenant: TenantId, step: &Step) -> StoreResult<Option<Leased>> {
        self.lease_units(Metered { tenant, meter: step.meter }, step).await
    }
}

#[async_trait]
impl UsageSink for DynamoDb {
    async fn merge_cells(&self, cells: &[Cell]) -> StoreResult<MergeReport> {
        self.merge_usage(cells).await
    }

    async fn advance_watermark(&self, watermark: &Watermark) -> StoreResult<()> {
        self.raise_watermark(watermark).await
    }
}

#[async_trait]
impl UsageLedger for DynamoDb {
    async fn watermarks(&self) -> StoreResult<Vec<Watermark>> {
        self.living_watermarks().await
    }

    async fn stale_hours(&self, until: Hour, limit: usize) -> StoreResult<Vec<StaleHour>> {
        self.hours_to_roll_up(until, limit).await
    }

    async fn added_up(&self, tenants: &[TenantId], meter: MeterId, from: Day, until: Day) -> StoreResult<Vec<u64>> {
        let days = |tenant| self.added_up_days(Metered { tenant, meter }, from, until);
        stream::iter(tenants.iter().copied()).map(days).buffered(AT_ONCE).try_collect().await
    }

    async fn prune(&self, what: Prune, before: Minute, limit: usize) -> StoreResult<usize> {
        self.prune_usage(what, before, limit).await
    }
}
