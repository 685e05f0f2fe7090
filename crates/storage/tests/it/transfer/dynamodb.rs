//! Between SQLite and DynamoDB.

use std::collections::BTreeMap;

use togglebox_auth::store::UserStore;
use togglebox_core::{AuditFilter, AuditLog, PageRequest, Revision, StoreErrorKind, StoreResult, TenantId, Timestamp};
use togglebox_storage::transfer::record::{ApiKey, Audit, Flag, FlagVersion, Platform, User};
use togglebox_storage::transfer::{Kind, Record, Restored, Transfer as _};
use togglebox_storage::{DynamoDb, Sqlite};
use togglebox_toggles::store::{DirectoryStore, EnvironmentStore as _, FlagStore, ParameterStore};
use uuid::Uuid;

use super::data::tenant;
use super::identity::{SMALL, contents, fill};
use super::{TENANT, dump, file};
use crate::database::{audit, filled};
use crate::dynamodb::on_every_server;
use crate::dynamodb::server::Server;

on_every_server! {
    there_and_back_again_writes_the_same_lines
    what_is_given_again_changes_nothing
    what_the_ports_wrote_reads_the_same_after_a_move
    tenants_do_not_see_each_other
    records_without_their_parents_are_refused
    what_must_be_unique_is_refused
    histories_end_with_the_active_version
    records_of_one_millisecond_keep_their_order
    what_is_imported_after_a_deletion_is_not_swept_away
}

/// A store over a new table.
async fn fresh(server: Server) -> DynamoDb {
    server.table().await.0
}

async fn there_and_back_again_writes_the_same_lines(server: Server) {
    let store = fresh(server).await;
    let given = tenant(31, SMALL);
    let (first, last) = (Sqlite::in_memory().await.unwrap(), Sqlite::in_memory().await.unwrap());
    fill(&first, &given, 1000).await;
    assert!(store.is_empty(TENANT).await.unwrap());
    fill(&store, &dump(&first, 1000).await, 100).await;
    assert!(!store.is_empty(TENANT).await.unwrap());
    let told = dump(&store, 33).await;
    assert_eq!(contents(&told), contents(&given));
    assert!(told.is_sorted_by_key(Record::kind), "parents come first");
    fill(&last, &told, 1000).await;
    assert_eq!(file(&dump(&last, 1000).await), file(&dump(&first, 1000).await));
    assert!(!store.dump(TENANT).await.unwrap().is_of_one_moment());
}

async fn what_is_given_again_changes_nothing(server: Server) {
    let store = fresh(server).await;
    let given = tenant(32, SMALL);
    for part in [0, 7, 30, 31, 55, 90] {
        let (first, _) = given.split_at(given.len() * part / 100);
        store.restore(TENANT, first).await.unwrap();
    }
    let done = given.len() * 90 / 100;
    assert_eq!(store.restore(TENANT, &given).await.unwrap(), Restored { new: given.len() - done, old: done });
    // Twice in one call is the same as in two.
    let twice: Vec<Record> = given.iter().flat_map(|record| [record.clone(), record.clone()]).collect();
    assert_eq!(store.restore(TENANT, &twice).await.unwrap(), Restored { new: 0, old: twice.len() });
    store.complete(TENANT).await.unwrap();
    store.complete(TENANT).await.unwrap();
    assert_eq!(contents(&dump(&store, 1000).await), contents(&given));
    let other = TenantId::from_uuid(Uuid::from_u128(2));
    assert_eq!(store.restore(other, &twice).await.unwrap(), Restored { new: given.len(), old: given.len() });
}

async fn what_the_ports_wrote_reads_the_same_after_a_move(server: Server) {
    let (first, store) = (Sqlite::in_memory().await.unwrap(), fresh(server).await);
    let place = filled(&first).await;
    let moved = dump(&first, 1000).await;
    fill(&store, &moved, 7).await;
    assert_eq!(store.directory(TENANT).await.unwrap(), first.directory(TENANT).await.unwrap());
    assert_eq!(store.load(TENANT, &place).await.unwrap(), first.load(TENANT, &place).await.unwrap());
    assert_eq!(store.revisions(TENANT).await.unwrap(), first.revisions(TENANT).await.unwrap());
    for role in [None, Some(togglebox_auth::Role::Admin)] {
        let users = UserStore::list(&store, TENANT, role, 0, 10).await.unwrap();
        assert_eq!(users, UserStore::list(&first, TENANT, role, 0, 10).await.unwrap());
    }
    let page = PageRequest::first(10);
    for filter in [AuditFilter::default(), about("p")] {
        let list = AuditLog::list(&store, TENANT, &filter, &page).await.unwrap();
        assert_eq!(list.items, AuditLog::list(&first, TENANT, &filter, &page).await.unwrap().items);
    }
    // Both count on from where they are.
    for store in [&first as &dyn FlagStore, &store] {
        let flag = store.find(TENANT, &place, &"f".parse().unwrap()).await.unwrap().unwrap();
        let written = store.append(TENANT, &place, &flag, flag.revision, &audit(77)).await.unwrap();
        assert_eq!((written.value.version.patch(), written.revision), (1, Revision::new(4)));
    }
    assert_eq!(store.load(TENANT, &place).await.unwrap(), first.load(TENANT, &place).await.unwrap());
    let deleted = first.directory(TENANT).await.unwrap().environments[&place].revision;
    for store in [&first as &dyn DirectoryStore, &store] {
        store.delete_environment(TENANT, &place, deleted, &audit(78)).await.unwrap();
    }
    assert_eq!(store.directory(TENANT).await.unwrap(), first.directory(TENANT).await.unwrap());
    assert_eq!(contents(&dump(&store, 10).await), contents(&dump(&first, 10).await));
}

fn about(target: &str) -> AuditFilter {
    let mut filter = AuditFilter::default();
    filter.target = Some(target.to_owned());
    filter
}

async fn tenants_do_not_see_each_other(server: Server) {
    let store = fresh(server).await;
    let other = TenantId::from_uuid(Uuid::from_u128(1));
    let given = tenant(5, SMALL);
    fill(&store, &given, 1000).await;
    assert!(store.is_empty(other).await.unwrap());
    assert_eq!(store.restore(other, &given).await.unwrap().new, given.len());
    assert_eq!(contents(&dump(&store, 1000).await), contents(&given));
}

/// All but one kind, so that what hangs on it has no parent.
async fn without(store: &DynamoDb, n: u128, kind: Kind) -> StoreResult<Restored> {
    let given: Vec<Record> = tenant(5, SMALL).into_iter().filter(|record| record.kind() != kind).collect();
    store.restore(TenantId::from_uuid(Uuid::from_u128(n)), &given).await
}

async fn records_without_their_parents_are_refused(server: Server) {
    let store = fresh(server).await;
    let parents = [Kind::Tenant, Kind::Platform, Kind::Environment, Kind::Parameter, Kind::Flag, Kind::Experiment, Kind::User];
    for (n, kind) in (0..).zip(parents) {
        let error = without(&store, n, kind).await.unwrap_err();
        assert_eq!(*error.kind(), StoreErrorKind::NotFound, "{kind}: {error}");
    }
    without(&store, 100, Kind::Audit).await.unwrap();
}

/// The first record that `pick` makes something of.
fn first<T>(records: &[Record], pick: impl FnMut(&Record) -> Option<T>) -> T {
    records.iter().find_map(pick).unwrap()
}

async fn what_must_be_unique_is_refused(server: Server) {
    let store = fresh(server).await;
    let given = tenant(5, SMALL);
    fill(&store, &given, 1000).await;
    let before = contents(&dump(&store, 1000).await);
    let platform = first(&given, |record| match record {
        Record::Platform(it) => Some(it.clone()),
        _ => None,
    });
    let environment = first(&given, |record| match record {
        Record::Environment(it) => Some(it.clone()),
        _ => None,
    });
    let user = first(&given, |record| match record {
        Record::User(it) => Some(it.clone()),
        _ => None,
    });
    let key = first(&given, |record| match record {
        Record::ApiKey(it) => Some(it.clone()),
        _ => None,
    });
    let id = Uuid::from_u128(0xabc);
    let twins: [Record; 4] = [
        Platform { name: "another".parse().unwrap(), ..platform }.into(),
        togglebox_storage::transfer::record::Environment { id, ..environment }.into(),
        User { id, ..user.clone() }.into(),
        ApiKey { id, ..key.clone() }.into(),
    ];
    for twin in twins {
        let error = store.restore(TENANT, std::slice::from_ref(&twin)).await.unwrap_err();
        assert_eq!(*error.kind(), StoreErrorKind::AlreadyExists, "{}", twin.kind());
    }
    assert_eq!(contents(&dump(&store, 1000).await), before);
    // Also where both are new.
    let other = TenantId::from_uuid(Uuid::from_u128(1));
    let twice: Vec<Record> = given.iter().filter(|record| record.kind() < Kind::User).cloned().collect();
    store.restore(other, &twice).await.unwrap();
    let twins = [User { id, ..user.clone() }.into(), user.clone().into()];
    let error = store.restore(other, &twins).await.unwrap_err();
    assert_eq!(*error.kind(), StoreErrorKind::AlreadyExists);
    store.restore(other, &[user.into()]).await.unwrap();
    let twins = [ApiKey { id, ..key.clone() }.into(), key.into()];
    let error = store.restore(other, &twins).await.unwrap_err();
    assert_eq!(*error.kind(), StoreErrorKind::AlreadyExists);
}

/// A flag's head and its versions, and what comes before them.
fn flag_of(given: &[Record]) -> (Vec<Record>, Flag, Vec<FlagVersion>) {
    let before = given.iter().filter(|record| record.kind() < Kind::Flag).cloned().collect();
    let heads = given.iter().filter_map(|record| match record {
        Record::Flag(it) if it.latest > 0 => Some(it.clone()),
        _ => None,
    });
    let head = heads.clone().next().unwrap();
    let versions = given.iter().filter_map(|record| match record {
        Record::FlagVersion(it) if (it.environment, &it.key) == (head.environment, &head.key) => Some(it.clone()),
        _ => None,
    });
    let versions = versions.collect();
    (before, head, versions)
}

async fn histories_end_with_the_active_version(server: Server) {
    let store = fresh(server).await;
    let (before, head, versions) = flag_of(&tenant(5, SMALL));
    let [.., earlier, active] = &versions[..] else { panic!("two versions") };
    store.restore(TENANT, &before).await.unwrap();
    store.restore(TENANT, &[head.clone().into()]).await.unwrap();
    // Clients would be told of a flag without anything in it.
    let error = store.complete(TENANT).await.unwrap_err();
    assert_eq!(*error.kind(), StoreErrorKind::Refused("active-version"));
    let rival = FlagVersion { active: true, ..earlier.clone() };
    let error = store.restore(TENANT, &[rival.clone().into()]).await.unwrap_err();
    assert_eq!(*error.kind(), StoreErrorKind::Refused("active-version-is-the-latest"));
    store.restore(TENANT, &[active.clone().into()]).await.unwrap();
    let error = store.restore(TENANT, &[rival.into()]).await.unwrap_err();
    assert_eq!(*error.kind(), StoreErrorKind::AlreadyExists);
    let all: Vec<Record> = versions.iter().cloned().map(Record::from).collect();
    assert_eq!(store.restore(TENANT, &all).await.unwrap(), Restored { new: all.len() - 1, old: 1 });
    let told = dump(&store, 10).await;
    let told: Vec<Record> = told.into_iter().filter(|record| record.kind() == Kind::FlagVersion).collect();
    assert_eq!(contents(&told), contents(&all));
}

async fn records_of_one_millisecond_keep_their_order(server: Server) {
    let store = fresh(server).await;
    let record = |n: u64| {
        let id = Uuid::from_u128(u128::from(n).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835));
        let (action, target) = ("any".to_owned(), "t".to_owned());
        let (platform, environment) = (Some("p".to_owned()), Some("e".to_owned()));
        let actor = togglebox_core::Actor::system();
        // Of different containers: the revisions say nothing of the order, or are the same.
        let revision = Revision::new([900, 3, 3, 1, 500][usize::try_from(n % 5).unwrap()]);
        let at = Timestamp::from_ms(i64::try_from(n / 12).unwrap());
        Audit { id, at, actor, action, platform, environment, target, before: None, after: Some(n.into()), revision }.into()
    };
    let given: Vec<Record> = (0..40).map(record).collect();
    // Batches end in the middle of a millisecond, and overlap.
    for batch in [&given[..5], &given[3..9], &given[5..17], &given[17..18], &given[16..40]] {
        store.restore(TENANT, batch).await.unwrap();
    }
    assert_eq!(store.restore(TENANT, &given).await.unwrap(), Restored { new: 0, old: 40 });
    let told = dump(&store, 9).await;
    assert_eq!(told, given);
    let mut filter = about("t");
    filter.platform = Some("p".to_owned());
    let (mut listed, mut cursor) = (Vec::new(), None);
    loop {
        let page = AuditLog::list(&store, TENANT, &filter, &PageRequest::first(7).after(cursor)).await.unwrap();
        listed.extend(page.items.into_iter().map(|record| record.id));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    listed.reverse();
    let ids = |records: &[Record]| records.iter().map(id_of).collect::<Vec<_>>();
    assert_eq!(listed, ids(&told));
    // And all of it is found again when it is old.
    assert_eq!(store.prune(TENANT, Timestamp::from_ms(100), 100).await.unwrap(), 40);
    assert_eq!(dump(&store, 9).await, Vec::new());
    assert!(AuditLog::list(&store, TENANT, &filter, &PageRequest::first(7)).await.unwrap().items.is_empty());
}

fn id_of(record: &Record) -> Uuid {
    let Record::Audit(Audit { id, .. }) = record else { panic!("an audit record") };
    *id
}

async fn what_is_imported_after_a_deletion_is_not_swept_away(server: Server) {
    let (source, store) = (Sqlite::in_memory().await.unwrap(), fresh(server).await);
    let place = filled(&source).await;
    let given = dump(&source, 1000).await;
    fill(&store, &given, 1000).await;
    let expected = store.load(TENANT, &place).await.unwrap();
    // A flag, a user, and then all of the rest.
    let flag = FlagStore::find(&store, TENANT, &place, &"f".parse().unwrap()).await.unwrap().unwrap();
    FlagStore::delete(&store, TENANT, &place, &flag.key, flag.revision, &audit(100)).await.unwrap();
    store.restore(TENANT, &given).await.unwrap();
    store.complete(TENANT).await.unwrap();
    let web = store.directory(TENANT).await.unwrap().platforms[&place.platform].clone();
    store.delete_platform(TENANT, &web.name, web.revision, &audit(101)).await.unwrap();
    let restored = store.restore(TENANT, &given).await.unwrap();
    // Tenant, user and the audit log were there.
    let counts = given.iter().fold(BTreeMap::<Kind, usize>::new(), |mut counts, record| {
        *counts.entry(record.kind()).or_default() += 1;
        counts
    });
    assert_eq!(restored.old, 1 + 1 + counts[&Kind::Audit]);
    store.complete(TENANT).await.unwrap();
    for step in 0..10 {
        store.sweep(Timestamp::from_ms(4_000_000_000_000 + step), 1000).await.unwrap();
    }
    let stands = store.load(TENANT, &place).await.unwrap();
    assert_eq!(stands, expected);
    let key = "p".parse().unwrap();
    let versions = ParameterStore::versions(&store, TENANT, &place, &key, &PageRequest::first(10)).await.unwrap();
    assert_eq!(versions.items.len(), 1);
}
