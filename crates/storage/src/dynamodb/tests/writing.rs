use std::iter::repeat_n;

use serde_json::json;
use togglebox_core::{Limit, StoreErrorKind, StoreResult, Written};
use togglebox_toggles::store::ExperimentStore;

use super::*;

async fn create(store: &DynamoDb) -> StoreResult<Written<Experiment>> {
    store.create(TENANT, &scope(), &experiment(), Limit::Unlimited, &audit()).await
}

/// What a write of a new experiment reads first: the environment, that it was not made before, and that the key is free.
fn vacant(revision: u64, records: &[u64]) -> [(u16, Value); 2] {
    [batch(&[platform(), environment(revision, records)]), ok(json!({}))]
}

fn transactions(replay: &StaticReplayClient) -> Vec<Value> {
    asked(replay).into_iter().filter(|(operation, _)| operation == "TransactWriteItems").map(|(_, body)| body).collect()
}

fn written(revision: u64) -> Written<Experiment> {
    let revision = Revision::new(revision);
    Written { value: Experiment { revision, ..experiment() }, revision }
}

#[tokio::test(start_paused = true)]
async fn a_write_is_one_transaction_with_every_condition() {
    let [first, second] = vacant(4, &[3, 4]);
    let (store, replay) = answering([first, second, ok(json!({}))]);
    assert_eq!(create(&store).await.unwrap(), written(5));
    let sent = &transactions(&replay)[0];
    let actions = sent["TransactItems"].as_array().unwrap();
    assert_eq!(actions.len(), 5, "environment, experiment, audit record and its two lists: {actions:#?}");

    let advance = &actions[0]["Update"];
    assert_eq!(advance["Key"]["SK"]["S"], "E#web#production");
    let counted =
        "#contents = :v0, #changed_at = :v1, #contents_digest = :v2, #parameters = :v3, #flags = :v4, #experiments = :v5";
    assert_eq!(advance["UpdateExpression"], format!("SET {counted}"));
    assert_eq!(advance["ConditionExpression"], "#incarnation = :v6 AND #contents = :v7");
    let digest: Digest = [3, 4, 5].map(Revision::new).into_iter().collect();
    let values = &advance["ExpressionAttributeValues"];
    assert_eq!((&values[":v0"]["N"], &values[":v7"]["N"]), (&json!("5"), &json!("4")));
    assert_eq!(values[":v2"]["N"], digest.number().to_string());

    assert_eq!([":v3", ":v4", ":v5"].map(|value| &values[value]["N"]), ["0", "0", "1"], "one experiment more");

    let put = &actions[1]["Put"];
    assert_eq!(put["ConditionExpression"], "attribute_not_exists(#PK)");
    assert_eq!(put["Item"]["incarnation"]["S"], audit().id.to_string());
    let record = &actions[2]["Put"];
    assert_eq!(record["ConditionExpression"], "attribute_not_exists(#PK)");
    assert_eq!(record["Item"]["PK"]["S"], format!("T#{TENANT}#AUDIT#ID#{}", audit().id));
    assert!(actions[3..].iter().all(|entry| entry["Put"].get("ConditionExpression").is_none()));
    assert_eq!(sent["ClientRequestToken"].as_str().unwrap().len(), 32);
}

#[tokio::test(start_paused = true)]
async fn when_only_the_environment_has_moved_the_write_is_worked_out_anew() {
    let mut answers = Vec::new();
    for codes in [["ConditionalCheckFailed", "None"], ["TransactionConflict", "None"], ["ThrottlingError", "None"]] {
        answers.extend(vacant(4, &[4]));
        answers.push(cancelled(&codes));
    }
    answers.extend(vacant(6, &[4, 6]));
    answers.push(ok(json!({})));
    let (store, replay) = answering(answers);
    assert_eq!(create(&store).await.unwrap(), written(7));
    let sent = transactions(&replay);
    let expected = |n: usize| &sent[n]["TransactItems"][0]["Update"]["ExpressionAttributeValues"][":v7"]["N"];
    assert_eq!((expected(0), expected(3)), (&json!("4"), &json!("6")));
    assert_eq!(sent[0]["ClientRequestToken"], sent[1]["ClientRequestToken"], "the same write at the same revision");
    assert_ne!(sent[0]["ClientRequestToken"], sent[3]["ClientRequestToken"]);
}

/// The whole directory, where the environment holds so many experiments.
fn directory(experiments: u64) -> (u16, Value) {
    let digest: Digest = [1, 2].map(Revision::new).into_iter().collect();
    let head = json!({
        "PK": { "S": DIRECTORY }, "SK": { "S": "META" }, "rev": { "N": "2" }, "digest": { "N": digest.number().to_string() },
    });
    let mut environment = environment(4, &[4]);
    environment["experiments"] = json!({ "N": experiments.to_string() });
    ok(json!({ "Items": [environment, head, platform()] }))
}

#[tokio::test(start_paused = true)]
async fn of_two_that_count_the_same_one_counts_again() {
    let [first, second] = vacant(4, &[4]);
    let (nobody_before, one_before) = (ok(json!({})), ok(json!({ "Item": { "rev": { "N": "1" } } })));
    let lost = cancelled(&["None", "None", "ConditionalCheckFailed"]);
    let again = vacant(4, &[4]);
    let answers = [first, second, nobody_before, directory(1), lost].into_iter().chain(again).chain([one_before, directory(2)]);
    let (store, replay) = answering(answers);
    let two = Limit::of(2).unwrap();
    let refused = store.create(TENANT, &scope(), &experiment(), two, &audit()).await.unwrap_err();
    assert_eq!(*refused.kind(), StoreErrorKind::QuotaReached { usage: 2, limit: 2 });
    let sent = transactions(&replay);
    assert_eq!(sent.len(), 1);
    let claim = &sent[0]["TransactItems"][2]["Update"];
    assert_eq!(claim["Key"]["PK"]["S"], format!("T#{TENANT}#QUOTA"));
    assert_eq!(claim["ConditionExpression"], "(attribute_not_exists(#rev) OR #rev < :v1)");
    assert_eq!(claim["ExpressionAttributeValues"][":v0"]["N"], "1");
}

#[tokio::test(start_paused = true)]
async fn a_lost_race_says_who_won() {
    let [first, second] = vacant(4, &[4]);
    let taken = [batch(&[platform(), environment(5, &[4, 5])]), ok(json!({ "Item": experiment_item("x", 5) }))];
    let (store, _) = answering([first, second, cancelled(&["ConditionalCheckFailed"])].into_iter().chain(taken.clone()));
    assert_eq!(*create(&store).await.unwrap_err().kind(), StoreErrorKind::AlreadyExists);

    let (store, replay) = answering(taken);
    let error = store.replace(TENANT, &scope(), &experiment(), Revision::new(4), &audit()).await.unwrap_err();
    assert_eq!(*error.kind(), StoreErrorKind::Conflict { current: Revision::new(5) });
    assert!(transactions(&replay).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_answer_was_lost_is_found_out() {
    for lost in [refusal(500, "InternalServerError"), (503, json!({})), cancelled(&["None", "None", "ConditionalCheckFailed"])] {
        let [first, second] = vacant(4, &[4]);
        let made = [batch(&[platform(), environment(5, &[4, 5]), recorded(5)]), ok(json!({ "Item": experiment_item("x", 5) }))];
        let (store, replay) = answering([first, second, lost].into_iter().chain(made));
        assert_eq!(create(&store).await.unwrap(), written(5));
        assert_eq!(transactions(&replay).len(), 1, "it is not made twice");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_taken_is_replaced() {
    let [first, second] = vacant(4, &[4]);
    let [third, fourth] = vacant(4, &[4]);
    let taken = refusal(400, "IdempotentParameterMismatchException");
    let (store, replay) = answering([first, second, taken, third, fourth, ok(json!({}))]);
    assert_eq!(create(&store).await.unwrap(), written(5));
    let sent = transactions(&replay);
    assert_ne!(sent[0]["ClientRequestToken"], sent[1]["ClientRequestToken"]);
}

#[tokio::test(start_paused = true)]
async fn a_mistake_of_ours_is_not_repeated() {
    for mistake in [cancelled(&["ValidationError", "ConditionalCheckFailed"]), refusal(400, "ValidationException")] {
        let [first, second] = vacant(4, &[4]);
        let (store, replay) = answering([first, second, mistake]);
        assert_eq!(*create(&store).await.unwrap_err().kind(), StoreErrorKind::Refused("request"));
        assert_eq!(transactions(&replay).len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_that_never_gets_through_ends() {
    let round = || {
        let [first, second] = vacant(4, &[4]);
        [first, second, cancelled(&["TransactionConflict"])]
    };
    let (store, replay) = answering(repeat_n((), 300).flat_map(|()| round()));
    let began = tokio::time::Instant::now();
    let error = create(&store).await.unwrap_err();
    assert_eq!(*error.kind(), StoreErrorKind::Unavailable);
    assert!(began.elapsed() <= PATIENCE);
    assert!((5..300).contains(&transactions(&replay).len()));
}

#[tokio::test(start_paused = true)]
async fn what_is_too_large_is_refused_before_it_is_sent() {
    let mut given = experiment();
    given.definition.hypothesis = "x".repeat(500_000);
    let (store, replay) = answering(vacant(4, &[4]));
    let error = store.create(TENANT, &scope(), &given, Limit::Unlimited, &audit()).await.unwrap_err();
    assert!(matches!(error.kind(), StoreErrorKind::TooLarge { .. }), "{error}");
    assert!(transactions(&replay).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_writer_waits_for_a_reader_that_asks_for_it() {
    let mut held = environment(4, &[4]);
    held["hold"] = json!({ "S": Uuid::from_u128(99) });
    let held = || batch(&[platform(), held.clone()]);
    let [free, key] = vacant(4, &[4]);
    let (store, replay) = answering([held(), held(), free, key.clone(), ok(json!({}))]);
    create(&store).await.unwrap();
    assert_eq!(operations(&replay), ["BatchGetItem", "BatchGetItem", "BatchGetItem", "GetItem", "TransactWriteItems"]);

    // But not for ever: a reader may have died. What it left is removed.
    let (store, replay) = answering(repeat_n(held(), 60));
    let began = tokio::time::Instant::now();
    create(&store).await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(500) && began.elapsed() < PATIENCE);
    let change = transactions(&replay)[0]["TransactItems"][0]["Update"]["UpdateExpression"].as_str().unwrap().to_owned();
    assert!(change.ends_with(" REMOVE #hold"), "{change}");
}
