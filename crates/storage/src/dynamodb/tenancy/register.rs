//! The counter of all writes, and the sequence of changes.

use std::collections::HashMap;

use togglebox_core::{AuditRecord, Revision, StoreResult, TenantId};
use togglebox_multitenancy::store::{Changed, TenantChange};
use togglebox_multitenancy::{DomainName, Subdomain, Tenant};

use super::super::action::{Action, Condition};
use super::super::item::{Attributes, Draft, Item, json};
use super::super::key::Key;
use super::key;
use super::record::parsed_list;

const TENANT: &str = "tenant";
const MEMBERS: &str = "members";

/// How far the register had counted when `items` were read.
pub(super) fn counted(items: &HashMap<Key, Item>, operation: &'static str) -> StoreResult<Revision> {
    revision_of(items.get(&key::counter()), operation)
}

/// How far an item says that something has come. One that is not there has not begun.
pub(super) fn revision_of(item: Option<&Item>, operation: &'static str) -> StoreResult<Revision> {
    item.map_or(Ok(Revision::ZERO), |item| Attributes::new(item, operation).get("rev"))
}

/// A write to a tenant: what stands after it, and what is told of it.
pub(super) fn written(before: Option<&Tenant>, after: Tenant, revision: Revision, audit: &AuditRecord) -> (Tenant, TenantChange) {
    let after = Tenant { version: revision, updated_at: audit.at, ..after };
    let what = TenantChange::between(before, &after);
    let change = TenantChange { revision, at: audit.at, tenant: after.id, what };
    (after, change)
}

/// A write to members.
pub(super) fn of_members(tenant: TenantId, revision: Revision, audit: &AuditRecord) -> TenantChange {
    TenantChange { revision, at: audit.at, tenant, what: Changed::Members }
}

/// What counts a write that follows the one at `counted`, and writes down what it was about.
pub(super) fn raise(operation: &'static str, counted: Revision, change: &TenantChange) -> StoreResult<[Action; 2]> {
    let advance = Action::Update {
        key: key::counter(),
        set: vec![("rev", change.revision.into())],
        remove: Vec::new(),
        when: Condition::counted("rev", counted),
    };
    let draft = Draft::new(&key::change(change.revision))
        .with("rev", change.revision)
        .with("at", change.at)
        .with("tenant", *change.tenant.as_uuid());
    let draft = match &change.what {
        Changed::Members => draft.with("what", MEMBERS),
        Changed::Tenant { subdomains, domains } => {
            let subdomains: Vec<_> = subdomains.iter().map(Subdomain::as_str).collect();
            let domains: Vec<_> = domains.iter().map(DomainName::as_str).collect();
            let draft = draft.with("what", TENANT).with("subdomains", json(operation, &subdomains)?);
            draft.with("domains", json(operation, &domains)?)
        }
    };
    Ok([advance, Action::Put { item: draft.finish(operation)?, when: Condition::absent() }])
}

/// What an entry of the sequence says.
pub(super) fn change_of(item: &Item, operation: &'static str) -> StoreResult<TenantChange> {
    let attributes = Attributes::new(item, operation);
    let what: String = attributes.get("what")?;
    let what = match what.as_str() {
        MEMBERS => Changed::Members,
        TENANT => Changed::Tenant {
            subdomains: parsed_list(&attributes, "subdomains", Subdomain::new)?,
            domains: parsed_list(&attributes, "domains", DomainName::new)?,
        },
        other => return Err(attributes.unreadable("what", format!("the word {other:?} is not known"))),
    };
    Ok(TenantChange {
        revision: attributes.get("rev")?,
        at: attributes.get("at")?,
        tenant: TenantId::from_uuid(attributes.get("tenant")?),
        what,
    })
}

#[cfg(test)]
mod tests {
    use togglebox_core::Timestamp;

    use super::*;

    #[test]
    fn changes_read_back() {
        let about = Changed::Tenant {
            subdomains: vec!["new".parse().unwrap(), "old".parse().unwrap()],
            domains: vec!["flags.example.com".parse().unwrap()],
        };
        for what in [Changed::Members, about] {
            let (revision, at, tenant) = (Revision::new(5), Timestamp::from_ms(9), TenantId::DEFAULT);
            let change = TenantChange { revision, at, tenant, what };
            let [advance, Action::Put { item, when }] = raise("test", Revision::new(4), &change).unwrap() else {
                panic!("an entry is put")
            };
            assert_eq!((change_of(&item, "test").unwrap(), when), (change, Condition::absent()));
            let Action::Update { when, .. } = advance else { panic!("the counter is updated") };
            assert_eq!(when, Condition::is("rev", Revision::new(4)));
        }
    }
}
