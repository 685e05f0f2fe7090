use togglebox_stripe_sim::{Answer, Ask, Sim};

use crate::support::{DAY, HOUR, NOW, error, get, latest_invoice, ok, sim, subscribed, text};

async fn send(sim: &Sim, customer: &str, identifier: &str, value: &str, timestamp: i64) -> Answer {
    let ask = Ask::post("/v1/billing/meter_events")
        .form("event_name", "requests")
        .form("identifier", identifier)
        .form("timestamp", timestamp)
        .form("payload[stripe_customer_id]", customer)
        .form("payload[value]", value);
    sim.call(ask).await
}

fn total(sim: &Sim, customer: &str) -> i64 {
    sim.truth()["meters"]["mtr_requests"]["totals"][customer].as_i64().unwrap_or(0)
}

#[tokio::test]
async fn the_last_event_of_an_hour_stands_for_it() {
    let sim = sim().await;
    let (_, customer) = subscribed(&sim, &["price_pro", "price_requests"]).await;
    let hour = NOW / HOUR * HOUR;
    for (identifier, value, timestamp) in
        [("a", "10", hour), ("b", "25", hour - 1), ("c", "7", hour + HOUR / 2), ("d", "12", hour + 5)]
    {
        sim.advance_to(NOW.max(timestamp)).await;
        ok(send(&sim, &customer, identifier, value, timestamp).await);
    }
    assert_eq!(total(&sim, &customer), 25 + 12, "d came last, though its time is before c's");
}

#[tokio::test]
async fn an_identifier_is_unique_for_a_day() {
    let sim = sim().await;
    let (_, customer) = subscribed(&sim, &["price_pro", "price_requests"]).await;
    ok(send(&sim, &customer, "a", "1", NOW).await);
    assert_eq!(error(&send(&sim, &customer, "a", "1", NOW).await).2, "duplicate_meter_event");
    sim.advance(DAY - 1).await;
    assert_eq!(send(&sim, &customer, "a", "1", NOW).await.status, 400);
    sim.advance(1).await;
    assert_eq!(send(&sim, &customer, "a", "1", NOW).await.status, 200);
}

#[tokio::test]
async fn times_and_values_have_limits() {
    let sim = sim().await;
    let (_, customer) = subscribed(&sim, &["price_pro", "price_requests"]).await;
    for (timestamp, status) in [(NOW - 35 * DAY, 200), (NOW - 35 * DAY - 1, 400), (NOW + 300, 200), (NOW + 301, 400)] {
        assert_eq!(send(&sim, &customer, &timestamp.to_string(), "1", timestamp).await.status, status, "{timestamp}");
    }
    for value in ["1.5", "-1", "", "many"] {
        assert_eq!(send(&sim, &customer, value, value, NOW).await.status, 400, "{value}");
    }
    let unknown = Ask::post("/v1/billing/meter_events").form("event_name", "nothing").form("payload[value]", 1);
    assert_eq!(sim.call(unknown).await.status, 400);
}

#[tokio::test]
async fn a_canceled_event_does_not_count() {
    let sim = sim().await;
    let (_, customer) = subscribed(&sim, &["price_pro", "price_requests"]).await;
    let cancel = Ask::post("/v1/billing/meter_event_adjustments")
        .form("event_name", "requests")
        .form("type", "cancel")
        .form("cancel[identifier]", "a");
    assert_eq!(sim.call(cancel.clone()).await.status, 400);
    ok(send(&sim, &customer, "a", "5", NOW).await);
    ok(sim.call(cancel.clone()).await);
    assert_eq!(total(&sim, &customer), 0);
    sim.advance(DAY).await;
    assert_eq!(sim.call(cancel).await.status, 400);
}

#[tokio::test]
async fn usage_is_billed_when_its_period_is_over_also_what_comes_in_the_hour_of_grace() {
    let sim = sim().await;
    let (id, customer) = subscribed(&sim, &["price_pro", "price_requests"]).await;
    ok(send(&sim, &customer, "a", "1500", NOW + 1).await);
    let renewal = NOW + 31 * DAY;
    sim.advance_to(renewal + HOUR - 1).await;
    assert_eq!(latest_invoice(&sim, &id).await["amount_due"], 1_000 + 250);
    // One of the period that is over, one of the new one, and one that comes too late.
    ok(send(&sim, &customer, "b", "100", renewal - DAY).await);
    ok(send(&sim, &customer, "c", "9000", renewal + 1).await);
    sim.advance(1).await;
    ok(send(&sim, &customer, "d", "100", renewal - 2 * DAY).await);
    let invoice = latest_invoice(&sim, &id).await;
    assert_eq!((text(&invoice, "status"), &invoice["amount_paid"]), ("paid", &(1_000 + 300).into()));
}

#[tokio::test]
async fn the_last_invoice_has_the_usage_of_the_last_period() {
    let sim = sim().await;
    let (id, customer) = subscribed(&sim, &["price_pro", "price_requests"]).await;
    ok(send(&sim, &customer, "a", "3000", NOW).await);
    sim.portal_cancel(&id, true).unwrap();
    sim.advance(31 * DAY + HOUR).await;
    let invoice = latest_invoice(&sim, &id).await;
    assert_eq!((text(&invoice, "status"), &invoice["amount_paid"]), ("paid", &1_000.into()));
}

#[tokio::test]
async fn a_yearly_plan_may_have_monthly_usage() {
    let sim = sim().await;
    let (id, customer) = subscribed(&sim, &["price_pro_year", "price_requests"]).await;
    ok(send(&sim, &customer, "a", "1200", NOW).await);
    sim.advance(31 * DAY + HOUR).await;
    assert_eq!(latest_invoice(&sim, &id).await["amount_paid"], 100);
    sim.advance(28 * DAY).await;
    assert_eq!(latest_invoice(&sim, &id).await["amount_paid"], 0);
}

#[tokio::test]
async fn summaries_are_grouped_by_aligned_windows() {
    let sim = sim().await;
    let (_, customer) = subscribed(&sim, &["price_pro", "price_requests"]).await;
    let hour = NOW / HOUR * HOUR;
    sim.advance(2 * HOUR).await;
    for (identifier, value, timestamp) in [("a", "10", hour), ("b", "20", hour + HOUR)] {
        ok(send(&sim, &customer, identifier, value, timestamp).await);
    }
    let path = |start: i64, end: i64, more: &str| {
        format!("/v1/billing/meters/mtr_requests/event_summaries?customer={customer}&start_time={start}&end_time={end}{more}")
    };
    let whole = get(&sim, &path(hour, hour + 3 * HOUR, "")).await;
    assert_eq!(whole["data"][0]["aggregated_value"], 30);
    let hourly = get(&sim, &path(hour, hour + 3 * HOUR, "&value_grouping_window=hour")).await;
    let values: Vec<_> = hourly["data"].as_array().unwrap().iter().map(|one| one["aggregated_value"].as_i64()).collect();
    assert_eq!(values, [Some(20), Some(10)]);
    assert_eq!(sim.call(Ask::get(&path(hour + 1, hour + HOUR, ""))).await.status, 400);
    assert_eq!(sim.call(Ask::get(&path(hour + 60, hour + HOUR, "&value_grouping_window=hour"))).await.status, 400);
}
