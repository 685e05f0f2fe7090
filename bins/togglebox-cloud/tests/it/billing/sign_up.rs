//! Many who want the same name, and what one node over a file does.

use serde_json::{Value, json};
use togglebox_stripe_sim::Outcome;
use tokio::task::JoinSet;

use super::{DAY, HOUR, PRO_YEARLY, Shop, email, form, on_postgres, seen};
use crate::client::Client;
use crate::people::API;
use crate::server::{Launch, eventually};

const PEOPLE: usize = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_hundred_who_sign_up_for_one_name_one_has_it() {
    let Some(ground) = on_postgres().await else { return };
    let shop = Shop::open(ground, 0).await;
    let mut people = JoinSet::new();
    for number in 0..PEOPLE {
        let central = Client::new(&shop.nodes[number % 2]).host(API);
        people.spawn(async move {
            let reply = central.post(super::SIGN_UP, form(&format!("p{number}"), "acme", "pro")).await;
            (number, reply.status, reply.json())
        });
    }
    let answers = people.join_all().await;
    let (kept, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(_, status, _)| *status == 202);
    assert_eq!((kept.len(), refused.len()), (1, PEOPLE - 1), "{refused:?}");
    for (_, status, body) in &refused {
        assert_eq!((*status, &body["code"]), (409, &json!("ALREADY_EXISTS")), "{body}");
    }
    let (winner, _, body) = &kept[0];
    assert_eq!(shop.all("sessions").len(), 1, "nobody else can pay");
    let page = shop.pay(&body["data"]["signUp"]["id"]);
    assert_eq!(shop.come_back(&page).await["state"], "active");
    let found = shop.operator.get("/api/v1/admin/workspaces").await.data(200);
    let names: Vec<&Value> = found.as_array().unwrap().iter().map(|workspace| &workspace["subdomain"]).collect();
    assert_eq!(names, ["acme"]);
    let owner = shop.enter(1, &format!("p{winner}"), "acme").await;
    assert_eq!(seen(&owner).await["status"], "active");
    shop.settled().await;
    shop.close().await;
}

/// No notices, no other node, nothing but a file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_is_paid_for_over_sqlite() {
    // All that anything within the program has to say, the libraries that it is made of among it.
    let shop = Shop::telling(Launch::over_sqlite(), 0, "trace").await;
    let acme = shop.subscriber("acme").await;
    assert_eq!(acme.get("/api/v1/workspace").await.data(200)["plan"], "pro");
    let portal = acme.post("/api/v1/billing/portal", json!({})).await.data(200);
    assert!(portal["url"].as_str().unwrap().contains(super::PAGES[0]), "{portal}");
    eventually("they are welcome", async || !shop.post.to(&email("acme"), "is ready").is_empty()).await;
    // Nobody comes back from the page: it is told.
    let begun = shop.begin(0, "globex", "pro").await;
    shop.pay(&begun["signUp"]["id"]);
    eventually("they are welcome", async || !shop.post.to(&email("globex"), "is ready").is_empty()).await;
    shop.enter(0, "globex", "globex").await;
    shop.settled().await;
    // One who does not pay.
    let begun = shop.begin(0, "initech", "pro").await;
    shop.sim.expire_checkout(&shop.page_of(&begun["signUp"]["id"])).unwrap();
    eventually("the name is free", async || {
        shop.visitor().get("/api/v1/onboarding/subdomains/initech").await.data(200)["available"] == true
    })
    .await;
    assert!(shop.nodes[0].log().contains("TRACE"), "nothing is traced");
    shop.close().await;
}

/// For a year, and not before it was tried for two weeks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_year_is_tried_and_then_paid() {
    let shop = Shop::single(Launch::over_sqlite().set("BILLING_TRIAL_DAYS", "14"), 0).await;
    let mut wanted = form("acme", "acme", "pro");
    wanted["workspace"]["interval"] = json!("yearly");
    let begun = Client::new(&shop.nodes[0]).host(API).post(super::SIGN_UP, wanted).await.data(202);
    let page = shop.page_of(&begun["signUp"]["id"]);
    shop.sim.complete_checkout(&page, Outcome::Paid).unwrap();
    assert_eq!(shop.come_back(&page).await["state"], "active");
    let acme = shop.enter(0, "acme", "acme").await;
    assert_eq!(acme.get("/api/v1/workspace").await.data(200)["plan"], "pro");
    let shown = seen(&acme).await;
    assert_eq!((&shown["status"], &shown["interval"]), (&json!("trialing"), &json!("yearly")), "{shown}");
    assert!(shown["trialEnd"].is_string(), "{shown}");
    let workspace = acme.get("/api/v1/workspace").await.data(200)["id"].as_str().unwrap().to_owned();
    let subscription = shop.subscription_of(&workspace);
    let customer = subscription["customer"].as_str().unwrap().to_owned();
    let paid = || shop.sim.truth()["customers"][&customer]["paid"].clone();
    shop.pass(12 * DAY).await;
    eventually("they are told", async || !shop.post.to(&email("acme"), "The trial of acme ends").is_empty()).await;
    assert_eq!(paid(), 0, "it is only tried");
    // Bills are finished and charged an hour after they begin.
    shop.pass(2 * DAY + 2 * HOUR).await;
    eventually("it is paid", async || paid() == PRO_YEARLY).await;
    eventually("it is not tried any more", async || seen(&acme).await["status"] == "active").await;
    let shown = seen(&acme).await;
    assert_eq!((&shown["plan"], &shown["interval"]), (&json!("pro"), &json!("yearly")), "{shown}");
    let plan = |item: &Value| item["price"]["id"] == "price_pro_y";
    let item =
        shop.subscription_of(&workspace)["items"]["data"].as_array().unwrap().iter().find(|item| plan(item)).unwrap().clone();
    let length = item["current_period_end"].as_i64().unwrap() - item["current_period_start"].as_i64().unwrap();
    assert!((365 * DAY..=366 * DAY).contains(&length), "{item}");
    shop.settled().await;
    assert_eq!(shop.post.to(&email("acme"), "The trial of acme ends").len(), 1);
    assert_eq!(shop.listed("conflicts?open=true").await, [] as [Value; 0]);
    shop.close().await;
}
