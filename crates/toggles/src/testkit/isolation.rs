use togglebox_core::{AuditFilter, Limit, PageRequest, Revision, StoreErrorKind, TenantId};

use super::ToggleStores;
use super::fixtures::{A, B, MANY, at, audit, batch, environment, experiment, flag, kind, parameter, platform};
use super::statistics::{conversion, exposure, fetches, flag_users, served};
use crate::store::{EnvironmentState, Revisions};
use crate::{Directory, FlagVersion, Scope};

/// All that a tenant can see of its toggles.
#[derive(Debug, PartialEq)]
struct View {
    directory: Directory,
    revisions: Revisions,
    state: EnvironmentState,
    records: usize,
}

impl View {
    async fn of(stores: &ToggleStores, tenant: TenantId, place: &Scope) -> Self {
        Self {
            directory: stores.directory.directory(tenant).await.unwrap(),
            revisions: stores.directory.revisions(tenant).await.unwrap(),
            state: stores.state(tenant, place).await,
            records: stores.records(tenant).await.len(),
        }
    }
}

/// Another tenant sees no platform and no environment, and cannot touch them by name and revision.
pub async fn another_tenants_directory_is_out_of_reach(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    stores.with_one_of_each(A, &place).await;
    let before = View::of(stores, A, &place).await;
    let store = &stores.directory;
    assert_eq!(store.directory(B).await.unwrap(), Directory::default());
    assert_eq!(store.revisions(B).await.unwrap(), Revisions::default());
    assert_eq!(store.revisions_of(&[B, A]).await.unwrap(), [Revisions::default(), before.revisions.clone()]);
    assert!(stores.environments.load(B, &place).await.unwrap().is_none());
    let (theirs, inner) = (&before.directory.platforms[&place.platform], &before.directory.environments[&place]);
    let record = || audit("any", "any");
    let missing = StoreErrorKind::NotFound;
    assert_eq!(kind(store.replace_platform(B, theirs, theirs.revision, &record()).await), missing);
    assert_eq!(kind(store.delete_platform(B, &theirs.name, theirs.revision, &record()).await), missing);
    assert_eq!(kind(store.create_environment(B, &environment(&place), Limit::Unlimited, &record()).await), missing);
    assert_eq!(kind(store.replace_environment(B, inner, inner.revision, &record()).await), missing);
    assert_eq!(kind(store.delete_environment(B, &place, inner.revision, &record()).await), missing);
    assert_eq!(View::of(stores, A, &place).await, before);
    assert!(stores.records(B).await.is_empty());
}

/// Another tenant sees no parameter, and cannot touch one by key and revision, whether or not it has a place of the same name.
pub async fn another_tenants_parameters_are_out_of_reach(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    let theirs = stores.with_parameter(A, &place, "p").await;
    let before = View::of(stores, A, &place).await;
    let (store, key, revision) = (&stores.parameters, theirs.key(), theirs.revision);
    let (record, missing) = (|| audit("any", "any"), StoreErrorKind::NotFound);
    for has_a_place in [false, true] {
        if has_a_place {
            stores.with_environment(B, "web", "production").await;
        } else {
            let created = store.create(B, &place, &parameter("p", ""), MANY, Limit::Unlimited, &record()).await;
            assert_eq!(kind(created), missing);
        }
        assert!(store.find(B, &place, key).await.unwrap().is_none());
        assert!(store.version(B, &place, key, 1).await.unwrap().is_none());
        assert!(store.versions(B, &place, key, &PageRequest::first(1)).await.unwrap().items.is_empty());
        assert_eq!(kind(store.append(B, &place, &theirs.active, revision, &record()).await), missing);
        assert_eq!(kind(store.activate(B, &place, key, 1, revision, &record()).await), missing);
        assert_eq!(kind(store.delete(B, &place, key, revision, &record()).await), missing);
    }
    // Neither does a limit count the other's.
    store.create(B, &place, &parameter("p", "mine"), 1, Limit::Unlimited, &record()).await.unwrap();
    assert_eq!(View::of(stores, A, &place).await, before);
}

/// The same of flags.
pub async fn another_tenants_flags_are_out_of_reach(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    let theirs = stores.with_flag(A, &place, "f").await;
    let before = View::of(stores, A, &place).await;
    let (store, key, revision) = (&stores.flags, &theirs.key, theirs.revision);
    let (record, missing) = (|| audit("any", "any"), StoreErrorKind::NotFound);
    for has_a_place in [false, true] {
        if has_a_place {
            stores.with_environment(B, "web", "production").await;
        } else {
            assert_eq!(kind(store.create(B, &place, &flag("f", ""), Limit::Unlimited, &record()).await), missing);
        }
        assert!(store.find(B, &place, key).await.unwrap().is_none());
        assert!(store.version(B, &place, key, FlagVersion::FIRST).await.unwrap().is_none());
        assert!(store.versions(B, &place, key, &PageRequest::first(1)).await.unwrap().items.is_empty());
        assert_eq!(kind(store.append(B, &place, &theirs, revision, &record()).await), missing);
        assert_eq!(kind(store.amend(B, &place, &theirs, revision, &record()).await), missing);
        assert_eq!(kind(store.delete(B, &place, key, revision, &record()).await), missing);
    }
    store.create(B, &place, &flag("f", "mine"), Limit::Unlimited, &record()).await.unwrap();
    assert_eq!(View::of(stores, A, &place).await, before);
}

/// The same of experiments.
pub async fn another_tenants_experiments_are_out_of_reach(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    let theirs = stores.with_experiment(A, &place, "x").await;
    let before = View::of(stores, A, &place).await;
    let (store, key, revision) = (&stores.experiments, &theirs.key, theirs.revision);
    let (record, missing) = (|| audit("any", "any"), StoreErrorKind::NotFound);
    for has_a_place in [false, true] {
        if has_a_place {
            stores.with_environment(B, "web", "production").await;
        } else {
            assert_eq!(kind(store.create(B, &place, &experiment("x"), Limit::Unlimited, &record()).await), missing);
        }
        assert!(store.find(B, &place, key).await.unwrap().is_none());
        assert_eq!(kind(store.replace(B, &place, &theirs, revision, &record()).await), missing);
        assert_eq!(kind(store.delete(B, &place, key, revision, &record()).await), missing);
    }
    store.create(B, &place, &experiment("x"), Limit::Unlimited, &record()).await.unwrap();
    assert_eq!(View::of(stores, A, &place).await, before);
}

/// Another tenant neither sees figures nor adds to them, also where it has things of the same names.
pub async fn another_tenants_statistics_are_out_of_reach(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    let (p, f, x) = stores.with_one_of_each(A, &place).await;
    let of = |tenant: TenantId| {
        let (store, place, now) = (&stores.statistics, &place, at(1000));
        let (p, f, x) = (p.key(), &f.key, &x.key);
        async move {
            (
                store.parameter(tenant, place, p, now).await.unwrap(),
                store.flag(tenant, place, f, now).await.unwrap(),
                store.flag_by_country(tenant, place, f).await.unwrap(),
                store.flag_by_day(tenant, place, f, "0000-01-01", "9999-12-31").await.unwrap(),
                store.experiment(tenant, place, x).await.unwrap(),
            )
        }
    };
    let everything = || {
        let mut deltas = vec![fetches("p", 2, &[1, 2]), served("f", "2026-01-01", Some("DE"), 1, 1)];
        deltas.extend([flag_users("f", crate::Side::A, &[1]), exposure("x", "short", "2026-01-01", &[1, 2])]);
        deltas.push(conversion("x", "short", "buy", "2026-01-01", &[(1, 1, 2.0)]));
        deltas
    };
    stores.count(A, &place, everything()).await;
    let before = of(A).await;
    assert!(before.0.is_some() && before.1.is_some() && before.4.is_some());
    let nothing = (None, None, Vec::new(), Vec::new(), None);
    for has_a_place in [false, true] {
        if has_a_place {
            stores.with_environment(B, "web", "production").await;
        }
        stores.count(B, &place, everything()).await;
        assert_eq!(of(B).await, nothing);
    }
    stores.with_one_of_each(B, &place).await;
    // A batch's id counts within its tenant only.
    let same = batch(&place, everything());
    stores.statistics.record(B, &same).await.unwrap();
    assert_eq!(of(A).await, before);
    assert_eq!(of(B).await, before);
    stores.statistics.record(A, &same).await.unwrap();
    assert_eq!(of(A).await.0.unwrap().fetches, 4);
    assert_eq!(of(B).await, before);
}

/// Another tenant sees no audit record, and a cursor leads nowhere but in its own list.
pub async fn another_tenants_audit_records_are_out_of_reach(stores: &ToggleStores) {
    stores.with_environment(A, "web", "production").await;
    let filter = AuditFilter::default();
    let first = stores.audit.list(A, &filter, &PageRequest::first(1)).await.unwrap();
    assert!(stores.audit.list(B, &filter, &PageRequest::first(1)).await.unwrap().items.is_empty());
    stores.with_environment(B, "web", "production").await;
    assert_eq!((stores.records(A).await.len(), stores.records(B).await.len()), (2, 2));
    let page = PageRequest::first(1).after(first.next);
    assert_eq!(kind(stores.audit.list(B, &filter, &page).await), StoreErrorKind::InvalidCursor);
}

/// Another tenant's cursors are refused in the histories, too.
pub async fn another_tenants_cursors_are_refused(stores: &ToggleStores) {
    let (p, f) = (parameter("p", "").key, flag("f", "").key);
    for tenant in [A, B] {
        let place = stores.with_environment(tenant, "web", "production").await;
        let (_, flag, _) = stores.with_one_of_each(tenant, &place).await;
        stores.append(tenant, &place, "p", "two").await;
        stores.flags.append(tenant, &place, &flag, flag.revision, &audit("flag.update", "f")).await.unwrap();
    }
    let (place, first) = (super::fixtures::scope("web", "production"), PageRequest::first(1));
    let cursor = stores.parameters.versions(A, &place, &p, &first).await.unwrap().next;
    let page = first.clone().after(cursor);
    assert_eq!(kind(stores.parameters.versions(B, &place, &p, &page).await), StoreErrorKind::InvalidCursor);
    let cursor = stores.flags.versions(A, &place, &f, &first).await.unwrap().next;
    let page = first.after(cursor);
    assert_eq!(kind(stores.flags.versions(B, &place, &f, &page).await), StoreErrorKind::InvalidCursor);
}

/// Tenants share no name, no counter and no audit id: the second is served as if the first were not there.
pub async fn tenants_share_no_names_revisions_or_audit_ids(stores: &ToggleStores) {
    let (given, record) = (platform("web"), audit("platform.create", "web"));
    for tenant in [A, B] {
        let written = stores.directory.create_platform(tenant, &given, Limit::Unlimited, &record).await.unwrap();
        assert_eq!(written.revision, Revision::new(1));
        assert_eq!(stores.directory.directory(tenant).await.unwrap().platforms[&given.name], written.value);
        assert_eq!(stores.records(tenant).await.as_slice(), std::slice::from_ref(&record));
    }
    let expected = Revision::new(1);
    stores.directory.delete_platform(B, &given.name, expected, &audit("platform.delete", "web")).await.unwrap();
    assert_eq!(stores.directory.directory(A).await.unwrap().platforms.len(), 1);
}
