//! What a decision in memory costs, in time and in bytes, and what a limiter adds to it.
//!
//! `cargo bench -p togglebox-ratelimit --bench memory`. Beside it runs `governor`, whose keyed limiter is the nearest thing to the
//! store: one quota, one limit at a time, no bound on keys. The cases take short turns, so that whatever else the machine does meets
//! them all.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and ends where it cannot measure")]
#![expect(clippy::cast_precision_loss, reason = "figures are shown with three digits")]

use std::hint::black_box;
use std::num::NonZeroU32;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use allocation_counter::measure;
use governor::state::keyed::DefaultKeyedStateStore;
use togglebox_core::TenantId;
use togglebox_ratelimit::{
    Batch, Digest, Fact, Limit, LimitStore as _, Limiter, MemoryStore, Policy, PolicyName, Quota, Subject, SystemStopwatch, Tag,
};

type Governor = governor::RateLimiter<Digest, DefaultKeyedStateStore<Digest>, governor::clock::DefaultClock>;

/// Keys among which decisions are made.
const KEYS: u64 = 100_000;

/// Decisions of a thread in one turn, and turns of each case.
const TURN: u64 = 10_000;
const TURNS: usize = 300;

/// Keys that a store of a million limits is flooded with.
const FLOOD: u64 = 10_000_000;

/// Calls of a limiter in one turn, and turns of each case.
const CALLS: usize = 100;
const CALL_TURNS: usize = 3_000;

fn main() {
    decisions();
    bytes();
    flood();
    limiter();
}

/// So much can be saved up, and so slowly comes back, that every decision passes and leaves a state behind.
fn deep() -> Quota {
    Quota::rate(1, Duration::from_hours(1)).burst(1_000_000).unwrap()
}

fn slot(number: u64) -> Digest {
    Digest::of([number.to_le_bytes().as_slice()])
}

/// What the limiter does for a decision about one limit, from the slot on.
fn decide(store: &MemoryStore, policy: PolicyName, slot: Digest, quota: Quota) {
    let limit = Limit::new(policy, slot, quota, 1).unwrap();
    assert!(store.consume_one_now(Tag::Tenant(TenantId::DEFAULT), &limit).unwrap().unwrap().passed);
}

/// Numbers below [`KEYS`] in an order that no cache foresees.
struct Order(u64);

impl Order {
    fn next(&mut self) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % KEYS).unwrap()
    }
}

/// How long a turn of this many threads takes for each decision, in nanoseconds.
fn turn(threads: u64, round: usize, one: &(impl Fn(usize) + Sync)) -> f64 {
    let barrier = Barrier::new(usize::try_from(threads).unwrap());
    let work = |thread: u64| {
        let mut order = Order(round as u64 * 8 + thread);
        barrier.wait();
        let began = Instant::now();
        for _ in 0..TURN {
            one(order.next());
        }
        (began, Instant::now())
    };
    let times: Vec<(Instant, Instant)> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|thread| scope.spawn(move || work(thread))).collect();
        let own = work(0);
        others.into_iter().map(|other| other.join().unwrap()).chain([own]).collect()
    });
    let (first, last) = (times.iter().map(|(began, _)| *began).min(), times.iter().map(|(_, ended)| *ended).max());
    nanos(last.unwrap() - first.unwrap()) / (TURN * threads) as f64
}

fn nanos(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e9
}

/// What the fastest tenth of turns stays below: turns in which nothing else wanted the processor.
fn fast(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 10]
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn decisions() {
    let slots: Vec<Digest> = (0..KEYS).map(slot).collect();
    let (store, policy, quota) = (MemoryStore::new(), "bench".parse::<PolicyName>().unwrap(), deep());
    let theirs = governor::Quota::with_period(Duration::from_hours(1)).unwrap().allow_burst(NonZeroU32::new(1_000_000).unwrap());
    let governor: Governor = governor::RateLimiter::keyed(theirs);
    let ours = |place: usize| decide(&store, policy, slots[place], quota);
    let other = |place: usize| governor.check_key(&slots[place]).unwrap();
    for place in 0..slots.len() {
        ours(place);
        other(place);
    }
    let mut took: [Vec<f64>; 4] = Default::default();
    for round in 0..TURNS {
        for (case, took) in took.iter_mut().enumerate() {
            took.push(match case {
                0 => turn(1, round, &ours),
                1 => turn(2, round, &ours),
                2 => turn(1, round, &other),
                _ => turn(2, round, &other),
            });
        }
    }
    let [ours, ours_of_two, other, other_of_two] = took.map(fast);
    println!("decisions among {KEYS} keys, the fastest tenth of {TURNS} turns of {TURN} for each thread");
    println!("{:<28} {:>14} {:>18} {:>8}", "", "1 thread, ns", "2 threads, ns", "gain");
    println!("{:<28} {ours:>14.0} {ours_of_two:>18.0} {:>8.2}", "memory store", ours / ours_of_two);
    println!("{:<28} {other:>14.0} {other_of_two:>18.0} {:>8.2}", "governor, keyed", other / other_of_two);
}

fn bytes() {
    println!("\nbytes for each key, its 16 included");
    println!("{:<28} {:>14} {:>18}", "keys", "memory store", "governor, keyed");
    let (policy, quota) = ("bench".parse::<PolicyName>().unwrap(), deep());
    let theirs = governor::Quota::with_period(Duration::from_hours(1)).unwrap().allow_burst(NonZeroU32::new(1_000_000).unwrap());
    for keys in [10_000, 50_000, KEYS, 200_000, 500_000, 900_000] {
        let (mut store, mut governor) = (None, None);
        let ours = measure(|| {
            let new = MemoryStore::new();
            (0..keys).for_each(|number| decide(&new, policy, slot(number), quota));
            store = Some(new);
        });
        let other = measure(|| {
            let new: Governor = governor::RateLimiter::keyed(theirs);
            (0..keys).for_each(|number| new.check_key(&slot(number)).unwrap());
            governor = Some(new);
        });
        assert_eq!(store.map(|store| store.len()), usize::try_from(keys).ok());
        assert_eq!(governor.map(|governor| governor.len()), usize::try_from(keys).ok());
        let each = |bytes: i64| bytes as f64 / keys as f64;
        println!("{keys:<28} {:>14.0} {:>18.0}", each(ours.bytes_current), each(other.bytes_current));
    }
}

fn flood() {
    let store = MemoryStore::new();
    let (policy, quota, mut most, mut took) = ("bench".parse::<PolicyName>().unwrap(), deep(), 0, Vec::new());
    let made = measure(|| {
        for part in 0..FLOOD / KEYS {
            let slots: Vec<Digest> = (part * KEYS..(part + 1) * KEYS).map(slot).collect();
            let began = Instant::now();
            for slot in slots {
                decide(&store, policy, slot, quota);
            }
            took.push(nanos(began.elapsed()) / KEYS as f64);
            most = most.max(store.len());
        }
    });
    let filling = usize::try_from(store.capacity() as u64 / KEYS).unwrap();
    let full = took.split_off(filling);
    println!("\n{FLOOD} keys, each once, in a store of {} limits", store.capacity());
    println!("{:<28} {most:>14}", "the most limits held");
    println!("{:<28} {:>14}", "limits pushed out", store.evictions());
    println!("{:<28} {:>14.0}", "the most memory, MB", made.bytes_max as f64 / 1e6);
    println!("{:<28} {:>14.0}", "ns for each while it fills", median(took));
    println!("{:<28} {:>14.0}", "ns for each once full", median(full));
    assert!(most <= store.capacity());
}

/// A store and limiters over it, and what they are asked.
fn limiter() {
    let store = Arc::new(MemoryStore::with(1_000_000, Arc::new(SystemStopwatch::start())));
    let policy = |name: &str, scope: &[Fact]| Policy::new(name, scope, deep()).unwrap();
    let build = |policies: Vec<Policy>| Limiter::over(Arc::<MemoryStore>::clone(&store)).policies(policies).build().unwrap();
    let one = build(vec![policy("tenant", &[Fact::Tenant])]);
    let three = build(vec![
        policy("all", &[Fact::Tenant]),
        policy("key", &[Fact::Tenant, Fact::Key]),
        policy("route", &[Fact::Tenant, Fact::Route]),
    ]);
    let keys: Vec<[u8; 16]> = (0..1000_u64).map(|number| *slot(number).as_bytes()).collect();
    let batch = |number: u64, limits: u64| {
        let limit = |n| Limit::new("raw".parse().unwrap(), slot(1_000_000 + number * 8 + n), deep(), 1).unwrap();
        Batch::new(Tag::Tenant(TenantId::DEFAULT), (0..limits).map(limit)).unwrap()
    };
    let raw: [Vec<Batch>; 2] = [1, 3].map(|limits| (0..1000).map(|number| batch(number, limits)).collect());
    let mut took: [Vec<f64>; 4] = Default::default();
    for round in 0..CALL_TURNS {
        for (case, took) in took.iter_mut().enumerate() {
            let began = Instant::now();
            for call in 0..CALLS {
                let place = (round * CALLS + call) % keys.len();
                if case % 2 == 0 {
                    assert!(black_box(store.consume_now(&raw[case / 2][place]).unwrap().unwrap()).passed);
                } else {
                    let subject = Subject::of("read").tenant(TenantId::DEFAULT).key(&keys[place]);
                    let limiter = if case == 1 { &one } else { &three };
                    assert!(black_box(limiter.acquire_now(&subject).unwrap()).is_allowed());
                }
            }
            took.push(nanos(began.elapsed()) / CALLS as f64);
        }
    }
    println!("\na limiter over the memory store, from the request to the decision; {CALL_TURNS} turns of {CALLS}");
    table("the fastest tenth", took.clone().map(fast));
    table("the median", took.map(median));
}

fn table(name: &str, [raw_one, one, raw_three, three]: [f64; 4]) {
    println!("{name:<28} {:>14} {:>18} {:>14}", "store, ns", "limiter, ns", "more, µs");
    for (name, raw, all) in [("1 policy", raw_one, one), ("3 policies", raw_three, three)] {
        println!("{name:<28} {raw:>14.0} {all:>18.0} {:>14.2}", (all - raw) / 1000.0);
    }
}
