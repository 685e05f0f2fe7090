//! Hard quotas, step by step: what is asked of the store, and what becomes of units in between.

use std::sync::Arc;
use std::time::Duration;

use togglebox_core::testkit::{At, Fault, Faults};
use togglebox_core::{OsEntropy, StoreErrorKind, TenantId, Timestamp};
use togglebox_metering::store::{UsageSink as _, UsageStore};
use togglebox_metering::testkit::{MemoryStore, UsageStores};
use togglebox_metering::{Ask, Cell, Check, LeasedQuota, Minute, Period, Quota, Series, Step, WriterId};
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
