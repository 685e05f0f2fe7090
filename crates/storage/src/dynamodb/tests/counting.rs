//! Batches of statistics against answers that no server for tests gives.

use serde_json::json;
use togglebox_core::{StoreErrorKind, StoreResult};
use togglebox_toggles::store::{Delta, ScopedDelta, StatisticsBatch, StatisticsStore};

use super::*;

fn one_exposure() -> StatisticsBatch {
    let delta = Delta::Exposure {
        key: "x".parse().unwrap(),
        variation: "short".parse().unwrap(),
        day: "2026-01-01".to_owned(),
        exposures: 1,
        subjects: Vec::new(),
        last_at: audit().at,
    };
    StatisticsBatch { id: Uuid::from_u128(0xb), at: audit().at, deltas: vec![ScopedDelta { scope: scope(), delta }] }
}

async fn record(store: &DynamoDb) -> StoreResult<()> {
    store.record(TENANT, &one_exposure()).await
}

/// What a batch reads first: that it was not sent before, the environment, the experiment, and what stands.
fn unsent() -> [(u16, Value); 4] {
    [ok(json!({})), batch(&[platform(), environment(1, &[1])]), batch(&[experiment_item("x", 1)]), batch(&[])]
}

fn done() -> Value {
    json!({
        "PK": { "S": format!("T#{TENANT}#BATCH#{}", Uuid::from_u128(0xb)) }, "SK": { "S": "META" }, "state": { "S": "done" },
        "expires_at": { "N": "90001" },
    })
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_one_transaction_that_remembers_it() {
    let (store, replay) = answering(unsent().into_iter().chain([ok(json!({}))]));
    record(&store).await.unwrap();
    let asked = asked(&replay);
    let (operation, body) = asked.last().unwrap();
    assert_eq!((operation.as_str(), asked.len()), ("TransactWriteItems", 5));
    let actions = body["TransactItems"].as_array().unwrap();
    assert_eq!(actions.len(), 3, "the experiment, the day, the batch");
    let day = &actions[0]["Update"];
    assert_eq!(day["UpdateExpression"], "SET #day = :v0, #variation = :v1 ADD #exposures :v2");
    assert_eq!(day["ExpressionAttributeValues"][":v2"], json!({ "N": "1" }));
    let total = &actions[1]["Update"];
    assert_eq!(total["UpdateExpression"], "SET #last_at = :v0");
    assert_eq!(total["ConditionExpression"], "(attribute_not_exists(#last_at) OR #last_at < :v1)");
    let remembered = &actions[2]["Put"];
    assert_eq!((&remembered["Item"], &remembered["ConditionExpression"]), (&done(), &json!("attribute_not_exists(#PK)")));
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_meets_another_is_worked_out_anew() {
    let again = [batch(&[]), ok(json!({}))];
    let conflict = cancelled(&["TransactionConflict", "None", "None"]);
    let (store, replay) = answering(unsent().into_iter().chain([conflict]).chain(again));
    record(&store).await.unwrap();
    assert_eq!(operations(&replay)[4..], ["TransactWriteItems", "BatchGetItem", "TransactWriteItems"]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_whose_answer_was_lost_is_not_counted_twice() {
    let lost = refusal(500, "InternalServerError");
    let found = [batch(&[done()]), ok(json!({ "Item": done() })), ok(json!({ "Items": [] })), ok(json!({}))];
    let (store, replay) = answering(unsent().into_iter().chain([lost]).chain(found));
    record(&store).await.unwrap();
    assert_eq!(operations(&replay).iter().filter(|operation| *operation == "TransactWriteItems").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_throttled_for_ever_may_be_sent_again() {
    let answers = std::iter::repeat_with(|| [throttled(), batch(&[])]).flatten().take(200);
    let (store, _) = answering(unsent().into_iter().chain(answers));
    assert_eq!(*record(&store).await.unwrap_err().kind(), StoreErrorKind::Unavailable);
}
