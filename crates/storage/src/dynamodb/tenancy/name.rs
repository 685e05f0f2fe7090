//! Who has a subdomain.

use std::collections::HashMap;

use togglebox_core::{StoreError, StoreErrorKind, StoreResult, TenantId, Timestamp};
use togglebox_multitenancy::Subdomain;
use togglebox_multitenancy::store::{SUBDOMAIN_QUARANTINED, SUBDOMAIN_TAKEN};

use super::super::action::{Action, Condition};
use super::super::item::{Attributes, Draft, Item};
use super::super::key::Key;
use super::key;

/// Who has a subdomain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Free,
    Held(TenantId),
    /// Only `former` may have it back before `until`.
    GivenUp {
        former: TenantId,
        until: Timestamp,
    },
}

impl Name {
    pub(super) fn read(item: &Item, operation: &'static str) -> StoreResult<Self> {
        let attributes = Attributes::new(item, operation);
        let tenant = TenantId::from_uuid(attributes.get("tenant")?);
        Ok(attributes.maybe("until")?.map_or(Self::Held(tenant), |until| Self::GivenUp { former: tenant, until }))
    }

    /// Who has `subdomain`, as far as was read.
    pub(super) fn of(items: &HashMap<Key, Item>, subdomain: &Subdomain, operation: &'static str) -> StoreResult<Self> {
        items.get(&key::subdomain(subdomain)).map_or(Ok(Self::Free), |item| Self::read(item, operation))
    }

    /// What gives `subdomain` to `tenant` at `now`, as long as this stands.
    pub(super) fn take(
        self,
        operation: &'static str,
        subdomain: &Subdomain,
        tenant: TenantId,
        now: Timestamp,
    ) -> StoreResult<Action> {
        let refused = |rule| StoreError::new(StoreErrorKind::Refused(rule), operation);
        let when = match self {
            Self::Free => Condition::absent(),
            Self::Held(holder) if holder == tenant => Condition::is("tenant", *holder.as_uuid()),
            Self::Held(_) => return Err(refused(SUBDOMAIN_TAKEN)),
            Self::GivenUp { former, until } if former == tenant || until <= now => {
                Condition::is("tenant", *former.as_uuid()).and("until", until)
            }
            Self::GivenUp { .. } => return Err(refused(SUBDOMAIN_QUARANTINED)),
        };
        let item = Draft::new(&key::subdomain(subdomain)).with("tenant", *tenant.as_uuid()).finish(operation)?;
        Ok(Action::Put { item, when })
    }
}

/// What takes `subdomain` from `tenant`, which has it, and keeps it from others until then.
pub(super) fn give_up(operation: &'static str, subdomain: &Subdomain, tenant: TenantId, until: Timestamp) -> StoreResult<Action> {
    let id = *tenant.as_uuid();
    let item = Draft::new(&key::subdomain(subdomain)).with("tenant", id).with("until", until).finish(operation)?;
    Ok(Action::Put { item, when: Condition::is("tenant", id) })
}

/// What takes `subdomain` from `tenant`, which has it, and leaves it to anybody.
pub(super) fn free(subdomain: &Subdomain, tenant: TenantId) -> Action {
    Action::Delete { key: key::subdomain(subdomain), when: Condition::is("tenant", *tenant.as_uuid()) }
}

/// What puts a tenant into the list of all.
pub(super) fn enlist(operation: &'static str, subdomain: &Subdomain, tenant: TenantId) -> StoreResult<Action> {
    let item = Draft::new(&key::listed(subdomain.as_str(), tenant))
        .with("tenant", *tenant.as_uuid())
        .with("subdomain", subdomain.as_str())
        .finish(operation)?;
    Ok(Action::Put { item, when: Condition::none() })
}

/// What takes a tenant off the list of all.
pub(super) fn delist(subdomain: &Subdomain, tenant: TenantId) -> Action {
    Action::Delete { key: key::listed(subdomain.as_str(), tenant), when: Condition::none() }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const A: TenantId = TenantId::from_uuid(Uuid::from_u128(1));
    const B: TenantId = TenantId::from_uuid(Uuid::from_u128(2));

    fn wanted() -> Subdomain {
        "acme".parse().unwrap()
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_ms(ms)
    }

    fn item(action: Action) -> (Item, Condition) {
        match action {
            Action::Put { item, when } => (item, when),
            other => panic!("{other:?} puts no name"),
        }
    }

    #[test]
    fn a_name_is_taken_from_nobody_who_has_it_or_may_have_it_back() {
        let former = Name::GivenUp { former: A, until: at(100) };
        let refused = |name: Name, now| {
            let error = name.take("test", &wanted(), B, at(now)).unwrap_err();
            error.kind().clone()
        };
        assert_eq!(refused(Name::Held(A), 500), StoreErrorKind::Refused(SUBDOMAIN_TAKEN));
        assert_eq!(refused(former, 99), StoreErrorKind::Refused(SUBDOMAIN_QUARANTINED));
        let as_read = Condition::is("tenant", *A.as_uuid()).and("until", at(100));
        for (name, tenant, now, condition) in [
            (Name::Free, B, 0, Condition::absent()),
            (Name::Held(A), A, 0, Condition::is("tenant", *A.as_uuid())),
            (former, A, 99, as_read.clone()),
            (former, B, 100, as_read),
        ] {
            let (item, when) = item(name.take("test", &wanted(), tenant, at(now)).unwrap());
            assert_eq!((Name::read(&item, "test").unwrap(), when), (Name::Held(tenant), condition));
        }
        let (item, when) = item(give_up("test", &wanted(), A, at(7)).unwrap());
        assert_eq!(Name::read(&item, "test").unwrap(), Name::GivenUp { former: A, until: at(7) });
        assert_eq!(when, Condition::is("tenant", *A.as_uuid()), "of nobody else");
    }
}
