//! The hot queries and writes of the store ports, over each engine: by one client, and by sixteen at once.
//!
//! `cargo xtask bench engines` brings the servers. `cargo bench -p togglebox-storage --bench engines` takes those that
//! `TOGGLEBOX_TEST_POSTGRES` and `TOGGLEBOX_TEST_DYNAMODB` name and leaves out the others; `-- audit` runs only what has that in its name,
//! `-- both` only what counts requests both ways at once.
//! Clients, and SQLite itself, share the processors with the servers. Where calls have a price it is told, as a mean.

#![expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and ends where it cannot measure")]

mod cases;
mod contents;
mod engine;
#[cfg(feature = "postgres")]
mod hot;
mod load;
mod usage;

use std::time::Duration;

use self::cases::Case;
use self::contents::Contents;
use self::engine::Engine;

/// How many clients there are at once.
const CROWDS: [usize; 2] = [1, 16];
/// How long each case is measured, after a fifth of that to warm up.
const TIME: Duration = Duration::from_secs(2);

fn main() {
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        println!("{:<22} {:<32} {:>7} {:>10} {:>11} {:>11}", "engine", "case", "clients", "per second", "median, µs", "p99, µs");
        for engine in engine::all().await {
            measure(&engine, wanted.as_deref()).await;
            #[cfg(feature = "postgres")]
            if let Some(database) = engine.database.as_deref() {
                match wanted.as_deref() {
                    Some("both") => hot::both_ways(&engine, database).await,
                    Some(wanted) if !"usage".contains(wanted) => {}
                    _ => hot::compare(&engine, database).await,
                }
            }
            engine.close().await;
        }
    });
}

async fn measure(engine: &Engine, wanted: Option<&str>) {
    let cases: Vec<_> = Case::ALL.iter().filter(|case| wanted.is_none_or(|wanted| case.name.contains(wanted))).collect();
    if cases.is_empty() {
        return;
    }
    let contents = Contents::fill(engine, CROWDS[1]).await;
    for case in cases {
        for clients in CROWDS {
            let before = (engine.spent)();
            let figures = load::of(clients, TIME, |client| case.calls(engine, &contents, client)).await;
            let price = before.zip((engine.spent)()).map_or_else(String::new, |(before, after)| {
                let [read, written] = [0, 1].map(|kind| (after[kind] - before[kind]) / figures.made as f64);
                format!("  {read:.1} units read, {written:.1} written")
            });
            let (median, p99) = (figures.percentile(50).as_micros(), figures.percentile(99).as_micros());
            println!(
                "{:<22} {:<32} {clients:>7} {:>10.0} {median:>11} {p99:>11}{price}",
                engine.name,
                case.name,
                figures.per_second()
            );
        }
    }
}
