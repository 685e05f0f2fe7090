//! Whose a line of the log is.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::Method;
use serde_json::{Value, json};
use togglebox_core::testkit::{At, Fault, Faults};
use togglebox_multitenancy::Locating;

use super::rig::{API, Plan, Rig, Session};
use crate::tests::lines::Lines;

const PLATFORMS: &str = "/api/v1/internal/platforms";

/// The workspace that each line of these names, which are all of one request.
fn workspaces(lines: &[Value]) -> Vec<Option<&str>> {
    assert!(!lines.is_empty(), "every refusal and every write is logged");
    lines.iter().map(|line| line["span"]["workspace"].as_str()).collect()
}

#[actix_web::test]
async fn a_line_names_the_workspace_that_the_request_was_for() {
    let rig = Rig::with(Locating::by_host().by_header()).await;
    let Session { host, token, .. } = rig.sign_up("ann", "acme").await;
    let (lines, _logging) = Lines::listen();
    let write = async |host: &str, headers: &[(&str, &str)], workspace| {
        let name = json!({ "name": format!("at-{}", host.len()) });
        rig.send((Method::POST, host, PLATFORMS), Some(&token), Some(name), headers).await.expect(201);
        let lines = lines.take();
        assert_eq!(workspaces(&lines), [Some(workspace)]);
        assert_eq!(lines[0]["fields"]["status"], 201);
    };
    write(&host, &[], "acme").await;
    write(API, &[("x-tenant", "acme")], "acme").await;
    // A refusal, too.
    rig.send((Method::POST, &host, PLATFORMS), None, Some(json!({ "name": "web" })), &[]).await.expect(401);
    assert_eq!(workspaces(&lines.take()), [Some("acme")]);
    // And by its name of today.
    let renamed = json!({ "subdomain": "acme-2" });
    rig.send((Method::PATCH, &host, "/api/v1/workspace"), Some(&token), Some(renamed), &[]).await.expect(200);
    assert_eq!(workspaces(&lines.take()), [Some("acme")], "as it was when the request came");
    rig.send((Method::POST, "acme-2.localtest", PLATFORMS), None, Some(json!({ "name": "web" })), &[]).await.expect(401);
    assert_eq!(workspaces(&lines.take()), [Some("acme-2")]);
}

#[actix_web::test]
async fn nobody_writes_a_host_of_their_own_into_the_log() {
    let rig = Rig::new().await;
    let session = rig.sign_up("ann", "acme").await;
    let (lines, _logging) = Lines::listen();
    for host in ["nobody.localtest", "evil.example.com", "e\u{301}vil.localtest", "evil_.localtest", ""] {
        rig.get(host, "/api/v1/platforms", &session.token).await.expect(404);
        let lines = lines.take();
        assert_eq!(workspaces(&lines), [None]);
        let text = json!(lines).to_string();
        assert!(!text.contains("evil") && !text.contains("nobody"), "{text}");
    }
    // The central host is no workspace's.
    rig.get(API, "/api/v1/nowhere", &session.token).await.expect(401);
    assert_eq!(workspaces(&lines.take()), [None]);
    // Nor is one that is gone, to whoever asks.
    rig.send((Method::DELETE, &session.host, "/api/v1/workspace"), Some(&session.token), None, &[]).await.expect(200);
    lines.take();
    rig.get(&session.host, "/api/v1/platforms", &session.token).await.expect(404);
    assert_eq!(workspaces(&lines.take()), [None]);
}

#[actix_web::test]
async fn a_workspace_that_a_token_vouches_for_is_named_before_it_was_looked_up() {
    let rig = Rig::new().await;
    let Session { host, token, .. } = rig.sign_up("ann", "acme").await;
    let faults = Arc::new(Faults::none());
    faults.inject(At::operation("tenant_directory.by_subdomain").always(), Fault::Before);
    let other = rig.beside(Plan { faults, ..Plan::default() });
    other.cloud.poll().await.unwrap();
    let (lines, _logging) = Lines::listen();
    let web = json!({ "name": "web" });
    other.send((Method::POST, &host, PLATFORMS), Some(&token), Some(web.clone()), &[]).await.expect(201);
    // The look-up behind its back fails, which is nobody's line.
    let of_requests: Vec<Value> = lines.take().into_iter().filter(|line| line["fields"]["status"] == 201).collect();
    assert_eq!(workspaces(&of_requests), [Some("acme")]);
    other.stopwatch.advance(Duration::from_secs(2));
    other.send((Method::POST, &host, PLATFORMS), Some(&token), Some(web), &[]).await.expect(503);
    assert!(workspaces(&lines.take()).iter().all(Option::is_none), "nobody knows whose it is");
}
