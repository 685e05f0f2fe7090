//! What a plan lets a workspace have.

use actix_web::http::Method;
use serde_json::{Value, json};

use super::rig::{API, Rig, Session};
use crate::tests::rig::Answer;

const WEB: &str = "/api/v1/internal/platforms/web/environments";

async fn make(rig: &Rig, who: &Session, path: &str, body: Value) -> Answer {
    rig.post(&who.host, path, Some(&who.token), body).await
}

/// The limits of a workspace, as its operator sets them.
pub(super) async fn limit(rig: &Rig, operator: &Session, workspace: &Value, plan: &str, limits: Value) {
    let path = format!("/api/v1/admin/workspaces/{}/plan", workspace["id"].as_str().unwrap());
    rig.post(API, &path, Some(&operator.token), json!({ "plan": plan, "limits": limits })).await.expect(200);
}

fn full(refused: &Value, resource: &str, usage: u64, limit: u64) {
    assert_eq!(refused["code"], "PLAN_LIMIT_REACHED", "{resource}");
    let told = ["resource", "usage", "limit", "upgradeUrl"].map(|name| refused["meta"][name].clone());
    assert_eq!(told, [json!(resource), json!(usage), json!(limit), json!("http://app.localtest/plans")]);
}

#[actix_web::test]
async fn a_plan_limits_what_is_made_and_says_where_more_is_to_be_had() {
    let rig = Rig::new().await;
    let (operator, ann, bob) = (rig.operator().await, rig.sign_up("ann", "acme").await, rig.sign_up("bob", "globex").await);
    let one = json!({ "platforms": 1, "environments": 1, "configs": 1, "flags": 1, "experiments": 1 });
    limit(&rig, &operator, &ann.workspace, "free", one).await;
    let things = |n: u32| {
        [
            ("platforms", "/api/v1/internal/platforms".to_owned(), json!({ "name": if n == 0 { "web" } else { "ios" } })),
            ("environments", WEB.to_owned(), json!({ "environment": format!("e{n}") })),
            (
                "configs",
                format!("{WEB}/e0/configs"),
                json!({ "parameterKey": format!("p{n}"), "valueType": "string", "defaultValue": "x" }),
            ),
            ("flags", format!("{WEB}/e0/flags"), json!({ "flagKey": format!("f{n}"), "name": "F" })),
            ("experiments", format!("{WEB}/e0/experiments"), experiment(&format!("x{n}"))),
        ]
    };
    for (_, path, body) in things(0) {
        make(&rig, &ann, &path, body.clone()).await.expect(201);
        make(&rig, &bob, &path, body).await.expect(201);
    }
    for (resource, path, body) in things(1) {
        let refused = make(&rig, &ann, &path, body.clone()).await.expect(409).json();
        full(&refused, resource, 1, 1);
        // Another workspace has its own.
        make(&rig, &bob, &path, body).await.expect(201);
    }
    // Another plan counts at once.
    limit(&rig, &operator, &ann.workspace, "pro", json!({})).await;
    for (_, path, body) in things(1) {
        make(&rig, &ann, &path, body).await.expect(201);
    }
    // What is there stays when the plan becomes a smaller one, and can be changed and deleted.
    limit(&rig, &operator, &ann.workspace, "free", json!({ "flags": 1 })).await;
    let refused = make(&rig, &ann, &format!("{WEB}/e0/flags"), json!({ "flagKey": "f2", "name": "F" })).await.expect(409).json();
    full(&refused, "flags", 2, 1);
    let toggle = format!("{WEB}/e0/flags/f1/toggle");
    rig.send((Method::PATCH, &ann.host, &toggle), Some(&ann.token), Some(json!({ "enabled": true })), &[]).await.expect(200);
    let flag = format!("{WEB}/e0/flags/f1");
    rig.send((Method::DELETE, &ann.host, &flag), Some(&ann.token), None, &[]).await.expect(204);
}

#[actix_web::test]
async fn a_plan_limits_members_and_says_where_more_is_to_be_had() {
    let rig = Rig::new().await;
    let (operator, ann) = (rig.operator().await, rig.sign_up("ann", "acme").await);
    limit(&rig, &operator, &ann.workspace, "free", json!({ "members": 1 })).await;
    let invitation = json!({ "email": "cy@example.com", "role": "viewer" });
    let refused = make(&rig, &ann, "/api/v1/workspace/invitations", invitation).await.expect(409).json();
    full(&refused, "members", 1, 1);
}

fn experiment(key: &str) -> Value {
    json!({
        "experimentKey": key, "name": "X", "hypothesis": "x wins", "controlVariation": "x",
        "variations": [{ "key": "x", "name": "X", "isControl": true }, { "key": "y", "name": "Y" }],
        "trafficAllocation": [{ "variationKey": "x", "percentage": 50 }, { "variationKey": "y", "percentage": 50 }],
        "primaryMetric": {
            "id": "m", "name": "M", "eventName": "e", "metricType": "conversion", "successDirection": "increase"
        },
    })
}
