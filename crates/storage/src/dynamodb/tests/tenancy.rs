//! The register of tenants against answers that no server for tests gives.

use std::iter::repeat_n;

use serde_json::json;
use togglebox_core::{Email, PageRequest, StoreErrorKind, StoreResult, Written};
use togglebox_multitenancy::store::{
    InvitationStore, MemberStore, OWNER_STAYS, SUBDOMAIN_TAKEN, TenantDirectory, TenantFilter, TenantStore,
};
use togglebox_multitenancy::{Billing, Limit, LimitOverrides, Member, MemberRole, Standing, Tenant, TenantName, TokenHash};

use super::*;

const OWNER: Uuid = Uuid::from_u128(21);
const GUEST: Uuid = Uuid::from_u128(22);
const INVITED: Uuid = Uuid::from_u128(23);
const TOKEN: TokenHash = TokenHash([7; 32]);

fn tenant(version: u64) -> Tenant {
    Tenant {
        id: TENANT,
        name: TenantName::new("Acme").unwrap(),
        subdomain: "acme".parse().unwrap(),
        domains: Vec::new(),
        owner: OWNER,
        standing: Standing::default(),
        plan: "free".parse().unwrap(),
        overrides: LimitOverrides::NONE,
        billing: Billing::default(),
        version: Revision::new(version),
        created_at: Timestamp::EPOCH,
        updated_at: audit().at,
    }
}

fn member(user: Uuid, version: u64) -> Member {
    let email = Email::new("ann@example.com").unwrap();
    Member { tenant: TENANT, user, email, role: MemberRole::Viewer, joined_at: audit().at, version: Revision::new(version) }
}

fn counter(revision: u64) -> Value {
    json!({ "PK": { "S": "REG" }, "SK": { "S": "META" }, "rev": { "N": revision.to_string() } })
}

fn pruned(revision: u64) -> (u16, Value) {
    ok(json!({ "Item": { "PK": { "S": "REG" }, "SK": { "S": "PRUNED" }, "rev": { "N": revision.to_string() } } }))
}

fn tenant_item(version: u64, [members, invitations]: [u64; 2]) -> Value {
    json!({
        "PK": { "S": format!("T#{TENANT}#TENANT") }, "SK": { "S": "META" }, "id": { "S": TENANT.to_string() },
        "name": { "S": "Acme" }, "subdomain": { "S": "acme" }, "domains": { "S": "[]" }, "owner": { "S": OWNER },
        "plan": { "S": "free" }, "overrides": { "S": "{}" }, "created_at": { "N": "0" }, "updated_at": { "N": "1000" },
        "rev": { "N": version.to_string() }, "members": { "N": members.to_string() },
        "invitations": { "N": invitations.to_string() }, "claims": { "N": "0" },
    })
}

fn name_item(holder: Uuid) -> Value {
    json!({ "PK": { "S": "REG#SUBDOMAIN#acme" }, "SK": { "S": "META" }, "tenant": { "S": holder } })
}

fn member_item(user: Uuid, version: u64) -> Value {
    json!({
        "PK": { "S": format!("T#{TENANT}#MEMBER#{user}") }, "SK": { "S": "META" }, "tenant": { "S": TENANT.to_string() },
        "user": { "S": user }, "email": { "S": "ann@example.com" }, "role": { "S": "viewer" }, "joined_at": { "N": "1000" },
        "rev": { "N": version.to_string() },
    })
}

fn token_item() -> Value {
    let hash = "07".repeat(32);
    json!({ "PK": { "S": format!("T#{TENANT}#INVITATIONTOKEN#{hash}") }, "SK": { "S": "META" }, "id": { "S": INVITED } })
}

/// The invitation, with a token of these bytes (in base 64).
fn invitation_item(token: &str) -> (u16, Value) {
    ok(json!({ "Item": {
        "PK": { "S": format!("T#{TENANT}#INVITATION#{INVITED}") }, "SK": { "S": "META" }, "id": { "S": INVITED },
        "email": { "S": "ann@example.com" }, "role": { "S": "viewer" }, "token": { "B": token }, "invited_by": { "S": "any" },
        "created_at": { "N": "0" }, "sent_at": { "N": "0" }, "ends_at": { "N": "1000000" },
    } }))
}

/// 32 bytes of 7.
const TOKEN_TEXT: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
/// 32 bytes of 8.
const OTHER_TEXT: &str = "CAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg=";

fn change_item(revision: u64) -> Value {
    json!({
        "PK": { "S": "REG#CHANGES" }, "SK": { "S": format!("{revision:020}") }, "rev": { "N": revision.to_string() },
        "at": { "N": "1000" }, "tenant": { "S": TENANT.to_string() }, "what": { "S": "members" },
    })
}

fn transactions(replay: &StaticReplayClient) -> Vec<Value> {
    asked(replay).into_iter().filter(|(operation, _)| operation == "TransactWriteItems").map(|(_, body)| body).collect()
}

/// The keys that a transaction writes to or checks, in its order.
fn touched(transaction: &Value) -> Vec<String> {
    let place = |action: &Value| {
        let action = action.as_object().unwrap().values().next().unwrap();
        let key = action.get("Key").or_else(|| action.get("Item")).unwrap();
        format!("{} {}", key["PK"]["S"].as_str().unwrap(), key["SK"]["S"].as_str().unwrap()).replace(&TENANT.to_string(), "t")
    };
    transaction["TransactItems"].as_array().unwrap().iter().map(place).collect()
}

async fn create(store: &DynamoDb) -> StoreResult<Written<Tenant>> {
    store.create(TENANT, &tenant(0), &member(OWNER, 0), &audit()).await
}

async fn accept(store: &DynamoDb, limit: u64) -> StoreResult<Written<Member>> {
    store.accept(TENANT, &TOKEN, &member(GUEST, 0), Limit::of(limit).unwrap(), &audit()).await
}

/// What an acceptance reads: the counter, the tenant with its counts and the token; then the invitation.
fn before_accepting(counted: u64, counts: [u64; 2]) -> [(u16, Value); 2] {
    [batch(&[counter(counted), tenant_item(1, counts), token_item()]), invitation_item(TOKEN_TEXT)]
}

#[tokio::test(start_paused = true)]
async fn a_new_tenant_is_one_transaction_with_the_next_number() {
    let (store, replay) = answering([batch(&[counter(4)]), ok(json!({}))]);
    let made = create(&store).await.unwrap();
    assert_eq!(made, Written { value: tenant(5), revision: Revision::new(5) });
    let sent = &transactions(&replay)[0];
    assert_eq!(
        touched(sent)[..8],
        [
            "REG META".to_owned(),
            format!("REG#CHANGES {:020}", 5),
            "T#t#TENANT META".to_owned(),
            "REG#SUBDOMAIN#acme META".to_owned(),
            "REG#TENANTS acme#t".to_owned(),
            format!("T#t#MEMBER#{OWNER} META"),
            format!("T#t#MEMBERS 09223372036854776808#{OWNER}"),
            format!("REG#USER#{OWNER} t"),
        ]
    );
    let actions = sent["TransactItems"].as_array().unwrap();
    assert_eq!(actions.len(), 11, "and the audit record with its two lists");
    let advance = &actions[0]["Update"];
    assert_eq!((&advance["UpdateExpression"], &advance["ConditionExpression"]), (&json!("SET #rev = :v0"), &json!("#rev = :v1")));
    assert_eq!(advance["ExpressionAttributeValues"], json!({ ":v0": { "N": "5" }, ":v1": { "N": "4" } }));
    for n in [1, 2, 3, 5, 8] {
        assert_eq!(actions[n]["Put"]["ConditionExpression"], "attribute_not_exists(#PK)", "{n}");
    }
    assert_eq!(actions[1]["Put"]["Item"]["subdomains"]["S"], "[\"acme\"]");
}

#[tokio::test(start_paused = true)]
async fn the_first_write_needs_no_counter() {
    let (store, replay) = answering([batch(&[]), ok(json!({}))]);
    assert_eq!(create(&store).await.unwrap().revision, Revision::new(1));
    let advance = &transactions(&replay)[0]["TransactItems"][0]["Update"];
    assert_eq!(advance["ConditionExpression"], "(attribute_not_exists(#rev) OR #rev < :v1)");
}

#[tokio::test(start_paused = true)]
async fn a_number_that_is_taken_is_left_for_the_next() {
    let mut answers = Vec::new();
    for codes in [["ConditionalCheckFailed", "None"], ["TransactionConflict", "None"], ["ThrottlingError", "None"]] {
        answers.extend([batch(&[counter(4)]), cancelled(&codes)]);
    }
    answers.extend([batch(&[counter(6)]), ok(json!({}))]);
    let (store, replay) = answering(answers);
    assert_eq!(create(&store).await.unwrap().revision, Revision::new(7));
    let sent = transactions(&replay);
    assert_eq!(sent.len(), 4);
    assert_eq!(sent[3]["TransactItems"][1]["Put"]["Item"]["SK"]["S"], format!("{:020}", 7));
    assert_ne!(sent[0]["ClientRequestToken"], sent[3]["ClientRequestToken"]);
}

/// Which of the conditions failed does not matter: what stands now says what the answer is.
#[tokio::test(start_paused = true)]
async fn who_lost_a_name_is_told_so() {
    let taken = batch(&[counter(5), name_item(Uuid::from_u128(99))]);
    let lost = cancelled(&["ConditionalCheckFailed", "None", "None", "ConditionalCheckFailed"]);
    let (store, replay) = answering([batch(&[counter(4)]), lost, taken]);
    assert_eq!(*create(&store).await.unwrap_err().kind(), StoreErrorKind::Refused(SUBDOMAIN_TAKEN));
    assert_eq!(transactions(&replay).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_answer_was_lost_is_found_out() {
    for lost in [refusal(500, "InternalServerError"), (503, json!({})), cancelled(&["ConditionalCheckFailed", "None"])] {
        // Another write came after it.
        let made = batch(&[counter(6), tenant_item(5, [1, 0]), name_item(Uuid::nil()), recorded(5)]);
        let (store, replay) = answering([batch(&[counter(4)]), lost, made]);
        assert_eq!(create(&store).await.unwrap(), Written { value: tenant(5), revision: Revision::new(5) });
        assert_eq!(transactions(&replay).len(), 1, "no second number is taken");
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_that_never_gets_its_number_ends() {
    let round = || [batch(&[counter(4)]), cancelled(&["TransactionConflict"])];
    let (store, replay) = answering(repeat_n((), 300).flat_map(|()| round()));
    let began = tokio::time::Instant::now();
    assert_eq!(*create(&store).await.unwrap_err().kind(), StoreErrorKind::Unavailable);
    assert!(began.elapsed() <= PATIENCE);
    assert!((5..300).contains(&transactions(&replay).len()));
}

#[tokio::test(start_paused = true)]
async fn a_mistake_of_ours_is_not_repeated() {
    let (store, replay) = answering([batch(&[counter(4)]), cancelled(&["ValidationError", "None"])]);
    assert_eq!(*create(&store).await.unwrap_err().kind(), StoreErrorKind::Refused("request"));
    assert_eq!(transactions(&replay).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_acceptance_counts_in_the_transaction_that_uses_the_invitation_up() {
    let [first, second] = before_accepting(4, [3, 2]);
    let (store, replay) = answering([first, second, ok(json!({}))]);
    let joined = accept(&store, 4).await.unwrap();
    assert_eq!(joined, Written { value: member(GUEST, 5), revision: Revision::new(5) });
    let sent = &transactions(&replay)[0];
    let count = &sent["TransactItems"][2]["Update"];
    assert_eq!(count["UpdateExpression"], "SET #members = :v0, #invitations = :v1, #claims = :v2");
    assert_eq!(count["ConditionExpression"], "#rev = :v3 AND #members = :v4 AND #invitations = :v5 AND #claims = :v6");
    let value = |n: usize| count["ExpressionAttributeValues"][format!(":v{n}")]["N"].as_str().unwrap();
    assert_eq!([0, 1, 3, 4, 5].map(value), ["4", "1", "1", "3", "2"]);
    let used = &sent["TransactItems"][3]["Delete"];
    assert_eq!(
        (&used["ConditionExpression"], &used["ExpressionAttributeValues"]),
        (&json!("#token = :v0"), &json!({ ":v0": { "B": TOKEN_TEXT } }))
    );
}

#[tokio::test(start_paused = true)]
async fn who_comes_second_to_the_last_place_is_told_the_limit() {
    let [first, second] = before_accepting(4, [3, 2]);
    let [third, fourth] = before_accepting(5, [4, 1]);
    let lost = cancelled(&["None", "None", "ConditionalCheckFailed"]);
    let (store, replay) = answering([first, second, lost, third, fourth]);
    assert_eq!(*accept(&store, 4).await.unwrap_err().kind(), StoreErrorKind::LimitReached { limit: 4 });
    assert_eq!(transactions(&replay).len(), 1);
}

/// Its own transaction has used the invitation up; or another's has.
#[tokio::test(start_paused = true)]
async fn an_invitation_that_went_meanwhile_is_looked_for_again() {
    let made = batch(&[counter(5), tenant_item(1, [4, 1]), member_item(GUEST, 5), recorded(5)]);
    let [first, second] = before_accepting(4, [3, 2]);
    // The record is not seen yet, but that the invitation is gone.
    let half = [batch(&[counter(4), tenant_item(1, [3, 2]), token_item()]), ok(json!({}))];
    let answers = [first, second, refusal(500, "InternalServerError")].into_iter().chain(half.clone()).chain([made]);
    let (store, replay) = answering(answers);
    assert_eq!(accept(&store, 4).await.unwrap(), Written { value: member(GUEST, 5), revision: Revision::new(5) });
    assert_eq!(transactions(&replay).len(), 1);

    let [first, _] = before_accepting(4, [3, 2]);
    let gone = batch(&[counter(4), tenant_item(1, [3, 1])]);
    let (store, replay) = answering([first, invitation_item(OTHER_TEXT), gone]);
    assert_eq!(*accept(&store, 4).await.unwrap_err().kind(), StoreErrorKind::NotFound);
    assert!(transactions(&replay).is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_becomes_the_owner_meanwhile_is_not_removed() {
    let read = |owner: Uuid, version| {
        let mut item = tenant_item(version, [2, 0]);
        item["owner"] = json!({ "S": owner });
        batch(&[counter(version), item, member_item(GUEST, 2)])
    };
    let lost = cancelled(&["None", "None", "ConditionalCheckFailed"]);
    let (store, replay) = answering([read(OWNER, 3), lost, read(GUEST, 4)]);
    let error = MemberStore::remove(&store, TENANT, GUEST, Revision::new(2), &audit()).await.unwrap_err();
    assert_eq!(*error.kind(), StoreErrorKind::Refused(OWNER_STAYS));
    let sent = &transactions(&replay)[0];
    assert_eq!(sent["TransactItems"][2]["Update"]["Key"]["PK"]["S"], format!("T#{TENANT}#TENANT"));
    assert_eq!(sent["TransactItems"][3]["Delete"]["ConditionExpression"], "#rev = :v0");
}

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

fn purged_item(counts: [u64; 2]) -> (u16, Value) {
    let mut item = tenant_item(9, counts);
    for (name, at) in [("deleted_at", "1"), ("restorable_until", "2"), ("purged_at", "3")] {
        item[name] = json!({ "N": at });
    }
    ok(json!({ "Item": item }))
}

#[tokio::test(start_paused = true)]
async fn a_sweep_counts_out_what_it_removes_and_repeats_only_what_was_not_done() {
    let entry = json!({ "PK": { "S": "any" }, "SK": { "S": "any" }, "id": { "S": GUEST }, "at": { "N": "1000" } });
    let found = || [ok(json!({ "Items": [entry] })), batch(&[member_item(GUEST, 5)])];
    let mut answers = vec![purged_item([1, 0])];
    answers.extend(found());
    answers.push(cancelled(&["TransactionConflict"]));
    answers.push(purged_item([1, 0]));
    answers.extend(found());
    answers.extend([ok(json!({})), purged_item([0, 0])]);
    let (store, replay) = answering(answers);
    assert_eq!(TenantStore::sweep(&store, TENANT, 10).await.unwrap(), 1);
    let sent = transactions(&replay);
    assert_eq!(
        touched(&sent[1]),
        [
            format!("T#t#MEMBER#{GUEST} META"),
            format!("T#t#MEMBERS 09223372036854776808#{GUEST}"),
            format!("REG#USER#{GUEST} t"),
            "T#t#TENANT META".to_owned(),
        ]
    );
}

/// A member is counted whose entry is not seen yet: another one's transaction is under way.
#[tokio::test(start_paused = true)]
async fn a_sweep_waits_for_what_it_cannot_see_whole() {
    let entry = json!({ "PK": { "S": "any" }, "SK": { "S": "any" }, "id": { "S": GUEST }, "at": { "N": "1000" } });
    let (store, replay) = answering([
        purged_item([1, 0]),
        ok(json!({ "Items": [] })),
        purged_item([1, 0]),
        ok(json!({ "Items": [entry] })),
        batch(&[]),
        purged_item([0, 0]),
    ]);
    assert_eq!(TenantStore::sweep(&store, TENANT, 10).await.unwrap(), 0, "the other one counted it out");
    assert!(transactions(&replay).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_walk_reads_keys_that_were_left_out_again() {
    let entry = |n: u128| {
        json!({
            "PK": { "S": "REG#TENANTS" }, "SK": { "S": format!("acme#{n}") }, "tenant": { "S": TENANT.to_string() }, "subdomain": { "S": "acme" },
        })
    };
    let key = json!({ "PK": { "S": format!("T#{TENANT}#TENANT") }, "SK": { "S": "META" } });
    let nothing = ok(json!({ "Responses": {}, "UnprocessedKeys": { TABLE: { "Keys": [key] } } }));
    let (store, replay) = answering([ok(json!({ "Items": [entry(1)] })), nothing, batch(&[tenant_item(5, [1, 0])])]);
    let page = TenantDirectory::list(&store, &TenantFilter::default(), &PageRequest::first(10)).await.unwrap();
    assert_eq!(page.items, [tenant(5)]);
    assert_eq!(operations(&replay), ["Query", "BatchGetItem", "BatchGetItem"]);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_moves_while_it_is_looked_up_is_looked_up_again() {
    let mut moved = tenant_item(6, [1, 0]);
    moved["subdomain"] = json!({ "S": "elsewhere" });
    let found = |item: Value| ok(json!({ "Item": item }));
    let name = || found(name_item(*TENANT.as_uuid()));
    let subdomain = tenant(0).subdomain;
    let (store, _) = answering([name(), found(moved.clone()), name(), found(tenant_item(7, [1, 0]))]);
    assert_eq!(store.by_subdomain(&subdomain).await.unwrap(), Some(tenant(7)));
    let mut given_up = name_item(*TENANT.as_uuid());
    given_up["until"] = json!({ "N": "9" });
    let (store, _) = answering([name(), found(moved), found(given_up)]);
    assert_eq!(store.by_subdomain(&subdomain).await.unwrap(), None);
}
