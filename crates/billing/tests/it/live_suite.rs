//! The suite for Stripe itself, against the simulator.

use serde_json::Value;
use togglebox_billing::objects::{Envelope, Invoice, Subscription};
use togglebox_core::{ManualClock, Timestamp};
use togglebox_stripe_sim::{Fault, Matcher, Moment, Sim};

use crate::live::{self, BUDGET, Target};

const KEY: &str = "sk_test_kQ4vTn8ZxM2wRb7Yc1Lp";

/// Half past, so that the hours of usage and of the clock are not the same.
const NOW: i64 = 1_800_001_800;

async fn sim() -> (Sim, Target, ManualClock) {
    let sim = Sim::builder().now(NOW).start().await.unwrap();
    let target = Target::new(&sim.base_url(), KEY).unwrap();
    (sim, target, ManualClock::new(Timestamp::from_ms(NOW * 1000)))
}

#[test]
fn no_key_but_one_of_test_mode_is_taken() {
    for bad in
        ["", "sk_test_", "sk_live_kQ4vTn8Z", "rk_live_kQ4vTn8Z", "rk_test_kQ4vTn8Z", "pk_test_kQ4vTn8Z", " sk_test_kQ4vTn8Z"]
    {
        let error = Target::new("http://127.0.0.1:1", bad).unwrap_err().to_string();
        assert!(error.contains("STRIPE_SECRET_KEY must begin with sk_test_"), "{error}");
        assert!(bad.len() < 9 || !error.contains(bad), "{error}");
    }
}

#[tokio::test]
async fn it_runs_within_its_requests_and_finds_what_it_made_the_next_time() {
    let (sim, target, clock) = sim().await;
    let folder = tempfile::tempdir().unwrap();
    let first = live::run(&target, &clock, Some(folder.path())).await.unwrap();
    assert!(first.requests <= BUDGET && first.requests == sim.calls().len(), "{first:?}");
    // 10 of 31 days are gone; 8,000 cents more for the other 21.
    assert_eq!((first.previewed.minor, first.billed), (5_419, first.previewed));
    assert_eq!(first.usage, (1_234, 1_234));
    assert!(first.events.iter().any(|kind| kind == "customer.subscription.updated"), "{first:?}");
    assert!(first.removed);
    let truth = sim.truth();
    assert!(truth["subscriptions"].as_object().unwrap().values().all(|one| one["status"] == "canceled"), "{truth:#}");

    let made = (count(&truth, "prices"), count(&truth, "meters"));
    clock.set(Timestamp::from_ms(sim.now() * 1000));
    let second = live::run(&target, &clock, None).await.unwrap();
    let truth = sim.truth();
    assert_eq!((count(&truth, "prices"), count(&truth, "meters")), made, "the next run finds them");
    // Of a meter that was just made our client does not know, and asks once more.
    assert_eq!((first.requests, second.requests), (38, 33));
}

fn count(truth: &Value, kind: &str) -> usize {
    truth[kind].as_object().map_or(0, serde_json::Map::len)
}

#[tokio::test]
async fn what_is_recorded_is_read_as_it_was_and_tells_nothing_private() {
    let (sim, target, clock) = sim().await;
    let folder = tempfile::tempdir().unwrap();
    let report = live::run(&target, &clock, Some(folder.path())).await.unwrap();
    let text = std::fs::read_to_string(folder.path().join("exchanges.json")).unwrap();
    // Whatever has an id or an address of its own at Stripe.
    let truth = sim.truth();
    let mut private =
        vec![KEY.to_owned(), "sk_test".to_owned(), "Bearer".to_owned(), "@example.com".to_owned(), "://".to_owned()];
    for kind in ["customers", "subscriptions", "invoices", "sessions", "payments"] {
        private.extend(truth[kind].as_object().unwrap().keys().cloned());
    }
    assert!(private.len() > 8, "{private:?}");
    for secret in private {
        assert!(!text.contains(&secret), "{secret} is told");
    }
    let exchanges: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(exchanges.len(), report.requests - 1, "all but the one that is asked directly");
    let (mut subscriptions, mut invoices, mut events) = (0, 0, 0);
    for exchange in &exchanges {
        let body = &exchange["answer"]["body"];
        let listed = body["data"].as_array().cloned().unwrap_or_default();
        for object in listed.iter().chain([body]) {
            match object["object"].as_str() {
                Some("subscription") => {
                    assert_eq!(&*Subscription::read(object).unwrap().customer, "cus_1");
                    subscriptions += 1;
                }
                Some("invoice") => {
                    Invoice::read(object).unwrap();
                    invoices += 1;
                }
                Some("event") => {
                    Envelope::read(object).unwrap();
                    events += 1;
                }
                _ => {}
            }
        }
    }
    assert!(subscriptions > 5 && invoices >= 2 && events > 3, "{subscriptions} {invoices} {events}");
    let replayed = |exchange: &&Value| exchange["answer"]["headers"]["idempotent-replayed"] == "true";
    assert_eq!(exchanges.iter().filter(replayed).count(), 1, "the page that was asked for twice");
}

#[tokio::test]
async fn what_was_made_is_removed_where_a_step_fails() {
    let (sim, target, clock) = sim().await;
    sim.inject(Fault::status(Matcher::new("POST", "/v1/billing_portal/sessions"), 400));
    let error = format!("{:#}", live::run(&target, &clock, None).await.unwrap_err());
    assert!(error.contains("the portal") && error.contains("requests"), "{error}");
    let last = sim.calls().pop().unwrap();
    assert_eq!((last.method.as_str(), last.status), ("DELETE", 200), "{last:?}");
    assert!(last.path.starts_with("/v1/test_helpers/test_clocks/"), "{last:?}");
}

#[tokio::test]
async fn no_more_is_asked_than_is_allowed_however_many_answers_are_lost() {
    let (sim, target, clock) = sim().await;
    let target = target.without_pauses();
    // Four of five tries each.
    for (method, path) in [
        ("POST", "/v1/checkout/sessions"),
        ("POST", "/v1/checkout/sessions/*/expire"),
        ("POST", "/v1/billing/meter_events"),
        ("POST", "/v1/invoices/create_preview"),
        ("GET", "/v1/invoices"),
    ] {
        sim.inject(Fault::drop(Matcher::new(method, path), Moment::After).times(4));
    }
    let error = format!("{:#}", live::run(&target, &clock, None).await.unwrap_err());
    assert!(error.contains("after 39 requests") && error.contains("budget"), "{error}");
    let calls = sim.calls();
    assert_eq!((calls.len(), calls[calls.len() - 1].method.as_str()), (BUDGET, "DELETE"), "the last one clears up");
}
