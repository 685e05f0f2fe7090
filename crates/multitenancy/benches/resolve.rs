//! What it costs to find a tenant that is remembered: what every request pays.
//!
//! `cargo bench -p togglebox-multitenancy --bench resolve`. Beside the resolver run a moka cache and a map under a mutex, each from the
//! same host header to the same `Arc`, with the host parsed before: what differs is the memory alone. Each call is timed by itself, so
//! that there is a 99th percentile to show; what the timing itself costs is shown too. The cases take short turns, so that whatever else
//! the machine does meets them all.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and ends where it cannot measure")]
#![expect(clippy::cast_precision_loss, reason = "figures are shown with three digits")]

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use togglebox_core::{StoreResult, SystemStopwatch, TenantId};
use togglebox_multitenancy::{Host, HostKey, HostRules, ResolveOptions, Resolver, TenantSource, Versioned};
use uuid::Uuid;

const TENANTS: [usize; 2] = [1, 10_000];
const THREADS: usize = 2;

/// Calls of a thread in one turn, and turns of each case.
const TURN: usize = 2_000;
const TURNS: usize = 200;

#[derive(Debug)]
struct Entry(TenantId);

impl Versioned for Entry {
    fn tenant(&self) -> TenantId {
        self.0
    }

    fn version(&self) -> u64 {
        1
    }

    fn outlasts_outage(&self) -> bool {
        true
    }
}

/// Every subdomain leads to somebody.
#[derive(Debug)]
struct Anybody;

#[async_trait]
impl TenantSource for Anybody {
    type Entry = Entry;

    async fn load(&self, key: &HostKey) -> StoreResult<Option<Arc<Entry>>> {
        Ok(matches!(key, HostKey::Subdomain(_)).then(tenant))
    }
}

fn tenant() -> Arc<Entry> {
    Arc::new(Entry(TenantId::from_uuid(Uuid::from_u128(7))))
}

/// Numbers in an order that no cache foresees.
struct Order(u64);

impl Order {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % below
    }
}

fn main() {
    println!("nanoseconds from the host header to the tenant, {THREADS} threads, {TURNS} turns of {TURN} calls for each");
    println!("{:<22} {:>10} {:>8} {:>8} {:>8} {:>8} {:>12}", "", "tenants", "p50", "p90", "p99", "p99.9", "mean untimed");
    for tenants in TENANTS {
        measure(tenants);
    }
}

fn measure(tenants: usize) {
    let rules = HostRules::new("example.com").unwrap();
    let hosts: Vec<String> = (0..tenants).map(|number| format!("tenant-{number}.example.com")).collect();
    // As long as the benchmark runs, nothing is asked of the store again.
    let options = ResolveOptions::default().lives(Duration::from_hours(1), Duration::from_hours(1));
    let resolver = Resolver::new(Arc::new(Anybody), Arc::new(SystemStopwatch::start()), options);
    let moka =
        moka::sync::Cache::<HostKey, Arc<Entry>>::builder().max_capacity(100_000).time_to_live(Duration::from_hours(1)).build();
    let locked = Mutex::new(HashMap::<HostKey, Arc<Entry>>::new());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    for host in &hosts {
        let host = rules.read(host.as_bytes()).unwrap();
        let key = host.key().unwrap();
        runtime.block_on(resolver.resolve(key)).unwrap();
        moka.insert(key.to_key(), tenant());
        locked.lock().unwrap().insert(key.to_key(), tenant());
    }
    let parse = |place: usize| rules.read(hosts[place].as_bytes()).unwrap();
    let ours = |place: usize| {
        let host = parse(place);
        black_box(resolver.resolve_now(host.key().unwrap()).unwrap().unwrap());
    };
    let of_moka = |place: usize| {
        let host = parse(place);
        black_box(moka.get(&host.key().unwrap()).unwrap());
    };
    // It does not take a key that is borrowed: it has to be made.
    let of_locked = |place: usize| {
        let host = parse(place);
        black_box(Arc::clone(&locked.lock().unwrap()[&host.key().unwrap().to_key()]));
    };
    let parser = |place: usize| assert!(matches!(black_box(parse(place)), Host::Subdomain(_)));
    let nothing = |place: usize| {
        black_box(place);
    };
    let cases: [(&str, &(dyn Fn(usize) + Sync)); 5] = [
        ("resolver", &ours),
        ("moka, sync", &of_moka),
        ("Mutex<HashMap>", &of_locked),
        ("the parser alone", &parser),
        ("nothing", &nothing),
    ];
    let mut took: [Vec<u32>; 5] = Default::default();
    let mut untimed: [Vec<f64>; 5] = Default::default();
    for round in 0..TURNS {
        for (place, (_, one)) in cases.iter().enumerate() {
            took[place].extend(turn(tenants, round, one));
            untimed[place].push(turn_untimed(tenants, round, one));
        }
    }
    for (((name, _), mut took), untimed) in cases.iter().zip(took).zip(untimed) {
        took.sort_unstable();
        let [p50, p90, p99, p999] = [500, 900, 990, 999].map(|part| took[took.len() * part / 1000]);
        println!("{name:<22} {tenants:>10} {p50:>8} {p90:>8} {p99:>8} {p999:>8} {:>12.0}", median(untimed));
        if *name == "resolver" && p99 > 2_000 {
            println!("{name:<22} {tenants:>10} is beyond the aim of 2,000 ns at p99");
        }
    }
}

/// What each call took, in nanoseconds.
fn turn(tenants: usize, round: usize, one: &(dyn Fn(usize) + Sync)) -> Vec<u32> {
    let calls = |order: &mut Order| {
        let call = |_| {
            let place = order.next(tenants);
            let began = Instant::now();
            one(place);
            u32::try_from(began.elapsed().as_nanos()).unwrap_or(u32::MAX)
        };
        (0..TURN).map(call).collect::<Vec<u32>>()
    };
    both(round, &calls).into_iter().flatten().collect()
}

/// What a call took on the average of a turn without a look at the clock in between, in nanoseconds.
fn turn_untimed(tenants: usize, round: usize, one: &(dyn Fn(usize) + Sync)) -> f64 {
    let calls = |order: &mut Order| {
        let began = Instant::now();
        for _ in 0..TURN {
            one(order.next(tenants));
        }
        began.elapsed().as_secs_f64() * 1e9 / TURN as f64
    };
    let each = both(round, &calls);
    each.iter().sum::<f64>() / each.len() as f64
}

/// The same on all threads at once.
fn both<T: Send>(round: usize, work: &(dyn Fn(&mut Order) -> T + Sync)) -> Vec<T> {
    let barrier = Barrier::new(THREADS);
    let start = |thread: usize| {
        let mut order = Order((round * THREADS + thread) as u64);
        barrier.wait();
        work(&mut order)
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..THREADS).map(|thread| scope.spawn(move || start(thread))).collect();
        let own = start(0);
        others.into_iter().map(|other| other.join().unwrap()).chain([own]).collect()
    })
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
