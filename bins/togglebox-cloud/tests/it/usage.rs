//! What clients were told is what is counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::client::{Client, INTERNAL, PUBLIC, flag, make_environment, make_key};
use crate::engine::variable_or_skip;
use crate::people::{Owner, host, sign_in, sign_up};
use crate::server::{Launch, eventually};

const CLIENTS: usize = 4;
/// How often the process is killed, and after how many answers; more of both by a recipe (`just usage-kills`).
#[expect(clippy::disallowed_methods, reason = "a recipe asks for more")]
fn kills_and_answers() -> (u64, u64) {
    let given = |name, otherwise| std::env::var(name).ok().map_or(otherwise, |text| text.parse().unwrap());
    (given("TOGGLEBOX_TEST_KILLS", 6), given("TOGGLEBOX_TEST_ANSWERS", 60))
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
    let (kills, answers) = kills_and_answers();
    for round in 0..kills {
        let (mut clients, before) = (JoinSet::new(), answered.load(Ordering::SeqCst));
        for _ in 0..CLIENTS {
            clients.spawn(ask_until_the_end(client.clone(), Arc::clone(&answered)));
        }
        // A little more each time, so that the blow falls elsewhere.
        eventually("the storm blows", async || answered.load(Ordering::SeqCst) >= before + answers + 7 * (round % 100)).await;
        let launch = server.launch().clone();
        server.kill().await;
        clients.join_all().await;
        unknown += CLIENTS as u64;
        server = launch.start().await;
        // What one signs in with ends after a while.
        owner = sign_in(&server, "acme@example.com", &host("acme")).await.unwrap();
        client = client.at(&server);
        let answered = answered.load(Ordering::SeqCst);
        // What the process that was killed had counted is brought in behind the requests.
        eventually("everything is counted", async || used(&owner, &key).await >= answered).await;
        let used = used(&owner, &key).await;
        assert!(used <= answered + unknown, "{used} of {answered} and {unknown}");
    }
    let before = used(&owner, &key).await;
    let answered = answered.load(Ordering::SeqCst);
    eprintln!("{kills} kills, {answered} answers, {before} counted, at most {unknown} of them without an answer");
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

/// A region that is not the one of who names none: ministack keeps the queues of each apart.
const REGION: &str = "eu-central-1";

/// A new FIFO queue on ministack: its URL.
async fn make_queue(endpoint: &str) -> String {
    let attributes = json!({ "FifoQueue": "true", "VisibilityTimeout": "2" });
    togglebox_server::install_crypto();
    let request = reqwest::Client::new().post(endpoint).header("x-amz-target", "AmazonSQS.CreateQueue");
    let request = request.header("content-type", "application/x-amz-json-1.0");
    // It reads who asks, and where, but does not check the signature.
    let signed = format!("AWS4-HMAC-SHA256 Credential=test/20260101/{REGION}/sqs/aws4_request, SignedHeaders=host, Signature=0");
    let request = request.header("authorization", signed);
    let body = json!({ "QueueName": format!("usage-{}.fifo", uuid()), "Attributes": attributes });
    let text = request.body(body.to_string()).send().await.unwrap().text().await.unwrap();
    let made: Value = serde_json::from_str(&text).unwrap();
    made["QueueUrl"].as_str().unwrap_or_else(|| panic!("{text}")).to_owned()
}

/// A name that no other test has.
fn uuid() -> String {
    let folder = tempfile::tempdir().unwrap();
    folder.path().file_name().unwrap().to_str().unwrap().chars().filter(char::is_ascii_alphanumeric).collect()
}

#[tokio::test]
async fn what_goes_through_a_queue_is_counted_once_however_often_the_process_is_killed() {
    let Some(endpoint) = variable_or_skip("TOGGLEBOX_TEST_MINISTACK") else { return };
    let launch = Launch::new().set("USAGE_QUEUE", &make_queue(&endpoint).await).set("SQS_ENDPOINT", &endpoint);
    let launch = launch.set("AWS_ACCESS_KEY_ID", "test").set("AWS_SECRET_ACCESS_KEY", "test");
    // Where these are not set, the machine is asked where it runs, and some know.
    let launch = launch.set("AWS_REGION", REGION).set("AWS_EC2_METADATA_DISABLED", "true");
    let mut server = launch.start().await;
    let Owner { client: mut owner, .. } = sign_up(&server, "acme").await;
    let (client, key) = furnished(&owner).await;
    for round in 1..=3 {
        for _ in 0..20 {
            client.at(&server).get(&format!("{PUBLIC}/flags")).await.expect(200);
        }
        server.kill().await;
        server = launch.start().await;
        owner = owner.at(&server);
        eventually("it has come through", async || used(&owner, &key).await >= 20 * round).await;
        assert_eq!(used(&owner, &key).await, 20 * round);
    }
    let wrong = launch.clone().set("USAGE_QUEUE", format!("{endpoint}/000000000000/nobodys"));
    let refused = wrong.run(&["serve"], "").await;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned() + &String::from_utf8_lossy(&refused.stdout);
    assert!(!refused.status.success() && said.contains("USAGE_QUEUE"), "{said}");
}
