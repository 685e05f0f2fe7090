//! What comes in goes out again.

use std::collections::BTreeMap;

use proptest::prelude::*;
use togglebox_core::{StoreErrorKind, TenantId};
use togglebox_storage::Sqlite;
use togglebox_storage::transfer::{Contents, Kind, Record, Restored, Transfer};
use togglebox_toggles::store::{DirectoryStore as _, EnvironmentStore as _};
use uuid::Uuid;

use super::data::{Size, tenant};
use super::{TENANT, dump, file, read};
use crate::database::{Database, filled};

pub(super) const SMALL: Size = Size { platforms: 2, environments: 2, things: 3, versions: 4, users: 3, subjects: 3, audit: 40 };

/// Many pages of everything.
const MIDDLING: Size = Size { platforms: 3, environments: 2, things: 60, versions: 5, users: 1_200, subjects: 12, audit: 5_000 };

/// A hundred thousand records and more.
pub(super) const LARGE: Size =
    Size { platforms: 5, environments: 4, things: 100, versions: 5, users: 2_000, subjects: 12, audit: 15_000 };

pub(super) fn contents(records: &[Record]) -> Contents {
    records.iter().fold(Contents::new(), |mut contents, record| {
        contents.add(record).unwrap();
        contents
    })
}

pub(super) async fn fill(store: &dyn Transfer, records: &[Record], batch: usize) {
    for batch in records.chunks(batch) {
        assert_eq!(store.restore(TENANT, batch).await.unwrap(), Restored { new: batch.len(), old: 0 });
    }
    store.complete(TENANT).await.unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn export_import_export_writes_the_same_lines(seed: u64, page in 1..200_usize, batch in 1..200_usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let given = tenant(seed, SMALL);
            let first = Sqlite::in_memory().await.unwrap();
            fill(&first, &given, batch).await;
            let told = dump(&first, page).await;
            assert_eq!(contents(&told), contents(&given), "all that was given is told");
            let exported = file(&told);
            let (imported, summary) = read(&exported).unwrap();
            assert_eq!(summary.contents, contents(&given));
            let second = Sqlite::in_memory().await.unwrap();
            fill(&second, &imported, page).await;
            assert_eq!(file(&dump(&second, batch).await), exported);
        });
    }

    #[test]
    fn what_is_given_again_changes_nothing(seed: u64, split in 0..100_usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let given = tenant(seed, SMALL);
            let store = Sqlite::in_memory().await.unwrap();
            let (first, _) = given.split_at(given.len() * split / 100);
            fill(&store, first, 1000).await;
            let restored = store.restore(TENANT, &given).await.unwrap();
            assert_eq!(restored, Restored { new: given.len() - first.len(), old: first.len() });
            assert_eq!(store.restore(TENANT, &given).await.unwrap(), Restored { new: 0, old: given.len() });
            assert_eq!(contents(&dump(&store, 1000).await), contents(&given));
        });
    }
}

/// Every kind is in the random tenant, and in more than one page: otherwise the tests above would prove less than they say.
#[test]
fn the_random_tenant_has_everything() {
    let mut counts = BTreeMap::<Kind, usize>::new();
    for record in tenant(7, SMALL) {
        *counts.entry(record.kind()).or_default() += 1;
    }
    for kind in Kind::ALL {
        assert!(counts.get(kind).is_some_and(|count| *count > 1 || *kind == Kind::Tenant), "{kind}: {counts:?}");
    }
}

/// A page of 200 at the source and batches of 1000 at the target bound what is held, whatever the number of records.
#[tokio::test]
async fn many_thousand_records_move_from_file_to_file() {
    let given = tenant(1, MIDDLING);
    assert!(given.len() > 20_000, "{}", given.len());
    let expected = contents(&given);
    let (first, second) = (Database::fresh().await, Database::fresh().await);
    fill(&first.store, &given, 1000).await;
    drop(given);
    let exported = super::copy(&first.store, &second.store).await;
    assert_eq!(exported, expected);
    assert_eq!(super::copy(&second.store, &Sqlite::in_memory().await.unwrap()).await, expected);
    assert_eq!(super::lines(&first.store).await, super::lines(&second.store).await);
}

#[tokio::test]
async fn what_the_ports_wrote_reads_the_same_after_a_move() {
    let (first, second) = (Sqlite::in_memory().await.unwrap(), Sqlite::in_memory().await.unwrap());
    let place = filled(&first).await;
    fill(&second, &dump(&first, 1000).await, 1000).await;
    assert_eq!(second.directory(TENANT).await.unwrap(), first.directory(TENANT).await.unwrap());
    assert_eq!(second.load(TENANT, &place).await.unwrap(), first.load(TENANT, &place).await.unwrap());
    assert_eq!(second.revisions(TENANT).await.unwrap(), first.revisions(TENANT).await.unwrap());
}

/// Whatever is written while a dump is under way is not in it.
#[tokio::test]
async fn a_dump_is_of_one_moment() {
    let database = Database::fresh().await;
    let given = tenant(3, SMALL);
    fill(&database.store, &given, 1000).await;
    let mut dump = database.store.dump(TENANT).await.unwrap();
    assert!(dump.is_of_one_moment());
    let mut told = dump.next(1).await.unwrap();
    filled(&database.store).await;
    loop {
        let more = dump.next(50).await.unwrap();
        if more.is_empty() {
            break;
        }
        told.extend(more);
    }
    assert_eq!(contents(&told), contents(&given));
    assert_ne!(contents(&super::dump(&database.store, 50).await), contents(&given));
}

#[tokio::test]
async fn tenants_do_not_see_each_other() {
    let store = Sqlite::in_memory().await.unwrap();
    let other = TenantId::from_uuid(Uuid::from_u128(1));
    let given = tenant(5, SMALL);
    assert!(store.is_empty(TENANT).await.unwrap());
    fill(&store, &given, 1000).await;
    assert!(!store.is_empty(TENANT).await.unwrap());
    assert!(store.is_empty(other).await.unwrap());
    assert_eq!(store.restore(other, &given).await.unwrap().new, given.len());
    assert_eq!(contents(&dump(&store, 1000).await), contents(&given));
}

#[tokio::test]
async fn a_batch_that_breaks_a_rule_writes_nothing() {
    let store = Sqlite::in_memory().await.unwrap();
    let given = tenant(5, SMALL);
    let orphans: Vec<Record> = given.iter().filter(|record| record.kind() != Kind::Environment).cloned().collect();
    let error = store.restore(TENANT, &orphans).await.unwrap_err();
    assert_eq!(*error.kind(), StoreErrorKind::NotFound);
    assert!(store.is_empty(TENANT).await.unwrap());
    // The same address under another id.
    let twice: Vec<Record> = given
        .iter()
        .filter_map(|record| match record {
            Record::User(user) => {
                Some(Record::User(togglebox_storage::transfer::record::User { id: Uuid::nil(), ..user.clone() }))
            }
            _ => None,
        })
        .take(1)
        .chain(given.clone())
        .collect();
    let mut twice = twice;
    twice.sort_by_key(Record::kind);
    let error = store.restore(TENANT, &twice).await.unwrap_err();
    assert_eq!(*error.kind(), StoreErrorKind::AlreadyExists);
    assert!(store.is_empty(TENANT).await.unwrap());
}
