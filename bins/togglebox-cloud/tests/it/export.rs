//! Workspaces on their way out, and into the open-source server.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use reqwest::Method;
use serde_json::{Value, json};
use togglebox_server::commands::{self, Import};
use togglebox_server::{Server as OpenServer, Settings};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::oneshot;

use crate::client::{
    ADMIN, Client, INTERNAL, PASSWORD, PUBLIC, Reply, audit, config, experiment, flag, make_environment, make_key, sign_in,
};
use crate::people::{API, Owner, join, sign_in as enter, sign_up, start_with_operator};
use crate::server::{Launch, Server, eventually};

const EXPORT: &str = "/api/v1/workspace/export";
const CENTRAL: &str = "/api/v1/workspaces/acme/export";

/// Stands in everything of the other workspace.
const MARK: &str = "OnlyForGlobex";

/// What is read of the things that [`furnish`] makes.
const READS: [&str; 11] = [
    "PUBLIC/configs",
    "PUBLIC/configs/list",
    "INTERNAL/configs/title/versions",
    "PUBLIC/flags",
    "INTERNAL/flags/dark/versions",
    "INTERNAL/flags/dark/stats",
    "PUBLIC/flags/dark/evaluate?userId=u-7&track=false",
    "PUBLIC/experiments",
    "PUBLIC/experiments/cta",
    "INTERNAL/experiments/cta/results",
    "INTERNAL/experiments/cta/stats",
];

/// A workspace with some of everything.
async fn furnish(owner: &Client, text: &str) {
    make_environment(owner).await;
    owner.post(&format!("{INTERNAL}/configs"), config("title", "first")).await.expect(201);
    owner.patch(&format!("{INTERNAL}/configs/title"), json!({ "defaultValue": text })).await.expect(200);
    owner.post(&format!("{INTERNAL}/flags"), flag("dark")).await.expect(201);
    owner.put(&format!("{INTERNAL}/flags/dark"), json!({ "name": text, "rolloutPercentageA": 33.3 })).await.expect(200);
    let mut hypothesis = experiment("cta");
    hypothesis["hypothesis"] = text.into();
    owner.post(&format!("{INTERNAL}/experiments"), hypothesis).await.expect(201);
    owner.post(&format!("{INTERNAL}/experiments/cta/start"), json!({ "startedBy": ADMIN })).await.expect(200);
    make_key(owner, &["config:read"]).await;
    let at = "2026-01-02T03:04:05Z";
    let events = json!([
        { "type": "config_fetch", "key": "title", "timestamp": at },
        { "type": "flag_evaluation", "flagKey": "dark", "value": "A", "userId": "u-1", "country": "DE", "timestamp": at },
        { "type": "experiment_exposure", "experimentKey": "cta", "variationKey": "green", "userId": "u-1", "timestamp": at },
        { "type": "conversion", "experimentKey": "cta", "metricName": "click", "variationKey": "green", "userId": "u-1",
          "value": 0.1, "timestamp": at },
    ]);
    owner.post(&format!("{PUBLIC}/stats/events"), json!({ "events": events })).await.expect(200);
    eventually("what was counted is written", || async {
        owner.get(&format!("{INTERNAL}/experiments/cta/stats")).await.text().contains("\"conversions\":1")
    })
    .await;
}

/// What is read there, but for the time of the answer.
async fn answers(client: &Client) -> Vec<(&'static str, Value)> {
    let mut answers = Vec::new();
    for path in READS {
        let reply = client.fresh(&path.replace("PUBLIC", PUBLIC).replace("INTERNAL", INTERNAL)).await;
        answers.push((path, reply.data(200)));
    }
    answers
}

/// Everything but the header, which tells the time, and the trailer, which follows from it; engines have orders of their own.
fn records(file: &str) -> Vec<&str> {
    let mut records: Vec<&str> = file.lines().skip(1).filter(|line| !line.starts_with("{\"trailer\"")).collect();
    records.sort_unstable();
    records
}

/// The kinds of which there are records.
fn kinds(file: &str) -> Vec<String> {
    let name = |line: &str| serde_json::from_str::<Value>(line).unwrap().as_object().unwrap().keys().next().unwrap().clone();
    let mut kinds: Vec<String> = file.lines().map(name).collect();
    kinds.dedup();
    kinds
}

/// The open-source server over a database of its own.
struct Open {
    settings: Settings,
}

impl Open {
    fn new(folder: &Path) -> Self {
        let database = format!("sqlite:{}", folder.join("open.db").display());
        let variables = [("DATABASE_URL", database.as_str()), ("HOST", "127.0.0.1"), ("PORT", "0"), ("RATE_LIMITS", "off")];
        Self { settings: Settings::read(&variables.into_iter().collect()).unwrap() }
    }

    async fn import(&self, file: &Path) -> anyhow::Result<String> {
        commands::import(&self.settings, Import { from: file.to_str().unwrap(), check: false }).await
    }

    async fn export(&self, file: &Path) -> String {
        commands::export(&self.settings, file.to_str().unwrap()).await.unwrap();
        fs::read_to_string(file).unwrap()
    }

    /// What somebody reads who signs in there.
    async fn answers(&self, somebody: &Client, email: &str) -> Vec<(&'static str, Value)> {
        commands::set_password(&self.settings, email, PASSWORD.as_bytes()).await.unwrap();
        let server = OpenServer::build(&self.settings).await.unwrap();
        let mut client = somebody.through(server.address());
        client.host = None;
        let (stop, stopped) = oneshot::channel::<()>();
        let answers = tokio::spawn(async move {
            let client = client.token(&sign_in(&client, "acme@example.com", PASSWORD).await);
            let answers = answers(&client).await;
            stop.send(()).unwrap();
            answers
        });
        server.run(async { stopped.await.unwrap_or_default() }).await.unwrap();
        answers.await.unwrap()
    }
}

#[track_caller]
fn file_of(reply: &Reply) -> String {
    reply.expect(200);
    assert_eq!(reply.header("content-type"), Some("application/x-ndjson"));
    assert!(reply.header("cache-control").unwrap().contains("no-store"));
    let name = reply.header("content-disposition").unwrap();
    assert!(name.starts_with("attachment; filename=\"acme-20") && name.ends_with(".jsonl\""), "{name}");
    reply.text()
}

fn written(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_workspace_goes_on_in_a_server_of_its_own() {
    togglebox_server::runtime().block_on(async {
        let server = Launch::new().start().await;
        let (acme, globex) = (sign_up(&server, "acme").await, sign_up(&server, "globex").await);
        furnish(&acme.client, "zwei ü 🦊").await;
        furnish(&globex.client, MARK).await;
        join(&acme.client, "acme", "dev", "developer").await;
        join(&globex.client, "globex", MARK, "developer").await;
        let before = answers(&acme.client).await;

        let text = file_of(&acme.client.get(EXPORT).await);
        let others = globex.client.get("/api/v1/workspace/members").await.data(200);
        let ids = others.as_array().unwrap().iter().map(|member| member["userId"].as_str().unwrap().to_owned());
        let platforms = globex.client.get("/api/v1/platforms").await.data(200);
        let ids = ids.chain([platforms[0]["id"].as_str().unwrap().to_owned(), globex.workspace.clone()]);
        for foreign in ids.chain([MARK.to_owned(), "globex".to_owned()]) {
            assert!(!text.to_lowercase().contains(&foreign.to_lowercase()), "{foreign} in {text}");
        }
        for secret in ["argon2", "apiKey\":", "keySecret", "\"hash\""] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        let expected = [
            "header",
            "tenant",
            "platform",
            "environment",
            "parameter",
            "parameterVersion",
            "flag",
            "flagVersion",
            "experiment",
            "user",
            "parameterStatistics",
            "parameterClients",
            "flagStatistics",
            "flagDay",
            "flagCountry",
            "flagUsers",
            "experimentStatistics",
            "experimentDay",
            "experimentMetricDay",
            "experimentSubject",
            "experimentConversion",
            "audit",
            "trailer",
        ];
        let found = kinds(&text);
        let missing: Vec<_> = expected.iter().filter(|kind| !found.iter().any(|found| found == *kind)).collect();
        // A fetch is counted with a client only where it names one.
        assert!(missing.is_empty() || missing == [&"parameterClients"], "{missing:?}");
        assert_eq!(found.len() + missing.len(), expected.len(), "{found:?}");
        assert_eq!(text.lines().filter(|line| line.starts_with("{\"user\"")).count(), 2);

        let folder = server.launch().folder();
        let open = Open::new(folder);
        let told = open.import(&written(folder, "acme.jsonl", &text)).await.unwrap();
        assert!(told.contains("compared them with the file"), "{told}");
        let again = open.export(&folder.join("again.jsonl")).await;
        assert_eq!(records(&again), records(&text));
        assert_eq!(open.answers(&acme.client, "acme@example.com").await, before);
    });
}

#[test]
fn what_is_cut_or_changed_on_the_way_is_not_taken() {
    togglebox_server::runtime().block_on(async {
        let server = Launch::over_sqlite().start().await;
        let acme = sign_up(&server, "acme").await;
        make_environment(&acme.client).await;
        let text = file_of(&acme.client.get(EXPORT).await);
        let folder = server.launch().folder();
        let open = Open::new(folder);
        for (damaged, words) in
            [(text[..text.rfind("{\"trailer\"").unwrap()].to_owned(), "cut off"), (text.replace("web", "wob"), "checksum")]
        {
            let refused = open.import(&written(folder, "damaged.jsonl", &damaged)).await.unwrap_err();
            assert!(format!("{refused:#}").contains(words), "{refused:#}");
        }
    });
}

#[tokio::test]
async fn an_admin_takes_it_out_whatever_the_workspaces_standing_and_that_is_written_down() {
    let (server, operator) = start_with_operator(&Launch::new()).await;
    let Owner { client: acme, workspace } = sign_up(&server, "acme").await;
    make_environment(&acme).await;
    let (dev, _) = join(&acme, "acme", "dev", "developer").await;
    assert_eq!(dev.get(EXPORT).await.code(403), "FORBIDDEN");
    let (key, ..) = make_key(&acme, &["config:read"]).await;
    key.get(EXPORT).await.expect(401);
    file_of(&acme.get(EXPORT).await);
    let head = acme.send(Method::HEAD, EXPORT, None, &[]).await;
    assert!(head.expect(200).bytes.is_empty() && head.header("content-disposition").is_some());
    let exports = audit(&acme, &format!("target={workspace}")).await;
    let exports: Vec<_> = exports.iter().filter(|record| record["action"] == "tenant.export").collect();
    assert_eq!((exports.len(), &exports[0]["actor"]["email"]), (1, &json!("acme@example.com")));

    let path = |what: &str| format!("/api/v1/admin/workspaces/{workspace}/{what}");
    operator.post(&path("suspend"), json!({ "reason": "unpaid" })).await.expect(200);
    acme.get("/api/v1/workspace").await.expect(403);
    let suspended = file_of(&acme.get(EXPORT).await);
    operator.post(&path("delete"), json!({})).await.expect(200);
    assert_eq!(acme.get(EXPORT).await.code(404), "WORKSPACE_NOT_FOUND");
    let central = enter(&server, "acme@example.com", API).await.unwrap();
    let deleted = file_of(&central.get(CENTRAL).await);
    let things =
        |file: &str| records(file).into_iter().filter(|line| !line.starts_with("{\"audit\"")).map(str::to_owned).collect();
    let (suspended, deleted): (Vec<String>, Vec<String>) = (things(&suspended), things(&deleted));
    assert_eq!(deleted, suspended);
    let of_dev = enter(&server, "dev@example.com", API).await.unwrap();
    of_dev.get(CENTRAL).await.expect(403);
    operator.get(CENTRAL).await.expect(404);
}

#[tokio::test]
async fn exports_are_limited_by_person() {
    let server = Launch::new().set("RATE_LIMIT_EXPORT", "2/1h").start().await;
    let (acme, globex) = (sign_up(&server, "acme").await.client, sign_up(&server, "globex").await.client);
    for _ in 0..2 {
        acme.get(EXPORT).await.expect(200);
    }
    let refused = acme.get(EXPORT).await;
    assert_eq!(refused.code(429), "RATE_LIMIT_EXCEEDED");
    assert_eq!(refused.json()["meta"]["policy"], "export");
    acme.get("/api/v1/workspace").await.expect(200);
    globex.get(EXPORT).await.expect(200);
}

/// A client that asks for an export and reads no more than its beginning. There is more than lies in the buffers between the two.
async fn stalled(server: &Server, acme: &Client) -> TcpStream {
    acme.post(&format!("{INTERNAL}/configs"), config("large", "x")).await.expect(201);
    for n in 0..350 {
        let value = format!("{n:0>9900}");
        acme.patch(&format!("{INTERNAL}/configs/large"), json!({ "defaultValue": value })).await.expect(200);
    }
    let central = enter(server, "acme@example.com", API).await.unwrap();
    let entered = central.post("/api/v1/workspaces/acme/token", json!({})).await.data(200);
    let token = entered["token"].as_str().unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(server.address()).await.unwrap();
    let request = format!("GET {EXPORT} HTTP/1.1\r\nhost: acme.localtest\r\nauthorization: Bearer {token}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut begin = [0; 15];
    stream.read_exact(&mut begin).await.unwrap();
    assert_eq!(&begin, b"HTTP/1.1 200 OK");
    stream
}

#[tokio::test]
async fn a_reader_that_stops_keeps_nobody_from_anything() {
    let server = Launch::over_sqlite().set("SHUTDOWN_GRACE", "1s").start().await;
    let acme = sign_up(&server, "acme").await.client;
    make_environment(&acme).await;
    let mut reader = stalled(&server, &acme).await;
    assert_eq!(acme.get(EXPORT).await.code(409), "EXPORT_RUNNING");
    acme.post(&format!("{INTERNAL}/flags"), flag("dark")).await.expect(201);
    assert_eq!(acme.fresh(&format!("{PUBLIC}/flags")).await.data(200)[0]["flagKey"], "dark");
    // Nor the server from its end.
    let ended = server.stop().await;
    assert!(ended.status.success(), "{}", ended.log);
    let mut rest = Vec::new();
    let _ = reader.read_to_end(&mut rest).await;
    assert!(!rest.ends_with(b"\r\n0\r\n\r\n"), "what was cut off does not look whole");
}

#[tokio::test]
async fn a_reader_that_leaves_makes_room_for_the_next() {
    let server = Launch::over_sqlite().start().await;
    let acme = sign_up(&server, "acme").await.client;
    make_environment(&acme).await;
    drop(stalled(&server, &acme).await);
    eventually("the next one may begin", || async { acme.get(EXPORT).await.status == 200 }).await;
}

#[tokio::test]
async fn the_operator_takes_a_workspace_out_by_the_command_line() {
    let (server, operator) = start_with_operator(&Launch::new()).await;
    let Owner { client: acme, workspace } = sign_up(&server, "acme").await;
    make_environment(&acme).await;
    acme.post(&format!("{INTERNAL}/flags"), flag("dark")).await.expect(201);
    let launch = server.launch();
    let run = async |arguments: &[&str]| launch.run(&[&["workspace", "export", &workspace], arguments].concat(), "").await;
    operator.post(&format!("/api/v1/admin/workspaces/{workspace}/delete"), json!({})).await.expect(200);

    let path = launch.folder().join("out.jsonl");
    let done = run(&["--out", path.to_str().unwrap()]).await;
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success() && said.contains("flag: 1") && said.contains("neither passwords nor API keys"), "{done:?}");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(&path).unwrap();
    let things =
        |file: &str| records(file).into_iter().filter(|line| !line.starts_with("{\"audit\"")).map(str::to_owned).collect();
    let central = enter(&server, "acme@example.com", API).await.unwrap();
    let (by_command, by_http): (Vec<String>, Vec<String>) = (things(&text), things(&file_of(&central.get(CENTRAL).await)));
    assert_eq!(by_command, by_http);
    assert!(text.contains("\"action\":\"tenant.export\",") && text.contains("\"kind\":\"system\""), "{text}");
    let again = run(&["--to", path.to_str().unwrap()]).await;
    assert_eq!(again.status.code(), Some(73), "{again:?}");

    let piped = run(&["--to", "-"]).await;
    let piped = String::from_utf8(piped.stdout).unwrap();
    assert!(piped.starts_with("{\"header\"") && piped.lines().last().unwrap().starts_with("{\"trailer\""), "{piped}");
    let named = run(&[]).await;
    assert!(named.status.success(), "{named:?}");
    let made = fs::read_dir(launch.folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let made: Vec<String> = made.filter(|name| name.starts_with("acme-20")).collect();
    assert!(made.len() == 1 && made[0].strip_suffix(".jsonl").is_some(), "{made:?}");

    for bad in ["acme", "0198c5a2-0000-7000-8000-000000000000"] {
        let refused = launch.run(&["workspace", "export", bad, "--to", "bad.jsonl"], "").await;
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        assert!(!launch.folder().join("bad.jsonl").exists() && !launch.folder().join("bad.jsonl.part").exists());
    }
}
