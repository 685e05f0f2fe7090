//! Usage: the promises of the ports of `togglebox-metering`, and what calls cost.

use std::sync::Arc;

use togglebox_core::{StoreResult, TenantId};
use togglebox_metering::store::{Prune, UsageLedger, UsageQuery, UsageSink as _, UsageStore};
use togglebox_metering::testkit::UsageStores;
use togglebox_metering::{Cell, Grain, Hour, Ingested, Labels, MeterId, Minute, Series, Span, UsageEvent, Watermark, WriterId};
use togglebox_storage::DynamoDb;
use uuid::Uuid;

use super::server::Server;

/// The ports over a new table.
async fn stores(server: Server) -> UsageStores {
    UsageStores::over(&Arc::new(server.table().await.0))
}

mod suite_on_dynoxide {
    use togglebox_metering::testkit::UsageStores;

    use crate::dynamodb::server::DYNOXIDE;

    async fn fresh() -> Option<UsageStores> {
        if DYNOXIDE.is_there() { Some(super::stores(DYNOXIDE).await) } else { None }
    }

    togglebox_metering::usage_store_suite!(maybe fresh);
}

mod suite_on_ministack {
    use togglebox_metering::testkit::UsageStores;

    use crate::dynamodb::server::MINISTACK;

    async fn fresh() -> Option<UsageStores> {
        if MINISTACK.is_there() { Some(super::stores(MINISTACK).await) } else { None }
    }

    togglebox_metering::usage_store_suite!(maybe fresh);
}

super::on_every_server! {
    a_raise_costs_one_unit_for_each_row
    what_is_new_costs_what_is_documented
    a_roll_up_costs_one_unit_for_each_row_and_what_it_keeps
    an_event_costs_its_claim
    sums_of_what_is_rolled_up_cost_the_same_however_much_was_counted
    a_watermark_costs_one_unit
    nothing_is_left_of_what_is_pruned
    what_processes_count_and_close_at_once_adds_up
}

const TENANT: TenantId = TenantId::from_uuid(Uuid::from_u128(0xa));

fn meter() -> MeterId {
    "api.requests".parse().unwrap()
}

/// 2028-02-28T00:00Z and so many minutes.
const fn minute(n: u32) -> Minute {
    Minute::from_number(21_242 * 1440 + n)
}

const fn hour(n: u32) -> Hour {
    minute(60 * n).hour()
}

const fn writer(n: u128) -> WriterId {
    WriterId::from_u128((1 << 64) + n)
}

/// A total of one of many series.
fn cell(at: u32, by: u128, key: usize, total: u64) -> Cell {
    let series = Series { meter: meter(), labels: Labels::new([("key", format!("k{key}").as_str())]).unwrap() };
    Cell { tenant: TENANT, series, minute: minute(at), writer: writer(by), total }
}

fn event(n: usize, at: u32) -> UsageEvent {
    UsageEvent::new("tests", &n.to_string(), Series::plain(meter()), 1, minute(at).start()).unwrap()
}

/// Units that `call` reads and writes, and what it answers.
async fn units<T>(store: &DynamoDb, call: impl Future<Output = StoreResult<T>>) -> (T, f64, f64) {
    let before = store.capacity();
    let answer = call.await.unwrap();
    let after = store.capacity();
    (answer, after.read - before.read, after.write - before.write)
}

fn about(units: f64, expected: f64) -> bool {
    (units - expected).abs() < 0.01
}

async fn a_raise_costs_one_unit_for_each_row(server: Server) {
    let store = server.table().await.0;
    let cells = |total| (0..50).flat_map(|key| [cell(3, 1, key, total), cell(4, 1, key, total)]).collect::<Vec<_>>();
    assert_eq!(store.merge_cells(&cells(1)).await.unwrap().news, 100);
    for total in [2, 3] {
        let cells = cells(total);
        let (report, read, write) = units(&store, store.merge_cells(&cells)).await;
        assert_eq!(report.news, 100);
        // The two minutes of a series stand in one row.
        assert!(about(write, 50.0) && about(read, 0.0), "{read} {write}");
    }
}

async fn what_is_new_costs_what_is_documented(server: Server) {
    let store = server.table().await.0;
    let (_, _, first) = units(&store, store.merge_cells(&[cell(0, 1, 0, 1)])).await;
    // The row, the hour, the day, the list, the border.
    assert!(about(first, 10.0), "{first}");
    let more: Vec<_> = (1..=20).map(|key| cell(0, 1, key, 1)).collect();
    let (_, read, write) = units(&store, store.merge_cells(&more)).await;
    // Twenty rows and the hour. Nobody counts here what failed a condition; the service does, a unit for each row.
    assert!(about(write, 42.0) && read <= 45.0, "{read} {write}");
}

async fn a_roll_up_costs_one_unit_for_each_row_and_what_it_keeps(server: Server) {
    let store = server.table().await.0;
    for key in 0..20 {
        store.merge_cells(&[cell(0, 1, key, 1), cell(1, 2, key, 1)]).await.unwrap();
    }
    let (rolled, read, write) = units(&store, store.rollup(TENANT, meter(), hour(0))).await;
    assert_eq!(rolled.unwrap().total, 40);
    // The hour, the day, two lists, the border.
    assert!(about(write, 40.0 + 10.0) && read <= 60.0, "{read} {write}");
    let (_, read, write) = units(&store, store.rollup(TENANT, meter(), hour(0))).await;
    assert!(about(write, 0.0) && read <= 2.0, "what is rolled up has nothing to do: {read} {write}");
}

async fn an_event_costs_its_claim(server: Server) {
    let store = server.table().await.0;
    let now = minute(0).start();
    store.ingest(TENANT, &[event(0, 0)], now).await.unwrap();
    let events: Vec<_> = (1..=80).map(|n| event(n, 0)).collect();
    let (answers, read, write) = units(&store, store.ingest(TENANT, &events, now)).await;
    assert_eq!(answers, [Ingested::New; 80]);
    // A claim for each, the list of them (2.5 KB), the row.
    assert!((160.0..=172.0).contains(&write) && read <= 90.0, "{read} {write}");
    let (answers, _, write) = units(&store, store.ingest(TENANT, &events, now)).await;
    assert_eq!(answers, [Ingested::Duplicate; 80]);
    assert!(about(write, 0.0), "{write}");
}

async fn sums_of_what_is_rolled_up_cost_the_same_however_much_was_counted(server: Server) {
    let store = server.table().await.0;
    let span = Span::new(minute(0), minute(1440)).unwrap();
    let mut costs = Vec::new();
    for by in 0..2 {
        let cells: Vec<_> = (0..1000).map(|at| cell(at, by, 0, 1)).collect();
        store.merge_cells(&cells).await.unwrap();
        for stale in store.stale_hours(hour(24), 1000).await.unwrap() {
            store.rollup(stale.tenant, stale.meter, stale.hour).await.unwrap();
        }
        for grain in [Grain::Hour, Grain::Day] {
            let query = UsageQuery::new(meter(), span, grain).unwrap();
            costs.push(units(&store, store.series(TENANT, &query)).await.1);
        }
    }
    assert!(about(costs[0], costs[2]) && about(costs[1], costs[3]), "{costs:?}");
    assert!(costs[0] <= 3.0 && costs[1] <= 2.0, "{costs:?}");
}

async fn a_watermark_costs_one_unit(server: Server) {
    let store = server.table().await.0;
    for n in 1..4 {
        let mark = Watermark { writer: writer(1), upto: minute(n), seen_at: minute(n).start(), ended: false };
        let ((), read, write) = units(&store, store.advance_watermark(&mark)).await;
        assert!(about(write, 1.0) && about(read, 0.0), "{read} {write}");
    }
}

async fn nothing_is_left_of_what_is_pruned(server: Server) {
    let (store, options) = server.table().await;
    let cells: Vec<_> = (0..300).map(|n| cell(n, u128::from(n), 0, 1)).collect();
    store.merge_cells(&cells).await.unwrap();
    let events: Vec<_> = (0..100).map(|n| event(n, 0)).collect();
    store.ingest(TENANT, &events, minute(0).start()).await.unwrap();
    for stale in store.stale_hours(hour(24), 1000).await.unwrap() {
        store.rollup(stale.tenant, stale.meter, stale.hour).await.unwrap();
    }
    for (what, most) in [(Prune::Minutes, 301), (Prune::Hours, 5), (Prune::Claims, 100)] {
        let mut removed = 0;
        while let part @ 1.. = store.prune(what, minute(1440), 64).await.unwrap() {
            assert!(part <= 64);
            removed += part;
        }
        assert_eq!(removed, most, "{what:?}");
    }
    // The day, and the borders.
    assert_eq!(server.count_all(options.table()).await, 1 + 16);
}

/// Handles that share nothing but the table: no queue of one process keeps them apart.
async fn what_processes_count_and_close_at_once_adds_up(server: Server) {
    const PROCESSES: u128 = 4;
    let (first, options) = server.table().await;
    let mut processes = Vec::new();
    for by in 0..PROCESSES {
        let store = DynamoDb::open(&options).await.unwrap();
        processes.push(tokio::spawn(async move {
            let mut counted = 0;
            for round in 0..8 {
                let at = 60 * (round / 2);
                let cells = [cell(at, by, 0, 1), cell(at + 1, by, 0, 1), cell(at + 7, by, 1, 1 + u64::from(round % 2))];
                let report = store.merge_cells(&cells).await.unwrap();
                // In every second round only the third of them is raised, by one.
                counted += report.news as u64;
                // All of them report the same.
                let events: Vec<_> = (0..4).map(|n| event(n + usize::try_from(4 * round).unwrap(), at)).collect();
                let answers = store.ingest(TENANT, &events, minute(at).start()).await.unwrap();
                counted += answers.iter().filter(|answer| **answer == Ingested::New).count() as u64;
                if by == 0 {
                    for stale in store.stale_hours(hour(at / 60), 1000).await.unwrap() {
                        store.rollup(stale.tenant, stale.meter, stale.hour).await.unwrap();
                    }
                    store.prune(Prune::Minutes, minute(at), 1000).await.unwrap();
                }
            }
            counted
        }));
    }
    let mut counted = 0;
    for process in processes {
        counted += process.await.unwrap();
    }
    for stale in first.stale_hours(hour(24), 1000).await.unwrap() {
        first.rollup(stale.tenant, stale.meter, stale.hour).await.unwrap();
    }
    assert_eq!(first.stale_hours(hour(24), 1000).await.unwrap(), []);
    for grain in [Grain::Hour, Grain::Day] {
        let query = UsageQuery::new(meter(), Span::new(minute(0), minute(1440)).unwrap(), grain).unwrap();
        let total: u64 = first.series(TENANT, &query).await.unwrap().iter().map(|bucket| bucket.total).sum();
        assert_eq!(total, counted, "{grain:?}");
    }
    first.prune(Prune::Minutes, minute(1440), 1000).await.unwrap();
    let query = UsageQuery::new(meter(), Span::new(minute(0), minute(1440)).unwrap(), Grain::Day).unwrap();
    let total: u64 = first.series(TENANT, &query).await.unwrap().iter().map(|bucket| bucket.total).sum();
    assert_eq!(total, counted, "out of what is kept");
}
