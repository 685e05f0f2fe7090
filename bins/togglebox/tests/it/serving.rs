//! Reads come from memory: they see every write, and go on when the store does not.

use std::io::Read as _;

use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;

use crate::client::{Client, INTERNAL, PUBLIC, Reply, config, experiment, flag, make_environment, start_with_admin};
use crate::server::{Launch, Server, eventually};

async fn furnished() -> (Server, Client) {
    let (server, admin) = start_with_admin(Launch::new()).await;
    make_environment(&admin).await;
    (server, admin)
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
        assert_eq!(anonymous.fresh(&format!("{PUBLIC}/flags/dark")).await.data(200)["enabled"], enabled);
        assert_eq!(anonymous.fresh(&format!("{PUBLIC}/flags")).await.data(200)[0]["enabled"], enabled);
        let served = anonymous.fresh(&format!("{PUBLIC}/flags/dark/evaluate?userId=u")).await.data(200);
        assert_eq!(served["servedValue"], if enabled { "A" } else { "B" });

        admin.patch(&format!("{INTERNAL}/configs/title"), json!({ "defaultValue": n.to_string() })).await.expect(200);
        assert_eq!(anonymous.fresh(&format!("{PUBLIC}/configs")).await.data(200), json!({ "title": n.to_string() }));
    }
    admin.delete(&format!("{INTERNAL}/flags/dark")).await.expect(204);
    assert_eq!(anonymous.fresh(&format!("{PUBLIC}/flags/dark")).await.code(404), "NOT_FOUND");
    admin.delete("/api/v1/internal/platforms/web").await.expect(204);
    assert_eq!(anonymous.fresh(&format!("{PUBLIC}/configs")).await.data(200), json!({}));
    make_environment(&admin).await;
    assert_eq!(anonymous.fresh(&format!("{PUBLIC}/configs")).await.data(200), json!({}), "nothing of the old one is left");
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
async fn nodes_over_one_store_see_each_others_writes() {
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
