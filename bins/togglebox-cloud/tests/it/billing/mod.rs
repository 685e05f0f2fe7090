//! What is paid for: nodes, Stripe (played by the simulator, over HTTP), and the people between the two.
//!
//! Nodes live by the machine's clock, and the simulator ahead of or behind it: a month passes by moving its clock. What it sends is signed
//! at the machine's time in any case.

mod front;
mod kills;
mod life;
#[expect(dead_code, reason = "some of it is for the tests of billing")]
#[path = "../../../../../crates/billing/tests/it/localstripe/service.rs"]
mod localstripe;
#[expect(dead_code, reason = "some of it is for the tests of the other program")]
#[path = "../../../../togglebox/tests/it/replay/mailbox.rs"]
mod mailbox;
mod money;
mod others;
mod outage;
mod post;
mod sign_up;

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use togglebox_stripe_sim::{Ask, Outcome, SeedPrice, Sim};

use self::front::Front;
use self::post::Post;
use crate::client::{Client, PASSWORD, Reply};
use crate::engine::{Store, variable_or_skip};
use crate::people::{API, host, start_with_operator};
use crate::server::{Launch, PATIENCE, PAUSE, Server, eventually};
use crate::service::Redis;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// Everything that we say ourselves.
const LEVELS: &str = "info,togglebox_billing=trace,togglebox_http=trace,togglebox_server=trace,togglebox_multitenancy=trace";

/// Where the addresses of pages begin that are as good as a key: of the portal, to pay on, of a bill.
const PAGES: [&str; 3] = ["billing.stripe.com/", "checkout.stripe.com/", "invoice.stripe.com/"];

/// Nobody may find these in a log.
const KEY: &str = "sk_test_kQ4vTn8ZxM2wRb7Yc1Lp";
const SECRET: &str = "whsec_9dPq3hXs6JfWm0Vt5GkE";

const PRO: i64 = 2_000;
const PRO_YEARLY: i64 = 20_000;
const ENTERPRISE: i64 = 10_000;
/// What `pro` includes in a month.
const INCLUDED: u64 = 20;
/// What a request beyond it costs, in cents.
const BEYOND: &str = "0.35";

const PLANS: &str = r#"
[[plan]]
name = "free"
title = "Free"

[[plan]]
name = "pro"
title = "Pro"
requests_beyond = "served"
limits = { requests_per_month = 20 }

[[plan]]
name = "enterprise"
title = "Enterprise"
requests_beyond = "served"
limits = { requests_per_month = 2000 }
"#;

const SUBSCRIPTION: &str = "/api/v1/billing/subscription";
const CHECKOUT: &str = "/api/v1/billing/checkout";
const CHANGE: &str = "/api/v1/billing/subscription/change";
const PREVIEW: &str = "/api/v1/billing/subscription/change/preview";
const INVOICES: &str = "/api/v1/billing/invoices";
const SIGN_UP: &str = "/api/v1/onboarding/signup";
const ADMIN: &str = "/api/v1/admin/billing";

/// Two nodes over one store that sell plans, with all that is around them.
struct Shop {
    nodes: Vec<Server>,
    operator: Client,
    sim: Sim,
    /// Where the simulator sends what happens: `we_…`.
    endpoint: String,
    front: Front,
    post: Post,
    /// What nodes have written that are gone.
    logs: Vec<String>,
    /// Secrets of the endpoint, all that it ever had.
    secrets: Vec<String>,
    _redis: Option<Redis>,
}

/// Two nodes over PostgreSQL and Redis; `None` where the test is to be skipped.
async fn on_postgres() -> Option<(Launch, Redis)> {
    let store = Store::shared(true)?;
    Some((Launch::over(store), Redis::start().await?))
}

/// The same over DynamoDB, as ministack plays it.
async fn on_dynamodb() -> Option<(Launch, Redis)> {
    let endpoint = variable_or_skip("TOGGLEBOX_TEST_MINISTACK")?;
    Some((Launch::over(move |folder| Store::table_at(&endpoint, folder)), Redis::start().await?))
}

impl Shop {
    /// Opens one whose Stripe is so many seconds behind.
    async fn open((launch, redis): (Launch, Redis), behind: i64) -> Self {
        let launch = launch.set("REDIS_URL", redis.url());
        let mut shop = Self::single(launch, behind).await;
        let launch = shop.launch();
        shop.nodes.push(launch.start().await);
        shop.lead();
        Self { _redis: Some(redis), ..shop }
    }

    /// The same with one node.
    async fn single(launch: Launch, behind: i64) -> Self {
        Self::telling(launch, behind, LEVELS).await
    }

    /// The same, which says so much of what it does.
    async fn telling(launch: Launch, behind: i64, levels: &str) -> Self {
        let (front, post) = (Front::open().await, Post::open().await);
        let hook = format!("http://{}/api/v1/webhooks/stripe", front.address());
        let sim = Sim::builder().real_clock_behind(behind).endpoint(&hook, SECRET).start().await.unwrap();
        for (price, amount) in [("price_pro_m", PRO), ("price_ent_m", ENTERPRISE)] {
            sim.seed_price(SeedPrice::monthly(price, amount)).unwrap();
        }
        sim.seed_price(SeedPrice::yearly("price_pro_y", PRO_YEARLY)).unwrap();
        sim.seed_meter("mtr_requests", "api_requests");
        sim.seed_price(SeedPrice::metered("price_use", "mtr_requests", BEYOND)).unwrap();
        let launch = sells(launch, &sim.base_url(), &post).set("LOG_LEVEL", levels);
        let (node, operator) = start_with_operator(&launch).await;
        let shop = Self {
            nodes: vec![node],
            operator,
            endpoint: sim.endpoints().remove(0),
            sim,
            front,
            post,
            logs: Vec::new(),
            secrets: vec![SECRET.to_owned()],
            _redis: None,
        };
        shop.lead();
        shop
    }

    /// How its nodes are started.
    fn launch(&self) -> Launch {
        self.nodes[0].launch().clone()
    }

    /// Tells the front where the nodes are.
    fn lead(&self) {
        self.front.leads_to(self.nodes.iter().map(Server::address).collect());
    }

    /// Lets a node end, in this way or that, and another one take its place.
    async fn replace(&mut self, place: usize, launch: &Launch, killed: bool) {
        let node = self.nodes.remove(place);
        self.lead();
        let ended = if killed { node.kill().await } else { node.stop().await };
        assert!(killed || ended.status.success(), "{}", ended.log);
        self.logs.push(ended.log);
        self.nodes.insert(place, launch.start().await);
        self.lead();
        self.operator = self.operator.at(&self.nodes[0]);
    }

    /// Lets time pass at Stripe. What is due on the way is told at its time.
    async fn pass(&self, seconds: i64) {
        self.sim.advance(seconds).await;
    }

    /// The same, until it is there what it is here.
    async fn catch_up(&self) {
        self.sim.advance_to(now()).await;
    }

    /// Somebody who comes to one of the nodes, whichever.
    fn visitor(&self) -> Client {
        Client::new(&self.nodes[0]).host(API).through(self.front.address())
    }

    /// Signs somebody up for a plan; what they are told.
    async fn begin(&self, node: usize, name: &str, plan: &str) -> Value {
        self.try_begin(node, name, plan).await.data(202)
    }

    async fn try_begin(&self, node: usize, name: &str, plan: &str) -> Reply {
        Client::new(&self.nodes[node]).host(API).post(SIGN_UP, form(name, name, plan)).await
    }

    /// The page of a sign-up, as the simulator has it.
    fn page_of(&self, sign_up: &Value) -> String {
        let sessions = self.all("sessions");
        let found = sessions.iter().find(|session| session["client_reference_id"] == *sign_up);
        found.unwrap_or_else(|| panic!("no page of {sign_up}"))["id"].as_str().unwrap().to_owned()
    }

    /// All of a kind that Stripe has, the oldest first.
    fn all(&self, kind: &str) -> Vec<Value> {
        self.sim.truth()[kind].as_object().unwrap().values().cloned().collect()
    }

    /// Somebody pays on the page of a sign-up.
    fn pay(&self, sign_up: &Value) -> String {
        let page = self.page_of(sign_up);
        self.sim.complete_checkout(&page, Outcome::Paid).unwrap();
        page
    }

    /// The browser comes back from a page; where the sign-up stands.
    async fn come_back(&self, page: &str) -> Value {
        self.visitor().get(&format!("/api/v1/onboarding/complete?session_id={page}")).await.data(200)
    }

    /// Somebody with a workspace that pays for `pro`, signed in there at the first node.
    async fn subscriber(&self, name: &str) -> Client {
        let begun = self.begin(0, name, "pro").await;
        let page = self.pay(&begun["signUp"]["id"]);
        assert_eq!(self.come_back(&page).await["state"], "active");
        self.enter(0, name, name).await
    }

    /// Signs somebody in at a workspace that was paid for a moment ago, maybe as another node knows.
    async fn enter(&self, node: usize, name: &str, workspace: &str) -> Client {
        let client = Client::new(&self.nodes[node]).host(&host(workspace));
        let body = json!({ "email": email(name), "password": PASSWORD });
        let began = Instant::now();
        loop {
            let reply = client.post("/api/v1/auth/login", body.clone()).await;
            if reply.status != 402 || began.elapsed() > PATIENCE {
                return client.token(reply.data(200)["token"].as_str().unwrap());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The only subscription of a workspace that goes on, as Stripe has it.
    fn subscription_of(&self, workspace: &str) -> Value {
        let mut found = self.all("subscriptions");
        found.retain(|one| one["metadata"]["tenant_id"] == workspace && one["status"] != "canceled");
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }

    /// A workspace of somebody's is bought `pro` by hand at Stripe, as one does with its test clocks: so its period may begin when it wants.
    /// The customer, and the subscription.
    async fn buy_by_hand(&self, name: &str, workspace: &str) -> (String, String) {
        let customer = self.sim.call(Ask::post("/v1/customers").form("email", email(name)).bearer(KEY)).await.id().to_owned();
        self.sim.set_card(&customer, togglebox_stripe_sim::Card::Ok).unwrap();
        let bought = Ask::post("/v1/subscriptions").form("customer", &customer).form("metadata[tenant_id]", workspace);
        let bought = bought.form("items[0][price]", "price_pro_m").form("items[1][price]", "price_use").bearer(KEY);
        let answer = self.sim.call(bought).await;
        assert_eq!((answer.status, &answer["status"]), (200, &json!("active")), "{:?}", answer.body);
        (customer, answer.id().to_owned())
    }

    /// Has regular work done; what it found.
    async fn run(&self, chore: &str) -> String {
        let path = format!("{ADMIN}/tasks/{chore}/run");
        let began = Instant::now();
        loop {
            let reply = self.operator.post(&path, json!({})).await;
            // Another node is at it.
            if reply.status != 409 || began.elapsed() > PATIENCE {
                return reply.data(200)["outcome"].as_str().unwrap().to_owned();
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Waits until there is nothing that was told and not worked on. Returns the events' ids, whatever was made of them.
    async fn settled(&self) -> Vec<String> {
        self.sim.settle().await;
        eventually("all events are worked on", async || self.events("waiting").await.is_empty()).await;
        let mut ids = Vec::new();
        for state in ["done", "ignored", "dead", "quarantined"] {
            let events = self.events(state).await;
            assert!(events.is_empty() || !["dead", "quarantined"].contains(&state), "{events:?}");
            ids.extend(events.iter().map(|event| event["id"].as_str().unwrap().to_owned()));
        }
        ids
    }

    /// Events of Stripe's in a state, as the operator sees them.
    async fn events(&self, state: &str) -> Vec<Value> {
        self.listed(&format!("events?state={state}")).await
    }

    /// All of a list that the operator sees.
    async fn listed(&self, what: &str) -> Vec<Value> {
        let (mut found, mut token) = (Vec::new(), String::new());
        loop {
            let page = self.operator.get(&format!("{ADMIN}/{what}&limit=100&nextToken={token}")).await.expect(200).json();
            found.extend(page["data"].as_array().unwrap().iter().cloned());
            match page["meta"]["nextCursor"].as_str() {
                Some(next) => next.clone_into(&mut token),
                None => return found,
            }
        }
    }

    /// Ends it; nothing that is nobody's business stands in any log of any node.
    async fn close(mut self) {
        for node in self.nodes.drain(..) {
            let ended = node.stop().await;
            assert!(ended.status.success(), "{}", ended.log);
            self.logs.push(ended.log);
        }
        let logs = self.logs.concat();
        for word in ["DEBUG", "togglebox_billing", "/api/v1/webhooks/stripe"] {
            assert!(logs.contains(word), "the logs tell of {word}");
        }
        let private = self.private();
        assert!(["http", "@example.com", "pm_"].iter().all(|kind| private.iter().any(|one| one.contains(kind))), "{private:?}");
        for secret in private {
            if let Some(line) = logs.lines().find(|line| line.contains(&secret)) {
                panic!("{secret} is in a log: {line}");
            }
        }
    }

    /// What may be in no log.
    fn private(&self) -> Vec<String> {
        // Keys and signatures; names that only bodies have.
        let mut private: Vec<String> = [KEY, "sk_test_", "whsec_", "v1=", "Bearer ", PASSWORD].map(str::to_owned).into();
        private.extend(
            ["customer_email", "hosted_invoice_url", "previous_attributes", "last4", "default_payment_method"].map(str::to_owned),
        );
        private.extend(PAGES.map(str::to_owned));
        private.extend(self.secrets.iter().cloned());
        let truth = self.sim.truth();
        for customer in truth["customers"].as_object().unwrap().values() {
            private.extend(customer["email"].as_str().map(str::to_owned));
            private.extend(customer["invoice_settings"]["default_payment_method"].as_str().map(str::to_owned));
        }
        for (kind, names) in [("sessions", &["url", "customer_email"][..]), ("invoices", &["hosted_invoice_url", "invoice_pdf"])]
        {
            for object in truth[kind].as_object().unwrap().values() {
                private.extend(names.iter().filter_map(|name| object[*name].as_str().map(str::to_owned)));
            }
        }
        private
    }
}

/// How a node is started that sells plans by way of the Stripe at an address.
fn sells(launch: Launch, stripe: &str, post: &Post) -> Launch {
    std::fs::write(launch.folder().join("plans.toml"), PLANS).unwrap();
    launch.set_all(&[
        ("STRIPE_SECRET_KEY", KEY),
        ("STRIPE_WEBHOOK_SECRET", SECRET),
        ("STRIPE_API_BASE", stripe),
        ("STRIPE_PRICE_PRO_MONTHLY", "price_pro_m"),
        ("STRIPE_PRICE_PRO_YEARLY", "price_pro_y"),
        ("STRIPE_PRICE_ENTERPRISE_MONTHLY", "price_ent_m"),
        ("STRIPE_PRICE_API_REQUESTS", "price_use"),
        ("STRIPE_METER_EVENT_NAME", "api_requests"),
        ("BILLING_CHECKOUT_LIFETIME", "30m"),
        ("BILLING_UNDO_SECOND", "true"),
        ("PLANS_FILE", "plans.toml"),
        ("APP_URL", "https://app.example.com"),
        ("SMTP_HOST", "127.0.0.1"),
        ("SMTP_PORT", &post.address().port().to_string()),
        ("SMTP_TLS", "none"),
        // Webhooks come by the address.
        ("CENTRAL_HOSTS", "127.0.0.1"),
    ])
}

/// What somebody signs up with.
fn form(name: &str, subdomain: &str, plan: &str) -> Value {
    json!({
        "name": name, "email": email(name), "password": PASSWORD,
        "workspace": { "name": subdomain, "subdomain": subdomain, "plan": plan },
    })
}

fn email(name: &str) -> String {
    format!("{name}@example.com")
}

/// What a workspace's admins see of its subscription.
async fn seen(owner: &Client) -> Value {
    owner.get(SUBSCRIPTION).await.data(200)
}

/// Waits until a workspace has a plan.
async fn has_plan(owner: &Client, plan: &str) {
    let began = Instant::now();
    loop {
        let workspace = owner.get("/api/v1/workspace").await.data(200);
        if workspace["plan"] == plan {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "{workspace} never has the plan {plan}; {}", seen(owner).await);
        tokio::time::sleep(PAUSE).await;
    }
}

/// The time here, in seconds.
#[expect(clippy::disallowed_methods, reason = "nodes live by the machine's clock")]
fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().try_into().unwrap()
}
