//! Promises of [`InvitationStore`](crate::store::InvitationStore).

use std::sync::Arc;

use togglebox_core::{Email, PageRequest, StoreErrorKind};

use super::TenancyStores;
use super::fixtures::{A, CROWD, at, audit, audit_at, email, id, invitation, kind, member, owner_id, race, the_only, user_id};
use crate::store::SUPERSEDED;
use crate::{Invitation, Limit, Member, MemberRole, TokenHash};

/// By id and by token; the revision stays.
pub async fn an_issued_invitation_reads_back(stores: &TenancyStores) {
    let created = stores.with_tenant(1).await;
    let given = invitation(1, MemberRole::Developer);
    assert_eq!(stores.invitations.issue(A, &given, 10, &audit(1)).await.unwrap(), given);
    assert_eq!(stores.invitations.find(A, given.id).await.unwrap(), Some(given.clone()));
    assert_eq!(stores.invitations.find_by_token(A, &given.token_hash).await.unwrap(), Some(given));
    assert_eq!(stores.invitations.find(A, id(9)).await.unwrap(), None);
    assert_eq!(stores.invitations.find_by_token(A, &TokenHash([9; 32])).await.unwrap(), None);
    assert_eq!(stores.revision().await, created.version);
}

/// In whatever case; and an id and a token are one's own.
pub async fn an_address_has_one_open_invitation(stores: &TenancyStores) {
    stores.with_tenant(1).await;
    let first = stores.with_invitation(A, 1, MemberRole::Viewer).await;
    let shouting = Email::new(&first.email.as_str().to_uppercase()).unwrap();
    let twins = [
        Invitation { email: shouting, ..invitation(2, MemberRole::Admin) },
        Invitation { id: first.id, ..invitation(2, MemberRole::Admin) },
        Invitation { token_hash: first.token_hash, ..invitation(2, MemberRole::Admin) },
    ];
    for (n, twin) in twins.iter().enumerate() {
        assert_eq!(kind(stores.invitations.issue(A, twin, 10, &audit(n as u128)).await), StoreErrorKind::AlreadyExists);
    }
    let all = stores.invitations.list(A, &PageRequest::first(10)).await.unwrap();
    assert_eq!(all.items, [first]);
    assert_eq!(stores.records(A).await.len(), 2);
}

/// The race that two links for one person are made of.
pub async fn of_many_invitations_of_one_address_exactly_one_is_issued(stores: &TenancyStores) {
    stores.with_tenant(1).await;
    let results = race(|n| {
        let invitations = Arc::clone(&stores.invitations);
        async move {
            let wanted = Invitation { email: email(77), ..invitation(n, MemberRole::Viewer) };
            invitations.issue(A, &wanted, 100, &audit(u128::from(n))).await
        }
    })
    .await;
    let won = the_only(results, |lost| *lost == StoreErrorKind::AlreadyExists);
    assert_eq!(stores.invitations.list(A, &PageRequest::first(10)).await.unwrap().items, [won]);
}

/// `LimitReached` names the limit.
pub async fn a_tenant_has_at_most_so_many_invitations_even_in_a_race(stores: &TenancyStores) {
    stores.with_tenant(1).await;
    let results = race(|n| {
        let invitations = Arc::clone(&stores.invitations);
        async move { invitations.issue(A, &invitation(n, MemberRole::Viewer), 3, &audit(u128::from(n))).await }
    })
    .await;
    let refused: Vec<_> = results.into_iter().filter(Result::is_err).map(kind).collect();
    assert_eq!(refused, vec![StoreErrorKind::LimitReached { limit: 3 }; usize::from(CROWD) - 3]);
    assert_eq!(stores.invitations.list(A, &PageRequest::first(100)).await.unwrap().items.len(), 3);
}

/// Even where the tenant has as many as it may.
pub async fn an_expired_invitation_makes_room_for_a_new_one_of_its_address(stores: &TenancyStores) {
    stores.with_tenant(1).await;
    let old = stores.with_invitation(A, 1, MemberRole::Viewer).await;
    let new = Invitation { email: old.email.clone(), expires_at: at(2_000), ..invitation(2, MemberRole::Admin) };
    let early = stores.invitations.issue(A, &new, 1, &audit_at(1, 999)).await;
    assert_eq!(kind(early), StoreErrorKind::AlreadyExists);
    stores.invitations.issue(A, &new, 1, &audit_at(2, 1_000)).await.unwrap();
    assert_eq!(stores.invitations.find(A, old.id).await.unwrap(), None);
    assert_eq!(stores.invitations.list(A, &PageRequest::first(10)).await.unwrap().items, [new]);
}

/// Whoever has the old link has nothing.
pub async fn a_reissued_invitation_has_the_new_token_only(stores: &TenancyStores) {
    stores.with_tenant(1).await;
    let old = stores.with_invitation(A, 1, MemberRole::Viewer).await;
    let other = stores.with_invitation(A, 2, MemberRole::Viewer).await;
    let next = Invitation {
        token_hash: TokenHash([11; 32]),
        sent_at: at(500),
        expires_at: at(1_500),
        inviter: user_id(5),
        invited_by: "another@example.com".to_owned(),
        role: MemberRole::Admin,
        email: email(9),
        ..old.clone()
    };
    let new = stores.invitations.reissue(A, &next, &old.token_hash, &audit(1)).await.unwrap();
    let expected = Invitation { role: old.role, email: old.email.clone(), ..next.clone() };
    assert_eq!(new, expected, "role and address stay");
    assert_eq!(stores.invitations.find(A, old.id).await.unwrap(), Some(expected.clone()));
    assert_eq!(stores.invitations.find_by_token(A, &old.token_hash).await.unwrap(), None);
    assert_eq!(stores.invitations.find_by_token(A, &next.token_hash).await.unwrap(), Some(expected));
    let accepted = stores.invitations.accept(A, &old.token_hash, &member(A, 1), Limit::Unlimited, &audit(2)).await;
    assert_eq!(kind(accepted), StoreErrorKind::NotFound);

    let late = stores.invitations.reissue(A, &next, &old.token_hash, &audit(3)).await;
    assert_eq!(kind(late), StoreErrorKind::Refused(SUPERSEDED));
    let taken = Invitation { token_hash: next.token_hash, ..other.clone() };
    let taken = stores.invitations.reissue(A, &taken, &other.token_hash, &audit(4)).await;
    assert_eq!(kind(taken), StoreErrorKind::AlreadyExists);
    let ghost = invitation(9, MemberRole::Viewer);
    let gone = stores.invitations.reissue(A, &ghost, &ghost.token_hash, &audit(5)).await;
    assert_eq!(kind(gone), StoreErrorKind::NotFound);
}

/// One mail holds the link that works.
pub async fn of_many_who_reissue_one_token_exactly_one_does(stores: &TenancyStores) {
    stores.with_tenant(1).await;
    let old = stores.with_invitation(A, 1, MemberRole::Viewer).await;
    let results = race(|n| {
        let (invitations, old) = (Arc::clone(&stores.invitations), old.clone());
        async move {
            let next = Invitation { token_hash: TokenHash([0x80 + n; 32]), ..old.clone() };
            invitations.reissue(A, &next, &old.token_hash, &audit(u128::from(n))).await
        }
    })
    .await;
    let won = the_only(results, |lost| *lost == StoreErrorKind::Refused(SUPERSEDED));
    assert_eq!(stores.invitations.find(A, old.id).await.unwrap(), Some(won));
}

/// With its token; its address is free again.
pub async fn a_revoked_invitation_is_gone(stores: &TenancyStores) {
    stores.with_tenant(1).await;
    let given = stores.with_invitation(A, 1, MemberRole::Viewer).await;
    stores.invitations.revoke(A, given.id, &audit(1)).await.unwrap();
    assert_eq!(stores.invitations.find(A, given.id).await.unwrap(), None);
    assert_eq!(stores.invitations.find_by_token(A, &given.token_hash).await.unwrap(), None);
    let accepted = stores.invitations.accept(A, &given.token_hash, &member(A, 1), Limit::Unlimited, &audit(2)).await;
    assert_eq!(kind(accepted), StoreErrorKind::NotFound);
    assert_eq!(kind(stores.invitations.revoke(A, given.id, &audit(3)).await), StoreErrorKind::NotFound);
    let again = Invitation { email: given.email, ..invitation(2, MemberRole::Viewer) };
    stores.invitations.issue(A, &again, 1, &audit(4)).await.unwrap();
}

/// In the role that the invitation names, whatever the caller says; and the invitation is gone in the same act.
pub async fn an_accepted_invitation_makes_a_member(stores: &TenancyStores) {
    let created = stores.with_tenant(1).await;
    let given = stores.with_invitation(A, 1, MemberRole::Developer).await;
    let wanted = Member { role: MemberRole::Admin, ..member(A, 1) };
    let joined =
        stores.invitations.accept(A, &given.token_hash, &wanted, Limit::of(2).unwrap(), &audit_at(1, 999)).await.unwrap();
    let expected = Member { role: MemberRole::Developer, joined_at: at(999), version: joined.revision, ..wanted };
    assert_eq!(joined.value, expected);
    assert_eq!(joined.revision, created.version.next());
    assert_eq!(stores.member(A, user_id(1)).await, Some(expected));
    assert_eq!(stores.members.count(A).await.unwrap(), 2);
    assert_eq!(stores.invitations.find(A, given.id).await.unwrap(), None);
    assert_eq!(stores.invitations.find_by_token(A, &given.token_hash).await.unwrap(), None);
}

/// From its last moment on.
pub async fn an_expired_invitation_is_not_accepted(stores: &TenancyStores) {
    stores.with_tenant(1).await;
    let given = stores.with_invitation(A, 1, MemberRole::Viewer).await;
    let late = stores.invitations.accept(A, &given.token_hash, &member(A, 1), Limit::Unlimited, &audit_at(1, 1_000)).await;
    assert_eq!(kind(late), StoreErrorKind::NotFound);
    assert_eq!(stores.member(A, user_id(1)).await, None);
}

/// From the moment on in which that was decided, and as long as it is so; the invitation stays.
pub async fn an_invitation_is_worth_nothing_unless_its_inviter_is_an_admin(stores: &TenancyStores) {
    stores.with_tenant(1).await;
    let accept = async |given: &Invitation, n: u8, record| {
        let guest = member(A, n);
        stores.invitations.accept(A, &given.token_hash, &guest, Limit::Unlimited, &audit(record)).await
    };
    let issue = async |inviter, n: u8| {
        let given = Invitation { inviter, ..invitation(n, MemberRole::Admin) };
        stores.invitations.issue(A, &given, 1000, &audit(u128::from(n))).await.unwrap()
    };
    let stranger = issue(user_id(99), 10).await;
    assert_eq!(kind(accept(&stranger, 10, 100).await), StoreErrorKind::NotFound, "nobody's");
    let admin = stores.with_member(A, 1, MemberRole::Admin).await;
    let (of_theirs, another) = (issue(admin.user, 11).await, issue(admin.user, 12).await);
    accept(&of_theirs, 11, 101).await.unwrap();

    let demoted = Member { role: MemberRole::Developer, ..admin.clone() };
    let demoted = stores.members.replace(A, &demoted, admin.version, &audit(102)).await.unwrap().value;
    assert_eq!(kind(accept(&another, 12, 103).await), StoreErrorKind::NotFound, "demoted");
    assert_eq!(stores.invitations.find(A, another.id).await.unwrap(), Some(another.clone()));
    // Sent again by another admin, it is that one's.
    let owner = Invitation { inviter: owner_id(1), token_hash: TokenHash([0x70; 32]), ..another.clone() };
    let again = stores.invitations.reissue(A, &owner, &another.token_hash, &audit(104)).await.unwrap();
    accept(&again, 12, 105).await.unwrap();

    let removed = issue(demoted.user, 13).await;
    stores.members.remove(A, demoted.user, demoted.version, &audit(106)).await.unwrap();
    assert_eq!(kind(accept(&removed, 13, 107).await), StoreErrorKind::NotFound, "removed");
    assert_eq!(stores.member(A, user_id(13)).await, None);
}

/// Whoever joins has done so before: no invitation outlives the right to invite.
pub async fn of_an_acceptance_and_the_end_of_its_inviter_the_acceptance_comes_first_or_not_at_all(stores: &TenancyStores) {
    stores.with_tenant(1).await;
    let admin = stores.with_member(A, 100, MemberRole::Admin).await;
    for n in 0..CROWD {
        let given = Invitation { inviter: admin.user, ..invitation(n, MemberRole::Viewer) };
        stores.invitations.issue(A, &given, 1000, &audit(0x6000 + u128::from(n))).await.unwrap();
    }
    let results = race(|n| {
        let (stores, admin) = (stores.clone(), admin.clone());
        async move {
            let audit = audit(u128::from(n));
            if n == CROWD / 2 {
                return stores.members.remove(A, admin.user, admin.version, &audit).await.map(|written| (true, written.revision));
            }
            let (token, guest) = (TokenHash([n; 32]), member(A, n));
            let joined = stores.invitations.accept(A, &token, &guest, Limit::Unlimited, &audit).await;
            joined.map(|written| (false, written.revision))
        }
    })
    .await;
    let (done, lost): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    let done: Vec<_> = done.into_iter().map(Result::unwrap).collect();
    let end = done.iter().find(|(is_end, _)| *is_end).unwrap().1;
    assert!(done.iter().all(|(is_end, revision)| *is_end || *revision < end), "{done:?}");
    assert!(lost.into_iter().all(|lost| kind(lost) == StoreErrorKind::NotFound));
    assert_eq!(stores.members.count(A).await.unwrap(), done.len() as u64);
}

/// `AlreadyExists`; neither the member nor the invitation changes.
pub async fn who_is_a_member_already_does_not_accept(stores: &TenancyStores) {
    stores.with_tenant(1).await;
    let joined = stores.with_member(A, 1, MemberRole::Viewer).await;
    let given = stores.with_invitation(A, 2, MemberRole::Admin).await;
    let accepted = stores.invitations.accept(A, &given.token_hash, &member(A, 1), Limit::Unlimited, &audit(1)).await;
    assert_eq!(kind(accepted), StoreErrorKind::AlreadyExists);
    assert_eq!(stores.member(A, joined.user).await, Some(joined));
    assert_eq!(stores.invitations.find(A, given.id).await.unwrap(), Some(given));
    assert_eq!(stores.members.count(A).await.unwrap(), 2);
}

/// A token is used once, whoever shows it.
pub async fn of_many_who_use_one_token_exactly_one_joins(stores: &TenancyStores) {
    stores.with_tenant(1).await;
    let given = stores.with_invitation(A, 1, MemberRole::Viewer).await;
    let results = race(|n| {
        let (invitations, token) = (Arc::clone(&stores.invitations), given.token_hash);
        async move { invitations.accept(A, &token, &member(A, n), Limit::Unlimited, &audit(u128::from(n))).await }
    })
    .await;
    let won = the_only(results, |lost| *lost == StoreErrorKind::NotFound);
    assert_eq!(stores.members.count(A).await.unwrap(), 2);
    assert_eq!(stores.member(A, won.value.user).await, Some(won.value));
}

/// A plan's limit holds, however many come at once; who was refused keeps the invitation.
pub async fn no_more_join_than_the_limit_lets_even_in_a_race(stores: &TenancyStores) {
    stores.with_tenant(1).await;
    for n in 0..CROWD {
        stores.with_invitation(A, n, MemberRole::Viewer).await;
    }
    let limit = Limit::of(4).unwrap();
    let results = race(|n| {
        let invitations = Arc::clone(&stores.invitations);
        async move {
            let token = TokenHash([n; 32]);
            invitations.accept(A, &token, &member(A, n), limit, &audit(u128::from(n))).await
        }
    })
    .await;
    let refused: Vec<_> = results.into_iter().filter(Result::is_err).map(kind).collect();
    assert_eq!(refused, vec![StoreErrorKind::QuotaReached { usage: 4, limit: 4 }; usize::from(CROWD) - 3]);
    assert_eq!(stores.members.count(A).await.unwrap(), 4);
    let page = PageRequest::first(100);
    assert_eq!(stores.members.list(A, &page).await.unwrap().items.len(), 4);
    let left = stores.invitations.list(A, &page).await.unwrap().items;
    assert_eq!(left.len(), usize::from(CROWD) - 3);

    // Room is made by whoever leaves, and there again is one place only.
    let joined = stores.members.list(A, &page).await.unwrap().items.into_iter().find(|member| member.user != owner_id(1));
    let joined = joined.unwrap();
    stores.members.remove(A, joined.user, joined.version, &audit(100)).await.unwrap();
    let accept = async |n: usize, record| {
        let guest = Member { user: id(0x900 + n as u128), ..member(A, 0) };
        stores.invitations.accept(A, &left[n].token_hash, &guest, limit, &audit(record)).await
    };
    accept(0, 101).await.unwrap();
    assert_eq!(kind(accept(1, 102).await), StoreErrorKind::QuotaReached { usage: 4, limit: 4 });
}

/// Never both, never neither.
pub async fn of_an_acceptance_and_a_revocation_one_happens(stores: &TenancyStores) {
    stores.with_tenant(1).await;
    let given = stores.with_invitation(A, 1, MemberRole::Viewer).await;
    let results = race(|n| {
        let (stores, given) = (stores.clone(), given.clone());
        async move {
            let audit = audit(u128::from(n));
            if n % 2 == 0 {
                stores.invitations.revoke(A, given.id, &audit).await.map(|()| false)
            } else {
                let guest = member(A, n);
                stores.invitations.accept(A, &given.token_hash, &guest, Limit::Unlimited, &audit).await.map(|_| true)
            }
        }
    })
    .await;
    let joined = the_only(results, |lost| *lost == StoreErrorKind::NotFound);
    assert_eq!(stores.members.count(A).await.unwrap(), 1 + u64::from(joined));
}

/// A caller whose answer was lost may ask again.
pub async fn writes_of_invitations_repeated_with_their_audit_id_are_done_once(stores: &TenancyStores) {
    stores.with_tenant(1).await;
    let given = invitation(1, MemberRole::Viewer);
    let first = stores.invitations.issue(A, &given, 1, &audit(1)).await.unwrap();
    assert_eq!(stores.invitations.issue(A, &given, 1, &audit(1)).await.unwrap(), first);
    let next = Invitation { token_hash: TokenHash([11; 32]), ..first.clone() };
    let second = stores.invitations.reissue(A, &next, &first.token_hash, &audit(2)).await.unwrap();
    assert_eq!(stores.invitations.reissue(A, &next, &first.token_hash, &audit(2)).await.unwrap(), second);
    let (guest, record) = (member(A, 1), audit(3));
    let accept = || stores.invitations.accept(A, &next.token_hash, &guest, Limit::of(2).unwrap(), &record);
    let joined = accept().await.unwrap();
    assert_eq!(accept().await.unwrap(), joined, "neither the used token nor the full tenant is in the way");
    assert_eq!(stores.revision().await, joined.revision);
    let other = stores.with_invitation(A, 5, MemberRole::Viewer).await;
    stores.invitations.revoke(A, other.id, &audit(4)).await.unwrap();
    stores.invitations.revoke(A, other.id, &audit(4)).await.unwrap();
    assert_eq!(stores.records(A).await.len(), 6);
}
