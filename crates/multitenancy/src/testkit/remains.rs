//! Promises about what is left of a tenant. What a store keeps of a tenant besides its audit log, its own tests have to put there.

use std::collections::BTreeMap;
use std::time::Duration;

use togglebox_core::{Cursor, StoreErrorKind, TenantId};

use super::TenancyStores;
use super::fixtures::{A, B, audit, claim, kind, tenant_id};
use crate::store::{Cleared, NOT_PURGED, Remains};
use crate::{MemberRole, Step};

impl TenancyStores {
    /// Clears a tenant in parts; says how many records went.
    async fn cleared(&self, tenant: TenantId, limit: usize) -> usize {
        let (mut removed, mut after) = (0, None);
        loop {
            let part = self.remains.clear(tenant, after.as_ref(), limit).await.unwrap();
            assert!(part.removed <= limit, "{part:?}");
            removed += part.removed;
            after = part.next;
            if after.is_none() {
                return removed;
            }
        }
    }

    async fn left(&self, tenant: TenantId) -> Remains {
        self.remains.left(tenant).await.unwrap()
    }
}

/// Neither what lives, nor what can be restored, nor what of somebody who was never there is no usage.
pub async fn only_what_is_purged_is_cleared(stores: &TenancyStores) {
    let created = stores.with_tenant(1).await;
    let nobody = tenant_id(9);
    stores.remains.note(nobody, &audit(1)).await.unwrap();
    let clear = async |tenant| kind(stores.remains.clear(tenant, None, 10).await);
    assert_eq!(clear(A).await, StoreErrorKind::Refused(NOT_PURGED));
    let deleted = stores.step(&created, &Step::Delete { grace: Duration::from_secs(100) }, 2).await;
    assert_eq!(clear(A).await, StoreErrorKind::Refused(NOT_PURGED));
    assert_eq!((stores.records(A).await.len(), stores.records(nobody).await.len()), (2, 1));
    assert_eq!((stores.cleared(nobody, 10).await, stores.records(nobody).await.len()), (0, 1));
    assert_eq!(stores.tenant(A).await, deleted);
    stores.step(&deleted, &Step::Restore, 3).await;
    assert_eq!(clear(A).await, StoreErrorKind::Refused(NOT_PURGED));
}

/// One that stops leaves the rest to others, who go on or begin anew. Other tenants keep what they have.
pub async fn a_purged_tenant_is_cleared_in_parts_by_whoever_goes_on(stores: &TenancyStores) {
    let created = stores.with_tenant(1).await;
    let member = stores.with_member(A, 1, MemberRole::Viewer).await;
    stores.with_tenant(2).await;
    for n in 0..20 {
        for tenant in [A, B] {
            stores.remains.note(tenant, &audit(n)).await.unwrap();
        }
    }
    let (records, other) = (stores.records(B).await, stores.left(B).await);
    stores.purged(&created, 1).await;
    let before = stores.left(A).await.total();
    let Cleared { removed: first, next } = stores.remains.clear(A, None, 3).await.unwrap();
    let second = stores.remains.clear(A, next.as_ref(), 3).await.unwrap().removed;
    // One audit record may be several of an engine's.
    assert_eq!(stores.left(A).await.total(), before - (first + second) as u64);
    // Both have lost where they were.
    let (one, two) = tokio::join!(stores.cleared(A, 4), stores.cleared(A, 5));
    // What both of them found, both of them may have counted.
    assert!((first + second + one + two) as u64 >= before - stores.left(A).await.total());
    assert_eq!(stores.records(A).await, []);
    assert_eq!(stores.cleared(A, 10).await, 0);
    assert_eq!(stores.member(A, member.user).await, Some(member), "the register's own stays");
    assert_eq!((stores.records(B).await, stores.left(B).await), (records, other));
    let made_up = Cursor::new("no cursor of this store");
    assert_eq!(kind(stores.remains.clear(A, Some(&made_up), 10).await), StoreErrorKind::InvalidCursor);
}

/// Of every kind, until there is nothing.
pub async fn what_is_left_of_a_tenant_is_counted(stores: &TenancyStores) {
    assert!(stores.left(A).await.is_nothing());
    let created = stores.with_tenant(1).await;
    stores.with_tenant(2).await;
    let bare = stores.left(A).await;
    assert!(bare.is_known && bare.counts.len() >= 2, "an audit record and the owner: {bare:?}");
    stores.with_invitation(A, 1, MemberRole::Viewer).await;
    stores.domains.claim(A, &claim("flags.example.com"), &audit(1)).await.unwrap();
    let (full, other) = (stores.left(A).await, stores.left(B).await);
    assert!(full.counts.len() >= 4 && full.total() > bare.total(), "{full:?}");
    assert_eq!(other.counts, bare.counts);

    stores.purged(&created, 1).await;
    stores.cleared(A, 1000).await;
    let people = stores.left(A).await;
    assert!(people.is_known && people.counts.len() >= 2 && people.total() < full.total(), "{people:?}");
    stores.tenants.sweep(A, 100).await.unwrap();
    assert_eq!(stores.left(A).await, Remains { is_known: true, counts: BTreeMap::new() });
    stores.tenants.forget(A).await.unwrap();
    assert!(stores.left(A).await.is_nothing());
    assert_eq!(stores.left(B).await, other);
}

/// Also into the log of somebody whom the register does not know: the operator's.
pub async fn a_note_is_written_once(stores: &TenancyStores) {
    let (operator, revision) = (tenant_id(9), stores.revision().await);
    for _ in 0..2 {
        stores.remains.note(operator, &audit(1)).await.unwrap();
    }
    stores.remains.note(operator, &audit(2)).await.unwrap();
    assert_eq!(stores.records(operator).await, [audit(1), audit(2)]);
    assert_eq!((stores.records(A).await, stores.revision().await), (Vec::new(), revision));
}
