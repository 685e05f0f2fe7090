//! What a token of a workspace is worth on a node that knows less, or more, than whoever made it.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::Method;
use serde_json::json;
use togglebox_core::testkit::{At, Fault, Faults};

use super::rig::{API, Plan, Rig, Session};
use crate::tests::rig::Answer;

const SECOND: Duration = Duration::from_secs(1);
const PLATFORMS: &str = "/api/v1/platforms";

/// A plan of a node that cannot look workspaces up by their names.
fn without_look_ups() -> (Plan, Arc<Faults>) {
    let faults = Arc::new(Faults::none());
    faults.inject(At::operation("tenant_directory.by_subdomain").always(), Fault::Before);
    (Plan { faults: Arc::clone(&faults), ..Plan::default() }, faults)
}

impl Rig {
    async fn platforms(&self, session: &Session) -> Answer {
        self.get(&session.host, PLATFORMS, &session.token).await
    }

    /// What the operator does to a workspace.
    async fn administer(&self, op: &Session, of: &Session, what: &str) {
        let path = format!("/api/v1/admin/workspaces/{}/{what}", of.workspace["id"].as_str().unwrap());
        self.post(API, &path, Some(&op.token), json!({ "reason": "unpaid" })).await.expect(200);
    }
}

#[actix_web::test]
async fn a_node_that_has_just_started_looks_nothing_up_for_a_token() {
    let rig = Rig::new().await;
    let ann = rig.sign_up("ann", "acme").await;
    let key = json!({ "name": "ci", "permissions": ["config:read"] });
    let key = rig.post(&ann.host, "/api/v1/api-keys", Some(&ann.token), key).await.expect(201).json()["data"]["key"].clone();
    let key = [("x-api-key", key.as_str().unwrap())];

    let (plan, faults) = without_look_ups();
    let other = rig.beside(plan);
    other.platforms(&ann).await.expect(503);
    other.cloud.poll().await.unwrap();
    other.platforms(&ann).await.expect(200);
    other.post(&ann.host, "/api/v1/internal/platforms", Some(&ann.token), json!({ "name": "web" })).await.expect(201);
    // Nothing else tells which workspace that is.
    let by_key = || other.send((Method::GET, &ann.host, PLATFORMS), None, None, &key);
    by_key().await.expect(503);
    // A session that is over is over.
    rig.post(&ann.host, "/api/v1/auth/logout", Some(&ann.token), json!({})).await.expect(200);
    let fresh = rig.signed_in("ann", &ann.host).await;
    other.stopwatch.advance(2 * SECOND);
    other.platforms(&fresh).await.expect(503);
    other.cloud.poll().await.unwrap();
    other.platforms(&fresh).await.expect(200);
    faults.clear();
    by_key().await.expect(200);
}

#[actix_web::test]
async fn a_workspace_that_was_suspended_is_refused_whatever_its_tokens_say() {
    let rig = Rig::new().await;
    let ann = rig.sign_up("ann", "acme").await;
    let op = rig.operator().await;
    let (plan, faults) = without_look_ups();
    let other = rig.beside(plan);
    other.cloud.poll().await.unwrap();
    other.platforms(&ann).await.expect(200);
    rig.administer(&op, &ann, "suspend").await;
    other.cloud.poll().await.unwrap();
    other.platforms(&ann).await.expect(503);
    let late = rig.signed_in("ann", &ann.host).await;
    other.cloud.poll().await.unwrap();
    let manage = |session: Session| {
        let other = &other;
        async move { other.get(&session.host, "/api/v1/workspace", &session.token).await }
    };
    manage(late.clone()).await.expect(503);
    faults.clear();
    assert_eq!(manage(ann).await.expect(403).json()["code"], "WORKSPACE_CLOSED");
    assert_eq!(manage(late).await.expect(403).json()["code"], "WORKSPACE_CLOSED");
}

#[actix_web::test]
async fn a_node_that_has_heard_nothing_for_two_seconds_takes_no_tokens_word() {
    let rig = Rig::new().await;
    let ann = rig.sign_up("ann", "acme").await;
    let op = rig.operator().await;
    let other = rig.beside(without_look_ups().0);
    other.cloud.poll().await.unwrap();
    rig.administer(&op, &ann, "suspend").await;
    other.stopwatch.advance(Duration::from_micros(1_999_999));
    other.platforms(&ann).await.expect(200);
    other.stopwatch.advance(Duration::from_micros(1));
    other.platforms(&ann).await.expect(503);
}

#[actix_web::test]
async fn whoever_has_seen_a_change_sees_it_on_every_node() {
    let rig = Rig::new().await;
    let ann = rig.sign_up("ann", "acme").await;
    let op = rig.operator().await;
    let other = rig.beside(Plan::default());
    let workspace = |session: Session| {
        let other = &other;
        async move { other.get(&session.host, "/api/v1/workspace", &session.token).await.status.as_u16() }
    };
    assert_eq!(workspace(ann.clone()).await, 200);
    for (step, status) in [("suspend", 403), ("resume", 200)] {
        rig.administer(&op, &ann, step).await;
        let since = rig.signed_in("ann", &ann.host).await;
        assert_eq!(workspace(ann.clone()).await, 603 - status, "the other node has heard nothing");
        assert_eq!(workspace(since).await, status, "{step}");
        assert_eq!(workspace(ann.clone()).await, status, "and now it knows");
    }
}

#[actix_web::test]
async fn a_workspace_is_found_under_its_new_name_by_those_who_have_a_token_of_it() {
    let rig = Rig::new().await;
    let ann = rig.sign_up("ann", "acme").await;
    let other = rig.beside(Plan::default());
    let renamed = Session { host: "acme-2.localtest".to_owned(), ..ann.clone() };
    assert_eq!(other.platforms(&renamed).await.expect(404).json()["code"], "WORKSPACE_NOT_FOUND");
    let name = Some(json!({ "subdomain": "acme-2" }));
    rig.send((Method::PATCH, &ann.host, "/api/v1/workspace"), Some(&ann.token), name, &[]).await.expect(200);
    other.platforms(&renamed).await.expect(404);
    let since = rig.signed_in("ann", &renamed.host).await;
    other.platforms(&since).await.expect(200);
    other.platforms(&renamed).await.expect(200);
}

#[actix_web::test]
async fn a_token_of_another_workspace_opens_nothing_and_shuts_nothing() {
    let rig = Rig::new().await;
    let (ann, bob) = (rig.sign_up("ann", "acme").await, rig.sign_up("bob", "globex").await);
    let (plan, faults) = without_look_ups();
    let other = rig.beside(plan);
    other.cloud.poll().await.unwrap();
    let crossed = Session { host: bob.host.clone(), ..ann.clone() };
    other.platforms(&crossed).await.expect(503);
    faults.clear();
    other.platforms(&crossed).await.expect(401);
    other.platforms(&bob).await.expect(200);
    // Where anybody may come, a token of elsewhere is no hindrance.
    let login = json!({ "email": "bob@example.com", "password": super::rig::PASSWORD });
    other.post(&bob.host, "/api/v1/auth/login", Some(&ann.token), login).await.expect(200);
    for nonsense in ["", "x", "a.b.c"] {
        other.get(&bob.host, PLATFORMS, nonsense).await.expect(401);
    }
}

/// Nothing runs there between requests: no poll, and no notice arrives.
#[actix_web::test]
async fn a_node_that_sleeps_asks_with_requests_what_has_changed() {
    let rig = Rig::new().await;
    let ann = rig.sign_up("ann", "acme").await;
    let op = rig.operator().await;
    let (plan, faults) = without_look_ups();
    let asleep = rig.beside(Plan { sleeps: true, ..plan });
    asleep.platforms(&ann).await.expect(200);
    let asked = || faults.counts_of("tenant_directory.changes_since").calls;
    let before = asked();
    asleep.stopwatch.advance(SECOND / 2);
    asleep.platforms(&ann).await.expect(200);
    assert_eq!(asked(), before, "once a second");

    // What is remembered of a workspace's contents is asked for as well.
    rig.post(&ann.host, "/api/v1/internal/platforms", Some(&ann.token), json!({ "name": "web" })).await.expect(201);
    let path = "/api/v1/internal/platforms/web/environments";
    rig.post(&ann.host, path, Some(&ann.token), json!({ "environment": "prod" })).await.expect(201);
    let flags = "/api/v1/platforms/web/environments/prod/flags";
    asleep.get(&ann.host, flags, &ann.token).await.expect(200);
    let flag = json!({ "flagKey": "dark", "name": "Dark", "enabled": true, "defaultValue": "A" });
    let path = "/api/v1/internal/platforms/web/environments/prod/flags";
    rig.post(&ann.host, path, Some(&ann.token), flag).await.expect(201);
    asleep.stopwatch.advance(SECOND);
    // It wakes, and what it does each second comes before the request.
    asleep.cloud.poll().await.unwrap();
    assert_eq!(asleep.get(&ann.host, flags, &ann.token).await.expect(200).json()["data"][0]["flagKey"], "dark");

    faults.clear();
    asleep.stopwatch.advance(SECOND);
    asleep.get(&ann.host, "/api/v1/workspace", &ann.token).await.expect(200);
    rig.administer(&op, &ann, "suspend").await;
    asleep.stopwatch.advance(SECOND);
    asleep.get(&ann.host, "/api/v1/workspace", &ann.token).await.expect(403);

    // A store that does not say what has changed: as when it is away.
    faults.inject(At::port("tenant_directory").always(), Fault::Before);
    asleep.stopwatch.advance(SECOND);
    asleep.get(&ann.host, "/api/v1/workspace", &ann.token).await.expect(403);
    asleep.stopwatch.advance(Duration::from_hours(2));
    asleep.get(&ann.host, "/api/v1/workspace", &ann.token).await.expect(503);
}
