//! What most tests begin with.

use serde_json::Value;
use togglebox_stripe_sim::{Answer, Ask, Outcome, SeedPrice, Sim};

pub(crate) const NOW: i64 = 1_800_000_000;
pub(crate) const HOUR: i64 = 3_600;
pub(crate) const DAY: i64 = 86_400;

/// Free, pro and enterprise by the month, pro by the year, and overage by the month.
pub(crate) async fn sim() -> Sim {
    let sim = Sim::builder().now(NOW).manual_endpoint("whsec_test").start().await.expect("a port");
    for price in [
        SeedPrice::monthly("price_free", 0),
        SeedPrice::monthly("price_pro", 1_000),
        SeedPrice::monthly("price_enterprise", 2_000),
        SeedPrice::yearly("price_pro_year", 10_000),
    ] {
        sim.seed_price(price).expect("a price");
    }
    sim.seed_meter("mtr_requests", "requests");
    sim.seed_price(SeedPrice::metered_above("price_requests", "mtr_requests", 1_000, "0.5")).expect("a price");
    sim
}

/// A session for these prices; `extra` parameters on top.
pub(crate) fn session(prices: &[&str]) -> Ask {
    let mut ask = Ask::post("/v1/checkout/sessions")
        .form("mode", "subscription")
        .form("success_url", "https://example.com/done")
        .form("client_reference_id", "signup_1")
        .form("subscription_data[metadata][tenant]", "acme");
    for (index, price) in prices.iter().enumerate() {
        ask = ask.form(&format!("line_items[{index}][price]"), price);
        if *price != "price_requests" {
            ask = ask.form(&format!("line_items[{index}][quantity]"), 1);
        }
    }
    ask
}

/// A paid subscription: its id and its customer's.
pub(crate) async fn subscribed(sim: &Sim, prices: &[&str]) -> (String, String) {
    let opened = ok(sim.call(session(prices)).await);
    let done = sim.complete_checkout(text(&opened, "id"), Outcome::Paid).expect("an open session");
    (text(&done, "subscription").to_owned(), text(&done, "customer").to_owned())
}

pub(crate) fn ok(answer: Answer) -> Value {
    assert_eq!(answer.status, 200, "{:#}", answer.body);
    answer.body
}

pub(crate) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no text {key} in {value:#}"))
}

pub(crate) async fn get(sim: &Sim, path: &str) -> Value {
    ok(sim.call(Ask::get(path)).await)
}

pub(crate) async fn subscription(sim: &Sim, id: &str) -> Value {
    get(sim, &format!("/v1/subscriptions/{id}")).await
}

pub(crate) async fn latest_invoice(sim: &Sim, id: &str) -> Value {
    let subscription = subscription(sim, id).await;
    get(sim, &format!("/v1/invoices/{}", text(&subscription, "latest_invoice"))).await
}

/// The types of the events since the `skip`th.
pub(crate) fn types(sim: &Sim, skip: usize) -> Vec<String> {
    sim.events().iter().skip(skip).map(|event| text(event, "type").to_owned()).collect()
}

/// The same without those about payments, customers and drafts, which no receiver of ours listens to.
pub(crate) fn heard(sim: &Sim, skip: usize) -> Vec<String> {
    let of_interest = |kind: &String| {
        ["checkout.", "customer.subscription.", "invoice.p", "subscription_schedule."]
            .iter()
            .any(|prefix| kind.starts_with(prefix))
    };
    types(sim, skip).into_iter().filter(of_interest).collect()
}

/// The error of an answer: status, type and code or message.
pub(crate) fn error(answer: &Answer) -> (u16, &str, &str) {
    let error = &answer.body["error"];
    (answer.status, text(error, "type"), error["code"].as_str().unwrap_or_else(|| text(error, "message")))
}
