use std::iter::repeat_n;

use serde_json::json;
use togglebox_core::{AuditFilter, AuditLog, PageRequest, StoreErrorKind, Timestamp};
use togglebox_toggles::store::{EnvironmentStore, ExperimentStore};

use super::*;

#[tokio::test(start_paused = true)]
async fn a_throttled_read_is_repeated() {
    let (store, replay) = answering([
        throttled(),
        refusal(500, "InternalServerError"),
        batch(&[platform(), environment(1, &[1])]),
        refusal(400, "ThrottlingException"),
        ok(json!({ "Item": experiment_item("x", 1) })),
    ]);
    let found = store.find(TENANT, &scope(), &"x".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(found, Experiment { revision: Revision::new(1), ..experiment() });
    assert_eq!(operations(&replay), ["BatchGetItem", "BatchGetItem", "BatchGetItem", "GetItem", "GetItem"]);
    for (_, body) in asked(&replay) {
        let consistent = body["ConsistentRead"].as_bool().or(body["RequestItems"][TABLE]["ConsistentRead"].as_bool());
        assert_eq!(consistent, Some(true), "a read sees every write that returned before it");
    }
}

#[tokio::test(start_paused = true)]
async fn keys_that_were_left_out_are_asked_for_again() {
    let left =
        json!({ TABLE: { "Keys": [{ "PK": { "S": DIRECTORY }, "SK": { "S": "E#web#production" } }], "ConsistentRead": true } });
    let (store, replay) = answering([
        ok(json!({ "Responses": { TABLE: [platform()] }, "UnprocessedKeys": left })),
        batch(&[environment(0, &[])]),
        ok(json!({})),
    ]);
    assert!(store.find(TENANT, &scope(), &"x".parse().unwrap()).await.unwrap().is_none());
    let asked = asked(&replay);
    assert_eq!(asked[0].1["RequestItems"][TABLE]["Keys"].as_array().unwrap().len(), 2);
    assert_eq!(asked[1].1["RequestItems"][TABLE]["Keys"], left[TABLE]["Keys"]);
    assert_eq!(asked.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_read_that_is_throttled_for_ever_ends() {
    let (store, replay) = answering(repeat_n(throttled(), 200));
    let began = tokio::time::Instant::now();
    let error = store.find(TENANT, &scope(), &"x".parse().unwrap()).await.unwrap_err();
    assert_eq!(*error.kind(), StoreErrorKind::Unavailable);
    assert!(began.elapsed() <= PATIENCE);
    assert!((5..200).contains(&operations(&replay).len()));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_get_better_is_not_repeated() {
    for (code, kind) in [
        ("AccessDeniedException", StoreErrorKind::Unavailable),
        ("ResourceNotFoundException", StoreErrorKind::Unavailable),
        ("ValidationException", StoreErrorKind::Refused("request")),
    ] {
        let (store, replay) = answering([refusal(400, code)]);
        let error = store.find(TENANT, &scope(), &"x".parse().unwrap()).await.unwrap_err();
        assert_eq!(*error.kind(), kind, "{code}");
        assert_eq!(operations(&replay).len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_query_goes_on_to_its_last_page() {
    let on = experiment_item("a", 1);
    let (store, replay) = answering([
        batch(&[platform(), environment(2, &[1, 2])]),
        ok(json!({ "Items": [on], "LastEvaluatedKey": { "PK": on["PK"], "SK": on["SK"] } })),
        throttled(),
        ok(json!({ "Items": [experiment_item("b", 2)] })),
    ]);
    let state = store.load(TENANT, &scope()).await.unwrap().unwrap();
    assert_eq!(state.experiments.iter().map(|x| x.key.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!((state.id, state.revision), (Uuid::from_u128(2), Revision::new(2)));
    let asked = asked(&replay);
    assert_eq!(asked[1].1.get("ExclusiveStartKey"), None);
    assert_eq!(asked[3].1["ExclusiveStartKey"]["SK"], on["SK"]);
}

#[tokio::test(start_paused = true)]
async fn a_state_that_a_write_got_into_is_read_again() {
    let half = |records: &[Value]| ok(json!({ "Items": records }));
    let (store, replay) = answering([
        batch(&[platform(), environment(2, &[1, 2])]),
        // The write of revision 3 has reached one record, and then the environment.
        half(&[experiment_item("a", 3), experiment_item("b", 2)]),
        batch(&[platform(), environment(4, &[3, 4])]),
        batch(&[platform(), environment(4, &[3, 4])]),
        half(&[experiment_item("a", 3), experiment_item("b", 4)]),
    ]);
    let state = store.load(TENANT, &scope()).await.unwrap().unwrap();
    assert_eq!((state.revision, state.experiments[1].revision), (Revision::new(4), Revision::new(4)));
    assert_eq!(operations(&replay).len(), 5);
}

#[tokio::test(start_paused = true)]
async fn records_of_the_revision_after_need_no_second_reading() {
    let (store, replay) = answering([
        batch(&[platform(), environment(1, &[1])]),
        ok(json!({ "Items": [experiment_item("a", 2)] })),
        batch(&[platform(), environment(2, &[2])]),
    ]);
    let state = store.load(TENANT, &scope()).await.unwrap().unwrap();
    assert_eq!(state.revision, Revision::new(2));
    assert_eq!(operations(&replay).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn in_a_storm_of_writes_a_reader_asks_for_a_pause() {
    let mut answers = Vec::new();
    for n in 0..4 {
        answers.push(batch(&[platform(), environment(2 * n + 1, &[2 * n + 1])]));
        answers.push(ok(json!({ "Items": [experiment_item("a", 2 * n + 2)] })));
        answers.push(batch(&[platform(), environment(2 * n + 3, &[2 * n + 3])]));
    }
    answers.push(batch(&[platform(), environment(9, &[9])]));
    answers.push(ok(json!({})));
    answers.push(batch(&[platform(), environment(9, &[9])]));
    answers.push(ok(json!({ "Items": [experiment_item("a", 9)] })));
    answers.push(ok(json!({})));
    let (store, replay) = answering(answers);
    assert_eq!(store.load(TENANT, &scope()).await.unwrap().unwrap().revision, Revision::new(9));
    let asked = asked(&replay);
    let changes: Vec<_> = asked.iter().filter(|(operation, _)| operation == "TransactWriteItems").map(|(_, body)| body).collect();
    let update = |n: usize| &changes[n]["TransactItems"][0]["Update"];
    assert_eq!(update(0)["UpdateExpression"], "SET #hold = :v0");
    assert_eq!(update(1)["UpdateExpression"], "REMOVE #hold");
    assert_eq!(update(1)["ExpressionAttributeValues"], json!({ ":v0": update(0)["ExpressionAttributeValues"][":v0"] }));
}

#[tokio::test(start_paused = true)]
async fn records_that_never_fit_are_corrupt() {
    let round = [batch(&[platform(), environment(1, &[1])]), ok(json!({ "Items": [experiment_item("a", 5)] }))];
    let mut answers = Vec::new();
    for _ in 0..4 {
        answers.extend(round.iter().cloned());
        answers.push(round[0].clone());
    }
    for _ in 0..200 {
        answers.push(round[0].clone());
        answers.push(ok(json!({})));
        answers.extend(round.iter().cloned());
        answers.push(round[0].clone());
        answers.push(ok(json!({})));
    }
    let error = answering(answers).0.load(TENANT, &scope()).await.unwrap_err();
    assert_eq!(*error.kind(), StoreErrorKind::Corrupt);
}

#[tokio::test(start_paused = true)]
async fn removals_that_were_left_undone_are_repeated() {
    let entry = json!({
        "PK": { "S": format!("T#{TENANT}#AUDIT") }, "SK": { "S": "any" }, "id": { "S": audit().id }, "at": { "N": "1000" },
        "rev": { "N": "1" },
    });
    let mut record = recorded(1);
    for (name, value) in [("id", json!({ "S": audit().id })), ("at", json!({ "N": "1000" })), ("target", json!({ "S": "x" }))] {
        record[name] = value;
    }
    record["actor"] = json!({ "S": serde_json::to_string(&Actor::system()).unwrap() });
    record["action"] = json!({ "S": "any" });
    let left = json!({ TABLE: [{ "DeleteRequest": { "Key": { "PK": { "S": "a" }, "SK": { "S": "b" } } } }] });
    let done = || ok(json!({ "UnprocessedItems": {} }));
    let (store, replay) = answering([
        ok(json!({ "Items": [entry] })),
        batch(&[record]),
        ok(json!({ "UnprocessedItems": left })),
        done(),
        done(),
        done(),
    ]);
    assert_eq!(store.prune(TENANT, Timestamp::from_ms(2_000), 10).await.unwrap(), 1);
    let asked = asked(&replay);
    assert_eq!(asked[3].1["RequestItems"], left, "only what was left is asked for again");
    let removed = |n: usize| asked[n].1["RequestItems"][TABLE][0]["DeleteRequest"]["Key"]["PK"]["S"].as_str().unwrap().to_owned();
    assert!(removed(2).contains("#AUDIT#T#"), "the other lists first");
    assert!(removed(4).contains("#AUDIT#ID#"), "then the record");
    assert!(removed(5).ends_with("#AUDIT"), "and last what leads to it");
}

#[tokio::test(start_paused = true)]
async fn a_page_asks_for_no_more_than_it_shows_and_one() {
    let (store, replay) = answering([ok(json!({ "Items": [] }))]);
    let page = store.list(TENANT, &AuditFilter::default(), &PageRequest::first(20)).await.unwrap();
    assert!(page.items.is_empty() && page.next.is_none());
    let (_, body) = &asked(&replay)[0];
    assert_eq!((body["Limit"].as_u64(), body["ScanIndexForward"].as_bool()), (Some(21), Some(false)));
    assert_eq!(body.get("FilterExpression"), None);
}
