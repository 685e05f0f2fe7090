//! How often people may ask for what has to do with money.

use togglebox_stripe_sim::{SeedPrice, Sim};

use crate::people::sign_up;
use crate::server::Launch;

const SUBSCRIPTION: &str = "/api/v1/billing/subscription";

#[tokio::test]
async fn requests_about_money_are_limited_by_person() {
    let sim = Sim::builder().real_clock().manual_endpoint("whsec_1").start().await.unwrap();
    sim.seed_price(SeedPrice::monthly("price_pm", 2_000)).unwrap();
    let server = Launch::new()
        .set("STRIPE_SECRET_KEY", "sk_test_1")
        .set("STRIPE_WEBHOOK_SECRET", "whsec_1")
        .set("STRIPE_PRICE_PRO_MONTHLY", "price_pm")
        .set("STRIPE_API_BASE", sim.base_url())
        .set("RATE_LIMIT_BILLING", "2/1h")
        .start()
        .await;
    let (acme, globex) = (sign_up(&server, "acme").await.client, sign_up(&server, "globex").await.client);
    for _ in 0..2 {
        acme.get(SUBSCRIPTION).await.expect(200);
    }
    let refused = acme.get(SUBSCRIPTION).await;
    assert_eq!(refused.code(429), "RATE_LIMIT_EXCEEDED");
    assert_eq!(refused.json()["meta"]["policy"], "billing-person");
    acme.get("/api/v1/workspace").await.expect(200);
    globex.get(SUBSCRIPTION).await.expect(200);
}
