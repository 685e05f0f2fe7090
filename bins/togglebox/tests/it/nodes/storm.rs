//! Writes to both nodes at once, to few things, in any order.

use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::with_each_bus;
use crate::client::{Client, INTERNAL, PUBLIC, config, experiment, flag};
use crate::outage::Pair;
use crate::server::eventually;

/// On each node.
const WRITERS: u64 = 3;
/// Of each writer.
const WRITES: u64 = 40;

/// Numbers that look random, and are the same in every run.
fn number(writer: u64, n: u64, what: &str, below: u64) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one((writer, n, what)) % below
}

/// A write that may fail: what it is about may be there already, or not be there.
fn any_write(writer: u64, n: u64) -> (Method, String, Value) {
    let key = format!("key-{}", number(writer, n, "key", 3));
    let text = format!("{writer}/{n}");
    let managed = "/api/v1/internal/platforms";
    match number(writer, n, "kind", 14) {
        0 | 1 => (Method::POST, format!("{INTERNAL}/flags"), flag(&key)),
        2 | 3 => (Method::PUT, format!("{INTERNAL}/flags/{key}"), json!({ "name": text })),
        4 => (Method::PATCH, format!("{INTERNAL}/flags/{key}/toggle"), json!({ "enabled": n.is_multiple_of(2) })),
        5 => (Method::DELETE, format!("{INTERNAL}/flags/{key}"), json!({})),
        6 | 7 => (Method::POST, format!("{INTERNAL}/configs"), config(&key, &text)),
        8 | 9 => (Method::PATCH, format!("{INTERNAL}/configs/{key}"), json!({ "defaultValue": text })),
        10 => (Method::DELETE, format!("{INTERNAL}/configs/{key}"), json!({})),
        11 => (Method::POST, format!("{INTERNAL}/experiments"), experiment(&key)),
        12 => (Method::POST, format!("{managed}/web/environments"), json!({ "environment": key })),
        _ => (Method::DELETE, format!("{managed}/web/environments/{key}"), json!({})),
    }
}

async fn write(client: Client, writer: u64) -> usize {
    let mut successes = 0;
    for n in 0..WRITES {
        let (method, path, body) = any_write(writer, n);
        let reply = client.send(method.clone(), &path, Some(&body), &[]).await;
        assert!(matches!(reply.status, 200 | 201 | 204 | 404 | 409), "{method} {path}: {} {}", reply.status, reply.text());
        successes += usize::from(reply.status < 300);
    }
    successes
}

/// Every list that clients read, as it comes.
async fn served(client: &Client) -> Vec<(String, Vec<u8>, Option<String>)> {
    let mut lists = Vec::new();
    let environment = ["flags", "configs", "configs/list", "experiments"].map(|list| format!("{PUBLIC}/{list}"));
    let directory = ["/api/v1/platforms", "/api/v1/platforms/web/environments"].map(str::to_owned);
    for path in environment.into_iter().chain(directory) {
        let reply = client.get(&path).await;
        let tag = reply.expect(200).header("etag").map(str::to_owned);
        lists.push((path, reply.bytes, tag));
    }
    lists
}

with_each_bus!(after_a_storm_all_nodes_serve_the_same);

async fn after_a_storm_all_nodes_serve_the_same(pair: &Pair) {
    let mut writers = JoinSet::new();
    for (node, (_, client)) in (0..).zip(pair.clients()) {
        for writer in 0..WRITERS {
            writers.spawn(write(client.clone(), node * WRITERS + writer));
        }
    }
    let successes: usize = writers.join_all().await.into_iter().sum();
    assert!(successes > 50, "most of the storm was idle: {successes}");

    // One that has heard nothing, and only reads what is stored.
    let third = pair.one.launch().start().await;
    let stored = served(&pair.at_one.at(&third)).await;
    assert!(stored.iter().all(|(path, _, tag)| tag.is_some() || path.ends_with("platforms")), "{stored:?}");
    for (name, client) in pair.clients() {
        eventually(format!("{name} serves what is stored"), async || served(client).await == stored).await;
    }
    assert!(third.stop().await.status.success());
}
