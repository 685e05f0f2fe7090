//! What a decision in Redis costs beside the least that a script can cost: one that does nothing.
//!
//! `cargo xtask bench redis` brings the server; `cargo bench -p togglebox-ratelimit --bench redis` takes the one that
//! `TOGGLEBOX_TEST_REDIS` names. The cases take turns, call by call, so that whatever else the machine does meets them all.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and ends where it cannot measure")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::Script;
use redis::aio::MultiplexedConnection;
use togglebox_core::{OsEntropy, SystemClock, TenantId};
use togglebox_ratelimit::{Batch, Digest, Limit, LimitStore as _, Quota, RedisOptions, RedisStore, Tag};
use tokio::task::JoinSet;

/// Calls of each case whose times are compared, one client after the other.
const ROUNDS: usize = 10_000;

/// Calls of each case over which the server's time is measured, in turns of so many.
const TURN: u32 = 2_000;
const TURNS: u32 = 10;

/// Clients at once, and how long they ask.
const CROWD: usize = 64;
const TIME: Duration = Duration::from_secs(3);

#[derive(Clone)]
struct Bench {
    raw: MultiplexedConnection,
    nothing: Arc<String>,
    store: Arc<RedisStore>,
}

/// What is asked.
#[derive(Clone)]
enum Case {
    /// A script of one key that answers 1.
    Nothing,
    /// Limits that pass, or of which the last does not.
    Limits(Box<Batch>),
}

fn main() {
    let Some(url) = std::env::var_os("TOGGLEBOX_TEST_REDIS") else {
        println!("TOGGLEBOX_TEST_REDIS names no server: nothing is measured");
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(run(&url.into_string().unwrap()));
}

async fn run(url: &str) {
    let bench = Bench::new(url).await;
    let wide = Quota::rate(1_000_000, Duration::from_secs(1)).burst(1_000_000).unwrap();
    let narrow = Quota::rate(1, Duration::from_hours(1)).burst(1).unwrap();
    let cases = [
        ("a script that does nothing", Case::Nothing),
        ("1 limit", limits(&[wide])),
        ("3 limits", limits(&[wide, wide, wide])),
        ("3 limits, denied", limits(&[wide, wide, narrow])),
    ];
    one_by_one(&bench, &cases).await;
    server_time(&bench, &cases).await;
    crowd(&bench, &cases).await;
}

/// One for each quota, each of another policy.
fn limits(quotas: &[Quota]) -> Case {
    let limit = |(number, quota): (usize, &Quota)| {
        let name = format!("bench-{number}");
        let slot = Digest::of([name.as_bytes(), quota.to_string().as_bytes()]);
        Limit::new(name.parse().unwrap(), slot, *quota, 1).unwrap()
    };
    Case::Limits(Box::new(Batch::new(Tag::Tenant(TenantId::DEFAULT), quotas.iter().enumerate().map(limit)).unwrap()))
}

async fn one_by_one(bench: &Bench, cases: &[(&str, Case)]) {
    let mut took: Vec<Vec<Duration>> = cases.iter().map(|_| Vec::with_capacity(ROUNDS)).collect();
    for round in 0..ROUNDS + ROUNDS / 10 {
        for ((_, case), took) in cases.iter().zip(&mut took) {
            let began = Instant::now();
            bench.clone().call(case).await;
            if round >= ROUNDS / 10 {
                took.push(began.elapsed());
            }
        }
    }
    println!("{ROUNDS} calls of each, in turns, one client");
    println!("{:<28} {:>12} {:>12} {:>8}", "", "median, µs", "p99, µs", "ratio");
    let mut least = 0.0;
    for ((name, _), mut took) in cases.iter().zip(took) {
        took.sort_unstable();
        let micros = |place: usize| took[place].as_secs_f64() * 1e6;
        let (median, p99) = (micros(took.len() / 2), micros(took.len() * 99 / 100));
        if least == 0.0 {
            least = median;
        }
        println!("{name:<28} {median:>12.1} {p99:>12.1} {:>8.2}", median / least);
    }
}

async fn server_time(bench: &Bench, cases: &[(&str, Case)]) {
    let mut spent = vec![0.0; cases.len()];
    for _ in 0..TURNS {
        for ((_, case), spent) in cases.iter().zip(&mut spent) {
            let before = bench.clone().server_seconds().await;
            for _ in 0..TURN {
                bench.clone().call(case).await;
            }
            *spent += bench.clone().server_seconds().await - before;
        }
    }
    println!("\nthe server's processor time for each of {} calls, one client", TURN * TURNS);
    table(cases, &spent.iter().map(|spent| spent * 1e6 / f64::from(TURN * TURNS)).collect::<Vec<_>>());
}

fn table(cases: &[(&str, Case)], micros: &[f64]) {
    println!("{:<28} {:>12} {:>8}", "", "µs", "ratio");
    for ((name, _), spent) in cases.iter().zip(micros) {
        println!("{name:<28} {spent:>12.2} {:>8.2}", spent / micros[0]);
    }
}

async fn crowd(bench: &Bench, cases: &[(&str, Case)]) {
    let (mut rates, mut micros) = (Vec::new(), Vec::new());
    for (_, case) in cases {
        let before = bench.clone().server_seconds().await;
        let began = Instant::now();
        let mut clients = JoinSet::new();
        for _ in 0..CROWD {
            let (mut bench, case) = (bench.clone(), case.clone());
            clients.spawn(async move {
                let mut calls = 0_u32;
                while began.elapsed() < TIME {
                    bench.call(&case).await;
                    calls += 1;
                }
                calls
            });
        }
        let calls: f64 = clients.join_all().await.into_iter().map(f64::from).sum();
        rates.push(calls / began.elapsed().as_secs_f64());
        micros.push((bench.clone().server_seconds().await - before) * 1e6 / calls);
    }
    println!("\n{CROWD} clients at once");
    println!("{:<28} {:>12} {:>8}", "", "per second", "ratio");
    for ((name, _), rate) in cases.iter().zip(&rates) {
        println!("{name:<28} {rate:>12.0} {:>8.2}", rate / rates[0]);
    }
    println!("\nthe server's processor time for each of those calls");
    table(cases, &micros);
}

impl Bench {
    async fn new(url: &str) -> Self {
        let client = redis::Client::open(url).unwrap();
        let mut raw = client.get_multiplexed_async_connection().await.unwrap();
        let nothing = Script::new("return 1");
        nothing.load_async(&mut raw).await.unwrap();
        // What is measured is how long it takes, and not whether that is too long.
        let options = RedisOptions::parse(url).unwrap().with_prefix("bench").unwrap().with_timeout(Duration::from_secs(10));
        let store = RedisStore::new(options, Arc::new(SystemClock), Arc::new(OsEntropy));
        store.connected().await;
        Self { raw, nothing: Arc::new(nothing.get_hash().to_owned()), store: Arc::new(store) }
    }

    async fn call(&mut self, case: &Case) {
        match case {
            Case::Nothing => {
                let mut command = redis::cmd("EVALSHA");
                command.arg(self.nothing.as_str()).arg(1).arg("{bench}");
                assert_eq!(command.query_async::<i64>(&mut self.raw).await.unwrap(), 1);
            }
            Case::Limits(batch) => {
                self.store.consume(batch).await.unwrap();
            }
        }
    }

    /// How long the server's main thread has worked so far.
    async fn server_seconds(&mut self) -> f64 {
        let info: String = redis::cmd("INFO").arg("cpu").query_async(&mut self.raw).await.unwrap();
        let seconds = |name: &str| {
            let line = info.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim_start_matches(':').trim().parse::<f64>().unwrap()
        };
        seconds("used_cpu_user_main_thread") + seconds("used_cpu_sys_main_thread")
    }
}
