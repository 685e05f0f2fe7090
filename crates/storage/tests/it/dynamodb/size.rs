//! Records as large as a record may be.

use serde_json::Value;
use togglebox_core::{AuditFilter, AuditLog, AuditRecord, Limit, PageRequest, StoreErrorKind, TenantId};
use togglebox_toggles::Flag;
use togglebox_toggles::store::{DirectoryStore, EnvironmentStore, FlagStore};

use super::fixtures::{audit, environment, flag, place, platform};
use super::on_every_server;
use super::server::Server;

const TENANT: TenantId = TenantId::DEFAULT;

on_every_server! {
    what_fits_can_be_changed_and_deleted
}

fn large(bytes: usize) -> Flag {
    let mut flag = flag("f");
    flag.definition.description = Some("x".repeat(bytes));
    flag
}

fn record(n: u128, before: Option<&Flag>, after: Option<&Flag>) -> AuditRecord {
    let value = |flag: &Flag| serde_json::to_value(&flag.definition).unwrap();
    AuditRecord { before: before.map(value), after: after.map(value), ..audit(n) }
}

async fn what_fits_can_be_changed_and_deleted(server: Server) {
    let (store, options) = server.table().await;
    store.create_platform(TENANT, &platform(1), Limit::Unlimited, &audit(1)).await.unwrap();
    store.create_environment(TENANT, &environment(&place(1)), Limit::Unlimited, &audit(2)).await.unwrap();
    let too_large = large(410_000);
    let error = FlagStore::create(&store, TENANT, &place(1), &too_large, Limit::Unlimited, &record(3, None, Some(&too_large)))
        .await
        .unwrap_err();
    assert!(matches!(error.kind(), StoreErrorKind::TooLarge { .. }), "{error}");
    assert_eq!(store.load(TENANT, &place(1)).await.unwrap().unwrap().revision.get(), 0);

    let given = large(400_000);
    let made =
        FlagStore::create(&store, TENANT, &place(1), &given, Limit::Unlimited, &record(4, None, Some(&given))).await.unwrap();
    let next = FlagStore::append(&store, TENANT, &place(1), &given, made.revision, &record(5, Some(&given), Some(&given))).await;
    let next = next.unwrap();
    let amended =
        FlagStore::amend(&store, TENANT, &place(1), &given, next.revision, &record(6, Some(&given), Some(&given))).await;
    let amended = amended.unwrap();
    FlagStore::delete(&store, TENANT, &place(1), &given.key, amended.revision, &record(7, Some(&given), None)).await.unwrap();

    let records = store.list(TENANT, &AuditFilter::default(), &PageRequest::first(10)).await.unwrap().items;
    let told: Vec<_> = records.iter().filter(|record| record.id.as_u128() > 3).collect();
    assert_eq!(told.len(), 4);
    for told in told {
        let expected: Value = serde_json::to_value(&given.definition).unwrap();
        assert!([&told.before, &told.after].into_iter().flatten().all(|value| *value == expected));
        assert_eq!(told.before.is_some(), told.id.as_u128() > 4);
    }
    // The parts of a record go with it.
    let all = store.prune(TENANT, togglebox_core::Timestamp::from_ms(1), 1000).await.unwrap();
    assert_eq!(all, 6);
    assert_eq!(server.count_all(options.table()).await, server.count(options.table()).await);
}
