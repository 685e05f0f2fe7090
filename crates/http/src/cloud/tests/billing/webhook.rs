//! What Stripe tells.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::test::TestRequest;
use serde_json::json;
use togglebox_core::testkit::{At, Fault};
use togglebox_core::{PageRequest, SeededEntropy};
use togglebox_ratelimit::headers::{Dialect, Told};
use togglebox_ratelimit::{Fact, LimitStore, Limiter, ManualStopwatch, MemoryStore, Policy, Quota};
use togglebox_stripe_sim::Delivery;

use super::super::rig::API;
use super::shop::{Shop, WEBHOOK};
use crate::ApiLimits;

/// What Stripe tells when somebody has paid.
async fn paid(shop: &Shop) -> Vec<Delivery> {
    let ann = shop.rig.sign_up("ann", "acme").await;
    let page = shop.post(&ann, "/api/v1/billing/checkout", json!({ "plan": "pro" })).await.expect(200).json();
    shop.pay(&page["data"]["signUpId"]);
    let told = shop.sim.take_deliveries();
    assert!(told.len() > 2);
    told
}

async fn kept(shop: &Shop) -> usize {
    let mut count = 0;
    for state in ["waiting", "done", "ignored"] {
        count += shop.desk.billing.events(state, &PageRequest::first(100)).await.unwrap().items.len();
    }
    count
}

#[actix_web::test]
async fn what_is_signed_is_kept_once_and_acknowledged() {
    let shop = Shop::open().await;
    let told = paid(&shop).await;
    while shop.was_woken() {}
    for delivery in &told {
        let answer = shop.deliver(delivery).await;
        assert_eq!(answer.expect(200).json(), json!({ "received": true }));
    }
    assert!(shop.was_woken());
    for delivery in &told {
        shop.deliver(delivery).await.expect(200);
    }
    assert_eq!(kept(&shop).await, told.len());
    assert!(!shop.was_woken(), "what is known already is nothing to do");
}

#[actix_web::test]
async fn what_is_not_signed_is_not_kept() {
    let shop = Shop::open().await;
    let told = paid(&shop).await;
    let (body, signature) = (&told[0].body, told[0].signature());
    let as_value: serde_json::Value = serde_json::from_slice(body).unwrap();
    let other_bytes = serde_json::to_vec(&as_value).unwrap();
    let with_newline = [body.as_slice(), b"\n"].concat();
    for (body, signature) in [
        (body.clone(), ""),
        (body.clone(), "nonsense"),
        (body.clone(), told[1].signature()),
        (with_newline, signature),
        (Vec::new(), signature),
    ] {
        let answer = shop.tell(body, signature).await;
        assert_eq!(answer.expect(400).json()["code"], "INVALID_SIGNATURE");
    }
    if other_bytes != *body {
        shop.tell(other_bytes, signature).await.expect(400);
    }
    assert_eq!(kept(&shop).await, 0);
    // Too late.
    shop.pass(Duration::from_mins(6)).await;
    shop.tell(body.clone(), signature).await.expect(400);
}

/// The body counts byte by byte, whatever it says that it is.
#[actix_web::test]
async fn a_body_is_taken_as_it_comes() {
    let shop = Shop::open().await;
    let told = paid(&shop).await;
    for (delivery, (name, value)) in
        told.iter().zip([("content-type", "text/plain; charset=latin9"), ("content-encoding", "gzip"), ("accept", "*/*")])
    {
        let request = TestRequest::with_uri(WEBHOOK).method(Method::POST).insert_header(("host", API));
        let request = request.insert_header(("stripe-signature", delivery.signature())).insert_header((name, value));
        shop.rig.answer(request.set_payload(delivery.body.clone())).await.expect(200);
    }
    let large = vec![b' '; 1024 * 1024 + 1];
    assert_eq!(shop.tell(large, told[0].signature()).await.expect(413).json()["code"], "PAYLOAD_TOO_LARGE");
    // Signed, and no event.
    let secret = hmac_of(super::shop::SECRET, "1780000000", b"[1]");
    let answer = shop.tell(&b"[1]"[..], &format!("t=1780000000,v1={secret}")).await;
    assert_eq!(answer.expect(400).json()["code"], "BAD_REQUEST");
}

fn hmac_of(secret: &str, at: &str, body: &[u8]) -> String {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    let mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    let mac = mac.chain_update(at).chain_update(".").chain_update(body).finalize().into_bytes();
    mac.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}

#[actix_web::test]
async fn what_could_not_be_kept_is_not_acknowledged() {
    let shop = Shop::open().await;
    let told = paid(&shop).await;
    for fault in [Fault::Before, Fault::After] {
        shop.faults.inject(At::port("billing").always(), fault);
        let answer = shop.deliver(&told[0]).await;
        assert_eq!(answer.expect(503).json()["code"], "SERVICE_UNAVAILABLE");
        assert!(answer.header("retry-after").is_some());
        shop.faults.clear();
    }
    shop.deliver(&told[0]).await.expect(200);
    assert_eq!(kept(&shop).await, 1);
}

#[actix_web::test]
async fn who_guesses_signatures_is_limited_and_stripe_is_not() {
    let clock = Arc::new(ManualStopwatch::new(1_000_000));
    let store: Arc<dyn LimitStore> = Arc::new(MemoryStore::with(1000, Arc::<ManualStopwatch>::clone(&clock)));
    let quota = Quota::rate(3, Duration::from_mins(1)).full_burst().unwrap();
    let policy = Policy::new("webhook", &[Fact::Address], quota).unwrap().for_routes(["webhook"]);
    let limiter = Limiter::over(store).policies([policy]).stopwatch(Arc::<ManualStopwatch>::clone(&clock)).build().unwrap();
    let entropy = Arc::new(SeededEntropy::new(1));
    let shop = Shop::with(Some(ApiLimits { limiter, proxies: 0, dialect: Dialect::Draft, told: Told::Binding, entropy })).await;
    let told = paid(&shop).await;
    let from = async |address: &str, body: &[u8], signature: &str| {
        let peer = SocketAddr::new(address.parse().unwrap(), 4711);
        let request = TestRequest::with_uri(WEBHOOK).method(Method::POST).insert_header(("host", API)).peer_addr(peer);
        let request = request.insert_header(("stripe-signature", signature.to_owned()));
        shop.rig.answer(request.set_payload(body.to_vec())).await
    };
    for _ in 0..3 {
        from("192.0.2.1", &told[0].body, "t=1,v1=00").await.expect(400);
    }
    let denied = from("192.0.2.1", &told[0].body, "t=1,v1=00").await;
    assert_eq!(denied.expect(429).json()["meta"]["policy"], "webhook");
    assert!(denied.header("retry-after").is_some());
    from("192.0.2.2", &told[0].body, "t=1,v1=00").await.expect(400);
    // What is good is good, even from there, and as often as it comes.
    for delivery in told.iter().chain(&told).chain(&told) {
        let answer = from("192.0.2.1", &delivery.body, delivery.signature()).await;
        answer.expect(200);
    }
}
