//! One hot tenant: a row that every request updates, beside a recorder that is flushed once a second.

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
    let meters = Meters::new([Meter::new("hot.requests", ["operation"]).unwrap()]).unwrap();
    let options = RecorderOptions::in_directory(folder.path());
    let recorder = Arc::new(Recorder::open(meters, options, Arc::new(SystemClock), Arc::new(OsEntropy)).unwrap());
    let flusher =
        Flusher::new(Arc::clone(&recorder), Arc::clone(&engine.usage.ledger) as Arc<dyn UsageSink>, FlusherOptions::default());
    let (began, stop) = (Instant::now(), Arc::new(AtomicBool::new(false)));
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let (recorder, stop) = (Arc::clone(&recorder), Arc::clone(&stop));
            std::thread::spawn(move || {
                let usage = Usage { tenant: TenantId::DEFAULT, meter: "hot.requests".parse().unwrap(), values: &["read"] };
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
    let now = Minute::of(togglebox_core::Clock::now(&SystemClock)).unwrap();
    let span = Span::new(now.minus(60), now.plus(1)).unwrap();
    let query = UsageQuery::new("hot.requests".parse().unwrap(), span, Grain::Minute).unwrap();
    let buckets = engine.usage.usage.series(TenantId::DEFAULT, &query).await.unwrap();
    assert_eq!(buckets.iter().map(|bucket| bucket.total).sum::<u64>(), made, "to the unit");
    made as f64 / over.as_secs_f64()
}
