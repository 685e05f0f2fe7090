//! One group of limits: what is remembered of it, what was taken for it in advance, the store, or this node alone.

use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use togglebox_core::{StoreErrorKind, StoreResult};
use tokio::sync::oneshot;

use super::Inner;
use super::deny_cache::{Known, Wait};
use super::guard::in_background;
use super::lease::{self, Granted, LeaseBook, Unit};
use super::metrics::Said;
use super::plan::Group;
use crate::batch::{Batch, Grant, Limit, PerLimit, Reply, Standing};
use crate::decision::{AllTaken, Decision, LimitReport, Outcome, Reports, Source, Taken};
use crate::gcra::Reading;
use crate::key::{Digest, PolicyName};
use crate::policy::{Lease, Mode, OnOutage};
use crate::store::LimitStore;

/// When to come again where nobody can tell.
const RETRY_WHEN_UNAVAILABLE: Duration = Duration::from_secs(1);

/// What came of asking one group.
#[derive(Debug)]
pub(super) struct Answer {
    source: Source,
    /// The policy that lets nothing through, since nobody can tell.
    unavailable: Option<usize>,
    /// How limits stand, as far as it is known.
    standings: PerLimit<Option<Standing>>,
    /// Of how many nodes' part the standings are told: of one, of the whole.
    nodes: u32,
    taken: Option<Taken>,
}

impl Answer {
    /// Whether a group of enforced limits lets nothing through.
    pub(super) fn is_refusal(&self) -> bool {
        self.unavailable.is_some() || self.standings.iter().flatten().any(|standing| !standing.passed)
    }

    /// What was taken.
    pub(super) fn into_taken(self) -> Option<Taken> {
        self.taken
    }
}

/// What came of asking groups, so far.
#[derive(Debug)]
pub(super) struct Asked {
    outcome: Outcome,
    source: Source,
    limits: Reports,
    taken: AllTaken,
}

impl Default for Asked {
    fn default() -> Self {
        let Decision { outcome, source, limits, taken } = Decision::unlimited();
        Self { outcome, source, limits, taken }
    }
}

impl Asked {
    /// Adds what a group said. `false` when that ends the matter.
    pub(super) fn add(&mut self, inner: &Inner, group: &Group, answer: Answer) -> bool {
        let mut denied: Option<(PolicyName, Duration)> = None;
        let mut enforced = false;
        for (place, (number, mode)) in group.policies.iter().enumerate() {
            let policy = &inner.policies[*number];
            enforced |= *mode == Mode::Enforce;
            let standing = answer.standings.get(place).copied().flatten();
            let said = match standing {
                _ if answer.unavailable == Some(*number) => Said::Unavailable,
                Some(standing) if !standing.passed => Said::Denied,
                _ => Said::Allowed,
            };
            inner.metrics.decided(*number, said, answer.source, *mode);
            let Some(standing) = standing else { continue };
            if *mode == Mode::Enforce && !standing.passed && denied.is_none_or(|(_, wait)| wait < standing.retry_after) {
                denied = Some((policy.name(), standing.retry_after));
            }
            let quota = group.batch.limits()[place].quota().share(answer.nodes);
            self.limits.push(LimitReport { policy: policy.name(), quota, mode: *mode, standing });
        }
        if !enforced {
            // What only watches decides nothing, and its charge is not for this request.
            return true;
        }
        self.source = self.source.max(answer.source);
        self.taken.extend(answer.taken);
        self.outcome = if let Some(number) = answer.unavailable {
            Outcome::Unavailable { policy: inner.policies[number].name(), retry_after: RETRY_WHEN_UNAVAILABLE }
        } else if let Some((policy, retry_after)) = denied {
            Outcome::Denied { policy, retry_after }
        } else {
            return true;
        };
        false
    }

    /// What came of asking one group, where there are no others: a group that ends the matter has taken nothing.
    pub(super) fn one(inner: &Inner, group: &Group, answer: Answer) -> Decision {
        let mut asked = Self::default();
        asked.add(inner, group, answer);
        asked.decision()
    }

    /// What was taken by groups that passed before one did not.
    pub(super) fn take_back(&mut self) -> AllTaken {
        std::mem::take(&mut self.taken)
    }

    pub(super) fn decision(self) -> Decision {
        Decision { outcome: self.outcome, source: self.source, limits: self.limits, taken: self.taken }
    }
}

impl Inner {
    /// Asks without waiting: a denial that holds, a unit that is held, a store within the process, or this node alone when the store is
    /// not to be asked.
    pub(super) fn ask_now(self: &Arc<Self>, group: &Group) -> Option<Answer> {
        if let Some(reply) = self.store.consume_now(&group.batch) {
            return Some(self.answer(group, reply, false));
        }
        if let Some(answer) = self.remembered(group) {
            return Some(answer);
        }
        if !self.guard(group.batch.tag()).is_closed() {
            self.probe_in_background(group.batch.tag());
            return Some(self.without_store(group));
        }
        let lease = self.lease(group)?;
        let name = LeaseBook::name(&group.batch);
        let unit = self.leases.take_held(&name, &group.batch, lease, self.nodes(), self.stopwatch.now_us())?;
        Some(self.used(group, &unit, name, lease))
    }

    /// Asks the store.
    pub(super) async fn ask(self: &Arc<Self>, group: &Group) -> Answer {
        if let Some(lease) = self.lease(group) {
            let name = LeaseBook::name(&group.batch);
            let taken = self.leases.take(&name, &group.batch, lease, self.nodes(), self.stopwatch.now_us());
            match taken {
                lease::Taken::Unit(unit) => return self.used(group, &unit, name, lease),
                lease::Taken::Pause { us } => return used_up(group, &us),
                lease::Taken::None { ask } => {
                    self.keep_leases(lease);
                    if ask > 1 {
                        return self.grant(group, name, lease, ask).await;
                    }
                }
                lease::Taken::Never => {}
            }
        }
        let began = self.now_asking(group);
        let reply = self.within_deadline(self.store.consume(&group.batch)).await;
        self.metrics.consume_seconds.record(seconds(self.stopwatch.now_us() - began));
        self.heard(group, reply, began)
    }

    /// Takes units in advance, and uses one of them.
    ///
    /// The store is asked by a task: whoever goes away meanwhile leaves the units to those who come.
    async fn grant(self: &Arc<Self>, group: &Group, name: Digest, lease: Lease, ask: u32) -> Answer {
        let (batch, began) = (group.batch.clone(), self.now_asking(group));
        let (sender, receiver) = oneshot::channel();
        let asking = Asking::of(self, name);
        in_background(async move {
            let granted = asking.inner.granted(&batch, ask).await;
            let inner = Arc::clone(&asking.inner);
            let Some(Ok(grant)) = granted else {
                drop(asking);
                // Whoever does not wait for it any more does not count it either.
                let _ = sender.send(granted);
                return;
            };
            // Decided before the units are there for others.
            let used = u32::from(grant.units > 0 && !sender.is_closed());
            asking.ended(&batch, Granted { grant: grant.clone(), ask, used, asked_us: began }, lease);
            if sender.send(Some(Ok(grant))).is_err() && used == 1 {
                inner.leases.put_back(&name, inner.stopwatch.now_us());
            }
        });
        let granted = receiver.await.unwrap_or_default();
        let Some(Ok(grant)) = granted else {
            return self.heard(group, granted.map(|granted| granted.map(|grant| grant.reply)), began);
        };
        if grant.units == 0 {
            return self.heard(group, Some(Ok(grant.reply)), began);
        }
        self.came_back(group.batch.tag(), true);
        self.fallback.follow(&group.batch.times(grant.units), &grant.reply);
        let mut answer = told(group, &grant.reply, Source::Store);
        answer.taken = Some(Taken::Charge(grant.receipt(&group.batch, 1)));
        answer
    }

    /// What the store grants in time.
    async fn granted(&self, batch: &Batch, ask: u32) -> Option<StoreResult<Grant>> {
        let began = self.stopwatch.now_us();
        let granted = self.within_deadline(self.store.grant(batch, ask)).await;
        self.metrics.grant_seconds.record(seconds(self.stopwatch.now_us() - began));
        granted
    }

    /// Uses a unit that was held, and asks for more where there are few left.
    fn used(self: &Arc<Self>, group: &Group, unit: &Unit, name: Digest, lease: Lease) -> Answer {
        self.metrics.used.increment(1);
        if let Some(ask) = unit.refill {
            self.refill_in_background(group.batch.clone(), name, lease, ask);
        }
        leased(group, &unit.reply, unit.granted, name)
    }

    /// Keeps what was granted, but for what is used at once.
    fn keep(self: &Arc<Self>, batch: &Batch, name: Digest, granted: Granted, lease: Lease) {
        if granted.grant.units > 0 {
            // What is held is for whoever comes.
            batch.limits().iter().for_each(|limit| self.denials.forget(&limit.slot()));
        }
        self.metrics.granted.increment(granted.grant.units.into());
        self.metrics.used.increment(granted.used.into());
        self.leases.add(name, batch, granted, lease);
        self.keep_leases(lease);
    }

    fn refill_in_background(self: &Arc<Self>, batch: Batch, name: Digest, lease: Lease, ask: u32) {
        let asking = Asking::of(self, name);
        in_background(async move {
            let inner = Arc::clone(&asking.inner);
            let began = inner.stopwatch.now_us();
            let granted = inner.granted(&batch, ask).await;
            inner.came_back(batch.tag(), matches!(granted, Some(Ok(_))));
            if let Some(Ok(grant)) = granted {
                inner.fallback.follow(&batch.times(grant.units), &grant.reply);
                asking.ended(&batch, Granted { grant, ask, used: 0, asked_us: began }, lease);
            }
        });
    }

    /// Sees to it that what expires is given back.
    fn keep_leases(self: &Arc<Self>, lease: Lease) {
        let mut kept = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        if *kept {
            return;
        }
        *kept = true;
        // What cannot run is dropped at once, and wants the lock then.
        drop(kept);
        let pause = (lease.life / 2).max(Duration::from_millis(1));
        let keeping = Keeping { inner: Arc::downgrade(self), done: false };
        in_background(async move {
            // All of it moves here: what ends with the task says so.
            let mut keeping = keeping;
            loop {
                tokio::time::sleep(pause).await;
                let Some(inner) = keeping.inner.upgrade() else { return };
                let now = inner.stopwatch.now_us();
                inner.tidy(now).await;
                let mut kept = inner.keeper.lock().unwrap_or_else(PoisonError::into_inner);
                if inner.leases.is_empty() {
                    *kept = false;
                    keeping.done = true;
                    return;
                }
            }
        });
    }

    /// The lease of a group: all its policies have one, and the shortest life counts.
    fn lease(&self, group: &Group) -> Option<Lease> {
        let mut least: Option<Lease> = None;
        for (number, _) in &group.policies {
            let lease = self.policies[*number].lease()?;
            let (life, share) = least.map_or((lease.life, lease.share), |least| (least.life, least.share));
            least = Some(Lease { life: life.min(lease.life), share: share.min(lease.share) });
        }
        least
    }

    /// When the store is asked, for whoever else would ask for the same.
    fn now_asking(&self, group: &Group) -> u64 {
        let now = self.stopwatch.now_us();
        for limit in group.batch.limits() {
            self.denials.asked(&limit.slot(), limit.cost(), now);
        }
        now
    }

    /// A denial that certainly still holds.
    fn remembered(&self, group: &Group) -> Option<Answer> {
        let now = self.stopwatch.now_us();
        let each = group.batch.limits().iter().map(|limit| {
            let Wait { retry_us, reset_us } = self.denials.wait(&limit.slot(), limit.cost(), now)?;
            Some(Standing {
                passed: false,
                reading: Reading { remaining: 0, reset_after: Duration::from_micros(reset_us) },
                retry_after: Duration::from_micros(retry_us),
            })
        });
        let standings: PerLimit<Option<Standing>> = each.collect();
        standings.iter().any(Option::is_some).then_some(Answer {
            source: Source::DenyCache,
            unavailable: None,
            standings,
            nodes: 1,
            taken: None,
        })
    }

    /// What the store said, or did not say in time.
    fn heard(self: &Arc<Self>, group: &Group, reply: Option<StoreResult<Reply>>, began: u64) -> Answer {
        let Some(reply) = reply else {
            self.metrics.late.increment(1);
            self.came_back(group.batch.tag(), false);
            return self.without_store(group);
        };
        if let Ok(reply) = &reply {
            self.fallback.follow(&group.batch, reply);
            self.remember(group, reply, began);
        }
        self.answer(group, reply, true)
    }

    fn answer(self: &Arc<Self>, group: &Group, reply: StoreResult<Reply>, watched: bool) -> Answer {
        match reply {
            Ok(reply) => {
                if watched {
                    self.came_back(group.batch.tag(), true);
                }
                let mut answer = told(group, &reply, Source::Store);
                answer.taken = reply.receipt(&group.batch).map(Taken::Charge);
                answer
            }
            Err(error) => {
                if matches!(error.kind(), StoreErrorKind::LimitReached { .. }) {
                    self.metrics.no_room.increment(1);
                } else {
                    self.metrics.failed.increment(1);
                    tracing::debug!(error = &error as &dyn std::error::Error, "The store of limits failed");
                    if watched {
                        self.came_back(group.batch.tag(), false);
                    }
                }
                self.without_store(group)
            }
        }
    }

    fn remember(&self, group: &Group, reply: &Reply, began: u64) {
        let us = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        for (place, limit) in group.batch.limits().iter().enumerate() {
            let Some(Standing { passed, reading, retry_after }) = reply.standing(&group.batch, place) else { continue };
            let (quota, cost, reset_us) = (limit.quota(), limit.cost(), us(reading.reset_after));
            let step_us = quota.span(cost.into()).us;
            let before_us =
                if passed { quota.tolerance().us.saturating_sub(step_us) } else { reset_us.saturating_sub(us(retry_after)) };
            let known = Known { cost, asked_us: began, reset_us, before_us, step_us };
            if passed {
                self.denials.passed(&limit.slot(), known);
            } else {
                self.denials.remember(limit.slot(), known);
            }
        }
    }

    /// What each policy says for an outage.
    fn without_store(&self, group: &Group) -> Answer {
        let nothing = || group.policies.iter().map(|_| None).collect();
        let outage = |(number, _): &(usize, Mode)| self.policies[*number].outage();
        let closed = group.policies.iter().find(|policy| outage(policy) == OnOutage::Closed && policy.1 == Mode::Enforce);
        if let Some((number, _)) = closed {
            return Answer { source: Source::Fallback, unavailable: Some(*number), standings: nothing(), nodes: 1, taken: None };
        }
        let nodes = self.nodes();
        let local = group.batch.limits().iter().zip(&group.policies).filter(|(_, policy)| outage(policy) == OnOutage::Local);
        let local: PerLimit<_> = local.map(|(limit, _)| limit.under(limit.quota().share(nodes))).collect();
        let open = Answer { source: Source::Fallback, unavailable: None, standings: nothing(), nodes: 1, taken: None };
        if local.is_empty() {
            return open;
        }
        let Ok(batch) = Batch::new(group.batch.tag(), local) else { return open };
        // Limits of this node may always push another one out.
        let Some(Ok(reply)) = self.fallback.consume_now(&batch) else { return open };
        let mut asked = (0..batch.limits().len()).map(|place| reply.standing(&batch, place));
        let standings = group.policies.iter().map(|policy| {
            let is_local = outage(policy) == OnOutage::Local;
            if is_local { asked.next().flatten() } else { None }
        });
        let standings = standings.collect();
        Answer { source: Source::Fallback, unavailable: None, standings, nodes, taken: reply.receipt(&batch).map(Taken::Local) }
    }
}

/// Somebody who looks after leases. Who goes away before it is done, with the run time that it was on, leaves it to the next one.
struct Keeping {
    inner: Weak<Inner>,
    done: bool,
}

impl Drop for Keeping {
    fn drop(&mut self) {
        if !self.done
            && let Some(inner) = self.inner.upgrade()
        {
            *inner.keeper.lock().unwrap_or_else(PoisonError::into_inner) = false;
        }
    }
}

/// A refill that is under way. It ends also when it comes to nothing, or never runs.
struct Asking {
    inner: Arc<Inner>,
    name: Digest,
    ended: bool,
}

impl Asking {
    fn of(inner: &Arc<Inner>, name: Digest) -> Self {
        Self { inner: Arc::clone(inner), name, ended: false }
    }

    const fn is_over(&mut self) {
        self.ended = true;
    }

    /// Ends it with what was granted. From then on another one may be under way, which is not ended by this.
    fn ended(mut self, batch: &Batch, granted: Granted, lease: Lease) {
        self.is_over();
        self.inner.keep(batch, self.name, granted, lease);
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if !self.ended {
            self.inner.leases.give_up(&self.name);
        }
    }
}

/// How the limits stand after a reply.
fn told(group: &Group, reply: &Reply, source: Source) -> Answer {
    let mut standings = PerLimit::new();
    for place in 0..group.batch.limits().len() {
        standings.push(reply.standing(&group.batch, place));
    }
    Answer { source, unavailable: None, standings, nodes: 1, taken: None }
}

/// What is known of limits of which a unit was taken in advance: how they stood after the grant.
fn leased(group: &Group, reply: &Reply, granted: u32, name: Digest) -> Answer {
    let all = group.batch.times(granted);
    let known = |place| {
        let standing = reply.standing(&all, place)?;
        Some(Standing { passed: true, retry_after: Duration::ZERO, ..standing })
    };
    let standings = (0..group.batch.limits().len()).map(known).collect();
    Answer { source: Source::Lease, unavailable: None, standings, nodes: 1, taken: Some(Taken::Unit(name)) }
}

/// What is known of limits of which one had too little a moment ago: when each will have room again.
fn used_up(group: &Group, us: &[u64]) -> Answer {
    let each = |(limit, us): (&Limit, &u64)| {
        let reading = Reading { remaining: 0, reset_after: limit.quota().full_after() };
        (*us > 0).then(|| Standing { passed: false, reading, retry_after: Duration::from_micros(*us) })
    };
    let standings = group.batch.limits().iter().zip(us).map(each).collect();
    Answer { source: Source::DenyCache, unavailable: None, standings, nodes: 1, taken: None }
}

fn seconds(us: u64) -> f64 {
    Duration::from_micros(us).as_secs_f64()
}

#[cfg(all(test, feature = "testkit"))]
mod tests {
    use togglebox_core::TenantId;
    use togglebox_core::testkit::{Faults, Faulty};

    use super::lease::Taken as Held;
    use super::*;
    use crate::{Fact, Limiter, ManualStopwatch, MemoryStore, Policy, Quota, Subject};

    /// Or two would be under way, and a node would come to hold more than the bound of leases says.
    #[tokio::test]
    async fn the_end_of_a_refill_is_not_that_of_the_next_one() {
        let lease = Lease { life: Duration::from_mins(1), share: 0.5 };
        let quota = Quota::rate(1, Duration::from_hours(1)).burst(1000).unwrap();
        // One that has to be waited for.
        let store = Faulty::new(Arc::new(MemoryStore::new()), Arc::new(Faults::none()));
        let policy = Policy::new("tenant", &[Fact::Tenant], quota).unwrap().leased(lease);
        let clock = Arc::new(ManualStopwatch::new(0));
        let limiter = Limiter::over(Arc::new(store)).policy(policy).stopwatch(clock).build().unwrap();
        let (inner, plan) = (&limiter.0, limiter.0.plan(&Subject::of("reads").tenant(TenantId::DEFAULT)));
        let batch = &plan.enforced[0].batch;
        let name = LeaseBook::name(batch);
        let take = || inner.leases.take(&name, batch, lease, 1, 0);
        let asks = |taken: &Held| match taken {
            Held::Unit(unit) => unit.refill.is_some(),
            Held::None { ask } => *ask > 1,
            Held::Never | Held::Pause { .. } => panic!("there is enough"),
        };
        // So much is used that a lease is worth it.
        while !asks(&take()) {}
        let mut first = Asking::of(inner, name);
        let grant = inner.granted(batch, 3).await.unwrap().unwrap();
        first.is_over();
        inner.leases.add(name, batch, Granted { grant, ask: 3, used: 0, asked_us: 0 }, lease);
        // The next one begins before the first one is gone.
        while !asks(&take()) {}
        drop(first);
        assert!((0..1000).all(|_| !asks(&take())), "the next one is still under way");
    }
}
