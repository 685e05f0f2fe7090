//! The stores of tenants: the register, and what belongs to each tenant in it.
//!
//! Everything that names a tenant goes by the rules of the other stores. What looks beyond one goes by [`register`]: the directory, the
//! counter, who has a subdomain or had it last. Uniqueness across tenants is the schema's: its indexes know no tenant.
//!
//! # A write to the register
//!
//! As any write, and before it changes anything it takes the register's next number, with the row that holds it: so all that follows,
//! until the commit, is done by one writer at a time, whatever tenants they are of. Locks are taken in one order, the tenant's and then
//! the row; nobody waits in a circle.

mod cells;
mod directory;
mod domains;
mod invitations;
mod lists;
mod members;
mod register;
mod remains;
mod tenants;

use crate::position;

/// Statements for tests that look at their plans.
#[cfg(test)]
pub(super) mod statements {
    use togglebox_multitenancy::store::TenantFilter;

    use super::super::engine::Engine;
    use super::{directory, domains, invitations, members, register, remains, tenants};

    /// Of one tenant: they find what they want by an index.
    pub(in super::super) fn indexed() -> Vec<&'static str> {
        vec![
            tenants::FIND,
            members::FIND,
            members::COUNT,
            members::SWEEP,
            invitations::FIND,
            invitations::FIND_BY_TOKEN,
            invitations::COUNT,
            invitations::SWEEP,
            domains::FIND,
            domains::LAPSE,
            domains::RELEASE,
        ]
    }

    /// Of one tenant: what removes its contents, a part at a time.
    pub(in super::super) fn clearing() -> impl Iterator<Item = String> {
        remains::CONTENTS.iter().map(|contents| remains::clear_statement(*contents))
    }

    /// Every table with rows of tenants.
    pub(crate) fn tables() -> Vec<&'static str> {
        let contents = remains::CONTENTS.iter().map(|(table, _)| *table);
        let mut tables: Vec<_> = contents.chain(remains::OF_REGISTER).chain(remains::OUTLIVING).collect();
        tables.sort_unstable();
        tables
    }

    /// Of one tenant: lists that come out of an index in their order.
    pub(in super::super) fn ordered() -> Vec<String> {
        let pages = [members::list_statement, invitations::list_statement].into_iter();
        let pages = pages.flat_map(|statement| [statement(false), statement(true)]);
        pages.chain([domains::LIST.to_owned()]).collect()
    }

    /// Of the register.
    pub(in super::super) fn across<E: Engine>() -> Vec<String> {
        let fixed = [
            register::HOLD,
            directory::BY_SUBDOMAIN,
            directory::BY_DOMAIN,
            directory::CHANGES_SINCE,
            directory::OLDEST_CHANGES,
            directory::PRUNE,
        ];
        let workspaces = [false, true].map(directory::workspaces_statement);
        let lists = [false, true].map(|goes_on| directory::list_statement(&TenantFilter::default(), goes_on));
        let rest = workspaces.into_iter().chain(lists).chain([directory::ended_statement::<E>()]);
        fixed.map(str::to_owned).into_iter().chain(rest).collect()
    }
}
