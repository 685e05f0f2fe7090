//! What it costs a request that it is limited, in memory.
//!
//! Servers, each a process of its own, that have no limits, as many again that have none either, that limit other routes only, as by default,
//! that limit what is asked by its address, and that also tell of it in headers. There are twenty of each, some 20 MB of memory each, loaded
//! in turn with all others stopped: once each connection comes from an address of its own, and once all come from one, so that they contend
//! for one limit.
//!
//! `cargo bench -p togglebox-server --bench limited`; `-- limited` leaves out all that is called otherwise, but for those without limits.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and ends where it cannot measure")]

#[path = "../support/contents.rs"]
mod contents;
#[path = "../support/load.rs"]
mod load;
#[path = "../support/rounds.rs"]
mod rounds;
#[path = "../support/service.rs"]
mod service;

use std::net::Ipv4Addr;
use std::path::Path;

use togglebox_core::TenantId;
use togglebox_server::{Node, Settings};

use self::load::{Requests, answer, connect, get};
use self::rounds::Round;
use self::service::{Kind, Service};

const NODES: usize = 20;
/// Of each node.
const TURNS: usize = 3;

/// So high that `r` always has six figures: all answers have to be of one length.
const RULE: &str = "4000000/1s burst=999999";

type Setting = (&'static str, &'static str);

const LIMITED: [Setting; 2] = [("RATE_LIMIT_GENERAL", RULE), ("RATE_LIMIT_EVALUATION", RULE)];
const UNTOLD: Setting = ("RATE_LIMIT_HEADERS", "none");

const KINDS: [(&str, &[Setting]); 5] = [
    ("no limits", &[("RATE_LIMITS", "off")]),
    ("no limits, again", &[("RATE_LIMITS", "off")]),
    ("elsewhere", &[UNTOLD]),
    ("limited", &[LIMITED[0], LIMITED[1], UNTOLD]),
    ("limited, and told", &LIMITED),
];

fn main() {
    let Some(arguments) = service::arguments() else { return };
    let folder = tempfile::tempdir().unwrap();
    let original = folder.path().join("original.db");
    fill(&original);
    let is_wanted = |name: &str| arguments.is_empty() || arguments.iter().any(|wanted| wanted == name);
    let chosen = KINDS.into_iter().enumerate().filter(|(place, (name, _))| *place < 2 || is_wanted(name));
    let kinds: Vec<_> = chosen.map(|(_, kind)| kind).collect();
    let start = |node: usize, kind: usize| {
        let file = folder.path().join(format!("{node}-{kind}.db"));
        std::fs::copy(&original, &file).unwrap();
        Service::start(Kind::Open, &file, kinds[kind].1)
    };
    let nodes = rounds::start(NODES, kinds.len(), start);
    let request = get("localhost", &contents::evaluation(0), "");
    for service in nodes.iter().flatten() {
        answer(&mut connect(service.address()), &request);
    }
    let names: Vec<&str> = kinds.iter().map(|(name, _)| *name).collect();
    let requests = Requests::new(vec![request], vec![0]);
    for (addresses, from) in
        [("an address each", each_its_own as fn(usize) -> Ipv4Addr), ("one address", |_| Ipv4Addr::LOCALHOST)]
    {
        let rounds = rounds::in_turn(&nodes, TURNS, |service| Round::of(service, &requests, from));
        rounds::print(addresses, &names, 2, &rounds);
    }
    println!("aim: 0.98 of the rate without limits");
}

fn fill(file: &Path) {
    togglebox_server::runtime().block_on(async {
        let url = format!("sqlite:{}", file.display());
        let settings = [("DATABASE_URL", url.as_str())].into_iter().collect();
        let node = Node::open(&Settings::read(&settings).unwrap()).await.unwrap();
        contents::fill(&node.services(), TenantId::DEFAULT, 1).await;
        node.close().await.unwrap();
    });
}

/// Each connection comes from an address of its own.
fn each_its_own(connection: usize) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 0, 1, 1)) + u32::try_from(connection).unwrap())
}
