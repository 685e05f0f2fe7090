//! All that a workspace has, on its way out.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use actix_web::http::Method;
use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Value, json};
use togglebox_core::{Actor, AuditFilter, AuditLog as _, PageRequest, StoreError, StoreErrorKind, StoreResult, TenantId};
use togglebox_multitenancy::MemberRole;
use tokio::sync::Semaphore;

use super::rig::{API, Rig, Session};
use crate::cloud::{Export, ExportSource};
use crate::tests::rig::Answer;
use crate::tests::socket::{Listening, eventually};

const OWN: &str = "/api/v1/workspace/export";
const CENTRAL: &str = "/api/v1/workspaces/acme/export";

/// What exports say: whose they are, and then what tests wish.
#[derive(Debug, Default)]
pub(super) struct Script {
    /// What comes after the first line of each file; files that are not named end there.
    files: Mutex<VecDeque<Vec<Step>>>,
}

#[derive(Debug)]
enum Step {
    Says(&'static str),
    Waits(Arc<Semaphore>),
    Fails,
}

#[derive(Debug)]
struct File(VecDeque<Step>, Option<TenantId>);

#[async_trait]
impl ExportSource for Script {
    async fn begin(&self, tenant: TenantId) -> StoreResult<Box<dyn Export>> {
        let steps = self.files.lock().unwrap().pop_front().unwrap_or_default();
        Ok(Box::new(File(steps.into(), Some(tenant))))
    }
}

#[async_trait]
impl Export for File {
    async fn next(&mut self) -> StoreResult<Option<Bytes>> {
        if let Some(tenant) = self.1.take() {
            return Ok(Some(format!("{tenant}\n").into()));
        }
        loop {
            match self.0.pop_front() {
                Some(Step::Says(text)) => return Ok(Some(text.into())),
                Some(Step::Waits(gate)) => gate.acquire().await.unwrap().forget(),
                Some(Step::Fails) => return Err(StoreError::new(StoreErrorKind::Unavailable, "script")),
                None => return Ok(None),
            }
        }
    }

    async fn stay(&mut self) -> StoreResult<()> {
        Ok(())
    }
}

fn id(session: &Session) -> &str {
    session.workspace["id"].as_str().unwrap()
}

impl Rig {
    /// Who has exported a workspace, newest first, as its log has it.
    async fn exports_of(&self, session: &Session) -> Vec<String> {
        let (tenant, page) = (id(session).parse().unwrap(), PageRequest::first(100));
        let log = self.register.list(tenant, &AuditFilter::default(), &page).await.unwrap();
        log.items.into_iter().filter(|record| record.action == "tenant.export").map(|record| record.actor.email).collect()
    }
}

#[track_caller]
fn expect_file(answer: &Answer, of: &Session) {
    assert_eq!(answer.expect(200).body, format!("{}\n", id(of)).into_bytes());
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    let cached = answer.header("cache-control").unwrap();
    assert!(cached.contains("no-store"), "{cached}");
    let (subdomain, _) = of.host.split_once('.').unwrap();
    let name = answer.header("content-disposition").unwrap();
    assert_eq!(name, format!("attachment; filename=\"{subdomain}-2026-05-28.jsonl\""));
}

#[actix_web::test]
async fn an_admin_is_handed_out_what_is_the_workspaces_and_that_is_written_down() {
    let rig = Rig::new().await;
    let (ann, _bob) = (rig.sign_up("ann", "acme").await, rig.sign_up("bob", "globex").await);
    expect_file(&rig.get(&ann.host, OWN, &ann.token).await, &ann);
    assert_eq!(rig.exports_of(&ann).await, ["ann@example.com"]);
    let central = rig.signed_in("ann", API).await;
    expect_file(&rig.get(API, CENTRAL, &central.token).await, &ann);
    assert_eq!(rig.exports_of(&ann).await, ["ann@example.com"; 2]);
    // Whoever only asks what there would be is handed out nothing.
    for (host, path, token) in [(ann.host.as_str(), OWN, &ann.token), (API, CENTRAL, &central.token)] {
        let head = rig.send((Method::HEAD, host, path), Some(token), None, &[]).await;
        assert!(head.expect(200).body.is_empty() && head.header("content-disposition").is_some());
    }
    assert_eq!(rig.exports_of(&ann).await.len(), 2);
}

#[actix_web::test]
async fn nobody_but_the_workspaces_admins_gets_it() {
    let rig = Rig::new().await;
    let (ann, bob) = (rig.sign_up("ann", "acme").await, rig.sign_up("bob", "globex").await);
    for role in ["developer", "viewer"] {
        let other = rig.join(&ann, role, role).await;
        let refused = rig.get(&ann.host, OWN, &other.token).await;
        assert_eq!(refused.expect(403).json()["error"], "Only admins of the workspace can do this");
        rig.get(API, CENTRAL, &rig.signed_in(role, API).await.token).await.expect(403);
    }
    // A key is nobody, whatever it may do.
    let key = json!({ "name": "ci", "permissions": ["user:manage"] });
    let key = rig.post(&ann.host, "/api/v1/api-keys", Some(&ann.token), key).await.expect(201).json();
    let key = key["data"]["key"].as_str().unwrap();
    rig.send((Method::GET, &ann.host, "/api/v1/workspace/members"), None, None, &[("x-api-key", key)]).await.expect(200);
    rig.send((Method::GET, &ann.host, OWN), None, None, &[("x-api-key", key)]).await.expect(401);
    // Who belongs elsewhere does not learn that there is such a workspace.
    rig.get(&ann.host, OWN, &bob.token).await.expect(401);
    let (of_bob, op) = (rig.signed_in("bob", API).await, rig.operator().await);
    for stranger in [&of_bob, &op] {
        assert_eq!(rig.get(API, CENTRAL, &stranger.token).await.expect(404).json()["error"], "Workspace not found");
    }
    rig.send((Method::GET, &ann.host, OWN), None, None, &[]).await.expect(401);
    // Who looks in for the operator takes nothing out.
    let enter = format!("/api/v1/admin/workspaces/{}/enter", id(&ann));
    let entered = rig.post(API, &enter, Some(&op.token), json!({ "reason": "ticket 4711" })).await.expect(200).json();
    rig.get(&ann.host, OWN, entered["data"]["token"].as_str().unwrap()).await.expect(403);
    assert!(rig.exports_of(&ann).await.is_empty());
    // Who was an admin until a moment ago is none: the guest may not know yet.
    let cy = rig.signed_in("viewer", &ann.host).await;
    let path = format!("/api/v1/workspace/members/{}", cy.user);
    let more = Some(json!({ "role": "admin" }));
    rig.send((Method::PATCH, &ann.host, &path), Some(&ann.token), more, &[]).await.expect(200);
    rig.get(&ann.host, OWN, &cy.token).await.expect(200);
    let (tenant, user) = (id(&ann).parse().unwrap(), cy.user.parse().unwrap());
    rig.services.tenancy.change_role(tenant, &Actor::system(), user, MemberRole::Viewer, None).await.unwrap();
    rig.get(&ann.host, "/api/v1/workspace/members", &cy.token).await.expect(200);
    rig.get(&ann.host, OWN, &cy.token).await.expect(403);
}

#[actix_web::test]
async fn what_is_suspended_or_deleted_can_be_taken_out_until_the_grace_period_is_over() {
    let rig = Rig::new().await;
    let (ann, op) = (rig.sign_up("ann", "acme").await, rig.operator().await);
    let step = |what: &str| format!("/api/v1/admin/workspaces/{}/{what}", id(&ann));
    rig.post(API, &step("suspend"), Some(&op.token), json!({ "reason": "unpaid" })).await.expect(200);
    rig.get(&ann.host, "/api/v1/workspace", &ann.token).await.expect(403);
    // Signing in is open, so is the way out.
    let again = rig.signed_in("ann", &ann.host).await;
    expect_file(&rig.get(&ann.host, OWN, &again.token).await, &ann);
    rig.post(API, &step("delete"), Some(&op.token), json!({})).await.expect(200);
    rig.get(&ann.host, OWN, &ann.token).await.expect(404);
    let central = rig.signed_in("ann", API).await;
    expect_file(&rig.get(API, CENTRAL, &central.token).await, &ann);
    rig.clock.advance(std::time::Duration::from_hours(30 * 24));
    let central = rig.signed_in("ann", API).await;
    let over = rig.get(API, CENTRAL, &central.token).await;
    assert_eq!(over.expect(400).json()["code"], "INVALID_STATUS");
}

#[actix_web::test]
async fn one_at_a_time() {
    let rig = Rig::new().await;
    let (ann, bob) = (rig.sign_up("ann", "acme").await, rig.sign_up("bob", "globex").await);
    let gate = Arc::new(Semaphore::new(0));
    let script = vec![Step::Waits(Arc::clone(&gate)), Step::Says("all\n")];
    rig.script.files.lock().unwrap().push_back(script);
    let cloud = Arc::clone(&rig.cloud);
    let server = Listening::serving(move |config| cloud.routes()(config));
    let mut connection = server.connect().await;
    connection.write(request(&ann)).await;
    eventually("the export has begun", || rig.script.files.lock().unwrap().is_empty()).await;
    let second = rig.get(&ann.host, OWN, &ann.token).await;
    assert_eq!(second.expect(409).json()["code"], "EXPORT_RUNNING");
    rig.get(API, CENTRAL, &rig.signed_in("ann", API).await.token).await.expect(409);
    expect_file(&rig.get(&bob.host, OWN, &bob.token).await, &bob);
    gate.add_permits(1);
    let whole = String::from_utf8(connection.rest().await).unwrap();
    assert!(whole.contains(&format!("{}\n", id(&ann))) && whole.ends_with("4\r\nall\n\r\n0\r\n\r\n"), "{whole}");
    expect_file(&rig.get(&ann.host, OWN, &ann.token).await, &ann);
    assert_eq!(rig.exports_of(&ann).await.len(), 2, "what was refused is not written down");
    server.stop().await;
}

#[actix_web::test]
async fn what_breaks_off_in_the_middle_does_not_look_whole() {
    let rig = Rig::new().await;
    let ann = rig.sign_up("ann", "acme").await;
    let gate = Arc::new(Semaphore::new(0));
    let wait = || Step::Waits(Arc::clone(&gate));
    let scripts = [vec![Step::Says("some\n"), wait(), Step::Fails], vec![Step::Says("some\n"), wait(), Step::Says("all\n")]];
    rig.script.files.lock().unwrap().extend(scripts);
    let cloud = Arc::clone(&rig.cloud);
    let server = Listening::serving(move |config| cloud.routes()(config));
    for is_whole in [false, true] {
        let mut connection = server.connect().await;
        connection.write(request(&ann)).await;
        connection.until("some\n").await;
        gate.add_permits(1);
        let heard = String::from_utf8(connection.rest().await).unwrap();
        assert!(heard.starts_with("HTTP/1.1 200 OK\r\n") && heard.contains("transfer-encoding: chunked"), "{heard}");
        assert_eq!(heard.ends_with("\r\n0\r\n\r\n"), is_whole, "{heard}");
    }
    server.stop().await;
}

fn request(session: &Session) -> String {
    let Session { host, token, .. } = session;
    format!("GET {OWN} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n")
}

#[actix_web::test]
async fn an_export_that_cannot_begin_is_an_answer() {
    let rig = Rig::new().await;
    let ann = rig.sign_up("ann", "acme").await;
    let missing: Value =
        rig.get(API, "/api/v1/workspaces/nobody/export", &rig.signed_in("ann", API).await.token).await.expect(404).json();
    assert_eq!(missing["code"], "NOT_FOUND");
    let wrong = rig.send((Method::POST, &ann.host, OWN), Some(&ann.token), Some(json!({})), &[]).await;
    wrong.expect(404);
}
