//! Promises of [`TenantDirectory`](crate::store::TenantDirectory) about the sequence of changes.

use std::collections::BTreeMap;
use std::time::Duration;

use togglebox_core::Revision;

use super::TenancyStores;
use super::fixtures::{A, CROWD, at, audit, audit_at, claim, domain, owner, quarantine, race, subdomain, tenant, tenant_id};
use crate::store::{Changed, TenantChange};
use crate::{Member, MemberRole, Step, Tenant, TenantName};

async fn after(stores: &TenancyStores, since: u64, limit: usize) -> (Vec<TenantChange>, Revision) {
    let part = stores.directory.changes_since(Revision::new(since), limit).await.unwrap();
    assert!(part.follow(Revision::new(since)));
    (part.changes, part.revision)
}

fn about(subdomains: &[&str], domains: &[&str]) -> Changed {
    Changed::Tenant {
        subdomains: subdomains.iter().map(|text| subdomain(text)).collect(),
        domains: domains.iter().map(|text| domain(text)).collect(),
    }
}

/// From zero on, over all tenants; each entry says what it is about, and which names led to the tenant.
pub async fn every_write_to_the_register_raises_its_revision_by_one(stores: &TenancyStores) {
    assert_eq!(after(stores, 0, 100).await, (vec![], Revision::ZERO));
    stores.with_tenant(1).await;
    stores.with_tenant(2).await;
    let held = stores.with_domain(A, "flags.example.com", 1).await;
    let renamed = Tenant { subdomain: subdomain("renamed"), ..held };
    let renamed = stores.change(&renamed, 1).await.unwrap().value;
    let heir = stores.with_member(A, 1, MemberRole::Admin).await;
    stores.tenants.transfer(A, renamed.owner, heir.user, &audit(2)).await.unwrap();
    let old = stores.member(A, renamed.owner).await.unwrap();
    let viewer = Member { role: MemberRole::Viewer, ..old.clone() };
    let viewer = stores.members.replace(A, &viewer, old.version, &audit(3)).await.unwrap().value;
    stores.members.remove(A, viewer.user, viewer.version, &audit(4)).await.unwrap();
    stores.domains.release(A, &domain("flags.example.com"), &audit(5)).await.unwrap();
    let other = stores.with_domain(A, "b.example.com", 2).await;
    let deleted = stores.step(&other, &Step::Delete { grace: Duration::ZERO }, 6).await;
    stores.tenants.purge(A, deleted.version, quarantine(), &audit_at(7, 70)).await.unwrap();
    let (changes, revision) = after(stores, 0, 100).await;
    let expected = [
        (1, about(&["tenant-1"], &[])),
        (2, about(&["tenant-2"], &[])),
        (1, about(&["tenant-1"], &["flags.example.com"])),
        (1, about(&["renamed", "tenant-1"], &["flags.example.com"])),
        (1, Changed::Members),
        (1, about(&["renamed"], &["flags.example.com"])),
        (1, Changed::Members),
        (1, Changed::Members),
        (1, about(&["renamed"], &["flags.example.com"])),
        (1, about(&["renamed"], &["b.example.com"])),
        (1, about(&["renamed"], &["b.example.com"])),
        (1, about(&["renamed"], &["b.example.com"])),
    ];
    assert_eq!(revision.get(), expected.len() as u64);
    for (n, (change, (tenant, what))) in changes.iter().zip(expected).enumerate() {
        assert_eq!((change.revision.get(), change.tenant), (n as u64 + 1, tenant_id(tenant)), "{change:?}");
        assert_eq!(change.what, what, "{change:?}");
    }
    assert_eq!(changes.len(), 12);
    assert_eq!(changes[11].at, at(70));
    assert_eq!(stores.tenant(A).await.version, revision);
}

/// `limit` at a time.
pub async fn changes_are_read_in_order_and_in_parts(stores: &TenancyStores) {
    for n in 1..=5 {
        stores.with_tenant(n).await;
    }
    let read = async |since, limit| {
        let (changes, revision) = after(stores, since, limit).await;
        (changes.iter().map(|change| change.revision.get()).collect::<Vec<_>>(), revision.get())
    };
    assert_eq!(read(0, 2).await, (vec![1, 2], 5));
    assert_eq!(read(2, 2).await, (vec![3, 4], 5));
    assert_eq!(read(4, 2).await, (vec![5], 5));
    assert_eq!(read(5, 2).await, (vec![], 5));
}

/// Also while many write at once: entries do not appear out of order, and none is missing between two that are there.
pub async fn whoever_follows_the_changes_misses_none(stores: &TenancyStores) {
    let following = tokio::spawn({
        let stores = stores.clone();
        async move {
            let (mut since, mut seen) = (Revision::ZERO, Vec::new());
            while seen.len() < usize::from(CROWD) * 4 {
                let part = stores.directory.changes_since(since, 3).await.unwrap();
                assert!(part.follow(since), "after {since}: {part:?}");
                seen.extend(part.changes);
                since = seen.last().map_or(since, |change: &TenantChange| change.revision);
                tokio::task::yield_now().await;
            }
            seen
        }
    });
    let written = race(|n| {
        let stores = stores.clone();
        async move {
            let mut stands = stores.with(tenant(n), n).await;
            let mut versions = vec![stands.version];
            for round in 1..4 {
                stands.name = TenantName::new(&format!("Round {round}")).unwrap();
                stands = stores.change(&stands, round).await.unwrap().value;
                versions.push(stands.version);
            }
            (stands.id, versions)
        }
    })
    .await;
    let seen = following.await.unwrap();
    let mut by_tenant: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for change in &seen {
        by_tenant.entry(change.tenant).or_default().push(change.revision);
    }
    assert_eq!(by_tenant, written.into_iter().collect());
    assert_eq!(seen.len() as u64, stores.revision().await.get());
}

/// So what is remembered under a subdomain can be compared with what comes, whoever has it.
pub async fn versions_rise_from_one_holder_of_a_subdomain_to_the_next(stores: &TenancyStores) {
    let mut stands = stores.with_tenant(1).await;
    for n in 0..5 {
        stands = stores.change(&stands, n).await.unwrap().value;
    }
    let old = stores.change(&Tenant { subdomain: subdomain("renamed"), ..stands }, 9).await.unwrap().value;
    let next = Tenant { subdomain: subdomain("tenant-1"), ..tenant(2) };
    let next = stores.tenants.create(next.id, &next, &owner(2), &audit_at(1, 10_000)).await.unwrap().value;
    assert!(next.version > old.version);
}

/// Their numbers are not given again, and whoever was away too long can tell.
pub async fn pruned_changes_leave_no_gap_behind_and_are_noticed(stores: &TenancyStores) {
    for n in 1..=4 {
        let record = audit_at(1, 100 * u64::from(n));
        stores.tenants.create(tenant_id(n), &tenant(n), &owner(n), &record).await.unwrap();
    }
    assert_eq!(stores.directory.prune_changes(at(100), 10).await.unwrap(), 0, "the moment itself stays");
    assert_eq!(stores.directory.prune_changes(at(400), 2).await.unwrap(), 2);
    let part = stores.directory.changes_since(Revision::ZERO, 10).await.unwrap();
    assert!(!part.follow(Revision::ZERO));
    assert_eq!(after(stores, 2, 10).await.0.iter().map(|change| change.revision.get()).collect::<Vec<_>>(), [3, 4]);
    assert_eq!(stores.directory.prune_changes(at(9_999), 10).await.unwrap(), 2);
    let part = stores.directory.changes_since(Revision::new(3), 10).await.unwrap();
    assert!(part.changes.is_empty() && !part.follow(Revision::new(3)));
    assert_eq!(after(stores, 4, 10).await, (vec![], Revision::new(4)));
    stores.domains.claim(A, &claim("flags.example.com"), &audit(2)).await.unwrap();
    let verified = stores.domains.verify(A, &domain("flags.example.com"), &audit(3)).await.unwrap();
    assert_eq!(verified.revision, Revision::new(5));
}
