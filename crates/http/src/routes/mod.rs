//! The handlers, by area, and the table of all routes.

pub(crate) mod api_keys;
pub(crate) mod audit;
pub(crate) mod auth;
mod caches;
mod documentation;
mod environments;
mod evaluation;
mod events;
mod experiments;
mod flags;
mod health;
mod parameters;
mod platforms;
mod results;
mod statistics;
mod users;

use crate::route::Route;
#[cfg(test)]
pub(crate) use documentation::page_in_memory as page;

/// Every route there is.
pub(crate) fn table() -> Vec<Route> {
    [
        health::routes(),
        documentation::routes(),
        auth::routes(),
        users::routes(),
        api_keys::routes(),
        platforms::routes(),
        environments::routes(),
        parameters::routes(),
        flags::routes(),
        experiments::routes(),
        evaluation::routes(),
        events::routes(),
        statistics::routes(),
        results::routes(),
        caches::routes(),
        audit::routes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
