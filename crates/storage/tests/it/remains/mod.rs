//! The end of a tenant that has something of every kind, on every engine.

#[cfg(feature = "dynamodb")]
mod dynamodb;
#[cfg(feature = "postgres")]
mod postgres;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use togglebox_auth::store::{AttemptStore, PasswordResetStore, SessionStore};
use togglebox_auth::{AttemptPolicy, PasswordReset, Session};
#[cfg(feature = "billing")]
use togglebox_billing::{Address, BillingStore, Committed, Document, Shelf, Write};
use togglebox_core::testkit::{At, Fault, Faults, Faulty};
use togglebox_core::{AuditLog, AuditRecord, Cursor, PageRequest, StoreErrorKind, TenantId, Timestamp};
#[cfg(feature = "metering")]
use togglebox_metering::store::{UsageLedger, UsageStore};
#[cfg(feature = "metering")]
use togglebox_metering::{Ask, Cell, Leased, Minute, Series, Step, UsageEvent, WriterId};
use togglebox_multitenancy::store::{NOT_PURGED, Remains, RemainsStore};
use togglebox_storage::Sqlite;
use togglebox_storage::transfer::record::User;
use togglebox_storage::transfer::{Record, Transfer};
use togglebox_toggles::store::{StatisticsBatch, StatisticsStore};
use uuid::Uuid;

use crate::database::audit;
use crate::transfer::data::{Size, tenant};
use crate::transfer::{dump_of, file};

const A: TenantId = TenantId::from_uuid(Uuid::from_u128(0xa));
const B: TenantId = TenantId::from_uuid(Uuid::from_u128(0xb));
const OPERATOR: TenantId = TenantId::from_uuid(Uuid::from_u128(0xc));
const SMALL: Size = Size { platforms: 2, environments: 2, things: 2, versions: 3, users: 3, subjects: 2, audit: 20 };

/// What a tenant's contents are kept by.
trait Contents: Transfer + SessionStore + PasswordResetStore + AttemptStore + StatisticsStore + AuditLog + RemainsStore {}

impl<S: Transfer + SessionStore + PasswordResetStore + AttemptStore + StatisticsStore + AuditLog + RemainsStore> Contents for S {}

/// A store of one engine, whose register has the tenants A and B.
trait Kit {
    type Store: Contents;
    /// Kinds of contents of the engine, by its own words. What another engine keeps in one kind, this one may keep in several.
    const KINDS: &'static [&'static str];

    fn store(&self) -> &Arc<Self::Store>;

    /// Deletes A and gives it up, so that nothing leads to it.
    async fn give_up(&self);

    /// Counts something and rolls it up, where the engine keeps usage.
    async fn meter(&self, owner: TenantId);

    /// Files something that is the tenant's, where the engine keeps what billing has.
    async fn bill(&self, owner: TenantId);
}

/// Something of every kind: what moves from store to store, and what does not.
async fn fill<K: Kit>(kit: &K, owner: TenantId) {
    let store = &**kit.store();
    let records = tenant(7, SMALL);
    store.restore(owner, &records).await.unwrap();
    Transfer::complete(store, owner).await.unwrap();
    let user = records.iter().find_map(|record| match record {
        Record::User(User { id, .. }) => Some(*id),
        _ => None,
    });
    let (user, now) = (user.unwrap(), Timestamp::EPOCH);
    let later = now.plus(Duration::from_hours(1_000_000));
    let session = Session {
        id: Uuid::from_u128(1),
        user,
        current: Uuid::from_u128(2),
        previous: None,
        rotated_at: now,
        created_at: now,
        expires_at: later,
        revoked_at: None,
    };
    SessionStore::create(store, owner, &session, 10).await.unwrap();
    let reset = PasswordReset { token_hash: [1; 32], user, expires_at: later, created_at: now };
    PasswordResetStore::create(store, owner, &reset).await.unwrap();
    AttemptStore::fail(store, owner, "ann@example.com", &AttemptPolicy::default(), now).await.unwrap();
    store.record(owner, &StatisticsBatch { id: Uuid::from_u128(3), at: now, deltas: Vec::new() }).await.unwrap();
    store.note(owner, &AuditRecord { target: owner.to_string(), ..audit(4) }).await.unwrap();
    kit.meter(owner).await;
    kit.bill(owner).await;
}

async fn left<S: Contents>(store: &S, owner: TenantId) -> Remains {
    store.left(owner).await.unwrap()
}

/// Clears until the end, or until something goes wrong.
async fn clear<S: RemainsStore>(store: &S, limit: usize) -> Result<usize, StoreErrorKind> {
    let (mut removed, mut after): (usize, Option<Cursor>) = (0, None);
    loop {
        let part = RemainsStore::clear(store, A, after.as_ref(), limit).await.map_err(|error| error.kind().clone())?;
        assert!(part.removed <= limit, "{part:?}");
        removed += part.removed;
        after = part.next;
        if after.is_none() {
            return Ok(removed);
        }
    }
}

/// All that can be seen of B.
async fn neighbour<S: Contents>(store: &S) -> (Vec<u8>, Remains, bool, u32) {
    let session = SessionStore::find(store, B, Uuid::from_u128(1)).await.unwrap().is_some();
    let policy = AttemptPolicy::default();
    let attempts = AttemptStore::state(store, B, "ann@example.com", &policy, Timestamp::EPOCH).await.unwrap().failures;
    (file(&dump_of(store, B).await), left(store, B).await, session, attempts)
}

/// Nothing of A but what is the register's, and B as it was.
async fn assert_cleared<K: Kit>(kit: &K, before: &(Vec<u8>, Remains, bool, u32)) {
    let (store, found) = (kit.store(), left(&**kit.store(), A).await);
    let contents: Vec<_> = found.counts.keys().filter(|kind| K::KINDS.contains(&kind.as_str())).collect();
    assert!(contents.is_empty() && found.is_known, "{found:?}");
    assert!(store.is_empty(A).await.unwrap());
    assert!(SessionStore::find(&**store, A, Uuid::from_u128(1)).await.unwrap().is_none());
    let page = PageRequest::first(10);
    assert_eq!(AuditLog::list(&**store, A, &togglebox_core::AuditFilter::default(), &page).await.unwrap().items, []);
    assert_eq!(&neighbour(&**store).await, before);
    assert!(before.2 && before.3 == 1, "B has what is compared");
}

/// Every kind was there, and none is.
async fn nothing_of_any_kind_is_left<K: Kit>(kit: &K) {
    let store = &**kit.store();
    fill(kit, A).await;
    fill(kit, B).await;
    let kinds: BTreeSet<String> = left(store, A).await.counts.into_keys().collect();
    let missing: Vec<_> = K::KINDS.iter().filter(|kind| !kinds.contains(**kind)).collect();
    assert!(missing.is_empty(), "a kind that nothing was put into: {missing:?}");
    let refused = RemainsStore::clear(store, A, None, 10).await.unwrap_err();
    assert_eq!(refused.kind(), &StoreErrorKind::Refused(NOT_PURGED));
    let before = neighbour(store).await;
    kit.give_up().await;
    let had = left(store, A).await;
    assert!(clear(store, 1000).await.unwrap() as u64 <= had.total());
    assert_cleared(kit, &before).await;
    assert_eq!(clear(store, 7).await, Ok(0));
    // The operator's log is another tenant's.
    store.note(OPERATOR, &audit(1)).await.unwrap();
    store.note(OPERATOR, &audit(1)).await.unwrap();
    assert!(!left(store, OPERATOR).await.is_known);
    let had = left(store, OPERATOR).await;
    assert_eq!(RemainsStore::clear(store, OPERATOR, None, 10).await.unwrap().removed, 0);
    assert_eq!(left(store, OPERATOR).await, had);
    // Of one that the register does not have, usage goes, and nothing else.
    let nobody = TenantId::from_uuid(Uuid::from_u128(0xdead));
    store.note(nobody, &audit(1)).await.unwrap();
    let noted = left(store, nobody).await;
    kit.meter(nobody).await;
    assert!(left(store, nobody).await.total() > noted.total());
    while RemainsStore::clear(store, nobody, None, 2).await.unwrap().removed > 0 {}
    assert_eq!(left(store, nobody).await, noted);
    assert_eq!(neighbour(store).await, before);
}

/// A process that dies leaves the rest; the next one begins anew, with other parts.
async fn what_a_crash_has_left_goes_with_the_next<K: Kit>(kit: &K) {
    let store = &**kit.store();
    fill(kit, A).await;
    fill(kit, B).await;
    let before = neighbour(store).await;
    kit.give_up().await;
    let (mut had, mut calls) = (left(store, A).await.total(), 0);
    // Each time after another number of calls.
    for lives in [1, 2, 3, 5] {
        let mut after = None;
        for _ in 0..lives {
            let part = RemainsStore::clear(store, A, after.as_ref(), 9).await.unwrap();
            assert_eq!(part.removed, 9);
            (after, calls) = (part.next, calls + 1);
        }
        let has = left(store, A).await.total();
        assert_eq!(had - has, 9 * lives, "what went stays gone");
        had = has;
    }
    assert_eq!(calls, 11);
    clear(store, 50).await.unwrap();
    assert_cleared(kit, &before).await;
}

/// Calls are lost before and after they were made, or made twice; two nodes are at it.
async fn two_nodes_over_a_bad_network_come_to_the_end<K: Kit>(kit: &K) {
    fill(kit, A).await;
    fill(kit, B).await;
    let before = neighbour(&**kit.store()).await;
    kit.give_up().await;
    let faults = Arc::new(Faults::seeded(11));
    // However few calls it takes, each kind happens.
    for (call, fault) in [(2, Fault::Before), (3, Fault::After), (4, Fault::Twice)] {
        faults.inject(At::operation("remains.clear").call(call), fault);
    }
    for fault in [Fault::Before, Fault::After, Fault::Twice] {
        faults.inject(At::operation("remains.clear").chance(0.15), fault);
    }
    let store = Faulty::new(Arc::clone(kit.store()), Arc::clone(&faults));
    let node = async |limit| {
        while let Err(kind) = clear(&store, limit).await {
            assert_eq!(kind, StoreErrorKind::Unavailable);
        }
    };
    tokio::join!(node(20), node(33));
    let counts = faults.counts_of("remains.clear");
    assert!(counts.before > 0 && counts.after > 0 && counts.twice > 0, "{counts:?}");
    assert_cleared(kit, &before).await;
}

/// The tables of both SQL engines.
const TABLES: &[&str] = &[
    "api_keys",
    "attempts",
    "audit_log",
    "billing_documents",
    "environments",
    "experiment_conversions",
    "experiment_days",
    "experiment_metric_days",
    "experiment_statistics",
    "experiment_subjects",
    "experiments",
    "flag_countries",
    "flag_days",
    "flag_statistics",
    "flag_users",
    "flag_versions",
    "flags",
    "parameter_clients",
    "parameter_statistics",
    "parameter_versions",
    "parameters",
    "password_resets",
    "platforms",
    "sessions",
    "statistics_batches",
    "tenant_revisions",
    "usage_cells",
    "usage_days",
    "usage_events",
    "usage_hours",
    "usage_pools",
    "users",
];

/// What the tests of an engine are made of: its name, and what makes a [`Kit`], or `None` without a server.
macro_rules! ends_of_tenants {
    ($kit:path) => {
        $crate::remains::ends_of_tenants! { $kit:
            nothing_of_any_kind_is_left
            what_a_crash_has_left_goes_with_the_next
            two_nodes_over_a_bad_network_come_to_the_end
        }
    };
    ($kit:path: $($promise:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $promise() {
            if let Some(kit) = $kit().await {
                $crate::remains::$promise(&kit).await;
            }
        }
    )*};
}
use ends_of_tenants;

/// Usage of a tenant, in every table that has any.
#[cfg(feature = "metering")]
async fn metered<S: UsageStore + UsageLedger>(store: &S, owner: TenantId) {
    let (now, series) = (Timestamp::EPOCH, Series::plain("api.requests".parse().unwrap()));
    let (meter, minute) = (series.meter, Minute::EPOCH);
    let event = UsageEvent::new("tests", "1", series.clone(), 1, now).unwrap();
    store.ingest(owner, &[event], now).await.unwrap();
    let writer = WriterId::from_u128(owner.as_uuid().as_u128() << 64);
    store.merge_cells(&[Cell { tenant: owner, series, minute, writer, total: 5 }]).await.unwrap();
    assert_eq!(store.rollup(owner, meter, minute.hour()).await.unwrap().unwrap().total, 6);
    let (period, ask) = (minute, Ask::Hold(2));
    let step = Step { meter, period, holder: writer, number: 1, limit: 5, used: Some(1), now, ask };
    assert_eq!(store.lease(owner, &step).await.unwrap(), Some(Leased { units: 2, granted: 3 }));
}

/// Documents of billing: of a tenant, in a list and due.
#[cfg(feature = "billing")]
async fn billed<S: BillingStore>(store: &S, owner: TenantId) {
    let document = |shelf, n: u32| Document {
        address: Address::new(shelf, format!("{owner}-{n}")),
        tenant: Some(owner),
        version: 0,
        list: "open".into(),
        at: Timestamp::EPOCH,
        due: Some(Timestamp::EPOCH),
        body: "{}".into(),
    };
    let documents = (0..3).map(|n| document(Shelf::Event, n)).chain([document(Shelf::Account, 0)]);
    let writes: Vec<Write> = documents.map(Write::Put).collect();
    assert_eq!(store.commit(&writes).await.unwrap(), Committed::Done);
}

/// Registers A and B, and gives A up, by the ports of the register.
mod register {
    use std::sync::Arc;
    use std::time::Duration;

    use togglebox_core::{Revision, Timestamp};
    use togglebox_multitenancy::store::TenantStore;
    use togglebox_multitenancy::{Billing, LimitOverrides, Member, MemberRole, Standing, Step, Tenant, TenantName};
    use uuid::Uuid;

    use super::{A, B};
    use crate::database::audit;

    pub(super) async fn known<S: TenantStore>(store: &Arc<S>) {
        for (n, id) in [(1, A), (2, B)] {
            let tenant = Tenant {
                id,
                name: TenantName::new("Acme").unwrap(),
                subdomain: format!("acme-{n}").parse().unwrap(),
                renames: Vec::new(),
                domains: Vec::new(),
                owner: Uuid::from_u128(n),
                standing: Standing::default(),
                plan: "free".parse().unwrap(),
                overrides: LimitOverrides::NONE,
                billing: Billing::default(),
                version: Revision::ZERO,
                created_at: Timestamp::EPOCH,
                updated_at: Timestamp::EPOCH,
            };
            let owner = Member {
                tenant: id,
                user: tenant.owner,
                email: togglebox_auth::Email::new("ann@example.com").unwrap(),
                role: MemberRole::Admin,
                joined_at: Timestamp::EPOCH,
                version: Revision::ZERO,
            };
            store.create(id, &tenant, &owner, &audit(100)).await.unwrap();
        }
    }

    pub(super) async fn given_up<S: TenantStore>(store: &Arc<S>) {
        let stands = store.find(A).await.unwrap().unwrap();
        let standing = stands.standing.after(&Step::Delete { grace: Duration::ZERO }, Timestamp::EPOCH).unwrap();
        let next = Tenant { standing, ..stands.clone() };
        let deleted = store.change(A, &next, stands.version, Timestamp::EPOCH, &audit(101)).await.unwrap().value;
        store.purge(A, deleted.version, Timestamp::EPOCH, &audit(102)).await.unwrap();
    }
}

struct OverSqlite(Arc<Sqlite>);

impl Kit for OverSqlite {
    type Store = Sqlite;
    const KINDS: &'static [&'static str] = TABLES;

    fn store(&self) -> &Arc<Sqlite> {
        &self.0
    }

    async fn give_up(&self) {
        register::given_up(&self.0).await;
    }

    async fn meter(&self, owner: TenantId) {
        metered(&*self.0, owner).await;
    }

    async fn bill(&self, owner: TenantId) {
        billed(&*self.0, owner).await;
    }
}

async fn sqlite() -> Option<OverSqlite> {
    let store = Arc::new(Sqlite::in_memory().await.unwrap());
    register::known(&store).await;
    Some(OverSqlite(store))
}

mod over_sqlite {
    super::ends_of_tenants!(super::sqlite);
}
