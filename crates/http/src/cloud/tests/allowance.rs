//! What becomes of requests beyond those that a plan includes.

use actix_web::http::Method;
use serde_json::{Value, json};
use togglebox_core::{Actor, Clock as _};
use togglebox_multitenancy::manage::Entitled;
use togglebox_multitenancy::{PlanCatalogue, UsagePeriod};

use super::plans::limit;
use super::rig::{API, Rig, Session};
use super::usage::{PUBLIC, furnished, with_key};
use crate::tests::rig::Answer;

const PLATFORMS: &str = "/api/v1/internal/platforms";

/// Requests that a plan includes, and those of clients that are served after that.
const INCLUDED: u64 = 40;
const AND_A_TENTH: u64 = 4;

async fn manage(rig: &Rig, who: &Session) -> Answer {
    rig.get(&who.host, "/api/v1/internal/platforms/web/environments/production/flags/dark/versions", &who.token).await
}

async fn evaluate(rig: &Rig, who: &Session, key: &str) -> u16 {
    with_key(rig, &who.host, &format!("{PUBLIC}/flags/dark/evaluate?userId=u-1"), key, &[]).await
}

/// What a server does once a second.
async fn learn(rig: &Rig) {
    let metering = rig.services.metering.as_ref().unwrap();
    metering.settle().await;
    metering.learn(rig.clock.now()).await.unwrap();
}

async fn used(rig: &Rig, who: &Session) -> Value {
    rig.get(&who.host, "/api/v1/usage", &who.token).await.expect(200).json()["data"]["meters"]["api.requests"].clone()
}

/// A workspace that may make so many requests, of which the node knows how many it has made.
async fn limited(rig: &Rig) -> (Session, Session, String) {
    let (operator, ann) = (rig.operator().await, rig.sign_up("ann", "acme").await);
    let (_, key) = furnished(rig, &ann).await;
    limit(rig, &operator, &ann.workspace, "free", json!({ "requests_per_month": INCLUDED })).await;
    manage(rig, &ann).await.expect(200);
    learn(rig).await;
    (operator, ann, key)
}

/// Makes all requests that are left to people.
async fn use_up(rig: &Rig, who: &Session) -> Answer {
    for _ in 0..INCLUDED {
        let answer = manage(rig, who).await;
        if answer.status != 200 {
            return answer;
        }
    }
    panic!("there is no end to it");
}

#[actix_web::test]
async fn what_people_do_stops_first_and_what_clients_do_a_tenth_later() {
    let rig = Rig::new().await;
    let (_, ann, key) = limited(&rig).await;
    let bob = rig.sign_up("bob", "globex").await;
    let refused = use_up(&rig, &ann).await;
    let mut told = refused.expect(429).json();
    assert_eq!((told["code"].as_str(), &told["success"]), (Some("API_LIMIT_EXCEEDED"), &json!(false)));
    told["meta"].as_object_mut().unwrap().remove("requestId");
    let meta = json!({
        "usage": INCLUDED, "limit": INCLUDED, "upgradeUrl": "http://app.localtest/plans", "resetsAt": "2026-06-01T00:00:00.000Z",
    });
    assert_eq!(told["meta"], meta);
    assert_eq!(refused.header("retry-after"), Some("3600"), "another plan counts at once");
    for _ in 0..AND_A_TENTH {
        assert_eq!(evaluate(&rig, &ann, &key).await, 200);
    }
    assert_eq!(evaluate(&rig, &ann, &key).await, 429);
    // To see why, and to do something about it, is always possible; and it counts.
    let seen = used(&rig, &ann).await;
    assert_eq!((&seen["used"], &seen["limit"]), (&json!(INCLUDED + AND_A_TENTH), &json!(INCLUDED)), "to the unit");
    rig.get(&ann.host, "/api/v1/workspace", &ann.token).await.expect(200);
    rig.sign_in("ann", API).await.expect(200);
    // Another workspace has its own.
    manage(&rig, &bob).await.expect(200);
}

#[actix_web::test]
async fn another_plan_or_another_month_opens_it_again() {
    let rig = Rig::new().await;
    let (operator, ann, key) = limited(&rig).await;
    use_up(&rig, &ann).await.expect(429);
    limit(&rig, &operator, &ann.workspace, "pro", json!({ "requests_per_month": INCLUDED })).await;
    manage(&rig, &ann).await.expect(200);
    limit(&rig, &operator, &ann.workspace, "free", json!({ "requests_per_month": INCLUDED })).await;
    manage(&rig, &ann).await.expect(429);
    rig.clock.advance(std::time::Duration::from_hours(24 * 31));
    assert_eq!(evaluate(&rig, &ann, &key).await, 200);
    learn(&rig).await;
    assert_eq!(evaluate(&rig, &ann, &key).await, 200);
}

/// The first plan as any, and one with a hard quota.
const WITH_A_HARD_ONE: &str = r#"
plan = [
    { name = "free", title = "Free" },
    { name = "exact", title = "Exact", requests_quota = "hard" },
]
"#;

/// Two nodes that tell each other nothing, and a workspace with a hard quota.
struct Exact {
    rig: Rig,
    other: Rig,
    ann: Session,
    key: String,
    /// How many requests it has made.
    before: u64,
}

/// One that has so many requests left. What was counted when its quota was another counts.
async fn exact(left: u64) -> Exact {
    let plan = || super::rig::Plan { plans: PlanCatalogue::from_toml(WITH_A_HARD_ONE).unwrap(), ..super::rig::Plan::default() };
    let rig = Rig::planned(plan()).await;
    let other = rig.beside(plan());
    let (operator, ann) = (rig.operator().await, rig.sign_up("ann", "acme").await);
    let (_, key) = furnished(&rig, &ann).await;
    let before = used(&rig, &ann).await["used"].as_u64().unwrap();
    let limits = json!({ "requests_per_month": before + left });
    limit(&rig, &operator, &ann.workspace, "exact", limits).await;
    Exact { rig, other, ann, key, before }
}

/// Two nodes that tell each other nothing, asked in turns.
#[actix_web::test]
async fn nodes_together_serve_what_a_hard_quota_includes_to_the_request() {
    const LEFT: u64 = 20;
    let Exact { rig, other, ann, key, before } = exact(LEFT).await;
    let mut served = 0;
    for _ in 0..LEFT {
        for node in [&rig, &other] {
            match evaluate(node, &ann, &key).await {
                200 => served += 1,
                status => assert_eq!(status, 429),
            }
        }
    }
    assert_eq!(served, LEFT);
    // People are no exception, and are told why; what is always open is.
    let told = manage(&rig, &ann).await.expect(429).json();
    assert_eq!(told["code"], "API_LIMIT_EXCEEDED");
    let meta = ["usage", "limit", "resetsAt", "upgradeUrl"].map(|name| told["meta"][name].clone());
    let included = json!(before + LEFT);
    let expected = [included.clone(), included, json!("2026-06-01T00:00:00.000Z"), json!("http://app.localtest/plans")];
    assert_eq!(meta, expected);
    rig.get(&ann.host, "/api/v1/workspace", &ann.token).await.expect(200);
    rig.clock.advance(std::time::Duration::from_hours(24 * 31));
    assert_eq!(evaluate(&rig, &ann, &key).await, 200, "another month");
}

/// What a node that ends has not served the others can.
#[actix_web::test]
async fn what_a_node_has_left_of_a_hard_quota_goes_to_the_others() {
    const LEFT: u64 = 250;
    let Exact { rig, other, ann, key, .. } = exact(LEFT).await;
    // The first takes one unit, the second some.
    assert_eq!([evaluate(&other, &ann, &key).await, evaluate(&other, &ann, &key).await], [200, 200]);
    other.services.metering.as_ref().unwrap().leave(other.clock.now()).await;
    let mut served = 2;
    while evaluate(&rig, &ann, &key).await == 200 {
        served += 1;
    }
    assert_eq!(served, LEFT);
}

#[actix_web::test]
async fn what_one_node_serves_another_knows_of_within_seconds() {
    let rig = Rig::new().await;
    let (_, ann, key) = limited(&rig).await;
    use_up(&rig, &ann).await.expect(429);
    let other = rig.beside(super::rig::Plan::default());
    assert_eq!(evaluate(&other, &ann, &key).await, 200, "it has not asked yet");
    learn(&rig).await;
    learn(&other).await;
    let post = (Method::POST, &*ann.host, PLATFORMS);
    other.send(post, Some(&ann.token), Some(json!({ "name": "ios" })), &[]).await.expect(429);
}

/// Gives a workspace a subscription whose period has such ends, with plans that there were in it.
async fn subscribe(rig: &Rig, who: &Session, (from, until): (&str, &str), plans: &[&str]) {
    let usage = UsagePeriod {
        from: from.parse().unwrap(),
        until: until.parse().unwrap(),
        plans: plans.iter().map(|plan| plan.parse().unwrap()).collect(),
    };
    let entitled = Entitled { subscription: Some("sub_1".to_owned()), usage: Some(usage), ..Entitled::default() };
    let tenant = who.workspace["id"].as_str().unwrap().parse().unwrap();
    rig.services.tenancy.entitle(tenant, &Actor::system(), &entitled).await.unwrap();
}

/// What was used of the month before a subscription's period, and is on another bill, is not held against it.
#[actix_web::test]
async fn who_has_a_subscription_is_refused_by_its_period_and_sees_the_same() {
    let rig = Rig::new().await;
    let (_, ann, _) = limited(&rig).await;
    use_up(&rig, &ann).await.expect(429);
    // It begins with the next full hour, and until then nothing counts.
    subscribe(&rig, &ann, ("2026-05-28T21:00:00Z", "2026-06-28T21:00:00Z"), &["free"]).await;
    manage(&rig, &ann).await.expect(200);
    rig.clock.set("2026-05-28T21:00:00Z".parse().unwrap());
    let ann = rig.signed_in("ann", &ann.host).await;
    manage(&rig, &ann).await.expect(200);
    learn(&rig).await;
    let refused = use_up(&rig, &ann).await.expect(429).json();
    assert_eq!((&refused["meta"]["usage"], &refused["meta"]["resetsAt"]), (&json!(INCLUDED), &json!("2026-06-28T21:00:00.000Z")));
    let shown = rig.get(&ann.host, "/api/v1/usage", &ann.token).await.expect(200).json()["data"].clone();
    assert_eq!(shown["period"], json!({ "from": "2026-05-28T21:00:00.000Z", "until": "2026-06-28T21:00:00.000Z" }));
    assert_eq!(shown["meters"]["api.requests"]["used"], INCLUDED, "to the unit, and nothing of before");
    // With the calendar's month nothing begins.
    rig.clock.set("2026-06-01T00:00:00Z".parse().unwrap());
    let ann = rig.signed_in("ann", &ann.host).await;
    manage(&rig, &ann).await.expect(429);
}

/// A subscription's period begins at any full hour, and what was counted in it before its quota was a hard one counts.
#[actix_web::test]
async fn a_hard_quota_is_of_a_subscriptions_period_from_whatever_hour() {
    const LEFT: u64 = 3;
    let plan = super::rig::Plan { plans: PlanCatalogue::from_toml(WITH_A_HARD_ONE).unwrap(), ..super::rig::Plan::default() };
    let rig = Rig::planned(plan).await;
    let (operator, ann) = (rig.operator().await, rig.sign_up("ann", "acme").await);
    let (_, key) = furnished(&rig, &ann).await;
    rig.clock.set("2026-05-28T21:00:00Z".parse().unwrap());
    let back = rig.signed_in("ann", &ann.host).await;
    subscribe(&rig, &ann, ("2026-05-28T21:00:00Z", "2026-06-28T11:00:00Z"), &["free"]).await;
    assert_eq!(evaluate(&rig, &ann, &key).await, 200);
    let before = used(&rig, &back).await["used"].as_u64().unwrap();
    limit(&rig, &operator, &ann.workspace, "exact", json!({ "requests_per_month": before + LEFT })).await;
    let mut served = 0;
    while evaluate(&rig, &ann, &key).await == 200 {
        served += 1;
    }
    assert_eq!(served, LEFT);
    let told = manage(&rig, &back).await.expect(429).json();
    assert_eq!(told["meta"]["resetsAt"], "2026-06-28T11:00:00.000Z");
}

/// A lesser plan in the middle of a period: what was used until then was included.
#[actix_web::test]
async fn the_most_that_a_period_included_counts_until_its_end() {
    let rig = Rig::new().await;
    let (operator, ann, _) = limited(&rig).await;
    limit(&rig, &operator, &ann.workspace, "free", json!({})).await;
    subscribe(&rig, &ann, ("2026-05-01T00:00:00Z", "2026-06-01T00:00:00Z"), &["enterprise", "free"]).await;
    let seen = used(&rig, &ann).await;
    assert_eq!(seen["limit"], Value::Null, "one of them has no bound");
    subscribe(&rig, &ann, ("2026-05-01T00:00:00Z", "2026-06-01T00:00:00Z"), &["pro", "free"]).await;
    assert_eq!(used(&rig, &ann).await["limit"], 50_000_000);
    subscribe(&rig, &ann, ("2026-05-01T00:00:00Z", "2026-06-01T00:00:00Z"), &["free"]).await;
    assert_eq!(used(&rig, &ann).await["limit"], 1_000_000);
}
