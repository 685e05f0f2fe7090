//! What clients were told is what is counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use reqwest::Method;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::client::{Client, INTERNAL, PUBLIC, flag, make_environment, make_key};
use crate::people::{Owner, sign_up};
use crate::server::{Launch, eventually};

const CLIENTS: usize = 4;
/// Answers after which the process is killed.
const STORM: u64 = 60;

/// How often it is killed; more of it by a recipe.
#[expect(clippy::disallowed_methods, reason = "a recipe asks for more")]
fn kills() -> u64 {
    std::env::var("TOGGLEBOX_TEST_KILLS").ok().map_or(6, |kills| kills.parse().unwrap())
}

/// What was used by a key, as its workspace sees it.
async fn used(owner: &Client, key: &str) -> u64 {
    let usage = owner.get("/api/v1/usage").await.data(200);
    usage["meters"]["api.requests"]["by"]["key"][key].as_u64().unwrap_or(0)
}

/// A workspace with a flag, and a key with its id.
async fn furnished(owner: &Client) -> (Client, String) {
    make_environment(owner).await;
    owner.post(&format!("{INTERNAL}/flags"), flag("dark")).await.expect(201);
    let (client, id, _) = make_key(owner, &["config:read"]).await;
    (client, id.replace('-', ""))
}

/// Asks until the server is gone; the last question has no answer.
async fn ask_until_the_end(client: Client, answered: Arc<AtomicU64>) {
    let path = format!("{PUBLIC}/flags");
    while let Ok(reply) = client.try_send(Method::GET, &path, None, &[]).await {
        reply.expect(200);
        answered.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_often_the_process_is_killed_what_was_answered_is_counted_once() {
    let mut server = Launch::new().start().await;
    let Owner { client: mut owner, .. } = sign_up(&server, "acme").await;
    let (mut client, key) = furnished(&owner).await;
    let (answered, mut unknown) = (Arc::new(AtomicU64::new(0)), 0);
    for round in 0..kills() {
        let (mut clients, before) = (JoinSet::new(), answered.load(Ordering::SeqCst));
        for _ in 0..CLIENTS {
            clients.spawn(ask_until_the_end(client.clone(), Arc::clone(&answered)));
        }
        // A little more each time, so that the blow falls elsewhere.
        eventually("the storm blows", async || answered.load(Ordering::SeqCst) >= before + STORM + 7 * round).await;
        let launch = server.launch().clone();
        server.kill().await;
        clients.join_all().await;
        unknown += CLIENTS as u64;
        server = launch.start().await;
        (owner, client) = (owner.at(&server), client.at(&server));
        let answered = answered.load(Ordering::SeqCst);
        // What the process that was killed had counted is brought in behind the requests.
        eventually("everything is counted", async || used(&owner, &key).await >= answered).await;
        let used = used(&owner, &key).await;
        assert!(used <= answered + unknown, "{used} of {answered} and {unknown}");
    }
    let before = used(&owner, &key).await;
    let launch = server.launch().clone();
    let ended = server.stop().await;
    assert!(ended.status.success() && !ended.log.contains("ERROR"), "{}", ended.log);
    let server = launch.start().await;
    assert_eq!(used(&owner.at(&server), &key).await, before, "an orderly end leaves nothing for later");
}

#[tokio::test]
async fn two_nodes_count_into_one_sum() {
    let launch = Launch::new();
    let (one, other) = (launch.start().await, launch.start().await);
    let Owner { client: owner, .. } = sign_up(&one, "acme").await;
    let (client, key) = furnished(&owner).await;
    let path = format!("{PUBLIC}/flags");
    for _ in 0..10 {
        client.get(&path).await.expect(200);
        eventually("the key is known there", async || client.at(&other).get(&path).await.status == 200).await;
    }
    // What the other node holds follows within a second.
    eventually("both are in it", async || used(&owner, &key).await >= 20).await;
    let series: Value = owner.get(&format!("/api/v1/usage/series?key={key}&grain=day")).await.data(200);
    assert_eq!(series["total"].as_u64().unwrap(), used(&owner, &key).await);
}
