//! Calls of the ports of usage.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use togglebox_core::{StoreErrorKind, TenantId, Timestamp};
use togglebox_metering::store::UsageQuery;
use togglebox_metering::{Cell, Day, Grain, Ingested, Labels, MeterId, Minute, Series, Span, UsageEvent, WriterId};
use uuid::Uuid;

use super::cases::Calls;
use super::contents::Contents;
use super::engine::Engine;

const TENANTS: u128 = 100;
const OPERATIONS: u64 = 10;
/// A day in 2028, far from what anybody else writes.
const FIRST: u32 = 21_242 * 1440;
/// Events of a call, of which three in ten were in an earlier one.
const EVENTS: u64 = 500;
const REPEATED: u64 = 150;
/// How often a call is made again that a crowded store did not take: one that is away ends the benchmark.
const TRIES: u32 = 20;

fn meter() -> MeterId {
    "bench.requests".parse().unwrap()
}

fn tenant(number: u128) -> TenantId {
    TenantId::from_uuid(Uuid::from_u128((0xbe << 64) + number))
}

fn series(operation: u64) -> Series {
    let operation = format!("o{operation}");
    Series { meter: meter(), labels: Labels::new([("environment", "web/production"), ("operation", &operation)]).unwrap() }
}

/// What a node sends that serves a hundred tenants: a thousand cells, again and again within a minute, or of new minutes.
fn merge(engine: &Engine, client: usize, per_minute: u64) -> Calls {
    let (store, calls) = (Arc::clone(&engine.usage.ledger), AtomicU64::new(0));
    let writer = WriterId::from_u128((0xbeef << 64) + u128::from(per_minute) * 1000 + client as u128);
    Box::new(move || {
        let (store, call) = (Arc::clone(&store), calls.fetch_add(1, Ordering::Relaxed));
        let minute = Minute::from_number(FIRST + u32::try_from(call / per_minute).unwrap());
        let cells: Vec<Cell> = (0..TENANTS)
            .flat_map(|number| (0..OPERATIONS).map(move |operation| (tenant(number), series(operation))))
            .map(|(tenant, series)| Cell { tenant, series, minute, writer, total: call + 1 })
            .collect();
        Box::pin(async move {
            // As the flusher does where too many are at the same: what the store does not take now it is given again.
            let mut tries = 0;
            let report = loop {
                match store.merge_cells(&cells).await {
                    Err(error) if *error.kind() == StoreErrorKind::Unavailable && tries < TRIES => tries += 1,
                    outcome => break outcome.unwrap(),
                }
            };
            assert!(report.late.is_empty());
        })
    })
}

pub(crate) fn raised(engine: &Engine, _: &Contents, client: usize) -> Calls {
    merge(engine, client, 60)
}

pub(crate) fn new(engine: &Engine, _: &Contents, client: usize) -> Calls {
    merge(engine, client, 1)
}

/// How often clients that send events were made: each has ids of its own.
static SENDERS: AtomicU64 = AtomicU64::new(0);

pub(crate) fn events(engine: &Engine, _: &Contents, _: usize) -> Calls {
    let client = SENDERS.fetch_add(1, Ordering::Relaxed);
    let (store, calls) = (Arc::clone(&engine.usage.usage), AtomicU64::new(0));
    let at = Minute::from_number(FIRST).start();
    Box::new(move || {
        let (store, call) = (Arc::clone(&store), calls.fetch_add(1, Ordering::Relaxed));
        let first = call * (EVENTS - REPEATED);
        let event = |number: u64| event(client, first + number, at);
        let events: Vec<UsageEvent> = (0..EVENTS).map(event).collect();
        // Each client is a tenant of its own: what one tenant's calls do at once, they do one after the other.
        let tenant = tenant(1000 + u128::from(client));
        let repeated = if call == 0 { 0 } else { REPEATED };
        Box::pin(async move {
            let mut tries = 0;
            let answers = loop {
                match store.ingest(tenant, &events, at).await {
                    // Others were at the same items for too long: some of them may count already.
                    Err(error) if *error.kind() == StoreErrorKind::Unavailable && tries < TRIES => tries += 1,
                    outcome => break outcome.unwrap(),
                }
            };
            let known = answers.iter().filter(|answer| matches!(answer, Ingested::Duplicate)).count() as u64;
            assert!(known == repeated || tries > 0 && known > repeated, "{known} of {repeated}");
        })
    })
}

fn event(client: u64, number: u64, at: Timestamp) -> UsageEvent {
    UsageEvent::new(&format!("bench/{client}"), &number.to_string(), series(number % OPERATIONS), 1, at).unwrap()
}

/// A month by day, as a tenant looks at it.
pub(crate) fn month(engine: &Engine, _: &Contents, _: usize) -> Calls {
    let store = Arc::clone(&engine.usage.usage);
    let day: Day = Minute::from_number(FIRST).day();
    let span = Span::new(day.start(), day.start().plus(30 * 1440)).unwrap();
    let query = UsageQuery::new(meter(), span, Grain::Day).unwrap().by("operation");
    Box::new(move || {
        let (store, query) = (Arc::clone(&store), query.clone());
        Box::pin(async move { drop(store.series(tenant(1), &query).await.unwrap()) })
    })
}
