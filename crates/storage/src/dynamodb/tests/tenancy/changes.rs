use std::iter::repeat_n;

use super::*;

fn counted(revision: u64) -> (u16, Value) {
    ok(json!({ "Item": counter(revision) }))
}

fn entries(revisions: impl IntoIterator<Item = u64>) -> (u16, Value) {
    ok(json!({ "Items": revisions.into_iter().map(change_item).collect::<Vec<_>>() }))
}

async fn changes(answers: Vec<(u16, Value)>, since: u64, limit: usize) -> (Vec<u64>, u64, Vec<String>) {
    let (store, replay) = answering(answers);
    let part = store.changes_since(Revision::new(since), limit).await.unwrap();
    let revisions = part.changes.iter().map(|change| change.revision.get()).collect();
    (revisions, part.revision.get(), operations(&replay))
}

#[tokio::test(start_paused = true)]
async fn nothing_new_is_one_look_at_the_counter() {
    let (seen, revision, asked) = changes(vec![counted(7)], 7, 10).await;
    assert_eq!((seen, revision, asked), (vec![], 7, vec!["GetItem".to_owned()]));
    let (seen, revision, _) = changes(vec![counted(5)], 7, 10).await;
    assert_eq!((seen, revision), (vec![], 5), "of another table, perhaps");
}

/// A query may see the second of two writes before it sees the first, and the counter before either.
#[tokio::test(start_paused = true)]
async fn a_change_is_not_shown_before_those_in_front_of_it() {
    for half in [vec![6], vec![5], vec![], vec![7], vec![5, 7]] {
        let answers = vec![counted(6), entries(half.clone()), ok(json!({})), counted(6), entries([5, 6])];
        let (seen, revision, _) = changes(answers, 4, 10).await;
        assert_eq!((seen, revision), (vec![5, 6], 6), "{half:?}");
    }
    let (seen, revision, _) = changes(vec![counted(5), entries([5, 6])], 4, 10).await;
    assert_eq!((seen, revision), (vec![5, 6], 6), "what came after the counter was read is there all the same");
    let (seen, revision, _) = changes(vec![counted(5), entries([5, 7])], 4, 10).await;
    assert_eq!((seen, revision), (vec![5], 5), "what came later is not shown behind a gap, and not waited for");
    let (seen, revision, _) = changes(vec![counted(9), entries([5, 6])], 4, 2).await;
    assert_eq!((seen, revision), (vec![5, 6], 9));
}

#[tokio::test(start_paused = true)]
async fn what_was_pruned_is_not_waited_for() {
    // The removal may stop anywhere.
    for left in [vec![4, 5, 6], vec![2, 5, 6], vec![5, 6]] {
        let answers = vec![counted(6), entries(left), pruned(4), counted(6), entries([5, 6])];
        let (seen, revision, _) = changes(answers, 0, 10).await;
        assert_eq!((seen, revision), (vec![5, 6], 6));
    }
    let (seen, revision, _) = changes(vec![counted(6), entries([]), pruned(6), counted(6)], 3, 10).await;
    assert_eq!((seen, revision), (vec![], 6));
}

#[tokio::test(start_paused = true)]
async fn a_change_that_stays_missing_is_told() {
    let round = || [counted(6), entries([4, 6]), pruned(2)];
    let (store, _) = answering(repeat_n((), 300).flat_map(|()| round()));
    let error = store.changes_since(Revision::new(3), 10).await.unwrap_err();
    assert_eq!(*error.kind(), StoreErrorKind::Corrupt);
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(source, format!("attribute rev of item REG#CHANGES / {:020} cannot be read", 5));
}

#[tokio::test(start_paused = true)]
async fn pruning_says_how_far_before_it_removes_and_stops_at_a_gap() {
    let left = json!({ TABLE: [{ "DeleteRequest": { "Key": { "PK": { "S": "a" }, "SK": { "S": "b" } } } }] });
    let answers = [
        entries([3, 4, 6]),
        pruned(2),
        ok(json!({})),
        ok(json!({ "UnprocessedItems": left })),
        throttled(),
        ok(json!({ "UnprocessedItems": {} })),
    ];
    let (store, replay) = answering(answers);
    assert_eq!(store.prune_changes(Timestamp::from_ms(2_000), 10).await.unwrap(), 2);
    assert_eq!(
        operations(&replay),
        ["Query", "GetItem", "TransactWriteItems", "BatchWriteItem", "BatchWriteItem", "BatchWriteItem",]
    );
    let asked = asked(&replay);
    let note = &asked[2].1["TransactItems"][0]["Update"];
    assert_eq!((&note["Key"]["SK"]["S"], &note["ExpressionAttributeValues"][":v0"]["N"]), (&json!("PRUNED"), &json!("4")));
    let removed = asked[3].1["RequestItems"][TABLE].as_array().unwrap();
    assert_eq!(removed.len(), 2);
    assert_eq!(asked[5].1["RequestItems"], left, "only what was left is asked for again");
}

#[tokio::test(start_paused = true)]
async fn pruning_removes_what_an_interrupted_call_has_left() {
    let answers = [entries([1, 3, 5]), pruned(4), ok(json!({ "UnprocessedItems": {} }))];
    let (store, replay) = answering(answers);
    assert_eq!(store.prune_changes(Timestamp::from_ms(500), 10).await.unwrap(), 2);
    assert_eq!(operations(&replay), ["Query", "GetItem", "BatchWriteItem"], "how far was told before");
}
