//! Where the register and what belongs to tenants stand.
//!
//! Subdomains and domains hold no `#`. A subdomain that another one begins with comes before it in the list of all, since `#` is less than
//! any of their characters.

use std::fmt::Display;

use togglebox_core::{Revision, TenantId, Timestamp};
use togglebox_multitenancy::{DomainName, Subdomain, TokenHash};
use uuid::Uuid;

use super::super::key::{Key, hex, version};

const HEAD: &str = "META";
/// What the keys of the register begin with. Those of tenants begin with `T#`.
const REGISTER: &str = "REG";

fn of_register(what: &str, name: impl Display) -> Key {
    Key::new(format!("{REGISTER}#{what}#{name}"), HEAD)
}

fn one(tenant: TenantId, what: &str, name: impl Display) -> Key {
    Key::new(format!("T#{tenant}#{what}#{name}"), HEAD)
}

/// How far the register has counted.
pub(super) fn counter() -> Key {
    Key::new(REGISTER, HEAD)
}

/// Up to which change the sequence was pruned.
pub(super) fn pruned() -> Key {
    Key::new(REGISTER, "PRUNED")
}

/// The partition of changes, in their order.
pub(super) fn changes() -> String {
    format!("{REGISTER}#CHANGES")
}

pub(super) fn change(revision: Revision) -> Key {
    Key::new(changes(), version(revision.get()))
}

/// The kind of the record of a tenant itself.
pub(in super::super) const TENANT: &str = "TENANT";

/// The kinds of all that the register keeps of a tenant: what comes after the tenant in their partitions.
pub(in super::super) const KINDS: [&str; 8] =
    [TENANT, "DOMAINS", "INVITATION", "INVITATIONS", "INVITATIONTOKEN", "INVITED", "MEMBER", "MEMBERS"];

/// The list of all tenants, by subdomain.
pub(super) fn tenants() -> String {
    format!("{REGISTER}#TENANTS")
}

/// A tenant's place in the list of all.
pub(super) fn listed(subdomain: &str, tenant: TenantId) -> Key {
    Key::new(tenants(), format!("{subdomain}#{tenant}"))
}

/// Who has a subdomain.
pub(super) fn subdomain(label: &Subdomain) -> Key {
    of_register("SUBDOMAIN", label)
}

/// Where a verified domain leads.
pub(super) fn domain(name: &DomainName) -> Key {
    of_register("DOMAIN", name)
}

/// The list of the tenants that a user belongs to.
pub(super) fn workspaces(user: Uuid) -> String {
    format!("{REGISTER}#USER#{user}")
}

pub(super) fn workspace(user: Uuid, tenant: TenantId) -> Key {
    Key::new(workspaces(user), tenant.to_string())
}

pub(in super::super) fn tenant(tenant: TenantId) -> Key {
    Key::new(format!("T#{tenant}#{TENANT}"), HEAD)
}

pub(super) fn member(tenant: TenantId, user: Uuid) -> Key {
    one(tenant, "MEMBER", user)
}

/// The list of a tenant's members.
pub(super) fn members(tenant: TenantId) -> String {
    format!("T#{tenant}#MEMBERS")
}

pub(super) fn invitation(tenant: TenantId, id: Uuid) -> Key {
    one(tenant, "INVITATION", id)
}

/// Which invitation a token is for.
pub(super) fn token(tenant: TenantId, hash: &TokenHash) -> Key {
    one(tenant, "INVITATIONTOKEN", hex(&hash.0))
}

/// Which invitation an address has.
pub(super) fn invited(tenant: TenantId, email_key: &str) -> Key {
    one(tenant, "INVITED", email_key)
}

/// The list of a tenant's invitations.
pub(super) fn invitations(tenant: TenantId) -> String {
    format!("T#{tenant}#INVITATIONS")
}

/// The partition of a tenant's claims to domains.
pub(super) fn claims(tenant: TenantId) -> String {
    format!("T#{tenant}#DOMAINS")
}

pub(super) fn claim(tenant: TenantId, domain: &DomainName) -> Key {
    Key::new(claims(tenant), domain.as_str())
}

/// The sort key of lists: oldest first, then by id.
pub(super) fn oldest_first(at: Timestamp, id: Uuid) -> String {
    format!("{:020}#{id}", at.as_ms().abs_diff(i64::MIN))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_older_comes_first(a: i64, b: i64, x: u128, y: u128) {
            let (a, b) = (Timestamp::from_ms(a), Timestamp::from_ms(b));
            let key = |at, id| oldest_first(at, Uuid::from_u128(id));
            prop_assert_eq!((a, x).cmp(&(b, y)), key(a, x).cmp(&key(b, y)));
        }

        #[test]
        fn all_tenants_are_in_the_order_of_subdomain_and_id(
            a in "[a-z0-9]{1,3}-?[a-z0-9]{2,3}", b in "[a-z0-9]{1,3}-?[a-z0-9]{2,3}", x: u128, y: u128,
        ) {
            let key = |label: &str, id| listed(label, TenantId::from_uuid(Uuid::from_u128(id))).sk;
            prop_assert_eq!((&a, x).cmp(&(&b, y)), key(&a, x).cmp(&key(&b, y)));
        }
    }

    #[test]
    fn every_partition_of_a_tenant_is_of_a_known_kind() {
        let (t, nil) = (TenantId::from_uuid(Uuid::nil()), Uuid::nil());
        let items = [tenant(t), member(t, nil), invitation(t, nil), token(t, &TokenHash([1; 32])), invited(t, "a@b.test")];
        let partitions = items.into_iter().map(|key| key.pk).chain([members(t), invitations(t), claims(t)]);
        let mut kinds: Vec<String> = partitions.map(|pk| pk.split('#').nth(2).unwrap().to_owned()).collect();
        kinds.sort_unstable();
        let mut known = KINDS.to_vec();
        known.sort_unstable();
        assert_eq!(kinds, known);
    }

    #[test]
    fn keys_are_spelled_as_documented() {
        let (t, nil) = (TenantId::DEFAULT, Uuid::nil());
        let (label, name): (Subdomain, DomainName) = ("acme".parse().unwrap(), "flags.acme.test".parse().unwrap());
        for (key, pk, sk) in [
            (counter(), "REG".to_owned(), "META".to_owned()),
            (pruned(), "REG".to_owned(), "PRUNED".to_owned()),
            (change(Revision::new(12)), "REG#CHANGES".to_owned(), "00000000000000000012".to_owned()),
            (listed("acme", t), "REG#TENANTS".to_owned(), format!("acme#{nil}")),
            (subdomain(&label), "REG#SUBDOMAIN#acme".to_owned(), "META".to_owned()),
            (domain(&name), "REG#DOMAIN#flags.acme.test".to_owned(), "META".to_owned()),
            (workspace(nil, t), format!("REG#USER#{nil}"), nil.to_string()),
            (tenant(t), format!("T#{nil}#TENANT"), "META".to_owned()),
            (member(t, nil), format!("T#{nil}#MEMBER#{nil}"), "META".to_owned()),
            (invitation(t, nil), format!("T#{nil}#INVITATION#{nil}"), "META".to_owned()),
            (token(t, &TokenHash([0xab; 32])), format!("T#{nil}#INVITATIONTOKEN#{}", "ab".repeat(32)), "META".to_owned()),
            (invited(t, "ann@example.com"), format!("T#{nil}#INVITED#ann@example.com"), "META".to_owned()),
            (claim(t, &name), format!("T#{nil}#DOMAINS"), "flags.acme.test".to_owned()),
        ] {
            assert_eq!(key, Key::new(pk, sk));
        }
        assert_eq!(members(t), format!("T#{nil}#MEMBERS"));
        assert_eq!(invitations(t), format!("T#{nil}#INVITATIONS"));
        assert_eq!(oldest_first(Timestamp::EPOCH, nil), format!("09223372036854775808#{nil}"));
    }
}
