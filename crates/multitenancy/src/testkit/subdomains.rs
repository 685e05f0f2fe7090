//! Promises about who has a subdomain.

use std::sync::Arc;

use togglebox_core::StoreErrorKind;

use super::TenancyStores;
use super::fixtures::{A, B, CROWD, audit, audit_at, kind, owner, quarantine, race, subdomain, tenant, tenant_id, the_only};
use crate::Tenant;
use crate::store::{SUBDOMAIN_QUARANTINED, SUBDOMAIN_TAKEN};

const TAKEN: StoreErrorKind = StoreErrorKind::Refused(SUBDOMAIN_TAKEN);
const QUARANTINED: StoreErrorKind = StoreErrorKind::Refused(SUBDOMAIN_QUARANTINED);

/// By whoever comes first; nothing of the second is written.
pub async fn a_subdomain_is_taken_once(stores: &TenancyStores) {
    let first = stores.with_tenant(1).await;
    let second = Tenant { subdomain: first.subdomain.clone(), ..tenant(2) };
    let refused = stores.tenants.create(B, &second, &owner(2), &audit(2)).await;
    assert_eq!(kind(refused), TAKEN);
    assert_eq!(stores.tenants.find(B).await.unwrap(), None);
    assert_eq!(stores.member(B, owner(2).user).await, None);
    assert_eq!(stores.records(B).await, []);
    let other = stores.with_tenant(2).await;
    assert_eq!(kind(stores.change(&Tenant { subdomain: first.subdomain.clone(), ..other.clone() }, 3).await), TAKEN);
    assert_eq!(stores.tenant(B).await, other);
    assert_eq!(stores.directory.by_subdomain(&first.subdomain).await.unwrap(), Some(first));
}

/// The race that two workspaces under one name are made of.
pub async fn of_many_who_take_one_subdomain_exactly_one_gets_it(stores: &TenancyStores) {
    let results = race(|n| {
        let tenants = Arc::clone(&stores.tenants);
        async move {
            let wanted = Tenant { subdomain: subdomain("wanted"), ..tenant(n) };
            tenants.create(wanted.id, &wanted, &owner(n), &audit(u128::from(n))).await
        }
    })
    .await;
    let won = the_only(results, |lost| *lost == TAKEN);
    assert_eq!(stores.directory.by_subdomain(&subdomain("wanted")).await.unwrap(), Some(won.value));
    let mut there = 0;
    for n in 0..CROWD {
        there += usize::from(stores.tenants.find(tenant_id(n)).await.unwrap().is_some());
    }
    assert_eq!(there, 1);
}

/// In one act: no moment at which both or neither lead to it.
pub async fn a_renamed_tenant_is_found_under_its_new_subdomain_only(stores: &TenancyStores) {
    let old = stores.with_tenant(1).await;
    let new = stores.change(&Tenant { subdomain: subdomain("renamed"), ..old.clone() }, 1).await.unwrap().value;
    assert_eq!(stores.directory.by_subdomain(&old.subdomain).await.unwrap(), None);
    assert_eq!(stores.directory.by_subdomain(&new.subdomain).await.unwrap(), Some(new));
}

/// For others, by creation and by rename, up to the moment that was named.
pub async fn a_given_up_subdomain_is_quarantined(stores: &TenancyStores) {
    let (old, other) = (stores.with_tenant(1).await, stores.with_tenant(2).await);
    stores.change(&Tenant { subdomain: subdomain("renamed"), ..old.clone() }, 1).await.unwrap();
    let third = Tenant { subdomain: old.subdomain.clone(), ..tenant(3) };
    let refused = stores.tenants.create(third.id, &third, &owner(3), &audit_at(2, 9_999)).await;
    assert_eq!(kind(refused), QUARANTINED);
    let renamed = Tenant { subdomain: old.subdomain.clone(), ..other.clone() };
    let early = stores.tenants.change(B, &renamed, other.version, quarantine(), &audit_at(3, 9_999)).await;
    assert_eq!(kind(early), QUARANTINED);
    assert_eq!(stores.directory.by_subdomain(&old.subdomain).await.unwrap(), None);
    let late = stores.tenants.change(B, &renamed, other.version, quarantine(), &audit_at(4, 10_000)).await.unwrap().value;
    assert_eq!(stores.directory.by_subdomain(&old.subdomain).await.unwrap(), Some(late));
}

/// At the end of the quarantine many may be waiting.
pub async fn of_many_who_take_a_subdomain_out_of_quarantine_exactly_one_gets_it(stores: &TenancyStores) {
    let old = stores.with_tenant(1).await;
    stores.change(&Tenant { subdomain: subdomain("renamed"), ..old.clone() }, 0x99).await.unwrap();
    let results = race(|n| {
        let (tenants, subdomain) = (Arc::clone(&stores.tenants), old.subdomain.clone());
        async move {
            let wanted = Tenant { subdomain, ..tenant(0x10 + n) };
            tenants.create(wanted.id, &wanted, &owner(0x10 + n), &audit_at(u128::from(n), 10_000)).await
        }
    })
    .await;
    let won = the_only(results, |lost| *lost == TAKEN);
    assert_eq!(stores.directory.by_subdomain(&old.subdomain).await.unwrap(), Some(won.value));
}

/// Whoever gave it up may have it back before the others.
pub async fn a_tenant_takes_its_own_subdomain_back(stores: &TenancyStores) {
    let old = stores.with_tenant(1).await;
    let away = stores.change(&Tenant { subdomain: subdomain("renamed"), ..old.clone() }, 1).await.unwrap().value;
    let back = stores.change(&Tenant { subdomain: old.subdomain.clone(), ..away.clone() }, 2).await.unwrap().value;
    assert_eq!(stores.directory.by_subdomain(&old.subdomain).await.unwrap(), Some(back));
    assert_eq!(stores.directory.by_subdomain(&away.subdomain).await.unwrap(), None);
}

/// Whichever way it is asked for.
pub async fn of_a_rename_and_a_creation_that_want_one_subdomain_one_gets_it(stores: &TenancyStores) {
    let old = stores.with_tenant(0x20).await;
    let results = race(|n| {
        let (stores, old) = (stores.clone(), old.clone());
        async move {
            let wanted = subdomain("wanted");
            if n == 0 {
                stores.change(&Tenant { subdomain: wanted, ..old }, 0).await
            } else {
                let new = Tenant { subdomain: wanted, ..tenant(n) };
                stores.tenants.create(new.id, &new, &owner(n), &audit(u128::from(n))).await
            }
        }
    })
    .await;
    let won = the_only(results, |lost| *lost == TAKEN);
    assert_eq!(stores.directory.by_subdomain(&subdomain("wanted")).await.unwrap(), Some(won.value));
    let of_old = stores.directory.by_subdomain(&old.subdomain).await.unwrap();
    assert_eq!(of_old.is_some(), stores.tenant(old.id).await.subdomain == old.subdomain);
}

/// Each wants what the other has: neither gets it, since it is given up only when another is had.
pub async fn two_who_change_places_do_not_both_lose_theirs(stores: &TenancyStores) {
    let (one, two) = (stores.with_tenant(1).await, stores.with_tenant(2).await);
    let results = race(|n| {
        let stores = stores.clone();
        let (own, wanted) = if n % 2 == 0 { (one.clone(), two.subdomain.clone()) } else { (two.clone(), one.subdomain.clone()) };
        async move { stores.change(&Tenant { subdomain: wanted, ..own }, u128::from(n)).await }
    })
    .await;
    assert!(results.into_iter().map(kind).all(|kind| kind == TAKEN));
    for stands in [one, two] {
        assert_eq!(stores.tenant(stands.id).await, stands);
        assert_eq!(stores.directory.by_subdomain(&stands.subdomain).await.unwrap(), Some(stands));
    }
    assert_eq!(stores.tenant(A).await.subdomain, tenant(1).subdomain);
}
