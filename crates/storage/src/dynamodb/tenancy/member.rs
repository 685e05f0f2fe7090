//! A member's items: the member, the place in the tenant's list, and the user's way to the tenant.

use togglebox_core::{Email, Revision, StoreResult, TenantId};
use togglebox_multitenancy::{Member, MemberRole};

use super::super::action::{Action, Condition};
use super::super::item::{Attributes, Draft, Item};
use super::super::key::Key;
use super::record::parsed;
use super::{key, lists};

pub(super) fn read(item: &Item, operation: &'static str) -> StoreResult<Member> {
    let attributes = Attributes::new(item, operation);
    Ok(Member {
        tenant: TenantId::from_uuid(attributes.get("tenant")?),
        user: attributes.get("user")?,
        email: parsed(&attributes, "email", Email::new)?,
        role: role(&attributes)?,
        joined_at: attributes.get("joined_at")?,
        version: attributes.get("rev")?,
    })
}

/// The role that an item names.
pub(super) fn role(attributes: &Attributes<'_>) -> StoreResult<MemberRole> {
    parsed(attributes, "role", |word| MemberRole::parse(word).ok_or_else(|| format!("the word {word:?} is not known")))
}

/// What lets a person in.
pub(super) fn join(operation: &'static str, member: &Member) -> StoreResult<[Action; 3]> {
    let item = Draft::new(&key::member(member.tenant, member.user))
        .with("tenant", *member.tenant.as_uuid())
        .with("user", member.user)
        .with("email", member.email.as_str())
        .with("role", member.role.as_str())
        .with("joined_at", member.joined_at)
        .with("rev", member.version);
    let entry = lists::entry(&entry(member), member.joined_at, member.user);
    let workspace = Draft::new(&key::workspace(member.user, member.tenant)).with("tenant", *member.tenant.as_uuid());
    let put = |draft: Draft, when| Ok(Action::Put { item: draft.finish(operation)?, when });
    Ok([put(item, Condition::absent())?, put(entry, Condition::none())?, put(workspace, Condition::none())?])
}

/// What puts role, address and version of `next` in the place of those at version `stood`.
pub(super) fn replace(next: &Member, stood: Revision) -> Action {
    let set = vec![("email", next.email.as_str().into()), ("role", next.role.as_str().into()), ("rev", next.version.into())];
    Action::Update { key: key::member(next.tenant, next.user), set, remove: Vec::new(), when: Condition::is("rev", stood) }
}

/// What lets a person go who is at this version.
pub(super) fn leave(member: &Member) -> [Action; 3] {
    [
        Action::Delete { key: key::member(member.tenant, member.user), when: Condition::is("rev", member.version) },
        Action::Delete { key: entry(member), when: Condition::none() },
        Action::Delete { key: key::workspace(member.user, member.tenant), when: Condition::none() },
    ]
}

fn entry(member: &Member) -> Key {
    Key::new(key::members(member.tenant), key::oldest_first(member.joined_at, member.user))
}
