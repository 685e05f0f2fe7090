//! Every kind of thing that clients read, made, changed and deleted.

use reqwest::Method;
use serde_json::{Value, json};

use super::with_each_bus;
use crate::client::{Client, INTERNAL, PUBLIC, config, experiment, flag};
use crate::outage::Pair;
use crate::server::eventually;

/// A write on one node.
type Write = (Method, String, Value);

/// What is then read on the other: a path, a place in its data, and what is there. `None`: there is no such thing.
type Read = (String, &'static str, Option<Value>);

const PLATFORMS: &str = "/api/v1/platforms";
const MANAGED: &str = "/api/v1/internal/platforms";

with_each_bus!(what_is_written_on_one_node_is_served_by_the_other);

async fn what_is_written_on_one_node_is_served_by_the_other(pair: &Pair) {
    // Both have something in memory that is out of date later.
    for (_, client) in pair.clients() {
        client.get(&format!("{PUBLIC}/flags")).await.expect(200);
    }
    for (stage, (writes, reads)) in [made(), changed(), turned_back(), deleted(), made_again()].into_iter().enumerate() {
        // To and fro.
        let (writer, reader) = if stage % 2 == 0 { (&pair.at_one, &pair.at_other) } else { (&pair.at_other, &pair.at_one) };
        for (method, path, body) in writes {
            let reply = writer.send(method.clone(), &path, Some(&body), &[]).await;
            assert!((200..300).contains(&reply.status), "{method} {path}: {}", reply.text());
        }
        for (path, place, value) in &reads {
            assert_eq!(&read(writer, path, place).await, value, "{path} on the node that wrote");
            eventually(format!("{path} is {value:?}"), async || read(reader, path, place).await == *value).await;
        }
    }
}

async fn read(client: &Client, path: &str, place: &str) -> Option<Value> {
    let reply = client.get(path).await;
    if reply.status == 404 { None } else { Some(reply.data(200).pointer(place).cloned().unwrap_or_default()) }
}

fn made() -> (Vec<Write>, Vec<Read>) {
    let make = |path: String, body| (Method::POST, path, body);
    let writes = vec![
        make(format!("{INTERNAL}/flags"), flag("dark")),
        make(format!("{INTERNAL}/configs"), config("title", "one")),
        make(format!("{INTERNAL}/experiments"), experiment("button")),
        make(format!("{INTERNAL}/experiments"), experiment("banner")),
        make(format!("{MANAGED}/web/environments"), json!({ "environment": "staging" })),
        make(MANAGED.to_owned(), json!({ "name": "ios" })),
    ];
    let reads = vec![
        (format!("{PUBLIC}/flags/dark"), "/enabled", Some(json!(true))),
        (format!("{PUBLIC}/configs"), "/title", Some(json!("one"))),
        (format!("{PUBLIC}/experiments/button"), "/status", Some(json!("draft"))),
        (format!("{PUBLIC}/experiments/banner"), "/status", Some(json!("draft"))),
        (format!("{PLATFORMS}/web/environments/staging"), "/environment", Some(json!("staging"))),
        (format!("{PLATFORMS}/ios"), "/name", Some(json!("ios"))),
    ];
    (writes, reads)
}

fn changed() -> (Vec<Write>, Vec<Read>) {
    let description = || json!({ "description": "new" });
    let writes = vec![
        (Method::PUT, format!("{INTERNAL}/flags/dark"), json!({ "name": "changed" })),
        (Method::PATCH, format!("{INTERNAL}/flags/dark/toggle"), json!({ "enabled": false })),
        (Method::PATCH, format!("{INTERNAL}/configs/title"), json!({ "defaultValue": "two" })),
        (Method::POST, format!("{INTERNAL}/experiments/button/start"), json!({ "startedBy": "ann@example.com" })),
        (Method::PATCH, format!("{MANAGED}/web/environments/staging"), description()),
        (Method::PATCH, format!("{MANAGED}/ios"), description()),
    ];
    let reads = vec![
        (format!("{PUBLIC}/flags/dark"), "/enabled", Some(json!(false))),
        (format!("{PUBLIC}/flags/dark"), "/name", Some(json!("changed"))),
        (format!("{PUBLIC}/flags/dark/evaluate?userId=u"), "/servedValue", Some(json!("B"))),
        (format!("{PUBLIC}/configs"), "/title", Some(json!("two"))),
        (format!("{PUBLIC}/experiments/button"), "/status", Some(json!("running"))),
        (format!("{PLATFORMS}/web/environments/staging"), "/description", Some(json!("new"))),
        (format!("{PLATFORMS}/ios"), "/description", Some(json!("new"))),
    ];
    (writes, reads)
}

fn turned_back() -> (Vec<Write>, Vec<Read>) {
    let writes = vec![
        (Method::POST, format!("{INTERNAL}/flags/dark/rollback"), json!({ "version": "1.0.0" })),
        (Method::POST, format!("{INTERNAL}/configs/title/rollback"), json!({ "version": "1" })),
        (Method::POST, format!("{INTERNAL}/experiments/button/pause"), json!({})),
    ];
    let reads = vec![
        (format!("{PUBLIC}/flags/dark"), "/name", Some(json!("dark"))),
        (format!("{PUBLIC}/configs"), "/title", Some(json!("one"))),
        (format!("{PUBLIC}/experiments/button"), "/status", Some(json!("paused"))),
    ];
    (writes, reads)
}

fn deleted() -> (Vec<Write>, Vec<Read>) {
    let gone = [
        format!("{INTERNAL}/flags/dark"),
        format!("{INTERNAL}/configs/title"),
        format!("{INTERNAL}/experiments/banner"),
        format!("{MANAGED}/web/environments/staging"),
        format!("{MANAGED}/ios"),
    ];
    let reads = vec![
        (format!("{PUBLIC}/flags/dark"), "", None),
        (format!("{PUBLIC}/configs"), "/title", Some(Value::Null)),
        (format!("{PUBLIC}/experiments/banner"), "", None),
        (format!("{PLATFORMS}/web/environments/staging"), "", None),
        (format!("{PLATFORMS}/ios"), "", None),
    ];
    (gone.map(|path| (Method::DELETE, path, json!({}))).into(), reads)
}

/// Under the same names, but not the same things.
fn made_again() -> (Vec<Write>, Vec<Read>) {
    let writes = vec![
        (Method::DELETE, format!("{MANAGED}/web"), json!({})),
        (Method::POST, MANAGED.to_owned(), json!({ "name": "web" })),
        (Method::POST, format!("{MANAGED}/web/environments"), json!({ "environment": "prod" })),
        (Method::POST, format!("{INTERNAL}/configs"), config("title", "of the new one")),
    ];
    let reads = vec![
        (format!("{PUBLIC}/configs"), "/title", Some(json!("of the new one"))),
        (format!("{PUBLIC}/experiments/button"), "", None),
    ];
    (writes, reads)
}
