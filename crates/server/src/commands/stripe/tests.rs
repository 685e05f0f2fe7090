use togglebox_billing::{Address, BillingStore as _, Committed, Shelf, Write as Put};
use togglebox_storage::{Sqlite, SqliteOptions};
use togglebox_stripe_sim::{Answer, Ask, SeedPrice, Sim};

use super::*;

async fn sim() -> Sim {
    let sim = Sim::builder().real_clock().manual_endpoint("whsec_1").start().await.unwrap();
    for price in [SeedPrice::monthly("price_pm", 2_000), SeedPrice::yearly("price_py", 20_000)] {
        sim.seed_price(price).unwrap();
    }
    sim
}

fn read(sim: &Sim, more: &[(&str, &str)]) -> (Settings, CloudSettings) {
    let base = sim.base_url();
    let pairs = [
        ("BASE_DOMAIN", "example.com"),
        ("STRIPE_SECRET_KEY", "sk_test_hunter2"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_1"),
        ("STRIPE_PRICE_PRO_MONTHLY", "price_pm"),
        ("STRIPE_PRICE_PRO_YEARLY", "price_py"),
        ("STRIPE_API_BASE", base.as_str()),
    ];
    CloudSettings::read(&pairs.iter().chain(more).copied().collect()).unwrap()
}

async fn endpoint(sim: &Sim, url: &str, version: &str, events: &[&str]) -> Answer {
    let mut ask = Ask::post("/v1/webhook_endpoints").form("url", url).form("api_version", version);
    for (place, event) in events.iter().enumerate() {
        ask = ask.form(&format!("enabled_events[{place}]"), event);
    }
    let made = sim.call(ask).await;
    assert_eq!(made.status, 200, "{:?}", made.body);
    made
}

fn all_events() -> Vec<&'static str> {
    EventKind::ALL.iter().map(|kind| kind.as_str()).collect()
}

const URL: &str = "https://api.example.com/api/v1/webhooks/stripe";
const VERSION: &str = togglebox_billing::stripe::StripeOptions::API_VERSION;

#[tokio::test]
async fn what_is_set_up_is_told_and_changes_nothing() {
    let sim = sim().await;
    sim.seed_meter("mtr_1", BillingSettings::METER);
    sim.seed_price(SeedPrice::metered("price_u", "mtr_1", "0.02")).unwrap();
    endpoint(&sim, URL, VERSION, &all_events()).await;
    let (_, cloud) = read(&sim, &[("STRIPE_PRICE_API_REQUESTS", "price_u")]);
    let asked = sim.calls().len();
    let told = stripe_check(&cloud).await.unwrap();
    for line in [
        "Stripe is set up.",
        "ok: the key is accepted, in test mode",
        "ok: STRIPE_PRICE_PRO_MONTHLY: price_pm (2000 of the smallest unit of usd)",
        "ok: STRIPE_PRICE_API_REQUESTS: price_u (0.02 of the smallest unit of usd)",
        "ok: the meter mtr_1 for togglebox_api_requests",
        "not seen: for how long Stripe tries a failed payment again",
        "BILLING_GRACE lets a workspace go on for 7 days",
        "(https://api.example.com/api/v1/webhooks/stripe)",
    ] {
        assert!(told.contains(line), "{line} is missing in {told}");
    }
    assert!(!told.contains("hunter2") && !told.contains("whsec"), "{told}");
    assert!(sim.calls()[asked..].iter().all(|call| call.method == "GET"));
}

#[tokio::test]
async fn everything_that_is_wrong_is_told_with_what_to_do() {
    let sim = sim().await;
    let other = sim
        .call(
            Ask::post("/v1/billing/meters")
                .form("display_name", "Requests")
                .form("event_name", "requests")
                .form("default_aggregation[formula]", "count")
                .form("event_time_window", "day"),
        )
        .await;
    sim.call(Ask::post(&format!("/v1/billing/meters/{}/deactivate", other.id()))).await;
    sim.seed_meter("mtr_1", "others");
    sim.seed_price(SeedPrice::metered("price_u", "mtr_1", "0.02")).unwrap();
    let hears = endpoint(&sim, URL, "2026-06-24.dahlia", &["invoice.paid"]).await;
    sim.call(Ask::post(&format!("/v1/webhook_endpoints/{}", hears.id())).form("disabled", "true")).await;
    let wrong = [
        ("STRIPE_PRICE_PRO_MONTHLY", "price_py"),
        ("STRIPE_PRICE_PRO_YEARLY", "price_none"),
        ("STRIPE_PRICE_API_REQUESTS", "price_u"),
        ("STRIPE_METER_EVENT_NAME", "requests"),
    ];
    let error = stripe_check(&read(&sim, &wrong).1).await.unwrap_err();
    assert_eq!(super::super::exit_code(&error), None, "it ends with 1");
    let told = error.to_string();
    for line in [
        "9 things at Stripe must be otherwise.",
        "STRIPE_PRICE_PRO_MONTHLY: price_py is billed yearly, and must be monthly",
        "STRIPE_PRICE_PRO_YEARLY: there is no price price_none in test mode: make it there",
        "is not active: reactivate it",
        "has the formula count, and must have sum",
        "has the event_time_window day, and must have hour",
        "is not the one that STRIPE_PRICE_API_REQUESTS bills by (mtr_1)",
        "is disabled: enable it",
        "does not hear of checkout.session.completed",
        "has the API version 2026-06-24.dahlia, and must have",
    ] {
        assert!(told.contains(line), "{line} is missing in {told}");
    }
    assert!(!told.contains("hunter2") && !told.contains("whsec"), "{told}");
}

#[tokio::test]
async fn what_is_missing_is_told() {
    let sim = sim().await;
    let told = stripe_check(&read(&sim, &[("STRIPE_PRICE_API_REQUESTS", "price_u")]).1).await.unwrap_err().to_string();
    assert!(told.contains("there is no meter for togglebox_api_requests: make one"), "{told}");
    assert!(told.contains("there is no webhook endpoint whose URL ends in /api/v1/webhooks/stripe: make one"), "{told}");
    assert!(told.contains("invoice.payment_failed") && told.contains(VERSION), "{told}");
}

#[tokio::test]
async fn of_several_endpoints_one_that_is_right_is_enough() {
    let sim = sim().await;
    endpoint(&sim, "https://old.example.com/api/v1/webhooks/stripe?x=1", VERSION, &["invoice.paid"]).await;
    endpoint(&sim, URL, VERSION, &["*"]).await;
    stripe_check(&read(&sim, &[]).1).await.unwrap();
}

#[tokio::test]
async fn without_billing_there_is_nothing_to_check() {
    let (settings, cloud) = CloudSettings::read(&[("BASE_DOMAIN", "example.com")].into_iter().collect()).unwrap();
    let told = stripe_check(&cloud).await.unwrap_err().to_string();
    assert!(told.contains("STRIPE_SECRET_KEY is not set"), "{told}");
    assert!(stripe_requeue(&settings, &cloud, &Requeue::AllDead).await.is_err());
}

/// Puts an event aside, as one that was tried often enough.
async fn give_up(store: &Sqlite, id: &str) {
    let address = Address::new(Shelf::Event, id);
    let mut found = store.get(std::slice::from_ref(&address)).await.unwrap().remove(0).unwrap();
    found.list = lists::DEAD.into();
    found.due = None;
    assert_eq!(store.commit(&[Put::Put(found)]).await.unwrap(), Committed::Done);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_given_up_is_tried_again() {
    let sim = sim().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.db");
    let url = format!("sqlite:{}", file.display());
    let (settings, cloud) = read(&sim, &[("DATABASE_URL", &url)]);
    let customer = sim.call(Ask::post("/v1/customers")).await;
    for name in ["a", "b", "c"] {
        sim.call(Ask::post(&format!("/v1/customers/{}", customer.id())).form("name", name)).await;
    }
    let node = Node::open_cloud_for_a_command(&settings, &cloud).await.unwrap();
    let mut ids = Vec::new();
    for delivery in sim.take_deliveries() {
        let received = node.till().unwrap().billing().receive(Some(delivery.signature()), &delivery.body).await.unwrap();
        if received == togglebox_billing::Received::New {
            ids.push(delivery.event_id);
        }
    }
    node.close().await.unwrap();
    assert_eq!(ids.len(), 3);
    let store = Sqlite::open(&SqliteOptions::new(&file)).await.unwrap();
    for id in &ids {
        give_up(&store, id).await;
    }
    let requeue = async |which| stripe_requeue(&settings, &cloud, &which).await.map_err(|error| format!("{error:#}"));
    assert_eq!(requeue(Requeue::One(ids[0].clone())).await.unwrap(), format!("{} is tried again", ids[0]));
    assert!(requeue(Requeue::One(ids[0].clone())).await.unwrap_err().contains("was not given up"));
    assert!(requeue(Requeue::One("evt_none".to_owned())).await.unwrap_err().contains("knows nothing of evt_none"));
    assert_eq!(requeue(Requeue::AllDead).await.unwrap(), "Tried again are:\n2 events\n0 things to be done\n");
    for id in &ids {
        let address = Address::new(Shelf::Event, id.as_str());
        let found = store.get(std::slice::from_ref(&address)).await.unwrap().remove(0).unwrap();
        assert!(&*found.list == lists::WAITING && found.due.is_some());
    }
}
