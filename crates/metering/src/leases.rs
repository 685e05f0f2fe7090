//! A quota that several nodes together never exceed.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use togglebox_core::{Entropy, StoreError, StoreErrorKind, StoreResult, TenantId, Timestamp};
use tokio::sync::Mutex;

use crate::pool::{Ask, Leased, Step};
use crate::store::{Bucket, UsageQuery, UsageStore};
use crate::{Check, MeterId, Minute, Quota, Span, WriterId};

const OPERATION: &str = "usage.lease";

/// The part of what is left that a node takes at a time: the nearer the limit, the fewer units lie where nobody asks for them.
const SHARE: u64 = 100;
/// The most that it takes at a time, and so what is lost of a quota with a process that is killed.
const MOST: u64 = 1000;
/// What nobody has asked for so long is given back.
const IDLE: Duration = Duration::from_secs(10);
/// A pool that was empty is asked again after this.
const EMPTY: Duration = Duration::from_secs(1);
/// Pools of periods that have been over for so long are forgotten here.
const OVER: Duration = Duration::from_hours(1);
/// How many are given back at a time.
const AT_ONCE: usize = 8;

/// A *hard* quota of one meter, of each tenant: all nodes together never spend more than its limit in a period.
///
/// A node takes units from the store, a hundredth of those that are left and at most 1,000, and spends them without asking anybody. What a
/// tenant has not asked for within ten seconds goes back with [`keep`](Self::keep), the rest with [`finish`](Self::finish); so, if no
/// process is killed, the whole limit can be spent, by whichever node is asked. A killed process takes with it what it held and had not
/// spent: that counts as spent until the period ends, at most a hundredth of what was left when it took it, and 1,000.
///
/// Where the store cannot be asked and nothing is left here, it is not known whether there is room, and nobody is let in.
///
/// The first unit of a period is taken from what the store has counted until then, so that a quota which becomes a hard one in the middle of
/// a period goes on where it was. What other nodes have counted and not sent at that moment is missing from it.
#[derive(Debug)]
pub struct LeasedQuota {
    store: Arc<dyn UsageStore>,
    meter: MeterId,
    holder: WriterId,
    tenants: papaya::HashMap<(TenantId, Minute), Arc<Slot>, foldhash::fast::RandomState>,
}

/// What this node has of one tenant's units in one period.
#[derive(Debug)]
struct Slot {
    tenant: TenantId,
    span: Span,
    /// Units that are here and not spent.
    left: AtomicU64,
    /// When somebody last wanted one.
    asked_ms: AtomicI64,
    held: Mutex<Held>,
}

/// What the store has been asked, one step after the other.
#[derive(Debug, Default)]
struct Held {
    /// How many units this node holds in all, spent ones too, as far as it knows: never more than the store knows of.
    units: u64,
    /// The number of the last step.
    number: u64,
    /// Of the last answer.
    granted: Option<u64>,
    /// The limit as of the last time that a unit was asked for.
    limit: u64,
    /// Until when it is taken for granted that there is none.
    empty_until: Option<Timestamp>,
    /// Whether the store may not know yet that units were given back.
    owes: bool,
}

/// A unit that was taken. It is given back when it is dropped, unless it is [spent](Self::spend).
#[derive(Debug)]
#[must_use = "a unit that is dropped is given back"]
pub struct Unit(Option<Arc<Slot>>);

impl Unit {
    /// What it was taken for is done.
    pub fn spend(mut self) {
        self.0 = None;
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        if let Some(slot) = &self.0 {
            slot.left.fetch_add(1, Ordering::Release);
        }
    }
}

impl LeasedQuota {
    /// Of this meter, for this process. Holds nothing yet.
    pub fn new(store: Arc<dyn UsageStore>, meter: MeterId, entropy: &(impl Entropy + ?Sized)) -> Self {
        Self { store, meter, holder: WriterId::random(entropy), tenants: papaya::HashMap::default() }
    }

    /// A unit that is here already. Asks nobody.
    pub fn take_now(&self, tenant: TenantId, quota: &Quota, now: Timestamp) -> Option<Unit> {
        self.slot(tenant, quota, now).take(now)
    }

    /// A unit, or why there is none: a [`Check::Deny`].
    ///
    /// Dropping the future may leave units with this node that it has not spent; they are there for the next one.
    ///
    /// # Errors
    /// There is none here, and the store does not say whether there are more.
    pub async fn take(&self, tenant: TenantId, quota: &Quota, now: Timestamp) -> StoreResult<Result<Unit, Check>> {
        let slot = self.slot(tenant, quota, now);
        loop {
            if let Some(unit) = slot.take(now) {
                return Ok(Ok(unit));
            }
            let mut held = slot.held.lock().await;
            // Whoever waited may find what another one has brought.
            if let Some(unit) = slot.take(now) {
                return Ok(Ok(unit));
            }
            let is_known = held.limit == quota.limit && held.empty_until.is_some_and(|until| now < until);
            if !is_known {
                held.empty_until = None;
                if self.fetch(&slot, &mut held, quota, now).await? {
                    // Others may be faster than whoever has waited: the first is taken before they see any.
                    return Ok(Ok(Unit(Some(Arc::clone(&slot)))));
                }
                held.empty_until = Some(now.plus(EMPTY));
            }
            // One may have come back meanwhile.
            if slot.left.load(Ordering::Acquire) == 0 {
                let used = held.granted.unwrap_or_default();
                return Ok(Err(Check::Deny { limit: quota.limit, used, resets_at: slot.span.until().start() }));
            }
        }
    }

    /// Gives back what tenants have not asked for within ten seconds. To be called every few seconds.
    pub async fn keep(&self, now: Timestamp) {
        let slots = {
            let tenants = self.tenants.pin();
            tenants.retain(|_, slot| now < slot.span.until().start().plus(OVER));
            tenants.values().filter(|slot| slot.is_idle(now)).map(Arc::clone).collect::<Vec<_>>()
        };
        self.give_back(slots, now, Ask::Keep).await;
    }

    /// Gives everything back. To be called when nothing more is taken, at the end of a process.
    pub async fn finish(&self, now: Timestamp) {
        let slots = self.tenants.pin().values().map(Arc::clone).collect::<Vec<_>>();
        self.give_back(slots, now, Ask::End).await;
    }

    fn slot(&self, tenant: TenantId, quota: &Quota, now: Timestamp) -> Arc<Slot> {
        let span = quota.period.span(Minute::of(now).unwrap_or(Minute::EPOCH));
        let tenants = self.tenants.pin();
        Arc::clone(tenants.get_or_insert_with((tenant, span.from()), || Arc::new(Slot::new(tenant, span))))
    }

    fn step(&self, slot: &Slot, held: &mut Held, ask: Ask, now: Timestamp) -> Step {
        held.number += 1;
        Step {
            meter: self.meter,
            period: slot.span.from(),
            holder: self.holder,
            number: held.number,
            limit: held.limit,
            used: None,
            now,
            ask,
        }
    }

    /// Takes units from the store, if there are any: one for the caller, who is told so, and the others for whoever comes.
    async fn fetch(&self, slot: &Slot, held: &mut Held, quota: &Quota, now: Timestamp) -> StoreResult<bool> {
        held.limit = quota.limit;
        let free = quota.limit.saturating_sub(held.granted.unwrap_or_default());
        let wanted = held.units.saturating_add((free / SHARE).clamp(1, MOST));
        let step = self.step(slot, held, Ask::Hold(wanted), now);
        let leased = if let Some(leased) = self.store.lease(slot.tenant, &step).await? {
            leased
        } else {
            let (used, first) = (self.used(slot).await?, held.units.saturating_add(1));
            let begin = Step { used: Some(used), ..self.step(slot, held, Ask::Hold(first), now) };
            let begun = self.store.lease(slot.tenant, &begin).await?;
            begun.ok_or_else(|| StoreError::new(StoreErrorKind::Corrupt, OPERATION))?
        };
        Ok(slot.receive(held, leased))
    }

    /// What was counted in the period so far.
    async fn used(&self, slot: &Slot) -> StoreResult<u64> {
        let invalid = |error| StoreError::new(StoreErrorKind::Refused("period"), OPERATION).caused_by(error);
        let mut used = 0_u64;
        for query in UsageQuery::covering(self.meter, slot.span).map_err(invalid)? {
            used = used.saturating_add(Bucket::sum(&self.store.series(slot.tenant, &query).await?));
        }
        Ok(used)
    }

    async fn give_back(&self, slots: Vec<Arc<Slot>>, now: Timestamp, ask: impl Fn(u64) -> Ask + Copy) {
        let calls = stream::iter(slots).map(|slot| async move {
            let mut held = slot.held.lock().await;
            let left = slot.left.swap(0, Ordering::AcqRel);
            let is_end = matches!(ask(0), Ask::End(_));
            if left == 0 && !held.owes && !(is_end && held.number > 0) {
                return;
            }
            // From here on they are no longer here, whether the store hears of it or not.
            held.units = held.units.saturating_sub(left);
            held.owes = true;
            let ask = ask(held.units);
            let step = self.step(&slot, &mut held, ask, now);
            match self.store.lease(slot.tenant, &step).await {
                Ok(leased) => {
                    held.owes = false;
                    held.granted = leased.map(|leased| leased.granted).or(held.granted);
                }
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(tenant.id = %slot.tenant, error, "Units of a quota could not be given back yet");
                }
            }
        });
        calls.buffer_unordered(AT_ONCE).collect::<()>().await;
    }
}

impl Slot {
    fn new(tenant: TenantId, span: Span) -> Self {
        let (left, asked_ms) = (AtomicU64::new(0), AtomicI64::new(i64::MIN));
        Self { tenant, span, left, asked_ms, held: Mutex::default() }
    }

    fn take(self: &Arc<Self>, now: Timestamp) -> Option<Unit> {
        self.asked_ms.fetch_max(now.as_ms(), Ordering::Relaxed);
        let taken = self.left.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1));
        taken.is_ok().then(|| Unit(Some(Arc::clone(self))))
    }

    /// What the store says that this node holds. It may be more than was asked for: what it was not known to have given. Of what has come,
    /// one is the caller's; whether there is one.
    fn receive(&self, held: &mut Held, leased: Leased) -> bool {
        held.granted = Some(leased.granted);
        held.owes = false;
        let more = leased.units.saturating_sub(held.units);
        held.units += more;
        self.left.fetch_add(more.saturating_sub(1), Ordering::Release);
        more > 0
    }

    fn is_idle(&self, now: Timestamp) -> bool {
        now >= Timestamp::from_ms(self.asked_ms.load(Ordering::Relaxed)).plus(IDLE)
    }
}
