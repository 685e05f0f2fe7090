//! The operator's work, and what it does to a workspace.

use actix_web::http::Method;
use serde_json::json;

use super::rig::{API, Rig};

#[actix_web::test]
async fn a_suspended_workspace_evaluates_and_manages_nothing() {
    let rig = Rig::new().await;
    let ann = rig.sign_up("ann", "acme").await;
    rig.post(&ann.host, "/api/v1/internal/platforms", Some(&ann.token), json!({ "name": "web" })).await.expect(201);
    let op = rig.operator().await;
    let path = |what: &str| format!("/api/v1/admin/workspaces/{}/{what}", ann.workspace["id"].as_str().unwrap());
    let reason = json!({ "reason": "unpaid since March" });
    rig.post(API, &path("suspend"), Some(&op.token), json!({})).await.expect(422);
    rig.post(API, &path("suspend"), Some(&op.token), reason).await.expect(200);
    let refused = rig.post(&ann.host, "/api/v1/internal/platforms", Some(&ann.token), json!({ "name": "x" })).await;
    let body = refused.expect(403).json();
    assert_eq!((&body["code"], &body["meta"]["reason"]), (&json!("WORKSPACE_CLOSED"), &json!("unpaid since March")));
    rig.get(&ann.host, "/api/v1/platforms", &ann.token).await.expect(200);
    // Why is said to those who belong there, and to nobody else.
    let stranger = rig.get(&ann.host, "/api/v1/workspace", "nonsense").await;
    assert!(!String::from_utf8_lossy(&stranger.expect(401).body).contains("unpaid"));
    rig.post(API, &path("resume"), Some(&op.token), json!({})).await.expect(200);
    rig.post(API, &path("resume"), Some(&op.token), json!({})).await.expect(400);
    rig.post(&ann.host, "/api/v1/internal/platforms", Some(&ann.token), json!({ "name": "x" })).await.expect(201);
}

#[actix_web::test]
async fn only_the_operators_people_administer() {
    let rig = Rig::new().await;
    let ann = rig.sign_up("ann", "acme").await;
    let (central, op) = (rig.signed_in("ann", API).await, rig.operator().await);
    let list = "/api/v1/admin/workspaces";
    rig.get(API, list, &central.token).await.expect(403);
    // On a workspace's host there is no such thing.
    rig.get(&ann.host, list, &ann.token).await.expect(404);
    let found = rig.get(API, &format!("{list}?search=ACM&status=active&plan=free"), &op.token).await.expect(200).json();
    assert_eq!(found["data"][0]["subdomain"], "acme");
    let none = rig.get(API, &format!("{list}?search=globex"), &op.token).await.expect(200).json();
    assert_eq!(none["data"], json!([]));
    let wrong = rig.get(API, &format!("{list}?status=sleepy"), &op.token).await;
    assert!(String::from_utf8_lossy(&wrong.expect(422).body).contains("past_due"));
    let id = ann.workspace["id"].as_str().unwrap();
    rig.get(API, &format!("{list}/{id}"), &op.token).await.expect(200);
    rig.get(API, &format!("{list}/nobody"), &op.token).await.expect(404);
    let plan = json!({ "plan": "pro", "limits": { "flags": 7 } });
    rig.post(API, &format!("{list}/{id}/plan"), Some(&op.token), plan).await.expect(200);
    let limits = rig.get(&ann.host, "/api/v1/workspace/limits", &ann.token).await.expect(200).json();
    assert_eq!((&limits["data"]["plan"], &limits["data"]["limits"]["flags"]), (&json!("pro"), &json!(7)));
    let unknown = json!({ "plan": "platinum" });
    rig.post(API, &format!("{list}/{id}/plan"), Some(&op.token), unknown).await.expect(422);
}

#[actix_web::test]
async fn an_operator_enters_for_a_reason_that_is_written_down_and_leaves_nothing_behind() {
    let rig = Rig::new().await;
    let ann = rig.sign_up("ann", "acme").await;
    let op = rig.operator().await;
    let enter = format!("/api/v1/admin/workspaces/{}/enter", ann.workspace["id"].as_str().unwrap());
    rig.post(API, &enter, Some(&op.token), json!({})).await.expect(422);
    let entered = rig.post(API, &enter, Some(&op.token), json!({ "reason": "ticket 4711" })).await.expect(200).json();
    let token = entered["data"]["token"].as_str().unwrap();
    rig.post(&ann.host, "/api/v1/internal/platforms", Some(token), json!({ "name": "web" })).await.expect(201);
    rig.get(&ann.host, "/api/v1/workspace/members", token).await.expect(403);
    rig.post(&ann.host, "/api/v1/auth/refresh", Some(token), json!({})).await.expect(401);
    let key = json!({ "name": "ci", "permissions": ["config:read"] });
    rig.post(&ann.host, "/api/v1/api-keys", Some(token), key).await.expect(403);
    let log = rig.get(&ann.host, "/api/v1/internal/audit", &ann.token).await.expect(200).json().to_string();
    assert!(log.contains("ticket 4711") && log.contains("op@example.com"), "{log}");
    // The next change of members ends it.
    rig.join(&ann, "cy", "viewer").await;
    rig.cloud.poll().await.unwrap();
    rig.get(&ann.host, "/api/v1/platforms", token).await.expect(401);
}

#[actix_web::test]
async fn a_deleted_workspace_is_not_there_until_it_is_restored() {
    let rig = Rig::new().await;
    let ann = rig.sign_up("ann", "acme").await;
    let op = rig.operator().await;
    let path = |what: &str| format!("/api/v1/admin/workspaces/{}/{what}", ann.workspace["id"].as_str().unwrap());
    rig.post(API, &path("delete"), Some(&op.token), json!({})).await.expect(200);
    for request in [(Method::GET, ann.host.as_str(), "/api/v1/platforms"), (Method::GET, &ann.host, "/health")] {
        let answer = rig.send(request, Some(&ann.token), None, &[]).await;
        if answer.status != 200 {
            assert_eq!(answer.expect(404).json()["code"], "WORKSPACE_NOT_FOUND");
        }
    }
    rig.get(&ann.host, "/api/v1/platforms", &ann.token).await.expect(404);
    rig.post(API, &path("restore"), Some(&op.token), json!({})).await.expect(200);
    rig.get(&ann.host, "/api/v1/platforms", &ann.token).await.expect(200);
}
