use togglebox_stripe_sim::Ask;

use crate::support::{DAY, HOUR, NOW, heard, latest_invoice, ok, sim, subscribed, subscription, text};

const RENEWAL: i64 = NOW + 31 * DAY;

#[tokio::test]
async fn a_downgrade_happens_with_the_renewal() {
    let sim = sim().await;
    let (id, _) = subscribed(&sim, &["price_enterprise"]).await;
    let schedule = ok(sim.call(Ask::post("/v1/subscription_schedules").form("from_subscription", &id)).await);
    assert_eq!(schedule["phases"][0]["end_date"], RENEWAL);
    let path = format!("/v1/subscription_schedules/{}", text(&schedule, "id"));
    let phases = Ask::post(&path)
        .form("end_behavior", "release")
        .form("phases[0][items][0][price]", "price_enterprise")
        .form("phases[0][items][0][quantity]", 1)
        .form("phases[0][start_date]", NOW)
        .form("phases[0][end_date]", RENEWAL)
        .form("phases[1][items][0][price]", "price_pro")
        .form("phases[1][items][0][quantity]", 1)
        .form("phases[1][proration_behavior]", "none")
        .form("phases[1][iterations]", 1);
    ok(sim.call(phases).await);
    let cancel = Ask::post(&format!("/v1/subscriptions/{id}")).form("cancel_at_period_end", true);
    assert_eq!(sim.call(cancel).await.status, 400, "the schedule says when it ends");
    let skip = sim.events().len();
    sim.advance_to(RENEWAL + HOUR).await;
    assert_eq!(
        heard(&sim, skip),
        ["customer.subscription.updated", "subscription_schedule.updated", "invoice.paid", "invoice.payment_succeeded"]
    );
    let after = subscription(&sim, &id).await;
    assert_eq!(after["items"]["data"][0]["price"]["id"], "price_pro");
    assert_eq!(latest_invoice(&sim, &id).await["amount_paid"], 1_000);
    sim.advance(28 * DAY).await;
    assert_eq!(subscription(&sim, &id).await["schedule"], serde_json::Value::Null);
    assert_eq!(ok(sim.call(Ask::get(&path)).await)["status"], "released");
    assert_eq!(latest_invoice(&sim, &id).await["amount_paid"], 1_000);
}

#[tokio::test]
async fn a_schedule_is_released_or_canceled() {
    let sim = sim().await;
    let (id, _) = subscribed(&sim, &["price_pro"]).await;
    let new = Ask::post("/v1/subscription_schedules").form("from_subscription", &id);
    let first = ok(sim.call(new.clone()).await);
    assert_eq!(sim.call(new.clone()).await.status, 400, "one at a time");
    let path = format!("/v1/subscription_schedules/{}", text(&first, "id"));
    assert_eq!(ok(sim.call(Ask::post(&format!("{path}/release"))).await)["released_subscription"], id.as_str());
    let second = ok(sim.call(new).await);
    let path = format!("/v1/subscription_schedules/{}", text(&second, "id"));
    assert_eq!(ok(sim.call(Ask::post(&format!("{path}/cancel"))).await)["status"], "canceled");
    assert_eq!(subscription(&sim, &id).await["status"], "canceled");
}
