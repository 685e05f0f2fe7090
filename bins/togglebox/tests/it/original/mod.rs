//! Moving from the tables that the original keeps in DynamoDB.

mod recorded;
mod tables;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value, json};

use self::recorded::{ANN, AT, KEY, SECRET, asked, hash_of, key_of, list, recorded, recorded_tables, user};
use self::tables::{Tables, set, with};
use crate::client::{Client, PASSWORD, sign_in};
use crate::engine::variable_or_skip;
use crate::server::Launch;

/// Servers of DynamoDB's protocol, from two hands.
const SERVERS: [&str; 2] = ["TOGGLEBOX_TEST_DYNAMODB", "TOGGLEBOX_TEST_MINISTACK"];

/// A store of our own, told where the original's tables are.
fn launch(tables: &Tables) -> Launch {
    Launch::over_sqlite().set_all(&[
        ("DYNAMODB_ENDPOINT", &tables.endpoint),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ])
}

async fn export(launch: &Launch, tables: &Tables, to: &Path, more: &[&str]) -> Output {
    let start = ["export", "--from-original", "--table-prefix", &tables.prefix, "--to", to.to_str().unwrap()];
    launch.run(&[&start, more].concat(), "").await
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[track_caller]
fn ok(output: &Output) -> String {
    assert!(output.status.success(), "{}", said(output));
    said(output)
}

/// Everything but the header, which tells the time, and the trailer, which depends on it.
fn records(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines[1..lines.len() - 1].to_vec()
}

fn of_kind(file: &Path, kind: &str) -> Vec<Value> {
    let records = records(file).into_iter().map(|line| serde_json::from_str::<Value>(&line).unwrap());
    records.filter_map(|record| record.get(kind).cloned()).collect()
}

/// That `shown` has every member that the original showed, with its value.
#[track_caller]
fn shows(shown: &Value, expected: &Value) {
    match (shown, expected) {
        (Value::Object(shown), Value::Object(expected)) => {
            for (name, expected) in expected {
                shows(shown.get(name).unwrap_or_else(|| panic!("no {name} in {shown:?}")), expected);
            }
        }
        (Value::Array(shown), Value::Array(expected)) => {
            assert_eq!(shown.len(), expected.len(), "{shown:?} {expected:?}");
            for (shown, expected) in shown.iter().zip(expected) {
                shows(shown, expected);
            }
        }
        // The original's integrals are good to ten digits.
        (Value::Number(shown), Value::Number(expected)) => {
            let (shown, expected) = (shown.as_f64().unwrap(), expected.as_f64().unwrap());
            assert!((shown - expected).abs() <= 1e-10 * expected.abs(), "{shown} {expected}");
        }
        _ => assert_eq!(shown, expected),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_original_served_is_served_after_the_move() {
    for server in SERVERS {
        let Some(endpoint) = variable_or_skip(server) else { continue };
        let tables = recorded_tables(&endpoint).await;
        let launch = launch(&tables);
        let dump = launch.folder().join("dump.jsonl.gz");
        let told = ok(&export(&launch, &tables, &dump, &[]).await);
        assert!(!told.contains("cannot be taken") && !told.contains("taken otherwise"), "{told}");
        assert!(told.contains("Not looked at: password-resets, usage, configs"), "{told}");
        let told = ok(&launch.run(&["import", "--from", dump.to_str().unwrap()], "").await);
        assert!(told.contains("compared them with the file") && !told.contains("not recognised"), "{told}");
        is_as_recorded(&launch.set("ENABLE_AUTHENTICATION", "true").set("JWT_SECRET", SECRET)).await;
    }
}

/// A token of Ann's as the original signs it.
fn token(issued: i64) -> String {
    let claims = json!({
        "id": ANN, "email": "ann@example.com", "role": "admin", "iat": issued, "exp": 4_102_444_800_i64, "iss": "config-service",
        "aud": "config-service-api",
    });
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap()
}

async fn is_as_recorded(launch: &Launch) {
    let server = launch.start().await;
    let anonymous = Client::new(&server);
    anonymous.get("/api/v1/platforms").await.expect(401);
    let client = anonymous.key(KEY);
    let admin = anonymous.token(&sign_in(&anonymous, "ann@example.com", PASSWORD).await);
    sign_in(&anonymous, "ben@example.com", PASSWORD).await;
    let (march, july) = (1_583_020_800, 1_593_561_600);
    anonymous.token(&token(july)).get("/api/v1/users/me").await.expect(200);
    anonymous.token(&token(march)).get("/api/v1/users/me").await.expect(401);
    let (public, internal) = ("/api/v1/platforms/acme/environments/prod", "/api/v1/internal/platforms/acme/environments/prod");

    shows(&admin.get("/api/v1/platforms/acme").await.data(200), &recorded("plat.patch.empty"));
    shows(&admin.get("/api/v1/platforms/web").await.data(200), &list(&recorded("plat.list.seed"))[2]);
    shows(&admin.get(public).await.data(200), &recorded("env.patch"));
    let keys = admin.get("/api/v1/api-keys").await.data(200);
    shows(&keys[0], &json!({ "name": "CI key", "keyPrefix": "tbx_live", "keyLast4": "cf9b", "createdAt": AT }));

    // The figures first: what is evaluated is counted.
    shows(&admin.get(&format!("{internal}/configs/title/stats")).await.data(200), &recorded("st.config"));
    shows(&admin.get(&format!("{internal}/flags/geo/stats")).await.data(200), &recorded("st.flag"));
    let countries = json!([
        { "country": "CH", "valueACount": 2, "valueBCount": 2 },
        { "country": "DE", "valueACount": 0, "valueBCount": 1 },
        { "country": "US", "valueACount": 4, "valueBCount": 1 },
    ]);
    shows(&admin.get(&format!("{internal}/flags/geo/stats/by-country")).await.data(200), &countries);
    let shown = admin.get(&format!("{internal}/experiments/cta/stats")).await.data(200);
    let expected = recorded("st.exp");
    shows(&shown["variations"], &expected["variations"]);
    shows(&shown["metricResults"], &expected["metricResults"]);
    shows(&shown["srm"], &expected["srm"]);
    // The original has one row more, which is of no variation, and counts no participants of days.
    let days = json!([
        { "date": "2026-11-22", "variationKey": "control", "participants": 8, "conversions": 1 },
        { "date": "2026-11-22", "variationKey": "green", "participants": 2, "conversions": 3 },
    ]);
    shows(&shown["dailyData"], &days);

    shows(&client.get(&format!("{public}/configs")).await.data(200), &with(recorded("orph.configs"), json!({ "junk": 12 })));
    shows(&client.get(&format!("{public}/configs/title/versions")).await.data(200), &recorded("cfg.versions.after"));
    let flags = recorded("flag.list");
    let shown = client.get(&format!("{public}/flags")).await.data(200);
    for (shown, expected) in list(&shown).iter().zip(list(&flags)).filter(|(_, flag)| flag["flagKey"] != "min") {
        shows(shown, expected);
    }
    shows(&shown[1], &list(&recorded("flag.versions"))[0]);
    shows(&admin.get(&format!("{internal}/flags/min/versions")).await.data(200), &recorded("flag.versions"));
    shows(&client.get(&format!("{public}/experiments")).await.data(200), &recorded("exp.list"));
    let names = ["flag.eval.", "exp.assign.u", "exp.assign.geo.", "exp.assign.future"];
    let evaluations =
        names.into_iter().flat_map(asked).filter(|(path, _)| path.starts_with(public) && !path.contains("/flags/min/"));
    let mut evaluated = 0;
    for (path, expected) in evaluations {
        shows(&client.get(&path).await.data(200), &expected);
        evaluated += 1;
    }
    assert!(evaluated > 25, "{evaluated}");
    // The next version is above the highest there ever was, unlike in the original.
    let written = admin.patch(&format!("{internal}/configs/title"), json!({ "defaultValue": "new" })).await.data(200);
    assert_eq!(written["version"], "4");
    let written = admin.put(&format!("{internal}/flags/min"), json!({ "name": "Minimal 3" })).await.data(200);
    assert_eq!(written["version"], "1.0.3");
    assert!(server.stop().await.status.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_tables_give_the_same_records() {
    for server in SERVERS {
        let Some(endpoint) = variable_or_skip(server) else { continue };
        let tables = recorded_tables(&endpoint).await;
        let launch = launch(&tables).set("TABLE_PREFIX", tables.prefix.as_str());
        let file = |name: &str| launch.folder().join(name);
        ok(&export(&launch, &tables, &file("first"), &[]).await);
        let piped = launch.run(&["export", "--from-original", "--to", "-"], "").await;
        assert!(piped.status.success(), "{}", said(&piped));
        fs::write(file("second"), piped.stdout).unwrap();
        assert_eq!(records(&file("first")), records(&file("second")));
        let days = of_kind(&file("first"), "flagDay");
        shows(&json!(days), &json!([{ "key": "geo", "day": "2026-11-22", "servedA": 6, "servedB": 6 }]));

        // Other contents are another environment: no client may take the one for the other by their entity tags.
        let mut flag = list(&recorded("flag.list"))[0].clone();
        flag["name"] = "Changed".into();
        tables.flag(&flag).await;
        ok(&export(&launch, &tables, &file("third"), &[]).await);
        let ids = |name: &str| {
            of_kind(&file(name), "environment")
                .into_iter()
                .map(|environment| (environment["name"].clone(), environment["id"].clone()))
                .collect::<Vec<_>>()
        };
        let same: Vec<_> =
            ids("first").into_iter().filter(|environment| ids("third").contains(environment)).map(|(name, _)| name).collect();
        assert_eq!(same, ["dev"]);
    }
}

/// Everything that the original can hold and no store of ours can.
async fn ugly(tables: &Tables) {
    tables
        .user(
            "00000000-0000-4000-8000-000000000001",
            with(user("ANN@example.com", "viewer"), json!({ "createdAt": "2026-12-01T00:00:00Z" })),
        )
        .await;
    tables.user("00000000-0000-4000-8000-000000000002", user("nobody", "viewer")).await;
    tables
        .api_key("00000000-0000-4000-8000-000000000003", &hash_of("gone"), key_of("00000000-0000-4000-8000-000000000009"))
        .await;
    tables.api_key("00000000-0000-4000-8000-000000000004", &hash_of(KEY), key_of(ANN)).await;
    tables.platform(&json!({ "name": "x y", "id": ANN, "createdAt": AT })).await;
    tables.environment(&json!({ "platform": "ghost", "environment": "prod", "createdAt": AT })).await;
    let parameter = json!({
        "platform": "acme", "environment": "prod", "parameterKey": "race", "version": "1", "valueType": "string", "defaultValue": "one",
        "isActive": true, "createdBy": "dee@example.com", "createdAt": AT,
    });
    // Two updates at once leave both of their versions active.
    tables.parameter(&parameter).await;
    tables.parameter(&with(parameter.clone(), json!({ "version": "2", "defaultValue": "two" }))).await;
    tables.parameter(&with(parameter.clone(), json!({ "parameterKey": "none", "isActive": false }))).await;
    tables.parameter(&with(parameter.clone(), json!({ "parameterKey": "9lives" }))).await;
    tables.parameter(&with(parameter.clone(), json!({ "parameterKey": "on", "version": "x", "isActive": false }))).await;
    tables.parameter(&with(parameter, json!({ "platform": "ghost", "environment": "ghost" }))).await;
    let flag = list(&recorded("flag.list"))[0].clone();
    tables.flag(&with(flag.clone(), json!({ "flagKey": "semver", "version": "1.0.7" }))).await;
    tables.flag(&with(flag.clone(), json!({ "flagKey": "semver", "version": "2.1.0", "isActive": false }))).await;
    tables.flag(&with(flag.clone(), json!({ "flagKey": "f".repeat(600) }))).await;
    tables
        .flag(&with(
            flag.clone(),
            json!({ "flagKey": "coloured", "colour": "red", "targeting": "{}", "rolloutPercentageA": "12.5" }),
        ))
        .await;
    tables.flag(&with(flag, json!({ "environment": "gone" }))).await;
    let experiment = list(&recorded("exp.list"))[0].clone();
    tables.experiment(&with(experiment.clone(), json!({ "experimentKey": "odd", "status": "odd" }))).await;
    tables.experiment(&with(experiment, json!({ "experimentKey": "bare", "variations": "none" }))).await;
    tables.put("flags", json!({ "PK": "PLATFORM#acme#ENV#prod", "SK": "OTHER" }), json!({})).await;
    tables.figures("acme#prod", "FLAG#nope", "nope", json!({ "totalEvaluations": 1, "valueACount": 1 })).await;
    tables.figures("acme#prod", "FLAG#roll", "roll", json!({ "totalEvaluations": -1, "valueACount": -1 })).await;
    tables.figures("ghost#ghost", "CONFIG#n", "n", json!({ "fetchCount": 1, "lastFetchedAt": AT })).await;
    // One day was lost, and with it who was seen on it.
    tables
        .figures(
            "acme#prod",
            "EXP#future#VAR#green",
            "future#green",
            json!({ "views": 3, "exposures": 3, "uniqueUserIds": set(&["a", "b"]), "lastExposureAt": AT }),
        )
        .await;
}

/// What is told of [`ugly`]: the beginnings of lines.
const TOLD: [&str; 21] = [
    "cannot be taken: users USER#00000000-0000-4000-8000-000000000001: an older account has its address",
    "cannot be taken: users USER#00000000-0000-4000-8000-000000000002: email must be an e-mail address",
    "cannot be taken: api-keys APIKEY#00000000-0000-4000-8000-000000000003: its owner is not there",
    "cannot be taken: platforms PLATFORM#x y: platform must be 1 to 100 letters",
    "cannot be taken: environments PLATFORM#ghost ENV#prod: its platform is not there",
    "taken otherwise: remote-configs CONFIG#acme#prod PARAM#race: 2 versions are active at once: clients get version 2 now",
    "cannot be taken: remote-configs CONFIG#acme#prod PARAM#none: no version of it is active",
    "cannot be taken: remote-configs CONFIG#acme#prod PARAM#9lives: parameterKey must be 1 to 256 letters",
    "cannot be taken: remote-configs CONFIG#acme#prod PARAM#on#V#x: its version is no whole number",
    "cannot be taken: remote-configs CONFIG#ghost#ghost PARAM#race#V#1: its environment is not there",
    "cannot be taken: flags PLATFORM#acme#ENV#prod FLAG#semver#V#2.1.0: its version is not of the form 1.0.n",
    "cannot be taken: flags PLATFORM#acme#ENV#prod FLAG#ffff",
    "cannot be taken: flags PLATFORM#acme#ENV#gone FLAG#geo#V#1.0.0: its environment is not there",
    "cannot be taken: flags PLATFORM#acme#ENV#prod OTHER: its key is none that this table has",
    "cannot be taken: flags PLATFORM#acme#ENV#prod FLAG#coloured#V#1.0.0: there is no place for its attribute colour",
    "cannot be taken: experiments PLATFORM#acme#ENV#prod EXP#odd#V#1.0.0: its status is none of draft",
    "cannot be taken: experiments PLATFORM#acme#ENV#prod EXP#bare#V#1.0.0: its variations: invalid type",
    "cannot be taken: stats STATS#acme#prod#SHARD#",
    "cannot be taken: stats STATS#ghost#ghost#SHARD#",
    "taken otherwise: stats STATS#acme#prod#SHARD#",
    "togglebox: 20 things cannot be taken; each is told above. Nothing was written.",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_without_a_word_and_a_yes() {
    for server in SERVERS {
        let Some(endpoint) = variable_or_skip(server) else { continue };
        let tables = recorded_tables(&endpoint).await;
        ugly(&tables).await;
        let launch = launch(&tables);
        let dump = launch.folder().join("dump.jsonl");
        let refused = export(&launch, &tables, &dump, &[]).await;
        assert_eq!(refused.status.code(), Some(65), "{}", said(&refused));
        let told = said(&refused);
        for line in TOLD {
            assert!(told.lines().any(|told| told.starts_with(line)), "{line} is missing from\n{told}");
        }
        // Which of the two stays is left to chance.
        assert!(told.lines().any(|line| line.starts_with("cannot be taken: api-keys") && line.contains("another key")), "{told}");
        assert!(!dump.exists() && !PathBuf::from(format!("{}.part", dump.display())).exists());
        let looked = launch.run(&["export", "--from-original", "--table-prefix", &tables.prefix, "--check"], "").await;
        assert_eq!(looked.status.code(), Some(65), "{}", said(&looked));

        let told = ok(&export(&launch, &tables, &dump, &["--leave-behind"]).await);
        assert!(told.contains("Left behind: 20 things"), "{told}");
        ok(&launch.run(&["import", "--from", dump.to_str().unwrap()], "").await);
        let server = launch.start().await;
        let anonymous = Client::new(&server);
        let admin = anonymous.token(&sign_in(&anonymous, "ann@example.com", PASSWORD).await);
        let place = "/api/v1/internal/platforms/acme/environments/prod";
        let public = "/api/v1/platforms/acme/environments/prod";
        assert_eq!(anonymous.get(&format!("{public}/configs")).await.data(200)["race"], "two");
        assert_eq!(admin.get(&format!("{place}/configs/race/versions")).await.data(200).as_array().unwrap().len(), 2);
        assert_eq!(anonymous.get(&format!("{public}/flags/semver")).await.data(200)["version"], "1.0.7");
        let coloured = anonymous.get(&format!("{public}/flags/coloured")).await.data(200);
        shows(&coloured, &json!({ "rolloutPercentageA": 12.5, "targeting": { "countries": [], "forceIncludeUsers": [] } }));
        anonymous.get(&format!("{public}/experiments/odd")).await.expect(404);
        let figures = admin.get(&format!("{place}/experiments/future/stats")).await.data(200);
        shows(&figures["variations"], &json!([{ "variationKey": "green", "views": 3, "users": 2 }]));
        assert!(server.stop().await.status.success());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_that_are_not_there_are_told() {
    for server in SERVERS {
        let Some(endpoint) = variable_or_skip(server) else { continue };
        let tables = Tables::without(&endpoint);
        let launch = launch(&tables);
        let dump = launch.folder().join("dump.jsonl");
        let nothing = export(&launch, &tables, &dump, &[]).await;
        assert_eq!(nothing.status.code(), Some(1), "{}", said(&nothing));
        let name = tables.name("platforms");
        assert!(said(&nothing).contains(&format!("there is no table {name}")), "{}", said(&nothing));

        tables.make_one("platforms", false).await;
        tables.platform(&json!({ "name": "web", "createdAt": AT })).await;
        let refused = export(&launch, &tables, &dump, &[]).await;
        assert_eq!(refused.status.code(), Some(65), "{}", said(&refused));
        assert!(said(&refused).contains(&format!("cannot be taken: stats: there is no table {}", tables.name("stats"))));
        // A table may have any name.
        let of_stats = format!("stats={name}");
        let more = ["--leave-behind", "--table", of_stats.as_str()];
        let told = ok(&export(&launch, &tables, &dump, &more).await);
        assert!(!told.contains("there is no table") || !told.contains(&tables.name("stats")), "{told}");
        assert_eq!(of_kind(&dump, "platform").len(), 1);
        ok(&launch.run(&["import", "--check", "--from", dump.to_str().unwrap()], "").await);
        let again = export(&launch, &tables, &dump, &["--leave-behind"]).await;
        assert_eq!(again.status.code(), Some(73), "{}", said(&again));
        let wrong = launch.run(&["export", "--leave-behind", "--to", "x"], "").await;
        assert_eq!(wrong.status.code(), Some(2), "{}", said(&wrong));
    }
}

/// A page of an answer is at most a megabyte, and the sets of users of a few days are more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn figures_that_fill_pages_are_taken_whole() {
    const PER_DAY: usize = 7_000;
    const DAYS: usize = 6;
    for server in SERVERS {
        let Some(endpoint) = variable_or_skip(server) else { continue };
        let tables = recorded_tables(&endpoint).await;
        for day in 0..DAYS {
            // Half of each day's users were there on the day before.
            let users: Vec<String> =
                (0..PER_DAY).map(|n| format!("a-user-of-some-length-{:08}", day * PER_DAY / 2 + n)).collect();
            let users = set(&users.iter().map(String::as_str).collect::<Vec<_>>());
            let date = format!("2026-10-0{}", day + 1);
            let counted = json!({ "views": PER_DAY, "uniqueUserIds": users, "conversions": 0, "date": date });
            tables.figures("acme#prod", &format!("EXP#geo_exp#VAR#control#DATE#{date}"), "geo_exp#control", counted).await;
        }
        let total = json!({ "views": DAYS * PER_DAY, "exposures": DAYS * PER_DAY, "lastExposureAt": AT });
        tables.figures("acme#prod", "EXP#geo_exp#VAR#control", "geo_exp#control", total).await;
        let launch = launch(&tables);
        let dump = launch.folder().join("dump.jsonl");
        ok(&export(&launch, &tables, &dump, &[]).await);
        let of_it = |kind: &str| of_kind(&dump, kind).into_iter().filter(|record| record["key"] == "geo_exp").collect::<Vec<_>>();
        assert_eq!(of_it("experimentSubject").len(), (DAYS + 1) * PER_DAY / 2);
        let days: Vec<(u64, u64)> = of_it("experimentDay")
            .iter()
            .map(|day| (day["exposures"].as_u64().unwrap(), day["newUsers"].as_u64().unwrap()))
            .collect();
        let (all, half) = (PER_DAY as u64, PER_DAY as u64 / 2);
        assert_eq!(days, [(all, all), (all, half), (all, half), (all, half), (all, half), (all, half)]);
    }
}
