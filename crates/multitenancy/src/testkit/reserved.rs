//! Promises about tenants that were never paid for.

use std::time::Duration;

use togglebox_core::{PageRequest, StoreErrorKind};

use super::TenancyStores;
use super::fixtures::{
    A, B, at, audit, audit_at, claim, invitation, kind, owner, owner_id, race, subdomain, tenant, tenant_id, the_only,
};
use crate::store::{NOT_RESERVED, SUBDOMAIN_TAKEN, TenantChange};
use crate::{Deletion, Member, MemberRole, Standing, Step, Tenant, Unpaid};

/// Nobody else gets the name; no members, no invitations, no domains. Once it is paid for, it is a tenant like any other.
pub async fn a_reserved_tenant_keeps_its_subdomain_and_takes_nothing_in(stores: &TenancyStores) {
    let reserved = stores.with_reserved(1).await;
    assert_eq!(stores.directory.by_subdomain(&reserved.subdomain).await.unwrap(), Some(reserved.clone()));
    let next = Tenant { subdomain: reserved.subdomain.clone(), ..tenant(2) };
    let taken = stores.tenants.create(B, &next, &owner(2), &audit(1)).await;
    assert_eq!(kind(taken), StoreErrorKind::Refused(SUBDOMAIN_TAKEN));
    let gone = StoreErrorKind::NotFound;
    assert_eq!(kind(stores.invitations.issue(A, &invitation(2, MemberRole::Viewer), 10, &audit(2)).await), gone);
    assert_eq!(kind(stores.domains.claim(A, &claim("b.example.com"), &audit(3)).await), gone);

    let standing = reserved.standing.paid(None, None);
    let entitled = stores.change(&Tenant { standing, ..reserved }, 4).await.unwrap().value;
    assert_eq!(entitled.standing, Standing::default());
    stores.with_member(A, 1, MemberRole::Viewer).await;
    stores.domains.claim(A, &claim("b.example.com"), &audit(5)).await.unwrap();
}

/// As if nobody had had it; the rest of its end is that of every tenant, and its changes are told.
pub async fn a_discarded_tenant_leaves_its_subdomain_to_anybody_at_once(stores: &TenancyStores) {
    let reserved = stores.with_reserved(1).await;
    let discarded = stores.tenants.discard(A, reserved.version, &audit_at(1, 70)).await.unwrap();
    assert_eq!(discarded.value.standing.deletion, Some(Deletion::at_once(at(70))));
    assert_eq!((discarded.value.version, discarded.revision), (reserved.version.next(), reserved.version.next()));
    assert_eq!(stores.tenant(A).await, discarded.value);
    assert_eq!(stores.directory.by_subdomain(&reserved.subdomain).await.unwrap(), None);
    let told = stores.directory.changes_since(reserved.version, 10).await.unwrap().changes;
    let about = TenantChange::between(Some(&reserved), &discarded.value);
    assert_eq!((told.len(), &told[0].what), (1, &about));
    assert_eq!(stores.tenants.discard(A, reserved.version, &audit_at(1, 70)).await.unwrap(), discarded, "repeated");

    // Also for somebody whose clock is behind.
    let next = Tenant { subdomain: reserved.subdomain.clone(), ..tenant(2) };
    let other = stores.tenants.create(B, &next, &owner(2), &audit_at(2, 5)).await.unwrap().value;
    assert_eq!(stores.directory.by_subdomain(&reserved.subdomain).await.unwrap(), Some(other.clone()));

    assert_eq!(stores.tenants.sweep(A, 10).await.unwrap(), 1, "its owner");
    stores.tenants.forget(A).await.unwrap();
    assert_eq!(stores.tenants.find(A).await.unwrap(), None);
    let belongs = stores.directory.workspaces(owner_id(1), &PageRequest::first(10)).await.unwrap();
    assert_eq!(belongs.items, []);
    assert_eq!(stores.directory.by_subdomain(&reserved.subdomain).await.unwrap(), Some(other), "what is another's stays");
}

/// Not what was paid for at some time, not what is deleted or gone, and only from the version that stands.
pub async fn only_what_is_reserved_is_discarded(stores: &TenancyStores) {
    let reserved = stores.with_reserved(1).await;
    let early = stores.tenants.discard(A, tenant(1).version, &audit(1)).await;
    assert_eq!(kind(early), StoreErrorKind::Conflict { current: reserved.version });
    let refused = StoreErrorKind::Refused(NOT_RESERVED);
    let deleted = stores.step(&reserved, &Step::Delete { grace: Duration::from_secs(100) }, 2).await;
    assert_eq!(kind(stores.tenants.discard(A, deleted.version, &audit(3)).await), refused);
    let back = stores.step(&deleted, &Step::Restore, 4).await;
    assert_eq!(back.standing, reserved.standing);
    let mut stands = back;
    for (n, unpaid) in [(5, None), (6, Some(Unpaid::ReadOnly(at(5)))), (7, Some(Unpaid::Closed(at(5))))] {
        let standing = stands.standing.paid(None, unpaid);
        stands = stores.change(&Tenant { standing, ..stands }, n).await.unwrap().value;
        assert_eq!(kind(stores.tenants.discard(A, stands.version, &audit(0x10 + n)).await), refused, "{unpaid:?}");
    }
    assert_eq!(stores.tenant(A).await, stands);
    let gone = stores.with_reserved(2).await;
    let gone = stores.tenants.discard(B, gone.version, &audit(8)).await.unwrap().value;
    assert_eq!(kind(stores.tenants.discard(B, gone.version, &audit(9)).await), refused);
    assert_eq!(kind(stores.tenants.discard(tenant_id(3), gone.version, &audit(10)).await), StoreErrorKind::NotFound);
}

/// Who pays in the last moment has the tenant, or learns that it is gone.
pub async fn of_a_discard_and_an_entitlement_exactly_one_happens(stores: &TenancyStores) {
    let reserved = stores.with_reserved(1).await;
    let results = race(|n| {
        let (stores, reserved) = (stores.clone(), reserved.clone());
        async move {
            if n % 2 == 0 {
                return stores.tenants.discard(A, reserved.version, &audit(u128::from(n))).await;
            }
            let standing = reserved.standing.paid(None, None);
            stores.change(&Tenant { standing, ..reserved }, u128::from(n)).await
        }
    })
    .await;
    let won = the_only(results, |lost| matches!(lost, StoreErrorKind::Conflict { .. }));
    assert_eq!(stores.tenant(A).await, won.value);
    let led = stores.directory.by_subdomain(&reserved.subdomain).await.unwrap();
    assert_eq!(led.is_some(), !won.value.standing.is_purged());
    assert_eq!(won.value.standing.is_reserved(), won.value.standing.is_purged());
}

/// The subdomain is nobody's for no longer than it takes; and it is one tenant's afterwards.
pub async fn of_many_who_discard_a_tenant_and_take_its_subdomain_exactly_one_gets_it(stores: &TenancyStores) {
    let reserved = stores.with_reserved(1).await;
    let discarded = stores.tenants.discard(A, reserved.version, &audit(1)).await.unwrap().value;
    let results = race(|n| {
        let (stores, label) = (stores.clone(), subdomain("tenant-1"));
        async move {
            let next = Tenant { subdomain: label, ..tenant(10 + n) };
            let owner = Member { tenant: next.id, ..owner(10 + n) };
            stores.tenants.create(next.id, &next, &owner, &audit(0x20 + u128::from(n))).await
        }
    })
    .await;
    let won = the_only(results, |lost| *lost == StoreErrorKind::Refused(SUBDOMAIN_TAKEN)).value;
    // The end of the one before takes nothing from it.
    stores.tenants.sweep(A, 10).await.unwrap();
    stores.tenants.forget(A).await.unwrap();
    assert_eq!(stores.directory.by_subdomain(&discarded.subdomain).await.unwrap(), Some(won));
}
