//! What it costs a request that it is counted.
//!
//! Two processes of one kind differ by up to four parts of a hundred, since they have their data elsewhere in memory. So there are several
//! of each, and those that count are compared with two that do not.

use std::path::Path;
use std::time::Duration;

use crate::choice::Choice;
use crate::load::{Requests, median};
use crate::service::{Kind, Service};
use crate::workspaces::{BASE, Workspace};
use crate::{AT_REST, Case, Round, ask_each, plans, request, round, workspaces};

/// What the part is called.
pub(crate) const NAME: &str = "counted";

const NODES: usize = 20;
/// Each comes first, second and last once.
const ROUNDS: usize = NODES * KINDS.len();

/// Without, without once more, and with.
const KINDS: [(&str, &str); 3] = [("not counted", "false"), ("not counted, again", "false"), (NAME, "true")];

pub(crate) fn measure(folder: &Path) {
    let (plans, first) = (plans(folder), Workspace::first(1));
    let original = folder.join("counted.db");
    workspaces::fill(&original, &first, true);
    let start = |node: usize, kind: usize| {
        let file = folder.join(format!("counted-{node}-{kind}.db"));
        std::fs::copy(&original, &file).unwrap();
        let settings = [("BASE_DOMAIN", BASE), ("PLANS_FILE", &plans), ("PLAN_RATES", "off"), ("METERING", KINDS[kind].1)];
        Service::start(Kind::Cloud, &file, &settings)
    };
    let nodes: Vec<[Service; 3]> = (0..NODES).map(|node| std::array::from_fn(|kind| start(node, kind))).collect();
    let ask_all = || nodes.iter().flatten().for_each(|service| ask_each(service.address(), &first));
    ask_all();
    std::thread::sleep(AT_REST);
    ask_all();
    nodes.iter().flatten().for_each(Service::pause);
    let rounds: Vec<Vec<Round>> = (0..ROUNDS)
        .map(|number| {
            let nodes = &nodes[number % NODES];
            let mut places: Vec<usize> = (0..KINDS.len()).collect();
            // Who comes first in one round comes last in the next one.
            places.rotate_left(number / NODES % KINDS.len());
            let mut rounds: Vec<_> = places.into_iter().map(|kind| (kind, of(&nodes[kind], &first))).collect();
            rounds.sort_unstable_by_key(|(kind, _)| *kind);
            rounds.into_iter().map(|(_, round)| round).collect()
        })
        .collect();
    println!("\n{:<26} {:>10} {:>7} {:>14} {:>7}", "evaluation of a flag", "req/s", "ratio", "busy, µs/req", "ratio");
    for (kind, (name, _)) in KINDS.iter().enumerate() {
        let of = |figure: fn(&Round) -> f64| {
            let own = rounds.iter().map(|round| figure(&round[kind]));
            // Of two that do the same, for one of them would add its own luck to everything.
            let ratio = rounds.iter().map(|round| figure(&round[kind]) * 2.0 / (figure(&round[0]) + figure(&round[1])));
            [median(own), median(ratio)]
        };
        let [rate, rate_ratio] = of(|round| round.per_second);
        let [busy, busy_ratio] = of(|round| round.busy_us);
        println!("{name:<26} {rate:>10.0} {rate_ratio:>7.3} {busy:>14.1} {busy_ratio:>7.3}");
    }
    println!("aim: 0.97 of the rate of those that do not count");
}

fn of(service: &Service, first: &[Workspace]) -> Round {
    let requests = Requests::new(first.iter().map(request).collect(), Choice::Uniform.draw(first.len(), 1));
    service.resume();
    // What it has to catch up with.
    std::thread::sleep(Duration::from_millis(300));
    let round = round(&Case { name: NAME, service, requests });
    service.pause();
    round
}
