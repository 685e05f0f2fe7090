//! Stripe played by others: by the simulator's own program, and by code that is not ours.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use super::front::Front;
use super::localstripe::{Localstripe, Means};
use super::post::Post;
use super::{BEYOND, DAY, ENTERPRISE, PRO, PRO_YEARLY, SECRET, Shop, email, form, has_plan, seen, sells};
use crate::client::{Client, PASSWORD};
use crate::engine::variable_or_skip;
use crate::people::{API, Owner, host, sign_in, sign_up, start_with_operator};
use crate::server::{Launch, PATIENCE, PAUSE, eventually};

/// A simulator that is a process. Killed when dropped.
struct Simulator {
    http: reqwest::Client,
    base: String,
    _process: Child,
    // It would not like it closed.
    _output: BufReader<ChildStdout>,
}

impl Simulator {
    /// Where a build of the workspace puts it: beside the program that is tested.
    fn program() -> PathBuf {
        let program = Path::new(crate::BINARY).with_file_name("stripe-sim");
        assert!(program.exists(), "{} is not built: cargo build --package togglebox-stripe-sim", program.display());
        program
    }

    async fn start(hook: &str) -> Self {
        let mut command = Command::new(Self::program());
        command.args(["--clock", "real", "--webhook-url", hook, "--webhook-secret", SECRET]);
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let (mut line, mut output) = (String::new(), BufReader::new(process.stdout.take().unwrap()));
        output.read_line(&mut line).await.unwrap();
        Self { http: crate::client::http(), base: line.trim().to_owned(), _process: process, _output: output }
    }

    /// Asks its control plane.
    async fn control(&self, method: Method, path: &str, body: Value) -> Value {
        let answer = self.http.request(method, format!("{}/_sim/{path}", self.base)).json(&body).send().await.unwrap();
        let (status, answer) = (answer.status(), answer.json::<Value>().await.unwrap());
        assert!(status.is_success(), "{path}: {status} {answer}");
        answer
    }

    async fn state(&self) -> Value {
        self.control(Method::GET, "state", json!({})).await
    }
}

/// Node, Stripe and mails: nothing of it is in the process of the test but the post.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_is_bought_changed_and_ended_with_stripe_in_a_process_of_its_own() {
    let (front, post) = (Front::open().await, Post::open().await);
    let sim = Simulator::start(&format!("http://{}/api/v1/webhooks/stripe", front.address())).await;
    sim.control(Method::POST, "meters", json!({ "id": "mtr_requests", "event_name": "api_requests" })).await;
    for price in [
        json!({ "id": "price_pro_m", "unit_amount": PRO }),
        json!({ "id": "price_pro_y", "unit_amount": PRO_YEARLY, "interval": "year" }),
        json!({ "id": "price_ent_m", "unit_amount": ENTERPRISE }),
        json!({ "id": "price_use", "unit_amount_decimal": BEYOND, "meter": "mtr_requests" }),
    ] {
        sim.control(Method::POST, "prices", price).await;
    }
    let launch = sells(Launch::over_sqlite(), &sim.base, &post);
    let (node, operator) = start_with_operator(&launch).await;
    front.leads_to(vec![node.address()]);

    let central = Client::new(&node).host(API);
    let begun = central.post(super::SIGN_UP, form("acme", "acme", "pro")).await.data(202);
    let state = sim.state().await;
    let mut pages = state["sessions"].as_object().unwrap().values();
    let page = pages.find(|page| page["client_reference_id"] == begun["signUp"]["id"]).unwrap()["id"].as_str().unwrap();
    sim.control(Method::POST, &format!("checkout/{page}/complete"), json!({ "outcome": "paid" })).await;
    // Nobody comes back: it is told by webhook.
    eventually("they are welcome", async || !post.to(&email("acme"), "is ready").is_empty()).await;
    let began = Instant::now();
    let body = json!({ "email": email("acme"), "password": PASSWORD });
    while central.host(&host("acme")).post("/api/v1/auth/login", body.clone()).await.status != 200 {
        assert!(began.elapsed() < PATIENCE, "they never get in");
        tokio::time::sleep(PAUSE).await;
    }
    let acme = sign_in(&node, &email("acme"), &host("acme")).await.unwrap();
    has_plan(&acme, "pro").await;

    let change = json!({ "plan": "enterprise" });
    let preview = acme.post(super::PREVIEW, change.clone()).await.data(200);
    let change = json!({ "plan": "enterprise", "prorationDate": preview["prorationDate"] });
    assert_eq!(acme.post(super::CHANGE, change).await.data(200), json!({ "outcome": "changed" }));
    has_plan(&acme, "enterprise").await;
    let bill = acme.get(&format!("{}?limit=1", super::INVOICES)).await.data(200)[0].clone();
    assert_eq!((&bill["paid"], &bill["status"]), (&preview["due"], &json!("paid")), "{bill}");

    acme.post("/api/v1/billing/subscription/cancel", json!({})).await.expect(200);
    sim.control(Method::POST, "clock/advance", json!({ "seconds": 32 * DAY })).await;
    has_plan(&acme, "free").await;
    eventually("it is over", async || seen(&acme).await["status"] == "canceled").await;
    let events = async |state: &str| {
        let path = format!("{}/events?state={state}&limit=100", super::ADMIN);
        operator.get(&path).await.expect(200).json()["data"].as_array().unwrap().len()
    };
    eventually("all events are worked on", async || events("waiting").await == 0).await;
    assert_eq!((events("dead").await, events("quarantined").await), (0, 0));
    assert!(events("done").await > 5 && events("ignored").await > 0);
    let ended = node.stop().await;
    assert!(ended.status.success(), "{}", ended.log);
}

/// The route of the program takes what localstripe sends, in the shapes of years ago.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_localstripe_sends_comes_in_by_the_route() {
    let Some(python) = variable_or_skip("TOGGLEBOX_TEST_STRIPE_PYTHON") else { return };
    let mut shop = Shop::single(Launch::over_sqlite(), 0).await;
    shop.subscriber("globex").await;
    let Owner { client: acme, workspace } = sign_up(&shop.nodes[0], "acme").await;
    has_plan(&acme, "free").await;
    let hook = format!("http://{}/api/v1/webhooks/stripe", shop.front.address());
    let stripe = Localstripe::start(crate::client::http(), &python, &hook, SECRET).await;
    stripe.plan("price_pro_m").await;
    let (customer, subscription) = stripe.subscribe("price_pro_m", &workspace, Means::Card).await;
    has_plan(&acme, "pro").await;
    assert_eq!(seen(&acme).await["status"], "active");
    stripe.delete(&format!("/v1/subscriptions/{subscription}")).await;
    has_plan(&acme, "free").await;
    eventually("they are told", async || !shop.post.to(&email("acme"), "has ended").is_empty()).await;
    let events = stripe.events().await;
    let is_kept = async || {
        let kept = shop.settled().await;
        events.iter().all(|event| kept.contains(event))
    };
    eventually("all that was sent is there", is_kept).await;
    assert!(events.len() >= 9, "{events:?}");
    // Of the other they know nothing.
    assert_eq!(shop.listed("conflicts?open=true").await, [] as [Value; 0]);
    shop.secrets.extend([customer, "owner@example.com".to_owned(), "pm_".to_owned()]);
    shop.close().await;
}
