//! How long acknowledging a webhook takes, while so many of them come each second, whether or not those before are answered; and how long
//! it takes to tell that one is real.
//!
//! What is measured goes from the moment at which an event was due to be sent until the end of the answer to it. The node works on what it
//! has taken in at the same time, and Stripe (the simulator, in this process) is asked by it.
//!
//! `cargo xtask bench webhooks`

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and ends where it cannot measure")]

#[expect(dead_code, reason = "some of it is for the other program")]
#[path = "../../togglebox/benches/support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::StatusCode;
use serde_json::{Value, json};
use sha2::Sha256;
use togglebox_billing::{Verifier, WebhookSecret};
use togglebox_core::{Clock as _, SystemClock};
use togglebox_stripe_sim::{Outcome, SeedPrice, Sim};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use support::{Node, PASSWORD, Servers, fraction};

/// The program that is measured.
const BINARY: &str = env!("CARGO_BIN_EXE_togglebox-cloud");
/// What it cannot do without. Webhooks come by the address.
const SETTINGS: &[(&str, &str)] = &[
    ("BASE_DOMAIN", "localtest"),
    ("PLAN_RATES", "off"),
    ("CENTRAL_HOSTS", "127.0.0.1"),
    ("STRIPE_SECRET_KEY", "sk_test_bench"),
    ("STRIPE_WEBHOOK_SECRET", SECRET),
    ("STRIPE_PRICE_PRO_MONTHLY", "price_pro"),
    ("STRIPE_PRICE_API_REQUESTS", "price_use"),
    ("STRIPE_METER_EVENT_NAME", "api_requests"),
    ("APP_URL", "https://app.example.com"),
];
const SECRET: &str = "whsec_bench";
const HOOK: &str = "/api/v1/webhooks/stripe";

/// Workspaces that pay, whose events these are.
const WORKSPACES: usize = 20;
/// So many events are due each second.
const RATE: u32 = 200;
/// For so many seconds, the first of which are not counted.
const SECONDS: u32 = 32;
const UNCOUNTED: u32 = 2;
/// One of so many was sent before.
const AGAIN: usize = 5;
/// From how far back it is taken.
const BACK: usize = 400;

/// What 99 of 100 are to be acknowledged within.
const AIM: Duration = Duration::from_millis(25);
/// As long as events are that are verified by themselves.
const VERIFIED_BYTES: usize = 4096;
/// What verifying one of these is to take.
const VERIFY_AIM_US: u32 = 10;

#[tokio::main]
async fn main() {
    verification();
    let Some(servers) = Servers::told("webhooks") else { return };
    println!(
        "{RATE} events a second for {} s, one of {AGAIN} sent before; 99 of 100 are to take {} ms at the most",
        SECONDS - UNCOUNTED,
        AIM.as_millis()
    );
    println!(
        "{:<24} {:>6} {:>10} {:>8} {:>8} {:>17} {:>8} {:>18}",
        "PostgreSQL", "events", "median ms", "p99 ms", "most ms", "bytes of an event", "in inbox", "all worked on, ms"
    );
    for (name, setting) in [("waits for no disk", "off"), ("waits for its disk", "on")] {
        for parameter in ["fsync", "synchronous_commit", "full_page_writes"] {
            servers.tell("postgres", &format!("ALTER SYSTEM SET {parameter} = {setting}"));
        }
        servers.tell("postgres", "SELECT pg_reload_conf()");
        let database = format!("bench_{}_{setting}", std::process::id());
        let row = measured(&servers, &database).await;
        servers.drop_database(&database);
        println!("{name:<24} {row}");
    }
}

/// Events that come, and what became of them, as a row.
async fn measured(servers: &Servers, database: &str) -> String {
    let sim = Sim::builder().real_clock().start().await.unwrap();
    sim.seed_price(SeedPrice::monthly("price_pro", 2_000)).unwrap();
    sim.seed_meter("mtr_requests", "api_requests");
    sim.seed_price(SeedPrice::metered("price_use", "mtr_requests", "0.02")).unwrap();
    let case = servers.case(database, [("REDIS_URL", servers.redis.clone()), ("STRIPE_API_BASE", sim.base_url())]);
    let node = case.first_node();
    for number in 0..WORKSPACES {
        pays(&sim, &node, &format!("acme-{number}")).await;
    }
    let events = events(&sim);
    let mut sizes: Vec<usize> = events.iter().map(|event| event.body.len()).collect();
    sizes.sort_unstable();

    let mut taken = send(&node, &events).await;
    let last = Instant::now();
    // Acknowledged is kept: there is no waiting here.
    let kept = servers.tell(database, "SELECT id FROM billing_documents WHERE shelf = 'event' AND id LIKE 'evt_bench_%'");
    let mut kept: Vec<&str> = kept.lines().collect();
    kept.sort_unstable();
    let sent: BTreeSet<&str> = events.iter().map(|event| event.id.as_str()).collect();
    assert!(kept.iter().copied().eq(sent.iter().copied()), "{} were sent, and {} are kept", sent.len(), kept.len());
    let counted = |list: &str| {
        let asked = format!("SELECT count(*) FROM billing_documents WHERE shelf = 'event' AND list = '{list}'");
        servers.tell(database, &asked).trim().parse::<usize>().unwrap()
    };
    while counted("waiting") > 0 {
        sleep(Duration::from_millis(20)).await;
    }
    let worked = last.elapsed().as_millis();
    assert_eq!((counted("dead"), counted("quarantined")), (0, 0));
    assert!(counted("done") > 0 && counted("ignored") > 0);
    drop(node);

    taken.sort_unstable();
    let at = |percent: usize| taken[(taken.len() - 1) * percent / 100].as_secs_f64() * 1e3;
    let bytes = format!("{}–{}", sizes[0], sizes[sizes.len() - 1]);
    format!("{:>6} {:>10.1} {:>8.1} {:>8.1} {bytes:>17} {:>8} {worked:>18}", taken.len(), at(50), at(99), at(100), kept.len())
}

/// Somebody signs up, and pays.
async fn pays(sim: &Sim, node: &Node, name: &str) {
    let central = node.client(Some("api.localtest"));
    let body = json!({
        "name": name, "email": format!("{name}@example.com"), "password": PASSWORD,
        "workspace": { "name": name, "subdomain": name, "plan": "pro" },
    });
    let begun = central.post("/api/v1/onboarding/signup", body).await;
    let sessions = sim.truth()["sessions"].clone();
    let is_theirs = |session: &&Value| session["client_reference_id"] == begun["data"]["signUp"]["id"];
    let page = sessions.as_object().unwrap().values().find(is_theirs).unwrap()["id"].as_str().unwrap().to_owned();
    sim.complete_checkout(&page, Outcome::Paid).unwrap();
    let done = central.get(&format!("/api/v1/onboarding/complete?session_id={page}")).await;
    assert_eq!(done["data"]["state"], "active", "{done}");
}

/// An event as it is sent.
struct Event {
    id: String,
    body: Vec<u8>,
}

/// What comes, in turn. They are what the simulator has told of those who pay, with other ids, so that each is about somebody; kinds that
/// nobody works on are among them, as they are told at Stripe unless the endpoint was made without.
fn events(sim: &Sim) -> Vec<Arc<Event>> {
    let told = sim.events();
    let now = sim.now();
    let mut events: Vec<Arc<Event>> = Vec::new();
    for number in 0..(RATE * SECONDS) as usize {
        if number % AGAIN == AGAIN - 1 {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "small")]
            let back = (fraction(number) * number.min(BACK) as f64) as usize;
            events.push(Arc::clone(&events[number - 1 - back.min(number - 1)]));
            continue;
        }
        let mut event = told[number % told.len()].clone();
        let id = format!("evt_bench_{number:08}");
        event["id"] = json!(id);
        event["created"] = json!(now);
        events.push(Arc::new(Event { id, body: serde_json::to_vec_pretty(&event).unwrap() }));
    }
    events
}

/// Sends each when it is due, and says how long after that it was acknowledged. The first are not counted.
async fn send(node: &Node, events: &[Arc<Event>]) -> Vec<Duration> {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}{HOOK}", node.base());
    let began = Instant::now() + Duration::from_millis(100);
    let mut sends = JoinSet::new();
    for (number, event) in (0_u32..).zip(events) {
        let due = began + Duration::from_secs(1) * number / RATE;
        sleep_until(due).await;
        let (http, url, event) = (http.clone(), url.clone(), Arc::clone(event));
        sends.spawn(async move {
            let request = http.post(url).header("stripe-signature", signature(&event.body));
            let answer = request.header("content-type", "application/json").body(event.body.clone()).send().await.unwrap();
            let status = answer.status();
            answer.bytes().await.unwrap();
            assert_eq!(status, StatusCode::OK, "{}", event.id);
            (number >= RATE * UNCOUNTED).then(|| due.elapsed())
        });
    }
    sends.join_all().await.into_iter().flatten().collect()
}

/// The header of an event that is sent now.
fn signature(body: &[u8]) -> String {
    let seconds = SystemClock.now().as_ms() / 1000;
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("{seconds}.").as_bytes());
    mac.update(body);
    let mut header = format!("t={seconds},v1=");
    for byte in mac.finalize().into_bytes() {
        write!(header, "{byte:02x}").unwrap();
    }
    header
}

/// Tells how long one verification takes: the median and the slowest of a hundred of batches of them.
fn verification() {
    const BATCHES: usize = 1_000;
    const BATCH: u32 = 100;
    let verifier = Verifier::new(vec![WebhookSecret::new(SECRET).unwrap()], Verifier::TOLERANCE).unwrap();
    let body = vec![b'x'; VERIFIED_BYTES];
    let (header, now) = (signature(&body), SystemClock.now());
    let batch = |_| {
        let began = Instant::now();
        for _ in 0..BATCH {
            verifier.verify(black_box(&header), black_box(&body), now).unwrap();
        }
        began.elapsed() / BATCH
    };
    let mut taken: Vec<Duration> = (0..BATCHES).map(batch).collect();
    taken.sort_unstable();
    let at = |percent: usize| taken[(BATCHES - 1) * percent / 100].as_secs_f64() * 1e6;
    println!(
        "verifying {VERIFIED_BYTES} bytes: median {:.2} µs, 99 of 100 batches {:.2} µs; it is to take {VERIFY_AIM_US} µs at the most",
        at(50),
        at(99)
    );
}
