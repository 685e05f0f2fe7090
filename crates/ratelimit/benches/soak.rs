//! Two nodes with leases under everything at once, for a while: whether anything grows, and whether units are lost.
//!
//! `cargo xtask bench soak`, or with an installed redis-server `cargo bench -p togglebox-ratelimit --bench soak`. Ten minutes pass in
//! one: limiters and script go by a clock that is ten times as fast. Tenants and keys come at random, calls are cancelled, decisions
//! given back, and the server stands still again and again.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and ends where it cannot measure")]

#[path = "support/still.rs"]
mod still;
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use togglebox_core::{EntropyExt as _, SeededEntropy, TenantId};
use togglebox_ratelimit::{Digest, Fact, Lease, Limiter, LimiterOptions, OnOutage, Policy, Quota, Source, Stopwatch, Subject};
use tokio::time::{sleep, timeout};

use self::support::Server;

/// How long it lasts. A part is a tenth of it: what there is after the third is compared with what there is at the end.
const TIME: Duration = Duration::from_mins(1);

/// Then without outages and cancelled calls, for exact accounts.
const QUIET: Duration = Duration::from_secs(5);

/// A deadline that a busy machine keeps, for exact accounts.
const PATIENT: Duration = Duration::from_secs(10);

/// How much faster time passes.
const SPEED: u64 = 10;

/// Tasks that ask, of each node.
const TASKS: u64 = 8;

/// Tenants that come again and again; others come once.
const TENANTS: u64 = 20;

/// How much each of these may use: all that comes, and in an hour one unit comes back.
const BURST: u32 = 1_000_000;
const HOUR: Duration = Duration::from_hours(1);

#[derive(Debug)]
struct Fast(Instant);

impl Stopwatch for Fast {
    fn now_us(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).unwrap() * SPEED
    }
}

/// What the tasks did.
#[derive(Debug, Default)]
struct Counts {
    made: AtomicU64,
    leased: AtomicU64,
    fallback: AtomicU64,
    cancelled: AtomicU64,
    /// Units of the tenants that come again and again: used, by decisions of the store or from a lease.
    used: AtomicU64,
}

fn main() {
    support::beside_redis(run);
}

fn tenant(number: u64) -> TenantId {
    let bytes = *Digest::of([number.to_le_bytes().as_slice()]).as_bytes();
    TenantId::from_uuid(uuid::Builder::from_random_bytes(bytes).into_uuid())
}

async fn run(server: &Server) {
    let mut raw = server.raw().await;
    let clock: Arc<dyn Stopwatch> = Arc::new(Fast(Instant::now()));
    let mut nodes = Vec::new();
    for _ in 0..2 {
        nodes.push(node(server, &clock, support::USUAL).await);
    }
    println!("two limiters with leases, {TASKS} tasks each, time {SPEED} times as fast");
    println!(
        "{:>6} {:>11} {:>9} {:>9} {:>9} {:>7} {:>7} {:>11} {:>7}",
        "s", "decisions", "leased", "without", "cancelled", "tasks", "files", "memory, kB", "held"
    );
    let counts = Arc::new(Counts::default());
    let (mut warm, mut last) = (Footprint::default(), Footprint::default());
    for part in 0..10 {
        load(server, &nodes, &counts, TIME / 10, part, true).await;
        // What was under way ends, and what was held expires.
        settle(&nodes).await;
        last = Footprint::now();
        if part == 2 {
            warm = last;
        }
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        println!(
            "{:>6} {:>11} {:>9} {:>9} {:>9} {:>7} {:>7} {:>11} {:>7}",
            ((part + 1) * TIME / 10).as_secs(),
            count(&counts.made),
            count(&counts.leased),
            count(&counts.fallback),
            count(&counts.cancelled),
            last.tasks,
            last.files,
            last.kilobytes,
            nodes.iter().map(Limiter::leased_units).sum::<u64>()
        );
    }
    println!(
        "from the third part to the last: {:+} tasks, {:+} files, {:+} kB",
        last.tasks - warm.tasks,
        last.files - warm.files,
        last.kilobytes - warm.kilobytes
    );

    let () = redis::cmd("FLUSHALL").query_async(&mut raw).await.unwrap();
    let nodes = [node(server, &clock, PATIENT).await, node(server, &clock, PATIENT).await];
    let counts = Arc::new(Counts::default());
    load(server, &nodes, &counts, QUIET, 10, false).await;
    settle(&nodes).await;
    for node in &nodes {
        node.close().await;
    }
    let (charged, used) = (charged(server, &clock).await, counts.used.load(Ordering::Relaxed));
    let leased = counts.leased.load(Ordering::Relaxed);
    println!(
        "without outages: {used} units used, {leased} of them from leases; {charged} charged; {:+} lost",
        i128::from(charged) - i128::from(used)
    );
}

async fn node(server: &Server, clock: &Arc<dyn Stopwatch>, deadline: Duration) -> Limiter {
    let deep = Quota::rate(1, HOUR).burst(BURST).unwrap();
    let small = Quota::rate(50, Duration::from_secs(1)).burst(100).unwrap();
    let lease = Lease { life: Duration::from_millis(100), share: 0.05 };
    let store = support::store(server.address(), deadline).await.with_stopwatch(Arc::clone(clock));
    Limiter::over(Arc::new(store))
        .policies([
            Policy::new("deep", &[Fact::Tenant], deep).unwrap().leased(lease).for_routes(["deep"]),
            Policy::new("small", &[Fact::Tenant, Fact::Key], small).unwrap().leased(lease).for_routes(["small"]),
            Policy::new("once", &[Fact::Tenant], small).unwrap().leased(Lease { share: 1.0, ..lease }).for_routes(["once"]),
            Policy::new("closed", &[Fact::Tenant], small).unwrap().on_outage(OnOutage::Closed).for_routes(["closed"]),
        ])
        .options(LimiterOptions::default().with_deadline(deadline).with_nodes(2).with_fallback_capacity(10_000))
        .stopwatch(Arc::clone(clock))
        .build()
        .unwrap()
}

async fn load(server: &Server, nodes: &[Limiter], counts: &Arc<Counts>, time: Duration, part: u32, rough: bool) {
    let (mut tasks, ends) = (tokio::task::JoinSet::new(), Instant::now() + time);
    for (number, node) in (0..).zip(nodes.iter().flat_map(|node| (0..TASKS).map(move |_| node))) {
        let (limiter, counts) = (node.clone(), Arc::clone(counts));
        let dice = SeededEntropy::new(u64::from(part) << 32 | number);
        tasks.spawn(async move {
            while Instant::now() < ends {
                for _ in 0..5 {
                    one(&limiter, &counts, &dice, rough).await;
                }
                sleep(Duration::from_millis(2)).await;
            }
        });
    }
    if rough {
        // Once too short for the breaker, and once long enough for connections to end.
        for (pause, still) in [(time / 10, Duration::from_millis(30)), (time / 10, Duration::from_millis(700))] {
            sleep(pause).await;
            still::freeze(server);
            sleep(still).await;
            still::thaw(server);
        }
    }
    tasks.join_all().await;
}

async fn one(limiter: &Limiter, counts: &Counts, dice: &SeededEntropy, rough: bool) {
    let [kind, who, chance, key] = dice.bytes();
    let often = tenant(u64::from(who) % TENANTS);
    let other = tenant(u64::from_le_bytes(dice.bytes()));
    let key = [key];
    let subject = match kind % 8 {
        0 => Subject::of("once").tenant(other),
        1 => Subject::of("closed").tenant(other),
        2 | 3 => Subject::of("small").tenant(often).key(&key),
        _ => Subject::of("deep").tenant(often),
    };
    let add = |counter: &AtomicU64| counter.fetch_add(1, Ordering::Relaxed);
    add(&counts.made);
    let decision = if rough && chance < 8 {
        // Gone before the answer, mostly.
        let Ok(decision) = timeout(Duration::ZERO, limiter.acquire(&subject)).await else {
            add(&counts.cancelled);
            return;
        };
        decision
    } else {
        limiter.acquire(&subject).await
    };
    match decision.source() {
        Source::Fallback => drop(add(&counts.fallback)),
        Source::Lease => drop(add(&counts.leased)),
        _ => {}
    }
    let counted = subject.route() == "deep" && decision.source() != Source::Fallback;
    if chance > 250 && decision.source() == Source::Store {
        limiter.refund(decision).await;
    } else if counted && decision.is_allowed() {
        add(&counts.used);
    }
}

/// Until nothing is under way or held. Accounts of leases are closed after ten seconds without use, which is one here.
async fn settle(nodes: &[Limiter]) {
    sleep(Duration::from_millis(1500)).await;
    for _ in 0..100 {
        if nodes.iter().all(|node| node.leased_units() == 0 && !node.is_degraded()) {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// What the server has charged the tenants that come again and again.
async fn charged(server: &Server, clock: &Arc<dyn Stopwatch>) -> u64 {
    let limiter = node(server, clock, PATIENT).await;
    let mut charged = 0;
    for number in 0..TENANTS {
        let decision = limiter.acquire(&Subject::of("deep").tenant(tenant(number))).await;
        assert_eq!(decision.source(), Source::Store);
        // In whole hours: what came back by itself, or too late to come back, is minutes. But for the one that asks.
        let until_full = decision.limits()[0].standing.reading.reset_after;
        charged += (until_full + HOUR / 2).as_secs() / HOUR.as_secs() - 1;
    }
    limiter.close().await;
    charged
}

/// What the process takes.
#[derive(Clone, Copy, Debug, Default)]
struct Footprint {
    tasks: i64,
    files: i64,
    kilobytes: i64,
}

impl Footprint {
    fn now() -> Self {
        let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        let files = std::fs::read_dir("/proc/self/fd").unwrap().count();
        let memory = std::fs::read_to_string("/proc/self/status").unwrap();
        let resident = memory.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let kilobytes = resident.trim().trim_end_matches(" kB").parse().unwrap();
        Self { tasks: i64::try_from(tasks).unwrap(), files: i64::try_from(files).unwrap(), kilobytes }
    }
}
