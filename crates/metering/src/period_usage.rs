//! What a node knows of usage in the current period, so that a request is checked without asking anybody.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use togglebox_core::{StoreError, StoreErrorKind, StoreResult, TenantId, Timestamp};

use crate::store::{Bucket, UsageQuery, UsageStore};
use crate::{Check, MeterId, Minute, Period, Quota, Span};

const OPERATION: &str = "usage.period";

/// A reading is as old as this at the most when there is hardly anything left.
const SOONEST: Duration = Duration::from_secs(10);
/// And as this, however much is left.
const LATEST: Duration = Duration::from_mins(10);
/// What all other nodes together are taken to count of one tenant at the most: no reading is so old that this would have used up more
/// than half of what was left.
const OTHERS_PER_SECOND: u64 = 1000;

/// How many are read at a time.
const AT_ONCE: usize = 8;

/// A tenant that nobody has asked about for so long is forgotten.
const FORGOTTEN: Duration = Duration::from_hours(1);

/// When somebody has asked is known to so much.
const NOTED: Duration = Duration::from_secs(1);

/// Never, in milliseconds since 1970.
const NEVER: i64 = i64::MIN;

/// How much of one meter each tenant has used in the current period, as far as this node knows: what the store had when it was read last,
/// and what this node has counted since.
///
/// This is a *soft* quota: a check asks nobody and takes nothing away from others. Beyond the limit goes, at the most, what the other
/// nodes count between two readings (ten seconds, where little is left) and until they send it, what of this node's the store did not have
/// when it was read, what is under way between [`check`](Self::check) and [`add`](Self::add), and what comes before the first reading of a
/// tenant that nobody has asked about for an hour.
///
/// [`check`](Self::check) before a request, [`add`](Self::add) after it was recorded, and [`read_due`](Self::read_due) after each flush.
#[derive(Debug)]
pub struct PeriodUsage {
    store: Arc<dyn UsageStore>,
    meter: MeterId,
    tenants: papaya::HashMap<TenantId, Arc<Slot>, foldhash::fast::RandomState>,
}

/// Of one tenant.
#[derive(Debug)]
struct Slot(ArcSwap<Epoch>);

/// One tenant's usage in one period.
#[derive(Debug)]
struct Epoch {
    period: Period,
    span: Span,
    /// What others have counted, at the least: the most by which the store was ever ahead of what this node had counted.
    base: AtomicI64,
    /// What this node has counted.
    counted: AtomicU64,
    /// When the store was read last.
    read_ms: AtomicI64,
    /// When somebody last wanted to know, within [`NOTED`], and how much was left then, as far as that makes a difference.
    checked_ms: AtomicI64,
    left: AtomicU64,
}

impl PeriodUsage {
    /// Of this meter. Knows nothing yet.
    pub fn new(store: Arc<dyn UsageStore>, meter: MeterId) -> Self {
        Self { store, meter, tenants: papaya::HashMap::default() }
    }

    /// Whether `quantity` more has room at `now`. Asks nobody.
    pub fn check(&self, tenant: TenantId, quota: &Quota, quantity: u64, now: Timestamp) -> Check {
        let minute = Minute::of(now).unwrap_or(Minute::EPOCH);
        let tenants = self.tenants.pin();
        let slot = tenants.get_or_insert_with(tenant, || Arc::new(Slot::new(quota.period, minute)));
        let epoch = slot.at(quota.period, minute);
        let check = quota.check(epoch.used(), quantity, minute);
        let left = match check {
            Check::Allow { remaining } | Check::Warn { remaining } => remaining,
            Check::Deny { .. } => 0,
        };
        epoch.note(left, now);
        check
    }

    /// So much more was recorded.
    pub fn add(&self, tenant: TenantId, quantity: u64) {
        if let Some(slot) = self.tenants.pin().get(&tenant) {
            slot.0.load().counted.fetch_add(quantity, Ordering::Relaxed);
        }
    }

    /// How much is known to be used in the period of `now`, of periods such as this; `None` of a tenant that nobody has checked in it, or that
    /// was not read yet.
    pub fn known(&self, tenant: TenantId, period: Period, now: Timestamp) -> Option<u64> {
        let minute = Minute::of(now).unwrap_or(Minute::EPOCH);
        let tenants = self.tenants.pin();
        let epoch = tenants.get(&tenant)?.0.load();
        (epoch.period == period && epoch.span.contains(minute) && epoch.read_ms.load(Ordering::Relaxed) != NEVER)
            .then(|| epoch.used())
    }

    /// Reads from the store what is used by those whose reading is too old, at most `most` of them, the one that is overdue the longest first; says how many. To be
    /// called after what this node has counted was sent, and by one task at a time.
    ///
    /// A few are read at a time. One that cannot be read is told in the log, and has its turn again when a reading of it would be too old.
    ///
    /// # Errors
    /// The store is unavailable: all have their turn the next time.
    pub async fn read_due(&self, now: Timestamp, most: usize) -> StoreResult<usize> {
        let mut due = self.due(now);
        due.truncate(most);
        let count = due.len();
        let readings = stream::iter(due).map(|(_, tenant, epoch)| async move {
            match self.read(tenant, &epoch, now).await {
                Err(error) if *error.kind() != StoreErrorKind::Unavailable => {
                    epoch.read_ms.store(now.as_ms(), Ordering::Relaxed);
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(tenant.id = %tenant, error, "What a tenant has used cannot be read");
                    Ok(())
                }
                outcome => outcome,
            }
        });
        readings.buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        Ok(count)
    }

    /// Those that are to be read, in order; forgets those that nobody asks about.
    fn due(&self, now: Timestamp) -> Vec<(i64, TenantId, Arc<Epoch>)> {
        let tenants = self.tenants.pin();
        tenants.retain(|_, slot| slot.0.load().is_wanted(now));
        let due = tenants.iter().filter_map(|(tenant, slot)| {
            let epoch = slot.0.load_full();
            epoch.due_ms(now).map(|due_ms| (due_ms, *tenant, epoch))
        });
        let mut due: Vec<_> = due.collect();
        due.sort_unstable_by_key(|(due_ms, tenant, _)| (*due_ms, *tenant));
        due
    }

    async fn read(&self, tenant: TenantId, epoch: &Epoch, now: Timestamp) -> StoreResult<()> {
        let invalid = |error| StoreError::new(StoreErrorKind::Refused("period"), OPERATION).caused_by(error);
        let mut stored = 0_u64;
        for query in UsageQuery::covering(self.meter, epoch.span).map_err(invalid)? {
            stored = stored.saturating_add(Bucket::sum(&self.store.series(tenant, &query).await?));
        }
        // What the store tells has some of what was counted here, and maybe not all: taking all of it away leaves what others have counted at
        // the least. Of two such figures the greater is the better one.
        let counted = epoch.counted.load(Ordering::Relaxed);
        let [stored, counted] = [stored, counted].map(|figure| i64::try_from(figure).unwrap_or(i64::MAX));
        epoch.base.fetch_max(stored - counted, Ordering::Relaxed);
        epoch.read_ms.store(now.as_ms(), Ordering::Relaxed);
        Ok(())
    }
}

impl Slot {
    fn new(period: Period, minute: Minute) -> Self {
        Self(ArcSwap::from_pointee(Epoch::new(period, minute)))
    }

    /// The epoch of a minute. A clock that steps back does not lead into a period that is over.
    fn at(&self, period: Period, minute: Minute) -> Guard<Arc<Epoch>> {
        let current = self.0.load();
        if current.is_of(period, minute) {
            return current;
        }
        self.0.rcu(
            |current| {
                if current.is_of(period, minute) { Arc::clone(current) } else { Arc::new(Epoch::new(period, minute)) }
            },
        );
        self.0.load()
    }
}

impl Epoch {
    fn new(period: Period, minute: Minute) -> Self {
        Self {
            period,
            span: period.span(minute),
            base: AtomicI64::new(0),
            counted: AtomicU64::new(0),
            read_ms: AtomicI64::new(NEVER),
            checked_ms: AtomicI64::new(NEVER),
            left: AtomicU64::new(0),
        }
    }

    fn is_of(&self, period: Period, minute: Minute) -> bool {
        self.period == period && minute < self.span.until()
    }

    /// Somebody has checked. What every request writes, cores take from each other: so it is written only where it makes a difference.
    fn note(&self, left: u64, now: Timestamp) {
        if interval(self.left.load(Ordering::Relaxed)) != interval(left) {
            self.left.store(left, Ordering::Relaxed);
        }
        let [checked, read] = [&self.checked_ms, &self.read_ms].map(|moment| moment.load(Ordering::Relaxed));
        let is_noted = checked >= read && checked <= now.as_ms() && now < Timestamp::from_ms(checked).plus(NOTED);
        if !is_noted {
            self.checked_ms.store(now.as_ms(), Ordering::Relaxed);
        }
    }

    fn used(&self) -> u64 {
        let counted = i64::try_from(self.counted.load(Ordering::Relaxed)).unwrap_or(i64::MAX);
        u64::try_from(self.base.load(Ordering::Relaxed).saturating_add(counted)).unwrap_or(0)
    }

    fn is_wanted(&self, now: Timestamp) -> bool {
        let checked = self.checked_ms.load(Ordering::Relaxed);
        // One that is being made was not checked yet.
        checked == NEVER || now < Timestamp::from_ms(checked).plus(FORGOTTEN)
    }

    /// Since when a reading is due, if it is.
    fn due_ms(&self, now: Timestamp) -> Option<i64> {
        let [read, checked] = [&self.read_ms, &self.checked_ms].map(|moment| moment.load(Ordering::Relaxed));
        // Also one that a clock made which was ahead.
        if read == NEVER || read > now.as_ms() {
            return Some(NEVER);
        }
        let due = Timestamp::from_ms(read).plus(interval(self.left.load(Ordering::Relaxed)));
        (checked >= read && now >= due).then(|| due.as_ms())
    }
}

/// How old a reading may get when so much is left.
fn interval(left: u64) -> Duration {
    Duration::from_secs(left / 2 / OTHERS_PER_SECOND).clamp(SOONEST, LATEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_are_closer_together_the_less_is_left() {
        assert_eq!(interval(0), SOONEST);
        assert_eq!(interval(20_000), SOONEST);
        assert_eq!(interval(100_000), Duration::from_secs(50));
        assert_eq!(interval(u64::MAX), LATEST);
    }
}
