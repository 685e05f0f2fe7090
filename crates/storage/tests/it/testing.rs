//! Fault injection by itself. What the ports promise under it, their suites try.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use togglebox_core::{
    AuditFilter, AuditLog, AuditRecord, Limit, Page, PageRequest, Revision, StoreErrorKind, StoreResult, TenantId, Timestamp,
};
use togglebox_storage::Sqlite;
use togglebox_storage::testing::{At, Delay, Fault, Faults, Faulty, Gate, OPERATIONS};
use togglebox_toggles::store::DirectoryStore;
use tokio::time::Instant;

use crate::database::{audit, platform, toggle_stores};

const TENANT: TenantId = TenantId::DEFAULT;

async fn fresh() -> (Faulty<Sqlite>, Arc<Faults>) {
    let faults = Arc::new(Faults::none());
    (Faulty::new(Arc::new(Sqlite::in_memory().await.unwrap()), Arc::clone(&faults)), faults)
}

async fn revision(store: &Faulty<Sqlite>) -> Revision {
    store.inner().revisions(TENANT).await.unwrap().directory
}

#[test]
fn each_operation_has_a_name_of_its_own() {
    let names: Vec<_> = OPERATIONS.iter().flat_map(|port| port.iter().map(|operation| operation.name)).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    for port in OPERATIONS {
        let prefixes: BTreeSet<_> = port.iter().map(|operation| operation.name.split_once('.').unwrap().0).collect();
        assert_eq!(prefixes.len(), 1, "{prefixes:?}");
    }
}

/// The name of an injected error is that of the store's own.
#[tokio::test]
async fn an_operation_is_named_as_the_store_names_it() {
    let (store, faults) = fresh().await;
    let missing = store.replace_platform(TENANT, &platform(1), Revision::ZERO, &audit(1)).await.unwrap_err();
    assert_eq!(missing.kind(), &StoreErrorKind::NotFound);
    faults.inject(At::operation(missing.operation()), Fault::Before);
    let injected = store.replace_platform(TENANT, &platform(1), Revision::ZERO, &audit(1)).await.unwrap_err();
    assert_eq!((injected.kind(), injected.operation()), (&StoreErrorKind::Unavailable, missing.operation()));
    assert_eq!(injected.to_string(), "directory.replace_platform: the store is unavailable");
    assert!(std::error::Error::source(&injected).unwrap().to_string().contains("injected"));
}

#[tokio::test]
async fn a_late_call_is_made_when_the_gate_opens() {
    let (store, faults) = fresh().await;
    let gate = Gate::closed();
    faults.inject(At::operation("directory.create_platform"), Fault::Late(Delay::until(&gate)));
    let late = tokio::spawn({
        let store = store.clone();
        async move { store.create_platform(TENANT, &platform(1), Limit::Unlimited, &audit(1)).await }
    });
    gate.reached(1).await;
    assert_eq!(revision(&store).await, Revision::ZERO, "not called yet");
    store.create_platform(TENANT, &platform(2), Limit::Unlimited, &audit(2)).await.unwrap();
    gate.open();
    assert_eq!(late.await.unwrap().unwrap().revision, Revision::new(2), "after the one that overtook it");
    assert_eq!((faults.counts().late, faults.pending()), (1, 0));
}

#[tokio::test]
async fn a_late_answer_is_of_a_call_that_was_made_at_once() {
    let (store, faults) = fresh().await;
    let gate = Gate::closed();
    faults.inject(At::any(), Fault::AnsweredLate(Delay::until(&gate)));
    let late = tokio::spawn({
        let store = store.clone();
        async move { store.create_platform(TENANT, &platform(1), Limit::Unlimited, &audit(1)).await }
    });
    gate.reached(1).await;
    assert_eq!(revision(&store).await, Revision::new(1));
    assert!(!late.is_finished());
    gate.open();
    assert_eq!(late.await.unwrap().unwrap().revision, Revision::new(1));
}

/// With a timer whose time stands still, over a port whose calls take none.
#[tokio::test(start_paused = true)]
async fn a_delay_may_be_a_timer() {
    #[derive(Debug)]
    struct Nothing;
    #[async_trait::async_trait]
    impl AuditLog for Nothing {
        async fn list(&self, _: TenantId, _: &AuditFilter, _: &PageRequest) -> StoreResult<Page<AuditRecord>> {
            Ok(Page::empty())
        }

        async fn prune(&self, _: TenantId, _: Timestamp, _: usize) -> StoreResult<usize> {
            Ok(0)
        }
    }
    let (faults, wait) = (Arc::new(Faults::none()), Duration::from_hours(1));
    let log: Faulty<dyn AuditLog> = Faulty::new(Arc::new(Nothing), Arc::clone(&faults));
    faults.inject(At::port("audit").call(2), Fault::Late(Delay::new(move || tokio::time::sleep(wait))));
    let began = Instant::now();
    for expected in [Duration::ZERO, wait, wait] {
        log.list(TENANT, &AuditFilter::default(), &PageRequest::first(1)).await.unwrap();
        assert_eq!(began.elapsed(), expected);
    }
}

#[tokio::test]
async fn one_plan_serves_all_ports_and_counts_them_apart() {
    let faults = Arc::new(Faults::none());
    let stores = toggle_stores(&Sqlite::in_memory().await.unwrap()).with_faults(&faults);
    faults.inject(At::any().next(2), Fault::Throttled);
    assert!(stores.directory.directory(TENANT).await.is_err());
    assert!(stores.audit.list(TENANT, &AuditFilter::default(), &PageRequest::first(1)).await.is_err());
    stores.directory.directory(TENANT).await.unwrap();
    assert_eq!((faults.counts().calls, faults.counts().throttled), (3, 2));
    let counts = faults.counts_of("directory.directory");
    assert_eq!((counts.calls, counts.throttled), (2, 1));
}
