use togglebox_stripe_sim::{Ask, Card};

use crate::support::{DAY, HOUR, NOW, error, get, heard, latest_invoice, ok, sim, subscribed, subscription, text};

fn change(id: &str, item: &str, price: &str) -> Ask {
    Ask::post(&format!("/v1/subscriptions/{id}")).form("items[0][id]", item).form("items[0][price]", price)
}

fn item(subscription: &serde_json::Value) -> &str {
    text(&subscription["items"]["data"][0], "id")
}

/// The period that begins with 2027-01-15 has 31 days.
const HALF: i64 = 31 * DAY / 2;

#[tokio::test]
async fn an_upgrade_halfway_costs_half_the_difference_and_the_preview_says_so() {
    let sim = sim().await;
    let (id, customer) = subscribed(&sim, &["price_pro"]).await;
    let before = subscription(&sim, &id).await;
    sim.advance(HALF).await;
    let preview = Ask::post("/v1/invoices/create_preview")
        .form("customer", &customer)
        .form("subscription", &id)
        .form("subscription_details[items][0][id]", item(&before))
        .form("subscription_details[items][0][price]", "price_enterprise")
        .form("subscription_details[proration_behavior]", "always_invoice")
        .form("subscription_details[proration_date]", sim.now());
    let preview = ok(sim.call(preview).await);
    assert_eq!(preview["amount_due"], 500);
    let skip = sim.events().len();
    let ask = change(&id, item(&before), "price_enterprise")
        .form("proration_behavior", "always_invoice")
        .form("payment_behavior", "pending_if_incomplete")
        .form("proration_date", sim.now());
    let after = ok(sim.call(ask).await);
    assert_eq!(after["items"]["data"][0]["price"]["id"], "price_enterprise");
    assert_eq!(after["items"]["data"].as_array().unwrap().len(), 1);
    let invoice = latest_invoice(&sim, &id).await;
    assert_eq!((invoice["amount_paid"].as_i64(), text(&invoice, "billing_reason")), (Some(500), "subscription_update"));
    let amounts: Vec<_> =
        invoice["lines"]["data"].as_array().unwrap().iter().map(|line| line["amount"].as_i64().unwrap()).collect();
    assert_eq!(amounts, [-500, 1_000]);
    assert_eq!(heard(&sim, skip), ["customer.subscription.updated", "invoice.paid", "invoice.payment_succeeded"]);
}

#[tokio::test]
async fn prorations_wait_for_the_renewal_by_default() {
    let sim = sim().await;
    let (id, _) = subscribed(&sim, &["price_pro"]).await;
    let before = subscription(&sim, &id).await;
    sim.advance(HALF).await;
    ok(sim.call(change(&id, item(&before), "price_enterprise")).await);
    assert_eq!(latest_invoice(&sim, &id).await["billing_reason"], "subscription_create");
    sim.advance(HALF + HOUR).await;
    let invoice = latest_invoice(&sim, &id).await;
    assert_eq!((invoice["amount_paid"].as_i64(), text(&invoice, "status")), (Some(2_500), "paid"));
}

#[tokio::test]
async fn without_proration_nothing_is_billed_until_the_renewal() {
    let sim = sim().await;
    let (id, _) = subscribed(&sim, &["price_pro"]).await;
    let before = subscription(&sim, &id).await;
    sim.advance(HALF).await;
    let none = change(&id, item(&before), "price_enterprise").form("proration_behavior", "none");
    assert_eq!(sim.call(none.clone().form("proration_date", sim.now())).await.status, 400);
    ok(sim.call(none).await);
    sim.advance(HALF + HOUR).await;
    assert_eq!(latest_invoice(&sim, &id).await["amount_paid"], 2_000);
}

#[tokio::test]
async fn another_interval_begins_a_new_cycle_at_once() {
    let sim = sim().await;
    let (id, _) = subscribed(&sim, &["price_pro"]).await;
    let before = subscription(&sim, &id).await;
    sim.advance(HALF).await;
    let after = ok(sim.call(change(&id, item(&before), "price_pro_year")).await);
    assert_eq!(after["billing_cycle_anchor"], NOW + HALF);
    let only = &after["items"]["data"][0];
    assert_eq!(only["current_period_start"], NOW + HALF);
    assert_eq!(only["current_period_end"], NOW + HALF + 365 * DAY);
    assert_eq!(latest_invoice(&sim, &id).await["amount_paid"], 9_500);
}

#[tokio::test]
async fn a_declined_change_is_pending_until_it_is_paid() {
    let sim = sim().await;
    let (id, customer) = subscribed(&sim, &["price_pro"]).await;
    let before = subscription(&sim, &id).await;
    sim.set_card(&customer, Card::Declining).unwrap();
    let skip = sim.events().len();
    let ask = change(&id, item(&before), "price_enterprise")
        .form("proration_behavior", "always_invoice")
        .form("payment_behavior", "pending_if_incomplete");
    assert_eq!(sim.call(ask.clone().form("metadata[a]", "b")).await.status, 400);
    let waiting = ok(sim.call(ask).await);
    assert_eq!(waiting["items"]["data"][0]["price"]["id"], "price_pro");
    assert_eq!(waiting["pending_update"]["expires_at"], NOW + 23 * HOUR);
    assert_eq!(waiting["pending_update"]["subscription_items"][0]["price"]["id"], "price_enterprise");
    assert_eq!((text(&waiting, "status"), heard(&sim, skip).last().unwrap().as_str()), ("active", "invoice.payment_failed"));
    let skip = sim.events().len();
    sim.pay_invoice(text(&waiting, "latest_invoice")).unwrap();
    assert_eq!(
        heard(&sim, skip),
        [
            "invoice.paid",
            "invoice.payment_succeeded",
            "customer.subscription.updated",
            "customer.subscription.pending_update_applied"
        ]
    );
    let after = subscription(&sim, &id).await;
    assert_eq!(
        (&after["items"]["data"][0]["price"]["id"], &after["pending_update"]),
        (&"price_enterprise".into(), &serde_json::Value::Null)
    );
}

#[tokio::test]
async fn a_pending_change_expires_after_23_hours() {
    let sim = sim().await;
    let (id, customer) = subscribed(&sim, &["price_pro"]).await;
    let before = subscription(&sim, &id).await;
    sim.set_card(&customer, Card::RequiresAction).unwrap();
    let ask = change(&id, item(&before), "price_enterprise")
        .form("proration_behavior", "always_invoice")
        .form("payment_behavior", "pending_if_incomplete");
    ok(sim.call(ask).await);
    let skip = sim.events().len();
    sim.advance(23 * HOUR).await;
    assert_eq!(heard(&sim, skip), ["customer.subscription.updated", "customer.subscription.pending_update_expired"]);
    assert_eq!(latest_invoice(&sim, &id).await["status"], "void");
    assert_eq!(subscription(&sim, &id).await["items"]["data"][0]["price"]["id"], "price_pro");
}

#[tokio::test]
async fn error_if_incomplete_changes_nothing() {
    let sim = sim().await;
    let (id, customer) = subscribed(&sim, &["price_pro"]).await;
    let before = subscription(&sim, &id).await;
    sim.fail_next_payments(&customer, 1).unwrap();
    let ask = change(&id, item(&before), "price_enterprise")
        .form("metadata[a]", "b")
        .form("proration_behavior", "always_invoice")
        .form("payment_behavior", "error_if_incomplete");
    let answer = sim.call(ask.clone().key("k")).await;
    assert_eq!(error(&answer), (402, "card_error", "card_declined"));
    assert_eq!(subscription(&sim, &id).await, before);
    // The refusal stands under its key; another key asks the bank again.
    assert_eq!(sim.call(ask.clone().key("k")).await.status, 402);
    assert_eq!(sim.call(ask.key("k2")).await.status, 200);
}

#[tokio::test]
async fn without_the_items_id_a_second_item_comes() {
    let sim = sim().await;
    let (id, _) = subscribed(&sim, &["price_pro"]).await;
    let ask = Ask::post(&format!("/v1/subscriptions/{id}")).form("items[0][price]", "price_enterprise");
    let after = ok(sim.call(ask).await);
    assert_eq!(after["items"]["data"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_downgrade_gives_credit_and_no_refund() {
    let sim = sim().await;
    let (id, customer) = subscribed(&sim, &["price_enterprise"]).await;
    let before = subscription(&sim, &id).await;
    sim.advance(HALF).await;
    ok(sim.call(change(&id, item(&before), "price_pro").form("proration_behavior", "always_invoice")).await);
    let invoice = latest_invoice(&sim, &id).await;
    assert_eq!(
        (invoice["total"].as_i64(), invoice["amount_due"].as_i64(), text(&invoice, "status")),
        (Some(-500), Some(0), "paid")
    );
    assert_eq!(get(&sim, &format!("/v1/customers/{customer}")).await["balance"], -500);
    sim.advance(HALF + HOUR).await;
    assert_eq!(latest_invoice(&sim, &id).await["amount_paid"], 500);
    assert_eq!(get(&sim, &format!("/v1/customers/{customer}")).await["balance"], 0);
}

#[tokio::test]
async fn a_cancellation_at_the_period_end_can_be_taken_back() {
    let sim = sim().await;
    let (id, _) = subscribed(&sim, &["price_pro"]).await;
    sim.portal_cancel(&id, true).unwrap();
    let planned = subscription(&sim, &id).await;
    assert_eq!((&planned["cancel_at_period_end"], &planned["cancel_at"]), (&true.into(), &(NOW + 31 * DAY).into()));
    sim.portal_resume(&id).unwrap();
    assert_eq!(subscription(&sim, &id).await["cancel_at"], serde_json::Value::Null);
    ok(sim.call(Ask::post(&format!("/v1/subscriptions/{id}")).form("cancel_at_period_end", true)).await);
    let skip = sim.events().len();
    sim.advance(31 * DAY).await;
    assert_eq!(heard(&sim, skip), ["customer.subscription.deleted"]);
    let ended = subscription(&sim, &id).await;
    assert_eq!((text(&ended, "status"), &ended["ended_at"]), ("canceled", &(NOW + 31 * DAY).into()));
}

#[tokio::test]
async fn canceling_now_with_proration_credits_the_rest() {
    let sim = sim().await;
    let (id, customer) = subscribed(&sim, &["price_pro"]).await;
    sim.advance(HALF).await;
    let ask = Ask::delete(&format!("/v1/subscriptions/{id}")).form("invoice_now", true).form("prorate", true);
    assert_eq!(ok(sim.call(ask.clone()).await)["status"], "canceled");
    assert_eq!(get(&sim, &format!("/v1/customers/{customer}")).await["balance"], -500);
    assert_eq!(sim.call(ask).await.status, 404);
}

#[tokio::test]
async fn a_payment_is_given_back_once() {
    let sim = sim().await;
    let (_, customer) = subscribed(&sim, &["price_pro"]).await;
    let invoice = get(&sim, &format!("/v1/invoices?customer={customer}&expand[]=data.payments")).await;
    let intent = invoice["data"][0]["payments"]["data"][0]["payment"]["payment_intent"].as_str().unwrap().to_owned();
    let ask = Ask::post("/v1/refunds").form("payment_intent", &intent);
    assert_eq!(ok(sim.call(ask.clone().form("amount", 300)).await)["amount"], 300);
    assert_eq!(ok(sim.call(ask.clone()).await)["amount"], 700);
    assert_eq!(error(&sim.call(ask).await).2, "charge_already_refunded");
    assert_eq!(sim.truth()["customers"][&customer]["paid"], 0);
}

#[tokio::test]
async fn deleting_a_customer_ends_what_it_pays_for() {
    let sim = sim().await;
    let (id, customer) = subscribed(&sim, &["price_pro"]).await;
    let path = format!("/v1/customers/{customer}");
    assert_eq!(ok(sim.call(Ask::delete(&path)).await)["deleted"], true);
    assert_eq!(subscription(&sim, &id).await["status"], "canceled");
    assert_eq!(get(&sim, &path).await, serde_json::json!({"id": customer, "object": "customer", "deleted": true}));
}
