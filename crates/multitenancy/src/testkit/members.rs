//! Promises of [`MemberStore`](crate::store::MemberStore), and about who owns a tenant.

use std::sync::Arc;

use togglebox_core::{Email, Revision, StoreErrorKind};

use super::TenancyStores;
use super::fixtures::{A, B, CROWD, at, audit, audit_at, kind, member, owner_id, race, the_only, user_id};
use crate::store::{NOT_AN_ADMIN, NOT_THE_OWNER, OWNER_STAYS};
use crate::{Member, MemberRole};

const STAYS: StoreErrorKind = StoreErrorKind::Refused(OWNER_STAYS);

/// Role and address change, the rest stays.
pub async fn a_changed_member_reads_back(stores: &TenancyStores) {
    let created = stores.with_tenant(1).await;
    let joined = stores.with_member(A, 1, MemberRole::Viewer).await;
    assert_eq!(joined.version, created.version.next());
    let next = Member {
        role: MemberRole::Developer,
        email: Email::new("Other@Example.com").unwrap(),
        joined_at: at(999),
        ..joined.clone()
    };
    let written = stores.members.replace(A, &next, joined.version, &audit(1)).await.unwrap();
    assert_eq!(written.value, Member { joined_at: joined.joined_at, version: written.revision, ..next });
    assert_eq!(stores.member(A, joined.user).await, Some(written.value.clone()));
    assert_eq!(stores.tenant(A).await, created, "the tenant's own version stays");
    let removed = stores.members.remove(A, joined.user, written.revision, &audit(2)).await.unwrap();
    assert_eq!(removed.revision, written.revision.next());
    assert_eq!(stores.member(A, joined.user).await, None);
    assert_eq!(stores.members.count(A).await.unwrap(), 1);
}

/// `Conflict` names the version that stands; nothing is written.
pub async fn a_member_is_changed_from_the_version_that_stands(stores: &TenancyStores) {
    stores.with_tenant(1).await;
    let old = stores.with_member(A, 1, MemberRole::Viewer).await;
    let promoted = Member { role: MemberRole::Admin, ..old.clone() };
    let new = stores.members.replace(A, &promoted, old.version, &audit(1)).await.unwrap();
    let conflict = StoreErrorKind::Conflict { current: new.revision };
    assert_eq!(kind(stores.members.replace(A, &old, old.version, &audit(2)).await), conflict);
    assert_eq!(kind(stores.members.remove(A, old.user, old.version, &audit(3)).await), conflict);
    assert_eq!(stores.member(A, old.user).await, Some(new.value));
    assert_eq!(stores.revision().await, new.revision);
    let ghost = member(A, 9);
    assert_eq!(kind(stores.members.replace(A, &ghost, Revision::ZERO, &audit(4)).await), StoreErrorKind::NotFound);
    assert_eq!(kind(stores.members.remove(A, ghost.user, Revision::ZERO, &audit(5)).await), StoreErrorKind::NotFound);
}

/// The losers learn of it.
pub async fn of_many_changes_of_one_member_exactly_one_wins(stores: &TenancyStores) {
    stores.with_tenant(1).await;
    let old = stores.with_member(A, 1, MemberRole::Viewer).await;
    let results = race(|n| {
        let (members, mut next) = (Arc::clone(&stores.members), old.clone());
        async move {
            if n % 2 == 0 {
                return members.remove(A, next.user, next.version, &audit(u128::from(n))).await;
            }
            next.role = MemberRole::Developer;
            members.replace(A, &next, next.version, &audit(u128::from(n))).await.map(|written| written.map(drop))
        }
    })
    .await;
    let won = the_only(results, |lost| matches!(lost, StoreErrorKind::Conflict { .. } | StoreErrorKind::NotFound));
    assert_eq!(stores.revision().await, won.revision);
    assert_eq!(stores.members.count(A).await.unwrap(), 1 + u64::from(stores.member(A, old.user).await.is_some()));
}

/// Neither by role nor by removal; a new address is fine.
pub async fn the_owner_stays_an_admin(stores: &TenancyStores) {
    stores.with_tenant(1).await;
    stores.with_member(A, 1, MemberRole::Admin).await;
    let owner = stores.member(A, owner_id(1)).await.unwrap();
    let before = stores.revision().await;
    for role in [MemberRole::Developer, MemberRole::Viewer] {
        let demoted = Member { role, ..owner.clone() };
        assert_eq!(kind(stores.members.replace(A, &demoted, owner.version, &audit(1)).await), STAYS);
    }
    assert_eq!(kind(stores.members.remove(A, owner.user, owner.version, &audit(2)).await), STAYS);
    assert_eq!(stores.revision().await, before);
    assert_eq!(stores.member(A, owner.user).await, Some(owner.clone()));
    let moved = Member { email: Email::new("new@example.com").unwrap(), ..owner.clone() };
    stores.members.replace(A, &moved, owner.version, &audit(3)).await.unwrap();
}

/// So there is always an admin: there needs to be no rule about the last one.
pub async fn of_all_admins_who_leave_at_once_the_owner_stays(stores: &TenancyStores) {
    stores.with_tenant(1).await;
    let mut admins = vec![stores.member(A, owner_id(1)).await.unwrap()];
    for n in 1..CROWD {
        admins.push(stores.with_member(A, n, MemberRole::Admin).await);
    }
    let results = race(|n| {
        let (members, mut admin) = (Arc::clone(&stores.members), admins[usize::from(n)].clone());
        async move {
            let audit = audit(u128::from(n));
            if n % 2 == 0 {
                members.remove(A, admin.user, admin.version, &audit).await.map(drop)
            } else {
                admin.role = MemberRole::Viewer;
                members.replace(A, &admin, admin.version, &audit).await.map(drop)
            }
        }
    })
    .await;
    let refused: Vec<_> = results.into_iter().filter(Result::is_err).map(kind).collect();
    assert_eq!(refused, [STAYS]);
    assert_eq!(stores.member(A, owner_id(1)).await.unwrap().role, MemberRole::Admin);
}

/// A caller whose answer was lost may ask again.
pub async fn writes_of_members_repeated_with_their_audit_id_are_done_once(stores: &TenancyStores) {
    stores.with_tenant(1).await;
    let old = stores.with_member(A, 1, MemberRole::Viewer).await;
    let next = Member { role: MemberRole::Developer, ..old.clone() };
    let replaced = stores.members.replace(A, &next, old.version, &audit(1)).await.unwrap();
    assert_eq!(stores.members.replace(A, &next, old.version, &audit(1)).await.unwrap(), replaced);
    let removed = stores.members.remove(A, old.user, replaced.revision, &audit(2)).await.unwrap();
    assert_eq!(stores.members.remove(A, old.user, replaced.revision, &audit(2)).await.unwrap(), removed);
    assert_eq!(stores.revision().await, removed.revision);
    let back = stores.with_member(A, 2, MemberRole::Viewer).await;
    assert_eq!(stores.members.remove(A, old.user, replaced.revision, &audit(2)).await.unwrap(), removed, "also later");
    assert_eq!(stores.revision().await, back.version);
}

/// The old owner stays an admin; who is handed a tenant must be one.
pub async fn a_tenant_is_handed_over_to_an_admin_by_its_owner_only(stores: &TenancyStores) {
    let created = stores.with_tenant(1).await;
    let admin = stores.with_member(A, 1, MemberRole::Admin).await;
    let viewer = stores.with_member(A, 2, MemberRole::Viewer).await;
    let before = stores.revision().await;
    let hand = async |from, to, n| stores.tenants.transfer(A, from, to, &audit_at(n, 50)).await;
    let refused = |rule| StoreErrorKind::Refused(rule);
    assert_eq!(kind(hand(admin.user, admin.user, 1).await), refused(NOT_THE_OWNER));
    assert_eq!(kind(hand(created.owner, viewer.user, 2).await), refused(NOT_AN_ADMIN));
    assert_eq!(kind(hand(created.owner, user_id(9), 3).await), StoreErrorKind::NotFound);
    assert_eq!(kind(stores.tenants.transfer(B, created.owner, admin.user, &audit(4)).await), StoreErrorKind::NotFound);
    assert_eq!((stores.tenant(A).await, stores.revision().await), (created.clone(), before));

    let handed = hand(created.owner, admin.user, 5).await.unwrap();
    assert_eq!((handed.value.owner, handed.revision), (admin.user, before.next()));
    assert_eq!((handed.value.version, handed.value.updated_at), (handed.revision, at(50)));
    assert_eq!(stores.tenant(A).await, handed.value);
    let old = stores.member(A, created.owner).await.unwrap();
    assert_eq!(old.role, MemberRole::Admin);
    assert_eq!(kind(stores.members.remove(A, admin.user, admin.version, &audit(6)).await), STAYS);
    stores.members.remove(A, old.user, old.version, &audit(7)).await.unwrap();
}

/// From one owner there is one heir.
pub async fn of_many_who_are_handed_a_tenant_exactly_one_owns_it(stores: &TenancyStores) {
    stores.with_tenant(1).await;
    for n in 0..CROWD {
        stores.with_member(A, n, MemberRole::Admin).await;
    }
    let results = race(|n| {
        let tenants = Arc::clone(&stores.tenants);
        async move { tenants.transfer(A, owner_id(1), user_id(n), &audit(u128::from(n))).await }
    })
    .await;
    let won = the_only(results, |lost| *lost == StoreErrorKind::Refused(NOT_THE_OWNER));
    assert_eq!(stores.tenant(A).await, won.value);
}

/// Who is handed a tenant while being removed or demoted either owns it and stays, or goes and does not.
pub async fn a_new_owner_who_leaves_at_once_is_still_an_admin(stores: &TenancyStores) {
    for round in 1..=4 {
        let here = stores.with_tenant(round).await;
        let heir = stores.with_member(here.id, 1, MemberRole::Admin).await;
        let results = race(|n| {
            let (stores, here, mut heir) = (stores.clone(), here.clone(), heir.clone());
            async move {
                let audit = audit(u128::from(n));
                match n {
                    0 => stores.tenants.transfer(here.id, here.owner, heir.user, &audit).await.map(drop),
                    1 => stores.members.remove(here.id, heir.user, heir.version, &audit).await.map(drop),
                    _ => {
                        heir.role = MemberRole::Viewer;
                        stores.members.replace(here.id, &heir, heir.version, &audit).await.map(drop)
                    }
                }
            }
        })
        .await;
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "the handing over, or one of the others");
        let stands = stores.tenant(here.id).await;
        let owner = stores.member(here.id, stands.owner).await.unwrap();
        assert_eq!(owner.role, MemberRole::Admin);
        assert_eq!(stands.owner, if results[0].is_ok() { heir.user } else { here.owner });
    }
}
