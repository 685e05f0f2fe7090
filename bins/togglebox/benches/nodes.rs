//! How long it takes until a write that one node has acknowledged is served by another.
//!
//! What is measured goes from the end of one node's answer to the write until the end of the first answer of the other that shows it.
//!
//! `cargo xtask bench nodes`

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and ends where it cannot measure")]

#[expect(dead_code, reason = "some of it is for the other program")]
mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;

use support::{Case, Client, fraction};

/// The program that is measured.
const BINARY: &str = env!("CARGO_BIN_EXE_togglebox");
/// What it cannot do without.
const SETTINGS: &[(&str, &str)] = &[];

/// How often a node asks the store.
const POLL: Duration = Duration::from_secs(2);
const PUBLIC: &str = "/api/v1/platforms/web/environments/prod/configs";
const INTERNAL: &str = "/api/v1/internal/platforms";

#[tokio::main]
async fn main() {
    support::measure("nodes", [Duration::from_millis(50), Duration::from_millis(2_500)], measured).await;
}

async fn measured(case: Case) -> Vec<Duration> {
    let case = Arc::new(case);
    let one = case.first_node();
    let writer = one.admin(None).await;
    writer.post(INTERNAL, json!({ "name": "web" })).await;
    writer.post(&format!("{INTERNAL}/web/environments"), json!({ "environment": "prod" })).await;
    let other = case.node();
    let reader = other.client(None);

    let mut writers = JoinSet::new();
    for number in 0..case.at_once {
        let (case, writer, reader) = (Arc::clone(&case), writer.clone(), reader.clone());
        writers.spawn(async move {
            let key = format!("key{number}");
            let made = json!({ "parameterKey": key, "valueType": "string", "defaultValue": "" });
            writer.post(&format!("{INTERNAL}/web/environments/prod/configs"), made).await;
            until(&case, &reader, &key, "").await;
            let mut taken = Vec::new();
            for write in 0..case.times() {
                if case.at_once > 1 {
                    // Otherwise all would write just after a poll.
                    tokio::time::sleep(POLL.mul_f64(fraction(number * case.times() + write))).await;
                }
                let value = write.to_string();
                writer.patch(&format!("{INTERNAL}/web/environments/prod/configs/{key}"), json!({ "defaultValue": value })).await;
                let began = Instant::now();
                taken.push(until(&case, &reader, &key, &value).await.duration_since(began));
            }
            taken
        });
    }
    writers.join_all().await.concat()
}

/// Waits until the parameter has the value; when that was known.
async fn until(case: &Case, reader: &Client, key: &str, value: &str) -> Instant {
    loop {
        if reader.get(PUBLIC).await["data"][key] == value {
            return Instant::now();
        }
        case.pause().await;
    }
}
