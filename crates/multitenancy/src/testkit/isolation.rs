//! What one tenant holds, another can neither see nor touch, through any method that names a tenant.

use togglebox_core::{PageRequest, Revision, StoreErrorKind};

use super::TenancyStores;
use super::fixtures::{A, B, audit, claim, domain, invitation, kind, member, owner_id, quarantine, subdomain, tenant, user_id};
use crate::{Invitation, Limit, Member, MemberRole, Tenant, TokenHash};

const GONE: StoreErrorKind = StoreErrorKind::NotFound;

/// Every method of the tenant port. What is in the record does not decide whose it is: the tenant that is named does.
pub async fn another_tenants_record_is_out_of_reach(stores: &TenancyStores) {
    let one = stores.with_tenant(1).await;
    let admin = stores.with_member(A, 1, MemberRole::Admin).await;
    let before = stores.revision().await;
    assert_eq!(stores.tenants.find(B).await.unwrap(), None);
    assert_eq!(kind(stores.tenants.change(B, &one, one.version, quarantine(), &audit(1)).await), GONE);
    assert_eq!(kind(stores.tenants.transfer(B, one.owner, admin.user, &audit(2)).await), GONE);
    assert_eq!(kind(stores.tenants.purge(B, one.version, quarantine(), &audit(3)).await), GONE);
    assert_eq!(kind(stores.tenants.discard(B, one.version, &audit(6)).await), GONE);
    assert_eq!(kind(stores.tenants.sweep(B, 10).await), GONE);
    stores.tenants.forget(B).await.unwrap();
    assert_eq!((stores.tenant(A).await, stores.revision().await), (one.clone(), before));

    let two = stores.with_tenant(2).await;
    assert_eq!(kind(stores.tenants.transfer(B, two.owner, admin.user, &audit(4)).await), GONE, "an admin elsewhere");
    let mixed = Tenant { subdomain: subdomain("mixed"), ..one.clone() };
    let written = stores.tenants.change(B, &mixed, two.version, quarantine(), &audit(5)).await.unwrap().value;
    assert_eq!((written.id, written.owner), (B, two.owner));
    assert_eq!(stores.tenant(A).await, one);
    assert_eq!(stores.directory.by_subdomain(&one.subdomain).await.unwrap(), Some(one));
    assert_eq!(stores.records(B).await.len(), 2);
}

/// Every method of the member port, and that the same account is another member elsewhere.
pub async fn another_tenants_members_are_out_of_reach(stores: &TenancyStores) {
    stores.with_tenant(1).await;
    stores.with_tenant(2).await;
    let ann = stores.with_member(A, 1, MemberRole::Viewer).await;
    assert_eq!(stores.members.find(B, ann.user).await.unwrap(), None);
    assert_eq!(stores.members.count(B).await.unwrap(), 1);
    let listed = stores.members.list(B, &PageRequest::first(10)).await.unwrap().items;
    assert_eq!(listed.iter().map(|member| member.user).collect::<Vec<_>>(), [owner_id(2)]);
    let admin = Member { role: MemberRole::Admin, ..ann.clone() };
    assert_eq!(kind(stores.members.replace(B, &admin, ann.version, &audit(1)).await), GONE);
    assert_eq!(kind(stores.members.remove(B, ann.user, ann.version, &audit(2)).await), GONE);

    let elsewhere = stores.with_member(B, 1, MemberRole::Admin).await;
    assert_eq!((elsewhere.tenant, elsewhere.user), (B, ann.user));
    stores.members.remove(B, elsewhere.user, elsewhere.version, &audit(3)).await.unwrap();
    assert_eq!(stores.member(A, ann.user).await, Some(ann));
}

/// Every method of the invitation port.
pub async fn another_tenants_invitations_are_out_of_reach(stores: &TenancyStores) {
    stores.with_tenant(1).await;
    stores.with_tenant(2).await;
    let given = stores.with_invitation(A, 1, MemberRole::Admin).await;
    assert_eq!(stores.invitations.find(B, given.id).await.unwrap(), None);
    assert_eq!(stores.invitations.find_by_token(B, &given.token_hash).await.unwrap(), None);
    assert_eq!(stores.invitations.list(B, &PageRequest::first(10)).await.unwrap().items, []);
    let next = Invitation { token_hash: TokenHash([99; 32]), ..given.clone() };
    assert_eq!(kind(stores.invitations.reissue(B, &next, &given.token_hash, &audit(1)).await), GONE);
    assert_eq!(kind(stores.invitations.revoke(B, given.id, &audit(2)).await), GONE);
    let accepted = stores.invitations.accept(B, &given.token_hash, &member(A, 1), Limit::Unlimited, &audit(3)).await;
    assert_eq!(kind(accepted), GONE);
    assert_eq!((stores.member(A, user_id(1)).await, stores.member(B, user_id(1)).await), (None, None));

    // An admin of the one is nobody in the other.
    let of_their_admin = Invitation { inviter: owner_id(1), ..invitation(1, MemberRole::Viewer) };
    let of_their_admin = stores.invitations.issue(B, &of_their_admin, 1, &audit(6)).await.unwrap();
    let accepted = stores.invitations.accept(B, &of_their_admin.token_hash, &member(B, 1), Limit::Unlimited, &audit(7)).await;
    assert_eq!(kind(accepted), GONE);
    stores.invitations.revoke(B, of_their_admin.id, &audit(8)).await.unwrap();

    let twin = Invitation { inviter: owner_id(2), ..invitation(1, MemberRole::Viewer) };
    let twin = stores.invitations.issue(B, &twin, 1, &audit(4)).await.unwrap();
    let joined = stores.invitations.accept(B, &twin.token_hash, &member(A, 1), Limit::of(2).unwrap(), &audit(5)).await;
    assert_eq!(joined.unwrap().value.tenant, B, "whatever the record says");
    assert_eq!(stores.invitations.find(A, given.id).await.unwrap(), Some(given));
}

/// Every method of the domain port.
pub async fn another_tenants_domains_are_out_of_reach(stores: &TenancyStores) {
    stores.with_tenant(1).await;
    let two = stores.with_tenant(2).await;
    let (name, other) = (domain("flags.example.com"), domain("b.example.com"));
    stores.domains.claim(A, &claim(other.as_str()), &audit(1)).await.unwrap();
    let one = stores.with_domain(A, name.as_str(), 1).await;
    assert_eq!(stores.domains.find(B, &name).await.unwrap(), None);
    assert_eq!(stores.domains.list(B).await.unwrap(), []);
    assert_eq!(kind(stores.domains.verify(B, &other, &audit(1)).await), GONE);
    assert_eq!(kind(stores.domains.release(B, &name, &audit(2)).await), GONE);
    let held = stores.domains.find(A, &name).await.unwrap().unwrap();
    assert_eq!(kind(stores.domains.note_check(B, &held).await), GONE);
    assert_eq!(kind(stores.domains.lapse(B, &held, &audit(4)).await), GONE);
    assert_eq!((stores.tenant(A).await, stores.tenant(B).await), (one.clone(), two));
    assert_eq!(stores.directory.by_domain(&name).await.unwrap(), Some(one));
    assert_eq!(kind(stores.domains.claim(tenant(3).id, &claim("c.example.com"), &audit(3)).await), GONE);
    assert!(stores.revision().await > Revision::ZERO);
}
