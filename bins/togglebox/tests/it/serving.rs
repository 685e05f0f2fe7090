//! Reads come from memory: they see every write, and go on when the store does not.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::PathBuf;
use std::time::Instant;

use reqwest::Method;
use rustix::fs::{FlockOperation, fcntl_lock};
use serde_json::json;
use tokio::task::JoinSet;

use crate::client::{Client, INTERNAL, PUBLIC, Reply, config, experiment, flag, make_environment, start_with_admin};
use crate::server::{Launch, PATIENCE, Server, eventually};

async fn furnished() -> (Server, Client) {
    let (server, admin) = start_with_admin(Launch::new()).await;
    make_environment(&admin).await;
    (server, admin)
}

/// Keeps every other process from writing to the database while it lives, as a writer that does not come to an end would.
struct WriteLock(File);

impl WriteLock {
    /// SQLite's locks of a database with a write-ahead log are on the bytes of its index. A writer takes one of them for itself,
    /// which nobody can who finds them all shared; readers share them.
    async fn take(launch: &Launch) -> Self {
        let index = File::open(side_file(launch, "-shm")).expect("the log's index");
        let lock = async || fcntl_lock(&index, FlockOperation::NonBlockingLockShared).is_ok();
        eventually("nobody writes for a moment", lock).await;
        Self(index)
    }

    fn release(self) {
        fcntl_lock(&self.0, FlockOperation::Unlock).expect("it was locked");
    }
}

fn side_file(launch: &Launch, suffix: &str) -> PathBuf {
    let mut path = launch.database().into_os_string();
    path.push(suffix);
    path.into()
}

fn uncompressed(reply: &Reply) -> Vec<u8> {
    let mut plain = Vec::new();
    match reply.header("content-encoding") {
        Some("gzip") => flate2::read::GzDecoder::new(&*reply.bytes).read_to_end(&mut plain).unwrap(),
        Some("br") => brotli::Decompressor::new(&*reply.bytes, 4096).read_to_end(&mut plain).unwrap(),
        Some(other) => panic!("{other}"),
        None => (&*reply.bytes).read_to_end(&mut plain).unwrap(),
    };
    plain
}

#[tokio::test]
async fn every_write_is_seen_by_the_next_read() {
    let (_server, admin) = furnished().await;
    let anonymous = admin.anonymous();
    admin.post(&format!("{INTERNAL}/flags"), flag("dark")).await.expect(201);
    admin.post(&format!("{INTERNAL}/configs"), config("title", "0")).await.expect(201);
    for n in 1..60 {
        let enabled = n % 2 == 0;
        admin.patch(&format!("{INTERNAL}/flags/dark/toggle"), json!({ "enabled": enabled })).await.expect(200);
        assert_eq!(anonymous.get(&format!("{PUBLIC}/flags/dark")).await.data(200)["enabled"], enabled);
        assert_eq!(anonymous.get(&format!("{PUBLIC}/flags")).await.data(200)[0]["enabled"], enabled);
        let served = anonymous.get(&format!("{PUBLIC}/flags/dark/evaluate?userId=u")).await.data(200);
        assert_eq!(served["servedValue"], if enabled { "A" } else { "B" });

        admin.patch(&format!("{INTERNAL}/configs/title"), json!({ "defaultValue": n.to_string() })).await.expect(200);
        assert_eq!(anonymous.get(&format!("{PUBLIC}/configs")).await.data(200), json!({ "title": n.to_string() }));
    }
    admin.delete(&format!("{INTERNAL}/flags/dark")).await.expect(204);
    assert_eq!(anonymous.get(&format!("{PUBLIC}/flags/dark")).await.code(404), "NOT_FOUND");
    admin.delete("/api/v1/internal/platforms/web").await.expect(204);
    assert_eq!(anonymous.get(&format!("{PUBLIC}/configs")).await.data(200), json!({}));
    make_environment(&admin).await;
    assert_eq!(anonymous.get(&format!("{PUBLIC}/configs")).await.data(200), json!({}), "nothing of the old one is left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_reader_ever_sees_an_older_state_after_a_newer_one() {
    let (_server, admin) = furnished().await;
    admin
        .post(&format!("{INTERNAL}/configs"), json!({ "parameterKey": "n", "valueType": "number", "defaultValue": "0" }))
        .await
        .expect(201);
    let mut readers = JoinSet::new();
    for _ in 0..4 {
        let client = admin.anonymous();
        readers.spawn(async move {
            let mut last = 0;
            while last < 100 {
                let now = client.get(&format!("{PUBLIC}/configs")).await.data(200)["n"].as_u64().unwrap();
                assert!(now >= last, "{now} after {last}");
                last = now;
            }
        });
    }
    for n in 1..=100 {
        admin.patch(&format!("{INTERNAL}/configs/n"), json!({ "defaultValue": n.to_string() })).await.expect(200);
    }
    readers.join_all().await;
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let (_server, admin) = furnished().await;
    admin.post(&format!("{INTERNAL}/flags"), flag("dark")).await.expect(201);
    for path in [format!("{PUBLIC}/flags"), format!("{PUBLIC}/flags/dark"), format!("{PUBLIC}/flags/none"), "/health".to_owned()]
    {
        let get = admin.get(&path).await;
        let head = admin.send(Method::HEAD, &path, None, &[]).await;
        assert_eq!((head.status, head.bytes.len()), (get.status, 0), "{path}");
        for name in ["content-type", "etag", "cache-control"] {
            assert_eq!(head.header(name), get.header(name), "{name} of {path}");
        }
        let length = head.header("content-length").expect("a length").parse::<usize>().unwrap();
        // The time since the start is a little longer each time.
        assert!(path == "/health" || length == get.bytes.len(), "{path}: {length}");
        if let Some(tag) = get.header("etag") {
            let head = admin.send(Method::HEAD, &path, None, &[("if-none-match", tag)]).await;
            assert_eq!(head.status, 304);
        }
    }
}

#[tokio::test]
async fn what_is_compressed_unpacks_to_what_is_not() {
    let (_server, admin) = furnished().await;
    for n in 0..20 {
        admin.post(&format!("{INTERNAL}/flags"), flag(&format!("flag-{n}"))).await.expect(201);
        admin.post(&format!("{INTERNAL}/configs"), config(&format!("config-{n}"), &"é".repeat(100))).await.expect(201);
        admin.post(&format!("{INTERNAL}/experiments"), experiment(&format!("experiment-{n}"))).await.expect(201);
    }
    for path in ["configs", "flags", "experiments"].map(|path| format!("{PUBLIC}/{path}")) {
        let plain = admin.get(&path).await;
        assert_eq!((plain.status, plain.header("content-encoding")), (200, None));
        let mut tags = vec![plain.header("etag").unwrap().to_owned()];
        for coding in ["gzip", "br"] {
            let reply = admin.send(Method::GET, &path, None, &[("accept-encoding", coding)]).await;
            assert_eq!(reply.expect(200).header("content-encoding"), Some(coding), "{path}");
            assert!(
                reply.bytes.len() < plain.bytes.len() / 2,
                "{path} in {coding}: {} of {}",
                reply.bytes.len(),
                plain.bytes.len()
            );
            assert_eq!(String::from_utf8(uncompressed(&reply)).unwrap(), plain.text(), "{path} in {coding}");
            assert!(reply.header("vary").is_some_and(|vary| vary.to_ascii_lowercase().contains("accept-encoding")), "{path}");
            tags.push(reply.header("etag").unwrap().to_owned());
        }
        let distinct: std::collections::BTreeSet<_> = tags.iter().collect();
        assert_eq!(distinct.len(), 3, "another body, another strong tag");
        for tag in &tags {
            let again = admin.send(Method::GET, &path, None, &[("if-none-match", tag), ("accept-encoding", "br")]).await;
            assert_eq!(again.status, 304, "{path} with {tag}");
        }
        let refused = admin.send(Method::GET, &path, None, &[("accept-encoding", "gzip;q=0, br;q=0, identity")]).await;
        assert_eq!((refused.status, refused.header("content-encoding")), (200, None));
    }
    // What is made for one answer only.
    let page = format!("{PUBLIC}/flags?limit=15");
    let packed = admin.send(Method::GET, &page, None, &[("accept-encoding", "gzip")]).await;
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    let (plain, unpacked) = (admin.get(&page).await.data(200), uncompressed(&packed));
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&unpacked).unwrap()["data"], plain);
}

#[tokio::test]
async fn reads_go_on_while_nobody_can_write() {
    let (server, admin) = furnished().await;
    admin.post(&format!("{INTERNAL}/flags"), flag("dark")).await.expect(201);
    admin.post(&format!("{INTERNAL}/configs"), config("title", "before")).await.expect(201);
    let anonymous = admin.anonymous();
    let before = anonymous.get(&format!("{PUBLIC}/flags")).await.data(200);

    let lock = WriteLock::take(server.launch()).await;
    let (writer, began) = (admin.clone(), Instant::now());
    let blocked =
        tokio::spawn(async move { writer.patch(&format!("{INTERNAL}/configs/title"), json!({ "defaultValue": "after" })).await });
    let event =
        json!({ "type": "flag_evaluation", "flagKey": "dark", "value": "A", "userId": "u", "timestamp": "2026-01-02T03:04:05Z" });
    let answered = 50;
    for _ in 0..answered {
        assert_eq!(anonymous.get(&format!("{PUBLIC}/flags")).await.data(200), before);
        assert_eq!(anonymous.get(&format!("{PUBLIC}/configs")).await.data(200), json!({ "title": "before" }));
        anonymous.get(&format!("{PUBLIC}/flags/dark/evaluate?userId=u&track=false")).await.expect(200);
        anonymous.post(&format!("{PUBLIC}/stats/events"), json!({ "events": [event] })).await.expect(200);
    }
    assert!(!blocked.is_finished(), "reads do not wait for the write");
    let refused = blocked.await.unwrap();
    assert!(began.elapsed() < PATIENCE / 3, "five seconds is what it may take, but it took {:?}", began.elapsed());
    assert_eq!(refused.code(503), "SERVICE_UNAVAILABLE");
    assert!(refused.header("retry-after").is_some());
    assert_eq!(anonymous.get("/ready").await.expect(200).json()["success"], true);

    lock.release();
    admin.patch(&format!("{INTERNAL}/configs/title"), json!({ "defaultValue": "after" })).await.expect(200);
    assert_eq!(anonymous.get(&format!("{PUBLIC}/configs")).await.data(200), json!({ "title": "after" }));
    let counted = async || admin.get(&format!("{INTERNAL}/flags/dark/stats")).await.data(200)["totalEvaluations"] == answered;
    eventually("what was counted meanwhile is written", counted).await;
    let ended = server.stop().await;
    assert!(ended.status.success() && !ended.log.contains(r#""level":"ERROR""#), "{}", ended.log);
}

#[tokio::test]
async fn reads_go_on_and_say_that_they_may_be_stale_when_the_database_is_destroyed() {
    let (server, admin) = furnished().await;
    admin.post(&format!("{INTERNAL}/configs"), config("title", "before")).await.expect(201);
    let anonymous = admin.anonymous();
    let fresh = anonymous.get(&format!("{PUBLIC}/configs")).await;
    assert_eq!((fresh.status, fresh.header("x-togglebox-stale")), (200, None));

    for path in [server.launch().database(), side_file(server.launch(), "-wal")] {
        let length = fs::metadata(&path).unwrap().len();
        fs::write(&path, vec![0; usize::try_from(length).unwrap()]).unwrap();
    }
    let stale = async || {
        // What the process holds of the file is good until something is written, so something is. It may succeed: the file is not read
        // for it.
        admin.patch(&format!("{INTERNAL}/configs/title"), json!({ "defaultValue": "after" })).await;
        anonymous.get(&format!("{PUBLIC}/configs")).await
    };
    eventually("reads say that they may be stale", async || stale().await.header("x-togglebox-stale") == Some("true")).await;
    let stale = anonymous.get(&format!("{PUBLIC}/configs")).await;
    assert_eq!((stale.status, &stale.bytes), (200, &fresh.bytes));
    assert_eq!(anonymous.get(&format!("{PUBLIC}/flags/none")).await.code(404), "NOT_FOUND");
    anonymous.get("/ready").await.expect(200);

    let refused = admin.get(&format!("{INTERNAL}/configs/title/versions")).await;
    assert!(
        matches!(refused.code(refused.status).as_str(), "INTERNAL_SERVER_ERROR" | "SERVICE_UNAVAILABLE"),
        "{}",
        refused.text()
    );
    for word in ["sqlite", "database", "malformed", "t.db"] {
        assert!(!refused.text().to_lowercase().contains(word), "the store's words: {}", refused.text());
    }
}

#[tokio::test]
async fn processes_over_one_file_see_each_others_writes() {
    let (one, admin) = furnished().await;
    let two = one.launch().start().await;
    let (at_one, at_two) = (admin.clone(), admin.at(&two));
    at_one.post(&format!("{INTERNAL}/configs"), config("title", "one")).await.expect(201);
    let title = async |client: &Client| client.get(&format!("{PUBLIC}/configs")).await.data(200)["title"].clone();
    eventually("the second sees what the first made", async || title(&at_two).await == "one").await;
    at_two.patch(&format!("{INTERNAL}/configs/title"), json!({ "defaultValue": "two" })).await.expect(200);
    assert_eq!(title(&at_two).await, "two");
    eventually("the first sees what the second changed", async || title(&at_one).await == "two").await;

    at_one.post("/api/v1/internal/platforms", json!({ "name": "ios" })).await.expect(201);
    eventually("the second sees the platform", async || at_two.get("/api/v1/platforms/ios").await.status == 200).await;
    at_one.delete("/api/v1/internal/platforms/web").await.expect(204);
    eventually("the second sees that it is gone", async || title(&at_two).await.is_null()).await;
}
