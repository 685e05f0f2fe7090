//! A quota that several nodes together never exceed.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use togglebox_core::{Entropy, StoreError, StoreErrorKind, StoreResult, TenantId, Timestamp};
use tokio::sync::Mutex;

use crate::pool::{Ask, Leased, Pool, Step};
use crate::store::{Bucket, UsageQuery, UsageStore};
use crate::{Check, MeterId, Minute, Quota, Span, WriterId};

const OPERATION: &str = "usage.lease";

/// The part of what is left that a node takes at a time: the nearer the limit, the fewer units lie where nobody asks for them.
const SHARE: u64 = 100;
/// The most that it takes at a time, and so what is lost of a quota with a process that is killed.
const MOST: u64 = 1000;
/// What nobody has asked for so long is given back.
const IDLE: Duration = Duration::from_secs(10);
/// How many are left is not known any more after this: others take them. Whoever does not know it takes one.
const STALE: Duration = Duration::from_secs(10);
/// A pool that was empty is asked again after this.
const EMPTY: Duration = Duration::from_secs(1);
/// A store that did not answer is asked again after this.
const FAILED: Duration = Duration::from_secs(1);
/// Pools forget whom they have not heard of for [some time](Pool::FORGOTTEN). Well before that, by whichever node's clock, a node gives back
/// what it holds, or takes another id: to one that was forgotten a pool would grant all anew that it ever held.
const QUIET: Duration = Duration::from_secs(Pool::FORGOTTEN.as_secs() / 2);
/// Pools of periods that have been over for so long, and that nobody has asked for, are forgotten here.
const OVER: Duration = Duration::from_hours(1);
/// How many are given back at a time.
const AT_ONCE: usize = 8;

/// Never, in milliseconds since 1970.
const NEVER: i64 = i64::MIN;

/// A *hard* quota of one meter, of each tenant: all nodes together never spend more than its limit in a period.
///
/// A node takes units from the store, a hundredth of those that are left and at most 1,000 (one, where it has not heard for ten seconds how
/// many are left), and spends them without asking anybody. What a tenant has not asked for within ten seconds goes back with
/// [`keep`](Self::keep), the rest with [`finish`](Self::finish); so, if no process is killed, the whole limit can be spent, by whichever node
/// is asked. A killed process takes with it what it held and had not spent: that counts as spent until the period ends, at most a hundredth of
/// what was left when it took it, and 1,000. A limit that is lowered takes nothing away from nodes that hold more.
///
/// Where the store cannot be asked and nothing is left here, it is not known whether there is room, and nobody is let in.
///
/// What the store has counted in a period until a node takes its first unit counts as spent, so that a quota which becomes a hard one in the
/// middle of a period goes on where it was; so it is again when a node has not needed the store for some minutes. What nodes have counted and
/// not sent at that moment is missing from it, those of this one too, and what is in a queue.
#[derive(Debug)]
pub struct LeasedQuota {
    store: Arc<dyn UsageStore>,
    meter: MeterId,
    entropy: Arc<dyn Entropy>,
    tenants: papaya::HashMap<(TenantId, Minute), Arc<Slot>, foldhash::fast::RandomState>,
}

/// What this node has of one tenant's units in one period.
#[derive(Debug)]
struct Slot {
    tenant: TenantId,
    from: Minute,
    /// The number of the minute in which the period ends, of those that were told the latest: an end may be moved.
    until: AtomicU32,
    /// Units that are here and not spent.
    left: AtomicU64,
    /// When somebody last wanted one.
    asked_ms: AtomicI64,
    /// The clock of the last step of the current holder that the store has answered.
    seen_ms: AtomicI64,
    held: Mutex<Held>,
}

/// What the store has been asked, one step after the other.
#[derive(Debug)]
struct Held {
    /// Under which id.
    holder: WriterId,
    /// How many units this node holds in all, spent ones too, as far as it knows: never more than the store knows of.
    units: u64,
    /// The number of the last step.
    number: u64,
    /// How many units all held as of the last answer, and when it came.
    granted: Option<(u64, Timestamp)>,
    /// The limit as of the last time that a unit was asked for.
    limit: u64,
    /// Until when it is taken for granted that there is none; the last answer was that there was none.
    empty_until: Option<Timestamp>,
    /// Until when it is taken for granted that the store does not answer: whoever waited for an answer that did not come waits for no other.
    failed_until: Option<Timestamp>,
    /// Whether the store may take this node to hold more than it does: what it gives back did not arrive, or what it was granted.
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
    /// Of this meter, for this process, which gives itself ids from `entropy`. Holds nothing yet.
    pub fn new(store: Arc<dyn UsageStore>, meter: MeterId, entropy: Arc<dyn Entropy>) -> Self {
        Self { store, meter, entropy, tenants: papaya::HashMap::default() }
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
    /// There is none here, and the store does not say whether there are more; `Unavailable` also, without asking it again, within a second
    /// after it did not answer.
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
                if held.failed_until.is_some_and(|until| now < until) {
                    return Err(StoreError::new(StoreErrorKind::Unavailable, OPERATION));
                }
                match self.fetch(&slot, &mut held, quota, now).await {
                    // Others may be faster than whoever has waited: the first is taken before they see any.
                    Ok(true) => return Ok(Ok(Unit(Some(Arc::clone(&slot))))),
                    Ok(false) => held.empty_until = Some(now.plus(EMPTY)),
                    Err(error) => {
                        if *error.kind() == StoreErrorKind::Unavailable {
                            held.failed_until = Some(slot.asked_last(now).plus(FAILED));
                        }
                        return Err(error);
                    }
                }
            }
            // One may have come back meanwhile.
            if slot.left.load(Ordering::Acquire) == 0 {
                let used = held.granted.map_or(0, |(granted, _)| granted);
                let resets_at = period(quota, now).until().start();
                return Ok(Err(Check::Deny { limit: quota.limit, used, resets_at }));
            }
        }
    }

    /// Gives back what tenants have not asked for within ten seconds, and what the store has not been asked about for so long that it might
    /// forget who holds it. To be called every few seconds.
    pub async fn keep(&self, now: Timestamp) {
        let slots = {
            let tenants = self.tenants.pin();
            tenants.retain(|_, slot| !slot.is_over(now));
            tenants.values().filter(|slot| slot.is_idle(now) || slot.is_quiet(now)).map(Arc::clone).collect::<Vec<_>>()
        };
        self.give_back(slots, now, Ask::Keep).await;
    }

    /// Gives everything back. To be called when nothing more is taken, at the end of a process.
    pub async fn finish(&self, now: Timestamp) {
        let slots = self.tenants.pin().values().map(Arc::clone).collect::<Vec<_>>();
        self.give_back(slots, now, Ask::End).await;
    }

    fn slot(&self, tenant: TenantId, quota: &Quota, now: Timestamp) -> Arc<Slot> {
        let span = period(quota, now);
        let tenants = self.tenants.pin();
        let new = || Arc::new(Slot::new(tenant, span, Held::new(WriterId::random(&*self.entropy))));
        let slot = tenants.get_or_insert_with((tenant, span.from()), new);
        slot.lasts_until(span.until());
        Arc::clone(slot)
    }

    /// Goes on under another id, of which no pool knows anything.
    fn renew(&self, slot: &Slot, held: &mut Held) {
        *held = Held {
            granted: held.granted,
            limit: held.limit,
            empty_until: held.empty_until,
            ..Held::new(WriterId::random(&*self.entropy))
        };
        slot.seen_ms.store(NEVER, Ordering::Relaxed);
    }

    fn step(&self, slot: &Slot, held: &mut Held, ask: Ask, now: Timestamp) -> Step {
        held.number += 1;
        Step {
            meter: self.meter,
            period: slot.from,
            holder: held.holder,
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
        if held.empty_until.is_some() && !held.owes && self.is_empty_still(slot, held, now).await? {
            return Ok(false);
        }
        if slot.is_quiet(now) {
            if held.owes {
                let step = self.step(slot, held, Ask::Keep(held.units), now);
                self.store.lease(slot.tenant, &step).await?;
            }
            self.renew(slot, held);
        }
        let leased = if let Some(leased) = self.hold(slot, held, quota, now).await? {
            leased
        } else {
            // The pool is gone, and with it what this node held.
            self.renew(slot, held);
            let begun = self.hold(slot, held, quota, now).await?;
            begun.ok_or_else(|| StoreError::new(StoreErrorKind::Corrupt, OPERATION))?
        };
        Ok(slot.receive(held, leased, now))
    }

    /// Looks at a pool that was empty: of many nodes that ask again and again, none writes.
    async fn is_empty_still(&self, slot: &Slot, held: &mut Held, now: Timestamp) -> StoreResult<bool> {
        let step = self.step(slot, held, Ask::Look, now);
        let Some(leased) = self.store.lease(slot.tenant, &step).await? else { return Ok(false) };
        held.told(leased, now);
        Ok(leased.granted >= held.limit)
    }

    /// Asks for more units. Whoever does not wait for the answer, or gets none, owes what may have been granted.
    async fn hold(&self, slot: &Slot, held: &mut Held, quota: &Quota, now: Timestamp) -> StoreResult<Option<Leased>> {
        let used = if slot.is_seen() { None } else { Some(self.used(slot.tenant, period(quota, now)).await?) };
        let known = held.granted.filter(|(_, at)| now < at.plus(STALE));
        let free = known.map_or(0, |(granted, _)| held.limit.saturating_sub(granted));
        let ask = Ask::Hold(held.units.saturating_add((free / SHARE).clamp(1, MOST)));
        let step = Step { used, ..self.step(slot, held, ask, now) };
        held.owes = true;
        self.store.lease(slot.tenant, &step).await
    }

    /// What was counted in the period so far.
    async fn used(&self, tenant: TenantId, period: Span) -> StoreResult<u64> {
        let invalid = |error| StoreError::new(StoreErrorKind::Refused("period"), OPERATION).caused_by(error);
        let mut used = 0_u64;
        for query in UsageQuery::covering(self.meter, period).map_err(invalid)? {
            used = used.saturating_add(Bucket::sum(&self.store.series(tenant, &query).await?));
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
                Ok(Some(leased)) if !is_end && slot.is_seen() => slot.given_back(&mut held, leased, now),
                // Whoever has ended is no holder any more, nor is anybody of a pool that is gone; and whose first step got lost has told no
                // pool yet what was used.
                Ok(_) => self.renew(&slot, &mut held),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(tenant.id = %slot.tenant, error, "Units of a quota could not be given back yet");
                }
            }
        });
        calls.buffer_unordered(AT_ONCE).collect::<()>().await;
    }
}

fn period(quota: &Quota, now: Timestamp) -> Span {
    quota.period.span(Minute::of(now).unwrap_or(Minute::EPOCH))
}

impl Held {
    /// Nothing yet.
    const fn new(holder: WriterId) -> Self {
        Self { holder, units: 0, number: 0, granted: None, limit: 0, empty_until: None, failed_until: None, owes: false }
    }

    fn told(&mut self, leased: Leased, now: Timestamp) {
        self.granted = Some((leased.granted, now));
        self.failed_until = None;
    }
}

impl Slot {
    fn new(tenant: TenantId, span: Span, held: Held) -> Self {
        Self {
            tenant,
            from: span.from(),
            until: AtomicU32::new(span.until().number()),
            left: AtomicU64::new(0),
            asked_ms: AtomicI64::new(NEVER),
            seen_ms: AtomicI64::new(NEVER),
            held: Mutex::new(held),
        }
    }

    fn take(self: &Arc<Self>, now: Timestamp) -> Option<Unit> {
        self.asked_ms.fetch_max(now.as_ms(), Ordering::Relaxed);
        let taken = self.left.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1));
        taken.is_ok().then(|| Unit(Some(Arc::clone(self))))
    }

    /// What the store says that this node holds. It may be more than was asked for: what it was not known to have given. Of what has come,
    /// one is the caller's; whether there is one.
    fn receive(&self, held: &mut Held, leased: Leased, now: Timestamp) -> bool {
        let more = leased.units.saturating_sub(held.units);
        held.units += more;
        held.empty_until = held.empty_until.filter(|_| more == 0);
        self.left.fetch_add(more.saturating_sub(1), Ordering::Release);
        self.given_back(held, leased, now);
        more > 0
    }

    /// What the store says after nothing more was asked for: it may have forgotten what this node holds.
    fn given_back(&self, held: &mut Held, leased: Leased, now: Timestamp) {
        held.units = held.units.min(leased.units);
        held.owes = false;
        held.told(leased, now);
        self.seen_ms.fetch_max(now.as_ms(), Ordering::Relaxed);
    }

    /// The clock of whoever asked last, as good as now when somebody has waited since `before`. One that was set back meanwhile is not
    /// believed for long.
    fn asked_last(&self, before: Timestamp) -> Timestamp {
        Timestamp::from_ms(self.asked_ms.load(Ordering::Relaxed)).clamp(before, before.plus(IDLE))
    }

    fn until(&self) -> Minute {
        Minute::from_number(self.until.load(Ordering::Relaxed))
    }

    fn lasts_until(&self, until: Minute) {
        // A look first: most of the time there is nothing to be changed, and others look at the same time.
        if self.until() < until {
            self.until.fetch_max(until.number(), Ordering::Relaxed);
        }
    }

    fn is_over(&self, now: Timestamp) -> bool {
        let asked = Timestamp::from_ms(self.asked_ms.load(Ordering::Relaxed));
        now >= self.until().start().plus(OVER) && now >= asked.plus(OVER)
    }

    fn is_idle(&self, now: Timestamp) -> bool {
        now >= Timestamp::from_ms(self.asked_ms.load(Ordering::Relaxed)).plus(IDLE)
    }

    /// Whether the store has answered a step of the holder.
    fn is_seen(&self) -> bool {
        self.seen_ms.load(Ordering::Relaxed) != NEVER
    }

    /// Whether a pool may soon forget the holder.
    fn is_quiet(&self, now: Timestamp) -> bool {
        self.is_seen() && now >= Timestamp::from_ms(self.seen_ms.load(Ordering::Relaxed)).plus(QUIET)
    }
}
