//! Commits of documents whose transactions are cancelled, or of which nobody hears what became.

use std::sync::atomic::{AtomicI64, Ordering};

use aws_sdk_dynamodb::config::interceptors::BeforeDeserializationInterceptorContextMut;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use togglebox_billing::{Address, BillingStore, Committed, Document, Shelf, Write};
use togglebox_core::StoreErrorKind;

use super::*;

fn document(version: u64) -> Document {
    Document {
        address: Address::new(Shelf::Account, "x"),
        tenant: None,
        version,
        list: "open".into(),
        at: Timestamp::EPOCH,
        due: None,
        body: "{}".into(),
    }
}

/// As another commit has left it.
fn item(version: u64) -> Value {
    json!({
        "PK": { "S": "REG#BILLING#DOC#account#x" }, "SK": { "S": "META" }, "version": { "N": version.to_string() },
        "by": { "S": Uuid::from_u128(9) }, "list": { "S": "open" }, "at": { "N": "0" }, "body": { "S": "{}" },
    })
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_meets_others_begins_anew() {
    let answers = [
        batch(&[item(1)]),
        cancelled(&["TransactionConflict"]),
        batch(&[item(1)]),
        throttled(),
        batch(&[item(1)]),
        ok(json!({})),
    ];
    let (store, replay) = answering(answers);
    assert_eq!(BillingStore::commit(&store, &[Write::Put(document(1))]).await.unwrap(), Committed::Done);
    let sent: Vec<Value> =
        asked(&replay).into_iter().filter(|(operation, _)| operation == "TransactWriteItems").map(|(_, body)| body).collect();
    assert_eq!(sent.len(), 3);
    let put = &sent[0]["TransactItems"][0]["Put"];
    assert_eq!(put["ConditionExpression"], "#version = :v0");
    assert_eq!((&put["ExpressionAttributeValues"][":v0"]["N"], &put["Item"]["version"]["N"]), (&json!("1"), &json!("2")));
    assert_eq!(sent[0]["TransactItems"].as_array().unwrap().len(), 1, "it stays where it is");
    assert_ne!(sent[0]["ClientRequestToken"], sent[1]["ClientRequestToken"]);
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_others_overtook_is_stale() {
    let (store, _) = answering([batch(&[item(1)]), cancelled(&["ConditionalCheckFailed"]), batch(&[item(2)])]);
    assert_eq!(BillingStore::commit(&store, &[Write::Put(document(1))]).await.unwrap(), Committed::Stale);
    let (store, _) = answering([batch(&[])]);
    assert_eq!(BillingStore::commit(&store, &[Write::Remove(document(1).address, 1)]).await.unwrap(), Committed::Stale);
}

/// Nobody knows whether it was done before somebody else came by.
#[tokio::test(start_paused = true)]
async fn a_commit_whose_outcome_cannot_be_known_is_not_called_stale() {
    for then in [vec![item(2)], vec![item(3)], vec![]] {
        let (store, _) = answering([batch(&[item(1)]), refusal(500, "InternalServerError"), batch(&then)]);
        let error = BillingStore::commit(&store, &[Write::Put(document(1))]).await.unwrap_err();
        assert_eq!(error.kind(), &StoreErrorKind::Unavailable);
    }
}

/// Loses the answer to one request.
#[derive(Debug)]
struct Gap(AtomicI64);

impl Intercept for Gap {
    fn name(&self) -> &'static str {
        "Gap"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if self.0.fetch_sub(1, Ordering::SeqCst) == 0 {
            let (status, body) = refusal(500, "InternalServerError");
            *context.response_mut() = HttpResponse::new(status.try_into()?, body.to_string().into());
        }
        Ok(())
    }
}

/// By reading: what it has written itself says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_was_lost_is_known_to_be_done() {
    let Some(endpoint) = endpoint() else { return };
    let (store, table) = with_table(&endpoint).await;
    let losing = |answer| {
        let config = at(&endpoint).interceptor(Gap(AtomicI64::new(answer)));
        DynamoDb::over(Client::from_conf(config.build()), &table, PATIENCE)
    };
    for version in 0..6 {
        // Of the read, of the transaction, of none.
        let lossy = losing(i64::try_from(version % 3).unwrap());
        assert_eq!(BillingStore::commit(&lossy, &[Write::Put(document(version))]).await.unwrap(), Committed::Done);
        let stands = BillingStore::get(&store, &[document(0).address]).await.unwrap();
        assert_eq!(stands, [Some(document(version + 1))]);
    }
    // What is removed tells nothing. It is gone all the same.
    let lost = BillingStore::commit(&losing(1), &[Write::Remove(document(0).address, 6)]).await.unwrap_err();
    assert_eq!(lost.kind(), &StoreErrorKind::Unavailable);
    assert_eq!(BillingStore::get(&store, &[document(0).address]).await.unwrap(), [None]);
}

/// What is pruned is counted, also where the answer was lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_pruned_is_counted_once() {
    let Some(endpoint) = endpoint() else { return };
    let (store, table) = with_table(&endpoint).await;
    for answer in 0..12 {
        assert_eq!(BillingStore::commit(&store, &[Write::Put(document(0))]).await.unwrap(), Committed::Done);
        let config = at(&endpoint).interceptor(Gap(AtomicI64::new(answer)));
        let lossy = DynamoDb::over(Client::from_conf(config.build()), &table, PATIENCE);
        assert_eq!(lossy.prune(Shelf::Account, "open", Timestamp::from_ms(1), 10).await.unwrap(), 1, "without answer {answer}");
        assert_eq!(BillingStore::get(&store, &[document(0).address]).await.unwrap(), [None]);
    }
}
