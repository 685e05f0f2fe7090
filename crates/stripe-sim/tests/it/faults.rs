use togglebox_stripe_sim::{Ask, Effect, Fault, Matcher, Moment};

use crate::support::{error, ok, sim, text};

fn customers() -> Matcher {
    Matcher::new("POST", "/v1/customers")
}

#[tokio::test]
async fn a_500_stands_under_its_key_and_a_429_does_not() {
    let sim = sim().await;
    sim.inject(Fault::status(customers(), 500));
    let ask = Ask::post("/v1/customers").key("k");
    assert_eq!(error(&sim.call(ask.clone()).await).0, 500);
    let again = sim.call(ask).await;
    assert_eq!((again.status, again.header("Idempotent-Replayed")), (500, Some("true")));
    sim.inject(Fault::status(customers(), 429));
    let ask = Ask::post("/v1/customers").key("k2");
    assert_eq!(sim.call(ask.clone()).await.status, 429);
    assert_eq!(sim.call(ask).await.status, 200);
    assert_eq!(sim.truth()["customers"].as_object().unwrap().len(), 1);
}

#[tokio::test]
async fn a_500_may_come_after_the_effect() {
    let sim = sim().await;
    let effect = Effect::Status { status: 500, should_retry: Some(true), moment: Moment::After, stored: false };
    sim.inject(Fault::new(customers(), effect));
    let answer = sim.call(Ask::post("/v1/customers").key("k")).await;
    assert_eq!((answer.status, answer.header("Stripe-Should-Retry")), (500, Some("true")));
    assert_eq!(sim.truth()["customers"].as_object().unwrap().len(), 1);
}

#[tokio::test]
async fn a_dropped_answer_is_found_again_under_its_key() {
    let sim = sim().await;
    sim.inject(Fault::drop(customers(), Moment::After));
    let ask = Ask::post("/v1/customers").key("k");
    assert_eq!(sim.call(ask.clone()).await.status, 0);
    let again = sim.call(ask).await;
    assert_eq!((again.status, again.header("Idempotent-Replayed")), (200, Some("true")));
    sim.inject(Fault::drop(customers(), Moment::Before));
    let ask = Ask::post("/v1/customers").key("k2");
    assert_eq!(sim.call(ask.clone()).await.status, 0);
    assert_eq!(sim.call(ask).await.header("Idempotent-Replayed"), None);
    assert_eq!(sim.truth()["customers"].as_object().unwrap().len(), 2);
    assert_eq!(sim.calls().iter().map(|call| call.status).collect::<Vec<_>>(), [0, 200, 0, 200]);
}

#[tokio::test]
async fn a_key_whose_request_runs_is_refused() {
    let sim = sim().await;
    for moment in [Moment::Before, Moment::After] {
        let key = format!("{moment:?}");
        let hold = sim.hold(customers(), moment);
        let slow = tokio::spawn({
            let (sim, ask) = (sim.clone(), Ask::post("/v1/customers").key(&key));
            async move { sim.call(ask).await }
        });
        hold.arrived().await;
        assert_eq!(
            error(&sim.call(Ask::post("/v1/customers").key(&key)).await),
            (409, "idempotency_error", "idempotency_key_in_use")
        );
        hold.release();
        let first = slow.await.unwrap();
        let again = sim.call(Ask::post("/v1/customers").key(&key)).await;
        assert_eq!(text(&first.body, "id"), text(&ok(again), "id"));
    }
}
