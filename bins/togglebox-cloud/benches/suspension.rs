//! How long it takes until a workspace that one node has suspended is refused by another.
//!
//! What is measured goes from the end of one node's answer to the operator until the end of the other's first refusal of a member.
//!
//! `cargo xtask bench suspension`

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and ends where it cannot measure")]

#[expect(dead_code, reason = "some of it is for the other program")]
#[path = "../../togglebox/benches/support/mod.rs"]
mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;

use support::{Case, Client, Node, PASSWORD, fraction};

/// The program that is measured.
const BINARY: &str = env!("CARGO_BIN_EXE_togglebox-cloud");
/// What it cannot do without.
const SETTINGS: &[(&str, &str)] = &[("BASE_DOMAIN", "localtest"), ("PLAN_RATES", "off")];

/// How often a node asks the store.
const POLL: Duration = Duration::from_secs(1);
/// The central host.
const API: Option<&str> = Some("api.localtest");

#[tokio::main]
async fn main() {
    support::measure("suspension", [Duration::from_millis(250), Duration::from_secs(2)], measured).await;
}

async fn measured(case: Case) -> Vec<Duration> {
    let case = Arc::new(case);
    let one = case.first_node();
    let operator = one.admin(API).await;
    let other = case.node();
    let mut workspaces = JoinSet::new();
    for number in 0..case.at_once {
        let (id, member) = workspace(&one, &other, &format!("acme-{number}")).await;
        let (case, operator) = (Arc::clone(&case), operator.clone());
        workspaces.spawn(async move {
            let path = |what: &str| format!("/api/v1/admin/workspaces/{id}/{what}");
            until(&case, &member, 200).await;
            let mut taken = Vec::new();
            for time in 0..case.times() {
                if case.at_once > 1 {
                    // Otherwise all would be suspended just after a poll.
                    tokio::time::sleep(POLL.mul_f64(fraction(number * case.times() + time))).await;
                }
                operator.post(&path("suspend"), json!({ "reason": "unpaid" })).await;
                let began = Instant::now();
                taken.push(until(&case, &member, 403).await.duration_since(began));
                operator.post(&path("resume"), json!({})).await;
                until(&case, &member, 200).await;
            }
            taken
        });
    }
    workspaces.join_all().await.concat()
}

/// The id of a new workspace, and its owner as a client of the other node.
async fn workspace(one: &Node, other: &Node, name: &str) -> (String, Client) {
    let body = json!({
        "name": name, "email": format!("{name}@example.com"), "password": PASSWORD,
        "workspace": { "name": name, "subdomain": name },
    });
    let signed_up = one.client(API).post("/api/v1/onboarding/signup", body).await;
    let data = &signed_up["data"];
    let member = other.client(Some(&format!("{name}.localtest"))).with(&data["token"]);
    (data["workspace"]["id"].as_str().unwrap().to_owned(), member)
}

/// Waits until the member is answered so; when that was known.
async fn until(case: &Case, member: &Client, status: u16) -> Instant {
    loop {
        if member.send(Method::GET, "/api/v1/workspace", None).await.status() == status {
            return Instant::now();
        }
        case.pause().await;
    }
}
