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
    println!("one hot tenant, {}, increments a second:", engine.name);
    let mut rows = Vec::new();
    for waits in [true, false] {
        let row = by_row(database, waits).await;
        println!(
            "  UPDATE … + 1, {CLIENTS} clients, commits {} for the disk: {row:.0}",
            if waits { "wait" } else { "do not wait" }
        );
        rows.push(row);
    }
    for operations in [&OPERATIONS[..1], &OPERATIONS] {
        let recorder = by_recorder(engine, operations).await;
        let ratios: Vec<String> = rows.iter().map(|row| format!("{:.0}", recorder / row)).collect();
        let cells = operations.len();
        println!(
            "  record() and send, {THREADS} threads, {cells} cells a minute: {recorder:.0}; ratios {}, aim 1000",
            ratios.join(", ")
        );
    }
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
pub(crate) async fn both_ways(engine: &Engine, database: &str) {
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
const OPERATIONS: [&str; 10] = ["get", "list", "put", "delete", "stream", "batch", "flags", "configs", "assign", "convert"];

fn recording(engine: &Engine, folder: &std::path::Path) -> (Arc<Recorder>, Flusher) {
    let meters = Meters::new([Meter::new(METER, ["operation"]).unwrap()]).unwrap();
    // As the cloud's server counts.
    let options = RecorderOptions::in_directory(folder).mapped();
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

/// Each increment is a transaction of its own. The server of tests does not wait for its disk, so what a server that keeps its promises
/// does is told as well.
async fn by_row(database: &str, waits: bool) -> f64 {
    let mut first = PgConnection::connect(database).await.unwrap();
    first
        .execute("CREATE TABLE IF NOT EXISTS hot (tenant integer PRIMARY KEY, total bigint NOT NULL); TRUNCATE hot; INSERT INTO hot VALUES (1, 0)")
        .await
        .unwrap();
    sync(&mut first, waits).await;
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
    sync(&mut first, false).await;
    figures.per_second()
}

/// Has the server wait for its disk at every commit, or not.
async fn sync(connection: &mut PgConnection, waits: bool) {
    let setting = if waits { "on" } else { "off" };
    for name in ["fsync", "synchronous_commit"] {
        connection.execute(sqlx::AssertSqlSafe(format!("ALTER SYSTEM SET {name} = {setting}"))).await.unwrap();
    }
    connection.execute("SELECT pg_reload_conf()").await.unwrap();
    // The server takes its settings over when it comes to it.
    loop {
        let mut fresh =
            sqlx::query_scalar("SELECT string_agg(setting, ' ') FROM pg_settings WHERE name IN ('fsync', 'synchronous_commit')");
        fresh = fresh.persistent(false);
        let found: String = fresh.fetch_one(&mut *connection).await.unwrap();
        if found == format!("{setting} {setting}") {
            return;
        }
        tokio::task::yield_now().await;
    }
}

async fn by_recorder(engine: &Engine, operations: &'static [&'static str]) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let (recorder, flusher) = recording(engine, folder.path());
    // A tenant of its own for each, so that what is in the store is of this one.
    let tenant = tenant(100 + u32::try_from(operations.len()).unwrap());
    let (began, stop) = (Instant::now(), Arc::new(AtomicBool::new(false)));
    let meter = METER.parse().unwrap();
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (recorder, stop) = (Arc::clone(&recorder), Arc::clone(&stop));
            std::thread::spawn(move || {
                let mut made = 0_u64;
                let around = operations.iter().cycle().skip(thread * operations.len() / THREADS);
                for operation in around.take_while(|_| !stop.load(Ordering::Relaxed)) {
                    recorder.record(&Usage { tenant, meter, values: &[operation] }, 1).unwrap();
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
    let mut found = 0;
    for operation in operations {
        found += counted(engine, tenant, operation).await;
    }
    assert_eq!(found, made, "to the unit");
    made as f64 / over.as_secs_f64()
}
