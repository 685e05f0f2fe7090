//! The statements whose plans every engine's tests look at.

use togglebox_auth::Role;
use togglebox_core::AuditFilter;

#[cfg(feature = "billing")]
use super::billing;
use super::engine::Engine;
#[cfg(feature = "tenancy")]
use super::tenancy;
#[cfg(feature = "metering")]
use super::usage;
use super::{
    api_keys, attempts, audit, directory, environments, experiments, flags, parameters, resets, sessions, statistics, transfer,
    users,
};

/// Statements that find what they want by an index.
pub(crate) fn indexed() -> Vec<String> {
    let fixed = [
        directory::REVISION,
        directory::REVISIONS,
        directory::PLATFORMS,
        directory::PLATFORM,
        directory::ENVIRONMENTS,
        directory::ENVIRONMENT,
        environments::HEAD,
        parameters::FIND,
        parameters::VERSION,
        flags::FIND,
        flags::VERSION,
        experiments::FIND,
        users::FIND,
        users::FIND_BY_EMAIL,
        users::ADMINS,
        audit::PRUNE,
        api_keys::FIND,
        api_keys::FIND_BY_HASH,
        sessions::FIND,
        sessions::FORGET,
        sessions::END_OLDEST,
        sessions::END_ALL_BUT,
        sessions::REMOVE_ALL,
        resets::FIND,
        resets::FORGET,
        resets::REMOVE_ALL,
        attempts::FIND,
        attempts::FORGET,
        statistics::LAST_CLIENTS,
        statistics::BY_DAY,
        statistics::SAMPLES,
    ];
    let totals = [None, Some(Role::Admin)].map(|role| users::list_statements(role).1);
    #[cfg(feature = "tenancy")]
    let of_tenants = tenancy::statements::indexed().into_iter().map(str::to_owned).chain(tenancy::statements::clearing());
    #[cfg(not(feature = "tenancy"))]
    let of_tenants = Vec::<String>::new();
    #[cfg(feature = "metering")]
    let of_usage = usage::statements::indexed();
    #[cfg(not(feature = "metering"))]
    let of_usage = Vec::<&str>::new();
    fixed.into_iter().chain(of_usage).map(str::to_owned).chain(of_tenants).chain(totals).collect()
}

/// Lists that come out of an index in their order, so that a page costs what is on it.
pub(crate) fn ordered() -> Vec<String> {
    let fixed = [
        parameters::LOAD,
        parameters::VERSIONS,
        flags::LOAD,
        flags::VERSIONS,
        experiments::LOAD,
        api_keys::LIST,
        statistics::BY_DAY,
    ];
    let users = [None, Some(Role::Admin)].map(|role| users::list_statements(role).0);
    // Every combination of restrictions, from the start and from a cursor on.
    let records = (0..16).map(|bits: u8| {
        let given = |bit: u8| (bits & bit != 0).then(|| "x".to_owned());
        let mut filter = AuditFilter::default();
        (filter.platform, filter.environment, filter.target) = (given(1), given(2), given(4));
        audit::list_statement(&filter, bits & 8 != 0)
    });
    #[cfg(feature = "tenancy")]
    let of_tenants = tenancy::statements::ordered();
    #[cfg(not(feature = "tenancy"))]
    let of_tenants = Vec::new();
    #[cfg(feature = "billing")]
    let of_billing = billing::statements::ordered();
    #[cfg(not(feature = "billing"))]
    let of_billing = [String::new(); 0];
    let fixed = fixed.map(str::to_owned).into_iter().chain(of_billing);
    fixed.chain(users).chain(records).chain(transfer::statements()).chain(of_tenants).collect()
}

/// What asks after many tenants at once: by an index for each.
pub(crate) fn watching<E: Engine>() -> [String; 2] {
    [directory::revisions_of::<E>(), users::revisions::<E>()]
}

/// Statements that look beyond one tenant: by an index, in its order.
#[cfg(feature = "tenancy")]
pub(crate) fn across<E: Engine>() -> Vec<String> {
    tenancy::statements::across::<E>()
}

/// Statements that find what is in a list, each by its whole key.
#[cfg(feature = "metering")]
pub(crate) fn of_lists<E: Engine>() -> [String; 2] {
    usage::statements::listed::<E>()
}

/// The same of what is counted, of many tenants.
pub(crate) fn counted<E: Engine>() -> Vec<String> {
    statistics::statements::listed::<E>()
}

/// Statements that remove what was counted long ago of what is in a list.
pub(crate) fn forgetting<E: Engine>() -> [String; 3] {
    statistics::statements::forgetting::<E>()
}

/// Statements that keep the usage of all tenants: by an index, in its order.
#[cfg(feature = "metering")]
pub(crate) fn of_ledger<E: Engine>() -> Vec<String> {
    usage::statements::across::<E>()
}

/// Statements that keep the documents of all tenants: by an index, in its order.
#[cfg(feature = "billing")]
pub(crate) fn of_billing() -> Vec<String> {
    billing::statements::across()
}

/// Statements that find several documents, each by its key.
#[cfg(feature = "billing")]
pub(crate) fn of_documents() -> Vec<String> {
    billing::statements::by_keys()
}

/// Every table with rows of tenants that a tenant's end knows of, in order.
#[cfg(feature = "tenancy")]
pub(crate) fn tables_of_tenants() -> Vec<&'static str> {
    tenancy::statements::tables()
}
