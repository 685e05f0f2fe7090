use serde_json::{Value, json};
use togglebox_stripe_sim::{Ask, Fault, Matcher, Moment, Sim};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{DAY, NOW, error, get, ok, session, sim, text};

#[tokio::test]
async fn a_key_is_needed() {
    let sim = sim().await;
    for key in ["", "pk_test_1", "sk_test_", "nonsense"] {
        assert_eq!(sim.call(Ask::get("/v1/account").bearer(key)).await.status, 401, "{key}");
    }
    assert_eq!(ok(sim.call(Ask::post("/v1/customers").bearer("rk_live_1")).await)["livemode"], true);
    assert_eq!(ok(sim.call(Ask::post("/v1/customers")).await)["livemode"], false);
}

#[tokio::test]
async fn what_is_not_known_is_refused_in_the_usual_shape() {
    let sim = sim().await;
    assert_eq!(error(&sim.call(Ask::get("/v1/dogs")).await).0, 404);
    assert_eq!(error(&sim.call(Ask::get("/v1/customers/cus_0")).await), (404, "invalid_request_error", "resource_missing"));
    let answer = sim.call(Ask::post("/v1/customers").form("metadat[a]", "b")).await;
    assert_eq!(error(&answer), (400, "invalid_request_error", "parameter_unknown"));
    assert_eq!(answer["error"]["param"], "metadat");
}

#[tokio::test]
async fn a_key_gives_the_same_answer_for_a_day() {
    let sim = sim().await;
    let ask = session(&["price_pro"]).key("signup:1:1");
    let first = sim.call(ask.clone()).await;
    let again = sim.call(ask.clone()).await;
    assert_eq!(again.body, first.body);
    assert_eq!((first.header("Idempotent-Replayed"), again.header("Idempotent-Replayed")), (None, Some("true")));
    assert_ne!(first.header("Request-Id"), again.header("Request-Id"));
    let other = sim.call(ask.clone().form("locale", "de")).await;
    assert_eq!(error(&other).1, "idempotency_error");
    sim.advance(DAY).await;
    assert_ne!(text(&ok(sim.call(ask).await), "id"), first.id());
    assert_eq!(sim.calls().iter().map(|call| call.replayed).collect::<Vec<_>>(), [false, true, false, false]);
}

#[tokio::test]
async fn a_request_that_was_refused_may_be_made_right_under_its_key() {
    let sim = sim().await;
    assert_eq!(sim.call(session(&["price_none"]).key("k")).await.status, 400);
    assert_eq!(sim.call(session(&["price_pro"]).key("k")).await.status, 200);
}

#[tokio::test]
async fn the_date_is_the_simulators() {
    let sim = sim().await;
    sim.advance_to(NOW + 5).await;
    let answer = sim.call(Ask::get("/v1/account")).await;
    assert_eq!(answer.header("date"), Some("Fri, 15 Jan 2027 08:00:05 GMT"));
}

#[tokio::test]
async fn metadata_is_merged_and_emptied() {
    let sim = sim().await;
    let customer = ok(sim.call(Ask::post("/v1/customers").form("metadata[a]", 1).form("metadata[b]", 2)).await);
    let path = format!("/v1/customers/{}", text(&customer, "id"));
    let changed = ok(sim.call(Ask::post(&path).form("metadata[a]", "").form("metadata[c]", 3).form("name", "N")).await);
    assert_eq!(changed["metadata"], json!({"b": "2", "c": "3"}));
    let event = sim.events().pop().unwrap();
    assert_eq!(event["data"]["previous_attributes"], json!({"metadata": {"a": "1", "c": null}, "name": null}));
}

/// One request over a connection of its own: the status, the head and the JSON body; none if the connection ends without an answer.
async fn over_the_network(sim: &Sim, method: &str, path: &str, headers: &str, body: &str) -> Option<(u16, String, Value)> {
    let mut stream = tokio::net::TcpStream::connect(sim.address()).await.expect("a server");
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: sim\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.expect("an open connection");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, head.to_lowercase(), serde_json::from_str(body).unwrap_or(Value::Null)))
}

const KEY: &str = "Authorization: Bearer sk_test_1\r\n";

#[tokio::test]
async fn the_network_and_the_control_plane_do_the_same() {
    let sim = Sim::start().await;
    let control = async |path: &str, body: Value| {
        let (status, _, answer) = over_the_network(&sim, "POST", path, "", &body.to_string()).await.unwrap();
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    };
    control("/_sim/prices", json!({"id": "price_pro", "unit_amount": 1000})).await;
    control("/_sim/meters", json!({"id": "mtr_1", "event_name": "requests", "window": "hour"})).await;
    control("/_sim/prices", json!({"id": "price_m", "meter": "mtr_1", "tiers": [{"up_to": 10, "unit_amount_decimal": "0"}, {"unit_amount_decimal": "0.5"}]})).await;
    let hook = control("/_sim/webhooks", json!({"secret": "whsec_1"})).await;
    let body =
        "mode=subscription&success_url=https%3A%2F%2Fx&line_items%5B0%5D%5Bprice%5D=price_pro&line_items%5B0%5D%5Bquantity%5D=1";
    let headers = format!("{KEY}Content-Type: application/x-www-form-urlencoded\r\nIdempotency-Key: k\r\n");
    let (status, head, opened) = over_the_network(&sim, "POST", "/v1/checkout/sessions", &headers, body).await.unwrap();
    assert_eq!(status, 200, "{opened}");
    assert!(head.contains("request-id: req_") && head.contains("date: fri, 15 jan 2027 08:00:00 gmt"), "{head}");
    let done = control(
        &format!("/_sim/checkout/{}/complete", text(&opened, "id")),
        json!({"outcome": "paid", "email": "z@example.com"}),
    )
    .await;
    assert_eq!(done["customer_details"]["email"], "z@example.com");
    let (customer, subscription) = (text(&done, "customer"), text(&done, "subscription"));
    control(&format!("/_sim/customers/{customer}/card"), json!({"state": "declining"})).await;
    control("/_sim/dunning", json!({"retry_days": [1], "last": "unpaid"})).await;
    assert_eq!(control("/_sim/clock/advance", json!({"seconds": 33 * DAY})).await["now"], NOW + 33 * DAY);
    let (_, _, state) = over_the_network(&sim, "GET", "/_sim/state", "", "").await.unwrap();
    assert_eq!(state["subscriptions"][subscription]["status"], "unpaid");
    let invoice = text(&state["subscriptions"][subscription], "latest_invoice").to_owned();
    control(&format!("/_sim/invoices/{invoice}/pay"), json!({})).await;
    control(&format!("/_sim/portal/{subscription}/cancel"), json!({})).await;
    control(&format!("/_sim/portal/{subscription}/resume"), json!({})).await;
    control(&format!("/_sim/webhooks/{}/chaos", text(&hook, "id")), json!({"duplicate": 50, "seed": 3})).await;
    let taken = control("/_sim/webhooks/take", json!({})).await;
    assert!(text(&taken[0]["headers"], "Stripe-Signature").starts_with("t="));
    control("/_sim/faults", json!({"method": "GET", "path": "/v1/account", "kind": "status", "status": 429})).await;
    assert_eq!(over_the_network(&sim, "GET", "/v1/account", KEY, "").await.unwrap().0, 429);
    control("/_sim/reset", json!({})).await;
    assert_eq!(sim.truth()["subscriptions"], json!({}));
    assert_eq!(over_the_network(&sim, "POST", "/_sim/nothing", "", "").await.unwrap().0, 404);
    assert_eq!(over_the_network(&sim, "POST", "/_sim/clock/advance", "", "{\"second\":1}").await.unwrap().0, 400);
}

#[tokio::test]
async fn a_dropped_connection_has_no_answer() {
    let sim = Sim::start().await;
    sim.inject(Fault::drop(Matcher::any(), Moment::After));
    assert_eq!(over_the_network(&sim, "POST", "/v1/customers", KEY, "").await, None);
    assert_eq!(sim.truth()["customers"].as_object().unwrap().len(), 1);
}

#[tokio::test]
async fn a_test_clock_is_the_simulators_clock() {
    let sim = sim().await;
    let clock = ok(sim.call(Ask::post("/v1/test_helpers/test_clocks").form("frozen_time", NOW + 10)).await);
    let path = format!("/v1/test_helpers/test_clocks/{}", text(&clock, "id"));
    ok(sim.call(Ask::post(&format!("{path}/advance")).form("frozen_time", NOW + 60)).await);
    assert_eq!((sim.now(), &get(&sim, &path).await["status"]), (NOW + 60, &"ready".into()));
}

#[tokio::test]
async fn with_the_machines_clock_time_goes_on_and_can_be_moved() {
    let sim = Sim::builder().real_clock().start().await.unwrap();
    let before = sim.now();
    assert!(before > 1_700_000_000);
    sim.advance(DAY).await;
    assert!(sim.now() >= before + DAY);
}

/// Whoever takes webhooks in lives in the machine's time.
#[tokio::test]
async fn with_the_machines_clock_webhooks_are_signed_when_they_are_sent() {
    let machine = Sim::builder().real_clock().start().await.unwrap().now();
    let sim = Sim::builder().real_clock_behind(40 * DAY).manual_endpoint("whsec_test").start().await.unwrap();
    assert!((machine - 40 * DAY..machine - 40 * DAY + 60).contains(&sim.now()));
    for ahead in [0, 80 * DAY] {
        sim.advance(ahead).await;
        ok(sim.call(Ask::post("/v1/customers").form("email", "ada@example.com")).await);
        let told = sim.take_deliveries().remove(0);
        let at = told.signature().split([',', '=']).nth(1).and_then(|at| at.parse::<i64>().ok());
        assert!(at.is_some_and(|at| (machine..machine + 60).contains(&at)), "{}", told.signature());
    }
}
