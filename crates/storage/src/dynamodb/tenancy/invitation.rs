//! An invitation's items: the invitation, the way to it from its token and from its address, and the place in the tenant's list.

use togglebox_core::{Email, StoreResult, TenantId};
use togglebox_multitenancy::{Invitation, TokenHash};

use super::super::action::{Action, Condition};
use super::super::item::{Attributes, Draft, Item};
use super::super::key::Key;
use super::member::role;
use super::record::parsed;
use super::{key, lists};

pub(super) fn read(item: &Item, operation: &'static str) -> StoreResult<Invitation> {
    let attributes = Attributes::new(item, operation);
    let token: Vec<u8> = attributes.get("token")?;
    let token = <[u8; 32]>::try_from(token).map_err(|_| attributes.unreadable("token", "it has not 32 bytes"))?;
    Ok(Invitation {
        id: attributes.get("id")?,
        email: parsed(&attributes, "email", Email::new)?,
        role: role(&attributes)?,
        token_hash: TokenHash(token),
        // Those from before that was kept are nobody's, and good once they are sent again.
        inviter: attributes.maybe("inviter")?.unwrap_or_default(),
        invited_by: attributes.get("invited_by")?,
        created_at: attributes.get("created_at")?,
        sent_at: attributes.get("sent_at")?,
        expires_at: attributes.get("ends_at")?,
    })
}

/// What makes an invitation. `address` is what must be true of the place of its address.
pub(super) fn create(
    operation: &'static str,
    tenant: TenantId,
    invitation: &Invitation,
    address: Condition,
) -> StoreResult<[Action; 4]> {
    let item = Draft::new(&key::invitation(tenant, invitation.id))
        .with("id", invitation.id)
        .with("email", invitation.email.as_str())
        .with("role", invitation.role.as_str())
        .with("token", invitation.token_hash.0.to_vec())
        .with("inviter", invitation.inviter)
        .with("invited_by", invitation.invited_by.as_str())
        .with("created_at", invitation.created_at)
        .with("sent_at", invitation.sent_at)
        .with("ends_at", invitation.expires_at)
        .finish(operation)?;
    let entry = lists::entry(&entry(tenant, invitation), invitation.created_at, invitation.id).finish(operation)?;
    let invited = Draft::new(&invited(tenant, invitation)).with("id", invitation.id).finish(operation)?;
    Ok([
        Action::Put { item, when: Condition::absent() },
        lead(operation, tenant, invitation)?,
        Action::Put { item: invited, when: address },
        Action::Put { item: entry, when: Condition::none() },
    ])
}

/// What lets an invitation's token lead to it.
fn lead(operation: &'static str, tenant: TenantId, invitation: &Invitation) -> StoreResult<Action> {
    let item = Draft::new(&key::token(tenant, &invitation.token_hash)).with("id", invitation.id).finish(operation)?;
    Ok(Action::Put { item, when: Condition::absent() })
}

/// What puts the token, the sending time, the end and the inviter of `next` in the place of those of `stands`, which must still have its token.
pub(super) fn reissue(
    operation: &'static str,
    tenant: TenantId,
    stands: &Invitation,
    next: &Invitation,
) -> StoreResult<[Action; 3]> {
    let set = vec![
        ("token", next.token_hash.0.to_vec().into()),
        ("inviter", next.inviter.into()),
        ("invited_by", next.invited_by.as_str().into()),
        ("sent_at", next.sent_at.into()),
        ("ends_at", next.expires_at.into()),
    ];
    Ok([
        Action::Update { key: key::invitation(tenant, next.id), set, remove: Vec::new(), when: has_token(stands) },
        Action::Delete { key: key::token(tenant, &stands.token_hash), when: Condition::none() },
        lead(operation, tenant, next)?,
    ])
}

/// What removes an invitation that still has its token, and what leads to it; but not the place of its address.
pub(super) fn remove(tenant: TenantId, invitation: &Invitation) -> [Action; 3] {
    [
        Action::Delete { key: key::invitation(tenant, invitation.id), when: has_token(invitation) },
        Action::Delete { key: key::token(tenant, &invitation.token_hash), when: Condition::none() },
        Action::Delete { key: entry(tenant, invitation), when: Condition::none() },
    ]
}

/// What frees the place of an invitation's address.
pub(super) fn free(tenant: TenantId, invitation: &Invitation) -> Action {
    Action::Delete { key: invited(tenant, invitation), when: Condition::is("id", invitation.id) }
}

fn has_token(invitation: &Invitation) -> Condition {
    Condition::is("token", invitation.token_hash.0.to_vec())
}

fn invited(tenant: TenantId, invitation: &Invitation) -> Key {
    key::invited(tenant, &invitation.email.key())
}

fn entry(tenant: TenantId, invitation: &Invitation) -> Key {
    Key::new(key::invitations(tenant), key::oldest_first(invitation.created_at, invitation.id))
}
