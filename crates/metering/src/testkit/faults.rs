//! What a caller may rely on when a call or its answer gets lost, for every operation that there is.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use togglebox_core::testkit::{At, Fault, Faults, Operation};
use togglebox_core::{StoreErrorKind, StoreResult, TenantId};
use uuid::Uuid;

use super::UsageStores;
use super::faulty::{USAGE, USAGE_LEDGER, USAGE_SINK};
use super::fixtures::{B, at, hour, merged, meter, minute, span};
use crate::store::{Prune, RollUp, UsageQuery};
use crate::{Ask, Cell, Grain, Leased, Series, Step, UsageEvent, Watermark, WriterId};

/// What a call gave, in a form in which the answers of all scenes can be compared.
type Answer = Result<String, StoreErrorKind>;

/// A tenant with two hours of usage, one of them rolled up and one stale, and a writer. Each scene plays two days after the last one, since
/// what is pruned is pruned for all.
struct Scene {
    stores: UsageStores,
    tenant: TenantId,
    number: u32,
}

/// All that can be seen of a scene.
#[derive(Debug, PartialEq)]
struct View {
    minutes: Vec<u64>,
    days: Vec<u64>,
    rolled: [Option<RollUp>; 2],
    stale: usize,
    mark: Option<(u32, bool)>,
    leased: Option<Leased>,
}

impl Scene {
    async fn set(stores: &UsageStores) -> Self {
        static LAST: AtomicU32 = AtomicU32::new(0);
        let number = 1 + LAST.fetch_add(1, Ordering::Relaxed);
        let scene = Self {
            stores: stores.clone(),
            tenant: TenantId::from_uuid(Uuid::from_u128(0xface_0000 + u128::from(number))),
            number,
        };
        stores.roll_up(hour(scene.first() / 60)).await;
        stores.ledger.prune(Prune::Watermarks, minute(scene.first()), 1000).await.unwrap();
        stores.merge(&[scene.cell(0, 5), scene.cell(60, 7)]).await;
        stores.usage.rollup(scene.tenant, meter(), hour(scene.first() / 60)).await.unwrap();
        stores.ledger.advance_watermark(&scene.mark(1)).await.unwrap();
        stores.usage.lease(scene.tenant, &scene.step(1, Ask::Hold(2))).await.unwrap();
        scene
    }

    /// The same calls with the same arguments, by a tenant that has nothing.
    fn asked_by_another(&self) -> Self {
        Self { stores: self.stores.clone(), tenant: B, number: self.number }
    }

    const fn first(&self) -> u32 {
        self.number * 2 * 1440
    }

    fn writer(&self) -> WriterId {
        WriterId::from_u128((0xfeed << 64) + u128::from(self.number))
    }

    fn cell(&self, at: u32, total: u64) -> Cell {
        let series = Series::plain(meter());
        Cell { tenant: self.tenant, series, minute: minute(self.first() + at), writer: self.writer(), total }
    }

    fn mark(&self, upto: u32) -> Watermark {
        let upto = self.first() + upto;
        Watermark { writer: self.writer(), upto: minute(upto), seen_at: at(upto), ended: false }
    }

    /// A step in a pool that is there from the beginning, with a unit used.
    fn step(&self, number: u64, ask: Ask) -> Step {
        Step {
            meter: meter(),
            period: minute(self.first()),
            holder: self.writer(),
            number,
            limit: 10,
            used: Some(1),
            now: at(self.first()),
            ask,
        }
    }

    async fn sums(&self, until: u32, grain: Grain) -> StoreResult<Vec<u64>> {
        let query = UsageQuery::new(meter(), span(self.first(), self.first() + until), grain).unwrap();
        Ok(self.stores.usage.series(self.tenant, &query).await?.into_iter().map(|bucket| bucket.total).collect())
    }

    async fn view(&self) -> View {
        let (usage, ledger) = (&self.stores.usage, &self.stores.ledger);
        let hours = [0, 1].map(|n| hour(self.first() / 60 + n));
        let stale = ledger.stale_hours(hour(self.first() / 60 + 24), 1000).await.unwrap();
        let mark = ledger.watermarks().await.unwrap().into_iter().find(|mark| mark.writer == self.writer());
        View {
            minutes: self.sums(1440, Grain::Minute).await.unwrap(),
            days: self.sums(1440, Grain::Day).await.unwrap(),
            rolled: [
                usage.rolled_up(self.tenant, meter(), hours[0]).await.unwrap(),
                usage.rolled_up(self.tenant, meter(), hours[1]).await.unwrap(),
            ],
            stale: stale.iter().filter(|stale| stale.tenant == self.tenant).count(),
            mark: mark.map(|mark| (mark.upto.number() - minute(self.first()).number(), mark.ended)),
            leased: usage.lease(self.tenant, &Step { used: None, ..self.step(0, Ask::Look) }).await.unwrap(),
        }
    }

    /// Calls an operation, with the same arguments each time.
    async fn call(&self, stores: &UsageStores, operation: &str) -> Answer {
        let (usage, ledger, tenant) = (&stores.usage, &stores.ledger, self.tenant);
        let first = self.first();
        let asked = Self { stores: stores.clone(), tenant, number: self.number };
        match operation {
            "usage.ingest" => {
                let id = format!("scene-{}", self.number);
                let event = UsageEvent::new("tests", &id, Series::plain(meter()), 3, at(first + 61)).unwrap();
                told(usage.ingest(tenant, &[event], at(first + 62)).await)
            }
            "usage.series" => told(asked.sums(1440, Grain::Hour).await),
            "usage.rollup" => told(usage.rollup(tenant, meter(), hour(first / 60 + 1)).await),
            "usage.rolled_up" => told(usage.rolled_up(tenant, meter(), hour(first / 60)).await),
            "usage.lease" => told(usage.lease(tenant, &self.step(2, Ask::Hold(5))).await),
            "usage_sink.merge_cells" => told(ledger.merge_cells(&[self.cell(60, 9), self.cell(61, 1)]).await),
            "usage_sink.advance_watermark" => told(ledger.advance_watermark(&self.mark(30)).await),
            "usage_ledger.watermarks" => told(ledger.watermarks().await.map(|marks| marks.len())),
            "usage_ledger.stale_hours" => told(ledger.stale_hours(hour(first / 60 + 24), 1000).await.map(|hours| hours.len())),
            "usage_ledger.added_up" => {
                let day = minute(first).day();
                told(ledger.added_up(&[tenant], meter(), day, day.plus(1)).await)
            }
            "usage_ledger.prune" => told(ledger.prune(Prune::Minutes, minute(first + 60), 1000).await.map(|_| ())),
            // A port has got a method that nobody tries yet: a promise that nobody checks.
            other => panic!("{other} is not tried: say in the testkit how it is called"),
        }
    }
}

fn told<T: Debug>(outcome: StoreResult<T>) -> Answer {
    outcome.map(|answer| format!("{answer:?}")).map_err(|error| error.kind().clone())
}

/// Whatever another tenant asks for by the meter, the hour and the ids of somebody's usage, it is answered as if nobody had any; and
/// nothing becomes of that usage. Of every operation of the port of tenants: one that is not listed does not compile.
pub async fn no_call_reaches_another_tenant(stores: &UsageStores) {
    let scene = Scene::set(stores).await;
    let before = scene.view().await;
    for Operation { name, .. } in USAGE {
        let answer = scene.asked_by_another().call(stores, name).await;
        let nothing = match *name {
            // An id that another tenant used is a new one.
            "usage.ingest" => "[New]",
            "usage.series" => "[3]",
            // Its own hour, which has its own event only.
            "usage.rollup" => "Some(RollUp { total: 3, revision: 1, stale: false })",
            // A pool of its own, with the unit that it says was used.
            "usage.lease" => "Some(Leased { units: 5, granted: 6 })",
            _ => "None",
        };
        assert_eq!(answer, Ok(nothing.to_owned()), "{name}");
        assert_eq!(scene.view().await, before, "{name}: what it did to another tenant's");
    }
    let own = scene.call(stores, "usage.ingest").await;
    assert_eq!(own, Ok("[New]".to_owned()), "nor does it take an id away");
}

async fn bear_faults(stores: &UsageStores, operations: &[Operation]) {
    for operation in operations {
        bears_faults(stores, operation).await;
    }
}

async fn bears_faults(stores: &UsageStores, operation: &Operation) {
    let name = operation.name;
    // How it is when nothing goes wrong: called once, and called again.
    let scene = Scene::set(stores).await;
    let before = scene.view().await;
    let answer = scene.call(stores, name).await;
    let once = scene.view().await;
    assert!(answer.is_ok(), "{name}: {answer:?}");
    assert_eq!(before != once, operation.writes, "{name} changes what it must, and nothing else");
    let again = scene.call(stores, name).await;
    assert_eq!(scene.view().await, once, "{name}: what the same call again left");
    let expected = match name {
        "usage.ingest" => Ok("[Duplicate]".to_owned()),
        "usage_sink.merge_cells" => told(Ok(merged(0, 2))),
        _ => answer.clone(),
    };
    assert_eq!(again, expected, "{name}: the same call again");

    let unavailable = Err(StoreErrorKind::Unavailable);
    let cases = [
        (Fault::Before, &unavailable, &before, &answer),
        (Fault::Throttled, &unavailable, &before, &answer),
        (Fault::After, &unavailable, &once, &again),
        (Fault::Twice, &answer, &once, &again),
    ];
    for (fault, given, left, retried) in cases {
        let (faults, what) = (Arc::new(Faults::none()), format!("{name}, {fault:?}"));
        faults.inject(At::operation(name), fault);
        let (scene, faulty) = (Scene::set(stores).await, stores.with_faults(&faults));
        assert_eq!(&scene.call(&faulty, name).await, given, "{what}");
        assert_eq!(&scene.view().await, left, "{what}: what it left");
        assert_eq!(faults.counts().injected(), 1, "{what}: tried");
        assert_eq!(&scene.call(&faulty, name).await, retried, "{what}: the same call again");
        assert_eq!(scene.view().await, once, "{what}: what the same call again left");
    }
}

/// A call that failed before it was made has left nothing; one whose answer was lost has been made. The same call again leaves
/// everything as if nothing had gone wrong: an event counts once, an hour has one revision.
pub async fn usage_calls_bear_faults(stores: &UsageStores) {
    bear_faults(stores, USAGE).await;
}

/// The same of the ledger: a cell counts once, a watermark stands where it stood, what was pruned is pruned.
pub async fn usage_ledger_calls_bear_faults(stores: &UsageStores) {
    bear_faults(stores, USAGE_SINK).await;
    bear_faults(stores, USAGE_LEDGER).await;
}
