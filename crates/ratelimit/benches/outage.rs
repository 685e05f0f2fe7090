//! What callers notice when Redis stands still, when the network between breaks, and when they come back.
//!
//! `cargo xtask bench outage`, or with an installed redis-server `cargo bench -p togglebox-ratelimit --bench outage`. Requests come
//! 500 times a second whatever becomes of those before them; how long one takes is counted from when it was due. The limiters have the
//! options that programs have.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and ends where it cannot measure")]
#![expect(clippy::cast_precision_loss, reason = "figures are shown with three digits")]

#[path = "support/still.rs"]
mod still;
mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use togglebox_core::TenantId;
use togglebox_ratelimit::testkit::{Network, Proxy};
use togglebox_ratelimit::{Fact, Limiter, LimiterOptions, OnOutage, Outcome, Policy, Quota, Source, Subject};
use tokio::sync::mpsc;
use tokio::time::sleep_until;

use self::support::Server;

/// Requests a second.
const RATE: u32 = 500;

/// From when to when it is broken, and when all ends.
const BREAKS: Duration = Duration::from_secs(3);
const HEALS: Duration = Duration::from_secs(8);
const ENDS: Duration = Duration::from_secs(12);

/// What takes longer was noticed.
const NOTICED: Duration = Duration::from_millis(5);

/// The quota of row 13, and the nodes that share it.
const BURST: u32 = 100;
const PER_SECOND: u32 = 100;
const NODES: u32 = 4;

/// What is asked in turn; each has a policy of this name.
const ROUTES: [(&str, OnOutage); 3] = [("local", OnOutage::Local), ("open", OnOutage::Open), ("closed", OnOutage::Closed)];

/// How it breaks, and heals.
struct Break {
    name: &'static str,
    breaks: fn(&Server, &Proxy),
    heals: fn(&Server, &Proxy),
    /// Nothing has to heal for it to be well again.
    by_itself: bool,
}

const CALM: Break = Break { name: "nothing breaks", breaks: |_, _| {}, heals: |_, _| {}, by_itself: true };
const FROZEN: Break = Break {
    name: "the server stands still",
    breaks: |server, _| still::freeze(server),
    heals: |server, _| still::thaw(server),
    by_itself: false,
};

const fn network(name: &'static str, breaks: fn(&Server, &Proxy)) -> Break {
    Break { name, breaks, heals: |_, proxy| proxy.set(Network::default()), by_itself: false }
}

const NETWORKS: [Break; 6] = [
    network("nothing reaches the server", |_, proxy| proxy.set(Network { lost_to_server: true, ..Network::default() })),
    network("no answer arrives", |_, proxy| proxy.set(Network { lost_to_client: true, ..Network::default() })),
    network("200 ms each way", |_, proxy| proxy.set(Network::slow(Duration::from_millis(200)))),
    network("reset, then refused", |_, proxy| {
        proxy.set(Network { refusing: true, ..Network::default() });
        proxy.cut();
    }),
    Break { name: "reset once", breaks: |_, proxy| proxy.cut(), heals: |_, _| {}, by_itself: true },
    Break { name: "half open", breaks: |_, proxy| proxy.half_open(), heals: |_, _| {}, by_itself: true },
];

/// One request.
struct Asked {
    due: Duration,
    done: Duration,
    number: u32,
    outcome: Outcome,
    source: Source,
}

fn main() {
    support::beside_redis(run);
}

async fn run(server: &Server) {
    let mut raw = server.raw().await;
    println!(
        "one limiter, {RATE} requests a second for {} s, broken from {} s to {} s",
        ENDS.as_secs(),
        BREAKS.as_secs(),
        HEALS.as_secs()
    );
    println!(
        "{:<28} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "", "> 5 ms", "p50, ms", "p99, ms", "max, ms", "wrong", "without", "back, ms", "late"
    );
    for case in [CALM, FROZEN].iter().chain(&NETWORKS) {
        let proxy = Proxy::before(server.address(), 1).await.unwrap();
        let limiters = [wide(proxy.address()).await];
        let asked = load(&limiters, &ROUTES.map(|(route, _)| route), server, &proxy, case).await;
        let charged = charged(server).await;
        report(case, &asked, charged);
        // The late ones of this case are not those of the next.
        let () = redis::cmd("FLUSHALL").query_async(&mut raw).await.unwrap();
    }
    shared(server).await;
}

/// A limiter whose quotas let everything pass, and forget nothing within the hour.
async fn wide(address: SocketAddr) -> Limiter {
    let quota = Quota::rate(1, Duration::from_hours(1)).burst(100_000).unwrap();
    let policy = |(name, outage): &(&str, OnOutage)| {
        Policy::new(name, &[Fact::Tenant], quota).unwrap().for_routes([*name]).on_outage(*outage)
    };
    Limiter::over(Arc::new(support::store(address, support::USUAL).await)).policies(ROUTES.iter().map(policy)).build().unwrap()
}

/// How many units the server has charged, in the end.
async fn charged(server: &Server) -> u64 {
    let limiter = wide(server.address()).await;
    let mut charged = 0;
    for (route, _) in ROUTES {
        let decision = limiter.acquire(&Subject::of(route).tenant(TenantId::DEFAULT)).await;
        assert_eq!(decision.source(), Source::Store);
        // But for the one that asks.
        charged += 100_000 - 1 - decision.limits()[0].standing.reading.remaining;
    }
    charged
}

/// Requests at the limiters in turn, each for the next route.
async fn load(limiters: &[Limiter], routes: &[&'static str], server: &Server, proxy: &Proxy, case: &Break) -> Vec<Asked> {
    // They are all awake, and know the script.
    for limiter in limiters {
        for route in routes {
            let _ = limiter.acquire(&Subject::of(route).tenant(TenantId::DEFAULT)).await;
        }
    }
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let (handle, limiters, routes) = (tokio::runtime::Handle::current(), limiters.to_vec(), routes.to_vec());
    let began = Instant::now();
    // A thread of its own, for the run time's clock has ticks of a millisecond.
    let pace = std::thread::spawn(move || {
        for number in 0..RATE * u32::try_from(ENDS.as_secs()).unwrap() {
            let due = Duration::from_secs(1) * number / RATE;
            if let Some(early) = due.checked_sub(began.elapsed()) {
                std::thread::sleep(early);
            }
            let limiter = limiters[number as usize % limiters.len()].clone();
            let (sender, route) = (sender.clone(), routes[number as usize % routes.len()]);
            handle.spawn(async move {
                let decision = limiter.acquire(&Subject::of(route).tenant(TenantId::DEFAULT)).await;
                let (outcome, source) = (decision.outcome(), decision.source());
                sender.send(Asked { due, done: began.elapsed(), number, outcome, source }).unwrap();
            });
        }
    });
    sleep_until((began + BREAKS).into()).await;
    (case.breaks)(server, proxy);
    sleep_until((began + HEALS).into()).await;
    (case.heals)(server, proxy);
    let mut asked = Vec::new();
    while let Some(each) = receiver.recv().await {
        asked.push(each);
    }
    pace.join().unwrap();
    asked.sort_by_key(|each| each.due);
    asked
}

/// Whether a decision is one that the policy allows.
fn is_right(asked: &Asked) -> bool {
    let outage = ROUTES[asked.number as usize % ROUTES.len()].1;
    match asked.outcome {
        Outcome::Allowed => asked.source == Source::Store || outage != OnOutage::Closed,
        Outcome::Unavailable { .. } => asked.source == Source::Fallback && outage == OnOutage::Closed,
        _ => false,
    }
}

fn report(case: &Break, asked: &[Asked], charged: u64) {
    let mut took: Vec<Duration> = asked.iter().map(|each| each.done.saturating_sub(each.due)).collect();
    took.sort_unstable();
    let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
    let at = |part: usize| ms(took[took.len() * part / 100]);
    let noticed = took.iter().filter(|took| **took > NOTICED).count() as f64 / took.len() as f64;
    let wrong = asked.iter().filter(|each| !is_right(each)).count();
    let without = asked.iter().filter(|each| each.source == Source::Fallback).count();
    // From when on every decision is the store's again.
    let last = asked.iter().rev().find(|each| each.source == Source::Fallback).map(|each| each.due);
    let from = if case.by_itself { BREAKS } else { HEALS };
    let back = last.map_or("-".to_owned(), |last| format!("{:.0}", ms(last.saturating_sub(from))));
    let by_store = asked.iter().filter(|each| each.source == Source::Store).count() + ROUTES.len();
    let late = charged - by_store as u64;
    println!(
        "{:<28} {:>7.2}% {:>8.2} {:>8.2} {:>8.2} {wrong:>8} {without:>8} {back:>8} {late:>8}",
        case.name,
        noticed * 100.0,
        at(50),
        at(99),
        ms(took[took.len() - 1])
    );
}

/// Several nodes that share one quota, and are asked for more than that.
async fn shared(server: &Server) {
    let quota = Quota::rate(PER_SECOND, Duration::from_secs(1)).burst(BURST).unwrap();
    let proxy = Proxy::before(server.address(), 1).await.unwrap();
    let mut limiters = Vec::new();
    for _ in 0..NODES {
        let policy = Policy::new("shared", &[Fact::Tenant], quota).unwrap();
        let options = LimiterOptions::default().with_nodes(NODES);
        limiters.push(
            Limiter::over(Arc::new(support::store(server.address(), support::USUAL).await))
                .policy(policy)
                .options(options)
                .build()
                .unwrap(),
        );
    }
    let asked = load(&limiters, &["shared"], server, &proxy, &FROZEN).await;
    let allowed = |from: Duration, to: Duration| {
        asked.iter().filter(|each| each.outcome == Outcome::Allowed && (from..to).contains(&each.done)).count()
    };
    let seconds = HEALS.as_secs() - BREAKS.as_secs();
    let bound = u64::from(BURST) + u64::from(PER_SECOND) * seconds;
    println!(
        "\n{NODES} limiters, {PER_SECOND} a second and a burst of {BURST} together, {RATE} requests a second; the server stands still"
    );
    println!("{:<44} {:>8} {:>8}", "allowed", "", "quota");
    println!("{:<44} {:>8} {:>8}", "before", allowed(Duration::ZERO, BREAKS), u64::from(BURST) + 100 * BREAKS.as_secs());
    println!("{:<44} {:>8} {bound:>8}", format!("in the {seconds} s of the outage"), allowed(BREAKS, HEALS));
    println!(
        "{:<44} {:>8} {:>8}",
        "afterwards",
        allowed(HEALS, ENDS),
        u64::from(BURST) + 100 * (ENDS.as_secs() - HEALS.as_secs())
    );
    let noticed = asked.iter().filter(|each| each.done.saturating_sub(each.due) > NOTICED).count();
    println!("{:<44} {:>7.2}%", "longer than 5 ms", noticed as f64 * 100.0 / asked.len() as f64);
}
