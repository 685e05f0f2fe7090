use std::sync::{Arc, Mutex};

use serde_json::Value;
use togglebox_stripe_sim::{Ask, Chaos, Delivery, Sim};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{DAY, HOUR, NOW, get, ok, sim, subscribed, text};

fn parsed(delivery: &Delivery) -> Value {
    serde_json::from_slice(&delivery.body).expect("JSON")
}

#[tokio::test]
async fn a_delivery_is_taken_once_and_counts_as_accepted() {
    let sim = sim().await;
    ok(sim.call(Ask::post("/v1/customers")).await);
    let taken = sim.take_deliveries();
    assert_eq!(taken.len(), 1);
    assert_eq!(parsed(&taken[0])["pending_webhooks"], 1);
    assert!(taken[0].signature().starts_with(&format!("t={NOW},v1=")));
    assert!(sim.take_deliveries().is_empty());
    assert_eq!(get(&sim, "/v1/events").await["data"][0]["pending_webhooks"], 0);
}

#[tokio::test]
async fn what_is_refused_comes_again_for_three_days_signed_anew() {
    let sim = sim().await;
    ok(sim.call(Ask::post("/v1/customers")).await);
    let mut times = Vec::new();
    for gap in [0, 60, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 72_000] {
        sim.advance(gap - 1).await;
        assert!(gap == 0 || sim.take_deliveries().is_empty());
        sim.advance(1).await;
        let delivery = sim.take_deliveries().pop().unwrap();
        times.push(sim.now() - NOW);
        assert!(delivery.signature().starts_with(&format!("t={},", sim.now())));
        sim.refuse_delivery(&delivery).unwrap();
    }
    assert!((2 * DAY..=3 * DAY + HOUR).contains(times.last().unwrap()), "{times:?}");
    sim.advance(10 * DAY).await;
    assert!(sim.take_deliveries().is_empty());
}

#[tokio::test]
async fn a_rolled_secret_signs_too_until_it_ends() {
    let sim = sim().await;
    let endpoint = sim.endpoints().remove(0);
    sim.roll_secret(&endpoint, HOUR).unwrap();
    let signatures = async || {
        ok(sim.call(Ask::post("/v1/customers")).await);
        sim.take_deliveries()[0].signature().matches("v1=").count()
    };
    assert_eq!(signatures().await, 2);
    sim.advance(HOUR).await;
    assert_eq!(signatures().await, 1);
}

#[tokio::test]
async fn an_endpoint_gets_its_types_in_its_version() {
    let sim = sim().await;
    let new = Ask::post("/v1/webhook_endpoints")
        .form("url", "http://127.0.0.1:9/hook")
        .form("enabled_events[]", "customer.subscription.created")
        .form("api_version", "2024-06-20");
    let endpoint = ok(sim.call(new).await);
    assert!(text(&endpoint, "secret").starts_with("whsec_"));
    let path = format!("/v1/webhook_endpoints/{}", text(&endpoint, "id"));
    assert_eq!(get(&sim, &path).await.get("secret"), None);
    sim.set_manual(text(&endpoint, "id"), true).unwrap();
    subscribed(&sim, &["price_pro"]).await;
    let own: Vec<Value> =
        sim.take_deliveries().iter().filter(|delivery| delivery.endpoint == text(&endpoint, "id")).map(parsed).collect();
    assert_eq!(own.len(), 1);
    assert_eq!(own[0]["api_version"], "2024-06-20");
    assert!(own[0]["data"]["object"]["current_period_end"].is_i64());
    assert_eq!(ok(sim.call(Ask::post(&path).form("disabled", true)).await)["status"], "disabled");
    subscribed(&sim, &["price_pro"]).await;
    assert!(!sim.take_deliveries().iter().any(|delivery| delivery.endpoint == text(&endpoint, "id")));
    assert_eq!(ok(sim.call(Ask::delete(&path)).await)["deleted"], true);
}

#[tokio::test]
async fn chaos_repeats_with_its_seed() {
    let run = async |seed: u64| {
        let sim = sim().await;
        let chaos = Chaos {
            seed,
            duplicate: 30,
            drop: 20,
            unknown_type: 10,
            old_shape: 20,
            old_secret: 20,
            shuffle: true,
            ..Chaos::default()
        };
        sim.set_chaos(&sim.endpoints()[0], chaos).unwrap();
        for _ in 0..5 {
            subscribed(&sim, &["price_pro"]).await;
        }
        let made = sim.events().len();
        let taken: Vec<String> = sim.take_deliveries().iter().map(|delivery| text(&parsed(delivery), "id").to_owned()).collect();
        (made, taken)
    };
    let (made, first) = run(1).await;
    assert_eq!((made, first.clone()), run(1).await);
    assert_ne!(first, run(2).await.1);
    let mut distinct = first.clone();
    distinct.sort();
    distinct.dedup();
    let known = distinct.iter().filter(|id| !id.ends_with("stray")).count();
    assert!(known < made, "some are dropped");
    assert!(distinct.len() < first.len(), "some come twice");
    assert!(known < distinct.len(), "some are strange");
    assert!(!first.is_sorted(), "any order");
}

#[tokio::test]
async fn late_deliveries_come_late() {
    let sim = sim().await;
    sim.set_chaos(&sim.endpoints()[0], Chaos { delay: 100, delay_seconds: 60, ..Chaos::default() }).unwrap();
    ok(sim.call(Ask::post("/v1/customers")).await);
    assert!(sim.take_deliveries().is_empty());
    sim.advance(60).await;
    assert_eq!(sim.take_deliveries().len(), 1);
}

#[tokio::test]
async fn over_the_network_a_receiver_that_fails_is_tried_again() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let receiver = tokio::spawn({
        let heard = Arc::clone(&heard);
        async move {
            for status in ["503 Busy", "301 Moved", "200 OK"] {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = vec![0; 64 * 1024];
                let read = stream.read(&mut request).await.unwrap();
                heard.lock().unwrap().push(String::from_utf8_lossy(&request[..read]).into_owned());
                stream.write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").as_bytes()).await.unwrap();
            }
        }
    });
    let sim = Sim::builder().now(NOW).endpoint(&url, "whsec_1").start().await.unwrap();
    ok(sim.call(Ask::post("/v1/customers")).await);
    sim.settle().await;
    assert_eq!(heard.lock().unwrap().len(), 1);
    sim.advance(HOUR).await;
    receiver.await.unwrap();
    let heard = heard.lock().unwrap().clone();
    for (request, at) in heard.iter().zip([NOW, NOW + 60, NOW + 60 + 300]) {
        assert!(request.starts_with("POST /hook HTTP/1.1\r\n"));
        assert!(request.contains(&format!("Stripe-Signature: t={at},v1=")), "{request}");
    }
    assert_eq!(get(&sim, "/v1/events").await["data"][0]["pending_webhooks"], 0);
}
