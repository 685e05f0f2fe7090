//! Nodes are killed in the middle of whatever they do.

use std::fmt;
use std::time::Instant;

use reqwest::Method;
use serde_json::{Value, json};
use togglebox_stripe_sim::{Outcome, Sim};
use tokio::time::{Duration, sleep};

use super::{CHANGE, CHECKOUT, DAY, ENTERPRISE, HOUR, PRO, SIGN_UP, Shop, email, form, on_postgres};
use crate::client::{Client, PASSWORD, Reply};
use crate::people::{API, host};
use crate::server::PATIENCE;

/// What a node that was killed had in hand is another's a minute later.
const LEASES: Duration = Duration::from_secs(100);

/// Between two attempts, and two looks at how far somebody is.
const MOMENT: Duration = Duration::from_millis(2);

/// How often a node is killed; more by a recipe (`just billing-kills`).
#[expect(clippy::disallowed_methods, reason = "a recipe asks for more")]
fn kills() -> u64 {
    std::env::var("TOGGLEBOX_TEST_KILLS").ok().map_or(3, |text| text.parse().unwrap())
}

/// A number that nobody expects, the same each time.
fn dice(seed: u64) -> u64 {
    let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// What somebody does with their plan at last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    /// Takes less with the next period.
    Less,
    Cancel,
    /// Deletes the workspace.
    Delete,
}

/// Somebody who tries again until they are answered.
#[derive(Clone, Debug)]
struct Person {
    name: String,
    wish: Wish,
    visitor: Client,
    sim: Sim,
}

impl Person {
    fn new(shop: &Shop, number: u64) -> Self {
        let wish = [Wish::Less, Wish::Cancel, Wish::Delete][usize::try_from(number % 3).unwrap()];
        Self { name: format!("shop{number}"), wish, visitor: shop.visitor(), sim: shop.sim.clone() }
    }

    /// What came of it, of a node that was there all the time; `None` where nobody knows.
    async fn try_call(client: &Client, method: Method, path: &str, body: &Value) -> Option<Reply> {
        let body = (method != Method::GET).then_some(body);
        client.try_send(method, path, body, &[]).await.ok().filter(|reply| reply.status < 500)
    }

    /// The same, again and again until somebody knows.
    async fn call(client: &Client, method: Method, path: &str, body: &Value) -> Reply {
        let began = Instant::now();
        loop {
            if let Some(reply) = Self::try_call(client, method.clone(), path, body).await {
                return reply;
            }
            assert!(began.elapsed() < PATIENCE, "nobody answers {path}");
            sleep(MOMENT).await;
        }
    }

    /// Signed in at a host, if they have something to do there.
    async fn sign_in(&self, name: &str, host: &str) -> Option<Client> {
        let client = self.visitor.host(host);
        let body = json!({ "email": email(name), "password": PASSWORD });
        let reply = Self::call(&client, Method::POST, "/api/v1/auth/login", &body).await;
        (reply.status == 200).then(|| client.token(reply.json()["data"]["token"].as_str().unwrap()))
    }

    /// With a workspace that costs nothing, however far an earlier attempt came.
    async fn settle(&self) -> Client {
        let began = Instant::now();
        loop {
            let name = &self.name;
            if let Some(owner) = self.sign_in(name, &host(name)).await
                && Self::call(&owner, Method::GET, "/api/v1/workspace", &Value::Null).await.status == 200
            {
                return owner;
            }
            if let Some(central) = self.sign_in(name, API).await {
                let body = json!({ "name": name, "subdomain": name });
                Self::try_call(&central, Method::POST, "/api/v1/workspaces", &body).await;
            } else {
                Self::try_call(&self.visitor, Method::POST, SIGN_UP, &form(name, name, "free")).await;
            }
            assert!(began.elapsed() < PATIENCE, "{name} never gets in");
        }
    }

    /// Pays on the page of a sign-up.
    fn pay(&self, sign_up: &Value) -> String {
        let sessions = self.sim.truth()["sessions"].clone();
        let found = sessions.as_object().unwrap().values().find(|one| one["client_reference_id"] == *sign_up).unwrap();
        let page = found["id"].as_str().unwrap().to_owned();
        self.sim.complete_checkout(&page, Outcome::Paid).unwrap();
        page
    }

    /// All that they do.
    async fn live(self) -> Self {
        let owner = self.settle().await;
        let page = Self::call(&owner, Method::POST, CHECKOUT, &json!({ "plan": "pro" })).await.data(200);
        let page = self.pay(&page["signUpId"]);
        let complete = format!("/api/v1/onboarding/complete?session_id={page}");
        let done = Self::call(&self.visitor, Method::GET, &complete, &Value::Null).await.data(200);
        assert_eq!(done["state"], "active");
        let changed = Self::call(&owner, Method::POST, CHANGE, &json!({ "plan": "enterprise" })).await;
        assert!(changed.status == 200 || changed.code(409) == "NOTHING_TO_CHANGE", "{}", changed.text());
        // Beside it, somebody signs up for a plan and closes the page that they have paid on.
        self.another().await;
        match self.wish {
            Wish::Less => {
                let less = Self::call(&owner, Method::POST, CHANGE, &json!({ "plan": "pro" })).await.data(200);
                assert_eq!(less["outcome"], "scheduled");
            }
            Wish::Cancel => {
                Self::call(&owner, Method::POST, "/api/v1/billing/subscription/cancel", &json!({})).await.expect(200);
            }
            Wish::Delete => {
                let deleted = Self::call(&owner, Method::DELETE, "/api/v1/workspace", &Value::Null).await;
                // Deleted by an attempt that was not answered.
                assert!([200, 401, 403, 404].contains(&deleted.status), "{}", deleted.text());
            }
        }
        self
    }

    /// A name that was kept for an attempt which was not answered is kept until its page has ended: they take another one.
    async fn another(&self) {
        for attempt in 0..20 {
            let name = format!("{}-{attempt}", self.name);
            if let Some(reply) = Self::try_call(&self.visitor, Method::POST, SIGN_UP, &form(&name, &name, "pro")).await {
                self.pay(&reply.data(202)["signUp"]["id"]);
                return;
            }
            sleep(MOMENT).await;
        }
        panic!("nobody ever answers");
    }
}

/// Waits until `condition` holds, as long as what a killed node had in hand may take.
async fn at_last<F: Future<Output = bool>>(what: impl fmt::Display, mut condition: impl FnMut() -> F) {
    let began = Instant::now();
    while !condition().await {
        assert!(began.elapsed() < LEASES, "it never came true that {what}");
        sleep(10 * MOMENT).await;
    }
}

/// How much has happened so far: what nodes have asked Stripe, and what has come to them.
fn progress(shop: &Shop) -> u64 {
    (shop.sim.calls().len() + shop.front.led()) as u64
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_often_nodes_are_killed_everybody_has_what_they_pay_for() {
    let Some(ground) = on_postgres().await else { return };
    let mut shop = Shop::open(ground, 0).await;
    let (launch, before) = (shop.launch(), progress(&shop));
    let mut people = vec![Person::new(&shop, 0).live().await];
    shop.sim.settle().await;
    // So much happens when nobody is killed.
    let usual = progress(&shop) - before;
    for round in 1..=kills() {
        let (before, point) = (progress(&shop), dice(round) % usual);
        let living = tokio::spawn(Person::new(&shop, round).live());
        while progress(&shop) < before + point && !living.is_finished() {
            sleep(MOMENT).await;
        }
        let place = usize::try_from(dice(round + 1_000_000) % 2).unwrap();
        shop.replace(place, &launch, true).await;
        people.push(living.await.unwrap());
    }
    // What met a node that was killed is told again; then the periods end.
    shop.pass(HOUR).await;
    at_last("all is worked on", async || shop.events("waiting").await.is_empty()).await;
    shop.pass(32 * DAY).await;
    for person in &people {
        end_of(&shop, person).await;
    }
    at_last("all is worked on", async || shop.events("waiting").await.is_empty()).await;
    at_last("all has happened", async || shop.listed("effects?state=waiting").await.is_empty()).await;
    for nothing in
        ["effects?state=dead", "events?state=dead", "events?state=quarantined", "conflicts?open=true", "conflicts?open=false"]
    {
        assert_eq!(shop.listed(nothing).await, [] as [Value; 0], "{nothing}");
    }
    // A sign-up whose page nobody ever saw is the only one that is left.
    eprintln!("{} kills, {} calls, {} events", kills(), shop.sim.calls().len(), shop.sim.events().len());
    shop.close().await;
}

/// What somebody has at last, whatever happened on the way.
async fn end_of(shop: &Shop, person: &Person) {
    let Person { name, wish, .. } = person;
    let workspaces = shop.operator.get(&format!("/api/v1/admin/workspaces?search={name}&limit=100")).await.data(200);
    let of = |subdomain: &str| workspaces.as_array().unwrap().iter().find(|one| one["subdomain"] == subdomain).cloned();
    let own = of(name).unwrap_or_else(|| panic!("{workspaces}"))["id"].as_str().unwrap().to_owned();
    let subscription = || {
        let mut found = shop.all("subscriptions");
        found.retain(|one| one["metadata"]["tenant_id"] == *own);
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    };
    let (plan, status) = match wish {
        Wish::Less => ("pro", "active"),
        Wish::Cancel | Wish::Delete => ("free", "canceled"),
    };
    // What Stripe has.
    at_last(format!("what {name} pays is {status}"), async || subscription()["status"] == status).await;
    let customer = subscription()["customer"].as_str().unwrap().to_owned();
    let paid = shop.sim.truth()["customers"][&customer]["paid"].as_i64().unwrap();
    let next = if *wish == Wish::Less { PRO } else { 0 };
    // The change of plan came within moments of the beginning.
    assert!((ENTERPRISE - 50 + next..=ENTERPRISE + next).contains(&paid), "{name} has paid {paid}");
    // What we have.
    if *wish != Wish::Delete {
        let owner = person.sign_in(name, &host(name)).await.unwrap();
        at_last(format!("{name} has {plan}"), async || owner.get("/api/v1/workspace").await.data(200)["plan"] == plan).await;
        let shown = super::seen(&owner).await;
        assert_eq!((&shown["plan"], &shown["status"]), (&json!(plan), &json!(status)), "{name}");
    }
    // What they were told, each once.
    let once = async |to: &str, subject: &str| {
        at_last(format!("{to} is told that it {subject}"), async || !shop.post.to(&email(to), subject).is_empty()).await;
        let mails = shop.post.to(&email(to), subject);
        assert_eq!(mails.len(), 1, "{mails:?}");
    };
    once(name, "is on the plan Enterprise").await;
    match wish {
        Wish::Less => once(name, "is on the plan Pro").await,
        Wish::Cancel => once(name, "has ended").await,
        Wish::Delete => {}
    }
    let paid: Vec<String> = shop
        .all("sessions")
        .iter()
        .filter(|one| one["status"] == "complete")
        .filter_map(|one| one["customer_details"]["email"].as_str().or_else(|| one["customer_email"].as_str()).map(str::to_owned))
        .filter(|email| email.starts_with(&format!("{name}-")))
        .collect();
    assert_eq!(paid.len(), 1, "{paid:?}");
    let other = paid[0].split('@').next().unwrap();
    once(other, "is ready").await;
    let owner = person.sign_in(other, &host(other)).await.unwrap();
    assert_eq!(owner.get("/api/v1/workspace").await.data(200)["plan"], "pro");
}
