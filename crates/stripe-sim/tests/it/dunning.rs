use togglebox_stripe_sim::{Ask, Card, Dunning, FinalAction, Sim};

use crate::support::{DAY, HOUR, NOW, heard, latest_invoice, ok, sim, subscribed, subscription, text};

const RENEWAL: i64 = NOW + 31 * DAY;

async fn failing() -> (Sim, String) {
    let sim = sim().await;
    let (id, customer) = subscribed(&sim, &["price_pro"]).await;
    sim.set_card(&customer, Card::Declining).expect("a customer");
    (sim, id)
}

#[tokio::test]
async fn a_renewal_is_a_draft_for_an_hour_and_then_paid() {
    let sim = sim().await;
    let (id, _) = subscribed(&sim, &["price_pro"]).await;
    sim.advance_to(RENEWAL).await;
    let draft = latest_invoice(&sim, &id).await;
    assert_eq!((text(&draft, "status"), text(&draft, "billing_reason")), ("draft", "subscription_cycle"));
    assert_eq!(draft["automatically_finalizes_at"], RENEWAL + HOUR);
    assert_eq!(subscription(&sim, &id).await["items"]["data"][0]["current_period_start"], RENEWAL);
    sim.advance(HOUR).await;
    assert_eq!(latest_invoice(&sim, &id).await["status"], "paid");
    // Each at its own second.
    let paid: Vec<_> = sim.events().into_iter().filter(|event| event["type"] == "invoice.paid").collect();
    assert_eq!(paid[1]["created"], RENEWAL + HOUR);
}

#[tokio::test]
async fn retries_follow_after_3_5_and_7_days_and_then_it_ends() {
    let (sim, id) = failing().await;
    sim.advance_to(RENEWAL + HOUR).await;
    assert_eq!(subscription(&sim, &id).await["status"], "past_due");
    let mut at = RENEWAL + HOUR;
    for (attempt, days) in [(1, 3), (2, 5), (3, 7)] {
        let invoice = latest_invoice(&sim, &id).await;
        assert_eq!((&invoice["attempt_count"], &invoice["next_payment_attempt"]), (&attempt.into(), &(at + days * DAY).into()));
        at += days * DAY;
        sim.advance_to(at).await;
    }
    let invoice = latest_invoice(&sim, &id).await;
    assert_eq!((&invoice["attempt_count"], &invoice["next_payment_attempt"]), (&4.into(), &serde_json::Value::Null));
    let ended = subscription(&sim, &id).await;
    assert_eq!((text(&ended, "status"), text(&ended["cancellation_details"], "reason")), ("canceled", "payment_failed"));
    assert_eq!(heard(&sim, 0).iter().filter(|kind| *kind == "invoice.payment_failed").count(), 4);
}

#[tokio::test]
async fn a_retry_that_works_makes_it_active_again() {
    let (sim, id) = failing().await;
    let customer = text(&subscription(&sim, &id).await, "customer").to_owned();
    sim.advance_to(RENEWAL + HOUR).await;
    sim.set_card(&customer, Card::Ok).unwrap();
    let skip = sim.events().len();
    sim.advance(3 * DAY).await;
    assert_eq!(heard(&sim, skip), ["invoice.paid", "invoice.payment_succeeded", "customer.subscription.updated"]);
    assert_eq!(subscription(&sim, &id).await["status"], "active");
}

#[tokio::test]
async fn what_follows_the_last_retry_is_a_setting() {
    for (last, status) in [(FinalAction::Unpaid, "unpaid"), (FinalAction::PastDue, "past_due")] {
        let (sim, id) = failing().await;
        sim.set_dunning(Dunning { retry_days: vec![1], last });
        sim.advance_to(RENEWAL + HOUR + DAY).await;
        assert_eq!(subscription(&sim, &id).await["status"], status);
        // The next renewal of an unpaid subscription stays a draft.
        sim.advance_to(NOW + (31 + 28) * DAY + 2 * HOUR).await;
        assert_eq!(latest_invoice(&sim, &id).await["status"], if last == FinalAction::Unpaid { "draft" } else { "open" });
    }
}

#[tokio::test]
async fn a_charge_that_needs_the_customer_says_so() {
    let sim = sim().await;
    let (id, customer) = subscribed(&sim, &["price_pro"]).await;
    sim.set_card(&customer, Card::RequiresAction).unwrap();
    let skip = sim.events().len();
    sim.advance_to(RENEWAL + HOUR).await;
    assert_eq!(
        heard(&sim, skip),
        [
            "customer.subscription.updated",
            "invoice.payment_action_required",
            "invoice.payment_failed",
            "customer.subscription.updated"
        ]
    );
    let invoice = latest_invoice(&sim, &id).await;
    sim.pay_invoice(text(&invoice, "id")).unwrap();
    assert_eq!(subscription(&sim, &id).await["status"], "active");
    assert!(sim.pay_invoice(text(&invoice, "id")).is_err());
}

#[tokio::test]
async fn a_first_payment_has_23_hours() {
    let sim = sim().await;
    let customer = ok(sim.call(Ask::post("/v1/customers").form("payment_method", "pm_card_chargeCustomerFail")).await);
    let new = Ask::post("/v1/subscriptions").form("customer", text(&customer, "id")).form("items[0][price]", "price_pro");
    let created = ok(sim.call(new.clone()).await);
    assert_eq!(created["status"], "incomplete");
    sim.advance(23 * HOUR - 1).await;
    assert_eq!(subscription(&sim, text(&created, "id")).await["status"], "incomplete");
    sim.advance(1).await;
    assert_eq!(subscription(&sim, text(&created, "id")).await["status"], "incomplete_expired");
    assert_eq!(latest_invoice(&sim, text(&created, "id")).await["status"], "void");
    let second = ok(sim.call(new).await);
    sim.pay_invoice(text(&second, "latest_invoice")).unwrap();
    assert_eq!(subscription(&sim, text(&second, "id")).await["status"], "active");
}

#[tokio::test]
async fn an_invoice_is_paid_or_voided_by_request() {
    let (sim, id) = failing().await;
    sim.advance_to(RENEWAL + HOUR).await;
    let path = format!("/v1/invoices/{}", text(&latest_invoice(&sim, &id).await, "id"));
    assert_eq!(sim.call(Ask::post(&format!("{path}/pay"))).await.status, 402);
    assert_eq!(ok(sim.call(Ask::post(&format!("{path}/void"))).await)["status"], "void");
    assert_eq!(sim.call(Ask::post(&format!("{path}/pay"))).await.status, 400);
}
