//! The command line.

use togglebox_stripe_sim::{Ask, SeedPrice, Sim};

use crate::client::PASSWORD;
use crate::people::{API, sign_in, sign_up};
use crate::server::Launch;

#[tokio::test]
async fn a_configuration_is_checked_as_a_whole() {
    let checked = Launch::over_sqlite().run(&["check"], "").await;
    let said = String::from_utf8(checked.stdout).unwrap();
    assert!(checked.status.success() && said.contains("workspaces: https://{subdomain}.localtest"), "{said}");
    assert!(said.contains("central API: api.localtest") && said.contains("plans: free, pro, enterprise"), "{said}");
    let launch = Launch::over_sqlite().unset("BASE_DOMAIN").set("PORT", "x");
    let refused = launch.run(&["check"], "").await;
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(64));
    assert!(said.contains("BASE_DOMAIN must be set") && said.contains("PORT must be"), "{said}");
}

#[tokio::test]
async fn the_password_of_an_account_is_set_from_the_command_line() {
    let launch = Launch::over_sqlite();
    let made = launch.run(&["admin", "create", "--email", "op@example.com", "--password-stdin"], "Another-Horse-2").await;
    assert!(made.status.success(), "{made:?}");
    let server = launch.start().await;
    assert!(sign_in(&server, "op@example.com", API).await.is_none());
    let set = launch.run(&["admin", "set-password", "--email", "op@example.com", "--password-stdin"], PASSWORD).await;
    assert!(set.status.success(), "{set:?}");
    assert!(sign_in(&server, "op@example.com", API).await.is_some());
}

/// A Stripe that has one of the two prices that are asked for.
async fn half_a_stripe() -> (Sim, Launch) {
    let sim = Sim::builder().real_clock().start().await.unwrap();
    sim.seed_price(SeedPrice::monthly("price_monthly", 2_000)).unwrap();
    let base = sim.base_url();
    let launch = Launch::over_sqlite().set_all(&[
        ("STRIPE_SECRET_KEY", "sk_test_hunter2"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_hunter2"),
        ("STRIPE_PRICE_PRO_MONTHLY", "price_monthly"),
        ("STRIPE_PRICE_PRO_YEARLY", "price_yearly"),
        ("STRIPE_API_BASE", &base),
    ]);
    (sim, launch)
}

#[tokio::test]
async fn what_is_set_up_at_stripe_is_looked_at_before_anything_is_served() {
    let (sim, launch) = half_a_stripe().await;
    let said = |output: &[u8]| String::from_utf8(output.to_vec()).unwrap();
    let refused = launch.run(&[], "").await;
    let complaint = said(&refused.stderr);
    assert_eq!(refused.status.code(), Some(64), "{complaint}");
    assert!(complaint.contains("STRIPE_PRICE_PRO_YEARLY: there is no price price_yearly in test mode"), "{complaint}");
    let checked = launch.run(&["stripe", "check"], "").await;
    assert_eq!(checked.status.code(), Some(1));
    assert!(said(&checked.stderr).contains("there is no webhook endpoint"), "{}", said(&checked.stderr));

    sim.seed_price(SeedPrice::yearly("price_yearly", 20_000)).unwrap();
    let endpoint = Ask::post("/v1/webhook_endpoints")
        .form("url", "https://api.localtest/api/v1/webhooks/stripe")
        .form("enabled_events[0]", "*")
        .form("api_version", togglebox_stripe_sim::DEFAULT_VERSION);
    sim.call(endpoint).await;
    let version = togglebox_stripe_sim::DEFAULT_VERSION;
    let checked = launch.clone().set("STRIPE_API_VERSION", version).run(&["stripe", "check"], "").await;
    assert_eq!(checked.status.code(), Some(0), "{}", said(&checked.stderr));
    assert!(said(&checked.stdout).contains("ok: STRIPE_PRICE_PRO_YEARLY: price_yearly"), "{}", said(&checked.stdout));
    let told = launch.run(&["check"], "").await;
    assert!(said(&told.stdout).contains("billing: Stripe, test mode, sells pro monthly, pro yearly"), "{}", said(&told.stdout));

    // Nothing was given up; and what a workspace on the free plan takes is no more than before.
    let server = launch.start().await;
    let put_back = launch.run(&["stripe", "requeue", "--all-dead"], "").await;
    assert_eq!((put_back.status.code(), said(&put_back.stdout).contains("0 events")), (Some(0), true));
    assert_eq!(launch.run(&["stripe", "requeue", "evt_none"], "").await.status.code(), Some(1));
    assert_eq!(launch.run(&["stripe", "requeue"], "").await.status.code(), Some(2), "of what?");
    let acme = sign_up(&server, "acme").await;
    acme.client.get("/api/v1/workspace").await.expect(200);
    assert!(sim.calls().iter().all(|call| call.path != "/v1/checkout/sessions"));
    for output in [refused, checked, put_back] {
        assert!(!said(&[output.stdout, output.stderr].concat()).contains("hunter2"));
    }
}
