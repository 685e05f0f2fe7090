//! What becomes of a workspace that is not paid for.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::Method;
use serde_json::{Value, json};
use togglebox_auth::input::NewUser;
use togglebox_core::testkit::{At, Fault, Faults};
use togglebox_core::{Actor, Clock as _, TenantId, Timestamp};
use togglebox_multitenancy::manage::{Entitled, NewTenant};
use togglebox_multitenancy::{AccessPolicy, Person, TenantName, Unpaid};
use uuid::Uuid;

use super::rig::{API, PASSWORD, Plan, Rig, Session};
use crate::cloud::{CENTRAL, routes};
use crate::route::{Access, RouteClass};
use crate::tests::rig::Answer;

const SINCE: Timestamp = Timestamp::from_ms(1_779_000_000_000);
const ACME: TenantId = TenantId::from_uuid(Uuid::from_u128(7));

impl Rig {
    async fn entitle(&self, tenant: TenantId, restricted: Option<Unpaid>) {
        let entitled = Entitled { restricted, past_due_since: restricted.map(|_| SINCE), ..Entitled::default() };
        self.services.tenancy.entitle(tenant, &Actor::system(), &entitled).await.unwrap();
    }

    /// Has a name kept for somebody who has an account and pays for nothing yet.
    async fn reserve(&self, name: &str, subdomain: &str) {
        let form = json!({ "name": name, "email": format!("{name}@example.com"), "password": PASSWORD, "role": "viewer" });
        let account = NewUser::read(Some(&form)).unwrap();
        let account = self.services.accounts.create_user(CENTRAL, Actor::system(), account).await.unwrap();
        let new = NewTenant {
            name: TenantName::new(subdomain).unwrap(),
            subdomain: subdomain.parse().unwrap(),
            plan: Some("pro".parse().unwrap()),
            owner: Person { user: account.id, email: account.email },
            id: Some(ACME),
            unpaid: true,
        };
        self.services.tenancy.create(&Actor::system(), new).await.unwrap();
    }
}

fn id(session: &Session) -> TenantId {
    TenantId::from_uuid(session.workspace["id"].as_str().unwrap().parse().unwrap())
}

fn owes(answer: &Answer) -> Value {
    let body = answer.expect(402).json();
    assert_eq!((&body["code"], &body["meta"]["status"]), (&json!("PAYMENT_REQUIRED"), &json!("past_due")));
    assert_eq!(body["meta"]["upgradeUrl"], "http://app.localtest/plans");
    body["error"].clone()
}

async fn make(rig: &Rig, session: &Session, name: &str) -> Answer {
    rig.post(&session.host, "/api/v1/internal/platforms", Some(&session.token), json!({ "name": name })).await
}

#[actix_web::test]
async fn a_workspace_that_has_owed_for_too_long_is_read_only() {
    let rig = Rig::new().await;
    let ann = rig.sign_up("ann", "acme").await;
    make(&rig, &ann, "web").await.expect(201);
    rig.entitle(id(&ann), Some(Unpaid::ReadOnly(SINCE))).await;
    let said = owes(&make(&rig, &ann, "x").await).to_string();
    assert!(said.contains("read-only") && said.contains("pay what is open"), "{said}");
    let name = Some(json!({ "name": "Other" }));
    owes(&rig.send((Method::PATCH, &ann.host, "/api/v1/workspace"), Some(&ann.token), name, &[]).await);
    // Clients, looking on, and taking out.
    for path in ["/api/v1/platforms", "/api/v1/workspace/members", "/api/v1/internal/audit", "/api/v1/workspace/export"] {
        rig.get(&ann.host, path, &ann.token).await.expect(200);
    }
    let shown = rig.get(&ann.host, "/api/v1/workspace", &ann.token).await.expect(200).json()["data"].clone();
    assert_eq!((&shown["status"], &shown["restriction"]), (&json!("past_due"), &json!("read_only")));
    assert_eq!(shown["pastDueSince"], SINCE.to_string());
    // Coming and going.
    let late = rig.signed_in("ann", &ann.host).await;
    let fresh = rig.post(&ann.host, "/api/v1/auth/refresh", Some(&late.token), json!({})).await.expect(200).json();
    let fresh = fresh["data"]["token"].as_str().unwrap();
    rig.get(&ann.host, "/api/v1/users/me", fresh).await.expect(200);
    rig.post(&ann.host, "/api/v1/auth/logout", Some(fresh), json!({})).await.expect(200);
    // Who may not even do so is told that, and not what is owed.
    let guessed = rig.post(&ann.host, "/api/v1/internal/platforms", Some("nonsense"), json!({ "name": "x" })).await;
    assert!(!String::from_utf8_lossy(&guessed.expect(401).body).contains("pay"));

    rig.entitle(id(&ann), None).await;
    make(&rig, &ann, "x").await.expect(201);
    let shown = rig.get(&ann.host, "/api/v1/workspace", &ann.token).await.expect(200).json()["data"].clone();
    assert_eq!((&shown["status"], shown.get("restriction"), shown.get("pastDueSince")), (&json!("active"), None, None));
}

#[actix_web::test]
async fn a_closed_workspace_serves_its_clients_and_is_not_looked_at() {
    let rig = Rig::new().await;
    let ann = rig.sign_up("ann", "acme").await;
    rig.entitle(id(&ann), Some(Unpaid::Closed(SINCE))).await;
    for path in ["/api/v1/workspace/members", "/api/v1/internal/audit"] {
        assert!(owes(&rig.get(&ann.host, path, &ann.token).await).to_string().contains("subscribe again"));
    }
    owes(&make(&rig, &ann, "x").await);
    for path in ["/api/v1/platforms", "/api/v1/workspace", "/api/v1/users/me", "/api/v1/workspace/export"] {
        rig.get(&ann.host, path, &ann.token).await.expect(200);
    }
}

#[actix_web::test]
async fn who_is_stopped_by_the_operator_is_not_asked_for_money() {
    let rig = Rig::new().await;
    let ann = rig.sign_up("ann", "acme").await;
    let op = rig.operator().await;
    let suspend = format!("/api/v1/admin/workspaces/{}/suspend", id(&ann));
    rig.post(API, &suspend, Some(&op.token), json!({ "reason": "abuse" })).await.expect(200);
    rig.entitle(id(&ann), Some(Unpaid::ReadOnly(SINCE))).await;
    for path in ["/api/v1/workspace", "/api/v1/workspace/members"] {
        let body = rig.get(&ann.host, path, &ann.token).await.expect(403).json();
        assert_eq!((&body["code"], &body["meta"]["reason"]), (&json!("WORKSPACE_CLOSED"), &json!("abuse")));
    }
    rig.get(&ann.host, "/api/v1/platforms", &ann.token).await.expect(200);
}

#[actix_web::test]
async fn every_route_of_a_reserved_workspace_is_refused_to_everybody() {
    let rig = Rig::new().await;
    rig.reserve("ann", "acme").await;
    let stranger = rig.sign_up("bob", "globex").await;
    for route in routes::workspace() {
        let path = route.path.split('/').map(|part| if part.starts_with('{') { "x" } else { part });
        let path = path.collect::<Vec<_>>().join("/");
        for token in [None, Some(stranger.token.as_str())] {
            let answer = rig.send((route.method.clone(), "acme.localtest", &path), token, Some(json!({})), &[]).await;
            if route.class == RouteClass::Service {
                assert_ne!(answer.status, 402, "{}", route.id);
                assert_eq!(route.access, Access::Open, "{}", route.id);
            } else {
                assert!(owes(&answer).to_string().contains("complete the payment"), "{}", route.id);
            }
        }
    }
}

#[actix_web::test]
async fn a_reserved_workspace_is_there_once_it_is_paid_for() {
    let rig = Rig::new().await;
    rig.reserve("ann", "acme").await;
    let other = rig.beside(Plan::default());
    owes(&rig.sign_in("ann", "acme.localtest").await);
    owes(&other.sign_in("ann", "acme.localtest").await);
    let central = rig.signed_in("ann", API).await;
    let own = rig.get(API, "/api/v1/workspaces", &central.token).await.expect(200).json()["data"][0].clone();
    assert_eq!((&own["status"], &own["restriction"]), (&json!("past_due"), &json!("reserved")));
    owes(&rig.post(API, "/api/v1/workspaces/acme/token", Some(&central.token), json!({})).await);
    rig.entitle(ACME, None).await;
    let ann = rig.signed_in("ann", "acme.localtest").await;
    make(&rig, &ann, "web").await.expect(201);
    // The other node has heard nothing yet, and asks before it turns anybody away.
    other.signed_in("ann", "acme.localtest").await;
}

#[actix_web::test]
async fn a_discarded_workspace_is_nobodys_at_once() {
    let rig = Rig::new().await;
    rig.reserve("ann", "acme").await;
    let taken = json!({
        "name": "bob", "email": "bob@example.com", "password": PASSWORD, "workspace": { "name": "Acme", "subdomain": "acme" },
    });
    rig.post(API, "/api/v1/onboarding/signup", None, taken.clone()).await.expect(409);
    owes(&rig.sign_in("ann", "acme.localtest").await);
    rig.services.tenancy.discard(ACME, &Actor::system()).await.unwrap();
    assert_eq!(rig.sign_in("ann", "acme.localtest").await.expect(404).json()["code"], "WORKSPACE_NOT_FOUND");
    let central = rig.signed_in("ann", API).await;
    assert_eq!(rig.get(API, "/api/v1/workspaces", &central.token).await.expect(200).json()["data"], json!([]));
    rig.sign_up("bob", "acme").await;
    assert_eq!(rig.sign_in("ann", "acme.localtest").await.expect(401).json()["code"], "INVALID_CREDENTIALS");
}

/// The operator's own suspension apart: what a node remembers of a workspace is what it enforces.
#[actix_web::test]
async fn every_node_enforces_it_as_soon_as_it_hears_of_it() {
    let rig = Rig::new().await;
    let ann = rig.sign_up("ann", "acme").await;
    let other = rig.beside(Plan::default());
    make(&other, &ann, "one").await.expect(201);
    rig.entitle(id(&ann), Some(Unpaid::ReadOnly(SINCE))).await;
    owes(&make(&rig, &ann, "two").await);
    other.cloud.poll().await.unwrap();
    owes(&make(&other, &ann, "two").await);
    rig.entitle(id(&ann), None).await;
    other.cloud.poll().await.unwrap();
    make(&other, &ann, "two").await.expect(201);
}

/// Somebody was told by one node that all is paid for, and asks another one that has not heard of it.
#[actix_web::test]
async fn nobody_is_turned_away_by_a_node_that_has_not_heard_that_they_paid() {
    let rig = Rig::new().await;
    let ann = rig.sign_up("ann", "acme").await;
    rig.entitle(id(&ann), Some(Unpaid::ReadOnly(SINCE))).await;
    let other = rig.beside(Plan::default());
    for _ in 0..2 {
        owes(&make(&other, &ann, "web").await);
    }
    rig.entitle(id(&ann), None).await;
    // It asks so often, and no more, whoever is turned away.
    other.stopwatch.advance(Duration::from_millis(49));
    owes(&make(&other, &ann, "web").await);
    other.stopwatch.advance(Duration::from_millis(1));
    make(&other, &ann, "web").await.expect(201);
}

/// What is open anyway waits for nobody.
#[actix_web::test]
async fn who_owes_and_does_what_is_open_costs_no_look_at_the_store() {
    let faults = Arc::new(Faults::default());
    let rig = Rig::new().await;
    let ann = rig.sign_up("ann", "acme").await;
    rig.entitle(id(&ann), Some(Unpaid::ReadOnly(SINCE))).await;
    let other = rig.beside(Plan { faults: Arc::clone(&faults), ..Plan::default() });
    other.get(&ann.host, "/api/v1/workspace", &ann.token).await.expect(200);
    other.stopwatch.advance(Duration::from_secs(1));
    faults.inject(At::operation("tenant_directory.changes_since"), Fault::Before);
    other.get(&ann.host, "/api/v1/workspace", &ann.token).await.expect(200);
    assert_eq!(faults.pending(), 1, "nobody has asked");
    // Where the store does not say, what is known counts.
    owes(&make(&other, &ann, "web").await);
    assert_eq!(faults.pending(), 0);
}

#[actix_web::test]
async fn clients_of_who_does_not_pay_go_on_for_as_long_as_was_said() {
    let day = Duration::from_hours(24);
    let access = AccessPolicy { unpaid_evaluation: Some(day), ..AccessPolicy::default() };
    let rig = Rig::planned(Plan { access, ..Plan::default() }).await;
    let ann = rig.sign_up("ann", "acme").await;
    rig.entitle(id(&ann), Some(Unpaid::ReadOnly(rig.clock.now()))).await;
    rig.get(&ann.host, "/api/v1/platforms", &ann.token).await.expect(200);
    rig.clock.advance(day);
    let late = rig.signed_in("ann", &ann.host).await;
    owes(&rig.get(&ann.host, "/api/v1/platforms", &late.token).await);
    rig.get(&ann.host, "/api/v1/workspace/members", &late.token).await.expect(200);
    rig.entitle(id(&ann), None).await;
    rig.get(&ann.host, "/api/v1/platforms", &late.token).await.expect(200);
}
