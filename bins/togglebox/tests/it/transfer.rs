//! Moving from one store to another by the command line.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::client::{ADMIN, Client, INTERNAL, PASSWORD, PUBLIC, config, experiment, flag, make_environment, make_key, make_user};
use crate::client::{sign_in, start_with_admin};
use crate::engine::Store;
use crate::server::{Launch, PATIENCE};

const SECRET: &str = "an-entirely-made-up-0123456789-value-Zq7";

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A store with some of everything, which nobody serves any more.
async fn filled() -> (Launch, String) {
    let (server, admin) = start_with_admin(Launch::over_sqlite().set("JWT_SECRET", SECRET)).await;
    make_environment(&admin).await;
    admin.post(&format!("{INTERNAL}/configs"), config("title", "first")).await.expect(201);
    admin.patch(&format!("{INTERNAL}/configs/title"), json!({ "defaultValue": "zwei ü 🦊" })).await.expect(200);
    admin.post(&format!("{INTERNAL}/flags"), flag("dark")).await.expect(201);
    admin.put(&format!("{INTERNAL}/flags/dark"), json!({ "name": "Dark", "rolloutPercentageA": 33.3 })).await.expect(200);
    admin.post(&format!("{INTERNAL}/experiments"), experiment("cta")).await.expect(201);
    admin.post(&format!("{INTERNAL}/experiments/cta/start"), json!({ "startedBy": ADMIN })).await.expect(200);
    make_key(&admin, &["config:read", "config:write"]).await;
    let (developer, _) = make_user(&admin, "dev@example.com", "developer").await;
    let (_, _, key) = make_key(&developer, &["config:read"]).await;
    let mut events = vec![json!({ "type": "config_fetch", "key": "title" })];
    for (n, country) in ["DE", "FR", "DE"].into_iter().enumerate() {
        let user = format!("user-{n}");
        events.extend([
            json!({ "type": "flag_evaluation", "flagKey": "dark", "value": "A", "userId": user, "country": country }),
            json!({ "type": "experiment_exposure", "experimentKey": "cta", "variationKey": "green", "userId": user }),
            json!({ "type": "conversion", "experimentKey": "cta", "metricName": "click", "variationKey": "green", "userId": user, "value": 0.1 }),
        ]);
    }
    for event in &mut events {
        event["timestamp"] = "2026-01-02T03:04:05Z".into();
    }
    admin.post(&format!("{PUBLIC}/stats/events"), json!({ "events": events })).await.expect(200);
    let launch = server.launch().clone();
    assert!(server.stop().await.status.success());
    (launch, key)
}

/// An empty store under the same secret.
fn empty() -> Launch {
    Launch::over_sqlite().set("JWT_SECRET", SECRET)
}

/// An empty table under the same secret; `None` where the test is to be skipped.
fn empty_table() -> Option<Launch> {
    Some(Launch::over(Store::shared_table()?).set("JWT_SECRET", SECRET))
}

async fn export(launch: &Launch, to: &Path) -> Output {
    launch.run(&["export", "--to", to.to_str().unwrap()], "").await
}

async fn import(launch: &Launch, from: &Path) -> Output {
    launch.run(&["import", "--from", from.to_str().unwrap()], "").await
}

#[track_caller]
fn ok(output: &Output) -> String {
    assert!(output.status.success(), "{}", said(output));
    said(output)
}

/// Everything but the header, which tells the time.
fn records(file: &Path) -> Vec<String> {
    fs::read_to_string(file)
        .unwrap()
        .lines()
        .skip(1)
        .filter(|line| !line.starts_with("{\"trailer\""))
        .map(str::to_owned)
        .collect()
}

/// The same in an order of their own: engines differ in theirs.
fn sorted(file: &Path) -> Vec<String> {
    let mut records = records(file);
    records.sort();
    records
}

/// What every route that reads answers, by path: the status, and the body but for the time of the answer.
async fn answers(launch: &Launch, key: &str) -> BTreeMap<String, (u16, String)> {
    let server = launch.start().await;
    let anonymous = Client::new(&server);
    // A key that moved is a key that works.
    anonymous.key(key).get("/api/v1/platforms").await.expect(200);
    let admin = anonymous.token(&sign_in(&anonymous, ADMIN, PASSWORD).await);
    let id = |list: Value| list[0]["id"].as_str().unwrap_or("none").to_owned();
    let user = id(admin.get("/api/v1/internal/users").await.data(200));
    let own_key = id(admin.get("/api/v1/internal/api-keys").await.data(200));
    let description = admin.get("/openapi.json").await.json();
    let mut answers = BTreeMap::new();
    for (path, operations) in description["paths"].as_object().unwrap() {
        let passing = ["health", "ready", "openapi", "docs", "invalidat"].iter().any(|word| path.contains(word)) || path == "/";
        if operations.get("get").is_none() || passing {
            continue;
        }
        let thing = [("/configs", "title"), ("/flags", "dark"), ("/experiments", "cta")]
            .into_iter()
            .find(|(area, _)| path.contains(area));
        let thing = thing.map_or("none", |(_, key)| key);
        let mut filled = path
            .replace("{platform}", "web")
            .replace("{environment}", "prod")
            .replace("{id}", if path.contains("/api-keys") { &own_key } else { &user });
        while let (Some(start), Some(end)) = (filled.find('{'), filled.find('}')) {
            let value = if filled[start..end].contains("ersion") { if thing == "title" { "2" } else { "1.0.1" } } else { thing };
            filled.replace_range(start..=end, value);
        }
        let reply = admin.get(&filled).await;
        let mut body = reply.json();
        if let Some(body) = body.as_object_mut() {
            body.shift_remove("timestamp");
        }
        if let Some(meta) = body.get_mut("meta").and_then(Value::as_object_mut) {
            meta.shift_remove("requestId");
        }
        answers.insert(filled, (reply.status, body.to_string()));
    }
    assert!(server.stop().await.status.success());
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_is_the_same_after_a_move() {
    let (source, key) = filled().await;
    let before = answers(&source, &key).await;
    let good = before.values().filter(|(status, _)| *status == 200).count();
    assert!(good > 20, "{good} of {before:#?}");
    let dump = source.folder().join("dump.jsonl.gz");
    let told = ok(&export(&source, &dump).await);
    assert!(told.contains("keep it as safe as the store") && told.contains("JWT_SECRET does not move"), "{told}");
    let target = empty();
    let told = ok(&import(&target, &dump).await);
    assert!(told.contains("compared them with the file") && !told.contains("not recognised"), "{told}");
    for (path, answer) in answers(&target, &key).await {
        assert_eq!(Some(&answer), before.get(&path), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn export_import_export_is_the_identity_also_through_pipes() {
    let (source, _) = filled().await;
    let (first, second) = (source.folder().join("first.jsonl"), source.folder().join("second.jsonl"));
    ok(&export(&source, &first).await);
    assert_eq!(fs::metadata(&first).unwrap().permissions().mode() & 0o777, 0o600);
    let piped = source.run(&["export", "--to", "-"], "").await;
    assert!(piped.status.success(), "{}", String::from_utf8_lossy(&piped.stderr));
    let piped = String::from_utf8(piped.stdout).unwrap();
    let target = Launch::over_sqlite();
    let told = ok(&target.run(&["import", "--from", "-"], &piped).await);
    assert!(told.contains("API keys are not recognised yet"), "another secret, none even: {told}");
    ok(&export(&target, &second).await);
    assert_eq!(records(&second), records(&first));
    assert!(records(&first).len() > 20);
    // By the URL of a store that is not the configured one.
    let url = format!("sqlite:{}", target.database().display());
    let third = source.folder().join("third.jsonl");
    ok(&source.run(&["export", "--from-url", &url, "--to", third.to_str().unwrap()], "").await);
    assert_eq!(records(&third), records(&first));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_there_is_not_written_over() {
    let (source, _) = filled().await;
    let dump = source.folder().join("dump.jsonl");
    ok(&export(&source, &dump).await);
    let written = fs::read(&dump).unwrap();
    let again = export(&source, &dump).await;
    assert_eq!(again.status.code(), Some(73), "{}", said(&again));
    assert_eq!(fs::read(&dump).unwrap(), written);
    let refused = import(&source, &dump).await;
    assert_eq!(refused.status.code(), Some(73), "{}", said(&refused));
    assert!(said(&refused).contains("is not empty"), "{}", said(&refused));
    assert!(!PathBuf::from(format!("{}.progress", dump.display())).exists());
    let nothing = export(&empty(), &source.folder().join("nothing.jsonl")).await;
    assert_eq!(nothing.status.code(), Some(1), "{}", said(&nothing));
    assert!(said(&nothing).contains("there is no database"), "{}", said(&nothing));
    assert!(!source.folder().join("nothing.jsonl").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_file_changes_nothing() {
    let (source, _) = filled().await;
    let (dump, damaged) = (source.folder().join("dump.jsonl"), source.folder().join("damaged.jsonl"));
    ok(&export(&source, &dump).await);
    ok(&source.run(&["import", "--check", "--from", dump.to_str().unwrap()], "").await);
    let sound = fs::read_to_string(&dump).unwrap();
    let lines: Vec<&str> = sound.lines().collect();
    let swapped = [&[lines[0], lines[2], lines[1]], &lines[3..]].concat().join("\n");
    for (text, words) in [
        (sound.replacen("Dark", "Dork", 1), "checksum"),
        (sound[..sound.len() / 2].to_owned(), "cut off"),
        (sound.replacen("\"format\":1", "\"format\":9", 1), "line 1: the file has format 9"),
        (sound.replacen("{\"flag\":", "{\"flog\":", 1), "unknown variant `flog`"),
        (sound.replacen("\"active\":true", "\"active\":\"yes\"", 1), "flagVersion.active: invalid type"),
        (swapped, "line 3: a record of kind tenant stands after one of kind platform"),
    ] {
        fs::write(&damaged, text).unwrap();
        for arguments in [&["import", "--from"][..], &["import", "--check", "--from"]] {
            let target = empty();
            let refused = target.run(&[arguments, &[damaged.to_str().unwrap()]].concat(), "").await;
            assert_eq!(refused.status.code(), Some(65), "{words}: {}", said(&refused));
            assert!(said(&refused).contains(words), "{words}: {}", said(&refused));
            assert!(!target.database().exists(), "{words}: nothing was written");
        }
    }
}

/// A file of a header and records, with the trailer that belongs to them.
fn sealed(lines: &[String]) -> String {
    let text = lines.join("\n") + "\n";
    let digest = Sha256::digest(text.as_bytes()).iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    text + &json!({ "trailer": { "records": lines.len() - 1, "sha256": digest } }).to_string()
}

/// Each line is sound, and yet they are no tenant: the line is named that the store does not take, or the difference at the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_that_do_not_fit_together_are_told() {
    let (source, _) = filled().await;
    let dump = source.folder().join("dump.jsonl");
    ok(&export(&source, &dump).await);
    let text = fs::read_to_string(&dump).unwrap();
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let (lines, _) = lines.split_at(lines.len() - 1);
    let at = |kind: &str| lines.iter().position(|line| line.starts_with(&format!("{{\"{kind}\""))).unwrap();
    let (mut orphans, mut twice, mut twins) = (lines.to_vec(), lines.to_vec(), lines.to_vec());
    orphans.remove(at("environment"));
    twice.insert(at("flagDay"), lines[at("flagDay")].clone());
    let mut twin: Value = serde_json::from_str(&lines[at("user")]).unwrap();
    twin["user"]["id"] = "00000000-0000-4000-8000-000000000000".into();
    twins.insert(at("user"), twin.to_string());
    for (lines, words) in [
        (orphans, format!("line {}: the parameter cannot be written: what it belongs to is not in the file", at("parameter"))),
        (twice, "the store does not hold what the file says (flagDay: 1 instead of 2)".to_owned()),
        (twins, "the user cannot be written: something else in it that must be unique is taken".to_owned()),
    ] {
        fs::write(&dump, sealed(&lines)).unwrap();
        let refused = import(&empty(), &dump).await;
        assert_eq!(refused.status.code(), Some(1), "{words}: {}", said(&refused));
        assert!(said(&refused).contains(&words), "{words}: {}", said(&refused));
        assert!(said(&refused).to_lowercase().contains("begin again with an empty store"), "{}", said(&refused));
    }
}

/// A file with so many more records that an import of it can be met on its way.
fn larger(dump: &Path, more: usize) -> PathBuf {
    let text = fs::read_to_string(dump).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.pop();
    let later = ["flagUsers", "experimentStatistics"].map(|kind| format!("{{\"{kind}\""));
    let at = lines.iter().position(|line| later.iter().any(|kind| line.starts_with(kind))).unwrap();
    let country: Value = serde_json::from_str(lines.iter().find(|line| line.starts_with("{\"flagCountry\"")).unwrap()).unwrap();
    let added = (0..more).map(|n| {
        let mut country = country.clone();
        country["flagCountry"]["country"] = format!("ZZ{n:06}").into();
        country.to_string()
    });
    lines.splice(at..at, added);
    let text = sealed(&lines);
    let path = dump.with_file_name("large.jsonl");
    fs::write(&path, text).unwrap();
    path
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_that_is_killed_goes_on() {
    killed_import_goes_on(&empty(), 30_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_into_a_table_that_is_killed_goes_on() {
    let Some(target) = empty_table() else { return };
    killed_import_goes_on(&target, 6_000).await;
}

/// Kills an import of so many records twice on its way.
async fn killed_import_goes_on(target: &Launch, more: usize) {
    let (source, _) = filled().await;
    let dump = source.folder().join("dump.jsonl");
    ok(&export(&source, &dump).await);
    let dump = larger(&dump, more);
    let journal = PathBuf::from(format!("{}.progress", dump.display()));
    let done = |journal: &Path| {
        let entry: Option<Value> = fs::read(journal).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        entry.and_then(|entry| entry["records"].as_u64()).unwrap_or(0)
    };
    let mut last = 0;
    for _ in 0..2 {
        let mut running = target.spawn(&["import", "--from", dump.to_str().unwrap()]);
        let progressed = async {
            while done(&journal) <= last {
                assert!(running.try_wait().unwrap().is_none(), "it is met on its way");
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(PATIENCE * 4, progressed).await.expect("it makes progress");
        running.kill().await.unwrap();
        last = done(&journal);
        assert!((1000..more as u64).contains(&last), "{last}");
    }
    // Another file is not the same import, and this one into another store would begin anew.
    let refused = import(target, &source.folder().join("dump.jsonl")).await;
    assert_eq!(refused.status.code(), Some(73), "{}", said(&refused));
    assert_eq!(done(&journal), last);
    let told = ok(&import(target, &dump).await);
    assert!(told.contains(&format!("goes on after record {last}")), "{told}");
    assert!(!journal.exists());
    let again = source.folder().join("again.jsonl");
    ok(&export(target, &again).await);
    assert_eq!(sorted(&again), sorted(&dump));
    let over = import(target, &dump).await;
    assert_eq!(over.status.code(), Some(73), "an import that came to its end is over: {}", said(&over));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_moves_in_and_out() {
    let Some(target) = empty_table() else { return };
    let (source, key) = filled().await;
    let before = answers(&source, &key).await;
    let (first, second) = (source.folder().join("first.jsonl.gz"), source.folder().join("second.jsonl"));
    ok(&export(&source, &first).await);
    ok(&import(&target, &first).await);
    let refused = import(&target, &first).await;
    assert_eq!(refused.status.code(), Some(73), "{}", said(&refused));
    let told = ok(&export(&target, &second).await);
    assert!(told.contains("no view of one moment"), "{told}");
    let (back, third, fourth) = (empty(), source.folder().join("third.jsonl"), source.folder().join("fourth.jsonl"));
    ok(&import(&back, &second).await);
    ok(&export(&back, &third).await);
    ok(&export(&source, &fourth).await);
    assert_eq!(records(&third), records(&fourth));
    for (path, answer) in answers(&target, &key).await {
        assert_eq!(Some(&answer), before.get(&path), "{path}");
    }
}

/// SQLite takes documents of any size, an item of DynamoDB does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_is_too_large_for_a_table_is_named() {
    let Some(target) = empty_table() else { return };
    let (source, _) = filled().await;
    let dump = source.folder().join("dump.jsonl");
    ok(&export(&source, &dump).await);
    let text = fs::read_to_string(&dump).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.pop();
    let at = lines.iter().position(|line| line.starts_with("{\"parameterVersion\"")).unwrap();
    let mut version: Value = serde_json::from_str(&lines[at]).unwrap();
    version["parameterVersion"]["definition"]["defaultValue"] = "x".repeat(400 * 1024).into();
    lines[at] = version.to_string();
    fs::write(&dump, sealed(&lines)).unwrap();
    let refused = import(&target, &dump).await;
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    let words = format!("line {}: the parameterVersion cannot be written: it is larger than the store can hold", at + 1);
    assert!(said(&refused).contains(&words), "{}", said(&refused));
}
