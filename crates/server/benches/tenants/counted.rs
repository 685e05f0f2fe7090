//! What it costs a request that it is counted.

use std::net::Ipv4Addr;
use std::path::Path;

use crate::choice::Choice;
use crate::load::Requests;
use crate::rounds::{self, Round};
use crate::service::{Kind, Service};
use crate::workspaces::{BASE, Workspace};
use crate::{AT_REST, ask_each, plans, request, workspaces};

/// What the part is called.
pub(crate) const NAME: &str = "counted";

const NODES: usize = 20;

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
    let nodes = rounds::start(NODES, KINDS.len(), start);
    let ask_all = || nodes.iter().flatten().for_each(|service| ask_each(service.address(), &first));
    ask_all();
    std::thread::sleep(AT_REST);
    ask_all();
    let requests = Requests::new(first.iter().map(request).collect(), Choice::Uniform.draw(first.len(), 1));
    let rounds = rounds::in_turn(&nodes, KINDS.len(), |service| Round::of(service, &requests, |_| Ipv4Addr::LOCALHOST));
    rounds::print("evaluation of a flag", &KINDS.map(|(name, _)| name), 2, &rounds);
    println!("aim: 0.97 of the rate of those that do not count");
}
