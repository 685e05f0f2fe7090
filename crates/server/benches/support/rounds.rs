//! Services that are loaded in turn, round after round, and what that shows of them beside each other.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::load::{Requests, load, median};
use crate::service::Service;

/// What a service that was stopped has to catch up with.
const AWAKE: Duration = Duration::from_millis(300);

/// What one load shows of a service.
pub(crate) struct Round {
    per_second: f64,
    p99_ms: f64,
    /// Processor time of the service for a request.
    busy_us: f64,
}

impl Round {
    /// Loads a service for a while. `from` says from which address each connection comes.
    pub(crate) fn of(service: &Service, requests: &Requests, from: impl Fn(usize) -> Ipv4Addr) -> Self {
        let before = service.busy();
        let figures = load(service.address(), requests, from);
        let busy = service.busy().saturating_sub(before);
        let busy_us = busy.as_secs_f64() * 1e6 / figures.answered;
        Self { per_second: figures.per_second(), p99_ms: figures.p99_ms(), busy_us }
    }
}

/// So many nodes of each of so many kinds, which `start` starts by the numbers of both.
pub(crate) fn start(nodes: usize, kinds: usize, start: impl Fn(usize, usize) -> Service) -> Vec<Vec<Service>> {
    (0..nodes).map(|node| (0..kinds).map(|kind| start(node, kind)).collect()).collect()
}

/// Rounds of several nodes of each kind, each node in turn, with all others stopped.
///
/// Two processes of one kind differ by up to four parts of a hundred for as long as they live, since they have their data elsewhere in memory:
/// one of each kind would tell nothing.
pub(crate) fn in_turn(nodes: &[Vec<Service>], turns: usize, of: impl Fn(&Service) -> Round) -> Vec<Vec<Round>> {
    nodes.iter().flatten().for_each(Service::pause);
    let round = |number: usize| {
        let (node, turn) = (number % nodes.len(), number / nodes.len());
        let mut rounds: Vec<(usize, &Service)> = nodes[node].iter().enumerate().collect();
        let kinds = rounds.len();
        // Who comes first in one round comes last in the next one.
        rounds.rotate_left((node + turn) % kinds);
        let mut rounds: Vec<(usize, Round)> = rounds.into_iter().map(|(kind, service)| (kind, awake(service, &of))).collect();
        rounds.sort_unstable_by_key(|(kind, _)| *kind);
        rounds.into_iter().map(|(_, round)| round).collect()
    };
    (0..nodes.len() * turns).map(round).collect()
}

fn awake(service: &Service, of: impl Fn(&Service) -> Round) -> Round {
    service.resume();
    std::thread::sleep(AWAKE);
    let round = of(service);
    service.pause();
    round
}

/// Prints medians of each case, and of its ratios to the first `references` cases of the same round: to the mean of these, for one of them
/// would add its own luck to everything.
pub(crate) fn print(title: &str, names: &[&str], references: usize, rounds: &[Vec<Round>]) {
    println!(
        "\n{title:<26} {:>10} {:>7} {:>8} {:>7} {:>14} {:>7}",
        "req/s", "ratio", "p99, ms", "ratio", "busy, µs/req", "ratio"
    );
    for (case, name) in names.iter().enumerate() {
        let of = |figure: fn(&Round) -> f64| {
            let mean = |round: &[Round]| {
                let sum: f64 = round[..references].iter().map(figure).sum();
                sum / f64::from(u32::try_from(references).unwrap())
            };
            let own = rounds.iter().map(|round| figure(&round[case]));
            let ratio = rounds.iter().map(|round| figure(&round[case]) / mean(round));
            [median(own), median(ratio)]
        };
        let [rate, rate_ratio] = of(|round| round.per_second);
        let [p99, p99_ratio] = of(|round| round.p99_ms);
        let [busy, busy_ratio] = of(|round| round.busy_us);
        println!("{name:<26} {rate:>10.0} {rate_ratio:>7.3} {p99:>8.2} {p99_ratio:>7.3} {busy:>14.1} {busy_ratio:>7.3}");
    }
}
