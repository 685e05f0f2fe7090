//! The tables of the original, as it writes them itself: over DynamoDB's protocol, without any code of ours.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Map, Value, json};

/// The tables, and whether they have a sort key.
const TABLES: [(&str, bool); 8] = [
    ("users", false),
    ("api-keys", false),
    ("platforms", false),
    ("environments", true),
    ("remote-configs", true),
    ("flags", true),
    ("experiments", true),
    ("stats", true),
];

/// The original's tables on a server, under a prefix of their own.
#[derive(Clone, Debug)]
pub(super) struct Tables {
    http: reqwest::Client,
    pub(super) endpoint: String,
    pub(super) prefix: String,
}

/// A set of texts, which JSON has no word for.
pub(super) fn set(texts: &[&str]) -> Value {
    json!({ "SS": texts })
}

/// Two objects in one.
pub(super) fn with(mut value: Value, more: Value) -> Value {
    let Value::Object(more) = more else { panic!("{more}") };
    value.as_object_mut().unwrap().extend(more);
    value
}

impl Tables {
    /// Makes them all.
    pub(super) async fn make(endpoint: &str) -> Self {
        let tables = Self::without(endpoint);
        for (name, sorted) in TABLES {
            tables.make_one(name, sorted).await;
        }
        tables
    }

    /// None of them yet.
    pub(super) fn without(endpoint: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        togglebox_server::install_crypto();
        let prefix = format!("o{}-{}-", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Self { http: reqwest::Client::builder().no_proxy().build().unwrap(), endpoint: endpoint.to_owned(), prefix }
    }

    pub(super) async fn make_one(&self, name: &str, sorted: bool) {
        let attributes = if sorted { vec!["PK", "SK"] } else { vec!["PK"] };
        let kinds = ["HASH", "RANGE"];
        let keys: Vec<Value> =
            attributes.iter().zip(kinds).map(|(name, kind)| json!({ "AttributeName": name, "KeyType": kind })).collect();
        let attributes: Vec<Value> =
            attributes.iter().map(|name| json!({ "AttributeName": name, "AttributeType": "S" })).collect();
        let table = json!({
            "TableName": self.name(name), "BillingMode": "PAY_PER_REQUEST", "KeySchema": keys, "AttributeDefinitions": attributes,
        });
        self.ask("CreateTable", table).await;
    }

    pub(super) fn name(&self, table: &str) -> String {
        format!("{}togglebox-{table}", self.prefix)
    }

    /// Puts an item with these keys.
    pub(super) async fn put(&self, table: &str, keys: Value, item: Value) {
        let Value::Object(item) = with(item, keys) else { unreachable!("an object") };
        self.ask("PutItem", json!({ "TableName": self.name(table), "Item": attributes(item) })).await;
    }

    /// A platform as it is shown.
    pub(super) async fn platform(&self, shown: &Value) {
        let key = format!("PLATFORM#{}", text(shown, "name"));
        self.put("platforms", json!({ "PK": key, "GSI1PK": "PLATFORM", "GSI1SK": key }), shown.clone()).await;
    }

    /// An environment as it is shown.
    pub(super) async fn environment(&self, shown: &Value) {
        let (platform, name) = (text(shown, "platform"), text(shown, "environment"));
        let keys = json!({ "PK": format!("PLATFORM#{platform}"), "SK": format!("ENV#{name}") });
        self.put("environments", keys, shown.clone()).await;
    }

    /// A version of a parameter as it is shown.
    pub(super) async fn parameter(&self, shown: &Value) {
        let place = format!("CONFIG#{}#{}", text(shown, "platform"), text(shown, "environment"));
        let key = format!("PARAM#{}", text(shown, "parameterKey"));
        let keys = json!({ "PK": place, "SK": format!("{key}#V#{}", text(shown, "version")) });
        let index = json!({ "GSI1PK": format!("{place}#ACTIVE"), "GSI1SK": key });
        let keys = if shown["isActive"] == true { with(keys, index) } else { keys };
        self.put("remote-configs", keys, shown.clone()).await;
    }

    /// A version of a flag as it is shown.
    pub(super) async fn flag(&self, shown: &Value) {
        let place = format!("PLATFORM#{}#ENV#{}", text(shown, "platform"), text(shown, "environment"));
        let key = text(shown, "flagKey");
        let keys = json!({ "PK": place, "SK": format!("FLAG#{key}#V#{}", text(shown, "version")) });
        let index = json!({ "GSI1PK": place, "GSI1SK": format!("ACTIVE#FLAG#{key}") });
        let keys = if shown["isActive"] == true { with(keys, index) } else { keys };
        self.put("flags", keys, shown.clone()).await;
    }

    /// An experiment as it is shown.
    pub(super) async fn experiment(&self, shown: &Value) {
        let place = format!("PLATFORM#{}#ENV#{}", text(shown, "platform"), text(shown, "environment"));
        let key = format!("EXP#{}", text(shown, "experimentKey"));
        let keys = json!({
            "PK": place, "SK": format!("{key}#V#1.0.0"),
            "GSI1PK": format!("{place}#STATUS#{}", text(shown, "status")), "GSI1SK": key,
        });
        self.put("experiments", keys, shown.clone()).await;
    }

    /// A user, by id.
    pub(super) async fn user(&self, id: &str, user: Value) {
        let email = text(&user, "email");
        let keys = json!({ "PK": format!("USER#{id}"), "GSI1PK": format!("USER_EMAIL#{email}") });
        self.put("users", keys, with(user, json!({ "id": id }))).await;
    }

    /// A key, by id, under the hash of its text.
    pub(super) async fn api_key(&self, id: &str, hash: &str, key: Value) {
        let user = text(&key, "userId");
        let keys =
            json!({ "PK": format!("APIKEY#{id}"), "GSI1PK": format!("USER#{user}"), "GSI2PK": format!("APIKEY_HASH#{hash}") });
        self.put("api-keys", keys, with(key, json!({ "id": id, "keyHash": hash }))).await;
    }

    /// A row of figures, in the shard of its key.
    pub(super) async fn figures(&self, place: &str, rest: &str, shard_key: &str, figures: Value) {
        let hash = shard_key.encode_utf16().fold(5381_u32, |hash, unit| hash.wrapping_mul(33) ^ u32::from(unit));
        let keys = json!({ "PK": format!("STATS#{place}#SHARD#{}", hash % 10), "SK": format!("STATS#{rest}") });
        self.put("stats", keys, figures).await;
    }

    async fn ask(&self, operation: &str, body: Value) {
        let request = self.http.post(&self.endpoint).header("x-amz-target", format!("DynamoDB_20120810.{operation}"));
        let request =
            request.header("content-type", "application/x-amz-json-1.0").header("x-amz-date", "20260101T000000Z").header(
                "authorization",
                "AWS4-HMAC-SHA256 Credential=test/20260101/eu-central-1/dynamodb/aws4_request, SignedHeaders=host, Signature=00",
            );
        let reply = request.body(body.to_string()).send().await.unwrap();
        assert!(reply.status().is_success(), "{operation} {body}: {}", reply.text().await.unwrap());
    }
}

/// A member that is a text.
pub(super) fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}

fn attributes(members: Map<String, Value>) -> Value {
    members.into_iter().map(|(name, value)| (name, attribute(value))).collect::<Map<_, _>>().into()
}

fn attribute(value: Value) -> Value {
    match value {
        Value::Null => json!({ "NULL": true }),
        Value::Bool(flag) => json!({ "BOOL": flag }),
        Value::Number(number) => json!({ "N": number.to_string() }),
        Value::String(text) => json!({ "S": text }),
        Value::Array(values) => json!({ "L": values.into_iter().map(attribute).collect::<Vec<_>>() }),
        Value::Object(members) if members.len() == 1 && members.contains_key("SS") => Value::Object(members),
        Value::Object(members) => json!({ "M": attributes(members) }),
    }
}
