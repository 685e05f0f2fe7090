//! A row that every request updates, beside a recorder that is flushed once a second: how fast each is, and that both come to the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnection;
use sqlx::{Connection, Executor};
use togglebox_core::{OsEntropy, SystemClock, TenantId};
use togglebox_metering::store::{UsageQuery, UsageSink};
use togglebox_metering::{Flusher, FlusherOptions, Grain, Meter, Meters, Minute, Recorder, RecorderOptions, Span, Usage};
use tokio::sync::Mutex;

use super::engine::Engine;
use super::load;

const CLIENTS: usize = 16;
const THREADS: usize = 2;
const TIME: Duration = Duration::from_secs(4);

/// Prints how many increments a second each way takes. `database` is where the engine's tables are.
pub(crate) async fn compare(engine: &Engine, database: &str) {
    let (row, recorder) = (by_row(database).await, by_recorder(engine).await);
    println!("one hot tenant, {}: UPDATE … + 1, {CLIENTS} clients: {row:.0} a second", engine.name);
    println!("one hot tenant, {}: record(), {THREADS} threads, all of it sent: {recorder:.0} a second", engine.name);
    println!("one hot tenant, {}: ratio {:.0}, aim 1000", engine.name, recorder / row);
    both_ways(engine, database).await;
}

/// How many requests are counted both ways at once; a million by `TOGGLEBOX_BENCH_REQUESTS`.
#[expect(clippy::disallowed_methods, reason = "whoever runs it may ask for more")]
fn requests() -> u32 {
    std::env::var("TOGGLEBOX_BENCH_REQUESTS").ok().map_or(50_000, |text| text.parse().unwrap())
}

const TENANTS: u32 = 10;

fn tenant(number: u32) -> TenantId {
    TenantId::from_uuid(uuid::Uuid::from_u128(0xb07 + u128::from(number)))
}

/// Counts each request of ten tenants in its row, and with a recorder; prints by how much they differ in the end.
async fn both_ways(engine: &Engine, database: &str) {
    let mut first = PgConnection::connect(database).await.unwrap();
    first.execute("CREATE TABLE both_ways (tenant bigint PRIMARY KEY, total bigint NOT NULL)").await.unwrap();
    let rows = sqlx::query("INSERT INTO both_ways SELECT n, 0 FROM generate_series(0, $1 - 1) n").bind(i64::from(TENANTS));
    rows.execute(&mut first).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (recorder, flusher) = recording(engine, folder.path());
    let meter = METER.parse().unwrap();
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..u32::try_from(CLIENTS).unwrap() {
        let (recorder, mut connection) = (Arc::clone(&recorder), PgConnection::connect(database).await.unwrap());
        clients.spawn(async move {
            for request in (client..requests()).step_by(CLIENTS) {
                let number = request * 7 % TENANTS;
                let row = sqlx::query("UPDATE both_ways SET total = total + 1 WHERE tenant = $1").bind(i64::from(number));
                row.execute(&mut connection).await.unwrap();
                recorder.record(&Usage { tenant: tenant(number), meter, values: &["both"] }, 1).unwrap();
            }
        });
    }
    let flushing = async {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            flusher.flush().await.unwrap();
        }
    };
    tokio::select! {
        made = clients.join_all() => drop(made),
        () = flushing => {}
    }
    flusher.finish().await.unwrap();
    let (mut rows, mut difference) = (0, 0);
    for number in 0..TENANTS {
        let row = sqlx::query_scalar("SELECT total FROM both_ways WHERE tenant = $1").bind(i64::from(number));
        let row: i64 = row.fetch_one(&mut first).await.unwrap();
        let recorded = i64::try_from(counted(engine, tenant(number), "both").await).unwrap();
        rows += row;
        difference += (row - recorded).abs();
    }
    println!("both ways at once, {}: {rows} requests, difference {difference}", engine.name);
}

const METER: &str = "hot.requests";

fn recording(engine: &Engine, folder: &std::path::Path) -> (Arc<Recorder>, Flusher) {
    let meters = Meters::new([Meter::new(METER, ["operation"]).unwrap()]).unwrap();
    let options = RecorderOptions::in_directory(folder);
    let recorder = Arc::new(Recorder::open(meters, options, Arc::new(SystemClock), Arc::new(OsEntropy)).unwrap());
    let sink = Arc::clone(&engine.usage.ledger) as Arc<dyn UsageSink>;
    (Arc::clone(&recorder), Flusher::new(recorder, sink, FlusherOptions::default()))
}

/// What the store has of a tenant and an operation, of the last twelve hours.
async fn counted(engine: &Engine, tenant: TenantId, operation: &str) -> u64 {
    let now = Minute::of(togglebox_core::Clock::now(&SystemClock)).unwrap();
    let span = Span::new(now.minus(720), now.plus(1)).unwrap();
    let only = togglebox_metering::Labels::new([("operation", operation)]).unwrap();
    let query = UsageQuery::new(METER.parse().unwrap(), span, Grain::Minute).unwrap().only(only);
    let buckets = engine.usage.usage.series(tenant, &query).await.unwrap();
    buckets.iter().map(|bucket| bucket.total).sum()
}

/// Each increment is a transaction of its own.
async fn by_row(database: &str) -> f64 {
    let mut first = PgConnection::connect(database).await.unwrap();
    first
        .execute("CREATE TABLE hot (tenant integer PRIMARY KEY, total bigint NOT NULL); INSERT INTO hot VALUES (1, 0)")
        .await
        .unwrap();
    let mut connections = Vec::new();
    for _ in 0..CLIENTS {
        connections.push(Arc::new(Mutex::new(PgConnection::connect(database).await.unwrap())));
    }
    let figures = load::of(CLIENTS, TIME, |client| {
        let connection = Arc::clone(&connections[client]);
        move || {
            let connection = Arc::clone(&connection);
            async move {
                let mut connection = connection.lock().await;
                sqlx::query("UPDATE hot SET total = total + 1 WHERE tenant = 1").execute(&mut *connection).await.unwrap();
            }
        }
    })
    .await;
    let total: i64 = sqlx::query_scalar("SELECT total FROM hot").fetch_one(&mut first).await.unwrap();
    assert_eq!(usize::try_from(total).unwrap(), figures.made);
    figures.per_second()
}

async fn by_recorder(engine: &Engine) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let (recorder, flusher) = recording(engine, folder.path());
    let (began, stop) = (Instant::now(), Arc::new(AtomicBool::new(false)));
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let (recorder, stop) = (Arc::clone(&recorder), Arc::clone(&stop));
            std::thread::spawn(move || {
                let usage = Usage { tenant: TenantId::DEFAULT, meter: METER.parse().unwrap(), values: &["read"] };
                let mut made = 0_u64;
                while !stop.load(Ordering::Relaxed) {
                    recorder.record(&usage, 1).unwrap();
                    made += 1;
                }
                made
            })
        })
        .collect();
    while began.elapsed() < TIME {
        tokio::time::sleep(Duration::from_secs(1)).await;
        flusher.flush().await.unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    let made: u64 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    flusher.finish().await.unwrap();
    let over = began.elapsed();
    assert_eq!(counted(engine, TenantId::DEFAULT, "read").await, made, "to the unit");
    made as f64 / over.as_secs_f64()
}
