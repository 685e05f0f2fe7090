//! What no server for tests shows: answers written down, given by the SDK's replaying client. And what needs to see the inside of the adapter.

#[cfg(feature = "billing")]
mod billing;
mod closing;
mod counting;
mod crash;
mod limits;
mod long_lists;
mod reading;
#[cfg(feature = "tenancy")]
mod tenancy;
mod transfer;
mod writing;

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::http::{HttpRequest, HttpResponse};
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Credentials, Region};
use aws_smithy_http_client::test_util::{ReplayEvent, StaticReplayClient};
use serde_json::{Value, json};
use togglebox_core::{Actor, AuditRecord, EntropyExt as _, OsEntropy, Revision, TenantId, Timestamp};
use togglebox_toggles::{Experiment, Scope};
use uuid::Uuid;

use super::digest::Digest;
use super::{DynamoDb, DynamoDbOptions, TableOptions, create_table};

const TENANT: TenantId = TenantId::DEFAULT;
const TABLE: &str = "togglebox";
const DIRECTORY: &str = "T#00000000-0000-0000-0000-000000000000#DIR";
const PATIENCE: Duration = Duration::from_secs(5);

/// A handle whose requests get these answers, one after the other: status and body.
fn answering(answers: impl IntoIterator<Item = (u16, Value)>) -> (DynamoDb, StaticReplayClient) {
    let (client, replay) = client_answering(answers);
    (DynamoDb::over(client, TABLE, PATIENCE), replay)
}

/// A client whose requests get these answers.
pub(super) fn client_answering(answers: impl IntoIterator<Item = (u16, Value)>) -> (Client, StaticReplayClient) {
    let event = |(status, body): (u16, Value)| {
        let response = HttpResponse::new(status.try_into().unwrap(), body.to_string().into());
        ReplayEvent::new(HttpRequest::new("".into()), response)
    };
    let replay = StaticReplayClient::new(answers.into_iter().map(event).collect());
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("id", "secret", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .http_client(replay.clone())
        .build();
    (Client::from_conf(config), replay)
}

/// The server's address. Where `CI` is set there must be one.
fn endpoint() -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "where the servers are is told to tests by the environment")]
    let variable = |name: &str| std::env::var(name).ok();
    let endpoint = variable("TOGGLEBOX_TEST_DYNAMODB");
    if endpoint.is_none() {
        assert!(variable("CI").is_none(), "TOGGLEBOX_TEST_DYNAMODB is not set: start the tests with `cargo xtask test`");
        println!("skipped: TOGGLEBOX_TEST_DYNAMODB is not set");
    }
    endpoint
}

/// How a client reaches a server that does not look at signatures.
fn at(endpoint: &str) -> aws_sdk_dynamodb::config::Builder {
    Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .retry_config(RetryConfig::disabled())
}

/// A handle on a new table of a server, and the table's name.
async fn with_table(endpoint: &str) -> (DynamoDb, String) {
    let table = format!("test-{}", OsEntropy.hex::<8>());
    let options = DynamoDbOptions::new(&table).with_endpoint(endpoint).with_credentials("test", "test");
    create_table(&options, &TableOptions::default().tolerant(true)).await.unwrap();
    (DynamoDb::open(&options).await.unwrap(), table)
}

/// What was asked: the operations and their bodies.
pub(super) fn asked(replay: &StaticReplayClient) -> Vec<(String, Value)> {
    let request = |request: &HttpRequest| {
        let target = request.headers().get("x-amz-target").unwrap();
        let operation = target.strip_prefix("DynamoDB_20120810.").unwrap().to_owned();
        (operation, serde_json::from_slice(request.body().bytes().unwrap()).unwrap())
    };
    replay.actual_requests().map(request).collect()
}

fn operations(replay: &StaticReplayClient) -> Vec<String> {
    asked(replay).into_iter().map(|(operation, _)| operation).collect()
}

pub(super) fn ok(body: Value) -> (u16, Value) {
    (200, body)
}

/// An error of the service.
pub(super) fn refusal(status: u16, code: &str) -> (u16, Value) {
    (status, json!({ "__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": "any" }))
}

/// A cancelled transaction.
fn cancelled(codes: &[&str]) -> (u16, Value) {
    let reasons: Vec<_> = codes.iter().map(|code| json!({ "Code": code })).collect();
    let (status, mut body) = refusal(400, "TransactionCanceledException");
    body["CancellationReasons"] = json!(reasons);
    (status, body)
}

/// The answer to a batch of reads.
fn batch(items: &[Value]) -> (u16, Value) {
    ok(json!({ "Responses": { TABLE: items }, "UnprocessedKeys": {} }))
}

fn throttled() -> (u16, Value) {
    refusal(400, "ProvisionedThroughputExceededException")
}

fn platform() -> Value {
    json!({
        "PK": { "S": DIRECTORY }, "SK": { "S": "P#web" }, "name": { "S": "web" }, "id": { "S": Uuid::from_u128(1) },
        "incarnation": { "S": Uuid::from_u128(11) }, "created_at": { "N": "0" }, "rev": { "N": "1" },
    })
}

/// The environment at a revision, with records of these revisions.
fn environment(revision: u64, records: &[u64]) -> Value {
    let digest: Digest = records.iter().copied().map(Revision::new).collect();
    json!({
        "PK": { "S": DIRECTORY }, "SK": { "S": "E#web#production" }, "platform": { "S": "web" }, "name": { "S": "production" },
        "id": { "S": Uuid::from_u128(2) }, "incarnation": { "S": Uuid::from_u128(12) }, "owner": { "S": Uuid::from_u128(11) },
        "created_at": { "N": "0" }, "rev": { "N": "2" }, "contents": { "N": revision.to_string() },
        "contents_digest": { "N": digest.number().to_string() }, "changed_at": { "N": "0" }, "parameters": { "N": "0" },
    })
}

fn scope() -> Scope {
    Scope::new("web".parse().unwrap(), "production".parse().unwrap())
}

fn audit() -> AuditRecord {
    AuditRecord {
        id: Uuid::from_u128(7),
        at: Timestamp::from_ms(1_000),
        actor: Actor::system(),
        action: "experiment.create".to_owned(),
        platform: None,
        environment: None,
        target: "x".to_owned(),
        before: None,
        after: None,
    }
}

/// The audit record of [`audit`], written at a revision.
fn recorded(revision: u64) -> Value {
    json!({
        "PK": { "S": format!("T#{TENANT}#AUDIT#ID#{}", audit().id) }, "SK": { "S": "META" }, "rev": { "N": revision.to_string() },
    })
}

const DEFINITION: &str = r#"{"name":"n","hypothesis":"h","variations":[],"controlVariation":"a","trafficAllocation":[],
"targeting":{"countries":[],"forceIncludeUsers":[],"forceExcludeUsers":[]},"primaryMetric":{"id":"m","name":"m","eventName":"e",
"metricType":"conversion","successDirection":"increase"},"confidenceLevel":0.95}"#;

/// An experiment's item.
fn experiment_item(key: &str, revision: u64) -> Value {
    json!({
        "PK": { "S": format!("T#{TENANT}#ENV#{}", Uuid::from_u128(12)) }, "SK": { "S": format!("E#{key}") }, "key": { "S": key },
        "incarnation": { "S": Uuid::from_u128(13) }, "status": { "S": "draft" }, "schema": { "N": "1" },
        "document": { "S": DEFINITION }, "created_by": { "S": "ann@example.com" }, "created_at": { "N": "0" },
        "updated_at": { "N": "0" }, "rev": { "N": revision.to_string() },
    })
}

fn experiment() -> Experiment {
    Experiment {
        key: "x".parse().unwrap(),
        definition: serde_json::from_str(DEFINITION).unwrap(),
        status: togglebox_toggles::ExperimentStatus::Draft,
        started_at: None,
        started_by: None,
        completed_at: None,
        completed_by: None,
        winner: None,
        created_by: "ann@example.com".to_owned(),
        created_at: Timestamp::EPOCH,
        updated_at: Timestamp::EPOCH,
        revision: Revision::ZERO,
    }
}
