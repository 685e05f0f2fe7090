//! The database freezes: it keeps its connections, and answers nothing. Or it is gone.

use std::time::Instant;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{Pair, both_are_fresh};
use crate::client::{ADMIN, Client, INTERNAL, PASSWORD, PUBLIC, audit, config, experiment, flag, make_key};
use crate::server::{PATIENCE, eventually};
use crate::service::Database;

/// What no answer may say: the words of drivers and servers.
const WORDS: [&str; 14] = [
    "sqlx",
    "postgres",
    "redis",
    "pool",
    "timed out",
    "elapsed",
    "connection",
    "refused",
    "sql",
    "dynamo",
    "aws",
    "dispatch",
    "throughput",
    Database::PASSWORD,
];

fn reads() -> [String; 6] {
    let paths = ["flags", "configs", "configs/list", "experiments", "flags/dark", "flags/dark/evaluate?userId=u&track=false"];
    paths.map(|path| format!("{PUBLIC}/{path}"))
}

async fn furnish(admin: &Client) {
    admin.post(&format!("{INTERNAL}/flags"), flag("dark")).await.expect(201);
    admin.post(&format!("{INTERNAL}/configs"), config("title", "before")).await.expect(201);
    admin.post(&format!("{INTERNAL}/experiments"), experiment("button")).await.expect(201);
    admin.post(&format!("{INTERNAL}/experiments/button/start"), json!({ "startedBy": "ann@example.com" })).await.expect(200);
}

/// What needs the database is refused, in time and in our own words.
async fn refuses(client: &Client, method: Method, path: String, body: Option<Value>) {
    let began = Instant::now();
    let reply = client.send(method.clone(), &path, body.as_ref(), &[]).await;
    assert_eq!(reply.code(503), "SERVICE_UNAVAILABLE", "{method} {path}");
    assert!(reply.header("retry-after").is_some_and(|after| after.parse::<u32>().is_ok()), "{method} {path}");
    assert!(began.elapsed() < PATIENCE / 2, "{method} {path} took {:?}", began.elapsed());
    let text = reply.text().to_lowercase();
    for word in WORDS {
        assert!(!text.contains(&word.to_lowercase()), "{word} in {text}");
    }
}

/// All that needs the database, at once: connections that hang must not make each wait for the others.
async fn everything_else_is_refused(client: &Client) {
    let mut calls = JoinSet::new();
    for (method, path, body) in [
        (Method::PATCH, format!("{INTERNAL}/configs/title"), Some(json!({ "defaultValue": "after" }))),
        (Method::POST, format!("{INTERNAL}/flags"), Some(flag("new"))),
        (Method::PATCH, format!("{INTERNAL}/flags/dark/toggle"), Some(json!({ "enabled": false }))),
        (Method::DELETE, format!("{INTERNAL}/experiments/button"), None),
        (Method::POST, "/api/v1/internal/platforms".to_owned(), Some(json!({ "name": "ios" }))),
        (Method::POST, "/api/v1/auth/login".to_owned(), Some(json!({ "email": ADMIN, "password": PASSWORD }))),
        (Method::GET, format!("{PUBLIC}/configs/title/versions"), None),
        (Method::GET, "/api/v1/internal/audit".to_owned(), None),
    ] {
        let client = client.clone();
        calls.spawn(async move { refuses(&client, method, path, body).await });
    }
    calls.join_all().await;
}

/// A probe with a time limit, as orchestrators have it, must see that the node still serves.
async fn probes_are_answered(client: &Client) {
    let began = Instant::now();
    assert_eq!(client.get("/health").await.expect(200).json()["status"], "ok");
    let ready = client.get("/ready").await.expect(200).json();
    assert_eq!((&ready["success"], &ready["checks"]["database"]), (&json!(true), &json!("disconnected")), "{ready}");
    assert!(ready["message"].as_str().unwrap().contains("the database does not answer"), "{ready}");
    assert!(began.elapsed() < PATIENCE / 10, "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_go_on_while_postgres_is_frozen() {
    let Some(mut database) = Database::postgres().await else { return };
    reads_go_on(&mut database, Blow::Freeze).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_go_on_while_dynamodb_is_frozen() {
    let Some(mut database) = Database::dynamodb().await else { return };
    reads_go_on(&mut database, Blow::Freeze).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_go_on_while_postgres_is_gone() {
    let Some(mut database) = Database::postgres().await else { return };
    reads_go_on(&mut database, Blow::Kill).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_go_on_while_dynamodb_is_gone() {
    let Some(mut database) = Database::dynamodb().await else { return };
    reads_go_on(&mut database, Blow::Kill).await;
}

/// What happens to the database.
#[derive(Clone, Copy, Debug)]
enum Blow {
    Freeze,
    Kill,
}

async fn reads_go_on(database: &mut Database, blow: Blow) {
    let pair = Pair::start(database.launch().set("ENABLE_AUTHENTICATION", "true")).await;
    furnish(&pair.at_one).await;
    let (key, ..) = make_key(&pair.at_one, &["config:read"]).await;
    let readers = [key.clone(), key.at(&pair.other)];
    for (reader, (name, _)) in readers.iter().zip(pair.clients()) {
        let path = format!("{PUBLIC}/experiments/button");
        let seen = async || reader.get(&path).await.data(200)["status"] == "running";
        eventually(format!("{name} serves everything"), seen).await;
    }
    let mut before = Vec::new();
    for path in reads() {
        let reply = readers[0].get(&path).await;
        assert_eq!(reply.header("x-togglebox-stale"), None, "{path}");
        assert_eq!(reply.data(200), readers[1].get(&path).await.data(200), "{path}");
        before.push(reply.data(200));
    }

    match blow {
        Blow::Freeze => database.service.freeze(),
        Blow::Kill => database.service.kill(),
    }
    let answered = 40;
    for reader in &readers {
        for _ in 0..answered {
            reader.get(&format!("{PUBLIC}/flags/dark/evaluate?userId=u")).await.expect(200);
        }
    }
    for reader in &readers {
        let stale = async || readers_are_answered(reader, &before).await;
        eventually("reads say that they may be stale", stale).await;
        probes_are_answered(reader).await;
    }
    tokio::join!(everything_else_is_refused(&pair.at_one), everything_else_is_refused(&pair.at_other));
    for reader in &readers {
        assert!(readers_are_answered(reader, &before).await, "still");
        probes_are_answered(reader).await;
    }

    match blow {
        Blow::Freeze => database.service.thaw(),
        Blow::Kill => database.service.start().await,
    }
    recovered(&pair, &readers, 2 * answered).await;
    let log = pair.stop().await;
    assert!(!log.contains(r#""level":"ERROR""#) && !log.contains(Database::PASSWORD), "{log}");
}

/// Every read is answered with what was there before; whether all of them say that they may be stale.
async fn readers_are_answered(reader: &Client, before: &[Value]) -> bool {
    let mut stale = true;
    for (path, before) in reads().iter().zip(before) {
        let (began, reply) = (Instant::now(), reader.get(path).await);
        assert_eq!(&reply.data(200), before, "{path}");
        assert!(began.elapsed() < PATIENCE / 10, "{path} took {:?}", began.elapsed());
        stale &= reply.header("x-togglebox-stale") == Some("true");
    }
    stale
}

/// Both nodes go on as if nothing had been; nothing that was counted is lost, and what was refused happened once or not at all.
async fn recovered(pair: &Pair, readers: &[Client; 2], counted: u64) {
    let fresh = format!("{PUBLIC}/configs");
    for reader in readers {
        let fresh = async || reader.get(&fresh).await.header("x-togglebox-stale").is_none();
        eventually("reads are fresh again", fresh).await;
    }
    for (n, (name, client)) in pair.clients().into_iter().enumerate() {
        let value = format!("again {n}");
        let write = async || {
            let reply = client.patch(&format!("{INTERNAL}/configs/title"), json!({ "defaultValue": value })).await;
            // Connections that hung may take a moment to be replaced.
            assert!(matches!(reply.status, 200 | 503), "{}", reply.text());
            reply.status == 200
        };
        eventually(format!("{name} writes again"), write).await;
        for reader in readers {
            let seen = async || reader.get(&format!("{PUBLIC}/configs")).await.data(200)["title"] == value;
            eventually(format!("what {name} wrote is served by both"), seen).await;
        }
        let ready = async || client.get("/ready").await.expect(200).json()["checks"]["database"] == "connected";
        eventually(format!("{name} says that the database is back"), ready).await;
    }
    let stats = format!("{INTERNAL}/flags/dark/stats");
    let complete = async || pair.at_one.get(&stats).await.data(200)["totalEvaluations"] == counted;
    eventually("what was counted meanwhile is written", complete).await;

    let versions = pair.at_one.get(&format!("{PUBLIC}/configs/title/versions")).await.data(200);
    let records = audit(&pair.at_one, "platform=web&environment=prod").await;
    let writes = records.iter().filter(|record| record["target"] == "title").count();
    assert_eq!(versions.as_array().unwrap().len(), writes, "a version and a record for each write: {versions}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_stops_in_time_though_postgres_is_frozen() {
    let Some(database) = Database::postgres().await else { return };
    stops_in_time_while_frozen(&database).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_stops_in_time_though_dynamodb_is_frozen() {
    let Some(database) = Database::dynamodb().await else { return };
    stops_in_time_while_frozen(&database).await;
}

async fn stops_in_time_while_frozen(database: &Database) {
    let pair = Pair::start(database.launch()).await;
    both_are_fresh(&pair, &format!("{PUBLIC}/flags")).await;
    database.service.freeze();
    // One of its connections hangs in a write.
    refuses(&pair.at_one, Method::POST, format!("{INTERNAL}/flags"), Some(flag("new"))).await;
    let ended = pair.one.stop().await;
    assert!(ended.status.code().is_some(), "it ends by itself: {:?}", ended.status);
    database.service.thaw();
    assert!(pair.other.stop().await.status.success());
}
