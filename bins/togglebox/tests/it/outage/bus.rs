//! Redis, which carries the notices, freezes, dies and comes back. It costs notices, never a write.

use serde_json::json;

use super::Pair;
use crate::client::{Client, INTERNAL, PUBLIC, config};
use crate::server::{PATIENCE, eventually};
use crate::service::{Database, Redis};

async fn write(client: &Client, value: &str) {
    client.patch(&format!("{INTERNAL}/configs/title"), json!({ "defaultValue": value })).await.expect(200);
}

async fn is_served(client: &Client, value: &str) -> bool {
    client.get(&format!("{PUBLIC}/configs")).await.data(200)["title"] == value
}

/// A dozen writes on one node, none of which is refused; the other serves the last of them, and no read says that it may be stale.
async fn writes_get_through(pair: &Pair, when: &str) {
    for (writer, reader) in [(&pair.at_one, &pair.at_other), (&pair.at_other, &pair.at_one)] {
        for n in 0..12 {
            write(writer, &format!("{when} {n}")).await;
        }
        let last = format!("{when} 11");
        assert!(is_served(writer, &last).await, "{when}");
        eventually(format!("the other node serves what was written {when}"), async || is_served(reader, &last).await).await;
        assert_eq!(reader.get(&format!("{PUBLIC}/configs")).await.header("x-togglebox-stale"), None);
    }
}

/// Writes one after the other, each when the one before is served by the other node. A node polls at most every two seconds and finds
/// one of them each time, so by polls alone they would take longer than anything may.
async fn notices_get_through(pair: &Pair, when: &str) {
    const WRITES: u64 = 20;
    let two_polls_too_many = PATIENCE.as_secs() / 2 + 2;
    assert!(WRITES > two_polls_too_many);
    let all = async {
        for n in 0..WRITES {
            let value = format!("{when} {n}");
            write(&pair.at_one, &value).await;
            eventually("the other node serves it", async || is_served(&pair.at_other, &value).await).await;
        }
    };
    tokio::time::timeout(PATIENCE, all).await.unwrap_or_else(|_| panic!("no notices {when}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_away_costs_notices_and_nothing_else() {
    let Some(database) = Database::postgres().await else { return };
    let Some(mut redis) = Redis::start().await else { return };
    let pair = Pair::start(database.launch().set("REDIS_URL", redis.url())).await;
    pair.at_one.post(&format!("{INTERNAL}/configs"), config("title", "")).await.expect(201);
    redis.has_listeners(2).await;
    notices_get_through(&pair, "at first").await;

    redis.0.freeze();
    writes_get_through(&pair, "while it is frozen").await;
    redis.0.thaw();
    redis.has_listeners(2).await;
    notices_get_through(&pair, "after it was frozen").await;

    redis.0.kill();
    writes_get_through(&pair, "while it is gone").await;
    redis.0.start().await;
    redis.has_listeners(2).await;
    notices_get_through(&pair, "after it was gone").await;

    let log = pair.stop().await;
    assert!(log.contains("Redis") && !log.contains(r#""level":"ERROR""#), "it is told, and no error: {log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_starts_though_redis_is_not_there() {
    let Some(database) = Database::postgres().await else { return };
    let Some(mut redis) = Redis::start().await else { return };
    redis.0.kill();
    let pair = Pair::start(database.launch().set("REDIS_URL", redis.url())).await;
    pair.at_one.post(&format!("{INTERNAL}/configs"), config("title", "")).await.expect(201);
    writes_get_through(&pair, "without it").await;
    redis.0.start().await;
    redis.has_listeners(2).await;
    notices_get_through(&pair, "when it has come").await;
    pair.stop().await;
}
