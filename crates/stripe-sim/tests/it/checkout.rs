use togglebox_stripe_sim::{Ask, Outcome};

use crate::support::{DAY, HOUR, NOW, error, get, heard, ok, session, sim, subscribed, text, types};

#[tokio::test]
async fn a_paid_session_makes_the_usual_set_of_events() {
    let sim = sim().await;
    let opened = ok(sim.call(session(&["price_pro"]).form("metadata[signup]", "s1")).await);
    assert_eq!((text(&opened, "status"), text(&opened, "payment_status")), ("open", "unpaid"));
    assert_eq!(opened["amount_total"], 1_000);
    let done = sim.complete_checkout(text(&opened, "id"), Outcome::Paid).unwrap();
    assert_eq!((text(&done, "status"), text(&done, "payment_status")), ("complete", "paid"));
    assert_eq!(done["metadata"]["signup"], "s1");
    assert_eq!(
        types(&sim, 0),
        [
            "customer.created",
            "customer.updated",
            "customer.subscription.created",
            "invoice.created",
            "invoice.finalized",
            "payment_intent.created",
            "charge.succeeded",
            "payment_intent.succeeded",
            "invoice.updated",
            "invoice.paid",
            "invoice.payment_succeeded",
            "customer.subscription.updated",
            "checkout.session.completed",
        ]
    );
    let events = sim.events();
    assert_eq!(events[2]["data"]["object"]["status"], "incomplete");
    assert_eq!(events[11]["data"]["object"]["status"], "active");
    assert_eq!(events[11]["data"]["previous_attributes"], serde_json::json!({"status": "incomplete"}));
    let subscription = get(&sim, &format!("/v1/subscriptions/{}", text(&done, "subscription"))).await;
    assert_eq!(subscription["metadata"], serde_json::json!({"tenant": "acme"}), "session metadata is not copied");
}

#[tokio::test]
async fn an_expanded_session_has_its_subscription() {
    let sim = sim().await;
    let opened = ok(sim.call(session(&["price_pro"])).await);
    sim.complete_checkout(text(&opened, "id"), Outcome::Paid).unwrap();
    let path = format!("/v1/checkout/sessions/{}?expand[]=subscription", text(&opened, "id"));
    assert_eq!(get(&sim, &path).await["subscription"]["status"], "active");
}

#[tokio::test]
async fn a_session_lives_from_half_an_hour_to_a_day() {
    let sim = sim().await;
    for (seconds, status) in [(30 * 60 - 1, 400), (30 * 60, 200), (24 * HOUR, 200), (24 * HOUR + 1, 400)] {
        let answer = sim.call(session(&["price_pro"]).form("expires_at", NOW + seconds)).await;
        assert_eq!(answer.status, status, "{seconds}");
    }
    let opened = ok(sim.call(session(&["price_pro"])).await);
    assert_eq!(opened["expires_at"], NOW + 24 * HOUR);
    sim.advance(24 * HOUR).await;
    assert_eq!(get(&sim, &format!("/v1/checkout/sessions/{}", text(&opened, "id"))).await["status"], "expired");
    assert_eq!(heard(&sim, 0), ["checkout.session.expired"; 3]);
    assert!(sim.complete_checkout(text(&opened, "id"), Outcome::Paid).is_err());
}

#[tokio::test]
async fn only_an_open_session_can_be_expired() {
    let sim = sim().await;
    let opened = ok(sim.call(session(&["price_pro"])).await);
    let expire = Ask::post(&format!("/v1/checkout/sessions/{}/expire", text(&opened, "id")));
    assert_eq!(ok(sim.call(expire.clone()).await)["status"], "expired");
    assert_eq!(sim.call(expire).await.status, 400);
}

#[tokio::test]
async fn what_a_session_cannot_have_is_refused() {
    let sim = sim().await;
    let customer = ok(sim.call(Ask::post("/v1/customers").form("email", "a@example.com")).await);
    for (key, value) in [
        ("customer_creation", "always"),
        ("subscription_data[trial_period_days]", "0"),
        ("subscription_data[trial_end]", &(NOW + 47 * HOUR).to_string()),
        ("no_such_parameter", "1"),
        ("customer", "cus_nobody"),
    ] {
        assert_eq!(sim.call(session(&["price_pro"]).form(key, value)).await.status, 400, "{key}");
    }
    let both = session(&["price_pro"]).form("customer", text(&customer, "id")).form("customer_email", "a@example.com");
    assert_eq!(sim.call(both).await.status, 400);
    let metered = session(&["price_pro", "price_requests"]).form("line_items[1][quantity]", 1);
    assert_eq!(sim.call(metered).await.status, 400);
    let answer = sim.call(session(&["price_nothing"])).await;
    assert_eq!(error(&answer), (400, "invalid_request_error", "resource_missing"));
}

#[tokio::test]
async fn a_customer_that_exists_is_kept() {
    let sim = sim().await;
    let customer = ok(sim.call(Ask::post("/v1/customers").form("email", "a@example.com")).await);
    let opened = ok(sim.call(session(&["price_pro"]).form("customer", text(&customer, "id"))).await);
    let done = sim.complete_checkout(text(&opened, "id"), Outcome::Paid).unwrap();
    assert_eq!(done["customer"], customer["id"]);
    assert_eq!(done["customer_details"]["email"], "a@example.com");
}

#[tokio::test]
async fn a_declined_card_leaves_the_session_open() {
    let sim = sim().await;
    let opened = ok(sim.call(session(&["price_pro"])).await);
    let same = sim.complete_checkout(text(&opened, "id"), Outcome::Declined).unwrap();
    assert_eq!(same["status"], "open");
    assert_eq!(sim.complete_checkout(text(&opened, "id"), Outcome::Paid).unwrap()["status"], "complete");
}

#[tokio::test]
async fn a_delayed_payment_is_known_days_later() {
    for succeeded in [true, false] {
        let sim = sim().await;
        let opened = ok(sim.call(session(&["price_pro"])).await);
        let id = text(&opened, "id");
        let done = sim.complete_checkout(id, Outcome::Delayed).unwrap();
        assert_eq!((text(&done, "status"), text(&done, "payment_status")), ("complete", "unpaid"));
        sim.advance(3 * DAY).await;
        let skip = sim.events().len();
        let later = sim.finish_delayed(id, succeeded).unwrap();
        let expected: &[&str] = if succeeded {
            &["invoice.paid", "invoice.payment_succeeded", "checkout.session.async_payment_succeeded"]
        } else {
            &["invoice.payment_failed", "customer.subscription.updated", "checkout.session.async_payment_failed"]
        };
        assert_eq!(heard(&sim, skip), expected);
        assert_eq!(later["payment_status"], if succeeded { "paid" } else { "unpaid" });
        assert!(sim.finish_delayed(id, succeeded).is_err());
    }
}

#[tokio::test]
async fn a_free_plan_needs_no_card_where_none_is_asked_for() {
    let sim = sim().await;
    let opened = ok(sim.call(session(&["price_free"])).await);
    assert!(sim.complete_checkout(text(&opened, "id"), Outcome::NoPaymentRequired).is_err());
    let opened = ok(sim.call(session(&["price_free"]).form("payment_method_collection", "if_required")).await);
    let done = sim.complete_checkout(text(&opened, "id"), Outcome::NoPaymentRequired).unwrap();
    assert_eq!(done["payment_status"], "no_payment_required");
}

#[tokio::test]
async fn a_portal_session_is_an_address_of_a_customer() {
    let sim = sim().await;
    let (subscription, customer) = subscribed(&sim, &["price_pro"]).await;
    let ask = Ask::post("/v1/billing_portal/sessions")
        .form("customer", &customer)
        .form("return_url", "https://example.com")
        .form("flow_data[type]", "subscription_cancel")
        .form("flow_data[subscription_cancel][subscription]", &subscription);
    let portal = ok(sim.call(ask).await);
    assert!(text(&portal, "url").starts_with("https://"));
    assert_eq!(sim.call(Ask::post("/v1/billing_portal/sessions")).await.status, 400);
}
