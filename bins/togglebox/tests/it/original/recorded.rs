//! What the original held when it was recorded, put back into its tables.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::tables::{Tables, set, text, with};

/// bcrypt at cost 10, as the original has it, of [`PASSWORD`].
const HASH: &str = "$2b$10$abcdefghijklmnopqrstuuydpZfl1gmRl6J.6.mOUEUEhi5jCvrby";
pub(super) const KEY: &str = "tbx_live_274923b68220888494846cf40975cf9b";
pub(super) const AT: &str = "2026-11-22T13:52:05.023Z";

pub(super) const SECRET: &str = "an-entirely-made-up-0123456789-value-Zq7";

pub(super) const ANN: &str = "9a2e3f7b-94d0-4bf5-b280-de31e001cf39";
const BEN: &str = "2affbec7-e2d8-4fda-9ae9-b1aed40edabd";

/// What the original answered to a request, by the name of the exchange.
pub(super) fn recorded(id: &str) -> Value {
    let lines = include_str!("../../data/transcripts.jsonl").lines();
    let exchanges = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    let exchange = exchanges.into_iter().find(|exchange| exchange["id"] == id);
    exchange.unwrap_or_else(|| panic!("no exchange {id}"))["response"]["body"]["data"].clone()
}

/// Every request of the recording under this name that the original answered with 200: its path and the answer.
pub(super) fn asked(prefix: &str) -> Vec<(String, Value)> {
    let lines = include_str!("../../data/transcripts.jsonl").lines();
    let exchanges = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    let wanted = exchanges.filter(|exchange| {
        text(exchange, "id").starts_with(prefix)
            && exchange["request"]["method"] == "GET"
            && exchange["response"]["status"] == 200
    });
    wanted
        .map(|exchange| (exchange["request"]["path"].as_str().unwrap().to_owned(), exchange["response"]["body"]["data"].clone()))
        .collect()
}

pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("no list: {value}"))
}

pub(super) fn user(email: &str, role: &str) -> Value {
    json!({ "name": "Ann", "email": email, "passwordHash": HASH, "role": role, "createdAt": AT, "updatedAt": AT })
}

pub(super) fn key_of(user: &str) -> Value {
    json!({
        "userId": user, "name": "CI key", "keyPrefix": "tbx_live", "keyLast4": "cf9b", "permissions": ["config:read", "config:write"],
        "expiresAt": null, "lastUsedAt": "2026-11-22T13:52:06.676Z", "createdAt": AT,
    })
}

pub(super) fn hash_of(key: &str) -> String {
    Sha256::digest(key).iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// Tables that hold what the original held when it was recorded.
pub(super) async fn recorded_tables(endpoint: &str) -> Tables {
    let tables = Tables::make(endpoint).await;
    let changed = json!({ "createdAt": "2020-01-01T00:00:00.000Z", "updatedAt": "2020-06-01T00:00:00.000Z" });
    tables.user(ANN, with(user("ann@example.com", "admin"), changed)).await;
    // An update writes the keys of indexes that are not there.
    let updated = json!({ "GSI2PK": "USER#ALL", "GSI2SK": "USER#2", "GSI3PK": "USER_ROLE#viewer", "GSI3SK": "USER#2" });
    tables.user(BEN, with(user("Ben@Example.com", "viewer"), updated)).await;
    tables.api_key("e5090086-a9b5-4534-ac60-35df405bad8b", &hash_of(KEY), key_of(ANN)).await;
    tables.platform(&recorded("plat.patch.empty")).await;
    for platform in list(&recorded("plat.list.seed")) {
        tables.platform(platform).await;
    }
    for environment in ["env.patch", "env.create.2"] {
        tables.environment(&recorded(environment)).await;
    }
    let of_title = |parameter: &Value| parameter["parameterKey"] == "title";
    for parameter in list(&recorded("cfg.list")).iter().filter(|parameter| !of_title(parameter)) {
        tables.parameter(parameter).await;
    }
    for version in list(&recorded("cfg.versions.after")) {
        tables.parameter(version).await;
    }
    for flag in list(&recorded("flag.list")).iter().filter(|flag| flag["flagKey"] != "min") {
        tables.flag(flag).await;
    }
    for version in list(&recorded("flag.versions")) {
        tables.flag(version).await;
    }
    for experiment in list(&recorded("exp.list")) {
        tables.experiment(&with(experiment.clone(), json!({ "startedBy": "dee@example.com" }))).await;
    }
    figures(&tables).await;
    tables
}

/// The figures that the original shows in the recording.
async fn figures(tables: &Tables) {
    let place = "acme#prod";
    let shown = recorded("st.config");
    let fetched = json!({ "fetchCount": shown["fetchCount"], "lastFetchedAt": shown["lastFetchedAt"] });
    tables.figures(place, "CONFIG#title", "title", fetched).await;
    let shown = recorded("st.flag");
    let total = json!({
        "totalEvaluations": shown["totalEvaluations"], "valueACount": shown["valueACount"], "valueBCount": shown["valueBCount"],
        "lastEvaluatedAt": shown["lastEvaluatedAt"],
    });
    tables.figures(place, "FLAG#geo", "geo", total).await;
    for day in list(&recorded("st.flag.daily")) {
        tables.figures(place, &format!("FLAG#geo#DATE#{}", text(day, "date")), "geo", day.clone()).await;
    }
    for country in list(&recorded("st.flag.country")) {
        let code = text(country, "country");
        tables.figures(place, &format!("FLAG#geo#COUNTRY#{code}"), &format!("geo#{code}"), country.clone()).await;
    }
    let shown = recorded("st.exp");
    for variation in list(&shown["variations"]) {
        let key = text(variation, "variationKey");
        let users: Vec<String> = (0..variation["users"].as_u64().unwrap()).map(|n| format!("{key}-{n}")).collect();
        let users = set(&users.iter().map(String::as_str).collect::<Vec<_>>());
        let (views, row) = (&variation["views"], format!("EXP#cta#VAR#{key}"));
        let total = json!({ "views": views, "exposures": views, "uniqueUserIds": users, "lastExposureAt": AT });
        tables.figures(place, &row, &format!("cta#{key}"), total).await;
        let days = list(&shown["dailyData"]).iter().find(|day| day["variationKey"] == key).unwrap();
        let day = json!({
            "variationKey": key, "date": days["date"], "conversions": days["conversions"], "views": views, "uniqueUserIds": users,
        });
        tables.figures(place, &format!("{row}#DATE#{}", text(days, "date")), &format!("cta#{key}"), day).await;
    }
    for metric in list(&shown["metricResults"]) {
        let (variation, id) = (text(metric, "variationKey"), text(metric, "metricId"));
        let row = format!("EXP#cta#VAR#{variation}#METRIC#{id}");
        let counted = json!({
            "conversions": metric["conversions"], "sampleSize": metric["sampleSize"], "count": metric["count"],
            "sumValue": metric["sum"],
        });
        let shard = format!("cta#{variation}#{id}");
        tables.figures(place, &row, &shard, counted.clone()).await;
        let day = with(counted, json!({ "date": metric["date"] }));
        tables.figures(place, &format!("{row}#DATE#{}", text(metric, "date")), &shard, day).await;
    }
}
