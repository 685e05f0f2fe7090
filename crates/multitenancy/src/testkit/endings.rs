//! Promises about the end of a tenant.

use std::collections::BTreeSet;
use std::time::Duration;

use togglebox_core::{StoreErrorKind, TenantId};

use super::TenancyStores;
use super::fixtures::{
    A, B, CROWD, at, audit, audit_at, claim, domain, id, invitation, kind, member, owner, quarantine, race, subdomain, tenant,
    tenant_id,
};
use crate::store::{NOT_DELETED, NOT_EMPTY, NOT_PURGED, SUBDOMAIN_QUARANTINED, TenantFilter};
use crate::{Limit, MemberRole, Step, Tenant, TokenHash};

const DELETE: Step = Step::Delete { grace: Duration::ZERO };

/// No members, no invitations, no domains; what it has can still be read, and it can come back.
pub async fn a_deleted_tenant_takes_nothing_new_in(stores: &TenancyStores) {
    let created = stores.with_tenant(1).await;
    let waiting = stores.with_invitation(A, 1, MemberRole::Viewer).await;
    let name = domain("flags.example.com");
    stores.domains.claim(A, &claim(name.as_str()), &audit(1)).await.unwrap();
    let deleted = stores.step(&created, &Step::Delete { grace: Duration::from_secs(100) }, 2).await;
    let gone = StoreErrorKind::NotFound;
    let accept = async |n| stores.invitations.accept(A, &waiting.token_hash, &member(A, 1), Limit::Unlimited, &audit(n)).await;
    assert_eq!(kind(accept(3).await), gone);
    let issued = stores.invitations.issue(A, &invitation(2, MemberRole::Viewer), 10, &audit(4)).await;
    assert_eq!(kind(issued), gone);
    assert_eq!(kind(stores.domains.claim(A, &claim("b.example.com"), &audit(5)).await), gone);
    assert_eq!(kind(stores.domains.verify(A, &name, &audit(6)).await), gone);
    assert_eq!(stores.directory.by_subdomain(&created.subdomain).await.unwrap(), Some(deleted.clone()));
    assert_eq!(stores.members.count(A).await.unwrap(), 1);

    stores.step(&deleted, &Step::Restore, 7).await;
    accept(8).await.unwrap();
    stores.domains.verify(A, &name, &audit(9)).await.unwrap();
}

/// Also while it is being deleted: who joins and what is verified came first, or does not come.
pub async fn whatever_a_tenant_takes_in_came_before_its_deletion(stores: &TenancyStores) {
    let created = stores.with_tenant(1).await;
    for n in 1..CROWD {
        stores.with_invitation(A, n, MemberRole::Viewer).await;
        stores.domains.claim(A, &claim(&format!("d{n}.example.com")), &audit(0x100 + u128::from(n))).await.unwrap();
    }
    let results = race(|n| {
        let (stores, created) = (stores.clone(), created.clone());
        async move {
            let audit = audit(u128::from(n));
            match n {
                0 => loop {
                    // What is verified meanwhile raises the version.
                    let stands = stores.tenant(A).await;
                    let next = Tenant { standing: created.standing.after(&DELETE, at(10)).unwrap(), ..stands.clone() };
                    match stores.tenants.change(A, &next, stands.version, quarantine(), &audit).await {
                        Err(error) if error.is_conflict() => {}
                        deleted => return deleted.map(|written| written.revision),
                    }
                },
                n if n % 2 == 0 => {
                    let domain = domain(&format!("d{n}.example.com"));
                    stores.domains.verify(A, &domain, &audit).await.map(|written| written.revision)
                }
                n => {
                    let (token, guest) = (TokenHash([n; 32]), member(A, n));
                    let joined = stores.invitations.accept(A, &token, &guest, Limit::Unlimited, &audit).await;
                    joined.map(|written| written.revision)
                }
            }
        }
    })
    .await;
    let [deleted, rest @ ..] = results.as_slice() else { panic!("a crowd") };
    let deleted = *deleted.as_ref().unwrap();
    let mut joined = 1;
    for (n, outcome) in (1..).zip(rest) {
        match outcome {
            Ok(revision) => {
                assert!(*revision < deleted, "number {n} came in after the end");
                joined += u64::from(n % 2 == 1);
            }
            Err(error) => assert_eq!(*error.kind(), StoreErrorKind::NotFound),
        }
    }
    assert_eq!(stores.members.count(A).await.unwrap(), joined);
}

/// And once.
pub async fn only_what_is_deleted_is_purged(stores: &TenancyStores) {
    let created = stores.with_tenant(1).await;
    let refused = stores.tenants.purge(A, created.version, quarantine(), &audit(1)).await;
    assert_eq!(kind(refused), StoreErrorKind::Refused(NOT_DELETED));
    for outcome in [stores.tenants.sweep(A, 10).await.map(drop), stores.tenants.forget(A).await] {
        assert_eq!(kind(outcome), StoreErrorKind::Refused(NOT_PURGED));
    }
    let purged = stores.purged(&created, 1).await;
    let refused = stores.tenants.purge(A, purged.version, quarantine(), &audit(2)).await;
    assert_eq!(kind(refused), StoreErrorKind::Refused(NOT_DELETED));
    assert_eq!(stores.tenant(A).await, purged);
    assert_eq!(kind(stores.tenants.sweep(B, 10).await), StoreErrorKind::NotFound);
}

/// Nothing leads to it any more: the subdomain is quarantined, the domains are free.
pub async fn a_purged_tenant_gives_its_names_up(stores: &TenancyStores) {
    stores.with_tenant(1).await;
    let held = stores.with_domain(A, "flags.example.com", 1).await;
    stores.domains.claim(A, &claim("b.example.com"), &audit(1)).await.unwrap();
    let deleted = stores.step(&held, &DELETE, 2).await;
    let purged = stores.tenants.purge(A, deleted.version, quarantine(), &audit_at(3, 70)).await.unwrap();
    assert_eq!(purged.value.standing.deletion.as_ref().unwrap().purged_at, Some(at(70)));
    assert_eq!((purged.value.version, purged.value.domains.len()), (purged.revision, 0));
    assert_eq!(stores.tenant(A).await, purged.value);
    assert_eq!(stores.directory.by_subdomain(&held.subdomain).await.unwrap(), None);
    assert_eq!(stores.directory.by_domain(&domain("flags.example.com")).await.unwrap(), None);
    assert_eq!(stores.domains.list(A).await.unwrap(), []);
    let listed = stores.directory.list(&TenantFilter::default(), &togglebox_core::PageRequest::first(10)).await.unwrap();
    assert_eq!(listed.items, [purged.value], "the operator sees it until it is forgotten");

    let next = Tenant { subdomain: held.subdomain.clone(), ..tenant(2) };
    let early = stores.tenants.create(B, &next, &owner(2), &audit_at(1, 9_999)).await;
    assert_eq!(kind(early), StoreErrorKind::Refused(SUBDOMAIN_QUARANTINED));
    stores.tenants.create(B, &next, &owner(2), &audit_at(2, 10_000)).await.unwrap();
    let other = stores.with_domain(B, "flags.example.com", 2).await;
    assert_eq!(stores.directory.by_domain(&domain("flags.example.com")).await.unwrap(), Some(other));
}

/// Not before, and for ever.
pub async fn what_is_purged_or_unknown_has_ended(stores: &TenancyStores) {
    let created = stores.with_tenant(1).await;
    stores.with_tenant(2).await;
    let nobody = tenant(3).id;
    let ended = async || stores.directory.ended(&[B, A, nobody]).await.unwrap();
    assert_eq!(ended().await, BTreeSet::from([nobody]));
    let deleted = stores.step(&created, &DELETE, 2).await;
    assert_eq!(ended().await, BTreeSet::from([nobody]));
    stores.tenants.purge(A, deleted.version, quarantine(), &audit_at(3, 70)).await.unwrap();
    assert_eq!(ended().await, BTreeSet::from([A, nobody]));
    while stores.tenants.sweep(A, 10).await.unwrap() > 0 {}
    stores.tenants.forget(A).await.unwrap();
    assert_eq!(ended().await, BTreeSet::from([A, nobody]));
    assert_eq!(stores.directory.ended(&[]).await.unwrap(), BTreeSet::new());
    let others = (1..1000).map(|n| TenantId::from_uuid(id(n)));
    let many: Vec<_> = others.chain([B]).collect();
    assert_eq!(stores.directory.ended(&many).await.unwrap(), many[..999].iter().copied().collect());
}

/// As many as asked for at a time; the record goes last, and other tenants keep theirs. The quarantine outlives it.
pub async fn a_purged_tenant_is_swept_in_parts_and_forgotten(stores: &TenancyStores) {
    let created = stores.with_tenant(1).await;
    stores.with_tenant(2).await;
    for n in 1..=3 {
        stores.with_member(A, n, MemberRole::Viewer).await;
        stores.with_member(B, n, MemberRole::Viewer).await;
        stores.with_invitation(A, 10 + n, MemberRole::Viewer).await;
        stores.with_invitation(B, 10 + n, MemberRole::Viewer).await;
    }
    stores.purged(&created, 1).await;
    assert_eq!(kind(stores.tenants.forget(A).await), StoreErrorKind::Refused(NOT_EMPTY));
    let mut swept = Vec::new();
    for limit in [3, 3, 3, 3] {
        swept.push(stores.tenants.sweep(A, limit).await.unwrap());
    }
    assert_eq!(swept, [3, 3, 1, 0], "four members and three invitations");
    assert_eq!(stores.members.count(A).await.unwrap(), 0);
    let page = togglebox_core::PageRequest::first(100);
    assert_eq!(stores.members.list(A, &page).await.unwrap().items, []);
    assert_eq!(stores.invitations.list(A, &page).await.unwrap().items, []);
    let seen = stores.directory.workspaces(member(A, 1).user, &page).await.unwrap().items;
    assert_eq!(seen.iter().map(|workspace| workspace.tenant.id).collect::<Vec<_>>(), [B]);

    stores.tenants.forget(A).await.unwrap();
    assert_eq!(stores.tenants.find(A).await.unwrap(), None);
    assert_eq!(kind(stores.tenants.sweep(A, 10).await), StoreErrorKind::NotFound);
    stores.tenants.forget(A).await.unwrap();
    let next = Tenant { subdomain: subdomain("tenant-1"), ..tenant(3) };
    let early = stores.tenants.create(tenant_id(3), &next, &owner(3), &audit(1)).await;
    assert_eq!(kind(early), StoreErrorKind::Refused(SUBDOMAIN_QUARANTINED));
    assert_eq!(stores.members.count(B).await.unwrap(), 4);
    assert_eq!(stores.invitations.list(B, &page).await.unwrap().items.len(), 3);
}
