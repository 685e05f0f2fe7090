//! Hard quotas, step by step: what is asked of the store, and what becomes of units in between.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use togglebox_core::testkit::{At, Delay, Fault, Faults, Gate};
use togglebox_core::{OsEntropy, StoreErrorKind, StoreResult, TenantId, Timestamp};
use togglebox_metering::store::{Bucket, RollUp, UsageQuery, UsageSink as _, UsageStore};
use togglebox_metering::testkit::{MemoryStore, UsageStores};
use togglebox_metering::{
    Ask, Cell, Check, Hour, Ingested, Leased, LeasedQuota, MeterId, Minute, Period, Quota, Series, Step, UsageEvent, WriterId,
};
use uuid::Uuid;

use crate::support::{requests, store};

const A: TenantId = TenantId::from_uuid(Uuid::from_u128(0xa));
const DAY: Minute = Minute::from_number(21_242 * 1440);
const QUOTA: Quota = Quota { limit: 1000, period: Period::Day, warn_percent: 100 };

fn at(seconds: u64) -> Timestamp {
    DAY.start().plus(Duration::from_secs(seconds))
}

/// A store, and the same one to which things happen.
struct Place {
    store: Arc<MemoryStore>,
    faulty: Arc<dyn UsageStore>,
    faults: Arc<Faults>,
}

impl Place {
    /// A store that has counted so much today.
    async fn counted(total: u64) -> Self {
        let (store, faults) = (store(), Arc::new(Faults::none()));
        let stores = UsageStores { usage: Arc::<MemoryStore>::clone(&store), ledger: Arc::<MemoryStore>::clone(&store) };
        let place = Self { store, faulty: stores.with_faults(&faults).usage, faults };
        place.count(total).await;
        place
    }

    async fn count(&self, total: u64) {
        let (series, writer) = (Series::plain(requests()), WriterId::from_u128(0xbeef << 64));
        self.store.merge_cells(&[Cell { tenant: A, series, minute: DAY, writer, total }]).await.unwrap();
    }

    fn node(&self) -> LeasedQuota {
        LeasedQuota::new(Arc::clone(&self.faulty), requests(), Arc::new(OsEntropy))
    }

    /// How many units all hold.
    async fn granted(&self) -> u64 {
        let (holder, number, used) = (WriterId::from_u128((0xbeef << 64) + 1), 0, None);
        let step = Step { meter: requests(), period: DAY, holder, number, limit: QUOTA.limit, used, now: at(0), ask: Ask::Look };
        self.store.lease(A, &step).await.unwrap().unwrap().granted
    }

    /// How often the store was asked for units.
    fn calls(&self) -> u64 {
        self.faults.counts_of("usage.lease").calls
    }

    fn fail(&self, fault: Fault) {
        self.faults.inject(At::operation("usage.lease"), fault);
    }
}

/// Spends a unit, if there is one.
async fn spend(node: &LeasedQuota, quota: &Quota, now: Timestamp) -> Result<(), Check> {
    node.take(A, quota, now).await.unwrap().map(togglebox_metering::Unit::spend)
}

/// Spends so many at most; how many there were.
async fn spend_many(node: &LeasedQuota, most: u64, now: Timestamp) -> u64 {
    for spent in 0..most {
        if spend(node, &QUOTA, now).await.is_err() {
            return spent;
        }
    }
    most
}

/// Another node, whose step lets a pool forget whom it has not heard of.
async fn serve_one_and_end(place: &Place, now: Timestamp) {
    let node = place.node();
    spend(&node, &QUOTA, now).await.unwrap();
    node.finish(now).await;
}

/// The store granted what was asked, and its answer got lost.
#[tokio::test]
async fn what_a_lost_answer_had_granted_is_given_back() {
    let place = Place::counted(0).await;
    let node = place.node();
    spend(&node, &QUOTA, at(0)).await.unwrap();
    place.fail(Fault::After);
    assert_eq!(*node.take(A, &QUOTA, at(1)).await.unwrap_err().kind(), StoreErrorKind::Unavailable);
    assert!(place.granted().await > 1);
    node.keep(at(11)).await;
    assert_eq!(place.granted().await, 1);
}

/// It asks for some units after twenty minutes in which it needed nothing from the store, and which it has given back meanwhile.
#[tokio::test]
async fn units_are_given_back_before_a_pool_forgets_who_holds_them() {
    let place = Place::counted(0).await;
    let node = place.node();
    assert_eq!(spend_many(&node, 20, at(0)).await, 20);
    let held = place.granted().await;
    assert!(held > 20);
    // Somebody asks for it all the time.
    let minutes = |n: u64| at(n * 60);
    assert!(node.take_now(A, &QUOTA, minutes(7)).is_some());
    node.keep(minutes(7)).await;
    assert_eq!(place.granted().await, held, "that is no time");
    assert!(node.take_now(A, &QUOTA, minutes(8)).is_some());
    node.keep(minutes(8)).await;
    assert_eq!(place.granted().await, 20);
    serve_one_and_end(&place, minutes(30)).await;
    assert_eq!(spend_many(&node, 2000, minutes(31)).await, QUOTA.limit - 21);
}

/// Nothing could be given back while the store was away.
#[tokio::test]
async fn who_was_forgotten_while_it_gave_units_back_loses_no_more_than_those() {
    let place = Place::counted(0).await;
    let node = place.node();
    assert_eq!(spend_many(&node, 20, at(0)).await, 20);
    let held = place.granted().await;
    let later = at(16 * 60);
    serve_one_and_end(&place, later).await;
    node.keep(later).await;
    assert_eq!(spend_many(&node, 2000, later).await, QUOTA.limit - held - 1);
}

/// Many wait for an answer of the store that does not come: none of them waits for another one.
#[tokio::test]
async fn a_store_that_is_away_is_asked_once_a_second_however_many_wait() {
    let place = Place::counted(0).await;
    let (node, gate) = (place.node(), Gate::closed());
    place.faults.inject(At::operation("usage.series"), Fault::Late(Delay::until(&gate)));
    place.faults.inject(At::operation("usage.lease").always(), Fault::Before);
    let take = async |now| *node.take(A, &QUOTA, now).await.unwrap_err().kind() == StoreErrorKind::Unavailable;
    let open = async {
        gate.reached(1).await;
        gate.open();
    };
    // The last of them came seven seconds after the first had asked.
    let (first, second, last, ()) = tokio::join!(take(at(0)), take(at(3)), take(at(7)), open);
    assert!(first && second && last);
    let calls = place.calls();
    assert_eq!(calls, 1);
    assert!(take(at(7)).await);
    assert_eq!(place.calls(), calls, "within a second nobody asks");
    place.faults.clear();
    spend(&node, &QUOTA, at(8)).await.unwrap();
}

/// The quota was another one for a time, in which nobody took units; or a node that was killed had counted more.
#[tokio::test]
async fn what_was_counted_without_units_counts_when_a_node_begins() {
    let place = Place::counted(0).await;
    let node = place.node();
    assert_eq!(spend_many(&node, 5, at(0)).await, 5);
    node.keep(at(10)).await;
    assert_eq!(place.granted().await, 5);
    place.count(20).await;
    spend(&place.node(), &QUOTA, at(11)).await.unwrap();
    assert_eq!(place.granted().await, 21);
    place.count(50).await;
    spend(&node, &QUOTA, at(21)).await.unwrap();
    assert_eq!(place.granted().await, 22, "it has begun already");
    spend(&node, &QUOTA, at(1000)).await.unwrap();
    assert_eq!(place.granted().await, 51, "and begins anew after a time without asking");
}

/// The first step got lost, and what it told with it.
#[tokio::test]
async fn a_node_tells_what_was_counted_until_it_was_heard() {
    let place = Place::counted(0).await;
    spend(&place.node(), &QUOTA, at(0)).await.unwrap();
    place.count(20).await;
    let node = place.node();
    place.fail(Fault::Before);
    node.take(A, &QUOTA, at(0)).await.unwrap_err();
    // It cannot know whether it was granted something, and gives it back.
    node.keep(at(10)).await;
    spend(&node, &QUOTA, at(10)).await.unwrap();
    assert_eq!(place.granted().await, 21);
}

#[tokio::test]
async fn whoever_does_not_know_how_many_units_are_left_takes_one() {
    let place = Place::counted(0).await;
    let node = place.node();
    spend(&node, &QUOTA, at(0)).await.unwrap();
    assert_eq!(place.granted().await, 1);
    assert_eq!(spend_many(&node, 9, at(9)).await, 9);
    assert_eq!(place.granted().await, 10, "a hundredth of 999");
    spend(&node, &QUOTA, at(19)).await.unwrap();
    assert_eq!(place.granted().await, 11);
}

/// A node that is asked again and again for what is not there.
#[tokio::test]
async fn an_empty_pool_is_looked_at_and_not_written() {
    let place = Place::counted(QUOTA.limit - 2).await;
    let (asks, other) = (Arc::new(Asks { store: Arc::clone(&place.store), asks: Mutex::default() }), place.node());
    let node = LeasedQuota::new(Arc::<Asks>::clone(&asks), requests(), Arc::new(OsEntropy));
    let unit = other.take(A, &QUOTA, at(0)).await.unwrap().unwrap();
    assert_eq!(spend_many(&node, 2, at(0)).await, 1);
    assert_eq!(asks.take(), [Ask::Hold(1), Ask::Hold(2)]);
    for second in 1..=3 {
        let denied = spend(&node, &QUOTA, at(second)).await.unwrap_err();
        assert!(matches!(denied, Check::Deny { used: 1000, .. }), "{denied:?}");
        assert_eq!(asks.take(), [Ask::Look]);
    }
    drop(unit);
    other.finish(at(3)).await;
    spend(&node, &QUOTA, at(4)).await.unwrap();
    assert_eq!(asks.take(), [Ask::Look, Ask::Hold(2)]);
    spend(&node, &QUOTA, at(4)).await.unwrap_err();
    assert_eq!(asks.take(), [Ask::Hold(3)], "it was not empty when it was asked last");
}

/// A store that notes what it is asked.
#[derive(Debug)]
struct Asks {
    store: Arc<MemoryStore>,
    asks: Mutex<Vec<Ask>>,
}

impl Asks {
    /// What was asked since the last time.
    fn take(&self) -> Vec<Ask> {
        std::mem::take(&mut *self.asks.lock().unwrap())
    }
}

#[async_trait]
impl UsageStore for Asks {
    async fn ingest(&self, tenant: TenantId, events: &[UsageEvent], now: Timestamp) -> StoreResult<Vec<Ingested>> {
        self.store.ingest(tenant, events, now).await
    }

    async fn series(&self, tenant: TenantId, query: &UsageQuery) -> StoreResult<Vec<Bucket>> {
        self.store.series(tenant, query).await
    }

    async fn rollup(&self, tenant: TenantId, meter: MeterId, hour: Hour) -> StoreResult<Option<RollUp>> {
        self.store.rollup(tenant, meter, hour).await
    }

    async fn rolled_up(&self, tenant: TenantId, meter: MeterId, hour: Hour) -> StoreResult<Option<RollUp>> {
        self.store.rolled_up(tenant, meter, hour).await
    }

    async fn lease(&self, tenant: TenantId, step: &Step) -> StoreResult<Option<Leased>> {
        self.asks.lock().unwrap().push(step.ask);
        self.store.lease(tenant, step).await
    }
}
