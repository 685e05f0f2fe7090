//! Imports that stop at any step, and what an export finds half-done, on a real server.

use togglebox_auth::store::{ApiKeyStore, UserStore};
use togglebox_auth::{ApiKey, Email, KeyHash, PasswordHash, Role, User};
use togglebox_core::{EntropyExt, Limit, OsEntropy, StoreErrorKind};
use togglebox_toggles::store::{DirectoryStore, EnvironmentStore, FlagStore, ParameterStore, StatisticsStore};
use togglebox_toggles::{Flag, FlagVersion, ParameterVersion};

use super::crash::{SEEN, figures, is_full, large, numbered, prepare, stopping};
use super::*;
use crate::transfer::{Contents, Kind, Record, Restored, Transfer};

/// Steps from one place to stop at to the next: each is a whole import.
const STRIDE: usize = 4;
/// Records that are given at once.
const BATCH: usize = 7;

fn contents(records: &[Record]) -> Contents {
    let mut contents = Contents::new();
    for record in records {
        contents.add(record).unwrap();
    }
    contents
}

async fn dump(store: &DynamoDb, tenant: TenantId) -> Vec<Record> {
    let mut dump = store.dump(tenant).await.unwrap();
    let mut records = Vec::new();
    loop {
        let more = dump.next(50).await.unwrap();
        if more.is_empty() {
            return records;
        }
        records.extend(more);
    }
}

fn parameter() -> ParameterVersion {
    let definition = serde_json::from_value(json!({ "valueType": "string", "defaultValue": "v" })).unwrap();
    let key = "p".parse().unwrap();
    ParameterVersion { key, version: 1, definition, active: true, created_by: String::new(), created_at: Timestamp::EPOCH }
}

fn flag() -> Flag {
    let document = json!({ "name": "f", "enabled": true, "flagType": "boolean", "valueA": true, "valueB": false,
        "targeting": {}, "defaultValue": "A", "rolloutEnabled": false, "rolloutPercentageA": 100, "rolloutPercentageB": 0 });
    Flag {
        key: "f".parse().unwrap(),
        definition: serde_json::from_value(document).unwrap(),
        version: FlagVersion::FIRST,
        active: true,
        created_by: String::new(),
        created_at: Timestamp::EPOCH,
        updated_at: Timestamp::EPOCH,
        revision: Revision::ZERO,
    }
}

fn user() -> User {
    User {
        id: Uuid::from_u128(9),
        name: None,
        email: Email::new("ann@example.com").unwrap(),
        password: PasswordHash::new("$argon2id$secret"),
        role: Role::Admin,
        created_at: Timestamp::EPOCH,
        updated_at: Timestamp::EPOCH,
        tokens_valid_from: Timestamp::EPOCH,
        revision: Revision::ZERO,
    }
}

fn api_key(n: u8) -> ApiKey {
    ApiKey {
        id: Uuid::from_u128(n.into()),
        user: user().id,
        name: "key".to_owned(),
        hash: KeyHash([n; 32]),
        prefix: "tbx".to_owned(),
        last4: "last".to_owned(),
        permissions: Vec::new(),
        expires_at: None,
        last_used_at: None,
        created_at: Timestamp::EPOCH,
    }
}

/// Some of everything, counted things aside from those of the experiment included.
async fn filled(store: &DynamoDb, tenant: TenantId) -> Vec<Record> {
    prepare(store, tenant).await;
    let made = ParameterStore::create(store, tenant, &scope(), &parameter(), 9, Limit::Unlimited, &numbered(4)).await.unwrap();
    ParameterStore::append(store, tenant, &scope(), &parameter(), made.revision, &numbered(5)).await.unwrap();
    let made = FlagStore::create(store, tenant, &scope(), &flag(), Limit::Unlimited, &numbered(6)).await.unwrap();
    FlagStore::append(store, tenant, &scope(), &flag(), made.revision, &numbered(7)).await.unwrap();
    UserStore::create(store, tenant, &user(), &numbered(8)).await.unwrap();
    for n in [1, 2] {
        ApiKeyStore::create(store, tenant, &api_key(n), 9, &numbered(10 + u128::from(n))).await.unwrap();
    }
    let mut few = large();
    for delta in &mut few.deltas {
        match &mut delta.delta {
            togglebox_toggles::store::Delta::Exposure { subjects, .. } => subjects.truncate(3),
            togglebox_toggles::store::Delta::Conversion { subjects, .. } => subjects.truncate(2),
            _ => {}
        }
    }
    StatisticsStore::record(store, tenant, &few).await.unwrap();
    dump(store, tenant).await
}

async fn restore(store: &DynamoDb, tenant: TenantId, records: &[Record]) -> togglebox_core::StoreResult<usize> {
    let mut new = 0;
    for batch in records.chunks(BATCH) {
        new += store.restore(tenant, batch).await?.new;
    }
    store.complete(tenant).await?;
    Ok(new)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_that_stops_anywhere_goes_on_to_the_same_end() {
    let Some(endpoint) = endpoint() else { return };
    let (store, table) = with_table(&endpoint).await;
    let given = filled(&store, TENANT).await;
    let expected = (contents(&given), store.load(TENANT, &scope()).await.unwrap(), store.directory(TENANT).await.unwrap());
    assert!(given.len() > 2 * BATCH, "{}", given.len());
    let mut goes_on = 0;
    for (answer_lost, begin) in [(false, 0), (true, 2), (false, 1)] {
        for stopped in (begin..).step_by(STRIDE) {
            let tenant = TenantId::from_uuid(OsEntropy.uuid());
            let first = restore(&stopping(&endpoint, &table, stopped, answer_lost), tenant, &given).await;
            let new = restore(&store, tenant, &given).await.unwrap();
            goes_on += usize::from(new > 0 && new < given.len());
            let stands = (
                contents(&dump(&store, tenant).await),
                store.load(tenant, &scope()).await.unwrap(),
                store.directory(tenant).await.unwrap(),
            );
            assert_eq!(stands, expected, "stopped after {stopped} requests");
            // What is counted beside the records.
            assert_eq!(UserStore::list(&store, tenant, Some(Role::Admin), 0, 9).await.unwrap().total, 1);
            assert_eq!(ApiKeyStore::list(&store, tenant, user().id).await.unwrap().len(), 2);
            let full = ApiKeyStore::create(&store, tenant, &api_key(3), 2, &numbered(99)).await.unwrap_err();
            assert_eq!(*full.kind(), StoreErrorKind::LimitReached { limit: 2 });
            let full = ParameterVersion { key: "q".parse().unwrap(), ..parameter() };
            let full =
                ParameterStore::create(&store, tenant, &scope(), &full, 1, Limit::Unlimited, &numbered(99)).await.unwrap_err();
            assert_eq!(*full.kind(), StoreErrorKind::LimitReached { limit: 1 });
            if first.is_ok() {
                assert!(stopped > 20, "it takes more requests than {stopped}");
                break;
            }
        }
    }
    assert!(goes_on > 20, "{goes_on}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_down_of_a_batch_is_counted_before_it_is_told() {
    let Some(endpoint) = endpoint() else { return };
    let (store, table) = with_table(&endpoint).await;
    let (mut all, mut nothing) = (0, 0);
    for stopped in 0..40 {
        let tenant = TenantId::from_uuid(OsEntropy.uuid());
        prepare(&store, tenant).await;
        let sent = StatisticsStore::record(&stopping(&endpoint, &table, stopped, false), tenant, &large()).await;
        let told = dump(&store, tenant).await;
        let subjects = told.iter().filter(|record| record.kind() == Kind::ExperimentSubject).count();
        if let Some(figures) = figures(&store, tenant).await {
            assert!(is_full(&figures), "stopped after {stopped} requests");
            assert_eq!(subjects, usize::from(SEEN));
            all += 1;
        } else {
            assert_eq!(subjects, 0);
            nothing += 1;
        }
        // It is the tenant's own: given back, it is there already.
        assert_eq!(store.restore(tenant, &told).await.unwrap(), Restored { new: 0, old: told.len() });
        if sent.is_ok() {
            break;
        }
    }
    assert!(all > 5 && nothing > 2, "{all} {nothing}");
}

#[tokio::test(start_paused = true)]
async fn a_dump_that_fails_is_not_taken_for_a_whole_one() {
    let (store, _) =
        answering([ok(json!({ "Items": [] })), ok(json!({ "Items": [platform()] })), refusal(400, "AccessDeniedException")]);
    let mut dump = store.dump(TENANT).await.unwrap();
    assert_eq!(*dump.next(10).await.unwrap_err().kind(), StoreErrorKind::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn what_was_left_undone_of_a_batch_of_writes_is_asked_for_again() {
    let given = [audit_record(1), audit_record(2)];
    let left = |write: &Value| ok(json!({ "UnprocessedItems": { TABLE: [write] } }));
    let (store, replay) = answering([
        batch(&[]),
        ok(json!({ "Items": [] })),
        left(&put()),
        ok(json!({})),
        throttled(),
        ok(json!({})),
        ok(json!({})),
    ]);
    assert_eq!(store.restore(TENANT, &given).await.unwrap(), Restored { new: 2, old: 0 });
    let asked = asked(&replay);
    let names: Vec<&str> = asked.iter().map(|(operation, _)| operation.as_str()).collect();
    assert_eq!(names[..2], ["BatchGetItem", "Query"]);
    assert_eq!(names[2..], ["BatchWriteItem"; 5], "the first entries, what was left of them, the others twice, the records");
    let writes = |n: usize| asked[n].1["RequestItems"][TABLE].as_array().unwrap().len();
    assert_eq!([2, 3, 4, 5, 6].map(writes), [2, 1, 2, 2, 2]);
}

fn put() -> Value {
    json!({ "PutRequest": { "Item": { "PK": { "S": "left" }, "SK": { "S": "undone" } } } })
}

fn audit_record(n: u128) -> Record {
    let AuditRecord { at, actor, action, target, .. } = audit();
    let (platform, environment, before, after) = (None, None, None, None);
    let (id, revision) = (Uuid::from_u128(n), Revision::new(1));
    crate::transfer::record::Audit { id, at, actor, action, platform, environment, target, before, after, revision }.into()
}
