//! The end of a workspace.

use serde_json::{Value, json};

use crate::client::{INTERNAL, PUBLIC, config, experiment, flag, make_environment, make_key};
use crate::people::{API, join, sign_in, sign_up, start_with_operator};
use crate::server::{Launch, eventually};

/// What `workspace left` says, and how it ends.
async fn left(launch: &Launch, workspace: &str) -> (i32, String) {
    let output = launch.run(&["workspace", "left", workspace], "").await;
    let said = if output.status.success() { output.stdout } else { output.stderr };
    (output.status.code().unwrap(), String::from_utf8(said).unwrap())
}

#[tokio::test]
async fn nothing_is_left_of_a_purged_workspace_and_its_neighbour_has_everything() {
    let launch = Launch::new().set("WORKSPACE_GRACE_DAYS", "0");
    let (server, operator) = start_with_operator(&launch).await;
    let (acme, globex) = (sign_up(&server, "acme").await, sign_up(&server, "globex").await);
    let mut keys = Vec::new();
    for owner in [&acme, &globex] {
        let client = &owner.client;
        make_environment(client).await;
        client.post(&format!("{INTERNAL}/configs"), config("title", "Shop")).await.expect(201);
        client.post(&format!("{INTERNAL}/flags"), flag("dark")).await.expect(201);
        client.post(&format!("{INTERNAL}/experiments"), experiment("cta")).await.expect(201);
        keys.push(make_key(client, &["config:read"]).await.0);
    }
    join(&acme.client, "acme", "cy", "developer").await;
    let flags = format!("{PUBLIC}/flags");
    let before = keys[1].fresh(&flags).await.data(200);
    assert_eq!(left(&launch, &acme.workspace).await.0, 75);

    let path = format!("/api/v1/admin/workspaces/{}", acme.workspace);
    operator.post(&format!("{path}/delete"), json!({})).await.expect(200);
    eventually("the workspace is closed", || async { keys[0].get(&flags).await.status == 404 }).await;
    let refused = operator.post(&format!("{path}/restore"), json!({})).await;
    assert_eq!(refused.status, 400, "its grace period is over");
    // A node looks for such workspaces as soon as it starts.
    server.kill().await;
    let server = launch.start().await;
    let (operator, key) = (operator.at(&server), keys[1].at(&server));
    eventually("it is purged", || async { operator.get(&path).await.status == 404 }).await;

    let (code, said) = left(&launch, &acme.workspace).await;
    assert_eq!((code, said.contains("Nothing is left")), (0, true), "{said}");
    let (code, said) = left(&launch, &globex.workspace).await;
    assert_eq!((code, said.contains("the register has its record")), (75, true), "{said}");
    assert_eq!(key.fresh(&flags).await.data(200), before);
    // The account is its owner's, and outlives the workspace.
    let central = sign_in(&server, "acme@example.com", API).await.unwrap();
    assert_eq!(central.get("/api/v1/workspaces").await.data(200), json!([]));
    // The operator's own log says what was purged, and that nothing is left.
    let records = operator.get(&format!("/api/v1/admin/audit?target={}", acme.workspace)).await.data(200);
    assert_eq!((&records[0]["action"], &records[1]["action"]), (&json!("tenant.forget"), &json!("tenant.purge")), "{records}");
    assert_eq!(records[2], Value::Null);
    key.get("/api/v1/admin/audit").await.expect(404);
}

#[tokio::test]
async fn a_workspace_that_can_be_restored_is_not_purged() {
    let (server, operator) = start_with_operator(&Launch::new()).await;
    let acme = sign_up(&server, "acme").await;
    make_environment(&acme.client).await;
    let before: Value = acme.client.get("/api/v1/platforms").await.data(200);
    let path = format!("/api/v1/admin/workspaces/{}", acme.workspace);
    operator.post(&format!("{path}/delete"), json!({})).await.expect(200);
    let launch = server.launch().clone();
    server.kill().await;
    let server = launch.start().await;
    operator.at(&server).post(&format!("{path}/restore"), json!({})).await.expect(200);
    assert_eq!(acme.client.at(&server).get("/api/v1/platforms").await.data(200), before);
    let bad = launch.run(&["workspace", "left", "acme"], "").await;
    assert_eq!(bad.status.code(), Some(1));
}
