//! Units of a quota: no more are granted than there are, whoever asks, however often, and whatever becomes of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use togglebox_core::testkit::{At, Fault, Faults};
use togglebox_core::{OsEntropy, TenantId, Timestamp};
use tokio::task::JoinSet;

use super::UsageStores;
use super::fixtures::{A, B, CROWD, at, cell, meter, minute, other_meter, race, span, writer};
use crate::store::POOLS_KEPT;
use crate::{Ask, Check, Leased, LeasedQuota, Minute, Period, Quota, Step};

const LIMIT: u64 = 10;

fn step(holder: u8, number: u64, ask: Ask) -> Step {
    Step { meter: meter(), period: minute(0), holder: writer(holder), number, limit: LIMIT, used: Some(0), now: at(0), ask }
}

async fn lease(stores: &UsageStores, step: &Step) -> Option<Leased> {
    stores.usage.lease(A, step).await.unwrap()
}

#[expect(clippy::unnecessary_wraps, reason = "it is what a call answers")]
fn leased(units: u64, granted: u64) -> Option<Leased> {
    Some(Leased { units, granted })
}

/// What one gives back another can have; what is spent nobody can.
pub async fn units_are_granted_up_to_the_limit_and_those_given_back_again(stores: &UsageStores) {
    assert_eq!(lease(stores, &Step { used: None, ..step(1, 1, Ask::Hold(6)) }).await, None, "nobody has begun it");
    assert_eq!(lease(stores, &Step { used: Some(1), ..step(1, 1, Ask::Hold(6)) }).await, leased(6, 7));
    assert_eq!(lease(stores, &step(2, 1, Ask::Hold(6))).await, leased(3, 10), "it is begun once");
    assert_eq!(lease(stores, &step(1, 2, Ask::Keep(2))).await, leased(2, 6));
    assert_eq!(lease(stores, &Step { used: None, ..step(2, 2, Ask::Hold(8)) }).await, leased(7, 10));
    assert_eq!(lease(stores, &step(2, 3, Ask::End(7))).await, leased(0, 10));
    assert_eq!(lease(stores, &step(3, 1, Ask::Hold(1))).await, leased(0, 10));
    let more = Step { limit: LIMIT + 2, ..step(3, 2, Ask::Hold(5)) };
    assert_eq!(lease(stores, &more).await, leased(2, 12), "a higher limit is room");
    assert_eq!(lease(stores, &step(3, 0, Ask::Look)).await, leased(2, 12));
}

/// A call that was given up on, and is carried out after the next one.
pub async fn a_step_that_comes_again_or_late_changes_nothing(stores: &UsageStores) {
    lease(stores, &step(1, 1, Ask::Hold(4))).await;
    lease(stores, &step(1, 3, Ask::Hold(6))).await;
    for late in [step(1, 3, Ask::Hold(6)), step(1, 2, Ask::Keep(1)), step(1, 2, Ask::End(0)), step(1, 1, Ask::Hold(9))] {
        assert_eq!(lease(stores, &late).await, leased(6, 6), "{late:?}");
    }
}

/// A step that tells of more than was granted: it was used while nobody took units for it.
pub async fn what_was_used_without_units_is_granted_to_nobody(stores: &UsageStores) {
    lease(stores, &step(1, 1, Ask::Hold(2))).await;
    let raised = Step { used: Some(6), ..step(2, 1, Ask::Hold(1)) };
    for _ in 0..2 {
        assert_eq!(lease(stores, &raised).await, leased(1, 7));
    }
    let less = Step { used: Some(4), ..step(2, 2, Ask::Hold(2)) };
    assert_eq!(lease(stores, &less).await, leased(2, 8));
    assert_eq!(lease(stores, &step(1, 0, Ask::Look)).await, leased(2, 8));
}

/// Many begin a pool at once, and each wants three of ten.
pub async fn of_many_who_take_units_at_once_no_more_are_granted_than_there_are(stores: &UsageStores) {
    let all = race(|n| {
        let usage = Arc::clone(&stores.usage);
        async move { usage.lease(A, &Step { used: Some(1), ..step(n, 1, Ask::Hold(3)) }).await.unwrap().unwrap().units }
    })
    .await;
    assert_eq!(all.iter().sum::<u64>(), LIMIT - 1, "{all:?}");
    let given_back = race(|n| {
        let usage = Arc::clone(&stores.usage);
        async move { usage.lease(A, &step(n, 2, Ask::End(0))).await.unwrap() }
    })
    .await;
    assert_eq!(given_back.len(), usize::from(CROWD));
    assert_eq!(lease(stores, &step(9, 0, Ask::Look)).await, leased(0, 1));
}

/// A tenant, a meter and a period have their own.
pub async fn pools_are_of_a_tenant_a_meter_and_a_period(stores: &UsageStores) {
    let full = step(1, 1, Ask::Hold(LIMIT));
    assert_eq!(lease(stores, &full).await, leased(LIMIT, LIMIT));
    assert_eq!(stores.usage.lease(B, &full).await.unwrap(), leased(LIMIT, LIMIT));
    assert_eq!(lease(stores, &Step { meter: other_meter(), ..full.clone() }).await, leased(LIMIT, LIMIT));
    assert_eq!(lease(stores, &Step { period: minute(1440), ..full.clone() }).await, leased(LIMIT, LIMIT));
    assert_eq!(lease(stores, &step(2, 1, Ask::Hold(1))).await, leased(0, LIMIT));
}

/// Those of periods that have long been over go when another is begun, and no others do.
pub async fn old_pools_go_when_a_new_one_is_begun(stores: &UsageStores) {
    let after = |minutes: u32| minute(0).plus(minutes);
    let kept = u32::try_from(POOLS_KEPT.as_secs() / 60).unwrap();
    let of = |meter, period: Minute, used| Step { meter, period, used, ..step(1, 1, Ask::Hold(1)) };
    let look = async |meter, period| lease(stores, &Step { ask: Ask::Look, ..of(meter, period, None) }).await;
    for period in [after(0), after(1440)] {
        lease(stores, &of(meter(), period, Some(0))).await;
    }
    lease(stores, &of(other_meter(), after(0), Some(0))).await;
    lease(stores, &of(meter(), after(kept + 1440), Some(0))).await;
    assert_eq!(look(meter(), after(0)).await, None);
    assert_eq!(look(meter(), after(1440)).await, leased(1, 1));
    assert_eq!(look(meter(), after(kept + 1440)).await, leased(1, 1));
    assert_eq!(look(other_meter(), after(0)).await, leased(1, 1), "of another meter");
}

const NODES: usize = 4;
const TASKS: usize = 8;
const REQUESTS: u64 = 1000;
/// Of what is left a node takes a hundredth at a time.
const AT_A_TIME: u64 = REQUESTS / 100;

const QUOTA: Quota = Quota { limit: REQUESTS, period: Period::Day, warn_percent: 100 };

fn after(seconds: u64) -> Timestamp {
    at(0).plus(Duration::from_secs(seconds))
}

fn new_node(stores: &UsageStores) -> LeasedQuota {
    LeasedQuota::new(Arc::clone(&stores.usage), meter(), Arc::new(OsEntropy))
}

/// A process, and the requests that it answers.
struct Node {
    quota: Arc<LeasedQuota>,
    tasks: JoinSet<()>,
}

impl Node {
    /// Begins to answer requests until there is no room any more; one in five fails, and uses nothing. Seconds go by where the store does not
    /// answer.
    fn start(stores: &UsageStores, served: &Arc<AtomicU64>, seconds: &Arc<AtomicU64>) -> Self {
        let quota = Arc::new(new_node(stores));
        let mut tasks = JoinSet::new();
        for _ in 0..TASKS {
            let (quota, served, seconds) = (Arc::clone(&quota), Arc::clone(served), Arc::clone(seconds));
            tasks.spawn(async move {
                for request in 0_u64.. {
                    let second = seconds.load(Ordering::SeqCst);
                    match quota.take(A, &QUOTA, after(second)).await {
                        Ok(Ok(unit)) if request % 5 == 4 => drop(unit),
                        Ok(Ok(unit)) => {
                            unit.spend();
                            served.fetch_add(1, Ordering::SeqCst);
                        }
                        Ok(Err(Check::Deny { used, limit, .. })) => {
                            assert_eq!((used, limit), (REQUESTS, REQUESTS));
                            break;
                        }
                        Ok(Err(check)) => panic!("{check:?}"),
                        // The store's answer got lost: the client asks again.
                        Err(_) => drop(seconds.fetch_max(second + 1, Ordering::SeqCst)),
                    }
                    tokio::task::yield_now().await;
                }
            });
        }
        Self { quota, tasks }
    }

    /// Spends what is left here.
    async fn spend_the_rest(&self, served: &AtomicU64, mut now: Timestamp) {
        loop {
            match self.quota.take(A, &QUOTA, now).await {
                Ok(Ok(unit)) => {
                    unit.spend();
                    served.fetch_add(1, Ordering::SeqCst);
                }
                Ok(Err(_)) => break,
                Err(_) => now = now.plus(Duration::from_secs(1)),
            }
        }
    }
}

/// The store answers most of the time.
fn unreliable(stores: &UsageStores) -> (UsageStores, Arc<Faults>) {
    let faults = Arc::new(Faults::none());
    for fault in [Fault::Before, Fault::After, Fault::Twice] {
        faults.inject(At::operation("usage.lease").chance(0.05), fault);
    }
    (stores.with_faults(&faults), faults)
}

/// Four nodes of eight tasks, whose store answers most of the time: exactly as many requests are served as there may be.
pub async fn nodes_spend_the_whole_limit_and_not_a_unit_more(stores: &UsageStores) {
    let (unreliable, faults) = unreliable(stores);
    let (served, seconds) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut nodes: Vec<_> = (0..NODES).map(|_| Node::start(&unreliable, &served, &seconds)).collect();
    for node in &mut nodes {
        while let Some(ended) = node.tasks.join_next().await {
            ended.unwrap();
        }
    }
    // Requests that failed last have left units here.
    let later = after(seconds.load(Ordering::SeqCst) + 5);
    for node in &nodes {
        node.spend_the_rest(&served, later).await;
    }
    assert_eq!(served.load(Ordering::SeqCst), REQUESTS);
    assert!(faults.counts().injected() > 0);
    let pool = lease(stores, &Step { used: None, ask: Ask::Look, ..step(1, 0, Ask::Look) }).await;
    assert_eq!(pool, leased(0, REQUESTS));
}

/// The same, and a node is killed each time that some more requests were served, in whatever it is doing: never more are served than there
/// may be, and not fewer than what the dead had taken.
pub async fn however_nodes_are_killed_no_more_than_the_limit_is_spent(stores: &UsageStores) {
    const KILLS: u64 = 12;
    let (unreliable, _) = unreliable(stores);
    let (served, seconds) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut nodes: Vec<_> = (0..NODES).map(|_| Node::start(&unreliable, &served, &seconds)).collect();
    for kill in 1..=KILLS {
        while served.load(Ordering::SeqCst) < kill * REQUESTS / (2 * KILLS) {
            tokio::task::yield_now().await;
        }
        let victim = usize::try_from(kill * 7).unwrap() % NODES;
        nodes[victim].tasks.shutdown().await;
        nodes[victim] = Node::start(&unreliable, &served, &seconds);
    }
    for node in &mut nodes {
        while let Some(ended) = node.tasks.join_next().await {
            ended.unwrap();
        }
    }
    let later = after(seconds.load(Ordering::SeqCst) + 5);
    for node in &nodes {
        node.spend_the_rest(&served, later).await;
    }
    let served = served.load(Ordering::SeqCst);
    // What a task had in its hands when it was killed is lost, too.
    let lost = KILLS * (AT_A_TIME + TASKS as u64);
    assert!(served <= REQUESTS && served >= REQUESTS - lost, "{served} of {REQUESTS}, {lost} may be lost");
}

/// What nobody asks a node for goes back to the others, after ten seconds and at its end; a pool that is begun late counts what was used.
pub async fn what_a_node_does_not_need_the_others_can_spend(stores: &UsageStores) {
    const COUNTED: u64 = 400;
    stores.merge(&[cell(0, 1, COUNTED)]).await;
    let served = AtomicU64::new(COUNTED);
    let node = || new_node(stores);
    let (idle, ending, last) = (node(), node(), node());
    for node in [&idle, &ending] {
        // The second time more than one unit comes.
        for _ in 0..2 {
            node.take(A, &QUOTA, at(1)).await.unwrap().unwrap().spend();
            served.fetch_add(1, Ordering::SeqCst);
        }
        assert!(node.take_now(A, &QUOTA, at(1)).is_some());
    }
    idle.keep(at(1).plus(Duration::from_secs(9))).await;
    assert!(idle.take_now(A, &QUOTA, at(1)).is_some(), "nine seconds are no time");
    idle.keep(at(1).plus(Duration::from_secs(10))).await;
    assert!(idle.take_now(A, &QUOTA, at(1)).is_none());
    ending.finish(at(1)).await;
    let last = Node { quota: Arc::new(last), tasks: JoinSet::new() };
    last.spend_the_rest(&served, at(2)).await;
    assert_eq!(served.load(Ordering::SeqCst), REQUESTS);
    let denied = idle.take(A, &QUOTA, at(2)).await.unwrap().unwrap_err();
    assert_eq!(denied, Check::Deny { limit: REQUESTS, used: REQUESTS, resets_at: at(1440) });
    let other: TenantId = B;
    assert!(idle.take(other, &QUOTA, at(2)).await.unwrap().is_ok(), "another tenant has its own");
    assert!(idle.take(A, &QUOTA, at(1440)).await.unwrap().is_ok(), "as has the next day");
}

/// A node that needs nothing from the store for so long that its pool forgets it is granted what is left, and not all that it ever held.
pub async fn a_node_that_was_forgotten_goes_on_where_it_was(stores: &UsageStores) {
    let node = || Node { quota: Arc::new(new_node(stores)), tasks: JoinSet::new() };
    let (quiet, other) = (node(), node());
    let served = AtomicU64::new(0);
    for _ in 0..400 {
        quiet.quota.take(A, &QUOTA, at(0)).await.unwrap().unwrap().spend();
        served.fetch_add(1, Ordering::SeqCst);
    }
    for now in [at(16), at(32)] {
        // The other one's step lets the pool forget whom it has not heard of.
        for node in [&other, &quiet] {
            node.quota.take(A, &QUOTA, now).await.unwrap().unwrap().spend();
            served.fetch_add(1, Ordering::SeqCst);
        }
    }
    quiet.spend_the_rest(&served, at(33)).await;
    other.spend_the_rest(&served, at(33)).await;
    assert_eq!(served.load(Ordering::SeqCst), REQUESTS);
}

/// The end of a period is moved while it goes on, as that of a subscription which is not renewed in time.
pub async fn a_period_whose_end_moves_has_no_more_units_than_before(stores: &UsageStores) {
    const ENDS: u32 = 1440;
    let quota = |until| Quota { limit: LIMIT, period: Period::Of(span(0, until)), warn_percent: 100 };
    let (node, early, late) = (new_node(stores), quota(ENDS), quota(2 * ENDS));
    for _ in 0..LIMIT {
        node.take(A, &early, at(0)).await.unwrap().unwrap().spend();
    }
    // Long after the first end the node forgets what nobody has asked for.
    for now in [at(ENDS + 90), at(ENDS + 200)] {
        node.keep(now).await;
        let denied = node.take(A, &late, now).await.unwrap().unwrap_err();
        assert_eq!(denied, Check::Deny { limit: LIMIT, used: LIMIT, resets_at: at(2 * ENDS) });
    }
}
