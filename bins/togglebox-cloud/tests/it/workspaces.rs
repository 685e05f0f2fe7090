//! Workspaces of one deployment.

use serde_json::json;

use crate::client::{Client, INTERNAL, PASSWORD, PUBLIC, config, experiment, flag, make_environment, make_key};
use crate::people::{API, host, join, sign_in, sign_up, start_with_operator};
use crate::server::Launch;

#[tokio::test]
async fn from_a_sign_up_to_the_calls_of_an_sdk() {
    let server = Launch::new().start().await;
    let acme = sign_up(&server, "acme").await.client;
    make_environment(&acme).await;
    acme.post(&format!("{INTERNAL}/configs"), config("title", "Shop")).await.expect(201);
    acme.post(&format!("{INTERNAL}/flags"), flag("dark")).await.expect(201);
    acme.post(&format!("{INTERNAL}/experiments"), experiment("cta")).await.expect(201);
    acme.post(&format!("{INTERNAL}/experiments/cta/start"), json!({ "startedBy": "acme@example.com" })).await.expect(200);
    let (sdk, ..) = make_key(&acme, &["config:read"]).await;
    assert_eq!(sdk.fresh(&format!("{PUBLIC}/configs")).await.data(200), json!({ "title": "Shop" }));
    assert_eq!(sdk.fresh(&format!("{PUBLIC}/flags")).await.data(200)[0]["flagKey"], "dark");
    let evaluated = sdk.get(&format!("{PUBLIC}/flags/dark/evaluate?userId=u-1")).await.data(200);
    assert_eq!(evaluated["servedValue"], "A", "{evaluated}");
    sdk.get(&format!("{PUBLIC}/experiments/cta/assign?userId=u-1")).await.expect(200);
    let events = json!({ "events": [{ "type": "flag_evaluation", "flagKey": "dark", "value": "A", "userId": "u-1",
        "timestamp": "2026-01-02T03:04:05.678Z" }] });
    sdk.post(&format!("{PUBLIC}/stats/events"), events).await.expect(200);
    let health = sdk.anonymous().get("/health").await;
    assert_eq!(health.expect(200).json()["success"], true);
    // Nobody reads without saying who they are.
    sdk.anonymous().get(&format!("{PUBLIC}/flags")).await.expect(401);
    let described = sdk.anonymous().get("/openapi.json").await.expect(200).json();
    assert!(described["paths"]["/api/v1/workspace"].is_object());
}

/// As on a platform that stops the process between requests.
#[tokio::test]
async fn a_workspace_works_where_nothing_runs_between_requests() {
    let server = Launch::new().set("SERVERLESS", "true").start().await;
    let acme = sign_up(&server, "acme").await.client;
    make_environment(&acme).await;
    acme.post(&format!("{INTERNAL}/flags"), flag("dark")).await.expect(201);
    // One that has just started.
    let launch = server.launch().clone();
    server.stop().await;
    let server = launch.start().await;
    let acme = acme.at(&server);
    assert_eq!(acme.fresh(&format!("{PUBLIC}/flags")).await.data(200)[0]["flagKey"], "dark");
    acme.patch("/api/v1/workspace", json!({ "subdomain": "acme-2" })).await.expect(200);
    assert_eq!(acme.get("/api/v1/workspace").await.code(404), "WORKSPACE_NOT_FOUND");
    acme.host(&host("acme-2")).get("/api/v1/workspace").await.expect(200);
}

#[tokio::test]
async fn two_workspaces_do_not_know_each_other_and_outlive_a_crash() {
    let server = Launch::new().start().await;
    let (acme, globex) = (sign_up(&server, "acme").await.client, sign_up(&server, "globex").await.client);
    make_environment(&acme).await;
    acme.post(&format!("{INTERNAL}/flags"), flag("of-acme")).await.expect(201);
    let (key, ..) = make_key(&acme, &["config:read"]).await;
    // Acknowledged, so it is there after the worst of ends.
    let launch = server.launch().clone();
    server.kill().await;
    let server = launch.start().await;
    let (acme, globex, key) = (acme.at(&server), globex.at(&server), key.at(&server));
    assert_eq!(key.fresh(&format!("{PUBLIC}/flags")).await.data(200)[0]["flagKey"], "of-acme");
    make_environment(&globex).await;
    let flags = globex.fresh(&format!("{PUBLIC}/flags")).await;
    assert_eq!(flags.data(200), json!([]));
    for foreign in [acme.host(&host("globex")), key.host(&host("globex")), acme.host(API)] {
        foreign.get("/api/v1/platforms").await.expect(401);
    }
    assert!(sign_in(&server, "acme@example.com", &host("globex")).await.is_none());
    // In a second one of one's own, one is somebody else's guest.
    let central = sign_in(&server, "acme@example.com", API).await.unwrap();
    central.post("/api/v1/workspaces", json!({ "name": "Second", "subdomain": "second" })).await.expect(201);
    let second = sign_in(&server, "acme@example.com", &host("second")).await.unwrap();
    assert_eq!(second.get("/api/v1/platforms").await.data(200), json!([]));
    acme.host(&host("second")).get("/api/v1/platforms").await.expect(401);
}

#[tokio::test]
async fn people_come_and_go() {
    let server = Launch::new().start().await;
    let owner = sign_up(&server, "acme").await.client;
    let (cy, id) = join(&owner, "acme", "cy", "developer").await;
    make_environment(&cy).await;
    cy.get("/api/v1/workspace/members").await.expect(403);
    owner.patch(&format!("/api/v1/users/{id}/role"), json!({ "role": "viewer" })).await.expect(200);
    cy.post(&format!("{INTERNAL}/flags"), flag("x")).await.expect(403);
    owner.delete(&format!("/api/v1/workspace/members/{id}")).await.expect(204);
    cy.get("/api/v1/platforms").await.expect(401);
    assert!(sign_in(&server, "cy@example.com", &host("acme")).await.is_none());
    let members = owner.get("/api/v1/workspace/members").await.data(200);
    assert_eq!(members.as_array().unwrap().len(), 1);
    let change = json!({ "currentPassword": PASSWORD, "newPassword": "Another-Horse-2" });
    owner.post("/api/v1/users/me/password", change).await.expect(200);
    owner.get("/api/v1/workspace").await.expect(401);
}

#[tokio::test]
async fn the_operator_stops_a_workspace_and_lets_it_go_on() {
    let (server, operator) = start_with_operator(&Launch::new()).await;
    let owner = sign_up(&server, "acme").await;
    make_environment(&owner.client).await;
    let (key, ..) = make_key(&owner.client, &["config:read"]).await;
    let path = |what: &str| format!("/api/v1/admin/workspaces/{}/{what}", owner.workspace);
    operator.post(&path("suspend"), json!({ "reason": "unpaid since March" })).await.expect(200);
    let refused = owner.client.post(&format!("{INTERNAL}/flags"), flag("x")).await;
    assert_eq!(refused.code(403), "WORKSPACE_CLOSED");
    assert_eq!(refused.json()["meta"]["reason"], "unpaid since March");
    key.get(&format!("{PUBLIC}/flags")).await.expect(200);
    operator.post(&path("resume"), json!({})).await.expect(200);
    owner.client.post(&format!("{INTERNAL}/flags"), flag("x")).await.expect(201);
    let found = operator.get("/api/v1/admin/workspaces?search=cm").await.data(200);
    assert_eq!(found[0]["subdomain"], "acme");
    // A member of the public is no operator.
    let central = sign_in(&server, "acme@example.com", API).await.unwrap();
    central.get("/api/v1/admin/workspaces").await.expect(403);
}

#[tokio::test]
async fn of_many_who_want_one_subdomain_one_gets_it() {
    let server = Launch::new().start().await;
    let central = Client::new(&server).host(API);
    let wishes = (0..8).map(|n| {
        let body = json!({
            "name": "N", "email": format!("n{n}@example.com"), "password": PASSWORD,
            "workspace": { "name": "One", "subdomain": "one" },
        });
        let central = central.clone();
        tokio::spawn(async move { central.post("/api/v1/onboarding/signup", body).await.status })
    });
    let mut statuses = Vec::new();
    for wish in wishes.collect::<Vec<_>>() {
        statuses.push(wish.await.unwrap());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409, 409, 409, 409, 409]);
}
