use super::*;

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

/// Somebody leaves and joins again while the list is read.
#[tokio::test(start_paused = true)]
async fn who_is_listed_twice_is_read_and_shown_once() {
    let entry = |at: &str| json!({ "PK": { "S": "any" }, "SK": { "S": at }, "id": { "S": GUEST }, "at": { "N": at } });
    let (store, replay) = answering([ok(json!({ "Items": [entry("1000"), entry("2000")] })), batch(&[member_item(GUEST, 5)])]);
    let page = MemberStore::list(&store, TENANT, &PageRequest::first(10)).await.unwrap();
    assert_eq!((page.items, page.next), (vec![member(GUEST, 5)], None));
    let read = &asked(&replay)[1].1["RequestItems"][TABLE]["Keys"];
    assert_eq!(read.as_array().unwrap().len(), 1, "a request that names an item twice is refused");
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
