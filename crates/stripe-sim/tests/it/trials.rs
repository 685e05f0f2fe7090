use serde_json::Value;
use togglebox_stripe_sim::{Outcome, Sim};

use crate::support::{DAY, HOUR, NOW, heard, latest_invoice, ok, session, sim, subscription, text};

async fn on_trial(sim: &Sim, outcome: Outcome, end: &str) -> (String, Value) {
    let ask = session(&["price_pro"])
        .form("subscription_data[trial_period_days]", 14)
        .form("subscription_data[trial_settings][end_behavior][missing_payment_method]", end)
        .form("payment_method_collection", "if_required");
    let opened = ok(sim.call(ask).await);
    let done = sim.complete_checkout(text(&opened, "id"), outcome).expect("an open session");
    (text(&done, "subscription").to_owned(), done)
}

#[tokio::test]
async fn a_trial_is_announced_and_then_paid_for() {
    let sim = sim().await;
    let (id, done) = on_trial(&sim, Outcome::Paid, "create_invoice").await;
    assert_eq!(done["payment_status"], "no_payment_required");
    let trial = subscription(&sim, &id).await;
    assert_eq!((text(&trial, "status"), &trial["trial_end"]), ("trialing", &(NOW + 14 * DAY).into()));
    assert_eq!(latest_invoice(&sim, &id).await["amount_due"], 0);
    let skip = sim.events().len();
    sim.advance(11 * DAY).await;
    assert_eq!(heard(&sim, skip), ["customer.subscription.trial_will_end"]);
    let skip = sim.events().len();
    sim.advance(3 * DAY + HOUR).await;
    assert_eq!(heard(&sim, skip), ["customer.subscription.updated", "invoice.paid", "invoice.payment_succeeded"]);
    let after = subscription(&sim, &id).await;
    assert_eq!((text(&after, "status"), &after["billing_cycle_anchor"]), ("active", &(NOW + 14 * DAY).into()));
}

#[tokio::test]
async fn a_trial_without_a_card_ends_as_it_says() {
    for (end, status, last) in [
        ("pause", "paused", "customer.subscription.paused"),
        ("cancel", "canceled", "customer.subscription.deleted"),
        ("create_invoice", "past_due", "customer.subscription.updated"),
    ] {
        let sim = sim().await;
        let (id, _) = on_trial(&sim, Outcome::NoPaymentRequired, end).await;
        sim.advance(14 * DAY + HOUR).await;
        assert_eq!(subscription(&sim, &id).await["status"], status);
        assert_eq!(heard(&sim, 0).last().unwrap(), last);
    }
}

#[tokio::test]
async fn a_pause_ends_when_the_customer_comes_back() {
    let sim = sim().await;
    let (id, done) = on_trial(&sim, Outcome::NoPaymentRequired, "pause").await;
    sim.advance(20 * DAY).await;
    sim.set_card(text(&done, "customer"), togglebox_stripe_sim::Card::Ok).unwrap();
    let resumed = sim.portal_resume(&id).unwrap();
    assert_eq!(resumed["status"], "active");
    assert_eq!(latest_invoice(&sim, &id).await["amount_paid"], 1_000);
}
