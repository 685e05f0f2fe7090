use std::iter::repeat_n;

use super::*;

async fn create(store: &DynamoDb) -> StoreResult<Written<Tenant>> {
    store.create(TENANT, &tenant(0), &member(OWNER, 0), &audit()).await
}

async fn accept(store: &DynamoDb, limit: u64) -> StoreResult<Written<Member>> {
    store.accept(TENANT, &TOKEN, &member(GUEST, 0), Limit::of(limit).unwrap(), &audit()).await
}

/// What an acceptance reads: the counter, the tenant with its counts and the token; then the invitation; then who invites.
fn before_accepting(counted: u64, counts: [u64; 2]) -> [(u16, Value); 3] {
    let first = batch(&[counter(counted), tenant_item(1, counts), token_item()]);
    [first, invitation_item(TOKEN_TEXT), inviter("admin", 3)]
}

/// The owner as a member in this role.
fn inviter(role: &str, version: u64) -> (u16, Value) {
    let mut item = member_item(OWNER, version);
    item["role"] = json!({ "S": role });
    ok(json!({ "Item": item }))
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

fn reserved_item(version: u64) -> Value {
    let mut item = tenant_item(version, [1, 0]);
    item["unpaid"] = json!({ "S": "reserved" });
    item["unpaid_since"] = json!({ "N": "5" });
    item
}

/// Held to the version that was read and to the holder of the name: who entitles it meanwhile comes first, or not at all.
#[tokio::test(start_paused = true)]
async fn a_discard_frees_the_name_in_the_transaction_that_ends_the_tenant() {
    let (store, replay) = answering([batch(&[counter(8), reserved_item(4)]), ok(json!({}))]);
    let discarded = store.discard(TENANT, Revision::new(4), &audit()).await.unwrap();
    assert_eq!(discarded.revision, Revision::new(9));
    assert!(discarded.value.standing.is_purged());
    let sent = &transactions(&replay)[0];
    let expected = [
        "REG META".to_owned(),
        format!("REG#CHANGES {:020}", 9),
        "T#t#TENANT META".to_owned(),
        "REG#SUBDOMAIN#acme META".to_owned(),
    ];
    assert_eq!(touched(sent)[..4], expected);
    let (ended, freed) = (&sent["TransactItems"][2]["Update"], &sent["TransactItems"][3]["Delete"]);
    assert!(ended["ConditionExpression"].as_str().unwrap().starts_with("#rev = "));
    assert_eq!(
        (&freed["ConditionExpression"], &freed["ExpressionAttributeValues"]),
        (&json!("#tenant = :v0"), &json!({ ":v0": { "S": TENANT.to_string() } }))
    );

    // Paid for after it was read.
    let lost = cancelled(&["None", "None", "ConditionalCheckFailed"]);
    let (store, replay) = answering([batch(&[counter(8), reserved_item(4)]), lost, batch(&[counter(9), tenant_item(9, [1, 0])])]);
    let error = store.discard(TENANT, Revision::new(4), &audit()).await.unwrap_err();
    assert_eq!(*error.kind(), StoreErrorKind::Conflict { current: Revision::new(9) });
    assert_eq!(transactions(&replay).len(), 1);
    let (store, replay) = answering([batch(&[counter(9), tenant_item(9, [1, 0])])]);
    let error = store.discard(TENANT, Revision::new(9), &audit()).await.unwrap_err();
    assert_eq!(*error.kind(), StoreErrorKind::Refused(NOT_RESERVED));
    assert!(transactions(&replay).is_empty());
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
    let [first, second, third] = before_accepting(4, [3, 2]);
    let (store, replay) = answering([first, second, third, ok(json!({}))]);
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
    let checks: Vec<&Value> =
        sent["TransactItems"].as_array().unwrap().iter().filter_map(|each| each.get("ConditionCheck")).collect();
    let [still] = checks[..] else { panic!("{checks:?}") };
    assert_eq!(still["Key"]["PK"]["S"], format!("T#{TENANT}#MEMBER#{OWNER}"), "who invites still is an admin");
    assert_eq!(
        (&still["ConditionExpression"], &still["ExpressionAttributeValues"]),
        (&json!("#rev = :v0"), &json!({ ":v0": { "N": "3" } }))
    );
}

#[tokio::test(start_paused = true)]
async fn an_invitation_of_who_is_no_admin_any_more_is_not_accepted() {
    let [first, second, _] = before_accepting(4, [3, 2]);
    for gone in [inviter("developer", 3), ok(json!({}))] {
        let (store, replay) = answering([first.clone(), second.clone(), gone]);
        assert_eq!(*accept(&store, 4).await.unwrap_err().kind(), StoreErrorKind::NotFound);
        assert!(transactions(&replay).is_empty());
    }
    // Demoted after that was looked up, and before the transaction was made.
    let lost = cancelled(&["None", "None", "ConditionalCheckFailed"]);
    let [third, fourth, fifth] = before_accepting(5, [3, 2]);
    let (store, replay) = answering([third, fourth, fifth, lost, first, second, inviter("viewer", 5)]);
    assert_eq!(*accept(&store, 4).await.unwrap_err().kind(), StoreErrorKind::NotFound);
    assert_eq!(transactions(&replay).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_comes_second_to_the_last_place_is_told_the_limit() {
    let before = before_accepting(4, [3, 2]).into_iter();
    let lost = cancelled(&["None", "None", "ConditionalCheckFailed"]);
    let (store, replay) = answering(before.chain([lost]).chain(before_accepting(5, [4, 1])));
    assert_eq!(*accept(&store, 4).await.unwrap_err().kind(), StoreErrorKind::QuotaReached { usage: 4, limit: 4 });
    assert_eq!(transactions(&replay).len(), 1);
}

/// Its own transaction has used the invitation up; or another's has.
#[tokio::test(start_paused = true)]
async fn an_invitation_that_went_meanwhile_is_looked_for_again() {
    let made = batch(&[counter(5), tenant_item(1, [4, 1]), member_item(GUEST, 5), recorded(5)]);
    let before = before_accepting(4, [3, 2]).into_iter();
    // The record is not seen yet, but that the invitation is gone.
    let half = [batch(&[counter(4), tenant_item(1, [3, 2]), token_item()]), ok(json!({}))];
    let answers = before.chain([refusal(500, "InternalServerError")]).chain(half.clone()).chain([made]);
    let (store, replay) = answering(answers);
    assert_eq!(accept(&store, 4).await.unwrap(), Written { value: member(GUEST, 5), revision: Revision::new(5) });
    assert_eq!(transactions(&replay).len(), 1);

    let [first, ..] = before_accepting(4, [3, 2]);
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
