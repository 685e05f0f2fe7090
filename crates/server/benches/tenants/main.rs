//! What it costs that one service has many workspaces.
//!
//! The open-source server and the cloud's, each a process of its own with its defaults and its chores, over a SQLite file of its own;
//! loaded in turn by the same 64 connections, round after round, with one and the same request but for the host and the key. The
//! open-source server wants a key too (`ENABLE_AUTHENTICATION`), since that is how workspaces are read. What is printed are medians,
//! the ratios round by round: of the rates, and of the processor time that the server itself took for a request, in which the clients
//! have no part.
//!
//! Then one workspace, its requests counted and not: see [`counted`].
//!
//! `cargo bench -p togglebox-server --features cloud --bench tenants`; `-- Zipf` runs what has that in its name alone, beside the
//! open-source server, and `-- counted` what is counted.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and ends where it cannot measure")]

#[path = "../../../multitenancy/benches/support/choice.rs"]
mod choice;
#[path = "../support/contents.rs"]
mod contents;
mod counted;
#[path = "../support/load.rs"]
mod load;
#[path = "../support/rounds.rs"]
mod rounds;
#[path = "../support/service.rs"]
mod service;
mod workspaces;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use togglebox_core::TenantId;

use self::choice::Choice;
use self::load::{Requests, answer, connect, get, text};
use self::rounds::Round;
use self::service::{Kind, Service};
use self::workspaces::{BASE, Workspace};

const ROUNDS: usize = 9;
const MANY: usize = 10_000;

/// As many choices as no connection makes in a round.
const ORDER: usize = 1 << 20;

/// After so long a server does what it does as long as it runs.
const AT_REST: Duration = Duration::from_secs(50);

/// Connections that ask for each workspace for the first time: fewer than look-ups for unknown names that may be under way at once.
const FIRST: usize = 16;

/// So high that nobody is refused, and that what is left always has as many figures: all answers have to be of one length.
const PLANS: &str =
    "[[plan]]\nname = \"free\"\ntitle = \"Free\"\n[plan.limits]\nrequests_per_second = 4_000_000\nburst = 999_999\n";

struct Case<'s> {
    name: &'static str,
    service: &'s Service,
    requests: Requests,
}

fn main() {
    let Some(arguments) = service::arguments() else { return };
    let folder = tempfile::tempdir().unwrap();
    let wanted = arguments.first().map(String::as_str);
    if wanted.is_none_or(|wanted| wanted != counted::NAME) {
        measure(folder.path(), wanted);
    }
    if wanted.is_none_or(|wanted| wanted == counted::NAME) {
        counted::measure(folder.path());
    }
}

/// A file with the plans of the service.
fn plans(folder: &Path) -> String {
    let file = folder.join("plans.toml");
    std::fs::write(&file, PLANS).unwrap();
    file.into_os_string().into_string().unwrap()
}

fn measure(folder: &Path, wanted: Option<&str>) {
    let file = |name: &str| folder.join(name);
    let plans = plans(folder);
    // The only tenant of the open-source server is asked for as the first workspace is.
    let (first, all) = (Workspace::first(1), Workspace::first(MANY));
    let only = [Workspace { tenant: TenantId::DEFAULT, ..first[0].clone() }];
    workspaces::fill(&file("open.db"), &only, false);
    workspaces::fill(&file("one.db"), &first, true);
    workspaces::fill(&file("many.db"), &all, true);
    for (name, copy) in [("one", "one-limited"), ("many", "many-limited")] {
        std::fs::copy(file(&format!("{name}.db")), file(&format!("{copy}.db"))).unwrap();
    }
    let start = |kind, name: &str, settings: &[(&str, &str)]| Service::start(kind, &file(name), settings);
    let cloud = |name: &str, rates| {
        let settings = [("BASE_DOMAIN", BASE), ("PLANS_FILE", &plans), ("PLAN_RATES", rates), ("METERING", "false")];
        start(Kind::Cloud, name, &settings)
    };
    let open = start(Kind::Open, "open.db", &[("ENABLE_AUTHENTICATION", "true")]);
    let [one, many] = ["one.db", "many.db"].map(|name| cloud(name, "off"));
    let [one_limited, many_limited] = ["one-limited.db", "many-limited.db"].map(|name| cloud(name, "enforce"));
    let at_start = resident_bytes(&many);
    let each = [(&open, &only[..]), (&one, &first), (&many, &all), (&one_limited, &first), (&many_limited, &all)];
    let ask_all = || each.iter().for_each(|(service, workspaces)| ask_each(service.address(), workspaces));
    ask_all();
    remembered(&one, &many, at_start);
    // Until the store has been asked about every workspace, and the first uses of keys are written: once in the life of a process.
    std::thread::sleep(AT_REST);
    ask_all();
    let case = |name, service, workspaces: &[Workspace], choice: Choice| {
        let texts = workspaces.iter().map(request).collect();
        Case { name, service, requests: Requests::new(texts, choice.draw(workspaces.len(), ORDER)) }
    };
    let uniform = Choice::Uniform;
    let cases = [
        case("open source", &open, &only, uniform),
        case("1 workspace", &one, &first, uniform),
        case("10,000, uniform", &many, &all, uniform),
        case("10,000, Zipf", &many, &all, Choice::Zipf),
        case("1, limited", &one_limited, &first, uniform),
        case("10,000, uniform, limited", &many_limited, &all, uniform),
        case("10,000, Zipf, limited", &many_limited, &all, Choice::Zipf),
    ];
    let chosen = |(place, case): &(usize, Case<'_>)| *place == 0 || wanted.is_none_or(|wanted| case.name.contains(wanted));
    let cases: Vec<_> = cases.into_iter().enumerate().filter(chosen).map(|(_, case)| case).collect();
    let of = |case: &Case<'_>| Round::of(case.service, &case.requests, |_| Ipv4Addr::LOCALHOST);
    let rounds: Vec<Vec<Round>> = (0..ROUNDS).map(|_| cases.iter().map(of).collect()).collect();
    let names: Vec<&str> = cases.iter().map(|case| case.name).collect();
    rounds::print("evaluation of a flag", &names, 1, &rounds);
    println!("aim: 0.9 of the open-source server's rate");
}

fn request(workspace: &Workspace) -> String {
    get(&workspace.host(), &contents::evaluation(0), &format!("X-API-Key: {}\r\n", workspace.key))
}

/// Asks for every workspace once.
fn ask_each(address: SocketAddr, workspaces: &[Workspace]) {
    std::thread::scope(|scope| {
        for part in workspaces.chunks(workspaces.len().div_ceil(FIRST)) {
            scope.spawn(move || {
                let mut stream = connect(address);
                for workspace in part {
                    let answer = text(&answer(&mut stream, &request(workspace)));
                    assert!(answer.starts_with("HTTP/1.1 200 "), "{}: {answer}", workspace.host());
                }
            });
        }
    });
}

/// Memory of a workspace, of which one environment with one flag has been asked for, and nothing else since the start.
fn remembered(one: &Service, many: &Service, at_start: f64) {
    let [one, many] = [one, many].map(resident_bytes);
    let others = f64::from(u32::try_from(MANY - 1).unwrap());
    let [one_mb, many_mb, at_start] = [one, many, at_start].map(|bytes| bytes / 1e6);
    println!(
        "resident memory: {one_mb:.1} MB with 1 workspace, {many_mb:.1} MB with {MANY} ({at_start:.1} MB before the first request), {:.0} bytes for each",
        (many - one) / others
    );
}

/// What a server has of the machine's memory.
fn resident_bytes(service: &Service) -> f64 {
    let status = std::fs::read_to_string(service.proc("status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kib: u32 = line.trim().trim_end_matches(" kB").parse().unwrap();
    f64::from(kib) * 1024.0
}
