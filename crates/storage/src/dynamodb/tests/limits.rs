//! Rate limits against answers that no server for tests gives.

use std::sync::Arc;

use aws_smithy_http_client::test_util::NeverClient;
use serde_json::json;
use togglebox_core::StoreErrorKind;
use togglebox_ratelimit::{Batch, Digest, Limit, LimitStore as _, ManualStopwatch, Quota, Tag, Warning};

use super::*;
use crate::dynamodb::{DynamoDbLimits, DynamoDbLimitsOptions};

const NOW: u64 = 1_795_000_000_000_000;
/// The same moment.
const DATE: &str = "Wed, 18 Nov 2026 11:06:40 GMT";

fn batch() -> Batch {
    let quota = Quota::rate(10, Duration::from_secs(1)).burst(5).unwrap();
    let limit = Limit::new("a".parse().unwrap(), Digest::from_bytes([7; 16]), quota, 1).unwrap();
    Batch::one(Tag::Tenant(TENANT), limit)
}

/// The item as it is when the bucket will be full in so many milliseconds.
fn item(ahead_ms: u64) -> Value {
    let ticks = (NOW + 1000 * ahead_ms).to_string();
    json!({
        "PK": { "S": format!("T#{TENANT}#LIMIT#0") }, "SK": { "S": "META" }, "expires_at": { "N": "1896000000" },
        "t_07070707070707070707070707070707": { "N": ticks },
    })
}

/// A condition that failed, on this item.
fn failed(item: Option<Value>) -> (u16, Value) {
    let (status, mut body) = refusal(400, "ConditionalCheckFailedException");
    if let Some(item) = item {
        body["Item"] = item;
    }
    (status, body)
}

fn limits(answers: impl IntoIterator<Item = (u16, Value)>) -> (DynamoDbLimits, StaticReplayClient) {
    let (store, replay) = answering(answers);
    let clock = Arc::new(ManualStopwatch::new(NOW));
    (DynamoDbLimits::with_clock(&store, DynamoDbLimitsOptions::default(), clock), replay)
}

fn is_unavailable<T>(result: Result<T, togglebox_core::StoreError>) -> bool {
    result.is_err_and(|error| *error.kind() == StoreErrorKind::Unavailable)
}

#[tokio::test(start_paused = true)]
async fn a_decision_is_one_update_that_is_charged_or_not() {
    let (limits, replay) = limits([ok(json!({})), ok(json!({ "Attributes": item(100) })), failed(Some(item(500)))]);
    assert!(limits.consume(&batch()).await.unwrap().passed);
    assert!(limits.consume(&batch()).await.unwrap().passed);
    let denied = limits.consume(&batch()).await.unwrap();
    assert!(!denied.passed && !denied.charged);
    assert_eq!(denied.standing(&batch(), 0).unwrap().retry_after, Duration::from_millis(100));
    let asked = asked(&replay);
    assert!(asked.len() == 3 && asked.iter().all(|(operation, _)| operation == "UpdateItem"));
    let sent = &asked[1].1;
    assert_eq!(sent["Key"]["PK"]["S"], format!("T#{TENANT}#LIMIT#0"));
    let ticks = "#t_07070707070707070707070707070707";
    assert_eq!(sent["UpdateExpression"], format!("SET {ticks} = if_not_exists({ticks}, :v0) + :v2"));
    assert_eq!(sent["ReturnValuesOnConditionCheckFailure"], "ALL_OLD");
    let values = &sent["ExpressionAttributeValues"];
    let number = |n: u64| json!({ "N": n.to_string() });
    assert_eq!((&values[":v0"], &values[":v1"], &values[":v2"]), (&number(NOW), &number(NOW + 400_000), &number(100_000)));
}

#[tokio::test(start_paused = true)]
async fn what_may_have_been_carried_out_is_never_sent_again() {
    for lost in [refusal(500, "InternalServerError"), (503, json!({})), (200, Value::String("cut off".to_owned()))] {
        let (limits, replay) = limits([lost, ok(json!({}))]);
        assert!(is_unavailable(limits.consume(&batch()).await));
        assert_eq!(operations(&replay).len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_throttled_is_not_pressed_on() {
    for code in ["ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"] {
        let (limits, replay) = limits([refusal(400, code), ok(json!({}))]);
        let began = tokio::time::Instant::now();
        assert!(is_unavailable(limits.consume(&batch()).await), "{code}");
        assert_eq!((operations(&replay).len(), began.elapsed()), (1, Duration::ZERO));
    }
}

#[tokio::test(start_paused = true)]
async fn a_collision_did_nothing_and_is_tried_again_three_times_in_all() {
    let conflict = || refusal(400, "TransactionConflictException");
    let (limits, replay) = limits([conflict(), conflict(), ok(json!({})), conflict(), conflict(), conflict(), ok(json!({}))]);
    assert!(limits.consume(&batch()).await.unwrap().passed);
    assert_eq!(operations(&replay).len(), 3);
    assert!(is_unavailable(limits.consume(&batch()).await));
    assert_eq!(operations(&replay).len(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_guess_that_goes_wrong_costs_one_more_request() {
    // The bucket is full, of which a node that has just begun knows nothing.
    let long_ago = item(0)["t_07070707070707070707070707070707"]["N"].as_str().unwrap().parse::<u64>().unwrap() - 9_000_000;
    let mut full = item(0);
    full["t_07070707070707070707070707070707"]["N"] = json!(long_ago.to_string());
    let (limits, replay) = limits([failed(Some(full.clone())), ok(json!({ "Attributes": full }))]);
    let reply = limits.consume(&batch()).await.unwrap();
    assert_eq!((reply.passed, reply.before[0].us()), (true, NOW));
    let again = &asked(&replay)[1].1;
    assert!(again["ConditionExpression"].as_str().unwrap().contains("#t_07070707070707070707070707070707 < :v0"), "{again}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_keeps_the_item_to_itself_is_asked_for_it() {
    let (limits, replay) = limits([failed(None), ok(json!({ "Item": item(500) }))]);
    assert!(!limits.consume(&batch()).await.unwrap().passed);
    assert_eq!(operations(&replay), ["UpdateItem", "GetItem"]);
    assert_eq!(asked(&replay)[1].1["ConsistentRead"], true);
}

#[tokio::test(start_paused = true)]
async fn others_who_are_always_faster_are_an_outage() {
    // Each time it is another quota's state that has to be replaced.
    let other = |n: u64| {
        let mut item = item(0);
        item["t_07070707070707070707070707070707"]["N"] = json!(((NOW + n) * 7 + 1).to_string());
        item["d_07070707070707070707070707070707"] = json!({ "N": "7" });
        failed(Some(item))
    };
    let (limits, replay) = limits([other(1), other(2), other(3), ok(json!({}))]);
    assert!(is_unavailable(limits.consume(&batch()).await));
    assert_eq!(operations(&replay).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_named() {
    let mut broken = item(0);
    broken["t_07070707070707070707070707070707"] = json!({ "S": "soon" });
    let (limits, _) = limits([failed(Some(broken))]);
    let error = limits.consume(&batch()).await.unwrap_err();
    assert_eq!(*error.kind(), StoreErrorKind::Corrupt);
    let source = std::error::Error::source(&error).unwrap();
    assert!(source.to_string().contains(&format!("T#{TENANT}#LIMIT#0 / META")), "{source}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_ends_at_the_deadline() {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("id", "secret", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .http_client(NeverClient::new());
    let store = DynamoDb::over(Client::from_conf(config.build()), TABLE, PATIENCE);
    let options = DynamoDbLimitsOptions::default().with_deadline(Duration::from_millis(50));
    let limits = DynamoDbLimits::with_clock(&store, options, Arc::new(ManualStopwatch::new(NOW)));
    let began = tokio::time::Instant::now();
    assert!(is_unavailable(limits.consume(&batch()).await));
    assert!(is_unavailable(limits.peek(&batch()).await));
    assert!(is_unavailable(limits.grant(&batch(), 3).await.map(drop)));
    assert!(is_unavailable(limits.health().await));
    assert_eq!(began.elapsed().as_millis() / 50, 4);
}

/// Limits whose server tells this time with each answer, and their clock.
fn at(date: &str, answers: usize) -> (DynamoDbLimits, Arc<ManualStopwatch>, StaticReplayClient) {
    let event = |_| {
        let mut response = HttpResponse::new(200.try_into().unwrap(), "{}".into());
        response.headers_mut().insert("date", date.to_owned());
        ReplayEvent::new(HttpRequest::new("".into()), response)
    };
    let replay = StaticReplayClient::new((0..answers).map(event).collect());
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("id", "secret", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .http_client(replay.clone());
    let store = DynamoDb::over(Client::from_conf(config.build()), TABLE, PATIENCE);
    let clock = Arc::new(ManualStopwatch::new(NOW));
    let limits = DynamoDbLimits::with_clock(&store, DynamoDbLimitsOptions::default(), Arc::<ManualStopwatch>::clone(&clock));
    (limits, clock, replay)
}

#[tokio::test(start_paused = true)]
async fn a_machine_whose_clock_is_wrong_lets_nothing_through_until_it_is_right() {
    let (limits, clock, replay) = at(DATE, 20);
    assert!(limits.consume(&batch()).await.unwrap().passed);
    assert_eq!(limits.health().await.unwrap().warnings, []);
    clock.set_us(NOW - 2_500_000);
    assert!(limits.consume(&batch()).await.unwrap().passed, "known only from its answer");
    assert!(is_unavailable(limits.consume(&batch()).await));
    assert!(is_unavailable(limits.peek(&batch()).await));
    assert!(is_unavailable(limits.charge(&batch()).await));
    assert_eq!(limits.health().await.unwrap().warnings, [Warning::ClockApart(2500)]);
    assert_eq!(limits.health().await.unwrap().clock_ahead_us, Some(2_500_000));
    let writes = operations(&replay).iter().filter(|operation| *operation == "UpdateItem").count();
    assert_eq!(writes, 2, "nothing is charged by a wrong clock");
    clock.set_us(NOW + 500_000);
    assert!(limits.consume(&batch()).await.unwrap().passed);
    clock.set_us(NOW + 4_000_000);
    let _ = limits.consume(&batch()).await;
    assert_eq!(limits.health().await.unwrap().clock_ahead_us, Some(-3_000_000));
    assert!(is_unavailable(limits.consume(&batch()).await));
}
