//! What leases and remembered denials save, and what they let pass.
//!
//! `cargo xtask bench leases`, or with an installed redis-server `cargo bench -p togglebox-ratelimit --bench leases`.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and ends where it cannot measure")]
#![expect(clippy::cast_precision_loss, reason = "figures are shown with three digits")]

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use togglebox_core::TenantId;
use togglebox_ratelimit::{Fact, Lease, Limiter, LimiterOptions, Policy, Quota, Source, Subject};
use tokio::time::sleep_until;

use self::support::Server;

/// Nodes, and what they share.
const NODES: u32 = 4;
const PER_SECOND: u32 = 1000;
const BURST: u32 = 2000;

/// Units that a node holds at the most (`k`), and for how long (`L`).
const HELD: u32 = 25;
const LIFE: Duration = Duration::from_millis(100);

/// How long each load lasts, but for the burst that comes first.
const TIME: Duration = Duration::from_secs(10);

/// Decisions in a turn, and turns, where one follows the other.
const CALLS: usize = 100;
const TURNS: usize = 2_000;

/// How long the flood of denials lasts, and how many come in a second.
const FLOOD: Duration = Duration::from_secs(5);
const FLOOD_RATE: u32 = 50_000;

/// One decision.
struct Made {
    at: Duration,
    took: Duration,
    allowed: bool,
    source: Source,
}

fn main() {
    support::beside_redis(run);
}

async fn run(server: &Server) {
    let mut raw = server.raw().await;
    println!(
        "{NODES} limiters over one Redis, {PER_SECOND} a second and a burst of {BURST} together, leases of {HELD} units for {LIFE:?}"
    );
    println!(
        "{:<34} {:>9} {:>8} {:>8} {:>9} {:>9} {:>8} {:>9}",
        "asked for in a second", "decisions", "calls", "in 1", "p50, µs", "p99, µs", "too many", "long run"
    );
    for (leased, load) in [(false, 1000), (true, 500), (true, 1000), (true, 2000), (true, 8000)] {
        let limiters = limiters(server, leased).await;
        let name = format!("{load}, {}", if leased { "with leases" } else { "without" });
        let before = scripts_run(&mut raw).await;
        let made = nodes(&limiters, load).await;
        let calls = scripts_run(&mut raw).await - before;
        report(&name, &made, calls);
        for limiter in &limiters {
            limiter.close().await;
        }
        let () = redis::cmd("FLUSHALL").query_async(&mut raw).await.unwrap();
    }
    one_by_one(server).await;
    denials(server, &mut raw).await;
}

/// Decisions of which one follows the other: what one costs without waiting, and without what the machine does between requests.
async fn one_by_one(server: &Server) {
    let policy =
        Policy::new("bench", &[Fact::Tenant], Quota::rate(1_000_000, Duration::from_secs(1)).full_burst().unwrap()).unwrap();
    let policy = policy.leased(Lease::default());
    let limiter = Limiter::over(Arc::new(support::store(server.address(), support::USUAL).await)).policy(policy).build().unwrap();
    let (mut took, mut leased) = (Vec::new(), 0);
    for _ in 0..TURNS {
        let began = Instant::now();
        for _ in 0..CALLS {
            let decision = limiter.acquire(&Subject::of("read").tenant(TenantId::DEFAULT)).await;
            leased += usize::from(decision.source() == Source::Lease);
        }
        took.push(began.elapsed().as_secs_f64() * 1e6 / CALLS as f64);
        tokio::task::yield_now().await;
    }
    took.sort_by(f64::total_cmp);
    println!("\n{} decisions one after the other, {leased} of them from a lease", CALLS * TURNS);
    println!("{:<34} {:>9.2}", "median of turns of a hundred, µs", took[took.len() / 2]);
    println!("{:<34} {:>9.2}", "the fastest tenth, µs", took[took.len() / 10]);
    limiter.close().await;
}

async fn limiters(server: &Server, leased: bool) -> Vec<Limiter> {
    let quota = Quota::rate(PER_SECOND, Duration::from_secs(1)).burst(BURST).unwrap();
    // Of the share of a node, a whole unit more is held at the most.
    let share = (f64::from(HELD - 1) + 0.5) * f64::from(NODES) / f64::from(BURST);
    let mut limiters = Vec::new();
    for _ in 0..NODES {
        let policy = Policy::new("bench", &[Fact::Tenant], quota).unwrap();
        let policy = if leased { policy.leased(Lease { life: LIFE, share }) } else { policy };
        let options = LimiterOptions::default().with_nodes(NODES);
        limiters.push(
            Limiter::over(Arc::new(support::store(server.address(), support::USUAL).await))
                .policy(policy)
                .options(options)
                .build()
                .unwrap(),
        );
    }
    limiters
}

/// The same load at each node, evenly spread over each tick of a millisecond.
async fn nodes(limiters: &[Limiter], load: u32) -> Vec<Made> {
    let began = Instant::now();
    let mut nodes = tokio::task::JoinSet::new();
    for limiter in limiters {
        let limiter = limiter.clone();
        nodes.spawn(async move {
            let (mut made, per_node) = (Vec::new(), load / NODES);
            for number in 0.. {
                let due = Duration::from_secs(1) * number / per_node;
                if due >= TIME {
                    return made;
                }
                if due > began.elapsed() {
                    sleep_until((began + due).into()).await;
                }
                let asked = began.elapsed();
                let decision = limiter.acquire(&Subject::of("read").tenant(TenantId::DEFAULT)).await;
                let at = began.elapsed();
                made.push(Made { at, took: at.saturating_sub(asked), allowed: decision.is_allowed(), source: decision.source() });
            }
            made
        });
    }
    let mut made: Vec<Made> = nodes.join_all().await.into_iter().flatten().collect();
    made.sort_by_key(|made| made.at);
    made
}

fn report(name: &str, made: &[Made], calls: u64) {
    assert!(made.iter().all(|made| made.source != Source::Fallback), "the store was not there");
    let mut took: Vec<f64> = made.iter().map(|made| made.took.as_secs_f64() * 1e6).collect();
    took.sort_by(f64::total_cmp);
    let passed: Vec<f64> = made.iter().filter(|made| made.allowed).map(|made| made.at.as_secs_f64()).collect();
    // Of all windows, the most that passed beyond B + R·W: from the start of the window on, the lowest "passed - R·t" counts.
    let (mut lowest, mut extra) = (f64::MAX, f64::MIN);
    for (before, at) in passed.iter().enumerate() {
        lowest = lowest.min(before as f64 - f64::from(PER_SECOND) * at);
        extra = extra.max(before as f64 + 1.0 - f64::from(PER_SECOND) * at - lowest - f64::from(BURST));
    }
    // Against all that the quota has to give, and what was asked for.
    let given = (f64::from(BURST) + f64::from(PER_SECOND) * TIME.as_secs_f64()).min(made.len() as f64);
    println!(
        "{name:<34} {:>9} {calls:>8} {:>8.1} {:>9.1} {:>9.1} {:>8.0} {:>8.1}%",
        made.len(),
        made.len() as f64 / calls as f64,
        took[took.len() / 2],
        took[took.len() * 99 / 100],
        extra.max(0.0),
        passed.len() as f64 * 100.0 / given
    );
}

/// One key that is used up, and asked for all the same.
async fn denials(server: &Server, raw: &mut MultiplexedConnection) {
    println!("\none key of one limiter is asked for {FLOOD_RATE} times a second, without a lease");
    println!("{:<28} {:>12} {:>12} {:>14} {:>12}", "its quota", "a second", "allowed", "calls, second", "p50, µs");
    for quota in [
        Quota::rate(1, Duration::from_mins(1)).burst(1).unwrap(),
        Quota::rate(60, Duration::from_mins(1)).burst(10).unwrap(),
        Quota::rate(5, Duration::from_secs(1)).burst(5).unwrap(),
        Quota::rate(100, Duration::from_secs(1)).burst(100).unwrap(),
    ] {
        let policy = Policy::new("bench", &[Fact::Tenant], quota).unwrap();
        let limiter =
            Limiter::over(Arc::new(support::store(server.address(), support::USUAL).await)).policy(policy).build().unwrap();
        let request = || Subject::of("read").tenant(TenantId::DEFAULT);
        while limiter.acquire(&request()).await.is_allowed() {}
        let (before, began) = (scripts_run(raw).await, Instant::now());
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let limiter = limiter.clone();
            tasks.spawn(async move {
                let (mut took, mut allowed) = (Vec::new(), 0_u32);
                while began.elapsed() < FLOOD {
                    // What is due by now.
                    let due = began.elapsed().as_secs_f64() * f64::from(FLOOD_RATE) / 8.0;
                    while (took.len() as f64) < due {
                        let asked = Instant::now();
                        allowed += u32::from(limiter.acquire(&request()).await.is_allowed());
                        took.push(asked.elapsed().as_secs_f64() * 1e6);
                    }
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                (took, allowed)
            });
        }
        let (mut took, mut allowed) = (Vec::new(), 0);
        for (each, passed) in tasks.join_all().await {
            took.extend(each);
            allowed += passed;
        }
        let seconds = began.elapsed().as_secs_f64();
        let calls = (scripts_run(raw).await - before) as f64 / seconds;
        took.sort_by(f64::total_cmp);
        println!(
            "{:<28} {:>12.0} {allowed:>12} {calls:>14.1} {:>12.2}",
            quota.to_string(),
            took.len() as f64 / seconds,
            took[took.len() / 2]
        );
        let () = redis::cmd("FLUSHALL").query_async(raw).await.unwrap();
    }
}

/// How many scripts a server has run so far.
async fn scripts_run(raw: &mut MultiplexedConnection) -> u64 {
    let info: String = redis::cmd("INFO").arg("commandstats").query_async(raw).await.unwrap();
    let calls = |line: &str| {
        let calls = line.strip_prefix("cmdstat_evalsha:calls=").or_else(|| line.strip_prefix("cmdstat_eval:calls="))?;
        calls.split(',').next()?.parse::<u64>().ok()
    };
    info.lines().filter_map(calls).sum()
}
